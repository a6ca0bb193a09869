"""What the stage is told at first, and what it knows of its players and outputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from rnnmuse.protocol import PORT


class Output(Protocol):
    """Where notes go besides OSC: a MIDI port."""

    name: str

    def send(self, channel: int, pitch: int, velocity: int) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Settings:
    """What the stage is opened with; ``port`` 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = PORT
    tempo: float = 120.0
    model: str = "lieder"


@dataclass(slots=True)
class Seat:
    """What the stage knows of a player: for getters, and to set up a new engine as the old one was."""

    mode: str = "off"
    model: str = ""
    channel: int = 0
    started: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)
