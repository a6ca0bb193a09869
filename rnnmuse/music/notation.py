"""Pieces as notation: beats to note values, notes to voices, staves and bars. musicxml.py writes what comes out.

Times are ticks, TICKS to the quarter note. Each beat of a staff gets the division (halves, triplets, ...) that its
onsets fit best at the least complexity. Ends that lie on no grid are drawn out to the next onset.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from rnnmuse.events import Note
from rnnmuse.music.piece import Metre, Part, Piece

TICKS = 480
MAX_BARS = 5000

VOICES = 4
"""Most voices of a staff."""

KEYBOARDS = frozenset([*range(8), *range(16, 24), 46])
"""Programs written on two staves where they need them: pianos, organs, the harp."""

OCTAVE_CLEFS = {3: "treble8", 4: "bass8"}
"""Clefs of guitars and basses, which are written an octave higher than they sound, by family of programs."""

FEET = frozenset((35, 36, 44))
"""Drums of the lower voice."""

_NATURAL = {"triple": {1: 0.0, 2: 0.08, 3: 0.0, 6: 0.02, 12: 0.06}, "double": {
    1: 0.0, 2: 0.008, 4: 0.015, 3: 0.022, 8: 0.05, 6: 0.04, 5: 0.07, 16: 0.09,
}}  # fmt: skip
"""Divisions of a beat, and what each costs in beats of error that a plainer one may have instead."""

_MIXED = 0.06
"""What a beat may cost before its halves are tried, and what two halves must gain."""

_CLOSE = 0.012
"""Beats by which a time may miss its grid and still be taken as meant."""


@dataclass(frozen=True, slots=True)
class Tuplet:
    """``actual`` notes in the time of ``normal``; the beat that it fills."""

    actual: int
    normal: int
    start: int
    """Tick at which it begins."""
    end: int
    """Tick at which it ends."""


@dataclass(slots=True)
class Cell:
    """A chord or a rest (no notes) of one written note value; ``tied_in`` where it goes on sounding from before."""

    start: int
    """Ticks from the start of the piece."""
    length: int
    """Ticks."""
    notes: list[Note] = field(default_factory=list)
    """Those that sound in it; none for a rest."""
    tied_in: bool = False
    tied_out: bool = False
    """Whether it goes on sounding after."""
    tuplet: Tuplet | None = None
    """The tuplet that it belongs to."""

    @property
    def end(self) -> int:
        return self.start + self.length


@dataclass(slots=True)
class Bar:
    """A bar of a staff: the cells of each voice from its start to its end."""

    number: int
    """As printed."""
    start: int
    """Ticks from the start of the piece."""
    end: int
    """Ticks from the start of the piece."""
    metre: Metre
    """The time signature that holds in it."""
    voices: list[list[Cell]] = field(default_factory=list)
    """Cells of each voice, without gaps."""


@dataclass(slots=True)
class Staff:
    bars: list[Bar]
    """All of the piece."""
    clef: str
    """``treble``, ``bass``, ``percussion``, or an octave lower ``treble8`` or ``bass8``."""


@dataclass(slots=True)
class Engraved:
    """An instrument of a score with its staves; ``onsets`` gives the tick at which a note of a beat is written."""

    name: str
    """As printed before the first system."""
    program: int
    """General MIDI program, 0 to 127."""
    drum: bool
    """Whether it is written on a percussion staff."""
    staves: list[Staff]
    """From the upper to the lower."""
    part: Part
    """The first part that is written on it."""
    onsets: dict[float, int] = field(default_factory=dict)


def engrave(piece: Piece) -> list[Engraved]:
    """The parts of ``piece`` that have notes, written out bar by bar to a common end."""
    bars = _bars(piece)
    if len(bars) > MAX_BARS:
        raise ValueError(f"bars: {len(bars):,}; a score is written of up to {MAX_BARS:,}")
    out: list[Engraved] = []
    for parts in _instruments(piece):
        first = parts[0]
        if first.drum:
            staves = [[note for part in parts for note in part.notes]]
        elif len(parts) > 1:
            staves = [part.notes for part in parts]
        else:
            staves = _hands(first.notes) if first.program in KEYBOARDS else [first.notes]
        made = Engraved(first.name, first.program, first.drum, [], first)
        for notes in staves:
            staff = _staff(sorted(notes), bars, first.drum, made.onsets)
            staff.clef = OCTAVE_CLEFS.get(first.program // 8, staff.clef) if not first.drum else staff.clef
            made.staves.append(staff)
        out.append(made)
    return out


def _bars(piece: Piece) -> list[Bar]:
    end = max(piece.end, 1e-3)
    starts = piece.bar_starts(end)
    lines = [*starts, next(line for line in piece.bar_lines() if line > starts[-1] + 1e-6)]
    return [
        Bar(number, _tick(start), _tick(stop), piece.metre_at(start))
        for number, (start, stop) in enumerate(zip(starts, lines[1:], strict=True), piece.first_bar)
    ]


def _tick(beat: float) -> int:
    return round(beat * TICKS)


def _instruments(piece: Piece) -> list[list[Part]]:
    """Parts by instrument: neighbours of one name and keyboard program are its staves; drums are one kit."""
    out: list[list[Part]] = []
    for part in piece.parts:
        if not part.notes:
            continue
        last = out[-1][0] if out else None
        pair = (
            last is not None and len(out[-1]) == 1 and bool(part.name) and last.name == part.name
            and last.program == part.program and part.program in KEYBOARDS and not part.drum
        )  # fmt: skip
        kit = next((group for group in out if group[0].drum and part.drum), None)
        if kit is not None:
            kit.append(part)
        elif pair:
            out[-1].append(part)
        else:
            out.append([part])
    return out


def _hands(notes: Sequence[Note]) -> list[list[Note]]:
    """Two staves, where the notes go far below and above middle C, else one."""
    if not notes or min(n.pitch for n in notes) >= 55 or max(n.pitch for n in notes) <= 64:
        return [list(notes)]
    right: list[Note] = []
    left: list[Note] = []
    centres = [67.0, 48.0]
    onsets: dict[int, list[Note]] = defaultdict(list)
    for note in notes:
        onsets[round(note.start * 24)].append(note)
    for at in sorted(onsets):
        chord = sorted(onsets[at], key=lambda note: note.pitch)
        cut = min(
            range(len(chord) + 1), key=lambda k: _stretch(chord[:k], centres[1], 0) + _stretch(chord[k:], centres[0], 1)
        )
        for hand, group, place in ((left, chord[:cut], 1), (right, chord[cut:], 0)):
            hand += group
            if group:
                middle = sum(note.pitch for note in group) / len(group)
                centres[place] += 0.3 * (middle - centres[place])
    return [right, left] if right and left else [list(notes)]


def _stretch(chord: Sequence[Note], centre: float, upper: int) -> float:
    """What it costs a hand to play ``chord``: distance, a wide grasp, the other hand's side of middle C."""
    if not chord:
        return 0.0
    span = chord[-1].pitch - chord[0].pitch
    wrong = sum(max(0, 57 - n.pitch) if upper else max(0, n.pitch - 63) for n in chord)
    return sum(abs(n.pitch - centre) for n in chord) * 0.5 + max(0, span - 12) * 4 + wrong * 1.5


# ---------------------------------------------------------------------------------------------------------
# A staff


def _staff(notes: list[Note], bars: list[Bar], drum: bool, onsets: dict[float, int]) -> Staff:
    grid = _Grid(notes, bars)
    if drum:
        lines = [_strokes([n for n in notes if (n.pitch in FEET) == feet], grid) for feet in (False, True)]
        groups = [line for line in lines if line]
        clef = "percussion"
    else:
        groups = _voices(_chords(notes, grid))
        pitches = sorted(note.pitch for note in notes)
        clef = "treble" if not pitches or pitches[len(pitches) // 2] >= 57 else "bass"
    for line in groups:
        for start, _, chord in line:
            for note in chord:
                onsets.setdefault(note.start, start)
    own = [Bar(bar.number, bar.start, bar.end, bar.metre) for bar in bars]
    starts = [bar.start for bar in own]
    for line in groups:
        pieces: dict[int, list[Cell]] = defaultdict(list)
        for start, end, chord in line:
            index = bisect_right(starts, start) - 1
            while start < end and index < len(own):
                stop = min(end, own[index].end)
                pieces[index].append(
                    Cell(start, stop - start, chord, tied_in=start != line_start(chord, grid), tied_out=stop < end)
                )
                start, index = stop, index + 1
        for index, cells in pieces.items():
            own[index].voices.append(_filled(cells, own[index], grid))
    for bar in own:
        _order(bar)
        if not bar.voices:
            bar.voices.append([Cell(bar.start, bar.end - bar.start)])
    return Staff(own, clef)


def _order(bar: Bar) -> None:
    """Put the higher voices first, where no tie leads to a voice of another bar."""
    if not any((cell.tied_in and cell.start == bar.start) or (cell.tied_out and cell.end == bar.end)
               for voice in bar.voices for cell in voice):  # fmt: skip
        bar.voices.sort(key=lambda voice: -_mean([note.pitch for cell in voice for note in cell.notes]))


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def line_start(chord: Sequence[Note], grid: _Grid) -> int:
    """The tick at which ``chord`` begins."""
    return grid.onset(chord[0].start)


class _Grid:
    """The division of every beat of a staff."""

    def __init__(self, notes: Sequence[Note], bars: Sequence[Bar]) -> None:
        self._bars = bars
        self._starts = [bar.start for bar in bars]
        self._halved: set[int] = set()
        self._divisions: dict[int, int] = {}
        by_beat: dict[int, list[Note]] = defaultdict(list)
        for note in notes:
            by_beat[self.beat(_tick(note.start) + 2)[0]].append(note)
        for start, group in by_beat.items():
            length = self.beat(start)[1]
            division, cost = _best(start, length, group)
            if length == TICKS and cost > _MIXED:
                middle = start + length // 2
                halves = [[n for n in group if (_tick(n.start) + 2 >= middle) == late] for late in (False, True)]
                fits = [_best(start + late * length // 2, length // 2, half) for late, half in enumerate(halves)]
                if max(fit[1] for fit in fits) + _MIXED < cost:
                    self._halved.add(start)
                    self._divisions[middle] = fits[1][0]
                    division = fits[0][0]
            self._divisions[start] = division

    def bar(self, tick: int) -> Bar:
        return self._bars[max(0, min(len(self._bars) - 1, bisect_right(self._starts, tick) - 1))]

    def beat(self, tick: int) -> tuple[int, int]:
        """Start and length of the beat that ``tick`` lies in."""
        bar = self.bar(tick)
        unit = unit_of(bar.metre)
        origin = bar.end if bar.end - bar.start < _tick(bar.metre.bar_beats) and bar.number == 0 else bar.start
        start = max(origin + (tick - origin) // unit * unit, bar.start)
        if start in self._halved:
            return start + (tick - start) // (unit // 2) * (unit // 2), unit // 2
        return start, min(unit, bar.end - bar.start)

    def division(self, tick: int) -> int:
        return self._divisions.get(self.beat(tick)[0], 1)

    def onset(self, beat: float) -> int:
        """The tick at which a note that starts at ``beat`` is written."""
        tick = _tick(beat)
        start, length = self.beat(tick + 2)
        division = self._divisions.get(start, 4)
        return start + round((_exact(beat) - start) / length * division) * length // division

    def end(self, note: Note, following: float) -> int:
        """The tick at which ``note`` ends: on a grid where it is meant to, else drawn out to the next onset."""
        exact, start = _exact(note.end), self.onset(note.start)
        begin, length = self.beat(round(exact) - 1)
        division = self._divisions.get(begin, 4)
        for fine in dict.fromkeys((division, 4 if length % 720 else 6)):
            step = length // fine
            near = begin + round((exact - begin) / step) * step
            if near > start and abs(near - exact) <= _CLOSE * TICKS:
                return near
        if following > start and following - exact <= max(0.3 * TICKS, 0.45 * (following - start)):
            return int(following)
        step = length // division
        return max(start + step, begin + round((exact - begin) / step) * step)


def _best(start: int, length: int, notes: Sequence[Note]) -> tuple[int, float]:
    """The division that suits the onsets of one beat, and what it costs."""
    costs = _NATURAL["triple" if length % 720 == 0 else "double"]

    def cost(division: int) -> float:
        step = length / division
        places = [(_exact(note.start) - start) / step for note in notes]
        errors = [abs(place - round(place)) * step / TICKS for place in places]
        met = len({(round(place), note.pitch) for place, note in zip(places, notes, strict=True)})
        lumped = len({(note.start, note.pitch) for note in notes}) - met
        return sum(errors) / len(errors) + max(errors) / 2 + costs[division] + lumped

    if not notes:
        return 1, 0.0
    division = min((d for d in costs if length % d == 0), key=cost)
    return division, cost(division)


def _exact(beat: float) -> float:
    return beat * TICKS


def unit_of(metre: Metre) -> int:
    """Ticks of a beat as it is felt and beamed: a dotted quarter in compound metres, else a quarter, or the unit of a
    metre in eighths or less."""
    if metre.denominator >= 8 and metre.numerator % 3 == 0 and metre.numerator > 3:
        return 3 * 4 * TICKS // metre.denominator
    return min(TICKS, 4 * TICKS // metre.denominator) if metre.numerator * 4 % metre.denominator else TICKS


Group = tuple[int, int, list[Note]]
"""Start, end and notes of a chord."""


def _chords(notes: list[Note], grid: _Grid) -> list[Group]:
    """Notes that begin and end together, in order, higher ones first."""
    starts = sorted({grid.onset(note.start) for note in notes})
    found: dict[tuple[int, int], list[Note]] = defaultdict(list)
    for note in notes:
        start = grid.onset(note.start)
        at = bisect_right(starts, start)
        end = grid.end(note, min(starts[at] if at < len(starts) else math.inf, grid.bar(_tick(note.end) - 2).end))
        found[start, max(end, start + 1)].append(note)
    groups: list[Group] = []
    for (start, end), chord in found.items():
        unique = {note.pitch: note for note in chord}
        groups.append((start, end, sorted(unique.values(), key=lambda note: note.pitch)))
    return sorted(groups, key=lambda group: (group[0], -group[2][-1].pitch))


def _voices(groups: list[Group]) -> list[list[Group]]:
    """The chords in as few voices as hold them; chords that find no voice free end what sounds in the lowest."""
    voices: list[list[Group]] = []
    for start, end, chord in groups:
        free = [voice for voice in voices if voice[-1][1] <= start]
        if not free and len(voices) < VOICES:
            voices.append([])
            free = voices[-1:]
        if free:
            free[0].append((start, end, chord))
            continue
        voice = next((v for v in reversed(voices) if v[-1][0] < start), None)
        if voice is None:  # all began at this very tick: a chord takes the notes
            last = voices[-1][-1]
            have = {note.pitch for note in last[2]}
            last[2].extend(note for note in chord if note.pitch not in have)
            last[2].sort(key=lambda note: note.pitch)
            continue
        voice[-1] = (voice[-1][0], start, voice[-1][2])
        voice.append((start, end, chord))
    return voices


def _strokes(notes: Sequence[Note], grid: _Grid) -> list[Group]:
    """Drum strokes: each lasts to the next one of its voice, within its beat."""
    chords: dict[int, dict[int, Note]] = defaultdict(dict)
    for note in notes:
        chords[grid.onset(note.start)].setdefault(note.pitch, note)
    starts = sorted(chords)
    out: list[Group] = []
    for index, start in enumerate(starts):
        beat, length = grid.beat(start)
        end = min(beat + length, starts[index + 1] if index + 1 < len(starts) else beat + length)
        out.append((start, end, sorted(chords[start].values(), key=lambda note: note.pitch)))
    return out


# ---------------------------------------------------------------------------------------------------------
# Note values

VALUES: dict[int, tuple[str, int]] = {}
"""Ticks to the name of a note value and its dots."""
for _power, _name in enumerate(("breve", "whole", "half", "quarter", "eighth", "16th", "32nd", "64th")):
    _length = TICKS * 8 // 2**_power
    VALUES[_length] = (_name, 0)
    if _length % 2 == 0:
        VALUES[_length * 3 // 2] = (_name, 1)
del _power, _name, _length


def _filled(cells: list[Cell], bar: Bar, grid: _Grid) -> list[Cell]:
    """The cells of a voice in a bar with rests between, split into note values."""
    out: list[Cell] = []
    at = bar.start
    for cell in sorted(cells, key=lambda cell: cell.start):
        if cell.start > at:
            out += _split(Cell(at, cell.start - at), bar, grid)
        out += _split(cell, bar, grid)
        at = cell.end
    if at < bar.end:
        out += _split(Cell(at, bar.end - at), bar, grid)
    return out


def _split(cell: Cell, bar: Bar, grid: _Grid) -> list[Cell]:
    """A cell as note values, tied where it is a chord. What lies across a beat that is no plain syncopation is parted
    at the beat, what lies across the middle of the bar there."""
    if not cell.notes and cell.start == bar.start and cell.end == bar.end:
        return [cell]
    pieces: list[Cell] = []
    at = cell.start
    while at < cell.end:
        stop = _stop(at, cell.end, bar, grid, bool(cell.notes))
        pieces.append(Cell(at, stop - at, cell.notes))
        at = stop
    for index, piece in enumerate(pieces):
        begin, length = grid.beat(piece.start)
        piece.tuplet = _tuplet(piece, begin, length, grid)
        if cell.notes:
            piece.tied_in = cell.tied_in or index > 0
            piece.tied_out = cell.tied_out or index + 1 < len(pieces)
    return pieces


def _stop(at: int, end: int, bar: Bar, grid: _Grid, sounds: bool) -> int:
    """Where the note value that begins at ``at`` ends, at ``end`` or before."""
    begin, length = grid.beat(at)
    beat_end = begin + length
    inside = _in_tuplet(begin, length, grid)
    whole_beats = at == begin and (end - at) % length == 0
    if inside and not (whole_beats and _is_plain(at, end, grid)):
        return _value_stop(at, min(end, beat_end), begin, length, grid)
    middle = bar.start + (bar.end - bar.start) // 2
    halves = (bar.end - bar.start) % (2 * length) == 0 and (bar.end - bar.start) // length >= 4
    best = min(end, beat_end)
    dotted = length % 720 != 0 and end - at in VALUES and VALUES[end - at][1] == 1 and end > beat_end
    if sounds and at == begin and dotted and _is_plain(at, end, grid) and not (halves and at < middle < end):
        return end
    if at == begin:
        last = begin
        while last < end:
            last += length
        for stop in range(min(last, bar.end), at, -length):
            if stop <= end and _plain_value(stop - at, length) and _is_plain(at, stop, grid):
                crosses = halves and at < middle < stop and (at - bar.start) % (2 * length) and stop - middle > 0
                if not (crosses and not sounds):
                    best = stop
                    break
    elif sounds and end > beat_end and end - at <= length and length % 720:
        crosses_middle = halves and at < middle < end
        later = _in_tuplet(beat_end, length, grid)
        if not crosses_middle and not later and end - at in VALUES and VALUES[end - at][1] == 0:
            return end
    return _value_stop(at, best, begin, length, grid)


def _plain_value(ticks: int, unit: int) -> bool:
    return ticks in VALUES and (unit % 720 != 0 or VALUES[ticks][1] == 1 or ticks < unit)


def _is_plain(at: int, stop: int, grid: _Grid) -> bool:
    """Whether no beat of the stretch has to be written as a tuplet because the note ends inside it."""
    begin, length = grid.beat(stop - 1)
    return stop == begin + length or not _in_tuplet(begin, length, grid)


def _in_tuplet(begin: int, length: int, grid: _Grid) -> bool:
    division = grid.division(begin)
    return division in (3, 6, 5) if length % 720 else division == 2


def _value_stop(at: int, stop: int, begin: int, length: int, grid: _Grid) -> int:
    """The end of the longest note value from ``at`` that ends at ``stop`` or before and leaves values for the rest."""
    ratio = _ratio(length, grid.division(begin)) if _in_tuplet(begin, length, grid) else (1, 1)
    if at == begin and stop == begin + length and stop - at in VALUES:
        return stop
    written = (stop - at) * ratio[0] // ratio[1]
    if (
        written in VALUES
        and VALUES[written][1] <= 1
        and (at - begin) % max(1, _floor(written) * ratio[1] // ratio[0] // 2) == 0
    ):
        return stop
    fitting = [value for value in VALUES if value * ratio[1] // ratio[0] <= stop - at and VALUES[value][1] == 0]
    # Up to the next multiple of itself a value keeps the beat visible.
    for value in sorted(fitting, reverse=True):
        ticks = value * ratio[1] // ratio[0]
        if ticks and (at - begin) % ticks == 0:
            return at + ticks
    return stop


def _floor(written: int) -> int:
    """The undotted part of a note value."""
    return written if VALUES[written][1] == 0 else written * 2 // 3


def _ratio(length: int, division: int) -> tuple[int, int]:
    """How many notes stand in the time of how many, for a beat of ``length`` in ``division`` parts."""
    if length % 720 == 0:
        return (2, 3)
    return (5, 4) if division == 5 else (3, 2)


def _tuplet(piece: Cell, begin: int, length: int, grid: _Grid) -> Tuplet | None:
    if not _in_tuplet(begin, length, grid) or piece.length >= length:
        return None
    return Tuplet(*_ratio(length, grid.division(begin)), begin, begin + length)
