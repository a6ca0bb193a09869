"""Sheets of small piano rolls: phrases side by side, as a picture (PNG or SVG)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnmuse.music.phrases import BAR, DRUMS, ONSET, STEPS_A_BEAT, VELOCITIES, Grid, melody_notes
from rnnmuse.music.pianoroll import COLOURS, Box, Shape, Text, save_shapes, shade

_INK, _FRAME, _BEAT, _BAR = "#2d3748", "#f7f9fb", "#e6e9ee", "#b8c0cc"
_GAP = 12


@dataclass(frozen=True, slots=True)
class Cell:
    """One phrase of a sheet, with a line above it; ``colour`` is an index into COLOURS."""

    grid: Grid
    """The phrase that is drawn."""
    title: str = ""
    """The line above it; empty for none."""
    colour: int = 0


def save_sheet(
    rows: Sequence[Sequence[Cell]],
    path: Path | str,
    title: str = "",
    across: str = "",
    up: str = "",
    width: int = 1600,
) -> Path:
    """Draw rows of phrases, all melodies on one range of pitches, with the names of the sheet's axes.

    ValueError for a format that is not PNG or SVG, or a sheet without phrases.
    """
    cells = [cell for row in rows for cell in row]
    if not cells:
        raise ValueError("rows: no phrases to draw")
    columns = max(len(row) for row in rows)
    titled = any(cell.title for cell in cells)
    left, top = (28 if up else 8), (34 if title else 10)
    wide = (width - left - 8 - _GAP * (columns - 1)) / columns
    low, high = _range(cells)
    tall = max(46.0, min(wide * 0.7, 3.0 * (high - low + 1))) if low <= high else 9 * 8.0
    step = tall + _GAP + (16 if titled else 0)
    height = round(top + step * len(rows) + (24 if across else 0))
    shapes: list[Shape] = []
    if title:
        shapes.append(Text(left, 8, title[:160], _INK, 15))
    for r, row in enumerate(rows):
        for c, cell in enumerate(row):
            x, y = left + c * (wide + _GAP), top + r * step + (16 if titled else 0)
            if cell.title:
                shapes.append(Text(x, y - 15, cell.title[: round(wide / 6)], _INK, 11))
            shapes += _phrase(cell, x, y, wide, tall, low, high)
    if across:
        shapes.append(Text(left, height - 20, f"{across} >", _INK, 13))
    if up:
        shapes.append(Text(6, top + 2, "^", _INK, 15))
        for index, letter in enumerate(up):
            shapes.append(Text(6, top + 20 + 13 * index, letter, _INK, 12))
    return save_shapes(shapes, width, height, path)


def _range(cells: Sequence[Cell]) -> tuple[int, int]:
    pitches = [int(p) - ONSET for cell in cells if cell.grid.ndim == 2 for p in cell.grid[:, 0] if p >= ONSET]
    return (min(pitches) - 1, max(pitches) + 1) if pitches else (1, 0)


def _phrase(cell: Cell, x: float, y: float, wide: float, tall: float, low: int, high: int) -> list[Shape]:
    shapes: list[Shape] = [Box(x, y, wide, tall, _FRAME)]
    steps = len(cell.grid)
    unit = wide / steps
    for step in range(0, steps, STEPS_A_BEAT):
        shapes.append(Box(x + step * unit, y, 1, tall, _BAR if step % BAR == 0 else _BEAT))
    colour = COLOURS[cell.colour % len(COLOURS)]
    if cell.grid.ndim == 3:
        lane = tall / len(DRUMS)
        for step in range(steps):
            for drum in range(len(DRUMS)):
                hit, velocity, _ = cell.grid[step, drum].tolist()
                if hit:
                    fill = shade(colour, velocity * 128 // VELOCITIES)
                    shapes.append(
                        Box(x + step * unit, y + tall - (drum + 1) * lane + 1, max(2, unit - 1), lane - 1, fill)
                    )
        return shapes
    row = tall / (high - low + 1)
    for note in melody_notes(cell.grid, humanise=0):
        left, length = note.start * STEPS_A_BEAT * unit, note.duration * STEPS_A_BEAT * unit
        fill = shade(colour, note.velocity)
        shapes.append(Box(x + left, y + (high - note.pitch) * row, max(2, length - 1), max(2, row), fill))
    return shapes
