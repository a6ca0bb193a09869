"""The cover generator in numpy: one picture from a latent and what is asked of it, drawn at any size in stripes.

The same network as ``rnnmuse.train.cover.network.CoordinateGenerator``, one picture at a time. The style grows planes
of 4, 8, … 64 cells a side; at a coordinate the last is read by cubic B-splines, joined by waves and by smooth noise,
and pixel-wise layers make the colour. Nothing depends on the size in pixels, so a picture is the same at every size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

ATTRIBUTES = ("brightness", "contrast", "warmth", "tint", "variety", "detail", "sky")
"""What can be asked of a picture, in units of the spread over the training pictures: mean lightness, its spread, red
against blue, green against purple, spread of the colours, fine detail, and how much lighter the upper half is."""
ABSTRACT = len(ATTRIBUTES)
"""Place of the last condition: 0 as the works it was trained on, 1 as the abstract pictures among them."""
CONDITIONS = len(ATTRIBUTES) + 1
START = 4
NOISE = 4
NOISE_GRID = 128
OCTAVES = (256, 512, 1024)
"""Cells of the finer noise by which the texture goes on at print size, where a pixel is no larger than a cell."""
FALL = 0.8
"""Strength of each octave of it beside the one before."""
SLOPE = 0.2
STRIPE = 1 << 16  # pixels drawn at a time by one thread: some 60 MB

Array = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Progress = Callable[[float], None]


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


@dataclass(frozen=True, slots=True)
class Planes:
    """A picture before it is drawn: style (style,), plane (width, 64, 64), smooth noise (NOISE, 128, 128), and the
    seed of the noise that is finer."""

    style: Array
    plane: Array
    fine: Array
    seed: int = 0


class CoverModel:
    """A trained generator. ``mean`` and ``spread`` are those of the ATTRIBUTES over its training pictures."""

    def __init__(self, name: str, weights: dict[str, Any], mean: Array, spread: Array) -> None:
        self.name, self.mean, self.spread = name, np.asarray(mean, np.float32), np.asarray(spread, np.float32)
        self._weights = {key: np.ascontiguousarray(value, np.float32) for key, value in weights.items()}
        w = self._weights
        self.latent = w["mapping.one.weight"].shape[1] - CONDITIONS
        self.colours = len(w["colour.bias"])
        self._blocks = sum(key.startswith("blocks.") and key.endswith(".bias") and key.count(".") == 2 for key in w)
        shapes = {"start.weight": (w["first.weight"].shape[1] * START**2, len(w["mapping.two.bias"])),
                  "frequency": (2, len(w["phase.bias"])),
                  "one.weight": (len(w["two.bias"]), sum(w["phase.weight"].shape[::-1]) + NOISE, 1, 1)}  # fmt: skip
        for key, shape in shapes.items():
            if w[key].shape != shape:
                raise ValueError(f"{key}: shape {w[key].shape}; must be {shape}")

    # -- from latent to planes ------------------------------------------------------------------------------

    def latent_of(self, seed: int) -> Array:
        """A latent drawn for a seed, (latent,)."""
        return np.asarray(np.random.default_rng(seed).standard_normal(self.latent), np.float32)

    def noise(self, seed: int, blend: Array) -> list[Array]:
        """The fine irregularities that a seed draws: (s, s) for each plane, a mixture by ``blend`` (fields,) of as many
        fields, and (NOISE, 128, 128)."""
        rng = np.random.default_rng((seed, 1))
        sides = [START << i for i in range(self._blocks + 1)]
        mixed = [np.tensordot(blend, rng.standard_normal((len(blend), s, s), np.float32), 1) for s in sides]
        return [*mixed, rng.standard_normal((NOISE, NOISE_GRID, NOISE_GRID), np.float32)]

    def planes(self, z: Array, conditions: Array, seed: int = 0, noise: list[Array] | None = None) -> Planes:
        """Grow the planes for a latent (latent,) and conditions (CONDITIONS,).

        ``noise`` as of `noise`; one field of the seed's without.
        """
        if noise is None:
            noise = self.noise(seed, np.ones(1, np.float32))
        z = z / math.sqrt(float(np.square(z).mean()) + 1e-8)
        h = _lift(self._linear("mapping.one", np.concatenate([z, conditions]).astype(np.float32)))
        style = _lift(self._linear("mapping.two", h))
        x = self._linear("start", style).reshape(-1, START, START)
        x = _lift(self._modulated("first", x, style) + noise[0] * self._weights["grain.0"][:, None, None])
        for i in range(self._blocks):
            grain = self._weights[f"grain.{i + 1}"][:, None, None]
            x = _lift(self._modulated(f"blocks.{i}", _doubled(x), style) + noise[i + 1] * grain)
        return Planes(style, x, noise[-1], seed)

    def _linear(self, name: str, x: Array) -> Array:
        weight = self._weights[f"{name}.weight"]
        out: Array = weight @ x / np.float32(math.sqrt(weight.shape[1])) + self._weights[f"{name}.bias"]
        return out

    def _matrix(self, name: str, style: Array, demodulate: bool = True) -> Array:
        """The weights of a modulated layer for this style, (outputs, inputs * kernel²)."""
        weight = self._weights[f"{name}.weight"]
        outputs, inputs, kernel, _ = weight.shape
        scale = self._linear(f"{name}.style", style)[:, None, None] / np.float32(math.sqrt(inputs * kernel * kernel))
        matrix: Array = (weight * scale).reshape(outputs, -1)
        if demodulate:
            matrix = matrix / np.sqrt(np.square(matrix).sum(1, keepdims=True) + 1e-8)
        return matrix

    def _modulated(self, name: str, x: Array, style: Array) -> Array:
        matrix = self._matrix(name, style)
        side = x.shape[1]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge")
        seen = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))  # (inputs, s, s, 3, 3)
        columns = seen.transpose(0, 3, 4, 1, 2).reshape(-1, side * side)
        return (matrix @ columns).reshape(-1, side, side) + self._weights[f"{name}.bias"][:, None, None]

    # -- from planes to pixels ------------------------------------------------------------------------------

    def draw(self, planes: Planes, width: int, height: int, window: Window | None = None, threads: int = 2,
             progress: Progress | None = None) -> Pixels:  # fmt: skip
        """The picture, (height, width, 3) uint8. ``progress`` is called with the share that is done."""
        if not (1 <= width <= 20_000 and 1 <= height <= 20_000):
            raise ValueError(f"size: {width} x {height}; must be 1 to 20000 a side")
        window = window or Window.of(width, height)
        x = window.left + (np.arange(width) + 0.5) / width * (window.right - window.left)
        y = window.top + (np.arange(height) + 0.5) / height * (window.bottom - window.top)
        painter = _Painter(self, planes, x)
        out = np.empty((height, width, 3), np.uint8)
        rows = max(1, STRIPE // width)
        starts = range(0, height, rows)

        def stripe(start: int) -> None:
            out[start : start + rows] = painter.rows(y[start : start + rows])

        with single_threaded(), ThreadPoolExecutor(threads) as pool:
            for done, _ in enumerate(pool.map(stripe, starts), 1):
                if progress:
                    progress(done / len(starts))
        return out

    def matrix(self, name: str, style: Array, gain: float = 1.0, demodulate: bool = True) -> Array:
        """A pixel-wise layer for a style, its bias as the last column: (outputs, inputs + 1), times ``gain``."""
        weight = self._matrix(name, style, demodulate)
        return np.concatenate([weight, self._weights[f"{name}.bias"][:, None]], 1) * np.float32(gain)

    @property
    def frequency(self) -> Array:
        """Waves in cycles a picture, (2, waves)."""
        return self._weights["frequency"]

    @property
    def phase(self) -> Array:
        """How the plane bends the waves, its bias as the last column: (waves, plane + 1)."""
        weight = self._weights["phase.weight"]
        scaled = weight / np.float32(math.sqrt(weight.shape[1]))
        return np.concatenate([scaled, self._weights["phase.bias"][:, None]], 1)


class _Painter:
    """One picture's rows, for fixed columns: what depends on x alone is computed once.

    Every array of features ends with a row of ones, which a layer's last column takes for its bias.
    """

    def __init__(self, model: CoverModel, planes: Planes, x: NDArray[np.float64]) -> None:
        lift = math.sqrt(2)  # the layers' gain; a rectifier lets a positive factor through
        self._one = model.matrix("one", planes.style, lift)
        self._two = model.matrix("two", planes.style, lift)
        self._colour = model.matrix("colour", planes.style, 127.5, demodulate=False)
        self._bend = 2 * model.phase
        self._plane, *self._noise = [
            np.ascontiguousarray(grid @ spline(x, grid.shape[2]).T)
            for grid in (planes.plane, planes.fine, *_octaves(planes.seed, (x[-1] - x[0]) / max(1, len(x) - 1)))
        ]
        turns = 2 * math.pi * model.frequency.astype(np.float64)
        self._turn_x = np.remainder(turns[0][:, None] * x, 2 * math.pi).astype(np.float32)
        self._turn_y = turns[1]
        self._width = len(x)

    def rows(self, y: NDArray[np.float64]) -> Pixels:
        waves, planes = len(self._bend), self._bend.shape[1] - 1
        count = len(y) * self._width
        joined = np.empty((planes + waves + NOISE + 1, count), np.float32)
        joined[-1] = 1
        read, turns, grain = joined[:planes], joined[planes : planes + waves], joined[planes + waves : -1]
        self._read(self._plane, y, read)
        self._read(self._noise[0], y, grain)
        for octave in self._noise[1:]:
            grain += self._read(octave, y, np.empty_like(grain))
        np.matmul(self._bend[:, :-1], read, out=turns)
        shaped = turns.reshape(waves, len(y), self._width)
        for index, row in enumerate(y):
            turn_y = np.remainder(self._turn_y * row, 2 * math.pi).astype(np.float32) + self._bend[:, -1]
            shaped[:, index] += self._turn_x + turn_y[:, None]
        np.sin(turns, out=turns)
        h = np.ones((2, len(self._one) + 1, count), np.float32)
        _layer(self._one, joined, h[0][:-1])
        _layer(self._two, h[0], h[1][:-1])
        colour = self._colour @ h[1]
        colour += np.float32(127.5)
        np.clip(colour, 0, 255, out=colour)
        np.rint(colour, out=colour)
        pixels = np.broadcast_to(colour, (3, count)).astype(np.uint8)
        return pixels.reshape(3, len(y), self._width).transpose(1, 2, 0)

    def _read(self, grid: Array, y: NDArray[np.float64], out: Array) -> Array:
        """Rows y of a grid whose columns are read already, (channels, len(y) * width), into ``out``."""
        weights = spline(y, grid.shape[1])
        used = np.flatnonzero(weights.any(0))
        near = slice(used[0], used[-1] + 1)
        np.matmul(weights[:, near], grid[:, near], out=out.reshape(len(out), len(y), self._width))
        return out


def _octaves(seed: int, pixel: float) -> list[Array]:
    """The finer noise, octave by octave, for pixels of that side."""
    return [_octave(seed, cells, FALL**power) for power, cells in enumerate(OCTAVES, 1) if pixel * cells <= 1.0]


@lru_cache(maxsize=len(OCTAVES))
def _octave(seed: int, cells: int, strength: float) -> Array:
    rng = np.random.default_rng((seed, cells))
    return rng.standard_normal((NOISE, cells, cells), np.float32) * np.float32(strength)


def _layer(matrix: Array, x: Array, out: Array) -> None:
    """The rectified product, leaky below zero, into ``out``."""
    np.matmul(matrix, x, out=out)
    np.maximum(out, SLOPE * out, out=out)


def single_threaded() -> Any:
    """While this context lasts, numpy's matrix products use no threads of their own, which would fight the stripes'
    (measured: 1.04 s of processor time for a small picture instead of 0.08 s)."""
    return _controller().limit(limits=1, user_api="blas")


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


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


def _lift(x: Array) -> Array:
    return np.where(x > 0, x, SLOPE * x).astype(np.float32) * np.float32(math.sqrt(2))


def _doubled(x: Array) -> Array:
    """Twice the side, bilinear, pixel centres aligned: (c, s, s) → (c, 2 s, 2 s)."""
    for axis in (1, 2):
        before = np.concatenate([x.take([0], axis), x.take(range(x.shape[axis] - 1), axis)], axis)
        after = np.concatenate([x.take(range(1, x.shape[axis]), axis), x.take([-1], axis)], axis)
        pair = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
        shape = list(x.shape)
        shape[axis] *= 2
        x = pair.reshape(shape).astype(np.float32)
    return x
