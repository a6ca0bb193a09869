"""Bars that a part plays again: their notes are settled before anything is drawn.

The plan (`rnnmuse.play.plan`) says for each part whether its bar plays an earlier one again: note for note, moved by
some semitones, or in its rhythm alone. The player takes the notes of the earlier bar as it played them, plays them at
their places, and draws what the other parts play.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from rnnmuse.music.codec import OFF, ON
from rnnmuse.music.echo import EXACT, RHYTHM, Again

EARLY = 3
"""Grid steps by which a note before a bar line belongs to the bar that it leads into."""
DRAWN = -1
"""The pitch of a note that is settled in its time alone."""

AROUND = 7
"""Semitones from a note of the earlier bar within which another is drawn in its place: voices keep their places."""

Sounding = tuple[int, int]
"""Part and pitch."""


class Due(NamedTuple):
    """A note (kind ON), or the end of one, whose time is settled."""

    grid: int
    """Position in 24ths of a beat."""
    kind: int
    part: int
    """Index of the part class."""
    pitch: int
    """MIDI note, or DRAWN."""
    near: int
    """The MIDI note in the earlier bar; a pitch that is drawn is at most AROUND semitones from it."""
    end: int
    """Where the note ends, in 24ths of a beat."""


@dataclass(slots=True)
class Restated:
    """What is settled of the bar that is played."""

    bar: int | None = None
    """The bar, counted from 0; None before the first."""
    parts: dict[int, int] = field(default_factory=dict)
    """The parts that play an earlier bar again in it, and how many bars back that is."""
    due: list[Due] = field(default_factory=list)
    """What is still to be played, in its order."""
    held: set[Sounding] = field(default_factory=set)
    """The notes that sound and whose end is in ``due``."""
    lengths: dict[tuple[int, int, int], int] = field(default_factory=dict)
    """Grid steps that a note sounded, by part, grid position and pitch."""

    def copy(self) -> Restated:
        return replace(
            self, parts=dict(self.parts), due=list(self.due), held=set(self.held), lengths=dict(self.lengths)
        )

    def enter(
        self,
        bar: int,
        start: int,
        again: Mapping[int, tuple[Again, int, int]],
        played: Mapping[tuple[int, int], Sequence[int]],
        longest: int,
    ) -> None:
        """Begin a bar at grid position ``start``; no note in it is longer than ``longest`` grid steps.

        ``again`` has for each part how it plays an earlier bar again, and where that begins and ends. ``played`` are
        the pitches by part and grid position. A part of which nothing was played there is not settled. A note that
        still sounds ends where that is due, else at the bar line. The end of a note from the bar before stays settled
        where its part goes on from as many bars back.
        """
        self.bar = bar
        ends = {(one.part, one.pitch): one.grid for one in self.due if one.kind == OFF}
        on = {part for part, (how, _, _) in again.items() if self.parts.get(part) == how.lag}
        self.due = [one for one in self.due if one.kind == OFF and one.part in on]
        self.held = {key for key in self.held if key[0] in on}
        self.parts = {}
        for part, (how, first, last) in again.items():
            for grid in range(first - EARLY, last - EARLY):
                for pitch in sorted(played.get((part, grid), ())):
                    moved = DRAWN if how.how == RHYTHM else pitch if how.how == EXACT else pitch + how.shift
                    if moved > 127 or moved < DRAWN:
                        continue
                    at = grid - first + start
                    length = self.lengths.get((part, grid, pitch)) or ends.get((part, pitch), last) - grid
                    insort(self.due, Due(at, ON, part, moved, pitch, at + max(1, min(length, longest))))
                    self.parts[part] = how.lag

    def release(self, part: int) -> None:
        """Leave the rest of the bar of ``part`` to the model."""
        self.parts.pop(part, None)
        self.due = [one for one in self.due if one.kind == OFF or one.part != part]

    def begun(self, due: Due, pitch: int, ends: bool) -> None:
        """The first note of ``due`` has begun as ``pitch``; ``ends`` says that it has an end."""
        self.due.pop(0)
        if ends:
            self.held.add((due.part, pitch))
            insort(self.due, Due(due.end, OFF, due.part, pitch, pitch, due.end))

    def settles(self, kind: int, part: int, pitch: int) -> bool:
        """Whether such an event is not the model's to draw."""
        return part in self.parts if kind == ON else (part, pitch) in self.held

    def ended(self, part: int, pitch: int, began: int, grid: int) -> None:
        """A note has ended."""
        self.lengths[part, began, pitch] = grid - began
        if (part, pitch) in self.held:
            self.held.remove((part, pitch))
            self.due = [one for one in self.due if (one.kind, one.part, one.pitch) != (OFF, part, pitch)]

    def loose(self, part: int, sounding: Collection[Sounding]) -> list[Sounding]:
        """The notes of ``part`` that sound and whose end is not settled."""
        return sorted(key for key in sounding if key[0] == part and key not in self.held)
