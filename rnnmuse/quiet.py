"""Keeps what libraries of other languages write on the terminal off it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

_lock = threading.Lock()
_users = 0
_stderr = -1
"""A copy of the error stream, while somebody is quiet."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Discard what is written on file descriptor 2 until the block ends.

    Blocks may nest, and overlap in several threads: the stream is back once the last has ended.
    """
    global _users, _stderr
    with _lock:
        if not _users:
            _stderr = _muted()
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users and _stderr >= 0:
                os.dup2(_stderr, 2)
                os.close(_stderr)
                _stderr = -1


def _muted() -> int:
    """Point descriptor 2 at nothing; returns a copy of what it was, or -1 where there is no error stream."""
    try:
        held = os.dup(2)
    except OSError:
        return -1
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except OSError:  # no descriptor is left: what is written is seen
        os.close(held)
        return -1
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return held
