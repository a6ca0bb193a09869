"""Risograph: two transparent inks as halftones at different angles, one over the other, on light paper."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rnnmuse.cover.composition import Composition
from rnnmuse.cover.inks import Ink, Palette
from rnnmuse.cover.plate import Array, Level, Plate, Print, Surface, register

OFFSET = 0.004
DOTS = 64
"""Halftone cells a side."""
ANGLES = (15.0, 75.0)
REACH = 0.24
"""Ranks of tone below the figure's edge over which the halftone grows."""
BARE = 0.42
"""Rank of tone up to which the ground is bare (or, on dark grounds, solid)."""


def riso(composition: Composition, palette: Palette, seed: int) -> Print:
    """The darkest ink draws the figure, or the ground where that is darker; the most colourful other the accent."""
    rng = np.random.default_rng((seed, 11))
    paper, key, colour = split(palette)
    dark_ground = palette.ground.lightness < palette.figure.lightness
    tone, accent = Surface(composition.tone), Surface(composition.accent)
    bare = max(BARE, composition.cut - REACH)
    span = composition.cut + REACH / 2 - bare

    def drawn(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        part = (tone(x, y) - bare) / span
        return np.asarray(1.1 - 1.2 * part if dark_ground else 1.2 * part - 0.08, np.float32)

    def coloured(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        # the accent's place, and all of the figure's middle tones
        alone = 1.9 * (accent(x, y) - (0.6 if dark_ground else 0.5))
        return np.asarray(
            alone if dark_ground else np.maximum(alone, 0.9 - 3.2 * np.abs(tone(x, y) - 0.68)), np.float32
        )

    return Print(paper, (
        Plate(colour, halftone(coloured, ANGLES[1]), False, register(rng, OFFSET)),
        Plate(key, halftone(drawn, ANGLES[0]), False, register(rng, OFFSET / 3)),
    ), *((paper, key) if dark_ground else (key, paper)), 0.9)  # fmt: skip


def split(palette: Palette) -> tuple[Ink, Ink, Ink]:
    """Paper, key and colour: the lightest ink, the darkest, and the most saturated of the others, one that stands out
    from the key before one that does not."""
    ordered = sorted(palette.inks, key=lambda ink: ink.lightness)
    rest = ordered[1:-1] or ordered[:1]
    key = ordered[0]
    return ordered[-1], key, max(rest, key=lambda ink: (ink.lightness > key.lightness + 32, np.ptp(ink.rgb)))


def halftone(share: Level, angle: float, dots: int = DOTS) -> Level:
    """Round dots on a grid turned by ``angle`` degrees, as large as ``share`` (below 0 none, above 1 solid) says."""
    turn = math.radians(angle)
    across, down = 2 * math.pi * dots * math.cos(turn), 2 * math.pi * dots * math.sin(turn)

    def level(x: NDArray[np.float64], y: NDArray[np.float64]) -> Array:
        # cos(a x + b y) from the cosines and sines of a x and b y: nothing is computed for each pixel but products
        one = _wave(across * x, down * y)
        two = _wave(-down * x, across * y)
        return np.asarray(share(x, y) - 0.5 - 0.25 * (one + two), np.float32)

    return level


def _wave(across: NDArray[np.float64], down: NDArray[np.float64]) -> Array:
    """cos(across + down) for every pair: (len(down), len(across))."""
    cos_x, sin_x = np.cos(across).astype(np.float32), np.sin(across).astype(np.float32)
    cos_y, sin_y = np.cos(down).astype(np.float32), np.sin(down).astype(np.float32)
    return np.asarray(np.stack([cos_y, -sin_y], 1) @ np.stack([cos_x, sin_x]))
