"""Phrases on a grid of sixteenths: melodies as one class a step, drums as nine instruments a step.

A melody phrase is an array (T, 3), T = 16 steps a bar of 4/4, of int16 columns:

======== ======= ==================================================================================
column   classes meaning
======== ======= ==================================================================================
step     130     0 = hold what sounds, 1 = rest (nothing sounds), 2 + p = MIDI pitch p starts
velocity 32      MIDI velocity // 4 of a note that starts; 0 elsewhere
micro    25      distance of the start from the grid in 25ths of a sixteenth, -12 to 12, stored + 12
======== ======= ==================================================================================

A drum phrase is (T, 9, 3): hit (0 or 1), velocity and micro for each of the nine instruments of the Groove MIDI
paper (Gillick et al. 2019). Rests and holds are exact: `melody_notes` and `melody_grid` undo one another. At
120 bpm a 25th of a sixteenth is 5 ms. A note that sounds on from before the phrase is a rest in it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from rnnmuse.events import Note
from rnnmuse.music.codec import STROKE, chord_classes, velocity_of
from rnnmuse.music.piece import Piece
from rnnmuse.music.theory import scale_pitch_classes

BAR = 16
STEPS_A_BEAT = 4
HOLD, REST, ONSET = 0, 1, 2
CLASSES = ONSET + 128
VELOCITIES = 32
MICROS = 25
ON_GRID = MICROS // 2

DRUMS = ("kick", "snare", "closed hat", "open hat", "low tom", "mid tom", "high tom", "crash", "ride")
DRUM_PITCHES = (36, 38, 42, 46, 43, 47, 50, 49, 51)
"""The pitch each of DRUMS is written with, by General MIDI."""

_SAME_DRUM = (
    (35, 36),
    (37, 38, 39, 40),
    (22, 42, 44, 54),
    (26, 46),
    (41, 43, 58),
    (45, 47),
    (48, 50),
    (49, 52, 55, 57),
    (51, 53, 59, 56),
)
DRUM_OF = {pitch: index for index, pitches in enumerate(_SAME_DRUM) for pitch in pitches}

CONTEXT = ("key", "root", "quality")
CONTEXT_SIZES = (25, 13, 9)
UNKNOWN = tuple(size - 1 for size in CONTEXT_SIZES)

Grid = NDArray[np.int16]
Mask = NDArray[np.bool_]

QUALITY_TONES = (
    (0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 4, 7, 11), (0, 3, 7, 10), (0, 3, 6), (0, 4, 8), (0, 5, 7),
)  # fmt: skip
"""Tones of each of `rnnmuse.music.theory.QUALITIES`, in semitones above the root."""


def on_step(beat: float) -> tuple[int, int]:
    """The nearest step of ``beat`` and the rest as a micro class (0-24)."""
    at = beat * STEPS_A_BEAT
    step = int(np.floor(at + 0.5))
    return step, ON_GRID + max(-ON_GRID, min(ON_GRID, round((at - step) * MICROS)))


def beat_of(step: int, micro: int) -> float:
    """The beat of a step and a micro class; the inverse of `on_step`."""
    return (step + (micro - ON_GRID) / MICROS) / STEPS_A_BEAT


def melody_grid(notes: Iterable[Note], bars: int) -> tuple[Grid, int]:
    """The phrase (16 x bars, 3) of a melody's notes, counted from beat 0, and how many notes it had no place for.

    Of several notes on one step the longest stays, of equal ones the highest; a note ends where the next begins.
    """
    steps = bars * BAR
    grid = np.zeros((steps, 3), np.int16)
    grid[:, 0], grid[:, 2] = REST, ON_GRID
    chosen: dict[int, tuple[Note, int]] = {}
    lost = 0
    for note in sorted(notes):
        step, micro = on_step(note.start)
        if not 0 <= step < steps:
            continue
        if step in chosen:
            lost += 1
            other = chosen[step][0]
            if (note.duration, note.pitch) <= (other.duration, other.pitch):
                continue
        chosen[step] = (note, micro)
    starts = sorted(chosen)
    for step, following in zip(starts, [*starts[1:], steps], strict=False):
        note, micro = chosen[step]
        end = min(following, max(step + 1, int(np.floor(note.end * STEPS_A_BEAT + 0.5))))
        grid[step] = (ONSET + note.pitch, note.velocity // 4, micro)
        grid[step + 1 : end, 0] = HOLD
    return grid, lost


def melody_notes(grid: Grid, humanise: float = 1.0, start: float = 0.0) -> list[Note]:
    """Notes of a melody phrase from beat ``start`` on; ``humanise`` scales their distance from the grid."""
    steps = grid[:, 0]
    onsets = np.flatnonzero(steps >= ONSET).tolist()
    beats = [beat_of(step, 0) + (int(grid[step, 2]) * humanise + ON_GRID * (1 - humanise)) / 100 for step in onsets]
    notes = []
    for index, step in enumerate(onsets):
        after = np.flatnonzero(steps[step + 1 :] != HOLD)
        end = (step + 1 + int(after[0]) if len(after) else len(grid)) / STEPS_A_BEAT
        if index + 1 < len(onsets):
            end = min(end, beats[index + 1])
        begin = beats[index]
        pitch, velocity = int(grid[step, 0]) - ONSET, velocity_of(int(grid[step, 1]))
        notes.append(Note(start + begin, pitch, end - begin, velocity))
    return notes


def drum_grid(notes: Iterable[Note], bars: int) -> tuple[Grid, int]:
    """The phrase (16 x bars, 9, 3) of drum strokes counted from beat 0, and how many it had no place for.

    Of two strokes of one instrument on one step the louder stays; pitches that are no drum of the nine are left out.
    """
    grid = np.zeros((bars * BAR, len(DRUMS), 3), np.int16)
    grid[..., 2] = ON_GRID
    lost = 0
    for note in sorted(notes):
        step, micro = on_step(note.start)
        if not 0 <= step < len(grid):
            continue
        drum = DRUM_OF.get(note.pitch)
        if drum is None:
            lost += 1
            continue
        lost += int(grid[step, drum, 0])
        if not grid[step, drum, 0] or note.velocity // 4 > grid[step, drum, 1]:
            grid[step, drum] = (1, note.velocity // 4, micro)
    return grid, lost


def drum_notes(grid: Grid, humanise: float = 1.0, start: float = 0.0) -> list[Note]:
    """Strokes of a drum phrase from beat ``start`` on; ``humanise`` scales their distance from the grid."""
    return sorted(
        Note(
            start + (step + (int(grid[step, drum, 2]) - ON_GRID) / MICROS * humanise) / STEPS_A_BEAT,
            DRUM_PITCHES[drum],
            STROKE,
            velocity_of(int(grid[step, drum, 1])),
        )
        for step, drum in np.argwhere(grid[..., 0]).tolist()
    )


def context_grid(piece: Piece, start: float, bars: int) -> Grid:
    """Key, chord root and chord quality at each step from beat ``start`` of a piece on: (16 x bars, 3)."""
    out = np.tile(np.array(UNKNOWN, np.int16), (bars * BAR, 1))
    beats = start + np.arange(bars * BAR) / STEPS_A_BEAT + 1e-6
    if piece.keys:
        at = np.maximum(np.searchsorted([k.beat for k in piece.keys], beats, side="right") - 1, 0)
        out[:, 0] = np.array([k.tonic + 12 * k.minor for k in piece.keys])[at]
    if piece.chords:
        at = np.searchsorted([c.beat for c in piece.chords], beats, side="right") - 1
        first, last = max(0, int(at[0])), max(0, int(at[-1]))
        rows = np.array([chord_classes(c.text) for c in piece.chords[first : last + 1]])[np.maximum(at - first, 0)]
        out[:, 1:] = np.where(at[:, None] < 0, np.array(UNKNOWN[1:]), rows)
    return out


def no_context(steps: int) -> Grid:
    """Key and chords unknown, (steps, 3)."""
    return np.tile(np.array(UNKNOWN, np.int16), (steps, 1))


def transposed(grid: Grid, context: Grid, semitones: int) -> tuple[Grid, Grid]:
    """A melody phrase and its context ``semitones`` higher; by octaves less where a pitch would leave 0-127."""
    grid, context = grid.copy(), context.copy()
    on = grid[..., 0] >= ONSET
    if on.any():
        low, high = int(grid[..., 0][on].min()) - ONSET, int(grid[..., 0][on].max()) - ONSET
        while high + semitones > 127:
            semitones -= 12
        while low + semitones < 0:
            semitones += 12
    grid[..., 0][on] += semitones
    known = context[..., 0] < UNKNOWN[0]
    context[..., 0][known] = context[..., 0][known] // 12 * 12 + (context[..., 0][known] + semitones) % 12
    known = context[..., 1] < UNKNOWN[1]
    context[..., 1][known] = (context[..., 1][known] + semitones) % 12
    return grid, context


def playable(context: Grid, scale: frozenset[int] | None = None, outside: frozenset[int] = frozenset()) -> Mask:
    """The pitches (T, 128) that may start at each step in its key and chord (T, 3).

    They are those of ``scale``, else of the key, with the pitch classes ``outside`` it that are let in; without either,
    all. On the first and the middle beat of a bar they are the chord's, where there is one: those of its tones that lie
    in the scale, or all of them where none does.
    """
    out = np.ones((len(context), 128), np.bool_)
    classes = np.arange(128) % 12
    for step, (key, root, quality) in enumerate(context.tolist()):
        own = scale
        if own is None and key < UNKNOWN[0]:
            own = scale_pitch_classes(key % 12, "minor" if key >= 12 else "major")
        if own is not None:
            out[step] = np.isin(classes, sorted(own | outside))
        if root < UNKNOWN[1] and quality < UNKNOWN[2] and step % (BAR // 2) == 0:
            tones = np.isin(classes, [(root + tone) % 12 for tone in QUALITY_TONES[quality]])
            out[step] = tones & out[step] if (tones & out[step]).any() else tones
    return out
