"""Which of several fillings stays."""

from rnnmuse.compose.infill import Filled, best
from rnnmuse.music.piece import Piece


def test_the_filling_of_the_least_surprise_stays_unless_its_melody_is_far_off():
    near, likely = Filled(Piece([]), 0, 8, 1.2, 0.2), Filled(Piece([]), 0, 8, 1.0, 0.9)
    assert best([near, likely], guidance=0.0) is likely
    assert best([near, likely], guidance=0.5) is near
    assert best([likely, near], guidance=0.5) is near


def test_without_a_phrase_model_the_join_alone_judges():
    nan = float("nan")
    one, two = Filled(Piece([]), 0, 8, 1.2, nan), Filled(Piece([]), 0, 8, 1.0, nan)
    assert best([one, two]) is two
