"""`rnnmuse train`: models from your own files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.command import App, examples
from rnnmuse.errors import MissingExtraError
from rnnmuse.models.bundle import Bundle, is_shipped

app = App(help="Train a model on your own files (needs the train extra).", no_args_is_help=True)


Name = Annotated[str, typer.Option(help="What to call the model.")]
Start = Annotated[str | None, typer.Option("--from", help="Fine-tune this model instead of training a new one.")]
RecipeFile = Annotated[Path | None, typer.Option("--recipe", help="A recipe.toml with every setting.")]
Minutes = Annotated[float | None, typer.Option(help="Stop after this many minutes; 10 for fine-tuning.")]
Epochs = Annotated[int | None, typer.Option(help="Stop after this many epochs.")]
Devices = Annotated[int, typer.Option(help="Processes (or GPUs) on this machine.")]
Nodes = Annotated[int, typer.Option(help="Machines; torchrun starts the command on each.")]
Device = Annotated[str, typer.Option(help="auto (the GPU if there is one), cpu or cuda.")]
Seed = Annotated[int | None, typer.Option(help="Seed of weights, order and transposition.")]
Work = Annotated[Path | None, typer.Option(help="Where the run keeps its checkpoints and previews.")]
Again = Annotated[bool, typer.Option("--again", help="Start over instead of resuming an earlier run.")]
Accumulate = Annotated[int, typer.Option(help="Batches whose gradients are averaged into one step.")]
Sharded = Annotated[
    bool,
    typer.Option("--sharded", help="Each process holds only its share of the pieces, to save memory."),
]
Replace = Annotated[bool, typer.Option("--replace", help="Let the new model hide a shipped one with the same name.")]
Music = Annotated[list[Path], typer.Argument(help="Folders of MIDI, MusicXML, MXL, ABC or kern files.")]


@app.command()
@examples("rnnmuse train stream my_midi_files --name mine --from lieder --minutes 10")
def stream(
    folders: Music, name: Name, start: Start = None, recipe: RecipeFile = None, minutes: Minutes = None,
    epochs: Epochs = None, devices: Devices = 1, nodes: Nodes = 1, device: Device = "auto", seed: Seed = None,
    work: Work = None, again: Again = False, replace: Replace = False, accumulate: Accumulate = 1,
    sharded: Sharded = False,
) -> None:  # fmt: skip
    """Train a stream model; run the same command again after an interruption and it resumes."""
    with needing_extra():
        from rnnmuse.train.stream.run import StreamTraining, train_stream
    made = train_stream(
        folders, name, start=start, recipe=recipe, minutes=minutes, epochs=epochs, devices=devices, nodes=nodes,
        device=device, seed=seed, work=work, again=again, replace=allowed(name, replace), accumulate=accumulate,
        sharded=sharded,
    )  # fmt: skip
    tell(made, StreamTraining.try_with)


@app.command()
@examples("rnnmuse train text my_texts --name mine --minutes 10")
def text(
    places: Annotated[list[Path], typer.Argument(help="Text files (.txt, .jsonl, also .gz) or folders of them.")],
    name: Name, start: Start = None, recipe: RecipeFile = None, minutes: Minutes = None, epochs: Epochs = None,
    devices: Devices = 1, nodes: Nodes = 1, device: Device = "auto", seed: Seed = None, work: Work = None,
    again: Again = False, replace: Replace = False,
) -> None:  # fmt: skip
    """Train a text model; run the same command again after an interruption and it resumes."""
    with needing_extra():
        from rnnmuse.train.text.run import TextTraining, train_text
    made = train_text(
        places, name, start=start, recipe=recipe, minutes=minutes, epochs=epochs, devices=devices, nodes=nodes,
        device=device, seed=seed, work=work, again=again, replace=allowed(name, replace),
    )  # fmt: skip
    tell(made, TextTraining.try_with)


@app.command()
@examples("rnnmuse train phrases my_midi_files --name mine --from phrases")
def phrases(
    folders: Annotated[list[Path], typer.Argument(help="Folders of MIDI, MusicXML, MXL, ABC or kern files in 4/4.")],
    name: Name, start: Start = None, recipe: RecipeFile = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after this many minutes; 5 for fine-tuning.")] = None,
    epochs: Epochs = None, device: Device = "auto", seed: Seed = None, work: Work = None, again: Again = False,
    replace: Replace = False,
) -> None:  # fmt: skip
    """Train a phrase VAE on melodies, or on drums where the files hold little else; it resumes as `stream` does."""
    with needing_extra():
        from rnnmuse.train.phrase.run import PhraseTraining, train_phrase_bundle
    made = train_phrase_bundle(
        folders, name, start=start, recipe=recipe, minutes=minutes, epochs=epochs, device=device, seed=seed, work=work,
        again=again, replace=allowed(name, replace),
    )  # fmt: skip
    tell(made, PhraseTraining.try_with)


@app.command()
@examples("rnnmuse train chorale my_chorales --name mine --minutes 15")
def chorale(
    folders: Annotated[list[Path], typer.Argument(help="Folders of chorales: four parts, or CSV rows of four notes.")],
    name: Name, start: Start = None, recipe: RecipeFile = None, minutes: Minutes = None, epochs: Epochs = None,
    device: Device = "auto", seed: Seed = None, work: Work = None, again: Again = False, replace: Replace = False,
) -> None:  # fmt: skip
    """Train a model of four-part writing, for `rnnmuse harmonise --parts SATB`; it resumes as `stream` does."""
    with needing_extra():
        from rnnmuse.train.chorale.run import ChoraleTraining, train_chorale
    made = train_chorale(
        folders, name, start=start, recipe=recipe, minutes=minutes, epochs=epochs, device=device, seed=seed, work=work,
        again=again, replace=allowed(name, replace),
    )  # fmt: skip
    tell(made, ChoraleTraining.try_with)


@app.command()
@examples("rnnmuse train cover my_pictures --name mine --from covers")
def cover(
    folders: Annotated[list[Path], typer.Argument(help="Folders of images, at any depth.")],
    name: Name, start: Start = None, recipe: RecipeFile = None,
    architecture: Annotated[str | None, typer.Option(help="conv or digits.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Minutes; by default 120, or 30 for fine-tuning.")] = None,
    steps: Annotated[int | None, typer.Option(help="Stop after this many steps in all.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, crops and latents.")] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads to use.")] = None,
    work: Annotated[Path | None, typer.Option(help="Where the run keeps its checkpoint and pictures.")] = None,
    again: Again = False, replace: Replace = False,
) -> None:  # fmt: skip
    """Train a cover model on images; run the same command again after an interruption and it resumes."""
    with needing_extra():
        from rnnmuse.train.cover.run import CoverTraining, train_cover
    made = train_cover(
        folders, name, start=start, recipe=recipe, architecture=architecture, minutes=minutes, steps=steps, seed=seed,
        work=work, again=again, threads=threads, replace=allowed(name, replace),
    )  # fmt: skip
    tell(made, CoverTraining.try_with)


@app.command()
@examples("rnnmuse train index mine my_midi_files")
def index(
    model: Annotated[str, typer.Argument(help="A stream or chorale model, shipped or your own.")],
    sources: Annotated[list[Path], typer.Argument(help="Its corpus: folders, or one .npz of encoded pieces.")],
) -> None:
    """Write into a model's bundle what tells copies of its corpus; training does so by itself."""
    with needing_extra():
        from rnnmuse.train.chorale.index import index_chorales
        from rnnmuse.train.stream.index import index_bundle
    from rnnmuse.models.bundle import find
    from rnnmuse.models.originality import FILE

    bundle = find(model)
    made = (index_chorales if bundle.kind == "chorale" else index_bundle)(bundle, sources)
    size = (bundle.folder / FILE).stat().st_size
    print(f"{bundle.folder / FILE}: {made.figures:,} figures of {made.pieces:,} pieces, {size:,} bytes, "
          f"a false hit {made.false:.3f}, a false run in a piece of 1,000 notes {made.false_alarm():.1e}")  # fmt: skip


def allowed(name: str, replace: bool) -> bool:
    """Whether the model may hide a shipped one of its name: by the flag, or asked for at a terminal."""
    if replace or not sys.stdin.isatty() or not is_shipped(name):
        return replace
    question = f"{name} comes with rnnmuse. Your model would be used in its place until you delete it. Continue?"
    return typer.confirm(question, err=True)


def tell(made: Bundle | Path | None, command: str) -> None:
    """Where the model is, and the command that tries it."""
    if isinstance(made, Bundle):
        print(f"{made.folder}\nTry: {command.format(made.name)}")
    elif made is not None:
        print(made)


EXTRA = ("torch", "lightning_fabric", "onnx", "music21", "matplotlib", "sklearn", "scipy")
"""Packages of the train extra."""


@contextmanager
def needing_extra(what: str = "training") -> Iterator[None]:
    """One sentence instead of a traceback where the train extra is not installed."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").split(".")[0] not in EXTRA:
            raise
        raise MissingExtraError(what, "train") from None
