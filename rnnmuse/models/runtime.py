"""onnxruntime, with its telemetry off. Everything that runs a graph gets it here."""

from __future__ import annotations

import os
from typing import Any


def onnxruntime() -> Any:
    """The module. Its telemetry is switched off before it is imported.

    Builds of 1.32 open sockets to their maker and write an identifier into the user's cache, unless
    ``ORT_DISABLE_TELEMETRY`` is set when they initialise. `disable_telemetry_events` is too late for their first event;
    it is called for builds on Windows that do not know the variable (both after onnxruntime's Privacy.md).
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime as module

    module.disable_telemetry_events()
    return module


def session(graph: bytes) -> Any:
    """An inference session of an ONNX graph, on one thread of the CPU."""
    module = onnxruntime()
    options = module.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return module.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
