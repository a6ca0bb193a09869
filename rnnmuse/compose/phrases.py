"""A phrase model offline: `load_phrases` one, then go between phrases, vary a piece, let a human play its drums."""

from __future__ import annotations

import math
import secrets
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np

from rnnmuse.events import Note
from rnnmuse.models.bundle import load_phrase
from rnnmuse.models.groove import GrooveModel, level_of, levelled
from rnnmuse.models.latent import evenly, place_of, slerp
from rnnmuse.models.phrase import PhraseModel
from rnnmuse.music.attributes import distance
from rnnmuse.music.codec import STROKE, is_sung, velocity_of
from rnnmuse.music.harmony import estimate_chords
from rnnmuse.music.phrases import (
    BAR,
    DRUM_OF,
    DRUM_PITCHES,
    DRUMS,
    MICROS,
    ON_GRID,
    ONSET,
    STEPS_A_BEAT,
    UNKNOWN,
    Grid,
    Mask,
    context_grid,
    drum_grid,
    drum_notes,
    melody_grid,
    melody_notes,
    on_step,
    playable,
)
from rnnmuse.music.piece import Key, Part, Piece, Tempo, credited
from rnnmuse.music.theory import estimate_key, scale_pitch_classes
from rnnmuse.play.taps import kit_of
from rnnmuse.play.variation import varied
from rnnmuse.provenance.record import Made

MAX_STEPS = 64
CLOSER = 6
ROLL = 0.2
"""Beats below which two strokes of one drum belong to a roll."""

BEATS_A_BAR = BAR // STEPS_A_BEAT

PAUSE = 4
"""Bars without a stroke after which a drummer begins afresh."""


@dataclass(frozen=True, slots=True)
class Found:
    """The part of a piece that a phrase model reads: its index, its bars as phrases, their keys and chords.

    The first phrase begins at ``origin``, in beats: before 0 where a pickup comes before the phrase of bar 1, which is
    the one at index ``first``.
    """

    part: int
    """Index in the piece."""
    grids: list[Grid]
    """Phrases as `rnnmuse.music.phrases` makes them."""
    contexts: list[Grid]
    """Key and chord of each step, a grid for each phrase."""
    origin: float = 0.0
    first: int = 0


class Phrases:
    """A loaded phrase model that works on pieces."""

    def __init__(self, model: PhraseModel) -> None:
        self.model = model

    def read(self, piece: Piece, bars: int = 2, within: tuple[float, float] | None = None) -> Found:
        """The melody (the sung or the first pitched part) or the drums of a piece, in phrases of ``bars`` bars.

        A last phrase that is not whole is filled with rests, and so is one before bar 1 for a pickup. ``within`` two
        beats only: the phrases that touch them and one on each side. ValueError where there is no such part, or the
        metre is not 4/4, 2/2 or 2/4.
        """
        self.model.space(bars)
        check_metre(piece)
        fitting = [i for i, part in enumerate(piece.parts) if part.notes and part.drum == self.model.drum]
        if not fitting:
            raise ValueError(
                f"parts: the piece has no {'drums' if self.model.drum else 'melody'} for {self.model.name}"
            )
        chosen = next((i for i in fitting if is_sung(piece.parts[i])), fitting[0])
        beats = bars * BEATS_A_BAR
        origin = piece.pickup - beats if piece.pickup > 0 else 0.0
        last = max(n.start for n in piece.parts[chosen].notes) - origin
        count = max(1, -(-round(last * STEPS_A_BEAT + 1) // (bars * BAR)))
        first = 0
        if within is not None:
            first = max(0, math.floor((within[0] - origin) / beats) - 1)
            count = max(0, min(count, math.ceil((within[1] - origin) / beats) + 1) - first)
        begin = origin + first * beats
        known = with_harmony(piece if within is None else _window(piece, begin, begin + count * beats))
        moved = begin if within is not None else 0.0
        grids, contexts = [], []
        ordered = sorted(piece.parts[chosen].notes)
        starts = [note.start for note in ordered]
        for index in range(count):
            start = begin + index * beats
            near = slice(bisect_left(starts, start - 0.125), bisect_left(starts, start + beats))
            notes = [replace(n, start=n.start - start) for n in ordered[near]]
            grids.append((drum_grid if self.model.drum else melody_grid)(notes, bars)[0])
            contexts.append(context_grid(known, start - moved, bars))
        return Found(chosen, grids, contexts, begin, int(begin < 0 and count > 1))

    def interpolate(self, a: Piece, b: Piece, steps: int = 8, bars: int = 2) -> list[Grid]:
        """``steps`` phrases from the first of ``a`` to the first of ``b``, the two as they are at the ends.

        The way is the arc of `rnnmuse.models.latent.slerp`; the first half keeps the key and chords of ``a``, the
        second those of ``b``. Along it the phrase changes by leaps, now and then backwards: of CLOSER times as many
        phrases those are taken that go from ``a`` to ``b`` without turning back, as evenly as can be.
        """
        if not 2 <= steps <= MAX_STEPS:
            raise ValueError(f"steps: {steps}; must be 2 to {MAX_STEPS}")
        one, two = self.read(a, bars), self.read(b, bars)
        ends = [(found.grids[found.first], found.contexts[found.first]) for found in (one, two)]
        return self.between(ends[0], ends[1], steps)

    def between(self, a: tuple[Grid, Grid], b: tuple[Grid, Grid], steps: int) -> list[Grid]:
        """As `interpolate`, for phrases with their contexts."""
        first, last = self.model.encode(*a), self.model.encode(*b)
        found = [a[0]]
        turns = (steps - 1) * CLOSER
        around = [(context, _kept(grid, context)) for grid, context in (a, b)]
        most = max(_outside(*a), _outside(*b))
        for index in range(1, turns):
            t = index / turns
            context, allowed = around[t >= 0.5]
            point = slerp(first, last, t)
            grid = self.model.decode(point, context, allowed=allowed)
            if _outside(grid, context) > most:
                grid = self.model.decode(point, context, allowed=playable(context))
            if (grid != found[-1]).any():
                found.append(grid)
        found.append(b[0])
        away, left = ([distance(end, grid) for grid in found] for end in (a[0], b[0]))
        return [found[i] for i in evenly(away, left, steps)]

    def vary(self, piece: Piece, amount: float = 0.3, seed: int | None = None, bars: int = 2) -> Piece:
        """The piece with its melody, or its drums, varied phrase by phrase; ``amount`` 0 to 1 is how much of what
        sounds changes, and a larger one never changes less.

        Every phrase moves in the same direction, so that what was alike stays alike. Key and chords are kept.
        """
        if not 0 <= amount <= 1:
            raise ValueError(f"amount: {amount}; must be 0 to 1")
        found = self.read(piece, bars)
        seed = secrets.randbits(31) if seed is None else seed
        notes: list[Note] = []
        for index, (grid, context) in enumerate(zip(found.grids, found.contexts, strict=True)):
            start = found.origin + index * bars * BEATS_A_BAR
            if grid[..., 0].max(initial=0) <= 1 and not (self.model.drum and grid[..., 0].any()):
                continue  # silence stays silent
            made = varied(self.model, grid, amount, Random(seed), context, _kept(grid, context))
            notes += (drum_notes if self.model.drum else melody_notes)(made, start=start)
        record = Made("vary", {self.model.name: self.model.digest}, seed, {"amount": amount, "bars": bars})
        return credited(with_notes(piece, found.part, notes), piece, record)

    def map(self, bars: int = 2, across: str = "", up: str = "", side: int = 8) -> list[list[Grid]]:
        """Rows of phrases that differ, from the training phrases, sorted by two axes: row 0 is the most of ``up``.

        As many as the bundle holds examples for, at most ``side`` x ``side``.
        """
        space = self.model.space(bars)
        x, y = (self._axis(name, k) for k, name in enumerate((across, up)))
        if x == y:
            raise ValueError(f"across, up: {across!r} twice; take two of {', '.join(self.model.axes)}")
        points = [np.array(p, np.float32) for p in space.examples[: side * side]]
        side = min(side, max(1, int(len(points) ** 0.5)))
        points.sort(key=lambda p: place_of(space, p, x))
        per = len(points) // side
        columns = [points[at * per : (at + 1) * per] for at in range(side)]
        for column in columns:
            column.sort(key=lambda p: -place_of(space, p, y))
        return [[self.model.decode(column[row]) for column in columns] for row in range(per)]

    def _axis(self, name: str, default: int) -> int:
        if not name:
            return default
        if name not in self.model.axes:
            raise ValueError(f"axis: {name!r}; {self.model.name} has {', '.join(self.model.axes)}")
        return self.model.axes.index(name)

    # -- drums ----------------------------------------------------------------------------------------------

    def groove(
        self, piece: Piece, amount: float = 0.7, seed: int | None = None, keep: tuple[str, ...] = (), taps: bool = False
    ) -> Piece:
        """The piece with its drums played as a human would: timing and velocity moved by ``amount`` (0 to 1).

        Every stroke stays, on the sixteenth it is nearest to, and each drum about as loud on the whole as it was. With
        ``keep`` only the drums named stay, exactly as they are, and the rest of the kit is generated; with ``taps`` the
        strokes (of any instrument, or the notes of the first part where there are no drums) are a rhythm that a whole
        kit is made for.
        """
        if piece.pickup > 0:  # its bars are on the grid of whole bars, and moved back
            whole = replace(_later(piece, BEATS_A_BAR - piece.pickup), pickup=0.0)
            played = self.groove(whole, amount, seed, keep, taps)
            return replace(piece, parts=_later(played, piece.pickup - BEATS_A_BAR).parts, made=played.made)
        groove = self._groove()
        if not 0 <= amount <= 1:
            raise ValueError(f"amount: {amount}; must be 0 to 1")
        kept = tuple(_drum(name) for name in keep)
        check_metre(piece)
        drums = [i for i, part in enumerate(piece.parts) if part.notes and part.drum]
        if not drums and taps:
            drums = [i for i, part in enumerate(piece.parts) if part.notes][:1]
        if not drums:
            raise ValueError("parts: the piece has no drums")
        index = drums[0]
        source = piece.parts[index]
        if source.drum:  # the whole kit, however many parts it is spread over
            notes = sorted(note for i in drums for note in piece.parts[i].notes)
        else:
            notes = [replace(n, pitch=DRUM_PITCHES[1]) for n in source.notes]
        bars = -(-(on_step(max(n.start for n in notes))[0] + 1) // BAR)
        grid, _ = drum_grid(notes, bars)
        seed = secrets.randbits(31) if seed is None else seed
        random, source_piece = Random(seed), piece
        made_by = Made("groove", {self.model.name: self.model.digest}, seed, {"amount": amount, "keep": keep,
                                                                              "taps": taps})  # fmt: skip
        runs = _runs(grid)
        tempo = min(1000.0, max(10.0, piece.tempo_at(0.0)))
        if taps:
            for other in drums[1:]:
                piece = with_notes(piece, other, [])
        if taps:
            kit = drum_notes(_by_run(runs, grid, lambda part: kit_of(groove, part, random, tempo)))
            whole = with_notes(piece, index, sorted(kit + _doubled(notes, kit)), drum=True)
            return credited(whole, source_piece, made_by)
        if kept:
            made = _by_run(runs, grid, lambda part: groove.fill(part, random, kept, tempo))
            mask = np.zeros(len(DRUMS), np.int16)
            mask[list(kept)] = 1
            new = made.copy()
            new[..., 0] *= 1 - mask
            for i in drums:  # what stays, stays on its own track
                old = [n for n in piece.parts[i].notes if DRUM_OF.get(n.pitch) in kept]
                piece = with_notes(piece, i, sorted(old + (drum_notes(new) if i == index else [])))
            return credited(piece, source_piece, made_by)
        level = level_of(grid)
        human = levelled(_by_run(runs, grid, lambda part: groove.humanise(part, random, tempo, level=level)), level)
        rolls = _rolls(notes)
        for i in drums:
            moved = [_moved(n, grid, human, amount, random, rolls) for n in piece.parts[i].notes]
            piece = with_notes(piece, i, moved)
        return credited(piece, source_piece, made_by, len(piece.notes))  # every stroke is the source's

    def _groove(self) -> GrooveModel:
        if self.model.groove is None:
            raise ValueError(f"model: {self.model.name} has no groove; use a model of drums such as beats")
        return self.model.groove


def _runs(grid: Grid) -> list[slice]:
    """The stretches of whole bars in which drums play; so short a pause as PAUSE bars parts none."""
    played = np.flatnonzero(grid[..., 0].any(1)) // BAR
    if not len(played):
        return []
    breaks = np.flatnonzero(np.diff(played) > PAUSE + 1)
    begins = [0, *(played[breaks + 1]).tolist()]
    ends = [*(played[breaks] + 1).tolist(), len(grid) // BAR]
    return [slice(begin * BAR, end * BAR) for begin, end in zip(begins, ends, strict=True)]


def _by_run(runs: list[slice], grid: Grid, play: Callable[[Grid], Grid]) -> Grid:
    """What ``play`` makes of each stretch; nothing between them."""
    out = np.zeros_like(grid)
    out[..., 2] = ON_GRID
    for run in runs:
        out[run] = play(grid[run])
    return out


def _window(piece: Piece, low: float, high: float) -> Piece:
    """What sounds from beat ``low`` to ``high``, moved to beat 0, with the keys, chords and metre that hold there."""
    parts = [
        replace(part, notes=[replace(n, start=n.start - low) for n in part.notes if low - 1e-6 <= n.start < high])
        for part in piece.parts
    ]
    return Piece(
        parts,
        metres=[replace(piece.metre_at(max(0.0, low)), beat=0.0), *_from(piece.metres, low)],
        keys=_held(piece.keys, low),
        chords=_held(piece.chords, low),
    )


def _from(changes: list[Any], low: float) -> list[Any]:
    return [replace(change, beat=change.beat - low) for change in changes if change.beat > low + 1e-6]


def _held(changes: list[Any], low: float) -> list[Any]:
    before = [change for change in changes if change.beat <= low + 1e-6]
    return [*([replace(before[-1], beat=0.0)] if before else []), *_from(changes, low)]


def _later(piece: Piece, beats: float) -> Piece:
    """The piece with its notes moved by ``beats``, none before 0."""
    parts = [
        replace(part, notes=[replace(n, start=max(0.0, n.start + beats)) for n in part.notes]) for part in piece.parts
    ]
    return replace(piece, parts=parts)


def _rolls(notes: list[Note]) -> set[tuple[float, int]]:
    """Start and pitch of the strokes that follow one another faster than sixteenths on one drum."""
    found: set[tuple[float, int]] = set()
    by_drum: dict[int, list[Note]] = {}
    for note in notes:
        line = by_drum.setdefault(DRUM_OF.get(note.pitch, -note.pitch), [])
        if line and note.start - line[-1].start < ROLL:
            found |= {(line[-1].start, line[-1].pitch), (note.start, note.pitch)}
        line.append(note)
    return found


def _moved(note: Note, grid: Grid, human: Grid, amount: float, random: Random, rolls: set[tuple[float, int]]) -> Note:
    """A stroke moved from where it is towards where and how loud the human strikes it.

    Strokes of ``rolls`` keep their times, so that a roll stays even, and their crescendo: they get louder or softer
    with the stroke that the grid has in their place.
    """
    step, _ = on_step(note.start)
    drum = DRUM_OF.get(note.pitch)
    if drum is None or not human[step, drum, 0]:
        return note
    fine = random.random() - 0.5  # within the class: a human is on no grid of 25ths
    start = max(0.0, (step + (int(human[step, drum, 2]) - ON_GRID + fine) / MICROS) / STEPS_A_BEAT)
    velocity = velocity_of(int(human[step, drum, 1])) + random.randint(-2, 2)
    if (note.start, note.pitch) in rolls:
        start = note.start
        velocity += note.velocity - velocity_of(int(grid[step, drum, 1]))
    return replace(
        note,
        start=note.start + (start - note.start) * amount,
        velocity=max(1, min(127, round(note.velocity + (velocity - note.velocity) * amount))),
        duration=max(note.duration, STROKE / 4),
    )


def _doubled(taps: list[Note], made: list[Note]) -> list[Note]:
    """Strokes for the taps that are finer than sixteenths: each strikes again what its sixteenth strikes."""
    out: list[Note] = []
    steps: set[int] = set()
    for tap in sorted(taps):
        step, _ = on_step(tap.start)
        if step in steps:
            struck = [n for n in made if on_step(n.start)[0] == step]
            loudest = max(struck, key=lambda n: n.velocity, default=None)
            if loudest is not None:
                softer = max(1, round(loudest.velocity * min(1.0, tap.velocity / 100)))
                out.append(replace(loudest, start=max(tap.start, loudest.start + 0.0625), velocity=softer))
        steps.add(step)
    return out


def _kept(grid: Grid, context: Grid) -> Mask | None:
    """The pitches that keep a melody in its key and chords: a phrase that leaves them there may be left there too."""
    if grid.ndim == 3 or context[0, 0] >= UNKNOWN[0]:
        return None
    outside: set[int] = set()
    key = int(context[0, 0])
    pitches = grid[grid[:, 0] >= ONSET, 0] - ONSET
    if key >= 12 and (key + 11) % 12 in pitches % 12:  # the leading note of minor, where the phrase has it
        outside.add((key + 11) % 12)
    allowed = playable(context, outside=frozenset(outside))
    scale = scale_pitch_classes(key % 12, "minor" if key >= 12 else "major")
    for step in np.flatnonzero(grid[:, 0] >= ONSET).tolist():
        pitch = int(grid[step, 0]) - ONSET
        if pitch % 12 in scale | outside and not allowed[step, pitch]:  # here the melody is beside its chord
            allowed[step] = np.isin(np.arange(128) % 12, sorted(scale | outside))
    return allowed


def _outside(grid: Grid, context: Grid) -> float:
    """The share of a melody's notes outside its key; 0 where none is known."""
    key = int(context[0, 0])
    pitches = grid[grid[..., 0] >= ONSET, 0] - ONSET if grid.ndim == 2 else np.zeros(0)
    if key >= UNKNOWN[0] or not len(pitches):
        return 0.0
    scale = scale_pitch_classes(key % 12, "minor" if key >= 12 else "major")
    return float((~np.isin(pitches % 12, sorted(scale))).mean())


def _drum(name: str) -> int:
    if name.strip().lower() not in DRUMS:
        raise ValueError(f"keep: {name!r}; must be some of {', '.join(DRUMS)}")
    return DRUMS.index(name.strip().lower())


def load_phrases(name: str) -> Phrases:
    """The phrase model called ``name``, checked and ready; BundleError where there is none or it is damaged."""
    return Phrases(load_phrase(name))


def check_metre(piece: Piece) -> None:
    """ValueError unless every bar is of 4/4, 2/2 or 2/4."""
    for metre in piece.metres:
        if metre.bar_beats not in (4.0, 2.0):
            raise ValueError(f"metre: {metre.numerator}/{metre.denominator}; phrases are in 4/4, 2/2 or 2/4")


def with_harmony(piece: Piece) -> Piece:
    """The piece with a key and chords, estimated where it has none."""
    pitched = [n for part in piece.parts if not part.drum for n in part.notes]
    out = replace(piece)
    if pitched and out.keys in ([], [Key(0.0, 0)]):
        out.keys = [estimate_key(pitched)]
    if pitched and not out.chords:
        out.chords = estimate_chords(piece)
    return out


def with_notes(piece: Piece, index: int, notes: list[Note], drum: bool | None = None) -> Piece:
    """The piece with other notes in one part."""
    parts = list(piece.parts)
    old = parts[index]
    notes = [n if n.start >= 0 else replace(n, start=0.0) for n in notes]  # a file has no time before its start
    parts[index] = replace(old, notes=sorted(notes), lyrics=[], drum=old.drum if drum is None else drum)
    return replace(piece, parts=parts)


def as_piece(grids: list[Grid], like: Piece | None = None, program: int = 73) -> Piece:
    """Phrases one after the other as a piece; tempo and key of ``like``."""
    drum = bool(grids) and grids[0].ndim == 3
    part = Part("Drums" if drum else "Melody", 0 if drum else program, drum)
    beat = 0.0
    for grid in grids:
        part.notes += (drum_notes if drum else melody_notes)(grid, start=beat)
        beat += len(grid) / STEPS_A_BEAT
    part.notes = sorted(n if n.start >= 0 else replace(n, start=0.0) for n in part.notes)
    tempos = [Tempo(0.0, like.tempo_at(0.0))] if like else []
    return Piece([part], tempos=tempos, title=like.title if like else "")
