"""The stream network in torch: a GRU trunk, a memory of what came next, and seven heads sampled in turn.

The trunk (Cho et al. 2014, in the form of cuDNN and `torch.nn.GRU`) reads the previous event, its context and which
notes are sounding; its output after event t is h_t. The memory has a slot for each event: a key ``W h_t``, a value made
of the fields of event t+1, and the times of both. It is read twice, by 4 heads of attention (Bahdanau et al. 2015,
Vaswani et al. 2017) with a bias for the lag and a learned null slot:

1. before the time is chosen, with a query from h; the answer goes to all heads;
2. after beats, sub, kind and part are chosen, with a query from h and these, and a bonus for each of the four that a
   slot shares; the answer goes to the heads pitch, velocity and micro.

The lag bias has an entry for each number of bars (0 to 32, and beyond) and distance from a whole bar (9 classes). The
echo plan of the bar adds to it. A head k sees h, what was read, and what the heads before it chose::

    hidden_k = relu(A_k h + R_k read + sum_{j<k} E_kj[field_j] + position)      logits_k = B_k hidden_k

so that the event's probability is p(beats) p(sub|beats) p(kind|..) p(part|..) p(pitch|..) p(velocity|..) p(micro|..),
with impossible classes (a note-off of a silent note, a note-on of a sounding one) masked out of the softmax. The heads
beats, sub and pitch are mixed with the classes that the memory found, as in a pointer-generator network (See et al.
2017); a pitch is copied as it was, or with the interval that led to it.

Within a chunk everything but the trunk is computed in parallel. Slots of earlier chunks are carried without gradient.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from rnnmuse.music.codec import (
    BEATS,
    CONTEXT_SIZES,
    ECHO,
    ECHO_REST,
    FIELDS,
    FIRST_PLACED,
    KIND,
    OFF,
    ON,
    PART,
    PITCH,
    POSITION,
    START,
    SUB,
    VELOCITY,
    field_sizes,
)
from rnnmuse.music.lags import BARS, DISTANCE_EDGES, DISTANCES, INTERVALS, NO_INTERVAL, WIDEST

SHARED = (BEATS, SUB, KIND, PART)
"""Fields for which read 2 has a bonus where a slot shares them with the event being drawn."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a stream network; ``drums`` is the part class of the drums, -1 without.

    The memory has ``slots`` slots and is read by ``readers`` heads with keys of ``key`` and values of ``value``.
    """

    parts: int
    """Part classes."""
    drums: int = -1
    embed: int = 192
    """Width of an event's embedding."""
    hidden: int = 384
    """Units of the GRU."""
    head: int = 128
    """Width of each head's layer."""
    readers: int = 4
    key: int = 32
    value: int = 64
    slots: int = 1024

    @property
    def sounding(self) -> int:
        """Width of the input that says what sounds: a row of 128 a part, one row in all beyond four parts."""
        return 128 * (self.parts if self.parts <= 4 else 1)

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


@dataclass(slots=True)
class Batch:
    """A chunk of T events from each of B pieces.

    ``inputs`` (B, T, 7) are the events before ``targets`` (B, T, 7), with their contexts (B, T, 13); ``mask`` (B, T) is
    1 where there is a target. ``times`` (B, T + 1) are the grid positions of the first input and of every target,
    ``bars`` (B, T + 1) the lengths of their bars in grid steps. ``last`` (B, T) is the pitch of the note-on before the
    target in its part, -1 without. ``fresh`` (B,) is True where a lane begins a piece, ``touched`` (B,) 1 where the
    piece has dynamics: the velocity of a piece with one velocity is not learned.
    """

    inputs: Tensor
    input_context: Tensor
    """(B, T, 13), of ``inputs``."""
    targets: Tensor
    context: Tensor
    mask: Tensor
    times: Tensor
    bars: Tensor
    last: Tensor
    fresh: Tensor
    touched: Tensor


@dataclass(slots=True)
class State:
    """What is carried from chunk to chunk: the trunk's ``hidden`` (1, B, H), what is ``sounding`` (B, P, 128), and of
    the S slots the ``keys`` (B, S, K), ``values`` (B, S, V), ``fields`` (B, S, 6), ``times`` (B, S) and which are
    ``used`` (B, S).
    """

    hidden: Tensor
    sounding: Tensor
    keys: Tensor
    values: Tensor
    fields: Tensor
    times: Tensor
    used: Tensor

    def detached(self, fresh: Tensor | None = None) -> State:
        """Without gradient, and empty where a lane is ``fresh``."""
        kept = torch.ones_like(self.used[:, 0]) if fresh is None else ~fresh
        return State(
            self.hidden.detach() * kept.to(self.hidden.dtype).view(1, -1, 1),
            self.sounding & kept.view(-1, 1, 1),
            self.keys.detach(),
            self.values.detach(),
            self.fields,
            self.times,
            self.used & kept.view(-1, 1),
        )


class StreamNet(nn.Module):
    """Trunk, memory and heads; see the module's docstring."""

    edges: Tensor

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
        width = shape.readers * shape.key
        self.keys = nn.Linear(shape.hidden, width, bias=False)
        self.query1 = nn.Linear(shape.hidden, width)
        self.query2 = nn.Linear(shape.hidden, width)
        self.asked = nn.ModuleList(nn.Embedding(sizes[f], width) for f in SHARED)  # the query of read 2
        self.values = nn.ModuleList(nn.Embedding(size, shape.value) for size in (*sizes, INTERVALS))
        self.null_key = nn.Parameter(torch.zeros(width))
        self.null_value = nn.Parameter(torch.zeros(shape.value))
        self.lag_bars = nn.Parameter(torch.zeros(shape.readers, BARS))
        self.lag_distance = nn.Parameter(torch.linspace(0.5, -0.5, DISTANCES).repeat(shape.readers, 1))
        self.lag_both = nn.Parameter(torch.zeros(shape.readers, BARS, DISTANCES))
        self.lag_echo = nn.Embedding(CONTEXT_SIZES[ECHO], shape.readers * BARS)
        self.lag_rest = nn.Embedding(CONTEXT_SIZES[ECHO_REST], shape.readers * BARS)
        self.bonus = nn.Parameter(torch.ones(len(SHARED), shape.readers) * 0.5)
        self.read1 = nn.Linear(shape.readers * shape.value, shape.head * len(sizes), bias=False)
        self.read2 = nn.Linear(shape.readers * shape.value, shape.head * (len(sizes) - PITCH), bias=False)
        # shares of the memory's own classes: beats, sub, pitch as it was and by interval; and of its heads
        self.copying = nn.Linear(shape.hidden, 4 + 2 * shape.readers)
        nn.init.zeros_(self.copying.weight)
        nn.init.zeros_(self.copying.bias)
        with torch.no_grad():
            self.copying.bias[:4] = -2.0
        tables = [*self.fields, *self.context, *self.chosen, *self.position, *self.asked, self.lag_echo, self.lag_rest]
        for embedding in tables:
            nn.init.normal_(embedding.weight, std=0.05)
        for embedding in self.values:
            nn.init.normal_(embedding.weight, std=0.3)
        self.register_buffer("edges", torch.tensor(DISTANCE_EDGES), persistent=False)

    def start(self, lanes: int) -> State:
        """The state before any music."""
        s, weight = self.shape, self.null_key
        return State(
            weight.new_zeros(1, lanes, s.hidden),
            torch.zeros(lanes, s.parts, 128, dtype=torch.bool, device=weight.device),
            weight.new_zeros(lanes, s.slots, s.readers * s.key),
            weight.new_zeros(lanes, s.slots, s.value),
            torch.zeros(lanes, s.slots, 6, dtype=torch.int64, device=weight.device),
            torch.zeros(lanes, s.slots, dtype=torch.int64, device=weight.device),
            torch.zeros(lanes, s.slots, dtype=torch.bool, device=weight.device),
        )

    def embed(self, events: Tensor, context: Tensor, sounding: Tensor) -> Tensor:
        """Trunk input (B, T, E) from events (B, T, 7), context (B, T, 13) and sounding (B, T, S)."""
        x = self.sounding(sounding)
        for i, table in enumerate(self.fields):
            x = x + table(events[..., i])
        for i, table in enumerate(self.context):
            x = x + table(context[..., i])
        return x

    def lag_bias(self, batch: Batch, slots: Tensor) -> Tensor:
        """Bias (B, R, T + 1, N + 1) between the positions of a chunk and the times of the slots (B, N + 1)."""
        bars = batch.bars.unsqueeze(-1)
        lag = (batch.times.unsqueeze(-1) - slots.unsqueeze(1)).clamp_(min=0)
        count = ((lag + bars // 2) // bars).clamp_(max=BARS - 1)
        away = (lag - count * bars).abs_()
        index = count * DISTANCES + torch.bucketize(away, self.edges, right=True)
        table = self.lag_both + self.lag_bars.unsqueeze(-1) + self.lag_distance.unsqueeze(1)  # (R, BARS, DISTANCES)
        context = torch.cat((batch.input_context[:, :1], batch.context), 1)
        planned = self.lag_echo(context[..., ECHO]) + self.lag_rest(context[..., ECHO_REST])  # (B, T + 1, R x BARS)
        source = table + planned.view(*planned.shape[:-1], self.shape.readers, BARS, 1)
        source = source.flatten(-2)  # (B, T + 1, R, BARS x DISTANCES)
        found = source.gather(-1, index.unsqueeze(2).expand(-1, -1, self.shape.readers, -1))
        return found.transpose(1, 2)

    def read(
        self, query: Tensor, keys: Tensor, bias: Tensor, shut: Tensor, bonus: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """Weights (B, R, T, N + 1) of the N slots and the null slot, from queries (B, T, R x K).

        ``keys`` (B, N + 1, R x K) end with the null slot's, ``bias`` is (B, R, T, N), ``shut`` (B, 1, T, N) is True
        where a slot may not be read; ``bonus`` are what is asked for (B, R x T, F) and what the slots hold (B, F, N +
        1).
        """
        r, k = self.shape.readers, self.shape.key
        b, t, _ = query.shape
        q = (query / k**0.5).view(b, t, r, k).transpose(1, 2)
        scores = q @ keys.view(b, -1, r, k).permute(0, 2, 3, 1)
        if bonus is not None:
            scores = torch.baddbmm(scores.view(b, r * t, -1), *bonus).view(b, r, t, -1)
        slots = scores[..., :-1]
        slots.add_(bias).masked_fill_(shut, -1e9)
        return scores.softmax(-1)

    def forward(self, batch: Batch, state: State | None) -> tuple[Tensor, State]:
        """Negative log-likelihood in nats, (B, T, 7), zero where padded or not applicable, and the new state."""
        shape = self.shape
        state = (self.start(len(batch.mask)) if state is None else state).detached(batch.fresh)
        steps = batch.mask.shape[1]
        played = sounding(batch.inputs, state.sounding, shape.drums)
        heard = played if shape.parts <= 4 else played.amax(-2, keepdim=True)
        x = self.embed(batch.inputs, batch.input_context, heard.flatten(-2).to(self.sounding.weight.dtype))
        h, hidden = self.trunk(self.drop(x), state.hidden)
        h = self.drop(h)

        interval = intervals(batch.targets, batch.last, shape.drums)
        new_fields = torch.cat(
            (batch.targets[..., list(SHARED)], batch.targets[..., PITCH : PITCH + 1], interval.unsqueeze(-1)), -1
        )
        value = self.values[-1](interval)
        for i, table in enumerate(self.values[:-1]):
            value = value + table(batch.targets[..., i])
        b = len(batch.mask)
        keys = torch.cat((state.keys, self.keys(h), self.null_key.expand(b, 1, -1)), 1)  # (B, N + 1, R x K)
        values = torch.cat((state.values, value, self.null_value.expand(b, 1, -1)), 1)
        fields = torch.cat((state.fields, new_fields), 1)  # (B, N, 6)
        used = torch.cat((state.used, batch.mask > 0), 1)
        times = torch.cat((state.times, batch.times), 1)  # (B, N + 1)
        held = self.one_hot(fields)

        causal = torch.ones(steps, steps, dtype=torch.bool, device=h.device).tril(-1)
        # the memory of every step has the same size: where slots of the chunk come in the oldest go
        earlier = torch.ones(steps, shape.slots, dtype=torch.bool, device=h.device).triu()
        shut = ~(used.view(b, 1, 1, -1) & torch.cat((earlier, causal), 1))
        bias = self.lag_bias(batch, times)
        copying = self.copying(h)
        mixing = copying[..., 4:].unflatten(-1, (2, shape.readers)).softmax(-1)  # (B, T, 2, R)

        one = self.read(self.query1(h), keys, bias[:, :, :-1, :-1], shut, None)
        found1, pointed1 = self.found(one, values, held[..., : 32 + 24], mixing[..., 0, :])
        query = self.query2(h)
        for table, field in zip(self.asked, SHARED, strict=True):
            query = query + table(batch.targets[..., field])
        two = self.read(query, keys, bias[:, :, 1:, 1:], shut, self.sharing(batch.targets, held))
        found2, pointed2 = self.found(two, values, held[..., -128 - INTERVALS :], mixing[..., 1, :])
        logits = self.logits(h, (self.drop(found1), self.drop(found2)), batch.targets, batch.context)
        masks = possible(played, batch.targets)
        logits = self.mixed(logits, copying[..., :4], pointed1, pointed2, batch, masks)
        losses = [
            functional.cross_entropy(scores.flatten(0, -2).float(), batch.targets[..., k].flatten(), reduction="none")
            for k, scores in enumerate(logits)
        ]
        nll = torch.stack(losses, -1).view(*batch.targets.shape)
        weight = batch.mask.unsqueeze(-1).repeat(1, 1, len(FIELDS))
        # a note-off has no velocity
        weight[..., VELOCITY] *= batch.targets[..., KIND] * batch.touched.unsqueeze(-1)
        s = shape.slots
        after = State(
            hidden,
            played[:, -1],
            keys[:, -s - 1 : -1],
            values[:, -s - 1 : -1],
            fields[:, -s:],
            times[:, -s - 1 : -1],
            used[:, -s:],
        )
        return nll * weight, after

    def one_hot(self, fields: Tensor) -> Tensor:
        """What the slots hold (B, N, 6) as (B, N + 1, C): beats, sub, kind, part, pitch and interval; the null
        slot's is 0.
        """
        sizes = (*field_sizes(self.shape.parts)[: PITCH + 1], INTERVALS)
        held = [functional.one_hot(fields[..., i], size) for i, size in enumerate(sizes)]
        return functional.pad(torch.cat(held, -1).to(self.null_key.dtype), (0, 0, 0, 1))

    def sharing(self, targets: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
        """The bonus of read 2 as a product: what is asked for by head (B, R x T, F) and what the slots hold (B, F,
        N + 1).
        """
        sizes = field_sizes(self.shape.parts)[:PITCH]
        asked = [
            functional.one_hot(targets[..., field], sizes[field]).to(held.dtype).unsqueeze(1)
            * self.bonus[i].view(1, -1, 1, 1)
            for i, field in enumerate(SHARED)
        ]
        return torch.cat(asked, -1).flatten(1, 2), held[..., : sum(sizes)].transpose(1, 2)

    def found(self, weights: Tensor, values: Tensor, held: Tensor, mixing: Tensor) -> tuple[Tensor, Tensor]:
        """What a read found (B, T, R x V), and the classes it points to (B, T, C), its heads mixed by ``mixing``
        (B, T, R).
        """
        both = weights @ torch.cat((values, held), -1).unsqueeze(1)  # (B, R, T, V + C)
        found, pointed = both.split((values.shape[-1], held.shape[-1]), -1)
        return found.transpose(1, 2).flatten(-2), torch.einsum("brtc,btr->btc", pointed, mixing)

    def logits(self, h: Tensor, found: tuple[Tensor, Tensor], targets: Tensor, context: Tensor) -> list[Tensor]:
        """Teacher-forced logits of each head, from h (..., H), what both reads found, targets and their context."""
        head, count = self.shape.head, len(FIELDS)
        hidden = list((self.project(h) + self.read1(found[0])).split(head, dim=-1))
        for k, part in enumerate(self.read2(found[1]).split(head, dim=-1), PITCH):
            hidden[k] = hidden[k] + part
        place: Tensor = sum(table(context[..., c]) for table, c in zip(self.position, POSITION, strict=True))
        for k, part in enumerate(place.split(head, dim=-1), FIRST_PLACED):
            hidden[k] = hidden[k] + part
        for j, table in enumerate(self.chosen):
            for k, part in enumerate(table(targets[..., j]).split(head, dim=-1), j + 1):
                hidden[k] = hidden[k] + part
        return [self.heads[k](functional.relu(hidden[k])) for k in range(count)]

    def mixed(
        self,
        logits: list[Tensor],
        gates: Tensor,
        pointed1: Tensor,
        pointed2: Tensor,
        batch: Batch,
        masks: dict[int, Tensor],
    ) -> list[Tensor]:
        """The logits with impossible classes masked and what the memory points to mixed in, with ``gates`` (B, T,
        4).
        """
        out = [scores.masked_fill(~masks[k], -1e9) if k in masks else scores for k, scores in enumerate(logits)]
        beats, subs = pointed1.split((32, 24), -1)
        out[BEATS] = mixture(out[BEATS], [beats], gates[..., :1])
        out[SUB] = mixture(out[SUB], [subs], gates[..., 1:2])
        kept, moves = pointed2.split((128, INTERVALS), -1)
        step = torch.arange(128, device=kept.device) - batch.last.unsqueeze(-1) + WIDEST
        inside = (step >= 0) & (step < NO_INTERVAL) & (batch.last >= 0).unsqueeze(-1)
        moved = moves.gather(-1, step.clamp(0, NO_INTERVAL - 1)) * inside
        out[PITCH] = mixture(out[PITCH], [kept, moved], gates[..., 2:4]).masked_fill(~masks[PITCH], -1e9)
        return out


def mixture(logits: Tensor, copies: list[Tensor], gates: Tensor) -> Tensor:
    """Log-probabilities of a mixture: ``logits`` (B, T, C) with weight 1, ``copies`` (B, T, C) with exp of ``gates``
    (B, T, n).

    Not normalised: what the null slot took is missing.
    """
    shares = torch.cat((torch.zeros_like(gates[..., :1]), gates), -1).softmax(-1)
    total = logits.softmax(-1) * shares[..., :1]
    for i, copy in enumerate(copies, 1):
        total = total + copy * shares[..., i : i + 1]
    return (total + 1e-8).log()


def intervals(targets: Tensor, last: Tensor, drums: int) -> Tensor:
    """Class of the interval from ``last`` to a target: 0 to 48 for -24 to 24 semitones, else NO_INTERVAL."""
    step = targets[..., PITCH] - last
    known = (last >= 0) & (step.abs() <= WIDEST) & (targets[..., KIND] == ON) & (targets[..., PART] != drums)
    return torch.where(known, step + WIDEST, torch.full_like(step, NO_INTERVAL))


def sounding(inputs: Tensor, before: Tensor, drums: int) -> Tensor:
    """What sounds after each input event, bool (B, T, P, 128), from ``before`` (B, P, 128); drum strokes do not
    sound on.
    """
    batch, steps, _ = inputs.shape
    parts = before.shape[1]
    change = torch.zeros(batch, steps, parts * 128, dtype=torch.int8, device=inputs.device)
    kind = inputs[..., KIND]
    delta = (kind == ON).to(torch.int8) - (kind == OFF).to(torch.int8)
    delta = delta * (inputs[..., PART] != drums)
    change.scatter_(-1, (inputs[..., PART] * 128 + inputs[..., PITCH]).unsqueeze(-1), delta.unsqueeze(-1))
    total = change.cumsum(1, dtype=torch.int8) + before.flatten(1).to(torch.int8).unsqueeze(1)
    return (total > 0).view(batch, steps, parts, 128)


def possible(sounding: Tensor, targets: Tensor) -> dict[int, Tensor]:
    """Masks of the heads kind, part and pitch, given what sounds (B, T, P, 128) and the chosen kind and part."""
    any_sounding = sounding.any(-1)  # (B, T, P)
    kind = torch.stack((any_sounding.any(-1), torch.ones_like(any_sounding[..., 0])), -1)
    off = (targets[..., KIND] == OFF).unsqueeze(-1)
    part = any_sounding | ~off
    index = targets[..., PART].unsqueeze(-1).unsqueeze(-1).expand(*targets.shape[:-1], 1, 128)
    own = sounding.gather(-2, index).squeeze(-2)
    return {KIND: kind, PART: part, PITCH: own == off}


def start_row() -> list[int]:
    """The input before the first event of a piece."""
    row = [0] * len(FIELDS)
    row[KIND] = START
    return row
