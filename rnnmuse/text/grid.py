"""The grid of Chinese regulated verse: four or eight lines of five or seven characters, each in its place."""

from __future__ import annotations

from dataclasses import dataclass

LINES, WIDTHS = (4, 8), (5, 7)
PLACES = 1 + 4 * 64
"""Classes of places: 0 is none; then form, line and position."""


@dataclass(frozen=True, slots=True)
class Grid:
    """``lines`` (4 or 8) of ``width`` (5 or 7) characters each."""

    lines: int = 4
    width: int = 5

    def __post_init__(self) -> None:
        if self.lines not in LINES:
            raise ValueError(f"lines: {self.lines!r}; must be 4 or 8")
        if self.width not in WIDTHS:
            raise ValueError(f"width: {self.width!r}; must be 5 or 7")

    def place(self, line: int, at: int) -> int:
        """The place of character ``at`` of ``line``; the line's end is the character after its last."""
        form = LINES.index(self.lines) + 2 * WIDTHS.index(self.width)
        return 1 + form * 64 + line * 8 + at


def places_of(grid: Grid) -> list[int]:
    """Places of a whole poem in order, each line with its end."""
    return [grid.place(line, at) for line in range(grid.lines) for at in range(grid.width + 1)]
