"""Linocut: one dark ink, its middle tones carved in lines that follow the form, over a flat colour."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rnnmuse.cover.composition import Composition
from rnnmuse.cover.inks import Palette
from rnnmuse.cover.looks.riso import split
from rnnmuse.cover.plate import Array, Plate, Print, Surface, register

OFFSET = 0.0025
LINES = (34, 48)
"""Fewest and most carved lines a side."""
ROUGH = 160
"""Cells a side of the knife's unevenness."""


def lino(composition: Composition, palette: Palette, seed: int) -> Print:
    """The key block over a flat colour block on paper."""
    rng = np.random.default_rng((seed, 12))
    paper, key, colour = split(palette)
    dark_ground = palette.ground.lightness < palette.figure.lightness
    tone, accent = Surface(composition.tone), Surface(composition.accent)
    rough = Surface(rng.standard_normal((ROUGH, ROUGH)).astype(np.float32))
    turn, lines = rng.uniform(0, math.pi), rng.uniform(*LINES)
    bend = rng.uniform(3, 6)
    # lines grow over the ranks around the figure's edge, and never where letters stand
    middle = max(0.5, composition.cut - 0.03)
    half = min(0.13, middle - 0.36)

    def block(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        held = tone(x, y)
        phase = (x * (lines * math.cos(turn)))[None, :] + (y * (lines * math.sin(turn)))[:, None] + bend * held
        dark = middle - held if dark_ground else held - middle
        uneven = 0.16 * rough(x, y)
        return np.asarray(dark / half + np.cos(2 * math.pi * phase.astype(np.float32)) + uneven, np.float32)

    def flat(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        return np.asarray(
            np.maximum(tone(x, y) - composition.cut, accent(x, y) - 0.8) + 0.006 * rough(x, y), np.float32
        )

    return Print(paper, (
        Plate(colour, flat, False, register(rng, OFFSET)),
        Plate(key, block, True, register(rng, OFFSET / 3)),
    ), *((paper, key) if dark_ground else (key, paper)), 0.8)  # fmt: skip
