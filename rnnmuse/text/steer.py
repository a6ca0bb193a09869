"""Search over a text model: many texts side by side, each within the rules, the likeliest kept.

Sequential Monte Carlo (Doucet et al. 2001; for language models Lew et al. 2023): every text goes on only as its guide
allows, is weighted by how much of the model's probability that was, and from time to time the heavy ones take the
places of the light ones. So a rhyme that is forced at the end of a line favours the texts that led up to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.text import Floats, State, TextModel

MOST_STEPS = 2000


class Guide(Protocol):
    """The rules for one text, as far as it is written."""

    over: bool

    @property
    def place(self) -> int:
        """Where the next character stands on a grid of verse; 0 where there is none."""

    def mask(self) -> NDArray[np.bool_]:
        """Which classes may come next, (classes,); never none."""

    def share(self, top_p: float) -> float:
        """The share of the likeliest classes to draw from here, where ``top_p`` is asked for."""

    def lean(self) -> NDArray[np.float32] | None:
        """Nats by which each class is liked here beyond what the model says, (classes,); None for no liking."""

    def take(self, character: int) -> float:
        """Go on by one character; returns nats to add to the text's weight, below 0 for what is not liked."""

    def copy(self) -> Guide: ...


@dataclass(frozen=True, slots=True)
class Here:
    """A place in a text from which to go on: ``logits`` (1, classes) of what comes next, and the ``state``."""

    logits: Floats
    state: State


@dataclass(slots=True)
class Found:
    """A text that was found: its classes, where it stands now, its guide, its share of the weight."""

    classes: list[int]
    """Of its characters, the new ones alone."""
    here: Here
    """Where it goes on."""
    guide: Guide
    """Its guide after it."""
    share: float
    """0 to 1; all shares add up to 1."""


def steer(
    model: TextModel,
    here: Here,
    guides: Sequence[Guide],
    random: np.random.Generator,
    temperature: float = 1.0,
    top_p: float = 1.0,
) -> list[Found]:
    """One text a guide, from ``here`` until each is over; the heaviest first."""
    count = len(guides)
    guides = [guide.copy() for guide in guides]
    texts: list[list[int]] = [[] for _ in range(count)]
    weights = np.zeros(count)
    logits = np.repeat(here.logits, count, 0)
    hidden, before = np.repeat(here.state.hidden, count, 0), np.repeat(here.state.before, count, 0)
    for _ in range(MOST_STEPS):
        live = [i for i in range(count) if not guides[i].over]
        if not live:
            break
        masks = np.stack([guides[i].mask() for i in live])
        if not masks.any(1).all():
            raise ValueError("guide: allows no character")
        shares = [guides[i].share(top_p) for i in live]
        leans = [guides[i].lean() for i in live]
        chosen, mass = draw(logits[live], masks, random, temperature, shares, leans)
        weights[live] += mass
        for i, character in zip(live, chosen.tolist(), strict=True):
            texts[i].append(character)
            weights[i] += guides[i].take(character)
        places = [guides[i].place for i in live]
        out, state = model.step(State(hidden[live], before[live]), chosen.tolist(), places)
        logits[live], hidden[live], before[live] = out, state.hidden, state.before
        share = np.exp(weights - weights.max())
        share /= share.sum()
        if count > 1 and 1 / (share**2).sum() < count / 2:
            rows = resampled(share, random)
            guides = [guides[i].copy() for i in rows]
            texts = [list(texts[i]) for i in rows]
            logits, hidden, before = logits[rows], hidden[rows], before[rows]
            weights[:] = 0.0
    share = np.exp(weights - weights.max())
    share /= share.sum()
    found = [
        Found(
            texts[i], Here(logits[i : i + 1], State(hidden[i : i + 1], before[i : i + 1])), guides[i], float(share[i])
        )
        for i in range(count)
        if guides[i].over
    ]
    return sorted(found, key=lambda one: -one.share)


def draw(
    logits: Floats,
    masks: NDArray[np.bool_],
    random: np.random.Generator,
    temperature: float,
    top_p: float | Sequence[float],
    leans: Sequence[NDArray[np.float32] | None] = (),
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """A class of each row of ``logits`` (B, classes) within ``masks``, and the nats of probability within them.

    ``leans`` are added to the logits where given; they count in those nats.
    """
    scores = logits.astype(np.float64)
    scores -= scores.max(1, keepdims=True)
    within = np.where(masks, scores, -np.inf)
    for line, lean in zip(within, leans, strict=False):
        if lean is not None:
            line += lean
    with np.errstate(divide="ignore"):
        mass = np.log(np.exp(within).sum(1)) - np.log(np.exp(scores).sum(1))
    mass = np.maximum(mass, -50.0)
    if temperature < 1e-3:
        return within.argmax(1), mass
    within = within - within.max(1, keepdims=True)
    share = np.exp(within / temperature)
    share /= share.sum(1, keepdims=True)
    kept = np.broadcast_to(np.asarray(top_p, np.float64), (len(share),))[:, None]
    if (kept < 1).any():
        order = np.argsort(-share, 1)
        running = np.cumsum(np.take_along_axis(share, order, 1), 1)
        drop = np.zeros_like(masks)
        np.put_along_axis(drop, order[:, 1:], running[:, :-1] >= kept, 1)
        share = np.where(drop, 0.0, share)
        share /= share.sum(1, keepdims=True)
    running = np.cumsum(share, 1)
    at = (running < random.random((len(share), 1)) * running[:, -1:]).sum(1)
    at = np.minimum(at, share.shape[1] - 1)
    for row in np.flatnonzero(share[np.arange(len(at)), at] == 0):  # a rounding error at the very end
        at[row] = int(share[row].argmax())
    return at, mass


def resampled(share: NDArray[np.float64], random: np.random.Generator) -> list[int]:
    """As many rows as there are, drawn by their share: systematic resampling (Kitagawa 1996)."""
    count = len(share)
    points = (random.random() + np.arange(count)) / count
    rows: list[int] = np.minimum(np.searchsorted(np.cumsum(share), points), count - 1).tolist()
    return rows
