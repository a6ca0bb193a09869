"""A script: notes whose time is settled before they are drawn, with one pitch or several to choose from.

A player that has a script plays it event by event among the events that the model draws, and the model hears all of
them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rnnmuse.music.codec import GRID, MAX_WAIT, OFF, ON
from rnnmuse.play.sampler import Event, Player

REMEMBERED = 160
"""Beats for which it is known what was chosen."""
NEUTRAL = 10
"""The class of micro-timing that is on the grid."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A note from grid position ``start`` to ``end`` in ``part``; of several ``pitches`` the model chooses one.

    Without pitches it is told when it is played what it plays: its ``role`` is "" for melody, else that of a pattern's
    beat, and it is the voice number ``voice`` of ``voices``.
    """

    start: int
    """Position in 24ths of a beat."""
    end: int
    """Position in 24ths of a beat."""
    part: int
    """Index of the part class."""
    pitches: tuple[int, ...] = ()
    velocity: int = 80
    """1 to 127."""
    role: str = ""
    voice: int = 0
    voices: int = 1
    centre: int = 0
    """MIDI note about which its chord lies; 0 where the role has a range."""
    micro: int | None = None
    """The class of its micro-timing; None where it is on the grid, or the model says."""


@dataclass(slots=True)
class Script:
    """Cues in the order of their edges. ``until`` is the grid position up to which it is settled.

    Cues are added bar by bar, and none outlasts its bar: so a place in ``edges`` keeps its meaning as more are added.
    """

    until: int = 0
    """Position in 24ths of a beat."""
    edges: list[tuple[int, int, Cue]] = field(default_factory=list)
    """Grid position, 1 for a beginning or 0 for an end, and the cue."""
    chosen: dict[tuple[int, int, str, int], int] = field(default_factory=dict)
    """MIDI note of a cue, by its start, part, role and voice."""

    def add(self, cues: list[Cue], until: int) -> None:
        """Settle what is played up to ``until``."""
        new = [(cue.start, 1, cue) for cue in cues] + [(min(cue.end, until), 0, cue) for cue in cues]
        self.edges += sorted(new, key=lambda edge: (*edge[:2], NEUTRAL if edge[2].micro is None else edge[2].micro))
        self.until = until

    def forget(self, count: int) -> None:
        """Drop the first ``count`` edges, and what was chosen long ago."""
        del self.edges[:count]
        since = self.until - REMEMBERED * GRID
        self.chosen = {key: pitch for key, pitch in self.chosen.items() if key[0] >= since}

    def next(self, at: int) -> int | None:
        """The grid position of the edge at a place; None beyond the last."""
        return self.edges[at][0] if at < len(self.edges) else None

    def play(
        self,
        player: Player,
        at: int,
        pitches_of: Callable[[Cue], Sequence[int]],
        touch: Callable[[Cue, int, int], tuple[int, int]] | None = None,
    ) -> Event | None:
        """Play the edge at a place and return its event; None where it has nothing to play.

        ``touch`` says for a cue, its wait and its pitch how it is struck: the velocity class and the class of
        micro-timing; without, as the cue says and on the grid.
        """
        grid, begins, cue = self.edges[at]
        key = (cue.start, cue.part, cue.role, cue.voice)
        grid = max(grid, player.grid)
        micro = NEUTRAL if grid > player.grid else max(NEUTRAL, player.micro)
        wait = min(grid - player.grid, MAX_WAIT)
        if not begins:
            pitch = self.chosen.get(key, -1)
            if (cue.part, pitch) not in player.started:
                return None
            event: Event = (wait // GRID, wait % GRID, OFF, cue.part, pitch, 0, micro)
        else:
            taken = {p for part, p in (*player.started, *player.foreign) if part == cue.part}
            free = [p for p in cue.pitches or pitches_of(cue) if p not in taken]
            if not free:
                self.chosen.pop(key, None)
                return None
            pitch = free[0] if len(free) == 1 else player.chosen(wait, cue.part, free)
            self.chosen[key] = pitch
            velocity = max(1, cue.velocity // 4)
            if cue.micro is not None:
                micro = cue.micro if wait else max(cue.micro, player.micro)
            elif touch is not None:
                velocity, struck = touch(cue, wait, pitch)
                micro = struck if wait else max(struck, micro)
            event = (wait // GRID, wait % GRID, ON, cue.part, pitch, velocity, micro)
        player.hear(event)
        player.grid = grid
        return event
