"""Text files of every kind: read, or refused in one line."""

import gzip
import json
import random

import numpy as np
import pytest

from rnnmuse.errors import RnnmuseError
from rnnmuse.text.alphabet import alphabet_of
from rnnmuse.train.recipe import read_recipe, recipe_text
from rnnmuse.train.text.data import Row, load_texts, read_texts, regulated, split_of, text_files
from rnnmuse.train.text.recipe import TextRecipe

RECIPE = TextRecipe("x")


def written(folder, name, data):
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_texts_records_and_gzip(tmp_path):
    written(tmp_path, "a.txt", "one\r\ntwo\n")
    written(tmp_path, "b.txt", "\ufeffwith a mark".encode("utf-8"))
    written(tmp_path, "c.jsonl", json.dumps({"text": "three\nfour"}) + "\n\n" + json.dumps({"lines": ["five", "six"]}))
    written(tmp_path, "d.txt.gz", gzip.compress(b"seven"))
    written(tmp_path, "e.txt", "utf-sixteen".encode("utf-16"))
    written(tmp_path, "f.png", b"\x89PNG")
    texts = load_texts([tmp_path], RECIPE)
    assert sorted(texts.train + texts.validation + texts.test) == sorted(
        ["one\ntwo", "with a mark", "three\nfour", "five\nsix", "seven", "utf-sixteen"]
    )
    assert not texts.unread
    assert len(text_files([tmp_path])) == 5


def test_some_records_are_chosen(tmp_path):
    rows = [{"text": f"text {i}", "book": "Poetry" if i % 2 else "Prose"} for i in range(10)]
    path = written(tmp_path, "r.jsonl", "\n".join(map(json.dumps, rows)))
    recipe = RECIPE.changed(data=({"select_book": "Poetry"},), validation=0.0)
    texts = load_texts([path], recipe)
    assert len(texts.train + texts.validation + texts.test) == 5


def test_the_last_tenth_is_held_out(tmp_path):
    text = "".join(random.Random(1).choices("abc \n", k=10_000))
    path = written(tmp_path, "t.txt", text)
    texts = load_texts([path], RECIPE.changed(tail=True, validation=0.1))
    assert texts.train == [text[:9000]]
    assert texts.validation == [text[9000:]]


@pytest.mark.parametrize("name", ["random", "mutated", "truncated gzip"])
def test_a_hundred_damaged_files_are_read_or_refused_in_one_line(tmp_path, name):
    dice = random.Random(name)
    base = ("Þe quick “brown” fox\njumps — over 春眠不覺曉 😀\n" * 40).encode()
    good = 0
    for number in range(100):
        if name == "random":
            data = dice.randbytes(dice.randrange(0, 3000))
        elif name == "mutated":
            held = bytearray(base)
            for _ in range(dice.randrange(1, 30)):
                held[dice.randrange(len(held))] = dice.randrange(256)
            data = bytes(held)
        else:
            packed = bytearray(gzip.compress(base))
            held = packed[: dice.randrange(len(packed))]
            if held and dice.random() < 0.5:
                held[dice.randrange(len(held))] ^= 1 << dice.randrange(8)
            data = bytes(held)
        path = written(tmp_path, f"{number}.txt", data)
        try:
            texts = read_texts(path)
        except RnnmuseError as error:
            assert len(str(error).splitlines()) == 1
            assert path.name in str(error)
        else:
            good += 1
            alphabet = alphabet_of("\n".join(lines) for lines in texts)
            assert all(k >= 1 for lines in texts for line in lines for k in alphabet.encode(line))
    if name == "mutated":
        assert good < 100


@pytest.mark.parametrize(
    "text",
    ["\ud800 alone \udfff", "שלום עולם\nمرحبا بالعالم", "😀👩‍👩‍👧‍👦🏴‍☠️" * 50, "x" * 10**7, "\0" * 10, "\n\n\n", ""],
    ids=["surrogates", "right to left", "emoji", "ten megabytes in a line", "nulls", "blank", "empty"],
)  # fmt: skip
def test_strange_texts(tmp_path, text):
    path = written(tmp_path, "s.txt", text.encode("utf-8", "surrogatepass"))
    try:
        texts = load_texts([path], RECIPE)
    except RnnmuseError as error:
        assert len(str(error).splitlines()) == 1
        return
    alphabet = alphabet_of(texts.train)
    row = Row.of(texts.train, alphabet, grid=False)
    assert row.classes.max() < len(alphabet)
    assert row.classes[0] == row.classes[-1] == 0


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ("{", "line 1 is not JSON"),
        ("[1]", "line 1 is list"),
        ('{"a": 1}', "neither a text"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_records_that_are_none_are_named(tmp_path, data, named):
    with pytest.raises(RnnmuseError, match=named):
        read_texts(written(tmp_path, "r.jsonl", data))


def test_a_folder_without_text_is_named(tmp_path):
    with pytest.raises(RnnmuseError, match="no text to learn from"):
        load_texts([tmp_path], RECIPE)
    with pytest.raises(OSError, match="nowhere"):
        load_texts([tmp_path / "nowhere"], RECIPE)


def test_regulated_verse_is_kept_and_the_rest_is_not():
    assert regulated(["白日依山盡，黃河入海流。", "欲窮千里目，更上一層樓。"]) == [
        "白日依山盡", "黃河入海流", "欲窮千里目", "更上一層樓",
    ]  # fmt: skip
    assert regulated(["白日依山盡，黃河入海流。"]) is None
    assert regulated(["白日依□盡，黃河入海流。", "欲窮千里目，更上一層樓。"]) is None
    assert regulated(["白日依山盡，黃河入海。", "欲窮千里目，更上一層樓。"]) is None


def test_splits_are_a_twentieth_and_stay():
    names = [split_of(str(i)) for i in range(4000)]
    assert 120 < names.count("validation") < 280
    assert split_of("x") == split_of("x")


def test_a_row_has_a_place_for_every_character_of_verse():
    poem = "白日依山盡\n黃河入海流\n欲窮千里目\n更上一層樓\n"
    row = Row.of([poem, poem], alphabet_of([poem]), grid=True)
    assert row.places is not None
    assert len(row.places) == len(row.classes) == 2 * (4 * 6 + 1) + 1
    assert (np.flatnonzero(row.places == 0) == np.flatnonzero(row.classes == 0)).all()


def test_a_recipe_survives_its_file(tmp_path):
    recipe = RECIPE.changed(verse="regulated", data=({"origin": "h'ere", "select_book": "a"},), tail=True)
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_text(recipe))
    assert read_recipe(path, TextRecipe) == recipe


@pytest.mark.parametrize(
    ("change", "named"),
    [({"lanes": 0}, "lanes: 0"), ({"layers": 1.5}, r"layers: 1\.5"), ({"unknown": 1.0}, r"unknown: 1\.0"),
     ({"verse": "haiku"}, "verse: 'haiku'"), ({"learning_rate": float("nan")}, "learning_rate: nan"),
     ({"weight_decay": -1}, "weight_decay: -1")],
)  # fmt: skip
def test_settings_that_cannot_be_are_named(change, named):
    with pytest.raises(ValueError, match=named):
        RECIPE.changed(**change)
