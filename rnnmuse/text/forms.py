"""Verse forms: how many lines, how many syllables each, which rhyme, which return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from string import ascii_letters

DEVICES = ("anaphora", "refrain")
"""Repetition on purpose: lines that begin alike, or a line that returns at the end of each stanza."""

MOST_STANZAS = 12


@dataclass(frozen=True, slots=True)
class Form:
    """``syllables`` and ``rhymes`` have an entry a line; lines with the same letter rhyme, "." rhymes with none.

    ``iambic`` lines have their strong syllables second, fourth, ...; a blank line follows each line in ``breaks``.
    A line in ``returns`` is the earlier line that it names, once more; lines in ``alike`` begin with the first words of
    the first line. ``sections`` name the parts between the breaks.
    """

    name: str
    """By which it is asked for."""
    syllables: tuple[int, ...]
    rhymes: str
    iambic: bool = False
    breaks: tuple[int, ...] = ()
    """Indexes of lines, from 0."""
    model: str = "verse"
    """Name of the model that writes it unless another is asked for."""
    returns: Mapping[int, int] = field(default_factory=dict)
    """Index of the earlier line by that of the line that returns, from 0."""
    alike: tuple[int, ...] = ()
    """Indexes of lines, from 0."""
    sections: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.rhymes) != len(self.syllables):
            raise ValueError(f"rhymes: {self.rhymes!r}; must have a letter for each of {len(self.syllables)} lines")

    def partner(self, line: int) -> int:
        """The first line that this one rhymes with; -1 if it is the first of them or rhymes with none."""
        letter = self.rhymes[line]
        first = self.rhymes.index(letter)
        return -1 if letter == "." or first == line else first

    def opens(self, line: int) -> bool:
        """Whether later lines rhyme with this one."""
        letter = self.rhymes[line]
        return letter != "." and self.partner(line) < 0 and letter in self.rhymes[line + 1 :]

    def repeated(self, stanzas: int, device: str = "") -> Form:
        """This form ``stanzas`` times over, with a device of DEVICES. ValueError for what cannot be."""
        if not 1 <= stanzas <= MOST_STANZAS:
            raise ValueError(f"stanzas: {stanzas}; must be 1 to {MOST_STANZAS}")
        if stanzas > 1 and self.breaks:
            raise ValueError(f"stanzas: {stanzas}; a {self.name} has stanzas of its own")
        if device and device not in DEVICES:
            raise ValueError(f"device: {device!r}; use one of {', '.join(DEVICES)}")
        if device == "refrain" and stanzas == 1:
            raise ValueError("device: a refrain needs --stanzas 2 or more")
        size = len(self.syllables)
        letters = iter(ascii_letters)
        again = self.rhymes[-1] if device == "refrain" else ""
        shared = next(letters) if again not in ("", ".") else ""
        rhymes = ""
        for _ in range(stanzas):
            own = {letter: next(letters) for letter in dict.fromkeys(self.rhymes) if letter not in (".", again)}
            rhymes += "".join(own.get(letter, "." if letter == "." else shared) for letter in self.rhymes)
        last = range(2 * size - 1, stanzas * size, size)
        lines = range(stanzas * size)
        step = size if stanzas > 1 else max(1, min(4, size // 2))
        return replace(
            self,
            syllables=self.syllables * stanzas,
            rhymes=rhymes,
            breaks=self.breaks if stanzas == 1 else tuple(lines[size - 1 : -1 : size]),
            returns=dict.fromkeys(last, size - 1) if device == "refrain" else {},
            alike=tuple(lines[step::step]) if device == "anaphora" else (),
        )


def _song() -> Form:
    """Two verses and a bridge around a chorus that begins and ends with the hook."""
    verse, chorus, bridge = (8, 6, 8, 6), (6, 8, 8, 6), (8, 8)
    order = (("verse", verse, ".A.A"), ("chorus", chorus, "BCCB"), ("verse", verse, ".D.D"), ("chorus", chorus, "BCCB"),
             ("bridge", bridge, "EE"), ("chorus", chorus, "BCCB"))  # fmt: skip
    syllables: list[int] = []
    rhymes = ""
    breaks: list[int] = []
    returns: dict[int, int] = {}
    first = -1
    for name, lengths, letters in order:
        start = len(syllables)
        if name == "chorus":
            returns[start + 3] = start if first < 0 else first
            if first >= 0:
                returns |= {start + i: first + i for i in range(3)}
            else:
                first = start
        syllables += lengths
        rhymes += letters
        breaks.append(len(syllables) - 1)
    names = tuple(name for name, _, _ in order)
    return Form("song", tuple(syllables), rhymes, True, tuple(breaks[:-1]), returns=returns, sections=names)


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form("haiku", (5, 7, 5), "..."),
        Form("couplet", (10, 10), "AA", iambic=True),
        Form("ballad", (8, 6, 8, 6), ".A.A", iambic=True),
        Form("sonnet", (10,) * 14, "ABABCDCDEFEFGG", iambic=True),
        _song(),
    )
}
"""The English forms. The sonnet is Shakespeare's, the ballad stanza is common metre, rhyming ABCB."""

JUEJU = "jueju"
"""The Chinese quatrain of regulated verse, in `rnnmuse.text.regulated`; "lushi" has eight lines."""

NAMES = (*FORMS, JUEJU, "lushi")


def unknown_form(form: str) -> ValueError:
    """The error for a form that there is not: near names, or every name."""
    near = get_close_matches(form.lower(), (*NAMES, "scene"), 2, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"use one of {', '.join(NAMES)}, scene"
    return ValueError(f"form: {form!r} is not known; {hint}")
