"""Training of the stream network: carried state over lanes of pieces, resumed after a kill, stopped in time.

Truncated back-propagation through time (Williams and Peng 1990) over chunks with carried state, AdamW, a warm-up
and a cosine fall of the learning rate over the time or the epochs that are given.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from rnnmuse.music.codec import FIELDS, Encoded
from rnnmuse.train.lanes import Lanes, whole
from rnnmuse.train.network import Batch, Shape, StreamNet
from rnnmuse.train.recipe import Recipe

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


Report = Callable[[Progress], None]
EpochEnd = Callable[[StreamNet, Progress], None]


def shape_of(recipe: Recipe) -> Shape:
    return Shape(len(recipe.parts), recipe.drums, recipe.embed, recipe.hidden, recipe.head)


@torch.no_grad()
def nll_by_head(net: StreamNet, pieces: Sequence[Encoded], lanes: int = 32, chunk: int = 256) -> NDArray[np.float64]:
    """Summed negative log-likelihood in nats of each piece by head: (pieces, 7), float64. State is carried."""
    net.eval()
    total = np.zeros((len(pieces), len(FIELDS)))
    state: torch.Tensor | None = None
    for batch, fresh, index in whole(pieces, lanes, net.shape.parts, net.shape.drums, chunk):
        if state is not None:
            state = state * (~fresh).to(state.dtype).view(1, -1, 1)
        nll, state = net(batch, state)
        sums = nll.double().sum(1).numpy()
        for lane, piece in enumerate(index):
            if piece >= 0:
                total[piece] += sums[lane]
    return total


def train(
    recipe: Recipe,
    training: Sequence[Encoded],
    validation: Sequence[Encoded],
    folder: Path,
    *,
    start: dict[str, torch.Tensor] | None = None,
    minutes: float | None = None,
    devices: int = 1,
    nodes: int = 1,
    precision: str = "bf16-mixed",
    report: Report | None = None,
    epoch_end: EpochEnd | None = None,
    fabric: Fabric | None = None,
) -> tuple[StreamNet, Progress]:
    """Train until validation stops falling for ``recipe.patience`` epochs, the epochs or ``minutes`` are over.

    ``folder`` keeps ``last.ckpt`` (the run goes on from it), ``best.ckpt`` and ``log.jsonl``. ``start`` holds
    weights to fine-tune from. Returns the best network on the CPU. Lanes are shared out over ``devices`` x
    ``nodes`` processes whose gradients are averaged; launched by torchrun, each process finds its rank itself.
    """
    if not training:
        raise ValueError("training: no pieces; the corpus needs at least one in its training split")
    if minutes is not None and minutes <= 0:
        raise ValueError(f"minutes: {minutes}; must be above 0")
    if fabric is None:
        fabric = Fabric(
            accelerator="auto" if torch.cuda.is_available() else "cpu",
            devices=devices,
            num_nodes=nodes,
            precision=precision,
        )
        fabric.launch()
    torch.manual_seed(recipe.seed)
    inner = StreamNet(shape_of(recipe), recipe.dropout)
    if start is not None:
        inner.load_state_dict(start)
    adam = torch.optim.AdamW(inner.parameters(), recipe.learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    net, optimiser = fabric.setup(inner, adam)
    world, rank = fabric.world_size, fabric.global_rank
    if recipe.lanes % world:
        raise ValueError(f"lanes: {recipe.lanes}; must be a multiple of the {world} processes")
    now = Progress()
    total = sum(len(piece) for piece in training)
    now.steps = max(1, round(total / (recipe.lanes * recipe.chunk)))
    before = 0.0
    last = folder / "last.ckpt"
    if last.exists():
        held: dict[str, Any] = {"net": net, "optimiser": optimiser, "progress": {}}
        rest = fabric.load(last, held)
        now = Progress(**held["progress"], **{k: v for k, v in rest.items() if k in Progress.__slots__})
        before = now.seconds
    folder.mkdir(parents=True, exist_ok=True)
    lanes = Lanes(
        training,
        range(rank, recipe.lanes, world),
        len(recipe.parts),
        recipe.drums,
        recipe.chunk,
        recipe.transpose,
        recipe.seed + 1_000 * now.epoch * now.steps + now.step,
    )
    state: torch.Tensor | None = None
    began = saved = time.monotonic()
    run_steps = recipe.epochs * now.steps
    warm_up = min(WARM_UP, max(1, 2 * now.steps))

    def save(path: Path) -> None:
        fabric.save(path, {"net": net, "optimiser": optimiser, "progress": asdict(now)})

    net.train()
    try:
        while now.epoch < recipe.epochs and (now.step or now.epoch - now.best_epoch < recipe.patience):
            batch, fresh = lanes.next()
            batch = _to(batch, fabric.device)
            if state is not None:
                state = state.detach() * (~fresh).to(state).view(1, -1, 1)
            now.seconds = before + time.monotonic() - began
            done = (now.epoch * now.steps + now.step) / run_steps
            if minutes is not None:
                done = max(done, now.seconds / (60 * minutes))
            done = float(fabric.broadcast(min(1.0, done))) if world > 1 else min(1.0, done)
            position = now.epoch * now.steps + now.step
            rate = (
                recipe.learning_rate
                * min(1.0, (position + 1) / warm_up)
                * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)
            )
            for group in optimiser.param_groups:
                group["lr"] = rate
            nll, state = net(batch, state)
            # a constant divisor, so that processes with more padding than others weigh the same as in one process
            loss = nll.sum() / (len(fresh) * recipe.chunk)
            fabric.backward(loss)
            fabric.clip_gradients(net, optimiser, max_norm=1.0)
            optimiser.step()
            optimiser.zero_grad()
            count = float(batch.mask.sum())
            shown = float(nll.detach().sum()) / max(1.0, count)
            share = max(0.02, 1 / (now.step + 1))  # the mean of the epoch at first, then a running one
            now.loss = shown if math.isnan(now.loss) else (1 - share) * now.loss + share * shown
            now.events += int(count) * world
            now.step += 1
            now.left = (now.seconds - before) * (1 - done) / max(done, 1e-6) if before == 0 else now.left
            if minutes is not None:
                now.left = max(0.0, 60 * minutes - now.seconds)
            over = done >= 1.0
            if now.step >= now.steps or over:
                now.step, now.epoch = 0, now.epoch + 1
                if rank == 0:
                    _end_epoch(inner, validation, now, folder)
                    if epoch_end:
                        epoch_end(inner, now)
                now.best, now.best_epoch = fabric.broadcast((now.best, now.best_epoch))
                net.train()
                save(last)
                saved = time.monotonic()
                if over or now.epoch - now.best_epoch >= recipe.patience:
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
    return inner.cpu().eval(), now


def _end_epoch(net: StreamNet, validation: Sequence[Encoded], now: Progress, folder: Path) -> None:
    events = sum(len(piece) for piece in validation)
    where = next(net.parameters()).device
    now.validation = float(nll_by_head(net.cpu(), validation).sum()) / events if events else now.loss
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


def _to(batch: Batch, device: torch.device) -> Batch:
    if device.type == "cpu":
        return batch
    return Batch(*(getattr(batch, name).to(device) for name in Batch.__slots__))
