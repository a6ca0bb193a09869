"""The phrase VAE as it is played: the encoder and the decoder's step in onnxruntime, the rest in numpy.

A phrase is a point of its length's latent space, and N(0, I) is where the training phrases lie: their mean and
covariance, measured after training, are undone on the way in and done again on the way out. So a coordinate is in
standard deviations, the first ones matter most, and a draw from N(0, I) is a phrase. The mathematics is in
`rnnmuse.train.phrase.network`; tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.groove import GrooveModel
from rnnmuse.models.runtime import session
from rnnmuse.models.sampling import sample
from rnnmuse.music.attributes import axes_of
from rnnmuse.music.phrases import (
    BAR,
    CLASSES,
    CONTEXT_SIZES,
    DRUMS,
    HOLD,
    MICROS,
    ON_GRID,
    ONSET,
    STEPS_A_BEAT,
    VELOCITIES,
    Grid,
    Mask,
    no_context,
)

Floats = NDArray[np.float32]
SHUT = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Space:
    """The latent space of phrases of one length.

    ``axes`` (A, Z) and ``offsets`` (A,) estimate a phrase's attributes from its point, ``quantiles`` (A, Q) are those
    of the training phrases' estimates, stretched, ``examples`` (N, Z) are points of some of them that differ.
    """

    bars: int
    """Length of the phrases."""
    size: int
    """Z, the coordinates of a point."""
    axes: Floats
    offsets: Floats
    quantiles: Floats
    examples: Floats
    into: tuple[Floats, Floats]
    """Weight (Z, V) and bias (Z,) from the V values that the encoder has of all beats to a point."""
    out: tuple[Floats, Floats]
    """Weight (V, Z) and bias (V,) from a point to the V values that condition the decoder's beats."""


class PhraseModel:
    """A loaded phrase model. ``bars`` are the lengths it knows; ``drum`` says whether it plays drums."""

    digest = ""
    """The hash of its bundle, for records of provenance."""

    def __init__(
        self, name: str, drum: bool, bars: tuple[int, ...], weights: Mapping[str, NDArray[Any]], encoder: bytes,
        step: bytes,
    ) -> None:  # fmt: skip
        self.name, self.drum, self.bars = name, drum, bars
        self._encoder = session(encoder)
        self._step = session(step)
        w = {key: np.ascontiguousarray(value, np.float32) for key, value in weights.items()}
        self._w = w
        self.hidden = w["trunk.weight_hh_l0"].shape[1]
        self.condition = w["condition.weight"].shape[1]
        self.spaces = {b: _space(w, i, b) for i, b in enumerate(bars)}
        self.axes = axes_of(drum)
        self.groove: GrooveModel | None = None

    def space(self, bars: int) -> Space:
        """The latent space of phrases of ``bars`` bars; ValueError names the lengths there are."""
        if bars not in self.spaces:
            raise ValueError(f"bars: {bars}; the model {self.name} knows phrases of {' or '.join(map(str, self.bars))}")
        return self.spaces[bars]

    # -- in and out -----------------------------------------------------------------------------------------

    def encode(self, grid: Grid, context: Grid | None = None) -> Floats:
        """The point (Z,) of a phrase (T, 3) or (T, 9, 3), in its key and chords (T, 3) if they are known."""
        space = self.space(len(grid) // BAR)
        around = self.around(no_context(len(grid)) if context is None else context)
        x = self._reading("read", grid) + around
        (beats,) = self._encoder.run(None, {"x": x[None]})
        weight, bias = space.into
        point: Floats = weight @ beats.reshape(-1) + bias
        return point

    def decode(
        self,
        point: Floats,
        context: Grid | None = None,
        bars: int | None = None,
        temperature: float = 0.0,
        random: Random | None = None,
        allowed: Mask | None = None,
    ) -> Grid:
        """The phrase at ``point`` (Z,): the likeliest step by step, or above temperature 0 drawn with ``random``.

        ``allowed`` (T, 128) are the pitches that may start at each step, as `rnnmuse.music.phrases.playable` says them.
        """
        space = self.space(bars or self.bars_of(point))
        if point.shape != (space.size,):
            raise ValueError(f"point: {point.shape[0]} numbers; a phrase of {space.bars} bars has {space.size}")
        steps = space.bars * BAR
        around = self.around(no_context(steps) if context is None else context)
        weight, bias = space.out
        conditions = (weight @ point + bias).reshape(-1, self.condition)
        given = conditions @ self._w["condition.weight"].T + self._w["condition.bias"]
        grid = np.zeros((steps, len(DRUMS), 3) if self.drum else (steps, 3), np.int16)
        before = self.start()
        state = np.zeros((1, self.hidden), np.float32)
        for t in range(steps):
            beat = t // STEPS_A_BEAT
            x = self._reading("write", before) + around[t] + given[beat]
            beside = np.concatenate((conditions[beat], around[t]))
            state, first, rest = self._step.run(None, {"x": x[None], "beside": beside[None], "state": state})
            scores = first[0]
            if allowed is not None:
                scores = scores.copy()
                scores[ONSET:][~allowed[t]] = SHUT
            before = grid[t] = self._choose(scores, rest[0], temperature, random)
        return grid

    def bars_of(self, point: Floats) -> int:
        """The length in bars of the phrase at ``point``, by its number of coordinates."""
        for space in self.spaces.values():
            if space.size == len(point):
                return space.bars
        sizes = ", ".join(f"{s.size} ({s.bars} bars)" for s in self.spaces.values())
        raise ValueError(f"point: {len(point)} numbers; the model {self.name} takes {sizes}")

    def draw(self, bars: int, random: Random, scale: float = 1.0) -> Floats:
        """A point drawn from N(0, scale^2 I)."""
        return np.array([random.gauss(0, scale) for _ in range(self.space(bars).size)], np.float32)

    def nll(self, point: Floats, grid: Grid, context: Grid | None = None) -> float:
        """Nats of a phrase given its point, each step given the true one before it."""
        space = self.space(len(grid) // BAR)
        around = self.around(no_context(len(grid)) if context is None else context)
        weight, bias = space.out
        conditions = (weight @ point + bias).reshape(-1, self.condition)
        given = conditions @ self._w["condition.weight"].T + self._w["condition.bias"]
        before, total = self.start(), 0.0
        state = np.zeros((1, self.hidden), np.float32)
        for t, row in enumerate(grid):
            beat = t // STEPS_A_BEAT
            x = self._reading("write", before) + around[t] + given[beat]
            beside = np.concatenate((conditions[beat], around[t]))
            state, first, rest = self._step.run(None, {"x": x[None], "beside": beside[None], "state": state})
            total += self._nll_of(first[0], rest[0], row)
            before = row
        return total

    # -- pieces ---------------------------------------------------------------------------------------------

    def start(self) -> Grid:
        """The step before the first."""
        before = np.zeros((len(DRUMS), 3) if self.drum else (3,), np.int16)
        before[..., 2] = ON_GRID
        if not self.drum:
            before[0] = HOLD
        return before

    def around(self, context: Grid) -> Floats:
        """Key, chord and place in the bar as the network reads them, (T, E)."""
        out: Floats = self._w["place.weight"][np.arange(len(context)) % BAR]
        for i in range(len(CONTEXT_SIZES)):
            out = out + self._w[f"context.{i}.weight"][context[:, i]]
        return out

    def _reading(self, side: str, grid: Grid) -> Floats:
        """Steps (..., 3) or (..., 9, 3) as vectors (..., E)."""
        w = self._w
        out: Floats
        if self.drum:
            hit = grid[..., 0].astype(np.float32)
            parts = (hit, hit * grid[..., 1] / (VELOCITIES - 1), hit * (grid[..., 2] - ON_GRID) / ON_GRID)
            x = np.concatenate(parts, -1).astype(np.float32)
            out = x @ w[f"{side}.strokes.weight"].T + w[f"{side}.strokes.bias"]
            return out
        step = grid[..., 0]
        more = w[f"{side}.velocity.weight"][grid[..., 1]] + w[f"{side}.micro.weight"][grid[..., 2]]
        out = w[f"{side}.step.weight"][step] + more * (step >= ONSET)[..., None]
        return out

    def _heads(self, rest: Floats, struck: Floats) -> tuple[Floats, Floats]:
        hidden = np.maximum(rest + struck, 0)
        w = self._w
        return (
            w["velocity.weight"] @ hidden + w["velocity.bias"],
            w["micro.weight"] @ hidden + w["micro.bias"],
        )

    def _choose(self, first: Floats, rest: Floats, temperature: float, random: Random | None) -> Grid:
        row = self.start()
        if self.drum:
            if temperature > 1e-3:
                assert random is not None
                chance = 1 / (1 + np.exp(-first / temperature))
                hit = np.array([random.random() < p for p in chance])
            else:
                hit = first > 0
            if hit.any():
                velocity, micro = self._heads(rest, self._struck(hit.astype(np.float32)))
                for drum in np.flatnonzero(hit).tolist():
                    v = velocity[drum * VELOCITIES : (drum + 1) * VELOCITIES]
                    m = micro[drum * MICROS : (drum + 1) * MICROS]
                    row[drum] = (1, _pick(v, temperature, random), _pick(m, temperature, random))
            return row
        step = _pick(first, temperature, random)
        row[0] = step
        if step >= ONSET:
            velocity, micro = self._heads(rest, self._w["struck.weight"][step])
            row[1], row[2] = _pick(velocity, temperature, random), _pick(micro, temperature, random)
        return row

    def _struck(self, hits: Floats) -> Floats:
        out: Floats = self._w["struck.weight"] @ hits + self._w["struck.bias"]
        return out

    def _nll_of(self, first: Floats, rest: Floats, row: Grid) -> float:
        if not self.drum:
            total = _surprise(first, int(row[0]))
            if row[0] >= ONSET:
                velocity, micro = self._heads(rest, self._w["struck.weight"][row[0]])
                total += _surprise(velocity, int(row[1])) + _surprise(micro, int(row[2]))
            return total
        hit = row[:, 0].astype(np.float32)
        scores = first.astype(np.float64)
        total = float((np.logaddexp(0, scores) - scores * hit).sum())
        velocity, micro = self._heads(rest, self._struck(hit))
        for drum in np.flatnonzero(hit).tolist():
            total += _surprise(velocity[drum * VELOCITIES : (drum + 1) * VELOCITIES], int(row[drum, 1]))
            total += _surprise(micro[drum * MICROS : (drum + 1) * MICROS], int(row[drum, 2]))
        return total


def _pick(logits: Floats, temperature: float, random: Random | None) -> int:
    if temperature > 1e-3:
        assert random is not None
        return sample(logits, random, temperature, 0.98)
    return int(logits.argmax())


def _surprise(logits: Floats, target: int) -> float:
    scores = logits.astype(np.float64)
    return float(np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[target])


def _space(w: Mapping[str, Floats], index: int, bars: int) -> Space:
    """The latent space of one length, the change of coordinates folded into the maps to and from it."""
    size = w[f"from_z.{index}.weight"].shape[1]
    mean, root = w[f"aggregate.{index}.mean"], w[f"aggregate.{index}.root"]  # z = mean + root @ point
    weight, bias = w[f"to_z.{index}.weight"][:size], w[f"to_z.{index}.bias"][:size]
    inverse = np.linalg.inv(root.astype(np.float64)).astype(np.float32)
    out, out_bias = w[f"from_z.{index}.weight"], w[f"from_z.{index}.bias"]
    if w["first.weight"].shape[0] not in (CLASSES, len(DRUMS)):
        raise ValueError("first: the head has another number of classes")
    return Space(
        bars,
        size,
        w[f"axes.{index}.weight"],
        w[f"axes.{index}.bias"],
        w[f"axes.{index}.quantiles"],
        w[f"examples.{index}"],
        (inverse @ weight, inverse @ (bias - mean)),
        (out @ root, out @ mean + out_bias),
    )
