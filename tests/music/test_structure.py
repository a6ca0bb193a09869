"""Repetition, survival and key of windows whose answers are known by construction."""

import math

import numpy as np
import pytest

from rnnmuse.events import Note
from rnnmuse.music.piece import Key, Part, Piece
from rnnmuse.music.structure import (
    is_busy,
    onsets,
    outside_key,
    repetition,
    repetitions,
    self_similarity,
    snapped,
    survival,
)  # fmt: skip


def line(*bars: str, shift=(), step: float = 1.0) -> Part:
    """Bars of quarter notes, a letter each: a is C4, b is D-flat, and so on; - is a rest."""
    notes = []
    for number, bar in enumerate(bars):
        for place, letter in enumerate(bar):
            if letter != "-":
                up = shift[number] if shift else 0
                notes.append(Note(4 * number + place * step, 60 + ord(letter) - 97 + up, 0.5, 80))
    return Part("Line", notes=notes)


def found(*bars: str, **more):
    return repetition(onsets(line(*bars, **more), len(bars), 4.0))


def test_a_riff_is_repeated_as_it_was():
    riff = found("abcd", "efgh", "abcd", "efgh")
    assert (riff.exact, riff.rhythm) == (pytest.approx(2 / 3), 1.0)


def test_a_sequence_is_transposed_and_not_exact():
    up = found("aceg", "aceg", "aceg", "aceg", shift=(0, 2, 4, 7))
    assert (up.exact, up.transposed, up.rhythm) == (0.0, 1.0, 1.0)


def test_only_the_rhythm_returns():
    other = found("abcd", "ffaa", "hgec", "b-dc")
    assert (other.exact, other.transposed) == (0.0, 0.0)
    assert other.rhythm == pytest.approx(2 / 3)


def test_eight_bars_back_counts_and_nine_does_not():
    between = ["abba", "accc", "a-bb", "cdcd", "eeff", "hgfe", "g-g-"]
    assert found("abcd", *between, "abcd").exact == pytest.approx(1 / 8)
    assert found("abcd", *between, "ddd-", "abcd").exact == 0


def test_a_performers_timing_does_not_hide_a_riff():
    random = np.random.default_rng(1)
    part = line("abcd", "abcd", "abcd", "abcd")
    part.notes = [Note(n.start + random.normal(0, 0.03), n.pitch, 0.5, 80) for n in part.notes]
    assert repetition(onsets(part, 4, 4.0)).exact == 1
    assert [snapped(beat) for beat in (0.24, 0.34, 0.65, 0.98, -0.03)] == [6, 8, 16, 24, 0]


def test_drums_may_drop_a_ghost_note_and_change_the_instrument_of_a_kind():
    def bar(start, pitches):
        return [Note(start + i / 2, pitch, 0.1, 80) for i, pitch in enumerate(pitches) if pitch]

    kit = [36, 42, 38, 42, 36, 42, 38, 42]
    other = [36, 22, 38, 44, 36, 0, 40, 42]
    part = Part("Drums", drum=True, notes=bar(0, kit) + bar(4, other))
    rows = onsets(part, 2, 4.0)
    assert repetition(rows, drum=True).exact == 1
    assert math.isnan(repetition(rows, drum=True).transposed)
    assert (
        repetition(onsets(Part("x", drum=True, notes=bar(0, kit) + bar(4, [49, 0, 0, 0, 49])), 2, 4.0), True).exact == 0
    )


def test_only_busy_parts_are_named():
    held = Part("Pad", notes=[Note(4.0 * i, 60, 4.0, 80) for i in range(4)])
    piece = Piece([line("abcd", "abcd", "abcd", "abcd"), held])
    assert set(repetitions(piece, 4, 4.0)) == {"line"}
    assert is_busy(onsets(line("abcd", "----", "abcd", "----"), 4, 4.0))
    assert not is_busy(onsets(line("abcd", "----", "----", "----"), 4, 4.0))


def test_a_part_that_stops_does_not_survive():
    going, stopping = line("abcd", "abcd", "abcd", "abcd"), line("abcd", "abcd", "----", "----")
    assert survival(Piece([going, stopping]), 4, 4.0) == 0.5
    assert survival(Piece([going]), 4, 4.0) == 1
    assert math.isnan(survival(Piece([line("----", "abcd", "abcd", "abcd")]), 4, 4.0))


def test_notes_outside_a_key():
    notes = [Note(0.0, pitch, 1.0, 80) for pitch in (60, 62, 64, 66)]
    assert outside_key(notes, Key(0.0, 0)) == 0.25
    minor = [Note(0.0, pitch, 1.0, 80) for pitch in (57, 60, 64, 67, 68, 61)]
    assert outside_key(minor, Key(0.0, 9, True)) == pytest.approx(1 / 6), "G and G sharp belong to A minor"
    assert math.isnan(outside_key([]))


def test_likeness_of_bars_is_that_of_their_onsets():
    found = self_similarity(Piece([line("abcd", "abce", "abcd", "----")]), 4, 4.0)
    assert found.shape == (4, 4)
    assert found[0, 2] == 1
    assert found[0, 1] == pytest.approx(3 / 5)
    assert found[3].tolist() == [0, 0, 0, 0]
