"""The sliced Wasserstein distance against a second computation, and as a measure."""

import numpy as np
import pytest
import torch

from rnnmuse.train.cover.wasserstein import blurred, distances, patches, pyramid, random_directions, sliced


def test_one_dimension_is_the_transport_of_sorted_values():
    """Against the optimal assignment, by trying every one."""
    from itertools import permutations

    a, b = torch.tensor([[0.3], [2.0], [-1.0], [0.7]]), torch.tensor([[1.0], [0.1], [5.0], [-2.0]])
    best = min(sum(abs(float(a[i]) - float(b[j])) for i, j in enumerate(order)) / 4 for order in permutations(range(4)))
    assert float(sliced(a, b, torch.ones(1, 1))) == pytest.approx(best)


def test_the_pyramid_adds_up_to_the_picture():
    images = torch.rand(2, 3, 64, 64)
    fine, middle, rest = pyramid(images)
    assert [level.shape[-1] for level in (fine, middle, rest)] == [64, 32, 16]
    for level in (middle, fine):
        wide = torch.zeros(2, 3, level.shape[-1], level.shape[-1])
        wide[..., ::2, ::2] = rest
        rest = level + 4 * blurred(wide)
    assert torch.allclose(rest, images, atol=1e-5)


def test_patches_are_where_they_were_asked_for():
    level = torch.arange(2 * 3 * 16 * 16.0).view(2, 3, 16, 16)
    found = patches(level, torch.tensor([[2], [5]]), torch.tensor([[3], [9]]))
    assert torch.equal(found[0], level[0, :, 2:9, 3:10].reshape(3, 49))
    assert torch.equal(found[1], level[1, :, 5:12, 9:16].reshape(3, 49))


def test_it_is_small_for_one_source_and_grows_with_blur():
    torch.manual_seed(0)
    a, b = torch.randn(60, 3, 64, 64), torch.randn(90, 3, 64, 64)
    same, other = distances(a, b), distances(blurred(a), b)
    assert set(same) == {64, 32, 16}
    assert same[64] < 15  # of two samples of one source
    assert other[64] > 5 * same[64]
    assert distances(a, b) == same


def test_the_gradient_points_towards_the_other_set():
    torch.manual_seed(1)
    a, b = torch.randn(64, 12, requires_grad=True), torch.randn(64, 12) * 2 + 1
    before = sliced(a, b, random_directions(50, 12, None)[:12])
    before.backward()
    moved = (a - 20 * a.grad).detach()
    assert sliced(moved, b, random_directions(50, 12, None)[:12]) < before
    assert np.isfinite(a.grad.numpy()).all()
