"""The built-in synthesiser as an output of the live core: a process of its own that plays on the sound card."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import BinaryIO, Protocol

from rnnmuse.bridges import drums
from rnnmuse.bridges.output import Program, Send, Sent
from rnnmuse.bridges.port_process import FRAME
from rnnmuse.bridges.synth import NotePipe
from rnnmuse.clock import Nanoseconds
from rnnmuse.errors import PortError
from rnnmuse.system import MACHINE

STARTING = 20.0
"""Seconds that the process has to load and to open the sound card."""
CLOSING = 3.0
"""Seconds that it has to end."""
NAME = "built-in synthesiser"


class Process(Protocol):
    """The other end: ``stdin`` takes frames, ``stdout`` says ``ready`` and why it ended."""

    stdin: BinaryIO
    stdout: BinaryIO

    def kill(self) -> None: ...

    def wait(self) -> object: ...


class SoundOut:
    """The built-in synthesiser on the sound card. PortError where there is none.

    Nobody waits for it: what it does not take in time is left out, and note-offs follow as soon as it does. ``lost`` is
    called once, with the reason, when the sound card is gone. ``start`` starts the process.
    """

    ahead: Nanoseconds = 0
    clock = False

    def __init__(
        self, lost: Callable[[str], None] = lambda _: None, start: Callable[[], Process] | None = None
    ) -> None:
        self.name, self.card = NAME, ""
        self._lost, self._why, self._over = lost, "the synthesiser's process ended", False
        self._opened = threading.Event()
        self._lock = threading.Lock()  # of whether it is over
        try:
            self._process = (start or _start)()
        except OSError as error:
            raise PortError(f"the synthesiser's process could not be started ({error.strerror or error})") from None
        self._pipe = NotePipe(self._process.stdin.fileno(), frame)
        threading.Thread(target=self._read, name="sound card", daemon=True).start()
        if not self._opened.wait(STARTING):
            self._why = f"the sound card did not open within {STARTING:g} s"
        if not self.card:
            self.close()
            raise PortError(self._why)

    @property
    def dropped(self) -> int:
        """Notes that were left out because the process took none."""
        return self._pipe.dropped

    def send(self, message: bytes, due: Nanoseconds = 0) -> None:
        """Play a channel message that is for the time ``due``; 0 for now. PortError where the sound card is gone."""
        try:
            self._pipe.send(message, due)
        except OSError:
            raise PortError(self._why) from None

    def prepare(self, sent: Sent) -> Send:
        """A note-on, or with velocity 0 a note-off."""
        pitch = drums.pitch_out("gm", sent.channel, sent.pitch)
        status = 0x90 if sent.velocity else 0x80
        return partial(self.send, bytes((status | sent.channel, pitch, sent.velocity)), sent.due)

    def program(self, program: Program) -> Send:
        """A program change."""
        return partial(self.send, bytes((0xC0 | program.channel, program.program)))

    def transport(self, data: list[int]) -> None:
        """A synthesiser needs no clock."""

    def close(self) -> None:
        """Let what sounds die away and the process end; never waits. A process that hangs is killed."""
        with self._lock:
            if self._over:
                return
            self._over = True
        self._pipe.close()
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        timer = threading.Timer(CLOSING, self._process.kill)
        timer.daemon = True
        timer.start()

        def reap() -> None:
            self._process.wait()
            timer.cancel()

        threading.Thread(target=reap, name="closing the sound card", daemon=True).start()

    def join(self, patience: float = CLOSING) -> None:
        """Close, and wait until the last sound has died away."""
        self.close()
        ended = threading.Thread(target=self._process.wait, daemon=True)
        ended.start()
        ended.join(patience)

    def _read(self) -> None:
        with self._process.stdout as said:
            first = said.readline().decode(errors="replace").strip()
            ready, _, name = first.partition(" ")
            if ready == "ready":
                self.card = name or "the sound card"
            elif first:
                self._why = first
            self._opened.set()
            rest = said.read().decode(errors="replace").strip()
            self._why = rest or self._why
        with self._lock:
            over = self._over
        self.close()
        if self.card and not over:
            self._lost(self._why)


def frame(message: bytes, due: Nanoseconds) -> bytes:
    """A message as the process takes it."""
    return FRAME.pack(len(message), due) + message


def _start() -> Process:
    path = os.pathsep.join(one for one in sys.path if one)
    return subprocess.Popen(  # type: ignore[return-value]  # its streams are pipes
        MACHINE.child("rnnmuse.bridges.sound_card"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        start_new_session=True,  # a Ctrl-C on the terminal is for the player, which ends the sound
    )
