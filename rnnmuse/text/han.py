"""Chinese characters: simplified and traditional, and which stand against each other in parallel couplets.

data/han.json maps simplified characters to traditional ones and back (from OpenCC). data/parallel.npz holds two vectors
a character, learned by `rnnmuse.train.text.parallel` from the couplets of eight-line poems: their product is how much
likelier one stands under the other than anywhere, in nats.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnmuse.text.pronounce import DATA

SCRIPTS = ("traditional", "simplified")


@cache
def _scripts() -> dict[str, dict[int, str]]:
    table = json.loads((DATA / "han.json").read_text("utf-8"))
    return {script: {ord(one): other for one, other in pairs.items()} for script, pairs in table.items()}


def traditional(text: str) -> str:
    """A text in traditional characters; of several that one simplified character stands for, the usual one."""
    return text.translate(_scripts()["traditional"])


def simplified(text: str) -> str:
    """A text in simplified characters."""
    return text.translate(_scripts()["simplified"])


@dataclass(frozen=True, slots=True)
class Pairs:
    """Vectors of the characters that stand in the first (``upper``) and in the second (``lower``) line of a couplet.

    Both are (classes, dimensions), in the order of an alphabet's classes.
    """

    upper: NDArray[np.float32]
    lower: NDArray[np.float32]

    def given(self, upper: int) -> NDArray[np.float32]:
        """Nats by which each class is likelier under the class ``upper``, (classes,)."""
        out: NDArray[np.float32] = self.lower @ self.upper[upper]
        return out


@lru_cache(maxsize=4)
def pairs_for(characters: str) -> Pairs:
    """The pairs for the characters of an alphabet; those that are not known lean to nothing."""
    with np.load(DATA / "parallel.npz") as table:
        known = {c: i for i, c in enumerate(bytes(table["characters"]).decode())}
        both = [table[name].astype(np.float32) * float(table[f"{name}_scale"]) for name in ("upper", "lower")]
    rows = np.array([-1, -1, *(known.get(c, -1) for c in characters)])
    upper, lower = (np.where(rows[:, None] >= 0, part[rows], np.float32(0)) for part in both)
    return Pairs(upper, lower)


def save_pairs(path: Path, characters: str, upper: NDArray[np.float32], lower: NDArray[np.float32]) -> None:
    """Write vectors (characters, dimensions) as int8 with one scale each."""
    scales = [np.array(float(np.abs(part).max()) / 127) for part in (upper, lower)]
    np.savez_compressed(
        path,
        characters=np.frombuffer(characters.encode(), np.uint8),
        upper=np.round(upper / scales[0]).astype(np.int8),
        lower=np.round(lower / scales[1]).astype(np.int8),
        upper_scale=scales[0],
        lower_scale=scales[1],
    )
