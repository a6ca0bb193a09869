"""From a folder of files to a report, a card and its pictures."""

import json

import pytest

from rnnmuse.events import Note
from rnnmuse.models.bundle import verify
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import Part, Piece
from rnnmuse.train.stream import judge
from rnnmuse.train.stream.evaluate import evaluate_stream
from rnnmuse.train.stream.run import train_stream

RECIPE = """
name = "x"
splits = "splits.csv"
embed = 12
hidden = 16
head = 8
lanes = 2
chunk = 32
epochs = 1

[[parts]]
name = "piano"
families = [0]
"""


@pytest.fixture
def folder(tmp_path):
    where = tmp_path / "music"
    where.mkdir()
    rows = ["midi_filename,split"]
    for index, split in enumerate(["train"] * 3 + ["validation"] + ["test"] * 3):
        notes = [Note(i / 2, 60 + (i * (index + 2)) % 13, 0.5, 60 + i % 40) for i in range(128)]
        write_midi(Piece([Part("Piano", notes=notes)]), where / f"{index}.mid")
        rows.append(f"{index}.mid,{split}")
    (where / "splits.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return where


def test_a_model_is_judged_and_its_card_keeps_what_people_wrote(folder, models, tmp_path, monkeypatch):
    monkeypatch.setattr(judge, "TREES", 20)
    kept = {"cache": tmp_path / "cache"}
    bundle = train_stream(
        [folder], "mine", recipe=tmp_path / "recipe.toml", work=tmp_path / "run", device="cpu", **kept
    )
    card = bundle.folder / "card.md"
    card.write_text(card.read_text() + "\n## My notes\n\nFor rainy days.\n")
    text = evaluate_stream("mine", [folder], 6, 4, workers=1, **kept)
    assert "6 windows of 4 bars from 3 held-out pieces" in text
    assert "| from nothing |" in text
    assert "repeated bars, exact: piano" in text
    assert "nats an event" in text
    found = json.loads((bundle.folder / "eval.json").read_text())["windows"]
    assert (found["count"], found["pieces"], found["left out"]) == (6, 3, [])
    assert set(found["two-sample"]) == {"from nothing", "continued"}
    written = card.read_text()
    assert written.endswith("## My notes\n\nFor rainy days.\n")
    assert text in written
    for name in ("similarity", "statistics", "sample-1", "sample-2"):
        assert (bundle.folder / f"{name}.png").stat().st_size > 1000
        assert f"{name}.png" in written
    verify(bundle)


def test_too_few_long_pieces_are_said(folder, models, tmp_path):
    kept = {"cache": tmp_path / "cache"}
    train_stream([folder], "mine", recipe=tmp_path / "recipe.toml", work=tmp_path / "run", device="cpu", **kept)
    with pytest.raises(ValueError, match="no two test pieces of 40 bars in one metre; fewer --bars"):
        evaluate_stream("mine", [folder], 6, 32, workers=1, **kept)
    with pytest.raises(ValueError, match="windows, bars: 6, 2"):
        evaluate_stream("mine", [folder], 6, 2, workers=1, **kept)
