"""Builds data/themes.npz, vectors of words: ``python -m rnnmuse.train.text.themes FOLDER``.

Words that come near the same words get near vectors: positive pointwise mutual information of words within REACH of
each other, reduced by a singular value decomposition (Levy and Goldberg 2014).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from rnnmuse.text.grammar import FUNCTION, grammar, tokens_of
from rnnmuse.text.pronounce import plain
from rnnmuse.text.themes import Themes
from rnnmuse.train.text.grammar import DATA, texts_of

REACH = 8
"""Words, function words left out, to each side."""

LEAST = 20
"""How often a word must occur."""

SIZE = 48
"""Dimensions of a vector."""


def themes_of(texts: Sequence[str]) -> Themes:
    """Vectors learned from texts."""
    known = grammar()
    kept = [
        word
        for word, count, named in zip(known.words, known.counts.tolist(), known.named.tolist(), strict=True)
        if count >= LEAST and not named and word not in FUNCTION and len(word) > 2
    ]
    index = {word: i for i, word in enumerate(kept)}
    near = np.zeros((len(kept), len(kept)), np.float32)
    for text in texts:
        row = np.array([index[w] for w in map(plain, tokens_of(text)) if w in index], np.int64)
        for back in range(1, REACH + 1):
            if back < len(row):
                np.add.at(near, (row[back:], row[:-back]), 1.0 / back**0.5)
    near += near.T
    share = near.sum(1) / near.sum()
    smooth = share**0.75 / (share**0.75).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = np.log(near / near.sum() / np.outer(share, smooth))
    positive = torch.from_numpy(np.where(np.isfinite(lift), np.maximum(lift - 0.5, 0), 0).astype(np.float32))
    torch.manual_seed(1)
    left, scale, _ = torch.svd_lowrank(positive, SIZE + 16, niter=6)
    vectors = (left * scale.sqrt())[:, :SIZE]
    vectors = vectors / vectors.norm(dim=1, keepdim=True).clamp(min=1e-6)
    return Themes(tuple(kept), vectors.numpy())


def main() -> None:
    options = argparse.ArgumentParser(description="Build the table of themes from text files.")
    options.add_argument("places", type=Path, nargs="+")
    themes = themes_of(texts_of(options.parse_args().places))
    themes.save(DATA / "themes.npz")
    print(f"{len(themes.words)} words")


if __name__ == "__main__":
    main()
