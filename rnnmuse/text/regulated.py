"""Chinese regulated verse: the form by its grid, rhyme and tones by the Pingshui rhyme groups.

A jueju has four lines, a lüshi eight, of five or seven characters. Even lines rhyme in the level tone, the others end
in the oblique; the second, fourth (and sixth) characters of a line alternate level and oblique and follow one of four
patterns (Wang Li 1958). The groups are in data/pingshui.json; a character in level and in oblique groups fits both.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rnnmuse.errors import RnnmuseError
from rnnmuse.models.alphabet import FIRST, START
from rnnmuse.models.text import State, TextModel
from rnnmuse.text.grid import Grid
from rnnmuse.text.han import pairs_for, traditional
from rnnmuse.text.pronounce import DATA
from rnnmuse.text.steer import Guide, Here, draw, steer

Bools = NDArray[np.bool_]
LEVEL, OBLIQUE = "-", "|"
PATTERNS = {"a": "||--|", "b": "--||-", "c": "---||", "d": "|||--"}
"""Tones of a line of five: a and c end obliquely, b and d in the rhyme."""

ORDERS = ("abcd", "cdab", "dbcd", "bdab")
"""Which patterns the lines of a quatrain have; in the last two the first line rhymes too."""

OPENING = 0.7
"""Share of ``top_p`` that a first line is drawn from: its distribution has the longest tail."""

PARALLEL = 1.0
"""Weight of the parallel in the couplets of an eight-line poem that ask for it."""


@dataclass(frozen=True, slots=True)
class Tones:
    """Tone and rhyme groups of characters. A character may have several; one that is in no group has none."""

    level: frozenset[str]
    """Characters that may have a level tone."""
    oblique: frozenset[str]
    """Characters that may have an oblique tone."""
    groups: dict[str, frozenset[str]]
    """Rhyme groups by character."""

    def fits(self, character: str, tone: str) -> bool:
        """Whether it may have this tone; one that is in no group fits neither."""
        return character in (self.level if tone == LEVEL else self.oblique)

    def rhyme(self, one: str, other: str) -> bool:
        """Whether two characters share a rhyme group."""
        return bool(self.groups.get(one, frozenset()) & self.groups.get(other, frozenset()))


@cache
def tones() -> Tones:
    """The table of the Pingshui groups."""
    table = json.loads((DATA / "pingshui.json").read_text("utf-8"))
    groups: dict[str, set[str]] = {}
    sets: dict[str, set[str]] = {"ping": set(), "ze": set()}
    for tone, by_name in table.items():
        for name, characters in by_name.items():
            sets[tone].update(characters)
            for c in characters:
                groups.setdefault(c, set()).add(name)
    return Tones(frozenset(sets["ping"]), frozenset(sets["ze"]), {c: frozenset(g) for c, g in groups.items()})


def pattern(order: str, line: int, width: int) -> str:
    """The tones of a line: LEVEL and OBLIQUE where they are asked for, a space where any will do."""
    name = order[line % 4]
    if line >= 4 and line % 4 == 0:  # the second quatrain of a lüshi does not rhyme in its first line
        name = {"d": "a", "b": "c"}.get(name, name)
    five = PATTERNS[name]
    whole = (five[:1].translate(_TURNED) * 2 + five) if width == 7 else five
    strict = {1, 3, width - 3, width - 1} | ({5} if width == 7 else set())
    return "".join(tone if at in strict else " " for at, tone in enumerate(whole))


_TURNED = str.maketrans("-|", "|-")


@dataclass
class GridRules:
    """What is shared by the guides of one poem."""

    model: TextModel
    """Writes the poem."""
    grid: Grid
    """Lines and characters of a line."""
    order: str
    """Four names of PATTERNS, one a line; they come again after four lines."""
    banned: Collection[str] = ()
    """Characters that never come."""
    heads: tuple[int, ...] = ()
    """Classes with which the lines begin, for an acrostic; none without."""
    masks: dict[str, Bools] = field(default_factory=dict)
    """Classes that may come, by tone or rhyme group."""

    def __post_init__(self) -> None:
        known = tones()
        characters = self.model.alphabet.characters
        every = np.array([False] * FIRST + [c != "\n" and c not in self.banned for c in characters])
        level = np.array([False] * FIRST + [known.fits(c, LEVEL) for c in characters])
        oblique = np.array([False] * FIRST + [known.fits(c, OBLIQUE) for c in characters])
        self.masks = {" ": every, LEVEL: every & level, OBLIQUE: every & oblique}
        end = np.zeros(len(every), np.bool_)
        end[self.model.alphabet.encode("\n")] = True
        self.masks["\n"] = end
        self.patterns = [pattern(self.order, line, self.grid.width) for line in range(self.grid.lines)]
        self.rhymed = [p[-1] == LEVEL for p in self.patterns]
        self.parallel = (3, 5) if self.grid.lines == 8 else ()
        self.pairs = pairs_for(self.model.alphabet.characters) if self.parallel else None

    def rhyming(self, group: str) -> Bools:
        """Which classes are in a rhyme group of level tone."""
        if group not in self.masks:
            known = tones()
            inside = [group in known.groups.get(c, ()) for c in self.model.alphabet.characters]
            self.masks[group] = self.masks[" "] & np.array([False] * FIRST + inside)
        return self.masks[group]


@dataclass(slots=True)
class GridGuide:
    """One poem's way over the grid, in the rhyme ``group`` drawn for it."""

    rules: GridRules
    """Of the poem."""
    group: str
    forced: tuple[int, ...] = ()
    """Classes that come next whatever the rules say."""
    musts: tuple[tuple[int, int], ...] = ()
    """Classes that must stand at places of the grid, as (place in reading order, class)."""
    line: int = 0
    """Index of the line, from 0."""
    at: int = 0
    """Index in the line, from 0."""
    seen: frozenset[int] = frozenset()
    """Classes that the poem has already."""
    above: tuple[int, ...] = ()
    """The last characters, a line of them: the first is the one above the next."""
    over: bool = False
    """Whether the last line has ended."""

    @property
    def place(self) -> int:
        return 0 if self.over else self.rules.grid.place(self.line, self.at)

    def mask(self) -> Bools:
        rules = self.rules
        if self.at == rules.grid.width:
            return rules.masks["\n"]
        if self.forced:
            return _only(self.forced[0], len(rules.masks[" "]))
        if self.at == 0 and rules.heads:
            return _only(rules.heads[self.line], len(rules.masks[" "]))
        last = self.at + 1 == rules.grid.width
        if last and rules.rhymed[self.line]:
            allowed = rules.rhyming(self.group)
        else:
            allowed = rules.masks[rules.patterns[self.line][self.at]]
        for place, character in self.musts:
            if place == self.line * rules.grid.width + self.at:
                return _only(character, len(allowed))
        fresh = allowed.copy()
        fresh[list(self.seen)] = False  # a character does not come twice
        return fresh if fresh.any() else allowed

    def share(self, top_p: float) -> float:
        return top_p * OPENING if self.line == 0 else top_p

    def lean(self) -> NDArray[np.float32] | None:
        rules = self.rules
        if rules.pairs is None or self.line not in rules.parallel or self.at == rules.grid.width:
            return None
        return PARALLEL * rules.pairs.given(self.above[0])

    def take(self, character: int) -> float:
        if self.at == self.rules.grid.width:
            self.line, self.at = self.line + 1, 0
            self.over = self.line == self.rules.grid.lines
            return 0.0
        self.forced = self.forced[1:]
        self.at += 1
        self.seen |= {character}
        self.above = (*self.above, character)[-self.rules.grid.width :]
        return 0.0

    def copy(self) -> GridGuide:
        return replace(self)


def _only(character: int, classes: int) -> Bools:
    out = np.zeros(classes, np.bool_)
    out[character] = True
    return out


def regulated_poem(
    model: TextModel,
    grid: Grid,
    random: np.random.Generator,
    *,
    prompt: str = "",
    temperature: float = 0.9,
    top_p: float = 0.95,
    beam: int = 16,
    required: Sequence[str] = (),
    banned: Collection[str] = (),
    title: str = "",
    acrostic: str = "",
) -> list[str]:
    """The lines of a poem on ``grid``, which begins with ``prompt``. RnnmuseError where the wishes cannot be met.

    ``title`` is what the poem is about; without one a model that knows titles makes one for itself first. The first
    characters of the lines spell ``acrostic``. Simplified characters are read as the traditional ones.
    """
    if model.verse != "regulated":
        raise RnnmuseError(f"model: {model.name!r} writes no regulated verse; use tang")
    forced = _known(model, "prompt", prompt)
    if len(forced) > grid.width * grid.lines // 2:
        raise RnnmuseError(f"prompt: {len(forced)} characters; must be up to {grid.width * grid.lines // 2}")
    heads = _known(model, "acrostic", acrostic)
    if heads and (len(heads) != grid.lines or forced):
        raise RnnmuseError(
            f"acrostic: {len(heads)} characters; must be {grid.lines}, one a line"
            if not forced
            else "acrostic: is given with a prompt; use one of them"
        )
    if title and not titled(model):
        raise RnnmuseError(f"title: {model.name!r} was trained without titles; use tang")
    about = _known(model, "title", title)
    if len(about) > LONGEST_TITLE:
        raise RnnmuseError(f"title: {len(about)} characters; must be up to {LONGEST_TITLE}")
    musts = _musts(model, grid, random, required, len(forced))
    counts: dict[str, int] = {}
    for character in model.alphabet.characters:
        for group in tones().groups.get(character, ()):
            if "平" in group:
                counts[group] = counts.get(group, 0) + 1
    rich = sorted(group for group, n in counts.items() if n >= 24)
    if not rich:
        raise RnnmuseError(f"model: {model.name!r} knows too few rhymes for regulated verse")
    for _ in range(20):
        order = ORDERS[int(random.integers(len(ORDERS)))]
        rules = GridRules(model, grid, order, frozenset(traditional("".join(banned))), tuple(heads))
        guides: list[Guide] = [
            GridGuide(rules, rich[int(random.integers(len(rich)))], tuple(forced), musts) for _ in range(beam)
        ]
        logits, state = _before(model, grid, random, about)
        found = steer(model, Here(logits, state), guides, random, temperature, top_p)
        for one in found:
            lines = model.alphabet.decode(one.classes).split("\n")[: grid.lines]
            if len(set(lines)) == grid.lines and not (model.training and model.training.quotes("".join(lines))):
                return lines
    raise RnnmuseError("form: no poem was found with these wishes; ask for fewer")


LONGEST_TITLE = 12
"""Characters of a title at most."""


def titled(model: TextModel) -> bool:
    """Whether a model learned its poems with their titles."""
    return bool(model.about.get("titles"))


def _before(
    model: TextModel, grid: Grid, random: np.random.Generator, title: Sequence[int]
) -> tuple[NDArray[np.float32], State]:
    """Logits of a poem's first character and the state before it: after its title, for a model that knows titles."""
    first = grid.place(0, 0)
    if not titled(model):
        return model.step(model.start(), [START], [first])
    (end,) = model.alphabet.encode("\n")
    logits, state = model.begin()
    written: list[int] = []
    while len(written) < LONGEST_TITLE and (title or not written or written[-1] != end):
        if title and len(written) == len(title):
            break
        masks = np.ones(logits.shape, np.bool_)
        masks[0, START] = False
        masks[0, end] = len(written) > 1
        k = title[len(written)] if title else int(draw(logits, masks, random, 0.8, 0.7)[0][0])
        written.append(k)
        if k != end:
            logits, state = model.step(state, [k], [0])
    return model.step(state, [end], [first])


def _known(model: TextModel, name: str, text: str) -> list[int]:
    text = "".join(c for c in text if not c.isspace() and c not in "，。！？；、：,.")
    text = "".join(c if c in model.alphabet else traditional(c) for c in text)
    missing = [c for c in text if c not in model.alphabet]
    if missing:
        raise RnnmuseError(f"{name}: {missing[0]!r} is not among the {len(model.alphabet) - FIRST} characters it knows")
    return model.alphabet.encode(text)


def _musts(
    model: TextModel, grid: Grid, random: np.random.Generator, required: Sequence[str], after: int
) -> tuple[tuple[int, int], ...]:
    """A place for each required word, in a line of its own, not at its end."""
    if len(required) > grid.lines:
        raise RnnmuseError(f"require: {len(required)} words; a poem takes {grid.lines}")
    first = -(-after // grid.width)
    free = [int(i) for i in random.permutation(np.arange(first, grid.lines))]
    out: list[tuple[int, int]] = []
    for word in required:
        classes = _known(model, "require", word)
        if not 0 < len(classes) < grid.width or not free:
            raise RnnmuseError(f"require: {word!r}; must be 1 to {grid.width - 1} characters")
        line = free.pop()
        begin = int(random.integers(0, grid.width - len(classes)))
        out += [(line * grid.width + begin + i, k) for i, k in enumerate(classes)]
    return tuple(out)


def form_of(lines: Sequence[str]) -> Grid | None:
    """The grid that lines fill exactly; None if they fill none."""
    widths = {len(line) for line in lines}
    if len(lines) in (4, 8) and len(widths) == 1 and widths <= {5, 7}:
        return Grid(len(lines), widths.pop())
    return None


def measured(poems: Sequence[Sequence[str]]) -> dict[str, float]:
    """Shares over poems: of those in form, of even lines that rhyme with the second, of characters at the second,
    fourth and sixth places that fit the best of the four orders of patterns."""
    known = tones()
    formed = rhymes = even = fitting = placed = 0
    for lines in poems:
        grid = form_of(lines)
        if grid is None:
            continue
        formed += 1
        for line in lines[3::2]:
            even += 1
            rhymes += known.rhyme(lines[1][-1], line[-1])
        places = range(1, grid.width - (grid.width == 5), 2)
        best = 0
        for order in ORDERS:
            score = 0
            for number, line in enumerate(lines):
                wanted = pattern(order, number, grid.width)
                score += sum(known.fits(line[at], wanted[at]) for at in places)
            best = max(best, score)
        fitting += best
        placed += grid.lines * len(places)
    return {
        "in form": formed / max(1, len(poems)),
        "rhyming even lines": rhymes / max(1, even),
        "tones at even places": fitting / max(1, placed),
    }
