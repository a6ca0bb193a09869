import pytest

from rnnmuse.events import Lyric, Note
from rnnmuse.music.harmony import block_chords, estimate_chords, lead_sheet, segments
from rnnmuse.music.piece import ChordSymbol, Metre, Part, Piece
from rnnmuse.music.theory import PITCH_NAMES, parse_chord

PROGRESSION = [(0, ""), (9, "m"), (2, "m"), (7, "7"), (0, "")]


@pytest.mark.parametrize("shift", range(12))
def test_block_chords_are_named_in_every_key(shift):
    names = [PITCH_NAMES[(root + shift) % 12] + suffix for root, suffix in PROGRESSION]
    chords = [ChordSymbol(4.0 * i, name) for i, name in enumerate(names)]
    piece = Piece([Part("Piano", notes=block_chords(chords, 20.0))])
    assert [(c.beat, c.text) for c in estimate_chords(piece)] == [(c.beat, c.text) for c in chords]


@pytest.mark.parametrize(
    ("metre", "want"),
    [((4, 4), [0, 2, 4, 6]), ((3, 4), [0, 3, 6]), ((6, 8), [0, 3, 6]), ((2, 4), [0, 2, 4, 6])],
)
def test_a_chord_may_change_at_the_half_bar_where_there_is_one(metre, want):
    piece = Piece([Part(notes=[Note(0, 60, 8.0)])], metres=[Metre(0.0, *metre)])
    assert segments(piece) == want


def test_block_chords_have_the_bass_below_and_every_tone():
    notes = block_chords([ChordSymbol(0.0, "C/E"), ChordSymbol(2.0, "nonsense"), ChordSymbol(3.0, "Am7")], 4.0)
    first = sorted(n.pitch for n in notes if n.start == 0)
    assert first[0] % 12 == 4
    assert {p % 12 for p in first} == parse_chord("C/E").pitch_classes
    assert {n.start for n in notes} == {0.0, 3.0}


def test_a_lead_sheet_is_the_sung_part_over_its_chords():
    sung = Part("S", 0, notes=[Note(i, 60 + i, 1.0) for i in range(8)], lyrics=[Lyric(0.0, "la")])
    piano = Part("Piano", 0, notes=block_chords([ChordSymbol(0.0, "F"), ChordSymbol(4.0, "Bb")], 8.0))
    sheet = lead_sheet(Piece([piano, sung]))
    assert [part.name for part in sheet.parts] == ["Melody", "Chords"]
    assert [n.pitch for n in sheet.parts[0].notes] == list(range(60, 68))
    assert {n.start for n in sheet.parts[1].notes} <= {c.beat for c in sheet.chords}


def test_without_pitched_notes_there_is_no_lead_sheet_and_no_chord():
    drums = Piece([Part(drum=True, notes=[Note(0, 36, 0.1)])])
    with pytest.raises(ValueError, match="pitched"):
        lead_sheet(drums)
    assert estimate_chords(Piece()) == []
