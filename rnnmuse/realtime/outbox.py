"""The outbox: what is due within the next moment is made ready first, then sent, each thing at its time.

Making ready and sending apart, a chord of twenty notes leaves in the time of twenty system calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import groupby
from operator import itemgetter

from rnnmuse.realtime.clock import Nanoseconds
from rnnmuse.realtime.scheduler import Lateness

MOST_EARLY: Nanoseconds = 200_000
"""So much before its time a chord begins at most: sending takes a while, and its middle is to be on time."""

Send = Callable[[], object]


class Outbox:
    """Sends at once what is put in, unless it is gathering; ``now`` reads the clock that times are given by."""

    def __init__(self, lateness: Lateness, now: Callable[[], Nanoseconds] = time.monotonic_ns) -> None:
        self._lateness, self._now = lateness, now
        self._gathered: list[tuple[Nanoseconds, Send]] | None = None
        self._cost = 10_000.0  # nanoseconds to send one thing, as last seen

    def gather(self) -> None:
        """Keep what is put in from now on, until `flush`."""
        self._gathered = []

    def put(self, due: Nanoseconds, send: Send) -> None:
        """``send`` is called at time ``due`` in ns, or at once."""
        if self._gathered is not None:
            self._gathered.append((due, send))
        else:
            send()

    def flush(self) -> None:
        """Send what was gathered, in the order of time, waiting where it is too early."""
        gathered, self._gathered = self._gathered or [], None
        gathered.sort(key=itemgetter(0))
        for due, together in groupby(gathered, itemgetter(0)):
            chord = [send for _, send in together]
            began = self._wait(due - min(MOST_EARLY, round(len(chord) * self._cost / 2)))
            for send in chord:
                send()
                self._lateness.add(abs(self._now() - due))
            self._cost += 0.1 * ((self._now() - began) / len(chord) - self._cost)

    def _wait(self, until: Nanoseconds) -> Nanoseconds:
        while (left := until - self._now()) > 0:
            time.sleep(left / 1e9)
        return self._now()
