"""Distances between events as the stream model's memory sees them: in bars, from a whole bar, and in semitones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BARS = 34
"""Classes of the lag in bars: 0 to 32, and beyond."""
DISTANCE_EDGES = (1, 2, 3, 5, 7, 13, 25, 49)
"""Grid steps from a whole number of bars at which the next class begins."""
DISTANCES = len(DISTANCE_EDGES) + 1
WIDEST = 24
NO_INTERVAL = 2 * WIDEST + 1
INTERVALS = NO_INTERVAL + 1
"""Classes of an interval: -24 to 24 semitones, and none."""


def lag_classes(lags: NDArray[Any], bar: int) -> NDArray[np.int64]:
    """The class (0 to BARS x DISTANCES - 1) of lags in grid steps, in bars of ``bar`` steps."""
    lags = np.maximum(lags, 0)
    count = np.minimum((lags + bar // 2) // bar, BARS - 1)
    away = np.abs(lags - count * bar)
    return np.asarray(count * DISTANCES + np.searchsorted(DISTANCE_EDGES, away, side="right"), np.int64)


def last_pitches(events: Sequence[Sequence[int]] | NDArray[Any], parts: int, drums: int, on: int) -> NDArray[np.int16]:
    """The pitch of the note-on before each event in its part, -1 without; rows are (.., kind, part, pitch, ..)."""
    out = np.full(len(events), -1, np.int16)
    last = [-1] * parts
    rows = events.tolist() if isinstance(events, np.ndarray) else events
    for index, row in enumerate(rows):
        kind, part, pitch = row[2], row[3], row[4]
        if part == drums:
            continue
        out[index] = last[part]
        if kind == on:
            last[part] = pitch
    return out
