"""A piece and what comes after it as one piece."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from rnnmuse.events import Bend, Control, Pressure
from rnnmuse.music.piece import ChordSymbol, Key, Metre, Part, Piece, Tempo

_Change = TypeVar("_Change", Tempo, Metre, Key, ChordSymbol)
_Event = TypeVar("_Event", Control, Bend, Pressure)

PEDALS = (64, 66, 67, 69)
"""Sustain, sostenuto, soft and hold 2: up from 63 down."""

LEVELS = (7, 11)
"""Volume and expression."""

MODULATION = 1


def joined(piece: Piece, continuation: Piece, start: float) -> Piece:
    """``piece`` with the notes and maps of ``continuation`` from beat ``start`` on, as one piece.

    ``continuation`` has the parts of ``piece`` first, then new ones. Notes that ring beyond ``start`` end there, and
    every channel begins the continuation in the state of `settled`. Everything else of ``piece`` stays.
    """
    parts = [_clipped(part, start) for part in piece.parts]
    for index, part in enumerate(continuation.parts):
        if index < len(parts):
            parts[index] = replace(parts[index], notes=sorted(parts[index].notes + part.notes))
        else:
            parts.append(part)
    whole = replace(
        piece,
        parts=parts,
        tempos=_spliced(piece.tempos, continuation.tempos, start),
        metres=_spliced(piece.metres, continuation.metres, start),
        keys=_spliced(piece.keys, continuation.keys, start),
        chords=_spliced(piece.chords, continuation.chords, start),
    )
    return settled(whole, start)


def _spliced(old: list[_Change], new: list[_Change], start: float) -> list[_Change]:
    after = [change for change in new if change.beat >= start - 1e-6 and change not in old]
    if not after:
        return list(old)
    return [change for change in old if change.beat < start - 1e-6] + sorted(after)


def _clipped(part: Part, end: float) -> Part:
    notes = [n if n.end <= end else replace(n, duration=end - n.start) for n in part.notes if n.start < end - 1e-6]
    return replace(part, notes=notes)


def settled(piece: Piece, beat: float) -> Piece:
    """``piece`` with every channel in a stated condition at ``beat``: pedals up, bend in the centre, no pressure, no
    modulation; volume and expression, where a fade has taken them below half of what is usual, at their last usual
    value. What is in that condition already gets no event, and later events stay."""
    parts = list(piece.parts)
    for indexes in _by_channel(parts).values():
        own = [parts[index] for index in indexes]
        controls = sorted(
            (c for part in own for c in part.controls if c.beat <= beat), key=lambda control: control.beat
        )
        bends = sorted((b for part in own for b in part.bends if b.beat <= beat), key=lambda bend: bend.beat)
        pressed = [p for part in own for p in part.pressures if p.pitch < 0 and p.beat <= beat]
        last = {control.number: control.value for control in controls}
        changes = [Control(beat, pedal, 0) for pedal in PEDALS if last.get(pedal, 0) >= 64]
        if last.get(MODULATION, 0):
            changes.append(Control(beat, MODULATION, 0))
        for level in LEVELS:
            if level in last:
                usual = _usual([control for control in controls if control.number == level], beat)
                if usual is not None and usual != last[level]:
                    changes.append(Control(beat, level, usual))
        first = parts[indexes[0]]
        parts[indexes[0]] = replace(
            first,
            controls=_inserted(first.controls, changes),
            bends=_inserted(first.bends, [Bend(beat, 0)] if bends and bends[-1].value else []),
            pressures=_inserted(
                first.pressures, [Pressure(beat, 0)] if pressed and max(pressed, key=lambda p: p.beat).value else []
            ),
        )
    return replace(piece, parts=parts)


def _by_channel(parts: Iterable[Part]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for index, part in enumerate(parts):
        found.setdefault(part.channel if part.channel is not None else -1 - index, []).append(index)
    return found


def _inserted(events: list[_Event], new: list[_Event]) -> list[_Event]:
    """``events`` with ``new`` ones after those of the same beat."""
    return sorted(events + new, key=lambda event: event.beat) if new else events


def _usual(changes: list[Control], until: float) -> int | None:
    """The value of a level that ``until`` should go on with: the last one that is not under half of the median, each
    value counted by the beats that it lasts."""
    spans = [
        (change.value, (changes[i + 1].beat if i + 1 < len(changes) else until) - change.beat)
        for i, change in enumerate(changes)
    ]
    total = sum(length for _, length in spans)
    if total <= 0:
        return None
    passed, median = 0.0, 0
    for value, length in sorted(spans):
        passed += length
        median = value
        if passed >= total / 2:
            break
    ordinary = [value for value, length in spans if value * 2 >= median and length > 0]
    return ordinary[-1] if ordinary else None
