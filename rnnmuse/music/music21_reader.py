"""ABC and kern to pieces by music21; runs in the child process of parser.py.

Repeats and endings sound as `sounding_order` has them. Pitches are as they sound.
"""

from __future__ import annotations

import logging
import warnings
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from rnnmuse.errors import ReadError, first_line
from rnnmuse.events import Lyric, Note
from rnnmuse.music.abc_words import Event, events
from rnnmuse.music.chordtext import chord_text
from rnnmuse.music.instruments import program_of
from rnnmuse.music.musicxml_in import GRACE, VELOCITIES, keys_of
from rnnmuse.music.piece import ChordSymbol, Metre, Part, Piece, Tempo
from rnnmuse.music.repeats import BarMarks, sounding_order
from rnnmuse.music.theory import parse_chord

MAX_NOTES = 200_000
_KINDS = {
    "dominant-seventh": "dominant", "minor-major": "major-minor", "minor-major-seventh": "major-minor",
    "half-diminished-seventh": "half-diminished", "augmented-major-seventh": "major-seventh",
}  # fmt: skip
"""Names that music21 has for kinds of MusicXML."""


def read(form: str, texts: Sequence[tuple[str, str]], as_written: bool = False) -> tuple[Piece, list[str]]:
    """The piece in ``texts``, (name, text) a voice, all of format ``form``; and a line for each thing left out.

    Raises ReadError with the first line of what music21 says.
    """
    from music21 import converter

    logging.getLogger("music21").setLevel(logging.ERROR)
    piece = Piece()
    unknown: list[str] = []
    lost = False
    for index, (name, text) in enumerate(texts):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                stream = converter.parseData(text, format=form)
                scores = getattr(stream, "scores", None) if "Opus" in stream.classes else None
                score = next(iter(scores)) if scores is not None else stream
                written = events(text) if form == "abc" else []
                made = _Converter(score, as_written, unknown, written)
                found, lost = made.piece, lost or made.lost
            except Exception as error:  # music21 raises whatever its parsers meet
                raise ReadError(first_line(error)) from None
        if index == 0:
            piece = found
        else:
            piece.parts += found.parts
            piece.chords = piece.chords or found.chords
        if name:
            for part in found.parts:
                part.name = name
                part.program = program_of(name) or part.program
    told = []
    if unknown:
        told.append(f"skipped chord symbols that are not known: {', '.join(sorted(set(unknown))[:6])}")
    if lost:
        told.append("skipped words and chord symbols that stand at no note")
    return piece, told


class _Converter:
    """One music21 score as a piece; ``written`` are the notes of an ABC voice with their words and chords."""

    def __init__(self, score: Any, as_written: bool, unknown: list[str], written: Sequence[Event] = ()) -> None:
        self.unknown, self.written = unknown, written
        self.lost = False
        """Whether words or chord symbols of an ABC voice have no place among its notes."""
        self.piece = Piece(title=_title(score))
        self.total = 0
        streams = [
            stream if stream.hasMeasures() else stream.makeMeasures()
            for stream in (score.parts if "Score" in score.classes else [score])
        ]
        bars = [list(stream.getElementsByClass("Measure")) for stream in streams]
        count = max(map(len, bars), default=0)
        marks = [_marks([column[i] for column in bars if i < len(column)]) for i in range(count)]
        for stream in streams:
            _add_endings(stream, marks)
        order = list(range(count)) if as_written else sounding_order(marks)
        times = self._lay_out(bars, order)
        signatures: list[tuple[float, int, str]] = []
        self.tempos: dict[float, float] = {}
        self.chords: dict[float, str] = {}
        self.written_chords: dict[float, str] = {}
        for stream, own in zip(streams, bars, strict=True):
            part, found = self._part(stream, own, order, times)
            self.piece.parts.append(part)
            signatures = signatures or found
        self.piece.tempos = [Tempo(beat, self.tempos[beat]) for beat in sorted(self.tempos)]
        self.chords = self.written_chords | self.chords
        self.piece.chords = [ChordSymbol(beat, self.chords[beat]) for beat in sorted(self.chords)]
        self.piece.keys = keys_of(signatures, self.piece)

    def _lay_out(self, bars: Sequence[Sequence[Any]], order: Sequence[int]) -> list[float]:
        """Where each bar begins; puts metres and pickup into the piece."""
        times: list[float] = []
        at, now, metre = 0.0, None, None
        for position, index in enumerate(order):
            column = [own[index] for own in bars if index < len(own)]
            signature = next((bar.timeSignature for bar in column if bar.timeSignature is not None), None)
            if signature is not None and signature.numerator and signature.denominator:
                metre = (int(signature.numerator), int(signature.denominator))
            if metre is not None and metre != now:
                self.piece.metres.append(Metre(at, *metre))
                now = metre
            nominal = metre[0] * 4 / metre[1] if metre else 0.0
            length = max((float(bar.highestTime) for bar in column), default=0.0) or nominal
            if position == 0 and metre and 0 < length < nominal - 1e-6:
                self.piece.pickup = length
            times.append(at)
            at = round((at + length) * 10_080) / 10_080
        return times

    def _part(
        self, stream: Any, bars: Sequence[Any], order: Sequence[int], times: Sequence[float]
    ) -> tuple[Part, list[tuple[float, int, str]]]:
        part = Part(name=str(stream.partName or ""))
        for instrument in stream.recurse().getElementsByClass("Instrument"):
            _set_instrument(part, instrument)
        signatures: list[tuple[float, int, str]] = []
        dynamics: list[tuple[float, int]] = []
        sounding: list[tuple[float, Any]] = []
        contents = [list(bar.flatten()) for bar in bars]
        said = self._match(contents)
        passes: dict[int, int] = defaultdict(int)
        for index, start in zip(order, times, strict=True):
            if index >= len(bars):
                continue
            passes[index] += 1
            for element in contents[index]:
                kinds, beat = element.classSet, start + float(element.offset)
                event = said.get(id(element))
                if event is not None:
                    self._take_event(part, event, beat, passes[index])
                if "ChordSymbol" in kinds:
                    self._add_chord(element, beat)
                elif "NotRest" in kinds:
                    sounding.append((beat, element))
                elif "MetronomeMark" in kinds:
                    bpm = element.getQuarterBPM()
                    if bpm and 5 <= bpm <= 1000 and (beat not in self.tempos or not element.numberImplicit):
                        self.tempos[beat] = round(float(bpm), 3)
                elif "KeySignature" in kinds:
                    signatures.append((beat, int(element.sharps or 0), str(getattr(element, "mode", None) or "")))
                elif "Dynamic" in kinds and element.value in VELOCITIES:
                    dynamics.append((beat, VELOCITIES[element.value]))
            self.total += len(sounding)
        if len(sounding) > MAX_NOTES:
            raise ReadError(f"more than {MAX_NOTES:,} notes")
        _fill(part, sounding, sorted(dynamics))
        return part, signatures

    def _match(self, contents: Sequence[Sequence[Any]]) -> dict[int, Event]:
        """What is written with each note and rest, by its identity; only where music21 found as many as there are."""
        if not self.written:
            return {}
        found: dict[int, Event] = {}
        general = [
            e for bar in contents for e in bar if "GeneralNote" in e.classSet and "ChordSymbol" not in e.classSet
        ]
        timed = [element for element in general if not element.duration.isGrace]
        for rest in (False, True):
            elements = [element for element in timed if ("Rest" in element.classSet) == rest]
            written = [event for event in self.written if event.rest == rest]
            if len(elements) == len(written):
                found |= {id(element): event for element, event in zip(elements, written, strict=True)}
            else:
                self.lost |= any(event.words or event.chord for event in written)
        return found

    def _take_event(self, part: Part, event: Event, beat: float, time: int) -> None:
        """A note's syllable of the verse that sounds, and its chord symbol where music21 left it out."""
        text = event.words.get(time) or event.words.get(1, "")
        if text:
            part.lyrics.append(Lyric(beat, text))
        if event.chord:
            chord = event.chord.strip("()")
            try:
                parse_chord(chord)
            except ValueError:
                self.unknown.append(chord)
            else:
                self.written_chords[beat] = chord

    def _add_chord(self, symbol: Any, beat: float) -> None:
        text = _chord(symbol)
        if text is None:
            self.unknown.append(str(getattr(symbol, "figure", "") or "?"))
        else:
            self.chords.setdefault(beat, text)


def _title(score: Any) -> str:
    metadata = score.metadata
    title = (metadata.title or metadata.movementName or "") if metadata is not None else ""
    return " ".join(str(title).split())


def _set_instrument(part: Part, instrument: Any) -> None:
    if instrument.midiProgram is not None and not part.program:
        part.program = max(0, min(127, int(instrument.midiProgram)))
    part.name = part.name or str(instrument.instrumentName or "")
    if "UnpitchedPercussion" in instrument.classSet or instrument.midiChannel == 9:
        part.drum = True


def _marks(bars: Sequence[Any]) -> BarMarks:
    marks = BarMarks()
    for bar in bars:
        left, right = bar.leftBarline, bar.rightBarline
        if left is not None and "Repeat" in left.classSet and left.direction == "start":
            marks.forward = True
        if right is not None and "Repeat" in right.classSet and right.direction == "end":
            marks.backward = max(2, int(right.times or 2))
        for mark in bar.getElementsByClass("RepeatMark"):
            kinds = mark.classSet
            marks.segno |= "Segno" in kinds
            marks.coda |= "Coda" in kinds
            marks.fine |= "Fine" in kinds
            marks.da_capo |= bool({"DaCapo", "DaCapoAlFine", "DaCapoAlCoda"} & kinds)
            marks.dal_segno |= bool({"DalSegno", "DalSegnoAlFine", "DalSegnoAlCoda"} & kinds)
    return marks


def _add_endings(stream: Any, marks: list[BarMarks]) -> None:
    bars = {id(bar): index for index, bar in enumerate(stream.getElementsByClass("Measure"))}
    for bracket in stream.recurse().getElementsByClass("RepeatBracket"):
        spanned = sorted(bars[id(bar)] for bar in bracket.getSpannedElements() if id(bar) in bars)
        if spanned:
            marks[spanned[0]].ending = tuple(bracket.numberRange) or (1,)
            marks[spanned[-1]].ending_stops = True


def _fill(part: Part, sounding: list[tuple[float, Any]], dynamics: list[tuple[float, int]]) -> None:
    """Put notes, syllables and slurs into ``part``, with ties merged; grace notes come before their note."""
    notes: list[Note] = []
    open_ties: dict[int, list[int]] = defaultdict(list)
    slurs: dict[int, float] = {}
    mark, velocity = 0, 80
    for place, (start, element) in enumerate(sounding):
        while mark < len(dynamics) and dynamics[mark][0] <= start:
            velocity = dynamics[mark][1]
            mark += 1
        length = float(element.duration.quarterLength)
        if element.duration.isGrace:
            following = 1
            while place + following < len(sounding) and sounding[place + following][1].duration.isGrace:
                following += 1
            start, length = max(0.0, start - following * GRACE), GRACE
        if length <= 0:
            continue
        for note in element.notes if "ChordBase" in element.classSet else [element]:
            pitch = 38 if "Unpitched" in note.classSet else int(note.pitch.midi)
            if not 0 <= pitch <= 127:
                continue
            tie = note.tie.type if note.tie is not None else None
            if tie in ("stop", "continue"):
                waiting = open_ties[pitch]
                found = next((i for i in waiting if abs(notes[i].end - start) < 1e-3), None)
                if found is not None:
                    first = notes[found]
                    notes[found] = Note(first.start, pitch, start + length - first.start, first.velocity)
                    if tie == "stop":
                        waiting.remove(found)
                    continue
            notes.append(Note(start, pitch, length, velocity))
            if tie in ("start", "continue"):
                open_ties[pitch].append(len(notes) - 1)
        _add_lyric(part, element, start)
        for slur in element.getSpannerSites("Slur"):
            if slur.isFirst(element):
                slurs[id(slur)] = start
            elif slur.isLast(element) and id(slur) in slurs:
                part.slurs.append((slurs.pop(id(slur)), start))
    part.slurs.sort()
    part.notes = sorted(notes)
    part.lyrics.sort()


def _add_lyric(part: Part, element: Any, beat: float) -> None:
    verses = [lyric for lyric in element.lyrics if lyric.number == 1]
    text = " ".join(str(verses[0].text or "").split()) if verses else ""
    if text:
        part.lyrics.append(Lyric(beat, text + ("-" if verses[0].syllabic in ("begin", "middle") else "")))


def _spelled(pitch: Any) -> str:
    return str(pitch.name).replace("-", "b")


def _chord(symbol: Any) -> str | None:
    """A music21 chord symbol as in a lead sheet; None where it has no name."""
    if "NoChord" in symbol.classSet:
        return "N.C."
    root, bass = symbol.root(), symbol.bass()
    if root is None:
        return None
    kind = str(symbol.chordKind)
    degrees = [
        (int(step.degree), int(step.interval.semitones) if step.interval is not None else 0, str(step.modType))
        for step in symbol.chordStepModifications
    ]
    below = _spelled(bass) if bass is not None and bass.name != root.name else ""
    figure = str(symbol.figure or "").replace("-", "b")
    if not degrees or kind == "none":
        try:
            parse_chord(figure)
        except ValueError:
            pass
        else:
            return figure
    return chord_text(_spelled(root), _KINDS.get(kind, kind), degrees, below)
