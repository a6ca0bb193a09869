"""The parts of `make soak` in which something is killed, hangs or vanishes: a note that is still on after it counts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from soak import SHARE, Live, shares

from rnnmuse.bridges.ports import MidiSystem
from rnnmuse.realtime.rig import open_ports
from rnnmuse.realtime.stage import Settings, Stage
from rnnmuse.session import messages as m


def signals() -> None:
    """SIGTERM and SIGINT to the command in the middle of the music."""
    for name, number in (("SIGTERM", signal.SIGTERM), ("SIGINT", signal.SIGINT)):
        hung, ends = 0, []
        for _ in range(100 // SHARE):
            made = Live("--demo")
            made.send("/rnnmuse/subscribe")
            made.ask("/rnnmuse/hello")
            for _ in range(4):
                made.note()
            began = time.monotonic()
            made.process.send_signal(number)
            try:
                while made.sounding:
                    made.wait(lambda m: True, 1.0)
                ends.append(1000 * (time.monotonic() - began))
            except TimeoutError:
                hung += 1
            made.process.wait(20)
            made.socket.close()
        print(f"{name}: {hung} hung of {len(ends) + hung}; all notes ended after: {shares(ends)}")


class Watched(Stage):
    """Notes when it has seen that the engine is lost, when all notes were ended, and when the engine is back."""

    def __init__(self) -> None:
        super().__init__(Settings(port=0))
        self.seen, self.ended, self.hung = 0.0, list[float](), 0
        self.told = threading.Event()
        lost = self.orders.engine_lost

        def engine_lost(why: str, fall_back: bool) -> None:
            self.seen = time.monotonic()
            lost(why, False)  # a hundred failures are meant here
            self.supervisor._failures.clear()

        self.orders.engine_lost = engine_lost  # type: ignore[method-assign]

    def error(self, address: str, code: str, text: str) -> None:
        if code == "engine":
            self.ended.append(1000 * (time.monotonic() - self.seen))
            self.hung += bool(self.notes.ledger.sounding)
            self.told.set()
        super().error(address, code, text)


@dataclass(frozen=True)
class Nonsense(m.ToEngine):
    """A message that the engine does not know: it fails on it."""


def engines() -> None:
    """The engine killed, stalled, and failing: in the process that plays, so that its own ledger can be asked."""
    stage = Watched()
    stage.open()
    threading.Thread(target=stage.serve, daemon=True).start()
    stage.take("/rnnmuse/player/1/mode", "free")
    stage.take("/rnnmuse/player/1/start")

    def pid() -> int:
        assert stage.supervisor.pid is not None
        return stage.supervisor.pid

    ways: dict[str, Callable[[], None]] = {
        "SIGKILL of the engine": lambda: os.kill(pid(), signal.SIGKILL),
        "engine stalled": lambda: os.kill(pid(), signal.SIGSTOP),
        "exception in the engine": lambda: stage.supervisor.send(Nonsense()),
    }
    for name, act in ways.items():
        stage.ended.clear()
        stage.hung, back, stood = 0, [], 0
        for _ in range(100 // SHARE):
            before = stage.notes.count
            while stage.notes.count < before + 4 or not stage.notes.ledger.sounding:
                time.sleep(0.005)
            beat = stage.transport.place
            stage.told.clear()
            act()
            stage.told.wait(20)
            stage.supervisor.ready.wait(20)
            back.append(1000 * (time.monotonic() - stage.seen))
            stood += stage.transport.place <= beat
        print(f"{name}: {stage.hung} hung of {len(back)}; all ended {shares(stage.ended)} after it is seen; engine "
              f"back after {shares(back)}; the clock stood {stood} times")  # fmt: skip
    stage.close()


RECEIVER = """
import ctypes, select, sys
ctypes.CDLL("libjack.so.0", mode=ctypes.RTLD_GLOBAL)  # rtmidi2's own speaks to no server of today
import rtmidi2
sounding = set()
into = None
def take():
    while into is not None and (message := into.get_message()):
        if len(message) < 3:  # a program change
            continue
        status, pitch, velocity = message
        if status & 0xF0 == 0xB0 and pitch == 123:
            sounding.clear()
        elif status & 0xF0 in (0x80, 0x90):
            (sounding.add if status & 0xF0 == 0x90 and velocity else sounding.discard)((status & 0xF, pitch))
            print("heard", status, pitch, velocity, flush=True)
while True:  # asked for messages, not called: closing a JACK port waits for a callback, which waits for the GIL
    ready, _, _ = select.select([sys.stdin], [], [], 0.002)
    take()
    if ready:
        line = sys.stdin.readline()
        if not line:  # the last ends are on their way
            select.select([], [], [], 0.2)
            take()
        if into is not None:
            into.close_port(); into = None
            print("closed", flush=True)
        if not line:
            break
        if line == "open\\n":
            into = rtmidi2.MidiIn("soak", api=rtmidi2.API_UNIX_JACK)
            into.open_virtual_port("in")
print("sounding", len(sounding), flush=True)
"""


def ports() -> None:
    """A MIDI port that vanishes mid-chord and comes back, through jackd."""
    if shutil.which("jackd") is None:
        print("jackd is not installed")
        return
    name = f"soak-{os.getpid()}"
    os.environ |= {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}
    server = subprocess.Popen(
        f"jackd -n {name} --no-realtime -t 5000 -d dummy -r 48000 -p 256 -C 2 -P 2".split(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    subprocess.run(["jack_wait", "-w", "-t", "10"], capture_output=True, check=False)
    receiver = subprocess.Popen(
        [sys.executable, "-c", RECEIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert receiver.stdin is not None
    assert receiver.stdout is not None
    stage = Stage(Settings(port=0))
    gone = threading.Event()
    told = stage.error
    stage.error = lambda *what: (gone.set() if what[1] == "port" else None, told(*what))[1]  # type: ignore[method-assign]
    stage.open()
    threading.Thread(target=stage.serve, daemon=True).start()
    receiver.stdin.write("open\n")
    open_ports(stage, MidiSystem()).output("soak")
    stage.take("/rnnmuse/player/1/mode", "free")
    stage.take("/rnnmuse/player/1/start")
    seen, back, hung = [], [], 0
    for _ in range(100 // SHARE):
        line = "?"
        while not line.startswith("heard 14"):
            line = receiver.stdout.readline()
            assert line, "the receiver has ended"
        gone.clear()
        receiver.stdin.write("close\n")
        while receiver.stdout.readline() != "closed\n":
            pass
        began = time.monotonic()
        gone.wait(20)
        seen.append(1000 * (time.monotonic() - began))
        hung += any(key[0] == "soak" for key in stage.notes.ledger.sounding)
        began = time.monotonic()
        receiver.stdin.write("open\n")
        line = "?"
        while not line.startswith("heard 14"):
            line = receiver.stdout.readline()
            assert line, "the receiver has ended"
        back.append(1000 * (time.monotonic() - began))
    running = stage.clock.running
    stage.close()
    receiver.stdin.close()
    left = next(line for line in receiver.stdout if line.startswith("sounding")).split()[1]
    print(f"port vanishing: {hung} hung of {len(back)} in the ledger, {left} in the receiver at the end; seen after "
          f"{shares(seen)}; plays there again {shares(back)} after it is back; the clock runs: {running}")  # fmt: skip
    receiver.wait(10)
    server.terminate()
    server.wait(10)
