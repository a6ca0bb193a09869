"""The order in which the bars of a score sound: repeats, endings, da capo, dal segno, fine and coda."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_TIMES = 16
MAX_BARS = 50_000


@dataclass(slots=True)
class BarMarks:
    """What a bar says about the order. ``backward`` is how many times the section that it ends is played, 0 for no
    repeat; ``ending`` the numbers of the bracket that begins at it; ``ending_stops`` whether a bracket ends at it."""

    forward: bool = False
    """Whether a repeated section begins at it."""
    backward: int = 0
    ending: tuple[int, ...] = ()
    ending_stops: bool = False
    segno: bool = False
    """Whether a segno stands in it."""
    coda: bool = False
    """Whether the coda begins at it."""
    fine: bool = False
    """Whether the piece ends with it after a jump."""
    to_coda: bool = False
    """Whether it is left for the coda after a jump."""
    da_capo: bool = False
    """Whether the piece goes on from the beginning after it."""
    dal_segno: bool = False
    """Whether the piece goes on from the segno after it."""


@dataclass(slots=True)
class _Bracket:
    first: int
    """Index of its first bar."""
    last: int
    """Index of its last bar."""
    numbers: tuple[int, ...]
    """The times, from 1, at which it is played."""
    highest: int = 0
    """The highest number of the brackets that belong together."""


def sounding_order(marks: Sequence[BarMarks]) -> list[int]:
    """Indexes of the bars in the order in which they sound.

    After a da capo or dal segno sections are played once, with their last ending, up to the fine or to the coda.
    """
    brackets = _brackets(marks)
    segno = next((i for i, bar in enumerate(marks) if bar.segno), 0)
    coda = next((i for i, bar in enumerate(marks) if bar.coda), -1)
    order: list[int] = []
    index, start, time, jumped = 0, 0, 1, False
    while index < len(marks) and len(order) < MAX_BARS:
        bar = marks[index]
        if bar.forward and index > start:
            start, time = index, 1
        bracket = brackets.get(index)
        if bracket is not None and bracket.first == index:
            wanted = max(bracket.numbers) == bracket.highest if jumped else time in bracket.numbers
            if not wanted and bracket.numbers:
                index = bracket.last + 1
                continue
        order.append(index)
        if jumped and bar.fine:
            break
        if jumped and bar.to_coda and coda > index:
            index = coda
            continue
        if bar.backward and not jumped:
            times = max(bracket.highest, 2) if bracket is not None and bracket.numbers else bar.backward
            if time < min(times, MAX_TIMES):
                time += 1
                index = start
                continue
            start, time = index + 1, 1
        if (bar.da_capo or bar.dal_segno) and not jumped:
            jumped = True
            index = segno if bar.dal_segno else 0
            continue
        index += 1
    return order


def _brackets(marks: Sequence[BarMarks]) -> dict[int, _Bracket]:
    """The bracket that each bar lies under."""
    found: dict[int, _Bracket] = {}
    open_: _Bracket | None = None
    group: list[_Bracket] = []
    for index, bar in enumerate(marks):
        if bar.ending:
            open_ = _Bracket(index, index, bar.ending)
            if group and group[-1].last != index - 1:
                group = []
            group.append(open_)
            for bracket in group:
                bracket.highest = max(max(b.numbers) for b in group)
        if open_ is not None:
            open_.last = index
            found[index] = open_
            if bar.ending_stops or bar.backward:
                open_ = None
    return found
