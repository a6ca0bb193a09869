"""Another program's MIDI clock leads the stage's."""

from __future__ import annotations

from dataclasses import dataclass, field

from rnnmuse.bridges.midi_clock import ClockFollower
from rnnmuse.clock import PPQ, checked_tempo
from rnnmuse.realtime.stage import Stage


@dataclass(slots=True)
class ClockLeader:
    """Gives clock messages to a stage, while its ``source`` is midi."""

    stage: Stage
    follower: ClockFollower = field(default_factory=ClockFollower)

    def message(self, status: int, now: int, sixteenths: int = 0) -> None:
        """A clock (0xF8), start, continue, stop or song position message that came at ``now``."""
        if self.stage.source != "midi":
            return
        with self.stage.lock:
            match status:
                case 0xF8:
                    self.follower.pulse(now)
                    self._lead(now)
                case 0xFA:
                    self.follower.start()
                case 0xFB:
                    self.follower.resume()
                case 0xFC:
                    self.follower.stop()
                    self.stage.halt()
                case 0xF2:
                    self.follower.position(sixteenths)

    def _lead(self, now: int) -> None:
        """Bring the clock onto the follower's line; the engine hears of it on the beat, or when the tempo changed."""
        clock, tick = self.stage.clock, self.follower.tick
        bpm, last = self.follower.line() or (float(clock.tempo), now)
        if not self.follower.running:
            clock.tempo = checked_tempo(bpm)
            return
        before = float(clock.tempo)
        if not clock.running:
            self.stage.run(lambda _: clock.start(last, tick))
        clock.align(last, tick, bpm)
        self.stage.changed.notify()
        if abs(bpm - before) > 0.2 or tick % PPQ == 0:
            self.stage.tell_clock()
