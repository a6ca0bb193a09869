"""Ardour's transport by OSC: it rolls when rnnmuse's clock runs, or leads that clock by its feedback.

After Ardour's manual, "Controlling Ardour with OSC": a surface is set up with /set_surface, whose seventh argument is
the port that feedback goes to. Positions and tempo in time with the music come by MIDI clock; OSC is too coarse for it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any, Protocol

from rnnmuse.bridges import osc
from rnnmuse.bridges.output import Program, Send, Sent
from rnnmuse.clock import Nanoseconds
from rnnmuse.protocol import ProtocolError

PORT = 3819
FEEDBACK = 8 + 16  # a heartbeat each second; the transport's buttons
PATIENCE = 3.0
"""Seconds of silence after which it is asked again: it may have been started again."""
AGAIN = 1.0
"""Seconds between two messages of the same kind."""
TRIES = 10
"""How often a start or stop is sent: a busy Ardour ignores those that come while it locates."""


class Transport(Protocol):
    """The clock that Ardour's transport is tied to."""

    def source(self) -> str:
        """Who leads it: while "internal", Ardour follows; while "osc", Ardour leads."""

    def running(self) -> bool:
        """Whether it runs."""

    def resume(self) -> None:
        """Run on from where it stands: Ardour rolls."""

    def halt(self) -> None:
        """Stand still: Ardour has stopped."""


class ArdourOut:
    """An output without notes, which ties Ardour's transport to a clock.

    ``there`` and ``rolls`` say whether Ardour answers, and whether its transport runs. An Ardour that starts, or starts
    again, while the clock runs and leads, rolls with it. ``resume`` and ``halt`` are called in a thread of this output.
    """

    ahead: Nanoseconds = 0
    clock = True

    def __init__(self, transport: Transport, name: str, host: str, port: int) -> None:
        self.name, self.port = name, port
        self._clock = transport
        self.there = False
        self._rolls: bool | None = None  # not known
        self._to = (host, port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1" if host == "127.0.0.1" else "", 0))
        self._socket.settimeout(0.02)
        self._ours = self._socket.getsockname()[1]
        self._closing = threading.Event()
        self._heard = float("-inf")
        self._wanted: bool | None = None  # whether it ought to roll, until its feedback says so
        self._tries = 0
        self._lock = threading.Lock()  # of these two
        threading.Thread(target=self._listen, name=name, daemon=True).start()

    @property
    def rolls(self) -> bool:
        return self.there and self._rolls is True

    def prepare(self, sent: Sent) -> Send:
        """Notes go by MIDI."""
        return lambda: None

    def program(self, program: Program) -> Send:
        """Programs go by MIDI."""
        return lambda: None

    def transport(self, data: list[int]) -> None:
        """Start, continue and stop, while the source is internal."""
        if self._clock.source() != "internal" or data[0] not in (0xFA, 0xFB, 0xFC):
            return
        if data[0] == 0xFA and not self._rolls:
            self._say("/goto_start")
        self._want(data[0] != 0xFC)

    def close(self) -> None:
        """Let go of the surface."""
        self._closing.set()
        self._socket.close()

    def _want(self, roll: bool) -> None:
        with self._lock:
            self._wanted, self._tries = roll, TRIES

    def _say(self, address: str, *arguments: Any) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendto(osc.build(address, arguments), self._to)

    def _listen(self) -> None:
        asked = said = float("-inf")
        while not self._closing.is_set():
            now = time.monotonic()
            self._look(now)
            if self._rolls is None and now - asked > AGAIN:
                asked = now
                self._say("/set_surface", 0, 0, FEEDBACK, 0, 0, 0, self._ours)
            if now - said > AGAIN and (word := self._word()):
                said = now
                self._say(word)
            try:
                packet = self._socket.recv(65536)
            except OSError:  # silence, or nobody is there
                self._closing.wait(0.01)
                continue
            with contextlib.suppress(ProtocolError):
                self._heard = time.monotonic()
                for message in osc.parse(packet):
                    self._take(message)

    def _look(self, now: float) -> None:
        """See whether it is there; what is gone is no longer known to roll."""
        was, self.there = self.there, now - self._heard < PATIENCE
        if was and not self.there:
            self._rolls = None
        elif self.there and not was and self._clock.source() == "internal" and self._clock.running():
            self._want(True)

    def _word(self) -> str:
        """The messages to send to Ardour now; none before its feedback: a repeated play would end a recording."""
        with self._lock:
            if self._rolls is None or self._wanted is None:
                return ""
            if self._wanted == self._rolls or not self._tries:
                self._wanted = None
                return ""
            self._tries -= 1
            return "/transport_play" if self._wanted else "/transport_stop"

    def _take(self, message: osc.Message) -> None:
        if message.address == "/transport_play":
            self._rolls = message.arguments == (1.0,)
        if self._clock.source() != "osc" or message.arguments != (1.0,):
            return
        if message.address == "/transport_play" and not self._clock.running():
            self._clock.resume()
        elif message.address == "/transport_stop" and self._clock.running():
            self._clock.halt()
