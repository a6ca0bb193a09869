"""The recording, read back by mido: after each event, and as if the program had been killed in between."""

import os

import mido
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.bridges.recorder import Recorder, _variable
from rnnmuse.realtime.seats import Sent


def note(beat, pitch, velocity):
    return Sent(1, 0, pitch, velocity, beat, 0.0, 0)


def events(path):
    out, tick = [], 0
    for message in mido.MidiFile(path).tracks[1]:
        tick += message.time
        if message.type in ("note_on", "note_off"):
            out.append((tick, message.type, message.note, message.velocity))
    return out


def test_it_is_whole_after_every_event(tmp_path):
    recorder = Recorder(tmp_path / "a" / "x.mid", 90)
    assert events(recorder.path) == []
    expected = []
    for index in range(200):
        recorder.prepare(note(8 + index / 4, 40 + index % 40, 80 * (index % 2)))()
        expected.append((index * 240, "note_on" if index % 2 else "note_off", 40 + index % 40, 80 * (index % 2)))
        seen = events(recorder.path)
        assert seen == expected[: len(seen)]
    recorder.close()
    assert events(recorder.path) == expected
    assert mido.MidiFile(recorder.path).tracks[0][0].tempo == round(60e6 / 90)


def test_it_is_whole_between_any_two_writes(tmp_path, monkeypatch):
    write, seen = os.pwrite, []

    def watched(file, data, at):
        write(file, data, at)
        if recorder:
            seen.append(events(recorder[0].path))
        return len(data)

    recorder = []
    monkeypatch.setattr("rnnmuse.bridges.recorder.os.pwrite", watched)
    recorder.append(Recorder(tmp_path / "x.mid", 120))
    for index in range(50):
        recorder[0].prepare(note(index, 60, 80 * (index % 2)))()
    recorder[0].close()
    assert len(seen) == 150
    assert [len(track) for track in seen] == sorted(len(track) for track in seen)
    assert all(track == seen[-1][: len(track)] for track in seen)
    assert [len(track) for track in seen[2::3]] == list(range(1, 51))


@given(st.integers(0, 0x0FFFFFFF))
def test_variable_lengths_are_midos(number):
    assert list(_variable(number)) == mido.midifiles.meta.encode_variable_int(number)
