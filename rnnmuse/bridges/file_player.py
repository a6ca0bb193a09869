"""Plays a schedule of MIDI messages on time, and ends what it began however it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

SUSTAIN, ALL_NOTES_OFF = 64, 123


class FilePlayer:
    """Sends (seconds, message) pairs by ``send``. ``now`` gives seconds; ``wait`` waits up to some seconds and returns
    whether playing shall stop; both are the machine's own unless injected."""

    def __init__(
        self,
        send: Callable[[bytes], object],
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._send, self._now = send, now
        self._stop = threading.Event()
        self._wait = wait or self._stop.wait
        self._sounding: set[tuple[int, int]] = set()
        self._channels: set[int] = set()
        self.notes = 0

    def stop(self) -> None:
        """End playing soon; for signal handlers and other threads."""
        self._stop.set()

    def play(self, schedule: Sequence[tuple[float, bytes]]) -> bool:
        """Play to the end, or until `stop`; returns whether the end was reached. What sounds is ended in any case."""
        begun = self._now()
        try:
            for seconds, message in schedule:
                while (left := begun + seconds - self._now()) > 0:
                    if self._wait(left):
                        return False
                if self._stop.is_set():
                    return False
                self._note(message)
                self._send(message)
            return True
        finally:
            self._silence()

    def _note(self, message: bytes) -> None:
        if message[0] >= 0xF0:
            return
        channel = message[0] & 0x0F
        self._channels.add(channel)
        if message[0] >> 4 == 0x9 and message[2]:
            self.notes += 1
            self._sounding.add((channel, message[1]))
        elif message[0] >> 4 in (0x8, 0x9):
            self._sounding.discard((channel, message[1]))

    def _silence(self) -> None:
        """Note-offs, pedals up, and all notes off on every channel that was used."""
        for channel, pitch in sorted(self._sounding):
            self._send(bytes((0x80 | channel, pitch, 64)))
        self._sounding.clear()
        for channel in sorted(self._channels):
            self._send(bytes((0xB0 | channel, SUSTAIN, 0)))
            self._send(bytes((0xB0 | channel, ALL_NOTES_OFF, 0)))
