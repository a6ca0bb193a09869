"""Drawing one class from logits, with a mask, a temperature and a nucleus."""

from __future__ import annotations

import math
from random import Random

import numpy as np
from numpy.typing import NDArray

FEW = 6
"""Classes up to which a head is drawn from without numpy."""


def sample(
    logits: NDArray[np.float32],
    random: Random,
    temperature: float = 1.0,
    top_p: float = 1.0,
    mask: NDArray[np.bool_] | None = None,
) -> int:
    """One class of ``logits`` (classes,), only where ``mask`` is True.

    ``temperature`` 0 (under 0.001) takes the likeliest; ``top_p`` under 1 draws from the smallest set of classes
    that holds that share of the probability (nucleus sampling, Holtzman et al. 2020).

    ValueError if the mask allows none.
    """
    if len(logits) <= FEW:
        return _sample_few(logits.tolist(), random, temperature, top_p, None if mask is None else mask.tolist())
    if mask is not None:
        allowed = mask.nonzero()[0]
        if len(allowed) <= 1:
            if not len(allowed):
                raise ValueError("mask: allows no class")
            return int(allowed[0])
        logits = np.where(mask, logits, -np.inf)
    if temperature < 1e-3:
        return int(logits.argmax())
    weights = np.exp((logits - logits.max()) / temperature)
    total = float(weights.sum())
    if top_p < 1:
        order = (-weights).argsort()
        running = weights[order].cumsum()
        keep = int(running.searchsorted(top_p * total)) + 1
        at = int(running[:keep].searchsorted(random.random() * running[min(keep, len(order)) - 1], side="right"))
        return int(order[min(at, keep - 1)])
    at = int(weights.cumsum().searchsorted(random.random() * total, side="right"))
    while at >= len(weights) or weights[at] == 0:  # a rounding error at the very end
        at -= 1
    return at


def _sample_few(logits: list[float], random: Random, temperature: float, top_p: float, mask: list[bool] | None) -> int:
    """As `sample`, for a few classes without numpy."""
    classes = [i for i in range(len(logits)) if mask is None or mask[i]]
    if not classes:
        raise ValueError("mask: allows no class")
    most = max(logits[i] for i in classes)
    if temperature < 1e-3:
        return next(i for i in classes if logits[i] == most)
    weights = {i: math.exp((logits[i] - most) / temperature) for i in classes}
    if top_p < 1:
        order = sorted(classes, key=lambda i: -weights[i])
        left, kept = top_p * sum(weights.values()), 0
        while kept < len(order) and left >= 0:
            left -= weights[order[kept]]
            kept += 1
        classes = order[:kept]
    at = random.random() * sum(weights[i] for i in classes)
    for i in classes:
        at -= weights[i]
        if at < 0:
            return i
    return next(i for i in reversed(classes) if weights[i] > 0)


def check(temperature: float, top_p: float) -> None:
    """ValueError unless 0 <= temperature <= 5 and 0 < top_p <= 1."""
    if not (math.isfinite(temperature) and 0 <= temperature <= 5):
        raise ValueError(f"temperature: {temperature!r}; must be 0 to 5")
    if not (math.isfinite(top_p) and 0 < top_p <= 1):
        raise ValueError(f"top_p: {top_p!r}; must be above 0, up to 1")
