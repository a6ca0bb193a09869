"""SuperCollider's sound by time tags, recorded by scsynth; the Quark and its help, read by sclang."""

import shutil

import numpy as np
import pytest
from echo import BRIDGES, echo, jack, program, until
from programs import QUIET, supercollider
from sound import onsets, pitch, read

from rnnmuse.bridges import osc

pytestmark = pytest.mark.skipif(shutil.which("sclang") is None, reason="SuperCollider is not installed")


def recorded(folder, notes=24, seconds=12):
    """Eighths of player 1 by its synths, then of player 2 through the pattern; onsets in seconds, and the sound."""
    more = {"RNNMUSE_SCSYNTH": "57193", "RNNMUSE_WAV": str(folder / "sc.wav"), "RNNMUSE_SECONDS": str(seconds)}
    with jack(512, realtime=True), echo() as stage, supercollider(stage.port, folder, "sound.scd", **more) as made:
        stage.reached()
        s = stage.stage
        s.take("/rnnmuse/transport/play")
        for number in range(2 * notes):
            player, pitch_ = (1, 60 + number % 12) if number < notes else (2, 72 + number % 5)
            with s.lock:
                s.notes.plan_on(player, 1920 + 480 * number, pitch_, 100)
                s.notes.plan_off(player, 1920 + 480 * number + 200, pitch_)
        made.until("recorded", seconds + 30)
        assert "open: 0" in made.lines
        assert not [line for line in made.lines if line.startswith("late")]
    samples = read(folder / "sc.wav")
    return onsets(samples), samples


@pytest.mark.skipif(shutil.which("scsynth") is None or shutil.which("jackd") is None, reason="no scsynth or no jackd")
def test_its_sound_is_on_the_beat(tmp_path):
    begins, samples = recorded(tmp_path, 16)
    assert len(begins) == 32
    assert [round(pitch(samples, at, 0.1)) for at in begins[:16]] == [60 + n % 12 for n in range(16)]
    for part in (begins[4:16], begins[16:]):  # scsynth learns the clock's rate from the first second
        away = np.abs(np.diff(part) - 0.25) * 1000
        # `make hosts` measures more; here a busy machine may make the dummy driver lose a cycle
        assert np.quantile(away, 0.8) < 1.0, "milliseconds from the beat"


def test_its_text_responder_gets_the_words(tmp_path):
    with echo() as stage, supercollider(stage.port, tmp_path) as made:
        stage.reached()
        stage.stage.server.broadcast(osc.build("/rnnmuse/out/text/3", (1, 0, "to be", 0)))
        stage.stage.server.broadcast(osc.build("/rnnmuse/out/text/3", (1, 1, "or not", 1)))
        made.until("said: 3 to be false")
        made.until("said: 3 or not true")


def test_the_quark_and_its_help_are_read(tmp_path):
    script = tmp_path / "read.scd"
    folder = BRIDGES / "supercollider"
    script.write_text(f"""
        "quark: %".format(File.readAllString("{folder}/RNNMuse.quark").interpret[\\name]).postln;
        PathName("{folder}/HelpSource/Classes").files.do {{ |file|
            "help: % %".format(file.fileNameWithoutExtension,
                SCDoc.parseFileFull(file.fullPath).notNil).postln }};
        "classes: %".format([RNNMuse, RNNMusePlayer, Prnnmuse].collect(_.name)).postln;
        0.exit;
    """)
    settings = tmp_path / "sclang.yaml"
    settings.write_text(f"includePaths: [{folder}]\nexcludePaths: []\n")
    with program(["sclang", "-l", settings, script], QUIET) as made:
        until(lambda: made.process.poll() is not None, 40)
        assert "quark: RNNMuse" in made.lines
        for name in ("RNNMuse", "RNNMusePlayer", "Prnnmuse"):
            assert f"help: {name} true" in made.lines
