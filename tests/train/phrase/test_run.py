"""From a folder of files to a phrase bundle that plays, and its evaluation."""

import json

import numpy as np
import pytest

from rnnmuse.errors import ReadError
from rnnmuse.events import Note
from rnnmuse.models.bundle import load_phrase, verify
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import Part, Piece
from rnnmuse.train.phrase.evaluate import evaluate_phrases
from rnnmuse.train.phrase.run import train_phrase_bundle

RECIPE = """
name = "x"
drum = {drum}
latent = [8, 12]
embed = 16
encoder = 12
beat = 8
condition = 10
hidden = 20
head = 16
batch = 16
epochs = 2
groove_epochs = 1
"""


@pytest.fixture
def folder(tmp_path, request):
    """Twelve files of drums or of melodies, at random."""
    random = np.random.default_rng(1)
    where = tmp_path / "music"
    where.mkdir()
    for index in range(12):
        if request.param == "true":
            notes = [Note(k / 2 + 0.02 * random.random(), int(p), 0.1, int(v)) for k, (p, v) in enumerate(
                zip(random.choice([36, 38, 42, 46], 64), random.integers(20, 120, 64), strict=True))]  # fmt: skip
            part = Part("Drums", drum=True, notes=sorted(notes))
        else:
            pitches = 60 + random.integers(0, 12, 32)
            part = Part("Voice", 53, notes=[Note(float(k), int(p), 1.0) for k, p in enumerate(pitches)])
        write_midi(Piece([part]), where / f"{index}.mid")
    (tmp_path / "recipe.toml").write_text(RECIPE.format(drum=request.param))
    return where


@pytest.mark.parametrize("folder", ["true", "false"], indirect=True, ids=["drums", "melody"])
def test_a_folder_becomes_a_bundle_that_plays_is_evaluated_and_fine_tuned(folder, models, tmp_path):
    kept = {"cache": tmp_path / "cache"}
    recipe = tmp_path / "recipe.toml"
    bundle = train_phrase_bundle([folder], "mine", recipe=recipe, work=tmp_path / "run", **kept)
    verify(bundle)
    model = load_phrase("mine")
    grid = model.decode(np.zeros(model.space(2).size, np.float32))
    assert grid.shape[0] == 32
    assert (model.groove is not None) == model.drum
    text = evaluate_phrases("mine", [folder], samples=6, pairs=3, **kept)
    assert "Held-out phrases" in text
    result = json.loads((bundle.folder / "eval.json").read_text())
    assert set(result["reconstruction"]) == {"2", "4"}
    card = (bundle.folder / "card.md").read_text()
    pictures = ["reconstruction", "prior", "interpolation", "map", "statistics-2"]
    for name in [*pictures, "humanise"] if model.drum else pictures:
        assert (bundle.folder / f"{name}.png").stat().st_size > 1000
        assert f"{name}.png" in card
    verify(bundle)
    tuned = train_phrase_bundle([folder], "tuned", start="mine", epochs=1, work=tmp_path / "run2", **kept)
    assert tuned.about["kind"] == "phrase"
    assert load_phrase("tuned").drum == model.drum


def test_a_folder_without_four_four_says_so(tmp_path, models):
    from rnnmuse.music.piece import Metre

    where = tmp_path / "waltzes"
    where.mkdir()
    notes = [Note(float(k), 60 + k % 7, 1.0) for k in range(48)]
    write_midi(Piece([Part("Voice", notes=notes)], metres=[Metre(0.0, 3, 4)]), where / "a.mid")
    with pytest.raises(ReadError, match="no phrases; at least two bars of 4/4 or 2/4"):
        train_phrase_bundle([where], "mine", epochs=1, work=tmp_path / "run", cache=tmp_path / "cache")
