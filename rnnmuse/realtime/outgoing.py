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
    def era(self) -> Hashable: ...

    @property
    def share(self) -> Hashable | None: ...

    @property
    def session(self) -> int: ...


T = TypeVar("T", bound=Message)


SHARE = 32
"""Droppable messages of one share, such as the notes that one player hears, that may wait."""


class _Queue(Generic[T]):
    """What waits of one session."""

    __slots__ = ("by_key", "shares", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[list[T]] = deque()
        self.by_key: dict[Hashable, list[T]] = {}
        self.shares: Counter[Hashable] = Counter()


class Outgoing(Generic[T]):
    """Messages in order, for one reader; those of several sessions in turn.

    A message with a `key` replaces the one of the same key that waits: in its place, or at the end if it
    ``moves_back`` or is of another `era`. When ``limit`` messages of its session wait, a droppable message is refused;
    others (values, note-offs, stop) are always taken. The number of keys is limited and so is the number of notes that
    sound, so the queue is bounded too.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._queues: dict[int, _Queue[T]] = {}
        self._turns: deque[_Queue[T]] = deque()
        self._changed = threading.Condition()
        self._credit = 0
        self._closed = False

    def __len__(self) -> int:
        return sum(len(queue.waiting) for queue in self._queues.values())

    def put(self, message: T) -> bool | T:
        """Queue a message; False if a full queue refused it, else the message that it replaced, or True."""
        with self._changed:
            queue = self._queues.get(message.session)
            if queue is None:
                queue = self._queues[message.session] = _Queue()
            key = message.key
            replaced: bool | T = True
            if key is not None and (cell := queue.by_key.get(key)) is not None:
                replaced = cell[0]
                if not message.moves_back and message.era == replaced.era:
                    cell[0] = message
                    return replaced
                queue.waiting.remove(cell)
            if message.droppable:
                share = message.share
                if len(queue.waiting) >= self.limit or (share is not None and queue.shares[share] >= SHARE):
                    return False
                if share is not None:
                    queue.shares[share] += 1
            cell = [message]
            if not queue.waiting and queue not in self._turns:
                self._turns.append(queue)
            queue.waiting.append(cell)
            if key is not None:
                queue.by_key[key] = cell
            if self._credit > 0:
                self._changed.notify()
            return replaced

    def get(self, wait: bool = True) -> T | None:
        """Wait for a message and the credit to send it; None once the queue is closed, or without ``wait`` if there is
        none."""
        with self._changed:
            while wait and not self._closed and (not self._turns or self._credit <= 0):
                self._changed.wait()
            if self._closed or not self._turns or self._credit <= 0:
                return None
            self._credit -= 1
            queue = self._turns.popleft()
            (message,) = cell = queue.waiting.popleft()
            if queue.waiting:
                self._turns.append(queue)
            key, share = message.key, message.share
            if key is not None and queue.by_key.get(key) is cell:
                del queue.by_key[key]
            if message.droppable and share is not None:
                queue.shares[share] -= 1
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
            left = [cell[0] for queue in self._queues.values() for cell in queue.waiting]
            self._queues.clear()
            self._turns.clear()
            self._changed.notify_all()
            return left
