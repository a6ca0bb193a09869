"""/dirt/play: TidalCycles' events heard, and notes sent as events to SuperDirt.

The pairs of an event follow Tidal's SuperDirt target: ``note`` counts semitones from middle C, ``midinote`` is a MIDI
pitch, ``n`` a number, ``orbit`` counts from 0, ``cps`` is cycles a second, ``delta`` a length in seconds.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rnnmuse.bridges import osc
from rnnmuse.bridges.output import Program, Send, Sent
from rnnmuse.clock import Nanoseconds
from rnnmuse.protocol import ProtocolError

PORT = 57120
AHEAD = 0.1
SUSTAIN = 0.25


def note_of(pairs: Sequence[Any], bpm: float) -> tuple[int, int, int, float]:
    """Player (orbit + 1), pitch, velocity and length in beats of an event; ProtocolError for one without a number."""
    if len(pairs) % 2 or not all(isinstance(name, str) for name in pairs[::2]):
        raise ProtocolError("count", f"/dirt/play: {len(pairs)} arguments; must be pairs of a name and a value")
    event = dict(zip(pairs[::2], pairs[1::2], strict=True))

    def number(name: str, low: float, high: float, otherwise: float) -> float:
        value = event.get(name, otherwise)
        if isinstance(value, str | bytes) or not isinstance(value, int | float) or not low <= value <= high:
            raise ProtocolError("range", f"/dirt/play {name}: {value!r}; must be {low:g} to {high:g}")
        return float(value)

    pitch = number("midinote", 0, 127, -1) if "midinote" in event else 0.0
    if "midinote" not in event:
        pitch = 60 + number("note" if "note" in event else "n", -60, 67, 0)
    gain = number("gain", 0, 4, 1)
    velocity = max(1, min(127, round(number("velocity", 0, 1, 0.63) * 127 * gain)))
    seconds = number("sustain" if "sustain" in event else "delta", 0, 600, 0.25)
    return int(number("orbit", 0, 1e6, 0)) + 1, round(pitch), velocity, min(64.0, seconds * bpm / 60)


class DirtOut:
    """Sends each note as a /dirt/play event in a bundle with its time; player p plays on orbit p - 1."""

    def __init__(
        self, name: str, host: str, port: int, ahead: Nanoseconds, sound: str, drum: str, tempo: Callable[[], float]
    ) -> None:
        self.name, self.ahead, self.clock = name, ahead, False
        self._to, self._sound, self._drum = (host, port), sound, drum
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._tempo = tempo

    def prepare(self, sent: Sent) -> Send:
        """A note-on as an event of its length (a quarter beat where it is not known); note-offs are not sent."""
        if not sent.velocity:
            return lambda: None
        seconds = (sent.beats or SUSTAIN) * 60 / self._tempo()
        drum = sent.channel == 9
        values = ["s", self._drum if drum else self._sound, "note", float(sent.pitch - 60), "gain",
                  (sent.velocity / 127) ** 0.5, "sustain", seconds, "orbit", sent.player - 1]  # fmt: skip
        due = time.time() + (sent.due - time.monotonic_ns()) / 1e9
        packet = osc.bundle(osc.tag_of(due), [osc.build("/dirt/play", values)])
        return partial(self._send, packet)

    def _send(self, packet: bytes) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self._socket.sendto(packet, self._to)

    def program(self, program: Program) -> Send:
        """SuperDirt has sounds by name, set by the rig."""
        return lambda: None

    def transport(self, data: list[int]) -> None:
        """SuperDirt has no transport."""

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
