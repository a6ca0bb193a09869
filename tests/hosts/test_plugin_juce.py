"""The plugin in hosts made with JUCE: how long it takes to load, and what controllers do.

RNNMUSE_JUCE names a Python with dawdreamer, pedalboard and mido, in an environment of its own:
``python -m venv juce && juce/bin/pip install dawdreamer pedalboard mido``.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
from echo import free_port, until
from programs import build_plugin, no_plugin

from rnnmuse.bridges import plugin as files
from rnnmuse.bridges.hosts import Line

HERE = Path(__file__).parent
JUCE = os.environ.get("RNNMUSE_JUCE", "")
pytestmark = [
    pytest.mark.skipif(bool(no_plugin()), reason=no_plugin()),
    pytest.mark.skipif(not JUCE, reason="RNNMUSE_JUCE names no Python with dawdreamer and pedalboard"),
]


def test_it_loads_at_once_and_no_controller_changes_a_parameter(tmp_path):
    port, root = free_port(), str(HERE.parents[1])
    env = os.environ | {"RNNMUSE_PORT": str(port), "RNNMUSE_ENGINE": str(files.register(tmp_path)), "PYTHONPATH": root}
    words = [JUCE, str(HERE / "juce_host.py"), str(build_plugin()["folder"] / "rnnmuse.vst3"), "25"]
    asked: list[str] = []

    def watched() -> bool:
        """Until the host has ended: what rnnmuse is asked meanwhile."""
        try:
            with Line(port, 1.0) as line:
                line.send("/rnnmuse/monitor", 60.0)
                while made.poll() is None:
                    if said := line.wait("/rnnmuse/monitored", 0.5):
                        asked.append(str(said[1]))
        except files.RnnmuseError:  # it is not there yet
            pass
        return made.poll() is not None

    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as made:
        until(watched, 120, "dawdreamer does not end")
        output, errors = made.communicate()
    assert made.returncode == 0, errors[-2000:]
    found = json.loads(output.splitlines()[-1])
    print(found, asked.count("/rnnmuse/transport/render"))
    assert found["pedalboard"] == "Plugin 'rnnmuse' does not produce audio output."
    assert found["status"] == "connected"
    assert found["moved"] == []
    assert asked.count("/rnnmuse/transport/render") > 60, "each beat of the bounce was waited for"
    assert found["saved_notes"] == 1, "dawdreamer saves what it sent, and nothing that a plugin sends"
