"""Musical time: the tick at a time, the time of a tick, and where the bars begin.

Ticks are exact integers, 960 to a beat (a quarter note), and the tempo is an exact fraction. Every time is computed
from the last change of tempo in integer arithmetic, so no error accumulates.
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


DENOMINATORS = (1, 2, 4, 8, 16, 32)


def checked_tempo(bpm: float) -> Fraction:
    """Return the tempo as a fraction, to a thousandth of a bpm; ValueError outside 20-999."""
    if not (isinstance(bpm, int | float | Fraction) and SLOWEST <= bpm <= FASTEST):  # NaN fails the comparison
        raise ValueError(f"tempo: {bpm!r}; must be {SLOWEST} to {FASTEST} bpm")
    return Fraction(round(Fraction(bpm) * 1000), 1000)


def checked_metre(numerator: int, denominator: int) -> Metre:
    """Return the metre; ValueError names the field that is out of range."""
    if not 1 <= numerator <= 64:
        raise ValueError(f"metre numerator: {numerator}; must be 1 to 64")
    if denominator not in DENOMINATORS:
        raise ValueError(f"metre denominator: {denominator}; must be one of {', '.join(map(str, DENOMINATORS))}")
    return Metre(numerator, denominator)


@dataclass(frozen=True, slots=True)
class Metre:
    """A time signature and one tick, ``bar_line``, at which a bar begins; ``bar`` is the number of that bar, from 0."""

    numerator: int = 4
    """Beats of a bar as the time signature counts them."""
    denominator: int = 4
    """The note value of one, such as 4 or 8."""
    bar_line: int = 0
    bar: int = 0

    @property
    def ticks(self) -> int:
        """Length of a bar in ticks."""
        return 4 * PPQ * self.numerator // self.denominator

    @property
    def beats(self) -> float:
        """Length of a bar in beats (quarter notes)."""
        return 4 * self.numerator / self.denominator

    @property
    def origin(self) -> int:
        """The first tick from 0 on at which a bar begins."""
        return self.bar_line % self.ticks

    def bar_start(self, tick: int) -> int:
        """The last bar line at or before ``tick``; it may be negative in a piece that begins with a pickup."""
        return tick - (tick - self.bar_line) % self.ticks

    def next_bar(self, tick: int) -> int:
        """The first bar line after ``tick``."""
        return self.bar_start(tick) + self.ticks

    def place(self, tick: int) -> tuple[int, int]:
        """The number of the bar at ``tick``, from 0, and the ticks since its bar line."""
        start = self.bar_start(tick)
        return self.bar + (start - self.bar_line) // self.ticks, tick - start


COMMON = Metre()
"""Common time, 4/4."""


@dataclass(slots=True)
class Clock:
    """Ticks by time. Times are nanoseconds of a monotonic clock that the caller reads.

    At time ``_time`` the clock is at ``_place`` (in 2^-20 ticks, so that the tempo can change between two ticks); while
    it runs, the tempo holds from there on. ``swing`` is the place in a beat of its second eighth, 0.5 (straight) to
    0.75. ``metre`` says where the bars begin. A ``cued`` clock stands, and what is played from there on is planned.
    """

    tempo: Fraction = Fraction(120)
    """Beats (quarters) a minute."""
    running: bool = False
    """Whether time moves it on."""
    swing: float = 0.5
    metre: Metre = COMMON
    cued: bool = False
    _time: Nanoseconds = 0
    _place: int = 0

    def start(self, now: Nanoseconds, tick: int = 0) -> None:
        """Run from ``tick`` at time ``now``."""
        self.running, self.cued, self._time, self._place = True, False, now, tick * FINE

    def stop(self, now: Nanoseconds) -> None:
        """Stand still where it is."""
        self._place, self.running, self.cued = self._at(now), False, False

    def resume(self, now: Nanoseconds) -> None:
        """Run on from where it stands; a clock that runs already is not moved."""
        self._place, self._time, self.running, self.cued = self._at(now), now, True, False

    def locate(self, now: Nanoseconds, tick: int) -> None:
        """Move to ``tick``, running or not."""
        self._time, self._place, self.cued = now, max(0, tick) * FINE, False

    def cue(self, now: Nanoseconds, tick: int) -> None:
        """Stand at ``tick``, so that a start from there finds its plan made."""
        self.running, self.cued, self._time, self._place = False, True, now, max(0, tick) * FINE

    def set_tempo(self, bpm: float, now: Nanoseconds) -> None:
        """Change the tempo from time ``now`` on, in the middle of a tick if need be."""
        tempo = checked_tempo(bpm)
        self._place, self._time = self._at(now), now
        self.tempo = tempo

    def set_metre(self, numerator: int, denominator: int, bar_line: int) -> None:
        """Count bars of another metre from ``bar_line`` on, a tick at which a bar begins. ValueError as
        `checked_metre`."""
        wanted = checked_metre(numerator, denominator)
        number, within = self.metre.place(bar_line)
        self.metre = Metre(wanted.numerator, wanted.denominator, bar_line, number + (within > 0))

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
