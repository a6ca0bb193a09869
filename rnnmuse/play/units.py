"""Units of two bars that bands play again and again, and who plays when: mined by `rnnmuse.train.band`.

A unit is strokes in the order of their starts. Pitches are settled when they are played, in the harmony that holds
then: of a bass it is known what it plays of the chord, of chords which voice of how many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from random import Random

import numpy as np

FINE = 480
"""Parts of a beat that starts and lengths are counted in."""
BARS = 2
"""Bars of a unit; a fill has one."""
ROLES = ("lead", "chords", "bass", "drums")
"""The order of the bits of a form."""
KINDS = (*ROLES, "fill")
STYLES = ("jazz", "pop", "folk", "game")
BASS_KINDS = ("b", "f", "o", "t", "w")
"""What a bass plays: `rnnmuse.play.band.Figure.kind`."""
MOST_VOICES = 6
FULLER = 0.3
"""Exponent by which chords that sound fuller are taken more often."""

Stroke = tuple[int, ...]
"""Start, what it plays (drum, index of BASS_KINDS, voice), length, velocity, and of chords the number of voices."""


@dataclass(frozen=True, slots=True)
class Unit:
    """``strokes`` of a role in a style. ``weight`` is how many units were like it."""

    style: str
    role: str
    """One of KINDS."""
    weight: float
    strokes: tuple[Stroke, ...]
    centre: int = 0
    """MIDI note about which chords lie; 0 for other roles."""

    @property
    def density(self) -> float:
        """Onsets a beat."""
        return len({round(stroke[0] / FINE * 4) for stroke in self.strokes}) / (
            4 * (1 if self.role == "fill" else BARS)
        )

    @property
    def sounding(self) -> float:
        """Notes that sound, on average."""
        return sum(stroke[2] for stroke in self.strokes) / (4 * FINE * (1 if self.role == "fill" else BARS))


def save(path: Path, units: Sequence[Unit], forms: Sequence[Sequence[int]]) -> None:
    """Write units and forms small."""
    rows = [(number, *stroke) for number, unit in enumerate(units) for stroke in unit.strokes]
    np.savez_compressed(
        path,
        strokes=np.array(rows, np.int16),
        units=np.array(
            [(STYLES.index(u.style), KINDS.index(u.role), round(u.weight), u.centre) for u in units], np.int16
        ),
        forms=np.array([bits for form in forms for bits in form], np.uint8),
        lengths=np.array([len(form) for form in forms], np.int16),
    )


@cache
def table() -> dict[tuple[str, str], tuple[Unit, ...]]:
    """The units of each style and role, from the sparsest to the densest."""
    with np.load(str(files("rnnmuse.play").joinpath("data/band.npz"))) as saved:
        rows, about = saved["strokes"].tolist(), saved["units"].tolist()
    strokes: list[list[Stroke]] = [[] for _ in about]
    for number, *stroke in rows:
        strokes[number].append(tuple(stroke))
    out: dict[tuple[str, str], list[Unit]] = {}
    for (style, kind, weight, centre), own in zip(about, strokes, strict=True):
        unit = Unit(STYLES[style], KINDS[kind], float(weight), tuple(own), centre)
        out.setdefault((unit.style, unit.role), []).append(unit)
    return {key: tuple(sorted(found, key=lambda unit: unit.density)) for key, found in out.items()}


@cache
def forms() -> tuple[tuple[int, ...], ...]:
    """Who plays in the phrases of four bars of real pieces: bits in the order of ROLES."""
    with np.load(str(files("rnnmuse.play").joinpath("data/band.npz"))) as saved:
        every, lengths = saved["forms"].tolist(), saved["lengths"].tolist()
    out, at = list[tuple[int, ...]](), 0
    for length in lengths:
        out.append(tuple(every[at : at + length]))
        at += length
    return tuple(out)


def chosen(style: str, role: str, dense: float, random: Random) -> Unit | None:
    """A unit about as dense as asked, 0 the sparsest to 1 the densest; None where there is none."""
    found = table().get((style, role), ())
    if not found:
        return None
    centre, width = dense * (len(found) - 1), max(2.0, len(found) / 4)
    weights = [unit.weight**0.5 * max(0.02, 1 - abs(i - centre) / width) for i, unit in enumerate(found)]
    if role == "chords":  # a player has all the chords of a band
        weights = [weight * unit.sounding**FULLER for weight, unit in zip(weights, found, strict=True)]
    return random.choices(found, weights)[0]
