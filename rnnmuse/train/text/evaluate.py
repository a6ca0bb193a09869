"""How well a text model knows text that it never saw; the TinyShakespeare benchmark; verse beside real poems."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnmuse.errors import RnnmuseError
from rnnmuse.models.bundle import Bundle, find, load_text
from rnnmuse.text.author import Author
from rnnmuse.text.regulated import measured
from rnnmuse.train.recipe import read_recipe
from rnnmuse.train.text.data import Row, carried_nll, load_texts, windowed_nll
from rnnmuse.train.text.export import text_network_of
from rnnmuse.train.text.recipe import TextRecipe

TINYSHAKESPEARE = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
"""SHA-256 of karpathy/char-rnn's data/tinyshakespeare/input.txt."""

BENCHMARKS = ("tinyshakespeare",)


def benchmark(name: str, model: str, places: Sequence[Path]) -> str:
    """The figures of a benchmark with their definitions; RnnmuseError if its text is not at ``places``."""
    if name not in BENCHMARKS:
        raise ValueError(f"benchmark: {name!r}; use one of {', '.join(BENCHMARKS)}")
    text = _tinyshakespeare(places)
    bundle = _text_bundle(model)
    net, alphabet = text_network_of(bundle)
    cut = int(len(text) * 0.9)
    held = text[cut:]
    row = Row.of([held], alphabet, grid=False)
    row = Row(row.classes[:-1], None)  # the end of the text is not one of its characters
    lines = [
        f"{model} on tinyshakespeare: the last 10 % ({len(held):,} characters), never trained on; nats a character",
        f"  {carried_nll(net, row):.4f}  every character, the state carried from the first to the last",
        f"  {windowed_nll(net, row):.4f}  in windows of 256 characters side by side, each begun without memory",
    ]
    note = (
        "  weights as shipped (int8 a row); of this text the first 90 % were learned from (other texts: see the card)"
    )
    return "\n".join([*lines, note])


def _tinyshakespeare(places: Sequence[Path]) -> str:
    tried: list[Path] = []
    for place in places or [Path.cwd()]:
        names = ("input.txt", "input.txt.gz", "tinyshakespeare.txt")
        inside = [place / sub / name for sub in (".", "tinyshakespeare") for name in names]
        tried += inside if place.is_dir() else [place]
    for path in tried:
        if path.is_file():
            data = path.read_bytes()
            data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            if hashlib.sha256(data).hexdigest() == TINYSHAKESPEARE:
                return data.decode("utf-8")
    where = ", ".join(map(str, places)) or "this folder"
    raise RnnmuseError(
        f"benchmark: tinyshakespeare's input.txt is not at {where}; get it from github.com/karpathy/char-rnn "
        "(data/tinyshakespeare) and name the file"
    )


def _text_bundle(model: str) -> Bundle:
    bundle = find(model)
    if bundle.about.get("kind") != "text":
        raise RnnmuseError(f"model: {model!r} is a {bundle.about.get('kind')} model; a text model is needed")
    return bundle


def evaluate_text(model: str, places: Sequence[Path], poems: int, out: Path | None) -> str:
    """Likelihood of the test split (the validation split where there is no other), and for verse its form beside real
    poems; written to ``out``/eval.json where given."""
    bundle = _text_bundle(model)
    recipe = read_recipe(bundle.folder / "recipe.toml", TextRecipe)
    texts = load_texts(places, recipe)
    net, alphabet = text_network_of(bundle)
    held = texts.test or texts.validation
    row = Row.of(held, alphabet, bool(recipe.verse))
    result: dict[str, object] = {
        "split": "test" if texts.test else "validation",
        "texts": len(held),
        "characters": len(row) - 1,
        "nats_a_character": round(carried_nll(net, row, 256, min(32, max(1, len(row) // 2000))), 4),
        "unknown": round(float((row.classes == 1).mean()), 5),
        "uniform": round(float(np.log(len(alphabet))), 4),
        "unigram": round(_unigram(texts.train, row, alphabet.encode), 4),
    }
    if recipe.verse == "regulated":
        author = Author(load_text(model))
        made = [author.poem("jueju", seed=seed) for seed in range(poems)]
        real = [text.strip().split("\n") for text in held]
        result["quatrains"] = {"made": poems, **measured(made)}
        result["real_quatrains"] = measured([poem for poem in real if len(poem) == 4])
        training = {line for text in texts.train for line in text.split("\n")}
        result["lines_from_training"] = sum(line in training for poem in made for line in poem) / max(1, 4 * len(made))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "eval.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return json.dumps(result, indent=1, ensure_ascii=False)


def _unigram(training: Sequence[str], row: Row, encode: object) -> float:
    """Mean nats a character by how often each occurs in training, with add-one smoothing."""
    assert callable(encode)
    counts = np.ones(int(row.classes.max()) + 1)
    for text in training:
        known = np.bincount(np.array([*encode(text), 0]), minlength=len(counts))
        if len(known) > len(counts):
            counts = np.pad(counts, (0, len(known) - len(counts)), constant_values=1)
        counts += np.pad(known, (0, len(counts) - len(known)))
    share = np.log(counts / counts.sum())
    return float(-share[row.classes[1:]].mean())
