"""The baseline of `rnnmuse evaluate`: an interpolated n-gram over the same events, heads and masks.

Each head is predicted from the fields of its event so far and the 0, 1, 2 … events before, the orders mixed as
Witten and Bell (1991) do: p_n(w|c) = (count(c, w) + kinds(c) p_{n-1}(w)) / (count(c) + kinds(c)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnmuse.music.codec import FIELDS, KIND, OFF, ON, PART, PITCH, VELOCITY, Encoded, field_sizes

Hashes = NDArray[np.uint64]
_MIX = np.uint64(0x9E3779B97F4A7C15)
HISTORY = (0, 1, 2, 3, 4)  # the fields of an earlier event that count as its name: beats, sub, kind, part, pitch


def _mixed(hashes: Hashes, values: NDArray[np.generic]) -> Hashes:
    with np.errstate(over="ignore"):
        out = (hashes ^ (values.astype(np.uint64) + np.uint64(1))) * _MIX
        return out ^ (out >> np.uint64(29))


@dataclass(slots=True)
class _Table:
    """Counts of one order of one head: contexts sorted, each with its run of (class, count)."""

    contexts: Hashes
    """(C,) uint64, rising."""
    starts: NDArray[np.int64]
    """(C + 1,), where each context's classes begin in ``classes``."""
    classes: NDArray[np.int64]
    """(N,), by context."""
    counts: NDArray[np.float64]
    """(N,), how often the class follows the context."""
    totals: NDArray[np.float64]
    """(C,), sums of each context's counts."""


class NGram:
    """Interpolated n-gram of ``order`` events (1 is the unigram: no context at all).

    ``tune`` are pieces on which each head chooses how many levels it uses, the micro-timing often fewer than
    the pitch.
    """

    def __init__(self, pieces: Sequence[Encoded], parts: int, order: int, tune: Sequence[Encoded] = ()) -> None:
        self.parts, self.order = parts, order
        self.sizes = field_sizes(parts)
        events = np.concatenate([piece.events for piece in pieces])
        contexts = [_contexts(piece.events, order) for piece in pieces]
        self.tables = [
            [
                _table(np.concatenate([c[head][level] for c in contexts]), events[:, head].astype(np.int64), size)
                for level in range(order + 1 if order > 1 else 1)
            ]
            for head, size in enumerate(self.sizes)
        ]
        if tune:
            every = self.tables
            trials = []
            for levels in range(1, order + 2):
                self.tables = [tables[:levels] for tables in every]
                trials.append(self.nll_by_head(tune, -1).sum(0))
            best = np.array(trials).argmin(0)
            self.tables = [tables[: best[head] + 1] for head, tables in enumerate(every)]

    def nll_by_head(self, pieces: Sequence[Encoded], drums: int) -> NDArray[np.float64]:
        """Summed nats by head of each piece, (pieces, 7); impossible classes are masked as in the network."""
        return np.array([self._nll(piece, drums) for piece in pieces])

    def _nll(self, piece: Encoded, drums: int) -> NDArray[np.float64]:
        contexts = _contexts(piece.events, self.order)
        masks = _masks(piece.events, self.parts, drums)
        total = np.zeros(len(FIELDS))
        for begin in range(0, len(piece), 2048):
            part = slice(begin, begin + 2048)
            targets = piece.events[part].astype(np.int64)
            for head, size in enumerate(self.sizes):
                p = np.full((len(targets), size), 1 / size)
                for level, table in enumerate(self.tables[head]):
                    p = _interpolated(p, table, contexts[head][level][part])
                if head in masks:
                    p = p * masks[head][part]
                own = p[np.arange(len(targets)), targets[:, head]] / p.sum(1)
                nll = -np.log(np.maximum(own, 1e-12))
                total[head] += (nll * (targets[:, KIND] == ON)).sum() if head == VELOCITY else nll.sum()
        return total


def _contexts(events: NDArray[np.int16], order: int) -> list[list[Hashes]]:
    """For each head the context hashes of each level: nothing, the event so far, and 1 to order - 1 events before."""
    count = len(events)
    name = np.full(count, 7, np.uint64)
    for column in HISTORY:
        name = _mixed(name, events[:, column])
    out = []
    for head in range(len(FIELDS)):
        nothing = np.full(count, head + 1, np.uint64)
        sofar = _mixed(nothing, np.full(count, 99))
        for column in range(head):
            if column != VELOCITY:  # the micro-timing does not lean on the loudness
                sofar = _mixed(sofar, events[:, column])
        levels = [nothing, sofar]
        for back in range(1, order):
            before = np.concatenate([np.zeros(min(back, count), np.uint64), name[: max(0, count - back)]])
            levels.append(_mixed(levels[-1], before))
        out.append(levels)
    return out


def _table(contexts: Hashes, classes: NDArray[np.int64], size: int) -> _Table:
    order = np.lexsort((classes, contexts))
    contexts, classes = contexts[order], classes[order]
    new = np.ones(len(contexts), np.bool_)
    new[1:] = (contexts[1:] != contexts[:-1]) | (classes[1:] != classes[:-1])
    at = np.flatnonzero(new)
    counts = np.diff(np.append(at, len(contexts))).astype(np.float64)
    contexts, classes = contexts[at], classes[at]
    first = np.ones(len(contexts), np.bool_)
    first[1:] = contexts[1:] != contexts[:-1]
    starts = np.flatnonzero(first)
    totals = np.add.reduceat(counts, starts)
    return _Table(contexts[starts], np.append(starts, len(contexts)), classes, counts, totals)


def _interpolated(p: NDArray[np.float64], table: _Table, contexts: Hashes) -> NDArray[np.float64]:
    found = np.minimum(np.searchsorted(table.contexts, contexts), len(table.contexts) - 1)
    known = table.contexts[found] == contexts
    rows = np.flatnonzero(known)
    if not len(rows):
        return p
    found = found[rows]
    begin, kinds = table.starts[found], table.starts[found + 1] - table.starts[found]
    total = table.totals[found]
    out = p.copy()
    out[rows] *= (kinds / (total + kinds))[:, None]
    repeat = np.repeat(np.arange(len(rows)), kinds)
    offset = np.arange(len(repeat)) - np.repeat(np.cumsum(kinds) - kinds, kinds)
    entry = begin[repeat] + offset
    out[rows[repeat], table.classes[entry]] += table.counts[entry] / (total + kinds)[repeat]
    return out


def _masks(events: NDArray[np.int16], parts: int, drums: int) -> dict[int, NDArray[np.bool_]]:
    """What each of the heads kind, part and pitch may be, from what sounds before each event."""
    count = len(events)
    kind = np.ones((count, 2), np.bool_)
    part = np.ones((count, parts), np.bool_)
    pitch = np.ones((count, 128), np.bool_)
    sounding: set[tuple[int, int]] = set()
    for i, row in enumerate(events.tolist()):
        kind[i, OFF] = bool(sounding)
        own = [p for k, p in sounding if k == row[PART]]
        if row[KIND] == OFF:
            part[i] = False
            part[i, [k for k, _ in sounding]] = True
            pitch[i] = False
            pitch[i, own] = True
            sounding.discard((row[PART], row[PITCH]))
        else:
            pitch[i, own] = False
            if row[PART] != drums:
                sounding.add((row[PART], row[PITCH]))
    return {KIND: kind, PART: part, PITCH: pitch}
