"""Keeps what is generated from repeating the training corpus at length: it follows each part's line and rules out the
pitches that would make a run of it too long. What the performer played, and what repeats that, is never ruled out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.originality import (
    DRUM_HASH,
    DRUM_LIMIT,
    DRUM_PERIOD,
    DRUM_SPAN,
    LIMIT,
    PERIOD,
    SPAN,
    Index,
    drum_step,
    hash_of,
    is_common,
    step_of,
)

MOST_THEIRS = 65_536
"""Figures of the performer's that are remembered; the oldest are forgotten."""


@cache
def limit_of(original: float, drum: bool = False) -> int:
    """Notes of a run that are too many, for the fader ``original`` above 0 to 1: 16 in the middle (32 of drums)."""
    if not 0 < original <= 1:
        raise ValueError(f"original: {original}; must be above 0 to 1")
    return round((22 - 12 * original) * (DRUM_LIMIT / LIMIT if drum else 1))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the line of a part is: the beginning at ``grid`` with its ``top`` note (of drums the strokes' hash), the
    one before it, the steps that led there, and how many of the corpus's figures they are in a row."""

    grid: int
    """Position in 24ths of a beat."""
    top: int
    before: int = -1
    """The top note before; -1 for none."""
    since: int = 0
    """Grid position of the beginning before."""
    steps: tuple[int, ...] = ()
    """The newest last."""
    run: int = 0
    """Figures in a row that the corpus has too; one ends at each step."""


Saved = dict[int, _Place]


class Guard:
    """Follows one player. ``original`` 0 lets everything pass."""

    def __init__(self, index: Index, drums: int, original: float = 0.5) -> None:
        self._index, self._drums, self.original = index, drums, original
        self._places: Saved = {}
        self._theirs: dict[int, None] = {}
        self._last: tuple[_Place, _Place] | None = None  # a place, and where one arrives from it
        self.steered = 0
        """Notes that were drawn anew."""

    def save(self) -> Saved:
        return dict(self._places)

    def restore(self, saved: Saved) -> None:
        self._places = dict(saved)

    def take(self, part: int, grid: int, pitch: int, own: bool) -> None:
        """A note began in ``part``: one of ours (``own``), or the performer's."""
        place = self._places.get(part)
        drum = part == self._drums
        top = DRUM_HASH[pitch] if drum else pitch
        if place is None or grid < place.grid:
            self._places[part] = _Place(grid, top)
        elif grid > place.grid:
            done = self._arrived(place, drum, own)
            self._places[part] = _Place(grid, top, place.top, place.grid, done.steps, done.run)
        else:
            self._places[part] = replace(place, top=place.top ^ top if drum else max(place.top, pitch))

    def allowed(self, part: int, grid: int, playable: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The pitches (128,) of ``playable`` that make no run too long; all of them where none would be left."""
        place = self._places.get(part)
        drum = part == self._drums
        span = DRUM_SPAN if drum else SPAN
        if place is None or not self.original or grid < place.grid:
            return playable
        most = limit_of(self.original, drum)
        if place.run + span + 2 < most:
            return playable
        now = self._arrived(place, drum, True) if grid > place.grid else place
        if now.run + span + 1 < most or len(now.steps) + 1 < span:
            return playable
        later = grid > place.grid
        out = playable.copy()
        for pitch in np.flatnonzero(playable).tolist():
            if drum:
                strokes = DRUM_HASH[pitch] if later else place.top ^ DRUM_HASH[pitch]
                step = drum_step(strokes, grid - (place.grid if later else place.since))
            elif later:
                step = step_of(place.top, pitch, grid - place.grid)
            elif pitch > place.top:
                step = step_of(place.before, pitch, grid - place.since)
            else:
                continue  # beneath the line
            steps = (*now.steps[1 - span :], step)
            if not is_common(steps, DRUM_PERIOD if drum else PERIOD) and self._copied(hash_of(steps)):
                out[pitch] = False
        if not out.any():
            return playable
        if not out[playable].all():
            self.steered += 1
        return out

    def longest(self, part: int) -> int:
        """Notes of the run that the part's line is in."""
        place = self._places.get(part)
        return 0 if place is None or not place.run else place.run + (DRUM_SPAN if part == self._drums else SPAN)

    def _arrived(self, place: _Place, drum: bool, own: bool) -> _Place:
        """The place with the step to its beginning among its steps, which is certain once the line goes on."""
        if place.before < 0:
            return place
        if own and self._last is not None and self._last[0] is place:  # `allowed` has just asked
            return self._last[1]
        lag = place.grid - place.since
        step = drum_step(place.top, lag) if drum else step_of(place.before, place.top, lag)
        span, period = (DRUM_SPAN, DRUM_PERIOD) if drum else (SPAN, PERIOD)
        steps = (*place.steps[1 - span :], step)
        if len(steps) < span:
            return replace(place, steps=steps)
        value = hash_of(steps)
        if not own:
            if len(self._theirs) >= MOST_THEIRS:
                del self._theirs[next(iter(self._theirs))]
            self._theirs[value], self._last = None, None
        common = is_common(steps, period)
        run = place.run if common else place.run + 1 if self._copied(value) else 0
        done = _Place(place.grid, place.top, place.before, place.since, steps, run)
        if own:
            self._last = place, done
        return done

    def _copied(self, value: int) -> bool:
        return value not in self._theirs and self._index.holds(value)
