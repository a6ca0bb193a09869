import numpy as np
import pytest

from rnnmuse.music.piece import ChordSymbol, Metre, Piece
from rnnmuse.play.limits import Constraints, Rules


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"scale": frozenset()}, "scale"),
        ({"scale": frozenset({12})}, "12"),
        ({"low": 70, "high": 60}, "low, high"),
        ({"high": 128}, "128"),
        ({"polyphony": 0}, "polyphony"),
        ({"density": 0.0}, "density"),
        ({"rest": -1.0}, "rest"),
        ({"parts": frozenset()}, "parts"),
        ({"scale": frozenset({0}), "low": 61, "high": 70}, "no note of the scale"),
    ],
)
def test_a_limit_that_cannot_be_is_named(change, named):
    with pytest.raises(ValueError, match=named):
        Constraints(**change)


def rules(constraints: Constraints, piece: Piece | None = None) -> Rules:
    return Rules(constraints, piece or Piece(), drums=1, parts=2)


def test_pitches_are_the_scale_within_the_range_and_drums_are_free():
    made = rules(Constraints(scale=frozenset({0, 4, 7}), low=60, high=72))
    assert np.flatnonzero(made.pitches(0, 5)).tolist() == [60, 64, 67, 72]
    assert made.pitches(1, 5).all()


def test_chord_tones_hold_on_strong_beats_only():
    piece = Piece(chords=[ChordSymbol(0.0, "C"), ChordSymbol(4.0, "Am")])
    made = rules(Constraints(chord_tones=True, low=60, high=71), piece)
    assert np.flatnonzero(made.pitches(0, 0)).tolist() == [60, 64, 67]
    assert np.flatnonzero(made.pitches(0, 4 * 24)).tolist() == [60, 64, 69]
    assert made.pitches(0, 24).sum() == 12


def test_the_scale_outranks_a_chord_outside_it():
    piece = Piece(chords=[ChordSymbol(0.0, "F#")])
    made = rules(Constraints(scale=frozenset({0, 2, 4, 5, 7, 9}), chord_tones=True), piece)
    assert np.flatnonzero(made.pitches(0, 0) & (np.arange(128) < 12)).tolist() == [0, 2, 4, 5, 7, 9]


@pytest.mark.parametrize(
    ("metre", "strong"),
    [((4, 4), {0, 48}), ((3, 4), {0}), ((6, 8), {0, 36}), ((2, 4), {0, 24}), ((5, 4), {0})],
)
def test_strong_beats(metre, strong):
    made = rules(Constraints(), Piece(metres=[Metre(0.0, *metre)]))
    bar = metre[0] * 96 // metre[1]
    assert {g for g in range(bar) if made.strong(g)} == strong
    assert made.strong(bar * 7)


def test_room_counts_one_part():
    made = rules(Constraints(polyphony=2, voices={0: 1}))
    assert not made.room([(0, 60)], 0)
    assert made.room([(0, 60)], 1)


def test_parts_outside_the_model_are_refused():
    with pytest.raises(ValueError, match="0 to 1"):
        rules(Constraints(parts=frozenset({7})))
