"""One training run of a phrase model from folders to a bundle: corpus, phrases, training, groove, export."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from rnnmuse.errors import ReadError, RnnmuseError
from rnnmuse.models.bundle import NAME, Bundle, find, read_weights, user_folder
from rnnmuse.music.read import music_files, read_music
from rnnmuse.music.sheet import Cell, save_sheet
from rnnmuse.train.corpus import Item, load_corpus
from rnnmuse.train.groove.network import GrooveNet, train_groove
from rnnmuse.train.phrase.data import Windows, joined, windows
from rnnmuse.train.phrase.export import export_phrases, phrase_network_of
from rnnmuse.train.phrase.network import PhraseNet
from rnnmuse.train.phrase.objective import PhraseProgress, train_phrases
from rnnmuse.train.phrase.recipe import PhraseRecipe, read_phrase_recipe
from rnnmuse.train.pictures import save_loss_curve

TUNING_MINUTES = 5.0
GROOVE_SHARE = 0.4  # of the minutes, for drums

Data = dict[str, dict[int, Windows]]


def train_phrase_bundle(
    folders: Sequence[Path],
    name: str,
    *,
    start: str | None = None,
    recipe: Path | None = None,
    minutes: float | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    work: Path | None = None,
    again: bool = False,
    cache: Path | None = None,
) -> Bundle:
    """Train or fine-tune on ``folders`` and write the bundle ``name`` into the user's models.

    An interrupted run goes on where it was when called again. The pieces of the first folder keep the split they have
    alone, whatever the others hold. ValueError and RnnmuseError say what is wrong.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"name: {name!r}; use 1 to 41 of a-z, 0-9, - and _, not - or _ first")
    console = Console(stderr=True)
    torch.set_num_threads(max(1, torch.get_num_threads()))
    plan, weights, groove = _plan(folders, name, start, recipe)
    if weights is not None:
        minutes = TUNING_MINUTES if minutes is None and epochs is None else minutes
        plan = plan.changed(epochs=1000, learning_rate=5e-4, annealing=1, batch=32)
    if seed is not None:
        plan = plan.changed(seed=seed)
    if epochs is not None:
        plan = plan.changed(epochs=epochs)
    work = work or user_folder().parent / "runs" / name
    if again:
        shutil.rmtree(work, ignore_errors=True)
    data, unread = read_phrases(folders, plan, cache)
    for line in unread[:20]:
        console.print(f"skipped {line}", markup=False)
    for split, by_bars in data.items():
        console.print(f"{split}: " + ", ".join(f"{len(w)} phrases of {bars} bars" for bars, w in by_bars.items()))
    if not any(len(w) for w in data["train"].values()):
        raise ReadError(f"{', '.join(map(str, folders))}: no phrases; at least two bars of 4/4 or 2/4 are needed")
    held = data["validation"] if any(len(w) for w in data["validation"].values()) else data["train"]
    share = 1 - GROOVE_SHARE if plan.drum else 1.0
    with _bar(console) as bar:
        task = bar.add_task("training", total=1.0)

        def report(now: PhraseProgress) -> None:
            done = now.step / now.steps if minutes is None else now.seconds / (60 * minutes * share)
            bar.update(task, completed=min(1.0, done), description=f"epoch {now.epoch + 1}  loss {now.loss:.2f} a bar")

        def epoch_end(net: PhraseNet, now: PhraseProgress) -> None:
            console.print(f"epoch {now.epoch}: loss {now.loss:.3f}, wrong in validation {100 * now.validation:.1f} %")
            save_loss_curve(work / "log.jsonl", work / "loss.png", "nats a bar")
            _preview(net, held, work / f"preview-{now.epoch:03d}.png")

        net, _ = train_phrases(
            plan, data["train"], held, work, start=weights, minutes=None if minutes is None else minutes * share,
            report=report, epoch_end=epoch_end,
        )  # fmt: skip
        tuned: GrooveNet | None = None
        if plan.drum:
            full = {bars: w for bars, w in data["train"].items() if len(w)}
            task = bar.add_task("groove", total=1.0)
            tuned = train_groove(
                full, {bars: w for bars, w in held.items() if len(w)}, work, start=groove, seed=plan.seed,
                epochs=plan.groove_epochs if weights is None else epochs or 1000,
                minutes=None if minutes is None else minutes * GROOVE_SHARE,
                report=lambda step, steps, loss: bar.update(task, completed=step / steps),
            )  # fmt: skip
    plan = plan.changed(about=plan.about if recipe else _about(data, start))
    check = held[plan.bars[0]]
    full = {bars: w if len(w) else data["train"][plan.bars[0]] for bars, w in data["train"].items()}
    return export_phrases(net, plan, user_folder() / name, full, check, tuned.state_dict() if tuned else None)


def _about(data: Data, start: str | None) -> str:
    count = sum(len(w) for w in data["train"].values())
    return f"Trained on {count} phrases" + (f", from {start}." if start else ".")


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


def _plan(
    folders: Sequence[Path], name: str, start: str | None, recipe: Path | None
) -> tuple[PhraseRecipe, dict[str, torch.Tensor] | None, dict[str, torch.Tensor] | None]:
    """The recipe, the weights to begin with, those of the groove network."""
    if start is not None and recipe is not None:
        raise ValueError(f"--from {start} and --recipe {recipe}: use one of them")
    if recipe is not None:
        return read_phrase_recipe(recipe).changed(name=name), None, None
    sources = tuple({"folder": folder.name} for folder in folders)
    if start is not None:
        bundle = find(start)
        if bundle.about.get("kind") != "phrase":
            raise ValueError(f"--from {start}: is a {bundle.about.get('kind')} model; a phrase model is needed")
        plan = read_phrase_recipe(bundle.folder / "recipe.toml").changed(name=name, splits="", data=sources)
        groove = None
        if bundle.about.get("groove"):
            held = read_weights(bundle, "groove.safetensors")
            groove = {key: torch.from_numpy(value).float() for key, value in held.items()}
        return plan, phrase_network_of(bundle).state_dict(), groove
    return PhraseRecipe(name, drum=_drums(folders), data=sources), None, None


def _drums(folders: Sequence[Path], sample: int = 30) -> bool:
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


def _preview(net: PhraseNet, data: dict[int, Windows], path: Path, count: int = 6) -> None:
    """Held-out phrases above what comes back of them."""
    bars = min(data)
    rows = [i * len(data[bars]) // count for i in range(min(count, len(data[bars])))]
    if not rows:
        return
    grid = torch.from_numpy(data[bars].grids[rows]).long()
    context = torch.from_numpy(data[bars].context[rows]).long()
    with torch.no_grad():
        made = net.decode(net.encode(grid, context)[0], context).numpy().astype("int16")
    save_sheet(
        [[Cell(data[bars].grids[i]) for i in rows], [Cell(g, "", 1) for g in made]], path, "held out; back again"
    )


def _bar(console: Console) -> Bar:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Bar(*columns, console=console, transient=True)
