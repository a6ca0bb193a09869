from random import Random

import pytest

from rnnmuse.errors import RnnmuseError
from rnnmuse.models.fingerprint import Fingerprint
from rnnmuse.text.author import Author
from rnnmuse.text.writer import Settings, Writer


def writer(model, seed=1, **settings):
    return Writer(model, Settings(**settings), Random(seed))


@pytest.mark.parametrize("length", [1, 37, 400])
def test_so_many_characters(text_model, length):
    assert len(writer(text_model).text(length)) == length


def test_so_many_words_lines_and_poems(text_model):
    assert len([w for w in writer(text_model).text(20, "words").split() if any(c.isalnum() for c in w)]) >= 20
    lines = [line for line in writer(text_model).text(7, "lines").split("\n") if line]
    assert len(lines) == 7
    assert writer(text_model).text(2, "poems")


def test_streaming_is_the_same_text(text_model):
    author = Author(text_model)
    pieces = list(author.stream(200, seed=3, prompt="Once"))
    assert "".join(pieces) == author.text(200, seed=3, prompt="Once")
    assert len(pieces) > 100


def test_banned_words_never_end(text_model):
    text = writer(text_model, temperature=1.5, banned=("a", "i", "s", "t")).text(4000).lower()
    words = {w.strip("'") for w in "".join(c if c.isalnum() or c == "'" else " " for c in text).split()}
    assert not words & {"a", "i", "s", "t"}


def test_required_words_come(text_model):
    for unit, length in (("characters", 300), ("words", 40), ("lines", 6)):
        text = writer(text_model, required=("zebra", "moon")).text(length, unit)
        assert "zebra " in text
        assert "moon " in text


def test_a_prompt_of_unknown_characters_is_read(text_model):
    made = writer(text_model)
    made.hear("春😀\ud800 שלום")
    assert len(made.text(30)) == 30


def test_no_heat_is_the_likeliest(text_model):
    assert writer(text_model, 1, temperature=0.0).text(50) == writer(text_model, 2, temperature=0.0).text(50)


def test_what_quotes_the_training_text_is_written_anew(text_model):
    first = writer(text_model).text(120)
    held = text_model.training
    try:
        text_model.training = Fingerprint.of([first])
        assert writer(text_model).text(120) != first
    finally:
        text_model.training = held


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda m: Settings(temperature=9), "temperature: 9"),
        (lambda m: Settings(top_p=0), "top_p: 0"),
        (lambda m: Settings(banned=("two words",)), "banned: 'two words'"),
        (lambda m: Settings(banned=("a",), required=("A",)), "banned too"),
        (lambda m: writer(m).text(0), "length: 0"),
        (lambda m: writer(m).text(3, "pages"), "unit: 'pages'"),
        (lambda m: writer(m, required=("春",)).text(50), "春"),
        (lambda m: writer(m, required=("word",) * 3).text(5), "do not fit"),
    ],
)
def test_mistakes_are_named(text_model, wrong, named):
    with pytest.raises((ValueError, RnnmuseError), match=named):
        wrong(text_model)
