"""What the stream network learns: chunks of events in lanes and their likelihood; `rnnmuse.train.loop` trains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from rnnmuse.music.codec import FIELDS, Encoded
from rnnmuse.train.device import started
from rnnmuse.train.loop import EpochEnd, Progress, Report, Schedule, Step, fit
from rnnmuse.train.stream.data import Lanes, Music, whole
from rnnmuse.train.stream.network import Shape, State, StreamNet
from rnnmuse.train.stream.recipe import Recipe


def shape_of(recipe: Recipe) -> Shape:
    return Shape(
        len(recipe.parts), recipe.drums, recipe.embed, recipe.hidden, recipe.head, recipe.readers, slots=recipe.slots
    )


@torch.no_grad()
def nll_by_head(net: StreamNet, pieces: Sequence[Encoded], lanes: int = 32, chunk: int = 256) -> NDArray[np.float64]:
    """Summed negative log-likelihood in nats of each piece by head: (pieces, 7), float64. State is carried."""
    net.eval()
    device = next(net.parameters()).device
    total = np.zeros((len(pieces), len(FIELDS)))
    if not pieces:
        return total
    state: State | None = None
    for batch, index in whole(Music(pieces, net.shape.parts, net.shape.drums, device), lanes, chunk):
        nll, state = net(batch, state)
        sums = nll.double().sum(1).cpu().numpy()
        for lane, piece in enumerate(index):
            if piece >= 0:
                total[piece] += sums[lane]
    return total


class StreamObjective:
    """Pieces in lanes, to learn from and to validate on; the loss is the mean nats of an event over all seven heads.

    Truncated back-propagation through time (Williams and Peng 1990) over chunks with carried state. ``events`` are
    those of an epoch, where several processes hold a share of the pieces each.
    """

    def __init__(
        self,
        recipe: Recipe,
        training: Sequence[Encoded],
        validation: Sequence[Encoded],
        weights: NDArray[np.float64] | None = None,
        events: int | None = None,
    ) -> None:
        self.recipe, self.training, self.validation, self.weights = recipe, training, validation, weights
        events = sum(len(piece) for piece in training) if events is None else events
        self.steps = max(1, round(events / (recipe.lanes * recipe.chunk)))
        self._carried: State | None = None
        self._lanes: Lanes | None = None

    def begin(self, rank: int, world: int) -> None:
        recipe = self.recipe
        if recipe.lanes < world:
            raise ValueError(f"lanes: {recipe.lanes}; must be at least one for each of the {world} processes")
        own = range(rank, recipe.lanes, world)
        self._own, self._lanes = own, None
        self._waiting: list[dict[str, Any]] = []
        self._carried, self._share = None, recipe.lanes * recipe.chunk / world

    def step(self, net: Any, device: torch.device) -> Step:
        batch = self._reading(device).next()
        nll, self._carried = net(batch, self._carried)
        nats = nll.sum()
        # a constant divisor, so that processes with more padding than others weigh the same as in one process
        return Step(nats / self._share, nats, int(batch.mask.sum()))

    def _reading(self, device: torch.device) -> Lanes:
        if self._lanes is None:
            recipe = self.recipe
            music = Music(self.training, len(recipe.parts), recipe.drums, device)
            self._lanes = Lanes(music, self._own, recipe.chunk, recipe.transpose, recipe.seed, self.weights)
            if self._waiting:
                self._lanes.restore(self._waiting)
        return self._lanes

    def validate(self, net: StreamNet) -> tuple[float, dict[str, Any]]:
        events = sum(len(piece) for piece in self.validation)
        return (float(nll_by_head(net, self.validation).sum()) / events if events else math.nan), {}

    def state(self) -> dict[str, Any]:
        carried = None if self._carried is None else asdict(self._carried.detached())
        return {"lanes": self._lanes.state() if self._lanes else [], "carried": carried}

    def restore(self, state: dict[str, Any]) -> None:
        self._waiting = state["lanes"]
        if self._lanes is not None:
            self._lanes.restore(self._waiting)
        self._carried = None if state["carried"] is None else State(**state["carried"])


def train(
    recipe: Recipe,
    training: Sequence[Encoded],
    validation: Sequence[Encoded],
    folder: Path,
    *,
    weights: NDArray[np.float64] | None = None,
    start: dict[str, torch.Tensor] | None = None,
    minutes: float | None = None,
    devices: int = 1,
    nodes: int = 1,
    precision: str | None = None,
    report: Report | None = None,
    epoch_end: EpochEnd | None = None,
    device: str = "auto",
    fabric: Fabric | None = None,
    accumulate: int = 1,
    events: int | None = None,
) -> tuple[StreamNet, Progress]:
    """Train until validation stops falling for ``recipe.patience`` epochs, the epochs or ``minutes`` are over.

    ``folder`` keeps ``last.ckpt`` (the run goes on from it), ``best.ckpt`` and ``log.jsonl``. ``weights``
    (pieces,) say how often each piece is read, ``start`` holds weights to fine-tune from. Returns the best network on
    the CPU. Lanes are shared out over ``devices`` x ``nodes`` processes whose gradients are averaged; launched by
    torchrun, each process finds its rank itself. The gradients of ``accumulate`` chunks make a step. ``events`` are
    those of an epoch, where ``training`` is this process's share of the pieces.
    """
    if not training:
        raise ValueError("training: no pieces; the corpus needs at least one in its training split")
    fabric = fabric or started(devices, nodes, precision, device)
    torch.manual_seed(recipe.seed)
    net = StreamNet(shape_of(recipe), recipe.dropout)
    if start is not None:
        net.load_state_dict(start)
    schedule = Schedule(
        recipe.epochs,
        recipe.patience,
        recipe.learning_rate,
        recipe.weight_decay,
        average=recipe.average,
        accumulate=accumulate,
    )
    objective = StreamObjective(recipe, training, validation, weights, events)
    now = fit(net, objective, schedule, folder, fabric, minutes=minutes, report=report, epoch_end=epoch_end)
    return net, now
