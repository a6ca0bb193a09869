"""Commands that wait: for a beat or bar line, for a length of time in beats, or for a time. None is ever dropped."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from rnnmuse.clock import PPQ, Clock, Nanoseconds

Act = Callable[[], None]


@dataclass(slots=True, eq=False)
class Command:
    """An act that waits for ``tick``. It comes ``lead`` ticks before a line of ``unit``, "beat" or "bar"; without a
    unit it was to come after a length of time, which a jump cuts short."""

    act: Act
    """Called once it is due."""
    tick: int
    unit: str = ""
    lead: int = 0
    key: Hashable | None = None
    """One that comes later with the same key takes its place; None for one of its own."""


class Commands:
    """What waits. The caller holds the stage's lock, and does what is returned as due.

    A jump sets commands that wait for a line to the next such line from the new place; those without a line come at
    once. When the clock stops, nothing is left to wait for: all come at once. Commands that wait for a time (`at`) know
    no clock: neither a jump nor a stop nor a tempo moves them.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._musical: list[Command] = []
        self._timed: list[tuple[Nanoseconds, int, Act]] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._musical) + len(self._timed)

    @property
    def timed(self) -> int:
        """How many wait for a time."""
        return len(self._timed)

    def at_line(self, unit: str, now: Nanoseconds, act: Act, lead: int = 1, key: Hashable | None = None) -> None:
        """Do ``act`` just before (``lead`` ticks) the next "beat" or "bar" line; it replaces one of the same key."""
        if key is not None:
            self._musical = [command for command in self._musical if command.key != key]
        self._musical.append(Command(act, self._line(unit, now, lead), unit, lead, key))

    def after(self, ticks: int, now: Nanoseconds, act: Act, key: Hashable | None = None) -> None:
        """Do ``act`` when the clock has gone on by ``ticks``; it replaces one of the same key."""
        if key is not None:
            self._musical = [command for command in self._musical if command.key != key]
        self._musical.append(Command(act, self.clock.tick_at(now) + ticks, key=key))

    def at(self, time: Nanoseconds, act: Act) -> None:
        """Do ``act`` at a time of the monotonic clock."""
        self._number += 1
        heapq.heappush(self._timed, (time, self._number, act))

    def waits(self, key: Hashable) -> bool:
        """Whether a command of this key waits."""
        return any(command.key == key for command in self._musical)

    def cancel(self, key: Hashable) -> bool:
        """Take back the command of this key; False if none waits."""
        kept = [command for command in self._musical if command.key != key]
        found, self._musical = len(kept) < len(self._musical), kept
        return found

    def jumped(self, now: Nanoseconds) -> list[Act]:
        """The clock went to another place, started or stopped. Returns what comes at once."""
        if not self.clock.running:
            acts = [command.act for command in sorted(self._musical, key=lambda command: command.tick)]
            self._musical.clear()
            return acts
        acts = [command.act for command in self._musical if not command.unit]
        self._musical = [command for command in self._musical if command.unit]
        for command in self._musical:
            command.tick = self._line(command.unit, now, command.lead)
        return acts

    def remetred(self, now: Nanoseconds) -> None:
        """The metre changed: commands that wait for a bar line wait for the next one of the new metre."""
        for command in self._musical:
            if command.unit == "bar":
                command.tick = self._line("bar", now, command.lead)

    def take_due(self, now: Nanoseconds) -> list[Act]:
        """Remove and return what is due at ``now``, in the order of time."""
        acts = []
        while self._timed and self._timed[0][0] <= now:
            acts.append(heapq.heappop(self._timed)[2])
        if self._musical and self.clock.running:
            tick = self.clock.tick_at(now)
            due = sorted((c for c in self._musical if c.tick <= tick), key=lambda command: command.tick)
            if due:
                self._musical = [command for command in self._musical if command.tick > tick]
                acts += [command.act for command in due]
        return acts

    def next_due(self) -> Nanoseconds | None:
        """When the next command is due; None if none can come by itself."""
        times = [self._timed[0][0]] if self._timed else []
        if self._musical and self.clock.running:
            times.append(self.clock.time_at(min(command.tick for command in self._musical)))
        return min(times, default=None)

    def _line(self, unit: str, now: Nanoseconds, lead: int) -> int:
        tick = self.clock.tick_at(now)
        line = self.clock.metre.next_bar(tick) if unit == "bar" else (tick // PPQ + 1) * PPQ
        return max(tick, line - lead)
