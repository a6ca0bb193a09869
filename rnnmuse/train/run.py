"""One training run from a user's files to a bundle: what every kind of model shares.

A `Training` says what a kind reads, trains and writes; `trained` asks it in turn and talks to the user.
"""

from __future__ import annotations

import math
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypedDict, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from rnnmuse.models.bundle import NAME, Bundle, find, is_shipped, user_folder, verify
from rnnmuse.train.checkpoint import LAST, LOG, Budget
from rnnmuse.train.device import device_for
from rnnmuse.train.loop import Progress
from rnnmuse.train.pictures import save_loss_curve
from rnnmuse.train.recipe import folders_of, read_recipe

R = TypeVar("R")
SHOWN = 20  # files that could not be read, named one by one


class Options(TypedDict, total=False):
    """What `rnnmuse train` can be asked for, whatever the kind.

    ``start`` is the model to fine-tune, ``recipe`` a recipe.toml. The run ends after ``minutes`` or ``epochs``.
    ``devices`` processes or GPUs on each of ``nodes`` machines; ``device`` is auto, cpu or cuda. ``work`` is the run's
    folder, ``again`` empties it, ``cache`` keeps what was read. ``replace`` allows the name of a shipped model. The
    gradients of ``accumulate`` batches make a step. With ``sharded`` each process holds its share of the pieces alone.
    """

    start: str | None
    recipe: Path | None
    minutes: float | None
    epochs: int | None
    seed: int | None
    devices: int
    nodes: int
    device: str
    work: Path | None
    again: bool
    cache: Path | None
    replace: bool
    accumulate: int
    sharded: bool


@dataclass(slots=True)
class Run:
    """What a `Training` needs to know of its run."""

    folder: Path
    """Where checkpoints, log and previews are kept."""
    console: Console
    """Where progress is shown."""
    first: bool
    """Whether this is the process that talks and writes, where several train together."""
    minutes: float | None = None
    """Time that training may take; None to go by the recipe."""
    devices: int = 1
    """Processes or GPUs on each machine."""
    nodes: int = 1
    """Machines."""
    device: str = "auto"
    """One of "auto", "cpu" and "cuda"."""
    cache: Path | None = None
    """Folder that keeps the files read; None for the user's own."""
    accumulate: int = 1
    """Batches whose gradients make a step."""
    sharded: bool = False
    """Whether each process holds its share of the pieces alone."""

    def bar(self, *more: MofNCompleteColumn) -> Bar:
        """A progress bar, silent in every process but the first."""
        return progress_bar(self.console, self.first, *more)


class Training(ABC, Generic[R]):
    """A kind of model in training; ``R`` is its recipe."""

    kind: ClassVar[str]
    recipe: type[R]
    tuning_minutes: ClassVar[float] = 10.0
    unit: ClassVar[str] = "nats an event"
    try_with: ClassVar[str]
    """The command that shows the new model; ``{}`` is its name."""

    @abstractmethod
    def fresh(self, sources: Sequence[Path], name: str) -> R:
        """A recipe for files that were not seen before."""

    def minutes(self, tuning: bool) -> float | None:
        """How long a run takes for which neither minutes nor epochs were given; None to go by the recipe."""
        return self.tuning_minutes if tuning else None

    @abstractmethod
    def begin_from(self, bundle: Bundle) -> None:
        """Take the weights to start from."""

    @abstractmethod
    def tuned(self, recipe: R) -> R:
        """A start model's recipe with the settings for fine-tuning."""

    @abstractmethod
    def read(self, sources: Sequence[Path], recipe: R, run: Run) -> list[str]:
        """Read the files; a line for each that could not be read."""

    @abstractmethod
    def summary(self) -> str:
        """What was read, in a line or two."""

    def missing(self, sources: Sequence[Path], start: str) -> list[str]:
        """What the files hold that the start model cannot learn, a line each."""
        return []

    def fitted(self, recipe: R) -> R:
        """The recipe with what depends on how much was read."""
        return recipe

    def before(self, recipe: R) -> float:
        """The measure of validation by the start model; NaN where it cannot be taken."""
        return math.nan

    @abstractmethod
    def train(self, recipe: R, run: Run) -> Progress:
        """Train, resumed from the run's folder; leaves the best network."""

    def held_out(self) -> bool:
        """Whether validation is of files that are not trained on."""
        return True

    def result(self, before: float, now: Progress, start: str) -> str:
        """Before and after of fine-tuning, in words."""
        return in_words(before, now.best, start, self.unit, self.held_out())

    @abstractmethod
    def export(self, recipe: R, folder: Path, start: str | None) -> Bundle | Path:
        """Write the bundle, or for a network that makes none say where its run is."""


def trained(training: Training[Any], sources: Sequence[Path], name: str, options: Options) -> Bundle | Path | None:
    """Train or fine-tune on ``sources`` and write the bundle ``name`` into the user's models.

    Returns None in every process but the first. An interrupted run resumes when called again. ValueError and
    RnnmuseError name the argument, or the files, at fault.
    """
    start, minutes, epochs = options.get("start"), options.get("minutes"), options.get("epochs")
    check_name(name, options.get("replace", False))
    Budget(minutes, epochs)  # checks them
    device = device_for(options.get("device", "auto"))
    console, first = Console(stderr=True), is_first()
    recipe = _recipe(training, sources, name, start, options.get("recipe"))
    if minutes is None and epochs is None:
        minutes = training.minutes(start is not None)
    if (seed := options.get("seed")) is not None:
        recipe = recipe.changed(seed=seed)
    folder = options.get("work") or user_folder().parent / "runs" / name
    run = Run(
        folder, console, first, minutes, options.get("devices", 1), options.get("nodes", 1),
        device, options.get("cache"), options.get("accumulate", 1), options.get("sharded", False),
    )  # fmt: skip
    if options.get("again") and first:
        shutil.rmtree(folder, ignore_errors=True)
    if start is not None and first:
        for line in training.missing(sources, start):
            console.print(line, markup=False, style="yellow")
    unread = training.read(sources, recipe, run)
    recipe = training.fitted(recipe)
    if epochs is not None:
        recipe = recipe.changed(epochs=epochs)
    if first:
        for line in unread[:SHOWN]:
            console.print(f"skipped {line}", markup=False)
        if len(unread) > SHOWN:
            console.print(f"skipped {len(unread) - SHOWN} more")
        console.print(training.summary(), markup=False)
        if (folder / LAST).exists():
            console.print("resuming an earlier run (--again starts over)")
    before = training.before(recipe) if start is not None and first else math.nan
    now = training.train(recipe, run)
    if not first:
        return None
    if start is not None:
        console.print(training.result(before, now, start), markup=False)
    return training.export(recipe, user_folder() / name, start)


def check_name(name: str, replace: bool) -> None:
    """ValueError for a name that no model can have, or that a shipped one has and ``replace`` does not allow."""
    if not NAME.fullmatch(name):
        raise ValueError(f"name: {name!r}; use 1 to 41 of a-z, 0-9, - and _, not - or _ first")
    if is_shipped(name) and not replace:
        raise ValueError(f"name: {name!r} is a model that comes with rnnmuse; take another, or --replace to hide it")


def _recipe(training: Training[Any], sources: Sequence[Path], name: str, start: str | None, path: Path | None) -> Any:
    if start is not None and path is not None:
        raise ValueError(f"--from {start} and --recipe {path}: use one of them")
    if path is not None:
        return read_recipe(path, training.recipe).changed(name=name)
    if start is None:
        return training.fresh(sources, name)
    bundle = find(start)
    kind = bundle.about.get("kind")
    if kind != training.kind:
        raise ValueError(f"--from {start}: is a {kind} model; a {training.kind} model is needed")
    verify(bundle)
    training.begin_from(bundle)
    recipe = training.tuned(read_recipe(bundle.folder / "recipe.toml", training.recipe))
    return recipe.changed(name=name, about="", note="", data=folders_of(sources))


def about_of(learned: str, start: str | None) -> str:
    """What a model of a user's own is, in a sentence."""
    return f"Trained on {learned}" + (f", from {start}." if start else ".")


def in_words(before: float, after: float, start: str, unit: str, held_out: bool = True) -> str:
    """Before and after, for somebody who has not met nats; ``unit`` ends with what is counted, such as an event."""
    if math.isnan(before):
        return f"After training: {after:.2f} {unit}."
    where = "of files that were held out" if held_out else "of the files themselves: there are too few to hold any out"
    figures = f"({before:.2f} before, {after:.2f} after, in {unit} {where}; lower is better)"
    if after < before - 0.005:
        times = math.exp(min(50.0, before - after))
        each = unit.rsplit(maxsplit=1)[-1]
        return (
            f"It learned from your files: it now finds each {each} of them {times:.1f} times as likely as {start} does "
            f"{figures}."
        )
    return (
        f"It did not get better at your files than {start} is {figures}. More files may help, or more --minutes; "
        f"or keep {start}."
    )


def is_first() -> bool:
    """Whether this is the process that talks and writes, where several train together."""
    return int(os.environ.get("LOCAL_RANK", "0")) == 0 and int(os.environ.get("GROUP_RANK", "0")) == 0


def progress_bar(console: Console, shown: bool, *more: MofNCompleteColumn) -> Bar:
    columns = (TextColumn("{task.description}"), BarColumn(), *more, TimeElapsedColumn())
    return Bar(*columns, console=console, disable=not shown, transient=True)


def reading(run: Run, load: Callable[[Callable[[int, int], None]], Any]) -> Any:
    """What ``load`` returns, with a bar that it moves by calling its argument with (files done, files in all)."""
    with run.bar(MofNCompleteColumn()) as bar:
        task = bar.add_task("reading", total=None)
        return load(lambda done, every: bar.update(task, completed=done, total=every))


class Watch:
    """Shows a run of `rnnmuse.train.loop.fit`: a bar by step, a line, a preview and the loss curve by epoch.

    ``preview`` makes something of the network and says where it is, or shows it.
    """

    def __init__(
        self, run: Run, bar: Bar, folder: Path, unit: str, preview: Callable[[Any, int], str] | None = None,
        title: str = "training",
    ) -> None:  # fmt: skip
        self.run, self._bar, self.folder, self.unit, self.preview, self.title = run, bar, folder, unit, preview, title
        self._task = bar.add_task(title, total=1.0)

    def step(self, now: Progress) -> None:
        if now.step % 5 == 0 or now.step == 1:
            known = not math.isnan(now.left)
            done = now.seconds / max(1e-9, now.seconds + now.left) if known else 0.0
            left = f"{now.left / 60:.1f} min left" if known else ""
            line = f"{self.title}: epoch {now.epoch + 1}  loss {now.loss:.3f}  {left}"
            self._bar.update(self._task, completed=done, description=line)

    def epoch(self, net: Any, now: Progress) -> None:
        mark = " (best)" if now.best_epoch == now.epoch else ""
        line = f"epoch {now.epoch}: loss {now.loss:.3f}, validation {now.validation:.4f}{mark}"
        made = self.preview(net, now.epoch) if self.preview else ""
        self.run.console.print(f"{line}  {made}".rstrip(), markup=False)
        save_loss_curve(self.folder / LOG, self.folder / "loss.png", self.unit)
