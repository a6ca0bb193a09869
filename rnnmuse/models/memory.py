"""The memory of the stream model as it is played: an append-only store of slots that states share.

A state knows how many slots it may read. To go back to an earlier state costs nothing; the first slot that is added
from there begins a store of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
BACK = 1024
"""Events by which a state may lie behind the newest one and still read a full memory."""


@dataclass(frozen=True, slots=True)
class Slots:
    """What a state reads, N slots, oldest first.

    ``keys`` (R, N, K), ``values`` (N, V), ``fields`` (6, N): beats, sub, kind, part, pitch and interval of what came
    next; ``before`` and ``after`` (N,) the grid positions of the event and of what came next.
    """

    keys: Floats
    values: Floats
    fields: NDArray[np.intp]
    before: NDArray[np.int64]
    after: NDArray[np.int64]


class Memory:
    """Slots for up to ``size`` events back, for ``readers`` heads with keys of ``key`` and values of ``value``
    numbers.
    """

    __slots__ = ("_after", "_before", "_fields", "_first", "_keys", "_values", "count", "size")

    def __init__(self, size: int, readers: int, key: int, value: int) -> None:
        room = 2 * (size + BACK)
        self.size, self.count, self._first = size, 0, 0
        self._keys = np.zeros((readers, room, key), np.float32)
        self._values = np.zeros((room, value), np.float32)
        self._fields = np.zeros((6, room), np.intp)
        self._before, self._after = np.zeros(room, np.int64), np.zeros(room, np.int64)

    def slots(self, count: int) -> Slots:
        """The slots of a state that has ``count`` of them; those that were given up are missing."""
        end = count - self._first
        span = slice(max(0, end - self.size), max(0, end))
        return Slots(
            self._keys[:, span], self._values[span], self._fields[:, span], self._before[span], self._after[span]
        )

    def added(self, count: int, key: Floats, value: Floats, fields: tuple[int, ...], before: int, after: int) -> Memory:
        """The memory that holds one slot more than the first ``count``: this one, or a copy where it has others
        there.
        """
        memory = self if count == self.count else self._forked(count)
        row = memory.count - memory._first
        if row == len(memory._values):
            row = memory._moved()
        memory._keys[:, row] = key
        memory._values[row] = value
        memory._fields[:, row] = fields
        memory._before[row], memory._after[row] = before, after
        memory.count += 1
        return memory

    def _forked(self, count: int) -> Memory:
        readers, _, key = self._keys.shape
        new = Memory(self.size, readers, key, self._values.shape[1])
        held = self.slots(count)
        kept = len(held.values)
        new.count, new._first = count, count - kept
        new._fill(held)
        return new

    def _moved(self) -> int:
        """Make room at the end; returns the first free row."""
        kept = self.size + BACK
        first = len(self._values) - kept
        for array in (self._values, self._before, self._after):
            array[:kept] = array[first:]
        self._keys[:, :kept] = self._keys[:, first:]
        self._fields[:, :kept] = self._fields[:, first:]
        self._first += first
        return kept

    def _fill(self, held: Slots) -> None:
        kept = len(held.values)
        self._keys[:, :kept], self._values[:kept], self._fields[:, :kept] = held.keys, held.values, held.fields
        self._before[:kept], self._after[:kept] = held.before, held.after

    @classmethod
    def of(cls, held: Slots, size: int) -> Memory:
        """A memory of ``size`` that holds these slots."""
        readers, kept, key = held.keys.shape
        new = cls(size, readers, key, held.values.shape[1])
        new._fill(held)
        new.count = kept
        return new
