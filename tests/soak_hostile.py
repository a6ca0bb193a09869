"""The hostile half of `make soak`: what froze the stage once, hostile datagrams, a flood, lateness beside clients.

Everything is sent to the stage's own port on this machine, in bounded numbers.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import statistics
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from soak import SHARE, Live, _players, live, shares

from rnnmuse.bridges import osc, slip
from rnnmuse.protocol import addresses

CASES = Path(__file__).parent / "cases"
TURNS = int(os.environ.get("TURNS", 5))
"""Turns that the loads of `beside` take."""
TEMPO = 120.0
TIMESTAMPS = getattr(socket, "SO_TIMESTAMPNS", 35)
Load = Callable[[threading.Event, tuple[str, int], int], None]
LEFT_OUT = ("reply_to", "rig/save")
KNOWN = [address for address in addresses() if "cover" not in address and not address.endswith(LEFT_OUT)]
"""Addresses that mutants are made from: not those that start another process, or send the answers elsewhere."""


# -- the triggers -----------------------------------------------------------------------------------------------


def _six_bundles(made: Live) -> None:
    packet = osc.bundle(osc.NOW, [osc.build("/rnnmuse/player/1/latent/1", (0.5,))] * 180)
    for _ in range(6):
        made.socket.sendto(packet, made.to)


def _one_datagram(made: Live) -> None:
    made.socket.sendto((CASES / "one_datagram.bin").read_bytes(), made.to)


def _fader(made: Live, seconds: float = 3.0) -> None:
    """A fader at 2,000 values a second."""
    _paced(made, 2000, seconds, lambda k: ("/rnnmuse/player/1/param/temperature", (k % 100 / 50,)))


def _stopped_engine(made: Live) -> None:
    os.kill(made.engine(), signal.SIGSTOP)
    _paced(made, 200, 4.0, lambda k: (f"/rnnmuse/player/{1 + k % 16}/param/density", (float(k % 24),)))


def _paced(made: Live, rate: int, seconds: float, message: Callable[[int], tuple[str, tuple[object, ...]]]) -> None:
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    began = time.monotonic()
    for k in range(int(rate * seconds)):
        address, values = message(k)
        other.sendto(osc.build(address, values), made.to)
        wait = began + (k + 1) / rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
    other.close()


class Pinger:
    """Pings from a socket of its own, every 20 ms, and remembers how long each answer took in ms."""

    def __init__(self, to: tuple[str, int]) -> None:
        self._to, self.took, self.lost = to, list[float](), 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
            mine.settimeout(2.0)
            number = 0
            while not self._stop.wait(0.02):
                number += 1
                began = time.perf_counter()
                mine.sendto(osc.build("/rnnmuse/ping", (number,)), self._to)
                try:
                    while osc.parse(mine.recv(2048))[0].arguments != (number,):
                        pass
                except TimeoutError:
                    self.lost += 1
                    continue
                self.took.append(1000 * (time.perf_counter() - began))

    def stop(self) -> str:
        self._stop.set()
        self._thread.join()
        return f"ping {shares(self.took)}, {self.lost} lost"


def _hung(made: Live) -> int:
    """Notes that sound after panic and stop."""
    made.send("/rnnmuse/transport/panic")
    made.send("/rnnmuse/transport/stop")
    made.ask("/rnnmuse/sync", 77, answer="/rnnmuse/synced")
    return len(made.sounding)


def triggers() -> None:
    """What froze the stage for good: a ping is answered before, during and after."""
    for trigger in (_one_datagram, _six_bundles, _fader, _stopped_engine):
        with live("--mode", "free") as made:
            made.note()
            pinger = Pinger(made.to)
            time.sleep(0.5)
            trigger(made)
            made.note(30)
            time.sleep(1.0)
            said = pinger.stop()
            print(f"trigger {trigger.__name__[1:]}: {said}, hung {_hung(made)}")


# -- hostile datagrams ------------------------------------------------------------------------------------------


def mutants(seed: int) -> Iterator[bytes]:
    """Packets without end, made from the table: valid, of wrong types and counts, patterns, bundles, torn bytes."""
    r = random.Random(seed)
    numbers = (0, 1, -1, 1e9, float("nan"), float("inf"), 0.5, 127, 2**31 - 1, -(2**31))

    def value() -> object:
        text = r.choice(["", "free", "C", "grooves", "x" * 300])
        return r.choice([r.choice(numbers), r.random(), text, b"\0" * 9])

    def address() -> str:
        found = r.choice(KNOWN)
        if r.random() < 0.3:
            parts = found.split("/")
            parts[r.randrange(2, len(parts))] = r.choice(["*", "?", "[1-9]", "{1,2,mode}", "*a*", "[!x]*", "**"])
            found = "/".join(parts)
        if r.random() < 0.05:
            found = found[: r.randrange(len(found))] + r.choice(["", "\u00e9", "//", "/{", "["])
        return found

    def message() -> bytes:
        found = address()
        values = [value() for _ in range(r.randrange(4))]
        try:
            return osc.build(found, values)
        except (struct.error, OverflowError):
            return osc.build(found, ())

    while True:
        packet = message()
        kind = r.random()
        if kind < 0.15:
            tag = r.choice([osc.NOW, 0, 2**64 - 1, osc.tag_of(time.time() + r.uniform(-5, 90))])
            packet = osc.bundle(tag, [message() for _ in range(r.randrange(12))])
        if kind > 0.85:
            torn = bytearray(packet)
            for _ in range(r.randrange(1, 6)):
                torn[r.randrange(len(torn))] = r.randrange(256)
            packet = bytes(torn[: r.randrange(len(torn) + 1)]) if r.random() < 0.5 else bytes(torn)
        yield packet[:8000]


def hostile() -> None:
    """Hostile datagrams, then the same over TCP: answers, memory, threads, descriptors, notes.

    ``PACKETS`` says how many, 200,000 by default. After every 20 of them a ping is timed, and beside it one of a
    second stage that nobody attacks.
    """
    count = int(os.environ.get("PACKETS", 200_000 // SHARE))
    for way in os.environ.get("WAYS", "udp tcp").split():
        with live() as made, live() as quiet:
            engine = made.engine()
            took, alone, packets = list[float](), list[float](), mutants(7)
            send, close = _sender(made, way)
            for _ in range(5000):  # the models that they name are loaded, once
                send(next(packets))
            made.ask("/rnnmuse/sync", 4, answer="/rnnmuse/synced")
            time.sleep(2)
            before, threads, files = made.memory(), _threads(made), _files(made)
            mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            mine.settimeout(5)
            for number in range(count // 20):
                for _ in range(20):
                    send(next(packets))
                took.append(_ping(mine, made, number))
                alone.append(_ping(mine, quiet, number))
                if number % 25 == 0:  # what is not read would be lost, the answer at the end with it
                    for one in (made, quiet):
                        with contextlib.suppress(TimeoutError):
                            one.wait(lambda m: False, 0.05)
            close()
            made.send("/rnnmuse/transport/stop")
            made.ask("/rnnmuse/sync", 5, answer="/rnnmuse/synced")
            fate = "the same" if made.engine() == engine else "begun again"
            time.sleep(2)
            ratio = statistics.median(took) / statistics.median(alone)
            print(f"hostile, {way}: {count:,} packets, {len(took)} pings of {count // 20}, {shares(took)}, p99.9 "
                  f"{_high(took):.2f}; of a quiet stage in between {shares(alone)}, p99.9 {_high(alone):.2f}: "
                  f"{ratio:.1f} x by the median, {_high(took) / _high(alone):.1f} x by p99.9; engine {fate}; memory "
                  f"{made.memory() - before:+.1f} MB, threads {_threads(made) - threads:+d}, descriptors "
                  f"{_files(made) - files:+d}, hung {_hung(made)}", flush=True)  # fmt: skip


def _ping(mine: socket.socket, made: Live, number: int) -> float:
    """Milliseconds from a ping to its answer."""
    began = time.perf_counter()
    mine.sendto(osc.build("/rnnmuse/ping", (number,)), made.to)
    while osc.parse(mine.recv(65536))[0].arguments != (number,):
        pass
    return 1000 * (time.perf_counter() - began)


def _high(values: list[float]) -> float:
    """Their 99.9th percentile."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.999))]


def _sender(made: Live, way: str) -> tuple[Callable[[bytes], object], Callable[[], None]]:
    if way == "udp":
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return (lambda packet: other.sendto(packet, made.to)), other.close
    stream: list[socket.socket] = []

    def send(packet: bytes) -> None:
        for _ in range(2):
            try:
                if not stream:
                    stream.append(socket.create_connection(made.to, timeout=5))
                    threading.Thread(target=_drain, args=(stream[0],), daemon=True).start()
                stream[0].sendall(slip.encode(packet))
                return
            except OSError:  # the stage let it go: that is its right
                stream.pop().close()

    return send, lambda: stream[0].close() if stream else None


def _drain(stream: socket.socket) -> None:
    try:
        while stream.recv(65536):
            pass
    except OSError:
        return


def _threads(made: Live) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/task")) for pid in made.processes())


def _files(made: Live) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in made.processes())


# -- a flood ----------------------------------------------------------------------------------------------------


def flood() -> None:
    """20,000 messages a second from one sender for 20 s: how soon another's panic silences."""
    seconds = 20 / (4 if SHARE > 1 else 1)
    with live() as made:
        _players(made, 4, 120)
        made.note()
        stop = threading.Event()
        sender = threading.Thread(target=_flood, args=(stop, made.to))
        sender.start()
        silenced, end = list[float](), time.monotonic() + seconds
        while time.monotonic() < end:
            for player in range(1, 5):
                made.send(f"/rnnmuse/player/{player}/start")
            made.note(30)
            began = time.perf_counter()
            made.send("/rnnmuse/transport/panic")
            made.send("/rnnmuse/ping", 9)
            made.wait(lambda m: m.address == "/rnnmuse/pong")
            while made.sounding:
                made.wait(lambda m: not made.sounding)
            silenced.append(1000 * (time.perf_counter() - began))
            time.sleep(0.2)
        stop.set()
        sender.join()
        print(f"flood of 20,000 messages/s for {seconds:.0f} s: another's panic silences in {shares(silenced)}, "
              f"hung {_hung(made)}")  # fmt: skip


def _flood(stop: threading.Event, to: tuple[str, int]) -> None:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    packets = [osc.build(f"/rnnmuse/player/{9 + k % 8}/param/temperature", (k % 10 / 5,)) for k in range(40)]
    packets += [osc.build(f"/rnnmuse/player/{9 + k % 8}/note", (40 + k, 90)) for k in range(40)]
    began, sent = time.monotonic(), 0
    while not stop.is_set():
        for _ in range(20):
            udp.sendto(packets[sent % len(packets)], to)
            sent += 1
        wait = began + sent / 20_000 - time.monotonic()
        if wait > 0:
            time.sleep(wait)


# -- lateness beside clients ------------------------------------------------------------------------------------


def _pad(stop: threading.Event, to: tuple[str, int]) -> None:
    """Two fingers, 60 Hz."""
    udp, k = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0
    while not stop.wait(1 / 60):
        k += 1
        for player in (15, 16):
            udp.sendto(osc.build(f"/rnnmuse/player/{player}/latent/xy", (k % 97 / 97, k % 89 / 89)), to)


def _subscribers(stop: threading.Event, to: tuple[str, int], behind: list[float]) -> None:
    """200 subscriptions of 25 senders, and patterns that read and set.

    ``behind`` gets by how many ms the last of them has each note after its beat, by the system's time stamps; the beats
    are those of one of the first, by the median of its notes.
    """
    senders = []
    for number in range(200):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(("127.0.0.1", 0))
        if number in (2, 199):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            one.setsockopt(socket.SOL_SOCKET, TIMESTAMPS, 1)
        one.sendto(osc.build("/rnnmuse/subscribe", (600,)), to)
        senders.append(one)
        if number % 20 == 0:
            time.sleep(0.01)
    while not stop.wait(0.1):
        senders[0].sendto(osc.build("/rnnmuse/player/*/mode", ()), to)
        senders[1].sendto(osc.build("/rnnmuse/player/{9,10,11}/param/temper*", (0.9,)), to)
    first, last = _stamps(senders[2]), _stamps(senders[199])
    beats = {packet: osc.parse(packet)[0].arguments[3] * 60_000 / TEMPO for packet, _ in first | last}
    start = statistics.median(at - beats[packet] for (packet, _), at in first.items())
    behind += [at - beats[packet] - start for (packet, _), at in last.items()]
    for one in senders:
        one.close()


def _stamps(receiver: socket.socket) -> dict[tuple[bytes, int], float]:
    """When each note that a socket holds came, in ms, by its packet and how often that came before."""
    receiver.setblocking(False)
    found: dict[tuple[bytes, int], float] = {}
    count: Counter[bytes] = Counter()
    with contextlib.suppress(BlockingIOError):
        while True:
            packet, told, _, _ = receiver.recvmsg(65536, 64)
            if packet.startswith(b"/rnnmuse/out/") and b"/note\0" in packet:
                seconds, nanoseconds = struct.unpack("qq", told[0][2])
                found[packet, count[packet]] = 1000 * seconds + nanoseconds / 1e6
                count[packet] += 1
    return found


def beside() -> None:
    """The notes' lateness alone, and beside a browsing OSCQuery client, a pad, 200 subscriptions and patterns.

    They take turns, so that what else the machine does meets all of them. ``LOADS`` takes a part of the name of the
    only one to look at.
    """
    behind: list[float] = []
    loads: dict[str, Load] = {
        "alone": lambda stop, to, query: None,
        "a browsing OSCQuery client": _browse,
        "a two-finger pad": lambda stop, to, query: _pad(stop, to),
        "200 subscriptions and patterns": lambda stop, to, query: _subscribers(stop, to, behind),
    }
    if chosen := os.environ.get("LOADS"):
        loads = {name: load for name, load in loads.items() if name == "alone" or chosen in name}
    found: dict[str, list[float]] = {name: [] for name in loads}
    for _ in range(TURNS):
        for name, load in loads.items():
            found[name].append(_p99(load))
    alone = found.pop("alone")
    print(f"lateness p99 alone: {statistics.median(alone):.3f} ms, the median of {TURNS}")
    for name, p99s in found.items():
        ratio = statistics.median(p99 / one for p99, one in zip(p99s, alone, strict=True))
        print(f"lateness p99 beside {name}: {statistics.median(p99s):.3f} ms, {ratio:.2f} x alone in the same turn")
    if behind:
        print(f"the last of 200 has a note after its beat by {shares(behind)}")


def _browse(stop: threading.Event, to: tuple[str, int], query: int) -> None:
    import urllib.error
    import urllib.request

    answered = 0
    while not stop.wait(0.05):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{query}/", timeout=10) as answer:
                answer.read()
            answered += 1
        except urllib.error.URLError:  # its process is still on its way
            continue
    assert answered, "OSCQuery never answered"


def _p99(load: Load) -> float:
    stop = threading.Event()
    with _live_with_query() as (made, query):
        _players(made, 4, TEMPO)
        for player in (15, 16):
            made.send(f"/rnnmuse/player/{player}/model", "phrases")
            made.send(f"/rnnmuse/player/{player}/mode", "loop")
        made.note()
        thread = threading.Thread(target=load, args=(stop, made.to, query))
        thread.start()
        for _ in range(2000 // SHARE):
            made.note()
        stop.set()
        thread.join()
        return float(made.ask("/rnnmuse/stats")[3])  # type: ignore[arg-type]


@contextlib.contextmanager
def _live_with_query() -> Iterator[tuple[Live, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        query = free.getsockname()[1]
    rig = Path("out") / "soak.toml"
    rig.parent.mkdir(exist_ok=True)
    rig.write_text(f"[stage]\nquery = {query}\n", "utf-8")
    with live(str(rig)) as made:
        time.sleep(2)  # the web process comes up
        yield made, query
