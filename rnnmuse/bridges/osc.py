"""OSC packets to messages and back: the structure is checked before the codec sees it.

Follows the OSC 1.0 specification (Wright 2002); python-osc's codec builds and reads the messages themselves.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pythonosc.osc_message import OscMessage

from rnnmuse.protocol import ProtocolError

MAX_BYTES, MAX_DEPTH, MAX_MESSAGES, MAX_PATTERN = 8192, 8, 256, 256
NOW = 1
"""The time tag that means at once."""

_INT, _FLOAT = struct.Struct(">i"), struct.Struct(">f")
_NTP = 2_208_988_800  # seconds from 1900, where time tags begin, to 1970


@dataclass(frozen=True, slots=True)
class Message:
    """An address (or a pattern), its arguments, and the bundle's time tag (NTP, 64 bits; NOW without)."""

    address: str
    arguments: tuple[Any, ...]
    tag: int = NOW


def parse(packet: bytes) -> list[Message]:
    """The messages of a packet; ProtocolError for one that is too large, too deep or damaged."""
    if len(packet) > MAX_BYTES:
        raise ProtocolError("size", f"packet: {len(packet)} bytes; must be up to {MAX_BYTES}")
    messages = list(_walk(packet, NOW, 0))
    if len(messages) > MAX_MESSAGES:
        raise ProtocolError("size", f"packet: {len(messages)} messages; must be up to {MAX_MESSAGES}")
    return messages


def _walk(data: bytes, tag: int, depth: int) -> Iterator[Message]:
    if len(data) % 4 or not data:
        raise ProtocolError("packet", f"packet: {len(data)} bytes in an element; must be a multiple of 4, not 0")
    if data.startswith(b"#bundle\0"):
        if depth >= MAX_DEPTH:
            raise ProtocolError("depth", f"packet: bundles nested deeper than {MAX_DEPTH}")
        if len(data) < 16:
            raise ProtocolError("packet", "packet: a bundle without a time tag")
        (tag,) = struct.unpack_from(">Q", data, 8)
        at = 16
        while at < len(data):
            (size,) = struct.unpack_from(">i", data, at)
            if not 4 <= size <= len(data) - at - 4:
                raise ProtocolError("packet", f"packet: an element of {size} bytes; {len(data) - at - 4} are left")
            yield from _walk(data[at + 4 : at + 4 + size], tag, depth + 1)
            at += 4 + size
        return
    if not data.startswith(b"/"):
        raise ProtocolError("packet", "packet: an address must begin with /")
    try:
        message = OscMessage(data)
        address = message.address
    except Exception as error:  # the codec lets struct, index and unicode errors through
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ProtocolError("packet", f"packet: {first[:120]}") from None
    yield Message(address, tuple(message.params), tag)


def build(address: str, arguments: Sequence[Any]) -> bytes:
    """One message; whole numbers as i, other numbers as f, text as s, bytes as b.

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
    """A bundle of built messages, due at ``tag``."""
    body = b"".join(struct.pack(">i", len(message)) + message for message in messages)
    return b"#bundle\0" + struct.pack(">Q", tag) + body


def tag_of(seconds: float) -> int:
    """The time tag of a wall-clock time in seconds since 1970."""
    return int((seconds + _NTP) * (1 << 32))


def seconds_of(tag: int) -> float:
    """The wall-clock time of a time tag."""
    return tag / (1 << 32) - _NTP


def is_pattern(address: str) -> bool:
    """Whether an address has wildcards."""
    return any(sign in address for sign in "?*[{")


def match(pattern: str, known: Iterable[str]) -> list[str]:
    """The known addresses that an OSC address pattern matches, in time linear in each.

    ``?`` is one character, ``*`` any, ``[a-c]`` and ``[!a]`` sets, ``{a,b}`` alternatives; none of them crosses a /.
    """
    if len(pattern) > MAX_PATTERN:
        raise ProtocolError("pattern", f"pattern: {len(pattern)} characters; must be up to {MAX_PATTERN}")
    parts = [_compiled(part) for part in pattern.split("/")]
    out = []
    for address in known:
        names = address.split("/")
        if len(names) == len(parts) and all(_fits(part, name) for part, name in zip(parts, names, strict=True)):
            out.append(address)
    return out


_Token = tuple[str, Any]


def _compiled(part: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(part):
        sign = part[at]
        if sign == "*":
            if not tokens or tokens[-1][0] != "any":
                tokens.append(("any", None))
        elif sign == "?":
            tokens.append(("one", None))
        elif sign in "[{":
            end = part.find("]" if sign == "[" else "}", at)
            if end < 0:
                raise ProtocolError("pattern", f"pattern: {part!r}; {sign} is not closed")
            inside = part[at + 1 : end]
            tokens.append(("set", _members(inside)) if sign == "[" else ("either", tuple(inside.split(","))))
            at = end
        else:
            tokens.append(("is", sign))
        at += 1
    return tokens


def _members(inside: str) -> tuple[bool, frozenset[str]]:
    wanted = not inside.startswith("!")
    inside = inside.removeprefix("!")
    members = set(inside)
    for i in range(1, len(inside) - 1):
        if inside[i] == "-":
            members |= {
                chr(c) for c in range(ord(inside[i - 1]), min(ord(inside[i + 1]), ord(inside[i - 1]) + 255) + 1)
            }
    return wanted, frozenset(members)


def _fits(tokens: list[_Token], name: str) -> bool:
    """Places of the name that can be reached, token by token: a set, so never more work than tokens x name."""
    places = {0}
    for kind, value in tokens:
        following: set[int] = set()
        if kind == "any":
            following = set(range(min(places), len(name) + 1))
        else:
            for place in places:
                if kind == "either":
                    following |= {place + len(word) for word in value if name.startswith(word, place)}
                elif place < len(name):
                    sign = name[place]
                    fits = kind == "one" or (sign == value if kind == "is" else (sign in value[1]) == value[0])
                    if fits:
                        following.add(place + 1)
        if not following:
            return False
        places = following
    return len(name) in places
