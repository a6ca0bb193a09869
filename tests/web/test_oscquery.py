"""OSCQuery against the rules of the proposal, with a stage whose values are known."""

import contextlib
import json
import threading
import time

import pytest
from fake_stage import KNOWN, lasting_port, stage
from pythonosc.osc_message import OscMessage
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from rnnmuse.bridges import osc
from rnnmuse.web import oscquery, values
from rnnmuse.web.oscquery import LISTENED, OscQuery, find, readable, tree
from rnnmuse.web.relay import QUESTIONS, STATE, Relay
from rnnmuse.web.server import follow
from rnnmuse.web.values import Values

TEMPO = "/rnnmuse/transport/tempo"
NUMBERS, ANY = (int, float), (int, float, str, type(None))
JSON_TYPES = {"i": NUMBERS, "f": NUMBERS, "s": (str,), "b": (type(None),), "N": ANY}


def check(node, path="/"):
    """Every rule of the proposal for a node that can be checked without knowing the address space."""
    allowed = {"FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "VALUE", "RANGE", "DESCRIPTION", "UNIT"}
    assert set(node) <= allowed
    assert node["FULL_PATH"] == path
    assert node["ACCESS"] in (0, 1, 2, 3)
    assert isinstance(node.get("DESCRIPTION", ""), str)
    if "TYPE" in node:
        assert set(node["TYPE"]) <= set("ifsbN")
        for name in ("VALUE", "RANGE", "UNIT"):
            if name in node:
                assert len(node[name]) == len(node["TYPE"]), (path, name)
        for kind, value in zip(node["TYPE"], node.get("VALUE", ()), strict=False):
            assert isinstance(value, JSON_TYPES[kind]), (path, value)
        for one in node.get("RANGE", ()):
            assert one is None or (set(one) <= {"MIN", "MAX", "VALS"} and one)
    else:
        assert node["ACCESS"] == 0, "a container"
    if "VALUE" in node:
        assert node["ACCESS"] & 1
    for name, below in node.get("CONTENTS", {}).items():
        assert "/" not in name
        check(below, f"{path.rstrip('/')}/{name}")


def methods(node):
    out = {node["FULL_PATH"]} if "TYPE" in node else set()
    return out.union(*(methods(below) for below in node.get("CONTENTS", {}).values()))


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(values, "PAUSE", 0.0)
    monkeypatch.setattr(values, "PATIENCE", 60.0)
    with stage() as made:
        yield made


@contextlib.contextmanager
def query(port, osc_host="127.0.0.1", **more):
    relay, asking = Relay(), Values("127.0.0.1", port, **more)
    made = OscQuery(relay, asking, osc_host, port)
    with TestClient(made.application(lambda: follow(relay, "127.0.0.1", port))) as client:
        client.relay, client.values = relay, asking
        yield client


@pytest.fixture
def client(fake):
    with query(fake.port) as made:
        yield made


def test_the_tree_has_every_address_once_by_the_rules_of_the_proposal():
    root = tree()
    check(root)
    assert methods(root) == set(KNOWN)
    assert set(readable(root)) == {address for address, (row, _, _) in KNOWN.items() if row.access == "rw"}
    assert find(root, "/") is root
    assert find(root, TEMPO)["RANGE"] == [{"MIN": 20, "MAX": 999}]
    assert find(root, "/rnnmuse/transport/source")["RANGE"] == [{"VALS": ["internal", "midi", "link", "osc"]}]
    assert find(root, "/rnnmuse/transport/tempos") is find(root, TEMPO + "/x") is None


def test_everything_is_answered_with_its_value(client, fake):
    fake.values["/rnnmuse/player/3/latent"] = (0.25, -1.0, 2.0)
    answer = client.get("/")
    assert answer.headers["content-type"] == "application/json"
    root = answer.json()
    check(root)
    with_value = {a for a in methods(root) if "VALUE" in find(root, a)}
    assert with_value == set(fake.values)
    for address, value in fake.values.items():
        assert find(root, address)["VALUE"] == pytest.approx(list(value))
    assert find(root, "/rnnmuse/player/3/latent")["TYPE"] == "fff"
    assert find(root, "/rnnmuse/player/4/latent")["TYPE"] == "N"
    assert "CONTENTS" in find(root, "/rnnmuse/player/3/latent")


def test_a_node_and_one_of_its_attributes(fake):
    fake.values[TEMPO] = (133.5,)
    clock = 100.0
    with query(fake.port, now=lambda: clock) as client:
        node = client.get(TEMPO).json()
        assert (node["TYPE"], node["ACCESS"], node["VALUE"], node["UNIT"]) == ("f", 3, [133.5], ["bpm"])
        for attribute in ("VALUE", "TYPE", "RANGE", "ACCESS", "DESCRIPTION", "UNIT", "FULL_PATH"):
            assert client.get(f"{TEMPO}?{attribute}").json() == {attribute: node[attribute]}
        contents = client.get("/rnnmuse/transport?CONTENTS").json()["CONTENTS"]
        assert contents["tempo"] == node
        assert client.get("/rnnmuse/transport/").json()["CONTENTS"]["tempo"] == node
        assert fake.asked.count(TEMPO) == 1, "a value is kept for a while"
        clock += values.KEPT + 0.1
        assert client.get(TEMPO).json() == node
        assert fake.asked.count(TEMPO) == 2


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/rnnmuse/nothing", 404),
        ("/rnnmuse/transport/tempo/x?VALUE", 404),
        ("/%2e%2e/etc/passwd", 404),
        (f"{TEMPO}?COLOUR", 400),
        ("/rnnmuse/transport/play?VALUE", 204),
        ("/rnnmuse/beat?VALUE", 204),
        ("/rnnmuse/transport?VALUE", 204),
        ("/rnnmuse/transport?RANGE", 204),
        (f"{TEMPO}?CONTENTS", 204),
        ("/rnnmuse/player/1/mode?UNIT", 204),
    ],
)
def test_errors_are_those_of_the_proposal(client, target, status):
    answer = client.get(target)
    assert answer.status_code == status
    assert (answer.content == b"") == (status == 204)


def test_a_method_that_has_no_value_yet_answers_an_empty_object(client):
    answer = client.get("/rnnmuse/player/1/latent?VALUE")
    assert (answer.status_code, answer.json()) == (200, {})


def test_the_host_is_described(client, fake):
    info = client.get("/anything?HOST_INFO").json()
    assert (info["OSC_IP"], info["OSC_PORT"], info["OSC_TRANSPORT"]) == ("127.0.0.1", fake.port, "UDP")
    assert info["EXTENSIONS"]["LISTEN"]
    root = tree()
    shown = set().union(*(set(find(root, address)) for address in KNOWN))
    assert shown <= {"FULL_PATH", "TYPE", "CONTENTS", *info["EXTENSIONS"]}
    with query(fake.port, "0.0.0.0") as other:
        assert "OSC_IP" not in other.get("/?HOST_INFO").json(), "the client knows where it asked"


def test_without_a_stage_the_tree_is_answered_and_a_value_is_not():
    with query(9) as client:
        root = client.get("/").json()
        check(root)
        assert methods(root) == set(KNOWN)
        answer = client.get(f"{TEMPO}?VALUE")
        assert answer.status_code == 504
        assert answer.json() == {"ERROR": "rnnmuse live does not answer on port 9"}


def test_a_stage_that_hangs_is_waited_for_once_and_found_again(fake, monkeypatch):
    monkeypatch.setattr(values, "PATIENCE", 0.2)
    with query(fake.port) as client:
        fake.mute = True
        assert client.get(f"{TEMPO}?VALUE").status_code == 504
        fake.mute = False
        monkeypatch.setattr(values, "PATIENCE", 60.0)
        assert client.get(f"{TEMPO}?VALUE").json() == {"VALUE": [120.0]}


def test_values_do_not_wait_for_the_engine_but_for_those_that_it_gives(fake, monkeypatch):
    monkeypatch.setattr(values, "ENGINE", 0.2)
    fake.hangs = True  # as while its models load
    with query(fake.port) as client:
        assert client.get(f"{TEMPO}?VALUE").json() == {"VALUE": [120.0]}
        assert ("/rnnmuse/sync", 1) not in fake.received
        assert client.get("/rnnmuse/player/1/latent?VALUE").json() == {}
        root = client.get("/").json()
        assert find(root, TEMPO)["VALUE"] == [120.0]
        assert len([one for one in fake.received if one[0] == "/rnnmuse/sync" and one[1]]) == 2, "it is waited for once"
        fake.hangs = False
        monkeypatch.setattr(values, "ENGINE", 60.0)
        fake.values["/rnnmuse/player/1/latent"] = (0.25,)
        client.values._known.clear()
        assert client.get("/rnnmuse/player/1/latent?VALUE").json() == {"VALUE": [0.25]}


def test_a_stage_that_starts_again_is_found_again():
    with stage(lasting_port()) as first, query(first.port) as client:
        assert client.get(f"{TEMPO}?VALUE").json() == {"VALUE": [120.0]}
        client.values._known.clear()
        first.close()
        with stage(first.port) as second:
            second.values[TEMPO] = (90.0,)
            assert client.get(f"{TEMPO}?VALUE").json() == {"VALUE": [90.0]}


# -- WebSocket ----------------------------------------------------------------------------------------------


def until(test):
    """Wait for the server's thread."""
    end = time.monotonic() + 60
    while not test():
        assert time.monotonic() < end
        time.sleep(0.001)


def listen(web, path, command="LISTEN"):
    web.send_text(json.dumps({"COMMAND": command, "DATA": path}))


def heard(web):
    """The next OSC message, as python-osc reads it."""
    message = OscMessage(web.receive_bytes())
    return (message.address, *message.params)


def test_a_listener_gets_the_value_and_each_change(client, fake):
    with client.websocket_connect("/") as web:
        until(lambda: client.relay.whole)  # what the relay asks for itself is passed on, too
        listen(web, TEMPO)
        assert heard(web) == (TEMPO, 120.0)
        fake.values[TEMPO] = (96.0,)
        assert heard(web) == (TEMPO, 96.0)
        listen(web, "/rnnmuse/player/1/mode")
        assert heard(web) == ("/rnnmuse/player/1/mode", "text")
        listen(web, TEMPO, "IGNORE")
        listen(web, "nonsense")
        assert json.loads(web.receive_text())["COMMAND"] == "ERROR"  # what came before it has been dealt with
        fake.values[TEMPO] = (50.0,)
        fake.values["/rnnmuse/player/1/mode"] = ("free",)
        assert heard(web) == ("/rnnmuse/player/1/mode", "free")


def test_what_the_stage_sends_goes_to_those_who_listen_to_that_very_address(client, fake):
    with client.websocket_connect("/any/path") as web, client.websocket_connect("/") as other:
        listen(web, "/rnnmuse/out/1/note")
        listen(other, "/rnnmuse/beat")
        listen(other, "nonsense")
        assert json.loads(other.receive_text())["COMMAND"] == "ERROR"  # what came before it has been dealt with
        listen(web, "nonsense")
        web.receive_text()
        fake.wait(lambda: any(address == "/rnnmuse/subscribe" for address, *_ in fake.received))
        fake.say("/rnnmuse/out/2/note", 1, 1, 0.0, 0.0)
        fake.say("/rnnmuse/out/1/note", 60, 90, 0.5, 8.0)
        fake.say("/rnnmuse/beat", 7, 120.0)
        assert heard(web) == ("/rnnmuse/out/1/note", 60, 90, 0.5, 8.0)
        assert heard(other) == ("/rnnmuse/beat", 7, 120.0)


def test_the_stage_is_subscribed_to_only_while_somebody_listens(client, fake):
    assert not fake.server.subscribers
    with client.websocket_connect("/"):
        fake.wait(lambda: ("/rnnmuse/subscribe", 30.0) in fake.received)
        assert len(fake.server.subscribers) == 1
    fake.wait(lambda: ("/rnnmuse/unsubscribe",) in fake.received)
    assert not fake.server.subscribers


def test_packets_of_a_client_go_to_the_stage_and_to_the_other_listeners(client, fake):
    until(lambda: client.relay.live)
    with client.websocket_connect("/") as web, client.websocket_connect("/") as other:
        until(lambda: client.relay.whole)
        listen(other, "/rnnmuse/transport/swing")
        assert heard(other) == ("/rnnmuse/transport/swing", 0.5)
        messages = osc.build("/rnnmuse/transport/swing", (0.75,)), osc.build("/rnnmuse/player/*/stop", ())
        web.send_bytes(osc.bundle(osc.NOW, messages))
        assert heard(other) == ("/rnnmuse/transport/swing", 0.75)
        fake.wait(lambda: ("/rnnmuse/player/16/stop",) in fake.received)
        assert fake.values["/rnnmuse/transport/swing"] == (0.75,)


WRONG = ["", "{}", "[1]", "{" * 3000, '{"COMMAND": "LISTEN"}', '{"COMMAND": "SING", "DATA": "/rnnmuse/beat"}',
         '{"COMMAND": "LISTEN", "DATA": "/rnnmuse"}', '{"COMMAND": "LISTEN", "DATA": 7}']  # fmt: skip
FORBIDDEN = [b"", b"abc", b"/a\0\0,\0\0\0", osc.build("/rnnmuse/unsubscribe", ()), osc.build("/rnnmuse/*subscribe", ()),
             osc.build("/rnnmuse/{reply_to,ping}", (1,)), osc.build("/rnnmuse/beat", (1, 2.0))]  # fmt: skip


def test_what_is_wrong_is_answered_and_sent_nowhere(client, fake):
    until(lambda: client.relay.live)
    with client.websocket_connect("/") as web:
        rounds = -(-len(STATE) // QUESTIONS)
        fake.wait(lambda: fake.received.count(("/rnnmuse/ping", -7707)) == rounds)
        before = len(fake.received)
        for text in WRONG:
            web.send_text(text)
            assert json.loads(web.receive_text())["COMMAND"] == "ERROR"
        for packet in FORBIDDEN:
            web.send_bytes(packet)
            answer = json.loads(web.receive_text())
            assert answer["COMMAND"] == "ERROR"
            assert "\n" not in answer["DATA"]
        web.send_bytes(osc.build("/rnnmuse/ping", (1,)))
        fake.wait(lambda: ("/rnnmuse/ping", 1) in fake.received)
        assert {address for address, *_ in fake.received[before:]} <= {
            "/rnnmuse/ping",
            "/rnnmuse/subscribe",
            "/rnnmuse/watch",
        }


def test_so_many_addresses_and_listeners_and_no_more(client, monkeypatch):
    monkeypatch.setattr(oscquery, "POLL", 60.0)
    monkeypatch.setattr(oscquery, "LISTENERS", 2)
    with client.websocket_connect("/") as web, client.websocket_connect("/"):
        for address in sorted(KNOWN)[:LISTENED]:
            listen(web, address)
        listen(web, TEMPO)
        text = None
        while text is None:
            message = web.receive()
            text = message.get("text")
        assert f"must be up to {LISTENED}" in text
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/"):
            pass
    with client.websocket_connect("/") as web:
        listen(web, TEMPO)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://testserver"])
def test_pages_of_other_sites_are_turned_away(client, origin):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/", headers={"origin": origin}):
        pass


def test_the_getters_of_one_look_are_few_enough_for_the_stage(fake):
    """Everything at once: no packet is over the price limit, and all of it is asked in rounds."""
    with query(fake.port) as client:
        client.get("/")
    assert len(fake.asked) == len(set(fake.asked)) == len(oscquery.READABLE)
    assert values.TOGETHER * (1 + osc.ANSWER) * values.PACKETS <= osc.MAX_PRICE


def test_many_clients_that_ask_at_once_cost_one_question(fake):
    with query(fake.port, now=lambda: 100.0) as client:
        threads = [threading.Thread(target=client.get, args=(f"{TEMPO}?VALUE",)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert fake.asked == [TEMPO]
