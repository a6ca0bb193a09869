"""MusicXML's description of a chord (kind and degrees) as a lead sheet writes it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rnnmuse.music.theory import parse_chord

KINDS = {
    "major": "", "minor": "m", "augmented": "aug", "diminished": "dim", "dominant": "7", "major-seventh": "maj7",
    "minor-seventh": "m7", "diminished-seventh": "dim7", "augmented-seventh": "7#5", "half-diminished": "m7b5",
    "major-minor": "mmaj7", "major-sixth": "6", "minor-sixth": "m6", "dominant-ninth": "9", "major-ninth": "maj9",
    "minor-ninth": "m9", "dominant-11th": "11", "major-11th": "maj11", "minor-11th": "m11", "dominant-13th": "13",
    "major-13th": "maj13", "minor-13th": "m13", "suspended-second": "sus2", "suspended-fourth": "sus4", "power": "5",
}  # fmt: skip
"""Kinds of MusicXML 4.0 that have a name in a lead sheet."""

_TOKEN = re.compile(r"(add|no|omit)?([#b+-]?)(1[13]|[2-9])")
_ADDED_SEVENTH = {"": "7", "m": "m7", "sus4": "7sus4", "sus2": "7sus2", "aug": "7#5", "dim": "m7b5"}

Degree = tuple[int, int, str]
"""Value, alteration in semitones, and ``add``, ``alter`` or ``subtract``."""


def chord_text(root: str, kind: str, degrees: Sequence[Degree], bass: str = "", text: str = "") -> str | None:
    """The symbol of a chord, such as ``G7sus4`` or ``E7#5#9/B``; None where `parse_chord` would not know it.

    ``text`` is how the score prints the kind; it is used where kind and degrees say nothing.
    """
    if kind == "none":
        return "N.C."
    below = f"/{bass}" if bass and bass != root else ""
    suffix = KINDS.get(kind)
    candidates = []
    if suffix is not None:
        candidates.append(root + _with_degrees(suffix, degrees) + below)
    if text and (suffix is None or kind == "other"):
        candidates += [text + below, root + text + below]
    return next((candidate for candidate in candidates if _is_known(candidate)), None)


def _is_known(text: str) -> bool:
    try:
        parse_chord(text)
    except ValueError:
        return False
    return True


def _with_degrees(suffix: str, degrees: Sequence[Degree]) -> str:
    added = [(value, alter) for value, alter, what in degrees if what == "add"]
    for value, alter in list(added):
        # The seventh of a degree is counted from a dominant chord; files write the flat seventh as 0 and as -1.
        if value == 7 and alter <= 0 and suffix in _ADDED_SEVENTH:
            suffix = _ADDED_SEVENTH[suffix]
            added.remove((value, alter))
        elif value == 7 and alter == 1 and suffix in ("", "m"):
            suffix = "maj7" if suffix == "" else "mmaj7"
            added.remove((value, alter))
    if suffix in ("7sus4", "7sus2", "7") and (9, 0) in added:
        suffix = suffix.replace("7", "9")
        added.remove((9, 0))
    out = suffix
    rest = [(value, alter, "alter") for value, alter, what in degrees if what == "alter"]
    rest += [(value, alter, "add") for value, alter in added]
    for value, alter, what in sorted(rest):
        sign = {-1: "b", 1: "#", -2: "bb", 2: "##"}.get(alter, "")
        seventh = any(digit in suffix for digit in ("7", "9", "11", "13"))
        plain = what == "alter" or (seventh and alter)
        piece = f"{sign}{value}" if plain else f"add{sign}{value}"
        out += f"({piece})" if not out and plain else piece
    out += "".join(f"no{value}" for value, _, what in degrees if what == "subtract")
    return out


_BY_SUFFIX = {suffix: kind for kind, suffix in KINDS.items()} | {"aug7": "augmented-seventh"}


def harmony_of(text: str) -> tuple[str, str, str, list[Degree], str] | None:
    """Root, kind, printed kind, degrees and bass of a chord symbol: the inverse of `chord_text`.

    None where `parse_chord` does not know the symbol.
    """
    match = re.match(r"^([A-G](?:##|bb|[#b])?)(.*?)(?:/([A-G](?:##|bb|[#b])?))?$", text.strip())
    if text.strip().lower() in ("n.c.", "nc", "n.c"):
        return "C", "none", "N.C.", [], ""
    if match is None or not _is_known(text):
        return None
    root, body, bass = match[1], match[2], match[3] or ""
    plain = re.sub(r"[()\s,]", "", body)
    for cut in range(len(plain), -1, -1):
        kind = _BY_SUFFIX.get(plain[:cut])
        tokens = list(_TOKEN.finditer(plain, cut))
        if kind is None or "".join(token[0] for token in tokens) != plain[cut:]:
            continue
        degrees = [_degree(*token.groups()) for token in tokens]
        if set(parse_chord(text).pitch_classes) == _classes(chord_text(root, kind, degrees, bass)):
            return root, kind, body, degrees, bass
    return root, "other", body, [], bass


def _classes(text: str | None) -> set[int]:
    return set(parse_chord(text).pitch_classes) if text else set()


def _degree(what: str | None, sign: str, number: str) -> Degree:
    alter = {"#": 1, "+": 1, "b": -1, "-": -1}.get(sign, 0)
    if what in ("no", "omit"):
        return int(number), 0, "subtract"
    return int(number), alter, "alter" if number == "5" and what is None else "add"
