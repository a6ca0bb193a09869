"""Structure of a piece by bars: which bars return, which parts stay, which notes leave the key.

Every function takes whole bars of one metre that begin at beat 0. Onsets are first moved to the nearest sixteenth or
triplet eighth (of drums: to the nearest sixteenth, and to one of nine instruments), so that a performer's timing does
not make two playings of one bar differ. No human drummer repeats every ghost note: a bar of drums counts as repeated
when three quarters of its strokes are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnmuse.events import Note
from rnnmuse.music.phrases import DRUM_OF
from rnnmuse.music.piece import Key, Part, Piece
from rnnmuse.music.theory import estimate_key

REACH = 8
"""Bars back in which a bar counts as repeated."""
ALIKE = 0.75
"""Jaccard index of their strokes from which two bars of drums are the same."""
BUSY_BARS = 0.5  # share of the bars in which a busy part plays
BUSY_NOTES = 2.0  # onsets in each of these bars, on average
_PLACES = np.array([0, 6, 8, 12, 16, 18, 24])  # sixteenths and triplet eighths, in 24ths of a beat
_SCALES = {False: frozenset((0, 2, 4, 5, 7, 9, 11)), True: frozenset((0, 2, 3, 5, 7, 8, 10, 11))}
"""Major, and minor with both sevenths."""

Bar = frozenset[tuple[int, int]]
"""The onsets of a bar: place in 24ths of a beat and pitch."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """Shares of a part's bars that restate one of the REACH bars before: as it was, transposed, or its rhythm alone.

    Drums are not transposed: the share is NaN.
    """

    exact: float
    transposed: float
    rhythm: float


def snapped(beat: float) -> int:
    """The nearest sixteenth or triplet eighth to ``beat``, in 24ths of a beat."""
    grid = round(beat * 24)
    return grid // 24 * 24 + int(_PLACES[np.abs(_PLACES - grid % 24).argmin()])


def onsets(part: Part, bars: int, bar_beats: float) -> list[Bar]:
    """The onsets of each of the first ``bars`` bars of a part."""
    length = round(bar_beats * 24)
    out: list[set[tuple[int, int]]] = [set() for _ in range(bars)]
    for note in part.notes:
        at = round(note.start * 4) * 6 if part.drum else snapped(note.start)
        bar, place = divmod(at, length)
        if 0 <= bar < bars:
            out[bar].add((place, DRUM_OF.get(note.pitch, note.pitch) if part.drum else note.pitch))
    return [frozenset(bar) for bar in out]


def is_busy(rows: Sequence[Bar]) -> bool:
    """Whether a part plays enough for its repetition to mean something."""
    playing = [row for row in rows if row]
    notes = sum(len({place for place, _ in row}) for row in playing)
    return len(playing) >= BUSY_BARS * len(rows) and notes >= BUSY_NOTES * max(1, len(playing))


def repetition(rows: Sequence[Bar], drum: bool = False) -> Repetition:
    """How much of a part returns; bars with fewer than two onsets, and the first bar, are not counted."""
    rhythms = [frozenset(place for place, _ in row) for row in rows]
    lowest = [min((pitch for _, pitch in row), default=0) for row in rows]
    moved = [frozenset((place, pitch - low) for place, pitch in row) for row, low in zip(rows, lowest, strict=True)]
    counted = [i for i in range(1, len(rows)) if len(rhythms[i]) >= 2]
    if not counted:
        return Repetition(0.0, float("nan") if drum else 0.0, 0.0)

    def share(shapes: Sequence[frozenset[Any]], least: float = 1.0) -> float:
        again = [any(jaccard(shapes[i], one) >= least for one in shapes[max(0, i - REACH) : i]) for i in counted]
        return sum(again) / len(counted)

    if drum:
        return Repetition(share(rows, ALIKE), float("nan"), share(rhythms))
    return Repetition(share(rows), share(moved), share(rhythms))


def jaccard(a: frozenset[Any], b: frozenset[Any]) -> float:
    """Size of the intersection over that of the union; 0 for two empty sets."""
    return len(a & b) / max(1, len(a | b))


def repetitions(piece: Piece, bars: int, bar_beats: float) -> dict[str, Repetition]:
    """The repetition of each busy part, by the part's name."""
    found = {}
    for part in piece.parts:
        rows = onsets(part, bars, bar_beats)
        if is_busy(rows):
            found[part.name.lower()] = repetition(rows, part.drum)
    return found


def survival(piece: Piece, bars: int, bar_beats: float) -> float:
    """Share of the parts of the first quarter of the bars that play in the last quarter; NaN if none plays there."""
    quarter = max(1, bars // 4) * bar_beats
    end = bars * bar_beats
    first = [part for part in piece.parts if any(n.start < quarter - 0.02 for n in part.notes)]
    last = sum(any(end - quarter - 0.02 <= n.start < end - 0.02 for n in part.notes) for part in first)
    return last / len(first) if first else float("nan")


def outside_key(notes: Iterable[Note], key: Key | None = None) -> float:
    """Share of pitched notes outside ``key``, or outside their own estimated key; NaN for no notes.

    The raised seventh belongs to a minor key.
    """
    notes = list(notes)
    if not notes:
        return float("nan")
    key = key or estimate_key(notes)
    return sum((n.pitch - key.tonic) % 12 not in _SCALES[key.minor] for n in notes) / len(notes)


def pitched(piece: Piece) -> list[Note]:
    """The notes of every part but the drums."""
    return [note for part in piece.parts if not part.drum for note in part.notes]


def self_similarity(piece: Piece, bars: int, bar_beats: float) -> NDArray[np.float64]:
    """Likeness of every two bars, (bars, bars): the Jaccard index of their onsets over all parts, 0 for empty bars."""
    rows = [
        frozenset((index, *onset) for index, own in enumerate(parts) for onset in own)
        for parts in zip(*(onsets(part, bars, bar_beats) for part in piece.parts), strict=True)
    ] or [frozenset()] * bars
    return np.array([[jaccard(a, b) for b in rows] for a in rows])
