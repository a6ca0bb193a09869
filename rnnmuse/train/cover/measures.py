"""What a generator's pictures and the covers printed from them are measured by. No loss knows any of it.

Pictures are (n, side, side, 3) uint8.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rnnmuse.cover.composition import compose
from rnnmuse.cover.field import figure_of, largest_shape, low_passed
from rnnmuse.cover.palette import lab
from rnnmuse.cover.picture import Design, draw, picture_of, printed, sheet_of
from rnnmuse.cover.traits import PROFILE_REACH, REACH
from rnnmuse.models.cover import CoverModel

Pixels = NDArray[np.uint8]
FINE = 16
"""Cycles a side above which variance is fine."""
TONES = 4
SMALL = 64
"""Side in pixels of the smallest size at which a cover is seen."""
EDGE = 25.0
"""L* that two sides of an edge differ by."""


def composition_of(pictures: Pixels) -> dict[str, float]:
    """How well pictures lend themselves to a print, medians over them.

    ``prominence`` of the figure (`rnnmuse.cover.field.Figure`), ``tones``: share of the variance of lightness between
    four tones, ``edges``: the steepest twentieth of slopes, in L* a hundredth of the side, ``fine``: share of the
    variance of lightness above 16 cycles a side, ``saturation``: mean chroma.
    """
    rows = []
    for one in pictures:
        colours = lab(one)
        light = colours[..., 0]
        slope = np.hypot(*np.gradient(light)) * len(one) / 100
        tones = separation(low_passed(light.astype(np.float32)))
        chroma = float(np.hypot(colours[..., 1], colours[..., 2]).mean())
        rows.append((figure_of(one).prominence, tones, np.quantile(slope, 0.95), fine_share(light), chroma))
    names = ("prominence", "tones", "edges", "fine", "saturation")
    return {name: round(float(value), 3) for name, value in zip(names, np.median(rows, 0), strict=True)}


def fine_share(light: NDArray[np.floating]) -> float:
    """Share of a square field's variance above FINE cycles a side; edges mirrored, so that they add nothing."""
    wide = np.concatenate([light, light[::-1]])
    wide = np.concatenate([wide, wide[:, ::-1]], 1)
    power = np.square(np.abs(np.fft.fft2(wide - wide.mean())))
    line = np.fft.fftfreq(len(wide)) * len(light)
    return float(power[np.hypot(line, line[:, None]) > FINE].sum() / (power.sum() + 1e-9))


def separation(light: NDArray[np.floating], tones: int = TONES) -> float:
    """Share of a field's variance that lies between its best ``tones`` tones (k-means in one dimension)."""
    values = np.sort(light.ravel())
    means = values[((np.arange(tones) + 0.5) / tones * len(values)).astype(int)]
    for _ in range(20):
        nearest = np.abs(values[:, None] - means).argmin(1)
        means = np.array([values[nearest == k].mean() if (nearest == k).any() else means[k] for k in range(tones)])
    within = np.square(values - means[nearest]).mean()
    return float(1 - within / (values.var() + 1e-9))


def largest_at(image: Image.Image, side: int = SMALL) -> tuple[float, float]:
    """Share of the area and difference in L* from the rest of the shape that stands out most at ``side`` px, of those
    of 12-60 % where there is one."""
    light = lab(np.asarray(image.resize((side, side), Image.Resampling.BOX)))[..., 0]
    best: tuple[bool, float, float] = (False, 0.0, 0.0)
    for cut in np.unique(np.quantile(light, np.linspace(0.08, 0.92, 22))).tolist():
        for mask in (light > cut, light < cut):
            shape = largest_shape(mask)
            if 0 < shape.sum() < shape.size:
                share = float(shape.mean())
                apart = abs(float(np.median(light[shape]) - np.median(light[~shape])))
                best = max(best, (0.12 <= share <= 0.6, apart, share))
    return best[2], best[1]


def edge_widths(pixels: Pixels, rows: int = 60) -> NDArray[np.float64]:
    """Widths in pixels, 10 to 90 %, of the edges that cross evenly spaced rows of a large picture.

    An edge is where lightness changes by EDGE and more over ten pixels, between two flat sides; its slant is taken out
    by the direction of the slope.
    """
    out: list[float] = []
    for row in np.linspace(8, len(pixels) - 9, rows).astype(int):
        light = lab(pixels[row - 6 : row + 7])[..., 0]
        middle = light[6]
        jumps = np.abs(middle[10:] - middle[:-10])
        at = 0
        while at < len(jumps) - 14:
            if jumps[at] < EDGE:
                at += 1
                continue
            window = middle[at : at + 14]
            steps = np.abs(np.diff(middle[at : at + 14]))
            centre = at + int(steps.argmax())
            before, after = (
                np.median(middle[max(0, centre - 7) : max(1, centre - 3)]),
                np.median(middle[centre + 4 : centre + 8]),
            )
            if len(window) == 14 and abs(after - before) >= EDGE:
                share = (middle[max(0, centre - 7) : centre + 8] - before) / (after - before)
                low, high = _crossing(share, 0.1), _crossing(share, 0.9)
                block = light[4:9, max(0, centre - 2) : centre + 3]
                down, across = np.gradient(block)
                slant = abs(across).sum() / (np.hypot(abs(across).sum(), abs(down).sum()) + 1e-9)
                if np.isfinite(low) and np.isfinite(high):
                    out.append(max(0.0, (high - low) * slant))
            at += 14
    return np.array(out)


def _crossing(share: NDArray[np.floating], level: float) -> float:
    """Where a rising line first passes a level, between samples."""
    above = np.flatnonzero(share >= level)
    if not len(above) or above[0] == 0:
        return float("nan")
    index = int(above[0])
    return float(index - 1 + (level - share[index - 1]) / (share[index] - share[index - 1]))


def printed_at(model: CoverModel, looks: Sequence[str], titles: Sequence[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """For each look, over covers of the seeds from 1 on with these titles: contrast of the title, least and median; the
    share of covers whose largest shape at 64 px covers 12-60 % and differs by 30 L*; the most inks."""
    out = {}
    for look in looks:
        contrasts, clear, inks = [], [], 0
        for seed, (title, artist) in enumerate(titles, 1):
            design = Design(seed, look=look, title=title, artist=artist)
            sheet = sheet_of(design, compose(picture_of(model, design)), 400, 400)
            image, lettering = printed(sheet, seed)
            share, apart = largest_at(image)
            assert lettering is not None
            contrasts.append(lettering.contrast)
            clear.append(0.12 <= share <= 0.6 and apart >= 30)
            inks = max(inks, len(sheet.made.inks))
        out[look] = {
            "contrast, least": round(min(contrasts), 1),
            "contrast, median": round(float(np.median(contrasts)), 1),
            "figure at 64 px": round(float(np.mean(clear)), 3),
            "inks": inks,
        }
    return out


def small_vector(model: CoverModel, design: Design, again: bool = False) -> NDArray[np.float64]:
    """A cover without letters at 64 px, CIELAB, flat; ``again`` at another size and as a poor JPEG first."""
    side = (5 if again else 2) * SMALL
    image, _ = draw(model, replace(design, title="", artist=""), side, side)
    if again:
        held = io.BytesIO()
        image.save(held, "JPEG", quality=50)
        image = Image.open(held)
    return np.asarray(lab(np.asarray(image.resize((SMALL, SMALL), Image.Resampling.BOX))).ravel())


def music_vector(design: Design) -> NDArray[np.float64]:
    """Traits and profile, each in units of its reach."""
    assert design.traits is not None
    return np.concatenate([design.traits.vector() / REACH, np.array(design.profile) / PROFILE_REACH])


def told_apart(covers: NDArray[np.floating], again: NDArray[np.floating], group: int = 16) -> float:
    """Share of pieces whose second cover is nearest to their own first one, among ``group``."""
    found = []
    for start in range(0, max(1, len(covers) - group + 1), group // 2):
        one, two = covers[start : start + group], again[start : start + group]
        distance = np.square(two[:, None] - one[None]).sum(2)
        found.append((distance.argmin(1) == np.arange(len(two))).mean())
    return float(np.mean(found))
