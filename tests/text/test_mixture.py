"""Faders, held against the sum and the product taken by hand."""

from random import Random

import numpy as np
import pytest

from rnnmuse.text.mixture import Mixture


def by_hand(model, text):
    logits, _ = model.read(text)
    scores = logits[0, 2:].astype(np.float64)
    share = np.exp(scores - scores.max())
    return dict(zip(model.alphabet.characters, share / share.sum(), strict=True))


@pytest.fixture(scope="module")
def pair(new_text_model):
    return new_text_model("one", "\n abcde", seed=1), new_text_model("two", "\n cdefg", seed=2)


def test_linear_is_the_weighted_mean(pair):
    mixed = Mixture(pair, {"one": 3.0, "two": 1.0})
    mixed.hear("cad ")
    one, two = (by_hand(model, "cad ") for model in pair)
    for c, share in zip(mixed.characters, mixed.share(), strict=True):
        assert share == pytest.approx(0.75 * one.get(c, 0.0) + 0.25 * two.get(c, 0.0), abs=1e-6)


def test_product_is_the_weighted_product_over_what_both_know(pair):
    mixed = Mixture(pair, {"one": 1.0, "two": 1.0})
    mixed.kind = "product"
    mixed.hear("de ")
    one, two = (by_hand(model, "de ") for model in pair)
    both = {c: (one[c] * two[c]) ** 0.5 if c in one and c in two else 0.0 for c in mixed.characters}
    for c, share in zip(mixed.characters, mixed.share(), strict=True):
        assert share == pytest.approx(both[c] / sum(both.values()), abs=1e-6)


def test_a_fader_that_is_down_is_silent_and_one_that_comes_up_has_read_the_text(pair):
    mixed = Mixture(pair, {"one": 1.0, "two": 0.0})
    mixed.hear("abc")
    assert {c for c, s in zip(mixed.characters, mixed.share(), strict=True) if s > 0} == set("\n abcde")
    mixed.fade("one", 0)
    mixed.fade("two", 1)
    two = by_hand(pair[1], "abc")
    assert dict(zip(mixed.characters, mixed.share(), strict=True))["g"] == pytest.approx(two["g"], abs=1e-6)


def test_all_faders_down_and_mistakes(pair):
    mixed = Mixture(pair, {"one": 0.0, "two": 0.0})
    assert mixed.share().sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="'three'"):
        mixed.fade("three", 1)
    with pytest.raises(ValueError, match="nan"):
        mixed.fade("one", float("nan"))


def test_the_same_seed_writes_the_same_and_a_saved_place_comes_back(pair):
    mixed = Mixture(pair)
    saved = mixed.save()
    random = Random(1)
    first = "".join(mixed.next(random) for _ in range(40))
    mixed.restore(saved)
    random = Random(1)
    assert "".join(mixed.next(random) for _ in range(40)) == first
