"""How a chorale model is made; one TOML file."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from rnnmuse.train.chorale.network import ChoraleShape


@dataclass(frozen=True, slots=True)
class ChoraleRecipe:
    """Settings of one training run.

    Folders called ``train``, ``valid`` and ``test`` keep their split; the others are read ``beside`` and their share
    falls from ``beside_pieces`` an epoch to a quarter of it. ``other_beats`` is the share of chorales that are read at
    another sixteenth than the beat, ``other_tonic`` of those that are told a neighbouring tonic.
    """

    name: str
    """Name of the model."""
    about: str = ""
    """What the model is, in a line."""
    note: str = ""
    """What a setting cannot say, in words."""
    data: tuple[dict[str, str], ...] = field(default=())
    """Origin, licence and sha256 of each data set; of your own files the folder."""
    beside_pieces: int = 400
    other_beats: float = 0.2
    other_tonic: float = 0.1
    embed: int = 40
    """Width of a voice's pitch."""
    hidden: int = 200
    """Units of each GRU layer."""
    head: int = 160
    """Width of a voice's layer."""
    dropout: float = 0.45
    """As in `ChoraleShape`, 0 to under 1."""
    input_dropout: float = 0.3
    """As in `ChoraleShape`, 0 to under 1."""
    batch: int = 12
    """Chorales a step."""
    epochs: int = 80
    """At most."""
    patience: int = 80
    """Epochs without a better validation after which the run ends."""
    learning_rate: float = 2e-3
    """The highest, after the warm-up."""
    weight_decay: float = 0.05
    """AdamW's."""
    average: float = 0.995
    """Decay at each step of the averaged weights that are kept; 0 for none."""
    seed: int = 1
    """The number from which all chance follows."""

    def __post_init__(self) -> None:
        for name in ("embed", "hidden", "head", "batch", "epochs", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)!r}; must be at least 1")
        for name in ("dropout", "input_dropout", "other_beats", "other_tonic", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)!r}; must be from 0 to under 1")

    @property
    def shape(self) -> ChoraleShape:
        return ChoraleShape(**{f.name: getattr(self, f.name) for f in fields(ChoraleShape)})

    def changed(self, **settings: Any) -> ChoraleRecipe:
        return replace(self, **settings)
