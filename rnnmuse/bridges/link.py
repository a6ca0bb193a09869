"""Ableton Link (extra ``link``): the tempo and beat of the Link programs in the network lead the clock."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from aalink import Link

EVERY = 0.25
"""Beats between two alignments of the clock with Link's."""
SAME = 0.01
"""Two tempos closer than this, in bpm, are the same."""


class LinkLeader:
    """While it leads, the clock is Link's; a tempo set on the clock is proposed to Link.

    ``leads`` says whether Link leads. ``follow`` takes Link's beat at this moment, Link's tempo in bpm, and the tempo
    that it returned last: it aligns the clock, at Link's tempo or, where another has been set on the clock since, at that
    one, and returns the clock's tempo. Both are called in the thread of this class, four times a beat. ``tempo`` is the
    clock's at first.
    """

    def __init__(self, leads: Callable[[], bool], follow: Callable[[float, float, float], float], tempo: float) -> None:
        self.link: Any = None
        self._leads, self._follow_link, self._given = leads, follow, tempo
        self._loop = asyncio.new_event_loop()

    def open(self) -> None:
        """Join the session; the thread sleeps between the beats."""
        threading.Thread(target=self._run, name="link", daemon=True).start()

    def close(self) -> None:
        """Leave the session."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self.link = Link(self._given, self._loop)
        self.link.enabled = True
        following = self._loop.create_task(self._follow())
        self._loop.run_forever()
        following.cancel()
        self.link.enabled = False

    async def _follow(self) -> None:
        while True:
            await self.link.sync(EVERY)
            self._align()

    def _align(self) -> None:
        if not self._leads():
            return
        self._given = self._follow_link(self.link.beat, self.link.tempo, self._given)
        if abs(self._given - self.link.tempo) > SAME:
            self.link.tempo = self._given
