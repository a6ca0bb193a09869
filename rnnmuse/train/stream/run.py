"""`rnnmuse train stream`: what a run of `rnnmuse.train.run` reads, trains and writes for stream models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Unpack, cast

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from rnnmuse.compose.muse import Muse
from rnnmuse.models.bundle import Bundle, bundles
from rnnmuse.models.stream import StreamModel
from rnnmuse.music.codec import Encoded
from rnnmuse.music.midi import write_midi
from rnnmuse.music.pianoroll import save_roll
from rnnmuse.music.sound import render, write_wav
from rnnmuse.train.corpus import Corpus, Item, load_corpus
from rnnmuse.train.device import by_torchrun, place
from rnnmuse.train.loop import Progress
from rnnmuse.train.prepared import is_prepared, recipe_of
from rnnmuse.train.run import Options, Run, Training, Watch, about_of, reading, trained
from rnnmuse.train.shards import Stored
from rnnmuse.train.stream.export import export, network_of, step_graph
from rnnmuse.train.stream.kinds import covers, parts_in, recipe_for
from rnnmuse.train.stream.network import StreamNet
from rnnmuse.train.stream.objective import StreamObjective, shape_of, train
from rnnmuse.train.stream.recipe import Recipe


def train_stream(folders: Sequence[Path], name: str, **options: Unpack[Options]) -> Bundle | None:
    """Train or fine-tune a stream model, as `rnnmuse.train.run.trained` says."""
    return cast("Bundle | None", trained(StreamTraining(), folders, name, options))


class StreamTraining(Training[Recipe]):
    kind: ClassVar[str] = "stream"
    recipe = Recipe
    try_with: ClassVar[str] = "rnnmuse generate --model {}"

    def __init__(self) -> None:
        self._start: dict[str, torch.Tensor] | None = None
        self._corpus = Corpus()

    def fresh(self, sources: Sequence[Path], name: str) -> Recipe:
        sets = [source for source in sources if is_prepared(source)]
        return recipe_of(sets[0]).changed(name=name) if sets else recipe_for(sources, name)

    def begin_from(self, bundle: Bundle) -> None:
        self._start = network_of(bundle)[0].state_dict()

    def tuned(self, recipe: Recipe) -> Recipe:
        """A gentler rate, more dropout, and epochs as the minutes allow."""
        dropout = max(0.2, recipe.dropout)
        return recipe.changed(splits="", epochs=300, patience=12, learning_rate=1e-3, dropout=dropout)

    def missing(self, sources: Sequence[Path], start: str) -> list[str]:
        return missing_parts(sources, start)

    def read(self, sources: Sequence[Path], recipe: Recipe, run: Run) -> list[str]:
        self._corpus = read_corpus(sources, recipe, run)
        training = self._corpus.of("train") or self._corpus.items
        own = [item for item in training if not isinstance(item.encoded, Stored)]
        if not own:
            raise ValueError("sharded: fewer shards with training pieces than processes; leave it out")
        self._training, self._own = [item.encoded for item in training], [item.encoded for item in own]
        self._drawing = drawing(own, recipe)
        held = held_out(self._corpus, "validation", recipe)
        self._held = [item.encoded for item in held] if self._corpus.of("train") else self._training
        self._parts = recipe.parts
        return self._corpus.unread

    def _of(self, split: str) -> list[Encoded]:
        return [item.encoded for item in self._corpus.of(split)]

    def summary(self) -> str:
        counts = ", ".join(f"{len(self._of(split))} {split}" for split in ("train", "validation", "test"))
        events = sum(len(item.encoded) for item in self._corpus.items)
        names = ", ".join(part.name for part in self._parts)
        return f"{len(self._corpus.items)} pieces ({counts}), {events:,} events; parts: {names}"

    def fitted(self, recipe: Recipe) -> Recipe:
        """Fewer lanes for little music, so that an epoch has at least some steps."""
        events = sum(map(len, self._training))
        return recipe.changed(lanes=max(4, min(recipe.lanes, events // (recipe.chunk * 8) // 4 * 4)))

    def before(self, recipe: Recipe) -> float:
        net = StreamNet(shape_of(recipe))
        if self._start is not None:
            net.load_state_dict(self._start)
        return StreamObjective(recipe, self._training, self._held).validate(net)[0]

    def held_out(self) -> bool:
        return bool(self._corpus.of("train")) and bool(self._held)

    def train(self, recipe: Recipe, run: Run) -> Progress:
        with run.bar() as bar:
            watch = Watch(run, bar, run.folder, self.unit, lambda net, epoch: preview(net, recipe, run.folder, epoch))
            self._net, now = train(
                recipe, self._own, self._held, run.folder, weights=self._drawing, start=self._start,
                minutes=run.minutes, devices=run.devices, nodes=run.nodes, device=run.device, report=watch.step,
                epoch_end=watch.epoch, accumulate=run.accumulate, events=sum(map(len, self._training)),
            )  # fmt: skip
        return now

    def export(self, recipe: Recipe, folder: Path, start: str | None) -> Bundle:
        about = recipe.about or about_of(f"{len(self._training)} pieces", start)
        return export(
            self._net,
            recipe.changed(about=about),
            folder,
            (self._held or self._training)[:6],
            self._training,
            self._held,
        )


def beside(item: Item, recipe: Recipe) -> bool:
    """Whether a piece is for learning only."""
    return bool(recipe.beside) and item.name.startswith(recipe.beside)


def held_out(corpus: Corpus, split: str, recipe: Recipe) -> list[Item]:
    """The pieces of a split that a model is judged by: those for learning only are left out."""
    return [item for item in corpus.of(split) if not beside(item, recipe)]


def drawing(training: Sequence[Item], recipe: Recipe) -> NDArray[np.float64] | None:
    """How often each piece is read, where some are for learning only; None for all alike."""
    other = np.array([beside(item, recipe) for item in training])
    if not other.any() or other.all():
        return None
    share = recipe.beside_share
    weights: NDArray[np.float64] = np.where(other, share / other.sum(), (1 - share) / (~other).sum())
    return weights


def read_corpus(sources: Sequence[Path], recipe: Recipe, run: Run | None = None, cache: Path | None = None) -> Corpus:
    """`load_corpus` with a progress bar."""
    run = run or Run(Path(), Console(stderr=True), True, cache=cache)
    at = place(run.devices, run.nodes)
    share = at if run.sharded and at[1] > 1 else None
    together = at if by_torchrun() else (0, 1)

    def load(progress: Callable[[int, int], None]) -> Corpus:
        return load_corpus(sources, recipe, run.cache, progress=progress, together=together, share=share)

    return cast(Corpus, reading(run, load))


def missing_parts(folders: Sequence[Path], start: str) -> list[str]:
    """A line for each kind of part in the files that the model ``start`` lacks, with models that have it."""
    _, holders, read = parts_in(folders)
    models = {name: bundle.about["parts"] for name, bundle in bundles().items() if bundle.about.get("kind") == "stream"}
    lines = []
    for kind, count in holders.most_common():
        if covers(models[start], kind):
            continue
        pitched = [part["name"] for part in models[start] if not part.get("drum")]
        becomes = f"plays them as {pitched[-1]}" if kind != "drums" and pitched else "leaves them out"
        others = [name for name, parts in models.items() if name != start and covers(parts, kind)]
        advice = f"; {' and '.join(others[:2])} {'has' if len(others) == 1 else 'have'} them" if others else ""
        lines.append(f"{kind}: in {count} of {read} files; {start} has no such part and {becomes}{advice}")
    return lines


def preview(net: StreamNet, recipe: Recipe, folder: Path, epoch: int) -> str:
    """Eight bars as the model plays them now: MIDI, sound and picture in the run's folder."""
    weights = {key: value.detach().float().cpu().numpy() for key, value in net.state_dict().items()}
    model = StreamModel(recipe.name, recipe.parts, weights, step_graph(weights).SerializeToString(), recipe.slots)
    piece = Muse(model).generate(8, seed=epoch)
    base = folder / f"preview-{epoch:03d}"
    if not piece.notes:
        return "(silent)"
    write_midi(piece, base.with_suffix(".mid"))
    save_roll(piece, base.with_suffix(".png"))
    write_wav(base.with_suffix(".wav"), render(piece, rate=22050), 22050)
    return str(base.with_suffix(".wav"))
