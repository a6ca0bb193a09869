"""The OSC address space as a tree, and the address patterns that select from it.

A pattern may have ``?`` (one character), ``*`` (any characters), ``[a-c]`` and ``[!a]`` (a set) and ``{a,b}``
(alternatives); none of them crosses a slash. A part of a pattern is matched against a name with one bit for each
character of the name, so a part costs its own length for each name and never backtracks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from rnnmuse.bridges.osc import Budget
from rnnmuse.protocol import ProtocolError

MAX_PATTERN = 256
"""Characters of a pattern."""
STEPS = 128
"""Steps of a search (a name visited, a character of a pattern tried on a name) for the price of one message."""
KEPT = 128
"""Patterns whose addresses are kept, for the next message with the same one."""

_WILD = frozenset("?*[{")


def is_pattern(address: str) -> bool:
    """Whether an address has wildcards."""
    return not _WILD.isdisjoint(address)


class AddressSpace:
    """All addresses that are ``known``, or those of another space, as a tree of their names."""

    def __init__(self, known: Iterable[str] | AddressSpace) -> None:
        self._root: _Node = known._root if isinstance(known, AddressSpace) else _Node()
        if not isinstance(known, AddressSpace):
            for address in known:
                node = self._root
                for name in address.split("/"):
                    node = node.below.setdefault(name, _Node())
                node.address = address
        self._names: dict[str, _Name] = {}
        self._kept: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def match(self, pattern: str, budget: Budget | None = None) -> tuple[str, ...]:
        """The known addresses that a pattern selects, none if there is none.

        The budget pays 1 for each address and 1 for each `STEPS` steps of the search. ProtocolError for a pattern
        that is too long or not well formed (code "pattern"), and where the budget does not suffice ("limit").
        """
        budget = budget or Budget()
        found = self._kept.get(pattern)
        if found is None:
            found = self._search(pattern, budget)
            with self._lock:  # packets, and messages whose time has come, are handled by two threads
                if len(self._kept) >= KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[pattern] = found
        budget.spend(len(found))
        return found

    def _search(self, pattern: str, budget: Budget) -> tuple[str, ...]:
        if len(pattern) > MAX_PATTERN:
            raise ProtocolError("pattern", f"pattern: {len(pattern)} characters; must be up to {MAX_PATTERN}")
        nodes = [self._root]
        steps = len(pattern)
        for text in pattern.split("/"):
            if not nodes:
                break
            if not is_pattern(text):
                nodes = [node.below[text] for node in nodes if text in node.below]
                steps += len(nodes)
                continue
            part = _Part.read(text)
            names = {name for node in nodes for name in node.below}
            steps += sum(len(node.below) for node in nodes) + part.weight * len(names)
            budget.spend(steps // STEPS)  # before the work is done
            steps %= STEPS
            fitting = {name for name in names if part.fits(self._name(name))}
            nodes = [node.below[name] for node in nodes for name in node.below if name in fitting]
        budget.spend(-(-steps // STEPS))
        return tuple(node.address for node in nodes if node.address)

    def _name(self, text: str) -> _Name:
        name = self._names.get(text)
        if name is None:
            name = self._names[text] = _Name.of(text)
        return name


@dataclass(slots=True)
class _Node:
    below: dict[str, _Node] = field(default_factory=dict)
    """The next names of the addresses that begin so."""
    address: str = ""
    """The whole address that ends here; empty where none does."""


@dataclass(frozen=True, slots=True)
class _Name:
    """One name of an address: for each of its characters, the places where it stands, as bits."""

    places: dict[str, int]
    """For each character, bit i is set where it stands at index i."""
    size: int
    """Length in characters."""

    @classmethod
    def of(cls, text: str) -> _Name:
        places: dict[str, int] = {}
        for place, sign in enumerate(text):
            places[sign] = places.get(sign, 0) | 1 << place
        return cls(places, len(text))


class _Token(Protocol):
    """One element of a part. ``weight`` is the most steps that it takes for one name."""

    @property
    def weight(self) -> int: ...

    def advance(self, reached: int, name: _Name) -> int:
        """The places that a prefix can end at after this element, as bits, from those before it."""
        ...


@dataclass(frozen=True, slots=True)
class _Sign:
    """One character."""

    sign: str
    weight: int = 1
    """Steps that it takes for a name."""

    def advance(self, reached: int, name: _Name) -> int:
        return (reached & name.places.get(self.sign, 0)) << 1


@dataclass(frozen=True, slots=True)
class _One:
    """``?``"""

    weight: int = 1
    """Steps that it takes for a name."""

    def advance(self, reached: int, name: _Name) -> int:
        return (reached & (1 << name.size) - 1) << 1


@dataclass(frozen=True, slots=True)
class _Any:
    """``*``: every place from the first that was reached."""

    weight: int = 1
    """Steps that it takes for a name."""

    def advance(self, reached: int, name: _Name) -> int:
        return (2 << name.size) - (reached & -reached)


@dataclass(frozen=True, slots=True)
class _Set:
    """``[…]``: the characters in some ranges, or those outside of them."""

    ranges: tuple[tuple[str, str], ...]
    """First and last character of each, both inclusive."""
    inside: bool
    """Whether the characters in the ranges fit, not those outside of them."""

    @classmethod
    def read(cls, text: str) -> _Set:
        signs = text.removeprefix("!")
        ranges, at = [], 0
        while at < len(signs):
            wide = at + 2 < len(signs) and signs[at + 1] == "-"
            ranges.append((signs[at], signs[at + 2] if wide else signs[at]))
            at += 3 if wide else 1
        return cls(tuple(ranges), not text.startswith("!"))

    @property
    def weight(self) -> int:
        return 1 + 16 * len(self.ranges)  # names have up to 16 different characters

    def advance(self, reached: int, name: _Name) -> int:
        fitting = 0
        for sign, places in name.places.items():
            if any(low <= sign <= high for low, high in self.ranges) == self.inside:
                fitting |= places
        return (reached & fitting) << 1


@dataclass(frozen=True, slots=True)
class _Either:
    """``{…}``: one of some words."""

    words: tuple[str, ...]

    @property
    def weight(self) -> int:
        return sum(len(word) + 1 for word in self.words)

    def advance(self, reached: int, name: _Name) -> int:
        following = 0
        for word in self.words:
            places = reached
            for sign in word:
                places = (places & name.places.get(sign, 0)) << 1
            following |= places
        return following


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a pattern, between two slashes."""

    tokens: tuple[_Token, ...]
    """Its elements in order."""
    weight: int
    """The most steps that they take for a name, all together."""

    @classmethod
    def read(cls, text: str) -> _Part:
        tokens: list[_Token] = []
        at = 0
        while at < len(text):
            sign = text[at]
            if sign in "[{":
                end = text.find("]" if sign == "[" else "}", at)
                inside = text[at + 1 : end]
                if end < 0 or "{" in inside:
                    wrong = "is not closed" if end < 0 else "holds another {"
                    raise ProtocolError("pattern", f"pattern: {text[:80]!r}; {sign} {wrong}")
                tokens.append(_Set.read(inside) if sign == "[" else _Either(tuple(inside.split(","))))
                at = end
            elif sign != "*":
                tokens.append(_One() if sign == "?" else _Sign(sign))
            elif not tokens or not isinstance(tokens[-1], _Any):
                tokens.append(_Any())
            at += 1
        return cls(tuple(tokens), sum(token.weight for token in tokens))

    def fits(self, name: _Name) -> bool:
        """Whether the part matches a whole name."""
        reached = 1  # bit n: the elements so far match the first n characters
        for token in self.tokens:
            reached = token.advance(reached, name)
            if not reached:
                return False
        return bool(reached >> name.size)
