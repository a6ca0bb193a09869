"""`rnnmuse play` to a real port, and to a real sound card: JACK on its dummy driver, fluidsynth, PortAudio."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from echo import jack, program, until
from programs import fluidsynth, heard, in_full, missing, voices
from sound import attacks, off_the_grid, read

from rnnmuse.bridges.synth import soundfont
from rnnmuse.events import Control, Note
from rnnmuse.music.midi import read_midi, write_midi
from rnnmuse.music.piece import Part, Piece, Program, Tempo

PLAY = (sys.executable, "-m", "rnnmuse", "play")
pytestmark = pytest.mark.skipif(bool(missing("jackd")), reason="jackd is not installed")


def song(folder: Path, notes: int = 16) -> Path:
    """Two parts of which one changes its program, with a pedal that is down at the end, at 120 bpm."""
    one = [Note(i / 2, 60 + i % 12, 0.25, 100) for i in range(notes)]
    other = [Note(i / 2, 40, 0.25, 60) for i in range(0, notes, 4)]
    parts = [
        Part("A", 73, notes=one, programs=[Program(notes / 4, 40)]),
        Part("B", 33, notes=other, controls=[Control(0.0, 64, 127)]),
    ]
    path = folder / "song.mid"
    write_midi(Piece(parts, [Tempo(0, 120)]), path)
    assert len(read_midi(path).notes) == len(one) + len(other)
    return path


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(one for one in sys.path if one)}


@pytest.mark.skipif(bool(missing("fluidsynth")) or soundfont() is None, reason="fluidsynth or a SoundFont is missing")
def test_every_note_and_program_reaches_a_synthesiser_and_no_voice_hangs(tmp_path):
    pytest.importorskip("rtmidi2")
    path = song(tmp_path)
    with jack(512), fluidsynth(soundfont(), connect=False) as synth:
        done = subprocess.run(
            [*PLAY, path, "--midi-port", "synth"], env=environment(), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert "20 notes played" in done.stdout
        until(lambda: heard(synth) >= 20, 20, "notes are missing")
        assert heard(synth) == 20
        until(lambda: voices(synth) == 0, 20, "voices hang, though a pedal was down")
        after = len(synth.lines)
        synth.say("channels")
        assert "Violin" in synth.until("chan 0", after=after)  # program 40, which the first part changed to
        assert "Finger" in synth.until("chan 1", after=after)


@pytest.mark.skipif(bool(missing("fluidsynth")) or soundfont() is None, reason="fluidsynth or a SoundFont is missing")
def test_a_player_that_is_ended_leaves_no_voice(tmp_path):
    pytest.importorskip("rtmidi2")
    path = song(tmp_path, notes=400)
    with jack(512, wait=False), fluidsynth(soundfont(), connect=False) as synth:
        for ending in (signal.SIGINT, signal.SIGKILL):
            before = heard(synth)
            player = subprocess.Popen([*PLAY, path, "--midi-port", "synth"], env=environment())
            until(lambda: heard(synth) > before + 5, 30, "no notes came")  # noqa: B023
            player.send_signal(ending)
            player.wait(20)
            until(lambda: voices(synth) == 0, 20, "voices hang")


@pytest.mark.skipif(bool(missing("jack_rec")), reason="jack_rec is not installed")
@in_full
def test_a_file_is_heard_on_the_sound_card_in_time(tmp_path):
    try:
        import sounddevice  # noqa: F401
    except (ImportError, OSError):
        pytest.skip("sounddevice or PortAudio is not installed")
    path = tmp_path / "piano.mid"
    write_midi(Piece([Part("P", 0, notes=[Note(i, 60 + i, 0.4, 100) for i in range(16)])], [Tempo(0, 120)]), path)
    with jack(256):
        player = subprocess.Popen([*PLAY, path, "--sound"], env=environment(), stdout=subprocess.PIPE, text=True)
        assert player.stdout is not None
        assert "built-in synthesiser on" in player.stdout.readline()
        with program(["jack_rec", "-f", tmp_path / "a.wav", "-d", "6", "-b", "16", "PortAudio:out_0"]) as recorder:
            until(lambda: recorder.process.poll() is not None, 60)
        assert player.wait(30) == 0
    begins = attacks(read(tmp_path / "a.wav"))
    assert len(begins) >= 8
    assert max(abs(off_the_grid(begins, 0.5)[0])) < 25
