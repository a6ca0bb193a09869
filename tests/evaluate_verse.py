"""`make evaluate-verse TEXT=file`: 1,000 poems of each form by independent judges. Not a test.

Prints, a form a line: poems that hold it (tests/text/checker.py, over the CMU dictionary), that repeat a line unasked,
that have a run of more than 60 characters of the training text (where its file is given), lines passed over for a
quotation, and seconds a poem. With Debian's ``scowl`` also words and line ends in none of its lists up to size 70; with
``link-grammar`` lines and sentences that its parser accepts whole, of the poems and of ``--real=verse.jsonl.gz``.
``--count=`` and ``--seconds=`` (of processor time a form) make fewer, ``--keep=FILE`` keeps them to be read, and
``--made=out/counts`` judges those that counts.py has kept instead.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "text"))
import checker
import counts

from rnnmuse.text.author import author
from rnnmuse.text.forms import FORMS
from rnnmuse.text.writer import Settings

SCOWL = Path("/usr/share/dict/scowl")
LEAST, MOST = 25, 60
"""Characters of a real line that is compared."""


def main(
    model: str, count: int, source: str, names: list[str], real: str, judged: int, seconds: float, kept: str, made: str
) -> None:
    words = listed_words()
    if real:
        print(f"real: {grammar(real_poems(Path(real)), judged)}", flush=True)
    writer = author(model)
    for name in names or list(FORMS):
        held = repeated = quoted = 0
        began = time.process_time()
        poet = writer.poet(Settings(), np.random.default_rng(1))
        wrong = ""
        poems: list[list[str]] = []
        there = [one["lines"] for one in counts.kept(Path(made) / f"{name}.jsonl")] if made else []
        for number in range(most := min(count, len(there)) if made else count):
            if time.process_time() - began > seconds:
                most = number
                break
            lines = [line for line in (there[number] if made else poet.poem(FORMS[name])) if line]
            poems.append(lines)
            found = checker.holds(name, lines) if name in checker.FORMS else ""
            wrong = wrong or found
            held += not found
            repeated += len({line.lower() for line in lines}) < len(lines) - len(FORMS[name].returns)
            quoted += bool(source) and checker.longest_run("\n".join(lines), source, 60)
            if number in (0, count // 2):
                print("\n".join(lines) + "\n", flush=True)
        each = (time.process_time() - began) / most
        if kept:
            with Path(kept).open("a", encoding="utf-8") as file:
                file.writelines("\n".join([f"[{name}]", *lines, "", ""]) for lines in poems)
        print(
            f"{name}: {most} poems, hold the form {held / most:.1%}, repeat a line {repeated / most:.1%}, "
            f"quote over 60 characters {quoted if source else 'not measured'}, lines passed over {poet.resampled}, "
            f"{each:.2f} s each {wrong}\n  {spelling(poems, words)}\n  {grammar(poems, judged)}",
            flush=True,
        )


def listed_words() -> frozenset[str]:
    """English words in lower case, names too, of SCOWL's lists up to size 70; none where it is not installed."""
    kinds = "words|contractions|upper|proper-names"
    wanted = re.compile(rf"(english|american|british)-({kinds})\.(10|20|35|40|50|55|60|70)")
    files = [path for path in SCOWL.glob("*") if wanted.fullmatch(path.name)]
    return frozenset(word.lower() for path in files for word in path.read_text("latin-1").split())


def spelling(poems: Sequence[Sequence[str]], known: frozenset[str]) -> str:
    """Shares of words and of line ends that are in no list."""
    if not known:
        return "words: not measured (scowl is not installed)"

    def missing(word: str) -> bool:
        return not {word, word.strip("'"), word.removesuffix("'s")} & known

    lines = [re.findall(r"[a-z']+", line.lower()) for poem in poems for line in poem]
    every = [word for line in lines for word in line]
    strange = [word for word in every if missing(word)]
    ends = [line[-1] for line in lines if missing(line[-1])]
    common = ", ".join(sorted(set(strange), key=strange.count, reverse=True)[:8])
    return f"in no list: {len(strange) / len(every):.2%} of words ({common}), {len(ends) / len(lines):.2%} of line ends"


def grammar(poems: Sequence[Sequence[str]], judged: int) -> str:
    """Shares of lines and of sentences over line ends that link-grammar accepts without leaving a word out."""
    if shutil.which("link-parser") is None:
        return "grammar: not measured (link-grammar is not installed)"
    random = np.random.default_rng(1)
    lines = [bare(line) for poem in poems for line in poem]
    sentences = [part for poem in poems for part in sentences_of(poem)]
    out = []
    for name, every in (("lines", lines), ("sentences", sentences)):
        some = [every[i] for i in random.permutation(len(every))[:judged]]
        length = sum(len(one.split()) for one in some) / max(1, len(some))
        out.append(f"{accepted(some) / max(1, len(some)):.1%} of {len(some)} {name} ({length:.1f} words)")
    return f"link-grammar accepts {', '.join(out)}"


def accepted(texts: Sequence[str]) -> int:
    """How many texts the parser links whole."""
    command = ["link-parser", "en", "-batch", "-limit=100", "-timeout=2", "-verbosity=1"]
    done = subprocess.run(command, input="\n".join(texts) + "\n", capture_output=True, text=True, check=False)
    return len(texts) - len(re.findall(r"^\++ error", done.stdout, re.M))


def bare(line: str) -> str:
    """A line without its marks at both ends."""
    return re.sub(r"[\s,;:.!?—\-\"')”’]+$", "", line.strip()).lstrip("\"'“‘( ")


def sentences_of(lines: Sequence[str]) -> list[str]:
    found = re.findall(r"[^.!?]+[.!?]?", " ".join(" ".join(lines).split()))
    return [part.strip() for part in found if re.search("[a-z]", part)]


def real_poems(path: Path) -> list[list[str]]:
    """Fourteen lines that follow a full stop, of each poem of the file that has them, in books of measured verse."""
    import gzip
    import json

    random = np.random.default_rng(1)
    out = []
    for row in gzip.decompress(path.read_bytes()).decode().splitlines():
        record = json.loads(row)
        if record["book"] in ("Tao Te Ching", "The Prophet", "Leaves of Grass"):
            continue
        text = record["text"].replace("’", "'").replace("“", '"').replace("”", '"').replace("‘", "'")
        lines = [line.strip() for line in text.split("\n") if LEAST <= len(line.strip()) <= MOST]
        starts = [i + 1 for i, line in enumerate(lines[:-14]) if line.rstrip("\"'").endswith((".", "!", "?"))]
        if starts:
            begin = starts[int(random.integers(len(starts)))]
            out.append(lines[begin : begin + 14])
    return out


def _source(paths: list[str]) -> str:
    """The training text as it was learned from."""
    if not paths:
        return ""
    from rnnmuse.train.text.data import load_texts
    from rnnmuse.train.text.recipe import TextRecipe

    texts = load_texts([Path(path) for path in paths], TextRecipe("source"))
    return "\n".join([*texts.train, *texts.validation, *texts.test])


if __name__ == "__main__":
    options = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--"))
    main(
        options.get("model", "verse"),
        int(options.get("count", "1000")),
        _source([a for a in sys.argv[1:] if not a.startswith("--")]),
        [name for name in options.get("forms", "").split(",") if name],
        options.get("real", ""),
        int(options.get("judged", "2000")),
        float(options.get("seconds", "inf")),
        options.get("keep", ""),
        options.get("made", ""),
    )
