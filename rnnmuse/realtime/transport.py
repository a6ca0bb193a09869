"""The transport: the clock started, stopped and moved, its metre, and what goes out with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rnnmuse.bridges.output import Output
from rnnmuse.clock import PPQ, Clock, Nanoseconds
from rnnmuse.realtime.notes import Notes
from rnnmuse.realtime.pulses import Pulse
from rnnmuse.realtime.scheduler import READY, Scheduler

PULSE = PPQ // 24
"""Ticks between two MIDI clock messages."""

SIXTEENTH = PPQ // 4
CLOCK, START, CONTINUE, STOP, POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2


class ClockOut:
    """MIDI clock for one output. It says Start or Continue as it was asked, with the pulse of that place."""

    def __init__(self, transport: Transport, output: Output) -> None:
        self._transport, self.output = transport, output
        self.pulse = Pulse(transport.clock, PULSE, self._beat, output.ahead, READY[0])
        self._begin: int | None = None

    def start(self, now: Nanoseconds) -> None:
        """Start at the clock's place, as the beginning of the piece."""
        self._begin = START
        self.pulse.begin(now)

    def resume(self, now: Nanoseconds) -> None:
        """Continue from the next sixteenth, which the song position pointer names."""
        sixteenth = -(-self._transport.clock.tick_at(now) // SIXTEENTH)
        self._send([POSITION, sixteenth & 0x7F, sixteenth >> 7 & 0x7F], now)
        self._begin = CONTINUE
        self.pulse.begin(now, sixteenth * SIXTEENTH)

    def stop(self, now: Nanoseconds) -> None:
        """Stop."""
        self.pulse.end()
        self._send([STOP], now)

    def _beat(self, tick: int, due: Nanoseconds) -> None:
        if self._begin is not None:
            self._send([self._begin], due - self.output.ahead)
            self._begin = None
        self._send([CLOCK], due - self.output.ahead)

    def _send(self, data: list[int], due: Nanoseconds) -> None:
        self._transport.notes.put(self.output, due, partial(self.output.transport, data))


class Transport:
    """Starts, stops and moves the clock; everything that is tied to a place in the music goes with it.

    A jump ends or recalls every note, re-times the commands that wait for a line, and begins the pulses again from the
    new place. ``jumps`` counts them. ``changed`` is called with every change that the engine has to know of, ``asked``
    when the clock is set going by request, ``beat`` at every beat with its number and time. Each method takes the
    stage's lock.
    """

    def __init__(self, scheduler: Scheduler, notes: Notes) -> None:
        self.scheduler, self.notes = scheduler, notes
        self.clock: Clock = scheduler.clock
        self.now = scheduler.now
        self.source = "internal"
        self.jumps = 0
        self.changed: Callable[[], None] = lambda: None
        self.asked: Callable[[], None] = lambda: None
        self.beat: Callable[[int, Nanoseconds], None] = lambda beat, due: None
        self._beats = Pulse(self.clock, PPQ, lambda tick, due: self.beat(tick // PPQ, due), 0, READY[0])
        self._clocks: dict[str, ClockOut] = {}
        scheduler.pulses.append(self._beats)

    @property
    def place(self) -> float:
        """Where the clock is, in beats."""
        return self.clock.beat_at(self.now())

    # -- start, stop, jump ----------------------------------------------------------------------------------

    def start(self, tick: int = 0, at: Nanoseconds | None = None, as_asked: bool = False) -> None:
        """Run from ``tick``, the beginning of the piece if it is 0, as of time ``at`` or now.

        ``as_asked``: somebody asked for it, so that players which a panic silenced play again if the clock stood.
        """
        with self.scheduler.lock:
            if as_asked and not self.clock.running:
                self.asked()
            self._jump(lambda now: self.clock.start(now if at is None else at, tick), CONTINUE if tick else START)

    def resume(self, as_asked: bool = False) -> None:
        """Run on from where the clock stands; a clock that runs already goes on undisturbed."""
        with self.scheduler.lock:
            if not self.clock.running:
                if as_asked:
                    self.asked()
                self._jump(self.clock.resume, CONTINUE)

    def stop(self) -> None:
        """Stand still; every note ends."""
        with self.scheduler.lock:
            if self.clock.running:
                self._jump(self.clock.stop, STOP)
            else:
                self.clock.cued = False
                self.notes.silence()

    def locate(self, tick: int) -> None:
        """Go to ``tick``, running or not."""
        self._jump(lambda now: self.clock.locate(now, tick), CONTINUE if self.clock.running else 0)

    def cue(self, tick: int) -> None:
        """Stand at ``tick`` and have what is played from there planned already; `go` then starts from it."""
        self._jump(lambda now: self.clock.cue(now, tick), 0)

    def go(self, tick: int) -> None:
        """Run from where the clock was cued, or close to it: no jump, what is planned is played."""
        with self.scheduler.lock:
            now = self.now()
            self.clock.start(now, tick)
            self._beats.begin(now)
            for out in list(self._clocks.values()):
                (out.resume if tick else out.start)(now)
            self.scheduler.jumped()
            self.changed()

    def render(self, tick: int, bpm: float | None) -> None:
        """Play on to ``tick`` out of time: the clock stands, and what lies before is over. It never goes back."""
        with self.scheduler.lock:
            now = self.now()
            if bpm is not None:
                self.clock.set_tempo(bpm, now)
            if self.clock.running:
                self._beats.end()
                for out in list(self._clocks.values()):
                    out.stop(now)
            self.clock.cue(now, max(tick, self.clock.tick_at(now)))
            self.scheduler.wake()
            self.changed()

    def _jump(self, change: Callable[[Nanoseconds], None], word: int) -> None:
        with self.scheduler.lock:
            was_running = self.clock.running
            self.notes.silence()
            now = self.now()
            change(now)
            self.jumps += 1
            if self.clock.running:
                self._beats.begin(now)
            else:
                self._beats.end()
            for out in list(self._clocks.values()):  # a port may turn out to be gone
                if was_running:
                    out.stop(now)
                if self.clock.running:
                    (out.start if word == START else out.resume)(now)
            self.scheduler.jumped()
            self.changed()

    # -- tempo, metre, swing --------------------------------------------------------------------------------

    def set_tempo(self, bpm: float) -> None:
        """Change the tempo from now on."""
        with self.scheduler.lock:
            self.clock.set_tempo(bpm, self.now())
            self.scheduler.wake()
            self.changed()

    def set_swing(self, place: float) -> None:
        """Where in a beat its second eighth falls, 0.5 to 0.75."""
        with self.scheduler.lock:
            self.clock.swing = place
            self.scheduler.wake()
            self.changed()

    def set_metre(self, numerator: int, denominator: int, bar_line: int | None = None) -> None:
        """Count bars of another metre: from ``bar_line``, a tick, on, or from the bar line at or before the clock."""
        with self.scheduler.lock:
            tick = self.clock.tick_at(self.now())
            line = self.clock.metre.bar_start(tick) if bar_line is None else bar_line
            self.clock.set_metre(numerator, denominator, line)
            self.scheduler.commands.remetred(self.now())
            self.scheduler.wake()
            self.changed()

    def align(self, time: Nanoseconds, tick: int, bpm: float, tell: bool = True) -> None:
        """Follow another clock, on which ``tick`` falls on ``time`` at this tempo."""
        with self.scheduler.lock:
            self.clock.align(time, tick, bpm)
            self.scheduler.wake()
            if tell:
                self.changed()

    # -- MIDI clock out -------------------------------------------------------------------------------------

    def add_clock(self, output: Output) -> None:
        """Send MIDI clock to an output that wants it."""
        with self.scheduler.lock:
            if output.clock:
                out = self._clocks[output.name] = ClockOut(self, output)
                self.scheduler.pulses.append(out.pulse)
                if self.clock.running:
                    out.resume(self.now())
                self.scheduler.wake()

    def remove_clock(self, name: str) -> None:
        """The output is gone."""
        with self.scheduler.lock:
            out = self._clocks.pop(name, None)
            if out is not None:
                self.scheduler.pulses.remove(out.pulse)
