"""Which number format is computed faster here: bfloat16 needs a processor that has instructions for it."""

from __future__ import annotations

import functools
import time

import torch


@functools.cache
def half_is_faster() -> bool:
    """Whether products in bfloat16 take less time than in float32, by a short timing (about 20 ms).

    With AMX or AVX-512 BF16 they do, by a factor of two and more; on other processors they take ten times as long.
    """
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return _seconds(torch.bfloat16) < _seconds(torch.float32)


def half_precision(wanted: bool = True) -> torch.autocast:
    """A context in which the processor computes in bfloat16, if that is ``wanted`` and faster."""
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted and half_is_faster())


def _seconds(kind: torch.dtype) -> float:
    """The least of a few timings of a product like those of a recurrent step, on the threads there are."""
    left, right = torch.ones(64, 256, dtype=kind), torch.ones(256, 1024, dtype=kind)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        torch.mm(left, right)
        times.append(time.perf_counter() - began)
    return min(times)
