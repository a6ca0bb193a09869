"""The stream model as it is played: one trunk step an event in onnxruntime, the memory and the seven heads in numpy.

The contract of every recurrent model here: ``step(state, event, context) -> (distribution, state)``, the state
explicit, the cost of a step the same however long the music. The mathematics is in
`rnnmuse.train.stream.network`; tests hold the two against each other.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.memory import Memory, Slots
from rnnmuse.music.codec import (
    BAR_LENGTH,
    BEATS,
    CONTEXT_SIZES,
    ECHO,
    ECHO_REST,
    FIELDS,
    FIRST_PLACED,
    GRID,
    KIND,
    OFF,
    ON,
    PART,
    PITCH,
    POSITION,
    START,
    SUB,
    UNKNOWN,
    PartClass,
    field_sizes,
)
from rnnmuse.music.lags import BARS, INTERVALS, NO_INTERVAL, WIDEST, lag_classes

Floats = NDArray[np.float32]
START_EVENT = tuple(START if i == KIND else 0 for i in range(len(FIELDS)))
COPIES = 4
"""Gates of what the memory points to: beats, sub, pitch as it was, pitch by interval."""
UNKNOWN_BAR = 4 * GRID
TABLES = 64  # tables of the lag bias that are kept


@dataclass(frozen=True, slots=True)
class State:
    """Where the model is in the music.

    ``hidden`` (1, H) is the trunk's, ``sounding`` the (part, pitch) pairs that sound, ``grid`` the position of the last
    event in 24ths of a beat, ``last`` the latest pitch of each part (-1 for none). ``count`` slots of ``memory`` are this
    state's; ``key`` (R, K) is the key of the slot to come.
    """

    hidden: Floats
    sounding: frozenset[tuple[int, int]]
    memory: Memory
    count: int = 0
    key: Floats | None = None
    grid: int = 0
    last: tuple[int, ...] = ()


class Distribution:
    """The next event, head by head: ask `logits` in the order of FIELDS, and `choose` a class of each.

    After ``beats`` and ``sub`` are chosen, `place` says the context at the event's own time.
    """

    __slots__ = ("_chosen", "_context", "_hidden", "_model", "_pointed", "_queries", "_read", "_slots", "_state")

    def __init__(self, model: StreamModel, state: State, out: Floats, context: Sequence[int]) -> None:
        self._model, self._state = model, state
        self._hidden, self._queries = model.split(out)
        self._context = context
        self._chosen: list[int] = []
        self._read = 0
        self._pointed: tuple[Floats, ...] = ()
        self._slots: Slots | None = None

    def copy(self) -> Distribution:
        """The same distribution, to be drawn from once more."""
        self._first_read()
        new = object.__new__(Distribution)
        for name in Distribution.__slots__:
            setattr(new, name, getattr(self, name))
        new._hidden, new._chosen = self._hidden.copy(), list(self._chosen)
        return new

    def logits(self, head: int) -> Floats:
        """Unnormalised log-probabilities of the classes of ``head``, (classes,)."""
        self._first_read()
        if head == PITCH and self._read == 1:
            self._second_read()
        weight, bias = self._model.heads[head]
        out: Floats = weight @ np.maximum(self._hidden[head], 0) + bias
        gates = self._queries.gates
        if head == BEATS:
            return _mixed(out, (self._pointed[0],), gates[:1])
        if head == SUB:
            return _mixed(out, (self._pointed[1],), gates[1:2])
        if head == PITCH and len(self._chosen) == PITCH:
            kind, part = self._chosen[KIND], self._chosen[PART]
            own = [pitch for p, pitch in self._state.sounding if p == part]
            shut = np.full(128, kind == OFF)
            shut[own] = kind != OFF
            return np.where(shut, np.float32(-1e9), _mixed(np.where(shut, -1e9, out), self._pointed, gates[2:4]))
        return out

    def choose(self, head: int, value: int) -> None:
        """Tell the later heads that ``head`` is ``value``."""
        self._chosen.append(value)
        if head < len(FIELDS) - 1:
            self._hidden[head + 1 :] += self._model.chosen[head][value]

    def place(self, context: Sequence[int]) -> None:
        """Tell the heads from ``kind`` on where in bar, key, chord and plan the event falls."""
        self._context = context
        model = self._model
        rows = [offset + context[column] for offset, column in zip(model.place_offsets, POSITION, strict=True)]
        self._hidden[FIRST_PLACED:] += model.place_table[rows].sum(0)

    def _first_read(self) -> None:
        if self._read:
            return
        self._read = 1
        model, state = self._model, self._state
        self._slots = slots = state.memory.slots(state.count)
        weights = model.read(self._queries.first, slots, state.grid - slots.before, self._context, None)
        found, pointer = model.found(weights, slots, self._queries.mixing[0])
        self._hidden += (model.read1 @ found).reshape(len(FIELDS), -1)
        self._pointed = (
            np.bincount(slots.fields[0], pointer, 32).astype(np.float32),
            np.bincount(slots.fields[1], pointer, GRID).astype(np.float32),
        )

    def _second_read(self) -> None:
        self._read = 2
        model, state, chosen = self._model, self._state, self._chosen
        slots = self._slots
        assert slots is not None
        query = self._queries.second.copy()
        for table, value in zip(model.asked, chosen, strict=True):
            query += table[value]
        now = state.grid + chosen[BEATS] * GRID + chosen[SUB]
        weights = model.read(query, slots, now - slots.after, self._context, chosen)
        found, pointer = model.found(weights, slots, self._queries.mixing[1])
        self._hidden[PITCH:] += (model.read2 @ found).reshape(len(FIELDS) - PITCH, -1)
        kept = np.bincount(slots.fields[4], pointer, 128).astype(np.float32)
        moved = np.zeros(128, np.float32)
        last = state.last[chosen[PART]]
        if last >= 0:
            moves = np.bincount(slots.fields[5], pointer, INTERVALS)
            low, high = max(0, last - WIDEST), min(127, last + WIDEST)
            moved[low : high + 1] = moves[low - last + WIDEST : high - last + WIDEST + 1]
        self._pointed = (kept, moved)


@dataclass(frozen=True, slots=True)
class Queries:
    """What the trunk asks of the memory: queries of both reads (R, K), gates of the copies (4,), mixing of heads (2, R)."""

    first: Floats
    second: Floats
    gates: Floats
    mixing: Floats


class StreamModel:
    """A loaded stream model.

    ``parts`` are its part classes, ``name`` the bundle's, ``slots`` the size of its memory. ``forms`` are the plans of
    real pieces (`rnnmuse.play.plan`), ``minor`` the share of the pieces in minor; ``score`` says that it learned from
    scores, without a performer's dynamics.
    """

    def __init__(
        self,
        name: str,
        parts: tuple[PartClass, ...],
        weights: Mapping[str, NDArray[Any]],
        step: bytes,
        slots: int = 1024,
        forms: Sequence[Sequence[Sequence[int]]] = (),
        minor: float = 0.3,
        score: bool = False,
    ) -> None:
        import onnxruntime

        self.name, self.parts, self.slots = name, parts, slots
        self.forms, self.minor, self.score = forms, minor, score
        self.drums = next((i for i, part in enumerate(parts) if part.drum), -1)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(step, options, providers=["CPUExecutionProvider"])
        w = {key: np.ascontiguousarray(value, np.float32) for key, value in weights.items()}
        sizes = field_sizes(len(parts))
        count = len(sizes)
        self.hidden = w["trunk.weight_hh_l0"].shape[1]
        self.head = w["project.weight"].shape[0] // count
        # every embedding in one table: the trunk's input is the sum of some of its rows
        tables = [w[f"fields.{i}.weight"] for i in range(count)]
        tables += [w[f"context.{i}.weight"] for i in range(len(CONTEXT_SIZES))]
        offsets = np.cumsum([0] + [len(table) for table in tables]).tolist()
        self._offsets, self._sounding_offset = offsets[:-1], offsets[-1]
        self._rows_apart = 128 if len(parts) <= 4 else 0
        self._table = np.concatenate([*tables, w["sounding.weight"].T])
        self.chosen = [w[f"chosen.{j}.weight"].reshape(sizes[j], count - 1 - j, self.head) for j in range(count - 1)]
        places = [w[f"position.{i}.weight"].reshape(-1, count - FIRST_PLACED, self.head) for i in range(len(POSITION))]
        self.place_offsets = np.cumsum([0] + [len(table) for table in places])[:-1].tolist()
        self.place_table = np.concatenate(places)
        self.heads = [(w[f"heads.{k}.weight"], w[f"heads.{k}.bias"]) for k in range(count)]
        # the memory
        self.readers = w["lag_bars"].shape[0]
        self._key = w["null_key"].size // self.readers
        self._null_key = w["null_key"].reshape(self.readers, self._key)
        self._null_value = w["null_value"]
        self.asked = [w[f"asked.{i}.weight"].reshape(-1, self.readers, self._key) for i in range(4)]
        self._values = [w[f"values.{i}.weight"] for i in range(count + 1)]
        self._bonus = np.ascontiguousarray(w["bonus"].T)  # (R, 4)
        self.read1, self.read2 = w["read1.weight"], w["read2.weight"]
        self._lag = w["lag_both"] + w["lag_bars"][..., None] + w["lag_distance"][:, None]
        self._lag_echo = w["lag_echo.weight"].reshape(-1, self.readers, BARS)
        self._lag_rest = w["lag_rest.weight"].reshape(-1, self.readers, BARS)
        self._tables: dict[tuple[int, int, int], Floats] = {}

    def start(self, grid: int = 0) -> State:
        """The state before any music, at a grid position."""
        memory = Memory(self.slots, self.readers, self._key, len(self._null_value))
        hidden = np.zeros((1, self.hidden), np.float32)
        return State(hidden, frozenset(), memory, grid=grid, last=(-1,) * len(self.parts))

    def step(
        self, state: State, event: Sequence[int], context: Sequence[int], grid: int | None = None
    ) -> tuple[Distribution, State]:
        """Hear one event (seven classes, or START_EVENT first) in its context (13 classes); expect the next.

        ``grid`` is the event's position where its wait does not tell it, after a silence longer than a wait can be.
        """
        memory, count, last = state.memory, state.count, state.last
        if grid is None:
            grid = state.grid + (event[BEATS] * GRID + event[SUB] if event[KIND] != START else 0)
        if event[KIND] != START:
            part, pitch = event[PART], event[PITCH]
            interval = NO_INTERVAL
            if event[KIND] == ON and part != self.drums:
                if last[part] >= 0 and abs(pitch - last[part]) <= WIDEST:
                    interval = pitch - last[part] + WIDEST
                last = (*last[:part], pitch, *last[part + 1 :])
            if state.key is not None:
                value = self._values[-1][interval].copy()
                for table, field in zip(self._values, event, strict=False):
                    value += table[field]
                memory = memory.added(count, state.key, value, (*event[:5], interval), state.grid, grid)
                count += 1
        sounding = sounding_after(state.sounding, event, self.drums)
        rows = [offset + value for offset, value in zip(self._offsets, (*event, *context), strict=True)]
        heard = {part * self._rows_apart + pitch for part, pitch in sounding}
        rows += [self._sounding_offset + row for row in heard]
        x = self._table[rows].sum(0, keepdims=True)
        hidden, out = self._session.run(None, {"x": x, "state": state.hidden})
        key = out[0, self.head * len(FIELDS) :][: self.readers * self._key].reshape(self.readers, self._key)
        after = State(hidden, sounding, memory, count, key, grid, last)
        return Distribution(self, after, out[0], context), after

    def split(self, out: Floats) -> tuple[Floats, Queries]:
        """The heads' inputs (7, head), to be added to, and the queries, from the output of the step graph."""
        heads, width = self.head * len(FIELDS), self.readers * self._key
        first, second = out[heads + width :][: 2 * width].reshape(2, self.readers, self._key)
        rest = out[heads + 3 * width :]
        mixing = rest[COPIES:].reshape(2, self.readers)
        mixing = np.exp(mixing - mixing.max(1, keepdims=True))
        return (
            out[:heads].reshape(len(FIELDS), self.head).copy(),
            Queries(first, second, rest[:COPIES], mixing / mixing.sum(1, keepdims=True)),
        )

    def read(
        self,
        query: Floats,
        slots: Slots,
        lags: NDArray[np.int64],
        context: Sequence[int],
        chosen: Sequence[int] | None,
    ) -> Floats:
        """Weights (R, N + 1) of the slots and the null slot; ``lags`` (N,) in grid steps, ``chosen`` what slots may share."""
        query = query / np.float32(self._key**0.5)
        scores = np.empty((self.readers, len(lags) + 1), np.float32)
        np.matmul(slots.keys, query[:, :, None], out=scores[:, :-1, None])
        scores[:, -1] = (query * self._null_key).sum(1)
        table = self._bias_table(context)
        scores[:, :-1] += table[:, np.minimum(np.maximum(lags, 0), table.shape[1] - 1)]
        if chosen is not None:
            shared = (slots.fields[:4] == np.array(chosen[:4], np.int16)[:, None]).astype(np.float32)
            scores[:, :-1] += self._bonus @ shared
        scores -= scores.max(1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= scores.sum(1, keepdims=True)
        return scores

    def _bias_table(self, context: Sequence[int]) -> Floats:
        """The lag bias (R, L) of each lag in grid steps, the last for all beyond."""
        length = context[BAR_LENGTH]
        bar = max(1, length) * (GRID // 2) if length < UNKNOWN[BAR_LENGTH] else UNKNOWN_BAR
        key = (bar, context[ECHO], context[ECHO_REST])
        if key not in self._tables:
            if len(self._tables) >= TABLES:
                self._tables.pop(next(iter(self._tables)))
            table = self._lag + (self._lag_echo[key[1]] + self._lag_rest[key[2]])[..., None]
            lags = np.arange((BARS - 1) * bar + 50)
            self._tables[key] = np.ascontiguousarray(table.reshape(self.readers, -1)[:, lag_classes(lags, bar)])
        return self._tables[key]

    def found(self, weights: Floats, slots: Slots, mixing: Floats) -> tuple[Floats, Floats]:
        """What a read found (R x V,) and the weight of each slot for all heads (N,)."""
        found = weights[:, :-1] @ slots.values + weights[:, -1:] * self._null_value
        return found.reshape(-1), mixing @ weights[:, :-1]

    def to_bytes(self, state: State) -> bytes:
        """A state with its memory (in half precision), for `from_bytes`."""
        slots = state.memory.slots(state.count)
        file = io.BytesIO()
        np.savez_compressed(
            file,
            hidden=state.hidden,
            key=np.zeros(0) if state.key is None else state.key,
            sounding=np.array(sorted(state.sounding), np.int16).reshape(-1, 2),
            place=np.array([state.grid, *state.last], np.int64),
            keys=slots.keys.astype(np.float16),
            values=slots.values.astype(np.float16),
            fields=slots.fields,
            before=slots.before,
            after=slots.after,
        )
        return file.getvalue()

    def from_bytes(self, data: bytes) -> State:
        """The state that `to_bytes` wrote. ValueError where it is not of this model."""
        try:
            with np.load(io.BytesIO(data)) as held:
                arrays = {name: held[name] for name in held.files}
            slots = Slots(
                arrays["keys"].astype(np.float32),
                arrays["values"].astype(np.float32),
                arrays["fields"],
                arrays["before"],
                arrays["after"],
            )
            place = arrays["place"].tolist()
            fits = (
                arrays["hidden"].shape == (1, self.hidden)
                and slots.keys.shape[0] == self.readers
                and slots.keys.shape[2] == self._key
                and slots.values.shape[1] == len(self._null_value)
                and len(place) == 1 + len(self.parts)
            )
        except (OSError, KeyError, ValueError, EOFError, IndexError) as error:
            raise ValueError(f"state: not one of a stream model ({error})") from None
        if not fits:
            raise ValueError(f"state: not one of {self.name}; its sizes differ")
        sounding = frozenset((int(part), int(pitch)) for part, pitch in arrays["sounding"])
        memory = Memory.of(slots, self.slots)
        key = arrays["key"] if arrays["key"].size else None
        return State(arrays["hidden"], sounding, memory, memory.count, key, place[0], tuple(place[1:]))


def _mixed(logits: NDArray[Any], copies: tuple[Floats, ...], gates: Floats) -> Floats:
    """Log of the mixture of the softmax of ``logits`` and what the memory points to; not normalised."""
    shares = np.exp(np.concatenate(([0.0], gates)) - max(0.0, float(gates.max())))
    shares /= shares.sum()
    weights = np.exp(logits - logits.max())
    total = weights * (shares[0] / weights.sum())
    for copy, share in zip(copies, shares[1:], strict=True):
        total = total + copy * share
    return np.log(total + 1e-8).astype(np.float32)


def sounding_after(
    sounding: frozenset[tuple[int, int]], event: Sequence[int], drums: int
) -> frozenset[tuple[int, int]]:
    """What sounds after an event; drum strokes do not sound on."""
    if event[KIND] == ON and event[PART] != drums:
        return sounding | {(event[PART], event[PITCH])}
    if event[KIND] == OFF:
        return sounding - {(event[PART], event[PITCH])}
    return sounding
