"""Pages by Starlette's test client, a stage over TCP: the real one without its engine, or a program that is none."""

import contextlib
import json
import socket
import threading

import pytest

pytest.importorskip("starlette", reason="the extra 'web' is not installed")

import anyio
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from rnnmuse.bridges import osc, slip
from rnnmuse.realtime.seats import Settings
from rnnmuse.realtime.stage import Stage
from rnnmuse.web.relay import Relay
from rnnmuse.web.server import application, bind, is_own

OWN = {"origin": "http://testserver", "host": "testserver"}


class Running:
    """A stage in threads of its own."""

    def __init__(self, port=0):
        self.stage = Stage(Settings(port=port, engine=False))
        self.stage.open()
        self.port = self.stage.port
        self.thread = threading.Thread(target=self.stage.serve, daemon=True)
        self.thread.start()

    def close(self):
        self.stage.leave()
        self.thread.join(5)
        self.stage.close()


@pytest.fixture
def running():
    made = Running()
    yield made
    made.close()


@contextlib.contextmanager
def screen(port, **more):
    with TestClient(application(Relay(), port, "testserver", **more)) as client:
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
        send(web, "/rnnmuse/transport/play")
        send(web, "/rnnmuse/sync", 1)
        until(web, "/rnnmuse/synced", 1)
        running.stage.plan_note(2, 0, 64, 90)
        assert until(web, "/rnnmuse/out/2/note")[1:3] == [64, 90]
        assert running.stage.ledger.sounding
        send(web, "/rnnmuse/transport/panic")
        assert until(web, "/rnnmuse/out/2/note")[1:3] == [64, 0]
        assert not running.stage.ledger.sounding


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
        again = Running(running.port)
        try:
            until(web, "live", 1)
            again.stage.desk.local("/rnnmuse/transport/play")
            until(web, "/rnnmuse/beat")
        finally:
            again.close()


def test_the_last_page_ends_the_pictures_and_the_screen_its_lease(running):
    with screen(running.port) as client:
        with page(client) as web:
            until(web, "live", 1)
            running.stage.desk.covers.rate = 8.0  # as if they came: the jobs' process is not needed here
            running.stage.desk.covers._jobs = lambda: Silent()
            send(web, "/rnnmuse/cover/stream", 8)
            send(web, "/rnnmuse/sync", 1)
            until(web, "/rnnmuse/synced")
            assert running.stage.desk.covers.rate == 8.0
        with page(client) as web:
            until(web, "live", 1)
            send(web, "/rnnmuse/sync", 2)
            until(web, "/rnnmuse/synced")
            assert running.stage.desk.covers.rate == 0.0
        assert len(running.stage.server.subscribers) == 1
    with contextlib.closing(socket.create_connection(("127.0.0.1", running.port))) as line:
        line.sendall(slip.encode(osc.build("/rnnmuse/sync", (3,))))
        line.recv(100)  # what came before it has been dealt with
    assert not running.stage.server.subscribers


class Silent:
    """A jobs' process that does nothing."""

    def send(self, *message): ...

    def close(self): ...


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
        with pytest.raises(OSError, match=f"127.0.0.1 port {port}: .*in use; --host and --port"):
            bind("127.0.0.1", port)
    with pytest.raises(OSError, match=r"no\.such\.host port 7808: "):
        bind("no.such.host", 7808)
