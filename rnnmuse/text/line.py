"""The rules for one line of English verse: whole words of the dictionary, a syllable count, an ending that rhymes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.alphabet import Alphabet
from rnnmuse.text.grammar import COMMA, LONGEST, OPEN, STOP, Syntax, grammar
from rnnmuse.text.pronounce import WEAK, lexicon, plain, sound

Bools = NDArray[np.bool_]
LETTERS = "abcdefghijklmnopqrstuvwxyz'"
PAUSES, ENDS = ",;:", ".!?"
FAMILY = 8
"""A word may end the first of two rhyming lines if this many words rhyme with it."""

COMMON = 4
"""A word may end a line if it occurs this often in what the grammar was learned from."""

OFFBEAT = -1.5
"""Nats for each syllable whose stress is not where the line wants it."""

GRAMMAR = 1.0
"""Weight of the grammar's nats beside those of the model."""

MOST_LIKED = 1.0
"""Nats of the grammar that count for a word at most, so that runs of function words do not win."""

PRESS = 0.25
"""Nats a word by which a sentence that has grown too long is pressed to end."""

AGAIN = 1.0
"""Nats that a word costs which the lines before have already."""


class Vocabulary:
    """The words that may be written, with their syllables: those of the dictionary that the grammar knows and that are
    no names, without the ``banned`` and with the ``extra`` ones."""

    def __init__(self, alphabet: Alphabet, banned: Collection[str] = (), extra: Collection[str] = ()) -> None:
        self.alphabet, self.lexicon = alphabet, lexicon()
        counts = np.fromiter((self.lexicon.count(i) for i in range(len(self.lexicon.words))), np.uint8)
        counts[counts > 12] = 0
        for letter in LETTERS[1:26]:
            at = self.lexicon.index(letter)
            if at >= 0 and letter not in "aio":
                counts[at] = 0
        known = grammar()
        kept = np.zeros(len(counts), np.bool_)
        self.common = np.zeros(len(counts), np.bool_)
        for word, count, named in zip(known.words, known.counts.tolist(), known.named.tolist(), strict=True):
            at = self.lexicon.index(word)
            kept[at] = not named
            parts = known.parts_of(word)
            self.common[at] = not named and count >= COMMON and bool(parts) and parts[0] in OPEN
        for word in extra:
            at = self.lexicon.index(plain(word))
            if at >= 0:
                kept[at] = self.common[at] = True
        counts[~kept] = 0
        for word in banned:
            at = self.lexicon.index(plain(word))
            if at >= 0:
                counts[at] = 0
        self.counts = counts
        self.spelt: dict[str, list[int]] = {}
        for k, c in enumerate(alphabet.characters, 2):
            low = plain(c)
            if low in LETTERS:
                self.spelt.setdefault(low, []).append(k)
        self.capitals = np.array([False, False, *(c.isupper() for c in alphabet.characters)])
        self._ranges: dict[str, tuple[int, int]] = {"": (0, len(self.lexicon.words))}
        self._flags = _flags(counts)
        self._bits: dict[str, int] = {}
        self._children: dict[str, list[tuple[str, int]]] = {}

    def classes(self, characters: str) -> list[int]:
        """Classes of those of ``characters`` that the alphabet has."""
        return [self.alphabet.encode(c)[0] for c in characters if c in self.alphabet]

    def span(self, prefix: str) -> tuple[int, int]:
        """First and last-but-one index of the words that begin so."""
        if prefix not in self._ranges:
            from bisect import bisect_left

            words = self.lexicon.words
            low, high = self.span(prefix[:-1])
            first = bisect_left(words, prefix, low, high)
            self._ranges[prefix] = (first, bisect_left(words, prefix + "\uffff", first, high))
        return self._ranges[prefix]

    def bits(self, prefix: str) -> int:
        """Syllable counts, as bits, of the words that begin so."""
        if prefix not in self._bits:
            low, high = self.span(prefix)
            self._bits[prefix] = int(np.bitwise_or.reduce(self._flags[low:high], initial=0))
        return self._bits[prefix]

    def children(self, prefix: str) -> list[tuple[str, int]]:
        """The letters that go on from ``prefix`` to some word, each with the `bits` of the words there."""
        if prefix not in self._children:
            found = ((letter, self.bits(prefix + letter)) for letter in LETTERS)
            self._children[prefix] = [(letter, bits) for letter, bits in found if bits]
        return self._children[prefix]

    @cached_property
    def tails(self) -> dict[str, list[int]]:
        """Indices of the common words, by their rhyme."""
        found: dict[str, list[int]] = {}
        for i in np.flatnonzero((self.counts > 0) & self.common).tolist():
            known = self.lexicon.sound(self.lexicon.words[i])
            assert known is not None
            found.setdefault(known.tail, []).append(i)
        return found

    @cached_property
    def rhymable(self) -> Bools:
        """Which words may end the first of two rhyming lines, by index."""
        out = np.zeros(len(self.counts), np.bool_)
        for family in self.tails.values():
            if len(family) >= FAMILY:
                out[family] = True
        for word in WEAK:  # a line that ends in "the" is broken off
            at = self.lexicon.index(word)
            if at >= 0:
                out[at] = False
        return out

    def endings(self, rhyme: str = "", used: Collection[str] = (), open_end: bool = False) -> NDArray[np.uint8]:
        """Syllables by index of the words that may end a line, 0 for those that may not.

        ``rhyme`` is a word to rhyme with, ``used`` words that ended lines already; with ``open_end`` a later line
        shall rhyme with this one.
        """
        if rhyme:
            wanted = sound(rhyme)
            out = np.zeros_like(self.counts)
            for i in self.tails.get(wanted.tail, ()):
                known = self.lexicon.sound(self.lexicon.words[i])
                word = self.lexicon.words[i]
                if known is not None and known.onset != wanted.onset and word not in used and word not in WEAK:
                    out[i] = self.counts[i]
            return out
        out = np.where(self.rhymable if open_end else self.common, self.counts, 0)
        for word in [*used, *(() if open_end else WEAK)]:
            at = self.lexicon.index(plain(word))
            if at >= 0:
                out[at] = 0
        return out.astype(np.uint8)


@lru_cache(maxsize=2)
def vocabulary_of(
    alphabet: Alphabet, banned: frozenset[str] = frozenset(), extra: frozenset[str] = frozenset()
) -> Vocabulary:
    """The vocabulary of these, kept: it takes longer to make than a line to write."""
    return Vocabulary(alphabet, banned, extra)


@dataclass
class LineRules:
    """What a line must be. Shared by the guides of one line.

    ``syllables`` in all; ``endings`` from `Vocabulary.endings`; ``strong`` says of each syllable whether it falls on a
    strong beat, None that it does not matter; ``final`` lines end in a full stop.
    ``liking`` are nats by word that a theme adds; ``worn`` the words of the lines before, which cost AGAIN.
    """

    vocabulary: Vocabulary
    """The words that there are."""
    syllables: int
    endings: NDArray[np.uint8]
    """(words,): the syllables of each word that may end the line, 0 for the others."""
    strong: Sequence[bool] | None = None
    final: bool = False
    offbeat: float = OFFBEAT
    """Nats for each stress that misses the beat; below 0."""
    liking: Mapping[str, float] = field(default_factory=dict)
    worn: Collection[str] = ()
    _masks: dict[tuple[str, int, str, str], Bools] = field(default_factory=dict, repr=False)
    """Characters that may come next, by prefix, syllables left, stage and what is awaited."""
    _bits: dict[str, int] = field(default_factory=dict, repr=False)
    """Syllable counts of words that may end the line, by prefix."""

    def __post_init__(self) -> None:
        ends = self.endings[self.endings > 0]
        if not len(ends) or int(ends.min()) > self.syllables:
            raise ValueError(f"line: no word can end a line of {self.syllables} syllables as is asked")
        self.shortest = int(ends.min())
        self._flags = _flags(self.endings)

    def end_bits(self, prefix: str) -> int:
        """Syllable counts, as bits, of the words that begin so and may end the line."""
        if prefix not in self._bits:
            low, high = self.vocabulary.span(prefix)
            self._bits[prefix] = int(np.bitwise_or.reduce(self._flags[low:high], initial=0))
        return self._bits[prefix]

    def completes(self, prefix: str, left: int) -> int:
        """Syllables of the word ``prefix`` if it may stand here with ``left`` syllables to go, else 0."""
        at = self.vocabulary.lexicon.index(prefix)
        if at < 0:
            return 0
        count = int(self.vocabulary.counts[at])
        if count and count <= left - self.shortest:
            return count
        return left if int(self.endings[at]) == left else 0

    def possible(self, prefix: str, bits: int, left: int) -> bool:
        """Whether some of the words that begin so, with these `Vocabulary.bits`, may stand here."""
        room = left - self.shortest
        if room > 0 and bits & ((1 << (room + 1)) - 2):
            return True
        return bool(bits >> left & 1) and bool(self.end_bits(prefix) >> left & 1)


def _flags(counts: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """A bit a word for its syllables, none for a word that may not come."""
    return np.where(counts > 0, np.uint16(1) << counts.astype(np.uint16), 0).astype(np.uint16)


@dataclass(slots=True)
class LineGuide:
    """One text's way through a line. ``stage``: "space" before a word, "word", "pause" after a mark."""

    rules: LineRules
    """What the line must be."""
    left: int
    """Syllables still to come."""
    syntax: Syntax
    """Where its sentence stands."""
    stage: str = "space"
    prefix: str = ""
    """Letters of the word that has begun."""
    must: str = ""
    """A word to be in the line."""
    must_count: int = 0
    """Syllables of that word."""
    must_at: int = -1
    """Syllables left at which the word that must be in the line comes; -1 for none (any more)."""
    forced: tuple[int, ...] = ()
    """Classes that come next whatever the rules say."""
    over: bool = False
    """Whether the line has ended."""
    place: int = 0
    """Where the next character stands on a grid of verse; a line has none: 0."""
    word: str = ""
    """The last whole word."""
    first: bool = True
    """Whether nothing of the line is written yet."""

    def mask(self) -> Bools:
        if self.forced:
            out = np.zeros(len(self.rules.vocabulary.alphabet), np.bool_)
            out[self.forced[0]] = True
            return out
        must = self.must_at >= 0 and self.left <= self.must_at
        stage = ("first" if self.first else self.stage) + "!" * must
        awaited = self.must if must else "?" * self.must_count if self.must_at >= 0 else ""
        key = (self.prefix if self.stage == "word" else "", self.left, stage, awaited)
        masks = self.rules._masks
        if key not in masks:
            masks[key] = self._mask(must)
        return masks[key]

    def _mask(self, must: bool) -> Bools:
        rules, vocabulary = self.rules, self.rules.vocabulary
        out = np.zeros(len(vocabulary.alphabet), np.bool_)
        if self.stage == "pause":
            out[vocabulary.classes(" " if self.left else "\n")] = True
            return out
        prefix = self.prefix if self.stage == "word" else ""
        left = self.left - (self.must_count if self.must_at >= 0 and not must else 0)
        for letter, bits in vocabulary.children(prefix):
            begun = prefix + letter
            if self.must.startswith(begun) if must else rules.possible(begun, bits, left):
                out[vocabulary.spelt.get(letter, [])] = True
        if self.first and (out & vocabulary.capitals).any():
            out &= vocabulary.capitals
        if prefix:
            out &= ~vocabulary.capitals
            count = self.must_count if must and prefix == self.must else 0
            count = count or (0 if must else rules.completes(prefix, left))
            if count:
                done = count == self.left
                out[vocabulary.classes(PAUSES + ENDS + "—" if not done else PAUSES + ENDS)] = True
                if not done:
                    out[vocabulary.classes(" ")] = True
                    out[vocabulary.classes(ENDS)] = False  # a sentence ends where a line does
                elif rules.final:
                    out[vocabulary.classes(PAUSES)] = False
                else:
                    out[vocabulary.classes("\n")] = True
        return out

    def share(self, top_p: float) -> float:
        return top_p

    def lean(self) -> NDArray[np.float32] | None:
        return None

    def take(self, character: int) -> float:
        if self.forced:
            self.forced = self.forced[1:]
        c = self.rules.vocabulary.alphabet.decode([character])
        low = plain(c)
        self.first = False
        if low in LETTERS and low:
            self.prefix = low if self.stage != "word" else self.prefix + low
            self.stage = "word"
            return 0.0
        liked = self._ended() if self.stage == "word" else 0.0
        if c in PAUSES or c in ENDS or c == "—":
            self.syntax, nats = self.syntax.read(STOP if c in ENDS else COMMA)
            liked += GRAMMAR * min(nats, MOST_LIKED)
        if c == "\n":
            self.over = True
            liked -= PRESS * max(0, self.syntax.words - LONGEST)
        else:
            self.stage = "space" if c in " —" else "pause"
        return liked

    def _ended(self) -> float:
        """What a word that is complete adds to the weight: its stresses, its grammar, the theme, repetition."""
        rules = self.rules
        must = self.must_at >= 0 and self.left <= self.must_at
        left = self.left - (self.must_count if self.must_at >= 0 and not must else 0)
        count = self.must_count if must else rules.completes(self.prefix, left)
        if count == 0:  # a prompt's word that the dictionary lacks
            count = min(self.left, sound(self.prefix).syllables)
        if must:
            self.must_at = -1
        liked = 0.0
        if rules.strong is not None:
            begin = rules.syllables - self.left
            liked = rules.offbeat * mismatches(self.prefix, rules.strong[begin : begin + count])
        self.left -= count
        self.word, self.prefix = self.prefix, ""
        self.syntax, nats = self.syntax.read(self.word)
        liked += GRAMMAR * min(nats, MOST_LIKED) + rules.liking.get(self.word, 0.0)
        return liked - (AGAIN if self.word in rules.worn else 0.0)

    def copy(self) -> LineGuide:
        return replace(self)


def mismatches(word: str, strong: Sequence[bool]) -> float:
    """How badly a word's stresses sit on ``strong`` (a bool a syllable): 1 for each primary stress on a weak beat, a
    half for an unstressed syllable of a longer word on a strong one."""
    stress = sound(word).stress
    wrong = 0.0
    for mark, beat in zip(stress, strong, strict=False):
        if mark == "1" and not beat:
            wrong += 1.0
        elif mark == "0" and beat:
            wrong += 0.5 if len(stress) > 1 else 0.3
    return wrong
