"""Ardour's transport by OSC: it rolls when the stage does, or the stage follows its feedback.

After Ardour's manual, "Controlling Ardour with OSC": a surface is set up with /set_surface, whose seventh argument is
the port that feedback goes to. Positions and tempo in time with the music come by MIDI clock; OSC is too coarse for it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from rnnmuse.bridges import osc
from rnnmuse.clock import Nanoseconds
from rnnmuse.protocol import ProtocolError
from rnnmuse.realtime.seats import Sent
from rnnmuse.realtime.stage import Stage

PORT = 3819
FEEDBACK = 8 + 16  # a heartbeat each second; the transport's buttons
PATIENCE = 3.0
"""Seconds of silence after which it is asked again: it may have been started again."""
AGAIN = 1.0
"""Seconds from one saying of a thing to the next."""
TRIES = 10
"""How often a start or stop is said: a busy Ardour forgets those that come while it locates."""


class ArdourOut:
    """An output without notes. The stage leads while its source is internal, and follows while it is osc.

    ``there`` and ``rolls`` say whether Ardour answers, and whether its transport runs. An Ardour that comes, or comes
    back, while the stage plays and leads rolls with it.
    """

    ahead: Nanoseconds = 0
    clock = True

    def __init__(self, stage: Stage, name: str, host: str, port: int) -> None:
        self.stage, self.name, self.port = stage, name, port
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

    def prepare(self, sent: Sent) -> Callable[[], object]:
        """Notes go by MIDI."""
        return lambda: None

    def transport(self, data: list[int]) -> None:
        """Start, continue and stop, while the stage leads."""
        if self.stage.source != "internal" or data[0] not in (0xFA, 0xFB, 0xFC):
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
        elif self.there and not was and self.stage.source == "internal" and self.stage.clock.running:
            self._want(True)

    def _word(self) -> str:
        """What it must be told now. Only once its feedback has said what it does: play said again ends a recording."""
        with self._lock:
            if self._rolls is None or self._wanted is None:
                return ""
            if self._wanted == self._rolls or not self._tries:
                self._wanted = None
                return ""
            self._tries -= 1
            return "/transport_play" if self._wanted else "/transport_stop"

    def _take(self, message: osc.Message) -> None:
        stage = self.stage
        if message.address == "/transport_play":
            self._rolls = message.arguments == (1.0,)
        if stage.source != "osc" or message.arguments != (1.0,):
            return
        with stage.lock:
            if message.address == "/transport_play" and not stage.clock.running:
                stage.run(stage.clock.resume)
            elif message.address == "/transport_stop" and stage.clock.running:
                stage.halt()
