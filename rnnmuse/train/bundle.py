"""Writing a bundle: complete or not at all, and without losing what people wrote in the one that it replaces."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w
import torch

from rnnmuse.models.bundle import FORMAT, SUMS, Bundle, read_about, recover, write_sums
from rnnmuse.storage import sync_tree
from rnnmuse.train.card import first_card
from rnnmuse.train.graph import quantised
from rnnmuse.train.recipe import recipe_text

INT8_LIMIT = 0.01
"""Share of the likelihood that int8 weights may cost."""
MADE = (
    "model.toml", "recipe.toml", "eval.json", SUMS, "weights.safetensors", "step.onnx", "encoder.onnx", "alphabet.json",
    "training.bin", "originality.npz", "read1.onnx", "read2.onnx", "groove.safetensors", "groove-reader.onnx",
    "groove-step.onnx",
    "discriminator.safetensors",
)  # fmt: skip
"""Files that belong to one training: those of the old bundle are not kept."""


@contextmanager
def new_bundle(folder: Path, made: Collection[str] = MADE) -> Iterator[Path]:
    """A folder to write a bundle into; it takes the place of ``folder`` when the block ends, and vanishes if it fails.

    Files that are not ``made`` anew, such as a card and its pictures, are taken over from the old bundle. Between the
    two renames at the end there is no folder of this name; `rnnmuse.models.bundle.find` brings back the old one.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial, old = (folder.parent / f".{folder.name}.{end}" for end in ("partial", "old"))
    recover(folder)
    for left in (partial, old):
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir()
    try:
        for kept in folder.iterdir() if folder.is_dir() else ():
            if kept.is_file() and kept.name not in made:
                shutil.copy2(kept, partial / kept.name)
        yield partial
        write_sums(partial)
        sync_tree(partial)
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)


def describe(partial: Path, kind: str, recipe: Any, about: dict[str, Any]) -> None:
    """Write model.toml, recipe.toml and a first card; ``about`` are the entries of model.toml of this kind."""
    tables = {key: value for key, value in about.items() if isinstance(value, dict | list)}
    plain = {key: value for key, value in about.items() if key not in tables}
    head = {"format": FORMAT, "name": recipe.name, "kind": kind, "about": recipe.about}
    (partial / "model.toml").write_text(tomli_w.dumps(head | plain | tables), "utf-8")
    (partial / "recipe.toml").write_text(recipe_text(recipe), "utf-8")
    first_card(partial, recipe.name, recipe.about)


def written(folder: Path) -> Bundle:
    """The bundle in ``folder``."""
    return Bundle(folder.name, folder, read_about(folder))


def compact(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Vectors in float16, matrices in int8 with a float16 scale a row, half of what float16 would take."""
    out = {}
    for key, tensor in weights.items():
        value = tensor.detach().float()
        if value.ndim != 2:
            out[key] = value.half().contiguous()
            continue
        scale = (value.abs().amax(1, keepdim=True) / 127).clamp(min=6e-8).half()
        out[key] = (value / scale.float()).round().clamp(-127, 127).to(torch.int8).contiguous()
        out[f"{key}.scale"] = scale.contiguous()
    return out


def smaller(exact: Any, nll: Callable[[bytes], float] | None) -> tuple[bytes, str, float]:
    """The int8 form of a graph, its precision and what it costs; ``exact`` itself where it costs over INT8_LIMIT.

    ``nll`` is the likelihood of held-out data by a graph; None to do without the comparison, and without int8.
    """
    whole = exact.SerializeToString()
    if nll is None:
        return whole, "float32", float("nan")
    small = quantised(exact)
    loss = nll(small) / nll(whole) - 1
    return (small, "int8", loss) if loss <= INT8_LIMIT else (whole, "float32", loss)
