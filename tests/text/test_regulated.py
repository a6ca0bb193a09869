"""The grid, the rhyme and the tones hold by construction, whatever the model says."""

from copy import copy

import numpy as np
import pytest

from rnnmuse.errors import RnnmuseError
from rnnmuse.text.author import Author
from rnnmuse.text.grid import PLACES, Grid, places_of
from rnnmuse.text.han import pairs_for, simplified, traditional
from rnnmuse.text.pronounce import DATA
from rnnmuse.text.regulated import form_of, measured, pattern, regulated_poem, tones
from rnnmuse.text.writer import Settings

SPRING = ["春眠不覺曉", "處處聞啼鳥", "夜來風雨聲", "花落知多少"]
HERON = ["白日依山盡", "黃河入海流", "欲窮千里目", "更上一層樓"]


@pytest.mark.parametrize("lines", [4, 8])
@pytest.mark.parametrize("width", [5, 7])
def test_every_poem_fills_its_grid_and_rhymes(chinese_model, lines, width):
    for seed in range(5):
        poem = regulated_poem(chinese_model, Grid(lines, width), np.random.default_rng(seed), beam=2)
        assert len(poem) == lines
        assert {len(line) for line in poem} == {width}
        found = measured([poem])
        assert found == {"in form": 1.0, "rhyming even lines": 1.0, "tones at even places": 1.0}


def test_real_poems_are_measured():
    assert measured([HERON])["rhyming even lines"] == 1.0  # 流 and 樓, both of the group 尤
    assert measured([HERON])["tones at even places"] == 1.0
    assert measured([SPRING])["in form"] == 1.0
    assert measured([["too", "short"]])["in form"] == 0.0
    assert tones().rhyme("東", "風")
    assert not tones().rhyme("東", "流")


def test_the_patterns_are_the_four_of_the_books():
    assert [pattern("abcd", i, 5)[1] + pattern("abcd", i, 5)[3] for i in range(4)] == ["|-", "-|", "-|", "|-"]
    assert pattern("abcd", 0, 7)[1::2][:3] == "-|-"
    assert [pattern(order, line, 5)[-1] for order in ("abcd", "dbcd") for line in range(4)] == list("|-|---|-")


def test_places_are_all_different():
    every = [p for lines in (4, 8) for width in (5, 7) for p in places_of(Grid(lines, width))]
    assert len(set(every)) == len(every)
    assert max(every) < PLACES
    assert min(every) > 0
    assert form_of(SPRING) == Grid(4, 5)


def test_prompt_and_required_characters_are_there(chinese_model):
    some = [c for c in chinese_model.alphabet.characters if c in tones().level][:3]
    author = Author(chinese_model)
    lines = author.poem("jueju", prompt=some[0], width=5, seed=1, settings=Settings(required=(some[1], some[2])))
    assert lines[0].startswith(some[0])
    assert some[1] in "".join(lines)
    assert some[2] in "".join(lines)


@pytest.mark.parametrize(
    ("wishes", "named"),
    [({"prompt": "abc"}, "'a'"), ({"width": 6}, "width: 6"), ({"settings": Settings(required=("xy",))}, "'x'")],
)
def test_wishes_that_cannot_be_met_are_named(chinese_model, wishes, named):
    with pytest.raises((RnnmuseError, ValueError), match=named):
        Author(chinese_model).poem("jueju", **wishes)


def test_other_models_write_no_regulated_verse(text_model, chinese_model):
    with pytest.raises(RnnmuseError, match="tang"):
        Author(text_model).poem("jueju")
    with pytest.raises(RnnmuseError, match="verse"):
        Author(chinese_model).poem("haiku")


def test_an_acrostic_begins_the_lines(chinese_model):
    heads = "".join(chinese_model.alphabet.characters[10:14])
    lines = Author(chinese_model).poem("jueju", acrostic=heads, width=5, seed=1)
    assert "".join(line[0] for line in lines) == heads
    assert measured([lines]) == {"in form": 1.0, "rhyming even lines": 1.0, "tones at even places": 1.0}
    for wishes in ({"acrostic": heads[:3]}, {"acrostic": heads, "prompt": heads[0]}):
        with pytest.raises(RnnmuseError, match="acrostic"):
            Author(chinese_model).poem("jueju", **wishes)


def test_a_title_is_read_before_the_poem(chinese_model):
    about = chinese_model.alphabet.characters[10:12]
    with pytest.raises(RnnmuseError, match="title"):
        Author(chinese_model).poem("jueju", title=about, width=5)
    titled = copy(chinese_model)
    titled.about = {**chinese_model.about, "titles": True}
    poems = [Author(titled).poem("jueju", title=title, width=5, seed=1) for title in (about, about[::-1], "")]
    assert len({tuple(poem) for poem in poems}) == 3
    assert all(measured([poem])["in form"] for poem in poems)
    with pytest.raises(RnnmuseError, match="up to"):
        Author(titled).poem("jueju", title=about * 9)


def test_both_scripts():
    assert simplified("處處聞啼鳥") == "处处闻啼鸟"
    assert traditional("处处闻啼鸟") == "處處聞啼鳥"
    assert traditional("白日依山") == simplified("白日依山") == "白日依山"


def test_simplified_characters_are_read_and_written(chinese_model):
    pair = next(c for c in chinese_model.alphabet.characters if simplified(c) != c and traditional(simplified(c)) == c)
    author = Author(chinese_model)
    lines = author.poem("jueju", prompt=simplified(pair), width=5, seed=1)
    assert lines[0][0] == pair
    assert author.poem("jueju", prompt=pair, width=5, seed=1, script="simplified") == [simplified(x) for x in lines]


def test_what_stands_in_parallel_is_of_one_class():
    characters = "山水一三白青來去"
    pairs = pairs_for(characters)
    classes = {c: i for i, c in enumerate(characters, 2)}
    for one, other in ("山水", "一三", "白青", "來去"):
        given = pairs.given(classes[one])
        assert given[classes[other]] == max(given[classes[c]] for c in characters if c != one)
        assert given[classes[other]] > 1.0


def test_couplets_of_eight_lines_lean_to_the_parallel(new_text_model):
    with np.load(DATA / "parallel.npz") as table:
        known = bytes(table["characters"]).decode()
        strong = np.argsort(-np.abs(table["lower"].astype(int)).sum(1))[:900]  # the characters that lean most
        characters = "\n" + "".join(known[i] for i in sorted(strong))
    model = new_text_model("tiny", characters, "regulated")
    pairs, encode = pairs_for(characters), model.alphabet.encode
    poems = [regulated_poem(model, Grid(8, 5), np.random.default_rng(seed), beam=4) for seed in range(4)]

    def parallel(first):
        columns = [pair for poem in poems for pair in zip(poem[first], poem[first + 1], strict=True)]
        return np.mean([pairs.given(encode(a)[0])[encode(b)[0]] for a, b in columns])

    assert parallel(2) > parallel(0) + 0.1
    assert parallel(4) > parallel(6) + 0.1
