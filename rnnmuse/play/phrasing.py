"""Phrases made out of what was heard: restated, sequenced, inverted, varied bar by bar, and closed.

A bar of melody is a tuple of `Stroke`s. What a bar does with an earlier one is its `Treatment`; which it takes comes
from the echo plan (`rnnmuse.play.plan`) where the model has one. Pitches that are left open the model chooses.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from random import Random

from rnnmuse.music.echo import EXACT, NEW, RHYTHM, TRANSPOSED, lag_of
from rnnmuse.music.piece import Key
from rnnmuse.music.theory import scale_pitch_classes

SHORTEST = 0.125
"""Beats that a stroke lasts at least."""
PLACES = (4, 3)
"""Divisions of a beat that onsets are heard in, the first unless another is much nearer."""
NEARER = 0.05
"""Beats by which a triplet must be nearer than a sixteenth."""
KEPT = 32
"""Bars of its own that are remembered."""
REACH = 7
"""Semitones that an open pitch lies from the one before at most."""
ROOM = 4
"""Semitones by which a phrase may go beyond the range that was heard."""


class Treatment(Enum):
    """What a bar does with an earlier one."""

    RESTATE = "restate"
    SEQUENCE = "sequence"
    INVERT = "invert"
    VARY = "vary"
    RHYTHM = "rhythm"
    NEW = "new"
    CLOSE = "close"


BEGINNINGS = (
    (0.4, Treatment.RESTATE), (0.55, Treatment.SEQUENCE), (0.65, Treatment.INVERT), (1.0, Treatment.VARY),
)  # fmt: skip
"""What the first bar of an answer does with the performer's, by cumulative share."""
HEEDED = 0.35
"""How often a bar that the plan has restated is restated: an answer is not the tune going on."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A note of a bar: it starts so many beats after the bar line. ``pitch`` -1 is open."""

    start: float
    """Beats after the bar line."""
    length: float
    """Beats."""
    pitch: int
    velocity: int = 80
    """1 to 127."""


Bar = tuple[Stroke, ...]


@dataclass(slots=True)
class Phrasing:
    """Makes bars of melody from ``heard`` ones, each ``beats`` long.

    ``key_at`` and ``chord_at`` say the key and the chord's pitch classes at a beat of the stage. ``echo_of`` is the
    echo class that the plan has for a bar of the phrase, counted from 0; None where there is no plan.
    """

    heard: list[Bar]
    beats: float
    """Beats (quarters) of a bar."""
    random: Random
    """Draws what is done with a bar."""
    key_at: Callable[[float], Key | None]
    chord_at: Callable[[float], frozenset[int]]
    low: int = 0
    """Lowest MIDI note."""
    high: int = 127
    """Highest MIDI note."""
    echo_of: Callable[[int], int | None] = lambda bar: None
    made: list[Bar] = field(default_factory=list)
    """The bars so far."""
    faithful: float = 0.0
    """How often a bar is restated as it was, beyond what an answer does: a theme comes back as itself."""
    rhythms: Sequence[Bar] = ()
    """Rhythms of bars that are like none that was heard."""
    reach: int = REACH
    """Semitones that an open pitch lies from the one before at most."""

    def bar(self, index: int, start: float, closes: bool) -> Bar:
        """The bar ``index`` of the phrase, which begins at beat ``start``; the last one ``closes`` it."""
        how, source = self._treatment(index, closes)
        out = self._treated(how, source, start)
        if closes and not (how is Treatment.RESTATE and self.faithful):
            out = self._closed(out or source, start)
        out = tuple(replace(s, pitch=self._within(s.pitch)) for s in out)
        self.made.append(out)
        del self.made[:-KEPT]
        return out

    def _treatment(self, index: int, closes: bool) -> tuple[Treatment, Bar]:
        """What a bar does, and the bar that it does it with."""
        bars = [bar for bar in self.heard if bar]
        if not bars:
            return Treatment.NEW, self._rhythm()
        corresponding = self.heard[index % len(self.heard)] or bars[index % len(bars)]
        if self.random.random() < self.faithful:
            return Treatment.RESTATE, corresponding
        draw = self.random.random()
        if closes:
            how = Treatment.RHYTHM if draw < 0.35 else Treatment.VARY if draw < 0.6 else Treatment.NEW
            return how, self._rhythm() if how is Treatment.NEW else corresponding
        if index == 0:  # an answer begins with what it answers, and on the bar line
            source = next((bar for bar in bars if bar[0].start < SHORTEST), corresponding)
            if source[0].start >= SHORTEST:
                source = (Stroke(0.0, source[0].start, -1, source[0].velocity), *source)
            how = next(how for share, how in BEGINNINGS if draw < share)
            return (how if source[0].pitch >= 0 else Treatment.RESTATE), source
        echo = self.echo_of(index)
        if echo is not None and echo != NEW and draw < HEEDED:
            lag = lag_of(echo) or len(self.heard)
            every = [*self.heard, *self.made]
            source = (every[-lag] if lag <= len(every) else ()) or corresponding
            how = {EXACT: Treatment.RESTATE, TRANSPOSED: Treatment.SEQUENCE, RHYTHM: Treatment.RHYTHM}[(echo - 1) % 3]
            return how, source
        draw = self.random.random()
        for share, how in ((0.62, Treatment.NEW), (0.65, Treatment.RHYTHM), (0.75, Treatment.VARY),
                           (0.8, Treatment.SEQUENCE), (0.97, Treatment.RESTATE), (1.0, Treatment.INVERT)):  # fmt: skip
            if draw < share:
                return how, self._rhythm() if how is Treatment.NEW else corresponding
        return Treatment.NEW, self._rhythm()

    def _treated(self, how: Treatment, source: Bar, start: float) -> Bar:
        if how is Treatment.RESTATE:
            return source
        if how is Treatment.SEQUENCE:
            return self._sequenced(source, start)
        if how is Treatment.INVERT:
            return self._inverted(source, start)
        if how is Treatment.VARY:
            return self._varied(source, start)
        return tuple(replace(s, pitch=-1) for s in source)

    # -- what can be done with a bar --------------------------------------------------------------------------

    def ladder(self, beat: float) -> list[int]:
        """The pitches of the key at a beat, rising."""
        key = self.key_at(beat)
        scale = scale_pitch_classes(key.tonic, "minor" if key.minor else "major") if key else frozenset(range(12))
        return [pitch for pitch in range(128) if pitch % 12 in scale]

    def _moved(self, bar: Bar, start: float, steps: int) -> Bar:
        ladder = self.ladder(start)
        return tuple(
            replace(s, pitch=ladder[max(0, min(len(ladder) - 1, _place(ladder, s.pitch) + steps))])
            for s in bar
            if s.pitch >= 0
        )

    def _sequenced(self, bar: Bar, start: float) -> Bar:
        """A step or two of the scale higher or lower, as fits the chord and the range."""

        def fit(steps: int) -> float:
            moved = self._moved(bar, start, steps)
            strong = [s for s in moved if s.start % 1 < 1e-6]
            chords = [self.chord_at(start + s.start) for s in strong]
            right = sum(s.pitch % 12 in tones for s, tones in zip(strong, chords, strict=True) if tones)
            out = sum(not self.low - ROOM <= s.pitch <= self.high + ROOM for s in moved)
            return right - 2 * out + self.random.random()

        return self._moved(bar, start, max((-2, -1, 1, 2, 3), key=fit))

    def _inverted(self, bar: Bar, start: float) -> Bar:
        """Every step of the scale taken the other way, from the same first note."""
        ladder = self.ladder(start)
        pitched = [s for s in bar if s.pitch >= 0]
        if not pitched:
            return bar
        axis = _place(ladder, pitched[0].pitch)
        return tuple(
            replace(s, pitch=ladder[max(0, min(len(ladder) - 1, 2 * axis - _place(ladder, s.pitch)))]) for s in pitched
        )

    def _varied(self, bar: Bar, start: float) -> Bar:
        """The same beginning; from its middle on other pitches, and one note instead of two or two instead of one."""
        half = self.beats / 2 - 1e-6
        kept = [stroke for stroke in bar if stroke.start < half]
        late = [replace(stroke, pitch=-1) for stroke in bar if stroke.start >= half]
        weak = [i for i, stroke in enumerate(late) if i and stroke.start % 1 > 1e-6]
        long = [i for i, stroke in enumerate(late) if stroke.length >= 1 - 1e-6]
        if weak and (not long or self.random.random() < 0.5):
            joined = late.pop(self.random.choice(weak))
            before = max(i for i, stroke in enumerate(late) if stroke.start < joined.start)
            late[before] = replace(late[before], length=joined.start + joined.length - late[before].start)
        elif long:
            index = self.random.choice(long)
            stroke = late[index]
            first = 0.5 if stroke.length < 1.5 or self.random.random() < 0.5 else 1.0
            late[index : index + 1] = [
                replace(stroke, length=first),
                replace(stroke, start=stroke.start + first, length=stroke.length - first),
            ]
        elif len(late) > 1:
            joined = late.pop()
            late[-1] = replace(late[-1], length=joined.start + joined.length - late[-1].start)
        return (*kept, *late)

    def _closed(self, bar: Bar, start: float) -> Bar:
        """The bar brought to rest: from its strong beat on one note, a tone of the tonic's chord."""
        rest = self.beats / 2 if self.beats >= 4 and len(bar) > 2 else 0.0
        key = self.key_at(start)
        tones = self.chord_at(start + rest)
        tonic = frozenset((key.tonic + step) % 12 for step in (0, 3 if key.minor else 4)) if key else frozenset[int]()
        wanted = tonic & tones or tones or tonic or frozenset(range(12))
        kept = [s for s in bar if s.start < rest - 1e-6]
        kept = [replace(s, length=min(s.length, rest - s.start)) for s in kept]
        before = next((s.pitch for s in reversed(kept) if s.pitch >= 0), -1)
        if before < 0:
            before = next((s.pitch for bar in reversed(self.made) for s in reversed(bar) if s.pitch >= 0), 67)
        last = min((p for p in range(128) if p % 12 in wanted), key=lambda p: (abs(p - before), p))
        velocity = bar[0].velocity if bar else 80
        return (*kept, Stroke(rest, max(1.0, self.beats - rest - 0.5), last, velocity))

    def _rhythm(self) -> Bar:
        """A rhythm that melodies have; rather one that was not heard, so that a new bar is new."""
        if self.rhythms:
            heard = {_onsets(bar) for bar in self.heard}
            fresh = [bar for bar in self.rhythms if _onsets(bar) not in heard]
            return self.random.choice(fresh or self.rhythms)
        return tuple(Stroke(float(beat), 1.0, -1) for beat in range(int(self.beats)))

    def _within(self, pitch: int) -> int:
        if pitch < 0:
            return pitch
        while pitch > self.high + ROOM and pitch - 12 >= self.low - ROOM:
            pitch -= 12
        while pitch < self.low - ROOM and pitch + 12 <= self.high + ROOM:
            pitch += 12
        return max(0, min(127, pitch))

    # -- open pitches -------------------------------------------------------------------------------------------

    def open(self, beat: float, before: int, strong: bool) -> list[int]:
        """The pitches that the model may choose among for a stroke at a beat, after one of pitch ``before``."""
        ladder = self.ladder(beat)
        low, high = max(0, self.low - ROOM), min(127, self.high + ROOM)
        near = [p for p in ladder if low <= p <= high and (before < 0 or 0 < abs(p - before) <= self.reach)]
        tones = self.chord_at(beat) if strong else frozenset[int]()
        fitting = [p for p in near if p % 12 in tones]
        return fitting or near or [p for p in ladder if low <= p <= high] or ladder


def _onsets(bar: Bar) -> tuple[float, ...]:
    return tuple(round(stroke.start, 3) for stroke in bar)


def _place(ladder: Sequence[int], pitch: int) -> int:
    """The place of the pitch of a ladder that is nearest."""
    at = bisect_left(ladder, pitch)
    if at == len(ladder) or (at and pitch - ladder[at - 1] <= ladder[at] - pitch):
        at -= 1
    return at


def place_of(beat: float) -> float:
    """The sixteenth, or where it is much nearer the triplet, that an onset is meant on."""
    fine, triple = (round(beat * division) / division for division in PLACES)
    return triple if abs(beat - triple) < abs(beat - fine) - NEARER else fine


def bars_of(notes: Sequence[tuple[float, float, int, int]], line: float, beats: float, count: int) -> list[Bar]:
    """The top line of ``notes`` (start, end, pitch, velocity) in ``count`` bars from the bar line at beat ``line`` on.

    Onsets are brought to the places that they are meant on; a note ends where the next begins.
    """
    top: dict[float, tuple[float, int, int]] = {}
    for start, end, pitch, velocity in notes:
        at = place_of(start - line)
        if at not in top or pitch > top[at][1]:
            top[at] = (end - line, pitch, velocity)
    bars: list[list[Stroke]] = [[] for _ in range(count)]
    starts = sorted(top)
    for index, at in enumerate(starts):
        bar = int(at // beats)
        if not 0 <= bar < count:
            continue
        end, pitch, velocity = top[at]
        following = starts[index + 1] if index + 1 < len(starts) else float("inf")
        length = max(SHORTEST, min(place_of(end), following, (bar + 1) * beats) - at)
        bars[bar].append(Stroke(at - bar * beats, length, pitch, velocity))
    return [tuple(bar) for bar in bars]
