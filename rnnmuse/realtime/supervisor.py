"""The supervisor of the engine: starts it, notices when it is gone or hangs, and starts another as the old one was."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from rnnmuse.clock import Nanoseconds
from rnnmuse.realtime.link import Link
from rnnmuse.realtime.priority import realtime_priority
from rnnmuse.session import messages as m

log = logging.getLogger("rnnmuse.stage")

STALLED: Nanoseconds = 2_000_000_000
"""Time without an answer after which the engine counts as hung."""

SLOWEST_LOAD: Nanoseconds = 30_000_000_000
"""Time that an engine may take to begin, or to load a model."""

LOOK = 0.25
"""Seconds between two looks of the watchdog."""

ASK: Nanoseconds = 500_000_000
"""Time without a message after which the watchdog asks the engine whether it lives."""

WINDOW: Nanoseconds = 60_000_000_000
MOST_FAILURES = 3
"""Failures within `WINDOW` after which the engine goes back to the last models that worked."""

PRIORITY = 5
"""Of the watchdog's thread; see `rnnmuse.realtime.loop`."""

CREDIT = 64
"""Messages that are on their way to the engine at a time."""


class EngineLink(Protocol):
    """One engine; a `Link`, or an engine in this process."""

    @property
    def pid(self) -> int | None: ...

    def send(self, message: m.ToEngine) -> bool | m.ToEngine: ...

    def grant(self, count: int) -> None: ...

    def close(self, patience: float = 1.0) -> list[m.ToEngine]: ...

    def join(self, patience: float = 2.0) -> None: ...


class Handler(Protocol):
    """What the supervisor tells the stage, under the stage's lock."""

    def order(self, message: m.FromEngine) -> None:
        """A message that is not about the link itself."""

    def engine_lost(self, why: str, fall_back: bool) -> None:
        """The engine is gone: end what sounds. With ``fall_back``, go back to the models that worked."""

    def engine_started(self) -> None:
        """Another engine takes messages: set it up as the old one was."""


class Supervisor:
    """One engine at a time. `send` never waits; it returns None while there is none, False if its queue is full.

    ``connect`` starts an engine whose messages come to `received`. `watch` is called by a timer of its own, so it works
    while the clock stands, before the engine is ready, and while nothing else happens.
    """

    def __init__(
        self,
        handler: Handler,
        connect: Callable[[Callable[[m.FromEngine], None], Callable[[], None]], EngineLink],
        turn: Callable[[], Any],
        now: Callable[[], Nanoseconds],
    ) -> None:
        self._handler, self._connect, self._turn, self._now = handler, connect, turn, now
        self.ready = threading.Event()
        self.also_watch: Callable[[], None] = lambda: None
        self.restarts = 0
        self.link: EngineLink | None = None
        self._closing = threading.Event()
        self._number = 0
        self._heard: Nanoseconds = 0
        self._patience = SLOWEST_LOAD
        self._failures: deque[Nanoseconds] = deque(maxlen=MOST_FAILURES)
        self._resting_until: Nanoseconds | None = None
        self._fell_back_at: Nanoseconds | None = None

    @property
    def pid(self) -> int | None:
        """The engine's process number."""
        return self.link.pid if self.link is not None else None

    def start(self, timer: bool = True) -> None:
        """Start the engine, and the watchdog's thread."""
        self._begin()
        if timer:
            threading.Thread(target=self._look, name="watchdog", daemon=True).start()

    def close(self) -> None:
        """Let the engine end, and wait until it is gone."""
        self._closing.set()
        if self.link is not None:
            self.link.join()

    def send(self, message: m.ToEngine) -> bool | m.ToEngine | None:
        """Hand a message over; False if the queue is full and refuses it, None without an engine."""
        return None if self.link is None else self.link.send(message)

    # -- one engine -----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self.ready.clear()
        self._heard, self._patience = self._now(), SLOWEST_LOAD
        self._number += 1
        self.link = self._connect(partial(self._received, self._number), partial(self._gone, self._number))

    def _gone(self, number: int) -> None:
        with self._turn():
            if number == self._number:
                self._lost("the engine was lost")

    def _received(self, number: int, message: m.FromEngine) -> None:
        """A message of an engine, in the link's reading thread; one of an engine that was replaced is void."""
        with self._turn():
            link = self.link
            if number != self._number or link is None:
                return
            self._heard, self._patience = self._now(), STALLED
            if isinstance(message, m.Handled):
                link.grant(message.count)
            elif isinstance(message, m.Loading):
                self._patience = SLOWEST_LOAD
            elif isinstance(message, m.Ready):
                self.ready.set()
            elif isinstance(message, m.Failed):
                self._lost(f"the engine failed ({message.text})")
            else:
                self._handler.order(message)

    def watch(self) -> None:
        """Replace an engine that does not answer; ask one that was silent for a while."""
        with self._turn():
            now = self._now()
            if self.link is None:
                if self._resting_until is not None and now >= self._resting_until:
                    self._resting_until = None
                    self._begin()
                    self._handler.engine_started()
                return
            silent = now - self._heard
            if silent > self._patience:
                self._lost("the engine did not answer")
            elif silent > ASK and self.ready.is_set():
                self.link.send(m.Ping())

    def _lost(self, why: str) -> None:
        """Replace the engine; the caller has the turn."""
        if self.link is None or self._closing.is_set():
            return
        now = self._now()
        self._failures.append(now)
        self.restarts += 1
        often = len(self._failures) == MOST_FAILURES and now - self._failures[0] < WINDOW
        self.link.close(0.0)
        self.link = None
        if often and self._fell_back_at is not None and now - self._fell_back_at < WINDOW:
            self._resting_until = now + WINDOW
            self._handler.engine_lost(f"{why}; models that worked fail too, the next try is in a minute", True)
            return
        if often:
            self._failures.clear()
            self._fell_back_at = now
        self._handler.engine_lost(f"{why}; it is started again", often)
        self._begin()
        self._handler.engine_started()

    def _look(self) -> None:
        realtime_priority(PRIORITY)  # what is due waits while this thread holds Python: nobody may keep it waiting
        while not self._closing.wait(LOOK):
            try:
                self.watch()
                self.also_watch()
            except Exception:  # the watchdog outlives whatever it finds
                log.exception("the watchdog failed")


def engine_process(model: str, priority: int = 0, several: bool = False) -> Callable[..., EngineLink]:
    """Connects to an engine in a process of its own; ``several``: of several sessions."""
    from rnnmuse.engine import run, run_sessions

    class Receiver:
        def __init__(self, received: Callable[[m.FromEngine], None], lost: Callable[[], None]) -> None:
            self.received, self.lost = received, lost

    def connect(received: Callable[[m.FromEngine], None], lost: Callable[[], None]) -> EngineLink:
        target = run_sessions if several else run
        return Link[m.ToEngine](
            "engine", target, (model,), Receiver(received, lost), m.Bye(), CREDIT, priority=priority
        )

    return connect
