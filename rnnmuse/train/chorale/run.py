"""`rnnmuse train chorale`: what a run of `rnnmuse.train.run` reads, trains and writes for chorale models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Unpack, cast

import torch

from rnnmuse.errors import ReadError
from rnnmuse.models.bundle import Bundle
from rnnmuse.train.chorale.data import Chorale, read_chorales, room
from rnnmuse.train.chorale.export import export_chorale, weights_of
from rnnmuse.train.chorale.index import write_index
from rnnmuse.train.chorale.network import ChoraleNet
from rnnmuse.train.chorale.objective import mixture, train_chorales
from rnnmuse.train.chorale.recipe import ChoraleRecipe
from rnnmuse.train.loop import Progress
from rnnmuse.train.recipe import folders_of
from rnnmuse.train.run import Options, Run, Training, Watch, about_of, trained


def train_chorale(folders: Sequence[Path], name: str, **options: Unpack[Options]) -> Bundle:
    """Train or fine-tune a chorale model, as `rnnmuse.train.run.trained` says."""
    return cast(Bundle, trained(ChoraleTraining(), folders, name, options))


class ChoraleTraining(Training[ChoraleRecipe]):
    kind: ClassVar[str] = "chorale"
    recipe = ChoraleRecipe
    unit: ClassVar[str] = "nats a beat"
    try_with: ClassVar[str] = "rnnmuse harmonise tune.mid --parts SATB --model {}"

    def __init__(self) -> None:
        self._start: dict[str, torch.Tensor] | None = None
        self._chorales: list[Chorale] = []

    def fresh(self, sources: Sequence[Path], name: str) -> ChoraleRecipe:
        return ChoraleRecipe(name, data=folders_of(sources))

    def begin_from(self, bundle: Bundle) -> None:
        self._start = weights_of(bundle)

    def tuned(self, recipe: ChoraleRecipe) -> ChoraleRecipe:
        """A gentler rate, and epochs as the minutes allow."""
        return recipe.changed(epochs=1000, patience=20, learning_rate=5e-4)

    def read(self, sources: Sequence[Path], recipe: ChoraleRecipe, run: Run) -> list[str]:
        self._chorales, unread = read_chorales(sources)
        if not self._chorales:
            raise ReadError(f"{', '.join(map(str, sources))}: no chorale; four voices are needed")
        return unread

    def summary(self) -> str:
        splits = [c.split for c in self._chorales]
        return ", ".join(f"{splits.count(s)} {s}" for s in ("train", "validation", "test", "beside") if s in splits)

    def before(self, recipe: ChoraleRecipe) -> float:
        net = ChoraleNet(recipe.shape)
        net.load_state_dict(self._start or {})
        held = [c for c in self._chorales if c.split == "validation"]
        return float(mixture(net.eval(), held or self._chorales))

    def held_out(self) -> bool:
        return any(c.split == "validation" for c in self._chorales)

    def train(self, recipe: ChoraleRecipe, run: Run) -> Progress:
        with run.bar() as bar:
            watch = Watch(run, bar, run.folder, "nats a beat")
            self._net, now = train_chorales(
                recipe, self._chorales, run.folder, start=self._start, minutes=run.minutes, device=run.device,
                report=watch.step, epoch_end=watch.epoch,
            )  # fmt: skip
        return now

    def export(self, recipe: ChoraleRecipe, folder: Path, start: str | None) -> Bundle:
        about = recipe.about or about_of(f"{len(self._chorales)} chorales", start)
        limits = room([c for c in self._chorales if c.split != "beside"] or self._chorales)
        bundle = export_chorale(self._net, recipe.changed(about=about), folder, limits.tolist())
        if any(c.split in ("train", "beside") for c in self._chorales):
            write_index(bundle, self._chorales)
        return bundle
