"""Bar patterns of accompaniment: what a left hand, a bass or chords do in a bar, and how it is voiced in a chord.

The table holds patterns that keep returning in scores, one for each cluster (`rnnmuse.train.patterns` mines it).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise, product
from random import Random

from rnnmuse.play.phrasing import Bar, Stroke

FINE = 12
"""Parts of a beat that a pattern is written in."""
CENTRE = 57
"""MIDI note about which chords are voiced."""
LOWEST_BASS, HIGHEST_BASS = 36, 52
LOWEST_CHORD, HIGHEST_CHORD = 48, 69


@dataclass(frozen=True, slots=True)
class Beat:
    """A stroke of a pattern, ``start`` and ``length`` in beats: the bass ("b"), or a chord ("c") of ``count`` notes."""

    start: float
    role: str
    """``b`` or ``c``."""
    count: int
    length: float


@dataclass(frozen=True, slots=True)
class Pattern:
    """A bar of accompaniment. ``weight`` is how many pieces have it."""

    beats: tuple[Beat, ...]
    """In the order of their starts."""
    weight: float = 1.0

    @property
    def notes(self) -> int:
        """How many notes it has."""
        return sum(beat.count for beat in self.beats)

    def thinned(self, most: int) -> Pattern:
        """With ``most`` notes at most: chords lose voices first, then the weakest beats are left out."""
        beats = list(self.beats)
        while sum(b.count for b in beats) > max(1, most) and beats:
            rich = max((b for b in beats if b.count > 2), key=lambda b: b.count, default=None)
            if rich is not None:
                beats[beats.index(rich)] = Beat(rich.start, rich.role, rich.count - 1, rich.length)
                continue
            weakest = max(beats, key=lambda b: (b.start % 1 > 1e-6, b.start % 2 > 1e-6, b.start > 0, b.start))
            beats.remove(weakest)
        return Pattern(tuple(beats), self.weight)


@cache
def table() -> dict[float, tuple[Pattern, ...]]:
    """Patterns by the beats of a bar, the commonest first."""
    text = files("rnnmuse.play").joinpath("data/patterns.json").read_text(encoding="utf-8")
    out: dict[float, list[Pattern]] = {}
    for metre, rows in json.loads(text).items():
        if metre == "melody":
            continue
        above, below = metre.split("/")
        for weight, *strokes in rows:
            beats = tuple(Beat(start / FINE, role, count, length / FINE) for start, role, count, length in strokes)
            out.setdefault(4 * int(above) / int(below), []).append(Pattern(beats, weight))
    return {beats: tuple(sorted(rows, key=lambda p: -p.weight)) for beats, rows in out.items()}


@cache
def _rhythms() -> dict[float, tuple[Bar, ...]]:
    text = files("rnnmuse.play").joinpath("data/patterns.json").read_text(encoding="utf-8")
    out: dict[float, tuple[Bar, ...]] = {}
    for metre, rows in json.loads(text).get("melody", {}).items():
        above, below = metre.split("/")
        bars = tuple(tuple(Stroke(at / FINE, length / FINE, -1) for at, length in row) for row in rows)
        out[4 * int(above) / int(below)] = out.get(4 * int(above) / int(below), ()) + bars
    return out


def rhythms(beats: float, notes: float) -> tuple[Bar, ...]:
    """Rhythms of melody bars of so many ``beats``, those that have about so many ``notes``; pitches are open."""
    every = _rhythms().get(beats, ())
    near = tuple(bar for bar in every if abs(len(bar) - notes) <= 1.5)
    return near or tuple(sorted(every, key=lambda bar: abs(len(bar) - notes))[:8])


def chosen(beats: float, most: float, random: Random, patterns: Sequence[Pattern] | None = None) -> Pattern:
    """A pattern for bars of so many ``beats`` with at most ``most`` notes, as often as pieces have it, the fuller ones
    rather."""
    every = list(table().get(beats, ()) if patterns is None else patterns)
    fitting = [p for p in every if p.notes <= most and p.beats[0].start == 0]
    if fitting:
        weights = [p.weight**0.5 * (p.notes / max(1.0, most)) ** 4 for p in fitting]
        return random.choices(fitting, weights)[0]
    if every:
        return min(every, key=lambda p: p.notes).thinned(max(1, int(most)))
    chord = (Beat(0.0, "c", 2, beats - 1),) if most >= 3 else ()
    return Pattern((Beat(0.0, "b", 1, beats), *chord)).thinned(max(1, int(most)))


def voiced(
    tones: Sequence[int] | frozenset[int],
    root: int,
    count: int,
    before: Sequence[int] = (),
    low: int = LOWEST_CHORD,
    high: int = HIGHEST_CHORD,
    above: int = 128,
) -> tuple[int, ...]:
    """``count`` pitches of a chord, rising, between ``low`` and ``high`` (an octave at least) and beneath ``above``.

    They move as little as can be from the pitches ``before``; third and seventh come first, then root and fifth.
    """
    steps = {(pc - root) % 12: pc for pc in tones}
    order = [s for s in (4, 3, 10, 11, 0, 5, 2, 7, 6, 8, 9, 1) if s in steps]
    wanted = [steps[s] for s in order][: max(1, count)]
    if count >= 3 and len(steps) == 3:
        wanted = [steps[s] for s in order][:3]
    while len(wanted) < count:
        wanted.append(wanted[len(wanted) % len(steps)])
    top = min(127, max(low + 12, min(high, above - 1)))
    places = [[p for p in range(low, top + 1) if p % 12 == pc] for pc in wanted]
    if not all(places):
        return tuple(sorted(p[0] for p in places if p))
    centre = sum(before) / len(before) if before else CENTRE
    best: tuple[float, tuple[int, ...]] | None = None
    for pitches in product(*places):
        if len(set(pitches)) < len(pitches):
            continue
        rising = tuple(sorted(pitches))
        wide = rising[-1] - rising[0]
        moved = (
            sum(min(abs(p - q) for q in before) for p in rising)
            if before
            else sum(abs(p - centre) for p in rising) / len(rising)
        )
        close = sum(b - a < 3 for a, b in pairwise(rising))
        cost = moved + 2.0 * max(0, wide - 12) + 1.5 * close + 0.3 * abs(sum(rising) / len(rising) - CENTRE)
        if best is None or cost < best[0]:
            best = (cost, rising)
    return best[1] if best else tuple(sorted({p[0] for p in places}))


def bass_pitch(pitch_class: int, before: int = -1, low: int = LOWEST_BASS, high: int = HIGHEST_BASS) -> int:
    """The bass note of a pitch class that is nearest to the one before."""
    places = [p for p in range(low, high + 1) if p % 12 == pitch_class % 12]
    centre = before if before >= 0 else (low + high) // 2
    return min(places, key=lambda p: (abs(p - centre), p))
