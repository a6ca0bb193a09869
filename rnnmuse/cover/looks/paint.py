"""Paint: flat inks laid on with a dry brush along the forms; the bristles show where a stroke ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnmuse.cover.composition import Composition
from rnnmuse.cover.field import low_passed
from rnnmuse.cover.inks import Palette
from rnnmuse.cover.plate import Array, Level, Plate, Print, Surface, register

SIDE = 320
"""Cells a side of the bristles."""
REACH = 18
"""Cells that a bristle's mark runs to either side."""


def paint(composition: Composition, palette: Palette, seed: int) -> Print:
    """Shade, figure and accent over the ground, each with its own strokes."""
    rng = np.random.default_rng((seed, 15))
    tone, accent = Surface(composition.tone), Surface(composition.accent)
    room = Surface(composition.room)
    bristles = Surface(_bristles(composition.tone, rng))
    inner = composition.cut + 0.6 * (1 - composition.cut)

    def stroked(level: Level, rough: float) -> Level:
        def uneven(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
            return np.asarray(level(x, y) + rough * bristles(x, y) * (1 - room(x, y)), np.float32)

        return uneven

    def shade(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        return np.float32(0.22) - tone(x, y)

    def figure(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        return tone(x, y) - np.float32(composition.cut)

    def light(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        held = accent(x, y)
        return np.asarray(np.maximum(np.minimum(tone(x, y) - inner, held - 0.4), held - 0.92))

    return Print(palette.ground, (
        Plate(palette.shade, stroked(shade, -0.035), True, register(rng, 0.001)),
        Plate(palette.figure, stroked(figure, 0.045), True, register(rng, 0.001)),
        Plate(palette.accent, stroked(light, 0.06), True, register(rng, 0.001)),
    ), palette.letters, palette.ground, 0.6)  # fmt: skip


def _bristles(tone: Array, rng: np.random.Generator) -> Array:
    """Noise smeared along the lines of equal tone (line integral convolution, Cabral and Leedom 1993), spread 1."""
    noise = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
    at = (np.arange(SIDE) + 0.5) / SIDE
    down, across = np.gradient(Surface(low_passed(tone, 4.0))(at, at))
    angle = rng.uniform(0, np.pi)
    steer = 0.4 * float(np.hypot(down, across).mean())
    dx, dy = -down + steer * np.cos(angle), across + steer * np.sin(angle)
    length = np.hypot(dx, dy) + 1e-9
    dx, dy = dx / length, dy / length
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    total = noise.copy()
    for sign in (-1, 1):
        y, x = rows.copy(), columns.copy()
        for _ in range(REACH):
            i, j = (np.clip(np.rint(at), 0, SIDE - 1).astype(np.int32) for at in (y, x))
            y, x = y + sign * dy[i, j], x + sign * dx[i, j]
            i, j = (np.clip(np.rint(at), 0, SIDE - 1).astype(np.int32) for at in (y, x))
            total += noise[i, j]
    return np.asarray((total - total.mean()) / total.std(), np.float32)
