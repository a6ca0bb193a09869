"""The scheduler: one thread that does what is due, of notes, commands and pulses."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rnnmuse.clock import Clock, Nanoseconds
from rnnmuse.realtime.commands import Act, Commands
from rnnmuse.realtime.lanes import Lane, Lateness
from rnnmuse.realtime.outbox import Outbox
from rnnmuse.realtime.priority import realtime_priority
from rnnmuse.realtime.pulses import Pulse

log = logging.getLogger("rnnmuse.stage")

READY: tuple[Nanoseconds, Nanoseconds] = (1_000_000, 60_000)
"""How long before their time notes are prepared: so much for all, and so much for each note at one tick."""

GIVE_WAY = 0.0001

BIT: Nanoseconds = 1_000_000
"""So long what chords have left for later is sent before the scheduler looks again at what is due."""


class Scheduler:
    """Does what is planned over one clock. All its parts are guarded by ``lock``; ``changed`` wakes the thread.

    ``lanes`` holds the notes by look-ahead, ``commands`` what waits for a line or a time, ``pulses`` what the clock
    itself brings. ``failed`` is called with the error of an act that raised; the music goes on.
    """

    def __init__(
        self, clock: Clock, now: Callable[[], Nanoseconds], outbox: Outbox, failed: Callable[[Exception], None]
    ) -> None:
        self.clock, self.now, self.outbox, self._failed = clock, now, outbox, failed
        self.lateness: Lateness = outbox.lateness
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.lanes: dict[Nanoseconds, Lane] = {}
        self.commands = Commands(clock)
        self.pulses: list[Pulse] = []
        self.rouse: Callable[[], None] = self.changed.notify
        """Wakes the thread; the caller holds the lock."""
        self.give_way = self._give_way
        """Waits, in a thread that is about to work, while notes are due."""
        self.wanted: Nanoseconds | None = None
        """When the thread wants the lock next."""
        self._closed = False
        self.add_lane(0)

    def start(self) -> None:
        """Run in a thread until `close`."""
        threading.Thread(target=self._run, name="scheduler", daemon=True).start()

    def close(self) -> None:
        """Let the thread end; nothing more is done."""
        with self.changed:
            self._closed = True
            self.forget_notes()
            self.changed.notify_all()

    def wake(self) -> None:
        """Look again at what is due; after a change that makes something due sooner."""
        with self.changed:
            self.rouse()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The lock, for a thread that works through many things: where notes are due, the scheduler goes first."""
        self.give_way()
        with self.lock:
            yield

    def _give_way(self) -> None:
        if self.wanted is not None and self.wanted <= self.now():
            time.sleep(GIVE_WAY)

    def add_lane(self, ahead: Nanoseconds) -> Lane:
        """The lane of a look-ahead; made if there is none. Notes that are planned already stay out of it."""
        with self.lock:
            if ahead not in self.lanes:
                self.lanes = {**self.lanes, ahead: Lane(self.clock, ahead, self.lateness, *READY)}
            return self.lanes[ahead]

    def remove_lane(self, ahead: Nanoseconds) -> None:
        """Let a lane go that no output uses; lane 0 always stays."""
        with self.lock:
            if ahead:
                self.lanes = {key: lane for key, lane in self.lanes.items() if key != ahead}

    def forget_notes(self) -> None:
        """Forget every planned note, ends too; the caller ends what sounds by the ledger."""
        with self.lock:
            for lane in self.lanes.values():
                lane.clear()

    def jumped(self) -> None:
        """The clock started, stopped or went to another place: re-time the commands."""
        with self.changed:
            self._do(self.commands.jumped(self.now()))
            self.rouse()

    def run_due(self) -> Nanoseconds | None:
        """Do everything that is due now, and send it; returns when the next thing is due."""
        with self.changed:
            try:
                due = self.gather()
            finally:
                self.outbox.flush()
            dues = (due, self.commands.next_due())
            return min((due for due in dues if due is not None), default=None)

    def gather(self) -> Nanoseconds | None:
        """Do everything that is due now; what it sends is left in the outbox. Returns when the next thing is due, but
        for commands."""
        self.outbox.gather()
        now = self.now()
        self._do(self.commands.take_due(now))
        dues = [pulse.run_due(now) for pulse in list(self.pulses)]
        for lane in self.lanes.values():
            dues.append(self._guarded(lane.run_due, now))
        return min((due for due in dues if due is not None), default=None)

    def _do(self, acts: list[Act]) -> None:
        for act in acts:
            try:
                act()
            except Exception as error:  # one bad act must not end the music
                self._failed(error)

    def _guarded(self, run: Callable[[Nanoseconds], Nanoseconds | None], now: Nanoseconds) -> Nanoseconds | None:
        try:
            return run(now)
        except Exception as error:  # as above; what is left is done in the next round
            self._failed(error)
            return now

    def _run(self) -> None:
        realtime_priority()
        with self.changed:
            while not self._closed:
                due = self.run_due()
                self.wanted = due
                if self.outbox.rest:
                    self.lock.release()  # whoever rouses the thread meanwhile is not missed: it looks again
                    try:
                        self.send_rest(due)
                    finally:
                        self.lock.acquire()
                else:
                    self.changed.wait(None if due is None else max(0.0, (due - self.now()) / 1e9))

    def send_rest(self, due: Nanoseconds | None) -> None:
        """Send a bit of what chords have left for later; the less, the sooner something else is due."""
        until = self.now() + BIT
        try:
            self.outbox.send_rest(until if due is None else min(until, due))
        except Exception as error:  # as above
            self._failed(error)
