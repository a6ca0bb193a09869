"""The harmony of a stage: what is given wins, what is heard is decided once a half bar."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest

from rnnmuse.clock import PPQ, Metre
from rnnmuse.events import Note
from rnnmuse.music.piece import ChordSymbol, Key, Part, Piece
from rnnmuse.music.theory import parse_chord, scale_pitch_classes
from rnnmuse.play import degrees
from rnnmuse.play.harmony import HalfBar, Harmony, follow, key_of_chords

AMEN = [(64, 2), (65, 2), (64, 4), (67, 2), (65, 2), (64, 2), (62, 2), (60, 4)]


def play(harmony, notes, start=0.0):
    """Play (pitch, beats) one after another; returns what was decided at each note."""
    out, beat = [], start
    for pitch, beats in notes:
        harmony.hear(beat, pitch, 80)
        out.append(harmony.at(beat))
        harmony.hear(beat + beats - 0.1, pitch, 0)
        beat += beats
    return out


def test_the_tables_are_probabilities():
    t = degrees.tables()
    assert np.exp(t.emission).sum(-1) == pytest.approx(1, abs=0.02)
    for found in (t.degree, t.moves, t.first, t.mode):
        assert found.sum(-1) == pytest.approx(1)
    assert t.moves.min() > 0


def test_forward_and_backward_agree_with_every_path_counted():
    """The smoothed probabilities of three half bars in a key, against the sum over all 60³ paths."""
    t, key = degrees.tables(), Key(0.0, 0, False)
    segments = [degrees.Segment(False), degrees.Segment(True), degrees.Segment(False)]
    for segment, pitch in zip(segments, (0, 2, 4), strict=True):
        segment.heard[0, pitch] = 2.0
    fits = [np.exp(degrees.likelihood(t, s)[0, 0]) for s in segments]
    first, moves = t.first[0], t.moves[0]
    joint = np.einsum("a,a,ab,b,bc,c->abc", first, fits[0], moves[1], fits[1], moves[0], fits[2])
    joint /= joint.sum()
    for axes, state in zip(((1, 2), (0, 2), (0, 1)), degrees.smoothed(t, segments, key), strict=True):
        assert state[0, 0] == pytest.approx(joint.sum(axes), abs=1e-6)


def test_a_transposed_melody_gets_the_transposed_harmony():
    plain, higher = Harmony(), Harmony()
    first, second = play(plain, AMEN), play(higher, [(p + 3, b) for p, b in AMEN])
    for one, other in zip(first, second, strict=True):
        assert (parse_chord(one.chord).root + 3) % 12 == parse_chord(other.chord).root
        assert (one.key.tonic + 3) % 12 == other.key.tonic
        assert one.confidence == pytest.approx(other.confidence)


def test_one_decision_a_half_bar_is_held():
    harmony = Harmony()
    harmony.hear(0.0, 60, 80)
    decided = harmony.at(0.0)
    for beat, pitch in ((0.5, 65), (1.0, 69), (1.5, 71)):
        harmony.hear(beat, pitch, 80)
        assert harmony.at(beat).chord == decided.chord
    assert harmony.at(1.9) == decided
    assert decided.source == "heard"


def test_a_plain_tune_is_harmonised_in_its_key():
    harmony = Harmony()
    found = play(harmony, AMEN)
    assert (found[-1].key.tonic, found[-1].key.minor) == (0, False)
    assert found[-1].chord == "C"
    assert {parse_chord(one.chord).root for one in found} <= scale_pitch_classes(0, "major")


def test_a_note_just_before_the_half_bar_counts_to_it():
    harmony = Harmony()
    harmony.hear(0.0, 60, 80)
    harmony.hear(1.95, 67, 80)
    assert harmony.at(2.0).source == "heard"


def test_what_is_given_wins_and_is_let_go():
    harmony = Harmony()
    play(harmony, AMEN)
    harmony.give_chart("Dm7 | G7", 0.0)
    assert [one.chord for one in harmony.coming(8.0, 8.0)] == ["Dm7", "G7"]
    harmony.give_chord("Eb")
    assert harmony.at(9.0).chord == "Eb"
    harmony.give_chord("")
    harmony.give_chart("")
    assert not harmony.at(9.0).given


def test_the_left_hand_below_the_split_gives_the_chord():
    harmony = Harmony(split=60)
    for pitch in (43, 47, 53):
        harmony.hear(0.0, pitch, 80)
    assert harmony.at(0.0).chord == "G7"
    for pitch in (43, 47, 53):
        harmony.hear(1.0, pitch, 0)
    assert harmony.at(3.0).chord == "G7"  # held until another is played
    for pitch in (40, 48, 55):
        harmony.hear(4.0, pitch, 80)
    assert harmony.at(4.0).chord == "C/E"
    assert harmony.at(4.0).source == "hand"


def test_a_refused_chart_leaves_the_one_before():
    harmony = Harmony()
    harmony.give_chart("C | F")
    with pytest.raises(ValueError, match="H7"):
        harmony.give_chart("Am7 | H7")
    assert harmony.at(0.0).chord == "C"


def test_every_player_is_told_that_the_harmony_changed():
    harmony = Harmony()
    seen = [harmony.version]
    for act in (lambda: harmony.give_chord("C"), lambda: harmony.give_key("D"), lambda: harmony.give_chart("C | D")):
        act()
        seen.append(harmony.version)
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    ("metre", "beat", "expected"),
    [
        (Metre(4, 4), 2.5, (2.0, 4.0, 0, True)),
        (Metre(3, 4), 4.0, (3.0, 6.0, 1, False)),
        (Metre(6, 8), 2.0, (0.0, 3.0, 0, False)),
        (Metre(4, 4, PPQ), 0.5, (-1.0, 1.0, -1, True)),
    ],
)
def test_bars_halve_where_they_can(metre, beat, expected):
    assert Harmony(metre=metre).segment(beat) == expected


@pytest.mark.parametrize(
    ("chords", "tonic", "minor"),
    [("Am7 D7 Gmaj7", 7, False), ("Dm G7 C Am", 0, False), ("Am Dm E7 Am", 9, True), ("Eb Ab Bb7 Eb", 3, False)],
)
def test_the_key_of_a_chart(chords, tonic, minor):
    symbols = [ChordSymbol(4.0 * i, text) for i, text in enumerate(chords.split())]
    key = key_of_chords(symbols, 4.0 * len(symbols))
    assert (key.tonic, key.minor) == (tonic, minor)


def test_with_look_ahead_a_piece_with_its_chords_is_read_as_it_is_written():
    wanted = ["C", "Am", "F", "G7", "C"]
    notes = []
    for bar, text in enumerate(wanted):
        chord = parse_chord(text)
        notes += [Note(4.0 * bar, 48 + chord.root + (pc - chord.root) % 12, 4.0) for pc in chord.pitch_classes]
    found = follow(Piece([Part(notes=sorted(notes))]))
    assert [one.chord for one in found[::2]] == wanted
    assert all((one.key.tonic, one.key.minor) == (0, False) for one in found)


def test_an_hour_of_notes_that_nobody_ends_is_survived():
    harmony, random = Harmony(), Random(1)
    for number in range(4000):
        harmony.hear(number * 0.4, random.randrange(30, 100), 90)
        one = harmony.at(number * 0.4)
        assert one.chord
        assert 0 <= one.confidence <= 1
    assert len(harmony._notes) <= 129
    assert len(harmony._past) <= 64
    harmony.hear(1e6, 60, 90)  # a long rest
    assert harmony.at(1e6).chord


def test_a_melody_in_six_eight_and_a_change_of_metre():
    harmony = Harmony(metre=Metre(6, 8))
    found = play(harmony, [(67, 1.5), (64, 1.5), (65, 1.5), (62, 1.5), (60, 3.0)])
    assert found[0].until == 3.0
    harmony.give_chart("C | G7")
    assert [one.chord for one in harmony.coming(9.0, 6.0)] == ["G7", "C"]
    harmony.set_metre(Metre(4, 4, 12 * PPQ))
    assert harmony.at(13.0).chord == "C"
    assert harmony.at(16.0).chord == "G7"


@pytest.mark.parametrize("count", [1, 3, 7, 11, 13])
@pytest.mark.parametrize("metre", [Metre(4, 4), Metre(7, 8), Metre(5, 16)])
def test_chords_that_change_between_two_ticks_come_one_after_another(count, metre):
    harmony = Harmony(metre=metre)
    harmony.give_chart(" ".join(["C", "D", "E", "F", "G", "A", "B"][k % 7] for k in range(count)), 0.0)
    for beat in (0.0, 0.5, 7.3, 1e6):
        coming = harmony.coming(beat)
        assert coming
        assert all(a.until <= b.until for a, b in pairwise(coming))
        assert coming[-1].until >= beat + 16 - 1e-3


def test_the_chords_to_come_end_where_a_half_bar_does_not_go_on(monkeypatch):
    harmony = Harmony()
    monkeypatch.setattr(Harmony, "at", lambda self, beat: HalfBar(0.0, 4.0, "C"))  # as of a place that lies behind
    assert len(harmony.coming(4.0)) == 1


@pytest.mark.parametrize("change", [0.5, 1.0, 1.5])
def test_what_was_decided_ends_where_it_ends_although_the_metre_changes_within_it(change):
    harmony = Harmony(metre=Metre(4, 4))
    for late, pitch in enumerate((60, 64, 67)):
        harmony.hear(0.01 * late, pitch, 90)
    decided = harmony.at(0.1)
    harmony.set_metre(Metre(4, 4, round(change * PPQ)))
    assert harmony.at(change).chord == decided.chord
    for beat in (decided.until, decided.until + 0.3, decided.until + 3.0):
        assert harmony.at(beat).until > beat
    coming = harmony.coming(change + 0.2)
    assert coming
    assert all(a.until < b.until for a, b in pairwise(coming))
    assert len(coming) <= 16
