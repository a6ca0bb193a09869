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
    out: Annotated[Path | None, typer.Option(help="Folder for eval.json and the pictures.")] = None,
    beside: Annotated[
        list[Path] | None, typer.Option(help="Of a cover model: run folders of other networks to stand beside it.")
    ] = None,
) -> None:
    """Likelihood on held-out pieces beside two baselines, and musical statistics beside real pieces."""
    from rnnmuse.errors import MissingExtraError
    from rnnmuse.models.bundle import find

    try:
        from rnnmuse.train.cover_evaluate import evaluate_cover
        from rnnmuse.train.evaluate import evaluate_stream
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("torch", "lightning_fabric", "onnx", "music21", "matplotlib"):
            raise
        raise MissingExtraError("evaluation", "train") from None
    if find(model).about.get("kind") == "cover":
        print(evaluate_cover(model, folders, out, beside or ()))
        return
    print(evaluate_stream(model, folders, pieces, bars, out))
