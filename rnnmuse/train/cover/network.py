"""The networks of the covers: generators that a picture comes from, and the discriminators that judge them.

``CoordinateGenerator`` is the one that ships: an implicit picture, drawn at any coordinates. ``ConvGenerator`` is the
convolutional comparison after Liu et al. 2021 (FastGAN), ``DigitsGenerator`` the multilayer perceptron of
Goodfellow et al. 2014. Pictures are (n, colours, side, side) in -1 to 1, latents z (n, latent) standard normal,
conditions c (n, conditions) in units of their spread over the training pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from rnnmuse.models.cover import NOISE, NOISE_GRID, START, spline

SLOPE = 0.2


@dataclass(frozen=True, slots=True)
class CoverShape:
    """Sizes of a generator; ``side`` is the side of the training pictures in pixels."""

    side: int = 64
    colours: int = 3
    latent: int = 96
    conditions: int = 8
    style: int = 128
    widths: tuple[int, ...] = (128, 96, 64, 48, 32)
    """Channels of the planes of 4, 8, 16, 32 and 64 cells."""
    waves: int = 8
    head: int = 32


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
    """A 3 x 3 convolution whose input channels are scaled by the style, its output brought back to unit spread: the
    modulation of StyleGAN2 (Karras et al. 2020), here with one set of weights for the whole batch."""

    def __init__(self, style: int, inputs: int, outputs: int, kernel: int = 3, demodulate: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = Linear(style, inputs, bias=1.0)
        self.scale = 1 / math.sqrt(inputs * kernel * kernel)
        self.demodulate = demodulate

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        weight, style = self.weight * self.scale, self.style(w)
        # the edge goes on: with zeros around it every picture would wear a frame
        y = functional.conv2d(functional.pad(x * style[:, :, None, None], (1, 1, 1, 1), mode="replicate"), weight)
        if self.demodulate:
            spread = (style.square() @ weight.square().sum((2, 3)).T + 1e-8).rsqrt()
            y = y * spread[:, :, None, None]
        return y + self.bias.view(-1, 1, 1)


class Pixelwise(Modulated):
    """The same for single pixels, (n, inputs, pixels) → (n, outputs, pixels): one matrix a picture."""

    def __init__(self, style: int, inputs: int, outputs: int, demodulate: bool = True) -> None:
        super().__init__(style, inputs, outputs, 1, demodulate)

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        weight = self.weight[:, :, 0, 0] * self.scale * self.style(w)[:, None]
        if self.demodulate:
            weight = weight * (weight.square().sum(2, keepdim=True) + 1e-8).rsqrt()
        return torch.baddbmm(self.bias.view(-1, 1), weight, x)


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


class CoordinateGenerator(nn.Module):
    """An implicit picture: the colour at (x, y), for any x and y.

    The style grows planes of features, 4 to 64 cells a side. At a coordinate the last is read by cubic B-splines
    (smooth to the second derivative, so no cell shows at any size), joined by long waves whose phases it bends and by
    smooth noise, and pixel-wise layers make the colour: after CIPS (Anokhin et al. 2021) and INR-GAN (Skorokhodov et
    al. 2021), with planes as in EG3D (Chan et al. 2022) so that two cores can train it. In training the coordinates
    are shifted by up to half a pixel, so that the picture is right between the pixels too.
    """

    def __init__(self, shape: CoverShape) -> None:
        super().__init__()
        self.shape = shape
        style, widths = shape.style, shape.widths
        self.mapping = Mapping(shape)
        self.start = Linear(style, widths[0] * START * START)
        self.first = Modulated(style, widths[0], widths[0])
        self.blocks = nn.ModuleList(Modulated(style, a, b) for a, b in pairwise(widths))
        self.grain = nn.ParameterList(nn.Parameter(torch.zeros(width)) for width in widths)
        self.phase = Linear(widths[-1], shape.waves)
        angle = torch.rand(shape.waves) * 2 * math.pi
        pitch = torch.exp2(torch.linspace(-1, 2, shape.waves))  # cycles a picture
        self.register_buffer("frequency", torch.stack([angle.cos() * pitch, angle.sin() * pitch]))
        self.one = Pixelwise(style, widths[-1] + shape.waves + NOISE, shape.head)
        self.two = Pixelwise(style, shape.head, shape.head)
        self.colour = Pixelwise(style, shape.head, shape.colours, demodulate=False)

    def planes(self, w: torch.Tensor, noise: list[torch.Tensor]) -> torch.Tensor:
        """(n, style) → (n, width, 64, 64); ``noise`` (n, 1, s, s) for s of 4, 8, … 64."""
        x = self.start(w).view(len(w), -1, START, START)
        x = _lift(self.first(x, w) + noise[0] * self.grain[0].view(-1, 1, 1))
        for block, grain, more in zip(self.blocks, list(self.grain)[1:], noise[1:], strict=True):
            x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = _lift(block(x, w) + more * grain.view(-1, 1, 1))
        return x

    def at(
        self, plane: torch.Tensor, w: torch.Tensor, fine: torch.Tensor, x: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        """Colours at columns x and rows y (each 0 to 1): (n, colours, len(y), len(x)).

        ``fine`` (n, NOISE, NOISE_GRID, NOISE_GRID) is the smooth noise's grid.
        """
        f = sample(plane, x, y).flatten(2)
        turns = self.frequency[0].view(-1, 1, 1) * x + self.frequency[1].view(-1, 1, 1) * y[:, None]
        bend = torch.matmul(self.phase.weight * self.phase.scale, f) + self.phase.bias.view(-1, 1)
        waves = torch.sin(2 * math.pi * turns.flatten(1) + 2 * bend)
        h = _lift(self.one(torch.cat([f, waves, sample(fine, x, y).flatten(2)], 1), w))
        colour: torch.Tensor = self.colour(_lift(self.two(h, w)), w)
        return colour.view(len(w), -1, len(y), len(x))

    def forward(self, z: torch.Tensor, c: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        w = self.mapping(z, c)
        noise = [
            torch.randn(len(z), 1, s, s, generator=generator) for s in (START << i for i in range(len(self.grain)))
        ]
        fine = torch.randn(len(z), NOISE, NOISE_GRID, NOISE_GRID, generator=generator)
        line = (torch.arange(self.shape.side) + 0.5) / self.shape.side
        x, y = (torch.rand(2, 1, generator=generator) - 0.5) / self.shape.side if self.training else torch.zeros(2, 1)
        return self.at(self.planes(w, noise), w, fine, line + x, line + y)


def sample(plane: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(n, c, s, s) read at rows y and columns x by cubic B-splines."""
    side = plane.shape[-1]
    rows = torch.from_numpy(spline(y.numpy(), side))
    columns = torch.from_numpy(spline(x.numpy(), side))
    return rows @ plane @ columns.T


class ConvGenerator(nn.Module):
    """The comparison: convolutions up to the full side, gated linear units and skip-layer excitation as in FastGAN."""

    def __init__(self, shape: CoverShape) -> None:
        super().__init__()
        self.shape = shape
        widths = (192, 128, 96, 64, 48, 32)[: round(math.log2(shape.side / START)) + 1]
        self.start = Linear(shape.latent + shape.conditions, widths[0] * START * START)
        self.up = nn.ModuleList(_UpGated(a, b) for a, b in pairwise(widths))
        self.excite = nn.Conv2d(widths[0], widths[-1], START)
        self.colour = nn.Conv2d(widths[-1], shape.colours, 3, padding=1)

    def forward(self, z: torch.Tensor, c: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        first = self.start(torch.cat([z, c], 1)).view(len(z), -1, START, START)
        x = first
        for up in self.up:
            x = up(x)
        x = x * torch.sigmoid(self.excite(first))
        return torch.tanh(self.colour(x))


class _UpGated(nn.Sequential):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Upsample(scale_factor=2), nn.Conv2d(inputs, 2 * outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * outputs), nn.GLU(1),
        )  # fmt: skip


class DigitsGenerator(nn.Module):
    """The smallest generator: latent → 128 → pixels, rectified, tanh at the end."""

    def __init__(self, shape: CoverShape) -> None:
        super().__init__()
        self.shape = shape
        self.hidden = nn.Linear(shape.latent + shape.conditions, 128)
        self.pixels = nn.Linear(128, shape.colours * shape.side**2)

    def forward(self, z: torch.Tensor, c: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        h = torch.relu(self.hidden(torch.cat([z, c], 1)))
        return torch.tanh(self.pixels(h)).view(-1, self.shape.colours, self.shape.side, self.shape.side)


class DigitsDiscriminator(nn.Module):
    """Its opponent: pixels → 128 → one logit."""

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

    def __init__(self, shape: CoverShape, width: int = 64) -> None:
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
    "coordinate": (CoordinateGenerator, Discriminator),
    "conv": (ConvGenerator, Discriminator),
    "digits": (DigitsGenerator, DigitsDiscriminator),
}
