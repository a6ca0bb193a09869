"""What a second process gains: `python tests/bench_scale.py encode FOLDER`, or `train FOLDER`. Not a test.

``encode`` prepares the same files with one worker and with two, ``train`` takes the same epochs of a stream model in
one process and in two, each on one thread; round by round, so that what else the machine does falls on both. It needs
two cores that nothing else uses.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rnnmuse.models.bundle import find
from rnnmuse.music.read import music_files
from rnnmuse.train.prepared import prepare
from rnnmuse.train.recipe import read_recipe
from rnnmuse.train.stream.recipe import Recipe
from rnnmuse.workers import Workers, workers

TRAIN = """
import json, os, sys
from pathlib import Path

import torch

from rnnmuse.train.corpus import load_corpus
from rnnmuse.train.prepared import recipe_of
from rnnmuse.train.stream.objective import train

torch.set_num_threads(1)
place, work, epochs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
recipe = recipe_of(place).changed(lanes=32, epochs=epochs, patience=epochs)
corpus = load_corpus([place], recipe)
pieces = [item.encoded for item in corpus.of("train")]
held = [item.encoded for item in corpus.of("validation")][:8]
_, now = train(recipe, pieces, held, work, precision="32-true", device="cpu")
if os.environ["RANK"] == "0":
    row = {"rate": now.events / now.seconds, "loss": now.loss, "validation": now.best}
    (work / "found.json").write_text(json.dumps(row))
"""


def encode(folder: Path, recipe: Recipe, count: int, rounds: int) -> None:
    files = music_files(folder)[:count]
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as place, workers(2) as two:
        base = Path(place)
        (base / "music").mkdir()
        for number, path in enumerate(files):
            (base / "music" / f"{number:05d}{path.suffix}").symlink_to(path.resolve())
        one = Workers(1, two.client, two.address)
        first = next(iter(two.client.nthreads()))
        submit = two.client.submit
        for turn in range(rounds + 1):
            for hands in (one, two):
                name = hands.count if hands is two else 1
                two.client.submit = (
                    submit if hands is two else lambda *words, **more: submit(*words, workers=[first], **more)
                )
                began = time.perf_counter()
                prepare([base / "music"], recipe, base / f"{turn}-{name}", hands, size=12)
                if turn:  # the first round loads what is loaded once
                    seconds[name].append(time.perf_counter() - began)
        two.client.submit = submit
    _told("encoding", f"{len(files)} files", [a / b for a, b in zip(seconds[1], seconds[2], strict=True)], seconds)


def train(folder: Path, recipe: Recipe, count: int, rounds: int, epochs: int) -> None:
    found: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as place:
        base = Path(place)
        (base / "music").mkdir()
        for number, path in enumerate(music_files(folder)[:count]):
            (base / "music" / f"{number:05d}{path.suffix}").symlink_to(path.resolve())
        prepare([base / "music"], recipe, base / "set", Workers(1))
        script = base / "train.py"
        script.write_text(TRAIN)
        for turn in range(rounds):
            for processes in (1, 2):
                work = base / f"{turn}-{processes}"
                subprocess.run(
                    [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes),
                     str(script), str(base / "set"), str(work), str(epochs)],
                    check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
                )  # fmt: skip
                found[processes].append(json.loads((work / "found.json").read_text()))
    ratios = [two["rate"] / one["rate"] for one, two in zip(found[1], found[2], strict=True)]
    _told("training", f"{epochs} epochs of {count} files", ratios,
          {n: [row["rate"] for row in rows] for n, rows in found.items()})  # fmt: skip
    for name in ("loss", "validation"):
        one, two = (found[n][0][name] for n in (1, 2))
        print(f"  {name} {one:.4f} in one process, {two:.4f} in two: {100 * (two / one - 1):+.2f} %")


def _told(what: str, of: str, ratios: list[float], each: dict[int, list[float]]) -> None:
    shown = "; ".join(f"{n}: {', '.join(f'{value:.1f}' for value in values)}" for n, values in each.items())
    print(f"{what}, {of}: two are {statistics.median(ratios):.2f} x one (median of {len(ratios)}; {shown})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("encode", "train"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--for", dest="model", default="leadsheet")
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    recipe = read_recipe(find(options.model).folder / "recipe.toml", Recipe)
    if options.what == "encode":
        encode(options.folder, recipe, options.files, options.rounds)
    else:
        train(options.folder, recipe, options.files, options.rounds, options.epochs)


if __name__ == "__main__":
    main()
