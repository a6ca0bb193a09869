"""The players as the engine confirmed them: seats, parts with their channels and programs, presets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rnnmuse.bridges.output import RECORDING, Program
from rnnmuse.session.messages import PartInfo
from rnnmuse.session.seat import PartSetting, Seat, TextSeat

DRUMS = 9
"""The MIDI channel of drums, from 0."""


@dataclass(slots=True)
class Players:
    """Seats by player number, 1 to 16. What stands here was accepted by the side that uses it.

    ``announce`` is called with each part whose channel or program is new. The caller holds the stage's lock.
    """

    default_model: str
    """Model of a player whose seat names none."""
    announce: Callable[[Program], None] = lambda program: None
    seats: dict[int, Seat] = field(default_factory=dict)
    """Modes, settings and parameters by player."""
    texts: dict[int, TextSeat] = field(default_factory=dict)
    """Text seats by player."""
    presets: dict[int, dict[int, Seat]] = field(default_factory=dict)
    """Seats by number of the preset, then of the player."""
    jobs: dict[int, int] = field(default_factory=dict)
    """The job of each player's last request to generate, until it is done."""
    parts: dict[int, tuple[PartInfo, ...]] = field(default_factory=dict)
    """The parts of each player's model."""
    digests: dict[int, str] = field(default_factory=dict)
    """The hash of each player's model."""
    _worked: dict[int, list[str]] = field(default_factory=dict)
    """Models that have worked for a player, the newest last."""
    _channels: dict[tuple[int, int], int] = field(default_factory=dict)
    """MIDI channel, 0 to 15, by player and part."""
    _announced: dict[tuple[int, int], Program] = field(default_factory=dict)
    """What was announced last, by player and part."""

    def seat(self, player: int) -> Seat:
        """The player's seat, to change."""
        return self.seats.setdefault(player, Seat())

    def look(self, player: int) -> Seat:
        """The player's seat, to read."""
        return self.seats.get(player) or Seat()

    def text(self, player: int) -> TextSeat:
        """The text player's seat, to change."""
        return self.texts.setdefault(player, TextSeat())

    def model(self, player: int) -> str:
        """The name of the player's model."""
        return self.look(player).model or self.default_model

    def has_played(self, player: int) -> None:
        """The player's model has played a note."""
        model, worked = self.model(player), self._worked.setdefault(player, [])
        if worked[-1:] != [model]:
            worked[:] = [name for name in worked if name != model] + [model]

    def last_good(self, player: int, failed: str = "") -> str | None:
        """The model to go back to: the last that has played a note, else the stage's; never the one that failed."""
        models = [*reversed(self._worked.get(player, [])), self.default_model]
        return next((model for model in models if model != failed), None)

    def played_models(self) -> dict[str, str]:
        """Every model that has played a note, with the hash of its bundle where that is still known."""
        now = {self.model(player): digest for player, digest in self.digests.items()}
        return {model: now.get(model, "") for worked in self._worked.values() for model in worked}

    def started(self) -> frozenset[int]:
        """The players that play whenever the clock runs."""
        return frozenset(number for number, seat in self.seats.items() if seat.started)

    def listeners(self, source: int) -> Iterator[int]:
        """The players that hear a source: a player's number, or minus a MIDI channel (1-16)."""
        numbers = set(self.seats)
        if source < 0:
            numbers.add(-source)
        for number in sorted(numbers):
            if number != source and source in self.look(number).hearing(number):
                yield number

    def is_heard(self, player: int) -> bool:
        """Whether the player's notes go out: it is not muted, and where some are solo it is one of them."""
        seat = self.look(player)
        return not seat.mute and (seat.solo or not any(one.solo for one in self.seats.values()))

    def plays_to(self, player: int, output: str) -> bool:
        """Whether the player's notes go to the output of this name; a recording has those of all."""
        return self.look(player).target.lower() in output.lower() or output.startswith(RECORDING)

    # -- channels and programs ------------------------------------------------------------------------------

    def channel(self, player: int, part: int = 0, drum: bool = False) -> int:
        """The MIDI channel, 0-15, of a player's part."""
        if drum:
            return DRUMS
        return self._channels.get((player, part), self.own_channel(player))

    def own_channel(self, player: int) -> int:
        """The MIDI channel, 0-15, of a player; by itself players take them in turn, leaving 10 to the drums."""
        wished = self.look(player).channel
        return wished - 1 if wished else (player - 1 if player < 10 else player) % 16

    def program(self, player: int, part: int) -> int:
        """The General MIDI program, 0-127, of a player's part."""
        seat, infos = self.look(player), self.parts.get(player, ())
        wished = seat.parts.get(part + 1, PartSetting()).program
        if not wished and part == self._first_pitched(player):
            wished = seat.program
        return wished - 1 if wished else infos[part].program if part < len(infos) else 0

    def set_parts(self, player: int, infos: tuple[PartInfo, ...], digest: str = "") -> None:
        """The player's model has these parts, and its bundle this hash, now."""
        self.parts[player], self.digests[player] = infos, digest
        self.refresh()

    def refresh(self) -> None:
        """Give every part its channel again, and announce what is new; after a change of a seat or a model."""
        self._channels = self._assigned()
        for program in self.programs():
            key = (program.player, program.part)
            if self._announced.get(key) != program:
                self._announced[key] = program
                self.announce(program)

    def programs(self) -> list[Program]:
        """Every part of every player with its channel and program."""
        out = []
        for player, infos in sorted(self.parts.items()):
            for part, info in enumerate(infos):
                channel = self.channel(player, part, info.drum)
                out.append(Program(player, part, channel, self.program(player, part), info.name, info.drum))
        return out

    def _first_pitched(self, player: int) -> int:
        return next((i for i, info in enumerate(self.parts.get(player, ())) if not info.drum), 0)

    def _assigned(self) -> dict[tuple[int, int], int]:
        """The first pitched part has the player's channel; each other the one it is set to, or the next free one."""
        out: dict[tuple[int, int], int] = {}
        taken = {DRUMS} | {self.own_channel(player) for player in self.parts}
        rest: list[tuple[int, int]] = []
        for player, infos in sorted(self.parts.items()):
            first = self._first_pitched(player)
            for part, info in enumerate(infos):
                wished = self.look(player).parts.get(part + 1, PartSetting()).channel
                if wished:
                    out[player, part] = wished - 1
                    taken.add(wished - 1)
                elif part == first:
                    out[player, part] = self.own_channel(player)
                elif not info.drum:
                    rest.append((player, part))
        for player, part in rest:
            own = self.own_channel(player)
            free = (channel % 16 for channel in range(own + 1, own + 16) if channel % 16 not in taken)
            out[player, part] = next(free, own)
            taken.add(out[player, part])
        return out

    # -- presets --------------------------------------------------------------------------------------------

    def store_preset(self, number: int) -> None:
        """Keep the seats as they are."""
        self.presets[number] = {player: seat.copy() for player, seat in self.seats.items()}
