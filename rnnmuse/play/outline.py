"""The outline of a piece by bars: how dense each is, and its key and chords from the home key.

A form (`rnnmuse.play.plan`) of a real piece may hold it beside its plan. The model is then told what really went
together: a bar that restates another has its chords and as many notes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnnmuse.events import Note
from rnnmuse.music.codec import (
    ACTIVE,
    BAR_BEAT,
    BAR_LENGTH,
    BAR_SUB,
    BEATS,
    DENSITY,
    ECHO,
    ECHO_REST,
    GRID,
    KEY,
    KIND,
    ON,
    PART,
    PITCH,
    QUALITY,
    ROOT,
    SUB,
    TEMPO,
    UNKNOWN,
    Encoded,
    context_of,
)
from rnnmuse.music.echo import NEW, STEPS_A_BEAT, Again, Bar, Stroke, repeats
from rnnmuse.music.piece import Piece

COLUMNS = (ECHO, ECHO_REST, ACTIVE, DENSITY, KEY, ROOT, QUALITY, ROOT, QUALITY, BAR_LENGTH, TEMPO)
"""Context columns of a form's row. The second root and quality are those of the second half of the bar; key and roots
are counted from the tonic of the form's first key."""
OUTLINED, FITTING = slice(3, 9), slice(9, 11)
"""Of a row: the outline, and what a form is chosen by."""
AGAIN = 11
"""Of a row: from here on two columns a part class say how it plays an earlier bar again (`again_of`)."""
NOTHING = tuple(UNKNOWN[column] for column in list(COLUMNS)[OUTLINED])
"""The outline of a bar of which nothing is known."""


def again_of(row: Sequence[int], part: int) -> Again | None:
    """How ``part`` plays an earlier bar again in a form's row; None where it does not, or the form does not say."""
    at = AGAIN + 2 * part
    if at + 1 >= len(row) or not row[at]:
        return None
    lag, how = divmod(row[at] - 1, 3)
    return Again(how, lag + 1, row[at + 1])


def _columns(again: Again | None) -> list[int]:
    return [0, 0] if again is None else [1 + 3 * (again.lag - 1) + again.how, max(-127, min(127, again.shift))]


def moved(outline: Sequence[int], semitones: int) -> tuple[int, ...]:
    """An outline with its key and roots so many semitones higher."""
    density, key, *chords = outline
    if key < UNKNOWN[KEY]:
        key = key // 12 * 12 + (key + semitones) % 12
    roots = [(value + semitones) % 12 if i % 2 == 0 and value < 12 else value for i, value in enumerate(chords)]
    return (density, key, *roots)


def form_of(piece: Encoded, most: int, parts: int = 0) -> list[list[int]]:
    """The form of up to ``most`` bars of a piece: a row of COLUMNS for each, and how each of ``parts`` part classes
    plays an earlier bar again."""
    context = piece.context.astype(np.int64)
    at = np.cumsum(piece.events[:, BEATS].astype(np.int64) * GRID + piece.events[:, SUB])
    places = context[:, BAR_BEAT] * GRID + context[:, BAR_SUB]
    starts, first = np.unique(at - places, return_index=True)
    ends = [*first[1:].tolist(), len(at)]
    rows: list[list[int]] = []
    begins: list[int] = []
    home = next((int(key) % 12 for key in context[:, KEY] if key < UNKNOWN[KEY]), 0)
    for index, (start, event, end) in enumerate(zip(starts.tolist(), first.tolist(), ends, strict=True)):
        if index:
            length = max(1, int(context[first[index - 1], BAR_LENGTH])) * (GRID // 2)
            for empty in range(1, round((start - starts[index - 1]) / length)):  # bars in which nothing begins
                row = list(rows[-1])
                row[0] = row[2] = NEW
                row[1] = NEW if rows[-1][1] != UNKNOWN[ECHO_REST] else rows[-1][1]
                row[2], row[3] = rows[-1][2], 0
                rows.append(row)
                begins.append(int(starts[index - 1]) + empty * length)
        half = int(context[event, BAR_LENGTH]) * (GRID // 4)
        later = event + int(np.searchsorted(places[event:end], half))
        row = context[event, list(COLUMNS)].tolist()
        row[7:9] = context[min(later, end - 1), [ROOT, QUALITY]].tolist()
        row[OUTLINED] = moved(row[OUTLINED], -home)
        rows.append(row)
        begins.append(start)
    for part in range(parts):
        played = (piece.events[:, KIND] == ON) & (piece.events[:, PART] == part)
        content = _strokes(at[played], piece.events[played, PITCH], begins)
        for row, again in zip(rows, repeats(content), strict=True):
            row += _columns(again)
    return rows[:most]


def _strokes(at: NDArray[np.int64], pitches: NDArray[np.int16], begins: Sequence[int]) -> list[frozenset[Stroke]]:
    """The onsets of a part in each bar, to the nearest sixteenth."""
    out: list[set[Stroke]] = [set() for _ in begins]
    step = GRID // STEPS_A_BEAT
    bars = np.maximum(np.searchsorted(begins, at + step // 2, side="right") - 1, 0)
    for bar, grid, pitch in zip(bars.tolist(), at.tolist(), pitches.tolist(), strict=True):
        out[bar].add((round((grid - begins[bar]) / step), 0, pitch))
    return [frozenset(bar) for bar in out]


def outlines(notes: Sequence[Note], piece: Piece, bars: Sequence[Bar]) -> list[tuple[int, ...]]:
    """The outline of each bar of a piece with its keys and chords; ``notes`` are those that a model has a place for."""
    starts = np.array([round(bar.start * GRID) for bar in bars], np.int64)
    halves = np.array([round((bar.start + bar.beats / 2) * GRID) for bar in bars], np.int64)
    onsets = np.sort(np.array([round(note.start * GRID) for note in notes], np.int64))
    begin = context_of(piece, starts, onsets)[:, [DENSITY, KEY, ROOT, QUALITY]]
    middle = context_of(piece, halves)[:, [ROOT, QUALITY]]
    return [tuple(row) for row in np.concatenate((begin, middle), 1).tolist()]
