"""What the stage is told at first, and what it knows of its players, their notes and its outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from rnnmuse.clock import Nanoseconds
from rnnmuse.protocol import PORT
from rnnmuse.realtime.scheduler import Planned

RECORDING = "record "
"""The name of an output that records begins so."""


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

    `prepare` builds what is to be sent; calling what it returns sends it, and raises where the output is gone.
    """

    name: str
    ahead: Nanoseconds
    clock: bool

    def prepare(self, sent: Sent) -> Callable[[], object]: ...

    def transport(self, data: list[int]) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Settings:
    """What the stage is opened with; ``port`` 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = PORT
    tempo: float = 120.0
    model: str = "lieder"
    engine: bool = True
    osc: bool = True


@dataclass(slots=True)
class Seat:
    """What the stage knows of a player: for getters, and to set up a new engine as the old one was.

    ``channel`` 0 gives each player its own. ``hears`` holds channels as negative and players as positive numbers;
    empty means the channel of its own number.
    """

    mode: str = "off"
    model: str = ""
    channel: int = 0
    target: str = ""
    started: bool = False
    hears: str = ""
    when: str = "now"
    parameters: dict[str, Any] = field(default_factory=dict)
    latent: dict[str, Any] = field(default_factory=dict)
    """What the engine last said of the player's latent space; empty without one."""

    def plays_to(self, output: str) -> bool:
        """Whether its notes go to the output of this name: a recording has those of all."""
        return self.target.lower() in output.lower() or output.startswith(RECORDING)


@dataclass(slots=True, eq=False)
class PlayedNote:
    """A note of a player, from when it is planned: its ticks, and its planned beginnings by look-ahead."""

    player: int
    channel: int
    pitch: int
    velocity: int
    tick: int
    off: int | None = None
    begins: dict[Nanoseconds, Planned] = field(default_factory=dict)
