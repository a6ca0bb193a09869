"""Drawing one class from logits or from weights, with a mask, a temperature and a nucleus."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from random import Random

import numpy as np
from numpy.typing import NDArray

FEW = 6
"""Classes up to which a head is drawn from without numpy."""
COLD = 1e-3
"""Temperature under which the likeliest class is taken."""

Mask = NDArray[np.bool_] | Sequence[bool]


def sample(
    logits: NDArray[np.float32],
    random: Random,
    temperature: float = 1.0,
    top_p: float = 1.0,
    mask: Mask | None = None,
) -> int:
    """One class of ``logits`` (classes,), only where ``mask`` is True.

    ``temperature`` 0 (under 0.001) takes the likeliest; ``top_p`` under 1 draws from the smallest set of classes
    that holds that share of the probability (nucleus sampling, Holtzman et al. 2020).

    ValueError if the mask allows none.
    """
    if len(logits) <= FEW:
        values: list[float] = logits.tolist()
        if mask is not None:
            values = [value if allowed else -math.inf for value, allowed in zip(values, mask, strict=True)]
        most = max(values)
        if most == -math.inf:
            raise ValueError("mask: allows no class")
        if temperature < COLD:
            return values.index(most)
        return _drawn([math.exp((value - most) / temperature) for value in values], random, top_p)
    if mask is not None:
        logits = np.where(mask, logits, np.float32(-np.inf))
    most = np.maximum.reduce(logits)
    if most == -np.inf:
        raise ValueError("mask: allows no class")
    if temperature < COLD:
        return int(logits.argmax())
    weights = logits - most
    if temperature != 1:
        weights /= np.float32(temperature)
    np.exp(weights, weights)
    return _drawn(weights.tolist(), random, top_p)


def draw(
    weights: NDArray[np.float32],
    random: Random,
    temperature: float = 1.0,
    top_p: float = 1.0,
    mask: Mask | None = None,
    lean: NDArray[np.float32] | None = None,
) -> int:
    """As `sample`, from ``weights`` (classes,): probabilities, which need not sum to 1.

    ``lean`` (classes,) are finite nats, of any size, by which each class is likelier.
    """
    if mask is not None:
        weights = weights * mask
    if lean is not None:  # against the class that may come and leans most: no sum of what may come is 0 or infinite
        top = np.maximum.reduce(lean, initial=-np.inf, where=weights > 0)
        weights = weights * np.exp(np.minimum(lean - top, 0))
    if temperature != 1:
        most = np.maximum.reduce(weights)
        if most <= 0:
            raise ValueError("mask: allows no class")
        if temperature < COLD:
            return int(weights.argmax())
        weights = (weights / most) ** np.float32(1 / temperature)
    return _drawn(weights.tolist(), random, top_p)


def _drawn(weights: list[float], random: Random, top_p: float) -> int:
    """A class by its weight, from the nucleus.

    It is drawn from all classes first. Only where it may lie outside the nucleus, because what is not heavier than it
    may weigh no more than what the nucleus leaves out, is the nucleus looked at.
    """
    running = list(accumulate(weights))
    total = running[-1]
    if total <= 0:
        raise ValueError("mask: allows no class")
    at = min(bisect_right(running, random.random() * total), len(weights) - 1)
    while weights[at] == 0:  # a rounding error at the very end
        at -= 1
    if top_p >= 1 or weights[at] > (1 - top_p) * total:
        return at
    enough, own = top_p * total, weights[at]
    if sum(weight for weight in weights if weight > own) < enough:
        return at
    order = sorted(range(len(weights)), key=weights.__getitem__, reverse=True)
    running = list(accumulate(weights[k] for k in order))
    kept = next((k for k, mass in enumerate(running) if mass >= enough), len(order) - 1)
    return order[min(bisect_right(running, random.random() * running[kept], 0, kept), kept)]


def check(temperature: float, top_p: float) -> None:
    """ValueError unless 0 <= temperature <= 5 and 0 < top_p <= 1."""
    if not (math.isfinite(temperature) and 0 <= temperature <= 5):
        raise ValueError(f"temperature: {temperature!r}; must be 0 to 5")
    if not (math.isfinite(top_p) and 0 < top_p <= 1):
        raise ValueError(f"top_p: {top_p!r}; must be above 0, up to 1")
