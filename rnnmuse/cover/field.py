"""What a print look takes from a picture: smooth fields of lightness and colour, and how its figure stands out.

A field is low-passed so that only composition is left: at `CYCLES` cycles a side a Gaussian has halved its amplitude.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rnnmuse.cover.palette import lab

Array = NDArray[np.float32]
Pixels = NDArray[np.uint8]
CYCLES = 12.0
GRID = 32
"""Cells a side at which shapes are counted."""
SHARES = (0.2, 0.3, 0.4, 0.5, 0.6)
"""Shares of the area at which lightness is cut in two, to look for a figure."""


@dataclass(frozen=True, slots=True)
class Figure:
    """The most prominent shape of a picture: lighter or darker than what is around it.

    ``share`` of the area 0-1, ``difference`` in L* between it and the rest, ``border`` the share of the picture's
    border that it touches.
    """

    share: float
    difference: float
    border: float

    @property
    def prominence(self) -> float:
        """0-1: 1 for a shape of 12-60 % of the area, 30 L* from its ground and free of the border."""
        size = min(1.0, self.share / 0.12, max(0.0, 1 - self.share) / 0.4)
        return size * min(1.0, self.difference / 30) * (1 - 0.7 * self.border)


def low_passed(values: Array, cycles: float = CYCLES) -> Array:
    """A square field (s, s, …) through a Gaussian that halves the amplitude at ``cycles`` a side; edges mirrored."""
    matrix = _gaussian(len(values), cycles)
    rows = np.tensordot(matrix, values, 1)
    return np.asarray(np.moveaxis(np.tensordot(matrix, np.moveaxis(rows, 1, 0), 1), 0, 1), np.float32)


@lru_cache(maxsize=16)
def _gaussian(side: int, cycles: float) -> Array:
    sigma = side * math.sqrt(math.log(2) / 2) / (math.pi * cycles)
    at = np.arange(side)
    matrix = np.zeros((side, side))
    for image in (at, -1 - at, 2 * side - 1 - at):  # the field, and its mirror images at both edges
        matrix += np.exp(-np.square(at[:, None] - image[None, :]) / (2 * sigma * sigma))
    return np.asarray(matrix / matrix.sum(1, keepdims=True), np.float32)


def figure_of(pixels: Pixels) -> Figure:
    """The most prominent shape of a square picture (s, s, 3), its side a multiple of GRID."""
    light = low_passed(_shrunk(lab(pixels)[..., 0].astype(np.float32)))
    best = Figure(0.0, 0.0, 1.0)
    for share in SHARES:
        cut = float(np.quantile(light, share))
        for mask in (light < cut, light > float(np.quantile(light, 1 - share))):
            shape = largest_shape(mask)
            if 0 < shape.sum() < shape.size:
                found = Figure(float(shape.mean()), float(abs(light[shape].mean() - light[~shape].mean())),
                               float(_border(shape).mean()))  # fmt: skip
                best = max(best, found, key=lambda figure: figure.prominence)
    return best


def largest_shape(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest part of a mask that hangs together by its sides."""
    wide = mask.shape[1] + 2
    open_cells = set(np.flatnonzero(np.pad(mask, 1)).tolist())
    best: list[int] = []
    while len(open_cells) > len(best):
        shape = [open_cells.pop()]
        for cell in shape:
            for near in (cell - 1, cell + 1, cell - wide, cell + wide):
                if near in open_cells:
                    open_cells.remove(near)
                    shape.append(near)
        best = max(best, shape, key=len)
    found = np.zeros((mask.shape[0] + 2) * wide, bool)
    found[best] = True
    return found.reshape(-1, wide)[1:-1, 1:-1]


def _border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])


def _shrunk(values: Array) -> Array:
    step = len(values) // GRID
    return np.asarray(values[: step * GRID, : step * GRID].reshape(GRID, step, GRID, step).mean((1, 3)), np.float32)
