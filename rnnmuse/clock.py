"""Musical time: which tick it is, and when a tick will be.

Ticks are exact integers, 960 to a beat, and a tempo is an exact fraction, so that no error grows however long it
plays: every time is computed from the last change of tempo in integer arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

PPQ = 960
"""Ticks a beat (quarter note)."""

FINE = 1 << 20
MINUTE = 60_000_000_000
SLOWEST, FASTEST = 20, 999

Nanoseconds = int


def checked_tempo(bpm: float) -> Fraction:
    """The tempo as a fraction, to a thousandth of a bpm; ValueError outside 20-999."""
    if not (isinstance(bpm, int | float | Fraction) and SLOWEST <= bpm <= FASTEST):  # NaN fails the comparison
        raise ValueError(f"tempo: {bpm!r}; must be {SLOWEST} to {FASTEST} bpm")
    return Fraction(round(Fraction(bpm) * 1000), 1000)


@dataclass(slots=True)
class Clock:
    """Ticks by time; times are nanoseconds of a monotonic clock that the caller reads.

    At time ``_time`` it is at ``_place`` (in 2^-20 ticks, so that the tempo can change between two ticks), and
    running the tempo holds from there on. ``swing`` is where in a beat its second eighth falls, 0.5 (straight)
    to 0.75.
    """

    tempo: Fraction = Fraction(120)
    running: bool = False
    swing: float = 0.5
    _time: Nanoseconds = 0
    _place: int = 0

    def start(self, now: Nanoseconds, tick: int = 0) -> None:
        """Run from ``tick`` at time ``now``."""
        self.running, self._time, self._place = True, now, tick * FINE

    def stop(self, now: Nanoseconds) -> None:
        """Stand still where it is."""
        self._place, self.running = self._at(now), False

    def resume(self, now: Nanoseconds) -> None:
        """Run on from where it stands."""
        self.running, self._time = True, now

    def locate(self, now: Nanoseconds, tick: int) -> None:
        """Go to ``tick``, running or not."""
        self._time, self._place = now, max(0, tick) * FINE

    def set_tempo(self, bpm: float, now: Nanoseconds) -> None:
        """Change the tempo from time ``now`` on, in the middle of a tick if need be."""
        tempo = checked_tempo(bpm)
        self._place, self._time = self._at(now), now
        self.tempo = tempo

    def align(self, time: Nanoseconds, tick: int, bpm: float) -> None:
        """Follow another clock, on which ``tick`` falls on ``time`` at this tempo."""
        self.tempo = checked_tempo(bpm)
        self._time, self._place = time, tick * FINE

    def _at(self, now: Nanoseconds) -> int:
        if not self.running:
            return self._place
        return self._place + (now - self._time) * self.tempo.numerator * PPQ * FINE // (MINUTE * self.tempo.denominator)

    def tick_at(self, now: Nanoseconds) -> int:
        """The last tick at or before time ``now``."""
        return self._at(now) // FINE

    def time_at(self, tick: int) -> Nanoseconds:
        """The first nanosecond at which `tick_at` is ``tick``; meaningful while running."""
        away = (tick * FINE - self._place) * MINUTE * self.tempo.denominator
        return self._time - (-away // (self.tempo.numerator * PPQ * FINE))

    def beat_at(self, now: Nanoseconds) -> float:
        """The position in beats, with its fraction."""
        return self._at(now) / (PPQ * FINE)

    def swung(self, tick: int) -> int:
        """``tick`` moved by the swing: the first half of a beat is stretched, the second pressed."""
        if self.swing == 0.5:
            return tick
        beat, within = divmod(tick, PPQ)
        half = PPQ // 2
        bend = round(self.swing * PPQ)
        if within <= half:
            return beat * PPQ + within * bend // half
        return beat * PPQ + bend + (within - half) * (PPQ - bend) // half
