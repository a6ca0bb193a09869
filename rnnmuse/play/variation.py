"""Variations of a phrase by an amount that is heard: how much of what sounds changes."""

from __future__ import annotations

import math
from random import Random

import numpy as np

from rnnmuse.models.phrase import Floats, PhraseModel
from rnnmuse.music.attributes import distance
from rnnmuse.music.phrases import Grid, Mask

TURNS = 16
"""Points of the way from a phrase to any other that are tried."""


def ways(point: Floats, amount: float, random: Random) -> list[Floats]:
    """Points on the arc from ``point`` towards one that is drawn, a quarter of a circle away. ValueError for an
    ``amount`` that is not 0 to 1."""
    if not 0 <= amount <= 1:
        raise ValueError(f"amount: {amount}; must be 0 to 1")
    away = np.array([random.gauss(0, 1) for _ in point], np.float32)
    angles = [turn / TURNS * math.pi / 2 for turn in range(1, TURNS + 1)]
    return [(math.cos(angle) * point + math.sin(angle) * away).astype(np.float32) for angle in angles]


def chosen(distances: list[float], amount: float) -> int:
    """Which of the phrases on a way changes by ``amount``: the one whose distance is nearest to this share of the
    largest, of those that change anything. A larger amount never changes less."""
    changed = [d for d in distances if d > 0]
    if not changed:
        return len(distances) - 1
    target = amount * max(changed)
    nearest = min(changed, key=lambda d: (abs(d - target), d))
    return distances.index(nearest)


def varied_point(
    model: PhraseModel,
    point: Floats,
    amount: float,
    random: Random,
    context: Grid | None = None,
    allowed: Mask | None = None,
    bars: int | None = None,
) -> Floats:
    """A point whose phrase differs from that of ``point`` by ``amount``: 0 is itself, 1 is any other."""
    points = ways(point, amount, random)
    if amount == 0:
        return point
    here = model.decode(point, context, bars, allowed=allowed)
    found = [distance(here, model.decode(p, context, bars, allowed=allowed)) for p in points]
    return points[chosen(found, amount)]


def varied(
    model: PhraseModel, grid: Grid, amount: float, random: Random, context: Grid | None = None,
    allowed: Mask | None = None,
) -> Grid:  # fmt: skip
    """A phrase changed by ``amount``: 0 leaves it as it is, and what does not change is exactly as it was."""
    point = model.encode(grid, context)
    points = ways(point, amount, random)
    if amount == 0:
        return grid.copy()
    here = model.decode(point, context, allowed=allowed)
    made = []
    for other in points:
        there = model.decode(other, context, allowed=allowed)
        same = (here[..., 0] == there[..., 0])[..., None]
        made.append(np.where(same, grid, there).astype(grid.dtype))
    return made[chosen([distance(grid, one) for one in made], amount)]
