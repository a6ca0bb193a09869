"""The groove model as it is played: quantised drums, taps or a kick and snare in, a human's playing out.

The mathematics is in `rnnmuse.train.groove.network`. Where velocity and timing are drawn the answer differs each time,
as a drummer's does; the same ``random`` gives the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.runtime import session
from rnnmuse.models.sampling import sample
from rnnmuse.music.phrases import BAR, DRUMS, MICROS, ON_GRID, VELOCITIES, Grid

Floats = NDArray[np.float32]
GIVEN = 6 * len(DRUMS) + 4
"""Width of what is given of a step: known and struck for each drum, its velocity and place if they stay; tap, its
velocity and place; the tempo in octaves from 120 bpm; for each drum whether its level is given, and the level."""
APART = 2 * VELOCITIES - 1
"""Classes of how much louder a stroke is than its drum's level: -31 to 31 velocity classes, stored + 31."""

LOUD = APART + VELOCITIES
"""Logits for the velocity of a stroke: of each class of how much louder it is, then of each velocity class itself."""


def given_of(
    grid: Grid, known: Grid, feel: Grid, tap: Floats | None, tempo: float, level: Floats | None = None
) -> Floats:
    """What is given, (T, GIVEN), of a drum phrase (T, 9, 3).

    ``known`` (9,) marks the drums whose hits are given, ``feel`` (9,) those whose velocity and timing stay too.
    ``tap`` (T, 3) is hit, velocity 0-1 and place -1 to 1. ``level`` (9,) is as in `level_of`.
    """
    hit = grid[..., 0].astype(np.float32) * known
    velocity = hit * feel * grid[..., 1] / (VELOCITIES - 1)
    micro = hit * feel * (grid[..., 2] - ON_GRID) / ON_GRID
    steps = len(grid)
    taps = np.zeros((steps, 3), np.float32) if tap is None else tap
    speed = np.full((steps, 1), math.log2(tempo / 120), np.float32)
    loud = np.full(len(DRUMS), np.nan) if level is None else level
    levels = np.tile(np.concatenate((~np.isnan(loud), np.nan_to_num(loud))), (steps, 1))
    rows = (np.tile(known.astype(np.float32), (steps, 1)), hit, velocity, micro, taps, speed, levels)
    return np.concatenate(rows, -1).astype(np.float32)


def level_of(grid: Grid) -> Floats:
    """How loud each drum of a part (T, 9, 3) is on the whole, (9,): its mean velocity 0-1, NaN where it is silent."""
    count = (grid[..., 0] > 0).sum(0)
    total = np.where(grid[..., 0] > 0, grid[..., 1], 0).sum(0) / (VELOCITIES - 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def levelled(human: Grid, level: Floats) -> Grid:
    """``human`` (T, 9, 3) with every drum as loud on the whole as ``level`` (9,): accents stay, their mean moves."""
    out = human.copy()
    for drum in np.flatnonzero(~np.isnan(level)).tolist():
        hit = human[:, drum, 0] > 0
        if not hit.any():
            continue
        wanted = float(level[drum]) * (VELOCITIES - 1)
        velocity = human[hit, drum, 1].astype(float)
        room = max(1e-9, min(wanted, VELOCITIES - 1 - wanted))
        for _ in range(4):  # what is cut at an end is made up for by the others
            velocity = np.clip(velocity + wanted - velocity.mean(), 0, VELOCITIES - 1)
        if abs(velocity.mean() - wanted) > 0.5:
            velocity = wanted + (velocity - velocity.mean()) * min(1.0, room / max(1e-9, np.ptp(velocity)))
        out[hit, drum, 1] = np.rint(np.clip(velocity, 0, VELOCITIES - 1))
    return out


def taps_of(grid: Grid) -> Floats:
    """The rhythm of a drum phrase as taps (T, 3): where anything is struck, as loud and as late as its loudest."""
    hit = grid[..., 0] > 0
    velocity = np.where(hit, grid[..., 1], 0)
    loudest = velocity.argmax(-1)
    rows = np.arange(len(grid))
    place = (grid[rows, loudest, 2] - ON_GRID) / ON_GRID
    return np.stack((hit.any(-1), velocity.max(-1) / (VELOCITIES - 1), place * hit.any(-1)), -1).astype(np.float32)


def base_of(level: Floats) -> NDArray[np.int64]:
    """The velocity class of levels 0-1, from which strokes' own are counted."""
    base: NDArray[np.int64] = np.floor(level * (VELOCITIES - 1) + 0.5).astype(np.int64)
    return base


class GrooveModel:
    """A loaded groove model."""

    def __init__(self, weights: Mapping[str, NDArray[Any]], reader: bytes, step: bytes) -> None:
        if (found := weights["velocity.bias"].size) != (wanted := len(DRUMS) * LOUD):
            raise ValueError(f"velocity.bias: {found} numbers; must be {wanted}: trained by an older rnnmuse")
        self._reader = session(reader)
        self._step = session(step)
        self._w = {key: np.ascontiguousarray(value, np.float32) for key, value in weights.items()}
        self.hidden = self._w["trunk.weight_hh_l0"].shape[1]
        self._usual = self._w["usual"]

    def humanise(
        self,
        grid: Grid,
        random: Random,
        tempo: float = 120.0,
        temperature: float = 1.0,
        level: Floats | None = None,
    ) -> Grid:
        """The same hits (T, 9, 3), struck by a human; ``level`` (9,), as in `level_of`, is how loud on the whole."""
        one, none = np.ones(len(DRUMS)), np.zeros(len(DRUMS))
        return self._play(grid, one, none, None, random, tempo, temperature, level)

    def from_taps(self, taps: Floats, random: Random, tempo: float = 120.0, temperature: float = 0.8) -> Grid:
        """A kit part (T, 9, 3) for a tapped rhythm (T, 3), as `taps_of` makes it."""
        grid = np.zeros((len(taps), len(DRUMS), 3), np.int16)
        none = np.zeros(len(DRUMS))
        return self._play(grid, none, none, taps, random, tempo, temperature)

    def fill(
        self, grid: Grid, random: Random, kept: tuple[int, ...] = (0, 1), tempo: float = 120.0, temperature: float = 0.8
    ) -> Grid:
        """The drums ``kept`` of a phrase as they are, the others made new."""
        mask = np.zeros(len(DRUMS))
        mask[list(kept)] = 1
        return self._play(grid, mask, mask, None, random, tempo, temperature)

    def _play(
        self, grid: Grid, known: Any, feel: Any, tap: Floats | None, random: Random, tempo: float, temperature: float,
        level: Floats | None = None,
    ) -> Grid:  # fmt: skip
        if not 10 <= tempo <= 1000:
            raise ValueError(f"tempo: {tempo}; must be 10 to 1000 bpm")
        w = self._w
        steps = len(grid)
        place = w["place.weight"][np.arange(steps) % BAR]
        given = given_of(grid, known, feel, tap, tempo, level)
        base = base_of(self._usual if level is None else np.where(np.isnan(level), self._usual, level))
        (features,) = self._reader.run(None, {"x": (given @ w["read.weight"].T + w["read.bias"] + place)[None]})
        inputs = place + features @ w["condition.weight"].T + w["condition.bias"] + w["write.bias"]
        beside = np.concatenate((features, place), 1)
        out = np.zeros((steps, len(DRUMS), 3), np.int16)
        out[..., 2] = ON_GRID
        state = np.zeros((1, self.hidden), np.float32)
        strokes = np.zeros(3 * len(DRUMS), np.float32)
        for t in range(steps):
            x = inputs[t] + w["write.weight"] @ strokes
            state, first, rest = self._step.run(None, {"x": x[None], "beside": beside[t][None], "state": state})
            chance = 1 / (1 + np.exp(-first[0] / max(temperature, 1e-3)))
            hit = np.array([bool(g) if k else random.random() < p
                            for g, k, p in zip(grid[t, :, 0], known, chance, strict=True)])  # fmt: skip
            if hit.any():
                self._strike(out[t], hit, rest[0], grid[t], feel, base, random, temperature)
            on = out[t, :, 0].astype(np.float32)
            strokes = np.concatenate(
                (on, on * out[t, :, 1] / (VELOCITIES - 1), on * (out[t, :, 2] - ON_GRID) / ON_GRID)
            ).astype(np.float32)
        return out

    def _strike(
        self, row: Grid, hit: Any, rest: Floats, given: Grid, feel: Any, base: Any, random: Random, temperature: float
    ) -> None:
        w = self._w
        hidden = np.maximum(rest + w["struck.weight"] @ hit.astype(np.float32) + w["struck.bias"], 0)
        velocity = (w["velocity.weight"] @ hidden + w["velocity.bias"]).reshape(len(DRUMS), LOUD)
        micro = (w["micro.weight"] @ hidden + w["micro.bias"]).reshape(len(DRUMS), MICROS)
        for drum in np.flatnonzero(hit).tolist():
            if feel[drum]:
                row[drum] = given[drum]
            else:
                softest = VELOCITIES - 1 - int(base[drum])  # the place of velocity class 0 among how much louder
                loud = velocity[drum, softest : softest + VELOCITIES] + velocity[drum, APART:]
                row[drum] = (1, sample(loud, random, temperature), sample(micro[drum], random, temperature))


def blended(grid: Grid, human: Grid, amount: float) -> Grid:
    """Velocity and timing of ``grid`` moved by ``amount`` (0-1) towards those of ``human``; the hits of ``human``."""
    if not 0 <= amount <= 1:
        raise ValueError(f"amount: {amount}; must be 0 to 1")
    both = (grid[..., 0] > 0) & (human[..., 0] > 0)
    out = human.copy()
    mixed = np.rint(grid[..., 1:] + (human[..., 1:] - grid[..., 1:]) * amount)
    out[..., 1:] = np.where(both[..., None], mixed, human[..., 1:])
    return out
