"""Another program's MIDI clock leads: 24 pulses a beat, with jitter, become a steady tempo and phase.

A straight line through the times of the last pulses (least squares) gives the tempo by its slope and the phase by its
end. When new pulses leave the line, the tempo has changed, and the line begins again from them. When the pulses stop
coming, the clock runs on at the last tempo.
"""

from __future__ import annotations

from collections import deque

from rnnmuse.clock import FASTEST, MINUTE, PPQ, SLOWEST, Nanoseconds, checked_tempo
from rnnmuse.realtime.transport import CLOCK, CONTINUE, POSITION, START, STOP, Transport

PULSES = 24
TICKS = PPQ // PULSES
WINDOW = 4 * PULSES
LEAST = 6
RECENT = 6
LOST: Nanoseconds = 500_000_000
"""A gap after which the pulses that follow begin a new line."""


class ClockFollower:
    """Feed it `pulse`, `start`, `resume`, `stop`, `position`; ask `line` for the tempo and where it is."""

    def __init__(self) -> None:
        self.running = False
        self.tick = 0
        self._times: deque[Nanoseconds] = deque(maxlen=WINDOW)

    def start(self) -> None:
        """Start message: the next pulse is the beginning."""
        self.running, self.tick = True, -TICKS

    def resume(self) -> None:
        """Continue message: the next pulse is where it stands."""
        self.running = True
        self.tick -= TICKS

    def stop(self) -> None:
        """Stop message."""
        if self.running:
            self.running = False
            self.tick += TICKS  # where the next pulse would have been

    def position(self, sixteenths: int) -> None:
        """Song position pointer, in sixteenths: the place of the next pulse, or while stopped, of the next start."""
        self.tick = sixteenths * PPQ // 4 - (TICKS if self.running else 0)

    def pulse(self, time: Nanoseconds) -> None:
        """Clock message at ``time``; pulses keep the tempo alive while stopped, too."""
        if self.running:
            self.tick += TICKS
        if self._times and not 0 <= time - self._times[-1] < LOST:
            self._times.clear()
        self._times.append(time)
        if len(self._times) >= PULSES + RECENT and self._left_the_line():
            recent = list(self._times)[-RECENT:]
            self._times.clear()
            self._times.extend(recent)

    def line(self) -> tuple[float, Nanoseconds] | None:
        """Tempo in bpm and the true time of the last pulse; None before LEAST pulses or out of 20-999 bpm."""
        if len(self._times) < LEAST:
            return None
        slope, last = _fit(list(self._times))
        bpm = MINUTE / (slope * PULSES)
        return (bpm, round(last)) if SLOWEST <= bpm <= FASTEST else None

    def _left_the_line(self) -> bool:
        """Whether the recent pulses are all on one side of the line through those before, and far from it."""
        times = list(self._times)
        slope, last = _fit(times[:-RECENT])
        away = [time - (last + slope * (i + 1)) for i, time in enumerate(times[-RECENT:])]
        far = max(6_000_000.0, 0.15 * slope)
        return sum(away) / RECENT > far or sum(away) / RECENT < -far


class MidiClockLeader:
    """Gives clock messages to the transport while its source is midi.

    Only Start and Continue set a clock going that stands: after a stop here, pulses that go on coming change its tempo
    alone.
    """

    source = "midi"

    def __init__(self, transport: Transport) -> None:
        self._transport, self.follower = transport, ClockFollower()
        self._starting = False

    def message(self, status: int, now: Nanoseconds, sixteenths: int = 0) -> None:
        """A clock (0xF8), start, continue, stop or song position message that came at ``now``."""
        transport, follower = self._transport, self.follower
        if transport.source != self.source:
            return
        with transport.scheduler.lock:
            if status == CLOCK:
                follower.pulse(now)
                self._lead(now)
            elif status == START:
                follower.start()
                self._starting = True
            elif status == CONTINUE:
                follower.resume()
                self._starting = True
            elif status == STOP:
                follower.stop()
                self._starting = False
                transport.stop()
            elif status == POSITION:
                follower.position(sixteenths)
                if not follower.running:
                    transport.locate(max(0, follower.tick))
                elif transport.clock.running:
                    self._starting = True  # the next pulse is the new place

    def _lead(self, now: Nanoseconds) -> None:
        """Bring the clock onto the follower's line; the engine hears of it on the beat, or when the tempo changed."""
        transport, clock, tick = self._transport, self._transport.clock, self.follower.tick
        bpm, last = self.follower.line() or (float(clock.tempo), now)
        if not self.follower.running:
            clock.tempo = checked_tempo(bpm)
            return
        before = float(clock.tempo)
        if self._starting:
            self._starting = False
            transport.start(max(0, tick), at=last, as_asked=True)
        if clock.running:
            transport.align(last, tick, bpm, tell=abs(bpm - before) > 0.2 or tick % PPQ == 0)
        else:
            clock.tempo = checked_tempo(bpm)


def _fit(times: list[Nanoseconds]) -> tuple[float, float]:
    """Least squares: nanoseconds a pulse, and the line's time at the last one."""
    count, first = len(times), times[0]
    middle = (count - 1) / 2
    mean = sum(time - first for time in times) / count
    slope = sum((i - middle) * (time - first) for i, time in enumerate(times)) / (count * (count * count - 1) / 12)
    return slope, first + mean + slope * middle
