"""A child process that reads scores with music21, so that a damaged file costs neither time nor memory here.

It is started with the first score and reads one after another. A file has LIMIT seconds in all, the child's start
included, and MEMORY bytes; one that needs more, or that kills the child, is one ReadError. Where the machine is slow,
so that the start alone takes long, a file has START_FACTOR times as long as that took.
"""

from __future__ import annotations

import atexit
import contextlib
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, BinaryIO

from rnnmuse.errors import MissingExtraError, ReadError, ReadWarning
from rnnmuse.music.piece import Piece
from rnnmuse.system import MACHINE

LIMIT = 4.5
CPU_SECONDS = 3.0
"""Of processor time that one tune may take."""
PER_CHARACTER = 1 / 6000
"""Seconds more for each character beyond the first 20,000: a book of tunes, or a symphony."""
START_FACTOR = 3.0
STARTING = 60.0
"""Seconds that the child may take to start."""

MEMORY = 256 * 1024 * 1024


class Budget:
    """The time limit, in seconds, for a file of ``characters``."""

    def __init__(self, characters: int) -> None:
        self._begun = time.monotonic()
        self._more = max(0, characters - 20_000) * PER_CHARACTER
        self.started = 0.0
        """Seconds that the child took to start within this time."""

    @property
    def limit(self) -> float:
        """Seconds in all."""
        return max(LIMIT, START_FACTOR * self.started) + self._more

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.limit - (time.monotonic() - self._begun)


class _Child:
    def __init__(self) -> None:
        began = time.monotonic()
        self._process = subprocess.Popen(
            MACHINE.child("rnnmuse.music.parser"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in: BinaryIO = self._process.stdin  # type: ignore[assignment]
        self._out: BinaryIO = self._process.stdout  # type: ignore[assignment]
        with self._killed_after(STARTING):
            self.up = self._answer() == "ready"
        self.started = time.monotonic() - began

    def ask(self, request: Any, wall: float) -> Any:
        """Its answer; None where it died or took over ``wall`` seconds."""
        with self._killed_after(wall):
            try:
                pickle.dump(request, self._in)
                self._in.flush()
            except OSError:
                return None
            return self._answer()

    def _answer(self) -> Any:
        try:
            return pickle.load(self._out)
        except (OSError, EOFError, pickle.UnpicklingError):
            return None

    @contextlib.contextmanager
    def _killed_after(self, seconds: float) -> Iterator[None]:
        timer = threading.Timer(max(0.0, seconds), self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._in, self._out):
            with contextlib.suppress(OSError):
                pipe.close()


_child: _Child | None = None
_lock = threading.Lock()


def read(
    name: str, form: str, texts: Sequence[tuple[str, str]], as_written: bool = False, budget: Budget | None = None
) -> Piece:
    """The piece in ``texts`` (see music21_reader.read), read in the child process within the file's ``budget``.

    Raises:
        ReadError: music21 cannot read it, or not within the limits.
        MissingExtraError: music21 is not installed.
    """
    if find_spec("music21") is None:
        raise MissingExtraError("reading ABC and kern", "scores")
    if not texts:
        raise ReadError(f"{name}: no notes in it")
    budget = budget or Budget(sum(len(text) for _, text in texts))
    global _child
    with _lock:
        if _child is None and budget.left > 0:
            _child = _Child()
            atexit.register(close)
            budget.started = _child.started
            if not _child.up:
                close()
                raise ReadError(f"{name}: the process that reads scores does not start")
        answer = None
        if _child is not None and budget.left > 0:
            seconds = min(CPU_SECONDS + max(0.0, budget.limit - LIMIT), budget.left)
            answer = _child.ask((form, list(texts), as_written, seconds), budget.left)
            if answer is None or answer[0] == "limit":
                close()
    if answer is None:
        raise ReadError(f"{name}: cannot be read within {budget.limit:.0f} s and {MEMORY // 2**20} MB")
    kind, result = answer
    if kind == "piece":
        piece, told = result
        for line in told:
            warnings.warn(f"{name}: {line}", ReadWarning, stacklevel=2)
        assert isinstance(piece, Piece)
        return piece
    raise ReadError(f"{name}: {result}")


def close() -> None:
    """End the child process; the next score starts another."""
    global _child
    if _child is not None:
        _child.close()
        _child = None


# -- in the child ---------------------------------------------------------------------------------------------


class _TooSlow(BaseException):
    """Beyond the reach of ``except Exception``, of which music21 has many."""


def serve() -> None:
    """Answer requests on standard input until it ends."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    from music21 import converter  # noqa: F401  # before the limits: its start is not the file's matter

    from rnnmuse.music.music21_reader import read as read_texts

    _limit_memory()
    pickle.dump("ready", answers)
    answers.flush()
    while True:
        try:
            form, texts, as_written, seconds = pickle.load(requests)
        except EOFError:
            return
        try:
            _set_timer(seconds)
            answer: tuple[str, Any] = "piece", read_texts(form, texts, as_written)
        except ReadError as error:
            answer = "error", str(error)
        except _TooSlow:
            answer = "limit", f"takes over {seconds:.1f} s to read"
        except (MemoryError, RecursionError) as error:
            answer = "limit", "needs more memory than a score may" if isinstance(error, MemoryError) else "too deep"
        finally:
            _set_timer(0)
        pickle.dump(answer, answers)
        answers.flush()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    kind = getattr(resource, "RLIMIT_DATA", None)
    if kind is not None:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (MEMORY, MEMORY))


def _set_timer(seconds: float) -> None:
    """Raise _TooSlow after ``seconds`` of processor time; 0 stops it. On Windows the parent's watch stands in."""
    if not hasattr(signal, "setitimer"):
        return

    def stop(number: int, frame: Any) -> None:
        raise _TooSlow

    signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)


if __name__ == "__main__":
    serve()
