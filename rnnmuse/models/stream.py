"""The stream model as it is played: one trunk step an event in onnxruntime, the memory and the seven heads in numpy.

The contract of every recurrent model here: ``step(state, event, context) -> (distribution, state)``, the state
explicit, the cost of a step the same however long the music. The mathematics is in
`rnnmuse.train.stream.network`; tests hold the two against each other.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.memory import Memory, Slots
from rnnmuse.models.runtime import session
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
SHUT = np.float32(-1e9)
TABLES = 64  # tables of the lag bias that are kept


@dataclass(frozen=True, slots=True)
class State:
    """Where the model is in the music.

    ``hidden`` (1, H) is the trunk's, ``sounding`` the (part, pitch) pairs that sound, ``grid`` the position of the last
    event in 24ths of a beat, ``last`` the latest pitch of each part (-1 for none). ``count`` slots of ``memory`` are
    this state's; ``key`` (R, K) is the key of the slot to come.
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
        self._pointed: tuple[NDArray[Any], ...] = ()
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
        out: Floats = weight @ np.maximum(self._hidden[head], 0)
        out += bias
        gates = self._queries.gates
        if head == BEATS:
            return _mixed(out, self._pointed[:1], gates[:1])
        if head == SUB:
            return _mixed(out, self._pointed[1:], gates[1:2])
        if head == PITCH and len(self._chosen) == PITCH:
            kind, part = self._chosen[KIND], self._chosen[PART]
            own = [pitch for p, pitch in self._state.sounding if p == part]
            if kind == ON:
                out[own] = SHUT
                out = _mixed(out, self._pointed, gates[2:4])
                out[own] = SHUT
                return out
            shut = np.ones(128, np.bool_)
            shut[own] = False
            out[shut] = SHUT
            out = _mixed(out, self._pointed, gates[2:4])
            out[shut] = SHUT
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
        queries = self._queries
        found, pointer = model.read(
            queries.first, slots, state.grid - slots.before, self._context, None, queries.mixing[0]
        )
        self._hidden += (model.read1 @ found).reshape(len(FIELDS), -1)
        self._pointed = (np.bincount(slots.fields[0], pointer, 32), np.bincount(slots.fields[1], pointer, GRID))

    def _second_read(self) -> None:
        self._read = 2
        model, state, chosen, queries = self._model, self._state, self._chosen, self._queries
        slots = self._slots
        assert slots is not None
        query = queries.second + model.asked[
            [at + value for at, value in zip(model.asked_offsets, chosen, strict=True)]
        ].sum(0)
        now = state.grid + chosen[BEATS] * GRID + chosen[SUB]
        found, pointer = model.read(query, slots, now - slots.after, self._context, chosen, queries.mixing[1])
        self._hidden[PITCH:] += (model.read2 @ found).reshape(len(FIELDS) - PITCH, -1)
        kept = np.bincount(slots.fields[4], pointer, 128)
        last = state.last[chosen[PART]]
        moved = np.zeros(128)
        if last >= 0:
            moves = np.bincount(slots.fields[5], pointer, INTERVALS)
            low, high = max(0, last - WIDEST), min(127, last + WIDEST)
            moved[low : high + 1] = moves[low - last + WIDEST : high - last + WIDEST + 1]
        self._pointed = (kept, moved)


@dataclass(frozen=True, slots=True)
class Queries:
    """What the trunk asks of the memory: queries of both reads (R, K), gates of the copies (4,), mixing of heads
    (2, R).
    """

    first: Floats
    second: Floats
    gates: list[float]
    mixing: list[Floats]


class StreamModel:
    """A loaded stream model.

    ``parts`` are its part classes, ``name`` the bundle's, ``slots`` the size of its memory. ``forms`` are the plans of
    real pieces (`rnnmuse.play.plan`), ``minor`` the share of the pieces in minor, ``pitches`` those that each part
    plays (every one without); ``score`` says that it learned from scores, without a performer's dynamics; ``top_p`` is
    the nucleus that it is best drawn from, ``gravity`` the nats by which pitches outside an inferred key are less
    likely.
    """

    digest = ""
    """The hash of its bundle, for records of provenance."""

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
        pitches: Sequence[Sequence[int]] = (),
        top_p: float = 0.96,
        gravity: float = 0.3,
    ) -> None:
        self.name, self.parts, self.slots = name, parts, slots
        self.forms, self.minor, self.score = forms, minor, score
        self.top_p, self.gravity = top_p, gravity
        self.pitches = {part: frozenset(own) for part, own in enumerate(pitches) if own}
        self.drums = next((i for i, part in enumerate(parts) if part.drum), -1)
        self._session = session(step)
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
        asked = [w[f"asked.{i}.weight"] for i in range(4)]
        self.asked_offsets = np.cumsum([0] + [len(table) for table in asked])[:-1].tolist()
        self.asked = np.concatenate(asked).reshape(-1, self.readers, self._key) / np.float32(self._key**0.5)
        values = [w[f"values.{i}.weight"] for i in range(count + 1)]
        self._value_offsets = np.cumsum([0] + [len(table) for table in values])[:-1].tolist()
        self._values = np.concatenate(values)
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
                held = [at + field for at, field in zip(self._value_offsets, (*event, interval), strict=True)]
                value = self._values[held].sum(0)
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
        mixing /= mixing.sum(1, keepdims=True)
        return (
            out[:heads].reshape(len(FIELDS), self.head).copy(),
            Queries(first, second, rest[:COPIES].tolist(), [mixing[0], mixing[1]]),
        )

    def read(
        self,
        query: Floats,
        slots: Slots,
        lags: NDArray[np.int64],
        context: Sequence[int],
        chosen: Sequence[int] | None,
        mixing: Floats,
    ) -> tuple[Floats, NDArray[np.float64]]:
        """What a read finds (R x V,), and the weight of each slot, its heads mixed (N,).

        ``query`` is (R, K), ``lags`` (N,) are in grid steps; ``chosen`` are the four fields that slots may share.
        """
        table = self._bias_table(context)
        scores = np.matmul(slots.keys, query[:, :, None])[:, :, 0]
        scores += table.take(lags, 1, mode="clip")
        if chosen is not None:
            shared = slots.fields[:4] == np.array(chosen[:4])[:, None]
            scores += self._bonus @ shared.astype(np.float32)
        null = (query * self._null_key).sum(1)
        most = max(float(scores.max(initial=-1e9)), float(null.max()))
        scores -= most
        np.exp(scores, out=scores)
        null = np.exp(null - most)
        total = scores.sum(1) + null + np.float32(1e-30)
        found = scores @ slots.values + null[:, None] * self._null_value
        found /= total[:, None]
        return found.reshape(-1), (mixing / total) @ scores

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
            fields=slots.fields.astype(np.int16),
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
                arrays["fields"].astype(np.intp),
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


def _mixed(logits: Floats, copies: Sequence[NDArray[Any]], gates: Sequence[float]) -> Floats:
    """Log of the mixture of the softmax of ``logits`` and what the memory points to; not normalised."""
    most = max(0.0, *gates)
    shares = [exp(gate - most) for gate in (0.0, *gates)]
    whole = sum(shares)
    out = logits - logits.max()
    np.exp(out, out=out)
    out *= shares[0] / (whole * float(out.sum()))
    for copy, share in zip(copies, shares[1:], strict=True):
        out += copy * (share / whole)
    out += np.float32(1e-8)
    logs: Floats = np.log(out)
    return logs


def sounding_after(
    sounding: frozenset[tuple[int, int]], event: Sequence[int], drums: int
) -> frozenset[tuple[int, int]]:
    """What sounds after an event; drum strokes do not sound on."""
    if event[KIND] == ON and event[PART] != drums:
        return sounding | {(event[PART], event[PITCH])}
    if event[KIND] == OFF:
        return sounding - {(event[PART], event[PITCH])}
    return sounding
