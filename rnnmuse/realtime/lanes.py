"""Planned notes: a heap by tick for each look-ahead, done on time or recalled before they sound."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from rnnmuse.clock import Clock, Nanoseconds

TOO_LATE: Nanoseconds = 100_000_000
"""Late policy: a note-on that is 100 ms later than its own time is dropped and counted; a note-off is always sent."""

BIN: Nanoseconds = 10_000


@dataclass(slots=True, eq=False)
class Planned:
    """The begin or end of a note at a tick. ``owner`` is the player. An end (``ends``) is not recalled, unless the
    begin that it comes ``after`` is."""

    tick: int
    """Ticks of the clock."""
    act: Callable[[], None]
    """Begins or ends the note."""
    owner: int = 0
    ends: bool = False
    after: Planned | None = None
    recalled: bool = False
    """Whether it is passed over when it is due."""


@dataclass(slots=True)
class Lateness:
    """A histogram of how late notes were sent: steps of 10 microseconds up to 100 ms, in bounded memory."""

    count: int = 0
    """Notes that were counted."""
    dropped: int = 0
    """Notes that were too late to be sent."""
    worst: Nanoseconds = 0
    """Nanoseconds."""
    _bins: list[int] = field(default_factory=lambda: [0] * (TOO_LATE // BIN + 1))
    """Notes by lateness, BIN nanoseconds each; the last one for all that were later."""

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


class Lane:
    """The planned notes of all outputs with one look-ahead: they are done ``ahead`` ns before their time.

    Work on a note begins ``early`` ns before it is due, and ``each`` ns more for every note at the same tick, so that
    the outbox can send it on time. At one tick ends come before begins, and equals in the order in which they were
    planned. The caller holds the stage's lock.
    """

    def __init__(
        self, clock: Clock, ahead: Nanoseconds, lateness: Lateness, early: Nanoseconds = 0, each: Nanoseconds = 0
    ) -> None:
        self.clock, self.ahead, self.lateness = clock, ahead, lateness
        self.early, self.each = early, each
        self._heap: list[tuple[int, int, int, Planned]] = []  # by tick, ends first, then as planned
        self._number = 0

    def __len__(self) -> int:
        return len(self._heap)

    def plan(
        self, tick: int, act: Callable[[], None], owner: int = 0, ends: bool = False, after: Planned | None = None
    ) -> Planned:
        """Do ``act`` at ``tick``, or at once if the tick is over."""
        self._number += 1
        planned = Planned(tick, act, owner, ends, after)
        heapq.heappush(self._heap, (tick, 0 if ends else 1, self._number, planned))
        return planned

    def recall(self, owner: int | None = None, after: int = -1) -> int:
        """Take back what is planned after a tick, of one owner or of all, and does not end a note that sounds.

        Returns the number of begins that were taken back; their ends go with them.
        """
        taken = 0
        for *_, planned in self._heap:
            if not planned.ends and planned.tick > after and (owner is None or planned.owner == owner):
                planned.recalled = True
                taken += 1
        if taken:  # the end of a note that never began would cut the one played in its place
            self._heap = [e for e in self._heap if not (e[3].recalled or (e[3].after and e[3].after.recalled))]
            heapq.heapify(self._heap)
        return taken

    def clear(self) -> None:
        """Forget everything, ends too; for a caller that ends every note by the ledger."""
        self._heap.clear()

    def run_due(self, now: Nanoseconds) -> Nanoseconds | None:
        """Do what is due at ``now``. Returns when the next is due; None if there is none, or the clock stands."""
        tick, early = -1, 0
        while self._heap and self.clock.cued:  # it stands: what lies before its place is over
            if self._heap[0][0] >= self.clock.tick_at(now):
                return None
            first = heapq.heappop(self._heap)[3]
            if first.after is None or not first.after.recalled:
                first.act()
        while self._heap and self.clock.running:
            first = self._heap[0][3]
            due = self.clock.time_at(self.clock.swung(first.tick)) - self.ahead
            if first.tick != tick:
                tick, early = first.tick, self.early + self.each * self._together()
            if due - early > now:
                return due - early
            heapq.heappop(self._heap)
            # what is sent ahead may still be in time
            if now - due > TOO_LATE + max(0, self.ahead) and not first.ends:
                self.lateness.dropped += 1
                first.recalled = True  # its end would cut a note of the same pitch
                continue
            if first.after is None or not first.after.recalled:
                first.act()
        return None

    def _together(self) -> int:
        """The number of notes planned for the first tick: they are the top of the heap."""
        count, places = 0, [0]
        while places:
            place = places.pop()
            if place < len(self._heap) and self._heap[place][0] == self._heap[0][0]:
                count += 1
                places += (2 * place + 1, 2 * place + 2)
        return count
