"""`rnnmuse evaluate`: how well a model knows music or text that it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.command import examples
from rnnmuse.cli.train import needing_extra


@examples("rnnmuse evaluate mine my_midi_files --quick")
def evaluate(
    model: Annotated[str, typer.Argument(help="The model; with --benchmark shakespeare if left out.")] = "",
    folders: Annotated[
        list[Path] | None, typer.Argument(help="The data it was trained on; its test split is used.")
    ] = None,
    pieces: Annotated[int, typer.Option(help="Windows (texts, phrases) to generate; 0 leaves the music out.")] = 200,
    bars: Annotated[int, typer.Option(help="Bars of each window of a stream model.")] = 16,
    copies: Annotated[
        int, typer.Option(help="Stream models: pieces to look through for runs of 16 notes of a training piece.")
    ] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="A fifth of the windows: rougher, but faster.")] = False,
    infill: Annotated[int, typer.Option(help="Phrase models: number of songs to fill in, with the model lieder.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for eval.json and the pictures.")] = None,
    beside: Annotated[
        list[Path] | None, typer.Option(help="Cover models: run folders of other networks to compare with.")
    ] = None,
    music: Annotated[
        Path | None, typer.Option(help="Cover models: a folder of pieces whose covers are compared.")
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="tinyshakespeare: the figures of a text model on its last tenth.")
    ] = None,
) -> None:
    """Compare the likelihood of held-out pieces with baselines, and generated windows with real ones.

    Of a stream model: a two-sample test and a table of structure, from nothing and as continuations of real prompts.

    Of a phrase model: how held-out phrases come back, its prior, its axes, its ways between phrases, its groove.
    """
    from rnnmuse.models.bundle import find

    with needing_extra("evaluation"):
        from rnnmuse.train.chorale.evaluate import evaluate_chorale
        from rnnmuse.train.cover.evaluate import evaluate_cover
        from rnnmuse.train.phrase.evaluate import evaluate_phrases
        from rnnmuse.train.stream.evaluate import evaluate_stream
        from rnnmuse.train.text.evaluate import benchmark as run_benchmark
        from rnnmuse.train.text.evaluate import evaluate_text
    if benchmark is not None:
        named = Path(model)
        places = [*([named] if named.exists() and model else []), *(folders or [])]
        print(run_benchmark(benchmark, model if model and not named.exists() else "shakespeare", places))
        return
    if not model or not folders:
        raise ValueError("evaluate: name a model and the folders of its data, or a --benchmark")
    pieces = -(-pieces // 5) if quick else pieces
    kind = find(model).about.get("kind")
    if kind == "cover":
        print(evaluate_cover(model, folders, out, beside or (), music, samples=10 * max(4, pieces)))
    elif kind == "chorale":
        print(evaluate_chorale(model, folders, pieces or None))
    elif kind == "text":
        print(evaluate_text(model, folders, pieces, out))
    elif kind == "phrase":
        print(evaluate_phrases(model, folders, samples=pieces or 1, songs=infill, out=out))
    else:
        print(evaluate_stream(model, folders, pieces, bars, out, copies=copies))
