"""Several text models as one: a fader each, their distributions added or multiplied.

A mixture of models is old in speech recognition (linear interpolation, Jelinek and Mercer 1980; log-linear, Klakow
1998); live, on faders, after Akten and Grierson (2016). The alphabets are joined: what one model lacks it cannot give,
and reads as unknown or as what looks like it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.alphabet import FIRST
from rnnmuse.models.text import Floats, State, TextModel

KINDS = ("linear", "product")
CAUGHT_UP = 64
"""Characters that a model whose fader comes up reads of what was written without it."""


@dataclass(slots=True)
class _Voice:
    model: TextModel
    """Reads what all have written."""
    weight: float
    """Its fader, 0 or more."""
    columns: NDArray[np.int64]
    """Index in the joined alphabet of each of the model's characters."""
    logits: Floats
    """What it expects next, over its own characters."""
    state: State
    """After what it has read."""
    at: int = 0
    """How much of the common text it has read."""


class Mixture:
    """Models that write one text together. ``kind`` is linear (weighted mean) or product (weighted geometric mean)."""

    def __init__(self, models: Sequence[TextModel], weights: Mapping[str, float] | None = None) -> None:
        self.kind = "linear"
        self.characters = "".join(dict.fromkeys(c for model in models for c in model.alphabet.characters))
        index = {c: i for i, c in enumerate(self.characters)}
        self.text = ""
        self._dropped = 0
        self._voices: dict[str, _Voice] = {}
        for model in models:
            columns = np.array([index[c] for c in model.alphabet.characters], np.int64)
            logits, state = model.begin()
            weight = 1.0 if weights is None else weights.get(model.name, 0.0)
            self._voices[model.name] = _Voice(model, weight, columns, logits[0], state)

    @property
    def weights(self) -> dict[str, float]:
        return {name: voice.weight for name, voice in self._voices.items()}

    def fade(self, name: str, weight: float) -> None:
        """Set a fader, 0 or more; ValueError for a model that is not in the mixture."""
        if name not in self._voices:
            raise ValueError(f"mix: {name!r} is not loaded; use one of {', '.join(self._voices)}")
        if not (np.isfinite(weight) and weight >= 0):
            raise ValueError(f"mix: {weight}; must be 0 or more")
        self._voices[name].weight = weight

    def hear(self, text: str) -> None:
        """Read ``text`` as what came before."""
        self.text += text
        for voice in self._voices.values():
            if voice.weight > 0:
                self._catch_up(voice)
        if len(self.text) > 4 * CAUGHT_UP:
            cut = len(self.text) - CAUGHT_UP
            self.text, self._dropped = self.text[cut:], self._dropped + cut

    def share(self, temperature: float = 1.0) -> NDArray[np.float64]:
        """Probability of each of ``characters`` to come next, at a temperature above 0. None sounds: all alike."""
        sounding = [voice for voice in self._voices.values() if voice.weight > 0]
        total = sum(voice.weight for voice in sounding)
        joined = np.zeros(len(self.characters))
        if not sounding:
            return joined + 1 / len(joined)
        if self.kind == "product":
            joined = np.zeros(len(self.characters))
            known = np.ones(len(self.characters), np.bool_)
        for voice in sounding:
            self._catch_up(voice)
            scores = voice.logits[FIRST:].astype(np.float64)
            scores = scores - scores.max()
            scores -= np.log(np.exp(scores).sum())
            if self.kind == "linear":
                joined[voice.columns] += voice.weight / total * np.exp(scores)
            else:
                own = np.full(len(joined), -np.inf)
                own[voice.columns] = scores
                known &= np.isfinite(own)
                joined += voice.weight / total * np.where(np.isfinite(own), own, 0.0)
        if self.kind == "product":
            if not known.any():
                return np.zeros(len(joined)) + 1 / len(joined)
            joined = np.where(known, np.exp(joined - joined[known].max()), 0.0)
        if temperature != 1.0:
            with np.errstate(divide="ignore"):
                scores = np.log(joined) / temperature
            joined = np.exp(scores - scores.max())
        share: NDArray[np.float64] = joined / joined.sum()
        return share

    def next(self, random: Random, temperature: float = 0.8, top_p: float = 0.95) -> str:
        """Draw a character and read it."""
        share = self.share(max(temperature, 0.05) if temperature else 1.0)
        if temperature < 1e-3:
            at = int(share.argmax())
        else:
            order = np.argsort(-share)
            running = np.cumsum(share[order])
            keep = int(np.searchsorted(running, min(top_p, 1.0) * running[-1])) + 1
            cut = running[:keep]
            at = int(order[min(keep - 1, int(np.searchsorted(cut, random.random() * cut[-1], side="right")))])
        c = self.characters[at]
        self.hear(c)
        return c

    def _catch_up(self, voice: _Voice) -> None:
        end = self._dropped + len(self.text)
        missed = end - voice.at
        if missed <= 0:
            return
        if missed > CAUGHT_UP and missed > len(self.text):  # too much to read while it plays: it starts over
            logits, voice.state = voice.model.begin()
            voice.logits = logits[0]
        for k in voice.model.alphabet.encode(self.text[-min(missed, len(self.text)) :]):
            logits, voice.state = voice.model.step(voice.state, [k])
            voice.logits = logits[0]
        voice.at = end

    def save(self) -> tuple[str, int, dict[str, tuple[Floats, State, int]]]:
        """Where the text stands, for `restore`."""
        return self.text, self._dropped, {n: (v.logits, v.state, v.at) for n, v in self._voices.items()}

    def restore(self, saved: tuple[str, int, dict[str, tuple[Floats, State, int]]]) -> None:
        """Go back to a saved place."""
        self.text, self._dropped, places = saved
        for name, (logits, state, at) in places.items():
            if name in self._voices:
                voice = self._voices[name]
                voice.logits, voice.state, voice.at = logits, state, at
