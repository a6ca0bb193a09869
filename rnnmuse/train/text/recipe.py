"""How a text model is made: its data, its size and its training; one TOML file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

VERSES = ("", "regulated")
WHOLE = ("embed", "hidden", "layers", "lanes", "chunk", "epochs", "patience", "seed", "least", "grams")
SHARES = (
    "unknown",
    "drop_embed",
    "drop_grams",
    "drop_between",
    "drop_output",
    "drop_recurrent",
    "average",
    "validation",
)


@dataclass(frozen=True, slots=True)
class TextRecipe:
    """Settings of one training run.

    ``select`` keeps those records of JSON lines whose fields hold the given words, such as ``book=Poetry``.
    ``verse`` "regulated" keeps Chinese poems of four or eight lines of five or seven characters, and trains on
    their grid. ``least`` is how often a character must occur to be one of the alphabet. ``validation`` is the share
    held out: with ``tail`` the last of the text, else whole texts by their hash. ``average`` is the decay of the
    exponential moving average of the weights, which is what is validated and kept.
    """

    name: str
    about: str = ""
    note: str = ""
    data: tuple[dict[str, str], ...] = field(default=())
    verse: str = ""
    least: int = 1
    validation: float = 0.1
    tail: bool = False
    grams: int = 4096
    embed: int = 128
    hidden: int = 512
    layers: int = 2
    lanes: int = 64
    chunk: int = 64
    epochs: int = 30
    patience: int = 6
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    average: float = 0.998
    unknown: float = 0.03
    drop_embed: float = 0.1
    drop_grams: float = 0.2
    drop_between: float = 0.2
    drop_output: float = 0.25
    drop_recurrent: float = 0.2
    seed: int = 1

    def __post_init__(self) -> None:
        for name in WHOLE:
            value = getattr(self, name)
            low = int(name not in ("seed", "grams"))
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ValueError(f"{name}: {value!r}; must be a whole number of at least {low}")
        for name in SHARES:
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value < 1):
                raise ValueError(f"{name}: {value!r}; must be from 0 to under 1")
        if not (isinstance(self.learning_rate, float) and math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"learning_rate: {self.learning_rate!r}; must be above 0")
        if not (isinstance(self.weight_decay, int | float) and 0 <= self.weight_decay <= 1):
            raise ValueError(f"weight_decay: {self.weight_decay!r}; must be 0 to 1")
        if self.verse not in VERSES:
            raise ValueError(f"verse: {self.verse!r}; use one of {', '.join(map(repr, VERSES))}")

    def changed(self, **settings: Any) -> TextRecipe:
        return replace(self, **settings)
