"""The stream model as it is played: one trunk step an event in onnxruntime, the memory and the seven heads in numpy.

The contract of every recurrent model here: ``step(state, event, context) -> (distribution, state)``, the state
explicit, the cost of a step the same however long the music. The mathematics is in
`rnnmuse.train.stream.network`; tests hold the two against each other.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cached_property
from math import exp
from random import Random
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models import kernel, sampling
from rnnmuse.models.memory import Memory, Slots
from rnnmuse.models.originality import Index
from rnnmuse.models.runtime import Bound, session
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
from rnnmuse.music.echo import RHYTHM, lag_of
from rnnmuse.music.lags import BARS, INTERVALS, NO_INTERVAL, WIDEST, lag_classes

Floats = NDArray[np.float32]
START_EVENT = tuple(START if i == KIND else 0 for i in range(len(FIELDS)))
COPIES = 4
"""Gates of what the memory points to: beats, sub, pitch as it was, pitch by interval."""
UNKNOWN_BAR = 4 * GRID
SHUT = np.float32(-1e9)
LEAST = np.float32(1e-8)
FEWEST = 1e-20
OUTPUTS, SAID = ("new_state", "heads"), ("said",)
BLOCK = 16  # states whose scores are computed together: they stay in the cache
PLACES = 512  # places in bar, key, chord and plan whose part of the heads is kept, and times, kinds and parts of read 2
TABLES = 64  # tables of the lag bias that are kept


class State(NamedTuple):
    """Where the model is in the music.

    ``hidden`` (1, H) is the trunk's, ``sounding`` the (part, pitch) pairs that sound, ``grid`` the position of the last
    event in 24ths of a beat, ``last`` the latest pitch of each part (-1 for none). ``slots`` slots of ``memory`` are
    this state's; ``key`` (R x K,) is the key of the slot to come.
    """

    hidden: Floats
    sounding: frozenset[tuple[int, int]]
    memory: Memory
    slots: int = 0
    key: Floats | None = None
    grid: int = 0
    last: tuple[int, ...] = ()


class Distribution:
    """The next event, head by head: ask `logits` or `weights` in the order of FIELDS, and `choose` a class of each.

    After ``beats`` and ``sub`` are chosen, `place` says the context at the event's own time.
    """

    __slots__ = (
        "_chosen", "_context", "_gates", "_hidden", "_mixing", "_model", "_out", "_pointed", "_read", "_restate",
        "_slots", "_state",
    )  # fmt: skip

    def __init__(
        self, model: StreamModel, state: State, out: Floats, context: Sequence[int], restate: float = 0.0
    ) -> None:
        self._model, self._state, self._out, self._context, self._restate = model, state, out, context, restate
        self._chosen: list[int] = []
        self._read = 0
        self._hidden = self._mixing = out
        self._gates: list[float] | NDArray[np.float64] = []
        self._pointed: list[NDArray[Any]] = []
        self._slots: Slots | None = None

    def copy(self) -> Distribution:
        """The same distribution, to be drawn from once more."""
        if not self._read:
            self._first_read()
        new = Distribution(self._model, self._state, self._out, self._context, self._restate)
        new._chosen, new._read, new._hidden = list(self._chosen), self._read, self._hidden.copy()
        new._mixing, new._gates, new._pointed, new._slots = self._mixing, list(self._gates), self._pointed, self._slots
        return new

    def logits(self, head: int) -> Floats:
        """Unnormalised log-probabilities of the classes of ``head``, (classes,)."""
        if head in (BEATS, SUB) or (head == PITCH and len(self._chosen) == PITCH):
            weights = self.weights(head)
            logs: Floats = np.log(np.maximum(weights, LEAST))
            logs[weights == 0] = SHUT
            return logs
        return self._plain(head)

    def weights(self, head: int) -> Floats:
        """Unnormalised probabilities of the classes of ``head``, (classes,)."""
        out = self._plain(head)
        if head == PITCH and len(self._chosen) == PITCH:
            shut = self._shut()
            out[shut] = SHUT
            out = self._mixture(out, 2, 4)
            out[shut] = 0
            return out
        if head == BEATS:
            return self._mixture(out, 0, 1)
        if head == SUB:
            return self._mixture(out, 1, 2)
        out -= np.maximum.reduce(out)
        return np.exp(out, out)

    def draw(
        self,
        head: int,
        random: Random,
        temperature: float = 1.0,
        top_p: float = 1.0,
        mask: sampling.Mask | None = None,
        lean: Floats | None = None,
    ) -> int:
        """One class of ``head``, as `rnnmuse.models.sampling.sample` and `draw` draw it; nothing is chosen by it."""
        if head in (BEATS, SUB, PITCH):
            return sampling.draw(self.weights(head), random, temperature, top_p, mask, lean)
        logits = self.logits(head)
        return sampling.sample(logits if lean is None else logits + lean, random, temperature, top_p, mask)

    def choose(self, head: int, value: int) -> None:
        """Tell the later heads that ``head`` is ``value``."""
        if not self._read:
            self._first_read()
        self._chosen.append(value)
        if head < len(FIELDS) - 1:
            self._hidden[head + 1 :] += self._model.chosen[head][value]

    def place(self, context: Sequence[int]) -> None:
        """Tell the heads from ``kind`` on where in bar, key, chord and plan the event falls."""
        if not self._read:
            self._first_read()
        self._context = context
        self._hidden[FIRST_PLACED:] += self._model.placed(context)

    def _plain(self, head: int) -> Floats:
        """Logits without what the memory points to."""
        if not self._read:
            self._first_read()
        if head >= PITCH and self._read == 1 and len(self._chosen) >= PITCH:
            self._second_read()
        weight, bias = self._model.heads[head]
        out: Floats = weight.dot(np.maximum(self._hidden[head], 0))
        out += bias
        return out

    def _shut(self) -> NDArray[Any]:
        """Pitches that cannot be: of a note-on those that sound in its part, of a note-off those that do not."""
        kind, part = self._chosen[KIND], self._chosen[PART]
        own = [pitch for p, pitch in self._state.sounding if p == part]
        if kind == ON:
            return np.array(own, np.intp)
        shut = np.ones(128, np.bool_)
        shut[own] = False
        return shut

    def _mixture(self, logits: Floats, first: int, end: int) -> Floats:
        """The softmax of ``logits`` mixed with the copies ``first`` to ``end``; not normalised."""
        gates = self._gates[first:end]
        most = max(0.0, *gates)
        shares = [exp(gate - most) for gate in gates]
        own = exp(-most)
        whole = own + sum(shares)
        weights = np.exp(logits)
        total = float(np.add.reduce(weights))
        if not FEWEST < total < 1 / FEWEST:  # too far from 0 for floats
            weights = np.exp(logits - np.maximum.reduce(logits))
            total = float(np.add.reduce(weights))
        weights *= own / (whole * total)
        for copy, share in zip(self._pointed[first:end], shares, strict=True):
            weights += copy * (share / whole)
        weights += LEAST
        return weights

    def _first_read(self) -> None:
        model = self._model
        heads, width, readers = model.head * len(FIELDS), model.width, model.readers
        rest = self._out[heads + 3 * width :]
        mixing = np.array([_softmax(rest[at : at + readers].tolist()) for at in (COPIES, COPIES + readers)], np.float32)
        slots, bias = self._before_first(rest[:COPIES].tolist(), mixing)
        found, pointer = model.read(self._out[heads + width : heads + 2 * width], slots, bias, mixing[0])
        self._after_first((model.said(0, found) + self._out[:heads]).reshape(len(FIELDS), -1), pointer)

    def _before_first(self, gates: list[float], mixing: Floats) -> tuple[Slots, Floats]:
        """What read 1 reads, and its bias (N, R); ``mixing`` (2, R) is that of both reads."""
        self._read = 1
        model, state = self._model, self._state
        self._gates, self._mixing = gates, mixing
        self._slots = slots = state.memory.slots(state.slots)
        bias = model.bias_table(self._context).take(state.grid - slots.times[:-1], 0, mode="clip")
        if self._restate and (echoes := restated(self._context)):
            self._gates[0] += self._restate / 2
            self._gates[1] += self._restate / 2
            for index in _alike(slots.times, state.grid, {lag_of(echo) or 0 for echo in echoes}, self._context):
                if index < len(bias):  # what came after the last event is not known yet
                    bias[index] += self._restate
        return slots, bias

    def _after_first(self, hidden: Floats, pointer: Floats) -> None:
        """Take what the heads see (7, head), and the weight of each slot (N,) in read 1."""
        assert self._slots is not None
        self._hidden, fields = hidden, self._slots.fields
        self._pointed = [np.bincount(fields[0], pointer, 32), np.bincount(fields[1], pointer, GRID)]

    def _second_read(self) -> None:
        self._read = 2
        model, state, chosen, slots = self._model, self._state, self._chosen, self._slots
        assert slots is not None
        start = model.head * len(FIELDS) + 2 * model.width
        query = self._out[start : start + model.width] + model.asking(chosen)
        now = state.grid + chosen[BEATS] * GRID + chosen[SUB]
        part = chosen[PART]
        bias = model.bias_table(self._context, self._restate, part).take(now - slots.times[1:], 0, mode="clip")
        if self._restate:
            for echo in restated(self._context, part):
                if (echo - 1) % 3 != RHYTHM:
                    self._gates[2 + (echo - 1) % 3] += self._restate / 2
        found, pointer = model.read(query, slots, bias, self._mixing[1], model.bonus(slots, chosen))
        self._hidden[PITCH:] += model.said(1, found).reshape(len(FIELDS) - PITCH, -1)
        kept = np.bincount(slots.fields[4], pointer, 128)
        last = state.last[chosen[PART]]
        moved = np.zeros(128)
        if last >= 0:
            moves = np.bincount(slots.fields[5], pointer, INTERVALS)
            low, high = max(0, last - WIDEST), min(127, last + WIDEST)
            moved[low : high + 1] = moves[low - last + WIDEST : high - last + WIDEST + 1]
        self._pointed = [*self._pointed[:2], kept, moved]


class CompiledDistribution(Distribution):
    """The same, computed by `rnnmuse.models.kernel`."""

    __slots__ = ("_compiled", "_page")

    _compiled: kernel.Compiled
    _page: kernel.Page

    def copy(self) -> Distribution:
        if not self._read:
            self._first_read()
        new = CompiledDistribution(self._model, self._state, self._out, self._context, self._restate)
        new._chosen, new._read = list(self._chosen), self._read
        new._compiled, new._page = self._compiled, self._compiled.page.from_buffer_copy(self._page)
        return new

    def draw(
        self,
        head: int,
        random: Random,
        temperature: float = 1.0,
        top_p: float = 1.0,
        mask: sampling.Mask | None = None,
        lean: Floats | None = None,
    ) -> int:
        chosen = self._chosen
        if not self._read or head >= PITCH:
            self._ready(head)
        mixed, shut = head <= SUB, None
        if head == PITCH and len(chosen) == PITCH:
            mixed, shut = True, self._closed()
        return self._compiled.draw(
            head, self._page, chosen, shut, mixed, random, temperature, top_p,
            None if mask is None else mask.tobytes() if isinstance(mask, np.ndarray) else bytes(mask),
            None if lean is None else lean.astype(np.float32, copy=False).tobytes(),
        )  # fmt: skip

    def choose(self, head: int, value: int) -> None:
        if not 0 <= value < len(self._model.heads[head][1]):
            raise IndexError(f"head {head}: {value}; must be 0 to {len(self._model.heads[head][1]) - 1}")
        self._chosen.append(value)

    def place(self, context: Sequence[int]) -> None:
        if not self._read:
            self._first_read()
        self._context = context
        rows = [at + context[column] for at, column in zip(self._model.place_offsets, POSITION, strict=True)]
        self._compiled.choose(self._page, self._chosen, rows)

    def _ready(self, head: int) -> None:
        """Read the memory as far as ``head`` needs it."""
        if not self._read:
            self._first_read()
        if head >= PITCH and self._read == 1 and len(self._chosen) >= PITCH:
            self._second_read()

    def _closed(self) -> bytes:
        """`_shut` as 128 bytes."""
        on, part = self._chosen[KIND] == ON, self._chosen[PART]
        out = bytearray(128) if on else bytearray(b"\1" * 128)
        for own, pitch in self._state.sounding:
            if own == part:
                out[pitch] = on
        return bytes(out)

    def _plain(self, head: int) -> Floats:
        self._ready(head)
        self._compiled.choose(self._page, self._chosen)
        self._hidden = self._compiled.hidden(self._page)
        *self._pointed, self._gates = self._compiled.counted(self._page)
        return super()._plain(head)

    def _first_read(self) -> None:
        self._read = 1
        model, state, echoes, more = self._model, self._state, set[int](), list[int]()
        assert model.compiled is not None
        self._compiled, self._page = model.compiled, model.compiled.page()
        if self._restate and (echoes := restated(self._context)):
            times = state.memory.slots(state.slots).times
            more = _alike(times, state.grid, {lag_of(echo) or 0 for echo in echoes}, self._context)
        self._compiled.read(
            0, self._out, self._page, state.memory, state.slots, model.bias_table(self._context), state.grid, more,
            self._restate, 3 if echoes else 0,
        )  # fmt: skip

    def _second_read(self) -> None:
        self._read = 2
        model, state, chosen = self._model, self._state, self._chosen
        part, lifted = chosen[PART], 0
        for echo in restated(self._context, part) if self._restate else ():
            if (echo - 1) % 3 != RHYTHM:
                lifted |= 4 << (echo - 1) % 3
        self._compiled.read(
            1, self._out, self._page, state.memory, state.slots,
            model.bias_table(self._context, self._restate, part), state.grid + chosen[BEATS] * GRID + chosen[SUB],
            nats=self._restate, lifted=lifted, chosen=bytes(chosen[:4]), last=state.last[part],
        )  # fmt: skip


class StreamModel:
    """A loaded stream model.

    ``parts`` are its part classes, ``name`` the bundle's, ``slots`` the size of its memory. ``forms`` are the plans of
    real pieces (`rnnmuse.play.plan`), ``minor`` the share of the pieces in minor, ``pitches`` those that each part
    plays (every one without); ``score`` says that it learned from scores, without a performer's dynamics; ``top_p`` is
    the nucleus that it is best drawn from, ``opening`` that of music from nothing, ``gravity`` the nats by which
    pitches outside an inferred key are less likely, ``restate`` the nats by which the bar that the plan has restated is
    read more, ``clash`` those by which a pitch is less likely a semitone from one that begins with it, ``registers``
    the lowest and highest mean of a part's last notes that are common, ``follow`` for each part the nats by which
    pitches outside the chord that the plan's outline asks for are less likely, ``touch`` the least nucleus of velocity
    and micro-timing, ``again`` the nats by which the pitches that a part began last are less likely to begin again,
    ``dense`` the note-ons a beat of the densest bars, ``pace`` the nats a beat by which waits are shorter for each nat
    of distance to the density of the plan's outline, ``stepwise`` those by which a part's top line rather moves by step
    and on in its direction, ``rhythm`` the nucleus of waits (0: that of all else), ``verbatim`` the share of the bars
    that a part plays again in a form which are played again. ``said`` are the graphs of what both reads of the memory
    say to the heads; without them it is computed from the weights.
    ``compiled`` False leaves `rnnmuse.models.kernel` out.
    """

    digest = ""
    """The hash of its bundle, for records of provenance."""
    corpus: Index | None = None
    """What it learned from, where the bundle says."""

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
        restate: float = 0.0,
        clash: float = 0.0,
        said: Sequence[bytes] = (),
        registers: Sequence[Sequence[float]] = (),
        follow: Sequence[float] | float = (),
        touch: float = 0.99,
        opening: float | None = None,
        again: float = 0.0,
        dense: float = 9.0,
        pace: float = 0.0,
        stepwise: float = 0.0,
        rhythm: float = 0.0,
        verbatim: float = 0.0,
        compiled: bool = True,
    ) -> None:
        self.name, self.parts, self.slots = name, parts, slots
        self.forms, self.minor, self.score = forms, minor, score
        self.top_p, self.gravity, self.restate, self.clash = top_p, gravity, restate, clash
        self.pitches = {part: frozenset(own) for part, own in enumerate(pitches) if own}
        self.follow = [follow] * len(parts) if isinstance(follow, int | float) else list(follow) or [0.0] * len(parts)
        self.touch, self.again = touch, again
        self.dense, self.pace, self.stepwise, self.rhythm = dense, pace, stepwise, rhythm
        self.verbatim = verbatim
        self.opening = top_p if opening is None else opening
        self.registers = {part: (own[0], own[1]) for part, own in enumerate(registers) if own}
        self.drums = next((i for i, part in enumerate(parts) if part.drum), -1)
        self._step, self._saying = step, list(said)
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
        self._places: dict[tuple[int, ...], Floats] = {}
        self.heads = [(w[f"heads.{k}.weight"], w[f"heads.{k}.bias"]) for k in range(count)]
        # the memory
        self.readers = w["lag_bars"].shape[0]
        self.width = w["null_key"].size
        key = self.width // self.readers
        # the null key as a column a head: its product with a query is the score of the null slot for every head
        self._null_columns = w["null_key"][:, None] * np.repeat(np.eye(self.readers, dtype=np.float32), key, 0)
        self._null_key, self._null_value = w["null_key"], w["null_value"]
        asked = [w[f"asked.{i}.weight"] for i in range(4)]
        self._asked_offsets = np.cumsum([0] + [len(table) for table in asked])[:-1].tolist()
        self._asked = np.concatenate(asked) / np.float32(key**0.5)
        self._asking: dict[tuple[int, ...], Floats] = {}
        values = [w[f"values.{i}.weight"] for i in range(count + 1)]
        self._value_offsets = np.cumsum([0] + [len(table) for table in values])[:-1].tolist()
        self._values = np.concatenate(values)
        self._bonus = np.ascontiguousarray(w["bonus"].T)  # (R, 4)
        self._ones = np.ones(slots, np.float32)
        self._said = [] if said else [w["read1.weight"], w["read2.weight"]]
        self._lag = w["lag_both"] + w["lag_bars"][..., None] + w["lag_distance"][:, None]
        self._lag_echo = w["lag_echo.weight"].reshape(-1, self.readers, BARS)
        self._lag_rest = w["lag_rest.weight"].reshape(-1, self.readers, BARS)
        self._tables: dict[tuple[int, int, int, int, float], Floats] = {}
        self.compiled = self._compiled() if compiled else None
        if self.compiled is None:
            _ = self._bound, self._said_bound  # now, not at the first event

    def _compiled(self) -> kernel.Compiled | None:
        """The model as the compiled kernel plays it; None without the kernel, or where it cannot."""
        library = kernel.library()
        if library is None:
            return None
        try:
            return kernel.Compiled(
                library, self._step, self._saying, self._table, self.heads, self.chosen, self.place_table,
                self._null_key, self._null_value, self._bonus, self._asked, self._asked_offsets, self._values,
                self._value_offsets, self.slots,
            )  # fmt: skip
        except ValueError:
            return None

    @cached_property
    def _session(self) -> Any:
        return session(self._step)

    @cached_property
    def _bound(self) -> Bound:
        return Bound(self._session)

    @cached_property
    def _batched(self) -> bool:
        return bool(self._session.get_inputs()[0].shape[0] != 1)

    @cached_property
    def _said_sessions(self) -> list[Any]:
        return [session(graph) for graph in self._saying]

    @cached_property
    def _said_bound(self) -> list[Bound]:
        return [Bound(one) for one in self._said_sessions]

    def start(self, grid: int = 0) -> State:
        """The state before any music, at a grid position."""
        memory = Memory(self.slots, self.width, len(self._null_value))
        hidden = np.zeros((1, self.hidden), np.float32)
        return State(hidden, frozenset(), memory, grid=grid, last=(-1,) * len(self.parts))

    def step(
        self,
        state: State,
        event: Sequence[int],
        context: Sequence[int],
        grid: int | None = None,
        restate: float = 0.0,
    ) -> tuple[Distribution, State]:
        """Hear one event (seven classes, or START_EVENT first) in its context (13 classes); expect the next.

        ``grid`` is the event's position where its wait does not tell it, after a silence longer than a wait can be.
        ``restate`` are the nats by which the bar that the context's plan has restated is read more.
        """
        after, rows = self._heard(state, event, context, grid)
        if self.compiled is not None:
            return self._said_of(after, *self.compiled.step(rows, state.hidden), context, restate)
        bound = self._bound
        x, before = bound.inputs
        with bound.lock:
            np.add.reduce(self._table.take(rows, 0), 0, None, x[0])
            before[:] = state.hidden
            bound()
            hidden, out = bound.outputs[0].copy(), bound.outputs[1][0].copy()
        return self._said_of(after, hidden, out, context, restate)

    def step_many(
        self,
        states: Sequence[State],
        events: Sequence[Sequence[int]],
        contexts: Sequence[Sequence[int]],
        grids: Sequence[int | None] | None = None,
        restates: Sequence[float] | None = None,
    ) -> list[tuple[Distribution, State]]:
        """`step` of B states of this model at once: state i hears event i in context i, and so on.

        The states may be of any age and of any music, and come in any order. Returns B pairs, in order, each what
        `step` gives for its row alone, to the rounding of floats: no row depends on another. Nothing is drawn here: the
        distributions are drawn from one by one, in any order, or not at all. ``grids`` and ``restates`` are those of
        `step`; None for its defaults in every row. ValueError where the lengths differ.
        """
        count = len(states)
        grids = [None] * count if grids is None else grids
        restates = [0.0] * count if restates is None else restates
        if not count:
            return []
        if self.compiled is not None:
            return [self.step(*row) for row in zip(states, events, contexts, grids, restates, strict=True)]
        heard = [self._heard(*row) for row in zip(states, events, contexts, grids, strict=True)]
        x = np.empty((count, self._table.shape[1]), np.float32)
        for row, (_, rows) in zip(x, heard, strict=True):
            np.add.reduce(self._table.take(rows, 0), 0, out=row)
        before = np.concatenate([state.hidden for state in states])
        hidden, out = self._run(x, before)
        made = [
            self._said_of(after, hidden[i : i + 1].copy(), out[i].copy(), context, restate)
            for i, ((after, _), context, restate) in enumerate(zip(heard, contexts, restates, strict=True))
        ]
        for first in range(0, count, BLOCK):
            self._read_many([expected for expected, _ in made[first : first + BLOCK]], out[first : first + BLOCK])
        return made

    def _read_many(self, expected: Sequence[Distribution], out: Floats) -> None:
        """Read 1 of B distributions; ``out`` (B, W) are the rows of the trunk's step."""
        count, readers, heads, width = len(expected), self.readers, self.head * len(FIELDS), self.width
        query, rest = out[:, heads + width : heads + 2 * width], out[:, heads + 3 * width :]
        mixing = rest[:, COPIES:].reshape(count, 2, readers)
        mixing = np.exp(mixing - np.maximum.reduce(mixing, -1, keepdims=True))
        mixing /= np.add.reduce(mixing, -1, keepdims=True)
        gates = rest[:, :COPIES].tolist()
        read = [one._before_first(*given) for one, given in zip(expected, zip(gates, mixing, strict=True), strict=True)]
        sizes = [len(slots.values) for slots, _ in read]
        scores = np.empty((count, readers, max(sizes)), np.float32)
        parts = query.reshape(count, readers, 1, width // readers)
        for part, own, (slots, bias), size in zip(parts, scores, read, sizes, strict=True):
            np.matmul(part, slots.keys.reshape(readers, width // readers, size), own[:, None, :size])
            own[:, :size] += bias.T
            own[:, size:] = SHUT
        null: Floats = query.dot(self._null_columns)
        most = np.maximum(np.maximum.reduce(scores, -1, initial=SHUT), null)
        scores -= most[..., None]
        np.exp(scores, scores)
        null -= most
        np.exp(null, null)
        total = np.add.reduce(scores, -1)
        total += null
        found = np.empty((count, readers, len(self._null_value)), np.float32)
        for own, weights, (slots, _), size in zip(found, scores, read, sizes, strict=True):
            np.matmul(weights[:, :size], slots.values, own)
        found += null[..., None] * self._null_value
        found /= total[..., None]
        hidden = self._said_many(0, found.reshape(count, -1))
        hidden += out[:, :heads]
        pointer = np.matmul((mixing[:, 0] / total)[:, None], scores)[:, 0]
        for one, head, weights, size in zip(
            expected, hidden.reshape(count, len(FIELDS), -1), pointer, sizes, strict=True
        ):
            one._after_first(head.copy(), weights[:size])

    def _run(self, x: Floats, state: Floats) -> tuple[Floats, Floats]:
        """The trunk for B rows: x (B, E) and state (B, H) to the new state (B, H) and what is computed from it."""
        if self._batched or len(x) == 1:
            hidden, out = self._session.run(OUTPUTS, {"x": x, "state": state})
            return hidden, out
        rows = [self._session.run(OUTPUTS, {"x": x[i : i + 1], "state": state[i : i + 1]}) for i in range(len(x))]
        return np.concatenate([row[0] for row in rows]), np.concatenate([row[1] for row in rows])

    def _heard(
        self, state: State, event: Sequence[int], context: Sequence[int], grid: int | None
    ) -> tuple[State, list[int]]:
        """A state after an event, with the trunk of before it; and the rows of the table that the trunk reads."""
        memory, count, last = state.memory, state.slots, state.last
        if grid is None:
            grid = state.grid + (event[BEATS] * GRID + event[SUB] if event[KIND] != START else 0)
        if event[KIND] != START:
            part, pitch = event[PART], event[PITCH]
            interval = NO_INTERVAL
            if event[KIND] == ON and part != self.drums:
                if last[part] >= 0 and abs(pitch - last[part]) <= WIDEST:
                    interval = pitch - last[part] + WIDEST
                last = (*last[:part], pitch, *last[part + 1 :])
            if state.key is not None and self.compiled is not None:
                memory = self.compiled.remember(memory, count, state.key, event, interval, state.grid, grid)
                count += 1
            elif state.key is not None:
                held = [at + field for at, field in zip(self._value_offsets, (*event, interval), strict=True)]
                value = np.add.reduce(self._values.take(held, 0), 0)
                memory = memory.added(count, state.key, value, (*event[:5], interval), state.grid, grid)
                count += 1
        sounding = sounding_after(state.sounding, event, self.drums)
        rows = [offset + value for offset, value in zip(self._offsets, (*event, *context), strict=True)]
        rows += {self._sounding_offset + part * self._rows_apart + pitch for part, pitch in sounding}
        return State(state.hidden, sounding, memory, count, None, grid, last), rows

    def _said_of(
        self, heard: State, hidden: Floats, out: Floats, context: Sequence[int], restate: float
    ) -> tuple[Distribution, State]:
        """What comes after the trunk's step, of a state that has heard the event."""
        heads = self.head * len(FIELDS)
        after = State(
            hidden, heard.sounding, heard.memory, heard.slots, out[heads : heads + self.width], heard.grid, heard.last
        )
        kind = Distribution if self.compiled is None else CompiledDistribution
        return kind(self, after, out, context, restate), after

    def read(
        self, query: Floats, slots: Slots, bias: Floats, mixing: Floats, more: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """What a read finds (1, R x V), and the weight of each slot, its heads mixed by ``mixing`` (R,), (N,).

        ``query`` is (R x K,), ``bias`` (N, R) and ``more`` (R, N) are added to the scores.
        """
        readers, count = self.readers, len(slots.values)
        keys = slots.keys.reshape(readers, self.width // readers, count)
        scores: Floats = np.matmul(query.reshape(readers, 1, -1), keys)[:, 0]
        scores += bias.T
        if more is not None:
            scores += more
        null: Floats = query.dot(self._null_columns)
        weights, nulls = np.exp(scores), np.exp(null)
        total = weights.dot(self._ones[:count])
        total += nulls
        if not FEWEST < min(totals := total.tolist()) <= max(totals) < 1 / FEWEST:  # too far from 0 for floats
            most = np.maximum(np.maximum.reduce(scores, 1, initial=SHUT), null)
            weights, nulls = np.exp(scores - most[:, None]), np.exp(null - most)
            total = weights.dot(self._ones[:count]) + nulls
        found = weights.dot(slots.values)
        found += nulls[:, None] * self._null_value
        found /= total[:, None]
        return found.reshape(1, -1), (mixing / total).dot(weights)

    def said(self, read: int, found: Floats) -> Floats:
        """What read 1 or 2 (``read`` 0 or 1) that found ``found`` says to its heads, (7 x head,) or (3 x head,)."""
        out: Floats
        if self._said_sessions:
            bound = self._said_bound[read]
            with bound.lock:
                bound.inputs[0][:] = found
                bound()
                out = bound.outputs[0][0].copy()
        else:
            out = self._said[read].dot(found[0])
        return out

    def _said_many(self, read: int, found: Floats) -> Floats:
        """`said` of B rows (B, R x V)."""
        if not self._said_sessions:
            out: Floats = found.dot(self._said[read].T)
        elif self._batched:
            out = self._said_sessions[read].run(SAID, {"found": found})[0]
        else:
            out = np.concatenate([self.said(read, row)[None] for row in found[:, None]])
        return out

    def placed(self, context: Sequence[int]) -> Floats:
        """What the place of an event says to the heads from ``kind`` on, (5, head)."""
        rows = tuple([offset + context[column] for offset, column in zip(self.place_offsets, POSITION, strict=True)])
        out = self._places.get(rows)
        if out is None:
            if len(self._places) >= PLACES:
                self._places.clear()
            out = self._places[rows] = np.add.reduce(self.place_table.take(rows, 0), 0)
        return out

    def asking(self, chosen: Sequence[int]) -> Floats:
        """What the chosen beats, sub, kind and part add to the query of read 2, (R x K,)."""
        four = tuple(chosen[:4])
        out = self._asking.get(four)
        if out is None:
            if len(self._asking) >= PLACES:
                self._asking.clear()
            rows = [at + value for at, value in zip(self._asked_offsets, four, strict=True)]
            out = self._asking[four] = np.add.reduce(self._asked.take(rows, 0), 0)
        return out

    def bonus(self, slots: Slots, chosen: Sequence[int]) -> Floats:
        """The bonus (R, N) of the slots for what they share with the chosen beats, sub, kind and part."""
        shared = slots.fields[:4] == np.array(chosen[:4], np.uint8)[:, None]
        out: Floats = self._bonus.dot(shared.astype(np.float32))
        return out

    def bias_table(self, context: Sequence[int], restate: float = 0.0, part: int = -1) -> Floats:
        """The lag bias (L, R) of each lag in grid steps, the last for all beyond.

        The place in the bar that the plan has ``part`` restate has ``restate`` nats more.
        """
        bar = _bar_of(context)
        key = (bar, context[ECHO], context[ECHO_REST], min(part, 1), restate)
        if key not in self._tables:
            if len(self._tables) >= TABLES:
                self._tables.pop(next(iter(self._tables)))
            table = self._lag + (self._lag_echo[key[1]] + self._lag_rest[key[2]])[..., None]
            lags = np.arange((BARS - 1) * bar + 50)
            out = np.ascontiguousarray(table.reshape(self.readers, -1)[:, lag_classes(lags, bar)].T)
            for lag in {lag_of(echo) for echo in restated(context, part)} if restate else ():
                out[(lag or 0) * bar] += restate
            self._tables[key] = out
        return self._tables[key]

    def to_bytes(self, state: State) -> bytes:
        """A state with its memory (in half precision), for `from_bytes`."""
        slots = state.memory.slots(state.slots)
        file = io.BytesIO()
        np.savez_compressed(
            file,
            hidden=state.hidden,
            key=np.zeros(0) if state.key is None else state.key,
            sounding=np.array(sorted(state.sounding), np.int16).reshape(-1, 2),
            place=np.array([state.grid, *state.last], np.int64),
            keys=slots.keys.T.astype(np.float16),
            values=slots.values.astype(np.float16),
            fields=slots.fields,
            times=slots.times,
        )
        return file.getvalue()

    def from_bytes(self, data: bytes) -> State:
        """The state that `to_bytes` wrote. ValueError where it is not of this model."""
        try:
            with np.load(io.BytesIO(data)) as held:
                arrays = {name: held[name] for name in held.files}
            slots = Slots(
                arrays["keys"].T.astype(np.float32),
                arrays["values"].astype(np.float32),
                arrays["fields"],
                arrays["times"],
            )
            place = arrays["place"].tolist()
            fits = (
                arrays["hidden"].shape == (1, self.hidden)
                and len(slots.keys) == self.width
                and slots.values.shape[1] == len(self._null_value)
                and arrays["key"].size in (0, self.width)
                and len(place) == 1 + len(self.parts)
            )
        except (OSError, KeyError, ValueError, EOFError, IndexError) as error:
            raise ValueError(f"state: not one of a stream model ({error})") from None
        if not fits:
            raise ValueError(f"state: not one of {self.name}; its sizes differ")
        sounding = frozenset((int(part), int(pitch)) for part, pitch in arrays["sounding"])
        memory = Memory.of(slots, self.slots)
        hidden, key = arrays["hidden"].astype(np.float32), arrays["key"].astype(np.float32)
        return State(hidden, sounding, memory, memory.count, key if key.size else None, place[0], tuple(place[1:]))


def restated(context: Sequence[int], part: int = -1) -> set[int]:
    """Echo classes of a bar that say which earlier one it restates: of ``part``, or of all without."""
    columns = (ECHO, ECHO_REST) if part < 0 else (ECHO if part == 0 else ECHO_REST,)
    return {context[column] for column in columns if lag_of(context[column]) is not None}


def _bar_of(context: Sequence[int]) -> int:
    """The length of a bar in grid steps."""
    length = context[BAR_LENGTH]
    return max(1, length) * (GRID // 2) if length < UNKNOWN[BAR_LENGTH] else UNKNOWN_BAR


def _alike(times: NDArray[np.int64], grid: int, lags: set[int], context: Sequence[int]) -> list[int]:
    """The slots of the events that were, so many bars before, where the last event is now.

    Where as many events are at this place as were there it is the last of them alone, so that the music goes on as it
    did then: otherwise the waits within a chord would make it grow for ever.
    """
    turn = len(times) - int(times.searchsorted(grid))
    found: list[int] = []
    for lag in lags:
        place = grid - lag * _bar_of(context)
        first, end = int(times.searchsorted(place)), int(times.searchsorted(place, "right"))
        if first < end:
            found += range(first, end) if turn < end - first else [end - 1]
    return found


def _softmax(values: list[float]) -> list[float]:
    most = max(values)
    weights = [exp(value - most) for value in values]
    total = sum(weights)
    return [weight / total for weight in weights]


def sounding_after(
    sounding: frozenset[tuple[int, int]], event: Sequence[int], drums: int
) -> frozenset[tuple[int, int]]:
    """What sounds after an event; drum strokes do not sound on."""
    if event[KIND] == ON and event[PART] != drums:
        return sounding | {(event[PART], event[PITCH])}
    if event[KIND] == OFF:
        return sounding - {(event[PART], event[PITCH])}
    return sounding
