"""`make evaluate-verse TEXT=file`: 1,000 poems of each form by the independent checker. Not a test.

Prints, a form a line: poems that hold it, that repeat a line, that have a run of more than 60 characters of the
training text (where its file is given), lines passed over for a quotation, and seconds a poem.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "text"))
import checker

from rnnmuse.text.author import author
from rnnmuse.text.forms import FORMS
from rnnmuse.text.writer import Settings


def main(model: str, count: int, source: str, names: list[str]) -> None:
    writer = author(model)
    for name in names or list(FORMS):
        held = repeated = quoted = 0
        began = time.process_time()
        poet = writer.poet(Settings(), np.random.default_rng(1))
        wrong = ""
        for number in range(count):
            lines = poet.poem(FORMS[name])
            found = checker.holds(name, lines)
            wrong = wrong or found
            held += not found
            repeated += len({line.lower() for line in lines}) < len(lines)
            quoted += bool(source) and checker.longest_run("\n".join(lines), source, 60)
            if number in (0, count // 2):
                print("\n".join(lines) + "\n", flush=True)
        seconds = (time.process_time() - began) / count
        print(
            f"{name}: {count} poems, hold the form {held / count:.1%}, repeat a line {repeated / count:.1%}, "
            f"quote over 60 characters {quoted if source else 'not measured'}, lines passed over {poet.resampled}, "
            f"{seconds:.2f} s each {wrong}",
            flush=True,
        )


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
    )
