"""The pipe to fluidsynth while its reader stalls, and fluidsynth itself."""

import os
import shutil
import signal
import threading
import time

import pytest

from rnnmuse.bridges.output import Sent
from rnnmuse.bridges.synth import PIPE, NotePipe, SynthOut, soundfont


class Reader:
    """The other end of a pipe, which reads only when the test says so."""

    def __init__(self):
        self.file, write = os.pipe()
        self.pipe = NotePipe(write)
        self.write = write
        self.sounding, self.rest, self.programs = set(), b"", {}

    def read(self):
        """Take what is there, as fluidsynth would; False at the end."""
        data = os.read(self.file, 65536)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            word, channel, number, *_ = line.split()
            if word == b"prog":
                self.programs[int(channel)] = int(number)
            elif word == b"noteon":
                self.sounding.add((int(channel), int(number)))
            else:
                self.sounding.remove((int(channel), int(number)))
        return bool(data)

    def on(self, channel, pitch, velocity):
        self.pipe.send(bytes((0x90 | channel, pitch, velocity)))

    def off(self, channel, pitch):
        self.pipe.send(bytes((0x80 | channel, pitch, 0)))

    def close(self):
        self.pipe.close()
        os.close(self.write)
        os.close(self.file)


@pytest.fixture
def reader():
    made = Reader()
    yield made
    made.close()


def until(test, patience=20.0):
    end = time.monotonic() + patience
    while not test():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def test_notes_go_through(reader):
    reader.on(0, 60, 90)
    reader.on(9, 36, 90)
    reader.off(0, 60)
    reader.read()
    assert reader.sounding == {(9, 36)}


def test_no_note_off_is_lost_while_the_reader_stalls(reader):
    reader.on(1, 20, 90)
    reader.on(1, 21, 90)
    while not reader.pipe.dropped:  # fill the pipe
        for pitch in range(128):
            reader.on(0, pitch, 90)
            reader.off(0, pitch)
    filled = reader.pipe.dropped
    for pitch in (20, 21):
        reader.off(1, pitch)
    reader.on(2, 60, 90)
    reader.off(2, 60)  # of a note that was dropped
    assert reader.pipe.dropped == filled + 1
    finished = threading.Event()

    def drain():
        while reader.sounding or not finished.is_set():
            reader.read()
            finished.set()

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    thread.join(20)
    until(lambda: not reader.pipe._owed)
    assert reader.sounding == set()
    reader.on(3, 64, 90)
    reader.read()
    assert reader.sounding == {(3, 64)}


def test_a_program_change_waits_for_room(reader):
    while not reader.pipe.dropped:
        reader.on(0, 60, 90)
    reader.pipe.send(b"\xc5\x21")
    reader.pipe.send(b"\xc5\x28")
    while 5 not in reader.programs:
        reader.read()
    assert reader.programs == {5: 40}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="not a POSIX system")
def test_what_waits_is_bounded(reader):
    while not reader.pipe.dropped:
        reader.on(0, 60, 90)
    if shutil.which("true") and os.uname().sysname == "Linux":
        assert len(os.read(reader.file, 1 << 20)) <= PIPE


def test_a_reader_that_is_gone_is_an_error():
    read, write = os.pipe()
    pipe = NotePipe(write)
    os.close(read)
    with pytest.raises(OSError, match=r".*"):
        pipe.send(b"\x90\x3c\x5a")
    with pytest.raises(OSError, match="gone"):
        pipe.send(b"\x80\x3c\x00")
    os.close(write)


@pytest.fixture
def synth(tmp_path):
    font = soundfont()
    if font is None or shutil.which("fluidsynth") is None:
        pytest.skip("fluidsynth or a SoundFont is not installed")
    made = SynthOut(font, ("-a", "file", "-o", f"audio.file.name={tmp_path / 'sound.wav'}"))
    yield made
    made.close()


def play(output, pitch, velocity, channel=0):
    output.prepare(Sent(1, channel, pitch, velocity, 0.0, 0.0, 0))()


def test_a_fluidsynth_that_is_stopped_holds_nobody_up_and_plays_on(synth):
    play(synth, 60, 90)
    synth._process.send_signal(signal.SIGSTOP)
    for _ in range(400):
        play(synth, 64, 90)
        play(synth, 64, 0)
    play(synth, 60, 0)
    assert synth.dropped
    assert synth._pipe._owed
    synth._process.send_signal(signal.SIGCONT)
    until(lambda: not synth._pipe._owed and not synth._pipe._sounding)


def test_a_fluidsynth_that_is_killed_is_an_error(synth):
    synth._process.kill()
    synth._process.wait(20)
    with pytest.raises(OSError, match="fluidsynth"):
        play(synth, 60, 90)


def test_without_fluidsynth_the_error_says_so(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(OSError, match="not installed"):
        SynthOut("x.sf2")


def test_a_font_or_a_driver_that_is_not_there_is_an_error():
    if shutil.which("fluidsynth") is None:
        pytest.skip("fluidsynth is not installed")
    with pytest.raises(OSError, match=r"nowhere\.sf2: there is no such SoundFont"):
        SynthOut("/nowhere.sf2")
    with pytest.raises(OSError, match="Giving up"):
        SynthOut(__file__, ("-a", "no such driver"))
