"""Pieces to and from the stream model's events: human timing in, human timing out.

A piece becomes note-on and note-off events in order of time. Each event has seven fields, which the model
predicts in this order:

======== ======= ==========================================================================
field    classes meaning
======== ======= ==========================================================================
beats    32      whole beats since the previous event's grid position
sub      24      rest of that distance, in 24ths of a beat (16ths are 6, triplet eighths 8)
kind     2       0 = note-off, 1 = note-on (as input also 2 = start of the piece)
part     P       index into the model's part classes
pitch    128     MIDI note number; drums too
velocity 32      MIDI velocity // 4; 0 for note-offs
micro    21      distance from the grid in 480ths of a beat, -10 to 10, stored + 10
======== ======= ==========================================================================

Grid position and micro-timing together resolve a beat into 480 steps, about 1 ms at 120 bpm, while the
place in the bar stays exact. Waits beyond 32 beats are shortened to just under 32. A drum stroke has no
note-off: its length means nothing to a drum, and half the steps are saved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnmuse.events import Note
from rnnmuse.music.drums import general_midi
from rnnmuse.music.echo import CLASSES, bars_of, echoes, strokes
from rnnmuse.music.piece import Metre, Part, Piece
from rnnmuse.music.theory import QUALITIES, parse_chord

GRID = 24
MICRO = 20
MAX_WAIT = 32 * GRID - 1
BEATS, SUB, KIND, PART, PITCH, VELOCITY, MICROTIME = range(7)
FIELDS = ("beats", "sub", "kind", "part", "pitch", "velocity", "micro")
OFF, ON, START = 0, 1, 2

CONTEXT = (
    "bar_beat", "bar_sub", "bar_length", "key", "root", "quality", "density", "tempo",
    "groups", "echo", "echo_rest", "active", "ending",
)  # fmt: skip
CONTEXT_SIZES = (
    17, 25, 17, 25, 13, len(QUALITIES) + 1, 9, 9,
    7, CLASSES + 1, CLASSES + 1, 33, 6,
)  # fmt: skip
BAR_BEAT, BAR_SUB, BAR_LENGTH, KEY, ROOT, QUALITY, DENSITY, TEMPO, GROUPS, ECHO, ECHO_REST, ACTIVE, ENDING = range(13)
PLANNED = (ECHO, ECHO_REST, ACTIVE, ENDING)
"""Context columns of the plan: what each bar restates (part class 0, and the others), who plays, how far the end is."""
MOST_ACTIVE = 5
"""Part classes that the column ``active`` tells apart, one bit each."""
POSITION = (BAR_BEAT, BAR_SUB, KEY, ROOT, QUALITY, DENSITY, ECHO, ECHO_REST, ACTIVE, ENDING)
"""Context columns that tell the heads where the event to come falls."""
FIRST_PLACED = KIND
"""The first head that is conditioned on the time; the heads before it choose the time."""
UNKNOWN = tuple(size - 1 for size in CONTEXT_SIZES)
STROKE = 0.125  # beats that a decoded drum stroke is written with
# note-ons per beat that separate the density classes
DENSITY_EDGES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.5, 7.0)
TEMPO_EDGES = (60.0, 75.0, 90.0, 105.0, 120.0, 140.0, 170.0)

VOICE_NAMES = (
    "voice",
    "vocal",
    "singstimme",
    "gesang",
    "chant",
    "canto",
    "voix",
    "sopran",
    "tenor",
    "baritone",
    "alto",
    "melody",
    "lead",
    "sings",
)

Array = NDArray[np.int16]


def field_sizes(parts: int) -> tuple[int, ...]:
    """Number of classes of each field, for a model with ``parts`` part classes."""
    return (32, GRID, 2, parts, 128, 32, 21)


@dataclass(frozen=True, slots=True)
class PartClass:
    """One kind of part that a model knows.

    ``families`` are the General MIDI program families (program // 8) that belong to it, ``program`` is what it
    is written with, ``sung`` takes parts with lyrics or a singer's name first.
    """

    name: str
    """As the bundle names it."""
    program: int = 0
    families: tuple[int, ...] = ()
    drum: bool = False
    """Whether its notes are General MIDI drums."""
    sung: bool = False


@dataclass(frozen=True, slots=True)
class Encoded:
    """A piece as arrays: ``events`` (N, 7) and ``context`` (N, 13), int16, columns as FIELDS and CONTEXT."""

    events: Array
    context: Array

    def __len__(self) -> int:
        return len(self.events)


def is_sung(part: Part) -> bool:
    """Whether a part is sung: it has lyrics or a singer's name."""
    return bool(part.lyrics) or any(word in part.name.lower() for word in VOICE_NAMES)


def assign(part: Part, classes: tuple[PartClass, ...]) -> int | None:
    """Which of the model's part classes plays ``part``; None where the model has no place for it.

    Of several classes of the part's family of programs it is the one of its name, else of its program.
    """
    fitting = [i for i, c in enumerate(classes) if c.drum == part.drum]
    if not fitting:
        return None
    sung = is_sung(part)
    if not part.drum:
        for i in fitting:
            if classes[i].sung and sung:
                return i
        alike = [i for i in fitting if part.program // 8 in classes[i].families]
        for i in alike:  # two violins and a viola are of one family
            if classes[i].name == part.name.strip().lower():
                return i
        for i in alike:
            if classes[i].program == part.program:
                return i
        for i in fitting:
            if part.program // 8 in classes[i].families and not classes[i].sung:
                return i
        for i in fitting:
            if part.program // 8 in classes[i].families:
                return i
    return fitting[-1]


def to_grid(beat: float) -> tuple[int, int]:
    """Nearest grid position and the rest in micro steps (-10 to 10)."""
    grid = round(beat * GRID)
    return grid, max(-10, min(10, round((beat * GRID - grid) * MICRO)))


def from_grid(grid: int, micro: int) -> float:
    """The beat of a grid position and its micro-timing; the inverse of `to_grid`."""
    return (grid + micro / MICRO) / GRID


@dataclass(frozen=True, slots=True, order=True)
class _Edge:
    grid: int
    """Position in 24ths of a beat."""
    micro: int
    """Micro-timing, in steps of 1/MICRO of a grid position."""
    kind: int
    """ON or OFF."""
    part: int
    """Index of the part class."""
    pitch: int
    """MIDI note, 0 to 127."""
    velocity: int
    """1 to 127; 0 for a note-off."""


def drum_parts(classes: tuple[PartClass, ...]) -> frozenset[int]:
    """Indexes of the classes that are drums."""
    return frozenset(i for i, c in enumerate(classes) if c.drum)


def edges(notes: Iterable[Note], drums: frozenset[int] = frozenset()) -> list[_Edge]:
    """Note-ons and note-offs in playing order; a note still sounding is ended where its pitch starts again."""
    by_pitch: dict[tuple[int, int], list[Note]] = {}
    for note in notes:
        by_pitch.setdefault((note.part, note.pitch), []).append(note)
    found: list[_Edge] = []
    for (part, pitch), line in by_pitch.items():
        line.sort()
        for index, note in enumerate(line):
            on = to_grid(note.start)
            if index + 1 < len(line) and to_grid(line[index + 1].start) <= on:
                continue  # the same note twice: the later one, often the longer, stands
            if part in drums:
                found.append(_Edge(*on, ON, part, pitch, max(1, note.velocity)))
                continue
            off = to_grid(note.end)
            if index + 1 < len(line):
                off = min(off, to_grid(line[index + 1].start))
            if off <= on:
                off = (on[0] + 1, 0)
                if index + 1 < len(line) and off > to_grid(line[index + 1].start):
                    continue  # two strokes closer than a grid step: the later one stands
            found.append(_Edge(*on, ON, part, pitch, max(1, note.velocity)))
            found.append(_Edge(*off, OFF, part, pitch, 0))
    return sorted(found)


def encode(piece: Piece, classes: tuple[PartClass, ...], kit: str = "general") -> Encoded:
    """Events and context of a piece; parts without a class in the model are left out.

    Drum notes become those of General MIDI; ``kit`` names the kit they were played on (`rnnmuse.music.drums`).
    """
    return encode_notes(notes_of(piece, classes, kit), piece, drum_parts(classes))


def notes_of(piece: Piece, classes: tuple[PartClass, ...], kit: str = "general") -> list[Note]:
    """The notes of a piece that a model has a place for; each note's ``part`` is its part class."""
    places = [assign(part, classes) for part in piece.parts]
    return [
        Note(n.start, general_midi(n.pitch, kit) if part.drum else n.pitch, n.duration, n.velocity, place)
        for part, place in zip(piece.parts, places, strict=True)
        if place is not None
        for n in part.notes
    ]


def encode_notes(notes: list[Note], piece: Piece, drums: frozenset[int] = frozenset()) -> Encoded:
    """As `encode`, for notes whose ``part`` is already a class of the model; ``piece`` gives the maps."""
    stream = edges(notes, drums)
    if not stream:
        return Encoded(np.zeros((0, len(FIELDS)), np.int16), np.zeros((0, len(CONTEXT)), np.int16))
    events = np.zeros((len(stream), 7), np.int16)
    previous = stream[0].grid // GRID * GRID
    for row, edge in zip(events, stream, strict=True):
        wait = min(max(0, edge.grid - previous), MAX_WAIT)
        row[:] = (wait // GRID, wait % GRID, edge.kind, edge.part, edge.pitch, edge.velocity // 4, edge.micro + 10)
        previous = edge.grid
    grids = np.array([edge.grid for edge in stream])
    onsets = grids[events[:, KIND] == ON]
    context = context_of(piece, grids, onsets)
    starts, plan = plan_of(notes, piece)
    context[:, PLANNED] = plan[np.maximum(np.searchsorted(starts, grids, side="right") - 1, 0)]
    return Encoded(events, context)


def plan_of(notes: list[Note], piece: Piece) -> tuple[NDArray[np.int64], Array]:
    """Grid position of each bar (B,) and its classes of the columns PLANNED (B, 4)."""
    bars = bars_of(piece, max((n.start for n in notes), default=0.0) + 1e-3)
    plan = np.zeros((len(bars), len(PLANNED)), np.int16)
    content = strokes(notes, bars)
    for column, first in enumerate((True, False)):
        own = [frozenset(stroke for stroke in bar if (stroke[1] == 0) == first) for bar in content]
        plan[:, column] = echoes(own)
    if not any(n.part for n in notes):
        plan[:, 1] = UNKNOWN[ECHO_REST]
    plan[:, 2] = _active(content)
    left = len(bars) - 1 - np.arange(len(bars))
    plan[:, 3] = ending_class(left)
    return np.array([round(bar.start * GRID) for bar in bars], np.int64), plan


def ending_class(bars_left: NDArray[np.int64]) -> NDArray[np.int64]:
    """The class of how many bars follow a bar: 0, 1, 2-3, 4-7, more."""
    return np.searchsorted(np.array([0, 1, 3, 7]), bars_left)


def _active(content: list[frozenset[tuple[int, int, int]]]) -> NDArray[np.int64]:
    """A bit for each of the first part classes that plays in a bar, or rests in it between bars where it plays."""
    plays = np.zeros((len(content), MOST_ACTIVE), np.bool_)
    for index, bar in enumerate(content):
        for _, part, _ in bar:
            if part >= MOST_ACTIVE:
                return np.full(len(content), UNKNOWN[ACTIVE])
            plays[index, part] = True
    between = plays.copy()
    between[1:-1] |= plays[:-2] & plays[2:]
    return between @ (1 << np.arange(MOST_ACTIVE))


def context_of(piece: Piece, grids: NDArray[np.int64], onsets: NDArray[np.int64] | None = None) -> Array:
    """Context rows (N, 13) at grid positions, the columns PLANNED unknown; density only where ``onsets`` are given."""
    out = np.tile(np.array(UNKNOWN, np.int16), (len(grids), 1))
    beats = grids / GRID
    metre_starts = np.array([m.beat for m in piece.metres] or [0.0])
    lengths = np.array([m.bar_beats for m in piece.metres] or [4.0])
    groups = np.array([beat_groups(m) for m in piece.metres] or [0])
    if 0 < piece.pickup < lengths[0]:
        metre_starts[0] += piece.pickup - lengths[0]
    at = np.maximum(np.searchsorted(metre_starts, beats + 1e-6, side="right") - 1, 0)
    bar_grid = np.maximum(1, np.round(lengths[at] * GRID).astype(np.int64))
    in_bar = (grids - np.round(metre_starts[at] * GRID).astype(np.int64)) % bar_grid
    out[:, BAR_BEAT] = np.minimum(in_bar // GRID, 15)
    out[:, BAR_SUB] = in_bar % GRID
    out[:, BAR_LENGTH] = np.clip(np.round(lengths[at] * 2), 1, 15)
    out[:, GROUPS] = groups[at]
    if piece.keys:
        index = np.maximum(np.searchsorted([k.beat for k in piece.keys], beats + 1e-6, side="right") - 1, 0)
        out[:, KEY] = np.array([k.tonic + 12 * k.minor for k in piece.keys])[index]
    if piece.chords:
        index = np.searchsorted([c.beat for c in piece.chords], beats + 1e-6, side="right") - 1
        known = [chord_classes(c.text) for c in piece.chords]
        rows = np.array(known)[np.maximum(index, 0)]
        rows[index < 0] = (UNKNOWN[ROOT], UNKNOWN[QUALITY])
        out[:, ROOT], out[:, QUALITY] = rows[:, 0], rows[:, 1]
    tempos = np.array([t.bpm for t in piece.tempos] or [120.0])
    index = np.maximum(np.searchsorted([t.beat for t in piece.tempos] or [0.0], beats + 1e-6, side="right") - 1, 0)
    out[:, TEMPO] = np.searchsorted(TEMPO_EDGES, tempos[index])
    if onsets is not None and len(onsets):
        starts = grids - in_bar
        count = np.searchsorted(onsets, starts + bar_grid) - np.searchsorted(onsets, starts)
        out[:, DENSITY] = np.searchsorted(DENSITY_EDGES, count * GRID / bar_grid)
    return out


def beat_groups(metre: Metre) -> int:
    """How a metre groups its beats: 0 in twos, 1 in threes, 2 compound, 3 in five, 4 in seven, 5 otherwise."""
    above = metre.numerator
    if above % 3 == 0 and above > 3 and metre.denominator >= 8:
        return 2
    return 0 if above in (1, 2, 4, 8, 16) else 1 if above in (3, 6) else 3 if above == 5 else 4 if above == 7 else 5


def chord_classes(text: str) -> tuple[int, int]:
    """Root (0-11) and quality index of a chord symbol; the unknown classes where it names no chord."""
    try:
        chord = parse_chord(text)
    except ValueError:
        return UNKNOWN[ROOT], UNKNOWN[QUALITY]
    if chord is None or chord.root < 0 or chord.quality not in QUALITIES:
        return UNKNOWN[ROOT], UNKNOWN[QUALITY]
    return chord.root, QUALITIES.index(chord.quality)


def density_class(notes_per_beat: float) -> int:
    """The density class (0-7) of a rate of note-ons a beat."""
    return int(np.searchsorted(DENSITY_EDGES, notes_per_beat))


def transposed(encoded: Encoded, semitones: int, drums: frozenset[int] = frozenset()) -> Encoded:
    """The same music ``semitones`` higher; drums stay. Raises ValueError where a pitch would leave 0-127."""
    if semitones == 0:
        return encoded
    events, context = encoded.events.copy(), encoded.context.copy()
    moving = ~np.isin(events[:, PART], list(drums))
    events[moving, PITCH] += semitones
    if events[:, PITCH].min(initial=0) < 0 or events[:, PITCH].max(initial=0) > 127:
        raise ValueError(f"semitones: {semitones}; a pitch would leave 0-127")
    known = context[:, KEY] < 24
    context[known, KEY] = context[known, KEY] // 12 * 12 + (context[known, KEY] + semitones) % 12
    known = context[:, ROOT] < 12
    context[known, ROOT] = (context[known, ROOT] + semitones) % 12
    return Encoded(events, context)


def decode(events: Array, start: int = 0, drums: frozenset[int] = frozenset()) -> list[Note]:
    """Notes of an event array (N, 7), counted from grid position ``start``; unended notes end with the last event."""
    notes: list[Note] = []
    sounding: dict[tuple[int, int], tuple[float, int]] = {}
    grid, beat = start, start / GRID
    for row in events.tolist():
        grid += row[BEATS] * GRID + row[SUB]
        beat = from_grid(grid, row[MICROTIME] - 10)
        key = (row[PART], row[PITCH])
        if row[PART] in drums:
            notes.append(Note(beat, key[1], STROKE, velocity_of(row[VELOCITY]), key[0]))
            continue
        if key in sounding:
            began, velocity = sounding.pop(key)
            notes.append(Note(began, key[1], max(beat - began, 1 / 480), velocity, key[0]))
        if row[KIND] == ON:
            sounding[key] = (beat, velocity_of(row[VELOCITY]))
    for (part, pitch), (began, velocity) in sounding.items():
        notes.append(Note(began, pitch, max(beat - began, 1 / 480), velocity, part))
    return sorted(notes)


def velocity_of(bin_: int) -> int:
    """The MIDI velocity at the middle of a velocity class."""
    return max(1, min(127, bin_ * 4 + 2))
