"""The groove network: what is known of a drum part in, a human's playing of it out (after Gillick et al. 2019).

Three things can be known of a step: which of the nine instruments are struck (quantised drums), how they are struck
as well (the kick and snare that stay when the rest is made), or only that something is tapped; of quantised drums also
how loud each is on the whole. A bidirectional GRU reads all of it; the decoder, the phrase VAE's without a z, plays
step by step what is not known::

    p(x | given) = prod_t p(hits_t | x_<t, given) p(velocity_t, micro_t | hits_t, x_<t, given)

so that velocity and timing are drawn, not averaged: that is what gives them a human's spread. A velocity's logit is the
sum of one for the velocity itself (pads have a ceiling) and one for how far it is from its drum's level, or from the
drum's usual one (the mean of the training phrases) where none is given. The loss is the negative log-likelihood of what
was not given, in nats a phrase.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnmuse.models.groove import APART, GIVEN, LOUD
from rnnmuse.music.phrases import BAR, DRUMS, MICROS, VELOCITIES
from rnnmuse.train.phrase.network import strokes_in


@dataclass(frozen=True, slots=True)
class GrooveShape:
    """Sizes of a groove network."""

    embed: int = 96
    """Width of a step's input."""
    encoder: int = 128
    """Units of the GRU that reads, in each direction."""
    features: int = 128
    """Width of a step as the decoder is given it."""
    hidden: int = 256
    """Units of the decoder's GRU."""
    head: int = 192
    """Width of each head's layer."""


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
        louder = torch.arange(VELOCITIES, device=base.device) - base.unsqueeze(-1) + VELOCITIES - 1
        return (
            scores[..., :APART].gather(-1, louder.unsqueeze(1).expand(-1, scores.shape[1], -1, -1))
            + scores[..., APART:]
        )

    def forward(self, grid: Tensor, given: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of hits (B, T, 9), velocities (B, T, 9, LOUD) and micro-timing (B, T, 9, 25), teacher-forced.

        ``given`` (B, T, GIVEN); where ``hidden`` (B, T) the previous step is masked. The last value is the trunk's
        input, for tests.
        """
        place = self.place(torch.arange(grid.shape[1], device=grid.device) % BAR)
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
