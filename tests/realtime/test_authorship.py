"""The authorship log: what people and models did in a stage, bar by bar; every change of it is found."""

import json
import random

import pytest

from rnnmuse.errors import ReadError
from rnnmuse.provenance.journal import chained, read, statement
from rnnmuse.realtime.authorship import Authorship
from rnnmuse.testing import StageClient


@pytest.fixture
def played(tmp_path):
    """A log of a session, and the stage's own count of notes: (path, people, models)."""
    stage = StageClient()
    Authorship(stage.stage, tmp_path / "session.log")
    stage.send("/rnnmuse/player/1/param/temperature", 0.8)
    stage.send("/rnnmuse/player/1/mode", "free")
    stage.send("/rnnmuse/player/1/start")
    stage.run(3.0)
    for pitch in (60, 64, 67):
        stage.send("/rnnmuse/player/1/note", pitch, 90, 1)
        stage.run(0.5)
    stage.run(4.0)
    begun = sum(1 for _, sent in stage.output.events if sent.velocity)
    stage.close()
    return tmp_path / "session.log", 3, begun


def test_it_holds_every_note_and_every_change(played):
    path, people, models = played
    found = read(path)
    assert found.broken == 0
    assert found.closed
    notes = [entry for entry in found.entries if entry["what"] == "note"]
    assert sum(entry["who"] == "person" for entry in notes) == people
    assert sum(entry["who"] == "model" for entry in notes) == models
    assert {entry["model"] for entry in notes if entry["who"] == "model"} == {"lieder"}
    assert found.entries[-1]["models"]["lieder"].startswith("sha256:")
    changes = [entry["address"] for entry in found.entries if entry["what"] == "change"]
    assert "/rnnmuse/player/1/param/temperature" in changes
    assert not any(address.endswith("/note") for address in changes)
    bars = found.bars()
    assert sum(bar.people for bar in bars.values()) == people
    assert sum(bar.models.total() for bar in bars.values()) == models
    page = statement(found)
    assert f"People played {people} of {people + models} notes" in page
    assert found.last in page


def test_every_change_of_it_is_found(played, tmp_path):
    path, *_ = played
    lines = path.read_bytes().splitlines(keepends=True)
    other = tmp_path / "other.log"
    rng = random.Random(1)
    for _ in range(60):
        at = rng.randrange(len(lines))
        bad = list(lines)
        match rng.randrange(4):
            case 0:
                where = rng.randrange(len(bad[at]) - 1)
                line = bytearray(bad[at])
                line[where] ^= 1
                bad[at] = bytes(line)
            case 1 if at < len(bad) - 1:
                del bad[at]
            case 2 if at < len(bad) - 1:
                bad[at], bad[at + 1] = bad[at + 1], bad[at]
            case _:
                bad.insert(at, bad[rng.randrange(len(bad))])
        other.write_bytes(b"".join(bad))
        try:
            found = read(other)
        except ReadError:
            continue
        assert found.broken or not found.closed
    other.write_bytes(b"".join(lines[:-1]))
    assert not read(other).closed, "an end that was cut off shows"
    other.write_bytes(b"".join(lines)[:-20])
    cut = read(other)
    assert (cut.broken, cut.closed) == (0, False)


def test_bars_follow_the_metre(tmp_path):
    entries = [{"what": "began"}]
    entries += [{"what": "change", "beat": 0.0, "address": "/rnnmuse/transport/metre", "values": [3, 4]}]
    entries += [{"what": "note", "who": "person", "beat": float(beat), "pitch": 60, "velocity": 9, "player": 1}
                for beat in range(9)]  # fmt: skip
    before, lines = "0" * 64, []
    for entry in entries:
        before = chained(before, entry)
        lines.append(json.dumps({**entry, "hash": before}))
    (tmp_path / "a.log").write_text("\n".join(lines))
    assert {number: bar.people for number, bar in read(tmp_path / "a.log").bars().items()} == {1: 3, 2: 3, 3: 3}


@pytest.mark.parametrize("data", [b"", b"x", b"{}\n", b"[" * 100_000, b'{"what": 3, "hash": "x"}'])
def test_what_is_no_log_is_one_line(tmp_path, data):
    (tmp_path / "a.log").write_bytes(data)
    with pytest.raises(ReadError, match="not an authorship log"):
        read(tmp_path / "a.log")


def test_a_log_is_never_written_over(played):
    path, *_ = played
    stage = StageClient()
    with pytest.raises(FileExistsError):
        Authorship(stage.stage, path)
    stage.close()


def test_the_command_states_and_verifies(played, monkeypatch, capsys, tmp_path):
    from rnnmuse.cli import main as command

    path, *_ = played

    def run(*words):
        monkeypatch.setattr("sys.argv", ["rnnmuse", "authorship", *words])
        with pytest.raises(SystemExit) as end:
            command.main()
        return end.value.code or 0

    assert run(str(path)) == 0
    assert "Who made this music" in capsys.readouterr().out
    path.write_bytes(path.read_bytes().replace(b"person", b"nobody", 1))
    assert run(str(path), "--out", str(tmp_path / "who.md")) == 1
    assert "broken at line" in (tmp_path / "who.md").read_text()
