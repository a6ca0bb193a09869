"""The groove network: what is known of a drum part in, a human's playing of it out (after Gillick et al. 2019).

Three things can be known of a step: which of the nine instruments are struck (quantised drums), how they are struck
as well (the kick and snare that stay when the rest is made), or only that something is tapped; of quantised drums also
how loud each is on the whole. A bidirectional GRU reads all of it; the decoder, the phrase VAE's without a z, plays
step by step what is not known::

    p(x | given) = prod_t p(hits_t | x_<t, given) p(velocity_t, micro_t | hits_t, x_<t, given)

so that velocity and timing are drawn, not averaged: that is what gives them a human's spread. A velocity's logit is the
sum of one for the velocity itself (pads have a ceiling) and one for how far it is from its drum's level, or from the
drum's usual one (the mean of the training phrases) where none is told. The loss is the negative log-likelihood of what
was not given, in nats a phrase.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn import functional

from rnnmuse.models.groove import APART, GIVEN, LOUD, level_of
from rnnmuse.music.phrases import BAR, DRUMS, MICROS, ON_GRID, VELOCITIES
from rnnmuse.train.device import half_precision
from rnnmuse.train.phrase.data import Windows
from rnnmuse.train.phrase.network import strokes_in

KEPT = 2  # kick and snare stay when the rest is filled in
TASKS = (0.6, 0.2, 0.2)  # shares of quantised drums, of taps, of kick and snare, in training
HIDE = 0.1
LEVEL = 0.75  # share of the quantised drums whose levels are told
SAVE_EVERY = 90.0


@dataclass(frozen=True, slots=True)
class GrooveShape:
    """Sizes of a groove network."""

    embed: int = 96
    encoder: int = 128
    features: int = 128
    hidden: int = 256
    head: int = 192


class GrooveNet(nn.Module):
    """Reader, decoder and heads; B phrases of T steps."""

    def __init__(self, shape: GrooveShape) -> None:
        super().__init__()
        self.shape = shape
        self.read = nn.Linear(GIVEN, shape.embed)
        self.place = nn.Embedding(BAR, shape.embed)
        self.encoder = nn.GRU(shape.embed, shape.encoder, batch_first=True, bidirectional=True)
        self.beats = nn.Linear(2 * shape.encoder, shape.features)
        self.write = nn.Linear(3 * len(DRUMS), shape.embed)
        self.condition = nn.Linear(shape.features, shape.embed)
        self.trunk = nn.GRU(shape.embed, shape.hidden, batch_first=True)
        self.project = nn.Linear(shape.hidden + shape.features + shape.embed, 2 * shape.head)
        self.first = nn.Linear(shape.head, len(DRUMS))
        self.struck = nn.Linear(len(DRUMS), shape.head)
        self.velocity = nn.Linear(shape.head, len(DRUMS) * LOUD)
        self.micro = nn.Linear(shape.head, len(DRUMS) * MICROS)
        self.register_buffer("usual", torch.full((len(DRUMS),), 0.5))
        nn.init.normal_(self.place.weight, std=0.1)

    def loud(self, scores: Tensor, level: Tensor | None) -> Tensor:
        """Logits of velocity classes (B, T, 9, 32) for the head's ``scores`` (B, T, 9, LOUD) and levels (B, 9)."""
        usual = self.usual.expand(len(scores), -1)
        base = usual if level is None else torch.where(level.isnan(), usual, level)
        base = (base * (VELOCITIES - 1) + 0.5).floor().long()
        louder = torch.arange(VELOCITIES) - base.unsqueeze(-1) + VELOCITIES - 1
        return (
            scores[..., :APART].gather(-1, louder.unsqueeze(1).expand(-1, scores.shape[1], -1, -1))
            + scores[..., APART:]
        )

    def forward(self, grid: Tensor, given: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of hits (B, T, 9), velocities (B, T, 9, LOUD) and micro-timing (B, T, 9, 25), teacher-forced.

        ``given`` (B, T, GIVEN); where ``hidden`` (B, T) the step before is not told. The last value is the trunk's
        input, for tests.
        """
        place = self.place(torch.arange(grid.shape[1]) % BAR)
        states, _ = self.encoder(self.read(given) + place)
        features = self.beats(states)
        before = torch.cat((torch.zeros_like(grid[:, :1]), grid[:, :-1]), 1)
        strokes = strokes_in(before) * ~hidden.unsqueeze(-1)
        x = self.write(strokes) + place + self.condition(features)
        h, _ = self.trunk(x)
        seen = torch.cat((h, features, place.expand(len(grid), -1, -1)), -1)
        first, rest = functional.relu(self.project(seen)).chunk(2, -1)
        rest = functional.relu(rest + self.struck(grid[..., 0].to(rest.dtype)))
        shape = (*grid.shape[:2], len(DRUMS))
        return self.first(first), self.velocity(rest).view(*shape, -1), self.micro(rest).view(*shape, -1), x


def levels(windows: Windows) -> NDArray[np.float32]:
    """`rnnmuse.models.groove.level_of` each phrase's piece, (N, 9): a player knows a part's level, not a phrase's."""
    out = np.empty((len(windows), len(DRUMS)), np.float32)
    for piece in np.unique(windows.piece):
        rows = windows.piece == piece
        out[rows] = level_of(windows.grids[rows].reshape(-1, len(DRUMS), 3))
    return out


def told(grid: Tensor, task: Tensor, tempo: Tensor, level: Tensor | None = None) -> Tensor:
    """What is given of phrases (B, T, 9, 3) for each one's ``task`` (B,): as `rnnmuse.models.groove.given_of`."""
    hit = grid[..., 0].float()
    velocity = hit * grid[..., 1].float() / (VELOCITIES - 1)
    micro = hit * (grid[..., 2].float() - ON_GRID) / ON_GRID
    kept = torch.zeros(len(DRUMS))
    kept[:KEPT] = 1
    quantised, tapped, filled = ((task == k).float().view(-1, 1, 1) for k in range(3))
    known = quantised + filled * kept
    known = known.expand_as(hit)
    feel = (filled * kept).expand_as(hit)
    any_hit = hit.amax(-1)
    loudest = velocity.argmax(-1, keepdim=True)
    tap = torch.stack((any_hit, velocity.amax(-1), micro.gather(-1, loudest).squeeze(-1)), -1) * tapped
    speed = (tempo / 120).log2().view(-1, 1, 1).expand(*hit.shape[:2], 1)
    loud = torch.full((len(grid), len(DRUMS)), torch.nan) if level is None else level
    loud = torch.cat((~loud.isnan(), loud.nan_to_num()), -1).unsqueeze(1).expand(-1, grid.shape[1], -1)
    return torch.cat((known, known * hit, feel * velocity, feel * micro, tap, speed, loud), -1)


def groove_loss(
    net: GrooveNet, grid: Tensor, task: Tensor, tempo: Tensor, hidden: Tensor, level: Tensor | None = None
) -> Tensor:
    """Nats a phrase (B,) of what was not given."""
    given = told(grid, task, tempo, level)
    hits, velocity, micro, _ = net(grid, given, hidden)
    known = given[..., : len(DRUMS)]
    feel = (task == 2).float().view(-1, 1, 1) * torch.tensor([1.0] * KEPT + [0.0] * (len(DRUMS) - KEPT))
    target = grid[..., 0].float()
    loss = functional.binary_cross_entropy_with_logits(hits.float(), target, reduction="none") * (1 - known)
    total: Tensor = loss.sum((1, 2))
    played = target * (1 - feel)
    for scores, wanted in ((net.loud(velocity, level), grid[..., 1]), (micro, grid[..., 2])):
        nll = functional.cross_entropy(scores.flatten(0, 2).float(), wanted.flatten(), reduction="none")
        total = total + (nll.view_as(played) * played).sum((1, 2))
    return total


def train_groove(
    training: Mapping[int, Windows],
    validation: Mapping[int, Windows],
    folder: Path,
    *,
    shape: GrooveShape | None = None,
    start: Mapping[str, Tensor] | None = None,
    epochs: int = 12,
    minutes: float | None = None,
    batch: int = 128,
    learning_rate: float = 2e-3,
    seed: int = 1,
    report: Callable[[int, int, float], None] | None = None,
) -> GrooveNet:
    """Train for ``epochs`` or ``minutes``; resumes from ``folder``/groove.ckpt. Returns the network of least loss.

    ``start`` holds weights to fine-tune from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    net = GrooveNet(shape or GrooveShape())
    if start is not None:
        net.load_state_dict(start)
    else:
        whole = np.concatenate([windows.grids.reshape(-1, len(DRUMS), 3) for windows in training.values()])
        net.usual = torch.from_numpy(np.nan_to_num(level_of(whole), nan=0.5))
    optimiser = torch.optim.AdamW(net.parameters(), learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    each = sum(math.ceil(len(w) * 2 / bars / max(1, batch * 2 // bars)) for bars, w in training.items())
    steps, step, best, before = epochs * each, 0, math.inf, 0.0
    last = folder / "groove.ckpt"
    if last.exists():
        held = torch.load(last, weights_only=True)
        net.load_state_dict(held["net"])
        optimiser.load_state_dict(held["optimiser"])
        step, best, before = held["step"], held["best"], held["seconds"]
    began = saved = time.monotonic()
    random = np.random.default_rng(seed + step)
    loud = {bars: levels(windows) for bars, windows in training.items()}
    net.train()
    while step < steps:
        bars = int(random.choice(list(training)))
        windows = training[bars]
        rows = random.integers(0, len(windows), max(1, batch * 2 // bars))
        done = max(step / steps, 0 if minutes is None else (before + time.monotonic() - began) / (60 * minutes))
        rate = learning_rate * min(1.0, (step + 1) / 50) * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1, done))) / 2)
        for group in optimiser.param_groups:
            group["lr"] = rate
        grid = torch.from_numpy(windows.grids[rows]).long()
        task = torch.from_numpy(random.choice(3, len(rows), p=TASKS))
        tempo = torch.from_numpy(windows.tempo[rows])
        hidden = torch.from_numpy(random.random(grid.shape[:2]) < HIDE)
        known = (task == 0) & torch.from_numpy(random.random(len(rows)) < LEVEL)
        level = torch.from_numpy(loud[bars][rows]).masked_fill(~known.unsqueeze(1), torch.nan)
        with half_precision():
            loss = groove_loss(net, grid, task, tempo, hidden, level).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        step += 1
        over = step >= steps or done >= 1
        if report:
            report(step, steps, float(loss.detach()) * 2 / bars)
        if step % each == 0 or over:
            found = _validation(net, validation)
            if found < best:
                best = found
                torch.save(net.state_dict(), folder / "groove-best.ckpt")
            if report:
                report(step, steps, -found)
        if step % each == 0 or over or time.monotonic() - saved > SAVE_EVERY:
            saved = time.monotonic()
            partial = folder / "groove.tmp"
            torch.save(
                {"net": net.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "best": best,
                 "seconds": before + saved - began}, partial,
            )  # fmt: skip
            partial.replace(last)
        if over:
            break
    net.load_state_dict(torch.load(folder / "groove-best.ckpt", weights_only=True))
    net.eval()
    return net


@torch.no_grad()
def _validation(net: GrooveNet, validation: Mapping[int, Windows], most: int = 384) -> float:
    """Nats a phrase of two bars, quantised drums and their levels given."""
    net.eval()
    bars = min(validation)
    windows = validation[bars]
    rows = np.linspace(0, len(windows) - 1, min(most, len(windows))).astype(int)
    grid = torch.from_numpy(windows.grids[rows]).long()
    task = torch.zeros(len(rows), dtype=torch.long)
    hidden = torch.zeros(grid.shape[:2], dtype=torch.bool)
    level = torch.from_numpy(levels(windows)[rows])
    loss = groove_loss(net, grid, task, torch.from_numpy(windows.tempo[rows]), hidden, level).mean()
    net.train()
    return float(loss)


def write_groove(weights: Mapping[str, Any], folder: Path) -> None:
    """Write ``groove.safetensors`` and the two graphs ``groove-reader.onnx`` and ``groove-step.onnx``."""
    from rnnmuse.train.phrase.export import decoder_graph, encoder_graph, in_half

    half = {key: np.ascontiguousarray(np.asarray(value, np.float16)) for key, value in weights.items()}
    save_file(half, folder / "groove.safetensors")
    (folder / "groove-reader.onnx").write_bytes(encoder_graph(half, every=1).SerializeToString())
    (folder / "groove-step.onnx").write_bytes(in_half(decoder_graph(half)).SerializeToString())
