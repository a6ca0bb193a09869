"""Printing inks and the curated palettes that a cover is printed in.

An ink is defined by its shares of cyan, magenta, yellow and black, so that every one can be printed in four colours
(total area coverage up to 300 %). Its colour on a screen is predicted from them: Neugebauer's equations over the 16
overprints of offset printing on coated paper, with Yule and Nielsen's correction for the spread of light. The CIELAB
values of the overprints are the aims of ISO 12647-2:2004 for paper types 1 and 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from rnnmuse.cover.palette import Colour, contrast, from_lab, from_linear, lab, linear, luminance, parse_colour
from rnnmuse.models.cover import ATTRIBUTES

MOST_COVERAGE = 300
"""Percent of ink on one spot that sheet-fed offset takes."""
_N = 1.8  # Yule and Nielsen's factor: 1 without spread of light, 2 at the most
_SOLIDS = {"": (95.0, 0.0, -2.0), "c": (55.0, -37.0, -50.0), "m": (48.0, 74.0, -3.0), "y": (91.0, -5.0, 93.0),
           "my": (47.0, 68.0, 48.0), "cy": (50.0, -65.0, 27.0), "cm": (24.0, 20.0, -46.0), "cmy": (23.0, 0.0, 0.0),
           "k": (16.0, 0.0, 0.0)}  # fmt: skip
"""CIELAB of the paper, the solid inks and their overprints."""
_BLACKED = 0.75
"""How much darker black is over solid inks than on paper, as a share."""


@dataclass(frozen=True)
class Ink:
    """An ink of a name, its ``cmyk`` in percent."""

    name: str
    """As PALETTES and files name it."""
    cmyk: tuple[int, int, int, int]

    @cached_property
    def rgb(self) -> Colour:
        """The predicted colour, sRGB 0-255."""
        return _predicted(self.cmyk)

    @cached_property
    def lightness(self) -> float:
        """CIELAB L*, 0-100."""
        return float(lab(self.rgb)[0])

    @property
    def hex(self) -> str:
        return "#{:02x}{:02x}{:02x}".format(*self.rgb)


@lru_cache(maxsize=1)
def _primaries() -> NDArray[np.float64]:
    """Linear RGB of the 16 overprints to the power of 1/n, in the order of cmyk with k running fastest."""
    rows = []
    black = linear(np.array(from_lab(_SOLIDS["k"]), np.float64) / 255)
    for parts in product((0, 1), repeat=4):
        name = "".join(letter for letter, part in zip("cmy", parts, strict=False) if part)
        light = linear(np.array(from_lab(_SOLIDS[name]), np.float64) / 255)
        if parts[3]:
            light = black * (1 - _BLACKED + _BLACKED * light)
        rows.append(light)
    return np.asarray(np.power(np.array(rows), 1 / _N))


def _predicted(cmyk: tuple[int, int, int, int]) -> Colour:
    shares = np.array(cmyk, np.float64) / 100
    weights = np.array(
        [
            math.prod(share if part else 1 - share for share, part in zip(shares.tolist(), parts, strict=True))
            for parts in product((0, 1), repeat=4)
        ]
    )
    return from_linear(np.power(weights @ _primaries(), _N))


def _ink(name: str, *cmyk: int) -> Ink:
    return Ink(name, (cmyk[0], cmyk[1], cmyk[2], cmyk[3]))


INKS = {ink.name: ink for ink in (
    _ink("white", 0, 0, 0, 0), _ink("bone", 3, 5, 12, 0), _ink("cream", 2, 6, 26, 0), _ink("sand", 6, 14, 30, 0),
    _ink("mist", 14, 4, 7, 2), _ink("fog", 26, 16, 18, 4), _ink("stone", 36, 30, 34, 10),
    _ink("blush", 2, 22, 16, 0), _ink("peach", 0, 28, 36, 0), _ink("rose", 0, 48, 20, 0), _ink("coral", 0, 70, 56, 0),
    _ink("vermilion", 0, 86, 92, 0), _ink("scarlet", 6, 98, 86, 2), _ink("brick", 20, 82, 86, 12),
    _ink("burgundy", 36, 96, 66, 52), _ink("plum", 56, 88, 26, 34), _ink("aubergine", 72, 88, 46, 54),
    _ink("violet", 64, 74, 0, 0), _ink("lilac", 20, 26, 0, 0), _ink("orchid", 28, 66, 0, 0),
    _ink("indigo", 96, 84, 20, 24), _ink("ultramarine", 94, 76, 0, 6), _ink("cobalt", 86, 48, 0, 0),
    _ink("sky", 46, 8, 4, 0), _ink("ice", 20, 2, 5, 0), _ink("teal", 84, 26, 42, 12), _ink("petrol", 90, 50, 46, 44),
    _ink("mint", 38, 0, 28, 0), _ink("emerald", 84, 14, 78, 6), _ink("forest", 84, 44, 84, 50),
    _ink("moss", 62, 36, 80, 20), _ink("olive", 44, 38, 88, 22), _ink("lime", 32, 0, 86, 0), _ink("lemon", 2, 2, 80, 0),
    _ink("mustard", 4, 26, 90, 0), _ink("amber", 0, 44, 94, 0), _ink("tangerine", 0, 56, 94, 0),
    _ink("rust", 18, 72, 96, 10), _ink("umber", 42, 64, 76, 54), _ink("espresso", 54, 66, 68, 74),
    _ink("midnight", 96, 82, 46, 62), _ink("charcoal", 60, 50, 48, 62), _ink("black", 50, 40, 40, 100),
)}  # fmt: skip


PAPER = INKS["white"]
"""No ink: letters in it are left open in the inks below them."""


@dataclass(frozen=True)
class Palette:
    """Four inks by their part in the picture: the ``ground``, a ``shade`` near it, the ``figure`` that stands out from
    it, and an ``accent``."""

    name: str
    """By which it is chosen."""
    ground: Ink
    shade: Ink
    figure: Ink
    accent: Ink

    @property
    def inks(self) -> tuple[Ink, ...]:
        """The different inks, the ground first."""
        return tuple(dict.fromkeys((self.ground, self.shade, self.figure, self.accent)))

    @cached_property
    def letters(self) -> Ink:
        """The ink that is read best on the ground; the bare paper where none of the palette's reaches 7 : 1, and black
        where that does not reach 4.5 : 1 either."""
        best = max(self.inks, key=self.legibility)
        if self.legibility(best) < 7:
            best = max((best, PAPER), key=self.legibility)
        return best if self.legibility(best) >= 4.5 else INKS["black"]

    def legibility(self, ink: Ink) -> float:
        """Contrast ratio (WCAG 2.2) of an ink on the ground."""
        return float(contrast(luminance(ink.rgb), luminance(self.ground.rgb)))

    @cached_property
    def attributes(self) -> tuple[float, ...]:
        """Brightness, contrast, warmth, tint and variety of its colours, the ground counting most."""
        colours = lab(np.array([ink.rgb for ink in (self.ground, self.shade, self.figure, self.accent)]))
        share = np.array([0.6, 0.2, 0.1, 0.1])
        light, a, b = (colours * share[:, None]).sum(0)
        spread = np.sqrt((np.square(colours[:, 1:] - np.array([a, b])).sum(1) * share).sum())
        return float(light), abs(self.ground.lightness - self.figure.lightness), float(a + b), float(-a), float(spread)


def _palette(name: str, *inks: str) -> Palette:
    ground, shade, figure, accent = (INKS[ink] for ink in inks)
    return Palette(name, ground, shade, figure, accent)


PALETTES = {palette.name: palette for palette in (
    _palette("noir", "black", "charcoal", "bone", "scarlet"),
    _palette("newsprint", "bone", "fog", "black", "vermilion"),
    _palette("sepia", "cream", "sand", "espresso", "rust"),
    _palette("sunset", "aubergine", "plum", "amber", "coral"),
    _palette("sea", "midnight", "petrol", "ice", "coral"),
    _palette("harbour", "ice", "sky", "indigo", "tangerine"),
    _palette("forest", "forest", "petrol", "cream", "mustard"),
    _palette("meadow", "mint", "lime", "forest", "rose"),
    _palette("ember", "espresso", "burgundy", "tangerine", "lemon"),
    _palette("ice", "mist", "ice", "midnight", "cobalt"),
    _palette("violet", "aubergine", "plum", "lilac", "amber"),
    _palette("orchid", "lilac", "blush", "midnight", "vermilion"),
    _palette("spring", "cream", "mint", "forest", "rose"),
    _palette("neon", "midnight", "indigo", "lime", "rose"),
    _palette("desert", "sand", "peach", "burgundy", "teal"),
    _palette("clay", "blush", "peach", "brick", "midnight"),
    _palette("signal", "tangerine", "amber", "black", "bone"),
    _palette("poppy", "scarlet", "brick", "white", "black"),
    _palette("canary", "lemon", "amber", "midnight", "vermilion"),
    _palette("ochre", "mustard", "amber", "espresso", "bone"),
    _palette("jazz", "ultramarine", "cobalt", "cream", "amber"),
    _palette("bluenote", "indigo", "ultramarine", "sky", "lemon"),
    _palette("lagoon", "petrol", "teal", "lemon", "blush"),
    _palette("moss", "bone", "sand", "forest", "olive"),
    _palette("salmon", "peach", "coral", "midnight", "cream"),
    _palette("slate", "charcoal", "midnight", "mint", "coral"),
    _palette("winter", "white", "mist", "petrol", "scarlet"),
    _palette("linen", "white", "sand", "umber", "cobalt"),
    _palette("garden", "white", "mint", "forest", "coral"),
    _palette("berry", "white", "blush", "burgundy", "mustard"),
    _palette("porcelain", "white", "ice", "ultramarine", "amber"),
    _palette("wine", "burgundy", "aubergine", "blush", "mustard"),
    _palette("pine", "petrol", "forest", "peach", "lime"),
    _palette("candy", "rose", "blush", "black", "lemon"),
)}  # fmt: skip


ASKED = [ATTRIBUTES.index(name) for name in ("brightness", "contrast", "warmth", "tint", "variety")]
WEIGHT = (1.0, 0.15, 1.0, 0.6, 0.15)
"""What each counts in the choice of a palette."""
MIDDLE, SPREAD = (0.2, -0.3, 0.2, 0.0, -0.15), (0.85, 0.5, 0.85, 0.55, 0.55)
"""Of what music asks: between 56 songs and lead sheets, and traits drawn at random."""


def palette_for(wishes: NDArray[np.floating]) -> Palette:
    """The palette nearest to what is asked of a picture (of `rnnmuse.cover.traits.conditions_of`): brightness,
    contrast, warmth, tint and variety, in units of their spread over the palettes and over what music asks."""
    asked = (np.asarray(wishes, np.float64)[ASKED] - np.array(MIDDLE)) / np.array(SPREAD)
    distance = (np.square(_table() - asked) * WEIGHT).sum(1)
    return list(PALETTES.values())[int(distance.argmin())]


@lru_cache(maxsize=1)
def _table() -> NDArray[np.float64]:
    found = np.array([palette.attributes for palette in PALETTES.values()])
    return np.asarray((found - found.mean(0)) / found.std(0))


def parse_palette(text: str) -> Palette:
    """A palette by its name, or two to four colours or inks with commas: ground, figure, accent, shade.

    ValueError names what is wrong. A colour (``#rrggbb``) becomes the CMYK nearest to it.
    """
    value = text.strip().lower()
    if value in PALETTES:
        return PALETTES[value]
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if len(parts) < 2:
        near = get_close_matches(value, PALETTES, 3, 0.5)
        hint = f" (near: {', '.join(near)})" if near else ""
        raise ValueError(f"palette: {text!r}{hint}; must be {', '.join(PALETTES)}, or inks such as bone,indigo,coral")
    if len(parts) > 4:
        raise ValueError(f"palette: {len(parts)} inks; must be 2 to 4")
    inks = [INKS[part] if part in INKS else nearest_ink(parse_colour(part)) for part in parts]
    ground, figure = inks[0], inks[1]
    accent = inks[2] if len(inks) > 2 else figure
    return Palette(",".join(parts), ground, inks[3] if len(inks) > 3 else ground, figure, accent)


def palette_of(colours: NDArray[np.floating]) -> Palette:
    """A palette in a picture's own colours (…, 3), CIELAB: four means found by k-means, the largest area the ground,
    the one farthest from it in lightness the figure."""
    points = colours.reshape(-1, 3)[:: max(1, colours.size // 3 // 1024)].astype(np.float64)
    order = points[:, 0].argsort()
    means = points[order[[len(order) // 8, 3 * len(order) // 8, 5 * len(order) // 8, 7 * len(order) // 8]]]
    for _ in range(12):
        nearest = np.square(points[:, None] - means).sum(2).argmin(1)
        means = np.stack([points[nearest == k].mean(0) if (nearest == k).any() else means[k] for k in range(4)])
    counts = np.bincount(nearest, minlength=4)
    ground = int(counts.argmax())
    rest = sorted((k for k in range(4) if k != ground), key=lambda k: abs(means[k][0] - means[ground][0]))
    means[:, 1:] *= 1.25  # a mean is duller than what it is the mean of
    shade, accent, figure = rest
    if abs(means[figure][0] - means[ground][0]) < 45:
        means[figure][0] = (
            min(94.0, means[ground][0] + 50) if means[ground][0] < 50 else max(12.0, means[ground][0] - 50)
        )
    inks = [nearest_ink(from_lab(means[k].tolist())) for k in (ground, shade, figure, accent)]
    return Palette("picture", *inks)


def nearest_ink(colour: Colour) -> Ink:
    """The CMYK whose predicted colour is nearest to a colour in CIELAB, found by descent; it is named by its hex."""
    wanted = lab(colour)
    step = 32

    def distance(cmyk: tuple[int, int, int, int]) -> float:
        # of inks that look the same the least ink is best: black instead of three colours
        return float(np.square(lab(_predicted(cmyk)) - wanted).sum()) + 0.02 * sum(cmyk)

    start = [*product((0, 50, 100), (0, 50, 100), (0, 50, 100), (0, 50)), *((0, 0, 0, k) for k in range(0, 101, 20))]
    start = [cmyk for cmyk in start if sum(cmyk) <= MOST_COVERAGE]
    best = min(start, key=distance)
    lowest = distance(best)
    while step:
        moved = False
        for index, sign in product(range(4), (-1, 1)):
            tried = list(best)
            tried[index] = min(100, max(0, tried[index] + sign * step))
            cmyk = (tried[0], tried[1], tried[2], tried[3])
            if sum(cmyk) <= MOST_COVERAGE and (found := distance(cmyk)) < lowest:
                best, lowest, moved = cmyk, found, True
        step = step if moved else step // 2
    return Ink("#{:02x}{:02x}{:02x}".format(*colour), best)
