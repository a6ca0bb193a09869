"""Gradient: inks that run into each other, cut by one sharp shape with its own gradient against them, and grain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnmuse.cover.composition import BARE, Composition, ranked
from rnnmuse.cover.field import low_passed
from rnnmuse.cover.inks import Palette
from rnnmuse.cover.plate import Array, Plate, Print, Surface

CYCLES = 5.0
"""Cycles a side that are left of the sharp shape."""


def gradient(composition: Composition, palette: Palette, seed: int) -> Print:
    """Ground into shade; the figure's shape, from its ink into the accent."""
    rng = np.random.default_rng((seed, 14))
    smooth = ranked(low_passed(composition.tone, CYCLES))
    tone = Surface(smooth * (1 - composition.room) + BARE * composition.room)
    wide, kept = Surface(ranked(low_passed(composition.tone, 2.0))), Surface(composition.room)
    accent = Surface(ranked(low_passed(composition.accent, 2.0)))
    angle = rng.uniform(0, 2 * np.pi)
    across, down = np.cos(angle), np.sin(angle)

    def everywhere(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        return np.ones((len(y), len(x)), np.float32)

    def shaded(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        return np.asarray((1.15 - 1.6 * wide(x, y)) * (1 - kept(x, y)), np.float32)

    def figure(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        return tone(x, y) - np.float32(composition.cut)

    def running(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        slope = across * (x - 0.5)[None, :] + down * (y - 0.5)[:, None]
        return np.asarray(np.minimum(0.2 + 1.3 * slope + 0.4 * accent(x, y), 0.7), np.float32)

    return Print(palette.ground, (
        Plate(palette.shade, everywhere, tint=shaded),
        Plate(palette.figure, figure),
        Plate(palette.accent, figure, tint=running),
    ), palette.letters, palette.ground, 1.0)  # fmt: skip
