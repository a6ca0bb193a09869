"""`groove` plays the whole kit, and leaves rolls even."""

from itertools import pairwise
from pathlib import Path

import pytest

from rnnmuse.compose.phrases import load_phrases
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
