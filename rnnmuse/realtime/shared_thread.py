"""One thread for the schedulers of several sessions: it prepares what is due soon and sends everything at its time.

A thread for each would have them wait for one another's hold on Python just when their notes are due. A scheduler's
lock is held from when its chord is prepared until it is sent, as its own thread would hold it; nothing else waits for
it, and where somebody else holds a lock, the others' notes are sent meanwhile.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from rnnmuse.clock import Nanoseconds
from rnnmuse.realtime.outbox import Chord
from rnnmuse.realtime.priority import realtime_priority
from rnnmuse.realtime.scheduler import Scheduler

log = logging.getLogger("rnnmuse.stage")

LEAD: Nanoseconds = 350_000
"""So long before its time a chord is turned to, awake from then on, while other threads give way: waking up takes a
while, and so does having Python from a thread that works."""

AFTER, MOST_WAITS = 0.00006, 8
"""Seconds after a chord's time at which others work on, and for how many chords at once they wait at most."""

AGAIN: Nanoseconds = 50_000
"""After so long a lock that was held is tried again, at the latest."""

NEVER: Nanoseconds = 1 << 62


def awake(now: Callable[[], Nanoseconds]) -> Callable[[Nanoseconds], None]:
    """Waits until a time of ``now``, the last bit of it awake: whoever sleeps has to have Python back first."""

    def wait(until: Nanoseconds) -> None:
        while (left := until - now()) > 0:
            if left > LEAD:
                time.sleep((left - LEAD) / 1e9)

    return wait


class SharedThread:
    """Does what is due of all ``schedulers``; ``now`` reads their clock in ns."""

    def __init__(self, schedulers: Sequence[Scheduler], now: Callable[[], Nanoseconds]) -> None:
        self._schedulers, self._now = schedulers, now
        self._changed = threading.Condition()
        self._roused: set[int] = set(range(len(schedulers)))
        self._closed = False
        self._wanted: list[Nanoseconds] = [NEVER] * len(schedulers)  # of those whose lock is held by this thread, NEVER
        self._left: dict[int, int] = {}  # chords that are prepared and not sent; this thread has the lock
        self._next: dict[int, Nanoseconds] = {}  # of those: when something else is due
        self._chords: list[tuple[Nanoseconds, int, int, Chord]] = []
        self._count = 0
        self._resting: deque[int] = deque()  # those whose chords have left something for later
        self._due: Nanoseconds = NEVER  # of the chord that is sent next
        for number, scheduler in enumerate(schedulers):
            scheduler.rouse = partial(self._rouse, number)
            scheduler.give_way = self.give_way

    def start(self) -> None:
        """Run in a thread until `close`."""
        threading.Thread(target=self._run, name="scheduler", daemon=True).start()

    def close(self) -> None:
        """Let the thread end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def turn(self) -> Nanoseconds | None:
        """Do the next thing; returns when there will be another where there is none now, NEVER for not before `rouse`.

        Called by one thread only.
        """
        with self._changed:
            roused, self._roused = self._roused, set()
        for number in roused:
            if number in self._left:
                self._next[number] = 0
            else:
                self._wanted[number] = 0
        now = self._now()
        if self._chords and self._chords[0][0] - LEAD <= now:
            self._send()
            return None
        first = min(self._wanted)
        after = self._chords[0][0] - LEAD if self._chords else NEVER
        if first <= now:
            self._prepare(self._wanted.index(first), now, after)
            return None
        if self._resting:
            self._send_rest(min(first, after))
            return None
        return min(first, after)

    def give_way(self) -> None:
        """Leave Python to this thread while it is about to send: whoever works then makes a note late."""
        for _ in range(MOST_WAITS):
            left = self._due - self._now()
            if left > LEAD:
                return
            time.sleep(max(0, left) / 1e9 + AFTER)

    def _rouse(self, number: int) -> None:
        with self._changed:
            if number not in self._roused:
                self._roused.add(number)
                self._changed.notify()

    def _prepare(self, number: int, now: Nanoseconds, before: Nanoseconds) -> None:
        """Let a scheduler do what is due; what it sends waits with the others'."""
        scheduler = self._schedulers[number]
        patience = min(AGAIN, before - now)
        if not scheduler.lock.acquire(timeout=patience / 1e9):
            self._wanted[number] = self._now() + AGAIN
            return
        try:
            self._next[number] = scheduler.gather() or NEVER
        except Exception:  # whatever it is, the other sessions play on
            log.exception("session %d", number + 1)
            self._next[number] = now + 1_000_000
        chords = scheduler.outbox.chords()
        self._wanted[number], self._left[number] = NEVER, len(chords)
        for due, chord in chords:
            self._count += 1
            heapq.heappush(self._chords, (due, self._count, number, chord))
        self._due = self._chords[0][0] if self._chords else NEVER
        if not chords:
            self._release(number)

    def _send(self) -> None:
        due, _, number, chord = heapq.heappop(self._chords)
        try:
            self._schedulers[number].outbox.send(due, chord)
        except Exception:  # as above
            log.exception("session %d", number + 1)
        self._due = self._chords[0][0] if self._chords else NEVER
        if number not in self._resting:
            self._resting.append(number)
        self._left[number] -= 1
        if not self._left[number]:
            self._release(number)

    def _send_rest(self, due: Nanoseconds) -> None:
        """Send a bit of what a session's chords have left for later; the sessions take turns."""
        number = self._resting.popleft()
        self._schedulers[number].send_rest(due)
        if self._schedulers[number].outbox.rest:
            self._resting.append(number)

    def _release(self, number: int) -> None:
        scheduler = self._schedulers[number]
        del self._left[number]
        due = min(self._next.pop(number), scheduler.commands.next_due() or NEVER)
        self._wanted[number] = due
        scheduler.wanted = None if due == NEVER else due
        scheduler.lock.release()

    def _run(self) -> None:
        realtime_priority()
        while not self._closed:
            until = self.turn()
            if until is not None:
                with self._changed:
                    if not self._roused and not self._closed:
                        self._changed.wait(None if until == NEVER else max(0, until - self._now()) / 1e9)
        for number in list(self._left):
            self._schedulers[number].lock.release()
