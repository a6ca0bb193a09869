"""The queue to another process: bounded, never blocks the sender, keeps what must not be lost."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

LIMIT = 2048
"""Messages that may wait; values count once, however often they change."""


class Message(Protocol):
    """What can be queued; see `rnnmuse.session.messages.ToEngine`."""

    @property
    def key(self) -> Hashable | None: ...

    @property
    def droppable(self) -> bool: ...

    @property
    def moves_back(self) -> bool: ...

    @property
    def share(self) -> Hashable | None: ...


T = TypeVar("T", bound=Message)


SHARE = 32
"""Droppable messages of one share, such as the notes that one player hears, that may wait."""


class Outgoing(Generic[T]):
    """Messages in order, for one reader.

    A message with a `key` replaces the one of the same key that waits: in its place, or at the end if it
    ``moves_back``. When ``limit`` messages wait, a droppable message is refused; others (values, note-offs, stop) are
    always taken. The number of keys is limited and so is the number of notes that sound, so the queue is bounded too.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._waiting: deque[list[T]] = deque()
        self._by_key: dict[Hashable, list[T]] = {}
        self._shares: Counter[Hashable] = Counter()
        self._changed = threading.Condition()
        self._credit = 0
        self._closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: T) -> bool:
        """Queue a message; False if it was refused because the queue is full."""
        with self._changed:
            key = message.key
            if key is not None and (cell := self._by_key.get(key)) is not None:
                if not message.moves_back:
                    cell[0] = message
                    return True
                self._waiting.remove(cell)
            if message.droppable:
                share = message.share
                if len(self._waiting) >= self.limit or (share is not None and self._shares[share] >= SHARE):
                    return False
                if share is not None:
                    self._shares[share] += 1
            cell = [message]
            self._waiting.append(cell)
            if key is not None:
                self._by_key[key] = cell
            if self._credit > 0:
                self._changed.notify()
            return True

    def get(self, wait: bool = True) -> T | None:
        """Wait for a message and the credit to send it; None once the queue is closed, or without ``wait`` if there is
        none."""
        with self._changed:
            while wait and not self._closed and (not self._waiting or self._credit <= 0):
                self._changed.wait()
            if self._closed or not self._waiting or self._credit <= 0:
                return None
            self._credit -= 1
            (message,) = cell = self._waiting.popleft()
            key, share = message.key, message.share
            if key is not None and self._by_key.get(key) is cell:
                del self._by_key[key]
            if message.droppable and share is not None:
                self._shares[share] -= 1
            return message

    def grant(self, count: int) -> None:
        """Allow ``count`` more messages to be sent."""
        with self._changed:
            self._credit += count
            self._changed.notify()

    def close(self) -> list[T]:
        """Let `get` return None; returns what still waited."""
        with self._changed:
            self._closed = True
            left = [cell[0] for cell in self._waiting]
            self._waiting.clear()
            self._by_key.clear()
            self._shares.clear()
            self._changed.notify_all()
            return left
