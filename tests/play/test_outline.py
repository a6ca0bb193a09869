"""The outline of pieces: what a form knows of density, key and chords, and how a plan moves it to another key."""

from random import Random

import pytest

from rnnmuse.events import Note
from rnnmuse.models.bundle import load_stream, write_forms
from rnnmuse.music.codec import (
    DENSITY,
    KEY,
    KIND,
    ON,
    PITCH,
    QUALITY,
    ROOT,
    UNKNOWN,
    PartClass,
    density_class,
    encode,
)
from rnnmuse.music.echo import EXACT, NEW, Again, bars_of, echo_class
from rnnmuse.music.piece import ChordSymbol, Key, Metre, Part, Piece, Tempo
from rnnmuse.music.theory import QUALITIES
from rnnmuse.play.limits import Constraints, Rules
from rnnmuse.play.outline import COLUMNS, FITTING, NOTHING, OUTLINED, again_of, form_of, moved, outlines
from rnnmuse.play.plan import Plan
from rnnmuse.play.sampler import Frame, Player, events_until

PARTS = (PartClass("piano", families=(0,)),)
MAJOR, MINOR = QUALITIES.index("maj"), QUALITIES.index("min")


def piece(bars=8, tonic=2):
    """Quarters in D major: D, and in the second half of each bar G; every fourth bar is empty."""
    notes = [Note(4.0 * bar + beat, 62, 0.5) for bar in range(bars) for beat in range(4) if bar % 4 != 3]
    chords = [ChordSymbol(2.0 * half, "DG"[half % 2]) for half in range(2 * bars)]
    return Piece([Part("Piano", 0, notes=notes)], [Tempo(0.0, 100.0)], [Metre(0.0, 4, 4)], [Key(0.0, tonic)], chords)


def test_a_form_counts_from_the_tonic():
    form = form_of(encode(piece(), PARTS), 64)
    assert [len(row) for row in form] == [len(COLUMNS)] * 7
    assert form[0][OUTLINED] == [density_class(1.0), 0, 0, MAJOR, 5, MAJOR]
    assert form[3][OUTLINED][0] == 0, "nothing begins in the fourth bar"
    assert form[0][FITTING] == [8, 3]


def test_a_form_says_which_parts_play_a_bar_again():
    form = form_of(encode(piece(), PARTS), 64, 1)
    assert [again_of(row, 0) for row in form] == [
        None,
        *[Again(EXACT, 1, 0)] * 2,
        None,
        *[Again(EXACT, 2, 0)],
        *[Again(EXACT, 1, 0)] * 2,
    ]
    assert again_of(form[1], 1) is None, "it has one part"
    assert again_of(form_of(encode(piece(), PARTS), 64)[1], 0) is None, "a form of an earlier bundle"


def test_an_outline_of_a_piece_is_the_form_of_it_in_its_key():
    whole = piece()
    rows = outlines(whole.parts[0].notes, whole, bars_of(whole, 28.0))
    form = form_of(encode(whole, PARTS), 64)
    assert [moved(row[OUTLINED], 2) for row in form[:3]] == rows[:3]
    assert moved(moved(rows[0], 7), 5) == rows[0]
    assert moved(NOTHING, 3) == NOTHING


def form(roots, minor=False, length=8, density=4):
    return [[NEW, UNKNOWN[10], 1, density, 12 * minor, r, MAJOR, r, MAJOR, length, 4] for r in roots]


def test_the_outline_of_a_plan_stands_in_its_key():
    plan = Plan([form([0, 5, 7, 0] * 4)], Random(1), home=2)
    assert [plan.outline(bar)[2] for bar in range(4)] == [2, 7, 9, 2]
    assert Plan([form([0] * 16)], Random(1)).outline(3) == NOTHING, "outlines are used where they are asked for"


def test_a_bar_that_restates_another_has_its_outline():
    rows = form([0, 5, 7, 0, 9, 9, 9, 9] * 2)
    for row in rows[4:]:
        row[0] = echo_class(4, EXACT)
    begun = [[NEW, UNKNOWN[10], 1]] * 4
    mine = [(3, 0, 11, MINOR, 11, MINOR)] * 4
    plan = Plan([rows], Random(1), begun, home=0, begun_outline=mine)
    assert [plan.outline(bar) for bar in range(8)] == mine * 2


@pytest.mark.parametrize(("minor", "length"), [(False, 8), (True, 8), (False, 6), (True, 6)])
def test_a_form_of_the_metre_and_the_mode_is_taken(minor, length):
    forms = [form([place] * 16, mode, bar) for place, (mode, bar) in enumerate([(0, 8), (1, 8), (0, 6), (1, 6)])]
    found = [Plan(forms, Random(seed), home=0, minor=minor, fitting=(length, 4)).outline(0)[2] for seed in range(100)]
    wanted = 2 * (length == 6) + minor
    assert found.count(wanted) > 90


def test_a_plan_goes_on_as_dense_as_what_is_begun():
    begun, mine = [[NEW, UNKNOWN[10], 1]] * 8, [(2, 0, 0, MAJOR, 0, MAJOR)] * 8
    plan = Plan([form([0] * 32, density=4)], Random(1), begun, home=0, begun_outline=mine)
    assert plan.outline(8)[0] == 2


def test_the_frame_tells_the_model_the_outline_but_for_what_is_given():
    empty = Piece(tempos=[Tempo(0.0, 100.0)], metres=[Metre(0.0, 4, 4)], keys=[Key(0.0, 2)])
    rows = form([0, 5] * 8)
    rows[1][7] = 7
    frame = Frame(empty, plan=Plan([rows], Random(1), home=2))
    first, last = frame.at(96), frame.at(96 + 48)
    assert (first[ROOT], last[ROOT], first[QUALITY], first[DENSITY]) == (7, 9, MAJOR, 4)
    assert first[KEY] == 2
    asked = Frame(Piece(keys=empty.keys, chords=[ChordSymbol(0.0, "E")]), 1.2, Plan([rows], Random(1), home=2))
    assert (asked.at(96)[ROOT], asked.at(96)[DENSITY]) == (4, density_class(1.2))


def test_forms_of_a_bundle_are_read_as_they_were_written(tmp_path, monkeypatch):
    from rnnmuse.models.bundle import _forms

    forms = [form([0, 5, 7]), form([3])]
    write_forms(tmp_path, forms)
    assert _forms(tmp_path) == forms
    assert load_stream("grooves").forms[0][0][OUTLINED.start + 2] == UNKNOWN[ROOT], "drums have no chords"


def test_the_chord_of_the_outline_is_followed_as_much_as_the_model_says():
    model = load_stream("piano")
    model.follow = [6.0]
    rows = form([1] * 16)  # D flat major, in C
    empty = Piece(tempos=[Tempo(0.0, 100.0)], metres=[Metre(0.0, 4, 4)], keys=[Key(0.0, 0)])
    frame = Frame(empty, plan=Plan([rows], Random(1), home=0))
    player = Player(model, frame, Rules(Constraints(), empty, -1, 1), Random(2))
    found = [event[PITCH] % 12 for event in events_until(player, 0, 192) if event[KIND] == ON]
    assert len(found) > 8
    assert sum(pc in (1, 5, 8) for pc in found) > 0.9 * len(found)
