"""OSC packets to messages and back, as OSC 1.0 (Wright 2002) defines them.

Everything that comes from outside has a limit: the size of a packet, the depth of its bundles, the number of its
messages and, by `Budget`, the work that it causes. `rnnmuse.bridges.osc_address` matches address patterns.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pythonosc.osc_message import OscMessage

from rnnmuse.protocol import ProtocolError

MAX_BYTES = 8192
"""Bytes of a packet."""
MAX_DEPTH = 8
"""Bundles inside one another."""
MAX_MESSAGES = 256
"""Messages in a packet."""
MAX_PRICE = 600
"""What the messages of one packet may cost together; see `Budget`."""
ANSWER = 7
"""What an answer costs beyond the address that was asked: it is built, sent and read by another program."""
NOW = 1
"""The time tag that means at once."""

_INT, _FLOAT, _TAG = struct.Struct(">i"), struct.Struct(">f"), struct.Struct(">Q")
_NTP = 2_208_988_800  # seconds from 1900, where time tags begin, to 1970
_CODEC_TAGS = frozenset("hdtmrN[]")  # python-osc reads these; for a tag that it does not know it logs and goes on


@dataclass(frozen=True, slots=True)
class Message:
    """An address (or a pattern), its arguments, and the time tag of its bundle (NTP, 64 bits; NOW outside a bundle)."""

    address: str
    """Address, or a pattern of addresses."""
    arguments: tuple[Any, ...]
    """Its arguments, converted to Python's types."""
    tag: int = NOW
    """NTP time tag of its bundle, 64 bits."""


@dataclass(slots=True)
class Budget:
    """What is left of the price that one packet may cost.

    An address that is acted on costs 1, each answer costs `ANSWER` more, and the search for the addresses of a
    pattern costs what `AddressSpace.match` says.
    """

    left: int = MAX_PRICE
    """Price that may still be spent."""
    over: bool = False
    """Whether more was asked for than was left."""

    def spend(self, price: int = 1) -> None:
        """Take a price off what is left; ProtocolError with the code "limit" where it is not enough.

        The handler answers with this one error and drops the rest of the packet.
        """
        if price > self.left:
            self.left, self.over = 0, True
            raise ProtocolError("limit", f"packet: asks for too much work; must cost up to {MAX_PRICE} (docs/osc.md)")
        self.left -= price


def parse(packet: bytes) -> list[Message]:
    """Read the messages of a packet; ProtocolError for one that is too large, too deep or damaged."""
    if len(packet) > MAX_BYTES:
        raise ProtocolError("size", f"packet: {len(packet)} bytes; must be up to {MAX_BYTES}")
    messages: list[Message] = []
    _read(packet, NOW, 0, messages)
    return messages


def _read(data: bytes, tag: int, depth: int, into: list[Message]) -> None:
    if len(data) % 4 or not data:
        raise ProtocolError("packet", f"packet: {len(data)} bytes in an element; must be a multiple of 4, not 0")
    if data.startswith(b"#bundle\0"):
        if depth >= MAX_DEPTH:
            raise ProtocolError("depth", f"packet: bundles nested deeper than {MAX_DEPTH}")
        if len(data) < 16:
            raise ProtocolError("packet", "packet: a bundle without a time tag")
        (tag,) = _TAG.unpack_from(data, 8)
        for element in _elements(data):
            _read(element, tag, depth + 1, into)
    elif not data.startswith(b"/"):
        raise ProtocolError("packet", "packet: an address must begin with /")
    elif len(into) >= MAX_MESSAGES:
        raise ProtocolError("size", f"packet: more than {MAX_MESSAGES} messages")
    else:
        try:
            into.append(Message(*_message(data), tag))
        except ProtocolError:
            raise
        except Exception as error:  # the codec lets struct, index and unicode errors through
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise ProtocolError("packet", f"packet: {first[:120]}") from None


def _message(data: bytes) -> tuple[str, tuple[Any, ...]]:
    """Address and arguments of one message.

    The types that the table of addresses takes (i, f, s, b, T, F) are read here, in 2 to 4 µs; python-osc takes 9 to
    10 µs, which is a fifth of a core at 20,000 messages a second. It reads all other types.
    """
    address, at = _string(data, 0)
    if at == len(data):  # old senders leave the type tags out
        return address, ()
    tags, at = _string(data, at)
    if not tags.startswith(","):
        raise ProtocolError("packet", f"packet: type tags {tags[:20]!r}; must begin with a comma")
    arguments: list[Any] = []
    for tag in tags[1:]:
        if tag == "f":
            arguments.append(_FLOAT.unpack_from(data, at)[0])
            at += 4
        elif tag == "i":
            arguments.append(_INT.unpack_from(data, at)[0])
            at += 4
        elif tag == "s":
            text, at = _string(data, at)
            arguments.append(text)
        elif tag == "b":
            (size,) = _INT.unpack_from(data, at)
            at += 4
            if not 0 <= size <= len(data) - at:
                raise ProtocolError("packet", f"packet: a blob of {size} bytes; {len(data) - at} are left")
            arguments.append(data[at : at + size])
            at += (size + 3) & ~3
        elif tag in "TF":
            arguments.append(tag == "T")
        elif tag in _CODEC_TAGS and _CODEC_TAGS.issuperset(set(tags[1:]) - set("ifsbTF")):
            return address, tuple(OscMessage(data).params)
        else:
            raise ProtocolError("type", f"packet: type tag {tag!r}; must be one of i f s b T F N h d t m r [ ]")
    return address, tuple(arguments)


def _string(data: bytes, at: int) -> tuple[str, int]:
    """The string at a place, and the place after its padding."""
    end = data.find(0, at)
    if end < 0:
        raise ProtocolError("packet", "packet: a string without an end")
    return data[at:end].decode(), (end + 4) & ~3


def build(address: str, arguments: Sequence[Any]) -> bytes:
    """Build one message; whole numbers as i, other numbers as f, text as s, bytes as b.

    Notes leave through here, so it packs by itself: python-osc's builder takes ten times as long (`make bench`).
    """
    tags, body = ",", b""
    for value in arguments:
        if isinstance(value, int):
            tags += "i"
            body += _INT.pack(value)
        elif isinstance(value, float):
            tags += "f"
            body += _FLOAT.pack(value)
        elif isinstance(value, str):
            tags += "s"
            body += _text(value)
        else:
            tags += "b"
            body += _INT.pack(len(value)) + value + bytes(-len(value) % 4)
    return _text(address) + _text(tags) + body


def _text(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return data + bytes(4 - len(data) % 4)


def bundle(tag: int, messages: Iterable[bytes]) -> bytes:
    """Build a bundle of built messages, due at ``tag``."""
    body = b"".join(_INT.pack(len(message)) + message for message in messages)
    return b"#bundle\0" + _TAG.pack(tag) + body


ROOT = b"/rnnmuse"
SESSION = ROOT + b"/session/"


def in_session(packet: bytes, number: int) -> bytes:
    """The packet (one that was built here) with the addresses of a session.

    >>> parse(in_session(build("/rnnmuse/pong", [1]), 12))[0].address
    '/rnnmuse/session/12/pong'
    """
    if packet.startswith(b"#bundle\0"):
        return packet[:16] + b"".join(_sized(in_session(one, number)) for one in _elements(packet))
    end = packet.find(0)
    address = SESSION + str(number).encode() + packet[len(ROOT) : end]
    return address + bytes(4 - len(address) % 4) + packet[(end + 4) & ~3 :]


def by_session(packet: bytes, depth: int = 0) -> dict[bytes, bytes]:
    """The parts of a packet by the session that their addresses name, as it is written there, without that prefix.

    What names none, or is damaged, is under ``b""``.

    >>> [(name, parse(part)[0].address) for name, part in by_session(in_session(build("/rnnmuse/ping", []), 3)).items()]
    [(b'3', '/rnnmuse/ping')]
    """
    if SESSION not in packet:
        return {b"": packet}
    if packet.startswith(SESSION):
        end = packet.find(0)
        slash = packet.find(b"/", len(SESSION), end)
        if slash < 0:
            return {b"": packet}
        address = ROOT + packet[slash:end]
        return {packet[len(SESSION) : slash]: address + bytes(4 - len(address) % 4) + packet[(end + 4) & ~3 :]}
    if not packet.startswith(b"#bundle\0") or depth >= MAX_DEPTH or len(packet) > MAX_BYTES:
        return {b"": packet}
    parts: dict[bytes, bytes] = {}
    try:
        elements = list(_elements(packet))
    except ProtocolError:
        return {b"": packet}
    for element in elements:
        for name, part in by_session(element, depth + 1).items():
            parts[name] = parts.get(name, packet[:16]) + _sized(part)
    return parts


def _sized(element: bytes) -> bytes:
    return _INT.pack(len(element)) + element


def _elements(data: bytes) -> Iterable[bytes]:
    """The elements of a bundle; ProtocolError where it is damaged."""
    if len(data) % 4 or len(data) < 16:
        raise ProtocolError("packet", "packet: a bundle without a time tag")
    at = 16
    while at < len(data):
        (size,) = _INT.unpack_from(data, at)
        at += 4
        if not 4 <= size <= len(data) - at:
            raise ProtocolError("packet", f"packet: an element of {size} bytes; {len(data) - at} are left")
        yield data[at : at + size]
        at += size


def tag_of(seconds: float) -> int:
    """The time tag of a wall-clock time in seconds since 1970."""
    return int((seconds + _NTP) * (1 << 32))


def seconds_of(tag: int) -> float:
    """The wall-clock time, in seconds since 1970, of a time tag.

    >>> seconds_of(tag_of(1_000_000.5))
    1000000.5
    """
    return tag / (1 << 32) - _NTP
