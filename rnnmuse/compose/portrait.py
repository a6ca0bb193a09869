"""A collection as a picture: keys, chords, contours, rhythms, pitches, and how it differs from others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rnnmuse.compose.analyse import MEASURES, Summary
from rnnmuse.music.pianoroll import COLOURS, Box, Shape, Text, save_shapes

_INK, _FRAME, _GREY = "#2d3748", "#f4f6f9", "#b8c0cc"
DEGREES = ("1", "b2", "2", "b3", "3", "4", "#4", "5", "b6", "6", "b7", "7")
WIDTH, GAP, TALL = 1500, 24, 250


def save_portrait(summary: Summary, path: Path | str, title: str = "") -> Path:
    """Draw a summary to a .png or .svg."""
    wide = (WIDTH - 4 * GAP) / 3
    shapes: list[Shape] = [
        Box(0, 0, WIDTH, 3 * (TALL + GAP) + 60, "#ffffff"),
        Text(GAP, 16, (title or "Analysis")[:110], _INK, 20),
    ]
    classes = dict(zip(DEGREES, summary.pitch_classes, strict=True))
    places = [(GAP + c * (wide + GAP), 56.0 + r * (TALL + GAP)) for r in range(3) for c in range(3)]
    shapes += [Box(x, y, wide, TALL, _FRAME) for x, y in places[:8]]
    shapes += _bars(summary.keys, "Keys (share of pieces)", *places[0], wide, 0)
    shapes += _bars(summary.chords, "Chords (share)", *places[1], wide, 1)
    shapes += _bars(summary.progressions, "What follows what (share of runs of four)", *places[2], wide, 2)
    shapes += _lines(summary, *places[3], wide)
    shapes += _rhythms(summary, *places[4], wide)
    shapes += _bars(classes, "Melody above the tonic (share of its time)", *places[5], wide, 5)
    shapes += _bars(summary.metres, "Metres (share of pieces)", *places[6], wide, 6)
    shapes += _beside(summary, *places[7], wide)
    shapes += _words(summary, *places[8])
    return save_shapes(shapes, WIDTH, 56 + 3 * (TALL + GAP), path)


def _bars(shares: Mapping[str, float], title: str, x: float, y: float, wide: float, colour: int) -> list[Shape]:
    shapes: list[Shape] = [Text(x + 8, y + 6, title, _INK, 13)]
    if not shares:
        return [*shapes, Text(x + 8, y + 40, "none", _GREY, 12)]
    tallest, step = max(max(shares.values()), 1e-9), (TALL - 40) / max(6, len(shares))
    names = max(len(name) for name in shares)
    left = min(0.5 * wide, 16 + 7.2 * names)
    for index, (name, share) in enumerate(shares.items()):
        top = y + 32 + index * step
        shapes.append(Text(x + 8, top + step / 2 - 8, name, _INK, 12))
        shapes.append(Box(x + left, top + 2, (wide - left - 58) * share / tallest, step - 4, COLOURS[colour]))
        label = f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"
        shapes.append(Text(x + left + (wide - left - 58) * share / tallest + 6, top + step / 2 - 8, label, _INK, 12))
    return shapes


def _lines(summary: Summary, x: float, y: float, wide: float) -> list[Shape]:
    """The mean line of the commonest contours, each in a box of its own."""
    shapes: list[Shape] = [Text(x + 8, y + 6, "Shapes of phrases (share, mean line)", _INK, 13)]
    shown = list(summary.contours.items())[:6]
    cell, high = wide / 3, (TALL - 36) / 2
    tallest = max((abs(v) for kind, _ in shown for v in summary.lines[kind]), default=1.0) or 1.0
    for index, (kind, share) in enumerate(shown):
        left, top = x + index % 3 * cell, y + 30 + index // 3 * high
        shapes.append(Text(left + 8, top + 2, f"{kind} {100 * share:.0f} %", _INK, 11))
        line = summary.lines[kind]
        step, middle = (cell - 20) / len(line), top + 20 + (high - 30) / 2
        for at, value in enumerate(line):
            shapes.append(
                Box(left + 10 + at * step, middle - value / tallest * (high - 40) / 2 - 2, step + 0.5, 4, COLOURS[3])
            )
    return shapes


def _rhythms(summary: Summary, x: float, y: float, wide: float) -> list[Shape]:
    """The commonest rhythms of a bar: a mark where a note begins."""
    shapes: list[Shape] = [Text(x + 8, y + 6, "Rhythms of a bar (share of bars)", _INK, 13)]
    metre = next(iter(summary.metres), "4/4")
    over, under = (int(number) for number in metre.split("/"))
    beats = over * 4 / under
    for index, (name, share) in enumerate(summary.rhythms.items()):
        top = y + 34 + index * 35
        scale = (wide - 90) / beats
        for beat in range(int(beats) + 1):
            shapes.append(Box(x + 12 + beat * scale, top, 1, 24, _GREY))
        for place in name.split(", "):
            beat_text, _, part = place.partition(" ")
            over_part, _, under_part = part.partition("/")
            at = int(beat_text) - 1 + (int(over_part) / int(under_part) if part else 0.0)
            shapes.append(Box(x + 12 + at * scale + 1, top + 4, 10, 16, COLOURS[4]))
        shapes.append(Text(x + wide - 62, top + 4, f"{100 * share:.1f} %", _INK, 12))
    return shapes


def _beside(summary: Summary, x: float, y: float, wide: float) -> list[Shape]:
    """Where each measure lies among other lead sheets, from least to most."""
    shapes: list[Shape] = [Text(x + 8, y + 6, "Beside other lead sheets (least to most)", _INK, 13)]
    step, left = (TALL - 40) / len(MEASURES), 140.0
    for index, name in enumerate(MEASURES):
        top, share = y + 32 + index * step, summary.beside[name]
        shapes.append(Text(x + 8, top + step / 2 - 8, name, _INK, 12))
        shapes.append(Box(x + left, top + step / 2 - 1, wide - left - 16, 2, _GREY))
        shapes.append(Box(x + left + 0.5 * (wide - left - 16), top + 3, 1, step - 6, _GREY))
        at = x + left + share * (wide - left - 26)
        shapes.append(Box(at, top + 3, 10, step - 6, COLOURS[0 if 0.2 < share < 0.8 else 7]))
    return shapes


def _words(summary: Summary, x: float, y: float) -> list[Shape]:
    shapes: list[Shape] = []
    top = y + 4
    for sentence in summary.words():
        line = ""
        for word in sentence.split(" "):
            if len(line) + len(word) > 66:
                shapes.append(Text(x, top, line, _INK, 12))
                line, top = "", top + 16
            line += word + " "
        shapes.append(Text(x, top, line, _INK, 12))
        top += 19
    return shapes
