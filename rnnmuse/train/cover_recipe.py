"""How a cover model is made: its network, its pictures and its training; one TOML file."""

from __future__ import annotations

import math
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from rnnmuse.models.cover import ATTRIBUTES
from rnnmuse.train.recipe import toml_value

ARCHITECTURES = ("coordinate", "conv", "digits")


@dataclass(frozen=True, slots=True)
class CoverRecipe:
    """Settings of one training run.

    ``side`` is that of the training pictures in pixels. ``abstract`` is the share of abstract pictures that rnnmuse
    draws itself. ``r1``, ``asked`` and ``patches`` weigh the terms named in `rnnmuse.train.adversarial`; ``mean`` is
    how much of the running mean of the generator stays at each step; ``half`` computes in bfloat16.
    """

    name: str
    architecture: str = "coordinate"
    about: str = ""
    note: str = ""
    data: tuple[dict[str, str], ...] = field(default=())
    side: int = 64
    colours: int = 3
    latent: int = 96
    abstract: float = 0.15
    batch: int = 16
    learning_rate: float = 2e-3
    momentum: float = 0.0
    augment: bool = True
    r1: float = 0.1
    asked: float = 0.2
    patches: float = 2.0
    mean: float = 0.998
    half: bool = True
    variants: int = 6
    pictures_every: int = 1000
    seed: int = 1

    @property
    def conditions(self) -> int:
        """Length of the condition vector: the attributes and whether the picture is an abstract one."""
        return len(ATTRIBUTES) + 1 if self.colours == 3 else 0

    def changed(self, **settings: Any) -> CoverRecipe:
        return replace(self, **settings)
