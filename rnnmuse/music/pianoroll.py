"""Piano rolls: a piece as a picture (PNG or SVG) or as text in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from rnnmuse.music.piece import Part, Piece
from rnnmuse.music.theory import PITCH_NAMES
from rnnmuse.provenance.marks import seal_file

COLOURS = ("#2b6cb0", "#dd6b20", "#2f855a", "#b83280", "#6b46c1", "#b7791f", "#0987a0", "#9b2c2c")
DRUM_NAMES = {
    35: "kick", 36: "kick", 37: "side stick", 38: "snare", 39: "clap", 40: "snare", 41: "low tom", 42: "closed hat",
    43: "low tom", 44: "pedal hat", 45: "mid tom", 46: "open hat", 47: "mid tom", 48: "high tom", 49: "crash",
    50: "high tom", 51: "ride", 53: "ride bell", 54: "tambourine", 55: "splash", 56: "cowbell", 57: "crash", 59: "ride",
}  # fmt: skip
FORMATS = (".png", ".svg")
_BACKGROUND, _LINE, _BEAT, _BLACK, _INK = "#ffffff", "#8f99a6", "#e6e9ee", "#f4f6f9", "#2d3748"
_LEFT, _TOP, _BOTTOM, _RIGHT = 78, 46, 30, 14


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle, in pixels."""

    left: float
    top: float
    width: float
    height: float
    fill: str
    """A colour, ``#rrggbb``."""


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text by its upper left corner, in pixels."""

    left: float
    top: float
    text: str
    """One line."""
    fill: str
    """A colour, ``#rrggbb``."""
    size: int = 12
    """Pixels to the em."""


Shape = Box | Text
"""What pictures are made of."""


def save_roll(piece: Piece, path: Path | str, mark: float | None = None, width: int = 1600) -> Path:
    """Draw ``piece`` to a .png or .svg of ``width`` pixels; ``mark`` is a beat from which notes are drawn as new.

    Velocity is the depth of the colour; a lane at the foot shows drums by name. ValueError for another format.
    """
    _check(Path(path), width)
    shapes, height = _layout(piece, mark, width)
    saved = save_shapes(shapes, width, height, path)
    seal_file(saved, piece.made)
    return saved


def save_shapes(shapes: list[Shape], width: int, height: int, path: Path | str) -> Path:
    """Draw shapes, the later over the earlier, to a .png or .svg; ValueError for another format or a width not 200
    to 20000."""
    path = Path(path)
    _check(path, width)
    if path.suffix.lower() == ".svg":
        path.write_text(_svg(shapes, width, height), "utf-8")
    else:
        _png(shapes, width, height, path)
    return path


def _check(path: Path, width: int) -> None:
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"format: {path.suffix!r}; use one of {', '.join(FORMATS)}")
    if not 200 <= width <= 20_000:
        raise ValueError(f"width: {width}; must be 200 to 20000 pixels")


def _layout(piece: Piece, mark: float | None, width: int) -> tuple[list[Shape], int]:
    pitched = [(i, part) for i, part in enumerate(piece.parts) if part.notes and not part.drum]
    drums = [(i, part) for i, part in enumerate(piece.parts) if part.notes and part.drum]
    pitches = [n.pitch for _, part in pitched for n in part.notes]
    low, high = (min(pitches) - 2, max(pitches) + 2) if pitches else (60, 59)
    strokes = sorted({n.pitch for _, part in drums for n in part.notes}, reverse=True)
    row = 8 if high - low < 60 else 6
    roll = (high - low + 1) * row if pitches else 0
    lane = 14
    gap = 16 if pitches and strokes else 0
    height = _TOP + roll + gap + len(strokes) * lane + _BOTTOM
    end = max(4.0, piece.end)
    scale = (width - _LEFT - _RIGHT) / end
    shapes: list[Shape] = []
    for pitch in range(low, high + 1):
        top = _TOP + (high - pitch) * row
        if pitch % 12 in (1, 3, 6, 8, 10):
            shapes.append(Box(_LEFT, top, end * scale, row, _BLACK))
        if pitch % 12 == 0:
            shapes.append(Text(_LEFT - 32, top - 4, f"C{pitch // 12 - 1}", _INK))
    floor = _TOP + roll + gap
    for index, stroke in enumerate(strokes):
        top = floor + index * lane
        if index % 2:
            shapes.append(Box(_LEFT, top, end * scale, lane, _BLACK))
        shapes.append(Text(4, top, DRUM_NAMES.get(stroke, f"drum {stroke}"), _INK, 11))
    shapes += _bars(piece, end, scale, height)
    if mark is not None:
        shapes.append(Box(_LEFT + mark * scale - 1.5, _TOP - 8, 3, height - _TOP - _BOTTOM + 16, "#c53030"))
    for index, part in [*pitched, *drums]:
        for note in part.notes:
            fresh = mark is None or note.start >= mark - 1e-3
            fill = shade(COLOURS[index % len(COLOURS)] if fresh else "#718096", note.velocity)
            left = _LEFT + note.start * scale
            if part.drum:
                top = floor + strokes.index(note.pitch) * lane
                shapes.append(Box(left, top + 2, max(3.0, min(6.0, 0.2 * scale)), lane - 4, fill))
            else:
                top = _TOP + (high - note.pitch) * row
                shapes.append(Box(left, top + 0.5, max(2.0, note.duration * scale - 1), row - 1, fill))
    shapes += _legend([*pitched, *drums], piece.title, mark is not None)
    return shapes, height


def _bars(piece: Piece, end: float, scale: float, height: int) -> list[Shape]:
    shapes: list[Shape] = []
    shown = drawn = -1e9
    starts = piece.bar_starts(end + 2e-6)
    for number, (beat, following) in enumerate(pairwise([*starts, end]), piece.first_bar):
        left = _LEFT + beat * scale
        if scale > 6:
            for inside in range(1, int(following - beat + 1)):
                if beat + inside < following - 1e-6:
                    shapes.append(Box(left + inside * scale, _TOP, 1, height - _TOP - _BOTTOM, _BEAT))
        if left - drawn >= 2:
            shapes.append(Box(left, _TOP - 4, 1, height - _TOP - _BOTTOM + 8, _LINE))
            drawn = left
        if left - shown > 34 and beat < end - 1e-6:
            shapes.append(Text(left + 2, height - _BOTTOM + 8, str(number), _INK, 11))
            shown = left
    return shapes


def _legend(parts: list[tuple[int, Part]], title: str, marked: bool) -> list[Shape]:
    shapes: list[Shape] = []
    left: float = _LEFT
    if title:
        shapes.append(Text(left, 10, title[:60], _INK, 15))
        left += 9 * len(title[:60]) + 30
    for index, part in parts[:12]:
        name = part.name or ("Drums" if part.drum else f"Part {index + 1}")
        shapes.append(Box(left, 13, 12, 12, COLOURS[index % len(COLOURS)]))
        shapes.append(Text(left + 17, 11, name[:24], _INK, 13))
        left += 17 + 8 * len(name[:24]) + 20
    if marked:
        shapes.append(Box(left, 13, 12, 12, "#718096"))
        shapes.append(Text(left + 17, 11, "given", _INK, 13))
    return shapes


def shade(colour: str, velocity: int) -> str:
    """``colour`` lightened for soft notes."""
    strength = 0.4 + 0.6 * min(127, velocity) / 127
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 - (255 - c) * strength):02x}" for c in channels)


def _svg(shapes: list[Shape], width: int, height: int) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f'<rect width="{width}" height="{height}" fill="{_BACKGROUND}"/>',
    ]
    for s in shapes:
        if isinstance(s, Box):
            lines.append(
                f'<rect x="{s.left:.2f}" y="{s.top:.2f}" width="{s.width:.2f}" height="{s.height:.2f}" '
                f'fill="{s.fill}"/>'
            )
        else:
            lines.append(
                f'<text x="{s.left:.1f}" y="{s.top + s.size:.1f}" font-family="sans-serif" font-size="{s.size}" '
                f'fill="{s.fill}">{escape(s.text)}</text>'
            )
    return "\n".join([*lines, "</svg>\n"])


def _png(shapes: list[Shape], width: int, height: int, path: Path) -> None:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (width, height), _BACKGROUND)
    draw = ImageDraw.Draw(image)
    fonts: dict[int, Any] = {}
    for s in shapes:
        if isinstance(s, Box):
            right, bottom = s.left + s.width - 1, s.top + s.height - 1
            draw.rectangle((s.left, s.top, max(s.left, right), max(s.top, bottom)), fill=s.fill)
        else:
            font = fonts.setdefault(s.size, ImageFont.load_default(s.size))
            draw.text((s.left, s.top), s.text, fill=s.fill, font=font)
    image.save(path, optimize=True)


def text_roll(piece: Piece, columns: int = 100, rows: int = 28) -> str:
    """The piece as text: a column a stretch of time, a row a pitch (or two), a letter a part; drums at the foot."""
    end = max(1.0, piece.end)
    columns = max(20, columns - 7)
    pitched = [(i, part) for i, part in enumerate(piece.parts) if part.notes and not part.drum]
    drums = [part for part in piece.parts if part.notes and part.drum]
    pitches = [n.pitch for _, part in pitched for n in part.notes]
    lines: list[str] = []

    def column(beat: float) -> int:
        return min(columns - 1, int(beat / end * columns))

    if pitches:
        low, high = min(pitches), max(pitches)
        step = -(-(high - low + 1) // rows)
        grid = [[" "] * columns for _ in range((high - low) // step + 1)]
        for order, (_, part) in enumerate(pitched):
            for note in part.notes:
                row = grid[(high - note.pitch) // step]
                for at in range(column(note.start), max(column(note.start), column(note.end - 1e-6)) + 1):
                    row[at] = "█▓▒░"[order % 4]
        for index, row in enumerate(grid):
            pitch = high - index * step
            name = f"{PITCH_NAMES[pitch % 12]}{pitch // 12 - 1}"
            lines.append(f"{name:>4} │{''.join(row)}")
    strokes = sorted({n.pitch for part in drums for n in part.notes}, reverse=True)
    for stroke in strokes:
        cells = [" "] * columns
        for part in drums:
            for note in part.notes:
                if note.pitch == stroke:
                    cells[column(note.start)] = "x" if note.velocity >= 64 else "·"
        lines.append(f"{DRUM_NAMES.get(stroke, str(stroke))[:5]:>5}│{''.join(cells)}")
    ruler = [" "] * columns
    last = -9
    for number, beat in enumerate(piece.bar_starts(end), piece.first_bar):
        at = column(beat)
        if at - last > 4:
            for offset, digit in enumerate(str(number)):
                if at + offset < columns:
                    ruler[at + offset] = digit
            last = at
    lines.append(f" bar │{''.join(ruler)}")
    return "\n".join(lines)
