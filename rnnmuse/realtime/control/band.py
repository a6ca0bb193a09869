"""The band's messages: its style, what its roles share, and the ending."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnmuse.clock import PPQ
from rnnmuse.protocol import ProtocolError
from rnnmuse.realtime.control.call import Call
from rnnmuse.realtime.control.harmony import HarmonyControl
from rnnmuse.realtime.tickets import Tickets
from rnnmuse.realtime.transport import Transport
from rnnmuse.session import messages as m
from rnnmuse.session.lineup import CHARTS, MODELS, PROGRAMS, SEATS, TEMPOS

GIVEN: dict[str, Any] = {"fours": 0, "density": 0.5}
"""What the roles share, and what it is at first."""


class BandControl:
    """Rows of /rnnmuse/band, and /rnnmuse/transport/ending. ``take`` takes a message of this process."""

    def __init__(
        self, transport: Transport, tickets: Tickets, harmony: HarmonyControl, take: Callable[..., None]
    ) -> None:
        self._transport, self._tickets, self._harmony, self._take = transport, tickets, harmony, take
        self.style = ""
        self.values = dict(GIVEN)
        self._chart = ""
        """The chart that the band brought, where none was given."""
        self._ending: list[Call] = []

    def band(self, call: Call, style: str) -> None:
        """Seat a band, and let it begin; empty lets it go."""
        self.style = style
        if not style:
            for player in SEATS:
                self._take(f"/rnnmuse/player/{player}/mode", "off")
                self._take(f"/rnnmuse/player/{player}/param/role", "")
            return
        running = self._transport.clock.running
        if not running:
            self._take("/rnnmuse/transport/tempo", TEMPOS[style])
        self._tickets.when_settled(("harmony", "chart"), self._bring_chart)
        for player, role in SEATS.items():
            at = f"/rnnmuse/player/{player}"
            self._take(f"{at}/model", MODELS[role])
            self._take(f"{at}/param/style", style)
            self._take(f"{at}/param/role", role)
            if role in PROGRAMS[style]:
                self._take(f"{at}/program", PROGRAMS[style][role])
            self._take(f"{at}/mode", "free")
        if not running:
            self._take("/rnnmuse/transport/play")

    def _bring_chart(self) -> None:
        """The style's own chart, unless one was given; it was settled whether the engine took one on its way."""
        if self.style and self._harmony.values["chart"] in ("", self._chart):
            self._chart = CHARTS[self.style]
            self._take("/rnnmuse/harmony/chart", self._chart)

    def get_band(self, call: Call) -> None:
        call.answer(self.style)

    def given(self, call: Call, value: Any) -> None:
        """It holds once the engine has accepted it."""
        name = call.word

        def accepted() -> None:
            self.values[name] = value

        self._tickets.request(
            ("band", name),
            lambda ticket: m.SetBand(ticket, name, value),
            accepted,
            lambda text: call.fail("value", text),
        )

    def get_given(self, call: Call) -> None:
        self._tickets.when_settled(("band", call.word), lambda: call.answer(self.values[call.word]))

    def set_up(self) -> None:
        """Give a new engine what was confirmed."""
        for name, value in self.values.items():
            if value != GIVEN[name]:
                self._tickets.send(m.SetBand(0, name, value))

    # -- the ending -----------------------------------------------------------------------------------------

    def ending(self, call: Call) -> None:
        if not self._transport.clock.running:
            raise ProtocolError("value", f"{call.address}: the clock stands; there is nothing to end")
        self._ending.append(call)
        self._tickets.send(m.End(self._transport.place))

    def ends_at(self, message: m.EndsAt) -> None:
        """The engine says where the ending is over: there the transport stops."""
        transport = self._transport
        jumps, now = transport.jumps, transport.now()

        def stop() -> None:
            if jumps == transport.jumps:
                transport.stop()

        transport.scheduler.commands.after(message.tick - transport.clock.tick_at(now), now, stop, ("ending",))
        transport.scheduler.wake()
        for call in self._ending:
            call.answer(message.tick / PPQ)
        self._ending.clear()
