"""The stage with its real engine, over real sockets on this machine."""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from rnnmuse.realtime.seats import Settings

from rnnmuse.bridges import osc, slip
from rnnmuse.realtime.stage import Stage

PATIENCE = 20.0


class Client:
    """An OSC program on the other side; waits for messages, never for time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.to = ("127.0.0.1", port)
        self.sounding: set[tuple[str, int]] = set()

    def send(self, address, *values):
        self.socket.sendto(osc.build(address, values), self.to)

    def next(self, patience=PATIENCE):
        self.socket.settimeout(patience)
        (message,) = osc.parse(self.socket.recv(65536))
        if message.address.endswith("/note"):
            key = (message.address, message.arguments[0])
            (self.sounding.add if message.arguments[1] else self.sounding.discard)(key)
        return message

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


@pytest.fixture(scope="module")
def stage():
    with serving(Stage(Settings(port=0))) as made:
        assert made.engine_ready.wait(60)
        yield made
    assert not made.ledger.sounding


@pytest.fixture
def client(stage):
    made = Client(stage.port)
    yield made
    made.send("/rnnmuse/transport/panic")
    made.ask("/rnnmuse/sync", 1, answer="/rnnmuse/synced")
    made.send("/rnnmuse/unsubscribe")
    made.ask("/rnnmuse/sync", 2, answer="/rnnmuse/synced")
    made.socket.close()


def test_it_says_hello_and_what_it_knows(client, stage):
    assert client.ask("/rnnmuse/hello")[0] == "rnnmuse"
    assert client.ask("/rnnmuse/ping", 7, answer="/rnnmuse/pong") == (7,)
    assert "/rnnmuse/transport/tempo" in client.ask("/rnnmuse/list", "/rnnmuse/transport")
    assert client.ask("/rnnmuse/describe", "/rnnmuse/transport/tempo")[1] == "rw"
    assert {"lieder", "grooves"} <= set(client.ask("/rnnmuse/models"))


def test_setters_are_getters_and_patterns_address_several(client):
    client.send("/rnnmuse/transport/tempo", 90)
    assert client.ask("/rnnmuse/transport/tempo") == (90.0,)
    client.send("/rnnmuse/player/[1-3]/param/temperature", 0.5)
    assert [client.ask(f"/rnnmuse/player/{p}/param/temperature")[0] for p in (1, 2, 3, 4)] == [0.5, 0.5, 0.5, 1.0]
    client.send("/rnnmuse/player/4/norm/low", 0.5)
    assert client.ask("/rnnmuse/player/4/param/low") == (64,)
    assert client.ask("/rnnmuse/player/4/norm/low")[0] == pytest.approx(64 / 127)
    client.send("/rnnmuse/player/4/param/low", 0)
    client.send("/rnnmuse/transport/tempo", 120)


@pytest.mark.parametrize(
    ("address", "values", "code"),
    [
        ("/rnnmuse/transport/tempo", (1e9,), "range"),
        ("/rnnmuse/transport/tempo", (float("nan"),), "range"),
        ("/rnnmuse/transport/tempo", ("fast",), "type"),
        ("/rnnmuse/nothing", (), "address"),
        ("/rnnmuse/player/17/start", (), "address"),
        ("/rnnmuse/player/1/note", (60,), "count"),
        ("/rnnmuse/out/1/note", (60, 1, 1.0, 1.0), "access"),
        ("/" + "*" * 1000, (), "pattern"),
    ],
)
def test_mistakes_are_answered(client, address, values, code):
    assert client.ask(address, *values, answer="/rnnmuse/error")[1] == code
    assert client.ask("/rnnmuse/ping", 1, answer="/rnnmuse/pong") == (1,)


def test_attacks_do_not_disturb(client):
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
    ]
    for attack in attacks:
        client.socket.sendto(attack, client.to)
        assert client.ask("/rnnmuse/ping", 3, answer="/rnnmuse/pong") == (3,)
    assert client.ask("/rnnmuse/transport/tempo") == (120.0,)


def test_a_note_in_is_a_note_out(client):
    client.send("/rnnmuse/subscribe")
    client.send("/rnnmuse/transport/play")
    client.send("/rnnmuse/player/2/mode", "accompany")
    client.send("/rnnmuse/player/2/note", 60, 90, 1.0)
    heard = client.wait("/rnnmuse/out/2/note", lambda m: m.arguments[1] > 0)
    assert 0 <= heard.arguments[0] <= 127
    client.send("/rnnmuse/transport/panic")
    client.ask("/rnnmuse/sync", 5, answer="/rnnmuse/synced")
    assert not client.sounding


def test_free_play_stays_in_key_and_every_note_ends(client):
    client.send("/rnnmuse/subscribe")
    client.send("/rnnmuse/player/1/param/key", "E major")
    client.send("/rnnmuse/player/1/mode", "free")
    client.send("/rnnmuse/transport/tempo", 240)
    client.send("/rnnmuse/player/1/start")
    notes = [client.wait("/rnnmuse/out/1/note", lambda m: m.arguments[1] > 0).arguments[0] for _ in range(30)]
    assert all(pitch % 12 in (4, 6, 8, 9, 11, 1, 3) for pitch in notes)
    client.send("/rnnmuse/transport/stop")
    client.ask("/rnnmuse/sync", 6, answer="/rnnmuse/synced")
    assert not client.sounding
    client.send("/rnnmuse/transport/tempo", 120)
    client.send("/rnnmuse/player/1/param/key", "")


def test_a_wrong_parameter_is_told_to_subscribers(client):
    client.send("/rnnmuse/subscribe")
    client.send("/rnnmuse/player/3/param/key", "H moll")
    assert "key" in client.wait("/rnnmuse/error", lambda m: m.arguments[1] == "value").arguments[2]
    client.send("/rnnmuse/player/3/param/key", "")


def test_a_time_tag_is_a_due_time(client):
    client.send("/rnnmuse/transport/play")
    tag = osc.tag_of(time.time() + 0.2)
    began = time.monotonic()
    client.socket.sendto(osc.bundle(tag, [osc.build("/rnnmuse/ping", [9])]), client.to)
    assert client.wait("/rnnmuse/pong").arguments == (9,)
    assert time.monotonic() - began > 0.19


def test_an_engine_that_dies_mid_chord_leaves_no_note_and_comes_back(stage, client):
    client.send("/rnnmuse/subscribe")
    client.send("/rnnmuse/player/5/mode", "free")
    client.send("/rnnmuse/player/5/start")
    for _ in range(3):
        client.wait("/rnnmuse/out/5/note", lambda m: m.arguments[1] > 0)
    position = client.ask("/rnnmuse/transport/position")[0]
    restarts = stage.restarts
    os.kill(stage._engine.pid, signal.SIGKILL)
    client.wait("/rnnmuse/error", lambda m: m.arguments[1] == "engine")
    assert not client.sounding
    assert client.ask("/rnnmuse/transport/position")[0] > position
    client.wait("/rnnmuse/out/5/note", lambda m: m.arguments[1] > 0)
    assert stage.restarts == restarts + 1
    if hasattr(os, "sched_getscheduler"):  # the thread that began it anew may have realtime priority
        assert os.sched_getscheduler(stage._engine.pid) == os.SCHED_OTHER


def test_an_engine_that_hangs_is_replaced(stage, client):
    client.send("/rnnmuse/subscribe")
    client.send("/rnnmuse/player/6/mode", "free")
    client.send("/rnnmuse/player/6/start")
    client.wait("/rnnmuse/out/6/note", lambda m: m.arguments[1] > 0)
    os.kill(stage._engine.pid, signal.SIGSTOP)
    assert "did not answer" in client.wait("/rnnmuse/error", lambda m: m.arguments[1] == "engine").arguments[2]
    assert not client.sounding
    client.wait("/rnnmuse/out/6/note", lambda m: m.arguments[1] > 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_with_every_note_ended(number):
    command = [sys.executable, "-m", "rnnmuse.cli.main", "live", "--port", "0", "--demo", "--no-midi"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    port = int(process.stdout.readline().rsplit(":", 1)[1])
    client = Client(port)
    client.send("/rnnmuse/subscribe")
    for _ in range(5):
        client.wait("/rnnmuse/out/1/note", lambda m: m.arguments[1] > 0)
    process.send_signal(number)
    assert process.wait(20) == 0
    try:
        while True:
            client.next(0.3)
    except TimeoutError:
        pass
    assert not client.sounding


def test_an_engine_that_fails_is_replaced(stage, client):
    client.send("/rnnmuse/subscribe")
    client.send("/rnnmuse/player/7/mode", "free")
    client.send("/rnnmuse/player/7/start")
    client.wait("/rnnmuse/out/7/note", lambda m: m.arguments[1] > 0)
    restarts = stage.restarts
    stage.tell("set")  # a message cut short: the engine fails on it
    assert "the engine failed" in client.wait("/rnnmuse/error", lambda m: m.arguments[1] == "engine").arguments[2]
    assert not client.sounding
    client.wait("/rnnmuse/out/7/note", lambda m: m.arguments[1] > 0)
    assert stage.restarts == restarts + 1


def test_notes_ahead_come_in_bundles_with_their_time(client):
    client.ask("/rnnmuse/subscribe", 60, 0.2, answer="/rnnmuse/subscribed")
    client.send("/rnnmuse/player/8/mode", "free")
    client.send("/rnnmuse/player/8/start")
    found = []
    while len(found) < 20:
        client.socket.settimeout(PATIENCE)
        packet = client.socket.recv(65536)
        (message,) = osc.parse(packet)
        if message.address == "/rnnmuse/out/8/note":
            assert packet.startswith(b"#bundle")
            found.append((osc.seconds_of(message.tag) - time.time(), message.arguments))
    assert all(0 < ahead <= 0.205 for ahead, _ in found)
    assert sorted(ahead for ahead, _ in found)[len(found) // 2] > 0.15


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


def test_a_phrase_to_order_is_announced_and_done(client):
    client.send("/rnnmuse/subscribe")
    client.send("/rnnmuse/transport/tempo", 480)
    (job,) = client.ask("/rnnmuse/player/9/generate", 8, 3)
    done = client.wait("/rnnmuse/player/9/done").arguments
    assert done[0] == job
    assert done[1] > 0
    client.send("/rnnmuse/transport/tempo", 120)


def test_presets_over_osc(client):
    client.send("/rnnmuse/player/11/param/high", 70)
    client.send("/rnnmuse/preset/store", 2)
    client.send("/rnnmuse/player/11/param/high", 90)
    assert 2 in client.ask("/rnnmuse/presets")
    client.send("/rnnmuse/preset/recall", 2)
    assert client.ask("/rnnmuse/player/11/param/high") == (70,)
    assert client.ask("/rnnmuse/preset/recall", 99, answer="/rnnmuse/error")[1] == "range"


def test_an_osc_program_leads_the_clock(client):
    client.send("/rnnmuse/transport/source", "osc")
    client.send("/rnnmuse/transport/beat", 100.0, 90.0)
    assert 100 <= client.ask("/rnnmuse/transport/position")[0] < 102
    assert client.ask("/rnnmuse/transport/tempo") == (90.0,)
    client.send("/rnnmuse/transport/source", "internal")
    client.send("/rnnmuse/transport/tempo", 120)


def test_a_port_that_is_taken_is_named(stage):
    with pytest.raises(OSError, match=f"port {stage.port}"):
        Stage(Settings(port=stage.port)).open()


def test_the_stage_imports_no_numpy():
    heavy = ("numpy", "onnxruntime", "torch", "music21")
    code = f"import sys, rnnmuse.realtime.stage; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_beat_is_told_once_and_a_button_let_go_does_nothing(client):
    client.send("/rnnmuse/subscribe")
    client.send("/rnnmuse/transport/tempo", 480)
    client.send("/rnnmuse/transport/play", 1.0)
    beats = [client.wait("/rnnmuse/beat").arguments[0] for _ in range(8)]
    assert beats == list(range(beats[0], beats[0] + 8))
    client.send("/rnnmuse/transport/stop", 0)
    client.send("/rnnmuse/transport/panic", False)
    assert client.wait("/rnnmuse/beat").arguments[0] == beats[-1] + 1
    client.send("/rnnmuse/transport/tempo", 120)


def test_a_subscription_may_name_its_port_and_a_probe_goes_round(client, stage):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))
        elsewhere.settimeout(PATIENCE)
        client.send("/rnnmuse/subscribe", 60, 0, elsewhere.getsockname()[1])
        assert osc.parse(elsewhere.recv(4096))[0].address == "/rnnmuse/subscribed"
        other = Client(stage.port)
        other.send("/rnnmuse/subscribe")
        other.send("/rnnmuse/probe", 11)
        found = osc.parse(elsewhere.recv(4096))[0]
        while found.address != "/rnnmuse/probe":
            found = osc.parse(elsewhere.recv(4096))[0]
        client.send("/rnnmuse/probed", *found.arguments, "somewhere")
        assert other.wait("/rnnmuse/probed").arguments == (11, "somewhere")
        other.send("/rnnmuse/unsubscribe")
        other.socket.close()
        client.send("/rnnmuse/reply_to", client.socket.getsockname()[1])
