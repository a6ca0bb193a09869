"""Which words belong to a theme: neighbours of a word by the company it keeps.

data/themes.npz holds a vector a word, learned by `rnnmuse.train.text.themes`. `likings` gives each related word the
nats by which a poem about the theme favours it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnmuse.errors import RnnmuseError
from rnnmuse.text.pronounce import DATA, plain

RELATED = 120
"""Words of a theme at most."""

STRENGTH = 3.0
"""Nats for the word that is nearest to a theme; the others get less, by rank."""

MOST = 4
"""Words of a theme that may be given."""


@dataclass(frozen=True, slots=True)
class Themes:
    """``words``, sorted, with unit ``vectors`` (words, dimensions)."""

    words: tuple[str, ...]
    vectors: NDArray[np.float32]

    def save(self, path: Path) -> None:
        scaled = np.round(self.vectors / np.abs(self.vectors).max(1, keepdims=True) * 127).astype(np.int8)
        np.savez_compressed(path, words=np.frombuffer("\n".join(self.words).encode(), np.uint8), vectors=scaled)

    @classmethod
    def load(cls, path: Path) -> Themes:
        with np.load(path) as table:
            vectors = table["vectors"].astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            return cls(tuple(bytes(table["words"]).decode().split("\n")), vectors)

    def related(self, theme: Sequence[str], most: int = RELATED) -> list[tuple[str, float]]:
        """The words nearest to those of a theme, each with its likeness of 0 to 1; the theme's own first.

        RnnmuseError for a word that is not known.
        """
        rows = []
        for word in theme:
            at = bisect_left(self.words, plain(word))
            if at == len(self.words) or self.words[at] != plain(word):
                raise RnnmuseError(f"theme: {word!r} is not among its {len(self.words)} words; try a more common one")
            rows.append(at)
        likeness = (self.vectors @ self.vectors[rows].T).max(1)
        order = np.argsort(-likeness)[:most]
        return [(self.words[i], float(likeness[i])) for i in order]


def likings(theme: Sequence[str]) -> dict[str, float]:
    """Nats by word for a poem about ``theme``. ValueError for more than MOST words, RnnmuseError for unknown ones."""
    if len(theme) > MOST:
        raise ValueError(f"theme: {len(theme)} words; must be up to {MOST}")
    if not theme:
        return {}
    found = themes().related(theme)
    return {word: STRENGTH * (1 - rank / len(found)) for rank, (word, _) in enumerate(found)}


@cache
def themes() -> Themes:
    """The table, read when it is first asked for."""
    return Themes.load(DATA / "themes.npz")
