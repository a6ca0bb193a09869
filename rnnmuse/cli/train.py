"""`rnnmuse train`: models from your own files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.errors import MissingExtraError

app = typer.Typer(help="Train a model on your own files (needs the train extra).", no_args_is_help=True)


@app.command()
def stream(
    folders: Annotated[list[Path], typer.Argument(help="Folders of MIDI, MusicXML, MXL, ABC or kern files.")],
    name: Annotated[str, typer.Option(help="What to call the model.")],
    start: Annotated[str | None, typer.Option("--from", help="Fine-tune this model instead of starting anew.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe.toml with every setting.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after so many minutes; 10 for fine-tuning.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Stop after so many rounds through the files.")] = None,
    devices: Annotated[int, typer.Option(help="Processes (or GPUs) on this machine.")] = 1,
    nodes: Annotated[int, typer.Option(help="Machines; torchrun starts the command on each.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and transposition.")] = None,
    work: Annotated[Path | None, typer.Option(help="Where the run keeps its checkpoints and previews.")] = None,
    again: Annotated[bool, typer.Option(help="Start over instead of going on with an earlier run.")] = False,
) -> None:
    """Train a stream model; run the same command again after an interruption and it goes on."""
    with needing_extra():
        from rnnmuse.train.stream.run import train_stream
    bundle = train_stream(
        folders, name, start=start, recipe=recipe, minutes=minutes, epochs=epochs, devices=devices, nodes=nodes,
        seed=seed, work=work, again=again,
    )  # fmt: skip
    if bundle is not None:
        print(f"{bundle.folder}\nTry: rnnmuse generate --model {bundle.name}")


@app.command()
def text(
    places: Annotated[list[Path], typer.Argument(help="Text files (.txt, .jsonl, also .gz) or folders of them.")],
    name: Annotated[str, typer.Option(help="What to call the model.")],
    start: Annotated[str | None, typer.Option("--from", help="Fine-tune this model instead of starting anew.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe.toml with every setting.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after so many minutes; 10 for fine-tuning.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Stop after so many rounds through the text.")] = None,
    devices: Annotated[int, typer.Option(help="Processes (or GPUs) on this machine.")] = 1,
    nodes: Annotated[int, typer.Option(help="Machines; torchrun starts the command on each.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Seed of weights and order.")] = None,
    work: Annotated[Path | None, typer.Option(help="Where the run keeps its checkpoints and previews.")] = None,
    again: Annotated[bool, typer.Option(help="Start over instead of going on with an earlier run.")] = False,
) -> None:
    """Train a text model; run the same command again after an interruption and it goes on."""
    with needing_extra():
        from rnnmuse.train.text.objective import train_text
    bundle = train_text(
        places, name, start=start, recipe=recipe, minutes=minutes, epochs=epochs, devices=devices, nodes=nodes,
        seed=seed, work=work, again=again,
    )  # fmt: skip
    if bundle is not None:
        print(f"{bundle.folder}\nTry: rnnmuse text --model {bundle.name}")


@app.command()
def phrases(
    folders: Annotated[list[Path], typer.Argument(help="Folders of MIDI, MusicXML, MXL, ABC or kern files in 4/4.")],
    name: Annotated[str, typer.Option(help="What to call the model.")],
    start: Annotated[str | None, typer.Option("--from", help="Fine-tune this model instead of starting anew.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe.toml with every setting.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after so many minutes; 5 for fine-tuning.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Stop after so many rounds through the phrases.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and transposition.")] = None,
    work: Annotated[Path | None, typer.Option(help="Where the run keeps its checkpoints and previews.")] = None,
    again: Annotated[bool, typer.Option(help="Start over instead of going on with an earlier run.")] = False,
) -> None:
    """Train a phrase VAE on melodies, or on drums where the files hold little else; it resumes as `stream` does."""
    with needing_extra():
        from rnnmuse.train.phrase.run import train_phrase_bundle
    bundle = train_phrase_bundle(
        folders, name, start=start, recipe=recipe, minutes=minutes, epochs=epochs, seed=seed, work=work, again=again
    )
    print(f"{bundle.folder}\nTry: rnnmuse map {bundle.name}")


@app.command()
def cover(
    folders: Annotated[list[Path], typer.Argument(help="Folders of images, at any depth.")],
    name: Annotated[str, typer.Option(help="What to call the model.")],
    start: Annotated[str | None, typer.Option("--from", help="Fine-tune this model instead of starting anew.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe.toml with every setting.")] = None,
    architecture: Annotated[str | None, typer.Option(help="coordinate, conv or digits.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after so many; else 120, fine-tuning 30.")] = None,
    steps: Annotated[int | None, typer.Option(help="Stop after so many steps in all.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, crops and latents.")] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads to use.")] = None,
    work: Annotated[Path | None, typer.Option(help="Where the run keeps its checkpoint and pictures.")] = None,
    again: Annotated[bool, typer.Option(help="Start over instead of going on with an earlier run.")] = False,
) -> None:
    """Train a cover model on images; run the same command again after an interruption and it goes on."""
    with needing_extra():
        from rnnmuse.train.cover.run import train_cover
    made = train_cover(
        folders, name, start=start, recipe=recipe, architecture=architecture, minutes=minutes, steps=steps, seed=seed,
        work=work, again=again, threads=threads,
    )  # fmt: skip
    print(made if isinstance(made, Path) else f"{made.folder}\nTry: rnnmuse cover --seed 1 --model {made.name}")


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
