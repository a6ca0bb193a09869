import io

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnmuse.errors import ReadError
from rnnmuse.events import Control, Lyric, Note
from rnnmuse.music.midi import midi_bytes, read_midi
from rnnmuse.music.piece import ChordSymbol, Key, Metre, Part, Piece, Tempo

PIECE = Piece(
    parts=[
        Part(
            "Voice",
            53,
            notes=[Note(0.0, 60, 1.0, 80), Note(1.0, 60, 0.5, 81), Note(1.25, 64, 2 / 3, 1)],
            lyrics=[Lyric(0.0, "Grü-"), Lyric(1.0, "ße")],
        ),
        Part("Kit", 0, True, notes=[Note(0.5, 36, 0.25, 127)], controls=[Control(0.0, 64, 127)]),
    ],
    tempos=[Tempo(0.0, 120.0), Tempo(2.5, 75.0)],
    metres=[Metre(0.0, 3, 4), Metre(3.0, 6, 8)],
    keys=[Key(0.0, 3, True), Key(3.0, 7)],
    chords=[ChordSymbol(0.0, "Ebm7"), ChordSymbol(3.0, "G/B")],
    title="Round trip",
)


def test_round_trip_keeps_everything():
    back = read_midi(midi_bytes(PIECE))
    assert [p.name for p in back.parts] == ["Voice", "Kit"]
    for ours, theirs in zip(PIECE.parts, back.parts, strict=True):
        assert (theirs.program, theirs.drum, theirs.lyrics, theirs.controls) == (
            ours.program,
            ours.drum,
            ours.lyrics,
            ours.controls,
        )
        for a, b in zip(ours.notes, theirs.notes, strict=True):
            assert (a.pitch, a.velocity) == (b.pitch, b.velocity)
            assert a.start == pytest.approx(b.start, abs=1 / 960)
            assert a.duration == pytest.approx(b.duration, abs=1 / 480)
    assert (back.tempos, back.metres, back.keys, back.chords, back.title) == (
        PIECE.tempos,
        PIECE.metres,
        PIECE.keys,
        PIECE.chords,
        PIECE.title,
    )


def test_read_back_is_exact_from_then_on():
    once = read_midi(midi_bytes(PIECE))
    assert read_midi(midi_bytes(once)) == once


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("minor", [False, True])
def test_every_key_survives(tonic, minor):
    piece = Piece(parts=[Part(notes=[Note(0, 60, 1)])], keys=[Key(0.0, tonic, minor)])
    assert read_midi(midi_bytes(piece)).keys == piece.keys


def test_velocity_zero_ends_a_note_and_unended_notes_end_with_the_track():
    midi = mido.MidiFile(type=0, ticks_per_beat=96)
    track = mido.MidiTrack()
    midi.tracks.append(track)
    track += [
        mido.Message("note_on", note=60, velocity=9, time=0),
        mido.Message("note_on", note=62, velocity=9),
        mido.Message("note_on", note=60, velocity=0, time=48),
        mido.MetaMessage("end_of_track", time=48),
    ]
    out = io.BytesIO()
    midi.save(file=out)
    assert read_midi(out.getvalue()).notes == [Note(0.0, 60, 0.5, 9), Note(0.0, 62, 1.0, 9)]


def test_type_2_patterns_follow_one_another_at_bar_lines():
    midi = mido.MidiFile(type=2, ticks_per_beat=96)
    for pitch in (60, 61):
        midi.tracks.append(
            mido.MidiTrack(
                [mido.Message("note_on", note=pitch, velocity=9), mido.Message("note_off", note=pitch, time=96)]
            )
        )
    out = io.BytesIO()
    midi.save(file=out)
    assert [(n.start, n.pitch) for n in read_midi(out.getvalue()).notes] == [(0.0, 60), (4.0, 61)]


@pytest.mark.parametrize("data", [b"", b"hello", b"MThd", midi_bytes(PIECE)[:40]])
def test_what_is_no_midi_file_is_one_error(data):
    with pytest.raises(ReadError) as caught:
        read_midi(data)
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_mutants_read_or_give_one_error(changes):
    data = bytearray(midi_bytes(PIECE))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        read_midi(bytes(data))
    except ReadError as error:
        assert "\n" not in str(error)


def test_out_of_range_names_field_and_value():
    with pytest.raises(ValueError, match=r"pitch of part 0 at beat 0: 128; must be 0-127"):
        midi_bytes(Piece(parts=[Part(notes=[Note(0, 128, 1)])]))
