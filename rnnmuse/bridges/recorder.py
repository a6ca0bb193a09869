"""Records what was played as a MIDI file that is whole on disk after every event, so that a crash loses nothing.

While it records, the file has one track beside the tempo's. An event and a new end-of-track mark are written behind the
old mark, then the track's length is set, then the old mark becomes an empty sequencer-specific event by one byte: at
each of these moments a reader sees the track either as it was or with the event. Zeros that follow the track keep room
on the disk for the note-offs of what sounds, should the disk fill up. When the recorder is closed, the file is replaced
by one with a track for each part, with its name and program.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import queue
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from io import RawIOBase
from pathlib import Path

from rnnmuse.bridges.output import RECORDING, Program, Send, Sent
from rnnmuse.clock import PPQ, Nanoseconds
from rnnmuse.provenance.marks import seal
from rnnmuse.provenance.record import Made

log = logging.getLogger("rnnmuse.recorder")

ROOM = 4096
"""Bytes that are kept for note-offs; there are never more than these need."""
MOST = 100_000
"""Events that may wait for the disk, some minutes of the densest music."""
_END = b"\x00\xff\x2f\x00"
_PASSED = b"\x7f"  # in place of the mark's third byte


def _open(path: Path) -> RawIOBase:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w+b", buffering=0)


@dataclass(slots=True)
class _Track:
    """A part as the closed file has it: its events, with their delta times, and where it stands."""

    name: str = ""
    """Its name in the file; empty until it is known."""
    data: bytearray = field(default_factory=bytearray)
    """Events with delta times in ticks, as in a Standard MIDI File."""
    tick: int = 0
    """Tick of the last event."""

    def add(self, tick: int, message: bytes) -> None:
        self.data += _variable(max(0, tick - self.tick)) + message
        self.tick = max(self.tick, tick)


@dataclass(frozen=True, slots=True)
class _Event:
    channel: int
    """MIDI channel, from 0."""
    message: bytes
    """A MIDI message, or a meta event with its length."""
    tick: int | None = None
    """Ticks, PPQ to the beat; None: where the recording stands."""
    player: int = 0
    """Player's number, 0 for none."""


class Recorder:
    """An output that writes a file; a thread of its own does the writing, so that no note waits for a disk.

    ``lost`` is called once, with the reason, when the file can be written no more; it stays valid, and what sounded
    then is ended in it. OSError where the file cannot be created. ``opened`` opens the file;
    ``made`` says what made the music, for the record in the closed file.
    """

    def __init__(
        self,
        path: Path,
        tempo: float,
        lost: Callable[[str], None] = lambda _: None,
        opened: Callable[[Path], RawIOBase] = _open,
        made: Callable[[], Made] | None = None,
    ) -> None:
        self.name, self.path = RECORDING + path.name, path
        self.ahead: Nanoseconds = 0
        self.clock = False
        self._lost, self._over, self._made = lost, False, made
        self._queue: queue.SimpleQueue[_Event | None] = queue.SimpleQueue()
        self._tracks: dict[int, _Track] = {}
        self._names: dict[int, str] = {}
        self._sounding: set[tuple[int, int]] = set()
        self._first: int | None = None
        self._last = 0
        self._conductor = b"\x00\xff\x51\x03" + round(60_000_000 / tempo).to_bytes(3, "big") + _END
        head = _head(2) + _chunk(self._conductor)
        self._length_at = len(head) + 4
        self._at = len(head) + 8 + len(_END)
        self._size = self._at
        self._file = opened(path)
        self._put(head + _chunk(_END), 0)
        self._reserve()
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._thread.start()

    def prepare(self, sent: Sent) -> Send:
        """The event at the tick it is due."""
        message = bytes(((0x90 if sent.velocity else 0x80) | sent.channel, sent.pitch, sent.velocity))
        return partial(self._queue_up, _Event(sent.channel, message, round(sent.beat * PPQ), sent.player))

    def program(self, program: Program) -> Send:
        """The program of a part, and the name of its track; a channel without has its first player's number."""
        return partial(self._part, program)

    def _part(self, program: Program) -> None:
        channel, name = program.channel, program.name.encode()[:127]
        if name and self._names.get(channel) != program.name:
            self._names[channel] = program.name
            self._queue_up(_Event(channel, b"\xff\x20\x01" + bytes((channel,))))  # the channel of what follows
            self._queue_up(_Event(channel, b"\xff\x04" + bytes((len(name),)) + name))
        self._queue_up(_Event(channel, bytes((0xC0 | channel, program.program)), player=program.player))

    def transport(self, data: list[int]) -> None:
        """Clock is not recorded."""

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._queue.put(None)
        self._thread.join(5)

    def _queue_up(self, event: _Event) -> None:
        if self._over:
            raise OSError(f"{self.path}: is written no more")
        if self._queue.qsize() >= MOST:
            self._over = True
            self._lost(f"{self.path}: the disk is too slow")
            raise OSError(f"{self.path}: the disk is too slow")
        self._queue.put(event)

    # -- the recorder's thread ------------------------------------------------------------------------------

    def _write(self) -> None:
        while (event := self._queue.get()) is not None:
            if self._over:
                continue
            try:
                if os.fstat(self._file.fileno()).st_nlink == 0:
                    raise OSError(errno.ENOENT, "was removed")
                self._reserve()
                self._add(event)
            except OSError as error:
                self._give_up(f"{self.path}: {error.strerror or error}")
        whole, self._over = not self._over, True
        with contextlib.suppress(OSError):
            self._file.truncate(self._at)
        self._file.close()
        if whole:
            self._finish()

    def _add(self, event: _Event) -> None:
        tick = self._last if event.tick is None else event.tick
        if self._first is None and event.tick is not None:
            self._first = self._last = tick
        self._append(max(0, tick - self._last), event.message)
        self._last = max(self._last, tick)
        track = self._tracks.setdefault(event.channel, _Track())
        track.name = track.name or (f"player {event.player}" if event.player else "")
        if event.message[0] < 0xF0:  # a name becomes the track's
            track.add(max(0, tick - (self._first or 0)), event.message)
        kind, key = event.message[0] & 0xF0, (event.channel, event.message[1])
        if kind == 0x90:
            self._sounding.add(key)
        elif kind == 0x80:
            self._sounding.discard(key)

    def _append(self, delta: int, message: bytes) -> None:
        event = _variable(delta) + message + _END
        self._put(event, self._at)
        self._put(struct.pack(">I", self._at + len(event) - self._length_at - 4), self._length_at)
        self._put(_PASSED, self._at - 2)
        self._at += len(event)
        self._size = max(self._size, self._at)

    def _put(self, data: bytes, at: int) -> None:
        self._file.seek(at)
        if self._file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _reserve(self) -> None:
        """Keep room behind the track."""
        if self._size - self._at < ROOM:
            self._put(bytes(2 * ROOM), self._size)
            self._size += 2 * ROOM

    def _give_up(self, why: str) -> None:
        """End in the file what sounds, in the room that was kept for it, and tell."""
        self._over = True
        with contextlib.suppress(OSError):
            for channel, pitch in sorted(self._sounding):
                self._append(0, bytes((0x80 | channel, pitch, 0)))
        log.warning("%s", why)
        self._lost(why)

    def _finish(self) -> None:
        """Replace the file by one with a track a part; where the disk has no room for that, it stays as it is."""
        chunks = [self._conductor]
        for channel, track in sorted(self._tracks.items()):
            name = self._names.get(channel, track.name).encode()
            chunks.append(b"\x00\xff\x03" + _variable(len(name)) + name + bytes(track.data) + _END)
        beside = self.path.with_name(self.path.name + ".new")
        try:
            data = _head(len(chunks)) + b"".join(map(_chunk, chunks))
            beside.write_bytes(data if self._made is None else seal(data, ".mid", self._made()))
            beside.replace(self.path)
        except OSError as error:
            log.warning("%s: has one track for all parts (%s)", self.path, error.strerror)
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)


def _head(tracks: int) -> bytes:
    return b"MThd" + struct.pack(">IHHH", 6, 1, tracks, PPQ)


def _chunk(data: bytes) -> bytes:
    return b"MTrk" + struct.pack(">I", len(data)) + data


def _variable(number: int) -> bytes:
    """A variable-length quantity, as in the Standard MIDI Files 1.0 specification."""
    out = [number & 0x7F]
    while number := number >> 7:
        out.append(number & 0x7F | 0x80)
    return bytes(reversed(out))
