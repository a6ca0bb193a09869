"""The networks of the covers: generators that a picture comes from, and the discriminators that judge them.

``ConvGenerator`` is the one that ships, ``DigitsGenerator`` the multilayer perceptron of Goodfellow et al. 2014.
Pictures are (n, colours, side, side) in -1 to 1, latents z (n, latent) standard normal, conditions c (n, conditions) in
units of their spread over the training pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from rnnmuse.models.cover import SLOPE, START


@dataclass(frozen=True, slots=True)
class CoverShape:
    """Sizes of a generator; ``side`` is the side of the training pictures in pixels."""

    side: int = 64
    colours: int = 3
    """Channels of a picture: 3, or 1 for grey."""
    latent: int = 96
    """Dimensions of z."""
    conditions: int = 8
    """Length of the condition vector; 0 without conditions."""
    style: int = 128
    """Width of the style vector."""
    widths: tuple[int, ...] = (192, 160, 128, 80, 40, 20)
    """Channels of the convolutional generator at 4, 8, ... 128 px."""


class Linear(nn.Module):
    """A linear layer whose weights are kept at unit spread and scaled at use (equalised learning rate,
    Karras et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, gain: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.scale = gain / math.sqrt(inputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.weight * self.scale, self.bias)


class Modulated(nn.Module):
    """A convolution (3 x 3 or 1 x 1) whose input channels are scaled by the style, its output brought back to unit
    spread: the modulation of StyleGAN2 (Karras et al. 2020), here with one set of weights for the whole batch."""

    def __init__(self, style: int, inputs: int, outputs: int, kernel: int = 3, demodulate: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = Linear(style, inputs, bias=1.0)
        self.scale = 1 / math.sqrt(inputs * kernel * kernel)
        self.demodulate = demodulate

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        weight, style = self.weight * self.scale, self.style(w)
        x = x * style[:, :, None, None]
        if weight.shape[-1] == 3:  # the edge is repeated: zeros would give every picture a frame
            x = functional.pad(x, (1, 1, 1, 1), mode="replicate")
        y = functional.conv2d(x, weight)
        if self.demodulate:
            spread = (style.square() @ weight.square().sum((2, 3)).T + 1e-8).rsqrt()
            y = y * spread[:, :, None, None]
        return y + self.bias.view(-1, 1, 1)


def _lift(x: torch.Tensor) -> torch.Tensor:
    return functional.leaky_relu(x, SLOPE) * math.sqrt(2)


class Mapping(nn.Module):
    """Latent and conditions to style, (n, latent), (n, conditions) → (n, style)."""

    def __init__(self, shape: CoverShape) -> None:
        super().__init__()
        self.one = Linear(shape.latent + shape.conditions, shape.style)
        self.two = Linear(shape.style, shape.style)

    def forward(self, z: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        z = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        return _lift(self.two(_lift(self.one(torch.cat([z, c], 1)))))


class ConvGenerator(nn.Module):
    """Modulated convolutions from 4 x 4 to the full side, each level adding its colours to those below: the generator
    of StyleGAN2 (Karras et al. 2020) without noise, narrow at the full side so that two cores can train it."""

    def __init__(self, shape: CoverShape) -> None:
        super().__init__()
        self.shape = shape
        style = shape.style
        widths = shape.widths[: round(math.log2(shape.side / START)) + 1]
        self.mapping = Mapping(shape)
        self.start = Linear(style, widths[0] * START * START)
        self.up = nn.ModuleList(Modulated(style, a, b) for a, b in pairwise((widths[0], *widths)))
        self.same = nn.ModuleList(Modulated(style, width, width) for width in widths)
        self.colour = nn.ModuleList(Modulated(style, width, shape.colours, 1, demodulate=False) for width in widths)

    def forward(self, z: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        w = self.mapping(z, c)
        x = self.start(w).view(len(w), -1, START, START)
        picture: torch.Tensor | None = None
        for level, (up, same, colour) in enumerate(zip(self.up, self.same, self.colour, strict=True)):
            if level:
                x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = _lift(same(_lift(up(x, w)), w))
            more = colour(x, w)
            if picture is not None:
                more = more + functional.interpolate(picture, scale_factor=2, mode="bilinear", align_corners=False)
            picture = more
        assert picture is not None
        return picture


class DigitsGenerator(nn.Module):
    """The smallest generator: latent → 128 → pixels, rectified, tanh at the end."""

    def __init__(self, shape: CoverShape) -> None:
        super().__init__()
        self.shape = shape
        self.hidden = nn.Linear(shape.latent + shape.conditions, 128)
        self.pixels = nn.Linear(128, shape.colours * shape.side**2)

    def forward(self, z: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.hidden(torch.cat([z, c], 1)))
        return torch.tanh(self.pixels(h)).view(-1, self.shape.colours, self.shape.side, self.shape.side)


class DigitsDiscriminator(nn.Module):
    """The discriminator: pixels → 128 → one logit."""

    def __init__(self, shape: CoverShape) -> None:
        super().__init__()
        self.hidden = nn.Linear(shape.colours * shape.side**2 + shape.conditions, 128)
        self.logit = nn.Linear(128, 1)

    def forward(self, images: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        h = functional.leaky_relu(self.hidden(torch.cat([images.flatten(1), c], 1)), SLOPE)
        return self.logit(functional.dropout(h, 0.3, self.training))


class Discriminator(nn.Module):
    """Strided convolutions with skips, on the picture folded to half its side: logits of the whole picture and of its
    16 x 16 neighbourhoods.

    The whole is judged with the spread of its batch (Karras et al. 2018) and against its conditions by projection
    (Miyato and Koyama 2018). Returns (n, 257): the whole's logit first.
    """

    def __init__(self, shape: CoverShape, width: int = 48) -> None:
        super().__init__()
        self.first = Conv(4 * shape.colours, width, 3)
        stages = round(math.log2(shape.side / START)) - 1
        widths = [min(width * 2**i, 192) for i in range(stages + 1)]
        self.down = nn.ModuleList(Down(a, b) for a, b in pairwise(widths))
        self.local_at = stages - 2  # where 16 cells a side are left
        self.local = Conv(widths[self.local_at], 1, 1)
        self.last = Conv(widths[-1] + 1, widths[-1], 3)
        self.whole = Linear(widths[-1] * START * START, 128)
        self.logit = Linear(128, 1)
        self.project = Linear(shape.conditions, 128)

    def forward(self, images: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        x = _lift(self.first(functional.pixel_unshuffle(images, 2)))  # each 2 x 2 as channels: nothing is lost
        near = self.local(x) if self.local_at == 0 else x
        for index, down in enumerate(self.down, 1):
            x = down(x)
            if index == self.local_at:
                near = self.local(x)
        x = torch.cat([x, batch_spread(x)], 1)
        h = _lift(self.whole(_lift(self.last(x)).flatten(1)))
        whole = self.logit(h) + (h * self.project(c)).mean(1, keepdim=True)
        return torch.cat([whole, near.flatten(1)], 1)


class Conv(nn.Module):
    """A convolution with equalised learning rate, edges padded by zeros."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = 1 / math.sqrt(inputs * kernel * kernel)
        self.stride, self.padding = stride, (kernel - 1) // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)


class Down(nn.Module):
    """Half the side: a strided convolution beside averaging, summed."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.main = Conv(inputs, outputs, 4, 2)
        self.skip = Conv(inputs, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (_lift(self.main(x)) + self.skip(functional.avg_pool2d(x, 2))) / math.sqrt(2)


def batch_spread(x: torch.Tensor, group: int = 4) -> torch.Tensor:
    """The spread within groups of the batch, as one more channel (n, 1, h, w)."""
    n, _, height, width = x.shape
    group = group if n % group == 0 else n
    spread = x.reshape(group, n // group, -1).var(0, unbiased=False).add(1e-8).sqrt().mean(1)
    return spread.repeat(group).view(n, 1, 1, 1).expand(-1, 1, height, width)


NETWORKS: dict[str, tuple[type[nn.Module], type[nn.Module]]] = {
    "conv": (ConvGenerator, Discriminator),
    "digits": (DigitsGenerator, DigitsDiscriminator),
}
