"""How a stream model is made: its part classes, its data, its size and its training; one TOML file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from rnnmuse.music.codec import PartClass
from rnnmuse.music.drums import KITS

PREPARE = ("as_written", "estimate_chords", "lead_sheet", "melody", "band")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Settings of one training run.

    ``prepare`` says what is done to a piece first; ``splits`` names a CSV in the data folder with the columns
    ``midi_filename`` and ``split``, without it pieces are split by name and content. A piece with one of the words in
    ``exclude`` in its path is left out. Pieces whose path begins with ``beside`` are for learning only; they are drawn
    for the share ``beside_share`` of the pieces read. ``kit`` names the kit of the drums (`rnnmuse.music.drums`);
    ``score`` says that the pieces are scores, to which expression is added when they are played; ``top_p`` is the
    nucleus that the model is drawn from, ``gravity`` the nats by which pitches outside an inferred key are less likely,
    ``restate`` the nats by which the bar that the plan has restated is read more, ``clash`` those by which a pitch is
    less likely a semitone from one that begins with it, ``follow`` for each part those by which it is outside the
    planned chord, ``touch`` the least nucleus of velocity and micro-timing, ``opening`` that of music from nothing,
    ``again`` the nats by which the pitches that a part began last are less likely to begin again, ``pace`` the nats a
    beat by which waits are shorter for each nat of distance to the planned density, ``stepwise`` those by which a
    part's top line rather moves by step, and by at most a third on in its direction, ``rhythm`` the nucleus of waits
    (0: that of all else), ``verbatim`` the share of the bars that a part of a real piece plays again which are played
    again (`rnnmuse.play.restated`).
    The memory has ``slots`` slots and ``readers`` heads. ``lanes`` pieces are read side by side,
    ``chunk`` events at a time, with carried state. ``average`` is the decay at each step of the averaged weights
    that are kept. ``note`` says in words what a setting cannot.
    """

    name: str
    """Name of the model."""
    parts: tuple[PartClass, ...]
    """Part classes of the model, by index."""
    about: str = ""
    """What the model is, in a line."""
    note: str = ""
    prepare: str = "estimate_chords"
    splits: str = ""
    exclude: tuple[str, ...] = ()
    beside: str = ""
    beside_share: float = 0.0
    kit: str = "general"
    score: bool = False
    top_p: float = 0.96
    gravity: float = 0.3
    restate: float = 0.0
    clash: float = 0.0
    follow: tuple[float, ...] = ()
    touch: float = 0.99
    opening: float = 1.0
    again: float = 0.0
    pace: float = 0.0
    stepwise: float = 0.0
    rhythm: float = 0.0
    verbatim: float = 0.0
    data: tuple[dict[str, str], ...] = field(default=())
    """Origin, licence and sha256 of each data set; of your own files the folder."""
    embed: int = 192
    """Width of an event's embedding."""
    hidden: int = 384
    """Units of the GRU."""
    head: int = 128
    """Width of each head's layer."""
    readers: int = 4
    slots: int = 1024
    lanes: int = 48
    chunk: int = 128
    epochs: int = 30
    """At most."""
    patience: int = 4
    """Epochs without a better validation after which the run ends."""
    learning_rate: float = 2e-3
    """The highest, after the warm-up."""
    weight_decay: float = 0.01
    """AdamW's, 0 to under 1."""
    average: float = 0.998
    dropout: float = 0.1
    """Share dropped of the GRU's input and output and of what is read from the memory, 0 to under 1."""
    transpose: tuple[int, int] = (-5, 6)
    """Semitones by which a piece is transposed at random: the lowest and the highest, -24 to 24."""
    seed: int = 1
    """The number from which all chance follows."""

    def __post_init__(self) -> None:
        if self.prepare not in PREPARE:
            raise ValueError(f"prepare: {self.prepare!r}; use one of {', '.join(PREPARE)}")
        for name in ("embed", "hidden", "head", "readers", "slots", "lanes", "chunk", "epochs", "patience", "seed"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < (name != "seed"):
                raise ValueError(f"{name}: {value!r}; must be a whole number of at least {int(name != 'seed')}")
        if not (isinstance(self.dropout, int | float) and 0 <= self.dropout < 1):
            raise ValueError(f"dropout: {self.dropout!r}; must be from 0 to under 1")
        if self.kit not in KITS:
            raise ValueError(f"kit: {self.kit!r}; use one of {', '.join(KITS)}")
        for name in ("beside_share", "weight_decay", "average"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value < 1):
                raise ValueError(f"{name}: {value!r}; must be from 0 to under 1")
        for name in ("top_p", "touch", "opening"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 < value <= 1):
                raise ValueError(f"{name}: {value!r}; must be above 0, up to 1")
        if self.follow and len(self.follow) != len(self.parts):
            raise ValueError(f"follow: {list(self.follow)}; must have a number for each of {len(self.parts)} parts")
        numbers = [(name, getattr(self, name)) for name in ("gravity", "restate", "clash", "again", "pace", "stepwise")]
        for name, value in [*numbers, *(("follow", value) for value in self.follow)]:
            if not (isinstance(value, int | float) and 0 <= value <= 20):
                raise ValueError(f"{name}: {value!r}; must be 0 to 20")
        for name in ("rhythm", "verbatim"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value <= 1):
                raise ValueError(f"{name}: {value!r}; must be 0 to 1")
        rate = self.learning_rate
        if not (isinstance(rate, int | float) and math.isfinite(rate) and rate > 0):
            raise ValueError(f"learning_rate: {rate!r}; must be above 0")
        if len(self.transpose) != 2 or not -24 <= self.transpose[0] <= self.transpose[1] <= 24:
            raise ValueError(f"transpose: {self.transpose!r}; must be two numbers, -24 to 24, the lower first")
        if not self.parts:
            raise ValueError("parts: none; a recipe needs at least one part class")
        if sum(part.drum for part in self.parts) > 1:
            raise ValueError("parts: at most one of them can be drums")

    @property
    def drums(self) -> int:
        """Index of the drum class, -1 without."""
        return next((i for i, part in enumerate(self.parts) if part.drum), -1)

    def changed(self, **settings: Any) -> Recipe:
        return replace(self, **settings)
