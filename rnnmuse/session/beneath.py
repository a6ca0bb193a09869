"""Chords beneath a melody as it is played: one a half bar, in a pattern, from the harmony of the stage.

Notes and their ends are sent just before they are due, so that nothing has to be taken back but what a note of the
melody changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rnnmuse.clock import PPQ
from rnnmuse.play.harmony import EARLY, HalfBar, Harmony
from rnnmuse.play.patterns import strokes
from rnnmuse.play.voicing import Before, voiced
from rnnmuse.session.messages import NoteOff, NoteOn, Recall

SOON = 0.1
"""Beats by which a note is sent before it is due."""
VOICES = 4
"""Notes of a chord, where none is asked for."""
LOUD = 0.8
"""Velocity of a chord, as a share of the melody's."""

Order = NoteOn | NoteOff | Recall


@dataclass(slots=True)
class Beneath:
    """The chords of player ``number``, played in ``part``. ``pattern`` is one of `rnnmuse.play.patterns.PATTERNS`."""

    number: int
    part: int = 0
    pattern: str = "held"
    voices: int = VOICES
    """Notes of a chord, bass included."""
    low: int = 36
    """Lowest MIDI note."""
    high: int = 76
    """Highest MIDI note."""
    loud: float = LOUD
    """Velocity of a chord, as a share of the melody's."""
    chord: str = ""
    """Symbol of the chord that sounds; empty without one."""
    _notes: tuple[int, ...] = ()
    """MIDI notes of the chord, from the bass up."""
    _melody: int | None = None
    """MIDI note of the melody above the chord; None without one."""
    _velocity: int = 80
    """The melody's, 1 to 127."""
    _until: float = float("-inf")
    """Beat at which the chord's half bar ends."""
    _queue: list[tuple[float, bool, int, int]] = field(default_factory=list)
    """Beat, whether it begins, pitch and velocity of what is to come, the ends first."""
    _sounding: dict[int, float] = field(default_factory=dict)
    """Pitches that sound, with the beat at which each began."""

    @property
    def sounding(self) -> frozenset[int]:
        """The pitches that sound."""
        return frozenset(self._sounding)

    def under(self, harmony: Harmony, beat: float, melody: int, velocity: int) -> list[Order]:
        """The performer begins a note: the chord of its half bar sounds beneath it, at once."""
        start, until, _, _ = harmony.segment(beat + EARLY)
        one = harmony.at(max(beat, start))
        orders: list[Order] = []
        self._velocity = velocity
        goes_on = bool(self._sounding or self._queue) and one.chord == self.chord
        if goes_on and until <= self._until + 1e-6:
            orders += self._give_way(beat, melody)
        elif goes_on and self.pattern == "held" and harmony.segment(beat + EARLY)[3]:  # within the bar: it rings on
            orders += self._give_way(beat, melody)
            self._extend(until)
        else:
            orders += self._struck(harmony, one, beat, start, until, melody)
        self._melody = melody
        return orders

    def _struck(
        self, harmony: Harmony, one: HalfBar, beat: float, start: float, until: float, melody: int
    ) -> list[Order]:
        orders = self._cut(beat)
        before = Before(self._notes, self._melody) if self._notes else None
        notes = voiced(one.chord, melody, before, self.voices, self.low, self.high) if one.chord else ()
        self.chord, self._notes, self._until = one.chord, notes, until
        offset = max(0.0, beat - start)
        for stroke in strokes(self.pattern, notes, until - start, harmony.metre):
            if stroke.end <= offset + 1e-6:
                continue
            self._plan(max(start + stroke.start, beat), start + stroke.end, stroke.pitch, stroke.weight)
        if notes and not any(at <= beat + SOON / 2 for at, on, _, _ in self._queue if on):  # it is silent just now
            first = min((at for at, on, _, _ in self._queue if on), default=until)
            for pitch in notes[1:] or notes:
                self._plan(beat, first, pitch, 0.9)
        return orders + self._due(beat + 1e-6)

    def advance(self, harmony: Harmony, now: float, held: bool) -> list[Order]:
        """What is due. ``held``: the melody's note sounds on, so that the next half bar has a chord too."""
        orders: list[Order] = []
        if (
            held
            and self._notes
            and now >= self._until - SOON
            and self._until > float("-inf")
            and self._melody is not None
        ):
            at = self._until
            one = harmony.at(at + 1e-6)
            fits = one.given or self._melody % 12 in one.tones
            if not fits or not one.chord:
                one = HalfBar(at, harmony.segment(at + 1e-6)[1], self.chord)
            until = harmony.segment(at + 1e-6)[1]
            if one.chord == self.chord and self.pattern == "held":
                self._extend(until)
            else:
                orders += self._struck(harmony, one, at, at, until, self._melody)
        return orders + self._due(now + SOON)

    def wake(self, held: bool) -> float:
        """The beat at which `advance` has something to do; infinity for never."""
        due = [at for at, _, _, _ in self._queue]
        if held and self._notes:
            due.append(self._until)
        return min(due, default=float("inf")) - SOON

    def end(self, beat: float) -> list[Order]:
        """End what sounds, and forget what was to come."""
        orders = self._cut(beat)
        self._notes, self._melody, self.chord, self._until = (), None, "", float("-inf")
        return orders

    def _plan(self, start: float, end: float, pitch: int, weight: float) -> None:
        velocity = max(1, min(127, round(self._velocity * self.loud * weight)))
        self._queue.append((start, True, pitch, velocity))
        self._queue.append((max(end, start + 0.05), False, pitch, 0))
        self._queue.sort()

    def _extend(self, until: float) -> None:
        """What sounds until the half bar ends sounds until the next one does."""
        self._queue = sorted((until if abs(at - self._until) < 1e-6 and not on else at, on, pitch, velocity)
                             for at, on, pitch, velocity in self._queue)  # fmt: skip
        self._until = until

    def _due(self, until: float) -> list[Order]:
        orders: list[Order] = []
        while self._queue and self._queue[0][0] <= until:
            at, begins, pitch, velocity = self._queue.pop(0)
            if begins:
                if pitch in self._sounding:
                    orders.append(NoteOff(self.number, round(at * PPQ), pitch, self.part))
                self._sounding[pitch] = at
                orders.append(NoteOn(self.number, round(at * PPQ), pitch, velocity, self.part))
            elif pitch in self._sounding:
                del self._sounding[pitch]
                orders.append(NoteOff(self.number, round(at * PPQ), pitch, self.part))
        return orders

    def _cut(self, beat: float) -> list[Order]:
        orders: list[Order] = []
        if any(at >= beat for at in self._sounding.values()):  # sent, but not begun
            orders.append(Recall(self.number, round(beat * PPQ)))
        for pitch, at in sorted(self._sounding.items()):
            if at < beat:
                orders.append(NoteOff(self.number, round(beat * PPQ), pitch, self.part))
        self._sounding.clear()
        self._queue.clear()
        return orders

    def _give_way(self, beat: float, melody: int) -> list[Order]:
        """End the voices that the melody has come down to."""
        crossed = [pitch for pitch in self._sounding if pitch >= melody]
        self._queue = [one for one in self._queue if one[2] < melody]
        for pitch in crossed:
            del self._sounding[pitch]
        return [NoteOff(self.number, round(beat * PPQ), pitch, self.part) for pitch in sorted(crossed)]
