"""The axes' attributes on phrases whose values can be counted by hand."""

import numpy as np
import pytest

from rnnmuse.events import Note
from rnnmuse.music.attributes import attributes, distance, sounding, syncopation
from rnnmuse.music.phrases import drum_grid, melody_grid


def test_a_rising_scale_rises_and_has_no_syncopation():
    notes = [Note(float(k), 60 + 2 * k, 1.0) for k in range(8)]
    density, register, sync, contour = attributes(melody_grid(notes, 2)[0])
    assert (density, register, sync) == (4, 67, 0)
    assert contour == pytest.approx(8.0)


def test_syncopation_is_that_of_longuet_higgins_and_lee():
    on = np.zeros(16, bool)
    on[[0, 3, 6, 8]] = True  # 3 is weak (-4) and held over 4 (-2): 2; 6 (-3) goes on to 8
    assert syncopation(on) == 2
    tresillo = np.zeros(16, bool)
    tresillo[[0, 3, 6, 11, 12]] = True  # 3 over 4: 2; 6 (-3) over 8 (-1): 2; 11 goes on to 12
    assert syncopation(tresillo) == 4
    assert syncopation(np.zeros(16, bool)) == 0


def test_drums_are_bright_and_loud():
    notes = [Note(0.0, 36, 0.1, 100), Note(1.0, 42, 0.1, 40), Note(2.0, 49, 0.1, 40), Note(3.0, 38, 0.1, 100)]
    density, sync, bright, loud = attributes(drum_grid(notes, 1)[0])
    assert (density, sync, bright) == (4, 0, 0.5)
    assert loud == pytest.approx(72, abs=1)


def test_silence_has_no_attributes():
    assert attributes(melody_grid([], 2)[0]) == (0, 0, 0, 0)
    assert attributes(drum_grid([], 2)[0]) == (0, 0, 0, 0)


def test_distance_is_0_of_the_same_and_1_of_a_note_and_silence():
    rest = np.array([[1, 0, 12]] * 4, np.int16)
    note = np.array([[62, 10, 12], [0, 0, 12], [0, 0, 12], [0, 0, 12]], np.int16)
    assert distance(note, note) == 0
    assert distance(note, rest) == pytest.approx((1 / 4 + 1) / 2)
    assert sounding(note).tolist() == [60] * 4
    octave = note + np.array([[12, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]], np.int16)
    assert distance(note, octave) == 0.5


def test_distance_of_drums_is_the_share_of_hits_that_only_one_has():
    one = drum_grid([Note(0.0, 36, 0.1, 100), Note(1.0, 38, 0.1, 40), Note(2.0, 36, 0.1, 40)], 1)[0]
    two = drum_grid([Note(0.0, 36, 0.1, 50), Note(1.0, 42, 0.1, 40), Note(2.0, 36, 0.1, 40)], 1)[0]
    assert distance(one, one) == 0
    assert distance(one, two) == pytest.approx(2 / 4)
