"""What tests of the phrase models share: random phrases and a small shape."""

import numpy as np
import pytest

from rnnmuse.train.phrase.data import Windows

SMALL = {"latent": (12, 16), "embed": 16, "encoder": 12, "beat": 8, "condition": 10, "hidden": 24, "head": 14}


@pytest.fixture
def small():
    """Sizes of a small phrase network."""
    return SMALL


@pytest.fixture
def phrases():
    """A function that makes phrases: phrases(drum, bars, count)."""
    return made


def made(drum, bars, count, seed=1):
    """Random phrases in a random context."""
    random = np.random.default_rng(seed)
    steps = bars * 16
    if drum:
        hit = (random.random((count, steps, 9)) < 0.2).astype(np.int16)
        grids = np.stack(
            (hit, hit * random.integers(1, 32, hit.shape), np.where(hit, random.integers(0, 25, hit.shape), 12)), -1
        )
    else:
        step = np.where(
            random.random((count, steps)) < 0.3,
            random.integers(50, 80, (count, steps)),
            random.integers(0, 2, (count, steps)),
        )
        on = step >= 2
        grids = np.stack(
            (step, on * random.integers(1, 32, on.shape), np.where(on, random.integers(0, 25, on.shape), 12)), -1
        )
    context = np.stack([random.integers(0, size, (count, steps)) for size in (25, 13, 9)], -1)
    return Windows(
        grids.astype(np.int16), context.astype(np.int16), np.arange(count, dtype=np.int32),
        np.full(count, 120, np.float32),
    )  # fmt: skip
