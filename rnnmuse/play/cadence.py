"""The end of a piece: the dominant in the bass, then the tonic's chord of all that play, held to the end."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from rnnmuse.music.codec import BEATS, GRID, KIND, MAX_WAIT, OFF, ON, PART, PITCH, SUB, VELOCITY
from rnnmuse.music.theory import Chord, parse_chord
from rnnmuse.play.sampler import Event, Player, bass_of, events_until

LATELY = 8
"""Beats before the last chord from which the places of its parts and the number of their notes come."""
JOINING = 16
"""Beats after which a part that rests is not in the last chord."""
FULLEST = 5
"""Notes of a part in the last chord at most."""
APART = 3
"""Semitones between the notes of the last chord at least."""
KICKS, CYMBALS = (36, 35), (49, 57, 55, 52)
"""The drums of the last stroke, the first that the model knows."""


@dataclass(slots=True)
class _Line:
    """What a part has played lately."""

    last: int
    """Grid position of its last note."""
    low: int
    """Its lowest MIDI note lately."""
    top: int
    """The highest MIDI note that began at its last place."""
    full: int
    """Notes that it sounded at once at most."""
    loud: list[int] = field(default_factory=list)
    """The velocity classes of its notes."""
    sounding: set[int] = field(default_factory=set)


def closed(
    player: Player, heard: Sequence[Sequence[int]], start: int, end: int, dominant: int | None, closing: int
) -> Iterator[Event]:
    """Events from grid position ``start`` to ``end``: from ``closing`` on the piece's last chord, and nothing more.

    ``heard`` are the events before ``start``. At ``dominant``, where it is given, the part that has the bass plays the
    bass of the chord there.
    """
    rows = [tuple(row) for row in heard]
    origin = player.grid - sum(row[BEATS] * GRID + row[SUB] for row in rows)

    def kept(event: Event) -> Event:
        rows.append(event)
        return event

    marks = [closing] if dominant is None or dominant < max(start, 0) else [dominant, closing]
    for mark in marks:
        while (event := player.next(start, mark)) is not None:
            yield kept(event)
        lines = _lines(rows, origin, mark, player)
        chord = _chord_at(player, mark)
        if mark == closing:
            for event in _last(player, lines, chord, closing):
                yield kept(event)
        elif chord is not None and (bass := _foundation(player, lines)) is not None:
            for event in _stepped(player, lines[bass], bass, chord, mark):
                yield kept(event)
    while player.started:
        yield from events_until(player, end, end)


def _last(player: Player, lines: dict[int, _Line], chord: Chord | None, at: int) -> Iterator[Event]:
    """The last chord: what sounds ends, and every part that plays begins its notes of it, the bass first."""
    yield from _ended(player, sorted(player.started), at)
    drums = player.model.drums
    bass = _foundation(player, lines)
    for part in sorted(lines, key=lambda part: (part != bass, part)):
        if part == drums:
            known = player.rules.pitches(part, at)
            for kind in (KICKS, CYMBALS):
                stroke = next((pitch for pitch in kind if known[pitch]), None)
                if stroke is not None:
                    yield _begun(player, at, part, [stroke], sum(lines[part].loud) // len(lines[part].loud))
        elif chord is not None:
            for pitches in _voices(player, lines[part], part, part == bass, chord, at):
                if pitches:
                    yield _begun(player, at, part, pitches)


def _voices(player: Player, line: _Line, part: int, bass: bool, chord: Chord, at: int) -> Iterator[list[int]]:
    """What each note of a part in the last chord is chosen from, one after the other."""
    known = player.rules.pitches(part, at)
    every = [pitch for pitch in range(128) if known[pitch] and pitch % 12 in chord.pitch_classes]
    taken: list[int] = []

    def begun() -> list[int]:
        return sorted(pitch for p, pitch in player.started if p == part)

    if bass:
        roots = [pitch for pitch in every if pitch % 12 == chord.bass]
        yield _nearest(roots, line.low, 7) or _nearest(roots, line.low, 127)
        taken = begun()
        if line.full < 2:
            return
    above = [pitch for pitch in every if not taken or pitch >= taken[0] + APART]
    resting = {chord.root, *(pitch for pitch in chord.pitch_classes if (pitch - chord.root) % 12 in (3, 4))}
    tops = [pitch for pitch in above if pitch % 12 in resting] or above
    top = max(line.top, taken[0] + 12) if taken and line.full > 2 else line.top
    yield _nearest(tops, top, 5) or _nearest(tops, top, 127)
    taken = begun()
    if not taken:
        return
    for _ in range(min(line.full, FULLEST) - len(taken)):
        free = [p for p in above if all(abs(p - other) >= APART for other in taken)]
        inner = [p for p in free if p < taken[-1]]
        missing = [p for p in inner if p % 12 not in {other % 12 for other in taken}]
        yield [max(missing or inner)] if inner else free[:1]
        taken = begun()


def _stepped(player: Player, line: _Line, part: int, chord: Chord, at: int) -> Iterator[Event]:
    """The bass of a chord begins, in place of what ``part`` sounds that is not of the chord, or is lower."""
    known = player.rules.pitches(part, at)
    pitches = [pitch for pitch in range(128) if known[pitch] and pitch % 12 == chord.bass]
    near = _nearest(pitches, line.low, 7) or _nearest(pitches, line.low, 127)
    if not near:
        return
    strange = [
        (p, pitch)
        for p, pitch in sorted(player.started)
        if p == part and (pitch % 12 not in chord.pitch_classes or pitch <= max(near) or line.full < 2)
    ]
    yield from _ended(player, strange, at)
    yield _begun(player, at, part, near)


def _ended(player: Player, notes: Collection[tuple[int, int]], at: int) -> Iterator[Event]:
    for part, pitch in notes:
        wait = min(at - player.grid, MAX_WAIT)
        event = (wait // GRID, wait % GRID, OFF, part, pitch, 0, 10 if wait else max(10, player.micro))
        player.hear(event)
        yield event


def _begun(player: Player, at: int, part: int, pitches: Collection[int], loud: int = 0) -> Event:
    """A note begins, as loud as the model would play it, and at least of the velocity class ``loud``."""
    wait = min(at - player.grid, MAX_WAIT)
    pitch = player.chosen(wait, part, pitches)
    velocity, micro = player.struck(wait, part, pitch)
    event = (wait // GRID, wait % GRID, ON, part, pitch, max(loud, velocity), micro if wait else player.micro)
    player.hear(event)
    return event


def _chord_at(player: Player, at: int) -> Chord | None:
    """The chord of the piece at a grid position."""
    texts = [chord.text for chord in player.frame.piece.chords if round(chord.beat * GRID) <= at]
    found = parse_chord(texts[-1]) if texts else None
    return found if found is not None and found.root >= 0 else None


def _foundation(player: Player, lines: dict[int, _Line]) -> int | None:
    """The part that has the bass: the model's own, else the lowest that plays."""
    own = bass_of(player.model)
    pitched = [part for part in lines if part != player.model.drums]
    return own if own in lines else min(pitched, key=lambda part: lines[part].low, default=None)


def _lines(rows: Sequence[Event], origin: int, at: int, player: Player) -> dict[int, _Line]:
    """What each part has played in the last beats before a grid position; where that is nothing, before."""
    found: dict[int, _Line] = {}
    grid = origin
    for row in rows:
        grid += row[BEATS] * GRID + row[SUB]
        part, pitch = row[PART], row[PITCH]
        line = found.get(part)
        if row[KIND] != ON:
            if line is not None:
                line.sounding.discard(pitch)
            continue
        if line is None or line.last < min(grid, at) - LATELY * GRID:
            line = found[part] = _Line(grid, pitch, pitch, 1, sounding=set() if line is None else line.sounding)
        elif grid >= at - LATELY * GRID > line.last:
            line.low, line.full, line.loud = pitch, 1, []
        line.top = max(pitch, line.top) if grid == line.last else pitch
        line.last, line.low = grid, min(line.low, pitch)
        line.sounding.add(pitch)
        line.full = max(line.full, len(line.sounding))
        line.loud.append(row[VELOCITY])
    recent = {part: line for part, line in found.items() if line.last >= at - JOINING * GRID} or found
    return {part: line for part, line in recent.items() if part in player.rules.parts}


def _nearest(pitches: Sequence[int], middle: int, most: int) -> list[int]:
    """The pitches within some semitones of one; with a wide reach the nearest alone."""
    if most == 127:
        return sorted(pitches, key=lambda pitch: abs(pitch - middle))[:1]
    return [pitch for pitch in pitches if abs(pitch - middle) <= most]
