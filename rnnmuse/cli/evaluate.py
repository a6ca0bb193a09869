"""`rnnmuse evaluate`: how well a model knows music that it never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[str, typer.Argument(help="The model.")],
    folders: Annotated[list[Path], typer.Argument(help="The data it was trained on; its test split is used.")],
    pieces: Annotated[int, typer.Option(help="Generated pieces for the musical statistics; 0 leaves them out.")] = 200,
    bars: Annotated[int, typer.Option(help="Bars of each generated piece.")] = 16,
    infill: Annotated[int, typer.Option(help="Phrase models: songs to fill bars of, with the model lieder.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for eval.json and the pictures.")] = None,
) -> None:
    """Likelihood on held-out pieces beside two baselines, and musical statistics beside real pieces.

    Of a phrase model: how held-out phrases come back, its prior, its axes, its ways between phrases, its groove.
    """
    from rnnmuse.errors import MissingExtraError

    try:
        from rnnmuse.models.bundle import find
        from rnnmuse.train.evaluate import evaluate_stream
        from rnnmuse.train.phrase_evaluate import evaluate_phrases
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("torch", "lightning_fabric", "onnx", "music21", "matplotlib"):
            raise
        raise MissingExtraError("evaluation", "train") from None
    if find(model).about.get("kind") == "phrase":
        print(evaluate_phrases(model, folders, samples=pieces or 1, songs=infill, out=out))
    else:
        print(evaluate_stream(model, folders, pieces, bars, out))
