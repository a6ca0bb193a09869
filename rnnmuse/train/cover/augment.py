"""What is done to pictures on their way to the discriminator, and what is measured on them.

`augment` is differentiable augmentation (Zhao et al. 2020): the same kinds of random change for real and generated
pictures, through which the gradient passes, so that few pictures cannot be learned by heart.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from rnnmuse.models.cover import ATTRIBUTES
from rnnmuse.train.cover.wasserstein import blurred


def augment(images: torch.Tensor) -> torch.Tensor:
    """Random brightness, saturation, contrast, shift by up to an eighth and a hole of half the side,
    (n, c, s, s) in -1 to 1; each picture its own."""
    n, colours, side, _ = images.shape
    images = images + torch.rand(n, 1, 1, 1) - 0.5
    if colours == 3:
        grey = images.mean(1, keepdim=True)
        images = grey + (images - grey) * 2 * torch.rand(n, 1, 1, 1)
    middle = images.mean((1, 2, 3), keepdim=True)
    images = middle + (images - middle) * (0.5 + torch.rand(n, 1, 1, 1))
    most = side // 8
    padded = functional.pad(images, (most, most, most, most))
    moves = torch.randint(0, 2 * most + 1, (n, 2)).tolist()
    images = torch.stack([one[:, y : y + side, x : x + side] for one, (y, x) in zip(padded, moves, strict=True)])
    hole = side // 2
    corners = torch.randint(-hole // 2, side - hole // 2, (2, n, 1))
    line = torch.arange(side)
    rows, columns = ((line >= corner) & (line < corner + hole) for corner in corners)
    return images * ~(rows[:, :, None] & columns[:, None, :]).unsqueeze(1)


def attributes(images: torch.Tensor) -> torch.Tensor:
    """What is measured on colour pictures (n, 3, s, s) in -1 to 1: (n, len(ATTRIBUTES)), in the order named there."""
    red, green, blue = images.unbind(1)
    light = images.mean(1)
    warm, tint = (red - blue) / 2, green - (red + blue) / 2
    spread = (light.var((1, 2)) + 1e-6).sqrt()
    variety = (warm.var((1, 2)) + tint.var((1, 2)) + 1e-6).sqrt()
    detail = (light - blurred(light.unsqueeze(1)).squeeze(1)).square().mean((1, 2)).add(1e-6).log() / 2
    half = images.shape[-1] // 2
    sky = light[:, :half].mean((1, 2)) - light[:, half:].mean((1, 2))
    found = [light.mean((1, 2)), spread.log(), warm.mean((1, 2)), tint.mean((1, 2)), variety.log(), detail, sky]
    out = torch.stack(found, 1)
    if out.shape[1] != len(ATTRIBUTES):
        raise AssertionError("attributes and ATTRIBUTES differ")
    return out
