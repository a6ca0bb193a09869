"""Live's clip actions: their logic in Node, with a stand-in for Ableton's Extensions SDK, and rnnmuse behind it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rnnmuse import __version__
from rnnmuse.bridges import plugin

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "bridges" / "ableton" / "extension"
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")


def test_its_logic_holds_in_node_and_rnnmuse_answers_it(tmp_path):
    env = os.environ | {
        "REAL": "1",
        "RNNMUSE_ENGINE": str(plugin.register(tmp_path)),
        "PYTHONPATH": str(HERE.parents[1]),
    }
    words = ["node", "--test", "--test-reporter=tap", str(HERE / "ableton_extension.test.js")]
    done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=250)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert re.search(r"^# pass 10$", done.stdout, re.M), done.stdout
    assert "# skipped 0" in done.stdout


def test_its_manifest_has_what_the_sdk_asks_for():
    manifest = json.loads((SOURCE / "manifest.json").read_text("utf-8"))
    assert set(manifest) == {"name", "author", "version", "entry", "minimumApiVersion"}
    package = json.loads((SOURCE / "package.json").read_text("utf-8"))
    assert manifest["version"] == package["version"] == __version__
