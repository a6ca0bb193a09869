"""Cues for movement from music: a row a bar of how dense, loud and high it is, where phrases end, and what changes."""

from __future__ import annotations

import csv
import io
import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise

from rnnmuse.music.piece import Piece

REST = 0.5
"""Beats of silence in the leading part after which a phrase has ended."""

STEP = 0.15
"""How much a measure (0-1 over the piece) must change from one bar to the next to be a cue."""


@dataclass(frozen=True, slots=True)
class BarCue:
    """One bar, from 1: where it begins (``beat``, ``seconds``); ``density`` in notes a beat; ``loudness`` the mean
    velocity 0-127; ``register`` the mean pitch as a MIDI note; ``phrase_end`` whether the leading part pauses in it;
    ``cue`` a word for the change from the bar before."""

    bar: int
    beat: float
    seconds: float
    density: float
    loudness: float
    register: float
    phrase_end: bool
    cue: str


def bar_cues(piece: Piece) -> list[BarCue]:
    """A cue list of a piece's bars; a first bar that is only an upbeat is bar 0."""
    if not piece.notes:
        raise ValueError("cues: the piece has no notes")
    starts = piece.bar_starts(piece.end)
    starts.append(next(line for line in piece.bar_lines() if line > starts[-1]))
    notes = piece.notes
    beats = [note.start for note in notes]
    lead = _leading(piece)
    rows: list[tuple[float, float, float, bool]] = []
    for begin, end in pairwise(starts):
        inside = notes[bisect_left(beats, begin - 1e-6) : bisect_left(beats, end - 1e-6)]
        pitched = [note for note in inside if not piece.parts[note.part].drum]
        weight = sum(note.duration for note in pitched)
        register = sum(n.pitch * n.duration for n in pitched) / weight if weight else (rows[-1][2] if rows else 60.0)
        loudness = sum(note.velocity for note in inside) / len(inside) if inside else 0.0
        ends = bisect_right(lead, begin) < bisect_right(lead, end + 1e-6)
        rows.append((len(inside) / (end - begin), loudness, register, ends))
    ranges = [(min(r[k] for r in rows), max(r[k] for r in rows)) for k in range(3)]
    out: list[BarCue] = []
    for i, (density, loudness, register, ends) in enumerate(rows):
        cue = _cue(rows[i - 1] if i else None, rows[i], ranges, i > 0 and rows[i - 1][3])
        begin = starts[i]
        out.append(
            BarCue(
                piece.first_bar + i,
                round(begin, 3),
                round(piece.seconds_at(begin), 3),
                round(density, 2),
                round(loudness, 1),
                round(register, 1),
                ends,
                cue,
            )
        )
    return out


def _leading(piece: Piece) -> list[float]:
    """Where phrases of the part with the highest notes end."""
    parts = [part for part in piece.parts if part.notes and not part.drum] or [p for p in piece.parts if p.notes]
    part = max(parts, key=lambda p: sum(n.pitch for n in p.notes) / len(p.notes))
    notes = sorted(part.notes)
    ends: list[float] = []
    sounding = notes[0].end
    for note in notes[1:]:
        if note.start - sounding >= REST:
            ends.append(sounding)
        sounding = max(sounding, note.end)
    return [*ends, sounding]


def _cue(
    before: tuple[float, float, float, bool] | None,
    now: tuple[float, float, float, bool],
    ranges: Sequence[tuple[float, float]],
    after_phrase: bool,
) -> str:
    if before is None:
        return "begin"
    words = []
    names = (("thicken", "thin"), ("swell", "fade"), ("rise", "sink"))
    for k, (more, less) in enumerate(names):
        low, high = ranges[k]
        change = (now[k] - before[k]) / (high - low) if high > low else 0.0
        if abs(change) >= STEP:
            words.append(more if change > 0 else less)
    if now[0] == 0:
        words = ["still"]
    if after_phrase:
        words.insert(0, "new phrase")
    return ", ".join(words) or "hold"


def as_csv(cues: Sequence[BarCue]) -> str:
    """Comma-separated values with a heading."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow([f.name for f in fields(BarCue)])
    for cue in cues:
        rows.writerow([int(v) if isinstance(v, bool) else v for v in asdict(cue).values()])
    return out.getvalue()


def as_json(cues: Sequence[BarCue]) -> str:
    return json.dumps([asdict(cue) for cue in cues], indent=1) + "\n"
