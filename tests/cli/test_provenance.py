"""`rnnmuse provenance`, and what the commands that write files leave in them."""

import json
from pathlib import Path

import pytest

from rnnmuse.music.midi import read_midi, write_midi
from rnnmuse.provenance.marks import read


def test_a_continuation_says_how_much_people_played(run, piece):
    write_midi(piece, "song.mid")
    line = "song.mid: no record: rnnmuse did not write it, or its record was removed\n"
    assert run("provenance", "song.mid") == (0, line, "")
    assert run("provenance", "song.mid", "--require") == (1, line, "")
    assert run("continue", "song.mid", "--bars", "2", "--seed", "1", "--out", "a.mid", "--audio", "a.wav",
               "--picture", "a.png")[0] == 0  # fmt: skip
    for name in ("a.mid", "a.wav", "a.png"):
        code, out, _ = run("provenance", name)
        assert code == 0
        assert "verified" in out
        assert "seed 1" in out
    share = len(read_midi(Path("song.mid")).notes) / len(read_midi(Path("a.mid")).notes)
    assert read(Path("a.mid")).made.people == pytest.approx(share, abs=1e-4)
    assert run("continue", "a.mid", "--bars", "2", "--seed", "2", "--model", "piano", "--out", "b.mid")[0] == 0
    found = read(Path("b.mid")).made
    assert set(found.models) == {"lieder", "piano"}, "the models that made the prompt are named too"
    assert found.people < share
    assert run("listen", "b.mid", "--out", "b.wav")[0] == 0
    assert read(Path("b.wav")).made == found


def test_no_provenance_writes_none_and_says_so(run):
    words = ("generate", "--bars", "1", "--seed", "1", "--out", "a.mid")
    assert run(*words)[2].strip() == ""
    code, _, err = run(*words, "--force", "--no-provenance")
    assert code == 0
    assert len(err.strip().splitlines()) == 1
    assert "law" in err
    assert read(Path("a.mid")) is None


def test_a_changed_file_is_named(run):
    assert run("text", "--form", "haiku", "--seed", "3", "--out", "a.json")[0] == 0
    assert run("text", "--form", "haiku", "--seed", "3", "--out", "a.txt")[0] == 0
    assert json.loads(Path("a.json").read_text())["provenance"]["models"]
    assert run("provenance", "a.json", "a.txt")[0] == 0
    Path("a.txt").write_text(Path("a.txt").read_text().replace("\n", " \n", 1))
    code, out, _ = run("provenance", "a.json", "a.txt", "--json")
    assert code == 1
    states = {line["file"]: line["state"] for line in json.loads(out)}
    assert states == {"a.json": "verified", "a.txt": "changed since"}


def test_a_missing_file_is_one_line(run):
    code, out, err = run("provenance", "none.mid")
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
