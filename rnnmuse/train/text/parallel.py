"""Builds data/parallel.npz: ``python -m rnnmuse.train.text.parallel FOLDER``.

The second and third couplets of an eight-line poem are parallel: what stands in the same place of their two lines is
of one class. Which characters stand against each other is counted, and the pointwise mutual information is reduced by a
singular value decomposition, so that pairs that never came share in the habits of their like.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from rnnmuse.text.han import save_pairs
from rnnmuse.train.text.data import load_texts
from rnnmuse.train.text.grammar import DATA
from rnnmuse.train.text.recipe import TextRecipe

SIZE = 32
LEAST = 12


def parallel(poems: Sequence[Sequence[str]]) -> tuple[str, torch.Tensor, torch.Tensor]:
    """Characters, and their vectors in the first and in the second lines of parallel couplets."""
    couplets = [(poem[at], poem[at + 1]) for poem in poems if len(poem) == 8 for at in (2, 4)]
    counts = Counter(c for couplet in couplets for line in couplet for c in line)
    characters = "".join(sorted(c for c, n in counts.items() if n >= LEAST))
    index = {c: i for i, c in enumerate(characters)}
    near = np.full((len(characters), len(characters)), 0.0, np.float32)
    for above, below in couplets:
        for one, other in zip(above, below, strict=True):
            if one in index and other in index:
                near[index[one], index[other]] += 1
    rows, columns = near.sum(1, keepdims=True), near.sum(0, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = np.log((near + 0.02 * rows * columns / near.sum()) / (rows * columns / near.sum()))
    trusted = lift * np.minimum(1.0, np.sqrt(near / 4))
    table = torch.from_numpy(np.where(np.isfinite(trusted) & (near > 0), trusted, 0.0).astype(np.float32))
    torch.manual_seed(1)
    left, scale, right = torch.svd_lowrank(table, SIZE + 16, niter=6)
    root = scale[:SIZE].sqrt()
    return characters, left[:, :SIZE] * root, right[:, :SIZE] * root


def main() -> None:
    options = argparse.ArgumentParser(description="Build the table of parallel characters from Tang poems.")
    options.add_argument("places", type=Path, nargs="+")
    texts = load_texts(options.parse_args().places, TextRecipe("parallel", verse="regulated"))
    characters, upper, lower = parallel([text.strip().split("\n") for text in texts.train])
    save_pairs(DATA / "parallel.npz", characters, upper.numpy(), lower.numpy())
    print(f"{len(characters)} characters")


if __name__ == "__main__":
    main()
