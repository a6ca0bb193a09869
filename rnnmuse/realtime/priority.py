"""Realtime priority of threads, where the system has it."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

log = logging.getLogger("rnnmuse.stage")


def realtime_priority(level: int = 10) -> bool:
    """Ask for SCHED_FIFO for the calling thread; False, with a line in the log, where the system refuses."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(level))
    except (AttributeError, OSError) as error:
        log.info("no realtime priority: %s", error)
        return False
    return True


@contextlib.contextmanager
def ordinary_priority() -> Iterator[None]:
    """While it lasts the calling thread has ordinary priority; threads and processes that it starts inherit it."""
    held = None
    with contextlib.suppress(AttributeError, OSError):
        held = os.sched_getscheduler(0), os.sched_getparam(0)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    try:
        yield
    finally:
        if held is not None:
            with contextlib.suppress(OSError):
                os.sched_setscheduler(0, *held)
