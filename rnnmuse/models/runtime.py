"""onnxruntime, with its telemetry off. Everything that runs a graph gets it here."""

from __future__ import annotations

import os
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


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


class Bound:
    """A graph on one row, its inputs and outputs bound to arrays of its own, so that a run hands nothing over.

    Hold ``lock`` while you fill ``inputs``, call it and copy what is in ``outputs``. Each is a list of arrays
    (1, width) in the order of the graph.
    """

    def __init__(self, session: Any) -> None:
        module = onnxruntime()
        self.lock = Lock()
        binding = session.io_binding()
        self.inputs = [np.zeros((1, one.shape[1]), np.float32) for one in session.get_inputs()]
        self.outputs = [np.zeros((1, one.shape[1]), np.float32) for one in session.get_outputs()]
        self._values = [module.OrtValue.ortvalue_from_numpy(array) for array in (*self.inputs, *self.outputs)]
        for one, value in zip(session.get_inputs(), self._values, strict=False):
            binding.bind_ortvalue_input(one.name, value)
        for one, value in zip(session.get_outputs(), self._values[len(self.inputs) :], strict=True):
            binding.bind_ortvalue_output(one.name, value)
        # what the wrapper in Python calls, where it is as it was: a twentieth of a step is the wrapper
        inner, bound = getattr(session, "_sess", None), getattr(binding, "_iobinding", None)
        whole = partial(session.run_with_iobinding, binding)
        self._run = whole if inner is None or bound is None else partial(inner.run_with_iobinding, bound, None)

    def __call__(self) -> None:
        self._run()
