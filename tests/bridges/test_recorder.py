"""The recording, read back by mido: after each event, as if the program had been killed in between, on a full disk."""

import errno
import os
import subprocess
import threading
import time
from io import FileIO

import mido
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.bridges import recorder as module
from rnnmuse.bridges.output import Program, Sent
from rnnmuse.bridges.recorder import Recorder, _variable
from rnnmuse.music.midi import read_midi


def note(beat, pitch, velocity, channel=0, player=1):
    return Sent(player, channel, pitch, velocity, beat, 0.0, 0)


def events(path, track=1):
    out, tick = [], 0
    for message in mido.MidiFile(path).tracks[track]:
        tick += message.time
        if message.type in ("note_on", "note_off"):
            out.append((tick, message.type, message.note, message.velocity))
    return out


class Watched(FileIO):
    """A file that calls ``after`` with its number after each write."""

    def __init__(self, path, after):
        super().__init__(path, "w+")
        self.after, self.writes = after, 0

    def write(self, data):
        written = super().write(data)
        self.writes += 1
        self.after(self)
        return written


class Full(FileIO):
    """A disk with room for so many bytes; with ``short`` a write that does not fit is cut."""

    def __init__(self, path, room, short=False):
        super().__init__(path, "w+")
        self.room, self.short, self.top = room, short, 0

    def write(self, data):
        end = self.tell() + len(data)
        if end > max(self.room, self.top):
            if not self.short:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            data = data[: max(0, self.room - self.tell())]
        self.top = max(self.top, self.tell() + len(data))
        return super().write(data)


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
    assert not list(recorder.path.parent.glob("*.new"))


def test_it_is_whole_between_any_two_writes(tmp_path):
    path, seen = tmp_path / "x.mid", []
    recorder = Recorder(path, 120, opened=lambda path: Watched(path, lambda file: seen.append(events(path))))
    for index in range(50):
        recorder.prepare(note(index, 60, 80 * (index % 2)))()
    recorder.close()
    assert len(seen) == 152, "the head, the room, and three for each event"
    assert [len(track) for track in seen] == sorted(len(track) for track in seen)
    assert all(track == seen[-1][: len(track)] for track in seen)
    assert [len(track) for track in seen[4::3]] == list(range(1, 51))


def test_each_part_has_a_track_with_its_name_and_program(tmp_path):
    recorder = Recorder(tmp_path / "x.mid", 120)
    recorder.program(Program(1, 1, 1, 33, "bass"))()
    recorder.program(Program(1, 0, 0, 7, ""))()
    for beat, channel, player in ((0, 0, 1), (1, 1, 1), (2, 9, 2)):
        recorder.prepare(note(beat, 60, 80, channel, player))()
        recorder.prepare(note(beat + 1, 60, 0, channel, player))()
    recorder.program(Program(1, 1, 1, 34, "bass"))()
    recorder.close()
    tracks = mido.MidiFile(recorder.path).tracks[1:]
    assert [track.name for track in tracks] == ["player 1", "bass", "player 2"]
    programs = [[(m.channel, m.program) for m in track if m.type == "program_change"] for track in tracks]
    assert programs == [[(0, 7)], [(1, 33), (1, 34)], []]
    assert [events(recorder.path, at)[0][0] for at in (1, 2, 3)] == [0, 960, 1920]
    assert [part.name for part in read_midi(recorder.path).parts] == ["player 1", "bass", "player 2"]


def test_the_names_and_programs_are_on_disk_before_it_is_closed(tmp_path):
    recorder = Recorder(tmp_path / "x.mid", 120)
    recorder.program(Program(1, 1, 1, 33, "bass"))()
    recorder.prepare(note(0, 60, 80))()
    while not events(recorder.path):
        pass
    track = mido.MidiFile(recorder.path).tracks[1]
    assert [m.name for m in track if m.type == "instrument_name"] == ["bass"]
    assert [(m.channel, m.program) for m in track if m.type == "program_change"] == [(1, 33)]
    assert len(read_midi(recorder.path).notes) <= 1, "the zeros behind the track are no music"
    recorder.close()


def record_until_full(recorder, told):
    """Play chords until the recorder refuses; returns how many notes were begun."""
    begun = 0
    for index in range(100_000):
        while recorder._queue.qsize() > 100 and not told.is_set():  # the writing thread may get no turn
            time.sleep(0)
        try:
            for pitch in (60, 64, 67):
                recorder.prepare(note(index, pitch, 80, index % 3))()
                begun += 1
            if index >= 3:
                for pitch in (60, 64, 67):
                    recorder.prepare(note(index, pitch, 0, (index - 2) % 3))()
        except OSError:
            break
    assert told.wait(20)
    return begun


@pytest.mark.parametrize("room", [9_000, 12_345, 30_000])
@pytest.mark.parametrize("short", [False, True])
def test_a_full_disk_is_told_once_and_leaves_a_valid_file(tmp_path, room, short):
    why, told = [], threading.Event()

    def lost(text):
        why.append(text)
        told.set()

    recorder = Recorder(tmp_path / "x.mid", 120, lost, lambda path: Full(path, room, short))
    record_until_full(recorder, told)
    with pytest.raises(OSError, match=r"x\.mid: is written no more"):
        recorder.prepare(note(0, 60, 80))()
    recorder.close()
    assert why == [f"{recorder.path}: {os.strerror(errno.ENOSPC)}"]
    sounding = set()
    for message in mido.MidiFile(recorder.path).tracks[1]:
        if message.type == "note_on":
            sounding.add((message.channel, message.note))
        elif message.type == "note_off":
            sounding.discard((message.channel, message.note))
    assert sounding == set(), "what sounded is ended in the file"
    size = recorder.path.stat().st_size
    assert len(events(recorder.path)) > 200
    assert recorder.path.read_bytes()[-4:] == b"\x00\xff\x2f\x00"
    assert size <= room


def test_a_real_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        told = threading.Event()
        recorder = Recorder(disk / "x.mid", 120, lambda _: told.set())
        record_until_full(recorder, told)
        recorder.close()
        assert len(read_midi(recorder.path).notes) > 500
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_disk_with_no_room_for_the_tracks_keeps_the_recording(tmp_path, monkeypatch):
    def refuse(path, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    recorder = Recorder(tmp_path / "x.mid", 120)
    recorder.prepare(note(0, 60, 80, 3))()
    recorder.prepare(note(1, 60, 0, 3))()
    monkeypatch.setattr("pathlib.Path.write_bytes", refuse)
    recorder.close()
    assert events(recorder.path) == [(0, "note_on", 60, 80), (960, "note_off", 60, 0)]
    assert recorder.path.read_bytes()[-4:] == b"\x00\xff\x2f\x00"


def test_a_file_that_is_removed_is_told(tmp_path):
    why, told = [], threading.Event()

    def lost(text):
        why.append(text)
        told.set()

    recorder = Recorder(tmp_path / "x.mid", 120, lost)
    recorder.path.unlink()
    recorder.prepare(note(0, 60, 80))()
    assert told.wait(20)
    recorder.close()
    assert why == [f"{recorder.path}: was removed"]


def test_a_disk_that_stalls_holds_nobody_up(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST", 50)
    stall, why = threading.Event(), []
    recorder = Recorder(
        tmp_path / "x.mid", 120, why.append, lambda path: Watched(path, lambda file: file.writes < 3 or stall.wait(20))
    )
    sends = [recorder.prepare(note(index, 60, 80)) for index in range(200)]
    with pytest.raises(OSError, match="too slow"):
        [send() for send in sends]
    assert why == [f"{recorder.path}: the disk is too slow"]
    stall.set()
    recorder.close()


def test_a_file_that_cannot_be_created_is_an_error(tmp_path):
    with pytest.raises(OSError, match="directory"):
        Recorder(tmp_path, 120)


@given(st.integers(0, 0x0FFFFFFF))
def test_variable_lengths_are_midos(number):
    assert list(_variable(number)) == mido.midifiles.meta.encode_variable_int(number)
