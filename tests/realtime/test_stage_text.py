"""Words over real sockets, from the real engine with a shipped model."""

import pytest
from pythonosc.osc_bundle import OscBundle
from rnnmuse.realtime.seats import Settings
from test_stage import Client, serving

from rnnmuse.bridges import osc
from rnnmuse.protocol import TEXT_PARAMETERS
from rnnmuse.realtime.stage import Stage


@pytest.fixture(scope="module")
def stage():
    with serving(Stage(Settings(port=0, tempo=300))) as made:
        assert made.engine_ready.wait(60)
        yield made


@pytest.fixture
def client(stage):
    made = Client(stage.port)
    made.send("/rnnmuse/subscribe", 60)
    made.ask("/rnnmuse/sync", 1, answer="/rnnmuse/synced")
    yield made
    made.send("/rnnmuse/transport/panic")
    made.send("/rnnmuse/unsubscribe")
    made.ask("/rnnmuse/sync", 2, answer="/rnnmuse/synced")
    made.socket.close()


def test_models_are_listed_by_kind(client):
    assert "tang" in client.ask("/rnnmuse/text/models")
    assert "tang" not in client.ask("/rnnmuse/models")


def test_getters_answer_what_was_set(client):
    for name, (_, default, _) in TEXT_PARAMETERS.items():
        (value,) = client.ask(f"/rnnmuse/text/9/{name}")
        assert value == (pytest.approx(default) if isinstance(default, float) else default)
    client.send("/rnnmuse/text/9/rate", 3.5)
    assert client.ask("/rnnmuse/text/9/rate") == (3.5,)
    client.send("/rnnmuse/text/9/bind", 4)
    assert client.ask("/rnnmuse/text/9/bind") == (4,)
    client.send("/rnnmuse/text/9/bind", 0)


def test_chunks_come_in_order_and_the_last_says_so(client):
    client.send("/rnnmuse/text/1/mix", "tang", 1.0)
    client.send("/rnnmuse/text/1/unit", "character")
    (job,) = client.ask("/rnnmuse/text/1/generate", 5, 3)
    chunks = [client.wait("/rnnmuse/out/text/1").arguments for _ in range(5)]
    assert [(c[0], c[1], c[3]) for c in chunks] == [(job, i, int(i == 4)) for i in range(5)]
    assert any("\u4e00" <= c <= "\u9fff" for chunk in chunks for c in chunk[2])


def test_ascii_is_ascii(client):
    client.send("/rnnmuse/text/2/mix", "tang", 1.0)
    client.send("/rnnmuse/text/2/ascii", 1)
    client.send("/rnnmuse/text/2/generate", 3, 3)
    assert all(client.wait("/rnnmuse/out/text/2").arguments[2].isascii() for _ in range(3))


def test_stopped_it_says_no_more(client, stage):
    client.send("/rnnmuse/text/3/mix", "tang", 1.0)
    client.send("/rnnmuse/text/3/generate", 0)
    client.wait("/rnnmuse/out/text/3")
    client.send("/rnnmuse/text/3/stop")
    client.ask("/rnnmuse/sync", 5, answer="/rnnmuse/synced")
    beat = stage.beat
    client.wait("/rnnmuse/beat", lambda m: m.arguments[0] > beat + 5)  # nothing but beats in between
    client.send("/rnnmuse/sync", 6)
    while (message := client.next()).address != "/rnnmuse/synced":
        assert message.address != "/rnnmuse/out/text/3"


def test_syllables_come_with_notes(client):
    client.send("/rnnmuse/text/5/mix", "tang", 1.0)
    client.send("/rnnmuse/text/5/bind", 6)
    client.send("/rnnmuse/text/5/generate", 0)
    client.send("/rnnmuse/player/6/mode", "free")
    client.send("/rnnmuse/player/6/start")
    seen, words = set(), 0
    while words < 3:
        message = client.next()
        if message.address == "/rnnmuse/out/6/note" and message.arguments[1]:
            seen.add(message.arguments[3])
        words += message.address == "/rnnmuse/out/text/5"
    assert len(seen) >= words - 1
    client.send("/rnnmuse/player/6/stop")
    client.send("/rnnmuse/text/5/bind", 0)


def test_look_ahead_gets_bundles_with_their_time(client):
    client.send("/rnnmuse/subscribe", 60, 0.5)
    client.send("/rnnmuse/text/7/mix", "tang", 1.0)
    client.send("/rnnmuse/text/7/generate", 2)
    client.socket.settimeout(20)
    while True:
        data = client.socket.recv(65536)
        (message,) = osc.parse(data)
        if message.address == "/rnnmuse/out/text/7" and data.startswith(b"#bundle"):
            break
    assert OscBundle(data).timestamp > 0
    client.send("/rnnmuse/subscribe", 60, 0.0)


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
def test_mistakes_are_answered(client, address, values, code):
    assert client.ask(address, *values, answer="/rnnmuse/error")[1] == code
