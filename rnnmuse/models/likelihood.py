"""How likely a stream model finds music: nats an event, impossible classes masked as in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.stream import START_EVENT, StreamModel
from rnnmuse.music.codec import BEATS, FIELDS, KIND, OFF, PART, PITCH, SUB, VELOCITY, Encoded


def event_likelihoods(model: StreamModel, music: Encoded, first: int = 0) -> list[float]:
    """Log-probability in nats of each event from index ``first`` on, read step by step as they are live."""
    out: list[float] = []
    state, previous = model.start(), START_EVENT
    rows, contexts = music.events.tolist(), music.context.tolist()
    before = contexts[0] if contexts else []
    for index, (row, context) in enumerate(zip(rows, contexts, strict=True)):
        expected, state = model.step(state, previous, before)
        if index >= first:
            out.append(log_likelihood(expected, state.sounding, row, context, len(model.parts)))
        previous, before = tuple(row), context
    return out


def half_likelihoods(model: StreamModel, music: Encoded) -> NDArray[np.float64]:
    """Log-probabilities (3, N) in nats of the events of the second half, in the same context.

    Rows: the first half was heard, and is in the memory; it was heard, and its slots are cleared at the half; it was
    not heard. Slots of the second half are kept in all three.
    """
    rows, contexts = [tuple(row) for row in music.events.tolist()], music.context.tolist()
    half, parts = len(rows) // 2, len(model.parts)
    state, previous, before = model.start(), START_EVENT, contexts[0]
    for row, context in zip(rows[:half], contexts[:half], strict=True):
        state = model.step(state, previous, before)[1]
        previous, before = row, context
    after = model.step(state, previous, before)[1]
    fresh = model.start(after.grid)
    begun = (
        (state, previous),
        (state._replace(memory=fresh.memory, slots=0, key=None), previous),
        (fresh._replace(sounding=after.sounding, last=after.last), START_EVENT),
    )
    out = np.zeros((len(begun), len(rows) - half))
    for number, (now, event) in enumerate(begun):
        around = before
        for index, (row, context) in enumerate(zip(rows[half:], contexts[half:], strict=True)):
            expected, now = model.step(now, event, around)
            out[number, index] = log_likelihood(expected, now.sounding, row, context, parts)
            event, around = row, context
    return out


def log_likelihood(
    expected: Any, sounding: frozenset[tuple[int, int]], row: Sequence[int], context: Sequence[int], parts: int
) -> float:
    """Log-probability in nats of the event ``row`` under a Distribution, impossible classes masked."""
    total = 0.0
    for head in range(len(FIELDS)):
        if head == KIND:
            expected.place(context)
        scores = expected.logits(head).astype(np.float64)
        allowed = possible(head, sounding, row, parts)
        if allowed is not None:
            scores = np.where(allowed, scores, -np.inf)
        if not (head == VELOCITY and row[KIND] == OFF):
            total += scores[row[head]] - scores.max() - np.log(np.exp(scores - scores.max()).sum())
        expected.choose(head, row[head])
    return float(total)


def possible(
    head: int, sounding: frozenset[tuple[int, int]], row: Sequence[int], parts: int
) -> NDArray[np.bool_] | None:
    """The classes of a head that can be, given what sounds and the earlier heads of ``row``; None where all can."""
    if head in (BEATS, SUB):
        return None
    if head == KIND:
        return np.array([bool(sounding), True])
    if head == PART and row[KIND] == OFF:
        playing = {part for part, _ in sounding}
        return np.array([part in playing for part in range(parts)])
    if head == PITCH:
        own = np.zeros(128, np.bool_)
        own[[pitch for part, pitch in sounding if part == row[PART]]] = True
        return own if row[KIND] == OFF else ~own
    return None
