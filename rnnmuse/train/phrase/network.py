"""The phrase VAE in torch: a bidirectional GRU reads a phrase, a point z is drawn, a GRU writes the phrase again.

The evidence lower bound of a phrase x with its key and chords c (Kingma and Welling 2014) is *maximised*; what is
minimised is its negative, with the weight and the free bits of beta-VAE (Higgins et al. 2017) and of Kingma et al.
(2016)::

    ELBO = E_q(z|x,c)[log p(x|z,c)] - KL(q(z|x,c) || p(z)),        p(z) = N(0, I),  q = N(mu, diag(sigma^2))
    loss = -E_q[log p(steps|z,c) + feel log p(velocity, micro|steps,z,c)] + w(n) * sum_d max(free, KL_d)
    KL_d = (mu_d^2 + sigma_d^2 - 1 - log sigma_d^2) / 2

in nats a phrase, KL_d the mean over the batch. ``feel`` 1 is the ELBO's own likelihood; less makes the latent space
say more of the notes and less of how they are played. The weight w(n) rises in a straight line from 0 to ``beta`` over
the first ``annealing`` steps. ``free`` nats of each dimension cost nothing, so that no dimension is given up early.

The encoder's states are taken at each beat (the forward one at its end, the backward one at its start), beside the
beat's own four steps, and joined to mu and log sigma^2. The decoder's trunk is the stream model's cell. It is
given a slice of W z for the beat it is in, the key, the chord, the place in the bar and the step before, which is
hidden from it at random in training (word dropout, Bowman et al. 2016), so that it leans on z. One network serves
phrases of several lengths: only the maps to and from z are each length's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnmuse.music.phrases import (
    BAR,
    CLASSES,
    CONTEXT_SIZES,
    DRUMS,
    HOLD,
    MICROS,
    ON_GRID,
    ONSET,
    STEPS_A_BEAT,
    VELOCITIES,
)


@dataclass(frozen=True, slots=True)
class PhraseShape:
    """Sizes of a phrase network: ``bars`` are the lengths it knows, ``latent`` the dimensions of z of each."""

    drum: bool
    """Whether phrases are of drums, else melodies."""
    bars: tuple[int, ...] = (2, 4)
    latent: tuple[int, ...] = (96, 160)
    embed: int = 128
    """Width of a step's embedding."""
    encoder: int = 192
    """Units of the encoder's GRU, in each direction."""
    beat: int = 64
    """Width of a beat on the way to z."""
    condition: int = 128
    """Width of the slice of W z for a beat."""
    hidden: int = 384
    """Units of the decoder's GRU."""
    head: int = 256
    """Width of each head's layer."""


class StepIn(nn.Module):
    """A step of a phrase as a vector: (..., 3) or (..., 9, 3) to (..., E); ``hidden`` (...) steps say nothing."""

    def __init__(self, shape: PhraseShape) -> None:
        super().__init__()
        self.drum = shape.drum
        if shape.drum:
            self.strokes = nn.Linear(3 * len(DRUMS), shape.embed)
            self.unknown = nn.Parameter(torch.zeros(shape.embed))
        else:
            self.step = nn.Embedding(CLASSES + 1, shape.embed)  # the last class: masked
            self.velocity = nn.Embedding(VELOCITIES, shape.embed)
            self.micro = nn.Embedding(MICROS, shape.embed)
            for table in (self.step, self.velocity, self.micro):
                nn.init.normal_(table.weight, std=0.2)
            self.step.weight.data[ONSET:CLASSES] = 3 * pitch_features(shape.embed, 0)

    def forward(self, grid: Tensor, hidden: Tensor | None = None) -> Tensor:
        if self.drum:
            x = self.strokes(strokes_in(grid))
            return x if hidden is None else torch.where(hidden.unsqueeze(-1), self.unknown, x)
        step = grid[..., 0] if hidden is None else grid[..., 0].masked_fill(hidden, CLASSES)
        on = (step >= ONSET) & (step < CLASSES)
        more = self.velocity(grid[..., 1]) + self.micro(grid[..., 2])
        out: Tensor = self.step(step) + more * on.unsqueeze(-1)
        return out


def pitch_features(size: int, seed: int) -> Tensor:
    """Rows (128, size) of length 1 for the pitches to begin with: neighbours are alike, and octaves a little."""
    pitch = torch.arange(128.0).unsqueeze(1)
    near = torch.exp(-0.5 * ((pitch - torch.arange(24.0, 104.0, 2.0)) / 1.5) ** 2)
    features = torch.cat((near, torch.eye(12)[torch.arange(128) % 12]), 1)
    features = features - features.mean(0)
    turned = features @ torch.randn(features.shape[1], size, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(turned, dim=1)


def strokes_in(grid: Tensor) -> Tensor:
    """Drums (..., 9, 3) as numbers (..., 27): hit, velocity from 0 to 1, place from -1 to 1."""
    hit = grid[..., 0].float()
    velocity = hit * grid[..., 1].float() / (VELOCITIES - 1)
    micro = hit * (grid[..., 2].float() - ON_GRID) / ON_GRID
    return torch.cat((hit, velocity, micro), -1)


class PhraseNet(nn.Module):
    """Encoder, decoder and heads; see the module's docstring. B phrases of T steps."""

    def __init__(self, shape: PhraseShape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.drop = nn.Dropout(dropout)
        self.read = StepIn(shape)
        self.context = nn.ModuleList(nn.Embedding(size, shape.embed) for size in CONTEXT_SIZES)
        self.place = nn.Embedding(BAR, shape.embed)
        for table in [*self.context, self.place]:
            nn.init.normal_(table.weight, std=0.1)
        self.encoder = nn.GRU(shape.embed, shape.encoder, batch_first=True, bidirectional=True)
        self.beats = nn.Linear(2 * shape.encoder + STEPS_A_BEAT * shape.embed, shape.beat)
        self.to_z = nn.ModuleList(
            nn.Linear(bars * 4 * shape.beat, 2 * size) for bars, size in zip(shape.bars, shape.latent, strict=True)
        )
        self.from_z = nn.ModuleList(
            nn.Linear(size, bars * 4 * shape.condition) for bars, size in zip(shape.bars, shape.latent, strict=True)
        )
        self.write = StepIn(shape)
        self.condition = nn.Linear(shape.condition, shape.embed)
        self.trunk = nn.GRU(shape.embed, shape.hidden, batch_first=True)
        self.project = nn.Linear(shape.hidden + shape.condition + shape.embed, 2 * shape.head)
        self.first = nn.Linear(shape.head, len(DRUMS) if shape.drum else CLASSES)
        if shape.drum:
            self.struck = nn.Linear(len(DRUMS), shape.head)
        else:
            self.struck = nn.Embedding(CLASSES, shape.head)
            self.first.weight.data[ONSET:] = pitch_features(shape.head, 1)
        many = len(DRUMS) if shape.drum else 1
        self.velocity = nn.Linear(shape.head, many * VELOCITIES)
        self.micro = nn.Linear(shape.head, many * MICROS)

    def around(self, context: Tensor) -> Tensor:
        """Key, chord and place in the bar (B, T, E) from the context (B, T, 3)."""
        place = torch.arange(context.shape[1], device=context.device) % BAR
        out: Tensor = self.place(place).expand(context.shape[0], -1, -1)
        for i, table in enumerate(self.context):
            out = out + table(context[..., i])
        return out

    def encode(self, grid: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """mu and log sigma^2, each (B, Z), of phrases (B, T, 3 or 9, 3) in their context (B, T, 3)."""
        x = self.drop(self.read(grid) + self.around(context))
        states, _ = self.encoder(x)  # (B, T, 2H)
        forward, backward = states.chunk(2, -1)
        steps = x.view(len(x), -1, STEPS_A_BEAT * x.shape[-1])  # (B, T / 4, 4E)
        at_beats = torch.cat((forward[:, STEPS_A_BEAT - 1 :: STEPS_A_BEAT], backward[:, ::STEPS_A_BEAT], steps), -1)
        mu, log_var = self.to_z[self._length(grid)](self.beats(at_beats).flatten(1)).chunk(2, -1)
        return mu, log_var.clamp(-12, 6)

    def _length(self, grid: Tensor) -> int:
        return self.shape.bars.index(grid.shape[1] // BAR)

    def conditions(self, z: Tensor, length: int) -> Tensor:
        """The slice of W z for each beat, (B, 4 x bars, C)."""
        out: Tensor = self.from_z[length](z).view(len(z), -1, self.shape.condition)
        return out

    def states(self, z: Tensor, before: Tensor, context: Tensor, hidden: Tensor, length: int,
               state: Tensor | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
        """The trunk's outputs with what the heads see beside them (B, T, H + C + E), and the new state.

        ``before`` is each step's predecessor; where ``hidden`` (B, T) it is masked.
        """
        condition = self.conditions(z, length).repeat_interleave(STEPS_A_BEAT, 1)
        around = self.around(context)
        x = self.write(before, hidden) + around + self.condition(condition)
        h, state = self.trunk(self.drop(x), state)
        assert state is not None
        return torch.cat((self.drop(h), condition, around), -1), state

    def forward(self, z: Tensor, grid: Tensor, context: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Teacher-forced NLL in nats a phrase, (B,) each: of steps or hits, of velocities, of micro-timing."""
        before = torch.cat((self.start(grid[:, :1]), grid[:, :-1]), 1)
        states, _ = self.states(z, before, context, hidden, self._length(grid))
        first, rest = functional.relu(self.project(states)).chunk(2, -1)
        logits = self.first(first)
        if self.shape.drum:
            hits = grid[..., 0].float()
            steps = functional.binary_cross_entropy_with_logits(logits.float(), hits, reduction="none").sum((1, 2))
            on, struck = grid[..., 0] == 1, hits
        else:
            steps = functional.cross_entropy(logits.flatten(0, 1).float(), grid[..., 0].flatten(), reduction="none")
            steps = steps.view(len(grid), -1).sum(1)
            on, struck = grid[..., 0] >= ONSET, grid[..., 0]
        rest = functional.relu(rest + self.struck(struck))
        more = []
        for head, size, column in ((self.velocity, VELOCITIES, 1), (self.micro, MICROS, 2)):
            scores = head(rest[on.flatten(2).any(-1)] if on.ndim == 3 else rest[on])
            target = grid[..., column]
            if self.shape.drum:
                rows = on.any(-1)  # steps with a hit
                own, want = on[rows], target[rows]
                loss = functional.cross_entropy(scores.view(-1, len(DRUMS), size)[own].float(), want[own],
                                                reduction="none")  # fmt: skip
            else:
                loss = functional.cross_entropy(scores.float(), target[on], reduction="none")
            owner = on.nonzero()[:, 0]
            more.append(torch.zeros(len(grid), device=grid.device).index_add(0, owner, loss))
        return steps, more[0], more[1]

    def start(self, like: Tensor) -> Tensor:
        """The step before the first: a hold without a note, or no stroke."""
        before = torch.zeros_like(like)
        before[..., 2] = ON_GRID
        if not self.shape.drum:
            before[..., 0] = HOLD
        return before

    @torch.no_grad()
    def decode(self, z: Tensor, context: Tensor) -> Tensor:
        """The likeliest phrase at z, step by step (free-running): (B, T, 3 or 9, 3), int64."""
        length = self.shape.bars.index(context.shape[1] // BAR)
        batch, steps = context.shape[:2]
        wide = (len(DRUMS), 3) if self.shape.drum else (3,)
        out = torch.zeros(batch, steps, *wide, dtype=torch.long, device=z.device)
        before = self.start(out[:, :1])
        state: Tensor | None = None
        told = torch.zeros(batch, 1, dtype=torch.bool, device=z.device)
        condition = self.conditions(z, length)
        around = self.around(context)
        for t in range(steps):
            c = condition[:, t // STEPS_A_BEAT].unsqueeze(1)
            x = self.write(before, told) + around[:, t : t + 1] + self.condition(c)
            h, state = self.trunk(x, state)
            first, rest = functional.relu(self.project(torch.cat((h, c, around[:, t : t + 1]), -1))).chunk(2, -1)
            logits = self.first(first)
            step = (logits > 0).long() if self.shape.drum else logits.argmax(-1)
            rest = functional.relu(rest + self.struck(step.float() if self.shape.drum else step))
            velocity, micro = self.velocity(rest), self.micro(rest)
            if self.shape.drum:
                velocity = velocity.view(batch, 1, len(DRUMS), VELOCITIES)
                micro = micro.view(batch, 1, len(DRUMS), MICROS)
            on = step > 0 if self.shape.drum else step >= ONSET
            before = torch.stack((step, velocity.argmax(-1) * on, torch.where(on, micro.argmax(-1), ON_GRID)), -1)
            out[:, t : t + 1] = before
        return out


def kl_by_dimension(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(q || N(0, I)) in nats of each dimension, (B, Z)."""
    return 0.5 * (mu.square() + log_var.exp() - 1 - log_var)
