"""Training of the phrase VAE: lengths in turn, transposed copies, resumed after a kill."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rnnmuse.music.phrases import BAR, ONSET, UNKNOWN
from rnnmuse.train.device import half_precision
from rnnmuse.train.phrase.data import Windows
from rnnmuse.train.phrase.measures import reconstruction
from rnnmuse.train.phrase.network import PhraseNet, kl_by_dimension
from rnnmuse.train.phrase.recipe import PhraseRecipe

WARM_UP = 100
SAVE_EVERY = 90.0  # seconds
CHECKS = 192  # phrases of each length that validation looks at


@dataclass(slots=True)
class PhraseProgress:
    """What a run can say of itself: shown by the command, kept in ``log.jsonl``."""

    step: int = 0
    steps: int = 1
    epoch: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    kl: float = math.nan
    validation: float = math.nan
    best: float = math.inf
    best_epoch: int = 0


def augmented(grid: Tensor, context: Tensor, low: int, high: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Melodies (B, T, 3) and contexts, each transposed by its own number of semitones from ``low`` to ``high``."""
    shift = torch.randint(low, high + 1, (len(grid), 1), generator=generator)
    grid, context = grid.clone(), context.clone()
    on = grid[..., 0] >= ONSET
    pitch = torch.where(on, grid[..., 0] + shift, ONSET + 60)
    fits = ((pitch >= ONSET) & (pitch < ONSET + 128)).all(1, keepdim=True)
    shift = shift * fits
    grid[..., 0] += shift * on
    key, root = context[..., 0], context[..., 1]
    context[..., 0] = torch.where(key < UNKNOWN[0], key // 12 * 12 + (key + shift) % 12, key)
    context[..., 1] = torch.where(root < UNKNOWN[1], (root + shift) % 12, root)
    return grid, context


def batches(data: Mapping[int, Windows], recipe: PhraseRecipe, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch: every phrase of two bars' worth of music, each length in its own batches, in a random order."""
    random = np.random.default_rng(seed)
    plan: list[tuple[int, np.ndarray[tuple[int], np.dtype[np.int64]]]] = []
    for bars, windows in data.items():
        size = max(1, recipe.batch * 2 // bars)
        order = random.permutation(len(windows))
        # a longer phrase is seen as often as its bars are: every second one of four bars in an epoch
        order = order[: max(1, len(order) * min(data) // bars)]
        plan += [(bars, order[at : at + size]) for at in range(0, len(order), size)]
    for index in random.permutation(len(plan)).tolist():
        bars, rows = plan[index]
        yield torch.from_numpy(data[bars].grids[rows]).long(), torch.from_numpy(data[bars].context[rows]).long()


def train_phrases(
    recipe: PhraseRecipe,
    training: Mapping[int, Windows],
    validation: Mapping[int, Windows],
    folder: Path,
    *,
    start: Mapping[str, Tensor] | None = None,
    minutes: float | None = None,
    report: Callable[[PhraseProgress], None] | None = None,
    epoch_end: Callable[[PhraseNet, PhraseProgress], None] | None = None,
) -> tuple[PhraseNet, PhraseProgress]:
    """Train for the recipe's epochs or ``minutes``; return the best network by validation, on the CPU.

    ``training`` and ``validation`` hold the phrases of each length in bars. ``folder`` keeps ``last.ckpt`` (the run
    goes on from it), ``best.ckpt`` and ``log.jsonl``. ``start`` holds weights to fine-tune from.
    """
    if not any(len(windows) for windows in training.values()):
        raise ValueError("training: no phrases; at least one bar of 4/4 with two notes is needed")
    if minutes is not None and minutes <= 0:
        raise ValueError(f"minutes: {minutes}; must be above 0")
    training = {bars: windows for bars, windows in training.items() if len(windows)}
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    net = PhraseNet(recipe.shape, recipe.dropout)
    if start is not None:
        net.load_state_dict(start)
    optimiser = torch.optim.AdamW(net.parameters(), recipe.learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    now = PhraseProgress()
    each = sum(1 for _ in batches(training, recipe, 0))
    now.steps = each * recipe.epochs
    last = folder / "last.ckpt"
    if last.exists():
        held = torch.load(last, weights_only=True)
        net.load_state_dict(held["net"])
        optimiser.load_state_dict(held["optimiser"])
        now = PhraseProgress(**held["progress"])
        now.steps = each * recipe.epochs
    began, before, saved = time.monotonic(), now.seconds, time.monotonic()

    def save() -> None:
        partial = folder / "last.tmp"
        torch.save({"net": net.state_dict(), "optimiser": optimiser.state_dict(), "progress": asdict(now)}, partial)
        partial.replace(last)

    net.train()
    over = False
    try:
        while not over and now.step < now.steps:
            generator = torch.Generator().manual_seed(recipe.seed + 1000 * now.epoch + now.step)
            for grid, context in batches(training, recipe, recipe.seed + now.epoch):
                now.seconds = before + time.monotonic() - began
                done = now.step / now.steps
                if minutes is not None:
                    done = max(done, now.seconds / (60 * minutes))
                rate = recipe.learning_rate * min(1.0, (now.step + 1) / WARM_UP)
                for group in optimiser.param_groups:
                    group["lr"] = rate * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, done))) / 2)
                if not recipe.drum:
                    grid, context = augmented(grid, context, *recipe.transpose, generator)
                blind = torch.rand(len(grid), 1, 1, generator=generator) < recipe.blind
                context = torch.where(blind, torch.tensor(UNKNOWN), context)
                loss, kl = _step(net, grid, context, recipe, now.step, generator)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimiser.step()
                optimiser.zero_grad()
                bars = grid.shape[1] // BAR
                share = max(0.02, 1 / (now.step + 1))
                shown, shown_kl = float(loss.detach()) / bars, kl / bars
                now.loss = shown if math.isnan(now.loss) else (1 - share) * now.loss + share * shown
                now.kl = shown_kl if math.isnan(now.kl) else (1 - share) * now.kl + share * shown_kl
                now.step += 1
                if report:
                    report(now)
                over = now.step >= now.steps or (minutes is not None and now.seconds >= 60 * minutes)
                if over or now.step % each == 0:
                    break
                if time.monotonic() - saved > SAVE_EVERY:
                    save()
                    saved = time.monotonic()
            now.epoch += 1
            _end_epoch(net, validation, now, folder, recipe)
            if epoch_end:
                epoch_end(net, now)
            save()
            net.train()
    except KeyboardInterrupt:
        save()
        raise
    net.load_state_dict(torch.load(folder / "best.ckpt", weights_only=True))
    return net.eval(), now


def _step(
    net: PhraseNet, grid: Tensor, context: Tensor, recipe: PhraseRecipe, step: int, generator: torch.Generator
) -> tuple[Tensor, float]:
    """The loss of a batch, in nats a phrase, and its KL."""
    with half_precision():
        mu, log_var = net.encode(grid, context)
        mu, log_var = mu.float(), log_var.float()
        z = mu + torch.randn(mu.shape, generator=generator) * (log_var / 2).exp()
        hidden = torch.rand(grid.shape[:2], generator=generator) < recipe.hide
        parts = net(z, grid, context, hidden)
    kl = kl_by_dimension(mu, log_var).mean(0)
    weight = recipe.beta * min(1.0, (step + 1) / recipe.annealing)
    steps, velocity, micro = (part.mean() for part in parts)
    loss = steps + recipe.feel * (velocity + micro) + weight * kl.clamp_min(recipe.free).sum()
    return loss, float(kl.detach().sum())


def _end_epoch(
    net: PhraseNet, validation: Mapping[int, Windows], now: PhraseProgress, folder: Path, recipe: PhraseRecipe
) -> None:
    net.eval()
    rows = {bars: reconstruction(net, windows, CHECKS) for bars, windows in validation.items() if len(windows)}
    wanted = [row["hits F1" if recipe.drum else "steps, free-running"] for row in rows.values()]
    now.validation = 1 - sum(wanted) / len(wanted) if wanted else now.loss
    if now.validation <= now.best:
        now.best, now.best_epoch = now.validation, now.epoch
        partial = folder / "best.tmp"
        torch.save(net.state_dict(), partial)
        partial.replace(folder / "best.ckpt")
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        row = {
            "epoch": now.epoch, "step": now.step, "seconds": round(now.seconds, 1), "loss": round(now.loss, 3),
            "kl": round(now.kl, 3), "validation": round(now.validation, 4),
            "lengths": {str(bars): values for bars, values in rows.items()},
        }  # fmt: skip
        log.write(json.dumps(row) + "\n")
