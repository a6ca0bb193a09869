"""What a chorale network learns: every beat of four-part writing, given the beats before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from rnnmuse.models.chorale import classes_of
from rnnmuse.train.chorale.data import Chorale, room, shifts
from rnnmuse.train.chorale.network import ChoraleNet, nats_of
from rnnmuse.train.chorale.recipe import ChoraleRecipe
from rnnmuse.train.device import started
from rnnmuse.train.loop import EpochEnd, Progress, Report, Schedule, Step, fit

NEIGHBOURS = (2, 3, 5, 7, 9, 10)
"""Semitones to the tonics that a chorale may be taken for."""


class ChoraleObjective:
    """Batches of whole chorales, transposed within the voices' room; as `rnnmuse.train.loop.Objective`."""

    def __init__(self, recipe: ChoraleRecipe, chorales: Sequence[Chorale]) -> None:
        self.recipe = recipe
        self.own = [c for c in chorales if c.split == "train"] or [c for c in chorales if c.split == "beside"]
        self.beside = [c for c in chorales if c.split == "beside"] if any(c.split == "train" for c in chorales) else []
        self.held = [c for c in chorales if c.split == "validation"]
        self._room = room(self.own)
        most = len(self.own) + min(len(self.beside), recipe.beside_pieces)
        self.steps = math.ceil(most / recipe.batch)
        self._random = np.random.default_rng(recipe.seed)
        self._batches: list[list[Chorale]] = []
        self._done = 0

    def begin(self, rank: int, world: int) -> None:
        self._random = np.random.default_rng((self.recipe.seed, rank))

    def _refill(self) -> None:
        share = 1 - 0.75 * min(1.0, self._done / (self.recipe.epochs * self.steps))
        count = min(len(self.beside), round(self.recipe.beside_pieces * share))
        picked = self._random.permutation(len(self.beside))[:count]
        items = [*self.own, *(self.beside[i] for i in picked)]
        items.sort(key=lambda c: len(c.voices) // 4 + int(self._random.integers(8)))
        size = self.recipe.batch
        batches = [items[at : at + size] for at in range(0, len(items), size)]
        self._random.shuffle(batches)
        self._batches = batches

    def step(self, net: Any, device: torch.device) -> Step:
        if not self._batches:
            self._refill()
        batch = self._batches.pop()
        self._done += 1
        rows = [self._drawn(chorale) for chorale in batch]
        longest = max(len(beats) for beats, _ in rows)
        x = np.zeros((len(rows), longest, 4), np.int64)
        mask = np.zeros((len(rows), longest), np.float32)
        for i, (beats, tonic) in enumerate(rows):
            x[i, : len(beats)], mask[i, : len(beats)] = classes_of(beats, tonic), 1
        tonics = torch.tensor([tonic for _, tonic in rows], device=device)
        weight = torch.from_numpy(mask).to(device)
        lost = (nats_of(net, torch.from_numpy(x).to(device), tonics) * weight).sum()
        count = int(mask.sum())
        return Step(lost / count, lost, count)

    def _drawn(self, chorale: Chorale) -> tuple[Any, int]:
        r, random = self.recipe, self._random
        at = int(random.integers(1, 4)) if chorale.split == "train" and random.random() < r.other_beats else 0
        beats, tonic = chorale.beats(at), chorale.tonic
        if random.random() < r.other_tonic:
            tonic = (tonic + NEIGHBOURS[int(random.integers(len(NEIGHBOURS)))]) % 12
        low, high = shifts(beats, self._room)
        by = int(random.integers(low, high + 1))
        return np.where(beats > 0, beats + by, 0), (tonic + by) % 12

    @torch.no_grad()
    def validate(self, net: Any) -> tuple[float, dict[str, Any]]:
        """Nats a beat of the held-out chorales, without the tonic as input."""
        return (mixture(net, self.held) if self.held else math.nan), {}

    def state(self) -> dict[str, Any]:
        return {"random": self._random.bit_generator.state, "done": self._done}

    def restore(self, state: dict[str, Any]) -> None:
        self._random.bit_generator.state, self._done = state["random"], state["done"]
        self._batches = []


@torch.no_grad()
def mixture(net: Any, chorales: Sequence[Chorale]) -> float:
    """Mean summed negative log-likelihood of a beat over all beats; twelve equally likely tonics."""
    total, count = 0.0, 0
    tonics = torch.arange(12)
    for chorale in chorales:
        beats = chorale.beats()
        x = np.stack([classes_of(beats, tonic) for tonic in range(12)])
        lost: Tensor = nats_of(net, torch.from_numpy(x), tonics).sum(1)
        total -= float(torch.logsumexp(-lost, 0)) - math.log(12)
        count += len(beats)
    return total / max(1, count)


def train_chorales(
    recipe: ChoraleRecipe,
    chorales: Sequence[Chorale],
    folder: Path,
    *,
    start: Mapping[str, Tensor] | None = None,
    minutes: float | None = None,
    device: str = "auto",
    report: Report | None = None,
    epoch_end: EpochEnd | None = None,
) -> tuple[ChoraleNet, Progress]:
    """Train a network, resumed from ``folder``; returns it with its best weights."""
    torch.manual_seed(recipe.seed)
    fabric: Fabric = started(precision="32-true", device=device)
    net = ChoraleNet(recipe.shape)
    if start is not None:
        net.load_state_dict(dict(start))
    schedule = Schedule(
        recipe.epochs, recipe.patience, recipe.learning_rate, recipe.weight_decay, average=recipe.average
    )
    objective = ChoraleObjective(recipe, chorales)
    now = fit(net, objective, schedule, folder, fabric, minutes=minutes, report=report, epoch_end=epoch_end)
    return net, now
