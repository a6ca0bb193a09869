"""Some seventy numbers of a window of whole bars, for telling generated windows from real ones.

They cover density and its steps, note lengths, intervals, likeness of bars at 1, 2, 4 and 8 bars, scale, dissonance,
repetition by part, survival of parts, velocities and timing. A number that a window has no notes for is NaN.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnmuse.events import Note
from rnnmuse.music.analysis import entropy
from rnnmuse.music.piece import Part, Piece
from rnnmuse.music.structure import outside_key, pitched, repetitions, snapped, survival
from rnnmuse.music.theory import estimate_key

LAGS = (1, 2, 4, 8)
Floats = NDArray[np.float64]


def features(piece: Piece, bars: int, bar_beats: float) -> dict[str, float]:
    """The features of the first ``bars`` bars of a piece; the names are the same for every piece."""
    parts = [part for part in piece.parts if part.notes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing are NaN
        return (
            _density(parts, bars, bar_beats)
            | _lengths(parts)
            | _pitches(piece, bars, bar_beats)
            | _intervals(parts)
            | _likeness(parts, bars, bar_beats)
            | _returns(piece, bars, bar_beats)
            | _velocities(parts, bars, bar_beats)
            | _timing(parts)
        )


def _of(parts: list[Part]) -> list[Note]:
    return sorted(note for part in parts for note in part.notes)


def _density(parts: list[Part], bars: int, bar_beats: float) -> dict[str, float]:
    notes, end = _of(parts), bars * bar_beats
    places = [snapped(n.start) for n in notes]
    counts = np.bincount([min(bars - 1, max(0, int(p / 24 / bar_beats))) for p in places], minlength=bars)
    onsets = sorted(set(places))
    waits = np.diff(onsets) / 24
    spans = _spans([n for part in parts for n in part.notes], end)
    heard = sum(stop - start for start, stop, _ in spans)
    kinds = Counter(place % 24 for place in onsets)
    total = max(1, len(onsets))
    return {
        "notes a beat": len(notes) / end,
        "notes a bar, relative spread": float(counts.std() / max(1e-9, counts.mean())),
        "notes a bar, relative step": float(np.abs(np.diff(counts)).mean() / max(1e-9, counts.mean())),
        "notes a bar, likeness of neighbours": _correlation(counts[:-1], counts[1:]),
        "notes a bar, most": float(counts.max() / max(1e-9, counts.mean())),
        "bars without onset": float((counts == 0).mean()),
        "silence": 1 - heard / end,
        "onsets on the beat": kinds[0] / total,
        "onsets on the half beat": kinds[12] / total,
        "onsets on other sixteenths": (kinds[6] + kinds[18]) / total,
        "onsets on triplets": (kinds[8] + kinds[16]) / total,
        "onsets on the downbeat": sum(p % round(bar_beats * 24) == 0 for p in onsets) / bars,
        "waits, entropy": entropy([round(w * 24) for w in waits]),
        "waits, median": float(np.median(waits)) if len(waits) else math.nan,
        "waits, longest": float(waits.max()) if len(waits) else math.nan,
        "notes an onset": len(notes) / total,
        "notes sounding": sum((b - a) * n for a, b, n in spans) / max(1e-9, heard),
        "notes sounding, most": float(max((n for _, _, n in spans), default=0)),
        "parts": float(len(parts)),
    }


def _spans(notes: list[Note], end: float) -> list[tuple[float, float, int]]:
    """Stretches of time in which some notes sound, and how many."""
    edges = sorted([(n.start, 1) for n in notes] + [(min(n.end, end), -1) for n in notes])
    out, sounding, before = [], 0, 0.0
    for at, change in edges:
        if sounding and at > before:
            out.append((before, at, sounding))
        sounding, before = sounding + change, at
    return out


def _lengths(parts: list[Part]) -> dict[str, float]:
    lengths = np.array([n.duration for part in parts if not part.drum for n in part.notes])
    held = []
    for part in parts:
        line = sorted(part.notes)
        if not part.drum:
            held += [min(4.0, a.duration / (b.start - a.start)) for a, b in pairwise(line) if b.start > a.start + 0.02]
    logs = np.log2(np.maximum(lengths, 1 / 48))
    return {
        "length, median": float(np.median(lengths)) if len(lengths) else math.nan,
        "length, spread in octaves": float(logs.std()) if len(logs) else math.nan,
        "length, entropy": entropy([round(v * 2) for v in logs]) if len(logs) else math.nan,
        "length, under a quarter beat": float((lengths < 0.24).mean()) if len(lengths) else math.nan,
        "length, two beats and more": float((lengths > 1.9).mean()) if len(lengths) else math.nan,
        "length, share of the wait": float(np.median(held)) if held else math.nan,
    }


def _chroma(notes: list[Note], bars: int, bar_beats: float) -> Floats:
    """Durations by bar and pitch class, (bars, 12)."""
    out = np.zeros((bars, 12))
    for note in notes:
        bar = int(snapped(note.start) / 24 / bar_beats)
        if 0 <= bar < bars:
            out[bar, note.pitch % 12] += note.duration
    return out


def _pitches(piece: Piece, bars: int, bar_beats: float) -> dict[str, float]:
    notes = pitched(piece)
    every = notes or [n for part in piece.parts for n in part.notes]  # the drums of a piece of drums
    pitches = np.array([float(n.pitch) for n in every] or [math.nan])
    half = bars * bar_beats / 2
    sides = [np.array([n.pitch for n in every if (n.start < half) == first], float) for first in (True, False)]
    chroma = _chroma(notes, bars, bar_beats)
    quarters = [chroma[at : at + max(1, bars // 4)].sum(0) for at in range(0, bars, max(1, bars // 4))]
    clashes = pairs = seconds = 0
    by_onset: dict[int, list[int]] = {}
    for note in notes:
        by_onset.setdefault(snapped(note.start), []).append(note.pitch)
    for chord in by_onset.values():
        for i, low in enumerate(chord):
            for high in chord[i + 1 :]:
                step = abs(high - low) % 12
                pairs += 1
                clashes += step in (1, 2, 6, 10, 11)
                seconds += step in (1, 11)
    common = Counter(n.pitch for n in every).most_common(3)
    return {
        "pitch, mean": float(pitches.mean()),
        "pitch, spread": float(pitches.std()),
        "pitch, range": float(np.ptp(pitches)),
        "pitch, drift between halves": float(sides[1].mean() - sides[0].mean()) if all(map(len, sides)) else math.nan,
        "pitch classes, entropy": entropy([n.pitch % 12 for n in notes] if notes else [n.pitch for n in every]),
        "pitch, share of the three commonest": sum(count for _, count in common) / max(1, len(every)),
        "outside the key": outside_key(notes),
        "outside the key of the first quarter": _drift(notes, bars * bar_beats / 4),
        "chroma, likeness of quarters": float(np.nanmean([_cosine(a, b) for a, b in pairwise(quarters)])),
        "dissonant pairs": clashes / pairs if pairs else math.nan,
        "minor seconds": seconds / pairs if pairs else math.nan,
    }


def _drift(notes: list[Note], until: float) -> float:
    """Notes after ``until`` outside the key of those before."""
    before = [n for n in notes if n.start < until]
    return outside_key([n for n in notes if n.start >= until], estimate_key(before)) if before else math.nan


def _intervals(parts: list[Part]) -> dict[str, float]:
    steps: list[int] = []
    turns: list[bool] = []
    for part in parts:
        if part.drum:
            continue
        tops: dict[int, int] = {}
        for note in part.notes:
            tops[snapped(note.start)] = max(note.pitch, tops.get(snapped(note.start), 0))
        line = [b - a for a, b in pairwise(pitch for _, pitch in sorted(tops.items()))]
        steps += line
        moves = [step for step in line if step]
        turns += [a * b < 0 for a, b in pairwise(moves)]
    size = np.abs(np.array(steps, float))
    return {
        "intervals, mean": float(size.mean()) if steps else math.nan,
        "intervals, unisons": float((size == 0).mean()) if steps else math.nan,
        "intervals, steps": float(((size > 0) & (size <= 2)).mean()) if steps else math.nan,
        "intervals, over a fifth": float((size > 7).mean()) if steps else math.nan,
        "intervals, entropy": entropy(steps) if steps else math.nan,
        "turns of the line": float(np.mean(turns)) if turns else math.nan,
    }


def _likeness(parts: list[Part], bars: int, bar_beats: float) -> dict[str, float]:
    length = round(bar_beats * 24)
    rhythm = np.zeros((bars, length // 2 + 1))
    for note in _of(parts):
        bar, place = divmod(snapped(note.start), length)
        if 0 <= bar < bars:
            rhythm[bar, place // 2] += 1
    chroma = _chroma([n for part in parts if not part.drum for n in part.notes], bars, bar_beats)
    out = {}
    for name, rows in (("chroma", chroma), ("rhythm", rhythm)):
        for lag in LAGS:
            pairs = [_cosine(rows[i], rows[i - lag]) for i in range(lag, bars)]
            out[f"{name}, likeness at {lag} bars"] = float(np.nanmean(pairs)) if pairs else math.nan
    return out


def _returns(piece: Piece, bars: int, bar_beats: float) -> dict[str, float]:
    found = list(repetitions(piece, bars, bar_beats).values())
    out = {}
    for name in ("exact", "transposed", "rhythm"):
        values = [getattr(one, name) for one in found]
        values = [value for value in values if not math.isnan(value)]
        out[f"repeated bars, {name}, most"] = max(values, default=math.nan)
        out[f"repeated bars, {name}, mean"] = float(np.mean(values)) if values else math.nan
    line = [(n.pitch, snapped(n.start)) for n in piece.notes]
    grams = [tuple((pitch, b - a) for (_, a), (pitch, b) in pairwise(line[i : i + 9])) for i in range(len(line) - 8)]
    seen = Counter(grams)
    plays = [
        len({int(snapped(n.start) / 24 / bar_beats) for n in part.notes}) / bars for part in piece.parts if part.notes
    ]
    return out | {
        "repeated runs of eight": 1 - len(seen) / len(grams) if grams else math.nan,
        "parts that stay": survival(piece, bars, bar_beats),
        "bars in which a part plays": float(np.mean(plays)) if plays else math.nan,
        "bars in which a part plays, least": min(plays, default=math.nan),
    }


def _velocities(parts: list[Part], bars: int, bar_beats: float) -> dict[str, float]:
    notes = _of(parts)
    loud = np.array([n.velocity for n in notes], float)
    places = np.array([snapped(n.start) for n in notes])
    bar = np.array([int(p / 24 / bar_beats) for p in places])
    means = [float(loud[bar == i].mean()) for i in range(bars) if (bar == i).any()]
    on = loud[places % 24 == 0]
    off = loud[places % 24 != 0]
    own = [np.array([n.velocity for n in part.notes], float) for part in parts]
    return {
        "velocity, mean": float(loud.mean()) if len(loud) else math.nan,
        "velocity, spread": float(loud.std()) if len(loud) else math.nan,
        "velocity, spread of a part": float(np.mean([v.std() for v in own])) if own else math.nan,
        "velocity, different values": float(len(set(loud.tolist()))),
        "velocity, spread of bars": float(np.std(means)) if means else math.nan,
        "velocity, accent on the beat": float(on.mean() - off.mean()) if len(on) and len(off) else math.nan,
        "velocity, likeness of neighbours": _correlation(loud[:-1], loud[1:]),
    }


def _timing(parts: list[Part]) -> dict[str, float]:
    late = np.array([n.start * 24 - round(n.start * 24) for n in _of(parts)])
    places = np.array([round(n.start * 24) % 24 for n in _of(parts)])
    return {
        "timing, mean": float(late.mean()) if len(late) else math.nan,
        "timing, spread": float(late.std()) if len(late) else math.nan,
        "onsets off the grid": float(np.isin(places, (0, 6, 8, 12, 16, 18), invert=True).mean()),
    }


def _cosine(a: Floats, b: Floats) -> float:
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else math.nan


def _correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    if len(a) < 3 or not np.std(a.astype(float)) or not np.std(b.astype(float)):
        return math.nan
    return float(np.corrcoef(a.astype(float), b.astype(float))[0, 1])
