"""What every output is: the notes that it gets, and its interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Nanoseconds = int


@dataclass(frozen=True, slots=True)
class Sent:
    """A note-on, or with velocity 0 a note-off, on its way out.

    ``due`` is its time in ns of the monotonic clock, ``beat`` its position, ``beats`` its length where it is known
    already, else 0. ``channel`` counts from 0, ``player`` from 1.
    """

    player: int
    channel: int
    pitch: int
    velocity: int
    beat: float
    beats: float
    due: Nanoseconds


class Output(Protocol):
    """Where notes go. ``ahead``: ns before their time that it wants them; ``clock``: whether it wants MIDI clock.

    `prepare` builds what is to be sent; calling what it returns sends it, and raises OSError where the output is gone.
    No method waits for another program.
    """

    name: str
    ahead: Nanoseconds
    clock: bool

    def prepare(self, sent: Sent) -> Callable[[], object]:
        """The call that sends a note."""

    def program(self, channel: int, program: int) -> None:
        """Give a channel (0-15) its General MIDI program (0-127)."""

    def transport(self, data: list[int]) -> None:
        """Send a clock, start, continue, stop or song position message."""

    def close(self) -> None:
        """Close the output; what it still plays is ended."""
