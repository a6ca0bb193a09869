"""Print looks: how a composition is drawn in a few flat inks, as pixels or as vectors."""

from __future__ import annotations

from collections.abc import Callable

from rnnmuse.cover.composition import Composition
from rnnmuse.cover.inks import Palette
from rnnmuse.cover.looks.geometric import geometric
from rnnmuse.cover.looks.gradient import gradient
from rnnmuse.cover.looks.lino import lino
from rnnmuse.cover.looks.paint import paint
from rnnmuse.cover.looks.riso import riso
from rnnmuse.cover.looks.screen import screen
from rnnmuse.cover.plate import Print

Look = Callable[[Composition, Palette, int], Print]
LOOKS: dict[str, Look] = {"screen": screen, "riso": riso, "lino": lino, "geometric": geometric, "gradient": gradient,
                          "paint": paint}  # fmt: skip
"""The looks by name; the first is the default."""
DEFAULT = "screen"
