"""How a phrase model is made; one TOML file."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from rnnmuse.music.codec import PartClass
from rnnmuse.train.phrase.network import PhraseShape
from rnnmuse.train.stream.recipe import Recipe

MELODY = (PartClass("melody", 73, (5, 6, 7, 8, 9, 10), sung=True), PartClass("chords", 0, (0, 1, 2, 3, 11)))
KIT = (PartClass("drums", 0, drum=True),)


@dataclass(frozen=True, slots=True)
class PhraseRecipe:
    """Settings of one training run of a phrase VAE.

    ``drum`` makes it one of drums, else of melodies. ``bars`` and ``latent`` are as in PhraseShape. ``beta``, ``feel``,
    ``free`` (nats a dimension) and ``annealing`` (steps) are those of the loss in `rnnmuse.train.phrase.network`.
    ``hide`` is the share of steps that are hidden from the decoder, ``blind`` the share of phrases without key and
    chords. ``batch`` counts phrases of two bars. ``groove_epochs`` are those of the groove network that goes with
    drums. ``splits`` and ``exclude`` are as in Recipe.
    """

    name: str
    """Name of the model."""
    drum: bool = False
    about: str = ""
    """What the model is, in a line."""
    note: str = ""
    """What a setting cannot say, in words."""
    splits: str = ""
    exclude: tuple[str, ...] = ()
    data: tuple[dict[str, str], ...] = field(default=())
    """Origin, licence and sha256 of each data set; of your own files the folder."""
    bars: tuple[int, ...] = (2, 4)
    latent: tuple[int, ...] = (96, 160)
    embed: int = 128
    """Width of a step's embedding."""
    encoder: int = 192
    """Units of the encoder's GRU, in each direction."""
    beat: int = 64
    """Width of a beat on the way to z."""
    condition: int = 128
    """Width of the slice of W z for a beat."""
    hidden: int = 384
    """Units of the decoder's GRU."""
    head: int = 256
    """Width of each head's layer."""
    beta: float = 0.15
    feel: float = 1.0
    free: float = 0.02
    annealing: int = 1000
    hide: float = 0.4
    blind: float = 0.3
    dropout: float = 0.1
    """Share dropped of the GRUs' inputs and of the decoder's output, 0 to under 1."""
    batch: int = 128
    epochs: int = 30
    """At most."""
    groove_epochs: int = 12
    learning_rate: float = 2e-3
    """The highest, after the warm-up."""
    transpose: tuple[int, int] = (-6, 5)
    """Semitones by which a melody is transposed at random: the lowest and the highest."""
    seed: int = 1
    """The number from which all chance follows."""

    def __post_init__(self) -> None:
        for name in ("embed", "encoder", "beat", "condition", "hidden", "head", "batch", "epochs", "groove_epochs"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)!r}; must be a whole number of at least 1")
        for name in ("hide", "blind", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)!r}; must be from 0 to under 1")
        for name in ("beta", "feel", "free", "learning_rate"):
            if not 0 <= getattr(self, name) < 100:
                raise ValueError(f"{name}: {getattr(self, name)!r}; must be from 0 to under 100")
        if len(self.bars) != len(self.latent) or not self.bars or not all(1 <= b <= 8 for b in self.bars):
            raise ValueError(f"bars, latent: {self.bars!r}, {self.latent!r}; as many of one as of the other, bars 1-8")

    @property
    def shape(self) -> PhraseShape:
        return PhraseShape(**{f.name: getattr(self, f.name) for f in fields(PhraseShape)})

    @property
    def reading(self) -> Recipe:
        """How the pieces are read: a melody with its key and chords, or the drums as written."""
        if self.drum:
            return Recipe(self.name, KIT, prepare="as_written", splits=self.splits, exclude=self.exclude)
        return Recipe(self.name, MELODY, prepare="melody", splits=self.splits, exclude=self.exclude)

    def changed(self, **settings: Any) -> PhraseRecipe:
        return replace(self, **settings)
