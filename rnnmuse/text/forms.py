"""Verse forms: how many lines, how many syllables each, which rhyme."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Form:
    """``syllables`` and ``rhymes`` have an entry a line; lines with the same letter rhyme, "." rhymes with none.

    ``iambic`` lines have their strong syllables second, fourth, ...; a blank line follows each line in ``breaks``.
    """

    name: str
    syllables: tuple[int, ...]
    rhymes: str
    iambic: bool = False
    breaks: tuple[int, ...] = ()
    model: str = "verse"

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


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form("haiku", (5, 7, 5), "..."),
        Form("couplet", (10, 10), "AA", iambic=True),
        Form("ballad", (8, 6, 8, 6), ".A.A", iambic=True),
        Form("sonnet", (10,) * 14, "ABABCDCDEFEFGG", iambic=True),
    )
}
"""The English forms. The sonnet is Shakespeare's, the ballad stanza is common metre, rhyming ABCB."""

JUEJU = "jueju"
"""The Chinese quatrain of regulated verse, in `rnnmuse.text.regulated`; "lushi" has eight lines."""

NAMES = (*FORMS, JUEJU, "lushi")
