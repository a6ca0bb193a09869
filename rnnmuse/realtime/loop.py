"""The loop that waits for sockets: what comes is handled in the thread that serves."""

from __future__ import annotations

import contextlib
import gc
import selectors
import socket

from rnnmuse.realtime.priority import realtime_priority

PRIORITY = 5
"""Of the threads that take messages: below the scheduler, which may wait for their hold on Python, above other
programs."""


class Loop:
    """A selector whose keys have functions without arguments as their data."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.left = False
        """Whether `leave` was called."""
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self.selector.register(self._wake_in, selectors.EVENT_READ, self._woken)

    def serve(self) -> None:
        """Take packets until `leave`."""
        gc.freeze()  # a collection that walks through all that was loaded takes milliseconds
        realtime_priority(PRIORITY)
        while not self.left:
            for key, _ in self.selector.select():
                if not self.left:
                    key.data()

    def leave(self) -> None:
        """Let `serve` return; safe in a signal handler."""
        self.left = True
        with contextlib.suppress(OSError):
            self._wake_out.send(b"x")

    def _woken(self) -> None:
        with contextlib.suppress(OSError):
            self._wake_in.recv(64)
