"""The chorale network: see `rnnmuse.models.chorale`, which plays it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnmuse.models.chorale import LOWEST, ORDER, PITCHES, TONIC


@dataclass(frozen=True, slots=True)
class ChoraleShape:
    """Sizes: ``embed`` of a voice's pitch, ``hidden`` of each GRU layer, ``head`` of a voice's layer."""

    embed: int = 40
    hidden: int = 200
    head: int = 160
    dropout: float = 0.45
    """Share dropped of each GRU layer's output and of each voice's layer, 0 to under 1."""
    input_dropout: float = 0.3
    """Share dropped of the input, 0 to under 1."""


class ChoraleNet(nn.Module):
    """``forward``: classes (B, T, 4) and tonics (B,) to the logits of each voice in ORDER, (B, T, PITCHES) each."""

    def __init__(self, shape: ChoraleShape) -> None:
        super().__init__()
        self.shape = shape
        width = 4 * shape.embed + 12 + TONIC
        self.voice = nn.ModuleList(nn.Embedding(PITCHES, shape.embed) for _ in range(4))
        self.tonic = nn.Embedding(12, TONIC)
        self.lower = nn.GRU(width, shape.hidden, batch_first=True)
        self.upper = nn.GRU(shape.hidden, shape.hidden, batch_first=True)
        self.drop, self.drop_input = nn.Dropout(shape.dropout), nn.Dropout(shape.input_dropout)
        self.hidden = nn.ModuleList(nn.Linear(2 * shape.hidden + TONIC, shape.head) for _ in ORDER)
        self.sees = nn.ModuleList(
            nn.ModuleList(nn.Embedding(PITCHES, shape.head) for _ in range(4 + k)) for k in range(4)
        )
        self.place = nn.ModuleList(nn.Linear(shape.head, PITCHES) for _ in ORDER)
        self.interval = nn.ModuleList(
            nn.ModuleList(nn.Linear(shape.head, 2 * PITCHES - 1) for _ in range(4 + k)) for k in range(4)
        )

    def forward(self, x: Tensor, tonic: Tensor) -> list[Tensor]:
        before = torch.cat((torch.zeros_like(x[:, :1]), x[:, :-1]), 1)
        key = self.tonic(tonic)[:, None].expand(*x.shape[:2], TONIC)
        held = functional.one_hot((before + LOWEST) % 12, 12) * (before > 0)[..., None]
        given = torch.cat((*(self.voice[v](before[..., v]) for v in range(4)), held.amax(2).float(), key), -1)
        lower, _ = self.lower(self.drop_input(given))
        upper, _ = self.upper(self.drop(lower))
        state = torch.cat((self.drop(torch.cat((lower, upper), -1)), key), -1)
        steps, out = torch.arange(PITCHES, device=x.device), []
        for place, voice in enumerate(ORDER):
            seen = [before[..., voice], *(before[..., u] for u in range(4) if u != voice)]
            seen += [x[..., ORDER[j]] for j in range(place)]
            c = self.hidden[place](state)
            for j, other in enumerate(seen):
                c = c + self.sees[place][j](other)
            c = self.drop(torch.relu(c))
            logits = self.place[place](c)
            for j, other in enumerate(seen):
                found = self.interval[place][j](c).gather(-1, steps - other[..., None] + PITCHES - 1)
                logits = logits + found * ((other > 0)[..., None] & (steps > 0))
            out.append(logits)
        return out


def nats_of(net: nn.Module, x: Tensor, tonic: Tensor) -> Tensor:
    """Negative log-likelihood (B, T) of each beat."""
    logits = net(x, tonic)
    total = torch.zeros(x.shape[:2], device=x.device)
    for found, voice in zip(logits, ORDER, strict=True):
        target = x[..., voice].flatten()
        total = total + functional.cross_entropy(found.flatten(0, 1), target, reduction="none").view(total.shape)
    return total
