"""Builds data/grammar.npz, which rates the grammar of English words: ``python -m rnnmuse.train.text.grammar FOLDER``.

The table holds the words that verse may use, the parts of speech of each, and counts of runs of three parts of speech.
It is learned from plain text. A dictionary of word forms (package ``lemminflect``, MIT) says which parts of speech a
word may have; a hidden Markov model trained by expectation-maximisation (Merialdo 1994) says which it has in its
place. Function words are parts of speech of their own, so that "of the" and "to be" are counted as words.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.alphabet import cleaned
from rnnmuse.text.grammar import COMMA, FUNCTION, NAME, OPEN, STOP, Grammar, tokens_of
from rnnmuse.text.pronounce import divided, lexicon, plain, words_of
from rnnmuse.train.text.data import load_texts
from rnnmuse.train.text.recipe import TextRecipe

DATA = Path(__file__).parents[2] / "text" / "data"
ITERATIONS = 4
CANDIDATES = 5
"""Parts of speech of a word at most."""

LEAST, LEAST_NAME = 2, 5
"""How often a word, or a name, must occur to be one that verse may use."""

_PENN = {
    "NN": "N", "NNS": "NS", "VB": "V", "VBP": "V", "VBZ": "VZ", "VBD": "VD", "VBN": "VN", "VBG": "VG",
    "JJ": "A", "JJR": "AR", "JJS": "AR", "RB": "R", "RBR": "R", "RBS": "R",
}  # fmt: skip

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def parts_of(word: str, low: int, high: int) -> list[str]:
    """The parts of speech that a word may have, from a dictionary of forms, else from its ending.

    ``low`` and ``high`` are how often it occurs in lower case and as a name.
    """
    import lemminflect

    if word in FUNCTION:
        return [f"={word}"]
    found: list[str] = []
    for kind, lemmas in lemminflect.getAllLemmas(word).items():
        for lemma in lemmas:
            for penn, forms in lemminflect.getAllInflections(lemma, upos=kind).items():
                part = _PENN.get(penn, "")
                if part and word in forms and part not in found:
                    found.append(part)
    if not found:
        if re.search(r"('d|ed|'t)$", word):
            found = ["VD", "VN"]
        elif re.search(r"(eth|est|'st)$", word):
            found = ["VZ"]
        elif word.endswith("'s") or word.endswith("s'"):
            found = ["G"]
        elif word.endswith("ly"):
            found = ["R"]
        elif word.endswith("ing"):
            found = ["VG"]
        elif high <= low:
            found = ["N", "NS", "A"] if word.endswith("s") else ["N", "A", "V"]
    if high > low or not found:
        found = [NAME, *(found if low else [])]
    return found[:CANDIDATES]


def grammar_of(texts: Sequence[str]) -> Grammar:
    """The table learned from texts."""
    sequences = [tokens_of(text) for text in texts]
    low: Counter[str] = Counter()
    high: Counter[str] = Counter()
    for sequence in sequences:
        start = True
        for token in sequence:
            if token[0].isalpha() or token[0] == "'":
                (high if token[:1].isupper() and not start else low if token[:1].islower() else Counter())[
                    plain(token)
                ] += 1
            start = token == STOP
    every = Counter(plain(token) for sequence in sequences for token in sequence)
    names = [*OPEN, COMMA, STOP, *(f"={word}" for word in sorted(FUNCTION))]
    number = {name: i for i, name in enumerate(names)}
    words = sorted(word for word in every if word not in (COMMA, STOP))
    candidates = np.full((len(words) + 2, CANDIDATES), -1, np.int64)
    for i, word in enumerate(words):
        parts = parts_of(word, low[word], high[word])
        candidates[i, : len(parts)] = [number[part] for part in parts]
    candidates[-2, 0], candidates[-1, 0] = number[COMMA], number[STOP]
    index = {word: i for i, word in enumerate([*words, COMMA, STOP])}
    row = np.array([index[plain(t)] for sequence in sequences for t in (STOP, *sequence)], np.int64)
    tagged, emission = tag(row, candidates, len(names))
    counts = Counter(zip(tagged[:-2].tolist(), tagged[1:-1].tolist(), tagged[2:].tolist(), strict=True))
    runs = np.array([(a, b, c, n) for (a, b, c), n in sorted(counts.items()) if n > 1], np.int64)
    kept = [i for i, word in enumerate(words) if _kept(word, low[word], high[word])]
    share = emission / np.maximum(emission.sum(1, keepdims=True), 1e-9)
    return Grammar(
        tuple(names),
        tuple(words[i] for i in kept),
        np.array([every[words[i]] for i in kept], np.int64),
        np.array([high[words[i]] > low[words[i]] for i in kept], np.bool_),
        candidates[kept].astype(np.int16),
        np.round(share[kept] * 255).astype(np.uint8),
        runs,
    )


def _kept(word: str, low: int, high: int) -> bool:
    at = lexicon().index(word)
    if at < 0 or words_of(word) != [word] or len(divided(word)) != lexicon().count(at):  # "etc" and the like
        return False
    return word in FUNCTION or low >= LEAST or (high > low and high >= LEAST_NAME)


def tag(row: Ints, candidates: Ints, parts: int) -> tuple[Ints, Floats]:
    """The likeliest part of speech of each word of ``row`` (N,), and how often each word has each of its candidates.

    ``candidates`` (words, K) are parts of speech by word, -1 for none.
    """
    lanes = max(1, min(4096, len(row) // 64))
    length = -(-len(row) // lanes)
    stop = len(candidates) - 1
    table = np.concatenate([row, np.full(lanes * length - len(row), stop)]).reshape(lanes, length)
    there = candidates >= 0
    cells = np.where(there, candidates, 0)
    counts = np.bincount(row, minlength=len(candidates)).astype(np.float64)
    emission = there / there.sum(1, keepdims=True) * counts[:, None]  # the word's count shared by its candidates
    moves = np.ones((parts, parts))
    best = np.zeros_like(table)
    for _ in range(ITERATIONS):
        total = np.bincount(cells[there], emission[there], parts) + 1e-9
        given = np.where(there, (emission + 1e-3 * there) / total[cells], 0.0)
        chance = moves / moves.sum(1, keepdims=True)
        ahead = np.empty((length, lanes, candidates.shape[1]))
        ahead[0] = given[table[:, 0]]
        ahead[0] /= ahead[0].sum(1, keepdims=True)
        for t in range(1, length):
            step = chance[cells[table[:, t - 1]][:, :, None], cells[table[:, t]][:, None, :]]
            now = np.einsum("bi,bij->bj", ahead[t - 1], step) * given[table[:, t]]
            ahead[t] = now / now.sum(1, keepdims=True)
        back = np.ones_like(ahead[0])
        moves = np.full((parts, parts), 0.01)
        emission = np.zeros_like(emission)
        for t in range(length - 1, -1, -1):
            gamma = ahead[t] * back
            gamma /= gamma.sum(1, keepdims=True)
            best[:, t] = np.take_along_axis(cells[table[:, t]], gamma.argmax(1)[:, None], 1)[:, 0]
            for k in range(candidates.shape[1]):
                emission[:, k] += np.bincount(table[:, t], gamma[:, k], len(candidates))
            if t:
                here, before = cells[table[:, t]], cells[table[:, t - 1]]
                step = chance[before[:, :, None], here[:, None, :]]
                onward = (given[table[:, t]] * back)[:, None, :]
                pair = ahead[t - 1][:, :, None] * step * onward
                pair /= pair.sum((1, 2), keepdims=True)
                flat = before[:, :, None] * parts + here[:, None, :]
                moves += np.bincount(flat.ravel(), pair.ravel(), parts * parts).reshape(parts, parts)
                back = (step * onward).sum(2)
                back /= back.sum(1, keepdims=True)
    return best.reshape(-1)[: len(row)], emission


def texts_of(places: Iterable[Path]) -> list[str]:
    """The training split of the text files in ``places``; of a single long text all but its last tenth."""
    out: list[str] = []
    for place in places:
        texts = load_texts([place], TextRecipe("grammar", tail=place.name.startswith("input")))
        out += [cleaned(text) for text in texts.train]
    return out


def main() -> None:
    options = argparse.ArgumentParser(description="Build the table of English grammar from text files.")
    options.add_argument("places", type=Path, nargs="+")
    grammar = grammar_of(texts_of(options.parse_args().places))
    grammar.save(DATA / "grammar.npz")
    print(f"{len(grammar.words)} words, {len(grammar.parts)} parts of speech, {len(grammar.runs)} runs of three")


if __name__ == "__main__":
    main()
