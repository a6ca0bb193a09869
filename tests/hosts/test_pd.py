"""Pure Data's own sound, recorded by itself, and its help patch."""

import shutil
from statistics import median

import pytest
from echo import BRIDGES, echo, jack, program, until
from programs import pure_data
from sound import off_the_grid, onsets, pitch, read

pytestmark = pytest.mark.skipif(shutil.which("pd") is None, reason="Pure Data is not installed")


@pytest.mark.skipif(shutil.which("jackd") is None, reason="jackd is not installed")
def test_its_synth_sounds_on_the_beat(tmp_path):
    with jack(), echo() as stage, pure_data(stage.port, tmp_path, "-jack", "-r", "48000"):
        stage.reached()
        stage.stage.take("/rnnmuse/transport/play")
        for number in range(10):
            with stage.stage.lock:
                stage.stage.notes.plan_on(1, 960 + 480 * number, 60 + number, 120)
                stage.stage.notes.plan_off(1, 960 + 480 * number + 200, 60 + number)
        until(lambda: len(stage.came) == 10 and not stage.sounding)
    samples = read(tmp_path / "pd.wav")
    begins = onsets(samples)[:8]  # the last may not have been written yet
    assert [round(pitch(samples, at, 0.08)) for at in begins] == list(range(60, 68))
    away = abs(off_the_grid(begins, 0.25)[0])  # without time tags: half of Pd's delay and JACK's period
    assert median(away) < 25, "most of them: a busy machine holds some up"


def test_the_help_patch_opens_without_a_complaint(tmp_path):
    quit_after = tmp_path / "quit.pd"
    quit_after.write_text("#N canvas 0 0 90 90 12;\n#X obj 9 9 loadbang;\n#X obj 9 30 delay 800;\n"
                          "#X msg 9 60 \\; pd quit;\n#X connect 0 0 1 0;\n#X connect 1 0 2 0;\n")  # fmt: skip
    patches = sorted(BRIDGES.glob("pd/*-help.pd"))
    assert len(patches) == 3
    command = ["pd", "-nogui", "-noaudio", "-nomidi", "-stderr", "-path", BRIDGES / "pd", *patches, quit_after]
    with program(command) as made:
        assert made.process.wait(20) == 0
        wrong = [line for line in made.lines if "couldn't create" in line or "no such" in line]
    assert not wrong
