"""The pad: the stage, its engine and a phrase model."""

import pytest

from rnnmuse.models.bundle import load_phrase
from rnnmuse.music.phrases import melody_notes
from rnnmuse.protocol import DIMENSIONS
from rnnmuse.realtime.stage import Settings
from rnnmuse.testing import StageClient


@pytest.fixture
def stage():
    made = StageClient(Settings(port=0, model="phrases", tempo=240.0))
    yield made
    assert not made.hung()
    assert not made.output.twice
    made.close()


def test_the_phrase_at_a_slot_is_what_is_heard(stage):
    model = load_phrase("phrases")
    stage.send("/rnnmuse/player/2/mode", "loop")
    stage.send("/rnnmuse/transport/play")
    stage.send("/rnnmuse/player/2/latent/recall", 3)
    stage.run(6.1)
    phrase = {(round(n.start, 2), n.pitch) for n in melody_notes(model.decode(model.space(2).examples[2]))}
    heard = {(round(sent.beat - 16, 2), sent.pitch) for sent in stage.notes("on") if 15.9 <= sent.beat < 23.9}
    assert heard == phrase


def test_getters_answer_what_was_set(stage):
    model, at = load_phrase("phrases"), "/rnnmuse/player/4/latent"
    stage.send("/rnnmuse/player/4/mode", "loop")
    assert len(stage.ask(at)) == model.space(2).size
    stage.send(f"{at}/1", 1.5)
    stage.send(f"{at}/{DIMENSIONS}", -0.5)
    assert stage.ask(f"{at}/1") == (pytest.approx(1.5),)
    assert stage.ask(at)[DIMENSIONS - 1] == pytest.approx(-0.5)
    stage.send(f"{at}/map", "contour", "register")
    stage.send(f"{at}/x", 0.25)
    stage.send(f"{at}/y", 0.75)
    assert stage.ask(f"{at}/xy") == (pytest.approx(0.25), pytest.approx(0.75))
    assert stage.ask(f"{at}/map") == ("contour", "register")
    assert stage.ask(f"{at}/axis/contour")[0] == pytest.approx(0.25, abs=0.05)
    assert stage.ask(f"{at}/axis/brightness") == ()


def test_a_getter_waits_for_the_moves_before_it_and_no_others(stage):
    at = "/rnnmuse/player/4/latent"
    stage.ask(at)
    stage.send(f"{at}/recall", 2)
    stage.send(f"{at}/1")
    assert not stage.received(f"{at}/1")
    stage.send(f"{at}/2", 3.0)
    stage.settle()
    assert len(stage.received(f"{at}/1")) == 1


def test_a_preset_brings_the_point_back(stage):
    stage.send("/rnnmuse/player/5/latent/recall", 5)
    before = stage.ask("/rnnmuse/player/5/latent")
    assert before
    stage.send("/rnnmuse/preset/store", 7)
    stage.send("/rnnmuse/player/5/latent/vary", 0.8)
    assert stage.ask("/rnnmuse/player/5/latent") != before
    stage.send("/rnnmuse/preset/recall", 7)
    assert stage.ask("/rnnmuse/player/5/latent") == before


def test_a_new_engine_has_the_point_of_the_old_one(stage):
    stage.send("/rnnmuse/player/5/mode", "loop")
    stage.send("/rnnmuse/player/5/latent/recall", 5)
    stage.send("/rnnmuse/player/5/latent/store", 9)
    before = stage.ask("/rnnmuse/player/5/latent")
    stage.kill_engine()
    assert stage.ask("/rnnmuse/player/5/latent") == before
    stage.send("/rnnmuse/player/5/latent/recall", 9)
    assert stage.ask("/rnnmuse/player/5/latent") == before


@pytest.mark.parametrize(
    ("address", "values", "said"),
    [
        ("latent", ["a"], "must be a number"),
        ("latent", [1.0, float("nan")], "must be"),
        ("latent/xy", [0.5, 2.0], "must be 0 to 1"),
        ("latent/map", ["slots", "density"], "two axes"),
        ("latent/map", ["density"], "two axes"),
        ("latent/average", [0], "must be 1 to 16"),
        ("latent/store", [17], "must be 1 to 16"),
        ("latent", [1.0, 2.0], "latent: 2 numbers"),
        ("latent/axis/loudness", [0.5], "axis: 'loudness'"),
        ("latent/capture", [], "nothing was played"),
        ("mode", ["accompany"], "plays phrases"),
        ("param/bars", [3], "bars: 3"),
    ],
)
def test_what_cannot_be_is_answered_with_an_error(stage, address, values, said):
    stage.send("/rnnmuse/player/6/mode", "off")
    before = stage.ask("/rnnmuse/player/6/latent")
    assert before
    stage.send(f"/rnnmuse/player/6/{address}", *values)
    stage.settle()
    ((_, _, text),) = stage.errors()
    assert said in text
    assert stage.ask("/rnnmuse/player/6/latent") == before
    assert stage.ask("/rnnmuse/player/6/mode") == ("off",)
    assert stage.ask("/rnnmuse/player/6/param/bars") == (2,)


def test_a_stream_model_has_no_latent_space_and_models_of_both_kinds_change_places(stage):
    stage.send("/rnnmuse/player/8/model", "leadsheet")
    assert stage.ask("/rnnmuse/player/8/latent") == ()
    stage.send("/rnnmuse/player/8/latent/vary", 0.5)
    stage.settle()
    assert "has no latent space" in stage.errors()[0][2]
    stage.send("/rnnmuse/player/8/model", "phrases")
    stage.send("/rnnmuse/player/8/latent/vary", 0.5)
    assert stage.ask("/rnnmuse/player/8/latent")
