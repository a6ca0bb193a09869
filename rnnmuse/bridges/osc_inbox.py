"""OSC packets that wait to be handled: a bounded queue for each sender, and the senders served in turn.

One that sends more than can be handled fills its own queue alone. There its control values make room first: while
packets pile up, a value takes the place of an earlier one of the same address, as long as nothing else came between
the two. Past the limit the oldest values are dropped, then the oldest other packets. A packet that ends something (a
note-off, stop, panic) is never dropped for another: of two alike the later stays.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, TypeVar

from rnnmuse.bridges import osc
from rnnmuse.protocol import ProtocolError, addresses

PACKETS, BYTES = 512, 1 << 18
"""What may wait for one sender: packets, and their bytes."""
ENDS = 4096
"""Packets that end something and may wait beyond `PACKETS`. Single messages have 2,082 keys, so these always fit."""
BACKLOG = 32
"""Packets of a sender that wait before its control values replace earlier ones."""
SENDERS = 256
"""Queues. The senders beyond share one."""

MAX_NOTE = 128
"""Bytes of a message that is looked at as a note."""

_WILD = frozenset(b"?*[{")
_ENDINGS = (b"/stop\0", b"/panic\0", b"/note\0", b"*\0", b"?\0", b"]\0", b"}\0")

Sender = TypeVar("Sender", bound=Hashable)


@cache
def replaceable() -> frozenset[bytes]:
    """The addresses of which only the last value counts: setters that take numbers. A jump of the position is none."""
    return frozenset(
        address.encode()
        for address, entry in addresses().items()
        if entry.row.access == "rw"
        and entry.row.arguments
        and all(argument.kind in "fi" for argument in entry.row.arguments)
        and not address.endswith("/position")
    )


def ending(packet: bytes) -> Hashable | None:
    """What a packet ends, as a key that is the same for packets of the same effect; None for one that ends nothing.

    This is asked for each packet that might be dropped, so it looks no closer than it must: a bundle, or a pattern,
    that may hold such a command counts as one, and is its own key.
    """
    if packet.startswith(b"#"):
        return packet if any(sign in packet for sign in _ENDINGS) else None
    address = packet[: packet.find(0)]
    if _is_wild(address):
        return packet if any(packet.startswith(sign, len(address) - len(sign) + 1) for sign in _ENDINGS) else None
    name = address.rpartition(b"/")[2]
    if name == b"note" and len(packet) <= MAX_NOTE:
        try:
            (message,) = osc.parse(packet)
        except ProtocolError:
            return None
        match message.arguments:
            case (int() | float() as pitch, int() | float() as velocity, *_) if velocity == 0 and 0 <= pitch < 128:
                return address, int(pitch)
    return address if name in (b"stop", b"panic") else None


def _is_wild(address: bytes) -> bool:
    return not _WILD.isdisjoint(address)


@dataclass(slots=True)
class _Waiting(Generic[Sender]):
    sender: Sender
    """Who sent it."""
    packet: bytes
    """An OSC packet as it came."""
    key: Hashable = None
    """Of a value, or of what it ends."""


@dataclass(slots=True)
class _Queue(Generic[Sender]):
    """The packets of one sender in the order of their coming, and which of them may be dropped."""

    waiting: OrderedDict[int, _Waiting[Sender]] = field(default_factory=OrderedDict)
    """All packets by number, the oldest first."""
    values: OrderedDict[int, None] = field(default_factory=OrderedDict)
    """Numbers of the packets that set a value; they are dropped first, from the oldest."""
    others: OrderedDict[int, None] = field(default_factory=OrderedDict)
    """Numbers of the packets that are no values."""
    ends: dict[Hashable, int] = field(default_factory=dict)
    """For each thing that is ended, the number of the packet that ends it; kept when others are dropped."""
    latest: dict[Hashable, int] = field(default_factory=dict)
    """Of each address, the value that nothing but values has followed."""
    size: int = 0
    """Bytes of all packets."""
    count: int = 0
    """Number of the newest packet, from 1."""

    def append(self, sender: Sender, packet: bytes, key: Hashable) -> None:
        self.count += 1
        if key is None:
            self.latest.clear()
            self.others[self.count] = None
        else:
            earlier = self.latest.get(key)
            if earlier is not None and earlier in self.values and len(self.waiting) >= BACKLOG:
                self.remove(earlier)
            self.latest[key] = self.count
            self.values[self.count] = None
        self.waiting[self.count] = _Waiting(sender, packet, key)
        self.size += len(packet)

    def remove(self, number: int) -> _Waiting[Sender]:
        item = self.waiting.pop(number)
        self.size -= len(item.packet)
        self.values.pop(number, None)
        self.others.pop(number, None)
        if self.ends.get(item.key) == number:
            del self.ends[item.key]
        return item

    def shed(self) -> int:
        """Drop what is over the limit; returns how many packets."""
        lost = 0
        while len(self.values) + len(self.others) > PACKETS or self.size > BYTES:
            if self.values:
                self.remove(next(iter(self.values)))
                lost += 1
            elif self.others:
                lost += self._drop_or_keep(next(iter(self.others)))
            else:
                break
        while len(self.ends) > ENDS or (self.ends and self.size > 4 * BYTES):
            self.remove(next(reversed(self.waiting)))
            lost += 1
        return lost

    def _drop_or_keep(self, number: int) -> int:
        """Drop a packet, or keep it if it ends something, in place of an earlier one alike."""
        item = self.waiting[number]
        key = ending(item.packet)
        if key is None:
            self.remove(number)
            return 1
        item.key = item.sender, key
        if item.key in self.ends:
            self.remove(self.ends[item.key])
        del self.others[number]
        self.ends[item.key] = number
        return 0


class Inbox(Generic[Sender]):
    """Packets by sender, of ``senders`` in queues of their own. Used by one thread."""

    def __init__(self, senders: int = SENDERS) -> None:
        self._senders = senders
        self._replaceable = replaceable()
        self._queues: dict[Any, _Queue[Sender]] = {}
        self._turns: deque[Any] = deque()

    def __bool__(self) -> bool:
        return bool(self._turns)

    def waiting(self, sender: Sender) -> int:
        """How many packets wait in the queue of a sender."""
        queue = self._queues.get(sender) or self._queues.get(None)
        return len(queue.waiting) if queue else 0

    def put(self, sender: Sender, packet: bytes, shed: bool = True) -> int:
        """Add a packet; returns how many were dropped for it.

        Without ``shed`` nothing is: the caller reads no more from a sender with `PACKETS` waiting.
        """
        turn: Any = sender
        if turn not in self._queues:
            if len(self._queues) >= self._senders:
                turn = None  # the queue that the senders beyond share
            if turn not in self._queues:
                self._queues[turn] = _Queue()
                self._turns.append(turn)
        queue = self._queues[turn]
        queue.append(sender, packet, self._value_key(sender, packet))
        return queue.shed() if shed else 0

    def take(self) -> tuple[Sender, bytes] | None:
        """The next packet: the oldest of the sender whose turn it is; None where none waits."""
        if not self._turns:
            return None
        turn = self._turns.popleft()
        queue = self._queues[turn]
        item = queue.remove(next(iter(queue.waiting)))
        if queue.waiting:
            self._turns.append(turn)
        else:
            del self._queues[turn]
        return item.sender, item.packet

    def _value_key(self, sender: Sender, packet: bytes) -> Hashable:
        """Sender and address of a control value; None for all else, and for a getter."""
        address = packet[: packet.find(0)]
        if address in self._replaceable and not packet.endswith(b",\0\0\0"):
            return sender, address
        return None
