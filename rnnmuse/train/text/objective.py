"""One training run from text files to a bundle, as `rnnmuse.train.stream.run` does for music."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from rich.console import Console
from torch.nn import functional

from rnnmuse.models.bundle import NAME, Bundle, find, user_folder
from rnnmuse.models.text import TextModel
from rnnmuse.text.alphabet import Alphabet
from rnnmuse.text.writer import Settings, Writer
from rnnmuse.train.device import started
from rnnmuse.train.loop import EpochEnd, Progress, Report, Schedule, Step, fit
from rnnmuse.train.pictures import save_loss_curve
from rnnmuse.train.stream.run import TUNING_MINUTES, is_first, progress_bar, told
from rnnmuse.train.text.data import Row, Texts, alphabet_for, carried_nll, load_texts
from rnnmuse.train.text.export import export_text, text_graph, text_network_of
from rnnmuse.train.text.network import Dropout, TextNet, TextShape
from rnnmuse.train.text.recipe import TextRecipe, read_text_recipe

CHECKED = 4000
"""Characters of the held-out text by which the int8 form is judged."""


def train_text(
    places: Sequence[Path],
    name: str,
    *,
    start: str | None = None,
    recipe: Path | None = None,
    minutes: float | None = None,
    epochs: int | None = None,
    devices: int = 1,
    nodes: int = 1,
    seed: int | None = None,
    work: Path | None = None,
    again: bool = False,
) -> Bundle | None:
    """Train or fine-tune on the text files in ``places`` and write the bundle ``name`` into the user's models.

    Returns None in every process but the first. An interrupted run goes on where it was when called again.
    ValueError and RnnmuseError say what is wrong with an argument or with every file.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"name: {name!r}; use 1 to 41 of a-z, 0-9, - and _, not - or _ first")
    if start is not None and recipe is not None:
        raise ValueError(f"--from {start} and --recipe {recipe}: use one of them")
    console, first = Console(stderr=True), is_first()
    net, alphabet = None, None
    plan = TextRecipe(name, data=tuple({"place": place.name} for place in places))
    if recipe is not None:
        plan = read_text_recipe(recipe).changed(name=name)
    elif start is not None:
        bundle = find(start)
        if bundle.about.get("kind") != "text":
            raise ValueError(f"from: {start!r} is a {bundle.about.get('kind')} model; a text model is needed")
        net, alphabet = text_network_of(bundle)
        kept = read_text_recipe(bundle.folder / "recipe.toml")
        plan = kept.changed(name=name, tail=False, data=plan.data, learning_rate=1e-3, epochs=300, patience=12)
        minutes = minutes if minutes or epochs else TUNING_MINUTES
    plan = plan.changed(**{k: v for k, v in {"seed": seed, "epochs": epochs}.items() if v is not None})
    texts = load_texts(places, plan)
    alphabet = alphabet or alphabet_for(texts, plan)
    plan = fitted(plan, sum(map(len, texts.train)))
    work = work or user_folder().parent / "runs" / name
    if again and first:
        shutil.rmtree(work, ignore_errors=True)
    if first:
        _tell(console, texts, alphabet, work)
    with progress_bar(console, first) as bar:
        task = bar.add_task("training", total=1.0)

        def epoch_end(net: TextNet, now: Progress) -> None:
            mark = " (best)" if now.best_epoch == now.epoch else ""
            console.print(f"epoch {now.epoch}: loss {now.loss:.3f}, validation {now.validation:.4f}{mark}")
            console.print(_preview(net, alphabet, plan, work, now.epoch), markup=False, style="dim")
            save_loss_curve(work / "log.jsonl", work / "loss.png")

        net, now = train(
            plan,
            texts,
            alphabet,
            work,
            start=net,
            minutes=minutes,
            devices=devices,
            nodes=nodes,
            report=lambda now: told(bar, task, now),
            epoch_end=epoch_end,
        )
    if not first:
        return None
    console.print(f"best validation {now.best:.4f} nats a character, after epoch {now.best_epoch}; exporting")
    plan = plan.changed(about=f"Trained on {len(texts.train)} texts" + (f", from {start}." if start else "."))
    return exported(net, alphabet, plan, texts, user_folder() / name)


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


def exported(net: TextNet, alphabet: Alphabet, recipe: TextRecipe, texts: Texts, folder: Path) -> Bundle:
    """The bundle of a trained network."""
    held = texts.validation or texts.train
    row = Row.of(held, alphabet, recipe.verse == "regulated")
    places = None if row.places is None else row.places[:CHECKED].tolist()
    return export_text(net, alphabet, recipe, folder, texts.train, row.classes[:CHECKED].tolist(), places)


def shape_of(recipe: TextRecipe, alphabet: Alphabet) -> TextShape:
    from rnnmuse.text.grid import PLACES

    places = PLACES if recipe.verse == "regulated" else 0
    return TextShape(len(alphabet), places, recipe.grams, recipe.embed, recipe.hidden, recipe.layers)


def fitted(plan: TextRecipe, characters: int) -> TextRecipe:
    """Fewer lanes for little text, so that a round has at least some updates."""
    return plan.changed(lanes=max(4, min(plan.lanes, characters // (plan.chunk * 16) // 4 * 4)))


def _tell(console: Console, texts: Texts, alphabet: Alphabet, work: Path) -> None:
    for line in texts.unread[:20]:
        console.print(f"skipped {line}", markup=False)
    if len(texts.unread) > 20:
        console.print(f"skipped {len(texts.unread) - 20} more")
    counts = ", ".join(f"{len(getattr(texts, s))} {s}" for s in ("train", "validation", "test"))
    size = sum(map(len, texts.train))
    console.print(f"texts: {counts}; {size:,} characters to learn from, {len(alphabet.characters)} different ones")
    if (work / "last.ckpt").exists():
        console.print("going on with an earlier run (--again starts over)")


def _preview(net: TextNet, alphabet: Alphabet, plan: TextRecipe, work: Path, epoch: int) -> str:
    """Some text as the model writes it now; kept in the run's folder."""
    weights = {key: value.detach().float().cpu().numpy() for key, value in net.state_dict().items()}
    model = TextModel(plan.name, alphabet, weights, text_graph(weights).SerializeToString(), {"verse": plan.verse})
    text = Writer(model, Settings(temperature=0.8), Random(epoch)).text(300)
    (work / f"preview-{epoch:03d}.txt").write_text(text, "utf-8")
    return text
