"""A picture reduced to what a print look needs: where the figure is, what lies in its shade, and where an accent goes.

The fields hold ranks (0-1 over the picture's area) rather than values, so that a threshold of 0.7 always takes 30 % of
the area, whatever the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rnnmuse.cover.field import GRID, Array, Pixels, largest_shape, low_passed
from rnnmuse.cover.palette import lab

CYCLES = 9.0
"""Cycles a side that are left of a picture, where a Gaussian halves the amplitude."""
SIDE = 64
"""Cells a side of a composition's fields."""
LEAST, MOST = 0.16, 0.5
"""Share of the area that the figure may take."""
LIGHTER = 1.25
"""How much better the darker part must stand out to be taken for the figure."""
FIGURE = 0.2
"""Share of the area that its largest shape shall cover."""
BARE = 0.32
"""Rank of the ground without shade: where letters stand the tone is brought to it."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, each 0-1 of the side."""


@dataclass(frozen=True, slots=True)
class Composition:
    """``tone`` (64, 64): ranks, the figure above ``cut``, the ground's shade lowest. ``accent`` (64, 64): ranks of how
    far a place's hue is from the picture's. ``colour`` (64, 64, 3): the picture itself, low-passed, CIELAB. ``room``
    (64, 64): 1 where letters stand, 0 elsewhere."""

    tone: Array
    accent: Array
    colour: Array
    cut: float
    room: Array
    light: bool = True
    """Whether the figure is the lighter part of the model's picture."""

    def cleared(self, box: Box, soft: float = 0.12) -> Composition:
        """Room for letters: within the box bare ground, and the picture's shapes bent away around it over ``soft``."""
        at = (np.arange(SIDE) + 0.5) / SIDE
        x = np.maximum(np.maximum(box[0] - at, at - box[2]), 0)
        y = np.maximum(np.maximum(box[1] - at, at - box[3]), 0)
        near = np.clip(1 - np.hypot(x[None, :], y[:, None]) / soft, 0, 1)
        near = (near * near * (3 - 2 * near)).astype(np.float32)
        tone = self.tone * (1 - near) + BARE * near
        return replace(self, tone=np.asarray(tone, np.float32), accent=np.asarray(self.accent * (1 - near), np.float32),
                       room=np.maximum(self.room, near))  # fmt: skip

    def recut(self) -> Composition:
        """The figure cut again where letters took some of it: its largest shape covers FIGURE of the area if it can."""
        free = 1 - self.room
        for cut in np.arange(self.cut, BARE + 0.1, -0.02).tolist():
            if (largest_shape(_halved(self.tone) > cut) * _halved(free)).mean() >= FIGURE:
                return replace(self, cut=cut)
        return replace(self, cut=BARE + 0.1)

    def moved(self, up: float) -> Composition:
        """The same, its shapes moved up by a share of the side (down where it is negative); the edge is continued."""
        rows = np.clip(np.arange(SIDE) + round(up * SIDE), 0, SIDE - 1)
        return replace(self, tone=self.tone[rows], accent=self.accent[rows], colour=self.colour[rows])


def compose(pixels: Pixels, cycles: float = CYCLES, like: Composition | None = None) -> Composition:
    """The composition of a square picture (s, s, 3), s a multiple of 64.

    The figure is the lighter or the darker part, cut at the share of the area where its largest shape stands out most:
    far from the ground in lightness, in one piece, free of the border. In pictures that move, it is cut ``like`` the
    one before.
    """
    step = len(pixels) // SIDE
    colour = lab(pixels).astype(np.float32).reshape(SIDE, step, SIDE, step, 3).mean((1, 3))
    colour = low_passed(colour, cycles)
    light = ranked(colour[..., 0])
    if like is not None:
        cut, up = like.cut, like.light
    else:
        shares = np.linspace(LEAST, MOST, 8)
        scores = {
            up: np.array([_standing(light if up else 1 - light, colour[..., 0], 1 - float(share)) for share in shares])
            for up in (True, False)
        }
        up = bool(scores[True].max() * LIGHTER >= scores[False].max())
        # a mean over the good cuts instead of the best one: alike pictures are cut alike
        weight = scores[up] ** 6
        cut = 1 - float((weight * shares).sum() / (weight.sum() + 1e-9))
    chroma = colour[..., 1:] - np.median(colour[..., 1:], (0, 1))
    far = ranked(np.hypot(chroma[..., 0], chroma[..., 1]))
    return Composition(light if up else 1 - light, far, colour, cut, np.zeros((SIDE, SIDE), np.float32), up)


def _standing(tone: Array, light: Array, cut: float) -> float:
    """How well the figure above ``cut`` stands out, about 0-1."""
    small, shade = _halved(tone), _halved(light)
    mask = small > cut
    shape = largest_shape(mask)
    if not 0 < shape.sum() < shape.size:
        return 0.0
    edge = np.concatenate([shape[0], shape[:, 0], shape[:, -1]])  # a figure may stand on the lower edge
    whole = float(shape.sum() / mask.sum())
    difference = abs(float(shade[shape].mean() - shade[~shape].mean())) / (float(np.ptp(shade)) + 1e-6)
    middle = _weight()[shape].mean()
    return float(whole * difference * (1 - 0.8 * edge.mean()) * (0.6 + 0.4 * middle))


def _halved(grid: Array) -> Array:
    return np.asarray(grid.reshape(GRID, 2, GRID, 2).mean((1, 3)))


def _weight() -> NDArray[np.float64]:
    """1 in the middle of the picture, 0 in its corners."""
    at = np.linspace(-1, 1, GRID)
    return np.asarray(1 - np.hypot(at[:, None], at[None, :]) / np.sqrt(2))


def ranked(values: Array) -> Array:
    """Each value's rank among all, 0-1."""
    order = values.ravel().argsort()
    ranks = np.empty(values.size, np.float32)
    ranks[order] = (np.arange(values.size) + 0.5) / values.size
    return ranks.reshape(values.shape)
