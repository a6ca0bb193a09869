"""Several sessions in one stage process: a stage each, and one port, one scheduler's thread and one engine for all."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby

from rnnmuse.bridges.osc_server import Client, OscServer
from rnnmuse.bridges.osc_sessions import CommonServer, SessionServer
from rnnmuse.clock import Nanoseconds
from rnnmuse.protocol import SESSIONS
from rnnmuse.realtime.loop import PRIORITY, Loop
from rnnmuse.realtime.shared_thread import SharedThread, awake
from rnnmuse.realtime.stage import Among, Connect, Settings, Stage
from rnnmuse.realtime.supervisor import Supervisor, engine_process
from rnnmuse.session import messages as m

log = logging.getLogger("rnnmuse.stage")


class Part:
    """One session's part of the shared engine: what its stage asks of a `Supervisor`."""

    def __init__(self, shared: Supervisor, number: int) -> None:
        self._shared, self.number = shared, number
        self.also_watch: Callable[[], None] = lambda: None

    @property
    def restarts(self) -> int:
        """How often the engine was started again."""
        return self._shared.restarts

    @property
    def pid(self) -> int | None:
        """The engine's process number."""
        return self._shared.pid

    @property
    def ready(self) -> threading.Event:
        """Set while the engine takes messages."""
        return self._shared.ready

    def start(self, timer: bool = True) -> None:
        """The engine is started for all sessions by `Sessions`."""

    def send(self, message: m.ToEngine) -> bool | m.ToEngine | None:
        """As `Supervisor.send`."""
        sent = self._shared.send(m.InSession(self.number, message))
        return sent.message if isinstance(sent, m.InSession) else sent

    def watch(self) -> None:
        """As `Supervisor.watch`."""
        self._shared.watch()

    def close(self) -> None:
        """The engine is let go by `Sessions`."""


class Sessions:
    """``count`` stages, each with clock, players and subscribers of its own.

    Session s has the addresses ``/rnnmuse/session/{s}/…``, session 1 also those without; with ``ports`` session s has
    port ``port + s - 1`` to itself too. See `Stage` for the other arguments. A lost engine ends the notes of all
    sessions, and another is set up as it was.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        count: int = 1,
        ports: bool = False,
        now: Callable[[], Nanoseconds] = time.monotonic_ns,
        wall: Callable[[], float] = time.time,
        connect: Connect | None = None,
        common: type[CommonServer] = CommonServer,
        wait: Callable[[Nanoseconds], None] | None = None,
    ) -> None:
        settings = settings or Settings()
        if not 1 <= count <= SESSIONS:
            raise ValueError(f"sessions: {count}; must be 1 to {SESSIONS}")
        if ports and settings.port and settings.port + count - 1 > 65535:
            raise ValueError(f"sessions: {count} with ports from {settings.port} on; the last must be up to 65535")
        self.settings, self.now = settings, now
        self.loop = Loop()
        self._lock = threading.RLock()  # of the supervisor; whoever has it may take a stage's, and never the reverse
        connect = connect or engine_process(settings.model, PRIORITY, several=True)
        self.supervisor = Supervisor(self, connect, self._turn, now)
        self.count, self._ports = count, ports
        wait = wait or awake(now)
        self.stages: list[Stage] = []
        self._servers: list[OscServer] = []
        for number in range(1, count + 1):
            part = Part(self.supervisor, number)
            own = replace(settings, port=settings.port + number - 1 if ports and settings.port else settings.port)
            stage = Stage(
                own, now, wall, None, self._server(number, common), wait, Among(number, count, self.loop, part)
            )
            self.stages.append(stage)
        for stage in self.stages:
            stage.covers.drawing = lambda: sum(stage.covers.draws for stage in self.stages)
        self.supervisor.also_watch = self._watch
        self.thread = SharedThread([stage.scheduler for stage in self.stages], now)
        self.common.give_way = self.thread.give_way
        self._closing = False

    def _server(
        self, number: int, common: type[CommonServer]
    ) -> Callable[[str, int, Callable[[bytes, Client], None]], OscServer]:
        def make(host: str, port: int, handle: Callable[[bytes, Client], None]) -> OscServer:
            made: OscServer
            if number == 1:
                self.common = made = common(host, port, handle, self.count)
            else:
                made = SessionServer(self.common, number, port, handle, self._ports)
            self._servers.append(made)
            return made

        return make

    def stage(self, number: int) -> Stage:
        """The stage of a session, from 1."""
        return self.stages[number - 1]

    # -- life -----------------------------------------------------------------------------------------------

    def open(self, thread: bool = True) -> None:
        """Take the ports and start the engine; OSError where a port is taken. ``thread``: run the scheduler."""
        if self.settings.osc:
            for server in self._servers:
                server.open(self.loop.selector)
        if self.settings.engine:
            self.supervisor.start(thread)
            self.engine_started()
        if thread:
            self.thread.start()

    def serve(self) -> None:
        """Take packets until `leave` or `close`."""
        self.loop.serve()

    def leave(self) -> None:
        """Let `serve` return; safe in a signal handler."""
        self.loop.leave()

    def close(self) -> None:
        """End every note, let the engine go, close the ports."""
        if self._closing:
            return
        self._closing = True
        self.loop.leave()
        for stage in reversed(self.stages):  # the first, which has the port, last
            stage.close()
        self.thread.close()
        self.supervisor.close()

    # -- the engine: `rnnmuse.realtime.supervisor.Handler` -----------------------------------------------------

    def order(self, message: m.FromEngine) -> None:
        """Do what the engine says for a session, or for all."""
        if isinstance(message, m.Several):
            for number, several in groupby(message.messages, lambda one: one.number):
                self._order(number, [one.message for one in several])
        elif isinstance(message, m.InSession):
            self._order(message.number, [message.message])
        else:
            for stage in self.stages:
                with stage.scheduler.turn():
                    stage.orders.order(message)

    def _order(self, number: int, messages: list[m.FromEngine]) -> None:
        stage = self.stages[number - 1]
        with stage.scheduler.turn():
            for message in messages:
                try:
                    stage.orders.order(message)
                except Exception:  # a mistake of ours: the others' orders come behind it
                    log.exception("session %d: %s", number, type(message).__name__)

    def engine_lost(self, why: str, fall_back: bool) -> None:
        """Every session's notes end."""
        for stage in self.stages:
            with stage.scheduler.turn():
                stage.orders.engine_lost(why, fall_back)

    def engine_started(self) -> None:
        """Set up every session as it was."""
        for stage in self.stages:
            with stage.scheduler.turn():
                stage.orders.engine_started()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._lock:
            yield

    def _watch(self) -> None:
        for stage in self.stages:
            stage.supervisor.also_watch()
