"""The index of what a stream model learned from, for a bundle that has none or whose corpus was read anew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnmuse.models.bundle import Bundle
from rnnmuse.models.originality import FILE, Index, index_of
from rnnmuse.music.codec import CONTEXT, Encoded
from rnnmuse.train.bundle import new_bundle
from rnnmuse.train.corpus import load_corpus
from rnnmuse.train.recipe import read_recipe
from rnnmuse.train.stream.recipe import Recipe


def index_bundle(bundle: Bundle, sources: Sequence[Path]) -> Index:
    """Write the index of ``sources`` into a bundle, by its own recipe, and its hashes anew.

    ``sources`` are folders of music, or one .npz of pieces that are encoded already: ``train_events`` (N, 7) and
    ``train_lengths``, and the same of ``validation`` and ``test``. ValueError for a bundle of another kind.
    """
    if bundle.about.get("kind") != "stream":
        raise ValueError(
            f"model: {bundle.name!r} is a {bundle.about.get('kind')} model; must be a stream or chorale model"
        )
    recipe = read_recipe(bundle.folder / "recipe.toml", Recipe)
    drums = frozenset(i for i, part in enumerate(recipe.parts) if part.drum)
    if len(sources) == 1 and sources[0].suffix == ".npz":
        learned, held = _encoded(sources[0], "train"), _encoded(sources[0], "validation", "test")
    else:
        corpus = load_corpus(sources, recipe)
        learned = [item.encoded for item in corpus.of("train")]
        held = [item.encoded for split in ("validation", "test") for item in corpus.of(split)]
    index = index_of(learned, held, drums)
    with new_bundle(bundle.folder, (FILE,)) as partial:
        index.save(partial / FILE)
    return index


def _encoded(path: Path, *splits: str) -> list[Encoded]:
    """The pieces of an .npz, without their context, which the index does not need."""
    out: list[Encoded] = []
    try:
        with np.load(path, allow_pickle=False) as held:
            for split in splits:
                events, at = held[f"{split}_events"], 0
                for length in held[f"{split}_lengths"].tolist():
                    rows = events[at : at + length]
                    out.append(Encoded(rows, np.zeros((len(rows), len(CONTEXT)), np.int16)))
                    at += length
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{path.name}: not encoded pieces ({error})") from None
    return out
