import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.models.sampling import draw, sample

LOGITS = np.log(np.array([0.5, 0.25, 0.15, 0.1], np.float32))


@pytest.fixture(params=["few", "many", "weights"])
def frequencies(request):
    """How often each class is drawn, by each of the ways to draw."""
    many = np.concatenate([LOGITS, np.full(20, -1e9, np.float32)])

    def count(total=20_000, mask=None, **settings):
        random = Random(1)
        if request.param == "few":
            drawn = [sample(LOGITS, random, mask=mask, **settings) for _ in range(total)]
        else:
            wide = None if mask is None else np.concatenate([mask, np.ones(20, bool)])
            way, values = (sample, many) if request.param == "many" else (draw, 7 * np.exp(many))
            drawn = [way(values, random, mask=wide, **settings) for _ in range(total)]
        return np.bincount(drawn, minlength=4) / total

    return count


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_the_softmax(frequencies, temperature):
    want = np.exp(LOGITS / temperature)
    np.testing.assert_allclose(frequencies(temperature=temperature), want / want.sum(), atol=0.015)


def test_the_nucleus_is_the_smallest_set_that_holds_enough(frequencies):
    np.testing.assert_allclose(frequencies(top_p=0.7), [2 / 3, 1 / 3, 0, 0], atol=0.015)
    np.testing.assert_allclose(frequencies(top_p=0.4), [1, 0, 0, 0])


def test_a_mask_leaves_the_proportions_of_the_rest(frequencies):
    mask = np.array([False, True, False, True])
    np.testing.assert_allclose(frequencies(mask=mask), [0, 0.25 / 0.35, 0, 0.1 / 0.35], atol=0.015)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=40), st.floats(0, 5), st.floats(0.01, 1), st.integers())
def test_whatever_the_logits_the_class_is_allowed(values, temperature, top_p, seed):
    logits = np.array(values, np.float32)
    mask = np.array([i % 2 == len(values) % 2 for i in range(len(values))])
    if mask.any():
        assert mask[sample(logits, Random(seed), temperature, top_p, mask)]
        assert mask[draw(np.exp(logits / 4), Random(seed), temperature, top_p, mask)]
    assert 0 <= sample(logits, Random(seed), temperature, top_p) < len(values)


@pytest.mark.parametrize("steep", [-200.0, -6.0, -0.5, 0.5, 6.0, 200.0])
@pytest.mark.parametrize("allowed", [range(32), range(3), range(20, 32), (0, 31)])
@pytest.mark.parametrize("temperature", [0.0, 0.001, 1.0, 5.0])
def test_a_lean_of_any_size_draws_as_logits_do(steep, allowed, temperature):
    logits = np.linspace(-18, 0, 32, dtype=np.float32) * np.tile([1, 0.5], 16).astype(np.float32)
    lean, mask = np.arange(32, dtype=np.float32) * np.float32(steep), np.isin(np.arange(32), allowed)
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        drawn = [draw(np.exp(logits), Random(k), temperature, 0.9, mask, lean) for k in range(40)]
    assert drawn == [sample(logits + lean, Random(k), temperature, 0.9, mask) for k in range(40)]


def test_a_lean_to_a_class_that_cannot_come_is_none():
    weights, lean = np.array([0, 1e-8, 1e-8, 0, 0, 0, 1], np.float32), np.array([500, 0, 0, 0, 0, 0, -500], np.float32)
    assert {draw(weights, Random(k), lean=lean) for k in range(30)} == {1, 2}
    with pytest.raises(ValueError, match="mask"):
        draw(weights, Random(0), mask=weights > 1, lean=lean)


def test_temperature_zero_is_the_likeliest_and_no_class_is_an_error():
    assert all(sample(LOGITS, Random(i), 0.0) == 0 for i in range(20))
    with pytest.raises(ValueError, match="mask"):
        sample(LOGITS, Random(0), mask=np.zeros(4, bool))
    with pytest.raises(ValueError, match="mask"):
        draw(np.exp(LOGITS), Random(0), mask=np.zeros(4, bool))
    assert all(draw(np.exp(LOGITS), Random(i), 0.0) == 0 for i in range(20))
    assert math.isclose(float(np.exp(LOGITS).sum()), 1, rel_tol=1e-5)
