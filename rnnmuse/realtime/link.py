"""The stage's end of a child process: starts it, sends without waiting, reads in a thread of its own."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, Generic, Protocol, TypeVar

from rnnmuse.realtime.outgoing import LIMIT, Message, Outgoing
from rnnmuse.realtime.priority import ordinary_priority, realtime_priority

log = logging.getLogger("rnnmuse.stage")

T = TypeVar("T", bound=Message)


class Receiver(Protocol):
    """Takes what a child process sends, in the link's reading thread."""

    def received(self, message: Any) -> None: ...

    def lost(self) -> None:
        """The process is gone, or could not be started."""


class Link(Generic[T]):
    """One child process. No method waits for it.

    ``target`` runs in the child with the other end of a pipe and ``args``. At most ``credit`` messages are on their
    way at a time; the receiver grants more as the child handles them, so that what waits, waits here, where values
    coalesce. A child that is not granted anything (``credit`` 0) gets its messages as they come.
    """

    def __init__(
        self,
        name: str,
        target: Callable[..., None],
        args: tuple[Any, ...],
        receiver: Receiver,
        bye: T,
        credit: int = 0,
        limit: int = LIMIT,
        priority: int = 0,
    ) -> None:
        self.name, self._target, self._args, self._receiver, self._bye = name, target, args, receiver, bye
        self._granted, self._priority = credit, priority
        self._outgoing: Outgoing[T] = Outgoing(limit)
        self._outgoing.grant(credit or 1 << 62)
        self._process: Any = None
        self._pipe: Connection | None = None
        self._closing = threading.Event()
        self._starting, self._sending = threading.Lock(), threading.Lock()
        threading.Thread(target=self._write, name=f"{name} in", daemon=True).start()

    @property
    def pid(self) -> int | None:
        """The child's process number; None before it runs."""
        return self._process.pid if self._process is not None else None

    def send(self, message: T) -> bool | T:
        """Queue a message; False where the queue is full and refused it."""
        return self._outgoing.put(message)

    def grant(self, count: int) -> None:
        """The child handled ``count`` messages more."""
        self._outgoing.grant(count)

    def close(self, patience: float = 1.0) -> list[T]:
        """Let the child end, or end it after ``patience`` seconds; returns at once, with the messages not sent."""
        self._closing.set()
        left = self._outgoing.close()
        threading.Thread(target=self._end, args=(patience,), name=f"{self.name} end", daemon=True).start()
        return left

    def join(self, patience: float = 2.0) -> None:
        """Close, and wait until the child is gone; for the end of the program."""
        self._closing.set()
        self._outgoing.close()
        self._end(patience)

    def _end(self, patience: float) -> None:
        with self._starting:
            process, pipe = self._process, self._pipe
        if process is None or pipe is None:
            return
        if patience:
            threading.Thread(target=self._say_bye, args=(pipe,), name=f"{self.name} bye", daemon=True).start()
            process.join(patience)
        if process.is_alive():
            process.kill()
        process.join(max(patience, 1.0))  # one that was killed is gone by then, and leaves no zombie
        pipe.close()

    def _say_bye(self, pipe: Connection) -> None:
        with contextlib.suppress(OSError, ValueError), self._sending:
            pipe.send(self._bye)  # waits where the pipe is full: in a thread of its own

    def _write(self) -> None:
        """Start the child, then write to it; the only thread that may wait for it."""
        try:
            with self._starting:
                if self._closing.is_set():
                    return
                context = multiprocessing.get_context("spawn")
                self._pipe, theirs = context.Pipe()
                process = context.Process(target=self._target, args=(theirs, *self._args), name=self.name, daemon=True)
                with as_own_program():
                    process.start()
                self._process = process
                theirs.close()
        except OSError:
            self._receiver.lost()
            return
        threading.Thread(target=self._read, args=(self._pipe,), name=f"{self.name} out", daemon=True).start()
        if self._priority:
            realtime_priority(self._priority)
        with contextlib.suppress(OSError, ValueError):
            while (message := self._outgoing.get()) is not None:
                with self._sending:
                    self._pipe.send(message)

    def _read(self, pipe: Connection) -> None:
        if self._priority:
            realtime_priority(self._priority)
        while not self._closing.is_set():
            try:
                message = pipe.recv()
            except (EOFError, OSError, ValueError, TypeError):  # TypeError: closed while it reads
                break
            if not self._closing.is_set():
                try:
                    self._receiver.received(message)
                except Exception:  # a mistake of ours: the child is not to blame, and goes on
                    log.exception("%s: %s", self.name, type(message).__name__)
        if not self._closing.is_set():
            self._receiver.lost()


_STARTING = threading.Lock()


@contextlib.contextmanager
def as_own_program() -> Iterator[None]:
    """While it lasts, a process that is started inherits neither the main script nor this thread's realtime priority.

    multiprocessing would run the script again; a hung child at realtime priority would keep the machine busy.
    """
    main = sys.modules["__main__"]
    with _STARTING:
        held: dict[str, Any] = {n: main.__dict__.pop(n) for n in ("__file__", "__spec__") if n in main.__dict__}
        main.__spec__ = None
        try:
            with ordinary_priority():
                yield
        finally:
            main.__dict__.update(held)
