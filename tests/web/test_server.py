"""Pages by Starlette's test client, and over TCP a stage of the real OSC sockets, or a program that is no stage."""

import contextlib
import json
import socket

import anyio
import pytest
from fake_stage import stage
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from rnnmuse.bridges import osc, slip
from rnnmuse.web.connection import is_own
from rnnmuse.web.relay import Relay
from rnnmuse.web.server import application, bind, follow

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
        assert until(web, "/rnnmuse/transport/tempo") == ["/rnnmuse/transport/tempo", 133.0]
        send(web, "/rnnmuse/transport/tempo", 1e9)
        assert "must be 20 to 999" in until(web, "/rnnmuse/error")[3]
        web.send_bytes(b"\x00")
        assert until(web, "/rnnmuse/error")[2] == "message"


def test_the_stage_ends_and_another_is_found(running):
    with screen(running.port) as client, page(client) as web:
        until(web, "live", 1)
        running.close()
        until(web, "live", 0)
        with stage(running.port) as again:
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
        assert client.get("/screen.js").headers["content-type"].startswith("text/javascript")
        assert client.get("/screen.js").headers["cache-control"] == "no-cache"
        assert client.get("/fonts/Cormorant-Bold.ttf").status_code == 200
        assert client.get("/own/").text == "mine"
        for path in ("/own/../secret.txt", "/own/%2e%2e/secret.txt", "/own/..%2fsecret.txt", "/../relay.py", "/none"):
            assert client.get(path).status_code == 404
    with screen(9) as client:
        assert client.get("/own/").status_code == 404


def test_a_port_that_is_taken_is_named():
    with bind("127.0.0.1", 0) as sock:
        assert sock.proto == socket.IPPROTO_TCP, "else asyncio leaves Nagle's delay on: notes come 40 ms late"
        port = sock.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1 port {port}: .*in use"):
            bind("127.0.0.1", port)
    with pytest.raises(OSError, match=r"no\.such\.host port 7808: "):
        bind("no.such.host", 7808)
