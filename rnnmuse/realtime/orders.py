"""What the engine says, done: notes planned and recalled, text said, changes confirmed, a lost engine set up again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from rnnmuse.protocol import PARAMETERS
from rnnmuse.realtime.control.band import BandControl
from rnnmuse.realtime.control.harmony import HarmonyControl
from rnnmuse.realtime.control.memory import MemoryControl
from rnnmuse.realtime.control.server import ServerControl
from rnnmuse.realtime.notes import Notes
from rnnmuse.realtime.outputs import OscOutput
from rnnmuse.realtime.players import Players
from rnnmuse.realtime.tickets import Tickets
from rnnmuse.realtime.transport import Transport
from rnnmuse.session import messages as m

log = logging.getLogger("rnnmuse.stage")

Error = Callable[[str, str, str], None]


class Orders:
    """The handler of the supervisor. ``error`` and ``broadcast`` speak to the subscribers.

    Orders that the engine sent before it knew of a jump, or of a player's stop, are void: they are ignored until it has
    accepted the change.
    """

    def __init__(
        self,
        players: Players,
        notes: Notes,
        transport: Transport,
        tickets: Tickets,
        error: Error,
        broadcast: Callable[..., None],
    ) -> None:
        self._players, self._notes, self._transport, self._tickets = players, notes, transport, tickets
        self._error, self._broadcast = error, broadcast
        self.server: ServerControl | None = None
        self.harmony: HarmonyControl | None = None
        self.band: BandControl | None = None
        self.memory = MemoryControl(tickets, players)
        self.changed: Callable[..., None] = lambda *addresses: None
        self._told_jumps = -1
        self.phrase_shown: Callable[[m.Phrase], None] = lambda message: None
        self._acts: dict[type[m.FromEngine], Callable[[Any], None]] = {
            m.NoteOn: self._note_on,
            m.NoteOff: self._note_off,
            m.AllOff: self._all_off,
            m.Recall: self._recall,
            m.EndNotes: self._end_notes,
            m.Done: self._done,
            m.Chunk: self._chunk,
            m.Unsay: self._unsay,
            m.Accepted: lambda message: tickets.accepted(message.ticket),
            m.Refused: lambda message: tickets.refused(message.ticket, message.text),
            m.Parts: lambda message: players.set_parts(message.player, message.parts, message.digest),
            m.ModeOf: self._mode,
            m.LatentState: self._latent,
            m.HarmonyIs: self._harmony,
            m.EndsAt: self._ends_at,
            m.Knows: lambda message: self.memory.knows(message),
            m.Mistake: self._mistake,
            m.PlayerFailed: self._player_failed,
            m.Models: self._models,
            m.Phrase: lambda message: self.phrase_shown(message),
            m.Synced: self._synced,
        }

    def order(self, message: m.FromEngine) -> None:
        """Do what a message says; an unknown one raises KeyError."""
        self._acts[type(message)](message)

    def tell_clock(self) -> None:
        """Send the engine the clock, any jump since the last such message, and the longest look-ahead."""
        ahead = max(0.0, max(self._transport.scheduler.lanes) / 1e9)
        now = replace(self._transport.clock)  # an engine in this process must not see later changes early
        jumps, started = self._transport.jumps, self._players.started()

        def message(ticket: int) -> m.SetClock:
            return m.SetClock(now, ahead, jumps, started, ticket)

        if jumps != self._told_jumps:
            self._told_jumps = jumps
            self._tickets.request("clock", message)
        else:
            self._tickets.send(message(self._tickets.newest("clock")))

    # -- notes and text -------------------------------------------------------------------------------------

    def _is_void(self, player: int) -> bool:
        return self._tickets.is_open("clock") or self._tickets.is_open(("stop", player))

    def _note_on(self, message: m.NoteOn) -> None:
        if not self._is_void(message.player):
            self._players.has_played(message.player)
            self._notes.plan_on(
                message.player, message.tick, message.pitch, message.velocity, message.part, message.drum
            )

    def _note_off(self, message: m.NoteOff) -> None:
        if not self._is_void(message.player):
            self._notes.plan_off(message.player, message.tick, message.pitch, message.part)

    def _all_off(self, message: m.AllOff) -> None:
        if not self._is_void(message.player):
            self._notes.plan_end(message.player, message.tick)

    def _recall(self, message: m.Recall) -> None:
        self._notes.recall(message.player, message.tick - 1)

    def _end_notes(self, message: m.EndNotes) -> None:
        self._notes.end(message.player)

    def _done(self, message: m.Done) -> None:
        if self._players.jobs.get(message.player) == message.job:
            del self._players.jobs[message.player]
        self._broadcast(f"/rnnmuse/player/{message.player}/done", message.job, message.notes)

    def _chunk(self, message: m.Chunk) -> None:
        if self._tickets.is_open("clock") or self._tickets.is_open(("text stop", message.player)):
            return
        values = (message.job, message.index, message.text, int(message.last))
        for ahead, lane in self._transport.scheduler.lanes.items():
            say = partial(self._say, ahead, message.player, message.tick, values)
            lane.plan(message.tick, say, -message.player)
        self._transport.scheduler.wake()

    def _say(self, ahead: int, player: int, tick: int, values: tuple[Any, ...]) -> None:
        due = self._notes.time_of(tick)
        for output in self._notes.outputs.of(ahead):
            if isinstance(output, OscOutput):
                self._notes.put(output, due - ahead, output.text(player, values, due))

    def _unsay(self, message: m.Unsay) -> None:
        self.unsay(message.player, message.tick - 1)

    def unsay(self, player: int, after: int = -1) -> None:
        """Take back what a text player was to say after a tick."""
        self._notes.recall(-player, after)

    # -- answers --------------------------------------------------------------------------------------------

    def _models(self, message: m.Models) -> None:
        if self.server is not None:
            self.server.models_are(message)

    def _synced(self, message: m.Synced) -> None:
        if self.server is not None:
            self.server.synced(message.number)

    # -- state ----------------------------------------------------------------------------------------------

    def _mode(self, message: m.ModeOf) -> None:
        self._players.seat(message.player).mode = message.mode
        self.changed(f"/rnnmuse/player/{message.player}/mode")

    def _ends_at(self, message: m.EndsAt) -> None:
        if self.band is not None and not self._tickets.is_open("clock"):
            self.band.ends_at(message)

    def _harmony(self, message: m.HarmonyIs) -> None:
        if self.harmony is not None and not self._tickets.is_open("clock"):
            self.harmony.holds(message)

    def _latent(self, message: m.LatentState) -> None:
        if message.state or message.player in self._players.seats:
            self._players.seat(message.player).latent = message.state
            self.changed(f"/rnnmuse/player/{message.player}/latent/xy", f"/rnnmuse/player/{message.player}/latent/map")

    def _mistake(self, message: m.Mistake) -> None:
        kind = "text" if message.of_text else "player"
        self._error(f"/rnnmuse/{kind}/{message.player}", "value", message.text)
        log.warning("%s %s: %s", kind, message.player, message.text)

    def _player_failed(self, message: m.PlayerFailed) -> None:
        """A player's model raised: the player goes back to the last model that worked."""
        player = message.player
        self._notes.recall(player)
        self._notes.end(player)
        now = self._players.model(player)  # another than the one that failed where that one was refused
        back = now if now != message.model else self._players.last_good(player, message.model)
        text = f"model {message.model} failed ({message.text})"
        if back is None:
            seat = self._players.seat(player)
            seat.started, seat.mode = False, "off"
            self._error(f"/rnnmuse/player/{player}", "model", f"{text}; the player is off")
            return
        self._error(f"/rnnmuse/player/{player}", "model", f"{text}; it plays {back} again")
        self._players.seat(player).model = back
        self.changed(f"/rnnmuse/player/{player}/model")
        self._set_up(player)

    # -- a lost engine: `rnnmuse.realtime.supervisor.Handler` -----------------------------------------------

    def engine_lost(self, why: str, fall_back: bool) -> None:
        """End what sounds; the clock runs on. With ``fall_back`` every player goes back to a model that worked."""
        self._notes.recall()
        self._notes.end()
        if fall_back:
            self._tickets.refuse_all("model", why)
            for number, seat in self._players.seats.items():
                model, last = self._players.model(number), self._players.last_good(number)
                if last is not None and model != last:
                    self._error(f"/rnnmuse/player/{number}", "model", f"model {model} is given up; {last} plays")
                    seat.model = last
                    self.changed(f"/rnnmuse/player/{number}/model")
        for player, job in sorted(self._players.jobs.items()):
            self._error(f"/rnnmuse/player/{player}/generate", "engine", f"job {job} was lost with the engine")
        self._players.jobs.clear()
        self._error("engine", "engine", why)
        log.warning("%s", why)

    def engine_started(self) -> None:
        """Set up a new engine as the old one was, then send it what was on its way."""
        self._tickets.drop("clock")
        self._told_jumps = -1
        self.tell_clock()
        for number in sorted(self._players.seats):
            self._set_up(number)
        self._set_up_texts()
        if self.harmony is not None:
            self.harmony.set_up()
        if self.band is not None:
            self.band.set_up()
        self.memory.set_up()
        self._tickets.send_again()
        if self.server is not None:
            self.server.ask_again()

    def _set_up(self, number: int) -> None:
        seat, place, send = self._players.seats[number], self._transport.place, self._tickets.send
        if seat.model:
            send(m.SetModel(0, number, seat.model, place))
        for name in PARAMETERS:
            if name in seat.parameters:
                send(m.SetParameter(0, number, name, seat.parameters[name], place))
        if seat.latent:
            send(m.MoveLatent(0, number, "restore", (seat.latent,), place))
        send(m.SetMode(0, number, seat.mode, place))
        if seat.started:
            send(m.Start(0, number, place))
        elif seat.mode in ("free", "loop"):  # these begin with the mode where the clock runs
            send(m.Stop(0, number, place))

    def _set_up_texts(self) -> None:
        send = self._tickets.send
        for number, seat in sorted(self._players.texts.items()):
            for model, weight in seat.mix.items():
                send(m.TextMix(0, number, model, weight))
            for name, value in seat.parameters.items():
                send(m.TextSet(0, number, name, value, self._transport.place))
            if seat.bound:
                send(m.TextBind(0, number, seat.bound))
