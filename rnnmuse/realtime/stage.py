"""The stage: the realtime process put together. It computes no music.

What comes in is stamped and handed to the engine; the engine's orders are done on time. If the engine dies or hangs,
every note ends, the clock runs on, and the supervisor starts another.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from rnnmuse.bridges import osc
from rnnmuse.bridges.osc_server import Client, OscServer
from rnnmuse.bridges.output import Output, Program
from rnnmuse.clock import Clock, Nanoseconds
from rnnmuse.protocol import PORT, ProtocolError
from rnnmuse.provenance.record import Made
from rnnmuse.realtime.control.band import BandControl
from rnnmuse.realtime.control.call import LOCAL
from rnnmuse.realtime.control.cover import CoverControl
from rnnmuse.realtime.control.harmony import HarmonyControl
from rnnmuse.realtime.control.latent import LatentControl
from rnnmuse.realtime.control.midi import MidiControl
from rnnmuse.realtime.control.player import PlayerControl
from rnnmuse.realtime.control.preset import PresetControl
from rnnmuse.realtime.control.server import ServerControl
from rnnmuse.realtime.control.table import Control
from rnnmuse.realtime.control.text import TextControl
from rnnmuse.realtime.control.transport import TransportControl
from rnnmuse.realtime.control.watch import WatchControl
from rnnmuse.realtime.lanes import Lateness
from rnnmuse.realtime.lead.osc import OscLeader
from rnnmuse.realtime.loop import PRIORITY, Loop
from rnnmuse.realtime.notes import Notes
from rnnmuse.realtime.orders import Orders
from rnnmuse.realtime.outbox import Outbox
from rnnmuse.realtime.outputs import OscOutput, Outputs, close_aside
from rnnmuse.realtime.players import Players
from rnnmuse.realtime.scheduler import Scheduler
from rnnmuse.realtime.supervisor import EngineLink, Supervisor, engine_process
from rnnmuse.realtime.tickets import Tickets
from rnnmuse.realtime.transport import Transport
from rnnmuse.session import messages as m

log = logging.getLogger("rnnmuse.stage")

Connect = Callable[[Callable[[m.FromEngine], None], Callable[[], None]], EngineLink]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a stage is opened with; ``port`` 0 takes a free one."""

    host: str = "127.0.0.1"
    """Address that OSC is received on."""
    port: int = PORT
    """UDP and TCP port; 0 takes a free one."""
    tempo: float = 120.0
    """Tempo in bpm."""
    model: str = "lieder"
    """Model of players that name none."""
    engine: bool = True
    """Whether the engine is started."""
    osc: bool = True
    """Whether OSC is received."""


class Engines(Protocol):
    """What a stage asks of its `Supervisor`."""

    also_watch: Callable[[], None]

    @property
    def restarts(self) -> int: ...

    @property
    def pid(self) -> int | None: ...

    @property
    def ready(self) -> threading.Event: ...

    def watch(self) -> None: ...

    def start(self, timer: bool = True) -> None: ...

    def send(self, message: m.ToEngine) -> bool | m.ToEngine | None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Among:
    """What a stage shares that is one of several sessions."""

    number: int
    """Of the session, from 1."""
    count: int
    """How many sessions there are."""
    loop: Loop
    """Takes the packets of all."""
    engines: Engines
    """Its part of the engine."""


class Stage:
    """One performance. `open` it, `serve` until `leave` or `close` is called; ``control`` takes messages.

    ``now`` reads the monotonic clock in ns and ``wall`` the wall clock in seconds, ``wait`` waits until a time of
    ``now``; ``connect`` starts an engine. `rnnmuse.testing` gives its own. A stage ``among`` others is opened by
    `rnnmuse.realtime.sessions.Sessions`.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        now: Callable[[], Nanoseconds] = time.monotonic_ns,
        wall: Callable[[], float] = time.time,
        connect: Connect | None = None,
        server: Callable[[str, int, Callable[[bytes, Client], None]], OscServer] = OscServer,
        wait: Callable[[Nanoseconds], None] | None = None,
        among: Among | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.now, self.wall = now, wall
        self.clock = Clock()
        self.clock.set_tempo(self.settings.tempo, now())
        self.server = server(self.settings.host, self.settings.port, self._packet)
        self.outbox = Outbox(Lateness(), now, self.server.together, wait, self.server.send_aside)
        self.scheduler = Scheduler(self.clock, now, self.outbox, self._act_failed)
        self.outputs = Outputs()
        self.players = Players(self.settings.model)
        self.notes = Notes(self.scheduler, self.outputs, self.players, self._sounding)
        self.transport = Transport(self.scheduler, self.notes)
        self.tickets = Tickets(self._to_engine)
        self.orders = Orders(self.players, self.notes, self.transport, self.tickets, self.error, self.broadcast)
        self.loop = among.loop if among is not None else Loop()
        self.supervisor: Engines
        if among is not None:
            self.supervisor = among.engines
        else:
            connect = connect or engine_process(self.settings.model, PRIORITY)
            self.supervisor = Supervisor(self.orders, connect, self.scheduler.turn, now)

        self.covers = CoverControl(self.transport, self.broadcast, self.error)
        self.player = PlayerControl(self.players, self.notes, self.transport, self.tickets, self.covers.heard)
        self.player.remember = self.orders.memory.heard
        self.harmony = HarmonyControl(self.transport, self.tickets, self.broadcast)
        self.band = BandControl(self.transport, self.tickets, self.harmony, self.take)
        latent = LatentControl(self.players, self.transport, self.tickets)
        self.presets = PresetControl(self.players, self.player, latent, self.take)
        self.midi = MidiControl(
            lambda: self.control.addresses,
            self.take,
            self.broadcast,
            self.player,
            self.presets,
            self.transport,
        )
        self.about = about = ServerControl(
            self.server,
            self.tickets,
            lambda: self.control.addresses,
            self.broadcast,
            self._stats,
            self.made,
            lambda player: self.players.look(player).mode != "off",
            (among.number, among.count) if among is not None else (1, 1),
        )
        texts = TextControl(self.players, self.transport, self.tickets, self.orders.unsay, about.ask_models)
        self.watch = WatchControl(
            self.server,
            self.scheduler,
            self.players,
            lambda: self.control.addresses,
            lambda: self.control.getters,
        )
        nouns = {
            "transport": TransportControl(self.transport, self.player, texts, OscLeader(self.transport), about),
            "player": self.player,
            "latent": latent,
            "harmony": self.harmony,
            "band": self.band,
            "memory": self.orders.memory,
            "text": texts,
            "cover": self.covers,
            "midi": self.midi,
            "preset": self.presets,
            "server": about,
            "watch": self.watch,
        }
        self.control = Control(nouns, self.scheduler, self._reply, self._fail, wall)

        self.orders.server = about
        self.orders.phrase_shown = latent.shown
        self.orders.harmony = self.harmony
        self.orders.band = self.band
        self.player.chord_note = self.harmony.played
        self.outputs.lost = self.lose
        self.midi.open_outputs, self.midi.play_test = self.outputs.names, self.notes.test
        self.players.announce = self._announce
        self.transport.changed = self._clock_changed
        self.control.took = self.watch.took
        self.orders.changed = self.player.changed = self.covers.changed = self.watch.changed
        self.player.performed = self.watch.performed
        self.notes.planned, self.notes.recalled = self.watch.planned, self.watch.recalled
        self.notes.ended = self.watch.ended
        self.transport.asked = self.player.forgive
        self.transport.beat = self._beat
        self.server.subscribers.on_lookaheads_changed = self._look_aheads_changed
        self.supervisor.also_watch = self._watch
        self.closers: list[Callable[[], None]] = []
        self._closing = threading.Event()
        self._alone: Nanoseconds | None = None
        self._joined: Nanoseconds = 0
        self.add_output(OscOutput(self.server, 0, now, wall))

    # -- life -----------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port that OSC is listened to on."""
        return self.server.port

    @property
    def lock(self) -> threading.RLock:
        """The stage's one lock."""
        return self.scheduler.lock

    @property
    def lateness(self) -> Lateness:
        """How late notes were sent."""
        return self.scheduler.lateness

    def open(self, thread: bool = True) -> None:
        """Take the port and start the engine; OSError where the port is taken. ``thread``: run the scheduler."""
        if self.settings.osc:
            self.server.open(self.loop.selector)
        if self.settings.engine:
            self.supervisor.start(thread)
            with self.lock:
                self.orders.engine_started()
        if thread:
            self.scheduler.start()

    def serve(self) -> None:
        """Take packets until `leave` or `close`."""
        self.loop.serve()

    def begin(self) -> None:
        """Start from the beginning once the engine has planned the first notes: the clock stands, cued, until then.

        Whoever starts, stops or moves the transport before is obeyed instead.
        """
        with self.lock:
            self.transport.cue(0)
            jumps = self.transport.jumps

            def go() -> None:
                if self.clock.cued and self.transport.jumps == jumps:
                    self.transport.go(0)

            self.about.once_moved(lambda: self.about.once_played(go))

    def leave(self) -> None:
        """Let `serve` return; safe in a signal handler."""
        self.loop.leave()

    def leave_when_alone(self, seconds: float) -> None:
        """Leave once nobody has had a player of their own for so long; at first a minute is given to come."""
        self._alone = round(seconds * 1e9)
        self._joined = self.now() + max(0, 60_000_000_000 - self._alone)

    def close(self) -> None:
        """End every note, let the engine go, close the ports."""
        if self._closing.is_set():
            return
        self._closing.set()
        with self.lock:
            self.notes.silence()
        self.scheduler.close()
        self.leave()
        for closer in reversed(self.closers):
            with contextlib.suppress(Exception):  # each driver raises its own kinds
                closer()
        for output in self.outputs.all():
            with contextlib.suppress(Exception):
                output.close()
        self.covers.close()
        self.supervisor.close()
        self.server.close()

    # -- outputs --------------------------------------------------------------------------------------------

    def add_output(self, output: Output) -> None:
        """Send notes there too, from now on; each part's program first."""
        with self.lock:
            self.outputs.add(output)
            known = output.ahead in self.scheduler.lanes
            self.scheduler.add_lane(output.ahead)
            for program in self.players.programs():
                self.notes.announce(program, output)
            self.transport.add_clock(output)
            if not known:
                self.orders.tell_clock()

    def remove_output(self, name: str) -> None:
        """End the output's notes and close it."""
        with self.lock:
            self.notes.ledger.end(output=name)
            output = self._take_output(name)
        if output is not None:
            close_aside(output)

    def lose(self, name: str, why: object) -> None:
        """An output is gone: nobody is left to end its notes for."""
        with self.lock:
            output = self._take_output(name)
            if output is None:
                return
            log.warning("%s is gone: %s", name, why)
            self.notes.ledger.forget(name)
            self.error("/rnnmuse/midi/ports", "port", f"{name} is gone: {why}")
        close_aside(output)

    def _take_output(self, name: str) -> Output | None:
        output = self.outputs.take(name)
        self.transport.remove_clock(name)
        if output is not None and output.ahead not in self.outputs.look_aheads():
            self.scheduler.remove_lane(output.ahead)
            self.orders.tell_clock()
        return output

    def _look_aheads_changed(self) -> None:
        """The subscribers want notes at other look-aheads: each in use has an output of its own, no other has."""
        with self.lock:
            wanted = {0, *self.server.lookaheads()}
            for output in self.outputs.all():
                if isinstance(output, OscOutput) and output.ahead not in wanted:
                    self.remove_output(output.name)
            for ahead in wanted - {o.ahead for o in self.outputs.all() if isinstance(o, OscOutput)}:
                self.add_output(OscOutput(self.server, ahead, self.now, self.wall))

    def _watch(self) -> None:
        """What the watchdog looks at besides the engine."""
        if self._alone is not None:
            if self.about.claims():
                self._joined = self.now()
            elif self.now() - self._joined > self._alone:
                self.leave()
        self.covers.watch()
        self.server.subscribers.expire()
        self.server.watchers.expire()
        self.server.monitors.expire()

    # -- messages -------------------------------------------------------------------------------------------

    def take(self, address: str, *arguments: Any) -> None:
        """Take a message from this process, such as a rig's; a mistake goes to the subscribers."""
        self.control.take(address, *arguments)

    def error(self, address: str, code: str, text: str) -> None:
        """Tell every subscriber what went wrong."""
        self.broadcast("/rnnmuse/error", address, code, text)

    def broadcast(self, address: str, *values: Any) -> None:
        """Send a message to every subscriber."""
        self.server.broadcast(osc.build(address, values))

    def _packet(self, data: bytes, client: Client) -> None:
        self.control.handle(data, client)

    def _reply(self, client: Client, address: str, values: tuple[Any, ...]) -> None:
        if client is not LOCAL:
            self.server.send(self.server.target(client), osc.build(address, values))

    def _fail(self, client: Client, address: str, error: ProtocolError) -> None:
        if client is LOCAL:
            self.error(address[:80], error.code, str(error))
        else:
            self._reply(client, "/rnnmuse/error", (address[:80], error.code, str(error)))

    def _to_engine(self, message: m.ToEngine) -> bool | m.ToEngine | None:
        return self.supervisor.send(message)

    # -- what the parts say ---------------------------------------------------------------------------------

    def _clock_changed(self) -> None:
        self.orders.tell_clock()
        self.watch.clock_changed()

    def _sounding(self, player: int, pitch: int, velocity: int) -> None:
        self.player.sounding(player, pitch, velocity)

    def _announce(self, program: Program) -> None:
        self.notes.announce(program)

    def _beat(self, beat: int, due: Nanoseconds) -> None:
        packet = osc.build("/rnnmuse/beat", (beat, float(self.clock.tempo)))
        self.outbox.put(due, lambda: self.server.broadcast(packet), held=True)

    def _act_failed(self, error: Exception) -> None:
        log.error("an action failed", exc_info=error)
        self.error("stage", "internal", f"{type(error).__name__}: {error}")

    def made(self) -> Made:
        """What has made the music since the stage was opened; the performer's share is that of the notes they sent."""
        people, models = self.player.notes_in, self.notes.count
        seeds = {f"seed {n}": seat.parameters.get("seed") for n, seat in sorted(self.players.seats.items())}
        settings = {name: seed for name, seed in seeds.items() if seed is not None}
        return Made("live", self.players.played_models(), None, settings, people / max(1, people + models))

    def _stats(self) -> tuple[Any, ...]:
        late = self.lateness
        shares = [late.quantile(share) / 1e6 for share in (0.5, 0.99, 0.999)]
        return (
            self.player.notes_in,
            self.notes.count,
            *shares,
            late.worst / 1e6,
            late.dropped,
            self.supervisor.restarts,
        )
