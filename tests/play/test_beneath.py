"""Chords beneath a melody as it is played, on a clock that the test turns by hand."""

from itertools import pairwise
from random import Random

import pytest
from test_stream import Stage, stage

from rnnmuse.models.bundle import load_stream
from rnnmuse.music.codec import KIND, ON, PITCH
from rnnmuse.music.piece import Piece
from rnnmuse.play.beneath import APART, DEEPEST, VOICES, chord_beneath
from rnnmuse.play.limits import Constraints, Rules
from rnnmuse.play.sampler import Frame, Player
from rnnmuse.session.messages import NoteOff, NoteOn

G_MAJOR = {0, 2, 4, 6, 7, 9, 11}
MELODY = [67, 71, 74, 72, 71, 69, 67, 66, 67, 62, 64, 66, 67, 71, 79, 74]


@pytest.fixture(scope="module")
def model():
    return load_stream("lieder")


def play(made: Stage, melody, length=0.9):
    """A note a beat; returns what sounded amid each note and amid each gap."""
    amid, gaps = [], []
    for number, pitch in enumerate(melody, 1):
        made.run(number)
        made.obey(made.player.hear(made.beat, pitch, 90))
        made.run(number + 0.5)
        amid.append(set(made.sounding))
        made.run(number + length)
        made.obey(made.player.hear(made.beat, pitch, 0))
        made.run(number + length + 0.05)
        gaps.append(set(made.sounding))
    return amid, gaps


def test_each_note_gets_a_chord_in_key_beneath_it_and_silence_ends_it(model):
    amid, gaps = play(stage(model, "harmonise", key="G major", seed=5), MELODY)
    assert not any(gaps)
    for pitch, chord in zip(MELODY, amid, strict=True):
        assert len(chord) == VOICES
        assert all(pitch - DEEPEST <= voice < pitch for voice in chord)
        assert {voice % 12 for voice in chord} <= G_MAJOR
        every = sorted((*chord, pitch))
        assert all(high - low >= APART for low, high in pairwise(every))
        assert not any((a - b) % 12 == 1 for a in every for b in every)


def test_chords_begin_with_the_note_and_end_with_the_next(model):
    made = stage(model, "harmonise", seed=2)
    made.run(1)
    made.obey(made.player.hear(1.0, 72, 90))
    first = {order.pitch for order in made.planned}
    assert all(isinstance(order, NoteOn) and order.tick == 960 for order in made.planned)
    assert len(made.planned) == VOICES
    made.run(1.5)
    made.obey(made.player.hear(1.5, 77, 90))  # legato: the second begins before the first is let go
    made.obey(made.player.hear(1.52, 72, 0))
    ended = [order.pitch for order in made.planned if isinstance(order, NoteOff)]
    assert sorted(ended) == sorted(first)
    made.run(2)
    assert len(made.sounding) == VOICES


def test_a_chord_of_the_performers_is_answered_once_and_voices_may_be_asked_for(model):
    made = stage(model, "harmonise", polyphony=2, seed=2)
    made.run(1)
    for pitch in (76, 72, 67):
        made.obey(made.player.hear(1.0, pitch, 90))
    assert len(made.planned) == 2
    made.run(1.5)
    for pitch in (76, 72, 67):
        made.obey(made.player.hear(1.5, pitch, 0))
    made.run(2)
    assert not made.sounding


def test_it_waits_for_a_melody_and_answers_no_other_player(model):
    made = stage(model, "harmonise", seed=2)
    made.obey(made.player.start(0.0))
    made.obey(made.player.hear(0.5, 72, 90, source=2))
    made.run(9)
    assert made.played == []


def test_the_lowest_notes_get_what_there_is_room_for(model):
    amid, _ = play(stage(model, "harmonise", seed=1), [0, 2, 4, 8, 12])
    assert [len(chord) for chord in amid[:2]] == [0, 0]
    assert all(len(chord) <= VOICES for chord in amid)


def test_any_melody_is_harmonised_within_the_rules(model):
    """By itself, without a stage: every seed, every pitch, and a narrow register."""
    random = Random(3)
    for seed in range(40):
        rules = Rules(
            Constraints(low=48, high=72, scale=frozenset(G_MAJOR), rest=None), Piece(), model.drums, len(model.parts)
        )
        player = Player(model, Frame(Piece()), rules, Random(seed))
        top = random.randrange(128)
        chord = list(chord_beneath(player, top))
        assert all(event[KIND] == ON and 48 <= event[PITCH] <= min(72, top - APART) for event in chord)
        assert player.grid == 0
        assert len(player.started) == len(chord)
