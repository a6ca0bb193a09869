"""Ways through the latent space."""

import itertools
from random import Random

import numpy as np
import pytest

from rnnmuse.models.latent import along, evenly, mean, neighbour, over_pad, place_of, slerp, straight
from rnnmuse.models.phrase import Space


def points(count, size=96, seed=1):
    return [p.astype(np.float32) for p in np.random.default_rng(seed).normal(size=(count, size))]


def test_the_arc_keeps_the_length_that_the_line_loses():
    a, b = points(2)
    want = (np.linalg.norm(a) + np.linalg.norm(b)) / 2
    assert np.linalg.norm(slerp(a, b, 0.5)) == pytest.approx(want, rel=1e-4)
    assert np.linalg.norm(straight(a, b, 0.5)) < 0.8 * want
    np.testing.assert_allclose(slerp(a, b, 0.0), a, atol=1e-5)
    np.testing.assert_allclose(slerp(a, b, 1.0), b, atol=1e-5)
    turns = [slerp(a, b, k / 10) for k in range(11)]
    steps = [np.linalg.norm(y - x) for x, y in itertools.pairwise(turns)]
    assert max(steps) / min(steps) < 1.1  # at an even pace


def test_opposite_and_empty_points_have_a_way_too():
    (a,) = points(1)
    assert np.isfinite(slerp(a, -a, 0.3)).all()
    assert np.isfinite(slerp(a, 0 * a, 0.3)).all()
    np.testing.assert_allclose(slerp(a, a, 0.4), a, atol=1e-5)


def test_of_the_phrases_on_a_way_those_are_taken_that_never_turn_back():
    away = [0.0, 0.1, 0.3, 0.2, 0.5, 0.4, 0.9, 1.0]
    left = [1.0, 0.9, 0.6, 0.8, 0.7, 0.5, 0.2, 0.0]
    assert evenly(away, left, 2) == [0, 7]
    for count in range(3, 7):
        found = evenly(away, left, count)
        assert found[0] == 0
        assert found[-1] == 7
        assert len(set(found)) == count
        assert all(away[i] <= away[j] and left[i] >= left[j] for i, j in itertools.pairwise(found))
    random = np.random.default_rng(3)  # against every choice there is
    for _ in range(20):
        inner = np.sort(random.random(7)) + random.normal(0, 0.1, 7)
        away = [0.0, *np.clip(inner, 0, 1), 1.0]
        left = [1.0, *np.clip(1 - inner + random.normal(0, 0.1, 7), 0, 1), 0.0]

        def cost(chosen, away=away, left=left):
            place = [(away[i] - left[i] + 1) / 2 for i in chosen]
            rough = sum((p - k / (len(chosen) - 1)) ** 2 for k, p in enumerate(place))
            return rough + sum(i == j for i, j in itertools.pairwise(chosen))

        every = [
            (0, *some, 8)
            for some in itertools.combinations_with_replacement(range(9), 3)
            if all(away[i] <= away[j] and left[i] >= left[j] for i, j in itertools.pairwise((0, *some, 8)))
        ]
        assert cost(evenly(away, left, 5)) == pytest.approx(min(map(cost, every)))


def test_where_there_is_nothing_between_the_ends_a_way_waits_there():
    assert set(evenly([0.0, 1.0], [1.0, 0.0], 5)) == {0, 1}
    assert set(evenly([0.0, 1.5, 1.0], [1.0, 0.5, 0.0], 4)) == {0, 2}  # the middle is farther off than the end


def test_a_mean_is_as_long_as_its_points():
    many = points(5)
    assert np.linalg.norm(mean(many)) == pytest.approx(np.mean([np.linalg.norm(p) for p in many]), rel=1e-4)
    np.testing.assert_allclose(mean(many[:1]), many[0], atol=1e-5)
    with pytest.raises(ValueError, match="points: none"):
        mean([])


def test_a_neighbour_of_the_normal_distribution_is_of_it():
    random = Random(1)
    found = np.array([neighbour(p, 0.5, random) for p in points(400)])
    assert abs(found.mean()) < 0.02
    assert found.std() == pytest.approx(1, abs=0.02)
    (a,) = points(1)
    np.testing.assert_allclose(neighbour(a, 0.0, random), a, atol=1e-6)
    with pytest.raises(ValueError, match="amount: 2"):
        neighbour(a, 2, random)


def test_the_pad_is_each_point_at_its_place_and_near_it_nearly():
    many, where = points(4), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]
    for place, point in zip(where, many, strict=True):
        np.testing.assert_array_equal(over_pad(where, many, *place), point)
        near = over_pad(where, many, abs(place[0] - 0.01), abs(place[1] - 0.01))
        assert np.dot(near, point) / np.linalg.norm(near) / np.linalg.norm(point) > 0.99


def space():
    random = np.random.default_rng(4)
    axes = random.normal(size=(4, 20)).astype(np.float32)
    quantiles = np.sort(random.normal(size=(4, 21)) * 4, axis=1).astype(np.float32)
    empty = np.zeros((0, 0), np.float32)
    return Space(2, 20, axes, np.arange(4, dtype=np.float32), quantiles, empty, (empty, empty), (empty, empty))


def test_along_an_axis_the_others_that_are_asked_stay_and_the_way_is_the_shortest():
    own = space()
    (start,) = points(1, 20)
    moved = along(own, start, {0: 0.8, 2: 0.3})
    assert place_of(own, moved, 0) == pytest.approx(0.8, abs=1e-3)
    assert place_of(own, moved, 2) == pytest.approx(0.3, abs=1e-3)
    step = moved - start
    inside = np.linalg.lstsq(own.axes[[0, 2]].T, step, rcond=None)[0]
    np.testing.assert_allclose(own.axes[[0, 2]].T @ inside, step, atol=1e-4)
    assert along(own, start, {}) is start
