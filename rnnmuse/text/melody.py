"""A melody as a singer sees it: which notes take a syllable, where phrases end, which notes are strong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnnmuse.events import Note
from rnnmuse.music.codec import is_sung
from rnnmuse.music.piece import Metre, Part, Piece

BREATH = 0.45
"""Beats of rest after which a phrase may end."""

LONG, SHORTEST = 16, 4
"""Syllables of a phrase at most, and at least where it is divided."""

ORNAMENT = 0.2
"""Beats under which a note that follows without a gap is an ornament of the one before."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Notes of one breath: indexes of those that take a syllable, and whether each is metrically strong."""

    notes: tuple[int, ...]
    """Indexes into the melody's notes."""
    strong: tuple[bool, ...]
    """One for each of its notes."""


@dataclass(frozen=True, slots=True)
class Melody:
    """``notes`` one after the other; ``held`` are those sung on the syllable before (melismas)."""

    notes: tuple[Note, ...]
    held: tuple[bool, ...]
    phrases: tuple[Phrase, ...]
    """In the order of the notes."""


def weight(piece: Piece, beat: float) -> int:
    """Metrical weight of a beat: 3 on a bar line, 2 in the middle of a bar that halves, 1 on another beat of the
    metre, 0 between beats, -1 elsewhere. After Lerdahl and Jackendoff's (1983) metrical grid."""
    metre: Metre = piece.metre_at(beat)
    compound = metre.denominator == 8 and metre.numerator % 3 == 0 and metre.numerator > 3
    unit = 1.5 if compound else 4 / metre.denominator
    beats = metre.numerator // 3 if compound else metre.numerator
    origin = metre.beat if metre.beat else piece.pickup
    at = round((beat - origin) * 96) % round(metre.bar_beats * 96) / 96
    if at < 0.02:
        return 3
    if beats % 2 == 0 and abs(at - beats / 2 * unit) < 0.02:
        return 2
    if abs(at / unit - round(at / unit)) * unit < 0.02:
        return 1
    half = unit / 3 if compound else unit / 2
    return 0 if abs(at / half - round(at / half)) * half < 0.02 else -1


def sung_part(piece: Piece) -> int:
    """Index of the part to be sung: one with lyrics or a singer's name, else the highest pitched one. ValueError if no
    part has notes."""
    playing = [i for i, part in enumerate(piece.parts) if part.notes and not part.drum]
    if not playing:
        raise ValueError("melody: no pitched notes in it")
    for wanted in (lambda part: bool(part.lyrics), is_sung):
        found = [i for i in playing if wanted(piece.parts[i])]
        if found:
            return found[0]
    return max(playing, key=lambda i: sum(n.pitch for n in piece.parts[i].notes) / len(piece.parts[i].notes))


def melody_of(piece: Piece, index: int | None = None) -> Melody:
    """The melody of a part (`sung_part` without an index): its top line, with melismas under slurs and ornaments."""
    part = piece.parts[sung_part(piece) if index is None else index]
    notes = top_line(part.notes)
    if not notes:
        raise ValueError("melody: no notes in it")
    held = [False] * len(notes)
    for i in range(1, len(notes)):
        close = notes[i].start - notes[i - 1].end < 0.1
        slurred = any(a - 1e-6 <= notes[i - 1].start and notes[i].start <= b + 1e-6 for a, b in part.slurs)
        held[i] = close and (slurred or notes[i].duration < ORNAMENT)
    return Melody(tuple(notes), tuple(held), tuple(_phrases(piece, part, notes, held)))


def top_line(notes: Sequence[Note]) -> list[Note]:
    """One note at a time: the highest of those that begin together, each cut where the next begins."""
    out: list[Note] = []
    for note in sorted(notes, key=lambda n: (n.start, -n.pitch)):
        if out and note.start - out[-1].start < 0.02:
            continue
        if out and out[-1].end > note.start:
            last = out[-1]
            out[-1] = Note(last.start, last.pitch, note.start - last.start, last.velocity, last.part)
        out.append(note)
    return out


def _phrases(piece: Piece, part: Part, notes: Sequence[Note], held: Sequence[bool]) -> list[Phrase]:
    groups: list[list[int]] = [[]]
    for i, note in enumerate(notes):
        if groups[-1] and note.start - notes[i - 1].end >= BREATH:
            groups.append([])
        if not held[i] or not groups[-1]:
            groups[-1].append(i)
    pieces: list[list[int]] = []
    for group in groups:
        pieces += _divided(group, notes)
    joined: list[list[int]] = []
    for group in pieces:  # a breath within a short phrase is no end of a line
        if joined and len(joined[-1]) + len(group) <= 10 and min(len(joined[-1]), len(group)) < SHORTEST:
            joined[-1] = joined[-1] + group
        else:
            joined.append(group)
    return [Phrase(tuple(group), tuple(strong_notes(piece, [notes[i] for i in group]))) for group in joined if group]


def _divided(group: list[int], notes: Sequence[Note]) -> list[list[int]]:
    """A long phrase in parts, each ending on a long note."""
    if len(group) <= LONG:
        return [group]
    inner = range(SHORTEST, len(group) - SHORTEST + 1)
    middle = len(group) / 2
    at = max(inner, key=lambda k: notes[group[k - 1]].duration - 0.02 * abs(k - middle))
    return _divided(group[:at], notes) + _divided(group[at:], notes)


def strong_notes(piece: Piece, notes: Sequence[Note]) -> list[bool]:
    """Which notes are strong: on a beat, and no neighbour within a beat and a half on a stronger one."""
    weights = [weight(piece, note.start) for note in notes]
    out = []
    for i, own in enumerate(weights):
        near = [
            weights[j]
            for j in (i - 1, i + 1)
            if 0 <= j < len(notes) and abs(notes[j].start - notes[i].start) <= 1.5 + 1e-6
        ]
        out.append(own >= 0 and all(own >= other for other in near))
    return out
