"""What a performance has to say on stderr, written by a thread of its own."""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import suppress
from logging.handlers import QueueHandler

MOST_WAITING = 1024
"""Records that wait to be written; those beyond are lost."""


class Aside(QueueHandler):
    """Gives records to ``handler`` in a thread of its own.

    Whoever warns never waits for a terminal, or for the other end of a pipe that nobody reads.
    """

    queue: queue.Queue[logging.LogRecord | None]

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__(queue.Queue(MOST_WAITING))
        self._handler, self._lost = handler, 0
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        self._writer.start()

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self._lost += 1

    def close(self) -> None:
        """Wait a second or two at most until what waits is written."""
        with suppress(queue.Full):
            self.queue.put(None, timeout=1.0)
        self._writer.join(1.0)
        super().close()

    def _write(self) -> None:
        while (record := self.queue.get()) is not None:
            self._handler.handle(record)
            if self.queue.empty():
                self._tell_lost()
        self._tell_lost()

    def _tell_lost(self) -> None:
        lost, self._lost = self._lost, 0
        if lost:
            text = f"{lost} more warnings came while nobody read them"
            self._handler.handle(logging.LogRecord(self.name or "rnnmuse", logging.WARNING, "", 0, text, None, None))
