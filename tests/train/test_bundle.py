"""A bundle is written whole or not at all, and what people wrote in one stays."""

import numpy as np
import pytest

from rnnmuse.models.bundle import SUMS, Bundle, verify
from rnnmuse.train.bundle import new_bundle, smaller
from rnnmuse.train.card import first_card, save_card, sections
from rnnmuse.train.graph import graph_of


def write(folder, text):
    with new_bundle(folder) as partial:
        (partial / "model.toml").write_text(text)
        (partial / "weights.safetensors").write_text(text)
        first_card(partial, folder.name, "A model.")


def test_what_fails_half_way_leaves_the_old_bundle(tmp_path):
    folder = tmp_path / "mine"
    write(folder, "old")

    def fail():
        with new_bundle(folder) as partial:
            (partial / "model.toml").write_text("new")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk"):
        fail()
    assert (folder / "model.toml").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_exchange_that_was_cut_off_is_completed(tmp_path):
    folder = tmp_path / "mine"
    write(folder, "old")
    folder.rename(tmp_path / ".mine.old")
    (tmp_path / ".mine.partial").mkdir()
    (tmp_path / ".mine.old" / "notes.md").write_text("by hand")
    write(folder, "new")
    assert (folder / "notes.md").read_text() == "by hand"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_peoples_files_stay_and_those_of_the_old_training_go(tmp_path):
    folder = tmp_path / "mine"
    write(folder, "old")
    for name in ("photo.jpg", "groove.safetensors", "eval.json"):
        (folder / name).write_text("x")
    write(folder, "new")
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["card.md", "model.toml", "photo.jpg", SUMS, "weights.safetensors"]
    )
    sums = (folder / SUMS).read_text()
    assert [name in sums for name in ("card.md", "photo.jpg")] == [False, True]
    with pytest.raises(Exception, match=r"step\.onnx"):
        verify(Bundle("mine", folder, {"kind": "stream"}))  # every hash is right; the graph is what is not there


def test_a_card_keeps_peoples_sections_and_paragraphs(tmp_path):
    first_card(tmp_path, "mine", "A model.")
    card = tmp_path / "card.md"
    written = "Recorded in my kitchen.\n\n## How well it does\n\nold figures\n\n## My notes\n\nPlay it slowly."
    card.write_text(card.read_text() + "\n" + written + "\n")
    for _ in range(2):
        save_card(
            tmp_path, ["# mine", "", "A model.", "", "## Data", "", "- songs", "", "## How well it does", "", "new"]
        )
    head, own = sections(card.read_text())
    assert head.split() == ["#", "mine", "A", "model.", "Recorded", "in", "my", "kitchen."]
    assert list(own) == ["## Data", "## How well it does", "## My notes"]
    assert own["## How well it does"].strip() == "new"
    assert own["## My notes"].strip() == "Play it slowly."
    first_card(tmp_path, "mine", "Trained again.")
    text = card.read_text()
    assert "new" not in text
    assert "Play it slowly." in text
    assert "Recorded in my kitchen." in text


def test_int8_is_kept_where_it_costs_little():
    from onnx import helper

    weights = np.random.default_rng(1).normal(size=(64, 64)).astype(np.float32)
    graph = graph_of("x", [helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": weights}, {"x": 64}, {"y": 64})
    whole = graph.SerializeToString()
    small, precision, loss = smaller(graph, lambda data: 1.0 if data == whole else 1.005)
    assert (precision, small == whole) == ("int8", False)
    assert loss == pytest.approx(0.005)
    assert smaller(graph, lambda data: 1.0 if data == whole else 1.02)[:2] == (whole, "float32")
    assert smaller(graph, None)[:2] == (whole, "float32")
