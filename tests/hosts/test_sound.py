"""What Csound, ChucK and Sonic Pi make of our notes, recorded on JACK: when the sounds begin and how high they are."""

import pytest
from echo import echo, jack, jack_ports, program, until
from programs import SONIC_PI, chuck, csound, in_full, missing, sonic_pi
from sound import attacks, off_the_grid, onsets, pitch, read

NOTES = 10
pytestmark = pytest.mark.skipif(bool(missing("jackd", "jack_rec")), reason="jackd or jack_rec is not installed")


def recorded(stage, folder, port):
    """Eighths at 120 bpm, from middle C upwards; the sound at a JACK port meanwhile."""
    until(lambda: any(port in found for found in jack_ports()), 30, f"JACK has no port {port!r}")
    wav = folder / "sound.wav"
    with program(["jack_rec", "-f", wav, "-d", str(NOTES // 4 + 3), "-b", "16", port]) as recorder:
        until(wav.exists)
        s = stage.stage
        s.take("/rnnmuse/transport/play")
        for number in range(NOTES):
            with s.lock:
                s.notes.plan_on(1, 1920 + 480 * number, 60 + number, 120)
                s.notes.plan_off(1, 1920 + 480 * number + 200, 60 + number)
        until(lambda: recorder.process.poll() is not None, 60)
    return read(wav)


def check(samples, begins, seconds, within):
    """Every note is there, at its pitch, and most are ``within`` ms of the beat: a busy machine holds some up."""
    assert [round(pitch(samples, at, seconds)) for at in begins] == list(range(60, 60 + NOTES))
    away = abs(off_the_grid(begins, 0.25)[0])
    print(f"onsets: median {sorted(away)[len(away) // 2]:.2f}, worst {max(away):.2f} ms from the beat")
    assert sorted(away)[len(away) // 2] < within


@pytest.mark.skipif(bool(missing("csound")), reason="csound is not installed")
def test_csound(tmp_path):
    with (
        jack(512, realtime=True),
        echo() as stage,
        csound(stage.port, tmp_path, "-odac", "-+rtaudio=jack", "-b512", "-B4096"),
    ):
        stage.reached()
        samples = recorded(stage, tmp_path, "csound6:output1")
    check(samples, onsets(samples, quiet=0.06), 0.08, 25)


@pytest.mark.skipif(bool(missing("chuck")), reason="chuck is not installed")
def test_chuck(tmp_path):
    with jack(512, realtime=True), echo() as stage, chuck(stage.port, tmp_path, server=False):
        stage.reached()
        samples = recorded(stage, tmp_path, "ChucK:outport 0")
    check(samples, onsets(samples, quiet=0.06), 0.08, 25)


@in_full
@pytest.mark.skipif(
    bool(missing("ruby", "erl", "scsynth", "o2m")) or not SONIC_PI.exists(), reason="Sonic Pi's server is not installed"
)
def test_sonic_pi(tmp_path):
    with jack(512, realtime=True), echo() as stage, sonic_pi(tmp_path) as host:
        host.run_bridge(stage.port)
        stage.reached(30)
        until(lambda: stage.stage.players.look(1).started)  # its last line
        samples = recorded(stage, tmp_path, "SuperCollider:out_1")
    check(samples, attacks(samples), 0.12, 40)
