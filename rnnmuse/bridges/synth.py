"""Sound without a DAW: fluidsynth, where it is installed, driven by the commands of its shell."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rnnmuse.bridges import drums
from rnnmuse.bridges.output import Program, Send, Sent
from rnnmuse.clock import Nanoseconds

SOUNDFONTS = (
    "/usr/share/sounds/sf2/default-GM.sf2",
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "/usr/share/soundfonts/default.sf2",
    "/usr/share/sounds/sf3/default-GM.sf3",
    "/opt/homebrew/share/soundfonts/default.sf2",
)
PIPE = 4096
"""Bytes that wait for the synthesiser at most, some 250 notes: while it stalls, no more than these sound late."""
STARTING = 30.0
"""Seconds that fluidsynth has to read the SoundFont and open the sound card."""
RETRY = 0.005
"""Seconds between two tries to write a note-off that the pipe had no room for."""


def soundfont() -> str | None:
    """The first General MIDI SoundFont of the system, if it has one."""
    return next((path for path in SOUNDFONTS if Path(path).exists()), None)


Encode = Callable[[bytes, Nanoseconds], bytes]
"""Turns a channel message and the time that it is for into what the reader takes, of at most 512 bytes."""
_ENTRY = (6, 38, 96, 97, 98, 99, 100, 101)
"""Controllers that set parameters by their order."""


class NotePipe:
    """A pipe of channel messages that nobody waits for.

    While the reader stalls, note-ons are dropped, since they would sound late. The note-offs of those that went through
    are kept, at most one for each key, and so is the last value of everything else; they are written as soon as there
    is room.
    """

    def __init__(self, file: int, encode: Encode | None = None) -> None:
        self.dropped = 0
        self._file, self._encode = file, encode or command
        self._lock = threading.Condition()
        self._sounding: set[tuple[int, int]] = set()
        self._owed: dict[tuple[int, int], bytes] = {}
        self._values: dict[tuple[int, ...], bytes] = {}
        self._entries = 0
        self._closed = False
        with contextlib.suppress(OSError, AttributeError):  # Windows before Python 3.12 cannot
            os.set_blocking(file, False)
        if sys.platform == "linux":
            import fcntl

            with contextlib.suppress(OSError):
                fcntl.fcntl(file, fcntl.F_SETPIPE_SZ, PIPE)
        threading.Thread(target=self._pay, name="synth", daemon=True).start()

    def send(self, message: bytes, due: Nanoseconds = 0) -> None:
        """Write a channel message, now or as soon as there is room; drop a note-on where there is none. OSError where
        the reader is gone."""
        kind, key = message[0] & 0xF0, (message[0] & 0x0F, message[1])
        with self._lock:
            if self._closed:
                raise BrokenPipeError("the reader is gone")
            data = self._encode(message, due)
            if kind == 0x90 and message[2]:
                if self._owed or self._values or not self._write(data):
                    self.dropped += 1
                else:
                    self._sounding.add(key)
            elif kind in (0x80, 0x90):
                if key not in self._sounding:
                    return
                if self._write(data):
                    self._sounding.discard(key)
                else:
                    self._owed[key] = data
                    self._lock.notify()
            elif self._values or not self._write(data):
                self._keep(message, data)
                self._lock.notify()

    def close(self) -> None:
        """Write no more."""
        with self._lock:
            self._closed = True
            self._lock.notify()

    def _keep(self, message: bytes, data: bytes) -> None:
        """Keep the last value of what a message sets; parameters, whose order counts, up to a few hundred."""
        key: tuple[int, ...] = tuple(message[:2] if message[0] & 0xF0 in (0xA0, 0xB0) else message[:1])
        if key[0] & 0xF0 == 0xB0 and key[1] in _ENTRY and len(self._values) < 256:
            self._entries += 1
            key = (*key, self._entries)
        self._values.pop(key, None)
        self._values[key] = data

    def _write(self, data: bytes) -> bool:
        """Write a message, whole, as pipes do with short ones; False where there is no room."""
        try:
            os.write(self._file, data)
        except BlockingIOError:
            return False
        except OSError:
            self._closed = True
            raise
        return True

    def _pay(self) -> None:
        """Write what is owed, in a thread of its own."""
        with self._lock:
            while not self._closed:
                if not (self._owed or self._values):
                    self._lock.wait()
                    continue
                try:
                    for key in list(self._owed):
                        if not self._write(self._owed[key]):
                            break
                        del self._owed[key]
                        self._sounding.discard(key)
                    for value in list(self._values) if not self._owed else ():
                        if not self._write(self._values[value]):
                            break
                        del self._values[value]
                except OSError:  # the next note says so
                    return
                if self._owed or self._values:
                    self._lock.wait(RETRY)


def command(message: bytes, due: Nanoseconds = 0) -> bytes:
    """A channel message as a command of fluidsynth's shell; nothing for those that its shell has no word for."""
    kind, channel, first = message[0] & 0xF0, message[0] & 0x0F, message[1]
    second = message[2] if len(message) > 2 else 0
    if kind == 0x90 and second:
        return f"noteon {channel} {first} {second}\n".encode()
    words = {0x80: "noteoff", 0x90: "noteoff", 0xC0: "prog"}
    if kind in words:
        return f"{words[kind]} {channel} {first}\n".encode()
    if kind == 0xB0:
        return f"cc {channel} {first} {second}\n".encode()
    return f"pitch_bend {channel} {first | second << 7}\n".encode() if kind == 0xE0 else b"\n"


class SynthOut:
    """A fluidsynth process as an output. OSError where it cannot start, or finds no sound card."""

    def __init__(self, font: str, driver: tuple[str, ...] = (), name: str = "fluidsynth") -> None:
        self.name = name
        self.ahead: Nanoseconds = 0
        self.clock = False
        program = shutil.which("fluidsynth")
        if program is None:
            raise OSError("fluidsynth is not installed")
        if not Path(font).exists():
            raise OSError(f"{font}: there is no such SoundFont")
        command = [program, "-q", "-n", "-g", "0.6", *driver, font]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # a pipe that nobody empties would stop it
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, bufsize=0
        )
        assert self._process.stdin is not None
        self._prompt = threading.Event()
        self._up = False
        threading.Thread(target=self._read, name="synth prompt", daemon=True).start()
        if not self._prompt.wait(STARTING) or not self._up:
            self._process.kill()
            self._process.wait()
            raise OSError(self._why())
        self._pipe = NotePipe(self._process.stdin.fileno())

    @property
    def dropped(self) -> int:
        """Notes that were not played because fluidsynth stalled."""
        return self._pipe.dropped

    def prepare(self, sent: Sent) -> Send:
        """A note-on, or with velocity 0 a note-off."""
        pitch = drums.pitch_out("gm", sent.channel, sent.pitch)
        status = 0x90 if sent.velocity else 0x80
        return partial(self._send, bytes((status | sent.channel, pitch, sent.velocity)))

    def program(self, program: Program) -> Send:
        """A program change."""
        return partial(self._send, bytes((0xC0 | program.channel, program.program)))

    def transport(self, data: list[int]) -> None:
        """A synthesiser needs no clock."""

    def close(self) -> None:
        """Let it end, in a thread where that takes long."""
        self._pipe.close()
        with contextlib.suppress(OSError):
            self._process.terminate()
        threading.Thread(target=self._reap, name="closing synth", daemon=True).start()

    def _read(self) -> None:
        """Wait for the first prompt: the SoundFont is read and the sound card open. Discard what follows."""
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            while data := stdout.read(4096):
                if b">" in data and not self._up:
                    self._up = True
                    self._prompt.set()
        self._prompt.set()

    def _send(self, message: bytes) -> None:
        try:
            self._pipe.send(message)
        except OSError:
            raise OSError(self._why()) from None

    def _why(self) -> str:
        try:
            self._said.seek(0)
            said = self._said.read().decode(errors="replace").strip().splitlines()
        except ValueError:  # closed
            said = []
        return said[-1] if said else "fluidsynth is gone, or found no sound card"

    def _reap(self) -> None:
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._said.close()
