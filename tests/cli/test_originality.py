"""`rnnmuse originality` on music and text."""

import json
from pathlib import Path

import numpy as np

from rnnmuse.models.bundle import find
from rnnmuse.music.midi import read_midi


def test_music_stands_beside_real_pieces(run):
    assert run("generate", "--bars", "4", "--seed", "3", "--out", "a.mid")[0] == 0
    code, out, _ = run("originality", "a.mid", "--json")
    assert code == 0
    (row,) = json.loads(out)
    assert row["model"] == "lieder", "the model of its record"
    assert row["run"] < row["limit"] == 16
    assert 0 <= row["overlap"] <= 1
    assert 0 < row["false_alarm"] < 1e-3
    code, out, _ = run("originality", "a.mid", "--model", "grooves", "--model", "piano")
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines()] == ["grooves", "piano"]


def test_a_copy_is_found(run, tmp_path, monkeypatch):
    """A model of one's own, indexed from a folder with the piece that is then looked up in another key."""
    import shutil

    from rnnmuse.music.midi import write_midi

    monkeypatch.setenv("RNNMUSE_MODELS", str(tmp_path / "models"))
    shutil.copytree(find("lieder").folder, tmp_path / "models" / "mine")
    assert run("generate", "--bars", "12", "--seed", "5", "--out", "song.mid")[0] == 0
    song = read_midi(Path("song.mid"))
    rows = []
    from rnnmuse.models.bundle import load_stream
    from rnnmuse.music.codec import encode

    rows = encode(song, load_stream("lieder").parts).events
    np.savez("own.npz", train_events=rows, train_lengths=[len(rows)], validation_events=rows[:0],
             validation_lengths=[], test_events=rows[:0], test_lengths=[])  # fmt: skip
    code, out, err = run("train", "index", "mine", "own.npz")
    assert code == 0, err
    assert "1 pieces" in out
    assert run("models", "verify", "mine")[0] == 0, "its hashes are written anew"
    for part in song.parts:
        part.notes = [note.__class__(n.start, n.pitch + 2, n.duration, n.velocity) for n in part.notes for note in (n,)]
    write_midi(song, "moved.mid")
    code, out, _ = run("originality", "moved.mid", "--model", "mine")
    assert code == 1
    assert "copied (from 16)" in out


def test_text_that_quotes_is_found(run):
    Path("own.txt").write_text("A line that nobody wrote before us, about nothing but a comma, here. " * 3)
    assert run("originality", "own.txt", "--model", "shakespeare")[0] == 0
    Path("quote.txt").write_text(
        "Shall I compare thee to a summer's day? Thou art more lovely and more temperate: Rough winds do shake the "
        "darling buds of May, And summer's lease hath all too short a date."
    )
    code, out, _ = run("originality", "quote.txt", "--json")
    rows = {row["model"]: row for row in json.loads(out)}
    assert {"shakespeare", "verse"} <= set(rows)
    assert code == int(any(row["copied"] for row in rows.values()))


def test_what_cannot_be_compared_is_one_line(run):
    Path("x.txt").write_bytes(b"\xff\xfe\xff")
    assert run("originality", "x.txt")[0] == 2
    assert run("originality", "none.mid")[0] == 2
    code, _, err = run("train", "index", "verse", "x.npz")
    assert code == 2
    assert "stream" in err
