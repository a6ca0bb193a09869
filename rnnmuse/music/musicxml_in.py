"""Pieces from MusicXML 4.0 (partwise and timewise), bar by bar, as they sound.

Pitches are as they sound: transposing instruments are moved, octave lines of MusicXML change nothing that sounds. Grace
notes take their time from what is before the beat. Bars come in the order of `sounding_order`.
"""

from __future__ import annotations

import io
import re
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree as ET

from rnnmuse.errors import ReadError, ReadWarning
from rnnmuse.events import Lyric, Note
from rnnmuse.music.chordtext import chord_text
from rnnmuse.music.instruments import drum_of, program_of, staff_drum
from rnnmuse.music.piece import ChordSymbol, Key, Metre, Part, Piece, Tempo
from rnnmuse.music.repeats import BarMarks, sounding_order
from rnnmuse.music.theory import estimate_key

VELOCITIES = {
    "pppp": 12, "ppp": 20, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 124, "ffff": 127,
    "fp": 49, "pf": 96,
}  # fmt: skip
MAX_NOTES = 500_000
MAX_DEPTH = 64
GRACE = 0.125
"""Beats that a grace note lasts."""
STEP, LEVEL, LONGEST_WEDGE = 0.25, 16, 256
"""Of a hairpin: beats between two of its velocities, how far it leads where no dynamic says so, beats at most."""

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_UNITS = {
    "maxima": 32.0, "long": 16.0, "breve": 8.0, "whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5, "16th": 0.25,
    "32nd": 0.125, "64th": 0.0625,
}  # fmt: skip
_MODES = {
    "major": (0, False), "ionian": (0, False), "dorian": (2, True), "phrygian": (4, True), "lydian": (5, False),
    "mixolydian": (7, False), "aeolian": (9, True), "minor": (9, True), "locrian": (11, True),
}  # fmt: skip
_WORDS = (
    ("da_capo", re.compile(r"\bD\.? ?C\.|\bda capo\b", re.I)),
    ("dal_segno", re.compile(r"\bD\.? ?S\.|\bdal segno\b", re.I)),
    ("to_coda", re.compile(r"\b(to|al?) coda\b", re.I)),
    ("fine", re.compile(r"^\s*fine\s*\.?\s*$", re.I)),
)


@dataclass(slots=True)
class _Sounded:
    """A note as written: times in beats from its bar's start."""

    start: float
    """Beats."""
    length: float
    """Beats; 0 for a grace note."""
    pitch: int
    """MIDI note that sounds, 0 to 127; of a drum the note that stands for it."""
    staff: int
    """From 1."""
    voice: str
    """Voice and staff as the file has them."""
    velocity: int | None = None
    """1 to 127; None where the note itself does not say."""
    tie_start: bool = False
    """Whether a tie begins at it."""
    tie_stop: bool = False
    """Whether a tie ends at it."""
    drum: bool = False
    """Whether it is unpitched."""
    grace: int = 0
    """Place among the grace notes before a note, counted from its end: 1 is the last; 0 for other notes."""
    lyrics: dict[str, str] = field(default_factory=dict)
    """Syllable by the verse's number."""
    slurs: list[tuple[str, str]] = field(default_factory=list)
    """Number, and ``start``, ``stop`` or ``continue``."""


@dataclass(slots=True)
class _Bar:
    """A bar of one part."""

    number: str = ""
    """As written."""
    implicit: bool = False
    """Whether it does not count, as an upbeat."""
    length: float = 0.0
    """Beats that its notes fill."""
    notes: list[_Sounded] = field(default_factory=list)
    """In the order of the file."""
    metre: tuple[int, int] | None = None
    """Numerator and denominator, where they change."""
    key: tuple[int, str] | None = None
    """Sharps (flats negative) and mode, where they change."""
    tempos: list[tuple[float, float]] = field(default_factory=list)
    """Beat and bpm."""
    dynamics: list[tuple[float, int]] = field(default_factory=list)
    """Beat and velocity."""
    wedges: list[tuple[float, str, str]] = field(default_factory=list)
    """Hairpins: beat, number, and "crescendo", "diminuendo" or "stop"."""
    chords: list[tuple[float, str]] = field(default_factory=list)
    """Beat and chord symbol."""
    marks: BarMarks = field(default_factory=BarMarks)
    """Repeats, endings and jumps."""


@dataclass(slots=True)
class _Instrument:
    name: str = ""
    """As the part list has it."""
    program: int | None = None
    """General MIDI program, 0 to 127; None where the file has none."""
    drum: bool = False
    """Whether it plays on the drum channel."""
    unpitched: int | None = None
    """MIDI note of a drum, 0 to 127; None for other instruments."""


@dataclass(slots=True)
class _Player:
    """A part of the score while it is read."""

    name: str = ""
    """The part's name."""
    instruments: dict[str, _Instrument] = field(default_factory=dict)
    """By their ids in the file."""
    bars: list[_Bar] = field(default_factory=list)
    """As written, repeats not played out."""
    divisions: float = 1.0
    """Units of a duration to the beat."""
    transpose: int = 0
    """Semitones from the written to the sounding pitch."""
    staves: int = 1
    """How many it is written on."""
    similes: dict[int, int] = field(default_factory=dict)
    """Staves (0 for all) whose bars repeat the bars at that distance before."""
    graces: list[tuple[str, _Sounded]] = field(default_factory=list)
    """Grace notes that wait for the note that they belong to, with their voice."""


def read_musicxml(name: str, data: bytes, as_written: bool = False) -> Piece:
    """The piece in a MusicXML document in UTF-8; ``as_written`` leaves repeats unplayed.

    Raises:
        ReadError: not well-formed, or with more than MAX_NOTES notes.
    """
    reader = _Reader(name)
    try:
        reader.read(data)
    except ET.ParseError as error:
        raise ReadError(f"{name}: not well-formed XML: {error}") from None
    except (ValueError, OverflowError, KeyError, IndexError, ZeroDivisionError, AttributeError) as error:
        raise ReadError(f"{name}: {reader.where}: {_line(error)}") from None
    piece = reader.piece(as_written)
    if reader.unknown:
        shown = ", ".join(sorted(reader.unknown)[:6])
        warnings.warn(f"{name}: skipped chord symbols that are not known: {shown}", ReadWarning, stacklevel=2)
    return piece


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:120] or type(error).__name__


class _Reader:
    def __init__(self, name: str) -> None:
        self.name = name
        self.title = ""
        self.players: dict[str, _Player] = {}
        self.unknown: set[str] = set()
        self.where = "header"
        self.total = 0

    # -- the document -----------------------------------------------------------------------------------------

    def read(self, data: bytes) -> None:
        """Walk through the document; each bar is handled and dropped as it ends."""
        path: list[ET.Element] = []
        for event, element in ET.iterparse(io.BytesIO(data), ("start", "end")):
            if event == "start":
                path.append(element)
                if len(path) > MAX_DEPTH:
                    raise ValueError(f"elements are nested over {MAX_DEPTH} deep")
                continue
            path.pop()
            tag = element.tag
            if tag == "score-part":
                self._score_part(element)
            elif tag in ("work-title", "movement-title") and element.text and not self.title:
                self.title = " ".join(element.text.split())
            elif tag == "measure" and path and path[-1].tag == "part":
                self._measure(path[-1].get("id", ""), element.attrib, element)
                element.clear()
            elif tag == "part" and path and path[-1].tag == "measure":
                self._measure(element.get("id", ""), path[-1].attrib, element)
                element.clear()

    def _score_part(self, element: ET.Element) -> None:
        player = self._player(element.get("id", ""))
        player.name = " ".join((element.findtext("part-name") or "").split())
        if player.name == "MusicXML Part":
            player.name = ""
        for one in element.findall("score-instrument"):
            instrument = player.instruments.setdefault(one.get("id", ""), _Instrument())
            instrument.name = " ".join((one.findtext("instrument-name") or "").split())
            player.name = player.name or instrument.name
        for one in element.findall("midi-instrument"):
            instrument = player.instruments.setdefault(one.get("id", ""), _Instrument())
            program, unpitched = one.findtext("midi-program"), one.findtext("midi-unpitched")
            instrument.program = min(127, max(0, int(program) - 1)) if program else None
            instrument.unpitched = min(127, max(0, int(unpitched) - 1)) if unpitched else None
            instrument.drum = (one.findtext("midi-channel") or "").strip() == "10"

    def _player(self, key: str) -> _Player:
        return self.players.setdefault(key, _Player())

    # -- a bar ------------------------------------------------------------------------------------------------

    def _measure(self, key: str, about: dict[str, str], element: ET.Element) -> None:
        player = self._player(key)
        bar = _Bar(about.get("number", ""), about.get("implicit") == "yes")
        self.where = f"bar {bar.number or len(player.bars) + 1}"
        player.bars.append(bar)
        at, previous = 0.0, 0.0
        for child in element:
            tag = child.tag
            if tag == "note":
                start = previous if child.find("chord") is not None else at
                length = self._note(player, bar, child, start)
                if child.find("chord") is None and child.find("grace") is None:
                    previous, at = at, at + length
                elif child.find("grace") is None:
                    at = max(at, start + length)
            elif tag == "backup":
                at = max(0.0, at - self._duration(player, child))
            elif tag == "forward":
                at += self._duration(player, child)
            elif tag == "attributes":
                self._attributes(player, bar, child)
            elif tag == "direction":
                self._direction(bar, child, at + self._offset(player, child))
            elif tag == "sound":
                self._sound(bar, child, at)
            elif tag == "harmony":
                self._harmony(bar, child, at + self._offset(player, child))
            elif tag == "barline":
                self._barline(bar, child)
            bar.length = max(bar.length, at)
        _repeat_before(player, bar)
        for _, grace in player.graces:  # after the last note of the bar
            grace.start = bar.length
            bar.notes.append(grace)
        _count_graces([grace for _, grace in player.graces])
        player.graces.clear()

    def _duration(self, player: _Player, element: ET.Element) -> float:
        text = element.findtext("duration")
        value = float(text) / player.divisions if text else 0.0
        if not 0 <= value <= 10_000:
            raise ValueError(f"duration {text}")
        return value

    @staticmethod
    def _offset(player: _Player, element: ET.Element) -> float:
        text = element.findtext("offset")
        return float(text) / player.divisions if text else 0.0

    def _attributes(self, player: _Player, bar: _Bar, element: ET.Element) -> None:
        divisions = element.findtext("divisions")
        if divisions:
            player.divisions = float(divisions)
            if not 0 < player.divisions <= 1e6:
                raise ValueError(f"divisions {divisions}")
        player.staves = max(player.staves, int(element.findtext("staves") or 1))
        transpose = element.find("transpose")
        if transpose is not None:
            octaves = int(transpose.findtext("octave-change") or 0)
            player.transpose = round(float(transpose.findtext("chromatic") or 0)) + 12 * octaves
        key = element.find("key")
        if key is not None and key.findtext("fifths"):
            bar.key = int(key.findtext("fifths") or 0), (key.findtext("mode") or "").strip().lower()
        for style in element.findall("measure-style"):
            simile = style.find("measure-repeat")
            if simile is not None and simile.get("type") == "start":
                player.similes[int(style.get("number") or 0)] = max(1, min(16, int(simile.text or 1)))
            elif simile is not None:
                player.similes.pop(int(style.get("number") or 0), None)
        time = element.find("time")
        if time is not None and time.find("beats") is not None:
            bar.metre = _metre(time)

    def _note(self, player: _Player, bar: _Bar, element: ET.Element, start: float) -> float:
        """Take a note; returns how far it moves the bar on."""
        length = self._duration(player, element)
        if element.find("cue") is not None or element.find("rest") is not None:
            return length
        self.total += 1
        if self.total > MAX_NOTES:
            raise ReadError(f"{self.name}: more than {MAX_NOTES:,} notes")
        pitch, drum = self._pitch(player, element)
        voice = f"{element.findtext('voice') or ''}/{element.findtext('staff') or '1'}"
        note = _Sounded(start, length, pitch, int(element.findtext("staff") or 1), voice, drum=drum)
        loud = element.get("dynamics")
        if loud:
            note.velocity = max(1, min(127, round(float(loud) * 0.9)))
        for tie in element.findall("tie"):
            note.tie_start |= tie.get("type") == "start"
            note.tie_stop |= tie.get("type") == "stop"
        for notations in element.findall("notations"):
            for tied in notations.findall("tied"):
                note.tie_start |= tied.get("type") == "start"
                note.tie_stop |= tied.get("type") == "stop"
            note.slurs += [(s.get("number", "1"), s.get("type", "")) for s in notations.findall("slur")]
        for lyric in element.findall("lyric"):
            text = _lyric(lyric)
            if text:
                note.lyrics.setdefault(lyric.get("number", "1"), text)
        if element.find("grace") is not None:
            if 0 <= pitch <= 127:
                note.length = GRACE
                player.graces.append((voice, note))
            return 0.0
        own = [grace for held, grace in player.graces if held == voice]
        if own and element.find("chord") is None:
            player.graces = [item for item in player.graces if item[0] != voice]
            _count_graces(own)
            for grace in own:
                grace.start = start
            bar.notes += own
        if 0 <= pitch <= 127 and length > 0:
            bar.notes.append(note)
        return length

    def _pitch(self, player: _Player, element: ET.Element) -> tuple[int, bool]:
        """The note's number, and whether it is a drum."""
        chosen = element.find("instrument")
        if chosen is not None:
            instrument = player.instruments.get(chosen.get("id", ""))
        else:
            instrument = next(iter(player.instruments.values())) if len(player.instruments) == 1 else None
        unpitched = element.find("unpitched")
        if unpitched is not None or (instrument is not None and instrument.unpitched is not None):
            number = instrument.unpitched if instrument is not None else None
            if number is None and instrument is not None:
                number = drum_of(instrument.name)
            if number is None:
                number = drum_of(player.name)
            if number is None or (instrument is None and unpitched is not None and len(player.instruments) != 1):
                line = (unpitched.findtext("display-step") if unpitched is not None else None) or "C"
                octave = int((unpitched.findtext("display-octave") if unpitched is not None else None) or 5)
                number = staff_drum(line, octave, (element.findtext("notehead") or "") in ("x", "cross", "circle-x"))
            return number, True
        pitch = element.find("pitch")
        if pitch is None:
            raise ValueError("a note without pitch")
        step = _STEPS[(pitch.findtext("step") or "").strip().upper()]
        alter = round(float(pitch.findtext("alter") or 0))
        octave = int(pitch.findtext("octave") or 4)
        drum = instrument is not None and instrument.drum
        return 12 * (octave + 1) + step + alter + (0 if drum else player.transpose), drum

    def _direction(self, bar: _Bar, element: ET.Element, at: float) -> None:
        at = max(0.0, at)
        found = False
        for sound in element.findall("sound"):
            found |= self._sound(bar, sound, at)
        for kind in element.findall("direction-type"):
            for dynamics in kind.findall("dynamics"):
                bar.dynamics += [(at, VELOCITIES[mark.tag]) for mark in dynamics if mark.tag in VELOCITIES]
            bar.wedges += [(at, w.get("number", "1"), w.get("type", "")) for w in kind.findall("wedge")]
            metronome = kind.find("metronome")
            if metronome is not None and not any(sound.get("tempo") for sound in element.findall("sound")):
                bpm = _metronome(metronome)
                if bpm:
                    bar.tempos.append((at, bpm))
            bar.marks.segno |= kind.find("segno") is not None
            bar.marks.coda |= kind.find("coda") is not None and not found
            for words in kind.findall("words"):
                for name, pattern in _WORDS:
                    if not found and words.text and pattern.search(words.text):
                        setattr(bar.marks, name, True)

    def _sound(self, bar: _Bar, element: ET.Element, at: float) -> bool:
        """Take a sound element; returns whether it says something about the order of bars."""
        tempo, loud = element.get("tempo"), element.get("dynamics")
        if tempo and 5 <= float(tempo) <= 1000:
            bar.tempos.insert(0, (at, round(float(tempo), 3)))
        if loud:
            bar.dynamics.append((at, max(1, min(127, round(float(loud) * 0.9)))))
        marks = bar.marks
        before = (marks.segno, marks.coda, marks.fine, marks.to_coda, marks.da_capo, marks.dal_segno)
        marks.segno |= bool(element.get("segno"))
        marks.coda |= bool(element.get("coda"))
        marks.fine |= bool(element.get("fine"))
        marks.to_coda |= bool(element.get("tocoda"))
        marks.da_capo |= element.get("dacapo") == "yes"
        marks.dal_segno |= bool(element.get("dalsegno"))
        return before != (marks.segno, marks.coda, marks.fine, marks.to_coda, marks.da_capo, marks.dal_segno)

    def _barline(self, bar: _Bar, element: ET.Element) -> None:
        repeat, ending = element.find("repeat"), element.find("ending")
        marks = bar.marks
        if repeat is not None and repeat.get("direction") == "forward":
            marks.forward = True
        elif repeat is not None and repeat.get("direction") == "backward":
            marks.backward = max(2, int(repeat.get("times") or 2))
        if ending is not None:
            if ending.get("type") == "start":
                marks.ending = _numbers(ending.get("number") or "1")
            else:
                marks.ending_stops = True
        marks.segno |= element.find("segno") is not None
        marks.coda |= element.find("coda") is not None

    def _harmony(self, bar: _Bar, element: ET.Element, at: float) -> None:
        root, kind = element.find("root"), element.find("kind")
        value = (kind.text or "").strip() if kind is not None else ""
        shown = (kind.get("text") or "") if kind is not None else ""
        name = _spelled(root, "root") if root is not None else ""
        bass = element.find("bass")
        degrees = [
            (
                int(degree.findtext("degree-value") or 0),
                round(float(degree.findtext("degree-alter") or 0)),
                (degree.findtext("degree-type") or "add").strip(),
            )
            for degree in element.findall("degree")
        ]
        text = chord_text(name, value, degrees, _spelled(bass, "bass") if bass is not None else "", shown)
        if text is None or (not name and text != "N.C."):
            self.unknown.add((name or element.findtext("function") or "?") + (shown or value))
        else:
            bar.chords.append((max(0.0, at), text))

    # -- the whole --------------------------------------------------------------------------------------------

    def piece(self, as_written: bool) -> Piece:
        players = [player for player in self.players.values() if player.bars]
        count = max((len(player.bars) for player in players), default=0)
        for player in players:
            player.bars += [_Bar() for _ in range(count - len(player.bars))]
        piece = Piece(title=self.title)
        columns = [[player.bars[index] for player in players] for index in range(count)]
        marks = [_merged([bar.marks for bar in column]) for column in columns]
        order = list(range(count)) if as_written else sounding_order(marks)
        times = self._lay_out(piece, columns, order)
        signatures: list[tuple[float, int, str]] = []
        lead = next((player for player in players if player.transpose % 12 == 0), players[0] if players else None)
        for player in players:
            piece.parts += _parts(player, order, times)
            for index, start in zip(order, times, strict=True):
                bar = player.bars[index]
                piece.tempos += [Tempo(start + at, bpm) for at, bpm in bar.tempos]
                piece.chords += [ChordSymbol(start + at, text) for at, text in bar.chords]
                if player is lead and bar.key is not None:
                    fifths, mode = bar.key
                    signatures.append((start, fifths + 7 * player.transpose % 12, mode))
        piece.tempos = _one_a_beat(piece.tempos)
        piece.chords = _one_a_beat(piece.chords)
        piece.keys = keys_of(signatures, piece)
        return piece

    def _lay_out(self, piece: Piece, columns: Sequence[Sequence[_Bar]], order: Sequence[int]) -> list[float]:
        """Where each bar begins; puts the metres and the pickup into ``piece``.

        A bar that is not as long as its metre is a pickup at the start and a short bar later; where the bars after it
        leave the metre's grid, the metre is stated again.
        """
        written: list[tuple[int, int]] = []
        now = (4, 4)
        for column in columns:
            now = next((bar.metre for bar in column if bar.metre is not None), now)
            written.append(now)
        stated = any(bar.metre is not None for column in columns for bar in column)
        times: list[float] = []
        at = 0.0
        current: tuple[int, int] | None = None
        origin = 0.0
        for position, index in enumerate(order):
            column, metre = columns[index], written[index]
            nominal = metre[0] * 4 / metre[1]
            length = max(bar.length for bar in column)
            implicit = any(bar.implicit for bar in column)
            short = length < nominal - 1e-6
            if position == 0 and short and length > 0:
                piece.pickup = length
            if length <= 0 or (short and not implicit and position and not self._split(columns, index, nominal)):
                length = nominal if position + 1 < len(order) or length <= 0 else length
            grid = (at - origin) / nominal
            if metre != current and stated:
                piece.metres.append(Metre(at, *metre))
                current = metre
                origin = at + (length - nominal if position == 0 and short else 0.0)
            elif abs(grid - round(grid)) * nominal > 1e-6 and not (implicit and short) and stated:
                piece.metres.append(Metre(at, *metre))
                origin = at
            times.append(at)
            at = round((at + length) * 10_080) / 10_080
        return times

    @staticmethod
    def _split(columns: Sequence[Sequence[_Bar]], index: int, nominal: float) -> bool:
        """Whether a short bar and its neighbour are the halves of one bar, parted by a repeat."""
        length = max(bar.length for bar in columns[index])
        for other in (index - 1, index + 1):
            if 0 <= other < len(columns) and abs(max(b.length for b in columns[other]) + length - nominal) < 1e-6:
                return True
        first = max(bar.length for bar in columns[0])
        marked = any(bar.marks.backward or bar.marks.ending_stops or bar.marks.fine for bar in columns[index])
        return marked and abs(first + length - nominal) < 1e-6


def _repeat_before(player: _Player, bar: _Bar) -> None:
    """Fill a bar under a simile sign, where the file leaves it empty, with the notes of the bars before."""
    for staff, back in player.similes.items():
        if len(player.bars) <= back:
            continue
        before = player.bars[-1 - back]
        if not any(staff in (0, note.staff) for note in bar.notes):
            bar.notes += [replace(n, lyrics={}, slurs=[]) for n in before.notes if staff in (0, n.staff)]
            bar.length = max(bar.length, before.length)


def _count_graces(graces: list[_Sounded]) -> None:
    """Number grace notes from the last to the first; those of one chord share a number."""
    for place, grace in enumerate(reversed(graces), 1):
        grace.grace = place


def _metre(time: ET.Element) -> tuple[int, int]:
    """The metre of a time element; sums such as 3/8 + 2/8 and 3+2/8 become one."""
    total, below = 0.0, 1
    for beats, unit in zip(time.findall("beats"), time.findall("beat-type"), strict=False):
        denominator = int(unit.text or 4)
        total += sum(int(number) for number in re.findall(r"\d+", beats.text or "4")) / denominator
        below = max(below, denominator)
    if below not in (1, 2, 4, 8, 16, 32, 64) or not 1 <= round(total * below) <= 255:
        raise ValueError(f"time signature {total * below:g}/{below}")
    return round(total * below), below


def _metronome(element: ET.Element) -> float | None:
    unit = _UNITS.get((element.findtext("beat-unit") or "").strip())
    found = re.search(r"\d+(\.\d+)?", element.findtext("per-minute") or "")
    if unit is None or found is None:
        return None
    dots = len(element.findall("beat-unit-dot"))
    bpm = float(found[0]) * unit * (2 - 0.5**dots)
    return round(bpm, 3) if 5 <= bpm <= 1000 else None


def _lyric(element: ET.Element) -> str:
    text = " ".join(" ".join(part.text.split()) for part in element.findall("text") if part.text)
    if not text:
        return ""
    return text + ("-" if element.findtext("syllabic") in ("begin", "middle") else "")


def _spelled(element: ET.Element, kind: str) -> str:
    step = (element.findtext(f"{kind}-step") or "").strip().upper()
    alter = round(float(element.findtext(f"{kind}-alter") or 0))
    return step + ("#" * alter if alter > 0 else "b" * -alter)


def _numbers(text: str) -> tuple[int, ...]:
    found: list[int] = []
    for first, last in re.findall(r"(\d+)(?:\s*-\s*(\d+))?", text):
        found += range(int(first), min(int(last or first), int(first) + 16) + 1)
    return tuple(found) or (1,)


def _merged(marks: Sequence[BarMarks]) -> BarMarks:
    out = BarMarks()
    for one in marks:
        out.backward = max(out.backward, one.backward)
        out.ending = out.ending or one.ending
        for name in ("forward", "ending_stops", "segno", "coda", "fine", "to_coda", "da_capo", "dal_segno"):
            setattr(out, name, getattr(out, name) or getattr(one, name))
    if out.coda and out.to_coda:
        out.coda = False
    return out


def _one_a_beat(changes: list[Any]) -> list[Any]:
    found: dict[float, Any] = {}
    for change in changes:
        found.setdefault(round(change.beat, 6), change)
    return [found[beat] for beat in sorted(found)]


def _parts(player: _Player, order: Sequence[int], times: Sequence[float]) -> list[Part]:
    """The parts of a player, one a staff that has notes."""
    used = sorted({note.staff for bar in player.bars for note in bar.notes}) or [1]
    parts = {staff: Part(player.name, _program(player)) for staff in used}
    dynamics: list[tuple[float, int]] = []
    wedges: list[tuple[float, str, str]] = []
    passes: dict[int, int] = defaultdict(int)
    played: list[tuple[float, _Sounded, int]] = []
    for index, start in zip(order, times, strict=True):
        bar = player.bars[index]
        passes[index] += 1
        dynamics += [(start + at, velocity) for at, velocity in bar.dynamics]
        wedges += [(start + at, number, kind) for at, number, kind in bar.wedges]
        played += [(start, note, passes[index]) for note in bar.notes]
    dynamics.sort(key=lambda mark: mark[0])
    dynamics = _with_wedges(dynamics, wedges)
    for staff, part in parts.items():
        _fill(part, [item for item in played if item[1].staff == staff], dynamics)
    return list(parts.values())


def _with_wedges(
    dynamics: list[tuple[float, int]], wedges: Sequence[tuple[float, str, str]]
) -> list[tuple[float, int]]:
    """Dynamics with a step every STEP beats of a hairpin, which leads to the dynamic at its end, or by one level."""
    open_: dict[str, tuple[float, str]] = {}
    spans: list[tuple[float, float, str]] = []
    for at, number, kind in wedges:
        if kind in ("crescendo", "diminuendo"):
            open_[number] = at, kind
        elif kind == "stop" and number in open_:
            begin, opened = open_.pop(number)
            if STEP <= at - begin <= LONGEST_WEDGE:
                spans.append((begin, at, opened))
    for begin, end, kind in sorted(spans):
        levels = [velocity for at, velocity in dynamics if at <= begin + 1e-6]
        low = levels[-1] if levels else 80
        sign = 1 if kind == "crescendo" else -1
        goal = next((v for at, v in dynamics if end - STEP <= at <= end + 1), low + sign * LEVEL)
        if (goal - low) * sign <= 0:  # the next dynamic is a new beginning, such as a subito piano
            goal = low + sign * LEVEL
        goal = max(12, min(127, goal))
        count = int((end - begin) / STEP)
        steps = [(begin + i * STEP, round(low + (goal - low) * i * STEP / (end - begin))) for i in range(1, count + 1)]
        inside = [mark for mark in dynamics if not begin + 1e-6 < mark[0] < end - STEP]
        dynamics = sorted([*steps, *inside], key=lambda mark: mark[0])
    return dynamics


def _program(player: _Player) -> int:
    for instrument in player.instruments.values():
        if instrument.program is not None:
            return instrument.program
    for name in (player.name, *(instrument.name for instrument in player.instruments.values())):
        found = program_of(name)
        if found is not None:
            return found
    return 0


def _fill(part: Part, played: list[tuple[float, _Sounded, int]], dynamics: list[tuple[float, int]]) -> None:
    """Put notes, words and slurs into ``part``; tied notes become one."""
    notes: list[Note] = []
    waiting: dict[int, list[tuple[int, str]]] = {}
    slurs: dict[str, float] = {}
    mark, velocity = 0, 80
    for bar_start, sounded, time in sorted(played, key=lambda item: (item[0] + item[1].start, -item[1].grace)):
        start = bar_start + sounded.start - sounded.grace * GRACE
        while mark < len(dynamics) and dynamics[mark][0] <= bar_start + sounded.start + 1e-6:
            velocity = dynamics[mark][1]
            mark += 1
        part.drum |= sounded.drum
        if start < 0:  # nothing is before the first beat to take time from
            start = bar_start + sounded.start
        length = sounded.length
        open_ = waiting.setdefault(sounded.pitch, [])
        meeting = [held for held in open_ if abs(notes[held[0]].end - start) < 1e-3] if sounded.tie_stop else []
        tie = next((held for held in meeting if held[1] == sounded.voice), meeting[0] if meeting else None)
        if tie is not None:
            tied = tie[0]
            first = notes[tied]
            notes[tied] = Note(first.start, first.pitch, start + length - first.start, first.velocity)
            open_.remove(tie)
            if sounded.tie_start:
                open_.append((tied, sounded.voice))
        else:
            notes.append(Note(start, sounded.pitch, length, sounded.velocity or velocity))
            if sounded.tie_start:
                open_.append((len(notes) - 1, sounded.voice))
        verses = sounded.lyrics
        text = verses.get(str(time)) or next(iter(verses.values()), "") if verses else ""
        if text and tie is None:
            part.lyrics.append(Lyric(start, text))
        for number, kind in sounded.slurs:
            if kind == "stop" and number in slurs:
                part.slurs.append((slurs.pop(number), start))
            elif kind == "start":
                slurs[number] = start
    part.slurs.sort()
    part.notes = sorted(_unlapped(notes))
    part.lyrics = sorted({lyric.beat: lyric for lyric in reversed(part.lyrics)}.values())


def _unlapped(notes: list[Note]) -> Iterator[Note]:
    """``notes``, those before a grace note of their own pitch ended where it begins."""
    graces = sorted((note.pitch, note.start) for note in notes if note.duration == GRACE)
    if not graces:
        yield from notes
        return
    by_pitch: dict[int, list[float]] = defaultdict(list)
    for pitch, start in graces:
        by_pitch[pitch].append(start)
    for note in notes:
        cut = next((s for s in by_pitch[note.pitch] if note.start < s - 1e-6 < note.end - 2e-6), None)
        yield note if cut is None else Note(note.start, note.pitch, cut - note.start, note.velocity)


def keys_of(signatures: Sequence[tuple[float, int, str]], piece: Piece) -> list[Key]:
    """Keys of signatures (beat, fifths, mode); where one states no mode, the notes under it decide between two."""
    pitched = [note for part in piece.parts if not part.drum for note in part.notes]
    found: list[Key] = []
    ordered = sorted(signatures)
    for index, (beat, raw, mode) in enumerate(ordered):
        fifths = (raw + 6) % 12 - 6 if abs(raw) > 7 else raw
        if mode in _MODES:
            above, minor = _MODES[mode]
        else:
            until = ordered[index + 1][0] if index + 1 < len(ordered) else float("inf")
            minor = _leans_minor([n for n in pitched if beat <= n.start < until], fifths * 7 % 12)
            above = 9 if minor else 0
        key = Key(beat, (fifths * 7 + above) % 12, minor)
        if not found or (found[-1].tonic, found[-1].minor) != (key.tonic, key.minor):
            found.append(key)
    return found


def _leans_minor(notes: list[Note], major: int) -> bool:
    if not notes:
        return False
    minor = (major + 9) % 12
    guess = estimate_key(notes)
    if (guess.tonic, guess.minor) in ((major, False), (minor, True)):
        return guess.minor
    end = max(note.end for note in notes)
    return min(note.pitch for note in notes if note.end > end - 0.01) % 12 == minor
