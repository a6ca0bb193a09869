"""What the text network learns: characters in lanes and their likelihood; `rnnmuse.train.loop` trains."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.nn import functional

from rnnmuse.text.alphabet import Alphabet
from rnnmuse.text.grid import PLACES
from rnnmuse.train.device import started
from rnnmuse.train.loop import EpochEnd, Progress, Report, Schedule, Step, fit
from rnnmuse.train.text.data import Row, Texts, carried_nll
from rnnmuse.train.text.network import Dropout, TextNet, TextShape
from rnnmuse.train.text.recipe import TextRecipe


class TextObjective:
    """A row of text read by lanes at even distances; each pass over it begins somewhere else.

    Truncated back-propagation through time over chunks with carried state; the loss is the mean nats of a character.
    """

    def __init__(self, recipe: TextRecipe, training: Row, validation: Row | None) -> None:
        self.recipe, self.training, self.validation = recipe, training, validation
        self.steps = max(1, round(len(training) / (recipe.lanes * recipe.chunk)))
        self._classes = torch.from_numpy(training.classes)
        self._places = None if training.places is None else torch.from_numpy(training.places)

    def begin(self, rank: int, world: int) -> None:
        if self.recipe.lanes % world:
            raise ValueError(f"lanes: {self.recipe.lanes}; must be a multiple of the {world} processes")
        self._lanes = np.arange(rank, self.recipe.lanes, world)
        self._random = np.random.default_rng(self.recipe.seed)
        self._at, self._left = self._lanes, 0
        self._carried: torch.Tensor | None = None

    def step(self, net: Any, device: torch.device) -> Step:
        size, count = self.recipe.chunk, len(self.training)
        if self._left == 0:
            start = int(self._random.integers(count))
            self._at = (start + self._lanes * (count // self.recipe.lanes)) % count
            self._left = max(1, count // (self.recipe.lanes * size))
            self._carried = None
        index = (torch.from_numpy(self._at)[:, None] + torch.arange(size + 1)) % count  # (B, T + 1)
        self._at, self._left = (self._at + size) % count, self._left - 1
        classes = self._classes[index].to(device)
        places = None if self._places is None else self._places[index[:, 1:]].to(device)
        before = self._classes[(index[:, :2] - 2) % count].to(device)
        state = None if self._carried is None else self._carried.detach()
        logits, self._carried = net(classes[:, :-1], places, state, before)
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
        random = self._random.bit_generator.state
        return {"at": self._at.tolist(), "left": self._left, "random": random, "carried": carried}

    def restore(self, state: dict[str, Any]) -> None:
        self._at, self._left, self._carried = np.array(state["at"]), state["left"], state["carried"]
        self._random.bit_generator.state = state["random"]


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
    objective = TextObjective(recipe, Row.of(texts.train, alphabet, grid, recipe.seed), held)
    schedule = Schedule(
        recipe.epochs, recipe.patience, recipe.learning_rate, recipe.weight_decay, (0.9, 0.99), recipe.average
    )
    now = fit(net, objective, schedule, folder, fabric, minutes=minutes, report=report, epoch_end=epoch_end)
    return net, now


def shape_of(recipe: TextRecipe, alphabet: Alphabet) -> TextShape:
    places = PLACES if recipe.verse == "regulated" else 0
    return TextShape(len(alphabet), places, recipe.grams, recipe.embed, recipe.hidden, recipe.layers)
