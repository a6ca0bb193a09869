"""What music21 leaves out of a kern file: the dynamics of its ``**dynam`` spines and the order of its sections.

Humdrum's syntax (Huron 1994) is a table: one spine a column, one moment a line. The time of each line follows from
the durations in the ``**kern`` spines. A ``**dynam`` token holds where its line is. Section labels (``*>A``) and an
expansion list (``*>[A,A,B]``) say in which order the sections sound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from rnnmuse.events import Lyric, Note
from rnnmuse.music.piece import Part, Piece

_DURATION = re.compile(r"(\d+)(?:%(\d+))?(\.*)")
_MARK = re.compile(r"(?<![a-z])(p{1,4}|mp|mf|f{1,4}|fp|sfz?p?|fz|rfz?|sf)(?![a-z])")
LEVELS = {
    "pppp": 12, "ppp": 20, "pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 124, "ffff": 127,
    "fp": 49,
}  # fmt: skip
ACCENTS = frozenset(("sf", "sfz", "sfp", "sfzp", "fz", "rf", "rfz"))
ACCENT = 18
"""What an accent adds to the velocity of its own moment."""


@dataclass(slots=True)
class Outline:
    """Beats of what a kern file says beside its notes.

    ``levels`` are dynamic levels as velocities, ``accents`` beats with an accent, ``swells`` hairpins as
    (first beat, last beat, louder or softer), ``sections`` (label, beat) and ``order`` the labels as they sound.
    """

    levels: list[tuple[float, int]] = field(default_factory=list)
    accents: list[float] = field(default_factory=list)
    swells: list[tuple[float, float, bool]] = field(default_factory=list)
    sections: list[tuple[str, float]] = field(default_factory=list)
    order: tuple[str, ...] = ()
    end: float = 0.0
    """Beat at which the last note ends."""


def outline(text: str) -> Outline:
    """Walk through a kern file. Lines that break the syntax are passed over."""
    out = Outline()
    spines: list[str] = []
    ends: list[Fraction] = []
    now = Fraction(0)
    swell: tuple[float, bool] | None = None
    for line in text.splitlines():
        if not line or line.startswith("!"):
            continue
        tokens = line.split("\t")
        if line.startswith("**"):
            spines, ends = tokens, [now] * len(tokens)
            continue
        if len(tokens) != len(spines):
            continue
        if line.startswith("*"):
            label = next((t for t in tokens if t.startswith("*>")), "")
            if label.startswith("*>["):
                out.order = tuple(name.strip() for name in label[3:].rstrip("]").split(",") if name.strip())
            elif len(label) > 2 and not label.startswith("*>norep"):
                out.sections.append((label[2:], float(now)))
            spines, ends = _moved(tokens, spines, ends)
            continue
        if line.startswith("="):
            continue
        timed = [i for i, (s, t) in enumerate(zip(spines, tokens, strict=True)) if s == "**kern" and t != "."]
        for i in timed:
            length = max((_length(t) for t in tokens[i].split(" ")), default=Fraction(0))
            if length:
                ends[i] = now + length
        for spine, token in zip(spines, tokens, strict=True):
            if spine != "**dynam" or token == ".":
                continue
            swell = _dynam(out, token, float(now), swell)
        later = [end for spine, end in zip(spines, ends, strict=True) if spine == "**kern" and end > now]
        if timed and any(_length(t) for i in timed for t in tokens[i].split(" ")):
            now = min(later, default=now)
    out.end = float(max(ends, default=now))
    return out


def _dynam(out: Outline, token: str, beat: float, swell: tuple[float, bool] | None) -> tuple[float, bool] | None:
    for mark in _MARK.findall(token):
        if mark in ACCENTS:
            out.accents.append(beat)
        if mark in LEVELS:
            out.levels.append((beat, LEVELS[mark]))
    if swell is not None and token.strip() in ("[", "]"):
        out.swells.append((swell[0], beat, swell[1]))
        return None
    if "<" in token and "[" not in token:
        return beat, True
    if ">" in token and "]" not in token:
        return beat, False
    return swell


def _length(token: str) -> Fraction:
    """Beats of a kern token; 0 for grace notes and for what has no duration."""
    found = _DURATION.search(token)
    if found is None or "q" in token or "Q" in token:
        return Fraction(0)
    number = found[1]
    # 0 is a breve, 00 a long
    whole = Fraction(2 ** len(number)) if set(number) == {"0"} else Fraction(int(found[2] or 1), int(number))
    dots = len(found[3])
    return 4 * whole * (2 - Fraction(1, 2**dots))


def _moved(tokens: list[str], spines: list[str], ends: list[Fraction]) -> tuple[list[str], list[Fraction]]:
    """Spines after a line of interpretations: split, joined, exchanged, added or ended."""
    new: list[str] = []
    new_ends: list[Fraction] = []
    exchange: int | None = None
    joining = False
    for token, spine, end in zip(tokens, spines, ends, strict=True):
        if token == "*v" and joining:
            new_ends[-1] = max(new_ends[-1], end)
            continue
        joining = token == "*v"
        if token == "*-":
            continue
        new.append(spine)
        new_ends.append(end)
        if token == "*^":
            new.append(spine)
            new_ends.append(end)
        elif token == "*+":
            new.append("**new")
            new_ends.append(end)
        elif token == "*x":
            if exchange is None:
                exchange = len(new) - 1
            else:
                new[exchange], new[-1] = new[-1], new[exchange]
                new_ends[exchange], new_ends[-1] = new_ends[-1], new_ends[exchange]
                exchange = None
        elif token.startswith("**"):
            new[-1] = token
    return new, new_ends


def with_dynamics(piece: Piece, found: Outline) -> Piece:
    """The piece with its velocities from the dynamics of ``found``; hairpins lead half way to the next level."""
    if not (found.levels or found.accents or found.swells):
        return piece
    accents = {round(beat, 3) for beat in found.accents}
    for part in piece.parts:
        part.notes = [
            replace(
                note, velocity=max(1, min(127, _level(found, note.start) + ACCENT * (round(note.start, 3) in accents)))
            )
            for note in part.notes
        ]
    return piece


def _level(found: Outline, beat: float) -> int:
    level = float(next((v for at, v in reversed(found.levels) if at <= beat + 1e-6), 72))
    for first, last, louder in found.swells:
        if first <= beat <= last and last > first:
            after = next((v for at, v in found.levels if last - 1e-6 <= at <= last + 1.0), None)
            target = float(after) if after is not None else level + (16 if louder else -16)
            level += (target - level) * (beat - first) / (last - first)
    return round(level)


def as_it_sounds(piece: Piece, found: Outline, most: float = 4000.0) -> Piece:
    """The piece with its sections in the order in which they sound; as it is where it has no such order."""
    starts = dict(found.sections)
    if not found.order or any(label not in starts for label in found.order):
        return piece
    bounds = sorted({*(beat for _, beat in found.sections), max(found.end, piece.end)})
    spans = []
    for label in found.order:
        first = starts[label]
        spans.append((first, next((b for b in bounds if b > first + 1e-6), first)))
    if sum(last - first for first, last in spans) > most:
        return piece
    out = Piece(
        [Part(part.name, part.program, part.drum) for part in piece.parts], title=piece.title, pickup=piece.pickup
    )
    out.ticks_per_beat = piece.ticks_per_beat
    at = 0.0
    for first, last in spans:
        shift = at - first
        for new, old in zip(out.parts, piece.parts, strict=True):
            new.notes += [
                Note(n.start + shift, n.pitch, min(n.duration, last - n.start), n.velocity)
                for n in old.notes
                if first - 1e-6 <= n.start < last - 1e-6
            ]
            new.lyrics += [Lyric(w.beat + shift, w.text) for w in old.lyrics if first - 1e-6 <= w.beat < last - 1e-6]
            new.slurs += [(a + shift, b + shift) for a, b in old.slurs if first - 1e-6 <= a and b < last - 1e-6]
        for name in ("tempos", "metres", "keys", "chords"):
            _copy_map(getattr(piece, name), getattr(out, name), first, last, shift)
        at += last - first
    return out


def _copy_map(old: list[Any], new: list[Any], first: float, last: float, shift: float) -> None:
    """Add what holds from ``first`` to ``last`` of one of a piece's maps, ``shift`` beats later."""
    holding = [entry for entry in old if entry.beat <= first + 1e-6]
    inside = [entry for entry in old if first + 1e-6 < entry.beat < last - 1e-6]
    for entry in [*holding[-1:], *inside]:
        moved = replace(entry, beat=max(entry.beat, first) + shift)
        if not new or replace(new[-1], beat=0.0) != replace(moved, beat=0.0):
            new.append(moved)
