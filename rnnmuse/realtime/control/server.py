"""Messages about the server itself: hello, subscriptions, lists, models, statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnmuse import __version__
from rnnmuse.bridges.osc_server import LEASE, OscServer
from rnnmuse.protocol import TABLE, Entry, ProtocolError
from rnnmuse.provenance.record import Made
from rnnmuse.realtime.control.call import Call
from rnnmuse.realtime.tickets import Tickets
from rnnmuse.session import messages as m

MOST_WAITING = 64
"""Questions to the engine that may wait for their answer."""

PLAYABLE = ("stream", "phrase")


class ServerControl:
    """Rows directly under /rnnmuse. ``stats`` returns the values that /rnnmuse/stats answers, ``made`` what
    has made the music."""

    def __init__(
        self,
        server: OscServer,
        tickets: Tickets,
        addresses: Callable[[], dict[str, Entry]],
        broadcast: Callable[..., None],
        stats: Callable[[], tuple[Any, ...]],
        made: Callable[[], Made],
    ) -> None:
        self._server, self._tickets, self._addresses = server, tickets, addresses
        self._broadcast, self._stats, self._made = broadcast, stats, made
        self._asking: list[tuple[Call, tuple[str, ...]]] = []
        self._syncing: dict[int, tuple[Call, int]] = {}
        self._syncs = 0

    def hello(self, call: Call) -> None:
        call.answer("rnnmuse", __version__, self._server.port)

    def ping(self, call: Call, *number: int) -> None:
        call.reply("/rnnmuse/pong", *number)

    def sync(self, call: Call, number: int) -> None:
        """Answer once the engine has handled everything that came before."""
        if len(self._syncing) >= MOST_WAITING:
            raise ProtocolError("limit", f"{call.address}: {MOST_WAITING} wait for their answer already")
        self._syncs += 1
        sent = self._tickets.send(m.Sync(self._syncs))
        if sent:
            self._syncing[self._syncs] = (call, number)
        elif sent is None:
            call.reply("/rnnmuse/synced", number)
        else:
            raise ProtocolError("limit", f"{call.address}: the engine is busy; too many messages wait")

    def synced(self, number: int) -> None:
        """The engine handled everything before a `sync`."""
        if number in self._syncing:
            call, theirs = self._syncing.pop(number)
            call.reply("/rnnmuse/synced", theirs)

    def list(self, call: Call, prefix: str = "/") -> None:
        found = [address for address in self._addresses() if address.startswith(prefix)]
        for at in range(0, len(found), 100):
            call.answer(*found[at : at + 100])

    def describe(self, call: Call, address: str) -> None:
        entry = self._addresses().get(address)
        row = entry.row if entry is not None else next((row for row in TABLE if row.address == address), None)
        if row is None:
            raise ProtocolError("address", f"{address[:80]}: not known; /rnnmuse/list says what is")
        call.answer(address, row.access, row.shape(), row.doc)

    def subscribe(self, call: Call, seconds: float = LEASE, ahead: float = 0.0, port: int | None = None) -> None:
        if port is not None:
            self._server.reply_to(call.client, port)
        self._server.subscribe(call.client, seconds, round(ahead * 1e9))
        call.reply("/rnnmuse/subscribed", float(seconds))

    def unsubscribe(self, call: Call) -> None:
        self._server.unsubscribe(call.client)

    def reply_to(self, call: Call, port: int) -> None:
        self._server.reply_to(call.client, port)

    def probe(self, call: Call, number: int) -> None:
        self._broadcast("/rnnmuse/probe", number)

    def probed(self, call: Call, number: int, host: str) -> None:
        self._broadcast("/rnnmuse/probed", number, host)

    def stats(self, call: Call) -> None:
        call.answer(*self._stats())

    def provenance(self, call: Call) -> None:
        """Version, digital source type, the performer's share, then each model that played and its hash."""
        made = self._made()
        pairs = [value for pair in sorted(made.models.items()) for value in pair]
        call.answer(__version__, made.source_type, float(made.people or 0.0), *pairs)

    def models(self, call: Call) -> None:
        self.ask_models(call, PLAYABLE)

    def ask_models(self, call: Call, kinds: tuple[str, ...]) -> None:
        """Answer the names of the models of some kinds, once the engine has said them."""
        if len(self._asking) >= MOST_WAITING:
            raise ProtocolError("limit", f"{call.address}: {MOST_WAITING} wait for their answer already")
        if self._tickets.send(m.ListModels()) is None:
            call.answer()  # without an engine there are none
        else:
            self._asking.append((call, kinds))

    def models_are(self, message: m.Models) -> None:
        """The engine said which models there are."""
        asking, self._asking = self._asking, []
        for call, kinds in asking:
            call.answer(*sorted(name for kind in kinds for name in message.names.get(kind, ())))

    def ask_again(self) -> None:
        """Ask a new engine what the old one did not answer."""
        if self._asking:
            self._tickets.send(m.ListModels())
        for number in sorted(self._syncing):
            self._tickets.send(m.Sync(number))
