"""The stream RNN as it is played: one trunk step an event in onnxruntime, the seven heads in numpy.

The contract of every recurrent model here: ``step(state, event, context) -> (distribution, state)``, the state
explicit, the cost of a step the same however long the music. The mathematics is in `rnnmuse.train.stream.network`;
tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    PartClass,
    field_sizes,
)

Floats = NDArray[np.float32]
START_EVENT = tuple(START if i == KIND else 0 for i in range(len(FIELDS)))


@dataclass(frozen=True, slots=True)
class State:
    """What the model remembers: the trunk's ``hidden`` (1, H) and the ``sounding`` (part, pitch) pairs."""

    hidden: Floats
    sounding: frozenset[tuple[int, int]] = frozenset()


class Distribution:
    """The next event, head by head: ask `logits` in the order of FIELDS, and `choose` a class of each.

    After ``beats`` and ``sub`` are chosen, `place` tells the context at the event's own time.
    """

    __slots__ = ("_hidden", "_model")

    def __init__(self, model: StreamModel, hidden: Floats) -> None:
        self._model, self._hidden = model, hidden

    def copy(self) -> Distribution:
        """The same distribution, to be drawn from once more."""
        return Distribution(self._model, self._hidden.copy())

    def logits(self, head: int) -> Floats:
        """Unnormalised log-probabilities of the classes of ``head``, (classes,)."""
        weight, bias = self._model.heads[head]
        out: Floats = weight @ np.maximum(self._hidden[head], 0) + bias
        return out

    def choose(self, head: int, value: int) -> None:
        """Tell the later heads that ``head`` is ``value``."""
        if head < len(FIELDS) - 1:
            self._hidden[head + 1 :] += self._model.chosen[head][value]

    def place(self, context: Sequence[int]) -> None:
        """Tell the heads from ``kind`` on where in bar, key and chord the event falls."""
        tables = self._model.position
        for table, column in zip(tables, POSITION, strict=True):
            self._hidden[FIRST_PLACED:] += table[context[column]]


class StreamModel:
    """A loaded stream model. ``parts`` are its part classes, ``name`` the bundle's."""

    def __init__(
        self, name: str, parts: tuple[PartClass, ...], weights: Mapping[str, NDArray[Any]], step: bytes
    ) -> None:
        import onnxruntime

        self.name, self.parts = name, parts
        self.drums = next((i for i, part in enumerate(parts) if part.drum), -1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(step, options, providers=["CPUExecutionProvider"])
        w = {key: np.ascontiguousarray(value, np.float32) for key, value in weights.items()}
        sizes = field_sizes(len(parts))
        self.hidden = w["trunk.weight_hh_l0"].shape[1]
        self.head = w["project.weight"].shape[0] // len(sizes)
        # every embedding in one table: the trunk's input is the sum of some of its rows
        tables = [w[f"fields.{i}.weight"] for i in range(len(sizes))]
        tables += [w[f"context.{i}.weight"] for i in range(len(CONTEXT_SIZES))]
        offsets = np.cumsum([0] + [len(table) for table in tables]).tolist()
        self._offsets, self._sounding_offset = offsets[:-1], offsets[-1]
        self._rows_apart = 128 if len(parts) <= 4 else 0
        self._table = np.concatenate([*tables, w["sounding.weight"].T])
        self.chosen = [
            w[f"chosen.{j}.weight"].reshape(sizes[j], len(sizes) - 1 - j, self.head) for j in range(len(sizes) - 1)
        ]
        self.position = [
            w[f"position.{i}.weight"].reshape(-1, len(sizes) - FIRST_PLACED, self.head) for i in range(len(POSITION))
        ]
        self.heads = [(w[f"heads.{k}.weight"], w[f"heads.{k}.bias"]) for k in range(len(sizes))]

    def start(self) -> State:
        """The state before any music."""
        return State(np.zeros((1, self.hidden), np.float32))

    def step(self, state: State, event: Sequence[int], context: Sequence[int]) -> tuple[Distribution, State]:
        """Hear one event (seven classes, or START_EVENT first) in its context (eight classes); expect the next."""
        sounding = sounding_after(state.sounding, event, self.drums)
        rows = [offset + value for offset, value in zip(self._offsets, (*event, *context), strict=True)]
        heard = {part * self._rows_apart + pitch for part, pitch in sounding}
        rows += [self._sounding_offset + row for row in heard]
        x = self._table[rows].sum(0, keepdims=True)
        hidden, projected = self._session.run(None, {"x": x, "state": state.hidden})
        return Distribution(self, projected.reshape(len(FIELDS), self.head)), State(hidden, sounding)


def sounding_after(
    sounding: frozenset[tuple[int, int]], event: Sequence[int], drums: int
) -> frozenset[tuple[int, int]]:
    """What sounds after an event; drum strokes do not sound on."""
    if event[KIND] == ON and event[PART] != drums:
        return sounding | {(event[PART], event[PITCH])}
    if event[KIND] == OFF:
        return sounding - {(event[PART], event[PITCH])}
    return sounding
