"""Words and chord symbols of an ABC voice, note by note: music21 leaves words out, and chords that it does not know.

The alignment is that of ABC 2.1, section 5: ``w:`` lines after a line of music are its verses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r'"(?P<text>[^"]*)"'
    r"|(?P<skip>!(?:[^!\s|]*)!|\{[^}]*\}|\[[A-Za-z]:[^\]]*\]|\\.)"
    r"|\[(?P<chord>[^\]|:]*[A-Ga-g][^\]|]*)\]"
    r"|(?P<bar>[|:\[\]]*\|[|:\]]*(?:\[?\d[\d,-]*)?|::)"
    r"|(?P<rest>[zxZX])"
    r"|(?P<note>[_^=]*[A-Ga-g])"
)
_SYLLABLE = re.compile(r"(?P<hold>_)|(?P<skip>\*)|(?P<bar>\|)|(?P<hyphen>-)|(?P<word>(?:\\-|[^\s_*|-])+)")
_ANNOTATION = ("^", "_", "<", ">", "@")


@dataclass(slots=True)
class Event:
    """A note, chord or rest as written: the chord symbol over it, and its syllable in each verse from 1.

    A syllable whose word goes on ends in a hyphen.
    """

    rest: bool = False
    """Whether it is a rest."""
    chord: str = ""
    """The chord symbol as written; empty for none."""
    bar: int = 0
    """Number of its bar in the voice, from 0."""
    words: dict[int, str] = field(default_factory=dict)
    """Syllable by verse."""


def events(text: str) -> list[Event]:
    """The notes, chords and rests of one voice in the order in which they are written, without grace notes."""
    out: list[Event] = []
    line: list[Event] = []
    verse, bar = 0, 0
    in_body = False
    for written in text.splitlines():
        kind = re.match(r"\s*([A-Za-z]):", written)
        if not in_body:
            in_body = bool(kind and kind[1] == "K")
        elif kind and kind[1] == "w":
            verse += 1
            _align(line, written.partition(":")[2], verse)
        elif not kind:
            if verse:
                line, verse = [], 0
            for event in _music(written, bar):
                bar = event.bar
                out.append(event)
                line.append(event)
            bar += 1  # a line end is a bar line, or in the middle of a bar that nobody skips to
    return out


def chord_symbols(text: str) -> list[str]:
    """Every text in quotes that is meant as a chord symbol: not an annotation, and it begins with a note's name."""
    found = [event.chord for event in events(text)]
    return [chord for chord in found if chord]


def _music(line: str, bar: int) -> Iterator[Event]:
    chord = ""
    for match in _TOKEN.finditer(line):
        if match["text"] is not None:
            shown = match["text"].strip()
            if shown and not shown.startswith(_ANNOTATION) and shown.lstrip("(")[:1] in tuple("ABCDEFGH"):
                chord = shown
        elif match["bar"] is not None:
            bar += 1
        elif match["skip"] is None:
            yield Event(match["rest"] is not None, chord, bar)
            chord = ""


def _align(line: list[Event], words: str, verse: int) -> None:
    """Put the syllables of a ``w:`` line under the notes of ``line``."""
    notes = [event for event in line if not event.rest]
    at = 0
    last: Event | None = None
    spaced = True
    for match in _SYLLABLE.finditer(words):
        gap = match.start() == 0 or words[match.start() - 1].isspace()
        if match["hyphen"]:
            if last is not None and not gap and not spaced:
                last.words[verse] += "-"
                spaced = True
            else:  # a hyphen of its own is a syllable that is held
                at += 1
            continue
        if match["bar"]:
            here = notes[at - 1].bar if at else -1
            at = next((i for i in range(at, len(notes)) if notes[i].bar > here), len(notes))
            continue
        if at >= len(notes):
            return
        if match["word"]:
            last, spaced = notes[at], False
            last.words[verse] = match["word"].replace("\\-", "-").replace("~", " ").strip()
        at += 1
