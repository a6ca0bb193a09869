"""Letters: fonts, the glyphs that a text becomes (kerned, ligated, joined, right to left where it has to be), their
outlines and their pixels.

Shaping is HarfBuzz's, the order of bidirectional text that of the Unicode algorithm (UAX 9).
"""

from __future__ import annotations

import io
import threading
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import freetype
import numpy as np
import uharfbuzz as hb
from bidi import get_display
from numpy.typing import NDArray

STYLES = {
    "serif": ("Cormorant-Bold.ttf", "NotoSerifCJK-Bold.otf", "NotoSerifHebrew-Bold.ttf", "NotoNaskhArabic-Bold.ttf",
              "NotoSans-SemiBold.ttf", "NotoSansCJK-Bold.otf"),
    "sans": ("LeagueSpartan-Bold.otf", "NotoSans-SemiBold.ttf", "NotoSansHebrew-Bold.ttf", "NotoSansArabic-Bold.ttf",
             "NotoSansCJK-Bold.otf"),
}  # fmt: skip
"""Fonts of a style; a word is set in the first that has all of it."""
Path2D = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Glyph:
    """A glyph of a font, its origin (x, y) in units of the size, y downwards."""

    font: str
    """File name of a font of rnnmuse, or a path."""
    number: int
    """Index of the glyph in its font."""
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Line:
    """One line of shaped text, in units of its size: ``advance``, and the ``ink`` box (left, top, right, bottom) around
    what is drawn, from the start of the base line; top is negative above it."""

    text: str
    """What it says."""
    glyphs: tuple[Glyph, ...]
    """In the order in which they are drawn."""
    advance: float
    ink: tuple[float, float, float, float]


@lru_cache(maxsize=32)
def _data(name: str) -> bytes:
    if "/" in name or "\\" in name:
        try:
            return Path(name).read_bytes()
        except OSError as error:
            raise ValueError(f"font: {name}: {error}; must be a TrueType or OpenType file") from None
    return (resources.files("rnnmuse.cover") / "fonts" / name).read_bytes()


@lru_cache(maxsize=32)
def _harfbuzz(name: str) -> Any:
    try:
        face = hb.Face(_data(name))
        font = hb.Font(face)
    except Exception as error:
        raise ValueError(f"font: {name}: {error}; must be a TrueType or OpenType file") from None
    if not face.glyph_count:
        raise ValueError(f"font: {name}: no glyphs in it; must be a TrueType or OpenType file")
    return font


@lru_cache(maxsize=32)
def _characters(name: str) -> frozenset[int]:
    return frozenset(_harfbuzz(name).face.unicodes)


def has(name: str, character: str) -> bool:
    """True if the font has a glyph for the character."""
    return ord(character) in _characters(name)


def check_font(path: Path) -> str:
    """The name under which a font file of one's own is used; ValueError if it is none."""
    name = str(path.resolve())
    _harfbuzz(name)
    return name


def wide(character: str) -> bool:
    """True of Chinese, Japanese and Korean characters."""
    return unicodedata.east_asian_width(character) in ("W", "F")


def _joins(character: str) -> bool:
    """True of what is set in the font of what stands before it."""
    return bool(unicodedata.combining(character)) or character.isspace() or character in "\u200c\u200d\ufe0f"


def runs(text: str, style: tuple[str, ...]) -> list[tuple[str, str]]:
    """The text cut into (font, characters): a mark stays with its letter, a word in one font if one has all of it, and
    all Chinese, Japanese and Korean characters in one font too.

    ValueError names the characters that no font of the style has.
    """
    every = [c for c in text if wide(c)]
    first = [name for name in style if all(has(name, c) for c in every)] if every else []
    out: list[tuple[str, str]] = []
    lacking: list[str] = []
    for word in pieces(text):
        order = (*first, *style) if any(wide(c) for c in word) else style
        whole = [name for name in order if all(_joins(c) or has(name, c) for c in word)]
        for character in word:
            if out and _joins(character):
                out[-1] = (out[-1][0], out[-1][1] + character)
                continue
            font = next((name for name in whole or order if character.isspace() or has(name, character)), None)
            if font is None:
                lacking.append(character)
            elif out and out[-1][0] == font:
                out[-1] = (font, out[-1][1] + character)
            else:
                out.append((font, character))
    if lacking:
        shown = " ".join(dict.fromkeys(lacking))
        raise ValueError(f"text: no font here has {shown}; give one that has it with --font")
    return out


_NOT_FIRST = frozenset("、。，．・：；？！）］｝」』】〉》〕ー々ゝぁぃぅぇぉっゃゅょァィゥェォッャュョ!?,.:;)]}%’”…")
_NOT_LAST = frozenset("（［｛「『【〈《〔([{‘“")


def pieces(text: str) -> list[str]:
    """What a line may be broken between: words, and single characters of Chinese, Japanese and Korean text."""
    out: list[str] = []
    for character in text:
        if not out:
            out.append(character)
            continue
        last = out[-1][-1]
        breaks = last == " " or wide(character) or wide(last)
        if breaks and character != " " and character not in _NOT_FIRST and last not in _NOT_LAST:
            out.append(character)
        else:
            out[-1] += character
    return out


@lru_cache(maxsize=4096)
def shaped(text: str, style: tuple[str, ...], tracking: float = 0.0) -> Line:
    """The text as a line of glyphs, ``tracking`` of the size added between them."""
    visual = get_display(text)
    glyphs: list[Glyph] = []
    at = 0.0
    box = [np.inf, np.inf, -np.inf, -np.inf]
    for right_to_left, part in _directions(visual):
        # HarfBuzz takes a right-to-left run in the order in which it is read
        logical = part[::-1] if right_to_left else part
        found = runs(logical, style)
        for name, characters in found[::-1] if right_to_left else found:
            font = _harfbuzz(name)
            buffer = hb.Buffer()
            buffer.add_str(characters)
            buffer.guess_segment_properties()
            buffer.direction = "rtl" if right_to_left else "ltr"
            hb.shape(font, buffer)
            em = font.face.upem
            for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
                x, y = at + position.x_offset / em, -position.y_offset / em
                glyphs.append(Glyph(name, info.codepoint, x, y))
                extents = font.get_glyph_extents(info.codepoint)
                if extents is not None and extents.width:
                    left, top = x + extents.x_bearing / em, y - extents.y_bearing / em
                    corner = left + extents.width / em, top - extents.height / em
                    box = [min(box[0], left), min(box[1], top), max(box[2], corner[0]), max(box[3], corner[1])]
                at += position.x_advance / em + (tracking if position.x_advance else 0.0)
    if not np.isfinite(box[0]):
        box = [0.0, 0.0, 0.0, 0.0]
    return Line(text, tuple(glyphs), at, (box[0], box[1], box[2], box[3]))


def _directions(visual: str) -> list[tuple[bool, str]]:
    """Runs of text in visual order, each with whether it is read from right to left; blanks between two letters of one
    direction belong to them."""
    out: list[tuple[bool, str]] = []
    neutral = ""
    for character in visual:
        kind = unicodedata.bidirectional(character)
        if kind in ("R", "AL", "NSM") and (kind != "NSM" or neutral or (out and out[-1][0])):
            side = True
        elif kind in ("L", "EN", "AN"):
            side = False
        else:
            neutral += character
            continue
        if out and out[-1][0] == side:
            out[-1] = (side, out[-1][1] + neutral + character)
        else:
            if neutral and out and not out[-1][0]:
                out[-1] = (False, out[-1][1] + neutral)
                neutral = ""
            out.append((side, neutral + character))
        neutral = ""
    if neutral:
        if out:
            out[-1] = (out[-1][0], out[-1][1] + neutral)
        else:
            out.append((False, neutral))
    return out


_drawing = threading.Lock()
"""A FreeType face is used by one thread at a time."""


@lru_cache(maxsize=64)
def mask(line: Line, size: float) -> tuple[NDArray[np.uint8], int, int]:
    """How much of each pixel the line covers, and where its upper left corner is from the start of the base line."""
    left, top = int(np.floor(line.ink[0] * size)) - 1, int(np.floor(line.ink[1] * size)) - 1
    width, height = int(np.ceil(line.ink[2] * size)) + 2 - left, int(np.ceil(line.ink[3] * size)) + 2 - top
    out = np.zeros((max(1, height), max(1, width)), np.uint8)
    with _drawing:
        _draw(line, size, left, top, out)
    return out, left, top


def _draw(line: Line, size: float, left: int, top: int, out: NDArray[np.uint8]) -> None:
    for glyph in line.glyphs:
        face = _freetype(glyph.font)
        face.set_char_size(max(1, round(size * 64)))
        x = glyph.x * size - left
        face.set_transform(freetype.Matrix(0x10000, 0, 0, 0x10000), freetype.Vector(round((x % 1) * 64), 0))
        face.load_glyph(glyph.number, freetype.FT_LOAD_RENDER | freetype.FT_LOAD_NO_HINTING)
        bitmap = face.glyph.bitmap
        if not bitmap.width or not bitmap.rows:
            continue
        pixels = np.array(bitmap.buffer, np.uint8).reshape(bitmap.rows, bitmap.pitch)[:, : bitmap.width]
        column = int(np.floor(x)) + face.glyph.bitmap_left
        row = round(glyph.y * size) - top - face.glyph.bitmap_top
        target = out[max(0, row) : row + bitmap.rows, max(0, column) : column + bitmap.width]
        part = pixels[max(0, -row) :, max(0, -column) :][: target.shape[0], : target.shape[1]]
        np.maximum(target, part, out=target)


@lru_cache(maxsize=32)
def _freetype(name: str) -> Any:
    return freetype.Face(io.BytesIO(_data(name)))


@lru_cache(maxsize=4096)
def _outline(font: str, number: int) -> tuple[Path2D, ...]:
    """A glyph's contours in units of the size, y downwards: points, lines, cubic curves."""
    source = _harfbuzz(font)
    em = source.face.upem
    contours: list[list[tuple[float, ...]]] = []

    def last() -> tuple[float, float]:
        point = contours[-1][-1]
        return point[-2], point[-1]

    def move(x: float, y: float, _: Any) -> None:
        contours.append([(x / em, -y / em)])

    def line(x: float, y: float, _: Any) -> None:
        contours[-1].append((x / em, -y / em))

    def quadratic(cx: float, cy: float, x: float, y: float, _: Any) -> None:
        (ax, ay), (bx, by), (ex, ey) = last(), (cx / em, -cy / em), (x / em, -y / em)
        one, two = (ax + 2 / 3 * (bx - ax), ay + 2 / 3 * (by - ay)), (ex + 2 / 3 * (bx - ex), ey + 2 / 3 * (by - ey))
        contours[-1].append((*one, *two, ex, ey))

    def cubic(ax: float, ay: float, bx: float, by: float, x: float, y: float, _: Any) -> None:
        contours[-1].append((ax / em, -ay / em, bx / em, -by / em, x / em, -y / em))

    functions = hb.DrawFuncs()
    functions.set_move_to_func(move)
    functions.set_line_to_func(line)
    functions.set_quadratic_to_func(quadratic)
    functions.set_cubic_to_func(cubic)
    source.draw_glyph(number, functions)
    return tuple(tuple(contour) for contour in contours)


def outlines(line: Line) -> list[Path2D]:
    """The contours of a line, in units of its size from the start of its base line, y downwards."""
    return [
        tuple(
            tuple(value + (glyph.x if index % 2 == 0 else glyph.y) for index, value in enumerate(step))
            for step in contour
        )
        for glyph in line.glyphs
        for contour in _outline(glyph.font, glyph.number)
    ]
