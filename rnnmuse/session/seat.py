"""How a player is set up: what a rig and a preset say of it, and what the stage has confirmed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from rnnmuse.protocol import ProtocolError


@dataclass(frozen=True, slots=True)
class PartSetting:
    """The MIDI channel (1-16; 0: chosen by the stage) and General MIDI program (1-128; 0: the model's) of one part."""

    channel: int = 0
    """MIDI channel, 1 to 16; 0 lets the stage choose."""
    program: int = 0
    """General MIDI program, 1 to 128; 0 is the model's."""


@dataclass(slots=True)
class Seat:
    """A player's set-up. The fields are those of a rig's ``[player.N]``.

    ``model`` is empty for the stage's; ``channel`` 0 gives each player its own; ``hears`` is empty for the MIDI
    channel of the player's own number. ``parts`` holds settings of single parts by their number, from 1. ``latent`` is
    the state of a phrase model's latent space, as the engine last reported it.
    """

    mode: str = "off"
    """One of `rnnmuse.protocol.MODES`."""
    model: str = ""
    """Name of its model; empty for the stage's."""
    channel: int = 0
    """MIDI channel, 1 to 16; 0 gives it one of its own."""
    program: int = 0
    """General MIDI program, 1 to 128; 0 for the model's."""
    target: str = ""
    """Part of the names of the outputs that it plays to; empty for all."""
    started: bool = False
    """Whether it plays while the clock runs."""
    hears: str = ""
    """Channels and players that it hears, such as "ch1 2"."""
    when: str = "now"
    """When changes take effect: "now", "beat" or "bar"."""
    mute: bool = False
    """Whether it plays without being heard."""
    solo: bool = False
    """Whether only it and other solo players are heard."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """Values of `rnnmuse.protocol.PARAMETERS` by name; those at their default may be missing."""
    latent: dict[str, Any] = field(default_factory=dict)
    """State of a phrase model's latent space."""
    parts: dict[int, PartSetting] = field(default_factory=dict)
    """Settings of single parts by number, from 1."""

    def copy(self) -> Seat:
        """A seat that shares nothing that can change."""
        return replace(self, parameters=dict(self.parameters), latent=dict(self.latent), parts=dict(self.parts))

    def hearing(self, number: int) -> frozenset[int]:
        """Whom player ``number`` hears at this seat; see `hearing`."""
        return hearing(self.hears) if self.hears else frozenset((-number,))


@dataclass(slots=True)
class TextSeat:
    """A text player's set-up: its parameters, the models it mixes with their weights, and the player it is bound to."""

    parameters: dict[str, Any] = field(default_factory=dict)
    """Values of `rnnmuse.protocol.TEXT_PARAMETERS` by name."""
    mix: dict[str, float] = field(default_factory=dict)
    """Weight of each text model by name."""
    bound: int = 0
    """Player whose notes carry its syllables; 0 for none."""


def hearing(words: str) -> frozenset[int]:
    """Whom a player hears: "ch1 ch10 2" is MIDI channels 1 and 10 (-1, -10) and player 2; "all" is every channel.

    ProtocolError names the word that is neither.

    >>> sorted(hearing("ch1 ch10 2"))
    [-10, -1, 2]
    """
    out: set[int] = set()
    for word in words.replace(",", " ").split():
        number = word.removeprefix("ch")
        if word == "all":
            out.update(range(-16, 0))
        elif word == "none":
            continue
        elif number.isascii() and number.isdecimal() and len(number) <= 2 and 1 <= int(number) <= 16:
            out.add(-int(number) if word.startswith("ch") else int(number))
        else:
            raise ProtocolError("range", f"hears: {word[:40]!r}; must be ch1-ch16, a player 1-16, all or none")
    return frozenset(out)
