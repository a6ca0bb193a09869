"""The training loop of the recurrent models: resumed where it was interrupted, stopped in time.

AdamW, a warm-up and a cosine fall of the learning rate over the time or the epochs that are given, gradients clipped at
norm 1; those of several batches may be averaged into a step. An `Objective` says what is read and what the loss is. A
run that is interrupted and resumed takes the same steps as one that is not.
"""

from __future__ import annotations

import copy
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from rnnmuse.train.checkpoint import BEST, LAST, Budget, Log, load, random_state, restore_random, save

WARM_UP = 100
LEAST_RATE = 0.02  # of the learning rate, at the end


@dataclass(slots=True)
class Progress:
    """Where a run is: shown by the command, kept in the checkpoint."""

    epoch: int = 0
    """Epochs that are over."""
    step: int = 0
    """Steps of this epoch that are over."""
    steps: int = 1
    """Steps an epoch."""
    events: int = 0
    """Events read, or what the objective counts as one, by all processes together."""
    seconds: float = 0.0
    """Time in training, earlier parts of the run included."""
    loss: float = math.nan
    """Nats an event, or what the objective counts as one: a running mean; NaN before the first step."""
    validation: float = math.nan
    """The last epoch's measure of held-out data, lower is better; without any the training loss."""
    best: float = math.inf
    """The lowest validation; infinity before the first."""
    best_epoch: int = 0
    """The epoch with the lowest validation, from 1; 0 before the first."""
    left: float = math.nan
    """Estimated seconds to the end; NaN while unknown."""

    @property
    def position(self) -> int:
        """Steps of the whole run that are over."""
        return self.epoch * self.steps + self.step


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast a network is trained: until validation has not fallen for ``patience`` epochs."""

    epochs: int
    """At most."""
    patience: int
    learning_rate: float
    """The highest, after the warm-up."""
    weight_decay: float = 0.01
    """AdamW's, for matrices alone."""
    betas: tuple[float, float] = (0.9, 0.98)
    """AdamW's decay of the mean and of the mean square of the gradient."""
    average: float = 0.0
    """Decay at each step of a moving average of the weights, which is then what is validated and kept; 0 for none."""
    accumulate: int = 1
    """Batches whose gradients are averaged into one step."""

    def __post_init__(self) -> None:
        if self.accumulate < 1:
            raise ValueError(f"accumulate: {self.accumulate}; must be at least 1")


@dataclass(slots=True)
class Step:
    """The outcome of a step: ``loss`` is minimised, ``nats`` over ``events`` is reported."""

    loss: Tensor
    nats: Tensor
    events: int


class Objective(Protocol):
    """What a network learns, and how well it does."""

    steps: int
    """Steps an epoch."""

    def begin(self, rank: int, world: int) -> None:
        """Start reading from the beginning, as process ``rank`` of ``world``."""

    def step(self, net: Any, device: torch.device) -> Step:
        """Read the next batch and compute its loss by ``net`` on ``device``."""

    def validate(self, net: Any) -> tuple[float, dict[str, Any]]:
        """A measure of held-out data, lower is better, NaN without any; and more for the log."""

    def state(self) -> dict[str, Any]:
        """Where the reading is, as tensors and plain values."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on reading where `state` was taken, in the same place of as many processes."""


Report = Callable[[Progress], None]
EpochEnd = Callable[[Any, Progress], None]


class _Learner(nn.Module):
    """A network with its objective: calling it takes a step, in Fabric's precision and with its averaged gradients."""

    def __init__(self, net: nn.Module, objective: Objective, device: torch.device) -> None:
        super().__init__()
        self.net, self.objective, self.device = net, objective, device

    def forward(self) -> tuple[Tensor, Tensor, int]:
        found = self.objective.step(self.net, self.device)
        return found.loss, found.nats.detach(), found.events


def fit(
    net: nn.Module,
    objective: Objective,
    schedule: Schedule,
    folder: Path,
    fabric: Fabric,
    *,
    minutes: float | None = None,
    report: Report | None = None,
    epoch_end: EpochEnd | None = None,
    now: Callable[[], float] = time.monotonic,
) -> Progress:
    """Train ``net`` until validation stops falling for the schedule's patience, its epochs or ``minutes`` are over.

    ``folder`` keeps ``last.ckpt`` (the run resumes from it), ``best.ckpt`` and ``log.jsonl``. Leaves the best weights
    in ``net``, on the CPU. The first process of ``fabric`` decides when to save and to stop. Ctrl-C and a request to
    terminate end the run after the step under way, saved, with KeyboardInterrupt.
    """
    run = _Run(net, objective, schedule, folder, fabric, Budget(minutes, now=now), report, epoch_end)
    with _interrupts() as interrupted:
        run.train(interrupted)
    fabric.barrier()
    net.load_state_dict(load(folder / BEST))
    net.cpu().eval()
    return run.progress


class _Run:
    def __init__(
        self,
        net: nn.Module,
        objective: Objective,
        schedule: Schedule,
        folder: Path,
        fabric: Fabric,
        budget: Budget,
        report: Report | None,
        epoch_end: EpochEnd | None,
    ) -> None:
        self.net, self.objective, self.schedule = net, objective, schedule
        self.folder, self.fabric, self.budget = folder, fabric, budget
        self.report, self.epoch_end, self.log = report, epoch_end, Log(folder)
        self.first = fabric.global_rank == 0
        groups = [
            {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": schedule.weight_decay},
            {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        adam = torch.optim.AdamW(groups, schedule.learning_rate, betas=schedule.betas)
        self.average = copy.deepcopy(net).eval().to(fabric.device) if schedule.average else None
        self.learner, self.optimiser = fabric.setup(_Learner(net, objective, fabric.device), adam)
        self.steps = max(1, objective.steps // schedule.accumulate)
        self.progress = Progress(steps=self.steps)
        objective.begin(fabric.global_rank, fabric.world_size)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / LAST).exists():
            self._resume()
        budget.before, budget.steps = self.progress.seconds, schedule.epochs * self.progress.steps

    @property
    def kept(self) -> nn.Module:
        """The network that is validated and kept."""
        return self.net if self.average is None else self.average

    def train(self, interrupted: Callable[[], bool]) -> None:
        now = self.progress
        self.net.train()
        while now.epoch < self.schedule.epochs and now.epoch - now.best_epoch < self.schedule.patience:
            done, due, stop = self._agreed((self.budget.done(now.position), self.budget.due(), interrupted()))
            if done >= 1.0 and now.step == 0 and now.best_epoch:
                break  # a run that was over is called again
            if due or stop:
                self._save()
            if stop:
                raise KeyboardInterrupt
            self._step(done)
            over = done >= 1.0
            if now.step >= now.steps or over:
                self._end_epoch()
                if over:
                    break
            if self.report and self.first:
                try:
                    self.report(now)
                except KeyboardInterrupt:
                    self._save()
                    raise

    def _agreed(self, decision: tuple[float, bool, bool]) -> tuple[float, bool, bool]:
        """The first process's decision."""
        if self.fabric.world_size == 1:
            return decision
        agreed: tuple[float, bool, bool] = self.fabric.broadcast(decision)
        return agreed

    def _step(self, done: float) -> None:
        now, schedule = self.progress, self.schedule
        warm_up = min(WARM_UP, max(1, 2 * now.steps))
        cosine = LEAST_RATE + (1 - LEAST_RATE) * (1 + math.cos(math.pi * done)) / 2
        for group in self.optimiser.param_groups:
            group["lr"] = schedule.learning_rate * min(1.0, (now.position + 1) / warm_up) * cosine
        nats, events = 0.0, 0
        for left in reversed(range(schedule.accumulate)):
            with self.fabric.no_backward_sync(self.learner, enabled=left > 0):
                loss, found, read = self.learner()
                self.fabric.backward(loss / schedule.accumulate)
            nats, events = nats + float(found), events + read
        self.fabric.clip_gradients(self.learner, self.optimiser, max_norm=1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        if self.average is not None:
            decay = min(schedule.average, (1 + now.position) / (10 + now.position))
            with torch.no_grad():
                torch._foreach_lerp_(list(self.average.parameters()), list(self.net.parameters()), 1 - decay)
        shown = nats / max(1, events)
        share = max(0.02, 1 / (now.step + 1))  # the mean of the epoch at first, then a running one
        now.loss = shown if math.isnan(now.loss) else (1 - share) * now.loss + share * shown
        now.events += events * self.fabric.world_size
        now.step += 1
        now.seconds, now.left = self.budget.seconds, self.budget.left(now.position)

    def _end_epoch(self) -> None:
        now = self.progress
        now.step, now.epoch = 0, now.epoch + 1
        if self.first:
            found, more = self.objective.validate(self.kept.eval())
            now.validation = now.loss if math.isnan(found) else found
            if now.validation < now.best:
                now.best, now.best_epoch = now.validation, now.epoch
                save(self.folder / BEST, {key: value.cpu() for key, value in self.kept.state_dict().items()})
            self.log.append(
                {
                    "epoch": now.epoch,
                    "events": now.events,
                    "seconds": round(now.seconds, 1),
                    "loss": round(now.loss, 4),
                    "validation": round(now.validation, 4),
                    **more,
                }
            )
        now.best, now.best_epoch = self.fabric.broadcast((now.best, now.best_epoch))
        self._save()
        if self.first and self.epoch_end:
            self.epoch_end(self.kept, now)
        self.net.train()

    def _save(self) -> None:
        """Write the checkpoint, with the reading and the random state of every process."""
        own = {"reading": self.objective.state(), "random": random_state()}
        each: list[Any] = [own]
        if self.fabric.world_size > 1:
            each = [None] * self.fabric.world_size
            torch.distributed.all_gather_object(each, own)
        if self.first:
            held = {
                "net": self.net.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "progress": asdict(self.progress),
                "processes": each,
            }
            if self.average is not None:
                held["average"] = self.average.state_dict()
            save(self.folder / LAST, held)
        self.fabric.barrier()

    def _resume(self) -> None:
        held = load(self.folder / LAST, self.fabric.device)
        self.net.load_state_dict(held["net"])
        self.optimiser.load_state_dict(held["optimiser"])
        if self.average is not None:
            self.average.load_state_dict(held["average"])
        self.progress = Progress(**held["progress"] | {"steps": self.steps})
        if len(held["processes"]) == self.fabric.world_size:
            own = held["processes"][self.fabric.global_rank]
            self.objective.restore(own["reading"])
            restore_random(own["random"])
        if self.first:
            self.log.keep(lambda row: int(row["epoch"]) <= self.progress.epoch)


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or a request to terminate came; the second one interrupts at once. In the main thread only."""
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return

    def note(number: int, frame: FrameType | None) -> None:
        if came.is_set():
            raise KeyboardInterrupt
        came.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
