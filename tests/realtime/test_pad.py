"""The pad over real sockets: the desk, the engine's process and a phrase model."""

import pytest
from rnnmuse.realtime.seats import Settings
from test_stage import Client, serving

from rnnmuse.models.bundle import load_phrase
from rnnmuse.music.phrases import melody_notes
from rnnmuse.protocol import DIMENSIONS
from rnnmuse.realtime import pad
from rnnmuse.realtime.stage import Stage


@pytest.fixture(scope="module")
def stage():
    with serving(Stage(Settings(port=0, model="phrases", tempo=240.0))) as made:
        assert made.engine_ready.wait(60)
        yield made
    assert not made.ledger.sounding


@pytest.fixture
def client(stage):
    made = Client(stage.port)
    yield made
    made.send("/rnnmuse/transport/panic")
    made.ask("/rnnmuse/sync", 1, answer="/rnnmuse/synced")
    made.socket.close()


def settled(client, player):
    """The player's point, once the engine has told it."""
    for _ in range(400):
        if point := client.ask(f"/rnnmuse/player/{player}/latent"):
            return point
        client.ask("/rnnmuse/models")  # an answer of the engine's: what was sent before is done
    raise AssertionError("no point came")


def told(client):
    client.ask("/rnnmuse/models")


def test_the_phrase_at_a_slot_is_what_is_heard(client):
    model = load_phrase("phrases")
    client.send("/rnnmuse/subscribe", 60)
    client.send("/rnnmuse/player/2/mode", "loop")
    client.send("/rnnmuse/transport/play")
    client.send("/rnnmuse/player/2/latent/recall", 3)
    told(client)
    phrase = {(round(n.start, 2), n.pitch) for n in melody_notes(model.decode(model.space(2).examples[2]))}
    heard: dict[int, set] = {}
    while max(heard, default=0) < 3:
        message = client.wait("/rnnmuse/out/2/note", lambda m: m.arguments[1] > 0)
        beat = message.arguments[3]
        heard.setdefault(int(beat // 8), set()).add((round(beat % 8, 2), message.arguments[0]))
    assert heard[2] == phrase


def test_getters_answer_what_was_set(client):
    model = load_phrase("phrases")
    client.send("/rnnmuse/player/4/mode", "loop")
    assert len(settled(client, 4)) == model.space(2).size
    client.send("/rnnmuse/player/4/latent/1", 1.5)
    client.send(f"/rnnmuse/player/4/latent/{DIMENSIONS}", -0.5)
    told(client)
    assert client.ask("/rnnmuse/player/4/latent/1") == (pytest.approx(1.5),)
    assert client.ask("/rnnmuse/player/4/latent")[DIMENSIONS - 1] == pytest.approx(-0.5)
    client.send("/rnnmuse/player/4/latent/map", "contour", "register")
    client.send("/rnnmuse/player/4/latent/x", 0.25)
    told(client)
    client.send("/rnnmuse/player/4/latent/y", 0.75)
    told(client)
    assert client.ask("/rnnmuse/player/4/latent/xy") == (pytest.approx(0.25), pytest.approx(0.75))
    assert client.ask("/rnnmuse/player/4/latent/map") == ("contour", "register")
    assert client.ask("/rnnmuse/player/4/latent/axis/contour")[0] == pytest.approx(0.25, abs=0.05)
    assert client.ask("/rnnmuse/player/4/latent/axis/brightness") == ()


def test_a_preset_brings_the_point_back(client):
    client.send("/rnnmuse/player/5/latent/recall", 5)
    told(client)
    before = settled(client, 5)
    client.send("/rnnmuse/preset/store", 7)
    client.send("/rnnmuse/player/5/latent/vary", 0.8)
    told(client)
    assert client.ask("/rnnmuse/player/5/latent") != before
    client.send("/rnnmuse/preset/recall", 7)
    told(client)
    assert client.ask("/rnnmuse/player/5/latent") == before


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
    ],
)
def test_what_cannot_be_is_answered_with_an_error(client, address, values, said):
    client.send(f"/rnnmuse/player/6/{address}", *values)
    message = client.wait("/rnnmuse/error")
    assert said in message.arguments[2]


@pytest.mark.parametrize(
    ("address", "values", "said"),
    [
        ("latent", [1.0, 2.0], "latent: 2 numbers"),
        ("latent/axis/loudness", [0.5], "axis: 'loudness'"),
        ("latent/capture", [], "nothing was played"),
        ("mode", ["accompany"], "plays phrases"),
    ],
)
def test_what_the_engine_cannot_do_is_told_to_subscribers(client, address, values, said):
    client.send("/rnnmuse/subscribe", 60)
    client.send(f"/rnnmuse/player/7/{address}", *values)
    message = client.wait("/rnnmuse/error")
    assert said in message.arguments[2]


def test_a_stream_model_has_no_latent_space_and_models_of_both_kinds_change_places(client):
    client.send("/rnnmuse/subscribe", 60)
    client.send("/rnnmuse/transport/stop")
    client.send("/rnnmuse/player/8/model", "leadsheet")
    client.send("/rnnmuse/player/8/latent/vary", 0.5)
    assert "has no latent space" in client.wait("/rnnmuse/error").arguments[2]
    client.send("/rnnmuse/player/8/model", "phrases")
    client.send("/rnnmuse/player/8/latent/vary", 0.5)
    told(client)
    assert settled(client, 8)


def test_values_of_a_player_without_a_space_are_empty():
    assert pad.value("latent", "latent", {}) == []
    assert pad.order("y", "y", [0.3], {}) == ("xy", (0.5, 0.3))
