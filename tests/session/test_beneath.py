"""Chords beneath a melody as it is played, on a clock that the test turns by hand."""

from itertools import pairwise

import pytest
from test_stream import Stage, stage

from rnnmuse.models.bundle import load_stream
from rnnmuse.music.theory import parse_chord
from rnnmuse.play.voicing import whole
from rnnmuse.session.beneath import VOICES
from rnnmuse.session.messages import NoteOff, NoteOn

G_MAJOR = {0, 2, 4, 6, 7, 9, 11}
MELODY = [67, 71, 74, 72, 71, 69, 67, 66, 67, 62, 64, 66, 67, 71, 79, 74]


@pytest.fixture(scope="module")
def model():
    return load_stream("lieder")


def play(made: Stage, melody, length=0.9):
    """A note a beat from beat 4; returns the chord and what sounded amid each note."""
    amid, chords = [], []
    for number, pitch in enumerate(melody, 4):
        made.run(number)
        made.obey(made.player.hear(made.beat, pitch, 90))
        chords.append(made.player.beneath.chord)
        made.run(number + 0.5)
        amid.append(set(made.sounding))
        made.run(number + length)
        made.obey(made.player.hear(made.beat, pitch, 0))
    return amid, chords


def test_each_note_has_a_whole_chord_in_key_beneath_it_that_changes_once_a_half_bar(model):
    amid, chords = play(stage(model, "harmonise", key="G major"), MELODY)
    for pitch, sounding, chord in zip(MELODY, amid, chords, strict=True):
        assert sounding
        assert all(voice < pitch for voice in sounding)
        assert {voice % 12 for voice in sounding} <= G_MAJOR
        assert whole([*sounding, pitch], chord)
    for index, (one, other) in enumerate(pairwise(chords), 1):
        assert one == other or index % 2 == 0
    assert chords[0] == chords[-4] == "G"


def test_the_chord_begins_with_the_note_and_is_held_through_the_gaps(model):
    made = stage(model, "harmonise")
    made.run(4)
    orders = made.player.hear(4.0, 72, 90)
    assert len(orders) == VOICES
    assert all(isinstance(order, NoteOn) and order.tick == 4 * 960 for order in orders)
    made.obey(orders)
    made.obey(made.player.hear(4.3, 72, 0))
    made.run(5.5)
    assert len(made.sounding) == VOICES
    made.run(8)
    assert not made.sounding  # the melody rests


def test_a_note_that_is_held_has_a_chord_in_every_half_bar(model):
    made = stage(model, "harmonise", key="C major")
    made.run(4)
    made.obey(made.player.hear(4.0, 72, 90))
    for half in range(1, 6):
        made.run(4.5 + 2 * half)
        assert len(made.sounding) == VOICES
        assert 0 in parse_chord(made.player.beneath.chord).pitch_classes
    made.obey(made.player.hear(made.beat, 72, 0))
    made.run(made.beat + 3)
    assert not made.sounding


def test_a_voice_gives_way_to_a_melody_that_comes_down_to_it(model):
    made = stage(model, "harmonise")
    made.run(4)
    made.obey(made.player.hear(4.0, 79, 90))
    made.run(4.5)
    top = max(made.sounding)
    made.obey(made.player.hear(4.5, 79, 0))
    made.obey(made.player.hear(4.5, top - 1, 90))
    made.run(5.0)
    assert made.sounding
    assert max(made.sounding) < top - 1


def test_the_notes_of_a_chord_count_as_one_and_voices_may_be_asked_for(model):
    made = stage(model, "harmonise", polyphony=3)
    made.run(4)
    for pitch in (76, 72, 67):
        made.obey(made.player.hear(4.0, pitch, 90))
    assert len([order for order in made.planned if isinstance(order, NoteOn)]) == 3


def test_it_waits_for_a_melody_and_answers_no_other_player(model):
    made = stage(model, "harmonise")
    made.obey(made.player.start(0.0))
    made.obey(made.player.hear(0.5, 72, 90, source=2))
    made.run(9)
    assert made.played == []


def test_the_lowest_notes_get_what_there_is_room_for(model):
    amid, _ = play(stage(model, "harmonise"), [0, 2, 4, 8, 12])
    assert amid[:2] == [set(), set()]
    assert all(len(chord) <= VOICES for chord in amid)


@pytest.mark.parametrize(
    ("pattern", "places"),
    [
        ("held", [(4.0, 4)]),
        ("oom-pah", [(4.0, 1), (5.0, 3)]),
        ("broken", [(4.0, 1), (4.5, 1), (5.0, 1), (5.5, 1)]),
    ],
)
def test_a_pattern_plays_the_chord_through_its_half_bar(model, pattern, places):
    made = stage(model, "harmonise", pattern=pattern, key="C major")
    made.run(4)
    made.obey(made.player.hear(4.0, 72, 90))
    made.run(5.9)
    counted = {}
    for beat, _ in made.played:
        counted[beat] = counted.get(beat, 0) + 1
    assert sorted(counted.items()) == places


def test_a_strum_takes_its_time_over_the_strings(model):
    made = stage(model, "harmonise", pattern="strummed")
    made.run(4)
    made.obey(made.player.hear(4.0, 76, 90))
    made.run(4.5)
    beats, pitches = zip(*made.played, strict=True)
    assert len(set(beats)) == VOICES
    assert list(pitches) == sorted(pitches)
    assert max(beats) < 4.2


def test_every_note_ends_when_it_is_stopped(model):
    for pattern in ("held", "broken", "strummed", "oom-pah"):
        made = stage(model, "harmonise", pattern=pattern)
        play(made, MELODY[:5])
        made.obey(made.player.hear(made.beat, 72, 90))
        made.run(made.beat + 0.3)
        made.obey(made.player.stop(made.beat))
        made.run(made.beat + 4)
        assert not made.sounding
        assert not [order for order in made.planned if not isinstance(order, NoteOff)]
