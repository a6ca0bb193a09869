"""A slice of `make fuzz`: some mutants of every kind, other ones than those that CI draws for 20 s each."""

import subprocess
import sys
from pathlib import Path

import fuzz
import pytest

COUNTS = {"osc": 300, "slip": 2000, "midi-in": 2000, "rig": 150, "bundle": 25, "image": 300, "websocket": 1000,
          "provenance": 300}  # fmt: skip


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_mutants_are_handled_or_refused_in_one_line(kind, capsys):
    if kind == "image":
        pytest.importorskip("torch")
    assert fuzz.run(kind, COUNTS[kind], None) == 0, capsys.readouterr().out


def test_a_mutant_is_made_from_its_number_alone():
    seeds = fuzz.packets()
    import random

    one, two = (fuzz.mutant(seeds[3], random.Random("osc 7"), seeds) for _ in range(2))
    assert one == two


def test_what_is_handled_wrongly_is_told_and_counted(monkeypatch, capsys):
    import contextlib

    @contextlib.contextmanager
    def start():
        def take(data):
            if len(data) % 3 == 1:
                raise KeyError("a fault\nof two lines")

        yield take

    monkeypatch.setitem(fuzz.KINDS, "broken", fuzz.Kind(lambda: [b"abcdef"], start))
    assert fuzz.run("broken", 40, None) > 0
    assert "KeyError" in capsys.readouterr().out


def test_it_runs_as_a_command():
    command = [sys.executable, str(Path(fuzz.__file__)), "slip", "--count", "50"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "50 mutants" in done.stdout
