"""How a cover model is made: its network, its pictures and its training; one TOML file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from rnnmuse.models.cover import CONDITIONS

ARCHITECTURES = ("conv", "digits")


@dataclass(frozen=True, slots=True)
class CoverRecipe:
    """Settings of one training run.

    ``side`` is that of the training pictures in pixels. ``abstract`` is the share of abstract pictures that rnnmuse
    draws itself, ``figure`` how much more often a square is drawn whose figure stands out (see
    `rnnmuse.cover.field.Figure`), ``variants`` how many crops of each square are seen. ``r1`` and ``asked`` weigh the
    terms named in `rnnmuse.train.cover.objective`; ``mean`` is how much of the running mean of the generator stays at
    each step, ``momentum`` Adam's first, ``fall`` the share of a run, its end, over which the learning rate falls to
    nothing; ``half`` computes in bfloat16 where that is faster.
    """

    name: str
    """Name of the model."""
    architecture: str = "conv"
    """One of ARCHITECTURES."""
    about: str = ""
    """What the model is, in a line."""
    note: str = ""
    """What a setting cannot say, in words."""
    data: tuple[dict[str, str], ...] = field(default=())
    """Origin, licence and sha256 of each data set; of your own files the folder."""
    side: int = 128
    colours: int = 3
    """Channels of a picture: 3, or 1 for grey."""
    latent: int = 96
    """Dimensions of z."""
    abstract: float = 0.3
    figure: float = 3.0
    variants: int = 6
    batch: int = 32
    """Pictures a step."""
    learning_rate: float = 2e-3
    """Adam's, after the first 100 steps and before the fall."""
    fall: float = 0.4
    momentum: float = 0.0
    augment: bool = True
    """Whether the discriminator sees every picture changed, by `rnnmuse.train.cover.augment`."""
    r1: float = 0.5
    asked: float = 0.2
    mean: float = 0.999
    half: bool = True
    pictures_every: int = 500
    """Steps between two previews."""
    seed: int = 1
    """The number from which all chance follows."""

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"architecture: {self.architecture!r}; must be one of {', '.join(ARCHITECTURES)}")
        sides = (28, 32, 64, 128) if self.architecture == "digits" else (32, 64, 128)
        if self.side not in sides:
            raise ValueError(f"side: {self.side!r}; must be one of {', '.join(map(str, sides))}")
        if self.colours not in (1, 3) or (self.colours == 1 and self.architecture != "digits"):
            raise ValueError(f"colours: {self.colours!r}; must be 3, or 1 for digits")
        for name in ("latent", "variants", "batch", "pictures_every"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= 100_000:
                raise ValueError(f"{name}: {value!r}; must be a whole number of at least 1")
        limits = {"abstract": (0, 0.9), "learning_rate": (1e-7, 1), "fall": (0, 1), "momentum": (0, 0.99),
                  "r1": (0, 100), "asked": (0, 100), "figure": (0, 100), "mean": (0, 0.99999),
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
            fall=0.0, momentum=0.5, augment=False, r1=0.0, asked=0.0, figure=0.0, mean=0.0, half=False,
            pictures_every=1000,
        )  # fmt: skip
    return CoverRecipe(name, architecture)
