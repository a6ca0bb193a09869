"""Title and artist on a cover: four layouts, fitted, never cut off, on a flat ink that they are read well against.

The picture makes room for the letters (`rnnmuse.cover.composition.Composition.cleared`), so no veil is laid below them.
Lines are aligned by their ink rather than by their advances, and quotation marks and brackets hang in the margin.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnmuse.cover.letters import STYLES, Line, check_font, mask, pieces, shaped, wide
from rnnmuse.cover.palette import Colour, contrast, luminance

LAYOUTS = ("auto", "corner", "band", "stack", "column")
PLACES = ("auto", "bottom", "top", "centre")
CONTRAST = 4.5
"""The least contrast of letters (WCAG 2.2, 1.4.3)."""
LONGEST = 200
MARGIN = 0.065  # of the shorter side
LARGEST, SMALLEST = 0.17, 0.016  # size of type, of the shorter side
LEGIBLE = 0.1
"""Size of type, of the shorter side, that is read at 64 px; a title that does not reach it is set in two sizes."""
HEAD = 28
"""Most characters of the part that is then set large; wide ones count twice."""
LEADING = 1.06
STACKED = 14
"""Characters of the longest word that is set in a line of its own."""
_BREAK = re.compile(r"\s*[:;：；，、|/](?:\s+|(?<=[：；，、]))|,\s+|\.\s+|\s+[-–—]+\s+|\s*(?=[(（\[【])")
"""Where a title ends and what belongs to it begins."""
_SMALL = """a an and at by for from in of on or that the to which with aus auf das der des die für im in und von vom zu
zum à au aux avec dans de des du en et la le les pour sur con da del della di e el los las para por y"""
_HANGING = frozenset("«»\"'“”‘’„‚「『（(【《〈[")

Rectangle = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one text at one size."""

    lines: tuple[str, ...]
    """Its text, broken."""
    size: int
    """Pixels to the em."""
    style: tuple[str, ...]
    """Fonts in the order in which they are tried for a word."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A line at a size in pixels, its base line beginning at (x, y); turned lines read upwards."""

    line: Line
    """The shaped text, in units of the size."""
    size: float
    """Pixels to the em."""
    x: float
    """Pixels from the left."""
    y: float
    """Pixels from the top."""
    turned: bool = False
    """Whether it is turned by a quarter."""

    @property
    def box(self) -> Rectangle:
        """The pixels that it covers."""
        left, top, right, bottom = (value * self.size for value in self.line.ink)
        if self.turned:
            left, top, right, bottom = top, -right, bottom, -left
        return (int(np.floor(self.x + left)) - 1, int(np.floor(self.y + top)) - 1,
                int(np.ceil(self.x + right)) + 1, int(np.ceil(self.y + bottom)) + 1)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """A layout with its lines. ``room`` are the rectangles that are kept free of the picture's shapes, ``band`` is one
    that is flat, edge to edge."""

    layout: str
    """``corner``, ``band``, ``stack`` or ``column``."""
    lines: tuple[Placed, ...]
    """Placed in pixels, in order of drawing."""
    room: tuple[Rectangle, ...]
    band: Rectangle | None = None


@dataclass(frozen=True, slots=True)
class Lettering:
    """How the text was set: ``box`` in pixels holds all of it, ``contrast`` is the lowest against any pixel behind it,
    ``size`` that of the title in pixels."""

    layout: str
    """``corner``, ``band``, ``stack`` or ``column``."""
    box: Rectangle
    colour: Colour
    """Red, green and blue, 0 to 255."""
    contrast: float
    """A ratio, 1 to 21 (WCAG 2.2)."""
    size: int


@dataclass(slots=True)
class _Frame:
    """What a layout works with: the format, its margin, and the texts with their fonts."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    title: str
    """Empty for none."""
    artist: str
    """Empty for none."""
    style: tuple[str, ...]
    """Fonts of the title in the order in which they are tried."""
    small: tuple[str, ...]
    """Fonts of the artist's name, likewise."""
    place: str
    """Where the text stands: "auto", "top", "centre" or "bottom"."""
    short: int = field(init=False)
    """The shorter side in pixels."""
    margin: int = field(init=False)
    """Pixels on all sides."""

    def __post_init__(self) -> None:
        self.short = min(self.width, self.height)
        self.margin = round(MARGIN * self.short)


def prepared(name: str, text: str) -> str:
    """The text composed (NFC), its blanks made single; ValueError if it is too long."""
    clean = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in text)
    clean = " ".join(unicodedata.normalize("NFC", clean).split())
    if len(clean) > LONGEST:
        raise ValueError(f"{name}: {len(clean)} characters; must be up to {LONGEST}")
    return clean


def lay_out(size: tuple[int, int], title: str, artist: str = "", style: str = "serif", layout: str = "auto",
            place: str = "auto", font: Path | None = None) -> Setting | None:  # fmt: skip
    """Title and artist set in a format of ``size`` px; None without text.

    ``auto`` takes ``column`` for a few Chinese or Japanese characters, ``stack`` for up to four short words, and
    ``corner`` else. ValueError names a style, layout, place, font or text that cannot be used.
    """
    for name, value, allowed in (
        ("style", style, tuple(STYLES)),
        ("layout", layout, LAYOUTS),
        ("place", place, PLACES),
    ):
        if value not in allowed:
            raise ValueError(f"{name}: {value!r}; must be one of {', '.join(allowed)}")
    own = (check_font(font),) if font is not None else ()
    title, artist = prepared("title", title), prepared("artist", artist)
    if not title:
        title, artist = artist, ""
    if not title:
        return None
    if layout == "auto":
        layout = _suited(title, size, place)
    frame = _Frame(*size, title, artist, own + STYLES[style], own + STYLES["sans"], place)
    shaped(title, frame.style)  # names the characters that no font has
    return {"corner": _corner, "band": _band, "stack": _stack, "column": _column}[layout](frame)


def _suited(title: str, size: tuple[int, int], place: str) -> str:
    words = title.split()
    if place == "centre" or size[0] > 1.5 * size[1]:
        return "corner"
    if all(wide(c) for c in title) and len(title) <= 8:
        return "column"
    if (
        1 <= len(words) <= 4
        and max(map(len, words)) <= STACKED
        and not any(wide(c) for c in title)
        and len(title) <= 26
    ):
        return "stack"
    return "corner"


# -- the layouts --------------------------------------------------------------------------------------------


def _corner(frame: _Frame) -> Setting:
    """Even lines, flush with the margin, at the top or the bottom; centred where the place says so."""
    room = int((frame.height - 2 * frame.margin) * (0.62 if frame.height < 0.6 * frame.width else 0.42))
    width = frame.width - 2 * frame.margin
    blocks = _titles(frame, width, room, round(LARGEST * frame.short))
    block = blocks[0]
    if frame.artist:
        most = max(_smallest(frame), round(0.34 * block.size), round(0.03 * frame.short))
        blocks.append(fitted(frame.artist, width, room // 2, most, _smallest(frame), frame.small))
    lines = _stacked(blocks)
    height = lines[-1][2] - lines[0][1]
    if frame.place == "centre":
        top = (frame.height - height) / 2
    else:
        top = frame.margin if frame.place in ("auto", "top") else frame.height - frame.margin - height
    placed = [Placed(line, size, _aligned(line, size, frame, frame.place == "centre"), base - lines[0][1] + top)
              for line, _, _, base, size in lines]  # fmt: skip
    return Setting("corner", tuple(placed), (_padded(placed, frame),))


def _band(frame: _Frame) -> Setting:
    """A flat band along the lower (or upper) edge, with the title at its left and the artist below."""
    width = frame.width - 2 * frame.margin
    room = round(0.2 * frame.height)
    blocks = _titles(frame, width, room, round(0.105 * frame.short))
    block = blocks[0]
    if frame.artist:
        most = max(_smallest(frame), round(0.45 * block.size), round(0.03 * frame.short))
        blocks.append(fitted(frame.artist, width, room // 2, most, _smallest(frame), frame.small))
    lines = _stacked(blocks)
    height = lines[-1][2] - lines[0][1]
    pad = round(0.75 * frame.margin)
    tall = round(height + 2 * pad)
    up = frame.place == "top"
    edge = tall if up else frame.height - tall
    top = pad if up else edge + pad
    placed = [Placed(line, size, _aligned(line, size, frame, False), base - lines[0][1] + top)
              for line, _, _, base, size in lines]  # fmt: skip
    band = (0, 0, frame.width, edge) if up else (0, edge, frame.width, frame.height)
    return Setting("band", tuple(placed), (), band)


def _stack(frame: _Frame) -> Setting:
    """Each word a line of its own, as wide as the margins allow; capitals, where the script has them."""
    words = frame.title.split()
    if len(words) > 1 and len(words[0]) + len(words[1]) <= 4:
        words = [" ".join(words[:2]), *words[2:]]
    words = [word.upper() if word.upper().lower() == word.lower() else word for word in words]
    lines = [shaped(word, frame.style, 0.0) for word in words]
    width = frame.width - 2 * frame.margin
    most = 0.46 * frame.height
    gap = 0.028 * frame.short
    sizes = [min(width / max(0.1, line.ink[2] - line.ink[0]), 0.26 * frame.short) for line in lines]
    if max(map(len, words)) <= 3:
        sizes = [min(sizes)] * len(sizes)
    tall = sum(size * (line.ink[3] - line.ink[1]) for line, size in zip(lines, sizes, strict=True)) + gap * (
        len(lines) - 1
    )
    shrink = min(1.0, most / tall)
    sizes = [size * shrink for size in sizes]
    artist = None
    if frame.artist:
        block = fitted(
            frame.artist, width, round(0.1 * frame.height), round(0.055 * frame.short), _smallest(frame), frame.small
        )
        artist = [(shaped(text, block.style), block.size) for text in block.lines]
    heights = [size * (line.ink[3] - line.ink[1]) for line, size in zip(lines, sizes, strict=True)]
    total = sum(heights) + gap * (len(lines) - 1)
    small = sum(size * (line.ink[3] - line.ink[1]) + 0.8 * gap for line, size in artist or [])
    down = frame.place == "bottom"
    y = frame.height - frame.margin - total - small if down else float(frame.margin)
    placed = []
    for line, size, height in zip(lines, sizes, heights, strict=True):
        placed.append(Placed(line, size, _aligned(line, size, frame, frame.place == "centre"), y - line.ink[1] * size))
        y += height + gap
    for line, size in artist or []:
        placed.append(
            Placed(line, size, _aligned(line, size, frame, frame.place == "centre"), y + 0.2 * gap - line.ink[1] * size)
        )
        y += size * (line.ink[3] - line.ink[1]) + 0.8 * gap
    return Setting("stack", tuple(placed), tuple(_padded([each], frame) for each in placed))


def _column(frame: _Frame) -> Setting:
    """Chinese and Japanese from top to bottom at the right; other scripts turned, reading upwards along the left."""
    room = frame.height - 2 * frame.margin
    upright = all(wide(c) for c in frame.title.replace(" ", ""))
    placed: list[Placed] = []
    if upright:
        characters = [c for c in frame.title if c != " "]
        size = min(0.62 * room / len(characters), 0.2 * frame.short)
        x = frame.width - frame.margin - size
        for index, character in enumerate(characters):
            line = shaped(character, frame.style)
            placed.append(Placed(line, size, x, frame.margin + (index + 0.88) * size))
        if frame.artist:
            block = fitted(frame.artist, round(0.7 * (frame.width - 2 * frame.margin)), room // 4,
                           round(0.042 * frame.short), _smallest(frame), frame.small)  # fmt: skip
            bottom = frame.height - frame.margin
            for index, text in enumerate(reversed(block.lines)):
                line = shaped(text, block.style)
                base = bottom - index * LEADING * block.size - max(0.0, line.ink[3]) * block.size
                placed.append(Placed(line, block.size, _aligned(line, block.size, frame, False), base))
        title = placed[: len(characters)]
        rooms = [_padded(title, frame)] + ([_padded(placed[len(characters) :], frame)] if frame.artist else [])
        return Setting("column", tuple(placed), tuple(rooms))
    blocks = _titles(frame, room, round(0.34 * frame.width), round(0.15 * frame.short))
    block = blocks[0]
    if frame.artist:
        most = max(_smallest(frame), round(0.34 * block.size), round(0.03 * frame.short))
        blocks.append(fitted(frame.artist, room, room // 6, most, _smallest(frame), frame.small))
    lines = _stacked(blocks)
    for line, _, _, base, size in lines:
        placed.append(Placed(line, size, frame.margin + base - lines[0][1],
                             frame.height - frame.margin + (line.ink[0] + _hang(line)) * size, True))  # fmt: skip
    return Setting("column", tuple(placed), (_padded(placed, frame),))


def _smallest(frame: _Frame) -> int:
    return max(3, round(SMALLEST * frame.short))


def _stacked(blocks: list[Block]) -> list[tuple[Line, float, float, float, float]]:
    """Lines below each other: shaped, the top and bottom of their ink, their base lines (from any origin), sizes."""
    out: list[tuple[Line, float, float, float, float]] = []
    base = 0.0
    for number, block in enumerate(blocks):
        for index, text in enumerate(block.lines):
            line = shaped(text, block.style)
            if out:
                step = LEADING * block.size if index else 0.42 * blocks[number - 1].size + 1.0 * block.size
                base = max(base + step, out[-1][2] - line.ink[1] * block.size + 0.04 * block.size)
            out.append((line, base + line.ink[1] * block.size, base + line.ink[3] * block.size, base, block.size))
    return out


def _hang(line: Line) -> float:
    """How far the line's first mark hangs in the margin, in units of its size."""
    if line.text[:1] in _HANGING and len(line.glyphs) > 1:
        return line.glyphs[1].x - line.ink[0]
    return 0.0


def _aligned(line: Line, size: float, frame: _Frame, centred: bool) -> float:
    """Where the base line begins so that the ink is flush with the margin (the right one for right-to-left text)."""
    left, _, right, _ = line.ink
    if centred:
        return frame.width / 2 - size * (left + right) / 2
    if any(unicodedata.bidirectional(c) in ("R", "AL") for c in line.text):
        return frame.width - frame.margin - size * right
    return max(0.2 * frame.margin, frame.margin - size * (left + _hang(line)))


def _padded(placed: list[Placed], frame: _Frame) -> Rectangle:
    pad = round(0.02 * frame.short)
    boxes = [each.box for each in placed]
    return (min(b[0] for b in boxes) - pad, min(b[1] for b in boxes) - pad,
            max(b[2] for b in boxes) + pad, max(b[3] for b in boxes) + pad)  # fmt: skip


# -- long titles -------------------------------------------------------------------------------------------


def _titles(frame: _Frame, width: int, height: int, largest: int) -> list[Block]:
    """The title in one block; where that would be too small to be read at 64 px, its first part large and the rest
    below it, small."""
    smallest = _smallest(frame)
    whole = fitted(frame.title, width, height, largest, smallest, frame.style)
    head, rest = parted(frame.title)
    least = (1.4 if wide(frame.title[0]) else 1.0) * LEGIBLE  # Chinese characters have more strokes
    if whole.size >= least * frame.short or not rest:
        return [whole]
    large = fitted(head, width, round(0.84 * height), largest, smallest, frame.style)
    if large.size <= 1.1 * whole.size:
        return [whole]
    left = height - round(len(large.lines) * LEADING * large.size)
    return [large, fitted(rest, width, left, max(smallest, round(0.4 * large.size)), smallest, frame.style)]


def parted(title: str) -> tuple[str, str]:
    """A long title as what is read first and the rest: at a colon, comma or bracket, before a small word, at a blank.

    The mark at which it is parted is left out, unless it is a bracket. A title of up to HEAD characters is not parted.
    """
    if _length(title) <= HEAD:
        return title, ""
    for mark in _BREAK.finditer(title):
        head, rest = title[: mark.start()].strip(), title[mark.end() :].strip()
        if _length(head) > HEAD:
            break
        if len(head) >= 3 and rest:
            return head, rest
    small = frozenset(_SMALL.split())
    ends = [i for i, c in enumerate(title) if c == " " and i >= 3 and _length(title[:i]) <= HEAD]
    before_small = [i for i in ends if title[i + 1 :].split(" ", 1)[0].lower() in small and _length(title[:i]) >= 8]
    first_small = [i for i in before_small if title[:i].rsplit(" ", 1)[-1].lower() not in small]
    at = (first_small or ends)[-1] if first_small or ends else 0
    if not at and wide(title[0]):
        at = next(i for i in range(len(title)) if _length(title[: i + 1]) > HEAD // 2)
    return (title[:at].strip(), title[at:].strip()) if at else (title, "")


def _length(text: str) -> int:
    return sum(2 if wide(c) else 1 for c in text)


# -- fitting ------------------------------------------------------------------------------------------------


def wrapped(text: str, width: int, size: int, style: tuple[str, ...]) -> list[str] | None:
    """Lines of at most ``width`` px, broken between pieces; None where one piece alone is too wide."""
    lines = [""]
    for piece in pieces(text):
        if lines[-1] and _width(lines[-1] + piece, size, style) > width:
            lines.append("")
        lines[-1] += piece
        if _width(lines[-1], size, style) > width:
            return None
    return [line.strip() for line in lines if line.strip()]


def _width(text: str, size: int, style: tuple[str, ...]) -> float:
    line = shaped(text.strip(), style)
    return max(line.advance, line.ink[2] - line.ink[0]) * size


def fitted(text: str, width: int, height: int, largest: int, smallest: int, style: tuple[str, ...]) -> Block:
    """The text as large as it goes into ``width`` x ``height``, in even lines; a word that is too wide is broken."""
    size = max(largest, smallest)
    while True:
        lines = wrapped(text, width, size, style)
        if lines is None and size <= smallest:
            lines = _broken(text, width, size, style)
        if lines is not None and (len(lines) * LEADING * size <= height or size <= smallest):
            break
        size = max(smallest, int(size * 0.94))
    narrow, broad = width // len(lines), width
    while broad - narrow > max(2, size // 20):  # the narrowest that takes no more lines: even lines
        middle = (narrow + broad) // 2
        other = wrapped(text, middle, size, style)
        if other is not None and len(other) <= len(lines):
            lines, broad = other, middle
        else:
            narrow = middle
    return Block(tuple(lines), size, style)


def _broken(text: str, width: int, size: int, style: tuple[str, ...]) -> list[str]:
    lines = [""]
    for character in text:
        if lines[-1] and _width(lines[-1] + character, size, style) > width and not unicodedata.combining(character):
            lines.append("")
        lines[-1] += character
    return [line.strip() for line in lines if line.strip()]


# -- pixels -------------------------------------------------------------------------------------------------


def lettered(pixels: NDArray[np.uint8], setting: Setting, colour: Colour) -> Lettering:
    """Draw the lines into a picture (h, w, 3), and say how they can be read."""
    height, width = pixels.shape[:2]
    lowest = 21.0
    light = float(luminance(colour))
    for each in setting.lines:
        left, top, right, bottom = each.box
        behind = pixels[max(0, top) : bottom, max(0, left) : right]
        if behind.size:
            lowest = min(lowest, float(contrast(luminance(behind), light).min()))
    for each in setting.lines:
        share, x, y = mask(each.line, each.size)
        if each.turned:
            share, x, y = np.rot90(share), y, -x - share.shape[1]
        column, row = round(each.x) + x, round(each.y) + y
        share = share[max(0, -row) : height - row, max(0, -column) : width - column]
        target = pixels[max(0, row) : max(0, row) + share.shape[0], max(0, column) : max(0, column) + share.shape[1]]
        part = share[..., None].astype(np.float32) / 255
        target[:] = np.rint(target * (1 - part) + part * np.array(colour, np.float32)).astype(np.uint8)
    boxes = [each.box for each in setting.lines]
    whole = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    return Lettering(setting.layout, whole, colour, lowest, round(max(each.size for each in setting.lines)))
