"""Ways through a latent space where phrases lie as N(0, I): between points, around a point, over a pad.

In many dimensions nearly all of N(0, I) lies near a sphere of radius sqrt(Z). A straight line between two points
dives below it, into where no phrases are; the great circle (Shoemake 1985, for latents White 2016) stays with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.phrase import Space

Floats = NDArray[np.float32]


def slerp(a: Floats, b: Floats, t: float) -> Floats:
    """The point at ``t`` (0-1) of the arc from ``a`` to ``b``, its length going evenly from one's to the other's."""
    long_a, long_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if long_a < 1e-6 or long_b < 1e-6:
        return straight(a, b, t)
    cosine = float(np.dot(a, b)) / (long_a * long_b)
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    if angle < 1e-3 or math.pi - angle < 1e-3:  # one direction, or none
        return straight(a, b, t)
    length = (1 - t) * long_a + t * long_b
    out = (math.sin((1 - t) * angle) * a / long_a + math.sin(t * angle) * b / long_b) / math.sin(angle)
    return (out * length).astype(np.float32)


def straight(a: Floats, b: Floats, t: float) -> Floats:
    """The point at ``t`` (0-1) of the straight line."""
    return ((1 - t) * a + t * b).astype(np.float32)


def evenly(away: Sequence[float], left: Sequence[float], count: int) -> list[int]:
    """Which ``count`` of the phrases on a way, its two ends among them, lead from the one to the other step by step.

    ``away`` is each one's distance from the first, ``left`` from the last. Of all choices in order in which neither
    the first ever falls nor the second ever rises it is the one whose steps are the most even; a phrase is taken twice
    only where there is no other choice.
    """
    away_, left_ = np.asarray(away, float), np.asarray(left, float)
    last = len(away_) - 1
    whole = max(1e-9, 2 * float(away_[last]))
    place = (away_ - left_ + float(away_[last])) / whole  # 0 at the first, 1 at the last
    follows = (away_[:, None] <= away_[None] + 1e-9) & (left_[:, None] >= left_[None] - 1e-9)
    follows &= np.tri(last + 1, dtype=bool).T  # [i, j]: j may come after i
    follows &= follows[:, last : last + 1] & follows[:1]
    dear = np.where(follows, 0.0, np.inf) + np.eye(last + 1)  # to stay costs more than any unevenness
    cost = np.full(last + 1, np.inf)
    cost[0] = 0.0
    before: list[NDArray[np.intp]] = []
    for k in range(1, count):
        reached = cost[:, None] + dear
        before.append(reached.argmin(0))
        cost = reached.min(0) + (place - k / (count - 1)) ** 2
    out = [last]
    for row in reversed(before):
        out.append(int(row[out[-1]]))
    return out[::-1]


def mean(points: Sequence[Floats], weights: Sequence[float] | None = None) -> Floats:
    """The weighted mean of points, brought to their mean distance from the middle so that it is a phrase like them."""
    if not points:
        raise ValueError("points: none; a mean needs at least one")
    share = np.full(len(points), 1 / len(points)) if weights is None else np.asarray(weights, float) / sum(weights)
    out = np.asarray(sum(w * p for w, p in zip(share, points, strict=True)))
    length = float(sum(w * np.linalg.norm(p) for w, p in zip(share, points, strict=True)))
    now = float(np.linalg.norm(out))
    return (out * (length / now) if now > 1e-6 else out).astype(np.float32)


def neighbour(point: Floats, amount: float, random: Random) -> Floats:
    """A point near ``point``: 0 is itself, 1 any other; what is N(0, I) stays so."""
    if not 0 <= amount <= 1:
        raise ValueError(f"amount: {amount}; must be 0 to 1")
    away = np.array([random.gauss(0, 1) for _ in point], np.float32)
    angle = amount * math.pi / 2
    return (math.cos(angle) * point + math.sin(angle) * away).astype(np.float32)


def over_pad(places: Sequence[tuple[float, float]], points: Sequence[Floats], x: float, y: float) -> Floats:
    """The point at (x, y) of a pad on which ``points`` lie at ``places``: at each place its own, smooth between.

    Inverse distance weighting (Shepard 1968) with the mean of `mean`.
    """
    weights: list[float] = []
    for px, py in places:
        square = (x - px) ** 2 + (y - py) ** 2
        if square < 1e-8:
            return points[len(weights)].copy()
        weights.append(square**-1.5)
    return mean(points, weights)


def along(space: Space, point: Floats, wanted: dict[int, float]) -> Floats:
    """``point`` moved as little as it can so that its attributes become what is ``wanted``.

    ``wanted`` maps the index of an axis to a place from 0 to 1 among the training phrases: 0.5 is their median, and 0
    and 1 leave out the outermost twentieth.
    """
    if not wanted:
        return point
    rows = sorted(wanted)
    axes = space.axes[rows].astype(np.float64)
    quantiles = space.quantiles
    at = np.linspace(0, 1, quantiles.shape[1])
    target = np.array([np.interp(0.05 + 0.9 * wanted[k], at, quantiles[k]) for k in rows])
    now = axes @ point + space.offsets[rows]
    gram = axes @ axes.T + 1e-9 * np.eye(len(rows))
    out: Floats = (point + axes.T @ np.linalg.solve(gram, target - now)).astype(np.float32)
    return out


def place_of(space: Space, point: Floats, axis: int) -> float:
    """Where a point lies on an axis, 0-1: the inverse of `along`."""
    value = float(space.axes[axis] @ point + space.offsets[axis])
    at = np.linspace(0, 1, space.quantiles.shape[1])
    rank = float(np.interp(value, space.quantiles[axis] + np.arange(len(at)) * 1e-9, at))
    return min(1.0, max(0.0, (rank - 0.05) / 0.9))
