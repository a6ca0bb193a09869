"""Pulses: what comes at every beat, or 24 times a beat. Only the next one is known, and the clock says when it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rnnmuse.clock import Clock, Nanoseconds


@dataclass(slots=True, eq=False)
class Pulse:
    """Calls ``act`` with the tick and its time in ns, ``ahead`` ns before it, at every multiple of ``interval`` ticks.

    ``early`` is how much sooner it is called, so that the outbox can send on time. `begin` at every start and jump.
    """

    clock: Clock
    """Says when a tick is due."""
    interval: int
    act: Callable[[int, Nanoseconds], None]
    ahead: Nanoseconds = 0
    early: Nanoseconds = 0
    next: int | None = None
    """Tick of the next pulse; None while it does not run."""

    def begin(self, now: Nanoseconds, tick: int | None = None) -> None:
        """Pulse from the first multiple at or after where the clock is at ``now``, or from ``tick`` on."""
        at = self.clock.tick_at(now) if tick is None else tick
        self.next = -(-at // self.interval) * self.interval

    def end(self) -> None:
        """Pulse no more."""
        self.next = None

    def run_due(self, now: Nanoseconds) -> Nanoseconds | None:
        """Call ``act`` for every pulse that is due; returns when the next one is, None if the clock stands."""
        while self.next is not None and self.clock.running:
            due = self.clock.time_at(self.next)
            at = due - self.ahead - self.early
            if at > now:
                return at
            tick, self.next = self.next, self.next + self.interval
            self.act(tick, due)
        return None
