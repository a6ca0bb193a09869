"""The number format that is computed faster is taken."""

import pytest
import torch

from rnnmuse.train import loop, precision
from rnnmuse.train.precision import half_is_faster


@pytest.fixture(autouse=True)
def fresh():
    half_is_faster.cache_clear()
    yield
    half_is_faster.cache_clear()


@pytest.mark.parametrize(("half", "single", "wanted"), [(1.0, 2.0, True), (8.0, 1.0, False)])
def test_the_faster_one_is_taken(monkeypatch, half, single, wanted):
    monkeypatch.setattr(precision, "_seconds", {torch.bfloat16: half, torch.float32: single}.get)
    assert half_is_faster() is wanted
    assert loop.started(1, 1).strategy.precision.precision == ("bf16-mixed" if wanted else "32-true")


def test_products_are_really_timed():
    assert precision._seconds(torch.float32) > 0
    assert precision._seconds(torch.bfloat16) > 0
