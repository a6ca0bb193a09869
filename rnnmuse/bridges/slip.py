"""SLIP frames (RFC 1055, with an END at both ends as OSC 1.1 asks) for packets in a stream of bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_ESCAPE = re.compile(rb"\xdb(.?)", re.DOTALL)
_ESCAPED = {b"\xdc": b"\xc0", b"\xdd": b"\xdb"}


def encode(packet: bytes) -> bytes:
    """One packet as a frame."""
    body = packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + body + b"\xc0"


@dataclass(slots=True)
class Decoder:
    """Packets from bytes, however these are cut.

    A packet over ``limit`` bytes is cut to ``limit`` + 1, so that its reader sees that it is too long. An escape that
    the RFC does not name stands for the byte after it.
    """

    limit: int = 8192
    _frame: bytearray = field(default_factory=bytearray)
    """The bytes of the packet that has not ended, escapes and all."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The packets that end in ``data``; empty frames are skipped."""
        *ended, rest = data.split(b"\xc0")
        for part in ended:
            self._hold(part)
            frame, self._frame = bytes(self._frame), bytearray()
            if b"\xdb" in frame:
                frame = _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), frame)
            if frame:
                yield frame[: self.limit + 1]
        self._hold(rest)

    def _hold(self, part: bytes) -> None:
        most = 2 * self.limit + 2  # more than ``limit`` even if every second byte is an escape
        self._frame += part[: max(0, most - len(self._frame))]
