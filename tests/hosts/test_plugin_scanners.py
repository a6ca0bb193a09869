"""The plugin under the scanners of hosts, and under Steinberg's validator.

RNNMUSE_VALIDATOR names the validator, which is built from github.com/steinbergmedia/vst3sdk (target ``validator``).
"""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from programs import build_plugin, in_full, no_plugin

VALIDATOR = os.environ.get("RNNMUSE_VALIDATOR", "")
ARDOUR = Path("/usr/lib/ardour7/ardour-vst3-scanner")
QTRACTOR = next(Path("/usr/lib").glob("*/qtractor/qtractor_plugin_scan"), None)
pytestmark = pytest.mark.skipif(bool(no_plugin()), reason=no_plugin())


def ran(*words, say="", **env):
    begun = time.monotonic()
    done = subprocess.run(
        [str(word) for word in words],
        input=say,
        capture_output=True,
        text=True,
        timeout=200,
        env=os.environ | {"RNNMUSE_ENGINE": "none", "QT_QPA_PLATFORM": "offscreen"} | env,
    )
    print(f"{words[0]}: {time.monotonic() - begun:.2f} s")
    return done.stdout + done.stderr


@pytest.mark.skipif(not VALIDATOR, reason="RNNMUSE_VALIDATOR does not name Steinberg's validator")
@pytest.mark.parametrize("extensive", [False, pytest.param(True, marks=in_full)])
def test_steinbergs_validator_passes_every_test(extensive):
    output = ran(VALIDATOR, *(["-e"] if extensive else []), build_plugin()["folder"] / "rnnmuse.vst3")
    passed, failed = map(int, re.findall(r"Result: (\d+) tests passed, (\d+) tests failed", output)[-1])
    print(f"{passed} of {passed + failed}")
    assert passed >= (537 if extensive else 47)
    assert failed == 0, output[-3000:]


@pytest.mark.skipif(not ARDOUR.exists(), reason="Ardour 7 is not installed")
def test_ardours_scanner_finds_a_note_effect(tmp_path):
    output = ran(
        ARDOUR,
        "-f",
        "-v",
        build_plugin()["folder"] / "rnnmuse.vst3",
        HOME=str(tmp_path),
        LD_LIBRARY_PATH=str(ARDOUR.parent),
    )
    assert 'n_midi_inputs="1" n_midi_outputs="1"' in output, output
    assert 'n_inputs="0" n_outputs="0"' in output


@pytest.mark.skipif(QTRACTOR is None, reason="qtractor is not installed")
def test_qtractors_scanner_finds_the_clap():
    output = ran(QTRACTOR, say=f"CLAP:{build_plugin()['clap']}\n")
    assert re.search(r"CLAP\|rnnmuse\|0:0\|1:1\|26:2\|", output), output
