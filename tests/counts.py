"""The long counts of `make trust`: pieces and poems by the thousand, beside what the models learned from.

    python tests/counts.py piano                       # 1,000 pieces of 16 bars; a stream model's name
    python tests/counts.py haiku --seconds 1100        # 1,000 poems of a form, or as many as that takes
    python tests/counts.py chorales --corpus FOLDER    # 1,000 harmonisations of the melodies of the test chorales
    python tests/counts.py piano --corpus FOLDER       # the kept pieces beside whole training pieces, not an index

What is made is kept, a line of JSON for each piece, in out/counts (``--folder``); a count goes on where it stopped. The
last line that is printed says what was found; the exit status is 1 where it is not as it must be.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from rnnmuse.compose.muse import load
from rnnmuse.events import Note
from rnnmuse.models.bundle import find
from rnnmuse.models.fingerprint import LIMIT as LETTERS
from rnnmuse.models.originality import DRUM_LIMIT, FILE, LIMIT, Index, lines_of
from rnnmuse.music.piece import Part, Piece
from rnnmuse.text.author import author
from rnnmuse.text.forms import FORMS

FIRST = 1_000_000
"""The seed of the first piece, as in `rnnmuse evaluate --copies`."""
BARS = 16
POEMS = {**dict.fromkeys(FORMS, "verse"), "jueju": "tang", "lushi": "tang"}
"""Forms, each with the model that writes it."""

Made = dict[str, Any]


def kept(path: Path) -> list[Made]:
    """What was made so far; a line that was cut off is no line."""
    found = []
    for line in path.read_text("utf-8").splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return found


def counted(path: Path, count: int, seconds: float, make: Callable[[int], Made]) -> list[Made]:
    """``count`` results of ``make``, which takes a number from 0 on, or as many as there are after ``seconds``."""
    found = kept(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in found), "utf-8")
    end = time.monotonic() + seconds
    with path.open("a", encoding="utf-8") as file:
        while len(found) < count and time.monotonic() < end:
            found.append(make(len(found)))
            file.write(json.dumps(found[-1]) + "\n")
            file.flush()
    return found


# -- pieces -----------------------------------------------------------------------------------------------------------


def pieces(name: str, path: Path, count: int, seconds: float) -> tuple[str, bool]:
    """Pieces from nothing: their longest runs and their overlap, by the index of the model."""
    muse = load(name)
    corpus = muse.model.corpus
    assert corpus is not None

    def make(number: int) -> Made:
        made = muse.generate(BARS, seed=FIRST + number)
        parts = [[p.name, p.drum, [[n.start, n.pitch, n.duration] for n in p.notes]] for p in made.parts]
        return {"seed": FIRST + number, "parts": parts}

    found = [corpus.find(lines_of(piece_of(one))) for one in counted(path, count, seconds, make)[:count]]
    notes = [one.run.notes for one in found if not one.run.drum]
    strokes = [one.run.notes for one in found if one.run.drum]
    over = sum(n >= LIMIT for n in notes) + sum(n >= DRUM_LIMIT for n in strokes)
    runs = [f"{max(own)} {what}" for own, what in ((notes, "notes"), (strokes, "strokes")) if own]
    overlap, real = overlaps(one.overlap for one in found), corpus.overlaps[2]
    text = (
        f"{name}: {len(found):,} pieces, longest run {', '.join(runs)}, {over} over the limit; overlap 95 % "
        f"{overlap:.1%} (real pieces {real:.1%})"
    )
    return text, not over and overlap <= real


def overlaps(values: Iterator[float]) -> float:
    return float(np.nanquantile(list(values), 0.95))


def piece_of(made: Made) -> Piece:
    return Piece([Part(name, drum=drum, notes=[Note(*note) for note in notes]) for name, drum, notes in made["parts"]])


def beside(name: str, path: Path, folders: Sequence[Path]) -> tuple[str, bool]:
    """The kept pieces, and real windows of held-out pieces, beside whole training pieces: runs of 16 notes of a part,
    with their lengths, in any transposition. The notes of a chord are notes of the run too."""
    from rnnmuse.train.recipe import read_recipe
    from rnnmuse.train.stream.evaluate import pieces_of
    from rnnmuse.train.stream.excerpts import excerpts
    from rnnmuse.train.stream.judge import known_runs
    from rnnmuse.train.stream.recipe import Recipe
    from rnnmuse.train.stream.run import read_corpus

    recipe = read_recipe(find(name).folder / "recipe.toml", Recipe)
    corpus = read_corpus(folders, recipe)
    training = corpus.of("train")
    known = known_runs(pieces_of(training, recipe.parts))
    real = [one.real for one in excerpts(corpus.of("test"), recipe.parts, BARS, 200)]
    return compared(name, [piece_of(one) for one in kept(path)], real, known)


def compared(name: str, made: Sequence[Piece], real: Sequence[Piece], known: Set[int]) -> tuple[str, bool]:
    """How many pieces hold a known run, of those made and of real ones; it must be no larger a share of those made."""
    from rnnmuse.train.stream.judge import runs

    own, theirs = ([any(v in known for p in piece.parts for v in runs(p.notes, p.drum)) for piece in some]
                   for some in (made, real))  # fmt: skip
    share, usual = sum(own) / len(own), sum(theirs) / len(theirs)
    text = (
        f"{name}: {sum(own)} of {len(own):,} pieces ({share:.1%}) hold a run of 16 notes of a training piece, chords "
        f"and repeated notes counted in; of {len(theirs)} real windows of held-out pieces {sum(theirs)} ({usual:.1%})"
    )
    return text, share <= usual


def chorales(path: Path, count: int, seconds: float, folders: Sequence[Path]) -> tuple[str, bool]:
    """Melodies of the test chorales harmonised, with a seed each: the alto, tenor and bass by the index."""
    from dataclasses import replace

    from rnnmuse.compose.harmonise import harmonised
    from rnnmuse.models.bundle import load_chorale
    from rnnmuse.train.chorale.data import SIXTEENTHS, read_chorales
    from rnnmuse.train.chorale.index import written

    model, index = load_chorale("chorales"), Index.load(find("chorales").folder / FILE)
    test = [one for one in read_chorales(folders)[0] if one.split == "test"]

    def make(number: int) -> Made:
        given = test[number % len(test)]
        voices = harmonised(model, given.beats()[:, 0], given.tonic, FIRST + number)
        return {"seed": FIRST + number, "of": given.name, "voices": voices.tolist()}

    found = []
    for number, one in enumerate(counted(path, count, seconds, make)[:count]):
        voices = np.repeat(np.array(one["voices"]), SIXTEENTHS, 0)
        found.append(index.find(written(replace(test[number % len(test)], voices=voices))[1:]))
    real = [index.find(written(one)[1:]) for one in test]
    long = [one.run.notes for one in found]
    over, of_bach = sum(run >= LIMIT for run in long), sum(one.run.notes >= LIMIT for one in real)
    overlap, others = overlaps(one.overlap for one in found), overlaps(one.overlap for one in real)
    text = (
        f"chorales: {len(found):,} harmonisations, longest run of a lower voice {max(long)} notes, {over} over "
        f"the limit (Bach's own of the {len(real)} melodies {of_bach}); overlap 95 % {overlap:.1%} (Bach's "
        f"{others:.1%})"
    )
    return text, not over and overlap <= others


# -- poems ------------------------------------------------------------------------------------------------------------


def poems(form: str, path: Path, count: int, seconds: float) -> tuple[str, bool]:
    """Poems of a form: the longest run of letters in common with what the model read."""
    writer = author(POEMS[form])
    read = writer.model.training
    assert read is not None

    def make(number: int) -> Made:
        return {"seed": number, "lines": writer.poem(form, seed=number)}

    found = counted(path, count, seconds, make)[:count]
    longest = [read.longest("\n".join(one["lines"])) for one in found]
    over = sum(run > LETTERS for run in longest)
    return f"{form}: {len(found):,} poems, longest run {max(longest)} letters, {over} over {LETTERS}", not over


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", help="a stream model, chorales, or a form of poem")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many, to go on later")
    parser.add_argument("--folder", type=Path, default=Path("out/counts"))
    parser.add_argument("--corpus", type=Path, nargs="*", default=[], help="folders that the model learned from")
    given = parser.parse_args()
    what, path = given.what, given.folder / f"{given.what}.jsonl"
    if what == "chorales":
        text, good = chorales(path, given.count, given.seconds, given.corpus)
    elif what in POEMS:
        text, good = poems(what, path, given.count, given.seconds)
    elif given.corpus:
        text, good = beside(what, path, given.corpus)
    else:
        text, good = pieces(what, path, given.count, given.seconds)
    print(text)
    return not good


if __name__ == "__main__":
    sys.exit(main())
