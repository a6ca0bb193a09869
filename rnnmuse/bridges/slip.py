"""SLIP frames (RFC 1055, with an END at both ends as OSC 1.1 asks) for packets in a stream of bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD


def encode(packet: bytes) -> bytes:
    """One packet as a frame."""
    body = packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + body + b"\xc0"


@dataclass(slots=True)
class Decoder:
    """Bytes as they come to packets. A frame over ``limit`` bytes is cut to ``limit`` + 1, so that it is seen."""

    limit: int = 8192
    _frame: bytearray = field(default_factory=bytearray)
    _escaped: bool = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The packets that end in ``data``; empty frames are passed over."""
        for byte in data:
            if byte == END:
                packet, self._frame, self._escaped = bytes(self._frame), bytearray(), False
                if packet:
                    yield packet
            elif len(self._frame) > self.limit:
                continue
            elif self._escaped:
                self._frame.append({ESC_END: END, ESC_ESC: ESC}.get(byte, byte))
                self._escaped = False
            elif byte == ESC:
                self._escaped = True
            else:
                self._frame.append(byte)
