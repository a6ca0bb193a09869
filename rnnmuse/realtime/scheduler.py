"""The scheduler: actions on ticks, done on time by a thread, recalled while they have not sounded."""

from __future__ import annotations

import heapq
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from rnnmuse.realtime.clock import Clock, Nanoseconds

log = logging.getLogger("rnnmuse.stage")

TOO_LATE = 100_000_000
"""Late policy: a note-on later than 100 ms is dropped and counted; a note-off is always sent."""


@dataclass(slots=True, order=True)
class Planned:
    """An action at a tick. ``owner`` is the player it came from; ``sure`` ones (note-offs) are never recalled."""

    tick: int
    rank: int
    number: int
    action: Callable[[], None] = field(compare=False)
    owner: int = field(default=0, compare=False)
    sure: bool = field(default=False, compare=False)


@dataclass(slots=True)
class Lateness:
    """How late actions were done, in nanoseconds."""

    count: int = 0
    dropped: int = 0
    worst: int = 0
    recent: list[int] = field(default_factory=list)

    def add(self, late: int) -> None:
        self.count += 1
        self.worst = max(self.worst, late)
        self.recent.append(late)
        if len(self.recent) > 20_000:
            del self.recent[:10_000]


class Scheduler:
    """A heap of planned actions over a clock. Thread-safe; ``ahead`` ns earlier are sent to make up for an output.

    At one tick note-offs come before note-ons, and actions of equal rank in the order they were planned.
    """

    def __init__(self, clock: Clock, lock: threading.RLock | None = None) -> None:
        self.clock = clock
        self.lock = lock or threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.lateness = Lateness()
        self.ahead: Nanoseconds = 0
        self._heap: list[Planned] = []
        self._number = 0

    def plan(self, tick: int, action: Callable[[], None], owner: int = 0, sure: bool = False) -> None:
        """Do ``action`` at ``tick``; at once if that is over."""
        with self.changed:
            self._number += 1
            planned = Planned(tick, 0 if sure else 1, self._number, action, owner, sure)
            heapq.heappush(self._heap, planned)
            if self._heap[0] is planned:
                self.changed.notify()

    def recall(self, owner: int | None = None, after: int = -1) -> int:
        """Take back what is planned after a tick and not sure, of one owner or of all; returns how many."""
        with self.changed:
            kept = [p for p in self._heap if p.sure or p.tick <= after or (owner is not None and p.owner != owner)]
            taken = len(self._heap) - len(kept)
            if taken:
                heapq.heapify(kept)
                self._heap = kept
                self.changed.notify()
            return taken

    def clear(self) -> None:
        """Forget everything, note-offs too; for when the ledger ends every note itself."""
        with self.changed:
            self._heap.clear()

    def __len__(self) -> int:
        return len(self._heap)

    def run_due(self, now: Nanoseconds) -> Nanoseconds | None:
        """Do what is due at ``now``; returns when the next is due, None if nothing waits or the clock stands."""
        with self.lock:
            while self._heap and self.clock.running:
                first = self._heap[0]
                due = self.clock.time_at(self.clock.swung(first.tick)) - self.ahead
                if due > now:
                    return due
                heapq.heappop(self._heap)
                late = now - due
                if late > TOO_LATE and not first.sure:
                    self.lateness.dropped += 1
                    continue
                self.lateness.add(late)
                first.action()
            return None


def realtime_priority() -> bool:
    """Ask for SCHED_FIFO for the calling thread; False, and a word in the log, where it is refused."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except (AttributeError, OSError) as error:
        log.info("no realtime priority: %s", error)
        return False
    return True
