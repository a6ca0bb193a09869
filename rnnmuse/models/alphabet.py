"""The characters a text model knows, and what to make of those it does not."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

START, UNKNOWN = 0, 1
"""Classes that are no characters: the start (and end) of a text, and a character that the alphabet lacks."""

FIRST = 2
"""The class of the first character."""

LETTERS_NEEDED = "abcdefghijklmnopqrstuvwxyz \n"

# what looks alike; either may stand for the other where an alphabet has only one of them
ALIKE = (
    ("'", "’‘`´ʼʽ"), ('"', "“”„«»"), ("-", "–—−‐‑⸺"), ("...", "…"), (" ", "\u00a0\u2009\u202f\u3000\t"), ("ae", "æ"),
    ("oe", "œ"), ("AE", "Æ"), ("OE", "Œ"), ("ss", "ß"), (",", "，、"), (".", "。"), ("!", "！"), ("?", "？"),
    (";", "；"), (":", "："),
)  # fmt: skip


@dataclass(frozen=True)
class Alphabet:
    """``characters``, each once, in the order of their classes; class 2 is the first of them."""

    characters: str
    _class: dict[str, int] = field(default_factory=dict, repr=False, compare=False)
    """The class of each character, 2 and up."""
    _folded: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False, compare=False)
    """Classes of characters that are not in the alphabet, by those that they look like; kept once found."""

    def __post_init__(self) -> None:
        self._class.update((c, i) for i, c in enumerate(self.characters, FIRST))
        if len(self._class) != len(self.characters):
            raise ValueError("characters: one of them is there twice")

    def __len__(self) -> int:
        return len(self.characters) + FIRST

    def __contains__(self, character: str) -> bool:
        return character in self._class

    def encode(self, text: str) -> list[int]:
        """Classes of a text. One that is not in the alphabet is read as what looks like it, else as UNKNOWN."""
        out: list[int] = []
        for c in text:
            known = self._class.get(c)
            if known is not None:
                out.append(known)
            else:
                out.extend(self._like(c))
        return out

    def decode(self, classes: Iterable[int]) -> str:
        """The text of classes; START and UNKNOWN have none."""
        return "".join(self.characters[k - FIRST] for k in classes if k >= FIRST)

    def unknown(self, text: str) -> str:
        """The characters of a text that can only be read as UNKNOWN, each once."""
        return "".join(dict.fromkeys(c for c in text if c not in self._class and self._like(c) == (UNKNOWN,)))

    def _like(self, c: str) -> tuple[int, ...]:
        if c not in self._folded:
            if len(self._folded) > 10_000:
                self._folded.clear()
            self._folded[c] = self._find_like(c)
        return self._folded[c]

    def _find_like(self, c: str) -> tuple[int, ...]:
        if c in "\r\ufeff\u200b\u200c\u200d\u2060" or unicodedata.category(c) == "Mn":
            return ()
        for plain, others in ALIKE:
            if c == plain or c in others:
                for one in (plain, *others):
                    if all(k in self._class for k in one):
                        return tuple(self._class[k] for k in one)
        base = unicodedata.normalize("NFKD", c)
        base = "".join(b for b in base if unicodedata.category(b) != "Mn")
        for one in (base, c.lower(), c.upper(), base.lower()):
            if one and all(k in self._class for k in one):
                return tuple(self._class[k] for k in one)
        if c in "\u2028\u2029\x0b\x0c\x85" and "\n" in self._class:
            return (self._class["\n"],)
        return (UNKNOWN,)


def alphabet_of(texts: Iterable[str], least: int = 1, most: int = 8000) -> Alphabet:
    """The characters that occur at least ``least`` times, at most ``most`` of them; control characters are none."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    kept = [c for c, n in counts.items() if n >= least and (c == "\n" or unicodedata.category(c)[0] != "C")]
    kept = sorted(kept, key=lambda c: (-counts[c], c))[:most]
    return Alphabet("".join(sorted(kept)))


def ascii_of(text: str) -> str:
    """A text for hosts that know no more than ASCII: quotes and dashes plain, accents off, the rest as ``?``."""
    out = []
    for c in text:
        if c.isascii():
            out.append(c)
            continue
        like = next((plain for plain, others in ALIKE if c in others), None)
        if like is None:
            base = "".join(b for b in unicodedata.normalize("NFKD", c) if unicodedata.category(b) != "Mn")
            like = base if base.isascii() else "?"
        out.append(like)
    return "".join(out)


def cleaned(text: str) -> str:
    """Unix line ends, composed accents (NFC), no lone surrogates and no control characters but tab and newline."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode("utf-8")
    text = unicodedata.normalize("NFC", text)
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Co", "Cn"))
