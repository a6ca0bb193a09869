"""Parts of speech: the table rates sentences above shuffled ones, and its probabilities add up."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest

from rnnmuse.text.grammar import COMMA, FINITE, LONGEST, NO_VERB, STOP, Grammar, Syntax, grammar, tokens_of
from rnnmuse.text.pronounce import lexicon
from rnnmuse.text.sense import UNKNOWN_WORDS, sense

SENTENCES = """
the old man went down to the sea in the morning
she had never seen such a beautiful garden before
when the rain was over we walked to the town
i do not know what he will say to his father
the little birds were singing in the green trees
they have taken all the silver from the house
nobody could tell them where the road had gone
my heart is heavy and the night is very long
he gave the child a book and an apple
thou art more lovely than the summer's day
"""


def test_sentences_are_rated_above_their_words_in_another_order():
    random, better = Random(1), []
    for line in SENTENCES.strip().split("\n"):
        words = line.split()
        for _ in range(10):
            shuffled = random.sample(words, len(words))
            better.append(grammar().rating(line) > grammar().rating(" ".join(shuffled)))
    assert np.mean(better) > 0.95


def test_the_chances_of_what_follows_add_up_to_one():
    known = grammar()
    random = Random(2)
    for _ in range(20):
        first, second = (random.randrange(len(known.parts)) for _ in range(2))
        total = sum(known._chance(first, second, part) for part in range(len(known.parts)))
        assert total == pytest.approx(1.0, abs=1e-6)


def test_its_words_are_words_that_can_be_spoken():
    assert all(lexicon().index(word) >= 0 for word in grammar().words)
    assert {"the", "'tis", "thou", "sea"} <= set(grammar().words)
    assert grammar().index("zzyzx") == -1
    assert "N" in grammar().parts_of("sea")
    assert "VD" in grammar().parts_of("went")


def test_marks_are_tokens():
    assert tokens_of("To be, or not to be—that’s it! “No.”") == [
        "To", "be", COMMA, "or", "not", "to", "be", COMMA, "that's", "it", STOP, "No", STOP,
    ]  # fmt: skip


def test_a_sentence_wants_a_verb():
    def ended(text):
        return Syntax.begin().read_text(text).read(STOP)[1]

    known = grammar()

    def plain_rating(text):
        follows = known.begin()
        for token in tokens_of(text):
            follows, _ = known.read(follows, token)
        return known.read(follows, STOP)[1]

    assert ended("the sea of the world") == pytest.approx(plain_rating("the sea of the world") - NO_VERB)
    assert ended("the sea was cold") == pytest.approx(plain_rating("the sea was cold"))
    assert Syntax.begin().read_text("one two three").words == 3
    assert Syntax.begin().read_text("it is done. but").words == 1
    assert LONGEST > 10
    assert "=was" in FINITE


def test_a_table_comes_back_from_its_file(tmp_path):
    grammar().save(tmp_path / "g.npz")
    back = Grammar.load(tmp_path / "g.npz")
    assert back.words == grammar().words
    assert back.rating("the sea is cold") == grammar().rating("the sea is cold")


def test_sense():
    assert sense("the xqzt is cold") == UNKNOWN_WORDS
    assert sense("the sea is cold") > sense("cold the is sea")
    assert sense("春眠不覺曉") == 0.0


def test_tags_are_learned_as_they_are_counted():
    """Where every word has one part of speech, the model has nothing to guess: its counts are the corpus's."""
    from rnnmuse.train.text.grammar import tag

    random = np.random.default_rng(1)
    row = random.integers(0, 6, 5000)
    candidates = np.full((6, 2), -1)
    candidates[:, 0] = [0, 1, 2, 0, 1, 2]
    best, emission = tag(row, candidates, 3)
    assert (best == candidates[row, 0]).all()
    assert np.allclose(emission[:, 0], np.bincount(row, minlength=6), atol=80)  # the end is filled up


def test_an_ambiguous_word_is_told_by_its_place():
    """Word 2 is a noun after word 0 and a verb after word 1; words 3 and 4 are always a noun and a verb there."""
    from rnnmuse.train.text.grammar import tag

    random = np.random.default_rng(1)
    pieces = [[0, 3], [1, 4], [0, 2], [1, 2]]
    row = np.concatenate([pieces[i] for i in random.choice(4, 3000, p=[0.35, 0.35, 0.15, 0.15])])
    candidates = np.array([[0, -1], [1, -1], [2, 3], [2, -1], [3, -1]])
    best, _ = tag(row, candidates, 4)
    right = [best[i + 1] == (2 if a == 0 else 3) for i, (a, b) in enumerate(pairwise(row.tolist())) if b == 2]
    assert np.mean(right) > 0.97
