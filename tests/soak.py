"""`make soak`: the live stage under load, measured on the real processes. Not a test: it takes some hours.

`python tests/soak.py start reaction idle timing cover eight attacks sclang signals engines ports triggers hostile flood
beside band day` runs some of it, QUICK=1 a tenth of each.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rnnmuse.bridges import osc
from rnnmuse.events import Note
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import Part, Piece

SHARE = 10 if os.environ.get("QUICK") else 1


class Live:
    """A `rnnmuse live` process and an OSC client of it."""

    def __init__(self, *options: str) -> None:
        self.began = time.monotonic()
        command = [sys.executable, "-m", "rnnmuse.cli.main", "live", "--osc-port", "0", "--no-midi", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        port = int(self.process.stdout.readline().rsplit(":", 1)[1])
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # what is not read for a while, such as hundreds of errors, would cost it the ends of notes: SO_RCVBUFFORCE
        with suppress(PermissionError):
            self.socket.setsockopt(socket.SOL_SOCKET, 33, 16_000_000)
        self.socket.bind(("127.0.0.1", 0))
        self.to = ("127.0.0.1", port)
        self.sounding: set[tuple[str, int]] = set()

    def send(self, address: str, *values: object) -> None:
        self.socket.sendto(osc.build(address, values), self.to)

    def wait(self, test: Callable[[osc.Message], bool], patience: float = 20.0) -> osc.Message:
        end = time.monotonic() + patience
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            message = osc.parse(self.socket.recv(65536))[0]
            if message.address.endswith("/note"):
                key = (message.address, message.arguments[0])
                (self.sounding.add if message.arguments[1] else self.sounding.discard)(key)
            if test(message):
                return message
        raise TimeoutError

    def ask(self, address: str, *values: object, answer: str = "") -> tuple[object, ...]:
        self.send(address, *values)
        return self.wait(lambda m: m.address == (answer or address)).arguments

    def note(self, patience: float = 20.0) -> osc.Message:
        return self.wait(lambda m: m.address.endswith("/note") and bool(m.arguments[1]), patience)

    def processes(self) -> list[int]:
        """The stage's pid and its children's; any of its threads may have started one."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [self.process.pid, *(int(child) for task in tasks for child in task.read_text().split())]

    def engine(self) -> int:
        """The engine's pid: the child that is not multiprocessing's tracker."""
        return next(p for p in self.processes()[1:] if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes())

    def memory(self) -> float:
        """Megabytes of all processes, shared pages once (PSS)."""
        lines = (line for p in self.processes() for line in Path(f"/proc/{p}/smaps_rollup").read_text().splitlines())
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024

    def seconds_used(self) -> float:
        """Processor seconds of all processes."""
        fields = [Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split() for p in self.processes()]
        return sum(int(f[11]) + int(f[12]) for f in fields) / os.sysconf("SC_CLK_TCK")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(20)
        self.socket.close()
        return code


@contextmanager
def live(*options: str) -> Iterator[Live]:
    made = Live(*options)
    try:
        made.ask("/rnnmuse/hello")
        made.ask("/rnnmuse/subscribe", 3600, answer="/rnnmuse/subscribed")
        made.ask("/rnnmuse/models")  # the engine is there
        yield made
    finally:
        if made.process.poll() is None:
            made.end()


def shares(values: list[float]) -> str:
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"median {statistics.median(ordered):.2f}, p99 {p99:.2f}, worst {ordered[-1]:.2f} ms ({len(ordered)})"


def start() -> None:
    hello, first = [], []
    for _ in range(5):
        made = Live("--demo")
        made.send("/rnnmuse/subscribe")
        made.ask("/rnnmuse/hello")
        hello.append(time.monotonic() - made.began)
        made.note()
        first.append(time.monotonic() - made.began)
        made.end()
    print(f"start: hello {statistics.median(hello):.2f} s, first note {statistics.median(first):.2f} s (medians of 5)")
    with live("--mode", "free") as made:
        made.note()
        one = made.memory()
        for player in range(2, 9):
            made.send(f"/rnnmuse/player/{player}/start")
        for _ in range(300):
            made.note()
        print(f"memory: {one:.0f} MB with one player, {(made.memory() - one) / 7:.1f} MB more for each further one")


def reaction() -> None:
    with live("--mode", "accompany") as made:
        echo = subprocess.Popen([sys.executable, __file__, "_echo"], stdout=subprocess.PIPE, text=True)
        assert echo.stdout is not None
        to = ("127.0.0.1", int(echo.stdout.readline()))
        mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bare, getter = [], []
        for _ in range(1000):
            began = time.perf_counter()
            mine.sendto(osc.build("/echo", ()), to)
            osc.parse(mine.recv(2048))
            bare.append(1000 * (time.perf_counter() - began))
            began = time.perf_counter()
            made.ask("/rnnmuse/player/1/param/temperature")
            getter.append(1000 * (time.perf_counter() - began))
        echo.kill()
        ratio = statistics.median(getter) / statistics.median(bare)
        print(f"getter: {shares(getter)}; {ratio:.1f} x a bare echo ({shares(bare)})")
        for mode in ("accompany",):
            made.send("/rnnmuse/player/1/mode", mode)
            made.send("/rnnmuse/player/1/param/steady", 0)  # each note is answered on the spot, without a pattern
            answers = []
            for turn in range(1000 // SHARE):
                time.sleep(0.07 + 0.013 * (turn % 10))
                while True:
                    try:
                        made.wait(lambda m: False, 0.001)
                    except TimeoutError:
                        break
                began = time.perf_counter()
                made.send("/rnnmuse/player/1/note", 55 + turn % 12, 90, 0.2)
                made.note()
                answers.append(1000 * (time.perf_counter() - began))
            print(f"{mode}, note in to note out: {shares(answers)}")


def chords() -> None:
    """`harmonise`, live: a note of a melody to the first and to the last note of the chord beneath it."""
    with live("--mode", "harmonise") as made:
        made.send("/rnnmuse/transport/tempo", 240)
        made.send("/rnnmuse/transport/play")
        tune = (60, 64, 67, 65, 69, 65, 67, 71, 74, 72, 64, 62, 65, 62, 67, 71)
        firsts, lasts, turns = [], [], 600 // SHARE
        for turn in range(turns):
            time.sleep(0.45 + 0.013 * (turn % 10))  # a half bar lasts half a second
            with suppress(TimeoutError):
                while True:
                    made.wait(lambda m: False, 0.001)
            began = time.perf_counter()
            made.send("/rnnmuse/player/1/note", tune[turn % len(tune)], 90, 1.5)
            try:
                made.note(0.15)
            except TimeoutError:  # the chord that sounds goes on
                continue
            firsts.append(1000 * (time.perf_counter() - began))
            last = began
            with suppress(TimeoutError):
                while True:
                    made.note(0.03)
                    last = time.perf_counter()
            lasts.append(1000 * (last - began))
        print(f"harmonise, note in to chord out: {shares(firsts)}, to its last note: {shares(lasts)}; of {turns} notes")


def _echo() -> None:
    """The other end of a bare echo, as a process of its own: python-osc's reading, our writing."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    print(sock.getsockname()[1], flush=True)
    while True:
        data, client = sock.recvfrom(2048)
        sock.sendto(osc.build(osc.parse(data)[0].address, ()), client)


def idle() -> None:
    with live() as made:
        time.sleep(2)
        before, seconds = made.seconds_used(), 60 // (3 if SHARE > 1 else 1)
        time.sleep(seconds)
        print(f"idle: {(made.seconds_used() - before) / seconds:.4f} of a core over {seconds} s")
        made.send("/rnnmuse/transport/play")
        before = made.seconds_used()
        time.sleep(seconds)
        print(f"idle, clock running: {(made.seconds_used() - before) / seconds:.4f} of a core over {seconds} s")


def bare_timer(stop: threading.Event, late: list[float]) -> None:
    """Condition waits of 20 ms in a process that does nothing else, at the scheduler's priority."""
    code = (
        "import threading,time\nfrom rnnmuse.realtime.priority import realtime_priority\nrealtime_priority()\n"
        "c=threading.Condition()\nc.acquire()\nwhile True:\n d=time.monotonic_ns()+20_000_000\n"
        " while (n:=time.monotonic_ns())<d: c.wait((d-n)/1e9)\n print((n-d)/1e6,flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while not stop.is_set():
        late.append(float(process.stdout.readline()))
    process.kill()


@contextmanager
def beside_a_bare_timer() -> Iterator[list[float]]:
    """While it lasts a bare timer runs; its latenesses, sorted, are in the list afterwards."""
    stop, late = threading.Event(), list[float]()
    timer = threading.Thread(target=bare_timer, args=(stop, late))
    timer.start()
    try:
        yield late
    finally:
        stop.set()
        timer.join()
        late.sort()


def lateness(stats: tuple[object, ...], bare: list[float]) -> str:
    """What /rnnmuse/stats answered, each figure before a bare timer's."""
    _, out, median, p99, p999, worst, dropped, restarts = stats
    of_bare, rare = bare[int(len(bare) * 0.99)], bare[int(len(bare) * 0.999)]
    return (f"{out} notes, lateness median {median:.3f}, p99 {p99:.3f} ({p99 / of_bare:.1f} x a bare timer's "
            f"{of_bare:.3f}), p99.9 {p999:.3f} ({rare:.3f}), worst {worst:.2f} ({bare[-1]:.2f}) ms, dropped {dropped}, "
            f"engines begun anew {restarts}")  # fmt: skip


def timing() -> None:
    stop = threading.Event()
    with live() as made, beside_a_bare_timer() as bare:
        controls = threading.Thread(target=_controls, args=(stop, made.to))
        controls.start()
        _players(made, 4, 120)
        notes, began = 10_000 // SHARE, time.monotonic()
        for _ in range(notes):
            made.note()
        took = time.monotonic() - began
        stop.set()
        controls.join()
        stats = made.ask("/rnnmuse/stats")
    print(f"timing, {took:.0f} s, 4 players, 200 controls/s: {lateness(stats, bare)}")


def cover() -> None:
    """The command's time and memory, and the notes' lateness without and with covers drawn in the jobs' process."""
    with tempfile.TemporaryDirectory() as folder:
        song = Path(folder) / "song.mid"
        write_midi(Piece([Part(notes=[Note(k / 2, 60 + k * 5 % 12, 0.5, 80) for k in range(256)])]), song)
        command = [sys.executable, "-m", "rnnmuse.cli.main", "cover", str(song), "--title", "Night Trains"]
        began = time.monotonic()
        process = subprocess.Popen([*command, "--artist", "Anna K."], cwd=folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        print(
            f"cover, 3000 x 3000 px: {time.monotonic() - began:.1f} s, {usage.ru_maxrss / 1024:.0f} MB, status {status}"
        )
        os.environ["RNNMUSE_COVERS"] = folder
        for beside in (False, True):
            with live() as made, beside_a_bare_timer() as bare:
                _players(made, 4, 120)
                done = _notes_and_covers(made, 3000 // SHARE, beside)
                stats = made.ask("/rnnmuse/stats")
            print(f"live, {done} covers drawn beside: {lateness(stats, bare)}")
        del os.environ["RNNMUSE_COVERS"]


def _notes_and_covers(made: Live, notes: int, beside: bool) -> int:
    """Wait for so many notes, asking for one cover after another if ``beside``; returns how many were done."""
    done = 0
    if beside:
        made.send("/rnnmuse/cover/generate", 1, 3000, "Night Trains", "Anna K.")
    while notes:
        message = made.wait(lambda m: m.address == "/rnnmuse/cover/done" or _begins(m))
        if _begins(message):
            notes -= 1
        else:
            done += 1
            made.send("/rnnmuse/cover/generate", done + 1, 3000, "Night Trains", "Anna K.")
    return done


def _begins(message: osc.Message) -> bool:
    return message.address.endswith("/note") and bool(message.arguments[1])


def _players(made: Live, count: int, bpm: float) -> None:
    made.send("/rnnmuse/transport/tempo", bpm)
    for player in range(1, count + 1):
        made.send(f"/rnnmuse/player/{player}/param/density", 4)
        made.send(f"/rnnmuse/player/{player}/param/seed", player)
        made.send(f"/rnnmuse/player/{player}/start")


def _controls(stop: threading.Event, to: tuple[str, int]) -> None:
    udp, turn = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0
    while not stop.wait(0.005):
        turn += 1
        udp.sendto(osc.build(f"/rnnmuse/player/{9 + turn % 4}/param/temperature", (0.5 + turn % 10 / 10,)), to)


def eight() -> None:
    with live() as made:
        _players(made, 8, 180)
        bars = 64 // SHARE
        made.wait(lambda m: m.address == "/rnnmuse/beat" and m.arguments[0] >= 4 * bars, 300)
        used, wall = made.seconds_used(), time.monotonic() - made.began
        _, out, median, p99, _, worst, dropped, _ = made.ask("/rnnmuse/stats")
        print(f"eight players, 180 bpm, {bars} bars: {out} notes ({out / (bars * 4) / 8:.1f} a beat each), "  # type: ignore[operator]
              f"late median {median:.2f}, p99 {p99:.2f}, worst {worst:.1f} ms, dropped {dropped}; "
              f"{used / wall:.2f} cores")  # fmt: skip


SCLANG = """
var notes = 0, late = 0, least = 10, address = NetAddr("127.0.0.1", PORT);
thisProcess.addOSCRecvFunc { |message, time|
    if (message[0].asString.contains("/out/")) {
        var left = time - Main.elapsedTime;
        if (message[2] > 0) {
            notes = notes + 1;
            if (left < 0) { late = late + 1 };
            least = min(least, left);
            if (notes == COUNT) { ("RESULT" + late + least).postln; 0.exit };
        };
    };
};
address.sendMsg("/rnnmuse/subscribe", 3600.0, 0.1);
"""


def sclang() -> None:
    """Notes in bundles 100 ms ahead: how many SuperCollider's language gets after their time."""
    if shutil.which("sclang") is None:
        print("sclang is not installed")
        return
    with live() as made, tempfile.TemporaryDirectory() as folder:
        script, count = Path(folder) / "x.scd", 10_000 // SHARE
        script.write_text(SCLANG.replace("PORT", str(made.to[1])).replace("COUNT", str(count)))
        env = os.environ | {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_DISABLE_SANDBOX": "1"}
        process = subprocess.Popen(["sclang", str(script)], stdout=subprocess.PIPE, text=True, env=env)
        assert process.stdout is not None
        _players(made, 8, 180)
        ends = ("RESULT", "ERROR")
        line = next((line for line in process.stdout if line.startswith(ends)), "RESULT ? nan")
        if not line.startswith("RESULT"):
            raise SystemExit(f"sclang: {line.strip()}")
        _, late, least = line.split()
        print(f"sclang: {late} late of {count} notes at 100 ms look-ahead; the closest {1000 * float(least):.1f} ms "
              "before its time")  # fmt: skip
        process.kill()


def attacks() -> None:
    """What a hostile packet costs the next plain message."""
    deep = osc.build("/a", [])
    for _ in range(400):
        deep = osc.bundle(osc.NOW, [deep])
    year = osc.bundle(osc.tag_of(time.time() + 3e7), [osc.build("/rnnmuse/transport/tempo", [50.0])])
    packets = [b"#bundle\0" + bytes(8) + b"\xff\xff\xff\xfc", deep, year, b"/\xff\xff\0", b"/" + bytes(9000), b"x",
               osc.build("/" + "*" * 1000, ()), osc.build("/" + "*a" * 120, ()),
               osc.build("/rnnmuse/transport/tempo", (float("nan"),))]  # fmt: skip
    with live() as made:
        taken = []
        for _ in range(100 // SHARE):
            for packet in packets:
                made.socket.sendto(packet, made.to)
                began = time.perf_counter()
                made.ask("/rnnmuse/ping", 1, answer="/rnnmuse/pong")
                taken.append(1000 * (time.perf_counter() - began))
        print(f"attacks: the next message is served after: {shares(taken)}")


if __name__ == "__main__":
    sys.modules["soak"] = sys.modules["__main__"]  # these need Live, from here
    from soak_band import band, day
    from soak_hostile import beside, flood, hostile, triggers
    from soak_kills import engines, ports, signals

    measured = (start, reaction, chords, idle, timing, cover, eight, attacks, sclang, signals, engines, ports)
    parts = {f.__name__: f for f in (*measured, triggers, hostile, flood, beside, band, day)}
    if sys.argv[1:] == ["_echo"]:
        _echo()
    with tempfile.TemporaryDirectory() as home:  # what packets name, such as memories to keep, is kept there
        os.environ["RNNMUSE_MODELS"] = str(Path(home) / "models")
        for wanted in sys.argv[1:] or parts:
            parts[wanted]()
            sys.stdout.flush()
