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
    about: str = ""
    note: str = ""
    data: tuple[dict[str, str], ...] = field(default=())
    beside_pieces: int = 400
    other_beats: float = 0.2
    other_tonic: float = 0.1
    embed: int = 40
    hidden: int = 200
    head: int = 160
    dropout: float = 0.45
    input_dropout: float = 0.3
    batch: int = 12
    epochs: int = 80
    patience: int = 80
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    average: float = 0.995
    seed: int = 1

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
