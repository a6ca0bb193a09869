"""A stream of characters in pieces: characters, syllables, words, phrases or lines, each with its syllables."""

from __future__ import annotations

from dataclasses import dataclass

from rnnmuse.text.pronounce import divided, syllables, words_of

UNITS = ("character", "syllable", "word", "phrase", "line")
MARKS = ".,;:!?—。，；：！？"
LETTERS_A_SYLLABLE = 3
LONGEST = 200
"""Characters of a chunk at most; a model may write a line that never ends."""


@dataclass(slots=True)
class Chunker:
    """Feed characters, get chunks. A chunk ends with the space, punctuation or line break that follows it.

    A phrase ends at a mark of punctuation or with its line.
    """

    unit: str = "word"
    """One of UNITS."""
    _held: str = ""
    """Characters of the chunk that has not ended."""

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"unit: {self.unit!r}; use one of {', '.join(UNITS)}")

    def feed(self, piece: str) -> list[tuple[str, float]]:
        """Chunks that ``piece`` completes, each with its syllables."""
        out: list[tuple[str, float]] = []
        for c in piece:
            out += self._take(c)
        return out

    def copy(self) -> Chunker:
        """A chunker that goes on from here by itself."""
        return Chunker(self.unit, self._held)

    def rest(self) -> list[tuple[str, float]]:
        """What is left at the end."""
        held, self._held = self._held, ""
        return self._cut(held) if held else []

    def _take(self, c: str) -> list[tuple[str, float]]:
        if self.unit == "character":
            return [(c, 1.0 if _unspaced(c) else 1 / LETTERS_A_SYLLABLE)]
        before, self._held = self._held, self._held + c
        if self.unit == "line":
            if (c == "\n" and before.strip()) or len(self._held) >= LONGEST:
                return self.rest()
            return []
        if self.unit == "phrase":
            marked = before.rstrip("\"')”’").endswith(tuple(MARKS)) and c.isspace()
            if (before.strip() and (marked or c == "\n")) or len(self._held) >= LONGEST:
                return self.rest()
            return []
        begins = c.isalnum() or c in "'’([“\"‘—"
        over = before and not before[-1:].isalnum() and before[-1:] not in "'’-" and begins
        if (over and any(k.isalnum() for k in before)) or (before and _unspaced(before[-1]) and begins):
            self._held = c
            return self._cut(before)
        if len(self._held) >= LONGEST:
            return self.rest()
        return []

    def _cut(self, text: str) -> list[tuple[str, float]]:
        words = words_of(text)
        if self.unit != "syllable" or not words:
            return [(text, float(syllables(text)))]
        out: list[tuple[str, float]] = []
        at = 0
        for number, word in enumerate(words):
            begin = text.index(word, at)
            lead, at = text[at:begin], begin + len(word)
            tail = text[at:] if number + 1 == len(words) else ""
            parts = divided(word)
            parts[0] = lead + parts[0]
            parts[-1] += tail
            out += [(part, 1.0) for part in parts]
        return out


def _unspaced(c: str) -> bool:
    return "\u3040" <= c <= "\u9fff" or c >= "\U00020000"
