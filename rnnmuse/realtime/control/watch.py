"""Watchers: clients that get each value that is set, once it holds, and each note when it is planned."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rnnmuse.bridges import osc
from rnnmuse.bridges.osc_server import LEASE, Client, OscServer
from rnnmuse.clock import PPQ
from rnnmuse.protocol import WATCHED_COMMANDS, Entry, ProtocolError
from rnnmuse.realtime.control.call import Call
from rnnmuse.realtime.players import Players
from rnnmuse.realtime.scheduler import Scheduler

UNSEEN = (
    "/rnnmuse/subscribe",
    "/rnnmuse/watch",
    "/rnnmuse/monitor",
    "/rnnmuse/ping",
    "/rnnmuse/sync",
    "/rnnmuse/stats",
)
"""Requests that are too frequent to forward to watchers."""
REST = 20_000_000
"""Nanoseconds between two rounds: of the values that an address takes in between, the last is sent."""
ROUND = 16
"""Values sent in a round, so that no note waits long for the lock."""


DECIDED = ("player.parameter", "player.norm", "player.mode", "player.model")
"""Values that may wait for a beat or bar line: `PlayerControl.changed` says when they are decided."""

_LATENT = ("xy", "map")
_STATE = ("started", "mode")


class WatchControl:
    """Row /rnnmuse/watch. ``getters`` are the handlers that answer a value, by the name in a row."""

    def __init__(
        self,
        server: OscServer,
        scheduler: Scheduler,
        players: Players,
        addresses: Callable[[], Mapping[str, Entry]],
        getters: Callable[[], Mapping[str, Callable[..., None]]],
    ) -> None:
        self._server, self._scheduler, self._players = server, scheduler, players
        self._addresses, self._getters = addresses, getters
        self._changed: dict[str, None] = {}
        self._asked: set[str] = set()
        self._waiting = False
        self._clock: tuple[Any, ...] = ()

    def watch(self, call: Call, seconds: float = LEASE) -> None:
        target = self._server.target(call.client)
        if seconds:
            self._server.watchers.add(target, call.client, seconds)
        else:
            self._server.watchers.remove(target)
        call.reply("/rnnmuse/watched", float(seconds))

    def monitor(self, call: Call, seconds: float = LEASE) -> None:
        target = self._server.target(call.client)
        if seconds:
            self._server.monitors.add(target, call.client, seconds)
        else:
            self._server.monitors.remove(target)

    # -- what is set ----------------------------------------------------------------------------------------

    def took(self, client: Client, entry: Entry, address: str, values: list[Any]) -> None:
        """A message was acted on: watchers get what it sets, and what that changes."""
        if len(self._server.monitors) and entry.row.address not in UNSEEN:
            sender = f"{client.host}:{client.port}" if client.host else "rnnmuse"
            shown = json.dumps(values, default=repr)[:400]
            self._server.tell(self._server.monitors, osc.build("/rnnmuse/monitored", (sender, address, shown)))
        if not len(self._server.watchers):
            return
        noun, name = entry.row.handler.split(".")
        if entry.row.address in WATCHED_COMMANDS:
            self._server.tell(self._server.watchers, osc.build(address, values))
        if entry.row.access == "rw" and entry.row.handler not in DECIDED:
            self.changed(address)
        if noun == "latent":
            self.changed(*(f"/rnnmuse/player/{entry.player}/latent/{word}" for word in _LATENT))
        if noun == "player" and name in ("start", "stop", "generate", "started"):
            self.changed(*(f"/rnnmuse/player/{entry.player}/{word}" for word in _STATE))
        if noun == "transport" and name in ("play", "resume", "stop", "running", "position"):
            self.changed("/rnnmuse/transport/position")
        if entry.row.handler == "transport.panic":
            self.changed(*(f"/rnnmuse/player/{player}/started" for player in self._players.seats))

    def changed(self, *addresses: str) -> None:
        """These values may be others now: they are sent when what is on its way to the engine has been decided."""
        if len(self._server.watchers):
            self._changed.update(dict.fromkeys(addresses))
            self._wait()

    def clock_changed(self) -> None:
        """The clock was started, stopped or changed, by whomever."""
        clock = self._scheduler.clock
        now = (clock.running, float(clock.tempo), clock.metre, clock.swing)
        if now != self._clock:
            self._clock = now
            self.changed(*(f"/rnnmuse/transport/{name}" for name in ("running", "tempo", "metre", "swing")))

    def _wait(self) -> None:
        if not self._waiting:
            self._waiting = True
            self._scheduler.commands.at(self._scheduler.now() + REST, self._round)
            self._scheduler.wake()

    def _round(self) -> None:
        """Ask for some of the values that changed; the caller holds the stage's lock."""
        self._waiting = False
        for address in [one for one in self._changed if one not in self._asked][:ROUND]:
            del self._changed[address]
            self._asked.add(address)
            entry = self._addresses()[address]
            try:
                self._getters()[entry.row.handler](
                    Call(address, Client("", 0), entry.player, entry.word, self._tell, _ignore)
                )
            except ProtocolError:  # too many wait for the engine: it is asked again
                self._asked.discard(address)
                self._changed[address] = None
        if any(one not in self._asked for one in self._changed):
            self._wait()

    def _tell(self, client: Client, address: str, values: tuple[Any, ...]) -> None:
        """A value holds."""
        self._asked.discard(address)
        self._server.tell(self._server.watchers, osc.build(address, values))
        if address in self._changed:
            self._wait()

    def performed(self, player: int, pitch: int, velocity: int) -> None:
        """The performer plays a note that a player hears."""
        if len(self._server.watchers):
            beat = self._scheduler.clock.beat_at(self._scheduler.now())
            self._server.tell(
                self._server.watchers, osc.build(f"/rnnmuse/in/{player}/note", (pitch, velocity, float(beat)))
            )

    # -- what is planned ------------------------------------------------------------------------------------

    def planned(self, player: int, tick: int, pitch: int, velocity: int, part: int, drum: bool) -> None:
        """A note will begin, or with velocity 0 end, at ``tick``."""
        if len(self._server.watchers):
            channel = self._players.channel(player, part, drum) + 1
            values = (pitch, velocity, tick / PPQ, part + 1, channel)
            self._server.tell(self._server.watchers, osc.build(f"/rnnmuse/out/{player}/planned", values))

    def recalled(self, player: int | None, after: int) -> None:
        """What was planned after ``tick`` for a player, or for all, will not be played."""
        if len(self._server.watchers):
            for one in self._players.seats if player is None else (player,):
                if one > 0:
                    packet = osc.build(f"/rnnmuse/out/{one}/recalled", (max(0.0, (after + 1) / PPQ),))
                    self._server.tell(self._server.watchers, packet)

    def ended(self, player: int | None, tick: int) -> None:
        """Every note of a player, or of all, ends at ``tick``."""
        if len(self._server.watchers):
            for one in self._players.seats if player is None else (player,):
                self._server.tell(self._server.watchers, osc.build(f"/rnnmuse/out/{one}/ended", (tick / PPQ,)))


def _ignore(client: Client, address: str, error: ProtocolError) -> None:
    """A getter has nothing to complain of."""
