"""Plain text by a text model: character by character, up to a number of characters, words, lines or poems."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
from numpy.typing import NDArray

from rnnmuse.errors import RnnmuseError
from rnnmuse.models.sampling import check, sample
from rnnmuse.models.text import State, TextModel

UNITS = ("characters", "words", "lines", "poems")
MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """How to draw: ``temperature`` 0-5, ``top_p`` above 0 to 1, words that never come (``banned``) and that must come
    (``required``, each once or more)."""

    temperature: float = 0.8
    top_p: float = 0.95
    banned: tuple[str, ...] = ()
    required: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check(self.temperature, self.top_p)
        for name in ("banned", "required"):
            for word in getattr(self, name):
                if not word.strip() or any(c.isspace() for c in word):
                    raise ValueError(f"{name}: {word!r}; must be words without spaces")
        both = {w.lower() for w in self.banned} & {w.lower() for w in self.required}
        if both:
            raise ValueError(f"required: {both.pop()!r} is banned too")


@dataclass
class Writer:
    """Writes with ``model``; hears a prompt first. The same seed of ``random`` writes the same."""

    model: TextModel
    settings: Settings = field(default_factory=Settings)
    """How it draws."""
    random: Random = field(default_factory=Random)

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin a new text."""
        logits, self.state = self.model.begin()
        self.logits: NDArray[np.float32] = logits[0]
        self.word = ""

    def hear(self, text: str) -> None:
        """Read ``text`` as what came before; characters that are not known are read as unknown."""
        for k in self.model.alphabet.encode(text):
            self._on(k)

    def _on(self, k: int) -> None:
        logits, self.state = self.model.step(self.state, [k])
        self.logits = logits[0]
        c = self.model.alphabet.decode([k])
        self.word = self.word + c if c and (c.isalnum() or c in "'’") else ""

    def mask(self) -> NDArray[np.bool_] | None:
        """Which classes may come next, so that no banned word ends here; None for all."""
        banned = [w.lower() for w in self.settings.banned]
        if not banned:
            return None
        allowed = np.ones(self.model.classes, np.bool_)
        low = self.word.lower()
        if low.strip("'’") in banned:  # the word must go on
            goes_on = [c.isalnum() for c in self.model.alphabet.characters]
            allowed[:] = [False, False, *goes_on]
        for word in banned:  # scripts without spaces: it must not even be begun to its last character
            if _unspaced(word) and (low + word[-1]).endswith(word) and word[-1] in self.model.alphabet:
                allowed[self.model.alphabet.encode(word[-1])] = False
        return allowed

    def next(self) -> str:
        """The next character; empty at the end of a text, after which another begins."""
        mask = self.mask()
        k = sample(self.logits, self.random, self.settings.temperature, self.settings.top_p, mask)
        self._on(k)
        return self.model.alphabet.decode([k])

    def stream(self, length: int, unit: str = "characters") -> Iterator[str]:
        """Pieces of text, a character each or a required word, until ``length`` units are complete.

        A poem is a text of its own, as the model learned them. Required words come at word boundaries, evenly spread.
        """
        if unit not in UNITS:
            raise ValueError(f"unit: {unit!r}; use one of {', '.join(UNITS)}")
        if not 1 <= length <= MOST:
            raise ValueError(f"length: {length}; must be 1 to {MOST:,}")
        due = self._due(length, unit)
        done = written = 0
        token = ""
        last = "\n"
        while done < length:
            if due and written >= due[0][0] and not self.word and last[-1:].isspace():
                word = due.pop(0)[1]
                piece = word + " "
                self.hear(piece)
            else:
                piece = self.next()
            written += max(1, len(piece))
            ended = piece == ""
            if ended:
                piece = "\n\n" if last != "\n\n" and unit != "poems" else "\n"
            if unit == "characters":
                piece = piece[: length - done]
                done += len(piece)
            elif unit == "words":
                token, ended_words = _counted(token, piece)
                done += ended_words
                if done >= length:
                    return
            elif unit == "lines":
                done += "\n" in piece and last[-1:] != "\n"
                if done >= length:
                    return
            else:
                done += ended and written > 1
                if done >= length:
                    return
                if written > 4000 * (done + 1):  # a model that never ends a text: the next blank line does
                    done += piece == "\n" and last == "\n"
            last = piece or last
            yield piece

    def text(self, length: int, unit: str = "characters") -> str:
        """`stream` as one text. One that quotes the training text at length is written again, up to 8 times."""
        known = self.model.training
        for tries in range(8):
            held: tuple[NDArray[np.float32], State, str] = (self.logits, self.state, self.word)
            out = "".join(self.stream(length, unit))
            if known is None or not known.quotes(out) or tries == 7:
                break
            self.logits, self.state, self.word = held
        return out

    def _due(self, length: int, unit: str) -> list[tuple[int, str]]:
        """When each required word comes, in characters from the beginning."""
        words: Sequence[str] = self.settings.required
        size = length * {"characters": 1, "words": 5, "lines": 36, "poems": 150}[unit]
        if unit == "characters" and sum(len(w) + 8 for w in words) > length:
            raise RnnmuseError(f"required: {len(words)} words; they do not fit into {length} characters")
        if unit == "words" and len(words) > length:
            raise RnnmuseError(f"required: {len(words)} words; must be at most {length}")
        for word in words:
            missing = self.model.alphabet.unknown(word)
            if missing:
                raise RnnmuseError(f"required: {word!r} has {missing[0]!r}, which {self.model.name} cannot write")
        gap = math.floor(size / (len(words) + 1)) if words else 0
        return [(min(i * gap, max(0, size - 20 * (len(words) - i))), word) for i, word in enumerate(words)]


def _counted(token: str, piece: str) -> tuple[str, int]:
    """The word that is being written, and how many ``piece`` completed; a Chinese character is a word of its own."""
    done = 0
    for c in piece:
        if c.isspace():
            done += any(k.isalnum() for k in token)
            token = ""
        elif _unspaced(c):
            done += 1
        else:
            token += c
    return token, done


def _unspaced(word: str) -> bool:
    return any("\u3040" <= c <= "\u9fff" or c >= "\U00020000" for c in word)
