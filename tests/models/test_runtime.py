"""onnxruntime does not speak to its maker: sockets and files are watched under a fresh home."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rnnmuse

ROOT = Path(rnnmuse.__file__).parents[1]
LATER = 11.0
"""Seconds after which onnxruntime 1.32 sends what it has collected: it opens its first socket after 10 s."""
PLAYS = """
import sys, time
from rnnmuse.models.bundle import load_stream
from rnnmuse.models.stream import START_EVENT
from rnnmuse.music.codec import UNKNOWN
model = load_stream("leadsheet")
state = model.start()
for _ in range(20):
    _, state = model.step(state, START_EVENT, UNKNOWN)
time.sleep(float(sys.argv[1]))
print("done")
"""
IMPORTS = "import onnxruntime, os; os._exit(0)"


def under_a_fresh_home(home, code, *words, trace=None):
    """Run Python with an empty home and without the variable; returns the files that it leaves there."""
    home.mkdir()
    env = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "ORT_"))}
    env |= {"HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    watched = ["strace", "-f", "-qq", "-e", "trace=%network", "-o", str(trace)] if trace else []
    done = subprocess.run(
        [*watched, sys.executable, "-c", code, *words], env=env, cwd=home, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [path for path in home.rglob("*") if path.is_file()]


def test_no_file_is_written_under_a_fresh_home(tmp_path):
    assert under_a_fresh_home(tmp_path / "home", PLAYS, "0") == []


def test_no_socket_is_opened(tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    may = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True)
    if may.returncode:
        pytest.skip("strace may not trace here")
    trace = tmp_path / "trace"
    assert under_a_fresh_home(tmp_path / "home", PLAYS, str(LATER), trace=trace) == []
    assert trace.read_text() == ""


def test_the_watch_sees_telemetry(tmp_path):
    """The control: onnxruntime imported without `rnnmuse.models.runtime` leaves an identifier behind."""
    if not under_a_fresh_home(tmp_path / "home", IMPORTS):
        pytest.skip("this build of onnxruntime has no telemetry")


def test_nothing_else_imports_it():
    """`session` or `onnxruntime` of the runtime module come first, wherever it is used."""
    users = {}
    for path in sorted((ROOT / "rnnmuse").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        names = [
            name
            for node in ast.walk(ast.parse(text))
            for name in ([a.name for a in node.names] if isinstance(node, ast.Import)
                         else [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
            if re.match(r"onnxruntime(\.|$)", name)
        ]  # fmt: skip
        if names:
            users[path.relative_to(ROOT / "rnnmuse").as_posix()] = names
    assert users == {"models/runtime.py": ["onnxruntime"], "train/graph.py": ["onnxruntime.quantization"]}
    export = (ROOT / "rnnmuse" / "train" / "graph.py").read_text(encoding="utf-8")
    assert export.index("    onnxruntime()") < export.index("from onnxruntime.quantization")
