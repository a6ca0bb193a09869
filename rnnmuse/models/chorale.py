"""The chorale model as it is played: four voices a beat, drawn soprano, bass, tenor, alto.

Pitches count from the tonic: transposing a chorale moves nothing but the class of its tonic. Two GRU layers read the
beats so far; each voice is then a product of experts, of where it lies above the tonic, of its step from every voice
before, and of its interval from each voice of the beat that is drawn already. The mathematics is in
`rnnmuse.train.chorale.network`; here it is numpy alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

PITCHES = 60
"""Classes of a pitch: 0 silence, else the MIDI note less the tonic (-5 to 6) less LOWEST."""
LOWEST = 28
ORDER = (0, 3, 2, 1)
"""The voices, soprano 0 to bass 3, in the order in which they are drawn."""
VOICES = ("Soprano", "Alto", "Tenor", "Bass")
LOW, HIGH = (60, 52, 46, 36), (81, 74, 69, 66)
"""The lowest and the highest note of each voice in Bach's chorales, soprano first."""
TONIC = 12
"""Width of the embedding of the tonic, and of the pitch classes of the beat before."""


def signed(tonic: Ints | int) -> Any:
    """A tonic 0-11 as -5 to 6."""
    return np.where(np.asarray(tonic) > 6, np.asarray(tonic) - 12, tonic)


def classes_of(pitches: Ints, tonic: Ints | int) -> Ints:
    """Classes of MIDI notes (0 is silence) above a tonic 0-11; what lies outside is put to the edge."""
    away = np.clip(pitches - signed(tonic) - LOWEST, 1, PITCHES - 1)
    return np.asarray(np.where(pitches > 0, away, 0))


def pitches_of(classes: Ints, tonic: Ints | int) -> Ints:
    """The inverse of `classes_of`."""
    return np.asarray(np.where(classes > 0, classes + signed(tonic) + LOWEST, 0))


@dataclass(frozen=True, slots=True)
class State:
    """Two layers (B, H) and the classes (B, 4) of the beat before."""

    lower: Floats
    upper: Floats
    before: Ints

    def taken(self, rows: Ints) -> State:
        """The states of some rows, again and again if need be."""
        return State(self.lower[rows], self.upper[rows], self.before[rows])


class Beat:
    """One beat about to be drawn: `logits` of each voice in ORDER, given those chosen before it."""

    def __init__(self, model: ChoraleModel, hidden: Floats, before: Ints) -> None:
        self._model, self._hidden, self._before = model, hidden, before
        self.chosen = np.zeros_like(before)

    def logits(self, place: int) -> Floats:
        """Logits (B, PITCHES) of the voice ``ORDER[place]``."""
        w, voice = self._model.weights, ORDER[place]
        seen = [self._before[:, voice], *(self._before[:, u] for u in range(4) if u != voice)]
        seen += [self.chosen[:, ORDER[j]] for j in range(place)]
        c = self._hidden @ w[f"hidden.{place}.weight"].T + w[f"hidden.{place}.bias"]
        for j, other in enumerate(seen):
            c += w[f"sees.{place}.{j}.weight"][other]
        c = np.maximum(c, 0)
        out: Floats = c @ w[f"place.{place}.weight"].T + w[f"place.{place}.bias"]
        steps = np.arange(PITCHES)
        for j, other in enumerate(seen):
            every = c @ w[f"interval.{place}.{j}.weight"].T + w[f"interval.{place}.{j}.bias"]
            found = np.take_along_axis(every, steps - other[:, None] + PITCHES - 1, 1)
            out += found * ((other > 0)[:, None] & (steps > 0))
        return out

    def choose(self, place: int, classes: Ints) -> None:
        """The voice ``ORDER[place]`` has these classes (B,)."""
        self.chosen[:, ORDER[place]] = classes


class ChoraleModel:
    """A loaded chorale model; `begin`, then for each beat `expect`, choose its voices, and `step`."""

    def __init__(
        self, name: str, weights: Mapping[str, NDArray[Any]], low: Sequence[int] = LOW, high: Sequence[int] = HIGH
    ) -> None:
        self.name, self.low, self.high = name, tuple(low), tuple(high)
        self.weights = {key: np.asarray(value, np.float32) for key, value in weights.items()}
        self.hidden = self.weights["lower.weight_hh_l0"].shape[1]
        shape = self.weights["place.0.weight"].shape
        if shape[0] != PITCHES:
            raise ValueError(f"place.0.weight: {shape[0]} rows; must be {PITCHES}")

    def step(self, state: State, classes: Ints, tonic: Ints | int) -> State:
        """After a beat with these classes (B, 4)."""
        return self._read(State(state.lower, state.upper, classes), tonic)

    def begin(self, rows: int, tonic: Ints | int) -> State:
        """Before the first beat of pieces in these tonics."""
        zero = np.zeros((rows, self.hidden), np.float32)
        return self._read(State(zero, zero, np.zeros((rows, 4), np.int64)), tonic)

    def expect(self, state: State, tonic: Ints | int) -> Beat:
        """The beat that comes."""
        key = np.broadcast_to(self.weights["tonic.weight"][tonic], (len(state.lower), TONIC))
        return Beat(self, np.concatenate((state.lower, state.upper, key), 1), state.before)

    def _read(self, state: State, tonic: Ints | int) -> State:
        w, before = self.weights, state.before
        held = np.zeros((len(before), 12), np.float32)
        for voice in range(4):
            rows = np.flatnonzero(before[:, voice] > 0)
            held[rows, (before[rows, voice] + LOWEST) % 12] = 1
        key = np.broadcast_to(w["tonic.weight"][tonic], (len(before), TONIC))
        given = np.concatenate([*(w[f"voice.{v}.weight"][before[:, v]] for v in range(4)), held, key], 1)
        lower = self._gru("lower", given, state.lower)
        return State(lower, self._gru("upper", lower, state.upper), before)

    def _gru(self, name: str, x: Floats, h: Floats) -> Floats:
        w = self.weights
        a = x @ w[f"{name}.weight_ih_l0"].T + w[f"{name}.bias_ih_l0"]
        b = h @ w[f"{name}.weight_hh_l0"].T + w[f"{name}.bias_hh_l0"]
        (ar, az, an), (br, bz, bn) = np.split(a, 3, 1), np.split(b, 3, 1)
        reset, update = _sigmoid(ar + br), _sigmoid(az + bz)
        return np.asarray((1 - update) * np.tanh(an + reset * bn) + update * h, np.float32)


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)), np.float32)


def log_softmax(logits: Floats) -> Floats:
    """Logarithms of the probabilities, along the last axis."""
    top = logits - logits.max(-1, keepdims=True)
    return np.asarray(top - np.log(np.exp(top).sum(-1, keepdims=True)), np.float32)


def nats(model: ChoraleModel, chorale: Ints) -> float:
    """Negative log-likelihood of a chorale (T, 4) of MIDI notes a beat, soprano first; 0 is silence.

    The tonic is not an input: the twelve are equally likely before the first beat, and the likelihood is their mixture.
    """
    tonics = np.arange(12)
    state, total = model.begin(12, tonics), np.zeros(12)
    for beat in chorale:
        classes = classes_of(beat[None], tonics[:, None])
        expected = model.expect(state, tonics)
        for place, voice in enumerate(ORDER):
            found = log_softmax(expected.logits(place))
            total += found[np.arange(12), classes[:, voice]]
            expected.choose(place, classes[:, voice])
        state = model.step(state, classes, tonics)
    return float(-(np.log(np.exp(total - total.max()).mean()) + total.max()))
