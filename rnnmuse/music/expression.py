"""Expression for notes that come from scores: velocity, tempo and pedal by rules.

The KTH rule system (Friberg, Bresin and Sundberg, Overview of the KTH rule system for musical performance, Advances in
Cognitive Psychology 2, 2006): phrase arch, high loud, melodic charge, duration contrast (its loudness), final ritard
and an accent for metrical weight. Quantities are in decibels and shares of the tempo, times the fader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log2

from rnnmuse import clock
from rnnmuse.clock import PPQ
from rnnmuse.events import Control, Note
from rnnmuse.music.keys import follow_keys
from rnnmuse.music.piece import Key, Part, Piece, Tempo

PHRASE_BARS = 4
A_DECIBEL = 3.2
"""Velocity steps for a decibel: 127 steps span some 40 dB."""
HIGH_LOUD = 0.1
"""Decibels a semitone."""
MIDDLE = 64
"""The pitch that is neither raised nor lowered where the mean is not known yet."""
ARCH = 2.2
"""Decibels between the middle and the ends of a phrase."""
ARCH_TEMPO = 0.045
CHARGE = (0.0, 6.5, 2.0, 4.5, 4.0, 2.5, 6.0, 1.0, 5.5, 3.0, 3.5, 5.0)
"""Melodic charge of each pitch class above the root of the key (Friberg et al. 2006)."""
CHARGE_LOUD = 0.2
RITARD = 0.55
"""Tempo at the very end of a piece, as a share."""
RITARD_BEATS = 4.0
SUSTAIN = 64


def expressed(piece: Piece, amount: float = 1.0, start: float = 0.0, ending: bool = False) -> Piece:
    """The piece with velocities, tempo and, for a piano, pedal from beat ``start`` on.

    ``amount`` scales every rule; 0 leaves the piece as it is. Drums are not changed. ValueError unless 0 to 2.
    """
    if not 0 <= amount <= 2:
        raise ValueError(f"expression: {amount}; must be 0 to 2")
    pitched = sorted(n for part in piece.parts if not part.drum for n in part.notes)
    if not amount or not pitched:
        return piece
    keys = piece.keys or follow_keys(pitched)
    parts = [part if part.drum else _part(piece, part, keys, amount, start) for part in piece.parts]
    return replace(piece, parts=parts, tempos=_tempos(piece, amount, start, ending))


def _part(piece: Piece, part: Part, keys: Sequence[Key], amount: float, start: float) -> Part:
    if not part.notes:
        return part
    mean = sum(n.pitch for n in part.notes) / len(part.notes)
    lengths = sorted(n.duration for n in part.notes)
    middle = lengths[len(lengths) // 2]
    tops = _tops(part.notes)
    notes = [n if n.start < start - 1e-6 else _note(piece, n, keys, amount, mean, middle, tops) for n in part.notes]
    controls = list(part.controls)
    if part.program // 8 == 0 and not any(c.number == SUSTAIN for c in controls):
        controls += _pedal(piece, part.notes, start)
    return replace(part, notes=sorted(notes), controls=sorted(controls))


def _note(
    piece: Piece,
    note: Note,
    keys: Sequence[Key],
    amount: float,
    mean: float,
    middle: float,
    tops: dict[float, int],
) -> Note:
    decibels = ARCH * (arch(piece, note.start) - 0.5)
    decibels += max(-2.0, min(2.5, HIGH_LOUD * (note.pitch - mean)))
    decibels += 1.1 * (metrical_weight(piece, note.start) - 0.4)
    key = next((k for k in reversed(list(keys)) if k.beat <= note.start + 1e-6), None)
    if key is not None:
        decibels += CHARGE_LOUD * (CHARGE[(note.pitch - key.tonic) % 12] - 3.0)
    if note.pitch < tops[round(note.start, 3)]:
        decibels -= 1.6  # what lies under the melody is softer
    if middle > 0 and note.duration < middle:
        decibels -= min(1.0, log2(middle / note.duration) / 2)
    velocity = round(note.velocity + A_DECIBEL * amount * decibels)
    return replace(note, velocity=max(8, min(120, velocity)))


def _tops(notes: Sequence[Note]) -> dict[float, int]:
    tops: dict[float, int] = {}
    for note in notes:
        at = round(note.start, 3)
        tops[at] = max(tops.get(at, 0), note.pitch)
    return tops


def expressed_live(velocity: int, pitch: int, amount: float, metre: clock.Metre, tick: int, tonic: int | None) -> float:
    """The velocity of a note while it is played, by the rules that know nothing of what comes: phrase arch, high loud,
    metrical weight and, with a ``tonic`` (pitch class), melodic charge. ``amount`` scales them, 0 to 2."""
    bar, ticks = metre.place(tick)
    place = ticks / PPQ
    decibels = ARCH * (_arch((bar % PHRASE_BARS + place / metre.beats) / PHRASE_BARS) - 0.5)
    decibels += max(-2.0, min(2.5, HIGH_LOUD * (pitch - MIDDLE)))
    decibels += 1.1 * (_weight(place, metre.beats, metre.numerator) - 0.4)
    if tonic is not None:
        decibels += CHARGE_LOUD * (CHARGE[(pitch - tonic) % 12] - 3.0)
    return max(8.0, min(120.0, velocity + A_DECIBEL * amount * decibels))


def arch(piece: Piece, beat: float) -> float:
    """Height (0-1) of the arch over the phrase of four bars around a beat, highest after its middle."""
    metre = piece.metre_at(beat)
    length = metre.bar_beats * PHRASE_BARS
    return _arch(((beat - metre.beat - piece.pickup) % length) / length)


def _arch(place: float) -> float:
    turn = 0.6
    x = place / turn if place < turn else (1 - place) / (1 - turn)
    return x * (2 - x)


def metrical_weight(piece: Piece, beat: float) -> float:
    """Weight (0-1) of a place in the bar: the bar line, its middle, the beats, between them."""
    metre = piece.metre_at(beat)
    return _weight((beat - metre.beat - piece.pickup) % metre.bar_beats, metre.bar_beats, metre.numerator)


def _weight(place: float, bar: float, numerator: int) -> float:
    if min(place, bar - place) < 0.05:
        return 1.0
    if numerator % 2 == 0 and abs(2 * place - bar) < 0.05:
        return 0.7
    return 0.4 if abs(place - round(place)) < 0.05 else 0.1


def _tempos(piece: Piece, amount: float, start: float, ending: bool) -> list[Tempo]:
    """The tempo map with a breath at each phrase's end and, at an ``ending``, a final ritard."""
    out = [t for t in piece.tempos if t.beat < start - 1e-6]
    end = piece.end
    bar = piece.metre_at(start).bar_beats
    beat = start
    while beat < end:
        base = piece.tempo_at(beat)
        factor = 1 + amount * ARCH_TEMPO * (arch(piece, beat + bar / 4) - 0.6)
        left = end - beat
        if ending and left <= RITARD_BEATS:
            factor *= 1 - amount * (1 - RITARD) * (1 - left / RITARD_BEATS) ** 1.5
        out.append(Tempo(beat, round(base * factor, 2)))
        beat += bar / 2 if left > RITARD_BEATS or not ending else 0.5
    return out or list(piece.tempos)


def _pedal(piece: Piece, notes: Sequence[Note], start: float) -> list[Control]:
    """The pedal changed where the bass changes, a little after the note, and raised where the music rests."""
    basses: list[tuple[float, int]] = []
    lowest: dict[float, int] = {}
    for note in notes:
        at = round(note.start, 3)
        if at >= start and metrical_weight(piece, at) >= 0.4:
            lowest[at] = min(lowest.get(at, 127), note.pitch)
    for at, pitch in sorted(lowest.items()):
        if not basses or pitch % 12 != basses[-1][1] % 12:
            basses.append((at, pitch))
    out: list[Control] = []
    end = max(n.end for n in notes)
    for index, (at, _) in enumerate(basses):
        until = basses[index + 1][0] if index + 1 < len(basses) else end
        until = min(until, at + 2 * piece.metre_at(at).bar_beats)
        if until - at < 0.4:
            continue
        out += [Control(at + 0.06, SUSTAIN, 100), Control(until - 0.02, SUSTAIN, 0)]
    return out
