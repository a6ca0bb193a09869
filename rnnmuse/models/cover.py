"""tmp"""
from __future__ import annotations
import numpy as np
from numpy.typing import NDArray
ATTRIBUTES = ("brightness", "contrast", "warmth", "tint", "variety", "detail", "sky")
START = 4
GRID = 32
NOISE = 4
NOISE_GRID = 128
Array = NDArray[np.float32]

def spline(at: NDArray[np.float32], cells: int) -> Array:
    """Weights of a uniform cubic B-spline: (len(at), cells); ``at`` is 0 to 1 over the cells' centres and edges.

    Beyond the outermost centres the edge cell goes on, so that rows sum to 1.
    """
    place = np.asarray(at, np.float64) * cells - 0.5
    whole = np.floor(place).astype(int)
    t = place - whole
    four = (
        (1 - t) ** 3 / 6,
        (3 * t**3 - 6 * t**2 + 4) / 6,
        (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
        t**3 / 6,
    )
    weights = np.zeros((len(place), cells), np.float64)
    rows = np.arange(len(place))
    for offset, value in zip((-1, 0, 1, 2), four, strict=True):
        np.add.at(weights, (rows, np.clip(whole + offset, 0, cells - 1)), value)
    return weights.astype(np.float32)
