"""The grid of sixteenths: what is written is read, rests and holds exact."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.events import Note
from rnnmuse.music.phrases import (
    BAR,
    DRUM_OF,
    DRUM_PITCHES,
    HOLD,
    ON_GRID,
    ONSET,
    REST,
    UNKNOWN,
    context_grid,
    drum_grid,
    drum_notes,
    melody_grid,
    melody_notes,
    transposed,
)
from rnnmuse.music.piece import ChordSymbol, Key, Piece
from rnnmuse.music.theory import QUALITIES

NOTE = st.tuples(st.integers(0, 127), st.integers(0, 31), st.integers(0, 24), st.integers(1, 20))


@st.composite
def melodies(draw):
    """Any melody phrase of one or two bars: rests and notes in a row."""
    bars = draw(st.sampled_from([1, 2]))
    grid = np.zeros((bars * BAR, 3), np.int16)
    grid[:, 0], grid[:, 2] = REST, ON_GRID
    step = draw(st.integers(0, 8))
    while step < len(grid):
        pitch, velocity, micro, length = draw(NOTE)
        grid[step] = (ONSET + pitch, velocity, micro)
        grid[step + 1 : step + length, 0] = HOLD
        step += length + draw(st.sampled_from([0, 0, 1, 5]))
    return grid


@given(melodies())
def test_a_melody_comes_back_from_its_notes(grid):
    back, lost = melody_grid(melody_notes(grid), len(grid) // BAR)
    assert lost == 0
    np.testing.assert_array_equal(back, grid)


@given(melodies(), st.floats(0, 1))
def test_notes_of_a_melody_never_overlap_and_humanise_0_is_on_the_grid(grid, humanise):
    notes = melody_notes(grid, humanise)
    assert all(a.end <= b.start + 1e-9 and a.duration > 0 for a, b in itertools.pairwise(notes))
    assert all(abs(n.start * 4 - round(n.start * 4)) < 1e-9 for n in melody_notes(grid, 0))


DRUM_STEPS = st.dictionaries(
    st.tuples(st.integers(0, 31), st.integers(0, 8)), st.tuples(st.integers(0, 31), st.integers(0, 24)), max_size=40
)


@given(DRUM_STEPS)
def test_drums_come_back_from_their_strokes(hits):
    grid = np.zeros((32, 9, 3), np.int16)
    grid[..., 2] = ON_GRID
    for (step, drum), (velocity, micro) in hits.items():
        grid[step, drum] = (1, velocity, micro)
    back, lost = drum_grid(drum_notes(grid), 2)
    assert lost == 0
    np.testing.assert_array_equal(back, grid)


def test_notes_that_meet_on_a_step_are_counted_as_lost():
    notes = [Note(0.0, 60, 1.0), Note(0.05, 64, 0.5), Note(1.0, 62, 1.0), Note(9.0, 60, 1.0)]
    grid, lost = melody_grid(notes, 2)
    assert lost == 1
    assert grid[0, 0] == ONSET + 60
    assert grid[4, 0] == ONSET + 62
    assert (grid[1:4, 0] == HOLD).all()
    assert (grid[8:, 0] == REST).all()


def test_a_triplet_keeps_its_place_to_a_25th_of_a_sixteenth():
    notes = [Note(k / 3, 60 + k, 1 / 3) for k in range(3)]
    back = melody_notes(melody_grid(notes, 1)[0])
    assert [n.pitch for n in back] == [60, 61, 62]
    for a, b in zip(notes, back, strict=True):
        assert b.start == pytest.approx(a.start, abs=0.005)


def test_the_nine_drums_are_themselves():
    assert [DRUM_OF[pitch] for pitch in DRUM_PITCHES] == list(range(9))


def test_context_follows_keys_and_chords():
    piece = Piece(keys=[Key(0.0, 9, True)], chords=[ChordSymbol(1.0, "Dm7"), ChordSymbol(2.0, "N.C.")])
    rows = context_grid(piece, 0.0, 1)
    assert rows[0].tolist() == [21, *UNKNOWN[1:]]
    assert rows[4].tolist() == [21, 2, QUALITIES.index("min7")]
    assert rows[8].tolist() == [21, *UNKNOWN[1:]]


@given(melodies(), st.integers(-24, 24))
def test_transposing_and_back_is_the_same_where_nothing_leaves_the_range(grid, semitones):
    context = np.tile(np.array([3, 5, 1], np.int16), (len(grid), 1))
    up, around = transposed(grid, context, semitones)
    on = grid[:, 0] >= ONSET
    moved = (up[on, 0] - grid[on, 0]).tolist()
    assert len(set(moved)) <= 1
    if moved:
        assert (moved[0] - semitones) % 12 == 0
    assert ((around[:, 0] - 3 - semitones) % 12 == 0).all()
