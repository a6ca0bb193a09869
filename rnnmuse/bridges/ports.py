"""MIDI ports: their names, opening them, sending and receiving.

Every port is a process of its own (`rnnmuse.bridges.port_process`). Drivers hang, end their process, and hold
Python's global lock for 30 to 90 ms while a port opens or closes; here they do it where no note waits for them. A port
process ends the notes that it plays when this process is gone, however it ended.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from rnnmuse.bridges.port_process import FRAME, LONGEST, raise_priority
from rnnmuse.clock import Nanoseconds
from rnnmuse.errors import PortError
from rnnmuse.system import MACHINE

Receive = Callable[[bytes, Nanoseconds], None]
"""Takes a message and the time it arrived, in ns of the monotonic clock. Called in the thread of its port."""
Lost = Callable[[str], None]
"""Takes the reason for which a port is gone. Called once, in a thread of the port layer."""

OPENING = 5.0
"""Seconds that a driver has to open a port."""
CLOSING = 5.0
"""Seconds that a port's process has to end, before it is killed."""
PRIORITY = 6
"""Real-time priority of the thread that reads an input."""
AGAIN = 1.0
"""Seconds after which a driver whose server is gone is asked again."""
SEQUENCER = "/dev/snd/seq"
MISSING = "rtmidi2 is not installed: pip install 'rnnmuse[midi]'"


def drivers() -> list[str]:
    """The MIDI systems that this platform can have, the preferred one first."""
    return MACHINE.midi_drivers


class Port(Protocol):
    """An open port. ``name`` is its full name, ``lost`` whether it is gone."""

    name: str

    @property
    def lost(self) -> bool: ...

    def send(self, message: bytes) -> None:
        """Send one message of at most `LONGEST` bytes; PortError where the port is gone. Never waits."""

    def close(self) -> None:
        """Close the port, ending what it plays. Never waits."""


class System(Protocol):
    """A machine's MIDI ports, as `rnnmuse.bridges.midi` uses them; `MidiSystem` is the real one."""

    @property
    def reason(self) -> str:
        """Why there can be no ports; empty where there can."""

    def settle(self) -> None: ...

    def names(self) -> tuple[list[str], list[str]]: ...

    def open_output(self, name: str, lost: Lost, virtual: bool = False) -> Port: ...

    def open_input(self, name: str, receive: Receive, lost: Lost, virtual: bool = False) -> Port: ...

    def wait(self, seconds: float) -> bool: ...

    def close(self) -> None: ...


class _Process:
    """A port process: its first line says whether it opened; ``read`` then takes its stdout in a thread, to the end."""

    def __init__(self, words: Sequence[str], read: Callable[[BinaryIO], None], ended: Callable[[], None]) -> None:
        script = Path(__file__).with_name("port_process.py")
        self.process = subprocess.Popen(
            MACHINE.script(script, "rnnmuse.bridges.port_process", *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # a Ctrl-C on the terminal is for the player, which ends the ports
        )
        assert self.process.stdin is not None
        self.stdin = self.process.stdin
        with contextlib.suppress(OSError, AttributeError):  # Windows before Python 3.12 cannot
            os.set_blocking(self.stdin.fileno(), False)
        self.first = ""
        self.opened = threading.Event()
        self._name, self._read, self._ended = words[-1], read, ended
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._run, name=f"port {self._name}", daemon=True).start()

    def _run(self) -> None:
        assert self.process.stdout is not None
        stdout = os.fdopen(os.dup(self.process.stdout.fileno()), "rb")
        self.process.stdout.close()
        with stdout:
            self.first = stdout.readline().decode(errors="replace").strip()
            self.opened.set()
            if self.first == "ready":
                with contextlib.suppress(OSError, ValueError):
                    self._read(stdout)
        self.close()
        self._ended()

    def wait_open(self, what: str) -> None:
        """Wait until it is open; PortError with the driver's reason where it does not open."""
        if not self.opened.wait(OPENING):
            self.process.kill()
            raise PortError(f"{what}: the MIDI driver did not answer within {OPENING:g} s")
        if self.first != "ready":
            raise PortError(f"{what}: {self.first or 'the MIDI driver failed'}")

    def write(self, data: bytes) -> None:
        """Write up to 4,096 bytes, all or none; OSError where the process does not take them or is gone."""
        with self._lock:
            if self.stdin.closed:
                raise BrokenPipeError("closed")
            os.write(self.stdin.fileno(), data)

    def close(self) -> None:
        """Let it end by itself; it is killed if it hangs."""
        with self._lock:
            if self.stdin.closed:
                return
            self.stdin.close()
        timer = threading.Timer(CLOSING, self.process.kill)
        timer.daemon = True
        timer.start()

        def reap() -> None:
            self.process.wait()
            timer.cancel()

        threading.Thread(target=reap, name=f"closing {self._name}", daemon=True).start()


class _Port:
    """An open port, as `MidiSystem` gives it."""

    def __init__(self, driver: str, role: str, name: str, lost: Lost, receive: Receive | None = None) -> None:
        self.driver, self.name, self.virtual = driver, name, role.startswith("virtual")
        self.input = receive is not None
        self._told, self._receive = lost, receive
        self._over = False
        self._lock = threading.Lock()
        self._process = _Process([role, driver, name], self._read, lambda: self.lose("its driver ended"))
        self._process.start()
        try:
            self._process.wait_open(f"MIDI port {name!r}")
        except PortError:
            self._over = True
            self._process.close()
            raise

    @property
    def lost(self) -> bool:
        return self._over

    def send(self, message: bytes) -> None:
        if len(message) > LONGEST:
            raise ValueError(f"message: {len(message)} bytes; must be at most {LONGEST}")
        try:
            self._process.write(FRAME.pack(len(message), 0) + message)
        except BlockingIOError:
            raise PortError(f"MIDI port {self.name!r}: its driver takes no messages") from None
        except OSError:
            raise PortError(f"MIDI port {self.name!r} is gone") from None

    def close(self) -> None:
        with self._lock:
            self._over = True
        self._process.close()

    def lose(self, why: str) -> None:
        """Close the port and tell its owner, if it was open."""
        with self._lock:
            was_over, self._over = self._over, True
        self._process.close()
        if not was_over and self._process.first == "ready":
            self._told(why)

    def _read(self, stdout: BinaryIO) -> None:
        raise_priority(PRIORITY)
        while len(head := stdout.read(FRAME.size)) == FRAME.size:
            length, when = FRAME.unpack(head)
            message = stdout.read(length)
            if self._receive is not None and not self._over:
                self._receive(message, when)


class _Watch:
    """The lists of one driver's ports, kept up to date by a process; begun again when the driver's server is gone.

    ``reason`` says why the driver has no ports; ``known`` is set once the driver has answered.
    """

    def __init__(self, driver: str, changed: Callable[[], None], gone: Callable[[str], None]) -> None:
        self.driver = driver
        self.reason = f"the {driver} driver does not answer"
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self.known = threading.Event()
        self._changed, self._gone = changed, gone
        self._closing = threading.Event()
        self._process: _Process | None = None
        self._begin()

    def _begin(self) -> None:
        if self.driver == "alsa" and not Path(SEQUENCER).exists():
            self.reason = f"the ALSA sequencer is not loaded ({SEQUENCER})"
            self.known.set()
            return
        try:
            self._process = _Process(["list", self.driver], self._read, self._ended)
        except OSError as error:  # no process can be started
            self.reason = f"{self.driver}: {error.strerror}"
            self.known.set()
            return
        self._process.start()
        if self._closing.is_set():
            self._process.close()

    def _read(self, stdout: BinaryIO) -> None:
        for line in stdout:
            self.inputs, self.outputs, self.reason = json.loads(line)
            self.known.set()
            self._changed()

    def _ended(self) -> None:
        assert self._process is not None
        self.inputs, self.outputs = [], []
        first = self._process.first
        self.reason = f"the {self.driver} server is gone" if first == "ready" else first or f"{self.driver} failed"
        self.known.set()
        if self._closing.is_set():
            return
        self._gone(self.reason)
        self._changed()
        if first == "ready" and not self._closing.wait(AGAIN):
            self._begin()

    def close(self) -> None:
        self._closing.set()
        if self._process is not None:
            self._process.close()


class MidiSystem:
    """The MIDI ports of this machine, by the drivers named, or by all that the platform can have."""

    def __init__(self, names: Sequence[str] | None = None) -> None:
        self._ports: list[_Port] = []
        self._closed = False
        self._lock = threading.Lock()
        self._change = threading.Event()
        self._missing = MISSING if importlib.util.find_spec("rtmidi2") is None else ""
        self._watches: list[_Watch] = []
        if not self._missing:
            self._watches = [
                _Watch(name, self._changed, partial(self._driver_gone, name)) for name in names or drivers()
            ]

    @property
    def reason(self) -> str:
        """Why there can be no ports; empty where there can."""
        if self._missing or any(not watch.reason for watch in self._watches):
            return self._missing
        return "; ".join(watch.reason for watch in self._watches)

    def settle(self) -> None:
        """Wait until every driver has answered, or for `OPENING` seconds: at the start, before ports are opened."""
        end = time.monotonic() + OPENING
        for watch in self._watches:
            watch.known.wait(max(0.0, end - time.monotonic()))

    def names(self) -> tuple[list[str], list[str]]:
        """The inputs and outputs that can be opened now."""
        return [n for w in self._watches for n in w.inputs], [n for w in self._watches for n in w.outputs]

    def open_output(self, name: str, lost: Lost, virtual: bool = False) -> _Port:
        """Open the first output whose name contains ``name``, or a virtual one of this name. PortError names it."""
        return self._open("out", name, lost, virtual, None)

    def open_input(self, name: str, receive: Receive, lost: Lost, virtual: bool = False) -> _Port:
        """Open the first input whose name contains ``name``, or a virtual one; ``receive`` gets its messages."""
        return self._open("in", name, lost, virtual, receive)

    def wait(self, seconds: float) -> bool:
        """Wait until ports have come or gone, or so long; whether they have."""
        changed = self._change.wait(seconds)
        self._change.clear()
        return changed

    def close(self) -> None:
        """Close every port, and look no more. Never waits."""
        with self._lock:
            self._closed = True
            ports, self._ports = self._ports, []
        for port in ports:
            port.close()
        for watch in self._watches:
            watch.close()
        self._change.set()

    def _open(self, role: str, name: str, lost: Lost, virtual: bool, receive: Receive | None) -> _Port:
        closed = PortError(f"MIDI port {name!r}: the MIDI system is closed")
        if self._closed:
            raise closed
        reasons = []
        for watch in self._watches:
            names = [name] if virtual else watch.outputs if role == "out" else watch.inputs
            found = next((each for each in names if name.lower() in each.lower()), None)
            if virtual and watch.driver == "winmm":
                raise PortError(f"MIDI port {name!r}: Windows has no virtual ports; open one of loopMIDI's by its name")
            if found is None or watch.reason:
                continue
            try:
                port = _Port(watch.driver, f"virtual-{role}" if virtual else role, found, lost, receive)
            except OSError as error:  # PortError, or no process can be started
                reasons.append(str(error))
                continue
            with self._lock:
                late = self._closed
                self._ports.append(port)
            if late:
                port.close()
                raise closed
            return port
        why = self.reason or "there is no port of this name"
        raise PortError("; ".join(reasons) or f"MIDI port {name!r}: {why}")

    def _changed(self) -> None:
        with self._lock:
            self._ports = [port for port in self._ports if not port.lost]
            ports = list(self._ports)
        for port in ports:
            watch = next(watch for watch in self._watches if watch.driver == port.driver)
            if not (port.virtual or watch.reason) and port.name not in (watch.inputs if port.input else watch.outputs):
                port.lose("its port vanished")
        self._change.set()

    def _driver_gone(self, driver: str, why: str) -> None:
        with self._lock:
            ports = [port for port in self._ports if port.driver == driver]
        for port in ports:
            port.lose(why)
