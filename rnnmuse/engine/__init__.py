"""The process that steps the models, a little ahead of the beat."""

from __future__ import annotations

import gc
from multiprocessing.connection import Connection


def run(connection: Connection, preload: str) -> None:
    """The engine's process begins here; only here are numpy and onnxruntime loaded."""
    gc.disable()  # what is loaded stays: there is nothing to collect until `serve`
    from rnnmuse.engine.process import main

    main(connection, preload)


def run_sessions(connection: Connection, preload: str) -> None:
    """As `run`, for several sessions."""
    gc.disable()
    from rnnmuse.engine.process import main
    from rnnmuse.engine.sessions import Sessions

    main(connection, preload, Sessions)
