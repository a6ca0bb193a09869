"""Fine-tuning: what the start model lacks is named, the result is told in words, a shipped name is guarded."""

import math
import re

import numpy as np
import pytest

from rnnmuse.errors import MissingExtraError
from rnnmuse.events import Note
from rnnmuse.models.bundle import find, load_stream, verify
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import Part, Piece
from rnnmuse.train.run import check_name, in_words
from rnnmuse.train.stream.kinds import covers, recipe_for
from rnnmuse.train.stream.run import missing_parts, train_stream

RECIPE = """
name = "x"
embed = 12
hidden = 16
head = 8
lanes = 2
chunk = 32
epochs = 1
dropout = 0.0

[[parts]]
name = "piano"
families = [0]
"""


@pytest.fixture
def band(tmp_path):
    """Four files of piano, bass and drums."""
    folder = tmp_path / "band"
    folder.mkdir()
    random = np.random.default_rng(1)
    for index in range(4):
        line = [Note(i / 2, 60 + int(random.integers(0, 12)), 0.5, 80) for i in range(64)]
        low = [Note(float(i), 36 + int(random.integers(0, 12)), 1.0, 80) for i in range(32)]
        kit = [Note(i / 2, 42, 0.1, 60) for i in range(64)]
        parts = [Part("Piano", 0, notes=line), Part("Bass", 33, notes=low), Part("Kit", drum=True, notes=kit)]
        write_midi(Piece(parts), folder / f"{index}.mid")
    return folder


def test_parts_that_the_start_model_lacks_are_named_with_models_that_have_them(band):
    lines = missing_parts([band], "leadsheet")
    assert [line.split(":")[0] for line in lines] == ["bass", "drums"]
    assert "in 4 of 4 files; leadsheet has no such part and plays them as chords" in lines[0]
    assert "leaves them out" in lines[1]
    for line, kind in zip(lines, ("bass", "drums"), strict=True):
        named = re.search(r"; (\S+)(?: and (\S+))? ha(?:s|ve) them$", line)
        assert named, line
        assert all(covers(find(name).about["parts"], kind) for name in named.groups() if name)
    assert missing_parts([band], "grooves")[0].endswith(("has them", "have them"))


def test_a_recipe_for_a_band_has_its_parts(band):
    assert [part.name for part in recipe_for([band], "x").parts] == ["piano", "bass", "drums"]


def test_a_run_and_its_fine_tuning_say_what_came_of_them(band, models, tmp_path, capsys):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    kept = {"cache": tmp_path / "cache"}
    bundle = train_stream([band], "small", recipe=recipe, work=tmp_path / "run", device="cpu", **kept)
    verify(bundle)
    assert load_stream("small").parts[0].name == "piano"
    assert "measures it" in (bundle.folder / "card.md").read_text()
    capsys.readouterr()
    train_stream([band], "tuned", start="small", epochs=2, work=tmp_path / "run2", device="cpu", **kept)
    said = " ".join(capsys.readouterr().err.split())
    assert "bass: in 4 of 4 files; small has no such part" in said
    assert said.index("bass: in 4") < said.index("epoch 1"), "before the training"
    figures = re.search(r"\((\d+\.\d+) before, (\d+\.\d+) after", said)
    assert figures, said
    before, after = map(float, figures.groups())
    assert after < before
    assert "It learned from your files" in said
    assert find("tuned").about["about"].endswith(", from small.")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (2.0, 1.0, "finds each event of them 2.7 times as likely as lieder does (2.00 before, 1.00 after"),
        (1.0, 1.2, "did not get better at your files than lieder is (1.00 before, 1.20 after"),
        (math.nan, 1.2, "After training: 1.20"),
    ],
)
def test_before_and_after_are_told_in_words(before, after, said):
    assert said in in_words(before, after, "lieder", "nats an event")
    assert "too few to hold any out" in in_words(2.0, 1.0, "lieder", "nats an event", held_out=False)


def test_a_shipped_name_needs_leave(models):
    with pytest.raises(ValueError, match=r"'lieder' is a model that comes with rnnmuse; .*--replace"):
        check_name("lieder", False)
    check_name("lieder", True)
    check_name("mine", False)
    with pytest.raises(ValueError, match="name: 'A b'"):
        check_name("A b", True)


def test_another_kind_of_start_model_is_refused(band, models, tmp_path):
    with pytest.raises(ValueError, match="--from phrases: is a phrase model; a stream model is needed"):
        train_stream([band], "x", start="phrases", work=tmp_path / "run")
    with pytest.raises(ValueError, match="use one of them"):
        train_stream([band], "x", start="lieder", recipe=tmp_path / "r.toml", work=tmp_path / "run")
    with pytest.raises(ValueError, match="minutes: 0"):
        train_stream([band], "x", minutes=0, work=tmp_path / "run")


def test_a_missing_extra_says_what_it_takes():
    assert "pip install 'rnnmuse[train]' (about 6 GB" in str(MissingExtraError("training", "train"))
    assert "pip install 'rnnmuse[scores]' (about 0.2 GB)" in str(MissingExtraError("reading scores", "scores"))
    assert str(MissingExtraError("video", "video")).endswith("pip install 'rnnmuse[video]'")
