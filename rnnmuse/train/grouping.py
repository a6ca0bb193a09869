"""Works: which pieces of a corpus are copies, transpositions or arrangements of one another."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from rnnmuse.music.piece import Piece

SKETCH = 96
SHARED = 6  # hashes, and
SHARE = 0.33  # of the smaller sketch, that two pieces of one work have in common
COMMON = 40  # pieces from which a hash says nothing


def sketch(piece: Piece) -> frozenset[int]:
    """A fingerprint that transposition leaves alone: the lowest hashes of the top line's runs of 8 intervals.

    The bottom-k sketch of Broder (1997): the overlap of two sketches estimates that of the whole sets. A piece
    of drums alone is known by its runs of 12 strokes.
    """
    pitched = [part for part in piece.parts if part.notes and not part.drum]
    runs: set[bytes] = set()
    if pitched:
        tops: dict[float, int] = {}
        line = max(pitched, key=lambda part: sum(n.pitch for n in part.notes) / len(part.notes))
        for note in line.notes:
            tops[note.start] = max(note.pitch, tops.get(note.start, 0))
        pitches = [pitch for _, pitch in sorted(tops.items())]
        steps = [b - a for a, b in pairwise(pitches)]
        windows = [tuple(steps[i : i + 8]) for i in range(len(steps) - 7)]
        runs = {repr(w).encode() for w in windows if len(set(w)) > 2}
    else:
        strokes = [(n.pitch, round(n.start * 4) % 4) for n in piece.notes]
        runs = {repr(strokes[i : i + 12]).encode() for i in range(len(strokes) - 11)}
    return frozenset(sorted(zlib.crc32(run) for run in runs)[:SKETCH])


Sketch = frozenset[int] | NDArray[np.uint32]
"""A fingerprint; an array takes a tenth of a set's memory."""


def grouped(sketches: Sequence[Sketch]) -> list[int]:
    """A number for each piece, the same for those whose sketches share a third, directly or by way of others."""
    count = len(sketches)
    sizes = np.array([len(one) for one in sketches], np.int64)
    hashes = np.concatenate([np.fromiter(one, np.uint32, len(one)) for one in sketches] or [np.zeros(0, np.uint32)])
    pieces = np.repeat(np.arange(count, dtype=np.int32), sizes)
    order = np.argsort(hashes, kind="stable")
    hashes, pieces = hashes[order], pieces[order]
    starts = (
        np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1]))) if len(hashes) else np.zeros(0, np.int64)
    )
    often = np.diff(np.append(starts, len(hashes)))
    telling = np.repeat((often > 1) & (often < COMMON), often)
    if not telling.any():
        return list(range(count))
    columns = np.repeat(np.arange(len(starts), dtype=np.int32), often)[telling]
    rows = pieces[telling]
    holds = csr_array((np.ones(len(rows), np.int32), (rows, columns)), shape=(count, len(starts)))
    shared = (holds @ holds.T).tocoo()
    alike = (shared.data >= SHARED) & (shared.data >= SHARE * np.minimum(sizes[shared.row], sizes[shared.col]))
    links = csr_array((alike[alike], (shared.row[alike], shared.col[alike])), shape=(count, count))
    return [int(label) for label in connected_components(links, directed=False)[1]]
