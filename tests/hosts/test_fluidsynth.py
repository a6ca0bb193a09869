"""MIDI through JACK into a synthesiser: what is recorded has the notes that were sent."""

from statistics import median

import pytest
from echo import echo, jack, program, until
from programs import fluidsynth, heard, missing, voices
from sound import attacks, off_the_grid, pitch, read

from rnnmuse.bridges.synth import soundfont

rtmidi = pytest.importorskip("rtmidi", reason="python-rtmidi is not installed")
pytestmark = pytest.mark.skipif(
    bool(missing("jackd", "fluidsynth", "jack_rec")) or soundfont() is None,
    reason="jackd, fluidsynth, jack_rec or a SoundFont is not installed",
)


def recorded(folder, notes=12, period=256):
    """Eighths at 120 bpm, two beats in; onsets in seconds and the sound."""
    from rnnmuse.bridges.ports import MidiSystem
    from rnnmuse.realtime.rig import open_ports

    with jack(period, realtime=True), echo() as stage:
        ports = open_ports(stage.stage, MidiSystem()).virtual()
        assert all(state.state == "open" for state in ports), ports
        with fluidsynth(soundfont()) as synth:
            seconds = str(notes // 4 + 3)
            with program(["jack_rec", "-f", folder / "synth.wav", "-d", seconds, "-b", "16", "synth:left"]) as recorder:
                until(lambda: (folder / "synth.wav").exists())
                stage.stage.take("/rnnmuse/transport/play")
                for number in range(notes):
                    with stage.stage.lock:
                        stage.stage.notes.plan_on(1, 1920 + 480 * number, 60 + number % 24, 110)
                        stage.stage.notes.plan_off(1, 1920 + 480 * number + 100, 60 + number % 24)
                until(lambda: recorder.process.poll() is not None, 60)
            assert heard(synth) == notes
            until(lambda: voices(synth) == 0, 20)
    samples = read(folder / "synth.wav")
    return attacks(samples), samples


def test_the_recording_has_the_notes_that_were_sent(tmp_path):
    begins, samples = recorded(tmp_path)
    print(begins)
    assert [round(pitch(samples, at, 0.1)) for at in begins] == [60 + n for n in range(12)]
    assert median(abs(off_the_grid(begins, 0.25)[0])) < 25, "most of them: a busy machine holds some up"


def test_the_synth_killed_and_started_again():
    from rnnmuse.bridges.ports import MidiSystem
    from rnnmuse.realtime.rig import open_ports

    with jack(512, realtime=True, wait=False), echo() as stage:
        open_ports(stage.stage, MidiSystem()).output("synth")  # as the rig does
        with fluidsynth(soundfont(), connect=False) as synth:
            until(lambda: "synth" in stage.stage.outputs, 20, "its port is not found")
            stage.plan(3000, ticks=20)
            until(lambda: heard(synth) > 20)
            synth.kill()
        until(lambda: "synth" not in stage.stage.outputs, 20, "its port is not missed")
        with fluidsynth(soundfont(), connect=False) as synth:
            until(lambda: heard(synth) > 20, 20, "no notes came again")
            stage.stage.take("/rnnmuse/transport/stop")
            until(lambda: voices(synth) == 0, 20, "voices hang")
