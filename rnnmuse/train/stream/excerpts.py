"""Excerpts of held-out pieces: a prompt of some bars and the real bars that follow, in one metre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnnmuse.events import Note
from rnnmuse.music.codec import BAR_BEAT, BAR_LENGTH, BAR_SUB, BEATS, GRID, SUB, TEMPO, PartClass, decode
from rnnmuse.music.piece import Metre, Part, Piece, Tempo
from rnnmuse.train.corpus import TEMPI, Item

PROMPT = 8
"""Bars of a prompt."""
HOPS = (16, 8, 4, 2, 1)  # bars between two excerpts of a piece; the widest that gives enough is taken
LEAST = 16  # notes in the real bars


@dataclass(frozen=True, slots=True)
class Excerpt:
    """``prompt`` bars of a held-out piece and the ``real`` bars after it, each counted from its own beat 0.

    ``players`` are the part classes of the real bars; ``group`` is the work that the piece belongs to.
    """

    name: str
    """The piece's path in the corpus."""
    group: int
    metre: Metre
    """The one metre of all its bars."""
    tempo: float
    """Beats a minute."""
    players: tuple[int, ...]
    prompt: Piece
    real: Piece


def excerpts(items: Sequence[Item], classes: Sequence[PartClass], bars: int, count: int) -> list[Excerpt]:
    """Up to ``count`` excerpts, spread evenly over the pieces and over each piece.

    Only spans in one metre are used. The prompt plays in its last bar, and the real bars hold at least LEAST notes.
    """
    best: list[list[Excerpt]] = []
    for hop in HOPS:
        best = [found for item in items if (found := _of_piece(item, classes, bars, hop))]
        if sum(map(len, best)) >= count:
            break
    each, out = [_spread(found) for found in best], []
    for turn in range(max(map(len, each), default=0)):
        out += [found[turn] for found in each if turn < len(found)]
    return out[:count]


def _spread(found: list[Excerpt]) -> list[Excerpt]:
    """The same excerpts in an order in which the first few lie far apart."""
    order = sorted(range(len(found)), key=lambda i: int(f"{i:016b}"[::-1], 2))
    return [found[i] for i in order]


def _of_piece(item: Item, classes: Sequence[PartClass], bars: int, hop: int) -> list[Excerpt]:
    events, context = item.encoded.events.astype(np.int64), item.encoded.context.astype(np.int64)
    if not len(events):
        return []
    # as `decode` counts, from the first event's beat in its bar
    first = int(context[0, BAR_BEAT]) * GRID
    grids = first + np.cumsum(events[:, BEATS] * GRID + events[:, SUB])
    starts = grids - context[:, BAR_BEAT] * GRID - context[:, BAR_SUB]
    lengths = context[:, BAR_LENGTH] * GRID // 2
    drums = frozenset(i for i, own in enumerate(classes) if own.drum)
    notes = decode(item.encoded.events, first, drums)
    out: list[Excerpt] = []
    at = 0
    while at < len(events):
        length, begin = int(lengths[at]), int(starts[at])
        same = (lengths[at:] == length) & ((starts[at:] - begin) % max(1, length) == 0)
        end = at + (int(same.argmin()) if not same.all() else len(same))
        last = int(starts[end - 1]) + length
        if length % 12 == 0 and length:
            bpm = TEMPI[int(context[at, TEMPO])]
            for start in range(begin, last - (PROMPT + bars) * length + 1, hop * length):
                found = _excerpt(item, classes, notes, start, length, bars, bpm)
                if found is not None:
                    out.append(found)
        at = end
    return out


def _excerpt(item: Item, classes: Sequence[PartClass], notes: list[Note], start: int, length: int, bars: int,
             bpm: float) -> Excerpt | None:  # fmt: skip
    halves = length // 12
    metre = Metre(0.0, halves // 2, 4) if halves % 2 == 0 else Metre(0.0, halves, 8)
    middle, end = start + PROMPT * length, start + (PROMPT + bars) * length
    prompt = between(notes, start, middle)
    real = between(notes, middle, end)
    if not prompt or len(real) < LEAST:
        return None
    before = _piece(prompt, classes, metre, bpm)
    if before.bar_start_after(max(0.0, before.end - 0.2)) != PROMPT * metre.bar_beats:
        return None
    players = tuple(sorted({n.part for n in real}))
    return Excerpt(item.name, item.group, metre, bpm, players, before, _piece(real, classes, metre, bpm))


def between(notes: Sequence[Note], start: int, end: int) -> list[Note]:
    """The notes that begin in a span of 24ths of a beat, counted from its start and ended at its end."""
    length = (end - start) / GRID
    out = []
    for note in notes:
        if start <= round(note.start * GRID) < end:
            at = note.start - start / GRID
            out.append(replace(note, start=at, duration=max(1 / 480, min(note.duration, length - at))))
    return out


def _piece(notes: Sequence[Note], classes: Sequence[PartClass], metre: Metre, bpm: float) -> Piece:
    parts = [Part(own.name, own.program, own.drum) for own in classes]
    for note in notes:
        parts[note.part].notes.append(note)
    return Piece([part for part in parts if part.notes], [Tempo(0.0, bpm)], [metre])
