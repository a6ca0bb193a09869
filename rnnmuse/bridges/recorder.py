"""Records what was played as a MIDI file that is whole on disk after every event, so that a crash loses nothing.

The file is format 1 with one track beside the tempo's. An event and a new end-of-track mark are written behind the
old mark, then the track's length is set, then the old mark becomes an empty sequencer-specific event by one byte: at
each of these moments a reader sees the track either as it was or with the event.
"""

from __future__ import annotations

import os
import queue
import struct
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rnnmuse.clock import PPQ
from rnnmuse.realtime.seats import RECORDING, Sent

_END = b"\x00\xff\x2f\x00"
_PASSED = b"\x7f"  # in place of the mark's third byte


class Recorder:
    """An output that writes a file; a thread of its own does the writing, so that no note waits for a disk."""

    def __init__(self, path: Path, tempo: float) -> None:
        self.name, self.ahead, self.clock, self.path = RECORDING + path.name, 0, False, path
        self._last: int | None = None
        self._queue: queue.SimpleQueue[tuple[int, bytes] | None] = queue.SimpleQueue()
        micros = round(60_000_000 / tempo)
        conductor = b"\x00\xff\x51\x03" + micros.to_bytes(3, "big") + _END
        head = b"MThd" + struct.pack(">IHHH", 6, 1, 2, PPQ) + b"MTrk" + struct.pack(">I", len(conductor)) + conductor
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        self._length_at = len(head) + 4
        self._at = len(head) + 8 + len(_END)
        os.pwrite(self._file, head + b"MTrk" + struct.pack(">I", len(_END)) + _END, 0)
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._thread.start()

    def prepare(self, sent: Sent) -> Callable[[], object]:
        """The event at the tick it is due."""
        status = (0x90 if sent.velocity else 0x80) | sent.channel
        return partial(self._queue.put, (round(sent.beat * PPQ), bytes((status, sent.pitch, sent.velocity))))

    def transport(self, data: list[int]) -> None:
        """Clock is not recorded."""

    def close(self) -> None:
        """Write what waits, and close; the file was whole all along."""
        self._queue.put(None)
        self._thread.join(5)

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            tick, message = item
            self._last = tick if self._last is None else self._last
            event = _variable(max(0, tick - self._last)) + message + _END
            self._last = max(self._last, tick)
            os.pwrite(self._file, event, self._at)
            os.pwrite(self._file, struct.pack(">I", self._at + len(event) - self._length_at - 4), self._length_at)
            os.pwrite(self._file, _PASSED, self._at - 2)
            self._at += len(event)
        os.close(self._file)


def _variable(number: int) -> bytes:
    """A variable-length quantity, as in the Standard MIDI Files 1.0 specification."""
    out = [number & 0x7F]
    while number := number >> 7:
        out.append(number & 0x7F | 0x80)
    return bytes(reversed(out))
