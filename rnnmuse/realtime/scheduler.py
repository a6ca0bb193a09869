"""The scheduler: actions on ticks, done on time by a thread, recalled while they have not sounded."""

from __future__ import annotations

import contextlib
import heapq
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rnnmuse.clock import Clock, Nanoseconds

log = logging.getLogger("rnnmuse.stage")

TOO_LATE = 100_000_000
"""Late policy: a note-on that is 100 ms later than its own time is dropped and counted; a note-off is always sent."""


@dataclass(slots=True, eq=False)
class Planned:
    """An action at a tick. ``owner`` is the player it came from; ``sure`` ones (note-offs) are not recalled, unless
    the note-on they come ``after`` is."""

    tick: int
    action: Callable[[], None]
    owner: int = 0
    sure: bool = False
    after: Planned | None = None
    recalled: bool = False


BIN: Nanoseconds = 10_000


@dataclass(slots=True)
class Lateness:
    """How late actions were done: a histogram in steps of 10 microseconds up to 100 ms, in bounded memory."""

    count: int = 0
    dropped: int = 0
    worst: Nanoseconds = 0
    _bins: list[int] = field(default_factory=lambda: [0] * (TOO_LATE // BIN + 1))

    def add(self, late: Nanoseconds) -> None:
        self.count += 1
        self.worst = max(self.worst, late)
        self._bins[min(late, TOO_LATE) // BIN] += 1

    def quantile(self, share: float) -> Nanoseconds:
        """The lateness that this share (0-1) did not exceed, to 10 microseconds."""
        wanted, seen = share * self.count, 0
        for at, number in enumerate(self._bins):
            seen += number
            if seen >= wanted and seen:
                return min((at + 1) * BIN, self.worst)
        return 0


class Scheduler:
    """A heap of planned actions over a clock. Thread-safe; done ``ahead`` ns before their time, for slow outputs.

    Actions are begun ``early`` ns before they are due, and ``each`` ns more for every one at the same tick, to make
    ready what is then sent on time.

    At one tick note-offs come before note-ons, and actions of equal rank in the order they were planned. Schedulers
    that share a thread share its condition ``changed`` and may share their ``lateness``.
    """

    def __init__(
        self,
        clock: Clock,
        changed: threading.Condition | None = None,
        ahead: Nanoseconds = 0,
        lateness: Lateness | None = None,
        early: Nanoseconds = 0,
        each: Nanoseconds = 0,
    ) -> None:
        self.clock = clock
        self.changed = changed or threading.Condition(threading.RLock())
        self.lateness = lateness or Lateness()
        self.ahead = ahead
        self.early, self.each = early, each
        self._heap: list[tuple[int, int, int, Planned]] = []  # by tick, note-offs first, then as planned
        self._number = 0

    def plan(
        self, tick: int, action: Callable[[], None], owner: int = 0, sure: bool = False, after: Planned | None = None
    ) -> Planned:
        """Do ``action`` at ``tick``; at once if that is over."""
        with self.changed:
            self._number += 1
            planned = Planned(tick, action, owner, sure, after)
            heapq.heappush(self._heap, (tick, 0 if sure else 1, self._number, planned))
            if self._heap[0][3] is planned:
                self.changed.notify()
            return planned

    def recall(self, owner: int | None = None, after: int = -1) -> int:
        """Take back what is planned after a tick and not sure, of one owner or of all; returns how many."""
        with self.changed:
            taken = 0
            for *_, planned in self._heap:
                if not planned.sure and planned.tick > after and (owner is None or planned.owner == owner):
                    planned.recalled = True
                    taken += 1
            if taken:  # the end of a note that never began would cut the one played in its place
                self._heap = [e for e in self._heap if not (e[3].recalled or (e[3].after and e[3].after.recalled))]
                heapq.heapify(self._heap)
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
        with self.changed:
            tick, early = -1, 0
            while self._heap and self.clock.running:
                first = self._heap[0][3]
                due = self.clock.time_at(self.clock.swung(first.tick)) - self.ahead
                if first.tick != tick:
                    tick, early = first.tick, self.early + self.each * self._together()
                if due - early > now:
                    return due - early
                heapq.heappop(self._heap)
                # what is sent ahead may still be in time
                if now - due > TOO_LATE + max(0, self.ahead) and not first.sure:
                    self.lateness.dropped += 1
                    continue
                first.action()
            return None

    def _together(self) -> int:
        """How many actions are planned for the first tick: they are the top of the heap."""
        count, places = 0, [0]
        while places:
            place = places.pop()
            if place < len(self._heap) and self._heap[place][0] == self._heap[0][0]:
                count += 1
                places += (2 * place + 1, 2 * place + 2)
        return count


def realtime_priority(level: int = 10) -> bool:
    """Ask for SCHED_FIFO for the calling thread; False, and a word in the log, where it is refused."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(level))
    except (AttributeError, OSError) as error:
        log.info("no realtime priority: %s", error)
        return False
    return True


@contextlib.contextmanager
def ordinary_priority() -> Iterator[None]:
    """While it lasts the calling thread is like any other program's; threads and processes inherit what they find."""
    held = None
    with contextlib.suppress(AttributeError, OSError):
        held = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    try:
        yield
    finally:
        if held is not None:
            with contextlib.suppress(OSError):
                os.sched_setscheduler(0, *held)
