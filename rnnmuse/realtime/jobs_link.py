"""The stage's end of the jobs' process: started when first needed, talked to without ever waiting for it."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from rnnmuse.jobs import run
from rnnmuse.realtime.engine_link import as_a_program_of_its_own

Message = tuple[Any, ...]
Receive = Callable[[Message], None]


class JobsLink:
    """`send` returns at once, from any thread: two threads of the link's own start the process, write and read.

    ``receive`` is called with each answer, in the reading thread; ("lost",) when the process is gone.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._outgoing: SimpleQueue[Message] = SimpleQueue()
        self._closed = False
        self.pid: int | None = None
        threading.Thread(target=self._write, name="jobs", daemon=True).start()

    def send(self, *message: Any) -> None:
        """Hand a message over; it may wait in a queue, the caller does not."""
        self._outgoing.put(message)

    def close(self) -> None:
        """Let the process end; what it was doing is given up."""
        self._closed = True
        self._outgoing.put(("bye",))

    def _write(self) -> None:
        message = self._outgoing.get()
        if message == ("bye",):
            return
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=run, args=(theirs,), name="jobs", daemon=True)
        with as_a_program_of_its_own():
            process.start()
        self.pid = process.pid
        theirs.close()
        threading.Thread(target=self._read, args=(ours,), name="jobs out", daemon=True).start()
        with contextlib.suppress(OSError):
            while True:
                ours.send(message)
                if message == ("bye",):
                    break
                message = self._outgoing.get()
        process.join(0.5)
        if process.is_alive():
            process.kill()

    def _read(self, pipe: Any) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._receive(pipe.recv())
        if not self._closed:
            self._receive(("lost",))
