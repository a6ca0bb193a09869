"""`rnnmuse train phrases`: what a run of `rnnmuse.train.run` reads, trains and writes for phrase models.

A model of drums has two networks: the phrase VAE and the groove network that plays its hits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Unpack, cast

import torch

from rnnmuse.errors import ReadError, RnnmuseError
from rnnmuse.models.bundle import Bundle, read_weights
from rnnmuse.music.read import music_files, read_music
from rnnmuse.music.sheet import Cell, save_sheet
from rnnmuse.train.corpus import Item, load_corpus
from rnnmuse.train.groove.network import GrooveNet
from rnnmuse.train.groove.objective import train_groove
from rnnmuse.train.loop import Progress
from rnnmuse.train.phrase.data import Windows, joined, windows
from rnnmuse.train.phrase.export import export_phrases, phrase_network_of
from rnnmuse.train.phrase.network import PhraseNet
from rnnmuse.train.phrase.objective import PhraseObjective, train_phrases
from rnnmuse.train.phrase.recipe import PhraseRecipe
from rnnmuse.train.recipe import folders_of
from rnnmuse.train.run import Options, Run, Training, Watch, about_of, trained

GROOVE_SHARE = 0.4  # of the minutes, for drums

Data = dict[str, dict[int, Windows]]
Weights = dict[str, torch.Tensor]


def train_phrase_bundle(folders: Sequence[Path], name: str, **options: Unpack[Options]) -> Bundle:
    """Train or fine-tune a phrase model, as `rnnmuse.train.run.trained` says.

    The pieces of the first folder keep the split they have alone, whatever the others hold.
    """
    return cast(Bundle, trained(PhraseTraining(), folders, name, options))


class PhraseTraining(Training[PhraseRecipe]):
    kind: ClassVar[str] = "phrase"
    recipe = PhraseRecipe
    tuning_minutes: ClassVar[float] = 5.0
    unit: ClassVar[str] = "share of the steps that come back wrong"
    try_with: ClassVar[str] = "rnnmuse map {}"

    def __init__(self) -> None:
        self._start: Weights | None = None
        self._groove_start: Weights | None = None
        self._groove: GrooveNet | None = None
        self._data: Data = {}

    def fresh(self, sources: Sequence[Path], name: str) -> PhraseRecipe:
        return PhraseRecipe(name, drum=mostly_drums(sources), data=folders_of(sources))

    def begin_from(self, bundle: Bundle) -> None:
        self._start = phrase_network_of(bundle).state_dict()
        if bundle.about.get("groove"):
            held = read_weights(bundle, "groove.safetensors")
            self._groove_start = {key: torch.from_numpy(value).float() for key, value in held.items()}

    def tuned(self, recipe: PhraseRecipe) -> PhraseRecipe:
        """A gentler rate, smaller batches, and epochs as the minutes allow."""
        return recipe.changed(splits="", epochs=1000, learning_rate=5e-4, annealing=1, batch=32)

    def read(self, sources: Sequence[Path], recipe: PhraseRecipe, run: Run) -> list[str]:
        self._data, unread = read_phrases(sources, recipe, run.cache)
        if not any(len(w) for w in self._data["train"].values()):
            raise ReadError(f"{', '.join(map(str, sources))}: no phrases; at least two bars of 4/4 or 2/4 are needed")
        held = self._data["validation"]
        self._held = held if any(len(w) for w in held.values()) else self._data["train"]
        return unread

    def summary(self) -> str:
        counts = (
            f"{split}: " + ", ".join(f"{len(w)} phrases of {bars} bars" for bars, w in by_bars.items())
            for split, by_bars in self._data.items()
        )
        return "\n".join(counts)

    def before(self, recipe: PhraseRecipe) -> float:
        net = PhraseNet(recipe.shape)
        if self._start is not None:
            net.load_state_dict(self._start)
        return PhraseObjective(recipe, self._data["train"], self._held).validate(net.eval())[0]

    def result(self, before: float, now: Progress, start: str) -> str:
        figures = f"{100 * before:.0f} % of the steps came back wrong before, {100 * now.best:.0f} % do now"
        better = now.best < before - 0.002
        return (
            f"It learned from your files: of phrases that were held out {figures}."
            if better
            else f"It did not get better at your files than {start} is: of phrases that were held out {figures}."
        )

    def train(self, recipe: PhraseRecipe, run: Run) -> Progress:
        share = 1 - GROOVE_SHARE if recipe.drum else 1.0
        with run.bar() as bar:
            watch = Watch(
                run, bar, run.folder, "share of wrong steps",
                lambda net, epoch: preview(net, self._held, run.folder / f"preview-{epoch:03d}.png"),
            )  # fmt: skip
            self._net, now = train_phrases(
                recipe, self._data["train"], self._held, run.folder, start=self._start,
                minutes=None if run.minutes is None else run.minutes * share, device=run.device, report=watch.step,
                epoch_end=watch.epoch,
            )  # fmt: skip
            if recipe.drum:
                folder = run.folder / "groove"
                epochs = recipe.groove_epochs if self._start is None else recipe.epochs
                self._groove = train_groove(
                    {bars: w for bars, w in self._data["train"].items() if len(w)}, self._held, folder,
                    start=self._groove_start, seed=recipe.seed, epochs=epochs,
                    minutes=None if run.minutes is None else run.minutes * GROOVE_SHARE, device=run.device,
                    report=Watch(run, bar, folder, "nats a phrase", title="groove").step,
                )  # fmt: skip
        return now

    def export(self, recipe: PhraseRecipe, folder: Path, start: str | None) -> Bundle:
        training = self._data["train"]
        about = recipe.about or about_of(f"{sum(map(len, training.values()))} phrases", start)
        full = {bars: w if len(w) else training[recipe.bars[0]] for bars, w in training.items()}
        groove = self._groove.state_dict() if self._groove else None
        return export_phrases(self._net, recipe.changed(about=about), folder, full, self._held[recipe.bars[0]], groove)


def read_phrases(folders: Sequence[Path], plan: PhraseRecipe, cache: Path | None = None) -> tuple[Data, list[str]]:
    """The phrases of each length by split, and a line for each file that could not be read."""
    items, unread = read_items(folders, plan, cache)
    data = {
        split: {bars: windows([i for i in items if i.split == split], bars, plan.drum) for bars in plan.bars}
        for split in ("train", "validation", "test")
    }
    return data, unread


def read_items(folders: Sequence[Path], plan: PhraseRecipe, cache: Path | None = None) -> tuple[list[Item], list[str]]:
    """The pieces of every folder with their splits, and a line for each file that could not be read."""
    corpora = [load_corpus([folder], plan.reading, cache, 1) for folder in folders]
    items = joined([corpus.items for corpus in corpora])
    if len(items) < 10:  # a handful of files: all of it is practised
        items = [Item(i.name, i.encoded, i.sketch, i.group, "train") for i in items]
    return items, [line for corpus in corpora for line in corpus.unread]


def mostly_drums(folders: Sequence[Path], sample: int = 30) -> bool:
    """Whether most notes of the files are drums."""
    files = [path for folder in folders for path in music_files(folder)]
    drums = pitched = 0
    for path in files[:: max(1, len(files) // sample)]:
        try:
            piece = read_music(path)
        except RnnmuseError:
            continue
        drums += sum(len(part.notes) for part in piece.parts if part.drum)
        pitched += sum(len(part.notes) for part in piece.parts if not part.drum)
    return drums > pitched


def preview(net: PhraseNet, data: dict[int, Windows], path: Path, count: int = 6) -> str:
    """Draw held-out phrases above what comes back of them; the picture's path."""
    bars = min(data)
    rows = [i * len(data[bars]) // count for i in range(min(count, len(data[bars])))]
    if not rows:
        return ""
    device = next(net.parameters()).device
    grid = torch.from_numpy(data[bars].grids[rows]).long()
    context = torch.from_numpy(data[bars].context[rows]).long()
    with torch.no_grad():
        context = context.to(device)
        made = net.decode(net.encode(grid.to(device), context)[0], context).cpu().numpy().astype("int16")
    save_sheet(
        [[Cell(data[bars].grids[i]) for i in rows], [Cell(g, "", 1) for g in made]], path, "held out; back again"
    )
    return str(path)
