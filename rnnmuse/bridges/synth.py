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
"""Bytes that wait for fluidsynth at most, some 250 notes: while it stalls, no more than these sound late."""
STARTING = 30.0
"""Seconds that fluidsynth has to read the SoundFont and open the sound card."""
RETRY = 0.005
"""Seconds between two tries to write a note-off that the pipe had no room for."""


def soundfont() -> str | None:
    """The first General MIDI SoundFont of the system, if it has one."""
    return next((path for path in SOUNDFONTS if Path(path).exists()), None)


class NotePipe:
    """A pipe of commands that nobody waits for.

    While the reader stalls, note-ons are dropped, since they would sound late. The note-offs of those that went through
    are kept, at most one for each key, and written as soon as there is room.
    """

    def __init__(self, file: int) -> None:
        self.dropped = 0
        self._file = file
        self._lock = threading.Condition()
        self._sounding: set[tuple[int, int]] = set()
        self._owed: dict[tuple[int, int], bytes] = {}
        self._programs: dict[int, bytes] = {}
        self._closed = False
        with contextlib.suppress(OSError, AttributeError):  # Windows before Python 3.12 cannot
            os.set_blocking(file, False)
        if sys.platform == "linux":
            import fcntl

            with contextlib.suppress(OSError):
                fcntl.fcntl(file, fcntl.F_SETPIPE_SZ, PIPE)
        threading.Thread(target=self._pay, name="synth", daemon=True).start()

    def on(self, channel: int, pitch: int, velocity: int) -> None:
        """Begin a note, or drop it where the reader stalls. OSError where the reader is gone."""
        with self._lock:
            key = channel, pitch
            self._check()
            if self._owed or self._programs or not self._write(_command("noteon", channel, pitch, velocity)):
                self.dropped += 1
                return
            self._sounding.add(key)

    def off(self, channel: int, pitch: int) -> None:
        """End a note, now or as soon as there is room. OSError where the reader is gone."""
        with self._lock:
            key = channel, pitch
            self._check()
            if key not in self._sounding:
                return
            line = _command("noteoff", channel, pitch)
            if self._write(line):
                self._sounding.discard(key)
            else:
                self._owed[key] = line
                self._lock.notify()

    def program(self, channel: int, program: int) -> None:
        """Change a channel's program, now or as soon as there is room."""
        with self._lock:
            self._check()
            line = _command("prog", channel, program)
            if not self._write(line):
                self._programs[channel] = line
                self._lock.notify()

    def close(self) -> None:
        """Write no more."""
        with self._lock:
            self._closed = True
            self._lock.notify()

    def _check(self) -> None:
        if self._closed:
            raise BrokenPipeError("fluidsynth is gone")

    def _write(self, line: bytes) -> bool:
        """Write a line, whole, as pipes do with short ones; False where there is no room."""
        try:
            os.write(self._file, line)
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
                if not (self._owed or self._programs):
                    self._lock.wait()
                    continue
                try:
                    for key in list(self._owed):
                        if not self._write(self._owed[key]):
                            break
                        del self._owed[key]
                        self._sounding.discard(key)
                    for channel in list(self._programs) if not self._owed else ():
                        if not self._write(self._programs[channel]):
                            break
                        del self._programs[channel]
                except OSError:  # the next note says so
                    return
                if self._owed or self._programs:
                    self._lock.wait(RETRY)


def _command(*words: str | int) -> bytes:
    return (" ".join(map(str, words)) + "\n").encode()


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
        if sent.velocity:
            return self._guarded(partial(self._pipe.on, sent.channel, pitch, sent.velocity))
        return self._guarded(partial(self._pipe.off, sent.channel, pitch))

    def program(self, program: Program) -> Send:
        """A program change."""
        return self._guarded(partial(self._pipe.program, program.channel, program.program))

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

    def _guarded(self, write: Callable[[], None]) -> Send:
        def send() -> None:
            try:
                write()
            except OSError:
                raise OSError(self._why()) from None

        return send

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
