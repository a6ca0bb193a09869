"""Training of the stream network: what its chunks and its losses are; the loop is in `rnnmuse.train.loop`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from rnnmuse.music.codec import FIELDS, Encoded
from rnnmuse.train.loop import Progress, Report, Schedule, fit, started
from rnnmuse.train.stream.data import Lanes, whole
from rnnmuse.train.stream.network import Batch, Shape, StreamNet
from rnnmuse.train.stream.recipe import Recipe

EpochEnd = Callable[[StreamNet, Progress], None]


def shape_of(recipe: Recipe) -> Shape:
    return Shape(len(recipe.parts), recipe.drums, recipe.embed, recipe.hidden, recipe.head)


@torch.no_grad()
def nll_by_head(net: StreamNet, pieces: Sequence[Encoded], lanes: int = 32, chunk: int = 256) -> NDArray[np.float64]:
    """Summed negative log-likelihood in nats of each piece by head: (pieces, 7), float64. State is carried."""
    net.eval()
    total = np.zeros((len(pieces), len(FIELDS)))
    state: torch.Tensor | None = None
    for batch, fresh, index in whole(pieces, lanes, net.shape.parts, net.shape.drums, chunk):
        if state is not None:
            state = state * (~fresh).to(state.dtype).view(1, -1, 1)
        nll, state = net(batch, state)
        sums = nll.double().sum(1).numpy()
        for lane, piece in enumerate(index):
            if piece >= 0:
                total[piece] += sums[lane]
    return total


class StreamCourse:
    """Pieces in lanes, to learn from and to validate on."""

    def __init__(self, recipe: Recipe, training: Sequence[Encoded], validation: Sequence[Encoded]) -> None:
        self.recipe, self.training, self.validation = recipe, training, validation
        self.steps_a_round = sum(len(piece) for piece in training)

    def begin(self, lanes: range, seed: int) -> None:
        recipe = self.recipe
        self._lanes = Lanes(self.training, lanes, len(recipe.parts), recipe.drums, recipe.chunk, recipe.transpose, seed)

    def chunk(self, net: Any, state: torch.Tensor | None, device: torch.device) -> tuple[Any, torch.Tensor, int]:
        batch, fresh = self._lanes.next()
        batch = _to(batch, device)
        if state is not None:
            state = state.detach() * (~fresh).to(state).view(1, -1, 1)
        nll, state = net(batch, state)
        assert state is not None
        return nll.sum(), state, int(batch.mask.sum())

    def validate(self, net: StreamNet) -> float:
        events = sum(len(piece) for piece in self.validation)
        return float(nll_by_head(net, self.validation).sum()) / events if events else math.nan


def train(
    recipe: Recipe,
    training: Sequence[Encoded],
    validation: Sequence[Encoded],
    folder: Path,
    *,
    start: dict[str, torch.Tensor] | None = None,
    minutes: float | None = None,
    devices: int = 1,
    nodes: int = 1,
    precision: str | None = None,
    report: Report | None = None,
    epoch_end: EpochEnd | None = None,
    fabric: Fabric | None = None,
) -> tuple[StreamNet, Progress]:
    """Train until validation stops falling for ``recipe.patience`` epochs, the epochs or ``minutes`` are over.

    ``folder`` keeps ``last.ckpt`` (the run goes on from it), ``best.ckpt`` and ``log.jsonl``. ``start`` holds
    weights to fine-tune from. Returns the best network on the CPU. Lanes are shared out over ``devices`` x
    ``nodes`` processes whose gradients are averaged; launched by torchrun, each process finds its rank itself.
    """
    if not training:
        raise ValueError("training: no pieces; the corpus needs at least one in its training split")
    fabric = fabric or started(devices, nodes, precision)
    torch.manual_seed(recipe.seed)
    net = StreamNet(shape_of(recipe), recipe.dropout)
    if start is not None:
        net.load_state_dict(start)
    schedule = Schedule(recipe.lanes, recipe.chunk, recipe.epochs, recipe.patience, recipe.learning_rate, recipe.seed)
    course = StreamCourse(recipe, training, validation)
    now = fit(net, course, schedule, folder, fabric, minutes=minutes, report=report, epoch_end=epoch_end)
    return net, now


def _to(batch: Batch, device: torch.device) -> Batch:
    if device.type == "cpu":
        return batch
    return Batch(*(getattr(batch, name).to(device) for name in Batch.__slots__))
