"""How a cover model is made: its network, its pictures and its training; one TOML file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from rnnmuse.models.cover import CONDITIONS

ARCHITECTURES = ("coordinate", "conv", "digits")


@dataclass(frozen=True, slots=True)
class CoverRecipe:
    """Settings of one training run.

    ``side`` is that of the training pictures in pixels. ``abstract`` is the share of abstract pictures that rnnmuse
    draws itself, ``variants`` how many crops of each square are seen. ``r1``, ``asked`` and ``patches`` weigh the
    terms named in `rnnmuse.train.cover.objective`, and ``batches`` is over how many batches, the last ones, the spread
    of patches is taken; ``mean`` is how much of the running mean of the generator stays at each step, ``momentum``
    Adam's first, ``fall`` the share of a run, its end, over which the learning rate falls to nothing; ``half`` computes
    in bfloat16 where that is faster.
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
    variants: int = 6
    batch: int = 8
    learning_rate: float = 2e-3
    fall: float = 0.4
    momentum: float = 0.0
    augment: bool = True
    r1: float = 0.1
    asked: float = 0.2
    patches: float = 2.0
    batches: int = 8
    mean: float = 0.999
    half: bool = True
    pictures_every: int = 500
    seed: int = 1

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"architecture: {self.architecture!r}; must be one of {', '.join(ARCHITECTURES)}")
        sides = (28, 32, 64, 128) if self.architecture == "digits" else (32, 64, 128)
        if self.side not in sides:
            raise ValueError(f"side: {self.side!r}; must be one of {', '.join(map(str, sides))}")
        if self.colours not in (1, 3) or (self.colours == 1 and self.architecture != "digits"):
            raise ValueError(f"colours: {self.colours!r}; must be 3, or 1 for digits")
        for name in ("latent", "variants", "batch", "batches", "pictures_every"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= 100_000:
                raise ValueError(f"{name}: {value!r}; must be a whole number of at least 1")
        limits = {"abstract": (0, 0.9), "learning_rate": (1e-7, 1), "fall": (0, 1), "momentum": (0, 0.99),
                  "r1": (0, 100), "asked": (0, 100), "patches": (0, 100), "mean": (0, 0.99999),
                  "seed": (0, 2**31 - 1)}  # fmt: skip
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and low <= value <= high):
                raise ValueError(f"{name}: {value!r}; must be {low:g} to {high:g}")

    @property
    def conditions(self) -> int:
        """Length of the condition vector: the attributes and whether the picture is an abstract one."""
        return CONDITIONS if self.colours == 3 else 0

    def changed(self, **settings: Any) -> CoverRecipe:
        return replace(self, **settings)


def recipe_of(architecture: str, name: str) -> CoverRecipe:
    """The settings that an architecture begins with."""
    if architecture == "digits":  # as the first GAN's examples have it: Adam 2e-4, nothing else
        return CoverRecipe(
            name, "digits", side=28, colours=1, latent=128, abstract=0.0, variants=1, batch=100, learning_rate=2e-4,
            fall=0.0, momentum=0.5, augment=False, r1=0.0, asked=0.0, patches=0.0, batches=1, mean=0.0, half=False,
            pictures_every=1000,
        )  # fmt: skip
    if architecture == "conv":  # batch normalisation wants larger batches, FastGAN a lower rate
        return CoverRecipe(name, "conv", learning_rate=1e-3)
    return CoverRecipe(name, architecture)
