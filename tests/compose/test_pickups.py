"""Pieces that begin with a pickup: phrases, grooves and loops of pictures begin with bar 1; and drums alone."""

from dataclasses import replace

import pytest

from rnnmuse.compose.phrases import load_phrases
from rnnmuse.cover.picture import design_for
from rnnmuse.cover.video import Walk, excerpt
from rnnmuse.errors import RnnmuseError
from rnnmuse.events import Note
from rnnmuse.music.piece import Metre, Part, Piece


def tune(pickup: float, drum: bool = False) -> Piece:
    """Eight bars of 4/4, the same after a pickup of so many beats as without."""
    pitches = (36, 42, 38, 42) if drum else (60, 62, 64, 67)
    notes = [Note(pickup + beat, pitches[beat % 4], 0.9, 90 - beat % 4 * 10) for beat in range(32)]
    if pickup:
        notes.insert(0, Note(0.0, 38 if drum else 55, pickup))
    return Piece([Part("A", drum=drum, notes=notes)], metres=[Metre(0.0, 4, 4)], pickup=pickup)


@pytest.fixture(scope="module")
def melody():
    return load_phrases("phrases")


@pytest.mark.parametrize("pickup", [1.0, 0.5, 3.0])
@pytest.mark.parametrize("bars", [2, 4])
def test_phrases_begin_with_bar_1(melody, pickup, bars):
    plain, found = melody.read(tune(0.0), bars), melody.read(tune(pickup), bars)
    assert (found.origin, found.first) == (pickup - 4 * bars, 1)
    assert len(found.grids) == len(plain.grids) + 1
    for one, other in zip(plain.grids, found.grids[1:], strict=True):
        assert (one == other).all()
    struck = (found.grids[0][:, 0] > 1).nonzero()[0]
    assert struck.tolist() == [16 * bars - round(4 * pickup)]


def test_interpolation_goes_from_phrase_to_phrase_not_from_pickups(melody):
    there = melody.interpolate(tune(1.0), tune(0.0), 3)
    assert (there[0] == melody.read(tune(0.0)).grids[0]).all()


def test_variations_stay_where_the_bars_are(melody):
    piece = tune(1.0)
    made = melody.vary(piece, 0.0, seed=1)
    plain = melody.vary(tune(0.0), 0.0, seed=1)
    after = [round(n.start - 1.0, 3) for n in made.parts[0].notes if n.start >= 1.0 - 0.1]
    assert after == [round(n.start, 3) for n in plain.parts[0].notes]


def test_a_groove_is_that_of_the_whole_bars():
    beats = load_phrases("beats")
    plain = beats.groove(tune(0.0, drum=True), 1.0, seed=3).parts[0].notes
    made = beats.groove(tune(1.0, drum=True), 1.0, seed=3).parts[0].notes
    assert len(made) == len(plain) + 1
    kit = {note.pitch for note in made}
    assert kit == {note.pitch for note in plain}
    downbeats = [min(abs(n.start - 1.0 - bar * 4) for n in made) for bar in range(8)]
    assert max(downbeats) < 0.15


def test_loops_are_cut_at_the_bar_lines():
    piece = tune(1.0)
    cut = excerpt(piece, 1, 2)
    assert [n.start for n in cut.parts[0].notes] == [float(beat) for beat in range(8)]
    assert cut.pickup == 0.0
    early = excerpt(piece, 0, 2)
    assert [n.start for n in early.parts[0].notes] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert early.pickup == 1.0
    with pytest.raises(RnnmuseError, match="no notes"):
        excerpt(piece, 20, 1)
    with pytest.raises(ValueError, match="from 0 on"):
        excerpt(piece, -1, 1)
    with pytest.raises(ValueError, match="from 1 on"):
        excerpt(replace(piece, pickup=0.0), 0, 1)


def test_a_loop_of_the_whole_piece_turns_at_its_bars():
    walk = Walk(tune(1.0), design_for(tune(1.0), 1), 16)
    assert walk.seconds == pytest.approx(33 / 2)


def test_drums_are_continued_by_a_model_that_has_none():
    from rnnmuse.compose.muse import load

    drums = [Note(float(beat), pitch, 1.0) for beat, pitch in enumerate((36, 38, 42, 38))]
    piece = Piece([Part("A", drum=True, notes=drums)], metres=[Metre(0.0, 4, 4)])
    assert load("lieder").continue_(piece, 1, seed=1).notes
