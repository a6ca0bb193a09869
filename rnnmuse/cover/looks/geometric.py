"""Geometric: the composition on a coarse grid of quarter circles, discs, halves and squares."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnmuse.cover.composition import Composition
from rnnmuse.cover.inks import Ink, Palette
from rnnmuse.cover.plate import Array, Outline, Plate, Print

CELLS = (6, 8, 10)
ARC = 0.5522847498
"""Length of a cubic curve's handles for a quarter of a unit circle."""

Distance = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Tile:
    """A shape in a cell: a kind of SHAPES, rotated by quarter turns."""

    row: int
    """From 0, from the top."""
    column: int
    """From 0, from the left."""
    kind: str
    """A key of SHAPES."""
    turn: int
    """Quarter turns, 0 to 3."""


SHAPES: dict[str, Distance] = {
    "square": lambda u, v: np.full(np.broadcast_shapes(u.shape, v.shape), 0.5),
    "quarter": lambda u, v: 1 - np.hypot(u, v),
    "disc": lambda u, v: 0.5 - np.hypot(u - 0.5, v - 0.5),
    "half": lambda u, v: 0.5 - np.hypot(u, v - 0.5),
    "corner": lambda u, v: 1 - (u + v) / 1,
    "dot": lambda u, v: 0.22 - np.hypot(u - 0.5, v - 0.5),
}
"""Signed depth inside each shape at (u, v), both 0-1 within the cell."""


def geometric(composition: Composition, palette: Palette, seed: int) -> Print:
    """Ground, shade, figure and accent, each a set of tiles."""
    rng = np.random.default_rng((seed, 13))
    cells = int(rng.choice(CELLS))
    edge = str(rng.choice(["quarter", "quarter", "corner", "half"]))
    tone, accent = _means(composition.tone, cells), _means(composition.accent, cells)
    down, across = (np.asarray(slope, np.float64) for slope in np.gradient(tone))
    bare = _means((composition.room > 0.9).astype(np.float32), cells) > 0.02
    tiles: dict[str, list[Tile]] = {"shade": [], "figure": [], "accent": []}
    for row in range(cells):
        for column in range(cells):
            value, turn = tone[row, column], _quarter(across[row, column], down[row, column])
            if bare[row, column]:
                continue
            if value > composition.cut + 0.04:
                tiles["figure"].append(Tile(row, column, "square", 0))
                if accent[row, column] > 0.45 or value > 0.93:
                    kind = str(rng.choice(["disc", edge, edge, "dot"]))
                    tiles["accent"].append(Tile(row, column, kind, turn))
            elif value > composition.cut - 0.14:
                tiles["figure"].append(Tile(row, column, edge, turn))
            elif value < 0.3:
                tiles["shade"].append(Tile(row, column, str(rng.choice(["square", "square", edge])), turn))
                if accent[row, column] > 0.88:
                    tiles["accent"].append(Tile(row, column, "dot", 0))
            elif accent[row, column] > 0.8:
                tiles["accent"].append(Tile(row, column, str(rng.choice(["disc", edge])), turn))
            elif rng.random() < 0.3:
                tiles["shade"].append(Tile(row, column, edge, turn))
    parts = (("shade", palette.shade), ("figure", palette.figure), ("accent", palette.accent))
    return Print(palette.ground, tuple(_plate(ink, tiles[name], cells) for name, ink in parts), palette.letters,
                 palette.ground, 0.4)  # fmt: skip


def _plate(ink: Ink, tiles: list[Tile], cells: int) -> Plate:
    by_row: dict[int, list[Tile]] = {}
    for tile in tiles:
        by_row.setdefault(tile.row, []).append(tile)

    def level(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        out = np.full((len(y), len(x)), -0.5, np.float32)
        columns = np.searchsorted(x * cells, np.arange(cells + 1))
        rows = np.searchsorted(y * cells, np.arange(cells + 1))
        for row, held in by_row.items():
            top, bottom = rows[row], rows[row + 1]
            if top == bottom:
                continue
            v = (y[top:bottom] * cells - row)[:, None]
            for tile in held:
                left, right = columns[tile.column], columns[tile.column + 1]
                u = (x[left:right] * cells - tile.column)[None, :]
                out[top:bottom, left:right] = SHAPES[tile.kind](*_turned(u, v, tile.turn))
        return out

    return Plate(ink, level, outlines=tuple(outline for tile in tiles for outline in _outline(tile, cells)))


def _turned(
    u: NDArray[np.float64], v: NDArray[np.float64], turn: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return ((u, v), (v, 1 - u), (1 - u, 1 - v), (1 - v, u))[turn]


def _quarter(across: float, down: float) -> int:
    """The turn at which a quarter's full corner lies where the tone rises."""
    return int(round((math.atan2(down, across) - math.pi / 4) / (math.pi / 2)) + 2) % 4


def _outline(tile: Tile, cells: int) -> list[Outline]:
    """The tile's exact path, in shares of the side."""
    k, r = ARC, 0.22
    paths: dict[str, Outline] = {
        # at the edge of the picture a square goes on into the bleed
        "square": tuple(
            (u + (u - 0.5) * (tile.column == u * (cells - 1)), v + (v - 0.5) * (tile.row == v * (cells - 1)))
            for u, v in ((0, 0), (1, 0), (1, 1), (0, 1))
        ),
        "quarter": ((0, 0), (1, 0), (1, k, k, 1, 0, 1)),
        "corner": ((0, 0), (1, 0), (0, 1)),
        "half": ((0, 0), (k / 2, 0, 0.5, 0.5 - k / 2, 0.5, 0.5), (0.5, 0.5 + k / 2, k / 2, 1, 0, 1)),
        "disc": _disc(0.5),
        "dot": _disc(r),
    }

    def placed(u: float, v: float) -> tuple[float, float]:
        # the inverse of `_turned`
        a, b = ((u, v), (1 - v, u), (1 - u, 1 - v), (v, 1 - u))[tile.turn]
        return (tile.column + a) / cells, (tile.row + b) / cells

    return [
        tuple(
            tuple(value for at in range(0, len(step), 2) for value in placed(step[at], step[at + 1]))
            for step in paths[tile.kind]
        )
    ]


def _disc(radius: float) -> Outline:
    r, k = radius, radius * ARC
    return ((0.5 + r, 0.5), (0.5 + r, 0.5 + k, 0.5 + k, 0.5 + r, 0.5, 0.5 + r),
            (0.5 - k, 0.5 + r, 0.5 - r, 0.5 + k, 0.5 - r, 0.5), (0.5 - r, 0.5 - k, 0.5 - k, 0.5 - r, 0.5, 0.5 - r),
            (0.5 + k, 0.5 - r, 0.5 + r, 0.5 - k, 0.5 + r, 0.5))  # fmt: skip


def _means(grid: Array, cells: int) -> NDArray[np.float64]:
    """The mean of a square grid over ``cells`` x ``cells`` equal parts."""
    at = np.linspace(0, len(grid), cells + 1)
    left, width = np.arange(len(grid)), 1.0
    weights = np.clip(np.minimum(at[1:, None], left + width) - np.maximum(at[:-1, None], left), 0, None)
    weights /= weights.sum(1, keepdims=True)
    return np.asarray(weights @ grid @ weights.T, np.float64)
