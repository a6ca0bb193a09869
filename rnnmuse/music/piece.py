"""A piece of music in memory: what every reader returns and every writer takes."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from rnnmuse.events import Control, Lyric, Note


@dataclass(frozen=True, slots=True, order=True)
class Tempo:
    """``bpm`` quarter notes a minute from ``beat`` on."""

    beat: float
    bpm: float


@dataclass(frozen=True, slots=True, order=True)
class Metre:
    """Time signature ``numerator``/``denominator`` from ``beat`` on."""

    beat: float
    numerator: int
    denominator: int

    @property
    def bar_beats(self) -> float:
        """Length of one bar in beats (quarter notes)."""
        return self.numerator * 4 / self.denominator


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A key: ``tonic`` pitch class 0-11 (0 = C), ``minor`` or major, from ``beat`` on."""

    beat: float
    tonic: int
    minor: bool = False


@dataclass(frozen=True, slots=True, order=True)
class ChordSymbol:
    """A chord from ``beat`` on, written as in a lead sheet: ``Am7``, ``F#dim``, ``C/E``, ``N.C.``."""

    beat: float
    text: str


@dataclass(slots=True)
class Part:
    """One instrument's or voice's notes, sorted by start."""

    name: str = ""
    program: int = 0
    drum: bool = False
    notes: list[Note] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    lyrics: list[Lyric] = field(default_factory=list)
    slurs: list[tuple[float, float]] = field(default_factory=list)
    """Beats of the first and the last note under each slur, where a score has them."""


@dataclass(slots=True)
class Piece:
    """Parts over one tempo, metre, key and chord map. Empty maps mean 120 bpm, 4/4, key unknown."""

    parts: list[Part] = field(default_factory=list)
    tempos: list[Tempo] = field(default_factory=list)
    metres: list[Metre] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    chords: list[ChordSymbol] = field(default_factory=list)
    title: str = ""
    pickup: float = 0.0
    """Beats before the first bar line, where a score begins with part of a bar."""
    ticks_per_beat: int = 480

    @property
    def notes(self) -> list[Note]:
        """All notes of all parts, sorted by start; each note's ``part`` is its index in ``parts``."""
        every = [
            Note(n.start, n.pitch, n.duration, n.velocity, index)
            for index, part in enumerate(self.parts)
            for n in part.notes
        ]
        every.sort()
        return every

    @property
    def end(self) -> float:
        """The beat at which the last note is released; 0.0 for an empty piece."""
        return max((n.end for part in self.parts for n in part.notes), default=0.0)

    def tempo_at(self, beat: float) -> float:
        """Tempo in bpm at ``beat``."""
        at = bisect_right([t.beat for t in self.tempos], beat + 1e-9) - 1
        return self.tempos[at].bpm if at >= 0 else 120.0

    def metre_at(self, beat: float) -> Metre:
        """Time signature at ``beat``."""
        at = bisect_right([m.beat for m in self.metres], beat + 1e-9) - 1
        return self.metres[at] if at >= 0 else Metre(0.0, 4, 4)

    def seconds_at(self, beat: float) -> float:
        """Time in seconds from the start to ``beat``, following the tempo map."""
        seconds, previous, bpm = 0.0, 0.0, 120.0
        for tempo in self.tempos:
            if tempo.beat >= beat:
                break
            seconds += (tempo.beat - previous) * 60 / bpm
            previous, bpm = tempo.beat, tempo.bpm
        return seconds + (beat - previous) * 60 / bpm

    def bar_start_after(self, beat: float) -> float:
        """The first bar line at or after ``beat``."""
        metre = self.metre_at(beat)
        bars = -(-(beat - metre.beat - 1e-6) // metre.bar_beats)
        return metre.beat + max(0.0, bars) * metre.bar_beats
