"""The cover generator in numpy: a small picture from a latent and what is asked of it.

The same network as ``rnnmuse.train.cover.network.ConvGenerator``, one picture at a time. What is printed from the
picture at any size is the business of `rnnmuse.cover`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

ATTRIBUTES = ("brightness", "contrast", "warmth", "tint", "variety", "detail", "sky")
"""What can be asked of a picture, in units of the spread over the training pictures: mean lightness, its spread, red
against blue, green against purple, spread of the colours, fine detail, and how much lighter the upper half is."""
ABSTRACT = len(ATTRIBUTES)
"""Place of the last condition: 0 as the works it was trained on, 1 as the abstract pictures among them."""
CONDITIONS = len(ATTRIBUTES) + 1
START = 4
SLOPE = 0.2
LEAST = 64
"""Side in pixels of the smallest picture that is given out; smaller ones are enlarged."""

Array = NDArray[np.float32]
Pixels = NDArray[np.uint8]


class CoverModel:
    """A trained generator. ``mean`` and ``spread`` are those of the ATTRIBUTES over its training pictures; ``latent``
    is the length of a latent, ``side`` that of a picture in pixels.

    ValueError where the weights do not fit together.
    """

    digest = ""
    """The hash of its bundle, for records of provenance."""

    def __init__(self, name: str, weights: dict[str, Any], mean: Array, spread: Array) -> None:
        self.name, self.mean, self.spread = name, np.asarray(mean, np.float32), np.asarray(spread, np.float32)
        self._weights = {key: np.ascontiguousarray(value, np.float32) for key, value in weights.items()}
        w = self._weights
        self.latent = w["mapping.one.weight"].shape[1] - CONDITIONS
        self._levels = sum(key.startswith("up.") and key.endswith(".bias") and key.count(".") == 2 for key in w)
        self.side = max(LEAST, START << (self._levels - 1))
        shapes: dict[str, tuple[int, ...]] = {
            "start.weight": (w["up.0.weight"].shape[1] * START**2, len(w["mapping.two.bias"]))
        }
        for level in range(self._levels):
            width = len(w[f"up.{level}.bias"])
            shapes[f"same.{level}.weight"] = (width, width, 3, 3)
            shapes[f"colour.{level}.weight"] = (3, width, 1, 1)
            if level:
                shapes[f"up.{level}.weight"] = (width, len(w[f"up.{level - 1}.bias"]), 3, 3)
        for key, shape in shapes.items():
            if w[key].shape != shape:
                raise ValueError(f"{key}: shape {w[key].shape}; must be {shape}")

    def picture(self, z: Array, conditions: Array) -> Pixels:
        """The picture (side, side, 3) for a latent (latent,) and conditions (CONDITIONS,)."""
        z = z / math.sqrt(float(np.square(z).mean()) + 1e-8)
        h = _lift(self._linear("mapping.one", np.concatenate([z, conditions]).astype(np.float32)))
        style = _lift(self._linear("mapping.two", h))
        x = self._linear("start", style).reshape(-1, START, START)
        picture = np.zeros((3, START, START), np.float32)
        for level in range(self._levels):
            if level:
                x, picture = _doubled(x), _doubled(picture)
            x = _lift(self._modulated(f"up.{level}", x, style))
            x = _lift(self._modulated(f"same.{level}", x, style))
            picture = picture + self._modulated(f"colour.{level}", x, style, demodulate=False)
        while picture.shape[1] < LEAST:
            picture = _doubled(picture)
        return np.asarray(np.clip(np.rint(127.5 * picture + 127.5), 0, 255).transpose(1, 2, 0), np.uint8)

    def _linear(self, name: str, x: Array) -> Array:
        weight = self._weights[f"{name}.weight"]
        out: Array = weight @ x / np.float32(math.sqrt(weight.shape[1])) + self._weights[f"{name}.bias"]
        return out

    def _modulated(self, name: str, x: Array, style: Array, demodulate: bool = True) -> Array:
        """A convolution with the weights that this style makes; the edge is repeated."""
        weight = self._weights[f"{name}.weight"]
        outputs, inputs, kernel, _ = weight.shape
        scale = self._linear(f"{name}.style", style)[:, None, None] / np.float32(math.sqrt(inputs * kernel * kernel))
        matrix: Array = (weight * scale).reshape(outputs, -1)
        if demodulate:
            matrix = matrix / np.sqrt(np.square(matrix).sum(1, keepdims=True) + 1e-8)
        side = x.shape[1]
        columns = x.reshape(inputs, -1)
        if kernel == 3:
            padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge")
            seen = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))  # (inputs, s, s, 3, 3)
            columns = seen.transpose(0, 3, 4, 1, 2).reshape(-1, side * side)
        return (matrix @ columns).reshape(-1, side, side) + self._weights[f"{name}.bias"][:, None, None]


def _lift(x: Array) -> Array:
    return np.where(x > 0, x, SLOPE * x).astype(np.float32) * np.float32(math.sqrt(2))


def _doubled(x: Array) -> Array:
    """Twice the side, bilinear, pixel centres aligned: (c, s, s) → (c, 2 s, 2 s)."""
    for axis in (1, 2):
        before = np.concatenate([x.take([0], axis), x.take(range(x.shape[axis] - 1), axis)], axis)
        after = np.concatenate([x.take(range(1, x.shape[axis]), axis), x.take([-1], axis)], axis)
        pair = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], axis + 1)
        shape = list(x.shape)
        shape[axis] *= 2
        x = pair.reshape(shape).astype(np.float32)
    return x
