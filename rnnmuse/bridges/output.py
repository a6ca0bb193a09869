"""What an output is, and the notes and programs that it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rnnmuse.clock import Nanoseconds

RECORDING = "record "
"""The name of an output that records begins so."""

Send = Callable[[], object]
"""Sends what was prepared; raises where the output is gone."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A note-on, or with velocity 0 a note-off, on its way out.

    ``due`` is its time in ns of the monotonic clock, ``beat`` its position, ``beats`` its length where that is known
    already, else 0. ``channel`` counts from 0, ``player`` from 1. ``part`` is the index of the player's part.
    """

    player: int
    """1 to 16."""
    channel: int
    """MIDI channel, 0 to 15."""
    pitch: int
    """MIDI note number, 0 to 127."""
    velocity: int
    """1 to 127; 0 ends the note."""
    beat: float
    """Position in beats."""
    beats: float
    """Length in beats, or 0."""
    due: Nanoseconds
    """Time in ns of the monotonic clock."""
    part: int = 0
    """Index of the player's part."""
    drum: bool = False
    """Whether its pitch is a General MIDI drum."""


@dataclass(frozen=True, slots=True)
class Program:
    """A part of a player takes a channel (from 0) and a General MIDI program (0-127); ``name`` is the part's."""

    player: int
    """1 to 16."""
    part: int
    """Index of the player's part."""
    channel: int
    """MIDI channel, 0 to 15."""
    program: int
    """General MIDI program, 0 to 127."""
    name: str
    """Name of the part."""
    drum: bool = False
    """Whether it plays drums."""


class Output(Protocol):
    """Where notes go. ``ahead``: ns before their time that it wants them; ``clock``: whether it wants MIDI clock.

    `prepare` and `program` build what is to be sent and return what sends it. No method waits.
    """

    name: str
    ahead: Nanoseconds
    clock: bool

    def prepare(self, sent: Sent) -> Send: ...

    def program(self, program: Program) -> Send: ...

    def transport(self, data: list[int]) -> None: ...

    def close(self) -> None: ...
