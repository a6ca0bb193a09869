"""What a model has read, in a small file: enough to tell that a line quotes it, not to read it back.

Every ``STRIDE``-th run of ``WINDOW`` letters of the training text is kept as a 32-bit hash. A quotation of LONGEST
letters holds at least two such runs, STRIDE apart; two are asked for, so that a chance hit is no quotation. Letters
are compared without case, space or punctuation, so that other line breaks do not hide it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WINDOW, STRIDE = 24, 8
LONGEST = WINDOW + 2 * STRIDE - 1
"""Letters (spaces and punctuation not counted) of a quotation that is found for certain."""

LIMIT = 60
"""Letters in common beyond which a text counts as copied."""

_BASE = np.uint64(0x9E3779B97F4A7C15)


def letters(text: str) -> str:
    """The letters and digits of a text in lower case: what is compared."""
    return "".join(c for c in text.lower() if c.isalnum())


def hashes(text: str) -> NDArray[np.uint32]:
    """Hash of each run of WINDOW letters of ``text``, (letters - WINDOW + 1,)."""
    codes = np.frombuffer(letters(text).encode("utf-32-le"), np.uint32).astype(np.uint64)
    count = len(codes) - WINDOW + 1
    if count <= 0:
        return np.zeros(0, np.uint32)
    out = np.zeros(count, np.uint64)
    for k in range(WINDOW):  # Horner's rule over all runs at once, modulo 2^64
        out = out * _BASE + codes[k : k + count] + np.uint64(1)
    out ^= out >> np.uint64(29)
    return ((out * _BASE) >> np.uint64(32)).astype(np.uint32)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Sorted hashes (N,) of a training text."""

    kept: NDArray[np.uint32]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Fingerprint:
        runs = [hashes(text)[::STRIDE] for text in texts]
        return cls(np.unique(np.concatenate([np.zeros(0, np.uint32), *runs])))

    def save(self, path: Path) -> None:
        path.write_bytes(self.kept.astype("<u4").tobytes())

    @classmethod
    def load(cls, path: Path) -> Fingerprint:
        """ValueError if the file is none."""
        data = path.read_bytes()
        if len(data) % 4:
            raise ValueError(f"{path.name}: {len(data)} bytes; must be a multiple of 4")
        return cls(np.frombuffer(data, "<u4"))

    def quotes(self, text: str) -> bool:
        """Whether ``text`` holds a run of LONGEST letters of the training text; shorter ones may be found too."""
        found = hashes(text)
        if len(found) <= STRIDE or not len(self.kept):
            return False
        at = np.minimum(np.searchsorted(self.kept, found), len(self.kept) - 1)
        known = self.kept[at] == found
        return bool((known[:-STRIDE] & known[STRIDE:]).any())

    def longest(self, text: str) -> int:
        """Letters of the longest run in common with the training text, up to 2 STRIDE too few; 0 under LONGEST."""
        found = hashes(text)
        if not len(found) or not len(self.kept):
            return 0
        at = np.minimum(np.searchsorted(self.kept, found), len(self.kept) - 1)
        known = self.kept[at] == found
        best = 0
        for phase in range(STRIDE):
            run = 0
            for hit in known[phase::STRIDE].tolist():
                run = run + 1 if hit else 0
                best = max(best, run)
        return WINDOW + (best - 1) * STRIDE if best > 1 else 0
