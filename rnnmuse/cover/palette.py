"""Colours: named palettes, a picture drawn towards one, and contrast as WCAG 2 measures it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Colour = tuple[int, int, int]
Array = NDArray[np.float32]

PALETTES: dict[str, tuple[str, ...]] = {
    "noir": ("#0b0b0d", "#3a3a3f", "#8d8d92", "#f1efe9"),
    "sepia": ("#1f140c", "#5c3d22", "#b58a58", "#f3e3c3"),
    "sunset": ("#1d1136", "#7a1f5c", "#e4572e", "#ffb627", "#fff3d6"),
    "sea": ("#04172b", "#0b4f6c", "#2ba6a4", "#a9dfd8", "#f4faf7"),
    "forest": ("#0c1a12", "#23492f", "#6b8f3c", "#cfc77b", "#f6f2de"),
    "ember": ("#120404", "#5a0f0f", "#b3321b", "#f08a3c", "#ffe3b3"),
    "ice": ("#0d1b2e", "#36567d", "#86a9cb", "#d4e4f1", "#ffffff"),
    "violet": ("#140a26", "#43207a", "#8f4fc4", "#e29be0", "#fdeefc"),
    "spring": ("#1c2b1a", "#4d7a4a", "#f29cb7", "#ffd9a0", "#fffbe9"),
    "neon": ("#08070f", "#2b0b5e", "#ff2a8a", "#22e0e6", "#fdfd66"),
}
SIDE = 33  # of the table of colours


def parse_palette(text: str) -> tuple[Colour, ...]:
    """A palette's name, or two to eight colours as ``#rrggbb`` with commas; ValueError names what is wrong."""
    value = text.strip().lower()
    if value in PALETTES:
        return tuple(parse_colour(colour) for colour in PALETTES[value])
    if "#" not in value and "," not in value:
        near = get_close_matches(value, PALETTES, 3, 0.5)
        hint = f" (near: {', '.join(near)})" if near else ""
        raise ValueError(f"palette: {text!r}{hint}; must be {', '.join(PALETTES)}, or colours such as #102030,#f0e0c0")
    colours = tuple(parse_colour(part.strip()) for part in value.split(",") if part.strip())
    if not 2 <= len(colours) <= 8:
        raise ValueError(f"palette: {len(colours)} colours; must be 2 to 8")
    return colours


def parse_colour(text: str) -> Colour:
    """``#rrggbb`` or ``#rgb`` as three numbers 0-255."""
    found = re.fullmatch(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})", text.strip())
    if not found:
        raise ValueError(f"colour: {text!r}; must be #rrggbb")
    digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def linear(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """sRGB 0-1 to linear light 0-1 (IEC 61966-2-1)."""
    return np.asarray(np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4))


def luminance(pixels: NDArray[np.uint8] | Sequence[int]) -> NDArray[np.floating]:
    """Relative luminance 0-1 of sRGB pixels (…, 3), as WCAG 2.2 defines it."""
    light = linear(np.asarray(pixels, np.float64) / 255)
    return np.asarray(light @ np.array([0.2126, 0.7152, 0.0722]))


def lab(pixels: NDArray[np.uint8] | Sequence[int]) -> NDArray[np.floating]:
    """CIELAB (…, 3) of sRGB pixels (…, 3), white point D65."""
    light = linear(np.asarray(pixels, np.float64) / 255) @ _XYZ.T
    root = np.where(light > (6 / 29) ** 3, np.cbrt(light), light / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def from_lab(values: Sequence[float]) -> Colour:
    """The sRGB colour of a CIELAB value, clipped to what sRGB holds."""
    light, a, b = values
    y = (light + 16) / 116
    root = np.array([y + a / 500, y, y - b / 200])
    xyz = np.where(root > 6 / 29, root**3, 3 * (6 / 29) ** 2 * (root - 4 / 29))
    return from_linear(np.linalg.inv(_XYZ) @ xyz)


def from_linear(values: NDArray[np.floating]) -> Colour:
    """Linear light 0-1 to sRGB 0-255, clipped."""
    clipped = np.clip(values, 0, 1)
    coded = np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)
    red, green, blue = (round(float(value)) for value in 255 * coded)
    return red, green, blue


def contrast(a: NDArray[np.floating] | float, b: NDArray[np.floating] | float) -> NDArray[np.floating]:
    """Contrast ratio 1-21 of two luminances (WCAG 2.2)."""
    high, low = np.maximum(a, b), np.minimum(a, b)
    return np.asarray((high + 0.05) / (low + 0.05))


def recolour(image: Image.Image, colours: Sequence[Colour], strength: float = 0.85) -> Image.Image:
    """The picture drawn towards a palette.

    The palette is ordered by luminance. Each pixel goes ``strength`` of the way to the palette's colour at the
    pixel's own rank among the picture's lightnesses, so that the whole palette is used whatever the picture.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength: {strength}; must be 0 to 1")
    ordered = np.array(sorted(colours, key=lambda colour: float(luminance(colour))), np.float64) / 255
    small = np.asarray(image.resize((128, 128), Image.Resampling.BOX), np.float64) / 255
    levels = np.sort((small @ _WEIGHTS).ravel())
    axis = np.linspace(0, 1, SIDE)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")  # red runs fastest in Pillow's tables
    table = np.stack([red, green, blue], -1).reshape(-1, 3)
    light = table @ _WEIGHTS
    rank = np.searchsorted(levels, light) / len(levels)
    # halfway between rank and lightness: a flat picture is not torn apart into the whole palette
    at = np.clip((rank + light) / 2, 0, 1) * (len(ordered) - 1)
    low = np.minimum(at.astype(int), len(ordered) - 2)
    part = (at - low)[:, None]
    target = ordered[low] * (1 - part) + ordered[low + 1] * part
    mixed = np.clip(table * (1 - strength) + target * strength, 0, 1)
    return image.filter(ImageFilter.Color3DLUT(SIDE, mixed.ravel().tolist()))


_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                 [0.0193339, 0.1191920, 0.9503041]]) / np.array([[0.95047], [1.0], [1.08883]])  # fmt: skip
_WEIGHTS = np.array([0.299, 0.587, 0.114])
