"""Which words go together: parts of speech in runs of three, and the words that verse may use.

`Grammar.begin` and `Grammar.read` follow a text word by word. They keep the likely parts of speech of the last two
words (the forward algorithm of a hidden Markov model) and rate each word by how much likelier its parts of speech are
after those than anywhere: the pointwise mutual information of a word and its place in the sentence, in nats. The table
data/grammar.npz is learned by `rnnmuse.train.text.grammar`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cache, cached_property
from math import log
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnmuse.text.pronounce import DATA, plain

COMMA, STOP, NAME = ",", ".", "NAME"
OPEN = ("N", "NS", "V", "VZ", "VD", "VN", "VG", "A", "AR", "R", "G", NAME)
"""Parts of speech with many words: noun, plural, verb (base, third person, past, participles), adjective, comparative,
adverb, genitive, name."""

_FUNCTION_WORDS = """
a an the this that these those my mine thy thine his her hers its our ours your yours their theirs whose which what who
whom whoever whatever i thou he she it we you ye they me thee him us them myself thyself himself herself itself
ourselves yourself yourselves themselves one none nothing something anything everything all both each every either
neither some any no many much more most few less least other another such same own and or nor but yet so for if unless
though although because since while whilst when whenever where wherever whence whither ere till until than as like
lest whether how why to of in on at by with from into unto upon over o'er under beneath above below between betwixt
among amongst amid through throughout across along against about around before behind beyond beside besides after
within without toward towards near up down out off away back forth not never ever now then here there thus too very
just only even still again once always often perhaps be am is are was were been being art wast wert have has had hath
hast having hadst do does did doth dost didst done will would shall should can could may might must let wilt shalt
canst wouldst shouldst couldst mayst ought need dare 'tis 'twas it's i'll i'm i've he's that's don't cannot can't
ne'er e'er e'en 'twere 'twill o oh ah alas lo yes nay yea well what's there's who's we'll you'll they'll i'd
"""
FUNCTION = frozenset(_FUNCTION_WORDS.split())
"""Words that are a part of speech each."""

DISCOUNT = 0.7
"""Absolute discounting (Ney, Essen and Kneser 1994)."""

KEPT = 12
"""Pairs of parts of speech that are followed at most."""

_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*['’]?|['’][^\W\d_]+|[.!?]+|[,;:—()\"“”]+")


def tokens_of(text: str) -> list[str]:
    """The words of a text as written, each run of marks within a sentence as COMMA, at its end as STOP."""
    out = []
    for token in _TOKEN.findall(text):
        if token[0] in ".!?":
            out.append(STOP)
        elif token[0].isalpha() or token[0] in "'’":
            out.append(token.replace("’", "'"))
        elif out and out[-1] not in (COMMA, STOP):
            out.append(COMMA)
    return out


Follows = tuple[tuple[tuple[int, int], float], ...]
"""Pairs of parts of speech of the last two words, each with its probability."""


@dataclass(frozen=True)
class Grammar:
    """``parts`` are the names of the parts of speech; ``words``, sorted, those that verse may use, with their
    ``counts`` in the corpus and whether each is mostly a name (``named``).

    ``candidates`` (words, K) are the parts of speech a word may have, -1 for none, with their ``shares`` of 255;
    ``runs`` (N, 4) three parts of speech in a row and how often they came.
    """

    parts: tuple[str, ...]
    words: tuple[str, ...]
    counts: NDArray[np.int64]
    named: NDArray[np.bool_]
    candidates: NDArray[np.int16]
    shares: NDArray[np.uint8]
    runs: NDArray[np.int64]
    _seen: dict[tuple[int, int, int], float] = field(default_factory=dict, repr=False)
    """Probability of a part of speech after two others, kept once it was asked for."""

    def save(self, path: Path) -> None:
        np.savez_compressed(
            path,
            parts=np.frombuffer("\n".join(self.parts).encode(), np.uint8),
            words=np.frombuffer("\n".join(self.words).encode(), np.uint8),
            counts=self.counts.astype(np.uint32),
            named=self.named,
            candidates=self.candidates,
            shares=self.shares,
            runs=self.runs.astype(np.uint32),
        )

    @classmethod
    def load(cls, path: Path) -> Grammar:
        with np.load(path) as table:
            parts, words = (bytes(table[name]).decode().split("\n") for name in ("parts", "words"))
            counts, runs = table["counts"].astype(np.int64), table["runs"].astype(np.int64)
            return cls(tuple(parts), tuple(words), counts, table["named"], table["candidates"], table["shares"], runs)

    def index(self, word: str) -> int:
        """Its index, -1 if verse may not use it."""
        at = bisect_left(self.words, word)
        return at if at < len(self.words) and self.words[at] == word else -1

    @cached_property
    def tags(self) -> list[tuple[tuple[int, float], ...]]:
        """Parts of speech by word, each with its share of the word divided by its share of all words."""
        out = []
        for candidates, shares in zip(self.candidates.tolist(), self.shares.tolist(), strict=True):
            whole = sum(shares) or 1
            pairs = [(k, s / whole) for k, s in zip(candidates, shares, strict=True) if k >= 0 and s > 2]
            out.append(tuple((k, share / self._unigram[k]) for k, share in pairs))
        return out

    def begin(self) -> Follows:
        """Before the first word of a sentence."""
        stop = self.parts.index(STOP)
        return (((stop, stop), 1.0),)

    def read(self, follows: Follows, token: str) -> tuple[Follows, float]:
        """Go on by a word, COMMA or STOP; returns what follows and the nats by which it fits here."""
        tags = self._tags(token)
        if not tags:
            return follows, 0.0
        after: dict[tuple[int, int], float] = {}
        total = 0.0
        for (first, second), weight in follows:
            for part, lift in tags:
                mass = weight * lift * self._chance(first, second, part)
                total += mass
                after[second, part] = after.get((second, part), 0.0) + mass
        kept = sorted(after.items(), key=lambda one: -one[1])[:KEPT]
        whole = sum(mass for _, mass in kept)
        return tuple((pair, mass / whole) for pair, mass in kept), log(total)

    def rating(self, text: str) -> float:
        """Nats by which the words of a text fit together, in all; the text begins a sentence."""
        follows, total = self.begin(), 0.0
        for token in tokens_of(text):
            follows, more = self.read(follows, token)
            total += more
        return total

    def parts_of(self, word: str) -> tuple[str, ...]:
        """The parts of speech of a word, the usual one first; empty for one that is not known."""
        at = self.index(plain(word))
        if at < 0:
            return ()
        order = sorted(zip(self.shares[at].tolist(), self.candidates[at].tolist(), strict=True), reverse=True)
        return tuple(self.parts[part] for share, part in order if part >= 0 and share > 2)

    def _tags(self, token: str) -> tuple[tuple[int, float], ...]:
        if token in (COMMA, STOP):
            part = self.parts.index(token)
            return ((part, 1.0 / self._unigram[part]),)
        at = self.index(plain(token))
        return self.tags[at] if at >= 0 else ()

    @cached_property
    def _unigram(self) -> list[float]:
        counts = np.bincount(self.runs[:, 2], self.runs[:, 3], len(self.parts)) + 0.5
        return [float(x) for x in counts / counts.sum()]

    @cached_property
    def _counted(self) -> dict[tuple[int, int, int], int]:
        return {(a, b, c): n for a, b, c, n in self.runs.tolist()}

    @cached_property
    def _two(self) -> dict[tuple[int, int], int]:
        out: dict[tuple[int, int], int] = {}
        for _, b, c, n in self.runs.tolist():
            out[b, c] = out.get((b, c), 0) + n
        return out

    @cached_property
    def _before(self) -> tuple[dict[tuple[int, int], tuple[int, int]], dict[int, tuple[int, int]]]:
        """Of contexts of two and of one: how often they came, and how many parts of speech came after them."""
        two: dict[tuple[int, int], tuple[int, int]] = {}
        for a, b, _, n in self.runs.tolist():
            count, kinds = two.get((a, b), (0, 0))
            two[a, b] = count + n, kinds + 1
        one: dict[int, tuple[int, int]] = {}
        for (b, _), n in self._two.items():
            count, kinds = one.get(b, (0, 0))
            one[b] = count + n, kinds + 1
        return two, one

    def _chance(self, first: int, second: int, part: int) -> float:
        """Probability of a part of speech after two others."""
        key = (first, second, part)
        found = self._seen.get(key)
        if found is not None:
            return found
        two, one = self._before
        chance = self._unigram[part]
        count, kinds = one.get(second, (0, 0))
        if count:
            own = self._two.get((second, part), 0)
            chance = (max(0.0, own - DISCOUNT) + DISCOUNT * kinds * chance) / count
        count, kinds = two.get((first, second), (0, 0))
        if count:
            own = self._counted.get(key, 0)
            chance = (max(0.0, own - DISCOUNT) + DISCOUNT * kinds * chance) / count
        self._seen[key] = chance
        return chance


_FINITE_WORDS = """
am is are was were be art wast wert have has had hath hast hadst do does did doth dost didst will would shall should can
could may might must let wilt shalt canst wouldst shouldst couldst mayst 'tis 'twas it's i'll i'm i've he's that's don't
cannot can't 'twere 'twill what's there's who's we'll you'll they'll i'd
"""
FINITE = frozenset(["V", "VZ", "VD", *(f"={word}" for word in _FINITE_WORDS.split())])
"""Parts of speech that can be the verb of a sentence."""

LONGEST = 20
"""Words after which a sentence is pressed to end."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """Where a text stands in its sentence: what ``follows``, the ``words`` of the sentence, whether it has a verb."""

    follows: Follows
    words: int = 0
    verb: bool = False
    """Whether the sentence has a verb."""

    @classmethod
    def begin(cls) -> Syntax:
        return cls(grammar().begin())

    def read(self, token: str) -> tuple[Syntax, float]:
        """Go on by a word, COMMA or STOP; returns the nats by which it fits."""
        known = grammar()
        follows, nats = known.read(self.follows, token)
        if token == COMMA:
            return Syntax(follows, self.words, self.verb), nats
        if token == STOP:
            whole = self.verb and self.words > 2
            return Syntax(follows), nats - (0.0 if whole else NO_VERB)
        verb = self.verb or not FINITE.isdisjoint(known.parts_of(token)[:2])
        return Syntax(follows, self.words + 1, verb), nats

    def read_text(self, text: str) -> Syntax:
        """Go on by a whole text."""
        here = self
        for token in tokens_of(text):
            here, _ = here.read(token)
        return here


NO_VERB = 3.0
"""Nats that a sentence without a verb costs."""


@cache
def grammar() -> Grammar:
    """The table, read when it is first asked for."""
    return Grammar.load(DATA / "grammar.npz")
