"""The training loop of the recurrent models: carried state over lanes, resumed after a kill, stopped in time.

Truncated back-propagation through time (Williams and Peng 1990) over chunks with carried state, AdamW, a warm-up
and a cosine fall of the learning rate over the time or the epochs that are given. What is read, and what a loss is,
a `Course` says.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric

from rnnmuse.train.precision import half_is_faster

WARM_UP = 100
SAVE_EVERY = 90.0  # seconds


@dataclass(slots=True)
class Progress:
    """What a run can say of itself: shown by the command, kept in ``log.jsonl``."""

    epoch: int = 0
    step: int = 0
    steps: int = 1
    events: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    validation: float = math.nan
    best: float = math.inf
    best_epoch: int = 0
    left: float = math.nan


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a network is trained: ``lanes`` chunks of ``chunk`` steps an update, until validation rests."""

    lanes: int
    chunk: int
    epochs: int
    patience: int
    learning_rate: float
    seed: int = 1
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    average: float = 0.0
    """Decay an update of a moving average of the weights, which is then what is validated and kept; 0 for none."""


class Course(Protocol):
    """What is learned. One step is one event or character of one lane."""

    steps_a_round: int
    """Events or characters in the training set."""

    def begin(self, lanes: range, seed: int) -> None:
        """Read the lanes of these numbers from now on."""

    def chunk(self, net: Any, state: torch.Tensor | None, device: torch.device) -> tuple[Any, torch.Tensor, int]:
        """The next chunk through ``net``: summed nats (with gradient), new state, and how many steps were read."""

    def validate(self, net: Any) -> float:
        """Mean nats a step of the held-out set by the network on the CPU; NaN without one."""


Report = Callable[[Progress], None]


def started(devices: int, nodes: int, precision: str | None = None) -> Fabric:
    """Fabric over the processes that there are; ``precision`` is Fabric's, the faster of two without one."""
    fabric = Fabric(
        accelerator="auto" if torch.cuda.is_available() else "cpu",
        devices=devices,
        num_nodes=nodes,
        precision=precision or ("bf16-mixed" if half_is_faster() else "32-true"),
    )
    fabric.launch()
    return fabric


def fit(
    inner: torch.nn.Module,
    course: Course,
    schedule: Schedule,
    folder: Path,
    fabric: Fabric,
    *,
    minutes: float | None = None,
    report: Report | None = None,
    epoch_end: Callable[[Any, Progress], None] | None = None,
) -> Progress:
    """Train ``inner`` until validation stops falling for ``patience`` epochs, the epochs or ``minutes`` are over.

    ``folder`` keeps ``last.ckpt`` (the run goes on from it), ``best.ckpt`` and ``log.jsonl``. Leaves the best weights
    in ``inner``. Lanes are shared out over the processes of ``fabric``, whose gradients are averaged.
    """
    if minutes is not None and minutes <= 0:
        raise ValueError(f"minutes: {minutes}; must be above 0")
    world, rank = fabric.world_size, fabric.global_rank
    if schedule.lanes % world:
        raise ValueError(f"lanes: {schedule.lanes}; must be a multiple of the {world} processes")
    matrices = [p for p in inner.parameters() if p.ndim > 1]
    vectors = [p for p in inner.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": schedule.weight_decay},
        {"params": vectors, "weight_decay": schedule.weight_decay if not schedule.average else 0.0},
    ]
    adam = torch.optim.AdamW(groups, schedule.learning_rate, betas=schedule.betas)
    average = copy.deepcopy(inner).eval() if schedule.average else None
    net, optimiser = fabric.setup(inner, adam)
    now = Progress()
    now.steps = max(1, round(course.steps_a_round / (schedule.lanes * schedule.chunk)))
    before = 0.0
    last = folder / "last.ckpt"
    if average is not None:
        average.to(fabric.device)
    if last.exists():
        held: dict[str, Any] = {"net": net, "optimiser": optimiser, "progress": {}}
        if average is not None:
            held["average"] = average
        rest = fabric.load(last, held)
        now = Progress(**held["progress"], **{k: v for k, v in rest.items() if k in Progress.__slots__})
        before = now.seconds
    folder.mkdir(parents=True, exist_ok=True)
    course.begin(range(rank, schedule.lanes, world), schedule.seed + 1_000 * now.epoch * now.steps + now.step)
    kept = average if average is not None else inner
    state: torch.Tensor | None = None
    began = saved = time.monotonic()
    run_steps = schedule.epochs * now.steps
    warm_up = min(WARM_UP, max(1, 2 * now.steps))

    def save(path: Path) -> None:
        more = {} if average is None else {"average": average}
        fabric.save(path, {"net": net, "optimiser": optimiser, "progress": asdict(now), **more})

    net.train()
    try:
        while now.epoch < schedule.epochs and (now.step or now.epoch - now.best_epoch < schedule.patience):
            now.seconds = before + time.monotonic() - began
            done = (now.epoch * now.steps + now.step) / run_steps
            if minutes is not None:
                done = max(done, now.seconds / (60 * minutes))
            done = float(fabric.broadcast(min(1.0, done))) if world > 1 else min(1.0, done)
            position = now.epoch * now.steps + now.step
            rate = (
                schedule.learning_rate
                * min(1.0, (position + 1) / warm_up)
                * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)
            )
            for group in optimiser.param_groups:
                group["lr"] = rate
            nll, state, count = course.chunk(net, state, fabric.device)
            # a constant divisor, so that processes with more padding than others weigh the same as in one process
            loss = nll / (schedule.lanes // world * schedule.chunk)
            fabric.backward(loss)
            fabric.clip_gradients(net, optimiser, max_norm=1.0)
            optimiser.step()
            optimiser.zero_grad()
            if average is not None:
                decay = min(schedule.average, (1 + position) / (10 + position))
                with torch.no_grad():
                    torch._foreach_lerp_(list(average.parameters()), list(inner.parameters()), 1 - decay)
            shown = float(nll.detach()) / max(1, count)
            share = max(0.02, 1 / (now.step + 1))  # the mean of the epoch at first, then a running one
            now.loss = shown if math.isnan(now.loss) else (1 - share) * now.loss + share * shown
            now.events += count * world
            now.step += 1
            now.left = (now.seconds - before) * (1 - done) / max(done, 1e-6) if before == 0 else now.left
            if minutes is not None:
                now.left = max(0.0, 60 * minutes - now.seconds)
            over = done >= 1.0
            if now.step >= now.steps or over:
                now.step, now.epoch = 0, now.epoch + 1
                if rank == 0:
                    _end_epoch(kept, course, now, folder)
                    if epoch_end:
                        epoch_end(kept, now)
                now.best, now.best_epoch = fabric.broadcast((now.best, now.best_epoch))
                net.train()
                save(last)
                saved = time.monotonic()
                if over or now.epoch - now.best_epoch >= schedule.patience:
                    break
            elif time.monotonic() - saved > SAVE_EVERY:
                save(last)
                saved = time.monotonic()
            if report and rank == 0:
                report(now)
    except KeyboardInterrupt:
        save(last)
        raise
    fabric.barrier()
    inner.load_state_dict(torch.load(folder / "best.ckpt", weights_only=True))
    inner.cpu().eval()
    return now


def _end_epoch(net: torch.nn.Module, course: Course, now: Progress, folder: Path) -> None:
    where = next(net.parameters()).device
    found = course.validate(net.cpu().eval())
    now.validation = now.loss if math.isnan(found) else found
    net.to(where)
    if now.validation < now.best:
        now.best, now.best_epoch = now.validation, now.epoch
        partial = folder / "best.tmp"
        torch.save(net.state_dict(), partial)
        partial.replace(folder / "best.ckpt")
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(
            json.dumps(
                {
                    "epoch": now.epoch,
                    "events": now.events,
                    "seconds": round(now.seconds, 1),
                    "loss": round(now.loss, 4),
                    "validation": round(now.validation, 4),
                }
            )
            + "\n"
        )
