"""The stage with real sockets and its engine's process, and the command. Each test has a stage of its own."""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from rnnmuse.bridges import osc, slip
from rnnmuse.realtime.stage import Settings, Stage
from rnnmuse.session import messages as m

PATIENCE = 20.0


class Client:
    """An OSC program on the other side; waits for messages, never for time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.to = ("127.0.0.1", port)
        self.sounding: set[tuple[str, int]] = set()
        self.codes: list[str] = []

    def send(self, address, *values):
        self.socket.sendto(osc.build(address, values), self.to)

    def next(self, patience=PATIENCE):
        self.socket.settimeout(patience)
        (message,) = osc.parse(self.socket.recv(65536))
        self.count(message)
        return message

    def count(self, message):
        if message.address.endswith("/note"):
            key = (message.address, message.arguments[0])
            (self.sounding.add if message.arguments[1] else self.sounding.discard)(key)
        elif message.address == "/rnnmuse/error":
            self.codes.append(message.arguments[1])

    def wait(self, address, test=lambda message: True):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            message = self.next(max(0.01, end - time.monotonic()))
            if message.address == address and test(message):
                return message
        raise AssertionError(f"{address} did not come")

    def ask(self, address, *values, answer=None):
        self.send(address, *values)
        return self.wait(answer or address).arguments


@contextmanager
def serving(stage):
    """Opened, and served in a thread, while the context lasts."""
    stage.open()
    thread = threading.Thread(target=stage.serve, daemon=True)
    thread.start()
    try:
        yield stage
    finally:
        stage.leave()
        stage.close()
        thread.join(5)


@pytest.fixture
def stage():
    with serving(Stage(Settings(port=0))) as made:
        assert made.supervisor.ready.wait(60)
        yield made
    assert not made.notes.ledger.sounding


@pytest.fixture
def client(stage):
    made = Client(stage.port)
    made.send("/rnnmuse/subscribe")
    yield made
    made.send("/rnnmuse/transport/panic")
    made.ask("/rnnmuse/sync", 1, answer="/rnnmuse/synced")
    assert not made.sounding
    made.socket.close()


def is_note(message):
    return message.arguments[1] > 0


def test_a_note_in_is_a_note_out_over_udp(client):
    assert client.ask("/rnnmuse/hello")[0] == "rnnmuse"
    assert {"lieder", "grooves"} <= set(client.ask("/rnnmuse/models"))
    client.send("/rnnmuse/transport/play")
    client.send("/rnnmuse/player/2/mode", "accompany")
    client.send("/rnnmuse/player/2/note", 60, 90, 1.0)
    heard = client.wait("/rnnmuse/out/2/note", is_note)
    assert 0 <= heard.arguments[0] <= 127


def test_tcp_with_slip_serves_like_udp(stage, client):
    with socket.create_connection(("127.0.0.1", stage.port), timeout=PATIENCE) as stream:
        decoder = slip.Decoder()
        stream.sendall(slip.encode(osc.build("/rnnmuse/ping", [4])) + slip.encode(b"x" * 9001))
        answers = []
        while len(answers) < 2:
            answers += [osc.parse(p)[0] for p in decoder.feed(stream.recv(4096))]
        assert (answers[0].address, answers[0].arguments) == ("/rnnmuse/pong", (4,))
        assert answers[1].arguments[1] == "size"
    assert client.ask("/rnnmuse/ping", 1, answer="/rnnmuse/pong") == (1,)


def test_attacks_do_not_disturb(stage, client):
    year = osc.bundle(osc.tag_of(time.time() + 3e7), [osc.build("/rnnmuse/transport/tempo", [50.0])])
    deep = osc.build("/a", [])
    for _ in range(400):
        deep = osc.bundle(osc.NOW, [deep])
    attacks = [
        b"",
        b"x",
        b"#bundle\0" + bytes(8) + struct.pack(">i", -4),
        deep,
        b"/" + bytes(9000),
        year,
        b"/\xff\xff\0",
        (Path(__file__).parents[1] / "cases" / "one_datagram.bin").read_bytes(),
    ]
    for attack in attacks:
        client.socket.sendto(attack, client.to)
        assert client.ask("/rnnmuse/ping", 3, answer="/rnnmuse/pong") == (3,)
    assert client.ask("/rnnmuse/transport/tempo") == (120.0,)
    assert stage.supervisor.restarts == 0


def kill(stage):
    os.kill(stage.supervisor.pid, signal.SIGKILL)


def freeze(stage):
    os.kill(stage.supervisor.pid, signal.SIGSTOP)


def fail(stage):
    """The engine fails on a message that only this process can send."""
    with stage.lock:
        stage.supervisor.send(m.SetClock(None, 0.0, 10**9))


WAYS = {"killed": (kill, "lost"), "frozen": (freeze, "did not answer"), "failing": (fail, "the engine failed")}


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system has no SIGSTOP")
@pytest.mark.parametrize("way", WAYS)
def test_an_engine_that_is_gone_mid_chord_leaves_no_note_and_another_plays_on(stage, client, way):
    client.send("/rnnmuse/player/5/mode", "free")
    client.send("/rnnmuse/player/5/start")
    for _ in range(3):
        client.wait("/rnnmuse/out/5/note", is_note)
    position = client.ask("/rnnmuse/transport/position")[0]
    end, why = WAYS[way]
    end(stage)
    assert why in client.wait("/rnnmuse/error", lambda message: message.arguments[1] == "engine").arguments[2]
    assert not client.sounding
    assert client.ask("/rnnmuse/transport/position")[0] > position
    client.wait("/rnnmuse/out/5/note", is_note)
    assert stage.supervisor.restarts == 1
    if hasattr(os, "sched_getscheduler"):  # the thread that started it may have realtime priority
        assert os.sched_getscheduler(stage.supervisor.pid) == os.SCHED_OTHER


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system has no SIGSTOP")
def test_a_frozen_engine_under_a_flood_is_replaced_and_every_ping_is_answered(stage, client):
    """The pipe to the engine fills and its writer waits; nobody else does."""
    freeze(stage)
    other = Client(stage.port)
    for number in range(200):
        for step in range(20):
            other.send("/rnnmuse/player/1/note", 30 + step, 90)
            other.send("/rnnmuse/player/1/param/key", ["C major", "D minor"][step % 2])
        assert client.ask("/rnnmuse/ping", number, answer="/rnnmuse/pong") == (number,)
    while "engine" not in client.codes:
        client.next()
    assert client.ask("/rnnmuse/player/1/param/key") == ("D minor",)
    other.socket.close()


ENDING = [name for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1") if hasattr(signal, name)]


@pytest.mark.parametrize("name", ENDING)
def test_the_command_ends_with_every_note_ended(name):
    command = [sys.executable, "-m", "rnnmuse.cli.main", "live", "--osc-port", "0", "--demo", "--no-midi"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    port = int(process.stdout.readline().rsplit(":", 1)[1])
    client = Client(port)
    client.send("/rnnmuse/subscribe")
    for _ in range(5):
        client.wait("/rnnmuse/out/1/note", is_note)
    process.send_signal(getattr(signal, name))
    assert process.wait(PATIENCE) == 0
    client.socket.setblocking(False)
    while True:  # what was sent before it ended has arrived on this machine
        try:
            (message,) = osc.parse(client.socket.recv(65536))
        except BlockingIOError:
            break
        client.count(message)
    assert not client.sounding
    client.socket.close()
    process.stdout.close()


def test_a_port_that_is_taken_is_named():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        stage = Stage(Settings(port=port, engine=False))
        with pytest.raises(OSError, match=f"port {port}"):
            stage.open()
        stage.close()


def test_the_stage_imports_no_numpy():
    heavy = ("numpy", "onnxruntime", "torch", "music21")
    code = f"import sys, rnnmuse.realtime.stage; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_subscription_may_name_its_port_and_a_probe_goes_round(stage, client):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))
        elsewhere.settimeout(PATIENCE)
        third = Client(stage.port)
        third.send("/rnnmuse/subscribe", 60, 0, elsewhere.getsockname()[1])
        assert osc.parse(elsewhere.recv(4096))[0].address == "/rnnmuse/subscribed"
        client.send("/rnnmuse/probe", 11)
        found = osc.parse(elsewhere.recv(4096))[0]
        while found.address != "/rnnmuse/probe":
            found = osc.parse(elsewhere.recv(4096))[0]
        third.send("/rnnmuse/probed", *found.arguments, "somewhere")
        assert client.wait("/rnnmuse/probed").arguments == (11, "somewhere")
        third.socket.close()
