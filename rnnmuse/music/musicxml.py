"""Pieces to MusicXML 4.0, as notation that a person can read (see notation.py); nothing beyond numpy is needed.

A syllable goes under its note as ``single``, ``begin``, ``middle`` or ``end`` of a word; notes that hold a syllable are
slurred to it and its line of extension is drawn, as in the specification's ``lyric`` and ``extend``.
"""

from __future__ import annotations

import io
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from rnnmuse.events import Note
from rnnmuse.music.chordtext import harmony_of
from rnnmuse.music.instruments import DRUM_STAFF, drum_name
from rnnmuse.music.notation import TICKS, VALUES, Bar, Cell, Engraved, engrave, unit_of
from rnnmuse.music.piece import Key, Metre, Piece
from rnnmuse.music.theory import estimate_key
from rnnmuse.provenance.marks import seal
from rnnmuse.storage import write_whole

HELD = "_"
_CONTAINER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<container><rootfiles><rootfile full-path="score.musicxml" '
    'media-type="application/vnd.recordare.musicxml+xml"/></rootfiles></container>\n'
)
_HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE score-partwise PUBLIC '
    b'"-//Recordare//DTD MusicXML 4.0 Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_CLEFS = {"treble": ("G", "2"), "bass": ("F", "4"), "percussion": ("percussion", None)}
_LETTERS = "FCGDAEB"
_BEAMED = {"eighth": 1, "16th": 2, "32nd": 3, "64th": 4}


def write_musicxml(piece: Piece, path: Path | str) -> None:
    """Write ``piece`` as MusicXML, compressed where ``path`` ends in ``.mxl``. OSError where it cannot be written."""
    path = Path(path)
    data = musicxml_bytes(piece)
    if path.suffix.lower() == ".mxl":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("META-INF/container.xml", _CONTAINER)
            archive.writestr("score.musicxml", data)
        data = buffer.getvalue()
        if piece.made is not None:
            data = seal(data, ".mxl", piece.made)
    write_whole(path, data)


def musicxml_bytes(piece: Piece) -> bytes:
    """The bytes `write_musicxml` writes, not compressed."""
    root = ET.Element("score-partwise", version="4.0")
    if piece.title:
        _add(_add(root, "work"), "work-title", piece.title)
    _add(_add(_add(root, "identification"), "encoding"), "software", "rnnmuse")
    part_list = _add(root, "part-list")
    instruments = engrave(piece)
    keys = piece.keys or _estimated(piece)
    for index, instrument in enumerate(instruments, 1):
        _declare(part_list, instrument, f"P{index}")
    for index, instrument in enumerate(instruments, 1):
        root.append(_Writer(piece, instrument, f"P{index}", keys, index == 1).part())
    ET.indent(root, " ")
    body: bytes = ET.tostring(root, "utf-8")
    data = _HEAD + body + b"\n"
    return data if piece.made is None else seal(data, ".musicxml", piece.made)


def _estimated(piece: Piece) -> list[Key]:
    pitched = [note for part in piece.parts if not part.drum for note in part.notes]
    return [estimate_key(pitched)] if pitched else []


def _add(parent: ET.Element, tag: str, text: object = None, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    if text is not None:
        element.text = "".join(
            char for char in str(text) if char in "\t\n" or " " <= char <= "\ud7ff" or char >= "\ue000"
        )
    return element


def _declare(part_list: ET.Element, instrument: Engraved, key: str) -> None:
    about = _add(part_list, "score-part", id=key)
    _add(about, "part-name", instrument.name or ("Drums" if instrument.drum else "Part"))
    pitches = sorted({note.pitch for note in _notes(instrument)}) if instrument.drum else [-1]
    for pitch in pitches:
        own = _add(about, "score-instrument", id=f"{key}-I{pitch + 1}")
        _add(own, "instrument-name", drum_name(pitch) if instrument.drum else instrument.name or "Part")
    for pitch in pitches:
        midi = _add(about, "midi-instrument", id=f"{key}-I{pitch + 1}")
        _add(midi, "midi-channel", 10 if instrument.drum else _channel(int(key[1:])))
        _add(midi, "midi-program", instrument.program + 1)
        if instrument.drum:
            _add(midi, "midi-unpitched", pitch + 1)


def _channel(index: int) -> int:
    """A channel 1-16 that is not that of the drums."""
    return (index - 1) % 15 + 1 + ((index - 1) % 15 >= 9)


def _notes(instrument: Engraved) -> Iterable[Note]:
    return (n for staff in instrument.staves for bar in staff.bars for v in bar.voices for c in v for n in c.notes)


class _Writer:
    """Writes one instrument."""

    def __init__(self, piece: Piece, instrument: Engraved, key: str, keys: Sequence[Key], first: bool) -> None:
        self.piece, self.instrument, self.id, self.keys, self.first = piece, instrument, key, keys, first
        self.words = _words(instrument)
        self.fifths = 0
        self.metre: Metre | None = None
        self.altered: dict[tuple[int, str, int], int] = {}

    def part(self) -> ET.Element:
        root = ET.Element("part", id=self.id)
        count = len(self.instrument.staves[0].bars)
        for index in range(count):
            self._bar(root, [staff.bars[index] for staff in self.instrument.staves], index + 1 == count)
        return root

    def _bar(self, root: ET.Element, bars: Sequence[Bar], last: bool) -> None:
        bar = bars[0]
        measure = _add(root, "measure", number=str(bar.number))
        if bar.end - bar.start < round(bar.metre.bar_beats * TICKS):
            measure.set("implicit", "yes")  # a pickup, or the halves of a bar that a change parts
        self.altered = {}
        self._attributes(measure, bar)
        if self.first:
            self._tempos(measure, bar)
        at = bar.start
        voice = 0
        for number, one in enumerate(bars, 1):
            for position, cells in enumerate(one.voices):
                if at != bar.start:
                    _add(_add(measure, "backup"), "duration", at - bar.start)
                voice = 4 * (number - 1) + position + 1
                chords = self._chords(bar) if self.first and number == 1 and position == 0 else []
                beams = _beams(cells, one)
                for place, cell in enumerate(cells):
                    for tick, text in chords:
                        if cell.start <= tick < cell.end:
                            _harmony(measure, text, tick - cell.start)
                    self._cell(measure, cells, place, one, voice, number, beams.get(place, []))
                at = bar.end
        if last:
            _add(_add(measure, "barline", location="right"), "bar-style", "light-heavy")

    def _attributes(self, measure: ET.Element, bar: Bar) -> None:
        attributes = ET.Element("attributes")
        opening = self.metre is None
        if opening:
            _add(attributes, "divisions", TICKS)
        fifths = self._fifths_at(bar)
        if not self.instrument.drum and (opening or fifths != self.fifths):
            key = _add(attributes, "key")
            _add(key, "fifths", fifths)
            minor = self._key_at(bar)
            if minor is not None:
                _add(key, "mode", "minor" if minor.minor else "major")
        self.fifths = fifths
        signature = (bar.metre.numerator, bar.metre.denominator)
        if self.metre is None or signature != (self.metre.numerator, self.metre.denominator):
            time = _add(attributes, "time")
            _add(time, "beats", signature[0])
            _add(time, "beat-type", signature[1])
        self.metre = bar.metre
        if opening:
            staves = self.instrument.staves
            if len(staves) > 1:
                _add(attributes, "staves", len(staves))
            for number, staff in enumerate(staves, 1):
                clef = _add(attributes, "clef", **({"number": str(number)} if len(staves) > 1 else {}))
                sign, line = _CLEFS[staff.clef.removesuffix("8")]
                _add(clef, "sign", sign)
                if line:
                    _add(clef, "line", line)
                if staff.clef.endswith("8"):
                    _add(clef, "clef-octave-change", -1)
        if len(attributes):
            measure.append(attributes)

    def _key_at(self, bar: Bar) -> Key | None:
        before = [key for key in self.keys if key.beat * TICKS < bar.end - 1]
        begun = [key for key in before if key.beat * TICKS <= bar.start + 1]
        return begun[-1] if begun else before[0] if before else None

    def _fifths_at(self, bar: Bar) -> int:
        key = self._key_at(bar)
        if key is None:
            return 0
        return ((key.tonic + (3 if key.minor else 0)) * 7 + 5) % 12 - 5

    def _tempos(self, measure: ET.Element, bar: Bar) -> None:
        """Tempo marks; of a gradual change only its steps of a tenth are shown, the rest sounds."""
        shown = getattr(self, "_shown", None)
        for tempo in self.piece.tempos:
            tick = round(tempo.beat * TICKS)
            if not bar.start <= tick < bar.end:
                continue
            direction = _add(measure, "direction", placement="above")
            kind = _add(direction, "direction-type")
            if shown is None or abs(tempo.bpm / shown - 1) > 0.1:
                metronome = _add(kind, "metronome")
                compound = unit_of(bar.metre) == 3 * TICKS // 2
                _add(metronome, "beat-unit", "quarter")
                if compound:
                    _add(metronome, "beat-unit-dot")
                _add(metronome, "per-minute", f"{tempo.bpm / (1.5 if compound else 1):.4g}")
                shown = tempo.bpm
            else:
                _add(kind, "words", "")
            if tick > bar.start:
                _add(direction, "offset", tick - bar.start)
            _add(direction, "sound", tempo=f"{tempo.bpm:.6g}")
        self._shown = shown

    def _chords(self, bar: Bar) -> list[tuple[int, str]]:
        found = [(round(chord.beat * TICKS), chord.text) for chord in self.piece.chords]
        return [(tick, text) for tick, text in found if bar.start <= tick < bar.end]

    # -- notes ------------------------------------------------------------------------------------------------

    def _cell(
        self,
        measure: ET.Element,
        cells: Sequence[Cell],
        place: int,
        bar: Bar,
        voice: int,
        staff: int,
        beams: Sequence[str],
    ) -> None:
        cell = cells[place]
        whole_bar = not cell.notes and cell.start == bar.start and cell.end == bar.end
        for index, note in enumerate(cell.notes or [None]):
            element = _add(measure, "note")
            if note is not None:
                element.set("dynamics", f"{note.velocity / 0.9:.2f}")
            if index:
                _add(element, "chord")
            spelling: tuple[str, int, int] | None = None
            if note is None:
                _add(element, "rest", **({"measure": "yes"} if whole_bar else {}))
            elif self.instrument.drum:
                step, octave, _ = DRUM_STAFF.get(note.pitch, ("C", 5, "normal"))
                unpitched = _add(element, "unpitched")
                _add(unpitched, "display-step", step)
                _add(unpitched, "display-octave", octave)
            else:
                spelling = spelled(note.pitch, self.fifths, self._minor(bar))
                _pitch(element, spelling)
            _add(element, "duration", cell.length)
            if note is not None and cell.tied_in:
                _add(element, "tie", type="stop")
            if note is not None and cell.tied_out:
                _add(element, "tie", type="start")
            if note is not None and self.instrument.drum:
                _add(element, "instrument", id=f"{self.id}-I{note.pitch + 1}")
            _add(element, "voice", voice)
            self._value(element, cell, whole_bar)
            if spelling is not None and not cell.tied_in:
                self._accidental(element, spelling, staff)
            if cell.tuplet is not None:
                ratio = _add(element, "time-modification")
                _add(ratio, "actual-notes", cell.tuplet.actual)
                _add(ratio, "normal-notes", cell.tuplet.normal)
            if note is not None and len(bar.voices) > 1:
                _add(element, "stem", "up" if (voice - 1) % 4 % 2 == 0 else "down")
            if note is not None and self.instrument.drum:
                head = DRUM_STAFF.get(note.pitch, ("C", 5, "normal"))[2]
                if head != "normal":
                    _add(element, "notehead", head)
            if len(self.instrument.staves) > 1:
                _add(element, "staff", staff)
            if index == 0:
                for level, kind in enumerate(beams, 1):
                    _add(element, "beam", kind, number=str(level))
            self._notations(element, cells, place, index)
            if note is not None and index == 0 and not cell.tied_in and voice == 1:
                self._lyric(element, note.start)

    def _minor(self, bar: Bar) -> bool:
        key = self._key_at(bar)
        return key is not None and key.minor

    @staticmethod
    def _value(element: ET.Element, cell: Cell, whole_bar: bool) -> None:
        ratio = (cell.tuplet.actual, cell.tuplet.normal) if cell.tuplet else (1, 1)
        value = VALUES.get(cell.length * ratio[0] // ratio[1])
        if value is None or whole_bar:
            return
        _add(element, "type", value[0])
        for _ in range(value[1]):
            _add(element, "dot")

    def _accidental(self, element: ET.Element, spelling: tuple[str, int, int], staff: int) -> None:
        step, alter, octave = spelling
        place = (staff, step, octave)
        if self.altered.get(place, _in_key(step, self.fifths)) != alter:
            names = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
            _add(element, "accidental", names[alter])
            self.altered[place] = alter

    def _notations(self, element: ET.Element, cells: Sequence[Cell], place: int, index: int) -> None:
        cell = cells[place]
        notations = ET.Element("notations")
        if cell.notes and cell.tied_in:
            _add(notations, "tied", type="stop")
        if cell.notes and cell.tied_out:
            _add(notations, "tied", type="start")
        if cell.tuplet is not None and index == 0:
            inside = [i for i, other in enumerate(cells) if other.tuplet == cell.tuplet]
            if place == inside[0]:
                _add(notations, "tuplet", type="start", bracket="yes" if not _beamed(cells, inside) else "no")
            if place == inside[-1]:
                _add(notations, "tuplet", type="stop")
        if cell.notes and index == 0:
            start = cell.notes[0].start
            if not cell.tied_in and start in self.words.slurs:
                _add(notations, "slur", type="start", number="1")
            if not cell.tied_out and start in self.words.slur_ends:
                _add(notations, "slur", type="stop", number="1")
        if len(notations):
            element.append(notations)

    def _lyric(self, element: ET.Element, beat: float) -> None:
        found = self.words.syllables.get(beat)
        if found is None:
            return
        lyric = _add(element, "lyric", number="1")
        _add(lyric, "syllabic", found[1])
        _add(lyric, "text", found[0])
        if beat in self.words.slurs:
            _add(lyric, "extend")


class _Words:
    """The syllables of a part by the start of their note, and the slurs over notes that hold one."""

    def __init__(self) -> None:
        self.syllables: dict[float, tuple[str, str]] = {}
        self.slurs: set[float] = set()
        self.slur_ends: set[float] = set()


def _words(instrument: Engraved) -> _Words:
    out = _Words()
    starts = sorted({note.start for note in instrument.part.notes})
    going_on = False
    carrying: float | None = None
    last_held: float | None = None
    for lyric in sorted(instrument.part.lyrics, key=lambda lyric: lyric.beat):
        near = min(starts, key=lambda start: abs(start - lyric.beat), default=None)
        if near is None or abs(near - lyric.beat) > 0.25:
            continue
        if lyric.text == HELD:
            if carrying is not None:
                out.slurs.add(carrying)
                last_held = near
            continue
        if last_held is not None:
            out.slur_ends.add(last_held)
            last_held = None
        more = lyric.text.endswith("-") and len(lyric.text) > 1
        kind = ("middle" if more else "end") if going_on else ("begin" if more else "single")
        out.syllables[near] = (lyric.text[:-1] if more else lyric.text, kind)
        going_on, carrying = more, near
    if last_held is not None:
        out.slur_ends.add(last_held)
    return out


def _beamed(cells: Sequence[Cell], inside: Sequence[int]) -> bool:
    """Whether a beam shows the notes of a tuplet as one."""
    return all(cells[i].notes and _flags(cells[i]) for i in inside)


def _flags(cell: Cell) -> int:
    """How many flags the note value of a cell has."""
    ratio = (cell.tuplet.actual, cell.tuplet.normal) if cell.tuplet else (1, 1)
    value = VALUES.get(cell.length * ratio[0] // ratio[1])
    return _BEAMED.get(value[0], 0) if value else 0


def _beams(cells: Sequence[Cell], bar: Bar) -> dict[int, list[str]]:
    """The beams of each cell, outermost first: notes with flags within one beat, eighths within half a bar of 4/4."""
    unit = unit_of(bar.metre)
    groups: dict[int, list[int]] = defaultdict(list)
    for index, cell in enumerate(cells):
        if cell.notes and _flags(cell):
            groups[(cell.start - bar.start) // unit].append(index)
    joined: list[list[int]] = []
    for beat in sorted(groups):
        group = groups[beat]
        plain = all(_flags(cells[i]) == 1 and cells[i].tuplet is None for i in group)
        previous = joined[-1] if joined else []
        half = unit == TICKS and bar.metre.numerator % 2 == 0 and beat % 2 == 1
        whole = unit == TICKS and bar.metre.numerator == 3 and beat > 0
        if (
            plain and (half or whole) and previous and previous[-1] + 1 == group[0]
            and all(_flags(cells[i]) == 1 and cells[i].tuplet is None for i in previous)
            and (cells[previous[0]].start - bar.start) % unit == 0
            and sum(cells[i].length for i in [*previous, *group]) % unit == 0
        ):  # fmt: skip
            previous += group
        else:
            joined.append(list(group))
    found: dict[int, list[str]] = {}
    for group in joined:
        for run in _runs(group):
            if len(run) > 1:
                _beam_run(run, cells, found)
    return found


def _runs(group: Sequence[int]) -> list[list[int]]:
    """Stretches of neighbours; a rest or a long note between parts them."""
    runs: list[list[int]] = []
    for index in group:
        if runs and runs[-1][-1] + 1 == index:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs


def _beam_run(run: Sequence[int], cells: Sequence[Cell], found: dict[int, list[str]]) -> None:
    flags = [_flags(cells[i]) for i in run]
    for place, index in enumerate(run):
        kinds = []
        for level in range(1, flags[place] + 1):
            before = place > 0 and flags[place - 1] >= level
            after = place + 1 < len(run) and flags[place + 1] >= level
            if before and after:
                kinds.append("continue")
            elif before:
                kinds.append("end")
            elif after:
                kinds.append("begin")
            else:
                kinds.append("backward hook" if place else "forward hook")
        found[index] = kinds


def _pitch(element: ET.Element, spelling: tuple[str, int, int]) -> None:
    pitch = _add(element, "pitch")
    _add(pitch, "step", spelling[0])
    if spelling[1]:
        _add(pitch, "alter", spelling[1])
    _add(pitch, "octave", spelling[2])


def _in_key(step: str, fifths: int) -> int:
    """The alteration of a step in a key signature."""
    place = _LETTERS.index(step)
    return 1 if place < fifths else -1 if 6 - place < -fifths else 0


def spelled(pitch: int, fifths: int, minor: bool = False) -> tuple[str, int, int]:
    """Step, alteration and octave of a pitch in a key: of its names the one nearest on the line of fifths, up to four
    flatward and seven sharpward of the major tonic; one further sharpward in minor, for its raised seventh."""
    low = fifths - (3 if minor else 4)
    place = low + (pitch * 7 - low) % 12  # C is 0, G 1, F -1
    letter = _LETTERS[(place + 1) % 7]
    alter = (place + 1) // 7
    natural = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[letter]
    return letter, alter, (pitch - natural - alter) // 12 - 1


def _harmony(measure: ET.Element, text: str, offset: int) -> None:
    """A chord symbol; one that is no chord is written as words."""
    found = harmony_of(text)
    if found is None:
        direction = _add(measure, "direction", placement="above")
        _add(_add(direction, "direction-type"), "words", text)
        if offset:
            _add(direction, "offset", offset)
        return
    root, kind, shown, degrees, bass = found
    harmony = _add(measure, "harmony")
    element = _add(harmony, "root")
    _add(element, "root-step", root[0])
    if len(root) > 1:
        _add(element, "root-alter", root.count("#") - root.count("b"))
    described = _add(harmony, "kind", kind)
    if shown or kind != "major":
        described.set("text", shown)
    if bass:
        element = _add(harmony, "bass")
        _add(element, "bass-step", bass[0])
        if len(bass) > 1:
            _add(element, "bass-alter", bass.count("#") - bass[1:].count("b"))
    for value, alter, what in degrees:
        degree = _add(harmony, "degree", **{"print-object": "no"})
        _add(degree, "degree-value", value)
        _add(degree, "degree-alter", alter)
        _add(degree, "degree-type", what)
    if offset:
        _add(harmony, "offset", offset)
