"""The stage's end of the engine: start it, talk to it, notice when it is gone or hangs."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from rnnmuse.engine import run
from rnnmuse.realtime.scheduler import ordinary_priority

STALLED = 2_000_000_000
"""Nanoseconds without an answer after which the engine counts as hung."""


class EngineLink:
    """A pipe to one engine process. `send` may be called from any thread, the rest from the one that reads."""

    def __init__(self, model: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe: Connection
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=run, args=(theirs, model), name="engine", daemon=True)
        with as_a_program_of_its_own():
            self._process.start()
        theirs.close()
        self.ready = False
        self._lock = threading.Lock()
        self._asked = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def send(self, *message: Any) -> None:
        """Send a message; that the engine is gone is seen by the reader."""
        with self._lock, contextlib.suppress(OSError):
            self.pipe.send(message)

    def messages(self) -> Iterator[tuple[Any, ...]]:
        """What has come; EOFError or OSError when the engine is gone."""
        while self.pipe.poll():
            message = self.pipe.recv()
            if message == ("alive",):
                self._asked = 0
            else:
                self.ready = self.ready or message == ("ready",)
                yield message

    def watch(self, now: int) -> bool:
        """Ask whether it lives; False if an earlier question was not answered in time."""
        if not self.ready:
            return True
        if self._asked and now - self._asked > STALLED:
            return False
        if not self._asked:
            self._asked = now
            self.send("alive")
        return True

    def close(self, patience: float = 1.0) -> None:
        """Let the engine end, or make it end after ``patience`` seconds."""
        self.send("bye")
        if patience:
            self._process.join(patience)
        if self._process.is_alive():
            self._process.kill()
        self.pipe.close()


_STARTING = threading.Lock()


@contextlib.contextmanager
def as_a_program_of_its_own() -> Iterator[None]:
    """While it lasts, a process that is started inherits neither the main script, which multiprocessing would run
    again, nor this thread's realtime priority, which a hung engine would keep the machine busy with."""
    main = sys.modules["__main__"]
    with _STARTING:
        held: dict[str, Any] = {n: main.__dict__.pop(n) for n in ("__file__", "__spec__") if n in main.__dict__}
        main.__spec__ = None
        try:
            with ordinary_priority():
                yield
        finally:
            main.__dict__.update(held)
