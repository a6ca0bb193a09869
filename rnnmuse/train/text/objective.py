"""What the text network learns: characters in lanes and their likelihood; `rnnmuse.train.loop` trains."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch.nn import functional

from rnnmuse.models.alphabet import Alphabet
from rnnmuse.text.grid import PLACES
from rnnmuse.train.device import started
from rnnmuse.train.loop import EpochEnd, Progress, Report, Schedule, Step, fit
from rnnmuse.train.text.data import Row, Texts, carried_nll
from rnnmuse.train.text.network import Dropout, TextNet, TextShape
from rnnmuse.train.text.recipe import TextRecipe


class Lanes:
    """``lanes`` of all ``every`` that read a row of text side by side; each pass over it begins somewhere else."""

    def __init__(self, row: Row, every: int, size: int, lanes: NDArray[np.int64], seed: int) -> None:
        self.count, self.every, self.size = len(row), every, size
        self.classes = torch.from_numpy(row.classes)
        self.places = None if row.places is None else torch.from_numpy(row.places)
        self.lanes, self.at, self.left = lanes, lanes, 0
        self.random = np.random.default_rng(seed)

    def next(self) -> tuple[torch.Tensor, bool]:
        """Positions (lanes, size + 1) of the next chunk, and whether a pass begins with it."""
        begins = self.left == 0
        if begins:
            start = int(self.random.integers(self.count))
            self.at = (start + self.lanes * (self.count // self.every)) % self.count
            self.left = max(1, self.count // (self.every * self.size))
        index = (torch.from_numpy(self.at)[:, None] + torch.arange(self.size + 1)) % self.count
        self.at, self.left = (self.at + self.size) % self.count, self.left - 1
        return index, begins

    def state(self) -> dict[str, Any]:
        return {"at": self.at.tolist(), "left": self.left, "random": self.random.bit_generator.state}

    def restore(self, state: dict[str, Any]) -> None:
        self.at, self.left = np.array(state["at"], np.int64), state["left"]
        self.random.bit_generator.state = state["random"]


class TextObjective:
    """A row of text read by lanes at even distances, and another ``beside`` it by a share of the lanes.

    Truncated back-propagation through time over chunks with carried state; the loss is the mean nats of a character. An
    epoch is one pass over the first row.
    """

    def __init__(self, recipe: TextRecipe, training: Row, validation: Row | None, beside: Row | None = None) -> None:
        self.recipe, self.validation = recipe, validation
        other = round(recipe.beside * recipe.lanes) if beside is not None else 0
        self._rows = [(training, recipe.lanes - other), *([(beside, other)] if beside is not None and other else [])]
        self.steps = max(1, round(len(training) / ((recipe.lanes - other) * recipe.chunk)))

    def begin(self, rank: int, world: int) -> None:
        if any(count % world for _, count in self._rows):
            counts = " and ".join(str(count) for _, count in self._rows)
            raise ValueError(f"lanes: {counts}; must be multiples of the {world} processes")
        size, seed = self.recipe.chunk, self.recipe.seed
        self._lanes = [
            Lanes(row, count, size, np.arange(rank, count, world), seed + number)
            for number, (row, count) in enumerate(self._rows)
        ]
        self._carried: torch.Tensor | None = None

    def step(self, net: Any, device: torch.device) -> Step:
        read, before, places, fresh = [], [], [], []
        for lanes in self._lanes:
            index, begins = lanes.next()
            read.append(lanes.classes[index])
            before.append(lanes.classes[(index[:, :2] - 2) % lanes.count])
            if lanes.places is not None:
                places.append(lanes.places[index[:, 1:]])
            fresh += [begins] * len(index)
        classes = torch.cat(read).to(device)
        state = None
        if self._carried is not None and not all(fresh):
            state = self._carried.detach() * (~torch.tensor(fresh, device=device))[None, :, None]
        where = torch.cat(places).to(device) if places else None
        logits, self._carried = net(classes[:, :-1], where, state, torch.cat(before).to(device))
        nats = functional.cross_entropy(logits.float().flatten(0, 1), classes[:, 1:].flatten(), reduction="sum")
        events = classes[:, 1:].numel()
        return Step(nats / events, nats, events)

    def validate(self, net: TextNet) -> tuple[float, dict[str, Any]]:
        if self.validation is None:
            return math.nan, {}
        lanes = min(32, max(1, len(self.validation) // 4000))
        return carried_nll(net, self.validation, 256, lanes), {}

    def state(self) -> dict[str, Any]:
        carried = None if self._carried is None else self._carried.detach()
        return {"lanes": [lanes.state() for lanes in self._lanes], "carried": carried}

    def restore(self, state: dict[str, Any]) -> None:
        self._carried = state["carried"]
        for lanes, held in zip(self._lanes, state["lanes"], strict=True):
            lanes.restore(held)


def train(
    recipe: TextRecipe,
    texts: Texts,
    alphabet: Alphabet,
    folder: Path,
    *,
    start: TextNet | None = None,
    minutes: float | None = None,
    devices: int = 1,
    nodes: int = 1,
    precision: str | None = None,
    report: Report | None = None,
    epoch_end: EpochEnd | None = None,
    device: str = "auto",
    fabric: Fabric | None = None,
) -> tuple[TextNet, Progress]:
    """`rnnmuse.train.loop.fit` for texts; returns the best network on the CPU. ``start`` is fine-tuned from."""
    if not any(texts.train):
        raise ValueError("training: no text; the corpus needs some in its training split")
    fabric = fabric or started(devices, nodes, precision, device)
    torch.manual_seed(recipe.seed)
    drop = Dropout(
        recipe.unknown,
        recipe.drop_embed,
        recipe.drop_grams,
        recipe.drop_between,
        recipe.drop_output,
        recipe.drop_recurrent,
    )
    net = TextNet(shape_of(recipe, alphabet), drop)
    if start is not None:
        net.load_state_dict(start.state_dict())
    grid = recipe.verse == "regulated"
    held = Row.of(texts.validation, alphabet, grid) if texts.validation else None
    beside = Row.of(texts.beside, alphabet, grid, recipe.seed) if texts.beside else None
    objective = TextObjective(recipe, Row.of(texts.own, alphabet, grid, recipe.seed), held, beside)
    schedule = Schedule(
        recipe.epochs, recipe.patience, recipe.learning_rate, recipe.weight_decay, (0.9, 0.99), recipe.average
    )
    now = fit(net, objective, schedule, folder, fabric, minutes=minutes, report=report, epoch_end=epoch_end)
    return net, now


def shape_of(recipe: TextRecipe, alphabet: Alphabet) -> TextShape:
    places = PLACES if recipe.verse == "regulated" else 0
    return TextShape(len(alphabet), places, recipe.grams, recipe.embed, recipe.hidden, recipe.layers)
