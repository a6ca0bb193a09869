"""The text players' messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnmuse.protocol import TEXT_PARAMETERS, ProtocolError
from rnnmuse.realtime.control.call import Call
from rnnmuse.realtime.players import Players
from rnnmuse.realtime.tickets import Tickets
from rnnmuse.realtime.transport import Transport
from rnnmuse.session import messages as m
from rnnmuse.session.seat import TextSeat

MOST_MIXED = 16
"""Models that a text player mixes at most."""


class TextControl:
    """Rows of /rnnmuse/text. ``unsay`` takes back what a text player was to say; ``models`` answers the names."""

    def __init__(
        self,
        players: Players,
        transport: Transport,
        tickets: Tickets,
        unsay: Callable[[int], None],
        models: Callable[[Call, tuple[str, ...]], None],
    ) -> None:
        self._players, self._transport, self._tickets = players, transport, tickets
        self._unsay, self._models = unsay, models
        self._jobs = 0

    def models(self, call: Call) -> None:
        self._models(call, ("text",))

    def generate(self, call: Call, chunks: int, seed: int | None = None) -> None:
        self._jobs += 1
        job, player = self._jobs, call.player
        self._players.text(player)
        if not self._transport.clock.running:
            self._transport.resume()
        self._send(call, m.TextGenerate(player, chunks, seed, job, self._transport.place))
        call.answer(job)

    def prompt(self, call: Call, text: str) -> None:
        self._send(call, m.TextPrompt(call.player, text))

    def mix(self, call: Call, model: str, weight: float) -> None:
        player = call.player
        mix = self._players.text(player).mix
        if model not in mix and len(mix) >= MOST_MIXED:
            raise ProtocolError("limit", f"{call.address} model: {model[:40]!r}; {MOST_MIXED} are mixed already")

        def accepted() -> None:
            self._players.text(player).mix[model] = weight

        self._tickets.request(
            ("text mix", player, model),
            lambda ticket: m.TextMix(ticket, player, model, weight),
            accepted,
            lambda text: call.fail("value", text),
        )

    def bind(self, call: Call, bound: int) -> None:
        player = call.player

        def accepted() -> None:
            self._players.text(player).bound = bound

        self._tickets.request(
            ("text", player, "bind"),
            lambda ticket: m.TextBind(ticket, player, bound),
            accepted,
            lambda text: call.fail("value", text),
        )

    def get_bind(self, call: Call) -> None:
        self._answer(call, "bind", lambda seat: seat.bound)

    def parameter(self, call: Call, value: Any) -> None:
        player, name = call.player, call.word

        def accepted() -> None:
            self._players.text(player).parameters[name] = value

        self._tickets.request(
            ("text", player, name),
            lambda ticket: m.TextSet(ticket, player, name, value, self._transport.place),
            accepted,
            lambda text: call.fail("value", text),
        )

    def get_parameter(self, call: Call) -> None:
        name = call.word
        self._answer(call, name, lambda seat: seat.parameters.get(name, TEXT_PARAMETERS[name][1]))

    def stop(self, call: Call) -> None:
        self._stop(call.player)

    def stop_all(self) -> None:
        """Every text player falls silent."""
        for player in list(self._players.texts):
            self._stop(player)

    def reset(self, call: Call) -> None:
        self._unsay(call.player)
        self._tickets.send(m.TextReset(call.player, self._transport.place))

    def _stop(self, player: int) -> None:
        self._unsay(player)
        place = self._transport.place
        self._tickets.request(("text stop", player), lambda ticket: m.TextStop(ticket, player, place))

    def _send(self, call: Call, message: m.ToEngine) -> None:
        if self._tickets.send(message) is False:
            raise ProtocolError("limit", f"{call.address}: the engine is busy; too many messages wait")

    def _answer(self, call: Call, name: str, read: Callable[[TextSeat], Any]) -> None:
        self._tickets.when_settled(
            ("text", call.player, name), lambda: call.answer(read(self._players.texts.get(call.player) or TextSeat()))
        )
