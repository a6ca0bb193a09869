"""Sliced Wasserstein distance between sets of pictures, on patches of their Laplacian pyramids.

Karras et al. 2018, "Progressive growing of GANs", section 5: 7 x 7 patches of each level, normalised per colour by
mean and spread of their set, projected on random directions; the distance is the mean absolute difference of the
sorted projections. Levels are named by their side; values are times 1,000, as in the paper.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional

PATCH = 7
LEVELS = 3
MOST_PATCHES = 32_768  # a set
DIRECTIONS = 512
ROUNDS = 4  # so many directions at a time are held in memory

_BINOMIAL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


def blurred(images: torch.Tensor) -> torch.Tensor:
    """(n, c, h, w) filtered by the 5 x 5 binomial kernel, edges mirrored."""
    channels = images.shape[1]
    kernel = _BINOMIAL.to(images).repeat(channels, 1)
    padded = functional.pad(images, (2, 2, 2, 2), mode="reflect")
    rows = functional.conv2d(padded, kernel.view(channels, 1, 5, 1), groups=channels)
    return functional.conv2d(rows, kernel.view(channels, 1, 1, 5), groups=channels)


def levels_for(side: int) -> int:
    """How many levels pictures of this side are compared at: no more than LEVELS, none much below 16 px."""
    return LEVELS if side >= 64 else LEVELS - 1


def pyramid(images: torch.Tensor, levels: int = LEVELS) -> list[torch.Tensor]:
    """Laplacian pyramid (Burt and Adelson 1983) of (n, c, s, s): ``levels`` tensors of sides s, s / 2, …; the last is
    what is left of the picture."""
    out = []
    for _ in range(levels - 1):
        smaller = blurred(images)[..., ::2, ::2]
        wide = torch.zeros_like(images)
        wide[..., ::2, ::2] = smaller
        out.append(images - 4 * blurred(wide))
        images = smaller
    return [*out, images]


def patches(level: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """7 x 7 patches of (n, c, s, s) with their upper left corners at rows, columns (n, k): (n * k, c, 49)."""
    n, channels, side, _ = level.shape
    offset = torch.arange(PATCH)
    at = (rows[..., None, None] + offset[:, None]) * side + columns[..., None, None] + offset  # (n, k, 7, 7)
    flat = level.reshape(n, channels, side * side)
    index = at.reshape(n, 1, -1).expand(-1, channels, -1)
    found = flat.gather(2, index).reshape(n, channels, rows.shape[1], PATCH * PATCH)
    return found.transpose(1, 2).reshape(-1, channels, PATCH * PATCH)


def random_patches(level: torch.Tensor, count: int, generator: torch.Generator | None) -> torch.Tensor:
    """``count`` patches a picture, (n * count, c, 49)."""
    n, _, side, _ = level.shape
    rows, columns = torch.randint(0, side - PATCH + 1, (2, n, count), generator=generator)
    return patches(level, rows, columns)


def normalised(found: torch.Tensor) -> torch.Tensor:
    """A set of patches (n, c, 49) brought to mean 0 and spread 1 per colour, flat: (n, c * 49)."""
    mean = found.mean((0, 2), keepdim=True)
    spread = found.std((0, 2), keepdim=True, unbiased=False)
    return ((found - mean) / (spread + 1e-8)).flatten(1)


def sliced(a: torch.Tensor, b: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """Mean |difference| of sorted projections of two sets (n, d), (m, d) on ``directions`` (d, k), by quantiles if
    the sets differ in size."""
    one, two = (a @ directions).sort(0).values, (b @ directions).sort(0).values
    if len(one) != len(two):
        count = min(len(one), len(two))
        one, two = _quantiles(one, count), _quantiles(two, count)
    return (one - two).abs().mean()


def _quantiles(values: torch.Tensor, count: int) -> torch.Tensor:
    at = (torch.arange(count) + 0.5) / count * len(values) - 0.5
    low = at.floor().clamp(0, len(values) - 1).long()
    high = (low + 1).clamp(max=len(values) - 1)
    part = (at - low)[:, None].to(values)
    return values[low] * (1 - part) + values[high] * part


def random_directions(count: int, channels: int, generator: torch.Generator | None) -> torch.Tensor:
    """Unit vectors as columns, (channels * 49, count)."""
    found = torch.randn(channels * PATCH * PATCH, count, generator=generator)
    return found / found.norm(dim=0, keepdim=True)


@torch.no_grad()
def distances(a: torch.Tensor, b: torch.Tensor, levels: int = LEVELS, seed: int = 0) -> dict[int, float]:
    """The distance x 1,000 at each level between two sets of pictures (n, c, s, s), by the level's side."""
    generator = torch.Generator().manual_seed(seed)
    out: dict[int, float] = {}
    first, second = pyramid(a, levels), pyramid(b, levels)
    for x, y in zip(first, second, strict=True):
        total = 0.0
        one = normalised(random_patches(x, max(1, MOST_PATCHES // len(x)), generator))
        two = normalised(random_patches(y, max(1, MOST_PATCHES // len(y)), generator))
        for _ in range(ROUNDS):
            total += float(sliced(one, two, random_directions(DIRECTIONS // ROUNDS, x.shape[1], generator)))
        out[x.shape[-1]] = 1000 * total / ROUNDS
    return out
