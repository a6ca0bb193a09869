"""Where a network is trained: on a GPU where there is one, in the number format that is computed faster."""

from __future__ import annotations

import functools
import os
import time
import warnings
from collections.abc import Callable

import torch
from lightning_fabric import Fabric

DEVICES = ("auto", "cpu", "cuda")


def device_for(setting: str = "auto", available: Callable[[], bool] = torch.cuda.is_available) -> str:
    """``cpu`` or ``cuda`` for a setting of DEVICES; ``auto`` takes the GPU where ``available`` says there is one."""
    if setting not in DEVICES:
        raise ValueError(f"device: {setting!r}; use one of {', '.join(DEVICES)}")
    if setting == "cuda" and not available():
        raise ValueError("device: 'cuda'; there is no GPU that torch can use, use auto or cpu")
    return setting if setting != "auto" else "cuda" if available() else "cpu"


def by_torchrun() -> bool:
    """Whether torchrun started this process; then it says how many there are."""
    return "TORCHELASTIC_RUN_ID" in os.environ and "LOCAL_WORLD_SIZE" in os.environ


def place(devices: int = 1, nodes: int = 1) -> tuple[int, int]:
    """This process's rank, and how many train together: torchrun's, else of ``devices`` on each of ``nodes``."""
    if by_torchrun():
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    number = int(os.environ.get("NODE_RANK", "0")) * devices + int(os.environ.get("LOCAL_RANK", "0"))
    return number, devices * nodes


def started(
    devices: int = 1,
    nodes: int = 1,
    precision: str | None = None,
    device: str = "auto",
    available: Callable[[], bool] = torch.cuda.is_available,
) -> Fabric:
    """Fabric over ``devices`` processes (or GPUs) on each of ``nodes`` machines, or over those that torchrun started.

    ``precision`` is Fabric's. Without one a processor computes in bfloat16 where that is faster, a GPU in float32 with
    TensorFloat-32 products: recurrent layers of some sizes did not learn in bfloat16 there.
    """
    kind = device_for(device, available)
    if kind == "cuda":
        torch.set_float32_matmul_precision("high")
    if precision is None:
        precision = "bf16-mixed" if kind == "cpu" and half_is_faster() else "32-true"
    if by_torchrun():
        _, world = place()
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = world // devices
        if not torch.distributed.is_initialized():
            join_attempt("gloo" if kind == "cpu" else "nccl")
    fabric = Fabric(accelerator=kind, devices=devices, num_nodes=nodes, precision=precision)
    fabric.launch()
    return fabric


def join_attempt(backend: str) -> None:
    """Join the process group of this attempt, which `Fabric.launch` then finds.

    torchrun keeps its key-value store over a restart. There the processes would read the addresses of those that were
    killed, and wait for them. On one machine all processes count the same restarts, so each attempt has keys of its
    own. On several machines they do not; there TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 gives each attempt a new store.
    """
    environment = os.environ
    if environment["WORLD_SIZE"] != environment["LOCAL_WORLD_SIZE"]:
        if environment.get("TORCH_DISABLE_SHARE_RDZV_TCP_STORE") != "1" and environment["RANK"] == "0":
            text = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE: not set; set it to 1 on every machine, or a restart may hang"
            warnings.warn(text, stacklevel=2)
        return
    store, rank, world = next(torch.distributed.rendezvous("env://"))
    attempt = torch.distributed.PrefixStore(f"attempt {environment['TORCHELASTIC_RESTART_COUNT']}", store)
    torch.distributed.init_process_group(backend, store=attempt, rank=rank, world_size=world)


@functools.cache
def half_is_faster() -> bool:
    """Whether products in bfloat16 take less time than in float32, by a short timing (about 20 ms).

    With AMX or AVX-512 BF16 they do, by a factor of two and more; on other processors they take ten times as long.
    """
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return _seconds(torch.bfloat16) < _seconds(torch.float32)


def _seconds(kind: torch.dtype) -> float:
    """The least of a few timings of a product like those of a recurrent step, on the threads there are."""
    left, right = torch.ones(64, 256, dtype=kind), torch.ones(256, 1024, dtype=kind)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        torch.mm(left, right)
        times.append(time.perf_counter() - began)
    return min(times)
