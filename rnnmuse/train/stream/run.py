"""One training run from folders to a bundle: corpus, training with previews, export."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from rnnmuse.compose.muse import Muse
from rnnmuse.errors import RnnmuseError
from rnnmuse.models.bundle import NAME, Bundle, find, user_folder
from rnnmuse.models.stream import StreamModel
from rnnmuse.music.codec import PartClass, is_sung
from rnnmuse.music.midi import write_midi
from rnnmuse.music.pianoroll import save_roll
from rnnmuse.music.read import music_files, read_music
from rnnmuse.music.sound import render, write_wav
from rnnmuse.train.corpus import Corpus, Item, load_corpus
from rnnmuse.train.loop import Progress
from rnnmuse.train.pictures import save_loss_curve
from rnnmuse.train.stream.export import export, network_of, step_graph
from rnnmuse.train.stream.network import StreamNet
from rnnmuse.train.stream.objective import train
from rnnmuse.train.stream.recipe import Recipe, read_recipe

TUNING_MINUTES = 10.0
FAMILIES = (
    ("piano", 0), ("tuned percussion", 11), ("organ", 16), ("guitar", 25), ("bass", 33), ("strings", 40),
    ("ensemble", 48), ("brass", 61), ("reed", 65), ("pipe", 73), ("lead", 80), ("pad", 89), ("effects", 98),
    ("world", 104), ("percussive", 114), ("sounds", 122),
)  # fmt: skip
"""The sixteen General MIDI families, and the program each is written with."""


def train_stream(
    folders: Sequence[Path],
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
    cache: Path | None = None,
) -> Bundle | None:
    """Train or fine-tune on ``folders`` and write the bundle ``name`` into the user's models.

    Returns None in every process but the first. An interrupted run goes on where it was when called again.
    ValueError and RnnmuseError say what is wrong with an argument or with every file.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"name: {name!r}; use 1 to 41 of a-z, 0-9, - and _, not - or _ first")
    console, first = Console(stderr=True), is_first()
    plan, weights = _plan(folders, name, start, recipe)
    if weights is not None and minutes is None and epochs is None:
        minutes = TUNING_MINUTES
    if seed is not None:
        plan = plan.changed(seed=seed)
    work = work or user_folder().parent / "runs" / name
    if again and first:
        shutil.rmtree(work, ignore_errors=True)
    corpus = read_corpus(folders, plan, cache, console if first else None)
    training, held = corpus.of("train"), [item for item in corpus.of("validation") if not is_beside(item, plan)]
    if not training:
        training = held = corpus.items
    plan = _fitted(plan, sum(len(item.encoded) for item in training), weights is not None)
    if epochs is not None:
        plan = plan.changed(epochs=epochs)
    if first:
        _tell(console, corpus, plan, work)
    with progress_bar(console, first) as bar:
        task = bar.add_task("training", total=1.0)

        def epoch_end(net: StreamNet, now: Progress) -> None:
            preview = _preview(net, plan, work, now.epoch)
            mark = " (best)" if now.best_epoch == now.epoch else ""
            console.print(f"epoch {now.epoch}: loss {now.loss:.3f}, validation {now.validation:.4f}{mark}  {preview}")
            save_loss_curve(work / "log.jsonl", work / "loss.png")

        net, now = train(
            plan,
            [item.encoded for item in training],
            [item.encoded for item in held],
            work,
            weights=drawing(training, plan),
            start=weights,
            minutes=minutes,
            devices=devices,
            nodes=nodes,
            report=lambda now: told(bar, task, now),
            epoch_end=epoch_end,
        )
    if not first:
        return None
    console.print(f"best validation {now.best:.4f} nats an event, after epoch {now.best_epoch}; exporting")
    check = [item.encoded for item in held or training][:6]
    plan = plan.changed(about=f"Trained on {len(training)} pieces" + (f", from {start}." if start else "."))
    return export(net, plan, user_folder() / name, check)


def is_beside(item: Item, plan: Recipe) -> bool:
    """Whether a piece is for learning only."""
    return bool(plan.beside) and item.name.startswith(plan.beside)


def drawing(training: Sequence[Item], plan: Recipe) -> NDArray[np.float64] | None:
    """How often each piece is read, where some are for learning only; None for all alike."""
    beside = np.array([is_beside(item, plan) for item in training])
    if not beside.any() or beside.all():
        return None
    share = plan.beside_share
    return np.where(beside, share / beside.sum(), (1 - share) / (~beside).sum())


def is_first() -> bool:
    """Whether this is the process that talks and writes, where several train together."""
    return int(os.environ.get("LOCAL_RANK", "0")) == 0 and int(os.environ.get("GROUP_RANK", "0")) == 0


def read_corpus(folders: Sequence[Path], plan: Recipe, cache: Path | None, console: Console | None) -> Corpus:
    """`load_corpus` with a progress bar."""
    with progress_bar(console or Console(quiet=True), console is not None, MofNCompleteColumn()) as bar:
        task = bar.add_task("reading", total=None)
        return load_corpus(
            folders, plan, cache, progress=lambda done, every: bar.update(task, completed=done, total=every)
        )


def progress_bar(console: Console, shown: bool, *more: MofNCompleteColumn) -> Bar:
    columns = (TextColumn("{task.description}"), BarColumn(), *more, TimeElapsedColumn())
    return Bar(*columns, console=console, disable=not shown, transient=True)


def told(bar: Bar, task: TaskID, now: Progress) -> None:
    """Show how far a run is."""
    if now.step % 5 == 0 or now.step == 1:
        done = now.seconds / max(1e-9, now.seconds + now.left) if now.left == now.left else 0.0
        left = f"{now.left / 60:.1f} min left" if now.left == now.left else ""
        bar.update(task, completed=done, description=f"epoch {now.epoch + 1}  loss {now.loss:.3f}  {left}")


def _plan(
    folders: Sequence[Path], name: str, start: str | None, recipe: Path | None
) -> tuple[Recipe, dict[str, torch.Tensor] | None]:
    if start is not None and recipe is not None:
        raise ValueError(f"--from {start} and --recipe {recipe}: use one of them")
    if recipe is not None:
        return read_recipe(recipe).changed(name=name), None
    if start is not None:
        bundle = find(start)
        plan = read_recipe(bundle.folder / "recipe.toml")
        sources = tuple({"folder": folder.name} for folder in folders)
        return plan.changed(name=name, splits="", data=sources), network_of(bundle)[0].state_dict()
    return recipe_for(folders, name), None


def _fitted(plan: Recipe, events: int, tuning: bool) -> Recipe:
    """Fewer lanes for little music; for fine-tuning a gentler rate, and rounds as the minutes allow."""
    plan = plan.changed(lanes=max(4, min(plan.lanes, events // (plan.chunk * 8) // 4 * 4)))
    if not tuning:
        return plan
    return plan.changed(epochs=300, patience=12, learning_rate=1e-3, dropout=max(0.2, plan.dropout))


def recipe_for(folders: Sequence[Path], name: str, sample: int = 60) -> Recipe:
    """A recipe for music that was not seen before: its part classes from up to ``sample`` of its files."""
    files = [path for folder in folders for path in music_files(folder)]
    files = files[:: max(1, len(files) // sample)]
    notes: Counter[str] = Counter()
    for path in files:
        try:
            piece = read_music(path)
        except RnnmuseError:
            continue
        for part in piece.parts:
            kind = "drums" if part.drum else "voice" if is_sung(part) else FAMILIES[part.program // 8][0]
            notes[kind] += len(part.notes)
    kept = [kind for kind, count in notes.items() if count >= 0.02 * notes.total()]
    if not kept:
        raise RnnmuseError(f"{', '.join(map(str, folders))}: no notes in the music files")
    parts = [PartClass("voice", 53, (6,), sung=True)] if "voice" in kept else []
    parts += [PartClass(family, program, (i,)) for i, (family, program) in enumerate(FAMILIES) if family in kept]
    if "drums" in kept:
        parts.append(PartClass("drums", 0, drum=True))
    sources = tuple({"folder": folder.name} for folder in folders)
    return Recipe(name, tuple(parts), data=sources, embed=192, hidden=384, lanes=32, dropout=0.2)


def _tell(console: Console, corpus: Corpus, plan: Recipe, work: Path) -> None:
    for line in corpus.unread[:20]:
        console.print(f"skipped {line}", markup=False)
    if len(corpus.unread) > 20:
        console.print(f"skipped {len(corpus.unread) - 20} more")
    counts = ", ".join(f"{len(corpus.of(split))} {split}" for split in ("train", "validation", "test"))
    events = sum(len(item.encoded) for item in corpus.items)
    console.print(
        f"{len(corpus.items)} pieces ({counts}), {events:,} events; parts: {', '.join(p.name for p in plan.parts)}"
    )
    if (work / "last.ckpt").exists():
        console.print("going on with an earlier run (--again starts over)")


def _preview(net: StreamNet, plan: Recipe, work: Path, epoch: int) -> str:
    """Eight bars as the model plays them now: MIDI, sound and picture."""
    weights = {key: value.detach().float().cpu().numpy() for key, value in net.state_dict().items()}
    model = StreamModel(plan.name, plan.parts, weights, step_graph(weights).SerializeToString())
    piece = Muse(model).generate(8, seed=epoch)
    base = work / f"preview-{epoch:03d}"
    if not piece.notes:
        return "(silent)"
    write_midi(piece, base.with_suffix(".mid"))
    save_roll(piece, base.with_suffix(".png"))
    write_wav(base.with_suffix(".wav"), render(piece, rate=22050), 22050)
    return str(base.with_suffix(".wav"))
