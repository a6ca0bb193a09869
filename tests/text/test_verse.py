"""Forms hold whatever the model says: an untrained one is asked, and a checker of another make judges."""

import sys
from pathlib import Path

import numpy as np
import pytest

from rnnmuse.errors import RnnmuseError
from rnnmuse.models.fingerprint import LONGEST, Fingerprint
from rnnmuse.text.author import Author
from rnnmuse.text.forms import FORMS
from rnnmuse.text.grammar import grammar
from rnnmuse.text.line import COMMON
from rnnmuse.text.pronounce import plain, words_of
from rnnmuse.text.verse import Poet
from rnnmuse.text.writer import Settings

sys.path.insert(0, str(Path(__file__).parent))
import checker


@pytest.fixture(scope="module")
def poet(text_model):
    return Poet(text_model, np.random.default_rng(1), beam=4)


@pytest.mark.parametrize(("form", "count"), [("haiku", 6), ("couplet", 6), ("ballad", 6), ("sonnet", 2)])
def test_every_poem_holds_its_form(poet, form, count):
    for _ in range(count):
        lines = poet.poem(FORMS[form])
        assert checker.holds(form, lines) == ""
        assert len({line.lower() for line in lines}) == len(lines)


def test_the_checker_can_say_no():
    assert "syllables" in checker.holds("haiku", ["one two", "a b", "c"])
    assert "rhyme" in checker.holds(
        "couplet", ["to be or not to be that is the dog", "to be or not to be that is the cat"]
    )
    assert "rhyme" in checker.holds("couplet", ["to be or not to be that is the cat"] * 2)
    assert checker.holds("haiku", ["one"]) == "1 lines"


def test_required_words_come_and_banned_ones_do_not(text_model):
    author = Author(text_model)
    settings = Settings(required=("water", "light"), banned=("the", "a", "i"))
    for seed in range(3):
        words = [plain(word) for line in author.poem("ballad", seed=seed, settings=settings) for word in words_of(line)]
        assert {"water", "light"} <= set(words)
        assert not {"the", "a", "i"} & set(words)


def test_a_prompt_begins_the_poem(text_model):
    lines = Author(text_model).poem("haiku", prompt="The old pond", seed=4)
    assert lines[0].startswith("The old pond")
    assert checker.holds("haiku", lines) == ""


def test_the_same_seed_writes_the_same(text_model):
    author = Author(text_model)
    assert author.poem("couplet", seed=5) == author.poem("couplet", seed=5) != author.poem("couplet", seed=6)


@pytest.mark.parametrize(
    ("wishes", "named"),
    [
        ({"prompt": "xqzt"}, "xqzt"),
        ({"prompt": "one two three four five six"}, "6 syllables"),
        ({"settings": Settings(required=("qqqq",))}, "qqqq"),
        ({"settings": Settings(required=("one", "two", "three", "four"))}, "4 words"),
        ({"settings": Settings(required=("antidisestablishmentarianism",))}, "too long"),
    ],
)
def test_wishes_that_cannot_be_met_are_named(text_model, wishes, named):
    with pytest.raises(RnnmuseError, match=named):
        Author(text_model).poem("haiku", **wishes)


def test_an_unknown_form_is_named(text_model):
    with pytest.raises(ValueError, match="limerick"):
        Author(text_model).poem("limerick")


def test_a_quotation_is_found():
    source = "It was many and many a year ago, in a kingdom by the sea, that a maiden there lived"
    known = Fingerprint.of(["something else altogether " * 9, source])
    letters = [c for c in source if c.isalnum()]
    for begin in range(0, 20):
        quoted = "".join(letters[begin : begin + LONGEST])
        assert known.quotes(f"He said: {quoted}")
    assert known.quotes(source.replace(", ", "\n").upper())
    assert not known.quotes("It was long and long a month ago, in a palace by the lake")
    assert not Fingerprint.of([]).quotes(source)


def test_what_quotes_the_training_text_is_written_anew(text_model):
    plain_poet = Poet(text_model, np.random.default_rng(3), beam=4)
    first = plain_poet.poem(FORMS["couplet"])
    model = text_model
    held = model.training
    try:
        model.training = Fingerprint.of(["\n".join(first)])
        wary = Poet(model, np.random.default_rng(3), beam=4)
        assert wary.poem(FORMS["couplet"]) != first
        assert wary.resampled > 0
    finally:
        model.training = held


def test_words_are_common_ones_and_no_names(poet):
    known = grammar()
    for _ in range(4):
        for line in poet.poem(FORMS["ballad"]):
            indices = [known.index(plain(word)) for word in words_of(line)]
            assert min(indices) >= 0
            assert not known.named[indices].any()
            assert known.counts[indices[-1]] >= COMMON


def test_a_refrain_ends_each_stanza(text_model):
    lines = Author(text_model).poem("ballad", seed=2, stanzas=3, device="refrain")
    stanzas = "\n".join(lines).split("\n\n")
    assert len(stanzas) == 3
    last = {stanza.split("\n")[-1] for stanza in stanzas}
    assert len(last) == 1
    assert all(checker.tails(checker.words(s.split("\n")[1])[-1]) for s in stanzas)
    for stanza in stanzas:
        assert checker.holds("ballad", stanza.split("\n")) == ""


def test_anaphora_begins_lines_alike(text_model):
    lines = Author(text_model).poem("sonnet", seed=1, device="anaphora")
    first = lines[0].split()[0].rstrip(",;:")
    assert [lines[i].split()[0].rstrip(",;:") for i in (4, 8, 12)] == [first] * 3
    assert checker.holds("sonnet", lines) == ""


def test_a_song_has_a_chorus_that_returns_around_its_hook(text_model):
    form = FORMS["song"]
    lines = Author(text_model).poem("song", seed=1)
    sections = [part.split("\n") for part in "\n".join(lines).split("\n\n")]
    assert [len(part) for part in sections] == [4, 4, 4, 4, 2, 4]
    assert form.sections == ("verse", "chorus", "verse", "chorus", "bridge", "chorus")
    chorus = sections[1]
    assert sections[3] == sections[5] == chorus
    assert chorus[0] == chorus[3]
    assert len({line for part in (0, 2, 4) for line in sections[part]}) == 10
    assert checker.holds("ballad", sections[0]) == checker.holds("ballad", sections[2]) == ""


@pytest.mark.parametrize(
    ("wishes", "named"),
    [({"stanzas": 0}, "stanzas: 0"), ({"device": "rhyme"}, "device"), ({"device": "refrain"}, "refrain"),
     ({"form": "song", "stanzas": 2}, "song"), ({"title": "春"}, "title"), ({"script": "runic"}, "script")],
)  # fmt: skip
def test_devices_that_cannot_be_are_named(text_model, wishes, named):
    with pytest.raises(ValueError, match=named):
        Author(text_model).poem(**{"form": "ballad", **wishes})
