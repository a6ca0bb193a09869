"""`rnnmuse selfcheck`: each check out of process; what fails, crashes or is unknown is a result."""

import json
from pathlib import Path

import pytest

from rnnmuse import selfcheck
from rnnmuse.selfcheck import CHECKS, Outcome, page
from rnnmuse.selfcheck import run as run_check


def test_the_same_seed_checks_the_same(run):
    words = ("selfcheck", "--strictness", "1", "--seed", "7", "--only", "ledger", "--only", "audio", "--json")
    code, out, _ = run(*words)
    assert code == 0, out
    one = json.loads(out)
    two = json.loads(run(*words)[1])
    assert [check["text"] for check in one["checks"]] == [check["text"] for check in two["checks"]]
    assert [check["state"] for check in one["checks"]] == ["ok", "ok"]
    notes = int(one["checks"][0]["text"].split(" notes")[0].split()[-1])
    assert notes > 50, "a storm in which little sounds checks little"


@pytest.mark.parametrize("name", ["hostile", "bundles"])
def test_a_check_is_ok(name):
    outcome = run_check(name, 1, 5)
    assert outcome.state == "ok", outcome


def test_what_ends_or_hangs_has_failed(monkeypatch, tmp_path):
    outcome = run_check("no such check", 1, 1)
    assert outcome.state == "failed"
    assert "KeyError" in outcome.text
    child = tmp_path / "child.py"
    monkeypatch.setattr(selfcheck, "MACHINE", type("M", (), {"child": lambda self, *w: ["python3", str(child)]})())
    child.write_text("import os; os.kill(os.getpid(), 9)")
    assert "ended with -9" in run_check("audio", 1, 1).text
    child.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(selfcheck, "SECONDS", 0.2)
    assert "hangs" in run_check("audio", 1, 1).text


def test_a_damaged_model_is_found_and_told_by_the_exit_code(run, monkeypatch, tmp_path):
    import shutil

    from rnnmuse.models.bundle import find

    shutil.copytree(find("grooves").folder, tmp_path / "models" / "mine")
    with (tmp_path / "models" / "mine" / "weights.safetensors").open("ab") as file:
        file.write(b"x")
    monkeypatch.setenv("RNNMUSE_MODELS", str(tmp_path / "models"))
    code, out, _ = run("selfcheck", "--only", "bundles", "--seed", "1", "--out", "page.txt")
    assert code == 1
    assert "mine/weights.safetensors" in out
    assert Path("page.txt").read_text() == out
    assert "1 of 1 failed" in out


def test_the_page_has_what_a_bug_report_needs():
    text = page([Outcome("audio", "ok", "fine", 1.0)], 3, 99)
    assert "selfcheck --strictness 3 --seed 99" in text
    assert "Python" in text
    assert "All well." in text


def test_what_cannot_be_checked_is_one_line(run):
    assert run("selfcheck", "--strictness", "11")[0] == 2
    assert run("selfcheck", "--only", "weather")[0] == 2
    assert set(CHECKS) == {"ports", "clock", "ledger", "hostile", "engine", "bundles", "memory", "audio"}
