"""Heavy work beside the music, in a process of its own at the lowest priority."""

from __future__ import annotations

from multiprocessing.connection import Connection


def run(connection: Connection) -> None:
    """The jobs' process begins here; only here are numpy and Pillow loaded."""
    from rnnmuse.jobs.process import main

    main(connection)
