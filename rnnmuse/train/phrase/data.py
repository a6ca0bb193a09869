"""From encoded pieces to phrases: windows of whole bars of 4/4, a bar apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnmuse.events import Note
from rnnmuse.music.codec import BAR_BEAT, BAR_LENGTH, BAR_SUB, BEATS, GRID, KEY, ROOT, SUB, TEMPO, decode
from rnnmuse.music.phrases import BAR, ONSET, REST, STEPS_A_BEAT, UNKNOWN, Grid, drum_grid, melody_grid
from rnnmuse.train.corpus import TEMPI, Item, split

BAR_GRID = 4 * GRID
FOUR_FOUR, TWO_FOUR = 8, 4  # lengths of a bar in eighths, as the codec's context has them


@dataclass(frozen=True, slots=True)
class Windows:
    """Phrases of one length: ``grids`` (N, T, 3) or (N, T, 9, 3), ``context`` (N, T, 3), ``piece`` (N,) of each.

    ``tempo`` (N,) is in bpm, to within the codec's tempo classes.
    """

    grids: Grid
    context: Grid
    piece: NDArray[np.int32]
    """Index of the piece among those read."""
    tempo: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.grids)


def windows(items: Sequence[Item], bars: int, drum: bool) -> Windows:
    """Every different phrase of ``bars`` bars in the pieces.

    Bars are those of 4/4 (and 2/2), a pair of bars of 2/4 counting as one; music in other metres is left out, as
    are melodies with two notes on one sixteenth, with fewer than two notes a bar or with an empty bar, and drums
    with fewer than three strokes a bar. Part 0 of the pieces is the melody or the drums.
    """
    grids: list[Grid] = []
    contexts: list[Grid] = []
    piece: list[int] = []
    tempo: list[float] = []
    for index, item in enumerate(items):
        seen: set[bytes] = set()
        for grid, context, bpm in _of_item(item, bars, drum):
            key = grid.tobytes()
            if key not in seen:
                seen.add(key)
                grids.append(grid)
                contexts.append(context)
                piece.append(index)
                tempo.append(bpm)
    steps = bars * BAR
    empty = np.zeros((0, steps, 9, 3) if drum else (0, steps, 3), np.int16)
    return Windows(
        np.stack(grids) if grids else empty,
        np.stack(contexts) if contexts else np.zeros((0, steps, 3), np.int16),
        np.array(piece, np.int32),
        np.array(tempo, np.float32),
    )


def _of_item(item: Item, bars: int, drum: bool) -> list[tuple[Grid, Grid, float]]:
    events, context = item.encoded.events, item.encoded.context
    start = int(context[0, BAR_BEAT]) * GRID
    at = start + np.cumsum(events[:, BEATS].astype(np.int64) * GRID + events[:, SUB])
    line = at - (context[:, BAR_BEAT].astype(np.int64) * GRID + context[:, BAR_SUB])  # each event's bar line
    length = context[:, BAR_LENGTH]
    notes = [n for n in decode(events, start, frozenset({0} if drum else ())) if n.part == 0]
    begins = np.array([n.start for n in notes])
    found = []
    width = bars * BAR_GRID
    for first in _bar_lines(line, length):
        inside = (at >= first) & (at < first + width)
        if not (np.isin(length[inside], (FOUR_FOUR, TWO_FOUR)).all() and len(np.unique(length[inside])) == 1):
            continue
        unit = BAR_GRID if length[inside][0] == FOUR_FOUR else BAR_GRID // 2
        if ((line[inside] - first) % unit).any():
            continue
        beat = first / GRID
        low, high = np.searchsorted(begins, (beat - 0.13, beat + 4 * bars - 0.12))
        own = [Note(n.start - beat, n.pitch, n.duration, n.velocity) for n in notes[low:high]]
        grid, lost = (drum_grid if drum else melody_grid)(own, bars)
        if not (_plays(grid, bars) if drum else not lost and _sings(grid, bars)):
            continue
        rows = np.searchsorted(at, first + np.arange(bars * BAR) * (GRID // STEPS_A_BEAT), side="right") - 1
        rows = np.maximum(rows, int(np.flatnonzero(inside)[0]))  # before its first event a phrase has that one's
        around = np.tile(np.array(UNKNOWN, np.int16), (bars * BAR, 1)) if drum else context[rows, KEY : ROOT + 2]
        found.append((grid, around.astype(np.int16), TEMPI[int(context[rows[0], TEMPO])]))
    return found


def _bar_lines(line: NDArray[np.int64], length: NDArray[np.int16]) -> list[int]:
    """Bar lines at which a phrase may begin: each of 4/4; of 2/4 every second one from the first of a stretch."""
    out = [int(x) for x in np.unique(line[length == FOUR_FOUR])]
    halves = np.unique(line[length == TWO_FOUR])
    origin = None
    for index, x in enumerate(halves.tolist()):
        if origin is None or (x - halves[index - 1]) % (BAR_GRID // 2):
            origin = x
        if (x - origin) % BAR_GRID == 0:
            out.append(x)
    return sorted(out)


def _sings(grid: Grid, bars: int) -> bool:
    by_bar = grid[:, 0].reshape(bars, BAR)
    return bool((by_bar >= ONSET).sum() >= 2 * bars and (by_bar != REST).any(1).all())


def _plays(grid: Grid, bars: int) -> bool:
    return bool((grid[..., 0].reshape(bars, -1).sum(1) >= 3).all())


def joined(corpora: Sequence[Sequence[Item]]) -> list[Item]:
    """The pieces of several corpora; one that an earlier corpus has too, in whatever key, takes its split there."""
    every = [item for corpus in corpora for item in corpus]
    given = {item.name: item.split for item in corpora[0]}
    grouped = split(every, given)
    of_group: dict[int, str] = {}
    first = len(corpora[0])
    for item in grouped[:first]:
        of_group.setdefault(item.group, item.split)
    later = [
        Item(i.name, i.encoded, i.sketch, i.group, of_group.get(i.group, own.split))
        for i, own in zip(grouped[first:], every[first:], strict=True)
    ]
    return grouped[:first] + later
