"""Pages by Starlette's test client, and over TCP a stage of the real OSC sockets, or a program that is no stage."""

import contextlib
import json
import socket
import threading
from pathlib import Path

import anyio
import pytest
from fake_stage import lasting_port, stage
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from websockets.sync.client import connect

import rnnmuse
from rnnmuse.bridges import osc, slip
from rnnmuse.music.midi import read_midi
from rnnmuse.protocol import TABLE
from rnnmuse.provenance.marks import unseal
from rnnmuse.web.connection import is_own
from rnnmuse.web.gate import PRIVATE, networks
from rnnmuse.web.relay import Relay
from rnnmuse.web.server import READ, Socket, application, bind, follow, server

OWN = {"origin": "http://testserver", "host": "testserver"}


@pytest.fixture
def running():
    with stage() as made:
        yield made


@contextlib.contextmanager
def screen(port, **more):
    relay = Relay()
    app = application(relay, "testserver", follow=lambda: follow(relay, "127.0.0.1", port), **more)
    with TestClient(app) as client:
        yield client


def page(client):
    return client.websocket_connect("/socket", headers=OWN)


async def receive(web):
    with anyio.fail_after(30):
        return await web._send_rx.receive()


def until(web, *wanted):
    """The first message that begins so."""
    while True:
        message = web.portal.call(receive, web)
        if "text" in message and (found := json.loads(message["text"]))[: len(wanted)] == list(wanted):
            return found
        assert message["type"] != "websocket.close", message


def send(web, *message):
    web.send_text(json.dumps(message))


def test_notes_come_from_the_stage_and_panic_goes_to_it(running):
    with screen(running.port) as client, page(client) as web:
        until(web, "live", 1)
        send(web, "/rnnmuse/sync", 1)
        until(web, "/rnnmuse/synced", 1)
        running.say("/rnnmuse/out/2/note", 64, 90, 0.5, 4.0)
        assert until(web, "/rnnmuse/out/2/note")[1:3] == [64, 90]
        send(web, "/rnnmuse/transport/panic")
        running.wait(lambda: ("/rnnmuse/transport/panic",) in running.received)


def test_a_getter_is_answered_and_a_setter_set(running):
    with screen(running.port) as client, page(client) as web:
        until(web, "live", 1)
        send(web, "/rnnmuse/transport/tempo", 133)
        send(web, "/rnnmuse/transport/tempo")
        until(web, "/rnnmuse/transport/tempo", 133.0)  # what was asked before it was set may come first
        send(web, "/rnnmuse/transport/tempo", 1e9)
        assert "must be 20 to 999" in until(web, "/rnnmuse/error")[3]
        web.send_bytes(b"\x00")
        assert until(web, "/rnnmuse/error")[2] == "message"


def test_panic_comes_by_a_connection_of_its_own_and_again_behind_what_was_set_before(running):
    senders = {}
    handle = running.server._handle

    def heard(packet, client):
        for message in osc.parse(packet):
            senders.setdefault(message.address, set()).add(client)
        handle(packet, client)

    running.server._handle = heard
    with screen(running.port) as client, page(client) as web:
        until(web, "state")
        send(web, "/rnnmuse/transport/tempo", 99)
        send(web, "/rnnmuse/transport/panic")
        running.wait(lambda: ("/rnnmuse/transport/panic",) in running.received)
        running.wait(lambda: ("/rnnmuse/transport/tempo", 99.0) in running.received)
        running.wait(lambda: running.received.count(("/rnnmuse/transport/panic",)) == 2)
        order = [address for address, *_ in running.received]
        assert order.index("/rnnmuse/transport/tempo") < len(order) - 1 - order[::-1].index("/rnnmuse/transport/panic")
    assert len(senders["/rnnmuse/transport/panic"] - senders["/rnnmuse/transport/tempo"]) == 1
    assert senders["/rnnmuse/transport/tempo"] == senders["/rnnmuse/subscribe"]


def test_the_stage_ends_and_another_is_found():
    with stage(lasting_port()) as first, screen(first.port) as client, page(client) as web:
        until(web, "live", 1)
        first.close()
        until(web, "live", 0)
        with stage(first.port) as again:
            until(web, "live", 1)
            send(web, "/rnnmuse/sync", 1)
            until(web, "/rnnmuse/synced", 1)
            again.say("/rnnmuse/beat", 3, 120.0)
            until(web, "/rnnmuse/beat", 3)


def test_the_last_page_ends_the_pictures_and_the_lease(running):
    with screen(running.port) as client:
        with page(client) as web:
            until(web, "live", 1)
            send(web, "/rnnmuse/cover/stream", 8)
            running.wait(lambda: ("/rnnmuse/cover/stream", 8.0) in running.received)
            assert len(running.server.subscribers) == 1
        running.wait(lambda: ("/rnnmuse/unsubscribe",) in running.received)
        assert ("/rnnmuse/cover/stream", 0.0) in running.received
        assert not running.server.subscribers


def test_a_program_that_is_no_stage_is_not_taken_for_one():
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(30)
    with server, screen(server.getsockname()[1]) as client, page(client) as web:
        assert until(web, "live") == ["live", 0]
        line, _ = server.accept()
        line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"\xc0junk\xc0" + bytes(20000) + b"\xc0")
        line.close()
        server.accept()[0].close()  # its second connection
        line, _ = server.accept()  # it tries again
        line.sendall(slip.encode(osc.build("/rnnmuse/beat", (1, 120.0))))
        assert until(web, "live") == ["live", 1]
        line.close()
        assert until(web, "live") == ["live", 0]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "testserver"},
        {"host": "testserver", "origin": "null"},
        {"host": "testserver", "origin": "http://evil.example"},
        {"host": "testserver", "origin": "http://testserver:81"},
        {"host": "testserver", "origin": "https://testserver"},
        {"host": "evil.example:7808", "origin": "http://evil.example:7808"},  # a name that was made to point here
        {"host": "127.0.0.1.evil.example", "origin": "http://127.0.0.1.evil.example"},
        {"host": "[", "origin": "http://["},
    ],
)
def test_other_pages_are_turned_away(headers):
    with screen(9) as client:
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/socket", headers=headers):
            pass
        with page(client) as web:
            assert until(web, "live", 0)


@pytest.mark.parametrize("host", ["127.0.0.1:7808", "localhost:7808", "[::1]:7808", "192.168.1.7:80", "stage.local:1"])
def test_pages_of_its_own_are_not(host):
    assert is_own({"host": host, "origin": f"http://{host}"}, "stage.local")


def test_no_more_pages_than_so_many(monkeypatch):
    monkeypatch.setattr("rnnmuse.web.server.PAGES", 2)
    with screen(9) as client:
        with page(client), page(client), pytest.raises(WebSocketDisconnect), page(client):
            pass
        with page(client) as web:
            until(web, "live", 0)


def test_it_serves_its_page_and_one_of_the_users(tmp_path):
    (tmp_path / "index.html").write_text("mine", "utf-8")
    (tmp_path.parent / "secret.txt").write_text("not yours", "utf-8")
    with screen(9, own=tmp_path) as client:
        assert "<title>rnnmuse</title>" in client.get("/").text
        for view in ("play", "pad", "words", "cover", "setup", "monitor"):
            assert "<title>rnnmuse</title>" in client.get(f"/{view}").text
        assert client.get("/page.js").headers["content-type"].startswith("text/javascript")
        assert client.get("/page.js").headers["cache-control"] == "no-cache"
        for path in ("/", "/pad", "/page.js", "/design.css"):
            answer = client.get(path)
            again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
            assert (answer.status_code, again.status_code, again.content) == (200, 304, b""), path
            assert client.get(path, headers={"If-None-Match": '"other"'}).content == answer.content
        for file in (Path(rnnmuse.__file__).parent / "web" / "page").iterdir():
            assert client.get(f"/{file.name}").content == file.read_bytes()
        assert client.head("/page.js").headers["content-length"] == str(len(client.get("/page.js").content))
        assert client.post("/page.js", headers=OWN).status_code == 405
        rows = client.get("/table.json").json()
        assert [row["address"] for row in rows] == [row.address for row in TABLE]
        assert {"name", "kind", "low", "high", "optional", "choices", "unit"} == set(rows[-1]["arguments"][0])
        assert client.get("/fonts/Cormorant-Bold.ttf").status_code == 200
        assert client.get("/own/").text == "mine"
        assert client.get("/favicon.ico").status_code == 204  # an own page that names no icon makes no error
        for path in ("/own/../secret.txt", "/own/%2e%2e/secret.txt", "/own/..%2fsecret.txt", "/../relay.py", "/none"):
            assert client.get(path).status_code == 404
    with screen(9) as client:
        assert client.get("/own/").status_code == 404


HERE = ("192.168.1.20", 50_000)


@contextlib.contextmanager
def guarded(sender=HERE, **gate):
    relay = Relay()
    app = application(relay, "0.0.0.0", follow=lambda: follow(relay, "127.0.0.1", 9), **gate)
    with TestClient(app, base_url="http://192.168.1.7:7808", client=sender) as client:
        yield client


def opens(client, **headers):
    """Whether a WebSocket of a page of its own is let in."""
    origin = {"origin": "http://192.168.1.7:7808"} | headers
    try:
        with client.websocket_connect("ws://192.168.1.7:7808/socket", headers=origin) as web:
            return until(web, "live", 0) == ["live", 0]
    except WebSocketDisconnect:
        return False


def test_with_a_token_nothing_is_served_without_it_and_a_page_needs_it_once():
    with guarded(token="right", allow=PRIVATE) as client:
        for path in ("/", "/page.js", "/table.json", "/last.mid", "/?token=wrong", "/?token=", "/?token=right%00"):
            answer = client.get(path)
            assert (answer.status_code, answer.text[:6]) == (403, "token:"), path
            assert not opens(client)
        assert not opens(client, cookie="rnnmuse-7808=wrong")
        answer = client.get("/?token=right")
        assert answer.status_code == 200
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "SameSite=Strict" in answer.headers["set-cookie"]
        assert client.get("/page.js").status_code == 200
        assert opens(client)


def test_only_the_networks_of_the_list_are_let_in():
    for sender, allow, fine in (
        (("192.168.1.20", 1), PRIVATE, True),
        (("fe80::1%eth0", 1), PRIVATE, True),
        (("::ffff:192.168.1.20", 1), PRIVATE, True),
        (("8.8.8.8", 1), PRIVATE, False),
        (("192.168.1.20", 1), ("192.168.1.0/28",), False),
        (("192.168.1.20", 1), ("192.168.1.20",), True),
        (("testclient", 1), PRIVATE, False),
    ):
        with guarded(sender, allow=allow) as client:
            assert client.get("/").status_code == (200 if fine else 403), (sender, allow)
            assert opens(client) == fine
    with pytest.raises(ValueError, match="allow: 'my house'; must be an IP address or a network"):
        networks(["my house"])


def test_a_name_that_was_made_to_point_here_is_refused_everything():
    with guarded() as client:
        for host in ("evil.example", "evil.example:7808", "192.168.1.7.evil.example", "", "["):
            assert client.get("/", headers={"host": host}).status_code == 403, host
            assert not opens(client, host=host, origin=f"http://{host}")
        assert client.get("/", headers={"host": "localhost:1"}).status_code == 200


def test_another_site_cannot_post():
    with guarded() as client:
        assert client.post("/record?on=1").status_code == 403
        assert client.post("/record?on=1", headers={"origin": "http://evil.example"}).status_code == 403
        own = {"origin": "http://192.168.1.7:7808"}
        assert client.post("/record?on=2", headers=own).text == "on: '2'; must be 0 or 1"
        assert client.post("/record?on=1", headers=own).status_code == 204


def test_a_band_is_recorded_and_its_last_bars_are_a_file(running, monkeypatch):
    monkeypatch.setattr("rnnmuse.web.files.PATIENCE", 60.0)
    with screen(running.port) as client, page(client) as web:
        until(web, "state")
        assert client.get("/last.mid").status_code == 404
        assert client.get("/last.mid?bars=0").text == "bars: '0'; must be 1 to 256"
        assert client.post("/record?on=1", headers={"origin": "http://testserver"}).status_code == 204
        assert until(web, "recording", 1) == ["recording", 1, 0]
        running.say("/rnnmuse/out/1/program", 1, 10, 1, "drums")
        running.say("/rnnmuse/out/2/program", 1, 2, 33, "bass")
        running.say("/rnnmuse/beat", 0, 90.0)
        for bar in range(20):
            for player, channel, pitch in ((1, 10, 36), (2, 2, 40 + bar)):
                running.server.tell(
                    running.server.watchers,
                    osc.build(f"/rnnmuse/out/{player}/planned", (pitch, 90, 4.0 * bar, 1, channel)),
                )
                running.say(f"/rnnmuse/out/{player}/note", pitch, 90, 0.0, 4.0 * bar)
                running.say(f"/rnnmuse/out/{player}/note", pitch, 0, 0.0, 4.0 * bar + 1)
        send(web, "/rnnmuse/sync", 1)
        until(web, "/rnnmuse/synced", 1)
        last = read_midi(client.get("/last.mid?bars=16").content)
        assert [(part.drum, part.program, len(part.notes)) for part in last.parts] == [(True, 0, 16), (False, 32, 16)]
        assert [note.pitch for note in last.parts[1].notes] == list(range(44, 60))
        assert [note.start for note in last.parts[1].notes] == [4.0 * bar for bar in range(16)]
        assert last.tempo_at(0) == pytest.approx(90)
        whole = client.get("/session.mid").content
        assert len(read_midi(whole).notes) == 40
        mark = unseal(whole, ".mid")
        assert mark is not None
        assert (mark.made.what, mark.made.models, mark.made.people) == ("live", {"grooves": "sha256:1"}, 0.0)


def test_a_page_that_floods_is_read_in_portions(monkeypatch):
    """What is read at once is taken apart at once, and all other pages wait for it."""
    sizes = []
    read = Socket.data_received

    def counted(self, data):
        sizes.append(len(data))
        read(self, data)

    monkeypatch.setattr(Socket, "data_received", counted)
    with bind("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        made = server(application(Relay()))
        thread = threading.Thread(target=made.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        with connect(f"ws://127.0.0.1:{port}/socket", origin=f"http://127.0.0.1:{port}", compression=None) as web:
            for _ in range(100):
                web.send(json.dumps(["/rnnmuse/text/1/prompt", "x" * 4000]))
            web.send('["/rnnmuse/ping", "last"]')
            while '"type"' not in web.recv(60):
                pass
        made.should_exit = True
        thread.join(60)
    assert sum(sizes) > 400_000
    assert max(sizes) <= READ


def test_a_port_that_is_taken_is_named():
    with bind("127.0.0.1", 0) as sock:
        assert sock.proto == socket.IPPROTO_TCP, "else asyncio leaves Nagle's delay on: notes come 40 ms late"
        port = sock.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1 port {port}: .*in use"):
            bind("127.0.0.1", port)
    with pytest.raises(OSError, match=r"no\.such\.host port 7808: "):
        bind("no.such.host", 7808)
