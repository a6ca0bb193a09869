"""The commands as a user types them."""

import json
import shutil
import wave
from pathlib import Path

import pytest
from PIL import Image

from rnnmuse.music.midi import read_midi, write_midi


def test_generate_writes_midi_sound_and_picture(run):
    words = [
        "--bars",
        "2",
        "--seed",
        "4",
        "--tempo",
        "90",
        "--out",
        "a/b.mid",
        "--audio",
        "b.wav",
        "--picture",
        "b.png",
    ]
    code, out, _ = run("generate", *words, "--expression", "0")  # which shapes the tempo
    assert code == 0
    assert "seed 4" in out
    piece = read_midi(Path("a/b.mid"))
    assert piece.notes
    assert piece.tempo_at(0) == pytest.approx(90, abs=0.01)
    with wave.open("b.wav") as sound:
        assert sound.getnframes() > 44100
    assert Image.open("b.png").width == 1600


def test_continue_keeps_the_piece_and_adds_bars(run, piece):
    write_midi(piece, "song.mid")
    code, out, _ = run("continue", "song.mid", "--bars", "4", "--seed", "1", "--key", "C major")
    assert code == 0
    assert "song-continued.mid" in out
    before, after = read_midi(Path("song.mid")), read_midi(Path("song-continued.mid"))
    assert [n for n in after.notes if n.start < 15.9] == before.notes
    assert 16 < after.end <= 32 + 1e-6


def test_generate_with_a_prompt_is_continue(run, piece):
    write_midi(piece, "song.mid")
    assert run("generate", "--prompt", "song.mid", "--bars", "2", "--seed", "1", "--out", "x.mid")[0] == 0
    assert run("continue", "song.mid", "--bars", "2", "--seed", "1", "--out", "y.mid")[0] == 0
    assert Path("x.mid").read_bytes() == Path("y.mid").read_bytes()


def test_demo_says_what_it_did(run):
    code, out, _ = run("demo", "--bars", "4")
    assert code == 0
    assert {p.name for p in Path("out").iterdir()} == {"demo.mid", "demo.wav", "demo.png"}
    assert "Schumann" in out


def test_show_and_listen(run, piece):
    write_midi(piece, "song.mid")
    code, out, _ = run("show", "song.mid", "--out", "song.svg")
    assert code == 0
    assert "20 notes" in out
    assert "bar" in out
    assert Path("song.svg").read_text().startswith("<svg")
    assert run("listen", "song.mid", "--sample-rate", "16000")[0] == 0
    with wave.open("song.wav") as sound:
        assert sound.getframerate() == 16000


def test_models_are_listed_shown_and_verified(run):
    assert "lieder" in run("models")[1]
    assert run("models", "verify")[1].count(": ok") >= 2
    assert "lieder" in run("models", "show", "lieder")[1]


def test_a_broken_model_is_listed_as_such_beside_the_others(run, tmp_path, monkeypatch):
    from rnnmuse.models.bundle import shipped_folder, write_sums

    mine = tmp_path / "models" / "mine"
    shutil.copytree(shipped_folder() / "grooves", mine)
    shutil.copy(shipped_folder() / "verse" / "step.onnx", mine)
    write_sums(mine)
    monkeypatch.setenv("RNNMUSE_MODELS", str(tmp_path / "models"))
    code, out, _ = run("models")
    assert code == 0
    assert next(line for line in out.splitlines() if line.startswith("mine")).split()[1] == "broken"
    assert "lieder" in out
    listed = json.loads(run("models", "--json")[1])
    assert [entry["name"] for entry in listed if "broken" in entry] == ["mine"]
    code, out, _ = run("models", "verify")
    assert code == 1
    assert "lieder: ok" in out
    assert "mine: WRONG the parts of the bundle do not fit together" in out


def test_text_is_trained_and_written(run, models):
    Path("song.txt").write_text("row row row your boat\n" * 60)
    code, out, err = run("train", "text", "song.txt", "--name", "boat", "--epochs", "1", "--work", "work")
    assert code == 0, err
    assert "rnnmuse text --model boat" in out
    assert Path("work/preview-001.txt").exists()
    assert Path("work/loss.png").exists()
    code, out, _ = run("text", "--model", "boat", "--length", "40", "--seed", "1")
    assert code == 0
    assert len(out.rstrip("\n")) <= 40
    assert "nats_a_character" in run("evaluate", "boat", "song.txt", "--pieces", "0")[1]


def test_doctor_finds_all_well(run):
    code, out, _ = run("doctor")
    assert code == 0
    assert "All well." in out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["continue", "nothing.mid"], "nothing.mid"),
        (["continue", "junk.mid"], "junk.mid"),
        (["continue", "junk.txt"], "unknown kind of file"),
        (["generate", "--model", "leider"], "lieder"),
        (["generate", "--bars", "0"], "bars: 0"),
        (["generate", "--out", "a.wav", "--bars", "1"], ".mid"),
        (["generate", "--chords", "Qm"], "Qm"),
        (["show", "junk.mid"], "junk.mid"),
        (["listen", "junk.mid"], "junk.mid"),
        (["models", "verify", "nobody"], "nobody"),
        (["train", "stream", "empty", "--name", "Bad Name"], "name"),
        (["train", "stream", "empty", "--name", "fine"], "empty"),
        (["train", "stream", "empty", "--name", "lieder"], "--replace"),
        (["train", "stream", "empty", "--name", "fine", "--device", "tpu"], "device"),
        (["evaluate", "nobody", "empty"], "nobody"),
        (["evaluate", "--benchmark", "tinyshakespeare", "empty"], "tinyshakespeare"),
        (["evaluate", "--benchmark", "enwik8"], "enwik8"),
        (["text", "--form", "limerick"], "limerick"),
        (["text", "--form", "Sonet"], "did you mean sonnet"),
        (["cover", "draw", "--seed", "1", "--title", "  "], "is blank"),
        (["text", "--model", "lieder"], "a text model is needed"),
        (["text", "--out", "a.pdf"], "a.pdf"),
        (["text", "--length", "0"], "length: 0"),
        (["text", "--temperature", "nan"], "temperature"),
        (["text", "--form", "scene", "--cast", "Ann"], "cast"),
        (["lyrics", "junk.mid"], "junk.mid"),
        (["setting", " "], "words: none"),
        (["setting", "la la", "--out", "a.wav"], "a.wav"),
        (["cues", "junk.mid"], "junk.mid"),
        (["train", "text", "empty", "--name", "fine"], "no text to learn from"),
        (["train", "text", "junk.txt", "--name", "Bad Name"], "name"),
    ],
)
def test_a_mistake_gets_one_line(run, words, named):
    Path("junk.mid").write_bytes(b"MThd junk")
    Path("junk.txt").write_text("x")
    Path("empty").mkdir()
    code, _, err = run(*words)
    assert code == 2
    assert named in err
    assert len(err.strip().splitlines()) == 1
