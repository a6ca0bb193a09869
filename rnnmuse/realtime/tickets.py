"""Changes on their way to the engine: a value is stored only once the engine has accepted it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from rnnmuse.protocol import ProtocolError
from rnnmuse.session.messages import ToEngine

MessageOf = Callable[[int], ToEngine]
"""Makes the message with a ticket."""

MOST_OPEN = 65
"""Open tickets of one key: those that are on their way, and the newest, which waits."""

MOST_WAITING = 1024
"""Questions that wait for changes to be decided."""

MOST_REPLACED = 4
"""Replaced changes that are tried again, the last first, when the one in their place is refused."""


@dataclass(slots=True)
class _Open:
    ticket: int
    """Number of the change, from 1."""
    message_of: MessageOf
    """Makes the message for a ticket."""
    accepted: Callable[[], None]
    """Called when the engine accepts."""
    refused: Callable[[str], None]
    """Called with the reason when the engine refuses."""
    replaced: list[_Open] = field(default_factory=list)
    """Those that it replaced in the queue; the last of them holds if it is refused."""


@dataclass(slots=True)
class Tickets:
    """Open changes by key, such as ("mode", 3).

    ``send`` hands a message to the engine: True, or the message that it replaced in the queue; False if the queue is
    full and refuses it; None without an engine, a change then holds at once. The engine answers in order. A change
    that was replaced in the queue gets no answer: it is over when the later one is accepted, and is sent again when
    that one is refused. The caller holds the stage's lock.
    """

    send: Callable[[ToEngine], bool | ToEngine | None]
    _open: dict[Hashable, list[_Open]] = field(default_factory=dict)
    """Open changes of each key, the oldest first."""
    _key_of: dict[int, Hashable] = field(default_factory=dict)
    """Key by ticket."""
    _settled: dict[Hashable, list[Callable[[], None]]] = field(default_factory=dict)
    """What is called once no change of a key is open."""
    _waiting: int = 0
    """Number of them all."""
    _number: int = 0
    """The last ticket."""

    def request(
        self,
        key: Hashable,
        message_of: MessageOf,
        accepted: Callable[[], None] = lambda: None,
        refused: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Ask the engine for a change; then ``accepted`` is called, or ``refused`` with the reason."""
        self._number += 1
        entry = _Open(self._number, message_of, accepted, refused)
        entries = self._open.setdefault(key, [])
        entries.append(entry)
        self._key_of[entry.ticket] = key
        if len(entries) > MOST_OPEN:  # replaced in the queue
            self._forget(entries.pop(-2))
        sent = self.send(message_of(entry.ticket))
        if sent is None:
            self.accepted(entry.ticket)
        elif not sent:
            self.refused(entry.ticket, "the engine is busy; too many messages wait")
        elif isinstance(sent, ToEngine):
            self._replaces(entry, entries, getattr(sent, "ticket", 0))

    def is_open(self, key: Hashable) -> bool:
        """Whether a change of this key waits for its answer."""
        return key in self._open

    def any_open(self, prefix: tuple[Hashable, ...]) -> bool:
        """Whether a change whose key begins with ``prefix`` waits for its answer."""
        return bool(self._of(prefix))

    def newest(self, key: Hashable) -> int:
        """The ticket of the last open change of a key; 0 without."""
        return self._open[key][-1].ticket if key in self._open else 0

    def when_settled(self, key: Hashable, act: Callable[[], None]) -> None:
        """Call ``act`` once no change of this key is open; at once if none is.

        ProtocolError ("limit") where MOST_WAITING wait already.
        """
        if key in self._open:
            self._wait(key, act)
        else:
            act()

    def when_all_settled(self, prefix: tuple[Hashable, ...], act: Callable[[], None]) -> None:
        """Call ``act`` once no change whose key begins with ``prefix`` is open."""
        newest = max(self._of(prefix), key=self.newest, default=None)
        if newest is None:
            act()
        else:
            self._wait(newest, lambda: self.when_all_settled(prefix, act))

    def _wait(self, key: Hashable, act: Callable[[], None]) -> None:
        if self._waiting >= MOST_WAITING:
            raise ProtocolError("limit", f"the engine is busy; {MOST_WAITING} questions wait for their answer already")
        self._waiting += 1
        self._settled.setdefault(key, []).append(act)

    def accepted(self, ticket: int) -> None:
        """The engine accepted a change."""
        if (closed := self._close(ticket)) is not None:
            key, entry = closed
            entry.accepted()
            self._settle(key)

    def refused(self, ticket: int, text: str) -> None:
        """The engine refused a change."""
        if (closed := self._close(ticket)) is not None:
            key, entry = closed
            entry.refused(text)
            self._try_replaced(key, entry)
            self._settle(key)

    def send_again(self) -> None:
        """Send the newest open change of each key to a new engine; the older ones are over."""
        newest = [entries[-1] for entries in self._open.values()]
        for entries in self._open.values():
            for entry in entries[:-1]:
                self._forget(entry)
            del entries[:-1]
        for entry in sorted(newest, key=lambda entry: entry.ticket):
            self.send(entry.message_of(entry.ticket))

    def refuse_all(self, noun: str, text: str) -> None:
        """Refuse every open change whose key begins with ``noun``."""
        for key in self._of((noun,)):
            self.refused(self.newest(key), text)

    def drop(self, key: Hashable) -> None:
        """Drop the open changes of a key without an answer."""
        for entry in self._open.pop(key, []):
            self._forget(entry)

    def _of(self, prefix: tuple[Hashable, ...]) -> list[Hashable]:
        return [key for key in self._open if isinstance(key, tuple) and key[: len(prefix)] == prefix]

    def _close(self, ticket: int) -> tuple[Hashable, _Open] | None:
        key = self._key_of.get(ticket)
        if key is None:
            return None
        entries = self._open[key]
        replaced = list[_Open]()
        while (entry := entries.pop(0)).ticket != ticket:
            replaced += [*entry.replaced, entry]
            self._forget(entry)
        self._forget(entry)
        entry.replaced = [*entry.replaced, *replaced][-MOST_REPLACED:]
        if not entries:
            del self._open[key]
        return key, entry

    def _replaces(self, entry: _Open, entries: list[_Open], ticket: int) -> None:
        """What waited with ``ticket`` gets no answer of its own: it is kept only for the case that this is refused."""
        for place, one in enumerate(entries):
            if one.ticket == ticket and one is not entry:
                del entries[place]
                entry.replaced = [*one.replaced, one][-MOST_REPLACED:]
                one.replaced = []
                self._forget(one)
                return

    def _try_replaced(self, key: Hashable, refused: _Open) -> None:
        """Send what the refused change replaced in the queue: the last of it holds, if the engine takes it."""
        if not refused.replaced:
            return
        if key in self._open:  # a later change decides
            later = self._open[key][0]
            later.replaced = [*refused.replaced, *later.replaced][-MOST_REPLACED:]
            return
        *earlier, last = refused.replaced
        last.replaced = earlier
        self._open[key] = [last]
        self._key_of[last.ticket] = key
        self.send(last.message_of(last.ticket))

    def _settle(self, key: Hashable) -> None:
        if key not in self._open:  # what was done last may have asked for another change
            acts = self._settled.pop(key, [])
            self._waiting -= len(acts)
            for act in acts:
                act()

    def _forget(self, entry: _Open) -> None:
        self._key_of.pop(entry.ticket, None)
