"""Lanes: pieces read side by side in chunks, each lane with its own place, transposition and dropped context."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnnmuse.music.codec import (
    BAR_BEAT,
    BAR_LENGTH,
    BAR_SUB,
    DENSITY,
    KEY,
    KIND,
    MICROTIME,
    OFF,
    ON,
    PART,
    PITCH,
    QUALITY,
    ROOT,
    START,
    TEMPO,
    UNKNOWN,
    VELOCITY,
    Encoded,
    transposed,
)
from rnnmuse.train.stream.network import Batch, start_row

# columns that are hidden together, and how often
DROPPED = (
    ((BAR_BEAT, BAR_SUB, BAR_LENGTH), 0.05),
    ((KEY,), 0.2),
    ((ROOT, QUALITY), 0.4),
    ((DENSITY,), 0.3),
    ((TEMPO,), 0.2),
)
PLAYED = 0.2  # how often the inputs are given a played touch, so that a performer's timing is no surprise


@dataclass(slots=True)
class _Lane:
    rng: np.random.Generator
    order: list[int] = field(default_factory=list)
    piece: Encoded | None = None
    heard: NDArray[np.int16] | None = None
    at: int = 0
    sounding: NDArray[np.bool_] | None = None
    drawn: dict[str, Any] = field(default_factory=dict)
    """The generator and the order before the piece was drawn."""


class Lanes:
    """Endless chunks for training from ``pieces``.

    Each lane has its own seeded generator, so that lanes spread over processes read the same music as lanes of
    one process. Yields (batch, fresh): ``fresh`` (B,) is True where a lane begins a piece, and its state with it.
    """

    def __init__(
        self,
        pieces: Sequence[Encoded],
        lanes: Sequence[int],
        parts: int,
        drums: int,
        chunk: int,
        transpose: tuple[int, int],
        seed: int,
    ) -> None:
        self.pieces, self.parts, self.drums, self.chunk, self.transpose = pieces, parts, drums, chunk, transpose
        self.lanes = [_Lane(np.random.default_rng([seed, lane])) for lane in lanes]

    def __iter__(self) -> Iterator[tuple[Batch, torch.Tensor]]:
        while True:
            yield self.next()

    def next(self) -> tuple[Batch, torch.Tensor]:
        rows, fresh = [], []
        for lane in self.lanes:
            new = lane.piece is None or lane.at >= len(lane.piece)
            if new:
                self._begin(lane)
            fresh.append(new)
            rows.append(self._chunk(lane))
        return stack(rows), torch.tensor(fresh)

    def state(self) -> list[dict[str, Any]]:
        """Where each lane is, as plain values: it draws its piece again and goes on at its place."""
        return [{**lane.drawn, "at": lane.at} for lane in self.lanes]

    def restore(self, state: Sequence[dict[str, Any]]) -> None:
        """Go on reading where `state` was taken."""
        for lane, held in zip(self.lanes, state, strict=True):
            if "generator" not in held:
                continue
            lane.rng.bit_generator.state = held["generator"]
            lane.order = list(held["order"])
            self._begin(lane)
            while lane.at < held["at"]:
                self._chunk(lane)

    def _begin(self, lane: _Lane) -> None:
        lane.drawn = {"generator": lane.rng.bit_generator.state, "order": list(lane.order)}
        if not lane.order:
            lane.order = lane.rng.permutation(len(self.pieces)).tolist()
        piece = self.pieces[lane.order.pop()]
        low, high = self.transpose
        shift = int(lane.rng.integers(low, high + 1))
        with suppress(ValueError):  # where it would leave the keyboard it is played as it is
            piece = transposed(piece, shift, frozenset({self.drums}))
        context = piece.context.copy()
        for columns, share in DROPPED:
            if lane.rng.random() < share:
                context[:, columns] = [UNKNOWN[c] for c in columns]
        heard = piece.events
        if lane.rng.random() < PLAYED:
            heard = heard.copy()
            touch = lane.rng.normal(0, lane.rng.uniform(0.5, 4), len(heard))
            heard[:, MICROTIME] = np.clip(np.round(heard[:, MICROTIME] + touch), 0, 20)
            touch = lane.rng.normal(lane.rng.uniform(-3, 3), lane.rng.uniform(0.5, 3), len(heard))
            ons = heard[:, KIND] == ON
            heard[ons, VELOCITY] = np.clip(np.round(heard[ons, VELOCITY] + touch[ons]), 0, 31)
        lane.piece, lane.heard, lane.at = Encoded(piece.events, context), heard, 0
        lane.sounding = np.zeros((self.parts, 128), np.bool_)

    def _chunk(self, lane: _Lane) -> _Rows:
        assert lane.piece is not None
        assert lane.heard is not None
        assert lane.sounding is not None
        rows = rows_of(lane.piece, lane.heard, lane.at, self.chunk, lane.sounding)
        advance(lane.sounding, rows.inputs[: int(rows.mask.sum())], self.drums)
        lane.at += self.chunk
        return rows


@dataclass(slots=True)
class _Rows:
    inputs: NDArray[np.int64]
    input_context: NDArray[np.int64]
    targets: NDArray[np.int64]
    context: NDArray[np.int64]
    mask: NDArray[np.float32]
    before: NDArray[np.bool_]


def rows_of(piece: Encoded, heard: NDArray[np.int16], at: int, chunk: int, before: NDArray[np.bool_]) -> _Rows:
    """Rows ``at`` to ``at + chunk`` of a piece, padded at its end; the input of a row is the ``heard`` one before."""
    size = min(chunk, len(piece) - at)
    rows = _Rows(
        np.zeros((chunk, 7), np.int64),
        np.tile(np.array(UNKNOWN, np.int64), (chunk, 1)),
        np.zeros((chunk, 7), np.int64),
        np.tile(np.array(UNKNOWN, np.int64), (chunk, 1)),
        np.zeros(chunk, np.float32),
        before.copy(),
    )
    rows.inputs[:, KIND], rows.targets[:, KIND] = START, ON  # padding: an event that is always possible
    first = 1 if at == 0 and size else 0
    if first:
        rows.inputs[0] = start_row()
        rows.input_context[0] = piece.context[0]
    rows.inputs[first:size] = heard[at + first - 1 : at + size - 1]
    rows.input_context[first:size] = piece.context[at + first - 1 : at + size - 1]
    rows.targets[:size] = piece.events[at : at + size]
    rows.context[:size] = piece.context[at : at + size]
    rows.mask[:size] = 1
    return rows


def advance(sounding: NDArray[np.bool_], inputs: NDArray[np.int64], drums: int) -> None:
    """Bring ``sounding`` (P, 128) over the given input rows."""
    for row in inputs.tolist():
        if row[PART] != drums and row[KIND] in (ON, OFF):
            sounding[row[PART], row[PITCH]] = row[KIND] == ON


def stack(rows: Sequence[_Rows]) -> Batch:
    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([getattr(row, name) for row in rows]))

    return Batch(*(tensor(name) for name in ("inputs", "input_context", "targets", "context", "mask", "before")))


def whole(
    pieces: Sequence[Encoded], lanes: int, parts: int, drums: int, chunk: int
) -> Iterator[tuple[Batch, torch.Tensor, list[int]]]:
    """Every piece once, unchanged, for evaluation: (batch, fresh, index of each lane's piece; -1 when idle)."""
    waiting = sorted(range(len(pieces)), key=lambda i: -len(pieces[i]))
    empty = Encoded(np.zeros((0, 7), np.int16), np.zeros((0, 8), np.int16))
    current, at = [-1] * min(lanes, len(pieces)), [0] * min(lanes, len(pieces))
    sounding = [np.zeros((parts, 128), np.bool_) for _ in current]
    while True:
        rows, fresh = [], []
        for lane in range(len(current)):
            new = current[lane] < 0 or at[lane] >= len(pieces[current[lane]])
            if new:
                current[lane], at[lane] = (waiting.pop(0) if waiting else -1), 0
                sounding[lane][:] = False
            piece = pieces[current[lane]] if current[lane] >= 0 else empty
            fresh.append(new)
            begin = at[lane] if len(piece) else 0
            one = rows_of(piece, piece.events, begin, chunk, sounding[lane])
            advance(sounding[lane], one.inputs[: int(one.mask.sum())], drums)
            at[lane] += chunk
            rows.append(one)
        if all(index < 0 for index in current):
            return
        yield stack(rows), torch.tensor(fresh), list(current)
