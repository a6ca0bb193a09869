"""What is sent when a piece is played: channel messages by beat, with programs, controllers, bends and pressure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rnnmuse.music.midi_out import channels
from rnnmuse.music.piece import Piece

BANKS, MODULATION, DATA, RESET = (0, 32), 1, (6, 38), 121
PARAMETERS = (98, 99, 100, 101)

_OFF, _SETUP, _ON = range(3)


@dataclass(frozen=True, slots=True, order=True)
class Sent:
    """A channel message at ``beat``; ``channel`` counts from 0, plus 16 for each port after the first. ``order`` puts
    messages of one beat in order: note-offs, then set-up, then note-ons."""

    beat: float
    order: int
    place: int
    """Keeps messages of one beat and order as they were made."""
    channel: int
    message: bytes
    """One MIDI message; its channel within the port."""


def performance(piece: Piece, start: float = 0.0, drums: Mapping[int, int] | None = None) -> list[Sent]:
    """Every message that plays ``piece`` from beat ``start`` on, in order; beats as in the piece.

    What was set before ``start`` is sent at ``start``: the last bank and program, controllers, bend and pressure of
    each channel. Notes that began before it are not played. ``drums`` maps drum notes to those of another kit.
    """
    own = channels(piece)
    changes: list[tuple[float, int, int, bytes]] = []
    out: list[Sent] = []
    begun: set[int] = set()
    for index, part in sorted(
        enumerate(piece.parts), key=lambda item: item[1].notes[0].start if item[1].notes else 1e9
    ):
        channel = own[index]
        low = channel & 0x0F
        if channel not in begun and (part.notes or part.programs):
            begun.add(channel)
            first = part.notes[0].start if part.notes else 0.0
            # Before bank changes of the same beat would be too early, after them too late: banks are sent first.
            changes.append((_program_beat(piece, channel, own, first), 1, channel, bytes((0xC0 | low, part.program))))
        changes += [(p.beat, 1, channel, bytes((0xC0 | low, p.number))) for p in part.programs]
        changes += [
            (c.beat, 0 if c.number in BANKS else 2, channel, bytes((0xB0 | low, c.number, c.value)))
            for c in part.controls
        ]
        changes += [
            (b.beat, 3, channel, bytes((0xE0 | low, b.value + 8192 & 0x7F, b.value + 8192 >> 7))) for b in part.bends
        ]
        changes += [(p.beat, 3, channel, bytes((0xD0 | low, p.value))) for p in part.pressures if p.pitch < 0]
        for note in part.notes:
            if note.start < start - 1e-9:
                continue
            pitch = drums.get(note.pitch, note.pitch) if part.drum and drums else note.pitch
            out.append(Sent(note.start, _ON, len(out), channel, bytes((0x90 | low, pitch, note.velocity))))
            end = max(note.end, note.start + 1 / 960)
            out.append(Sent(end, _OFF, len(out), channel, bytes((0x80 | low, pitch, 64))))
        out += [
            Sent(p.beat, _SETUP, len(out), channel, bytes((0xA0 | low, p.pitch, p.value)))
            for p in part.pressures if p.pitch >= 0 and p.beat >= start
        ]  # fmt: skip
    changes.sort(key=lambda change: change[:2])
    out += [
        Sent(max(start, beat), _SETUP, place, channel, message)
        for place, (beat, _, channel, message) in enumerate(_chased(changes, start))
    ]
    return sorted(out)


def _program_beat(piece: Piece, channel: int, own: list[int], first: float) -> float:
    """The beat of a channel's first program: with the last bank change before its first note, else the start."""
    banks = [c.beat for index, part in enumerate(piece.parts) if own[index] == channel
             for c in part.controls if c.number in BANKS and c.beat <= first]  # fmt: skip
    return max(banks, default=0.0)


def _chased(changes: Iterable[tuple[float, int, int, bytes]], start: float) -> list[tuple[float, int, int, bytes]]:
    """``changes`` from ``start`` on, after the last of each kind before it; parameters and data stay in order."""
    before: dict[tuple[int, int, int], tuple[float, int, int, bytes]] = {}
    registered: list[tuple[float, int, int, bytes]] = []
    after = []
    for change in changes:
        beat, _, channel, message = change
        kind = message[0] >> 4
        if beat >= start - 1e-9:
            after.append(change)
        elif kind == 0xB and message[1] in (*PARAMETERS, *DATA):
            registered.append(change)
        elif kind == 0xB and message[1] == RESET:
            before = {key: value for key, value in before.items() if key[0] != channel or key[1] in (0xC,)}
        else:
            key = (channel, kind, message[1] if kind == 0xB else -1)
            before.pop(key, None)
            before[key] = change
    state = sorted(before.values(), key=lambda change: change[1])
    return registered + state + after


CLOCK, START, CONTINUE, STOP, POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2
PULSES = 24
"""MIDI clock pulses a beat."""


def schedule(
    piece: Piece,
    start: float = 0.0,
    end: float | None = None,
    bpm: float | None = None,
    drums: Mapping[int, int] | None = None,
    clock: bool = False,
) -> list[tuple[float, bytes]]:
    """Messages of ``piece`` from beat ``start`` to ``end``, with their seconds from ``start``, in order.

    The tempo follows the piece, or is ``bpm`` throughout. Notes that sound at ``end`` are ended there. ``clock`` adds
    MIDI clock, which begins with start, or with the song position and continue, and ends with stop.
    """
    end = piece.end if end is None else min(end, piece.end)
    origin = piece.seconds_at(start)

    def seconds(beat: float) -> float:
        return (beat - start) * 60 / bpm if bpm else piece.seconds_at(beat) - origin

    out: list[tuple[float, int, bytes]] = []
    if clock:
        sixteenths = min(round(start * 4), 0x3FFF)
        if sixteenths:
            out.append((0.0, -2, bytes((POSITION, sixteenths & 0x7F, sixteenths >> 7))))
        out.append((0.0, -1, bytes((CONTINUE if sixteenths else START,))))
        for pulse in range(int((end - start) * PULSES + 1e-6) + 1):
            out.append((seconds(start + pulse / PULSES), 0, bytes((CLOCK,))))
        out.append((seconds(end), 9, bytes((STOP,))))
    for sent in performance(piece, start, drums):
        if sent.order == _ON and sent.beat >= end - 1e-9:
            continue
        if sent.order == _SETUP and sent.beat > end:
            continue
        out.append((seconds(min(sent.beat, end)), 1 + sent.order, sent.message))
    return [(at, message) for at, _, message in sorted(out, key=lambda item: item[:2])]
