"""Covers as vectors: SVG for screens and plotters, PDF with bleed for a printer.

Every plate is one group or one spot ink. A shape that is known exactly is written so; of others the zero line of the
level is traced.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import contourpy
import numpy as np
from numpy.typing import NDArray

from rnnmuse.cover.inks import Ink
from rnnmuse.cover.letters import outlines
from rnnmuse.cover.picture import Sheet
from rnnmuse.cover.plate import Outline, Plate, Window, pressed
from rnnmuse.errors import MissingExtraError
from rnnmuse.provenance.marks import seal
from rnnmuse.provenance.record import Made
from rnnmuse.storage import write_whole

TRACED = 1000
"""Cells a side at which a level's zero line is traced."""
FLAT = 1 / 12_000
"""How far, in shares of the side, a traced line may leave the curve for points to be left out."""
MILLIMETRE = 72 / 25.4
BLEED = 3.0  # mm
TRIM = 120.0
"""Side of the trimmed sheet in mm: the booklet of a compact disc."""


def shapes(plate: Plate, window: Window) -> list[Outline]:
    """A plate's shapes, holes among them, in coordinates of the square; filled by the even-odd rule."""
    if plate.outlines:
        x, y = plate.offset
        return [tuple(tuple(value + (y if index % 2 else x) for index, value in enumerate(step)) for step in outline)
                for outline in plate.outlines]  # fmt: skip
    count = max(2, round(TRACED * (window.bottom - window.top)))
    across = np.linspace(window.left, window.right, max(2, round(TRACED * (window.right - window.left))))
    down = np.linspace(window.top, window.bottom, count)
    level = plate.level(across - plate.offset[0], down - plate.offset[1])
    found = contourpy.contour_generator(across, down, level, fill_type="OuterOffset").filled(0.0, np.inf)
    out: list[Outline] = []
    for points, offsets in zip(*found, strict=True):
        for begin, end in pairwise(offsets):
            ring = _thinned(np.asarray(points[begin : end - 1], np.float64))
            if len(ring) > 2:
                out.append(tuple((float(x), float(y)) for x, y in ring))
    return out


def _thinned(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """A closed line without the points that lie on the straight between their neighbours, to within FLAT."""
    for first in (0, 1, 0, 1):
        if len(ring) < 8:
            return ring
        before, after = np.roll(ring, 1, 0), np.roll(ring, -1, 0)
        chord, own = after - before, ring - before
        away = np.abs(chord[:, 0] * own[:, 1] - chord[:, 1] * own[:, 0]) / (np.hypot(*chord.T) + 1e-12)
        keep = np.ones(len(ring), bool)
        keep[first::2] = away[first::2] > FLAT  # every second point: of two neighbours one always stays
        ring = ring[keep]
    return ring


def _check(sheet: Sheet, kind: str) -> None:
    if any(plate.tint is not None for plate in sheet.made.plates):
        raise ValueError(f"look: gradient has no {kind} form; must be screen, riso, lino, geometric or paint")


def svg(sheet: Sheet, about: str = "") -> str:
    """The cover as SVG: a group for each ink, named, with its CMYK; transparent inks multiply."""
    _check(sheet, "SVG")
    width, height, window = sheet.width, sheet.height, sheet.window
    scale_x, scale_y = width / (window.right - window.left), height / (window.bottom - window.top)

    def paths(found: Iterable[Outline]) -> str:
        return "".join(_svg_path(outline, window.left, window.top, scale_x, scale_y) for outline in found)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<desc>{escape(about)}</desc>",
        f'<rect width="{width}" height="{height}" {_named(sheet.made.ground, "ground")}/>',
    ]
    for number, plate in enumerate(sheet.made.plates, 1):
        data = paths(shapes(plate, window))
        if data:
            blend = "" if plate.opaque else ' style="mix-blend-mode:multiply"'
            lines.append(f'<path {_named(plate.ink, f"plate-{number}")} fill-rule="evenodd"{blend} d="{data}"/>')
    if sheet.setting is not None:
        data = "".join(_svg_path(outline, 0, 0, 1, 1) for outline in _text(sheet))
        lines.append(f'<path {_named(sheet.made.letters, "letters")} d="{data}"/>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _named(ink: Ink, place: str) -> str:
    cmyk = " ".join(map(str, ink.cmyk))
    return f'id="{place}" fill="{ink.hex}" data-ink={quoteattr(ink.name)} data-cmyk="{cmyk}"'


def _svg_path(outline: Outline, left: float, top: float, scale_x: float, scale_y: float) -> str:
    out = []
    for index, step in enumerate(outline):
        values = [round((value - (top if at % 2 else left)) * (scale_y if at % 2 else scale_x), 2)
                  for at, value in enumerate(step)]  # fmt: skip
        letter = "M" if not index else "L" if len(step) == 2 else "C"
        out.append(letter + " ".join(f"{value:g}" for value in values))
    return "".join([*out, "Z"])


def _text(sheet: Sheet) -> list[Outline]:
    """The letters' contours in pixels."""
    assert sheet.setting is not None
    out: list[Outline] = []
    for placed in sheet.setting.lines:
        for contour in outlines(placed.line):
            steps = []
            for step in contour:
                moved: list[float] = []
                for x, y in zip(step[::2], step[1::2], strict=True):
                    moved += (placed.x + y * placed.size, placed.y - x * placed.size) if placed.turned else (
                        placed.x + x * placed.size, placed.y + y * placed.size)  # fmt: skip
                steps.append(tuple(moved))
            out.append(tuple(steps))
    return out


def pdf(sheet: Sheet, trim: float = TRIM, about: str = "") -> bytes:
    """The cover as PDF 1.4 for a printer: ``trim`` mm wide after cutting, BLEED mm more on every side, TrimBox and
    BleedBox set.

    Each ink is a spot colour of its name with its CMYK as the alternate; transparent inks overprint. Where a look has
    continuous tones, these are one picture in CMYK at 300 dpi. MissingExtraError without reportlab.
    """
    try:
        from reportlab.lib.colors import CMYKColorSep
        from reportlab.pdfgen.canvas import Canvas
    except ImportError:
        raise MissingExtraError("PDF", "print") from None
    if not 20 <= trim <= 1000:
        raise ValueError(f"trim: {trim}; must be 20 to 1000 mm")
    width = trim * MILLIMETRE
    height = width * sheet.height / sheet.width
    bleed = BLEED * MILLIMETRE
    seen = sheet.window
    beyond_x = BLEED / trim * (seen.right - seen.left)
    beyond_y = BLEED / (trim * sheet.height / sheet.width) * (seen.bottom - seen.top)
    window = Window(seen.left - beyond_x, seen.top - beyond_y, seen.right + beyond_x, seen.bottom + beyond_y)
    held = io.BytesIO()
    page = (width + 2 * bleed, height + 2 * bleed)
    canvas = Canvas(held, pagesize=page, pageCompression=1, invariant=1)
    canvas.setTitle(about or "rnnmuse cover")
    canvas.setCreator("rnnmuse")
    canvas.setTrimBox((bleed, bleed, bleed + width, bleed + height))
    canvas.setBleedBox((0, 0, *page))

    def colour(ink: Ink) -> Any:
        return CMYKColorSep(*(share / 100 for share in ink.cmyk), spotName=f"rnnmuse {ink.name}")

    def fill(found: Iterable[Outline], place: Any, rule: int) -> None:
        path = canvas.beginPath()
        for outline in found:
            for index, step in enumerate(outline):
                points = [value for x, y in zip(step[::2], step[1::2], strict=True) for value in place(x, y)]
                (path.moveTo if not index else path.lineTo if len(points) == 2 else path.curveTo)(*points)
            path.close()
        canvas.drawPath(path, stroke=0, fill=1, fillMode=rule)

    def of_square(x: float, y: float) -> tuple[float, float]:
        return ((x - window.left) / (window.right - window.left) * page[0],
                page[1] - (y - window.top) / (window.bottom - window.top) * page[1])  # fmt: skip

    def of_pixels(x: float, y: float) -> tuple[float, float]:
        return bleed + x / sheet.width * width, bleed + height - y / sheet.height * height

    if any(plate.tint is not None for plate in sheet.made.plates):
        _draw_tones(canvas, sheet, window, page)
    else:
        canvas.setFillColor(colour(sheet.made.ground))
        canvas.rect(0, 0, *page, stroke=0, fill=1)
        for plate in sheet.made.plates:
            canvas.setFillOverprint(not plate.opaque)
            canvas.setFillColor(colour(plate.ink))
            fill(shapes(plate, window), of_square, 0)
    if sheet.setting is not None:
        canvas.setFillOverprint(False)
        canvas.setFillColor(colour(sheet.made.letters))
        fill(_text(sheet), of_pixels, 1)
    canvas.showPage()
    canvas.save()
    return held.getvalue()


def _draw_tones(canvas: Any, sheet: Sheet, window: Window, page: tuple[float, float]) -> None:
    from PIL import Image
    from reportlab.lib.utils import ImageReader

    dots = [round(side / 72 * 300) for side in page]
    pixels = pressed(sheet.made, dots[0], dots[1], window, cmyk=True)
    canvas.drawImage(ImageReader(Image.fromarray(pixels, "CMYK")), 0, 0, *page)


def write_vector(sheet: Sheet, path: Path, about: str = "", trim: float = TRIM, made: Made | None = None) -> None:
    """Write SVG or PDF by the path's ending, whole or not at all."""
    data = pdf(sheet, trim, about) if path.suffix.lower() == ".pdf" else svg(sheet, about).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data if made is None else seal(data, path.suffix, made))
