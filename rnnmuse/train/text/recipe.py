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
    "beside",
)


@dataclass(frozen=True, slots=True)
class TextRecipe:
    """Settings of one training run.

    ``select`` keeps those records of JSON lines whose fields hold the given words, such as ``book=Poetry``.
    ``verse`` "regulated" keeps Chinese poems of four or eight lines of five or seven characters, and trains on
    their grid; with ``titles`` each poem that has a title is read twice, with the title and without; with ``longer``
    poems of more lines are read too, cut into eights and fours. ``least`` is how often a character must occur to be
    one of the alphabet. ``validation`` is the share held out: with ``tail`` the last of the text, else whole texts by
    their hash. A file of ``data`` whose role is "beside" is read by the share ``beside`` of the lanes and never held
    out, as are the longer poems. ``average`` is the decay of the exponential moving average of the weights, which is
    what is validated and kept.
    """

    name: str
    """Name of the model."""
    about: str = ""
    """What the model is, in a line."""
    note: str = ""
    """What a setting cannot say, in words."""
    data: tuple[dict[str, str], ...] = field(default=())
    """Name (``place``), ``role``, origin, licence and sha256 of each file."""
    verse: str = ""
    titles: bool = False
    longer: bool = False
    least: int = 1
    validation: float = 0.1
    tail: bool = False
    beside: float = 0.5
    grams: int = 4096
    """Rows of each table for characters together; 0 for none."""
    embed: int = 128
    """Width of a character's embedding."""
    hidden: int = 512
    """Units of each GRU layer."""
    layers: int = 2
    """GRU layers."""
    lanes: int = 64
    """Places of the text that are read side by side."""
    chunk: int = 64
    """Characters of a lane that are read in a step."""
    epochs: int = 30
    """At most."""
    patience: int = 6
    """Epochs without a better validation after which the run ends."""
    learning_rate: float = 3e-3
    """The highest, after the warm-up."""
    weight_decay: float = 0.02
    """AdamW's, 0 to 1."""
    average: float = 0.998
    unknown: float = 0.03
    """As in `Dropout`, 0 to under 1."""
    drop_embed: float = 0.1
    """``embed`` of `Dropout`, 0 to under 1."""
    drop_grams: float = 0.2
    """``grams`` of `Dropout`, 0 to under 1."""
    drop_between: float = 0.2
    """``between`` of `Dropout`, 0 to under 1."""
    drop_output: float = 0.25
    """``output`` of `Dropout`, 0 to under 1."""
    drop_recurrent: float = 0.2
    """``recurrent`` of `Dropout`, 0 to under 1."""
    seed: int = 1
    """The number from which all chance follows."""

    def __post_init__(self) -> None:
        for name in WHOLE:
            value = getattr(self, name)
            low = int(name not in ("seed", "grams"))
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ValueError(f"{name}: {value!r}; must be a whole number of at least {low}")
        for name in ("titles", "longer"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}: {getattr(self, name)!r}; must be true or false")
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
