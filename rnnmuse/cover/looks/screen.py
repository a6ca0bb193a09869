"""Screen print: flat, opaque inks, one over the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnmuse.cover.composition import Composition
from rnnmuse.cover.inks import Palette
from rnnmuse.cover.plate import Array, Plate, Print, Surface, register

OFFSET = 0.0015
SHADE = 0.2
"""Rank of tone below which the ground is shaded."""


def screen(composition: Composition, palette: Palette, seed: int) -> Print:
    """Ground, its shade, the figure and an accent."""
    rng = np.random.default_rng((seed, 10))
    tone, accent = Surface(composition.tone), Surface(composition.accent)
    inner = composition.cut + 0.55 * (1 - composition.cut)

    def shade(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        return SHADE - tone(x, y)

    def figure(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        return tone(x, y) - composition.cut

    def light(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        # within the figure its own lightest part, and wherever the picture's colour changes most
        held = accent(x, y)
        return np.asarray(np.maximum(np.minimum(tone(x, y) - inner, held - 0.35), held - 0.93))

    return Print(palette.ground, (
        Plate(palette.shade, shade, True, register(rng, OFFSET)),
        Plate(palette.figure, figure, True, register(rng, OFFSET)),
        Plate(palette.accent, light, True, register(rng, OFFSET)),
    ), palette.letters, palette.ground)  # fmt: skip
