"""Themes: words that go with a word, and poems that keep to them."""

import pytest

from rnnmuse.errors import RnnmuseError
from rnnmuse.text.author import Author
from rnnmuse.text.pronounce import plain, words_of
from rnnmuse.text.themes import MOST, RELATED, STRENGTH, Themes, likings, themes


def test_related_words_go_with_the_word():
    near = {word for word, _ in themes().related(["sea"], 40)}
    assert {"sea", "waves", "ocean", "ship", "shore"} <= near
    assert "winter" not in near
    assert "snow" in {word for word, _ in themes().related(["winter"], 40)}


def test_the_nearest_word_is_liked_most():
    liked = likings(["sea"])
    assert len(liked) == RELATED
    assert max(liked, key=lambda word: liked[word]) == "sea"
    assert max(liked.values()) == STRENGTH
    assert likings([]) == {}


@pytest.mark.parametrize(("theme", "error"), [(["zzyzx"], RnnmuseError), (["sea"] * (MOST + 1), ValueError)])
def test_wishes_that_cannot_be_met_are_named(theme, error):
    with pytest.raises(error, match="theme"):
        likings(theme)


def test_a_poem_keeps_to_its_theme(text_model):
    author, near = Author(text_model), set(likings(["sea"]))

    def share(**wishes):
        lines = [line for seed in range(3) for line in author.poem("ballad", seed=seed, **wishes)]
        return sum(not near.isdisjoint(map(plain, words_of(line))) for line in lines) / len(lines)

    assert share(theme=["sea"]) >= share() + 0.3


def test_a_table_comes_back_from_its_file(tmp_path):
    themes().save(tmp_path / "t.npz")
    assert Themes.load(tmp_path / "t.npz").related(["sea"], 9) == themes().related(["sea"], 9)
