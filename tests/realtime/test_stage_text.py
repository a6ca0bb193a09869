"""Words: the stage, its engine and a shipped text model."""

import pytest
from pythonosc.osc_bundle import OscBundle

from rnnmuse.bridges import osc
from rnnmuse.bridges.osc_server import Client
from rnnmuse.protocol import TEXT_PARAMETERS
from rnnmuse.realtime.stage import Settings
from rnnmuse.testing import StageClient

AHEAD = Client("127.0.0.1", 50_001)


@pytest.fixture
def stage():
    made = StageClient(Settings(port=0, tempo=300))
    yield made
    assert not made.hung()
    made.close()


def test_models_are_listed_by_kind(stage):
    assert "tang" in stage.ask("/rnnmuse/text/models")
    assert "tang" not in stage.ask("/rnnmuse/models")


def test_getters_answer_what_was_set(stage):
    for name, (_, default, _) in TEXT_PARAMETERS.items():
        (value,) = stage.ask(f"/rnnmuse/text/9/{name}")
        assert value == (pytest.approx(default) if isinstance(default, float) else default)
    stage.send("/rnnmuse/text/9/rate", 3.5)
    assert stage.ask("/rnnmuse/text/9/rate") == (3.5,)
    stage.send("/rnnmuse/text/9/bind", 4)
    assert stage.ask("/rnnmuse/text/9/bind") == (4,)


def test_chunks_come_in_order_on_their_beats_and_the_last_says_so(stage):
    stage.send("/rnnmuse/text/1/mix", "tang", 1.0)
    stage.send("/rnnmuse/text/1/unit", "character")
    (job,) = stage.ask("/rnnmuse/text/1/generate", 5, 3)
    stage.run(4.0)
    chunks = [message.arguments for message in stage.received("/rnnmuse/out/text/1")]
    assert [(c[0], c[1], c[3]) for c in chunks] == [(job, i, int(i == 4)) for i in range(5)]
    assert any("\u4e00" <= c <= "\u9fff" for chunk in chunks for c in chunk[2])


def test_ascii_is_ascii(stage):
    stage.send("/rnnmuse/text/2/mix", "tang", 1.0)
    stage.send("/rnnmuse/text/2/ascii", 1)
    stage.send("/rnnmuse/text/2/generate", 3, 3)
    stage.run(4.0)
    chunks = stage.received("/rnnmuse/out/text/2")
    assert len(chunks) == 3
    assert all(message.arguments[2].isascii() for message in chunks)


@pytest.mark.parametrize("silencer", ["/rnnmuse/text/3/stop", "/rnnmuse/transport/panic"])
def test_stopped_it_says_no_more(stage, silencer):
    stage.send("/rnnmuse/text/3/mix", "tang", 1.0)
    stage.send("/rnnmuse/text/3/generate", 0)
    stage.run(2.0)
    said = len(stage.received("/rnnmuse/out/text/3"))
    assert said
    stage.send(silencer)
    stage.send("/rnnmuse/transport/tempo", 200)
    stage.run(3.0)
    assert len(stage.received("/rnnmuse/out/text/3")) == said


def test_syllables_come_with_notes(stage):
    stage.send("/rnnmuse/text/5/mix", "tang", 1.0)
    stage.send("/rnnmuse/text/5/bind", 6)
    stage.send("/rnnmuse/text/5/generate", 0)
    stage.send("/rnnmuse/player/6/mode", "free")
    stage.send("/rnnmuse/player/6/start")
    stage.run(3.0)
    order = [
        (message.address, message.arguments)
        for message in stage.received()
        if message.address in ("/rnnmuse/out/6/note", "/rnnmuse/out/text/5")
    ]
    begins = {values[3] for address, values in order if address.endswith("note") and values[1]}
    words = [values for address, values in order if address.endswith("text/5")]
    assert len(words) > 3
    assert len(words) <= len(begins)
    assert [values[1] for values in words] == list(range(len(words)))


def test_look_ahead_gets_bundles_with_their_time(stage):
    stage.send("/rnnmuse/subscribe", 60, 0.5, client=AHEAD)
    stage.send("/rnnmuse/text/7/mix", "tang", 1.0)
    stage.send("/rnnmuse/text/7/generate", 2)
    for _ in range(40):
        wall, seen = stage.wall, len(stage.stage.server.sent)
        stage.run(0.1)
        for to, packet in stage.stage.server.sent[seen:]:
            if to == AHEAD and b"/rnnmuse/out/text/7" in packet:
                assert OscBundle(packet).timestamp == pytest.approx(osc.seconds_of(osc.parse(packet)[0].tag), abs=0.001)
                assert wall + 0.4 < OscBundle(packet).timestamp < wall + 0.7
    assert len(stage.received("/rnnmuse/out/text/7", AHEAD)) == 2


@pytest.mark.parametrize(
    ("address", "values", "code"),
    [
        ("/rnnmuse/text/1/unit", ("page",), "range"),
        ("/rnnmuse/text/1/rate", (0.0,), "range"),
        ("/rnnmuse/text/1/generate", (), "count"),
        ("/rnnmuse/text/1/prompt", (3,), "type"),
        ("/rnnmuse/text/1/mix", ("shakespear", 1.0), "value"),
        ("/rnnmuse/text/17/stop", (), "address"),
    ],
)
def test_mistakes_are_answered_and_change_nothing(stage, address, values, code):
    stage.send(address, *values)
    stage.settle()
    assert [found for _, found, _ in stage.errors()] == [code]
    assert stage.ask("/rnnmuse/text/1/unit") == ("word",)
    assert not stage.stage.players.texts.get(1) or not stage.stage.players.texts[1].mix
