import math

import pytest

from rnnmuse.events import Note
from rnnmuse.music.analysis import STATISTICS, statistics
from rnnmuse.music.piece import Metre, Part, Piece


def piece(notes, drum=False, **maps):
    return Piece([Part(notes=sorted(notes), drum=drum)], **maps)


def test_a_scale_played_once():
    found = statistics(piece([Note(i, p, 1.0, 64) for i, p in enumerate([60, 62, 64, 65, 67, 69, 71, 72])]))
    assert tuple(found) == STATISTICS
    assert found["pitch-class entropy"] == pytest.approx(-(6 / 8 * math.log2(1 / 8) + 2 / 8 * math.log2(2 / 8)))
    assert found["scale consistency"] == 1.0
    assert found["polyphony"] == pytest.approx(1.0)
    assert found["inter-onset entropy"] == 0.0
    assert found["note length"] == 1.0
    assert found["repeated 8-grams"] == 0.0
    assert found["empty bars"] == 0.0
    assert found["velocity spread"] == 0.0


def test_foreign_notes_silence_and_spread_are_counted():
    notes = [Note(0, 60, 1.0, 40), Note(0, 61, 1.0, 80), Note(0, 62, 2.0, 40), Note(12, 63, 1.0, 80)]
    found = statistics(piece(notes))
    assert found["scale consistency"] == 0.75  # C# harmonic minor has 60, 61, 63; so have others
    assert found["polyphony"] == pytest.approx((3 + 1 + 1) / 3)
    assert found["empty bars"] == pytest.approx(2 / 4)
    assert found["velocity spread"] == pytest.approx(20.0)


def test_a_loop_repeats_itself():
    notes = [Note(i * 0.5, 60 + i % 4, 0.5) for i in range(64)]
    assert statistics(piece(notes))["repeated 8-grams"] > 0.85
    assert statistics(piece(notes), bars=1)["repeated 8-grams"] == 0.0


def test_drums_are_measured_as_drums():
    notes = [Note(i * 0.5, (36, 42, 38, 42)[i % 4], 0.1) for i in range(16)] + [Note(0, 49, 0.1)]
    found = statistics(piece(notes, drum=True))
    assert found["scale consistency"] == 1.0
    assert found["polyphony"] == pytest.approx(17 / 16)
    assert found["note length"] == pytest.approx(0.5)


def test_silence_and_short_pieces():
    assert statistics(Piece())["empty bars"] == 1.0
    short = piece([Note(0, 60, 3.0)], metres=[Metre(0.0, 3, 4)])
    assert statistics(short, bars=16)["empty bars"] == 0.0
