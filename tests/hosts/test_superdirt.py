"""SuperDirt itself plays what rnnmuse sends to /dirt/play, at its time tags.

Its sources are not a Debian package: RNNMUSE_SUPERDIRT names the folders of SuperDirt and of the quark Vowel.
"""

import os

import numpy as np
import pytest
from echo import HERE, echo, jack, program, until
from programs import QUIET, missing
from sound import onsets, pitch, read

from rnnmuse.bridges.dirt import AHEAD, DirtOut

FOLDERS = os.environ.get("RNNMUSE_SUPERDIRT", "")
pytestmark = pytest.mark.skipif(
    bool(missing("sclang", "scsynth", "jackd")) or not FOLDERS,
    reason="SuperCollider or jackd is not installed, or RNNMUSE_SUPERDIRT does not name SuperDirt and Vowel",
)


def test_superdirt_plays_each_note_at_its_time(tmp_path):
    settings = tmp_path / "sclang.yaml"
    settings.write_text(f"includePaths: [{', '.join(FOLDERS.split(':'))}]\nexcludePaths: []\n")
    env = QUIET | {"RNNMUSE_SCSYNTH": "57195", "RNNMUSE_WAV": str(tmp_path / "dirt.wav"), "RNNMUSE_SECONDS": "9"}
    command = ["sclang", "-l", settings, HERE / "superdirt.scd"]
    with jack(512, realtime=True), echo() as stage, program(command, env) as made:
        port = int(made.until("ready:", 60).split()[-1])
        s = stage.stage
        s.add_output(DirtOut("dirt", "127.0.0.1", port, round(AHEAD * 1e9), "rnnclick", "rnnclick", lambda: 120.0))
        s.take("/rnnmuse/transport/play")
        for number in range(24):
            with s.lock:
                s.notes.plan_on(1, 1920 + 480 * number, 60 + number % 12, 127)
                s.notes.plan_off(1, 1920 + 480 * number + 200, 60 + number % 12)
        until(lambda: "recorded" in made.lines, 40)
    samples = read(tmp_path / "dirt.wav")
    begins = onsets(samples, 0.02, 0.05)
    assert [round(pitch(samples, at, 0.08)) for at in begins] == [60 + n % 12 for n in range(24)]
    assert np.quantile(np.abs(np.diff(begins[4:]) - 0.25) * 1000, 0.8) < 1.0, "milliseconds from the beat"
