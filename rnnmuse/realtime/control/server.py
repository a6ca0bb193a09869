"""Messages about the server itself: hello, subscriptions, lists, models, statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnmuse import __version__
from rnnmuse.bridges.osc_server import LEASE, Client, OscServer
from rnnmuse.protocol import PLAYERS, TABLE, Entry, ProtocolError
from rnnmuse.provenance.record import Made
from rnnmuse.realtime.control.call import Call
from rnnmuse.realtime.tickets import Tickets
from rnnmuse.session import messages as m

MOST_WAITING = 64
"""Questions to the engine that may wait for their answer."""

PLAYABLE = ("stream", "phrase")


class ServerControl:
    """Rows directly under /rnnmuse. ``stats`` returns the values that /rnnmuse/stats answers, ``made`` what
    has made the music, ``plays`` whether a player has a mode that plays. ``session`` is the number of this session, and
    how many there are."""

    def __init__(
        self,
        server: OscServer,
        tickets: Tickets,
        addresses: Callable[[], dict[str, Entry]],
        broadcast: Callable[..., None],
        stats: Callable[[], tuple[Any, ...]],
        made: Callable[[], Made],
        plays: Callable[[int], bool] = lambda player: False,
        session: tuple[int, int] = (1, 1),
    ) -> None:
        self._session = session
        self._plays = plays
        self._server, self._tickets, self._addresses = server, tickets, addresses
        self._broadcast, self._stats, self._made = broadcast, stats, made
        self._asking: list[tuple[Call, tuple[str, ...]]] = []
        self._syncing: dict[int, tuple[Callable[[], None], bool]] = {}
        self._claims: dict[Client, int] = {}
        self._leader: Client | None = None
        self._syncs = 0

    def hello(self, call: Call) -> None:
        call.answer("rnnmuse", __version__, self._server.port)

    def sessions(self, call: Call) -> None:
        call.answer(*self._session)

    def ping(self, call: Call, *number: int) -> None:
        call.reply("/rnnmuse/pong", *number)

    def sync(self, call: Call, number: int) -> None:
        """Answer once the engine has handled everything that came before."""
        self._sync(call.address, lambda: call.reply("/rnnmuse/synced", number))

    def once_moved(self, act: Callable[[], None]) -> None:
        """Call ``act`` once the engine knows of the last jump; what is sent before takes its place in the queue."""
        self._tickets.when_settled("clock", act)

    def once_played(self, act: Callable[[], None]) -> None:
        """Call ``act`` once the players have played as far ahead as they may."""
        self._sync("/rnnmuse/transport/render", act, played=True)

    def _sync(self, address: str, act: Callable[[], None], played: bool = False) -> None:
        if len(self._syncing) >= MOST_WAITING:
            raise ProtocolError("limit", f"{address}: {MOST_WAITING} wait for their answer already")
        self._syncs += 1
        sent = self._tickets.send(m.Sync(self._syncs, played))
        if sent:
            self._syncing[self._syncs] = (act, played)
        elif sent is None:
            act()
        else:
            raise ProtocolError("limit", f"{address}: the engine is busy; too many messages wait")

    def synced(self, number: int) -> None:
        """The engine handled everything before a `sync`."""
        if number in self._syncing:
            act, _ = self._syncing.pop(number)
            act()

    def claims(self) -> list[int]:
        """The players that subscribers have for themselves."""
        living = {one.client for one in self._server.subscribers.running()}
        return sorted(player for client, player in self._claims.items() if client in living)

    def claim(self, call: Call, number: int = 0) -> None:
        """Give the sender a player that no other subscriber has: the one it names, or the first that is free."""
        client = self._server.target(call.client)
        subscribed = {one.client for one in self._server.subscribers.running()}
        living = subscribed | {client}
        self._claims = {one: player for one, player in self._claims.items() if one in living}
        if number < 0:
            self._claims.pop(client, None)
            call.answer(0)
            return
        taken = {player for one, player in self._claims.items() if one != client}
        free = [player for player in range(1, PLAYERS + 1) if player not in taken]
        own = self._claims.get(client, 0)
        found = number if number in free else own or next((one for one in free if not self._plays(one)), 0)
        found = found or next(iter(free), 0)
        if found:
            self._claims[client] = found
            if client not in subscribed:
                self._server.subscribe(call.client, LEASE, 0)
        call.answer(found)

    def lead(self, call: Call, wanted: int) -> None:
        """Say whether the sender is the one that leads: the first that asked and is still subscribed."""
        client = self._server.target(call.client)
        living = {one.client for one in self._server.subscribers.running()}
        if self._leader not in living:
            self._leader = None
        if not wanted and self._leader == client:
            self._leader = None
        elif wanted and self._leader is None and client in living:
            self._leader = client
        call.answer(int(bool(wanted) and self._leader == client))

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
            self._tickets.send(m.Sync(number, self._syncing[number][1]))
