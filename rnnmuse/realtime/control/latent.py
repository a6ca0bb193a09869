"""The messages of a phrase player's latent space: the point, the pad, the slots.

The engine moves the point and reports where it is; getters answer what it last reported.
"""

from __future__ import annotations

import math
from typing import Any

from rnnmuse.protocol import SLOTS, ProtocolError
from rnnmuse.realtime.control.call import Call
from rnnmuse.realtime.players import Players
from rnnmuse.realtime.tickets import Tickets
from rnnmuse.realtime.transport import Transport
from rnnmuse.session import messages as m

MOST_NUMBERS = 1024
MOST_SHOWING, MOST_NOTES = 64, 256
"""Phrases that are being decoded for somebody, and notes of one that are answered."""


class LatentControl:
    """Rows of /rnnmuse/player/{p}/latent."""

    def __init__(self, players: Players, transport: Transport, tickets: Tickets) -> None:
        self._players, self._transport, self._tickets = players, transport, tickets
        self._showing: dict[int, Call] = {}

    def point(self, call: Call, *values: Any) -> None:
        self._move(call, "latent", tuple(numbers("latent", list(values), -1e3, 1e3)))

    def get_point(self, call: Call) -> None:
        self._answer(call, lambda state: state["latent"])

    def dimension(self, call: Call, value: float) -> None:
        self._move(call, "dimension", (int(call.word), value))

    def get_dimension(self, call: Call) -> None:
        k = int(call.word)
        self._answer(call, lambda state: state["latent"][k - 1 : k])

    def axis(self, call: Call, value: float) -> None:
        self._move(call, "axis", (call.word, value))

    def get_axis(self, call: Call) -> None:
        self._answer(call, lambda state: [state["axes"][call.word]] if call.word in state["axes"] else [])

    def map(self, call: Call, *axes: str) -> None:
        if (axes[0] == "slots") == (len(axes) > 1):
            raise ProtocolError("count", f"map: {' '.join(axes)}; takes two axes, or slots alone")
        self._move(call, "map", axes)

    def get_map(self, call: Call) -> None:
        self._answer(call, lambda state: [word for word in state["map"] if word])

    def xy(self, call: Call, x: float, y: float) -> None:
        self._move(call, "xy", (x, y))

    def get_xy(self, call: Call) -> None:
        self._answer(call, lambda state: list(state["xy"]))

    def x(self, call: Call, value: float) -> None:
        self._move(call, "x", (value,))

    def get_x(self, call: Call) -> None:
        self._answer(call, lambda state: [state["xy"][0]])

    def y(self, call: Call, value: float) -> None:
        self._move(call, "y", (value,))

    def get_y(self, call: Call) -> None:
        self._answer(call, lambda state: [state["xy"][1]])

    def store(self, call: Call, slot: int) -> None:
        self._move(call, "store", (slot,))

    def recall(self, call: Call, slot: int) -> None:
        self._move(call, "recall", (slot,))

    def morph(self, call: Call, a: int, b: int, t: float) -> None:
        self._move(call, "morph", (a, b, t))

    def vary(self, call: Call, amount: float) -> None:
        self._move(call, "vary", (amount,))

    def average(self, call: Call, *slots: Any) -> None:
        self._move(call, "average", tuple(round(v) for v in numbers("average", list(slots), 1, SLOTS)))

    def capture(self, call: Call, *slot: int) -> None:
        self._move(call, "capture", slot)

    def phrase(self, call: Call, slot: int = 0) -> None:
        """Answered by `shown`, once the engine has decoded it."""
        player = call.player

        def message(ticket: int) -> m.ShowPhrase:
            self._showing[ticket] = call
            return m.ShowPhrase(ticket, player, slot)

        self._tickets.request(("show phrase", player, object()), message, refused=lambda text: call.fail("value", text))
        while len(self._showing) > MOST_SHOWING:
            del self._showing[next(iter(self._showing))]

    def shown(self, message: m.Phrase) -> None:
        """The engine has decoded a phrase."""
        call = self._showing.pop(message.ticket, None)
        if call is not None:
            call.answer(message.slot, *(number for note in message.notes[:MOST_NOTES] for number in note))

    def restore(self, player: int, state: dict[str, Any]) -> None:
        """Put a player's latent space back to a reported state."""
        place = self._transport.place
        self._tickets.request(
            ("latent", player, "restore"),
            lambda ticket: m.MoveLatent(ticket, player, "restore", (state,), place),
        )

    def _move(self, call: Call, act: str, values: tuple[Any, ...]) -> None:
        player, place = call.player, self._transport.place
        key = m.MoveLatent(0, player, act, values, place).key or ("latent", player, act, object())
        self._tickets.request(
            ("latent", player, key),
            lambda ticket: m.MoveLatent(ticket, player, act, values, place),
            refused=lambda text: call.fail("value", text),
        )

    def _answer(self, call: Call, read: Any) -> None:
        """Answer after the changes that are on their way; nothing of a player without a latent space."""

        def answer() -> None:
            state = self._players.look(call.player).latent
            call.answer(*(read(state) if state else []))

        settled = self._tickets.when_all_settled
        settled(
            ("latent", call.player),
            lambda: settled(("model", call.player), lambda: settled(("mode", call.player), answer)),
        )


def numbers(name: str, values: list[Any], low: float, high: float) -> list[float]:
    """Finite numbers in a range; ProtocolError names the first that is not."""
    if len(values) > MOST_NUMBERS:
        raise ProtocolError("count", f"{name}: {len(values)} numbers; takes up to {MOST_NUMBERS}")
    for value in values:
        if isinstance(value, str | bytes) or not isinstance(value, int | float):
            raise ProtocolError("type", f"{name}: {value!r}; must be a number")
        if not (math.isfinite(value) and low <= value <= high):
            raise ProtocolError("range", f"{name}: {value}; must be {low:g} to {high:g}")
    return [float(value) for value in values]
