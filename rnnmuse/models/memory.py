"""The memory of the stream model as it is played: an append-only store of slots that states share.

A state knows how many slots it may read. To go back to an earlier state costs nothing; the first slot that is added
from there begins a store of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
BACK = 1024
"""Events by which a state may lie behind the newest one and still read a full memory."""
FIRST, MORE = 64, 512
"""Slots that a memory has room for at first, and beyond those that it keeps before they are moved."""
SPARE = 16
"""Columns of the keys that stay empty: rows of a power of two would share the lines of the cache."""


class Slots(NamedTuple):
    """What a state reads, N slots, oldest first.

    ``keys`` (R x K, N) with a column a slot, ``values`` (N, V), ``fields`` (6, N): beats, sub, kind, part, pitch and
    interval of what came next; ``times`` (N + 1,) are grid positions: slot i is of the event at ``times[i]``, what came
    next is at ``times[i + 1]``.
    """

    keys: Floats
    values: Floats
    fields: NDArray[np.uint8]
    times: NDArray[np.int64]


class Memory:
    """Slots for up to ``size`` events back, with keys of ``key`` and values of ``value`` numbers.

    What a state reads lies in one piece. The arrays grow with what is played, so that a player that has played little
    takes little; full, they are moved every MORE events.
    """

    __slots__ = ("_fields", "_first", "_keys", "_times", "_values", "count", "pointers", "size")

    def __init__(self, size: int, key: int, value: int, room: int = FIRST) -> None:
        self.size, self.count, self._first = size, 0, 0
        self._keys = np.zeros((key, room + SPARE), np.float32)
        self._values = np.zeros((room, value), np.float32)
        self._fields = np.zeros((6, room), np.uint8)
        self._times = np.zeros(room + 1, np.int64)
        self.pointers: Any = None  # to `arrays`, for `rnnmuse.models.kernel`; None again where they are others

    @property
    def arrays(self) -> Slots:
        """The whole arrays, of which `span` says what a state reads."""
        return Slots(self._keys, self._values, self._fields, self._times)

    def span(self, count: int) -> tuple[int, int]:
        """The first of the slots of a state that has ``count`` of them, and the end; those that were given up are
        missing.
        """
        end = max(0, count - self._first)
        return max(0, end - self.size), end

    def slots(self, count: int) -> Slots:
        """The slots of a state that has ``count`` of them; those that were given up are missing."""
        start, end = self.span(count)
        return Slots(
            self._keys[:, start:end], self._values[start:end], self._fields[:, start:end], self._times[start : end + 1]
        )

    def added(self, count: int, key: Floats, value: Floats, fields: Sequence[int], before: int, after: int) -> Memory:
        """The memory that holds one slot more than the first ``count``: this one, or a copy where it has others
        there.
        """
        memory, row = self.room(count)
        memory._keys[:, row] = key
        memory._values[row] = value
        memory._fields[:, row] = fields
        memory._times[row] = before
        memory._times[row + 1] = after
        memory.count += 1
        return memory

    def room(self, count: int) -> tuple[Memory, int]:
        """The memory that `added` gives for the first ``count`` slots, and the row of its arrays for one more."""
        memory = self if count == self.count else self._forked(count)
        row = memory.count - memory._first
        if row == len(memory._values):
            row = memory._grown() if row < memory.size + BACK + MORE else memory._moved()
        return memory, row

    def _forked(self, count: int) -> Memory:
        new = Memory.of(self.slots(count), self.size)
        new._first, new.count = count - new.count, count
        return new

    def _grown(self) -> int:
        """Make room at the end for as many again, or all; returns the first free row."""
        held = len(self._values)
        self._copied(0, min(2 * held, self.size + BACK + MORE))
        return held

    def _moved(self) -> int:
        """Give the oldest up for room at the end; returns the first free row."""
        self._copied(MORE, len(self._values))
        self._first += MORE
        return self.size + BACK

    def _copied(self, first: int, room: int) -> None:
        """Arrays for ``room`` slots that begin with slot ``first`` of these; who reads those, keeps them."""
        end = len(self._values)
        held = end - first
        new = Memory(self.size, len(self._keys), self._values.shape[1], room)
        new._keys[:, :held], new._values[:held] = self._keys[:, first:end], self._values[first:]
        new._fields[:, :held], new._times[: held + 1] = self._fields[:, first:], self._times[first:]
        self._keys, self._values, self._fields, self._times = new._keys, new._values, new._fields, new._times
        self.pointers = None

    @classmethod
    def of(cls, held: Slots, size: int) -> Memory:
        """A memory of ``size`` that holds these slots."""
        kept = len(held.values)
        room = max(FIRST, min(size + BACK + MORE, kept + FIRST))
        new = cls(size, len(held.keys), held.values.shape[1], room)
        new._keys[:, :kept], new._values[:kept], new._fields[:, :kept] = held.keys, held.values, held.fields
        new._times[: kept + 1] = held.times
        new.count = kept
        return new
