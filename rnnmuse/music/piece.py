"""A piece of music in memory: what every reader returns and every writer takes."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path

from rnnmuse.events import Bend, Control, Lyric, Note, Pressure, Program
from rnnmuse.provenance.record import Made


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
    """Beat from which the chord holds."""
    text: str
    """The symbol, such as ``Am7``."""


Claim = tuple[int, int, bytes]
"""Tick, channel (-1 for a meta event) and message of an event that a piece asks for."""


@dataclass(slots=True)
class Source:
    """The MIDI file that a piece was read from, event by event, so that what is not changed is written back as it was.

    ``tracks`` hold (tick, message, claim): an event is written again as long as the piece asks for its claim; an event
    without a claim, which the piece does not model, always is. ``implied`` claims need no event.
    """

    form: int
    """MIDI file format: 0, 1 or 2."""
    ticks_per_beat: int
    """Ticks a quarter note."""
    encoding: str = "utf-8"
    """Encoding of its texts."""
    tracks: list[list[tuple[int, bytes, Claim | None]]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """Tick at which each track ends."""
    implied: set[Claim] = field(default_factory=set)


@dataclass(slots=True)
class Part:
    """One instrument's or voice's notes, sorted by start.

    ``program`` is the General MIDI program of its first note, ``programs`` are the changes after it. ``channel`` is
    its MIDI channel from 0, plus 16 for each port after the first, and ``track`` its track in the file that it was
    read from; None where it has none of its own.
    """

    name: str = ""
    """Name of the instrument or voice."""
    program: int = 0
    drum: bool = False
    """Whether its pitches are General MIDI drums."""
    notes: list[Note] = field(default_factory=list)
    """Its notes, sorted by start."""
    controls: list[Control] = field(default_factory=list)
    """Controller changes, by beat."""
    lyrics: list[Lyric] = field(default_factory=list)
    """Syllables, by beat."""
    slurs: list[tuple[float, float]] = field(default_factory=list)
    """Beats of the first and the last note under each slur, where a score has them."""
    programs: list[Program] = field(default_factory=list)
    bends: list[Bend] = field(default_factory=list)
    """Pitch bends, by beat."""
    pressures: list[Pressure] = field(default_factory=list)
    """Aftertouch, by beat."""
    channel: int | None = None
    track: int | None = None


@dataclass(slots=True)
class Piece:
    """Parts over one tempo, metre, key and chord map. Empty maps mean 120 bpm, 4/4, key unknown."""

    parts: list[Part] = field(default_factory=list)
    """Its parts; a note's ``part`` is an index into them."""
    tempos: list[Tempo] = field(default_factory=list)
    """Tempo changes, by beat."""
    metres: list[Metre] = field(default_factory=list)
    """Time signatures, by beat."""
    keys: list[Key] = field(default_factory=list)
    """Key changes, by beat."""
    chords: list[ChordSymbol] = field(default_factory=list)
    """Chord symbols, by beat."""
    title: str = ""
    """Title, empty where there is none."""
    pickup: float = 0.0
    """Beats before the first bar line, where a piece begins with part of a bar."""
    ticks_per_beat: int = 480
    """Resolution of a MIDI file that is written, in ticks a quarter note."""
    source: Source | None = field(default=None, repr=False, compare=False)
    """The MIDI file that it was read from; None for other pieces."""
    made: Made | None = field(default=None, repr=False, compare=False)
    """How rnnmuse made it, which every writer puts into its file; None for music of people."""

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

    @property
    def counted_metres(self) -> list[Metre]:
        """The metres, 4/4 without any; the beat of each is one from which its bars are counted, before 0 where the
        piece begins with a pickup."""
        if not self.metres or self.metres[0].beat > 1e-6:
            metres = [Metre(0.0, 4, 4), *self.metres]
        else:
            metres = list(self.metres)
        if self.pickup > 0:
            metres[0] = replace(metres[0], beat=metres[0].beat + self.pickup - metres[0].bar_beats)
        return metres

    def metre_at(self, beat: float) -> Metre:
        """Time signature at ``beat``; bars are counted from its own beat, which a pickup puts before 0."""
        metres = self.counted_metres
        return metres[max(0, bisect_right([m.beat for m in metres], beat + 1e-9) - 1)]

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
        line = metre.beat + max(0.0, -(-(beat - metre.beat - 1e-6) // metre.bar_beats)) * metre.bar_beats
        return min(line, next((m.beat for m in self.metres if m.beat > beat + 1e-6), line))

    def bar_lines(self) -> Iterator[float]:
        """Beats at which bars begin, from 0 on, without end. A pickup is a bar of its own; a change of metre begins
        a bar."""
        metres = self.counted_metres
        at, beat = 0, 0.0
        while True:
            yield beat
            while at + 1 < len(metres) and metres[at + 1].beat <= beat + 1e-6:
                at += 1
            following = self.pickup if beat == 0.0 and self.pickup > 0 else beat + metres[at].bar_beats
            beat = min(following, metres[at + 1].beat) if at + 1 < len(metres) else following

    def bar_starts(self, until: float) -> list[float]:
        """The `bar_lines` before ``until``."""
        return list(takewhile(lambda beat: beat < until - 1e-6, self.bar_lines()))

    @property
    def first_bar(self) -> int:
        """The number of the first bar: 0 for a pickup, else 1."""
        return 0 if self.pickup > 0 else 1

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write MIDI, MusicXML, a piano roll (.png, .svg) or sound (.wav) by the suffix; see `rnnmuse.music.save`."""
        from rnnmuse.music.save import save  # loaded when it is used: it brings the synthesiser and the pictures

        return save(self, path, overwrite=overwrite)

    def _repr_html_(self) -> str:
        """How a notebook shows a piece: its piano roll and its sound."""
        from rnnmuse.music.save import as_html

        return as_html(self)


def credited(piece: Piece, source: Piece, made: Made, kept: int | None = None) -> Piece:
    """``piece``, which was made from ``source``, with its provenance: ``made``, the share of its notes that people
    played, and the models that made the source.

    The notes that both have are the source's, or ``kept`` of them; people played those of a source without a record.
    """
    notes = piece.notes
    if kept is None:
        own = Counter((round(n.start, 3), n.pitch) for n in source.notes)
        kept = (own & Counter((round(n.start, 3), n.pitch) for n in notes)).total()
    share = 1.0 if source.made is None else source.made.people or 0.0
    models = {**(source.made.models if source.made is not None else {}), **made.models}
    people = share * min(1.0, kept / len(notes)) if notes else 0.0
    return replace(piece, made=replace(made, models=models, people=people))
