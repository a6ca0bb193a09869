"""The examples in docstrings."""

import doctest
from importlib import import_module

import pytest

MODULES = (
    "rnnmuse.protocol",
    "rnnmuse.compose.muse",
    "rnnmuse.session.seat",
    "rnnmuse.music.theory",
    "rnnmuse.cli.play_file",
    "rnnmuse.bridges.osc",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name):
    result = doctest.testmod(import_module(name))
    assert result.attempted
    assert not result.failed
