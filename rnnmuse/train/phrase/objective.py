"""What the phrase VAE learns: lengths in turn, transposed copies, the loss of `rnnmuse.train.phrase.network`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from rnnmuse.music.phrases import ONSET, UNKNOWN
from rnnmuse.train.device import started
from rnnmuse.train.loop import EpochEnd, Progress, Report, Schedule, Step, fit
from rnnmuse.train.phrase.data import Windows
from rnnmuse.train.phrase.measures import reconstruction
from rnnmuse.train.phrase.network import PhraseNet, kl_by_dimension
from rnnmuse.train.phrase.recipe import PhraseRecipe

CHECKS = 192  # phrases of each length that validation looks at


def augmented(grid: Tensor, context: Tensor, low: int, high: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Melodies (B, T, 3) and contexts, each transposed by its own number of semitones from ``low`` to ``high``."""
    shift = torch.randint(low, high + 1, (len(grid), 1), generator=generator)
    grid, context = grid.clone(), context.clone()
    on = grid[..., 0] >= ONSET
    pitch = torch.where(on, grid[..., 0] + shift, ONSET + 60)
    fits = ((pitch >= ONSET) & (pitch < ONSET + 128)).all(1, keepdim=True)
    shift = shift * fits
    grid[..., 0] += shift * on
    key, root = context[..., 0], context[..., 1]
    context[..., 0] = torch.where(key < UNKNOWN[0], key // 12 * 12 + (key + shift) % 12, key)
    context[..., 1] = torch.where(root < UNKNOWN[1], (root + shift) % 12, root)
    return grid, context


class PhraseObjective:
    """Phrases of each length in their own batches, in a random order; the loss is in nats a phrase.

    An epoch has every phrase of the shortest length, and of longer ones as many as make the same number of bars.
    Validation is the share that comes back wrong: of steps free-running, or of drums one less the F1 of hits.
    """

    def __init__(
        self, recipe: PhraseRecipe, training: Mapping[int, Windows], validation: Mapping[int, Windows]
    ) -> None:
        self.recipe = recipe
        self.training = {bars: windows for bars, windows in training.items() if len(windows)}
        self.validation = {bars: windows for bars, windows in validation.items() if len(windows)}
        self.steps = len(self._order(0))

    def begin(self, rank: int, world: int) -> None:
        if world > 1:
            raise ValueError(f"devices: {world} processes; phrases are trained in one")
        self._taken = 0
        self._random = torch.Generator().manual_seed(self.recipe.seed)

    def _order(self, epoch: int) -> list[tuple[int, Any]]:
        """The batches of an epoch: length in bars and rows."""
        random = np.random.default_rng([self.recipe.seed, epoch])
        plan = []
        for bars, windows in self.training.items():
            size = max(1, self.recipe.batch * 2 // bars)
            order = random.permutation(len(windows))
            order = order[: max(1, len(order) * min(self.training) // bars)]
            plan += [(bars, order[at : at + size]) for at in range(0, len(order), size)]
        return [plan[i] for i in random.permutation(len(plan))]

    def step(self, net: PhraseNet, device: torch.device) -> Step:
        recipe, random = self.recipe, self._random
        epoch, place = divmod(self._taken, self.steps)
        if place == 0 or not hasattr(self, "_plan"):
            self._plan = self._order(epoch)
        bars, rows = self._plan[place]
        grid = torch.from_numpy(self.training[bars].grids[rows]).long()
        context = torch.from_numpy(self.training[bars].context[rows]).long()
        if not recipe.drum:
            grid, context = augmented(grid, context, *recipe.transpose, random)
        blind = torch.rand(len(grid), 1, 1, generator=random) < recipe.blind
        context = torch.where(blind, torch.tensor(UNKNOWN), context)
        noise = torch.randn(len(grid), net.shape.latent[net.shape.bars.index(bars)], generator=random)
        hidden = torch.rand(grid.shape[:2], generator=random) < recipe.hide
        grid, context, noise, hidden = (each.to(device) for each in (grid, context, noise, hidden))
        mu, log_var = net.encode(grid, context)
        mu, log_var = mu.float(), log_var.float()
        parts = net(mu + noise * (log_var / 2).exp(), grid, context, hidden)
        kl = kl_by_dimension(mu, log_var).mean(0)
        self._taken += 1
        weight = recipe.beta * min(1.0, self._taken / recipe.annealing)
        steps, velocity, micro = (part.mean() for part in parts)
        loss = steps + recipe.feel * (velocity + micro) + weight * kl.clamp_min(recipe.free).sum()
        return Step(loss, loss * len(rows), len(rows) * bars)

    def validate(self, net: PhraseNet) -> tuple[float, dict[str, Any]]:
        rows = {bars: reconstruction(net, windows, CHECKS) for bars, windows in self.validation.items()}
        right = [row["hits F1" if self.recipe.drum else "steps, free-running"] for row in rows.values()]
        found = 1 - sum(right) / len(right) if right else math.nan
        return found, {"lengths": {str(bars): values for bars, values in rows.items()}}

    def state(self) -> dict[str, Any]:
        return {"taken": self._taken, "random": self._random.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        self._taken = state["taken"]
        self._plan = self._order(self._taken // self.steps)
        self._random.set_state(state["random"].cpu())


def train_phrases(
    recipe: PhraseRecipe,
    training: Mapping[int, Windows],
    validation: Mapping[int, Windows],
    folder: Path,
    *,
    start: Mapping[str, Tensor] | None = None,
    minutes: float | None = None,
    device: str = "auto",
    report: Report | None = None,
    epoch_end: EpochEnd | None = None,
    fabric: Fabric | None = None,
) -> tuple[PhraseNet, Progress]:
    """Train for the recipe's epochs or ``minutes``; return the best network by validation, on the CPU.

    ``training`` and ``validation`` hold the phrases of each length in bars. ``folder`` keeps what `fit` says.
    ``start`` holds weights to fine-tune from.
    """
    if not any(len(windows) for windows in training.values()):
        raise ValueError("training: no phrases; at least one bar of 4/4 with two notes is needed")
    fabric = fabric or started(device=device)
    torch.manual_seed(recipe.seed)
    net = PhraseNet(recipe.shape, recipe.dropout)
    if start is not None:
        net.load_state_dict(start)
    objective = PhraseObjective(recipe, training, validation)
    schedule = Schedule(recipe.epochs, recipe.epochs, recipe.learning_rate)
    now = fit(net, objective, schedule, folder, fabric, minutes=minutes, report=report, epoch_end=epoch_end)
    return net, now
