"""Ableton Link (extra ``link``): the tempo and beat of the Link programs in the network lead the clock."""

from __future__ import annotations

import asyncio
import threading
from fractions import Fraction
from typing import Any

from aalink import Link

from rnnmuse.clock import FASTEST, PPQ, SLOWEST
from rnnmuse.realtime.transport import Transport

EVERY = 0.25
"""Beats between two alignments of the clock with Link's."""


class LinkLeader:
    """While the source is link, the clock is Link's; a tempo set here is proposed to Link.

    Link has no start: its beats run on. After a stop here the clock stands until it is started here.
    """

    source = "link"

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.link: Any = None
        self._loop = asyncio.new_event_loop()
        self._given = float(transport.clock.tempo)
        self._began = False

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
        task = self._loop.create_task(self._follow())
        self._loop.run_forever()
        task.cancel()
        self.link.enabled = False

    async def _follow(self) -> None:
        while True:
            await self.link.sync(EVERY)
            self.align()

    def align(self) -> None:
        """Bring the clock onto Link's beat and tempo, or Link onto a tempo that was set here."""
        transport, tempo = self._transport, min(FASTEST, max(SLOWEST, self.link.tempo))
        if transport.source != self.source:
            self._began = False
            return
        with transport.scheduler.lock:
            clock, now = transport.clock, transport.now()
            wished = float(clock.tempo)
            if abs(wished - self._given) > 0.01:  # somebody set it here since
                self._given = self.link.tempo = tempo = wished
            before, tick = clock.tempo, round(self.link.beat * PPQ)
            if not self._began and not clock.running:
                transport.start(max(0, tick), as_asked=True)
            self._began = True
            if clock.running:
                if abs(clock.tick_at(now) - tick) > PPQ // 4:
                    transport.start(max(0, tick))
                transport.align(now, tick, tempo, tell=False)
            else:
                transport.set_tempo(tempo)
            self._given = float(clock.tempo)
            if abs(clock.tempo - before) > Fraction(1, 100):
                transport.changed()
