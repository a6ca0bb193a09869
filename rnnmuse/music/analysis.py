"""Numbers that tell music from noise: eight statistics of a piece, for comparing generated music with real."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import islice, pairwise

import numpy as np

from rnnmuse.music.piece import Piece

STATISTICS = (
    "pitch-class entropy", "scale consistency", "polyphony", "inter-onset entropy", "note length",
    "repeated 8-grams", "empty bars", "velocity spread",
)  # fmt: skip
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_HARMONIC = (0, 2, 3, 5, 7, 8, 11)
_SCALES = [frozenset((tonic + step) % 12 for step in scale) for scale in (_MAJOR, _HARMONIC) for tonic in range(12)]


def entropy(values: Sequence[object]) -> float:
    """Shannon entropy of the values' histogram, in bits."""
    total = len(values)
    return -sum(c / total * math.log2(c / total) for c in Counter(values).values()) if total else 0.0


def statistics(piece: Piece, bars: int | None = None) -> dict[str, float]:
    """The eight STATISTICS of a piece, or of its first ``bars`` bars.

    - pitch-class entropy: bits; of a piece of drums alone, over the drums.
    - scale consistency: largest share of notes in one major or harmonic minor scale (Mogren 2016); of drums alone,
      the share of strokes on the four most used drums.
    - polyphony: mean number of notes sounding where any sounds; of drums alone, strokes an onset.
    - inter-onset entropy: bits, over the waits between onsets in 24ths of a beat, up to two beats.
    - note length: median, in beats; of drums alone, the median wait between onsets.
    - repeated 8-grams: share of runs of 8 (pitch, wait) pairs that occurred before in the piece.
    - empty bars: share of bars in which no note starts or sounds.
    - velocity spread: standard deviation of the velocities.
    """
    end = min(bar_line(piece, bars), _ceil(piece)) if bars else _ceil(piece)
    notes = [n for n in piece.notes if n.start < end - 1e-6]
    if not notes:
        return dict.fromkeys(STATISTICS, 0.0) | {"empty bars": 1.0}
    drums = all(part.drum for part in piece.parts if part.notes)
    pitched = notes if drums else [n for n in notes if not piece.parts[n.part].drum]
    classes = [n.pitch if drums else n.pitch % 12 for n in pitched]
    onsets = sorted({round(n.start * 24) for n in notes})
    waits = [min(b - a, 48) for a, b in pairwise(onsets)]
    if drums:
        top = sum(count for _, count in Counter(classes).most_common(4)) / len(classes)
        polyphony = len(notes) / len(onsets)
        lengths = sorted(wait / 24 for wait in waits) or [0.0]
    else:
        top = max(sum(pc in scale for pc in classes) for scale in _SCALES) / max(1, len(classes))
        polyphony = _polyphony([(n.start, min(n.end, end)) for n in pitched])
        lengths = sorted(n.duration for n in pitched) or [0.0]
    velocities = [n.velocity for n in notes]
    mean = sum(velocities) / len(velocities)
    return {
        "pitch-class entropy": entropy(classes),
        "scale consistency": top,
        "polyphony": polyphony,
        "inter-onset entropy": entropy(waits),
        "note length": lengths[len(lengths) // 2],
        "repeated 8-grams": _repeated([(n.pitch, round(n.start * 24)) for n in notes]),
        "empty bars": _empty(piece, end),
        "velocity spread": math.sqrt(sum((v - mean) ** 2 for v in velocities) / len(velocities)),
    }


def bar_line(piece: Piece, bars: int) -> float:
    """The beat at which ``bars`` bars from the start have passed; a pickup is no bar."""
    return next(islice(piece.bar_lines(), bars + 1 - piece.first_bar, None))


def _ceil(piece: Piece) -> float:
    return piece.bar_start_after(piece.end)


def _polyphony(spans: list[tuple[float, float]]) -> float:
    edges = sorted([(start, 1) for start, _ in spans] + [(stop, -1) for _, stop in spans])
    sounding, before, area, heard = 0, 0.0, 0.0, 0.0
    for at, change in edges:
        if sounding:
            area += sounding * (at - before)
            heard += at - before
        sounding, before = sounding + change, at
    return area / heard if heard else 0.0


def _repeated(line: list[tuple[int, int]], size: int = 8) -> float:
    steps = [(pitch, grid - line[i - 1][1] if i else 0) for i, (pitch, grid) in enumerate(line)]
    seen: set[tuple[tuple[int, int], ...]] = set()
    again = 0
    count = len(steps) - size
    for i in range(1, count + 1):
        gram = tuple(steps[i : i + size])
        again += gram in seen
        seen.add(gram)
    return again / count if count > 0 else 0.0


def _empty(piece: Piece, end: float) -> float:
    starts = piece.bar_starts(end)
    if not starts:
        return 1.0
    busy = np.zeros(len(starts) + 1, np.int64)
    for note in piece.notes:
        first = max(0, int(np.searchsorted(starts, note.start + 1e-6, side="right")) - 1)
        last = int(np.searchsorted(starts, note.end - 1e-6, side="left"))
        busy[first] += 1
        busy[max(first + 1, min(last, len(starts)))] -= 1
    return float((np.cumsum(busy)[:-1] == 0).mean())
