"""In-filling: new bars between bars that stay, by the stream RNN with the phrase VAE's guidance.

The RNN, which only hears what is before the gap, plays several fillings. Each is judged by how likely it makes the
music around its end, its last bar and the first bar that stays, and by how near its melody lies to the arc between
the melody before the gap and the melody after it in the VAE's latent space. The best stays.
"""

from __future__ import annotations

import secrets
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from random import Random

import numpy as np

from rnnmuse.compose.muse import MAX_BARS, Muse, Settings, _clipped, _frame, decode_from, voices
from rnnmuse.compose.phrases import Phrases, check_metre
from rnnmuse.models.latent import slerp
from rnnmuse.models.likelihood import event_likelihoods
from rnnmuse.models.stream import StreamModel
from rnnmuse.music.codec import BEATS, GRID, SUB, Encoded, drum_parts, encode
from rnnmuse.music.piece import Key, Part, Piece, credited
from rnnmuse.music.theory import parse_key, parse_progression, scale_pitch_classes
from rnnmuse.play.limits import Constraints
from rnnmuse.play.sampler import constrained, events_until, habits_of
from rnnmuse.provenance.record import Made, chosen

CANDIDATES = 16
GUIDANCE = 0.5
"""Nats an event that a melody at right angles to the arc costs."""

HEARD = 600  # events before the gap that are heard


@dataclass(frozen=True, slots=True)
class Filled:
    """The whole piece with its new bars, from beat ``start`` to ``end``; what judged them.

    ``join`` is the surprise around the gap's end in nats an event, ``distance`` 0 to 2 how far the melody is from the
    VAE's arc (NaN without one).
    """

    piece: Piece
    """The old notes outside the gap, new ones within."""
    start: float
    end: float
    join: float
    distance: float


def bar_span(piece: Piece, first: int, last: int) -> tuple[float, float]:
    """Beats at which bar ``first`` begins and bar ``last`` ends. Bars are counted from 1; a pickup is bar 0."""
    lowest = piece.first_bar
    if not lowest <= first <= last:
        raise ValueError(f"bars: {first}-{last}; must be like 5-8, from {lowest} on, the first not after the last")
    bars = len(piece.bar_starts(piece.end))
    if first >= lowest + bars:
        raise ValueError(f"bars: {first}-{last}; the piece ends before bar {first}")
    if last - first >= MAX_BARS:
        raise ValueError(f"bars: {first}-{last}; at most {MAX_BARS} bars at once")
    lines = list(islice(piece.bar_lines(), first - lowest, last - lowest + 2))
    return lines[0], lines[-1]


def infill(
    muse: Muse,
    piece: Piece,
    first: int,
    last: int,
    phrases: Phrases | None = None,
    settings: Settings | None = None,
    candidates: int = CANDIDATES,
    guidance: float = GUIDANCE,
) -> Filled:
    """``piece`` with bars ``first`` to ``last`` replaced by new ones, whatever was in them.

    The new bars keep the key and the chords of ``settings``, else those of the piece. Without ``phrases``, or in a
    metre or with parts that they do not know, only the join judges. ValueError names the field that is wrong.
    """
    found = best(fillings(muse, piece, first, last, phrases, settings, candidates), guidance)
    settings = settings or Settings()
    models = {muse.name: muse.model.digest} | ({phrases.model.name: phrases.model.digest} if phrases else {})
    asked = {**chosen(settings, "seed"), "bars": f"{first}-{last}", "candidates": candidates}
    kept = without(piece, found.start, found.end)
    return replace(found, piece=credited(found.piece, kept, Made("infill", models, settings.seed, asked)))


def best(filled: Sequence[Filled], guidance: float = GUIDANCE) -> Filled:
    """The filling of the least join and, by ``guidance``, distance."""
    return min(filled, key=lambda f: f.join + (guidance * f.distance if f.distance == f.distance else 0.0))


def fillings(
    muse: Muse,
    piece: Piece,
    first: int,
    last: int,
    phrases: Phrases | None = None,
    settings: Settings | None = None,
    candidates: int = CANDIDATES,
) -> list[Filled]:
    """Every filling that `infill` chooses from."""
    if not 1 <= candidates <= 256:
        raise ValueError(f"candidates: {candidates}; must be 1 to 256")
    settings = settings or Settings()
    start, end = bar_span(piece, first, last)
    kept = without(piece, start, end)
    frame = _harmonic_frame(kept, start, end, settings)
    fills = _played(muse, piece, frame, start, end, settings, candidates)
    arc = _arc(phrases, kept, start, end) if phrases is not None else []
    out = []
    for fill in fills:
        whole = _together(kept, fill, frame)
        distance = _distance(phrases, whole, arc, (start, end)) if arc and phrases is not None else float("nan")
        out.append(Filled(whole, start, end, join_nll(muse.model, whole, end), distance))
    return out


def without(piece: Piece, start: float, end: float) -> Piece:
    """The piece with nothing from beat ``start`` to ``end``; notes that ring into the gap are cut, chords are kept
    where they are written."""
    parts = []
    for part in piece.parts:
        before = _clipped(part, start).notes
        parts.append(replace(part, notes=before + [n for n in part.notes if n.start >= end - 1e-6]))
    return replace(piece, parts=parts)


def join_nll(model: StreamModel, piece: Piece, end: float) -> float:
    """Nats an event from one bar before beat ``end`` to one bar after it, heard with what comes before."""
    bar = piece.metre_at(max(0.0, end - 1e-3)).bar_beats
    piece = _near(piece, end - bar, end + bar)
    encoded = encode(piece, model.parts)
    if not len(encoded):
        return float("inf")
    first_note = min(n.start for part in piece.parts for n in part.notes)
    at = int(first_note) * GRID + np.cumsum(encoded.events[:, BEATS].astype(np.int64) * GRID + encoded.events[:, SUB])
    low, high = (int(np.searchsorted(at, round(beat * GRID))) for beat in (end - bar, end + bar))
    since = max(0, low - HEARD)
    heard = Encoded(encoded.events[since:high], encoded.context[since:high])
    found = event_likelihoods(model, heard, low - since)
    return -sum(found) / len(found) if found else float("inf")


def _near(piece: Piece, low: float, high: float) -> Piece:
    """The piece without the notes that are neither between the beats nor among the HEARD before them."""
    starts = sorted(note.start for part in piece.parts for note in part.notes)
    first = max(0, bisect_left(starts, low) - HEARD)
    since = starts[first] if first < len(starts) else low
    parts = [replace(part, notes=[n for n in part.notes if since <= n.start < high]) for part in piece.parts]
    return replace(piece, parts=parts)


def _played(
    muse: Muse, piece: Piece, frame: Piece, start: float, end: float, settings: Settings, candidates: int
) -> list[Piece]:
    """Fillings from beat ``start`` to ``end``, each played by the RNN after what is before the gap."""
    parts = [_clipped(part, start) for part in piece.parts]
    before = encode(replace(frame, parts=parts), muse.model.parts)
    used = muse._players(settings.players, sorted({int(row[3]) for row in encode(piece, muse.model.parts).events}))
    scale = _scale_at(frame, start, settings) if settings.key or settings.scale else None
    rules = Constraints(
        scale=scale,
        chord_tones=any(chord.beat < end for chord in frame.chords),
        low=settings.low,
        high=settings.high,
        polyphony=settings.polyphony,
        parts=used,
        rest=frame.metre_at(start).bar_beats,
        voices=voices(muse.model.parts, settings.polyphony),
        gravity=muse.model.gravity if scale is None else 0.0,
        **habits_of(muse.model),
    )
    seed = secrets.randbits(31) if settings.seed is None else settings.seed
    bars = max(1, round((end - start) / frame.metre_at(start).bar_beats))
    plan = muse._plan(replace(frame, parts=parts), start, bars, replace(settings, ending=False), used, seed)
    player = constrained(
        muse.model,
        frame,
        rules,
        seed,
        settings.temperature,
        muse.top_p(settings),
        settings.density,
        plan,
        settings.original,
    )
    rows = before.events.tolist()
    skipped = max(0, len(rows) - HEARD)
    first = min((n.start for part in parts for n in part.notes), default=start)
    player.at(int(first) * GRID + sum(row[BEATS] * GRID + row[SUB] for row in rows[:skipped]))
    for row in rows[skipped:]:
        player.hear(tuple(row))
    here = player.save()
    out = []
    for index in range(candidates):
        player.restore(here)
        player.random = Random(seed + index)
        events = list(events_until(player, round(start * GRID), round(end * GRID)))
        if events:
            wait = here.grid + events[0][BEATS] * GRID + events[0][SUB] - round(start * GRID)
            events[0] = (wait // GRID, wait % GRID, *events[0][2:])
        notes = decode_from(events, round(start * GRID), drum_parts(muse.model.parts))
        fill = muse._expressed(muse._spread(notes, piece, frame), start, replace(settings, ending=False))
        out.append(replace(fill, tempos=frame.tempos))  # the bars that stay keep their tempo
    return out


def _harmonic_frame(kept: Piece, start: float, end: float, settings: Settings) -> Piece:
    """The maps of the piece: the key that is asked for holds in the gap, and so do the chords, else the piece's own."""
    frame = _frame(kept, 0.0, 1, replace(settings, key=None, scale=None, chords=None))
    if settings.key or settings.scale:
        before = [k for k in frame.keys if k.beat < start]
        own = (
            replace(parse_key(settings.key), beat=start) if settings.key else replace(_key_at(frame, start), beat=start)
        )
        after = [replace(_key_at(frame, end), beat=end), *(k for k in frame.keys if k.beat > end)]
        frame.keys = [*before, own, *after]
    frame.chords = list(kept.chords)
    if settings.chords:
        beats = frame.metre_at(start).bar_beats
        bars = max(1, round((end - start) / beats))
        asked = [replace(c, beat=c.beat + start) for c in parse_progression(settings.chords, bars, beats)]
        until = [c for c in kept.chords if c.beat < start]
        after_gap = [c for c in kept.chords if c.beat >= end]
        held = [c for c in kept.chords if c.beat < end]
        if held and not any(abs(c.beat - end) < 1e-6 for c in after_gap):
            after_gap.insert(0, replace(held[-1], beat=end))
        frame.chords = [*until, *asked, *after_gap]
    return frame


def _key_at(piece: Piece, beat: float) -> Key:
    return next((key for key in reversed(piece.keys) if key.beat <= beat + 1e-6), (piece.keys or [Key(0.0, 0)])[0])


def _scale_at(frame: Piece, start: float, settings: Settings) -> frozenset[int] | None:
    """The scale of the gap, in minor with the raised seventh, and the tones of its chords; None where nothing says
    the key."""
    if not frame.keys:
        return None
    key = _key_at(frame, start)
    scale = scale_pitch_classes(key.tonic, settings.scale or ("minor" if key.minor else "major"))
    return scale | {(key.tonic + 11) % 12} if key.minor and not settings.scale else scale


def _together(kept: Piece, fill: Piece, frame: Piece) -> Piece:
    parts: list[Part] = []
    for index, part in enumerate(fill.parts):
        own = kept.parts[index].notes if index < len(kept.parts) else []
        base = kept.parts[index] if index < len(kept.parts) else part
        parts.append(replace(base, notes=sorted(own + part.notes)))
    return replace(kept, parts=parts, keys=frame.keys if not kept.keys else kept.keys, tempos=frame.tempos)


def _arc(phrases: Phrases, kept: Piece, start: float, end: float) -> list[tuple[int, np.ndarray]]:
    """For each two bars of the gap their index and the point the VAE would have there; empty where it cannot tell."""
    try:
        check_metre(kept)
        found = phrases.read(kept, 2, (start, end))
    except ValueError:
        return []
    begin, stop = (start - found.origin) / 8, (end - found.origin) / 8
    if begin % 1 or stop % 1 or not 0 < begin < stop < len(found.grids):
        return []
    a, b = round(begin) - 1, round(stop)
    points = [phrases.model.encode(found.grids[i], found.contexts[i]) for i in (a, b)]
    return [(i, slerp(points[0], points[1], (i - a) / (b - a))) for i in range(a + 1, b)]


def _distance(phrases: Phrases, whole: Piece, arc: list[tuple[int, np.ndarray]], gap: tuple[float, float]) -> float:
    """Mean of 1 - cosine between the filling's phrases and the arc."""
    found = phrases.read(whole, 2, gap)
    out = []
    for index, target in arc:
        point = phrases.model.encode(found.grids[index], found.contexts[index])
        cosine = float(point @ target) / max(1e-6, float(np.linalg.norm(point) * np.linalg.norm(target)))
        out.append(1 - cosine)
    return float(np.mean(out))
