"""`rnnmuse screen` as it is typed."""

import base64
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fake_stage import stage
from websockets.sync.client import connect

from rnnmuse.cli import main as command

ROOT = Path(__file__).parents[2]
PATIENCE = 60


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command line: exit code, stderr."""

    def call(*words):
        monkeypatch.setattr("sys.argv", ["rnnmuse", "screen", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            command.main()
        return end.value.code, capsys.readouterr().err

    return call


@contextlib.contextmanager
def screen(*words):
    """The command as a process; its lines are read one by one."""
    line = [sys.executable, "-m", "rnnmuse.cli.main", "screen", *map(str, words)]
    pipe, env = subprocess.PIPE, os.environ | {"PYTHONPATH": str(ROOT)}
    made = subprocess.Popen(line, stdout=pipe, stderr=pipe, text=True, env=env)
    try:
        yield made
    finally:
        made.kill()
        made.communicate()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--http-port", 70000), "http-port: 70000; must be 0 to 65535"),
        (("--osc-port", 0), "osc-port: 0; must be 1 to 65535"),
        (("--page", "no/such/folder"), "page: no/such/folder; must be a folder with an index.html"),
        (("--host", "no.such.host"), "no.such.host port 7808: "),
    ],
)
def test_mistakes_are_one_line(run, words, said):
    code, error = run(*words)
    assert code == 2
    assert said in error
    assert error.count("\n") == 1


def test_a_port_that_is_taken_is_one_line(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, error = run("--http-port", port)
    assert (code, error.count("\n")) == (2, 1)
    assert f"127.0.0.1 port {port}: Address already in use" in error


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_without_a_stage_it_waits_says_so_and_ends_when_told(sign):
    with socket.socket() as none:
        none.bind(("127.0.0.1", 0))  # taken, and not listened to
        port = none.getsockname()[1]
        with screen("--http-port", 0, "--osc-port", port) as made:
            lines = [made.stdout.readline() for _ in range(3)]
            assert re.match(r"Screen http://127\.0\.0\.1:\d+/\n", lines[0])
            assert lines[2] == f"Waiting for rnnmuse live on port {port}: start it with rnnmuse live\n"
            with socket.create_connection(("127.0.0.1", int(re.search(r":(\d+)/", lines[0])[1]))) as web:
                web.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")  # it is up
                assert web.recv(12) == b"HTTP/1.1 200"
            made.send_signal(sign)
            assert made.wait(PATIENCE) == 0
            assert made.stderr.read() == ""


def test_other_addresses_come_with_a_warning():
    with screen("--http-port", 0, "--host", "0.0.0.0") as made:
        assert "can play, and stop the music" in [made.stdout.readline() for _ in range(3)][2]


def test_a_page_that_does_not_read_is_let_go():
    """A socket that is never read, while more is said than it, the system and the screen may hold."""
    chunk, count = "x" * 7900, 800
    with stage() as fake, screen("--http-port", 0, "--osc-port", fake.port) as made, socket.socket() as web:
        port = int(re.search(r":(\d+)/", made.stdout.readline())[1])
        while "is there" not in made.stdout.readline():
            pass
        web.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        web.settimeout(PATIENCE)
        web.connect(("127.0.0.1", port))
        here, key = f"127.0.0.1:{port}", base64.b64encode(bytes(16)).decode()
        web.sendall(f"GET /socket HTTP/1.1\r\nHost: {here}\r\nOrigin: http://{here}\r\nUpgrade: websocket\r\n"
                    f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
                    .encode())  # fmt: skip
        assert web.recv(12) == b"HTTP/1.1 101"
        with connect(f"ws://{here}/socket", origin=f"http://{here}", compression=None) as other:  # one that reads
            while '["state"' not in other.recv(PATIENCE):  # the stage has subscribed the screen, which has both pages
                pass
            for number in range(count):
                fake.say("/rnnmuse/out/text/1", 1, number, chunk, 0)
                while f", {number}, " not in other.recv(PATIENCE):
                    pass
        got = 0
        while data := web.recv(1 << 20):  # until the screen closes
            got += len(data)
        assert 0 < got < count * len(chunk)
