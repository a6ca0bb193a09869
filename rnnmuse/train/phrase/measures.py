"""How well a phrase comes back from its point in the latent space."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rnnmuse.music.phrases import MICROS, ONSET
from rnnmuse.train.phrase.data import Windows
from rnnmuse.train.phrase.network import PhraseNet, kl_by_dimension

ACTIVE = 0.01  # variance of a dimension's mean over the phrases beyond which it is in use (Burda et al. 2016)


@torch.no_grad()
def reconstruction(net: PhraseNet, windows: Windows, most: int | None = None) -> dict[str, float]:
    """Phrases encoded to their mean and decoded again.

    Of melodies: the share of steps (hold, rest or the pitch that starts) that are right when the decoder is given
    the true steps before (``teacher-forced``) and when it goes by its own (``free-running``), and the share of the
    true onsets at which the right pitch starts. Of drums: F1 of hits free-running, and the root mean square error
    of velocity (MIDI) and timing (ms) at the hits that are in both, beside those of saying nothing (velocity 0 and
    the grid) and of the mean. ``KL`` is in bits a phrase, ``active units`` the dimensions in use.
    """
    chosen = np.arange(len(windows))
    if most and len(chosen) > most:
        chosen = np.linspace(0, len(chosen) - 1, most).astype(int)
    grid = torch.from_numpy(windows.grids[chosen]).long()
    context = torch.from_numpy(windows.context[chosen]).long()
    device = next(net.parameters()).device
    parts = [
        _pass(net, grid[at : at + 256].to(device), context[at : at + 256].to(device)) for at in range(0, len(grid), 256)
    ]
    mu, log_var, forced, free = (torch.cat(tensors).cpu() for tensors in zip(*parts, strict=True))
    out = {
        "phrases": float(len(grid)),
        "KL, bits": float(kl_by_dimension(mu, log_var).sum(1).mean()) / math.log(2),
        "active units": float((mu.var(0) > ACTIVE).sum()),
    }
    if not net.shape.drum:
        step = grid[..., 0]
        on = step >= ONSET
        out |= {
            "steps, teacher-forced": float((forced == step).float().mean()),
            "steps, free-running": float((free[..., 0] == step).float().mean()),
            "onset pitches": float((free[..., 0] == step)[on].float().mean()),
            "onset pitches, teacher-forced": float((forced == step)[on].float().mean()),
            "whole phrases": float((free[..., 0] == step).all(1).float().mean()),
        }
        return {name: round(value, 4) for name, value in out.items()}
    real, made = grid[..., 0] > 0, free[..., 0] > 0
    both = real & made
    out["hits F1"] = f1(real, made)
    out["hits F1, teacher-forced"] = f1(real, forced > 0)
    ms = torch.from_numpy(60_000 / windows.tempo[chosen] / 4).view(-1, 1, 1)  # of a sixteenth
    velocity, micro = grid[..., 1] * 4.0 + 2, (grid[..., 2] - MICROS // 2) / MICROS * ms
    out |= {
        "velocity RMSE": _rmse(velocity, free[..., 1] * 4.0 + 2, both),
        "velocity RMSE, mean": _rmse(velocity, torch.full_like(velocity, float(velocity[real].mean())), both),
        "velocity RMSE, nothing": _rmse(velocity, torch.zeros_like(velocity), both),
        "timing RMSE, ms": _rmse(micro, (free[..., 2] - MICROS // 2) / MICROS * ms, both),
        "timing RMSE, mean, ms": _rmse(micro, torch.full_like(micro, float(micro[real].mean())), both),
        "timing RMSE, nothing, ms": _rmse(micro, torch.zeros_like(micro), both),
    }
    return {name: round(value, 4) for name, value in out.items()}


def f1(real: Tensor, made: Tensor) -> float:
    """Harmonic mean of precision and recall of the hits."""
    right = float((real & made).sum())
    return 2 * right / max(1.0, float(real.sum() + made.sum()))


def _rmse(real: Tensor, made: Tensor, where: Tensor) -> float:
    return float((real - made)[where].square().mean().sqrt())


def _pass(net: PhraseNet, grid: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """mu, log sigma^2, the teacher-forced steps (B, T) or hits (B, T, 9), the free-running phrases."""
    mu, log_var = net.encode(grid, context)
    before = torch.cat((net.start(grid[:, :1]), grid[:, :-1]), 1)
    told = torch.zeros(grid.shape[:2], dtype=torch.bool, device=grid.device)
    states, _ = net.states(mu, before, context, told, net.shape.bars.index(grid.shape[1] // 16))
    logits = net.first(functional.relu(net.project(states)).chunk(2, -1)[0])
    forced = (logits > 0).long() if net.shape.drum else logits.argmax(-1)
    return mu, log_var, forced, net.decode(mu, context)
