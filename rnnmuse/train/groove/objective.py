"""What the groove network learns: velocity, timing and the hits that were not given, of phrases of drums."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rnnmuse.models.groove import level_of
from rnnmuse.music.phrases import DRUMS, ON_GRID, VELOCITIES
from rnnmuse.train.device import started
from rnnmuse.train.groove.network import GrooveNet, GrooveShape
from rnnmuse.train.loop import Report, Schedule, Step, fit
from rnnmuse.train.phrase.data import Windows

KEPT = 2  # kick and snare stay when the rest is filled in
TASKS = (0.6, 0.2, 0.2)  # shares of quantised drums, of taps, of kick and snare, in training
HIDE = 0.1
LEVEL = 0.75  # share of the quantised drums whose levels are given
CHECKS = 384  # phrases that validation looks at


def levels(windows: Windows) -> NDArray[np.float32]:
    """`rnnmuse.models.groove.level_of` each phrase's piece, (N, 9): a player knows a part's level, not a phrase's."""
    out = np.empty((len(windows), len(DRUMS)), np.float32)
    for piece in np.unique(windows.piece):
        rows = windows.piece == piece
        out[rows] = level_of(windows.grids[rows].reshape(-1, len(DRUMS), 3))
    return out


def given_to(grid: Tensor, task: Tensor, tempo: Tensor, level: Tensor | None = None) -> Tensor:
    """What is given of phrases (B, T, 9, 3) for each one's ``task`` (B,): as `rnnmuse.models.groove.given_of`."""
    hit = grid[..., 0].float()
    velocity = hit * grid[..., 1].float() / (VELOCITIES - 1)
    micro = hit * (grid[..., 2].float() - ON_GRID) / ON_GRID
    kept = torch.zeros(len(DRUMS), device=grid.device)
    kept[:KEPT] = 1
    quantised, tapped, filled = ((task == k).float().view(-1, 1, 1) for k in range(3))
    known = quantised + filled * kept
    known = known.expand_as(hit)
    feel = (filled * kept).expand_as(hit)
    any_hit = hit.amax(-1)
    loudest = velocity.argmax(-1, keepdim=True)
    tap = torch.stack((any_hit, velocity.amax(-1), micro.gather(-1, loudest).squeeze(-1)), -1) * tapped
    speed = (tempo / 120).log2().view(-1, 1, 1).expand(*hit.shape[:2], 1)
    loud = torch.full((len(grid), len(DRUMS)), torch.nan, device=grid.device) if level is None else level
    loud = torch.cat((~loud.isnan(), loud.nan_to_num()), -1).unsqueeze(1).expand(-1, grid.shape[1], -1)
    return torch.cat((known, known * hit, feel * velocity, feel * micro, tap, speed, loud), -1)


def groove_loss(
    net: GrooveNet, grid: Tensor, task: Tensor, tempo: Tensor, hidden: Tensor, level: Tensor | None = None
) -> Tensor:
    """Nats a phrase (B,) of what was not given."""
    given = given_to(grid, task, tempo, level)
    hits, velocity, micro, _ = net(grid, given, hidden)
    known = given[..., : len(DRUMS)]
    kept = torch.tensor([1.0] * KEPT + [0.0] * (len(DRUMS) - KEPT), device=grid.device)
    feel = (task == 2).float().view(-1, 1, 1) * kept
    target = grid[..., 0].float()
    loss = functional.binary_cross_entropy_with_logits(hits.float(), target, reduction="none") * (1 - known)
    total: Tensor = loss.sum((1, 2))
    played = target * (1 - feel)
    for scores, wanted in ((net.loud(velocity, level), grid[..., 1]), (micro, grid[..., 2])):
        nll = functional.cross_entropy(scores.flatten(0, 2).float(), wanted.flatten(), reduction="none")
        total = total + (nll.view_as(played) * played).sum((1, 2))
    return total


class GrooveObjective:
    """Phrases drawn at random, each with a task; the loss is in nats a phrase.

    Validation is the loss of quantised drums with their levels given, in nats a phrase of the shortest length.
    """

    def __init__(
        self, training: Mapping[int, Windows], validation: Mapping[int, Windows], batch: int = 128, seed: int = 1
    ) -> None:
        self.training, self.batch, self.seed = training, batch, seed
        self.validation = {bars: windows for bars, windows in validation.items() if len(windows)}
        self.steps = sum(math.ceil(len(w) * 2 / bars / max(1, batch * 2 // bars)) for bars, w in training.items())
        self._levels = {bars: levels(windows) for bars, windows in training.items()}

    def begin(self, rank: int, world: int) -> None:
        if world > 1:
            raise ValueError(f"devices: {world} processes; grooves are trained in one")
        self._random = np.random.default_rng(self.seed)

    def step(self, net: GrooveNet, device: torch.device) -> Step:
        random = self._random
        bars = int(random.choice(list(self.training)))
        windows = self.training[bars]
        rows = random.integers(0, len(windows), max(1, self.batch * 2 // bars))
        grid = torch.from_numpy(windows.grids[rows]).long()
        task = torch.from_numpy(random.choice(3, len(rows), p=TASKS))
        tempo = torch.from_numpy(windows.tempo[rows])
        hidden = torch.from_numpy(random.random(grid.shape[:2]) < HIDE)
        known = (task == 0) & torch.from_numpy(random.random(len(rows)) < LEVEL)
        level = torch.from_numpy(self._levels[bars][rows]).masked_fill(~known.unsqueeze(1), torch.nan)
        grid, task, tempo, hidden, level = (each.to(device) for each in (grid, task, tempo, hidden, level))
        loss = groove_loss(net, grid, task, tempo, hidden, level).mean()
        return Step(loss, loss * len(rows), len(rows) * bars)

    @torch.no_grad()
    def validate(self, net: GrooveNet) -> tuple[float, dict[str, Any]]:
        if not self.validation:
            return math.nan, {}
        device = next(net.parameters()).device
        windows = self.validation[min(self.validation)]
        rows = np.linspace(0, len(windows) - 1, min(CHECKS, len(windows))).astype(int)
        grid = torch.from_numpy(windows.grids[rows]).long()
        task = torch.zeros(len(rows), dtype=torch.long)
        hidden = torch.zeros(grid.shape[:2], dtype=torch.bool)
        level = torch.from_numpy(levels(windows)[rows])
        tempo = torch.from_numpy(windows.tempo[rows])
        given = (each.to(device) for each in (grid, task, tempo, hidden, level))
        return float(groove_loss(net, *given).mean()), {}

    def state(self) -> dict[str, Any]:
        return {"random": self._random.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        self._random.bit_generator.state = state["random"]


def train_groove(
    training: Mapping[int, Windows],
    validation: Mapping[int, Windows],
    folder: Path,
    *,
    shape: GrooveShape | None = None,
    start: Mapping[str, Tensor] | None = None,
    epochs: int = 12,
    minutes: float | None = None,
    batch: int = 128,
    learning_rate: float = 2e-3,
    seed: int = 1,
    device: str = "auto",
    report: Report | None = None,
    fabric: Fabric | None = None,
) -> GrooveNet:
    """Train for ``epochs`` or ``minutes`` and return the network of least validation loss, on the CPU.

    ``folder`` keeps what `fit` says. ``start`` holds weights to fine-tune from.
    """
    fabric = fabric or started(device=device)
    torch.manual_seed(seed)
    net = GrooveNet(shape or GrooveShape())
    if start is not None:
        net.load_state_dict(start)
    else:
        whole = np.concatenate([windows.grids.reshape(-1, len(DRUMS), 3) for windows in training.values()])
        net.usual = torch.from_numpy(np.nan_to_num(level_of(whole), nan=0.5))
    objective = GrooveObjective(training, validation, batch, seed)
    fit(net, objective, Schedule(epochs, epochs, learning_rate), folder, fabric, minutes=minutes, report=report)
    return net
