"""What the messages for text players mean: the /rnnmuse/text rows of `rnnmuse.protocol` acted on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rnnmuse.protocol import TEXT_PARAMETERS

if TYPE_CHECKING:
    from rnnmuse.realtime.stage import Stage


@dataclass(slots=True)
class TextSeat:
    """What the stage knows of a text player: for getters, and to set up a new engine as the old one was."""

    parameters: dict[str, Any] = field(default_factory=dict)
    mix: dict[str, float] = field(default_factory=dict)
    bound: int = 0


class TextDesk:
    """Takes messages for the text players of a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.seats: dict[int, TextSeat] = {}
        self._job = 0

    def value(self, player: int, name: str) -> Any:
        """What a getter answers."""
        seat = self.seats.get(player, TextSeat())
        return seat.bound if name == "bind" else seat.parameters.get(name, TEXT_PARAMETERS[name][1])

    def take(self, act: str, player: int, name: str, values: list[Any]) -> int:
        """Act on a message; returns the job of a request, else 0."""
        stage = self.stage
        seat = self.seats.setdefault(player, TextSeat())
        match act, values:
            case "text_generate", [chunks, *seed]:
                self._job += 1
                if not stage.clock.running:
                    stage.run(stage.clock.resume)
                stage.tell("text_generate", player, chunks, seed[0] if seed else None, self._job, stage.beat)
                return self._job
            case "text_prompt", [text]:
                stage.tell("text_prompt", player, text)
            case "text_mix", [model, weight]:
                seat.mix[model] = weight
                stage.tell("text_mix", player, model, weight)
            case "text_bind", [bound]:
                seat.bound = bound
                stage.tell("text_bind", player, bound)
            case "text_stop", []:
                stage.unsay(player, -1)
                stage.tell("text_stop", player, stage.beat)
            case "text_reset", []:
                stage.unsay(player, -1)
                stage.tell("text_reset", player, stage.beat)
            case "text_parameter", [value]:
                seat.parameters[name] = value
                stage.tell("text_set", player, name, value, stage.beat)
        return 0

    def stop(self) -> None:
        """Every text player falls silent."""
        for player in self.seats:
            self.take("text_stop", player, "stop", [])

    def tell_again(self) -> None:
        """Set up the text players of a new engine as those of the old one were; what they were saying is over."""
        for player, seat in self.seats.items():
            for model, weight in seat.mix.items():
                self.stage.tell("text_mix", player, model, weight)
            for name, value in seat.parameters.items():
                self.stage.tell("text_set", player, name, value, self.stage.beat)
            if seat.bound:
                self.stage.tell("text_bind", player, seat.bound)
