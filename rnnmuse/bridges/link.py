"""Ableton Link (extra ``link``): the tempo and beat of the Link programs in the network lead the stage."""

from __future__ import annotations

import asyncio
import threading
from fractions import Fraction
from typing import Any

from aalink import Link

from rnnmuse.clock import FASTEST, PPQ, SLOWEST
from rnnmuse.realtime.stage import Stage

EVERY = 0.25
"""Beats between two alignments of the clock with Link's."""


class LinkLeader:
    """While the stage's source is link, its clock is Link's; a tempo set on the stage is proposed to Link."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.link: Any = None
        self._loop = asyncio.new_event_loop()
        self._given = float(stage.clock.tempo)

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
        self._loop.create_task(self._follow())
        self._loop.run_forever()
        self.link.enabled = False

    async def _follow(self) -> None:
        while True:
            await self.link.sync(EVERY)
            self._align()

    def _align(self) -> None:
        stage, tempo = self.stage, min(FASTEST, max(SLOWEST, self.link.tempo))
        if stage.source != "link":
            return
        with stage.lock:
            wished = float(stage.clock.tempo)
            if abs(wished - self._given) > 0.01:  # somebody set it here since
                self._given = self.link.tempo = tempo = wished
            before, now = stage.clock.tempo, stage.now()
            tick = round(self.link.beat * PPQ)
            if not stage.clock.running or abs(stage.clock.tick_at(now) - tick) > PPQ // 4:
                stage.run(lambda at: stage.clock.start(at, max(0, tick)))
            stage.clock.align(now, tick, tempo)
            self._given = float(stage.clock.tempo)
            stage.changed.notify()
            if abs(stage.clock.tempo - before) > Fraction(1, 100):
                stage.tell_clock()
