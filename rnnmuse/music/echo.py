"""The echo plan: which earlier bar each bar restates, and how.

A bar is compared with the bars up to 32 before it. It restates one as it was, transposed, or in its rhythm alone. The
plan is context of the stream model, so that it can be asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rnnmuse.events import Note
from rnnmuse.music.piece import Piece

LAGS = (1, 2, 4, 8, 16)
"""Distances in bars that have a class of their own; any other up to FURTHEST is one class."""
FURTHEST = 32
EXACT, TRANSPOSED, RHYTHM = range(3)
NEW = 0
"""The class of a bar that restates none."""
CLASSES = 1 + 3 * (len(LAGS) + 1)
ALIKE = 0.7
"""Share of common onsets (Jaccard) from which two bars count as alike."""
STEPS_A_BEAT = 4

Stroke = tuple[int, int, int]
"""Sixteenth in the bar, part, pitch."""


class Again(NamedTuple):
    """How a bar of a part plays an earlier one again: each of its onsets is there, and no other."""

    how: int
    """EXACT, TRANSPOSED or RHYTHM."""
    lag: int
    """Bars back, 1 to FURTHEST."""
    shift: int
    """Semitones up, where it is transposed."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from beat ``start``, ``beats`` long."""

    start: float
    beats: float


def echo_class(lag: int, how: int) -> int:
    """The class (1 to CLASSES - 1) of a bar that restates the one ``lag`` bars before."""
    return 1 + 3 * (LAGS.index(lag) if lag in LAGS else len(LAGS)) + how


def lag_of(echo: int) -> int | None:
    """The lag in bars that a class names; None for NEW and for a lag without a class of its own."""
    index = (echo - 1) // 3
    return LAGS[index] if 0 < echo < CLASSES and index < len(LAGS) else None


def bars_of(piece: Piece, end: float) -> list[Bar]:
    """The bars of a piece up to beat ``end``; where it has a pickup the first begins before beat 0."""
    out: list[Bar] = []
    first = piece.metre_at(0.0)
    beat = piece.pickup - first.bar_beats if 0 < piece.pickup < first.bar_beats else 0.0
    changes = [m.beat for m in piece.metres]
    while beat < end - 1e-6 or not out:
        length = piece.metre_at(max(0.0, beat)).bar_beats
        following = min((at for at in changes if at > max(0.0, beat) + 1e-6), default=float("inf"))
        length = min(length, following - beat)
        out.append(Bar(beat, length))
        beat += length
    return out


def strokes(notes: Sequence[Note], bars: Sequence[Bar]) -> list[frozenset[Stroke]]:
    """The onsets of each bar, to the nearest sixteenth."""
    out: list[set[Stroke]] = [set() for _ in bars]
    index = 0
    for note in sorted(notes):
        while index + 1 < len(bars) and note.start >= bars[index + 1].start - 0.5 / STEPS_A_BEAT:
            index += 1
        step = round((note.start - bars[index].start) * STEPS_A_BEAT)
        out[index].add((step, note.part, note.pitch))
    return [frozenset(one) for one in out]


def echoes(content: Sequence[frozenset[Stroke]]) -> list[int]:
    """The echo class of each bar. The nearest exact likeness is named, else a transposed one, else a rhythm."""
    rhythms = [Counter((step, part) for step, part, _ in bar) for bar in content]
    out: list[int] = []
    for index, bar in enumerate(content):
        best = NEW
        found: dict[int, int] = {}
        if len(bar) >= 2:
            for lag in (*LAGS, *(n for n in range(3, min(index, FURTHEST) + 1) if n not in LAGS)):
                if lag > index:
                    continue
                how = likeness(bar, content[index - lag], rhythms[index], rhythms[index - lag])
                if how is not None:
                    found.setdefault(how, lag)
                    if how == EXACT:
                        break
        if found:
            how = min(found)
            best = echo_class(found[how], how)
        out.append(best)
    return out


def repeats(content: Sequence[frozenset[Stroke]]) -> list[Again | None]:
    """How each bar of a part plays an earlier one again: the nearest that is the same, else moved, else in rhythm.

    ``content`` are the strokes of one part. A bar of fewer than two onsets has its rhythm from nobody.
    """
    shapes = [_shape(bar) for bar in content]
    out: list[Again | None] = []
    for index, (notes, moved, rhythm, low) in enumerate(shapes):
        found: dict[int, Again] = {}
        for lag in range(1, min(index, FURTHEST) + 1) if notes else ():
            other = shapes[index - lag]
            alike = (notes == other[0], moved == other[1], rhythm == other[2] and len(rhythm) >= 2)
            for how in (EXACT, TRANSPOSED, RHYTHM):
                if alike[how]:
                    found.setdefault(how, Again(how, lag, low - other[3] if how == TRANSPOSED else 0))
        out.append(found[min(found)] if found else None)
    return out


def _shape(bar: frozenset[Stroke]) -> tuple[list[Stroke], list[Stroke], list[int], int]:
    """The strokes of a bar, the same from its lowest note, its rhythm, and the lowest note."""
    low = min((pitch for _, _, pitch in bar), default=0)
    return sorted(bar), sorted((step, part, pitch - low) for step, part, pitch in bar), sorted({s[0] for s in bar}), low


def likeness(
    bar: frozenset[Stroke],
    other: frozenset[Stroke],
    rhythm: Counter[tuple[int, int]],
    other_rhythm: Counter[tuple[int, int]],
) -> int | None:
    """How ``bar`` restates ``other``: EXACT, TRANSPOSED, RHYTHM, or None where it does not."""
    if not other:
        return None
    common = len(bar & other)
    if common >= ALIKE * (len(bar) + len(other) - common):
        return EXACT
    shared = (rhythm & other_rhythm).total()
    if shared < ALIKE * (rhythm.total() + other_rhythm.total() - shared):
        return None
    if len(bar) >= 3:
        shifts: Counter[int] = Counter()
        places: dict[tuple[int, int], list[int]] = {}
        for step, part, pitch in other:
            places.setdefault((step, part), []).append(pitch)
        for step, part, pitch in bar:
            shifts.update(pitch - before for before in places.get((step, part), ()))
        shift, count = shifts.most_common(1)[0] if shifts else (0, 0)
        if shift and count >= ALIKE * (len(bar) + len(other) - count):
            return TRANSPOSED
    return RHYTHM
