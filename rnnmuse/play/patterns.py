"""Patterns: how a chord is played until the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnnmuse.clock import Metre

PATTERNS = ("held", "broken", "strummed", "oom-pah")
STRUM = 0.025
"""Beats between two strings of a strum."""
SOFTER = 0.85
"""Velocity of what answers the bass, as a share of its own."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """A note of a pattern: it begins and ends so many beats after the half bar does. ``weight`` scales its velocity."""

    start: float
    """Beats after the half bar begins."""
    end: float
    """Beats after the half bar begins."""
    pitch: int
    """MIDI note, 0 to 127."""
    weight: float = 1.0


def pulse(metre: Metre) -> float:
    """The beats between two beats that are felt: a dotted quarter in 6/8, 9/8 and 12/8, else the metre's own."""
    compound = metre.denominator >= 8 and metre.numerator % 3 == 0 and metre.numerator > 3
    return 4 / metre.denominator * (3 if compound else 1)


def strokes(name: str, notes: Sequence[int], length: float, metre: Metre) -> list[Stroke]:
    """The notes of a chord (from the bass up) over ``length`` beats, in a pattern of PATTERNS.

    ``held`` all of them; ``broken`` one after another, low, high, middle, high; ``strummed`` on each beat, string by
    string; ``oom-pah`` the bass, then the others on the beats that follow (three of them within a bar of 3/4).
    """
    if not notes:
        return []
    beat = pulse(metre)
    if name == "broken":
        return _broken(notes, length, beat)
    if name == "strummed":
        return [
            Stroke(at + i * STRUM, min(at + beat, length), pitch, 1.0 if at == 0 else SOFTER)
            for at in _times(length, beat)
            for i, pitch in enumerate(notes)
        ]
    if name == "oom-pah":
        return _oom_pah(notes, length, beat, 4 / metre.denominator if beat > 4 / metre.denominator else beat)
    return [Stroke(0.0, length, pitch) for pitch in notes]


def _times(length: float, step: float) -> list[float]:
    return [i * step for i in range(max(1, round(length / step + 0.49))) if i * step < length - 1e-6]


def _broken(notes: Sequence[int], length: float, beat: float) -> list[Stroke]:
    step = beat / 2 if abs(beat * 2 - round(beat * 2)) < 1e-6 and beat <= 1 else beat / 3
    upper = list(notes[1:]) or [notes[0]]
    order = [notes[0], upper[-1], upper[0], upper[-1]] if len(upper) < 3 else [notes[0], upper[-1], upper[0], upper[1]]
    return [
        Stroke(at, min(at + (length if i == 0 else step), length), order[i % len(order)], 1.0 if i == 0 else SOFTER)
        for i, at in enumerate(_times(length, step))
        if i == 0 or order[i % len(order)] != notes[0]
    ]


def _oom_pah(notes: Sequence[int], length: float, beat: float, answer: float) -> list[Stroke]:
    out = [Stroke(0.0, min(beat, length) * 0.9, notes[0])]
    upper = notes[1:] or notes[:1]
    if answer < beat:  # compound: bass, chord, chord in each beat
        out = []
        for at in _times(length, beat):
            out.append(Stroke(at, min(at + answer, length), notes[0]))
            out += [
                Stroke(at + k * answer, min(at + (k + 0.8) * answer, length), pitch, SOFTER)
                for k in (1, 2)
                for pitch in upper
                if at + k * answer < length - 1e-6
            ]
        return out
    for at in _times(length, beat)[1:]:
        out += [Stroke(at, min(at + 0.8 * beat, length), pitch, SOFTER) for pitch in upper]
    return out
