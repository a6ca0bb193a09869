"""Title and artist on a picture: fitted, never cut off, and readable at a measured contrast.

The text stands where the picture is calmest. A soft ground is laid under it, just as strong as is needed for every
pixel behind the text to keep the contrast (WCAG 2.2, 1.4.3: 4.5 : 1).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from rnnmuse.cover.palette import Colour, contrast, luminance

STYLES = {"serif": ("Cormorant-Bold.ttf", "NotoSans-SemiBold.ttf", "NotoSansCJK-Bold.otf"),
          "sans": ("NotoSans-SemiBold.ttf", "NotoSansCJK-Bold.otf")}  # fmt: skip
"""Fonts of a style; a character is set in the first that has it."""
PLACES = ("auto", "bottom", "top", "centre")
CONTRAST = 4.5
LONGEST = 200
MARGIN = 0.07  # of the shorter side
LARGEST, SMALLEST = 0.15, 0.016  # size of type, of the shorter side
LEADING = 1.12
LIGHT: Colour = (255, 255, 255)
DARK: Colour = (14, 14, 18)
_NOT_FIRST = frozenset("、。，．・：；？！）］｝」』】〉》〕ー々ゝぁぃぅぇぉっゃゅょァィゥェォッャュョ!?,.:;)]}%’”…")
_NOT_LAST = frozenset("（［｛「『【〈《〔([{‘“")


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one text at one size. ``width`` and ``height`` hold every pixel of it."""

    lines: tuple[str, ...]
    size: int
    width: int
    height: int
    style: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lettering:
    """How the text was set: ``box`` (left, top, right, bottom) in pixels holds it, ``contrast`` is the lowest against
    any pixel behind it, ``ground`` 0-1 how strong the ground had to be."""

    box: tuple[int, int, int, int]
    colour: Colour
    contrast: float
    ground: float
    size: int


@lru_cache(maxsize=64)
def font_of(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A bundled font by its name, or any by its path, at a size in pixels."""
    if "/" in name or "\\" in name:
        try:
            return ImageFont.truetype(name, size)
        except OSError as error:
            raise ValueError(f"font: {name}: {error}; must be a TrueType or OpenType file") from None
    with resources.as_file(resources.files("rnnmuse.cover") / "fonts" / name) as path:
        return ImageFont.truetype(str(path), size)


@lru_cache(maxsize=4096)
def has(name: str, character: str) -> bool:
    """True if the font has a glyph of its own for the character."""
    font = font_of(name, 40)
    missing = font.getmask("\U0010fffe")
    found = font.getmask(character)
    return found.size != missing.size or bytes(found) != bytes(missing)


def prepared(field: str, text: str) -> str:
    """The text composed (NFC), its blanks made single; ValueError if it is too long."""
    clean = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in text)
    clean = " ".join(unicodedata.normalize("NFC", clean).split())
    if len(clean) > LONGEST:
        raise ValueError(f"{field}: {len(clean)} characters; must be up to {LONGEST}")
    return clean


def runs(text: str, style: tuple[str, ...]) -> list[tuple[str, str]]:
    """The text cut into (font, characters); a mark stays with its letter, and a word in one font if one has it all.

    ValueError names the characters that no font of the style has.
    """
    out: list[tuple[str, str]] = []
    lacking: list[str] = []
    for word in _pieces(text):
        whole = [name for name in style if all(_joins(c) or has(name, c) for c in word)]
        for character in word:
            if out and _joins(character):
                out[-1] = (out[-1][0], out[-1][1] + character)
                continue
            font = next((name for name in whole or style if character.isspace() or has(name, character)), None)
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


def _joins(character: str) -> bool:
    """True of what is set in the font of what stands before it."""
    return bool(unicodedata.combining(character)) or character.isspace() or character in "\u200d\ufe0f"


def _line_width(line: str, size: int, style: tuple[str, ...]) -> int:
    return int(sum(font_of(name, size).getlength(part) for name, part in runs(line, style)) + 0.999)


def _pieces(text: str) -> list[str]:
    """What a line may be broken between: words, and single characters of Chinese, Japanese and Korean text."""
    out: list[str] = []
    for character in text:
        wide = unicodedata.east_asian_width(character) in ("W", "F")
        if not out:
            out.append(character)
            continue
        last = out[-1][-1]
        breaks = last == " " or wide or unicodedata.east_asian_width(last) in ("W", "F")
        if (breaks and character != " " and character not in _NOT_FIRST and last not in _NOT_LAST):  # fmt: skip
            out.append(character)
        else:
            out[-1] += character
    return out


@lru_cache(maxsize=8192)
def _ems(text: str, style: tuple[str, ...]) -> float:
    """The length of a text in units of its size."""
    return sum(font_of(name, 200).getlength(part) for name, part in runs(text, style)) / 200


def wrapped(text: str, width: int, size: int, style: tuple[str, ...]) -> list[str] | None:
    """Lines of at most ``width`` px, broken between pieces; None where one piece alone is too wide."""
    room = 0.985 * width / size  # the rest is for kerning between pieces and for rounding
    lines, used = [""], 0.0
    for piece in _pieces(text):
        if used + _ems(piece.rstrip(), style) <= room:
            lines[-1] += piece
            used += _ems(piece, style)
        elif _ems(piece.rstrip(), style) <= room:
            lines.append(piece)
            used = _ems(piece, style)
        else:
            return None
    return [line.strip() for line in lines if line.strip()]


def fitted(text: str, width: int, height: int, largest: int, smallest: int, style: tuple[str, ...]) -> Block:
    """The text as large as it goes into ``width`` x ``height``, in even lines; a word that is too wide is broken."""
    size = largest
    while True:
        lines = wrapped(text, width, size, style)
        if lines is None and size <= smallest:
            lines = _broken(text, width, size, style)
        if lines is not None and (_height(lines, size) <= height or size <= smallest):
            break
        size = max(smallest, int(size * 0.94))
    narrow, wide = width // len(lines), width
    while wide - narrow > max(2, size // 20):  # the narrowest that takes no more lines: even lines
        middle = (narrow + wide) // 2
        other = wrapped(text, middle, size, style)
        if other is not None and len(other) <= len(lines):
            lines, wide = other, middle
        else:
            narrow = middle
    across = max(_line_width(line, size, style) for line in lines)
    return Block(tuple(lines), size, across, _height(lines, size), style)


def _broken(text: str, width: int, size: int, style: tuple[str, ...]) -> list[str]:
    lines = [""]
    for character in text:
        too_wide = _ems(lines[-1] + character, style) * size > 0.985 * width
        if lines[-1] and too_wide and not unicodedata.combining(character):
            lines.append("")
        lines[-1] += character
    return [line.strip() for line in lines if line.strip()]


def _height(lines: list[str], size: int) -> int:
    return int(((len(lines) - 1) * LEADING + 1.3) * size)


def set_text(image: Image.Image, title: str, artist: str = "", style: str = "serif", place: str = "auto",
             font: Path | None = None) -> tuple[Image.Image, Lettering | None]:  # fmt: skip
    """The picture with title and artist set on it, and how; unchanged and None without text.

    ValueError names a style, place, font or text that cannot be used.
    """
    blocks, gap = laid_out(image.size, title, artist, style, place, font)
    if not blocks:
        return image, None
    width, height = _extent(blocks, gap)
    best: tuple[float, float, tuple[int, int], Colour] | None = None
    pixels = np.asarray(image)
    for where in PLACES[1:] if place == "auto" else (place,):
        left, top = _corner(where, image.size, width, height)
        behind = pixels[top : top + height, left : left + width]
        for colour in (LIGHT, DARK):
            need = _ground_needed(behind, colour)
            # what the ground changes: dark letters on a dark picture want a large white cloud
            change = need * float(np.abs(behind - np.array(_other(colour), np.float32)).mean()) / 255
            if best is None or change < best[0] - 0.01:
                best = (change, need, (left, top), colour)
    assert best is not None
    _, need, (left, top), colour = best
    box = (left, top, left + width, top + height)
    if need:
        image = image.copy()
        image.paste(Image.new("RGB", image.size, _other(colour)), (0, 0), _ground(image.size, box, need))
    behind = np.asarray(image)[box[1] : box[3], box[0] : box[2]]
    lowest = float(contrast(luminance(behind), luminance(colour)).min())
    _draw(image, blocks, left, top, gap, colour, centred=place == "centre")
    return image, Lettering(box, colour, lowest, need, blocks[0].size)


def overlay(size: tuple[int, int], title: str, artist: str = "", style: str = "serif", place: str = "bottom",
            font: Path | None = None) -> tuple[Image.Image, Image.Image] | None:  # fmt: skip
    """Two masks ("L") for pictures that move: a DARK ground, strong enough for any picture, and LIGHT letters on it."""
    place = "bottom" if place == "auto" else place
    blocks, gap = laid_out(size, title, artist, style, place, font)
    if not blocks:
        return None
    width, height = _extent(blocks, gap)
    left, top = _corner(place, size, width, height)
    need = _ground_needed(np.full((1, 1, 3), 255, np.uint8), LIGHT)
    letters = Image.new("L", size)
    _draw(letters, blocks, left, top, gap, 255, centred=place == "centre")
    return _ground(size, (left, top, left + width, top + height), need), letters


def laid_out(size: tuple[int, int], title: str, artist: str, style: str, place: str,
             font: Path | None) -> tuple[list[Block], int]:  # fmt: skip
    """Title and artist fitted into a picture of ``size``, and the gap between them; no blocks without text."""
    if style not in STYLES:
        raise ValueError(f"style: {style!r}; must be one of {', '.join(STYLES)}")
    if place not in PLACES:
        raise ValueError(f"place: {place!r}; must be one of {', '.join(PLACES)}")
    own = (str(font.resolve()),) if font is not None else ()
    if own:
        font_of(own[0], 20)
    title, artist = prepared("title", title), prepared("artist", artist)
    blocks = _blocks(title, artist, size, (own + STYLES[style], own + STYLES["sans"]))
    return blocks, int(0.35 * blocks[-1].size) if len(blocks) > 1 else 0


def _extent(blocks: list[Block], gap: int) -> tuple[int, int]:
    return max(block.width for block in blocks), sum(block.height for block in blocks) + gap


def _other(colour: Colour) -> Colour:
    return DARK if colour == LIGHT else LIGHT


def _blocks(title: str, artist: str, size: tuple[int, int], styles: tuple[tuple[str, ...], ...]) -> list[Block]:
    short = min(size)
    width = size[0] - 2 * round(MARGIN * short)
    room = int((size[1] - 2 * round(MARGIN * short)) * (0.62 if size[1] < 0.6 * size[0] else 0.42))
    largest, smallest = max(4, round(LARGEST * short)), max(3, round(SMALLEST * short))
    out = []
    if title:
        out.append(fitted(title, width, room, largest, smallest, styles[0]))
    if artist:
        most = max(smallest, round(0.42 * out[0].size)) if out else largest // 2
        out.append(fitted(artist, width, room // 2, max(most, round(0.03 * short)), smallest, styles[1]))
    return out


def _corner(place: str, size: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    margin = round(MARGIN * min(size))
    if place == "centre":
        return (size[0] - width) // 2, (size[1] - height) // 2
    return margin, (margin if place == "top" else size[1] - margin - height)


def _ground_needed(behind: NDArray[np.uint8], colour: Colour) -> float:
    """The least strength of the ground, in hundredths, at which every pixel keeps the contrast."""
    against = _other(colour)
    light = luminance(behind)
    # the ground only moves pixels towards its own colour: the worst pixel stays the worst
    worst = behind.reshape(-1, 3)[int(light.argmax() if colour == LIGHT else light.argmin())].astype(np.float64)
    for hundredth in range(101):
        mixed = worst + (np.array(against) - worst) * hundredth / 100
        rounded = np.rint(mixed) + (1 if colour == LIGHT else -1)  # a step of 8 bits to spare
        if float(contrast(luminance(rounded.clip(0, 255).tolist()), luminance(colour))) >= CONTRAST:
            return hundredth / 100
    return 1.0


def _ground(size: tuple[int, int], box: tuple[int, int, int, int], strength: float) -> Image.Image:
    """How strong the ground is at each pixel, "L": even over the box, fading outwards."""
    scale = max(1, min(size) // 256)
    fade = max(2, round(0.06 * min(size) / scale))
    small = Image.new("L", (-(-size[0] // scale), -(-size[1] // scale)), 0)
    grown = [box[0] // scale - fade, box[1] // scale - fade, box[2] // scale + fade, box[3] // scale + fade]
    ImageDraw.Draw(small).rectangle(grown, fill=255)
    mask = small.filter(ImageFilter.GaussianBlur(fade / 2)).resize(size, Image.Resampling.BICUBIC)
    mask = mask.point([round(value * strength) for value in range(256)])
    mask.paste(min(255, int(strength * 255) + 1), box)
    return mask


def _draw(image: Image.Image, blocks: list[Block], left: int, top: int, gap: int, colour: Colour | int,
          centred: bool) -> None:  # fmt: skip
    draw = ImageDraw.Draw(image)
    across = max(block.width for block in blocks)
    for block in blocks:
        for index, line in enumerate(block.lines):
            x = float(left + ((across - _line_width(line, block.size, block.style)) / 2 if centred else 0))
            y = top + int((index * LEADING + 1.0) * block.size)  # the base line
            for name, part in runs(line, block.style):
                font = font_of(name, block.size)
                draw.text((x, y), part, colour, font, anchor="ls")
                x += font.getlength(part)
        top += block.height + gap
