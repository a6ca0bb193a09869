"""Printing plates: where each ink goes, known at every point, so that edges are sharp at any size.

A plate's ``level`` is a continuous function that is positive where there is ink. The share of a pixel that is covered
follows from the level and its slope; for vectors the zero line is traced.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from rnnmuse.cover.inks import PAPER, Ink

Array = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Progress = Callable[[float], None]
STRIPE = 1 << 19  # pixels drawn at a time by one thread
GRAIN = 1500
"""Cells of paper grain a side."""


@dataclass(frozen=True, slots=True)
class Window:
    """The part of the picture that is drawn, each side 0 to 1 from the upper left corner."""

    left: float = 0.0
    top: float = 0.0
    right: float = 1.0
    bottom: float = 1.0

    @staticmethod
    def of(width: int, height: int) -> Window:
        """The middle of the square, in the proportions of ``width`` x ``height``."""
        long = max(width, height)
        x, y = (1 - width / long) / 2, (1 - height / long) / 2
        return Window(x, y, 1 - x, 1 - y)


class Level(Protocol):
    """A function of the place: columns ``x`` (w,) and rows ``y`` (h,), each 0-1, to (h, w)."""

    def __call__(self, x: NDArray[Any], y: NDArray[Any]) -> Array: ...


Outline = tuple[tuple[float, ...], ...]
"""A closed path, coordinates 0-1: first a point (x, y), then lines to (x, y) or cubic curves (x1, y1, x2, y2, x, y)."""


class Surface:
    """A smooth function through a grid (s, s) of values at cell centres: cubic B-splines, edges continued.

    Reading the same columns again costs only the rows.
    """

    def __init__(self, grid: Array) -> None:
        self._grid = np.ascontiguousarray(grid, np.float32)
        self._columns: tuple[NDArray[Any], Array] | None = None

    def __call__(self, x: NDArray[Any], y: NDArray[Any]) -> Array:
        held = self._columns
        if held is None or held[0] is not x:
            held = self._columns = (x, np.ascontiguousarray(self._grid @ spline(x, self._grid.shape[1]).T))
        weights = spline(y, len(self._grid))
        used = np.flatnonzero(weights.any(0))
        near = slice(used[0], used[-1] + 1)
        return np.asarray(weights[:, near] @ held[1][near])


@dataclass(frozen=True, slots=True)
class Plate:
    """One ink and where it goes. ``opaque`` ink hides what it is printed on, other ink multiplies its light.

    ``offset`` is the plate's misregistration (x, y) in shares of the side. ``tint`` is the share of ink (0-1) inside
    the level where that is not full. ``outlines`` are the plate's shapes where they are known exactly; without, the
    zero line of its level is traced for vectors.
    """

    ink: Ink
    """What it prints with."""
    level: Level
    """Above 0 where there is ink."""
    opaque: bool = True
    offset: tuple[float, float] = (0.0, 0.0)
    tint: Level | None = None
    outlines: tuple[Outline, ...] = ()


@dataclass(frozen=True, slots=True)
class Print:
    """What is printed: ``ground`` covers the whole sheet, the plates follow in order. ``letters`` is the ink of the
    text, ``base`` the ink below it, ``grain`` 0-1 how much the paper shows."""

    ground: Ink
    plates: tuple[Plate, ...]
    """In the order in which they are printed."""
    letters: Ink
    base: Ink
    grain: float = 0.5

    @property
    def inks(self) -> tuple[Ink, ...]:
        """The inks used; bare paper is none."""
        used = (self.ground, *(plate.ink for plate in self.plates), self.letters)
        return tuple(dict.fromkeys(ink for ink in used if ink is not PAPER))


def pressed(made: Print, width: int, height: int, window: Window | None = None, threads: int = 2, seed: int = 0,
            progress: Progress | None = None, cmyk: bool = False) -> Pixels:  # fmt: skip
    """The print at ``width`` x ``height`` px: sRGB (height, width, 3) uint8, or with ``cmyk`` the four inks' shares
    (height, width, 4), 255 for solid, without grain."""
    if not (1 <= width <= 20_000 and 1 <= height <= 20_000):
        raise ValueError(f"size: {width} x {height}; must be 1 to 20000 a side")
    window = window or Window.of(width, height)
    step_x, step_y = (window.right - window.left) / width, (window.bottom - window.top) / height
    # one column and row more on every side, for the slopes
    x = window.left + (np.arange(-1, width + 1) + 0.5) * step_x
    columns = [x - plate.offset[0] for plate in made.plates]

    def values(ink: Ink) -> Array:
        return np.array([2.55 * share for share in ink.cmyk] if cmyk else ink.rgb, np.float32)

    inks = [values(plate.ink) for plate in made.plates]
    out = np.empty((height, width, 4 if cmyk else 3), np.uint8)
    rows = max(4, STRIPE // width)
    starts = range(0, height, rows)

    def stripe(start: int) -> None:
        count = min(rows, height - start)
        y = window.top + (np.arange(start - 1, start + count + 1) + 0.5) * step_y
        held = np.empty((out.shape[2], count, width), np.float32)
        held[:] = values(made.ground)[:, None, None]
        for plate, at, ink in zip(made.plates, columns, inks, strict=True):
            down = y - plate.offset[1]
            share = covered(plate.level(at, down))
            if plate.tint is not None:
                share *= np.clip(plate.tint(at, down)[1:-1, 1:-1], 0, 1)
            for channel, value in zip(held, ink, strict=True):
                if plate.opaque:
                    channel += share * (value - channel)
                elif cmyk:
                    channel += share * value
                else:
                    channel *= 1 - share * (1 - value / 255)
        if made.grain and not cmyk:
            held *= _grain(x[1:-1], y[1:-1], made.grain, seed, step_x)
        np.clip(held, 0, 255, out=held)
        out[start : start + count] = np.rint(held, out=held).astype(np.uint8).transpose(1, 2, 0)

    with single_threaded(), ThreadPoolExecutor(threads) as pool:
        for done, _ in enumerate(pool.map(stripe, starts), 1):
            if progress:
                progress(done / len(starts))
    return out


def covered(level: Array) -> Array:
    """The share of each pixel that is covered, from the level at the pixels and one beyond on every side:
    (h + 2, w + 2) to (h, w). An edge is a straight line within a pixel, at the level over its slope from the centre."""
    down = level[2:, 1:-1] - level[:-2, 1:-1]
    across = level[1:-1, 2:] - level[1:-1, :-2]
    slope = np.sqrt(down * down + across * across)
    slope *= 0.5
    slope += 1e-9
    share = level[1:-1, 1:-1] / slope
    share += 0.5
    return np.asarray(np.clip(share, 0, 1, out=share), np.float32)


def _grain(x: NDArray[Any], y: NDArray[Any], strength: float, seed: int, pixel: float) -> Array:
    """The light that the paper's grain leaves, about 1: finer than a pixel it averages out."""
    tile = _tile(seed)
    rows = (np.floor(y * GRAIN).astype(int)) % len(tile)
    columns = (np.floor(x * GRAIN).astype(int)) % len(tile)
    return np.asarray(1 + np.float32(0.03 * strength * min(1.0, 1 / (pixel * GRAIN))) * tile[rows[:, None], columns])


@lru_cache(maxsize=4)
def _tile(seed: int, side: int = 512) -> Array:
    """Noise that tiles, of mean 0 and spread 1, with some of it in clumps as in uncoated paper."""
    rng = np.random.default_rng((seed, 6))
    fine = rng.standard_normal((side, side), np.float32)
    soft = fine.copy()
    for axis in (0, 1):
        soft = np.asarray((np.roll(soft, 1, axis) + 2 * soft + np.roll(soft, -1, axis)) / 4, np.float32)
    mixed = 0.35 * fine + soft
    return np.asarray(np.clip(mixed / mixed.std(), -2, 2), np.float32)


def swollen(plate: Plate, amount: float) -> Plate:
    """The plate with more ink (or less, where ``amount`` is negative): its level raised everywhere."""
    level = plate.level

    def raised(x: NDArray[Any], y: NDArray[Any]) -> Array:
        return np.asarray(level(x, y) + np.float32(amount))

    return replace(plate, level=raised, outlines=())


def register(rng: np.random.Generator, most: float) -> tuple[float, float]:
    """A misregistration of up to ``most`` of the side in any direction, never quite none."""
    angle, far = rng.uniform(0, 2 * math.pi), most * rng.uniform(0.5, 1)
    return far * math.cos(angle), far * math.sin(angle)


def spline(at: NDArray[Any], cells: int) -> Array:
    """Weights of a uniform cubic B-spline over ``cells`` cells: (len(at), cells), ``at`` from 0 to 1.

    Beyond the outermost centres the edge cell goes on, so that each row sums to 1.
    """
    place = np.asarray(at, np.float64) * cells - 0.5
    whole = np.floor(place).astype(int)
    t = place - whole
    four = ((1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6)
    weights = np.zeros((len(place), cells), np.float64)
    rows = np.arange(len(place))
    for offset, value in zip((-1, 0, 1, 2), four, strict=True):
        np.add.at(weights, (rows, np.clip(whole + offset, 0, cells - 1)), value)
    return weights.astype(np.float32)


def single_threaded() -> Any:
    """While this context lasts, numpy's matrix products use no threads of their own, which would fight the stripes'
    (measured: 1.04 s of processor time for a small picture instead of 0.08 s)."""
    return _controller().limit(limits=1, user_api="blas")


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
