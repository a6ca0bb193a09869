"""The stream network in torch: a GRU trunk, one step an event, and seven heads sampled in turn.

The trunk (Cho et al. 2014, in the form of cuDNN and `torch.nn.GRU`) reads the previous event, its context and
which notes are sounding. A head k sees the trunk's output h and what the heads before it chose::

    hidden_k = relu(A_k h + sum_{j<k} E_kj[field_j] + position)      logits_k = B_k hidden_k

so that the event's probability is p(beats) p(sub|beats) p(kind|..) p(part|..) p(pitch|..) p(velocity|..) p(micro|..),
with impossible classes (a note-off of a silent note, a note-on of a sounding one) masked out of the softmax.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnmuse.music.codec import (
    CONTEXT_SIZES,
    FIELDS,
    FIRST_PLACED,
    KIND,
    OFF,
    ON,
    PART,
    PITCH,
    POSITION,
    START,
    VELOCITY,
    field_sizes,
)


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a stream network; ``drums`` is the part class of the drums, -1 without."""

    parts: int
    drums: int = -1
    embed: int = 256
    hidden: int = 512
    head: int = 128

    @property
    def sounding(self) -> int:
        """Width of the input that says what sounds: a row of 128 a part, one row in all beyond four parts."""
        return 128 * (self.parts if self.parts <= 4 else 1)

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


class StreamNet(nn.Module):
    """Trunk and heads; see the module's docstring."""

    def __init__(self, shape: Shape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.drop = nn.Dropout(dropout)
        sizes = field_sizes(shape.parts)
        inputs = [size + 1 if i == KIND else size for i, size in enumerate(sizes)]
        self.fields = nn.ModuleList(nn.Embedding(size, shape.embed) for size in inputs)
        self.context = nn.ModuleList(nn.Embedding(size, shape.embed) for size in CONTEXT_SIZES)
        self.sounding = nn.Linear(shape.sounding, shape.embed, bias=False)
        self.trunk = nn.GRU(shape.embed, shape.hidden, batch_first=True)
        self.project = nn.Linear(shape.hidden, shape.head * len(sizes))
        self.chosen = nn.ModuleList(  # chosen[j] adds to every later head at once
            nn.Embedding(size, shape.head * (len(sizes) - 1 - j)) for j, size in enumerate(sizes[:-1])
        )
        self.position = nn.ModuleList(
            nn.Embedding(CONTEXT_SIZES[c], shape.head * (len(sizes) - FIRST_PLACED)) for c in POSITION
        )
        self.heads = nn.ModuleList(nn.Linear(shape.head, size) for size in sizes)
        for embedding in [*self.fields, *self.context, *self.chosen, *self.position]:
            nn.init.normal_(embedding.weight, std=0.05)

    def embed(self, events: Tensor, context: Tensor, sounding: Tensor) -> Tensor:
        """Trunk input (B, T, E) from events (B, T, 7), context (B, T, 8) and sounding (B, T, S)."""
        x = self.sounding(sounding)
        for i, table in enumerate(self.fields):
            x = x + table(events[..., i])
        for i, table in enumerate(self.context):
            x = x + table(context[..., i])
        return x

    def logits(self, h: Tensor, targets: Tensor, context: Tensor, masks: dict[int, Tensor]) -> list[Tensor]:
        """Teacher-forced logits of each head, from h (..., H), targets (..., 7) and the targets' context (..., 8)."""
        head, count = self.shape.head, len(FIELDS)
        hidden = list(self.project(h).split(head, dim=-1))
        place: Tensor = sum(table(context[..., c]) for table, c in zip(self.position, POSITION, strict=True))
        for k, part in enumerate(place.split(head, dim=-1), FIRST_PLACED):
            hidden[k] = hidden[k] + part
        for j, table in enumerate(self.chosen):
            for k, part in enumerate(table(targets[..., j]).split(head, dim=-1), j + 1):
                hidden[k] = hidden[k] + part
        out = []
        for k in range(count):
            logits = self.heads[k](functional.relu(hidden[k]))
            out.append(logits.masked_fill(~masks[k], -1e9) if k in masks else logits)
        return out

    def forward(self, batch: Batch, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Negative log-likelihood in nats, (B, T, 7), zero where padded or not applicable, and the new state."""
        played = batch.sounding(self.shape.drums)
        heard = played if self.shape.parts <= 4 else played.amax(-2, keepdim=True)
        h, state = self.trunk(
            self.drop(self.embed(batch.inputs, batch.input_context, heard.flatten(-2).to(self.sounding.weight.dtype))),
            state,
        )
        logits = self.logits(self.drop(h), batch.targets, batch.context, possible(played, batch.targets))
        losses = [
            functional.cross_entropy(scores.flatten(0, -2), batch.targets[..., k].flatten(), reduction="none")
            for k, scores in enumerate(logits)
        ]
        nll = torch.stack(losses, -1).view(*batch.targets.shape)
        weight = batch.mask.unsqueeze(-1).repeat(1, 1, len(FIELDS))
        weight[..., VELOCITY] *= batch.targets[..., KIND]  # a note-off has no velocity
        assert state is not None
        return nll * weight, state


def possible(sounding: Tensor, targets: Tensor) -> dict[int, Tensor]:
    """Masks of the heads kind, part and pitch, given what sounds (B, T, P, 128) and the chosen kind and part."""
    any_sounding = sounding.any(-1)  # (B, T, P)
    kind = torch.stack((any_sounding.any(-1), torch.ones_like(any_sounding[..., 0])), -1)
    off = (targets[..., KIND] == OFF).unsqueeze(-1)
    part = any_sounding | ~off
    index = targets[..., PART].unsqueeze(-1).unsqueeze(-1).expand(*targets.shape[:-1], 1, 128)
    own = sounding.gather(-2, index).squeeze(-2)
    return {KIND: kind, PART: part, PITCH: own == off}


@dataclass(slots=True)
class Batch:
    """A chunk of T events from each of B pieces.

    ``inputs`` (B, T, 7) are the events before ``targets`` (B, T, 7), with their contexts (B, T, 8);
    ``before`` (B, P, 128) is what sounded before the first input was played; ``mask`` (B, T) is 1 where
    there is a target.
    """

    inputs: Tensor
    input_context: Tensor
    targets: Tensor
    context: Tensor
    mask: Tensor
    before: Tensor

    def sounding(self, drums: int = -1) -> Tensor:
        """What sounds after each input event, bool (B, T, P, 128); strokes of the part ``drums`` do not sound on."""
        batch, steps, _ = self.inputs.shape
        parts = self.before.shape[1]
        change = torch.zeros(batch, steps, parts * 128, dtype=torch.int8, device=self.inputs.device)
        kind = self.inputs[..., KIND]
        delta = (kind == ON).to(torch.int8) - (kind == OFF).to(torch.int8)
        delta = delta * (self.inputs[..., PART] != drums)
        where = (self.inputs[..., PART] * 128 + self.inputs[..., PITCH]).unsqueeze(-1)
        change.scatter_(-1, where, delta.unsqueeze(-1))
        total = change.cumsum(1, dtype=torch.int8) + self.before.flatten(1).to(torch.int8).unsqueeze(1)
        return (total > 0).view(batch, steps, parts, 128)


def start_row() -> list[int]:
    """The input before the first event of a piece."""
    row = [0] * len(FIELDS)
    row[KIND] = START
    return row
