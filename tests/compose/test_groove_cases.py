"""`groove` plays the whole kit, and leaves rolls even."""

from itertools import pairwise
from pathlib import Path

import pytest

from rnnmuse.compose.phrases import load_phrases
from rnnmuse.events import Note
from rnnmuse.music.piece import Part, Piece
from rnnmuse.music.read import read_music

CASES = Path(__file__).parents[1] / "cases"


def test_the_whole_kit_moves_however_many_tracks_it_is_spread_over():
    piece = read_music(CASES / "drums_three_tracks.mid")
    made = load_phrases("beats").groove(piece, 1.0, seed=1)
    assert [len(part.notes) for part in made.parts] == [len(part.notes) for part in piece.parts]
    for before, after in zip(piece.parts, made.parts, strict=True):
        assert before.notes != after.notes


def test_a_roll_in_32nds_stays_even():
    made = load_phrases("beats").groove(read_music(CASES / "hat_roll32.mid"), 1.0, seed=1)
    hats = sorted(n.start for n in made.notes if n.pitch == 42)
    roll = [later - earlier for earlier, later in pairwise(hats) if later - earlier < 0.2]
    assert len(roll) >= 7
    assert roll == pytest.approx([0.125] * len(roll), abs=0.01)


def test_a_beat_of_one_level_keeps_the_level_of_each_drum():
    pattern = {36: (0, 8, 10), 38: (4, 12), 42: range(0, 16, 2)}
    notes = [Note(4 * b + s / 4, p, 0.1, 100) for b in range(4) for p, steps in pattern.items() for s in steps]
    made = load_phrases("beats").groove(Piece([Part("Drums", 0, True, sorted(notes))]), 1.0, seed=3)
    for pitch in pattern:
        own = [n.velocity for n in made.parts[0].notes if n.pitch == pitch]
        assert sum(own) / len(own) == pytest.approx(100, abs=5)
        assert max(own) - min(own) > 4  # it is played, not programmed


def test_equal_taps_get_like_bars():
    notes = [Note(4 * b + s / 4, 38, 0.1, 96) for b in range(8) for s in (0, 6, 8, 14)]
    made = load_phrases("beats").groove(Piece([Part("Taps", 0, True, notes)]), seed=2, taps=True).parts[0].notes
    bars = [{(round(n.start * 4) - 16 * b, n.pitch) for n in made if 0 <= round(n.start * 4) - 16 * b < 16}
            for b in range(8)]  # fmt: skip
    for bar in bars[1:]:
        assert len(bars[0] & bar) >= 0.85 * len(bars[0] | bar)


def test_what_is_kept_stays_on_its_own_track_and_taps_finer_than_sixteenths_are_heard():
    parts = [Part("Kick", 0, True, [Note(b, 36, 0.1, 90) for b in range(8)]),
             Part("Snare", 0, True, [Note(b + 1.0, 38, 0.1, 80) for b in range(0, 8, 2)])]  # fmt: skip
    made = load_phrases("beats").groove(Piece(parts), seed=1, keep=("snare",))
    assert made.parts[1].notes == parts[1].notes
    assert not [n for n in made.parts[0].notes if n.pitch == 38]
    roll = [Note(i / 8, 38, 0.1, 90) for i in range(8)] + [Note(1.0 + i, 38, 0.1, 90) for i in range(3)]
    made = load_phrases("beats").groove(Piece([Part("Taps", 0, True, roll)]), seed=1, taps=True)
    starts = sorted({round(n.start, 1) for n in made.parts[0].notes if n.start < 1})
    assert len(starts) >= 7
