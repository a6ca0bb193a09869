"""Heavy work beside the music, in a process of its own at the lowest priority."""

from __future__ import annotations

import contextlib
import os
from multiprocessing.connection import Connection


def run(connection: Connection) -> None:
    """The jobs' process begins here; only here are numpy and Pillow loaded."""
    lowest_priority()  # first: threads, numpy's own too, keep the priority that they were born with

    from rnnmuse.jobs.process import main

    main(connection)


def lowest_priority() -> None:
    """Leave the processors to whoever wants them; never at the stage's own priority."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with contextlib.suppress(OSError, AttributeError):
        os.nice(19)
