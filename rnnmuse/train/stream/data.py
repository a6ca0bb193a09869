"""Lanes: pieces read side by side in chunks, each lane with its own place, transposition and hidden context.

The whole corpus lies in tensors on the device that trains; a chunk is put together there by indexing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnmuse.music.codec import (
    ACTIVE,
    BAR_BEAT,
    BAR_LENGTH,
    BAR_SUB,
    BEATS,
    CONTEXT,
    DENSITY,
    ECHO,
    ECHO_REST,
    ENDING,
    GRID,
    GROUPS,
    KEY,
    KIND,
    MICROTIME,
    ON,
    PART,
    PITCH,
    QUALITY,
    ROOT,
    SUB,
    TEMPO,
    UNKNOWN,
    VELOCITY,
    Encoded,
)
from rnnmuse.music.lags import last_pitches
from rnnmuse.train.stream.network import Batch, start_row

# columns that are hidden together, and how often
HIDDEN = (
    ((BAR_BEAT, BAR_SUB, BAR_LENGTH, GROUPS), 0.05),
    ((KEY,), 0.15),
    ((ROOT, QUALITY), 0.4),
    ((DENSITY,), 0.3),
    ((TEMPO,), 0.2),
    ((ECHO, ECHO_REST), 0.2),
    ((ECHO_REST,), 0.2),
    ((ACTIVE,), 0.2),
    ((ENDING,), 0.25),
)
PLAYED = 0.2  # how often the inputs are given a played touch, so that a performer's timing is no surprise
UNKNOWN_BAR = 4 * GRID


class Music:
    """Encoded pieces as tensors on a device: every event of all pieces in one row of (N, ..) arrays."""

    def __init__(self, pieces: Sequence[Encoded], parts: int, drums: int, device: torch.device) -> None:
        self.parts, self.drums, self.device = parts, drums, device
        self.lengths = np.array([len(piece) for piece in pieces], np.int64)
        self.offsets = np.concatenate(([0], np.cumsum(self.lengths)[:-1])).astype(np.int64)
        events = np.concatenate([piece.events for piece in pieces])
        context = np.concatenate([piece.context for piece in pieces])
        times, last = [], []
        for piece in pieces:
            waits = piece.events[:, BEATS].astype(np.int64) * GRID + piece.events[:, SUB]
            times.append(np.cumsum(waits))
            last.append(last_pitches(piece.events, parts, drums, ON))
        self.touched = np.array([len(np.unique(p.events[p.events[:, KIND] == ON, VELOCITY])) > 2 for p in pieces])
        self.lowest = np.zeros(len(pieces), np.int64)
        self.highest = np.full(len(pieces), 127, np.int64)
        for index, piece in enumerate(pieces):
            pitches = piece.events[piece.events[:, PART] != drums, PITCH]
            if len(pitches):
                self.lowest[index], self.highest[index] = int(pitches.min()), int(pitches.max())
        length = context[:, BAR_LENGTH].astype(np.int64)
        bars = np.where(length < UNKNOWN[BAR_LENGTH], np.maximum(1, length) * (GRID // 2), UNKNOWN_BAR)

        def tensor(array: NDArray[np.generic]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        self.events, self.context = tensor(events), tensor(context)
        self.times = tensor(np.concatenate(times).astype(np.int32))
        self.last, self.bars = tensor(np.concatenate(last)), tensor(bars.astype(np.int16))
        self.start = torch.tensor(start_row(), device=device)
        self.unknown = torch.tensor(UNKNOWN, device=device)

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, places: Sequence[Place], chunk: int, fresh: Sequence[bool], learning: bool = True) -> Batch:
        """The next ``chunk`` events of each place; but for ``learning`` every velocity counts."""
        numbers = np.array(
            [
                (self.offsets[p.piece] + p.at, self.lengths[p.piece] - p.at, p.at, p.shift)
                if p.piece >= 0
                else (0, 0, 1, 0)
                for p in places
            ],
            np.int64,
        )
        hidden = np.stack([p.hidden for p in places])
        touch = np.array([p.touch for p in places], np.float32)
        device = self.device
        base, left, at, shift = torch.from_numpy(numbers).to(device).unbind(1)
        hide = torch.from_numpy(hidden).to(device).unsqueeze(1)
        step = torch.arange(chunk, device=device)
        mask = step < left.unsqueeze(1)
        index = (base.unsqueeze(1) + step).clamp(max=len(self.events) - 1)
        index = torch.where(mask, index, base.clamp(max=len(self.events) - 1).unsqueeze(1))
        before = index - 1
        first = ((at == 0).unsqueeze(1) & (step == 0)) & mask
        before = torch.where(first, index, before).clamp(min=0)
        targets, context = self.events[index].long(), self.context[index].long()
        inputs, input_context = self.events[before].long(), self.context[before].long()
        last = self.last[index].long()
        times, now = self.times[index].long(), self.times[before].long()
        # counted from the piece's first event; the start of the piece is a little before it
        wait = targets[..., BEATS] * GRID + targets[..., SUB]
        now = torch.where(first, times - wait, now)
        bars = torch.cat((self.bars[before[:, :1]], self.bars[index]), 1).long()
        moving, moving_in = targets[..., PART] != self.drums, inputs[..., PART] != self.drums
        up = shift.unsqueeze(1)
        targets[..., PITCH] += up * moving
        inputs[..., PITCH] += up * moving_in
        last = torch.where(last >= 0, last + up, last)
        for rows in (context, input_context):
            key, root = rows[..., KEY], rows[..., ROOT]
            rows[..., KEY] = torch.where(key < 24, key // 12 * 12 + (key + up) % 12, key)
            rows[..., ROOT] = torch.where(root < 12, (root + up) % 12, root)
        context = torch.where(hide, self.unknown, context)
        input_context = torch.where(hide, self.unknown, input_context)
        if (touch != 0).any():
            played = torch.from_numpy(touch).to(device).unsqueeze(1)
            noise = torch.randn(*inputs.shape[:2], 2, device=device)
            micro = inputs[..., MICROTIME] + (noise[..., 0] * played[..., 0]).round().long()
            inputs[..., MICROTIME] = micro.clamp(0, 20)
            on = (inputs[..., KIND] == ON) & (played[..., 2] > 0)
            velocity = inputs[..., VELOCITY] + (noise[..., 1] * played[..., 2] + played[..., 1]).round().long()
            inputs[..., VELOCITY] = torch.where(on, velocity.clamp(0, 31), inputs[..., VELOCITY])
        inputs = torch.where(first.unsqueeze(-1), self.start, inputs)
        pad = ~mask.unsqueeze(-1)
        # padding: an event that is always possible
        silent = torch.zeros_like(targets)
        silent[..., KIND] = ON
        targets = torch.where(pad, silent, targets)
        inputs = torch.where(pad, self.start, inputs)
        return Batch(
            inputs,
            input_context,
            targets,
            context,
            mask.float(),
            torch.cat((now[:, :1], times), 1),
            bars,
            last,
            torch.tensor(fresh, device=device),
            torch.tensor([float(not learning or self.touched[p.piece]) for p in places], device=device),
        )


@dataclass(slots=True)
class Place:
    """Where a lane is: event ``at`` of ``piece`` (-1 for none), ``shift`` semitones higher, with columns hidden.

    ``touch`` is the spread of the micro-timing, and the mean and spread of the velocity, of a played touch.
    """

    piece: int = -1
    at: int = 0
    shift: int = 0
    hidden: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(len(CONTEXT), np.bool_))
    """(13,), the context columns that are hidden."""
    touch: tuple[float, float, float] = (0.0, 0.0, 0.0)
    drawn: dict[str, Any] = field(default_factory=dict)
    """The lane's generator and order before the piece was drawn."""


class Lanes:
    """Endless chunks for training from ``music``.

    Each lane has its own seeded generator, so that lanes spread over processes read the same music as lanes of one
    process. ``weights`` (pieces,) say how often each piece is read; without them every piece once an epoch.
    """

    def __init__(
        self,
        music: Music,
        lanes: Sequence[int],
        chunk: int,
        transpose: tuple[int, int],
        seed: int,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        self.music, self.chunk, self.transpose = music, chunk, transpose
        self.weights = None if weights is None else weights / weights.sum()
        self.rngs = [np.random.default_rng([seed, lane]) for lane in lanes]
        self.orders: list[list[int]] = [[] for _ in lanes]
        self.places = [Place() for _ in lanes]

    def __iter__(self) -> Iterator[Batch]:
        while True:
            yield self.next()

    def next(self) -> Batch:
        """The next chunk of every lane."""
        fresh = []
        for lane, place in enumerate(self.places):
            new = place.piece < 0 or place.at >= self.music.lengths[place.piece]
            if new:
                self.places[lane] = self._begun(self.rngs[lane], self.orders[lane])
            fresh.append(new)
        batch = self.music.batch(self.places, self.chunk, fresh)
        for place in self.places:
            place.at += self.chunk
        return batch

    def state(self) -> list[dict[str, Any]]:
        """Where each lane is, as plain values: it draws its piece again and goes on at its place."""
        return [{**place.drawn, "at": place.at} for place in self.places]

    def restore(self, state: Sequence[dict[str, Any]]) -> None:
        """Go on reading where `state` was taken."""
        for lane, held in enumerate(state):
            if "generator" not in held:
                continue
            self.rngs[lane].bit_generator.state = held["generator"]
            self.orders[lane][:] = held["order"]
            self.places[lane] = self._begun(self.rngs[lane], self.orders[lane])
            self.places[lane].at = held["at"]

    def _begun(self, rng: np.random.Generator, order: list[int]) -> Place:
        drawn_from = {"generator": rng.bit_generator.state, "order": list(order)}
        count = len(self.music)
        if not order:
            drawn = rng.permutation(count) if self.weights is None else rng.choice(count, count, p=self.weights)
            order.extend(drawn.tolist())
        piece = order.pop()
        shift = int(rng.integers(self.transpose[0], self.transpose[1] + 1))
        if self.music.lowest[piece] + shift < 0 or self.music.highest[piece] + shift > 127:
            shift = 0  # where it would leave the keyboard it is played as it is
        hidden = np.zeros(len(CONTEXT), np.bool_)
        for columns, share in HIDDEN:
            if rng.random() < share:
                hidden[list(columns)] = True
        touch = (0.0, 0.0, 0.0)
        if rng.random() < PLAYED:
            touch = (rng.uniform(0.5, 4), rng.uniform(-3, 3), rng.uniform(0.5, 3))
        return Place(piece, 0, shift, hidden, touch, drawn_from)


def whole(
    music: Music, lanes: int, chunk: int, hidden: NDArray[np.bool_] | None = None
) -> Iterator[tuple[Batch, list[int]]]:
    """Every piece once, unchanged, for evaluation: (batch, index of each lane's piece; -1 when idle)."""
    waiting = sorted(range(len(music)), key=lambda i: -music.lengths[i])
    places = [Place() for _ in range(min(lanes, len(music)))]
    while True:
        fresh = []
        for lane, place in enumerate(places):
            new = place.piece < 0 or place.at >= music.lengths[place.piece]
            if new:
                places[lane] = Place(waiting.pop(0) if waiting else -1)
                if hidden is not None:
                    places[lane].hidden = hidden
            fresh.append(new)
        if all(place.piece < 0 for place in places):
            return
        yield music.batch(places, chunk, fresh, False), [place.piece for place in places]
        for place in places:
            place.at += chunk
