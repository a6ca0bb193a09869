"""The outbox: what is due within the next moment is prepared first, then sent, each thing at its time.

With preparing and sending apart, a chord of twenty notes leaves in the time of a few system calls.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from operator import itemgetter

from rnnmuse.clock import Nanoseconds
from rnnmuse.realtime.lanes import Lateness

MOST_EARLY: Nanoseconds = 200_000
"""So much before its time a chord begins at most: sending takes a while, and its middle is to be on time."""

BEGIN: Nanoseconds = 50_000
"""What the first thing takes more than the others: cold caches, the system call."""

AWAKE: Nanoseconds = 120_000
"""Sleep ends so much before the time it is for; the rest is waited for awake, which costs nothing to speak of."""

SPARE: Nanoseconds = 300_000
"""So much before the next chord nothing is sent any more of what the last one left: a send may take longer than it is
thought to."""

Send = Callable[[], object]
Chord = list[tuple[Nanoseconds, Send, bool]]
"""Time in ns, what sends, and whether it is held: see `Outbox.put`."""


class Outbox:
    """Sends at once what is put in, unless it is gathering. ``now`` reads the clock that times are given by; ``wait``
    waits until a time of it.

    The things of one chord are sent inside ``together``. What is ``held`` is called before its time and leaves only
    when ``together`` ends. What a chord left for later is sent by ``after``, a bit at each call, which returns False
    once nothing is left; see `send_rest`.
    """

    def __init__(
        self,
        lateness: Lateness,
        now: Callable[[], Nanoseconds] = time.monotonic_ns,
        together: Callable[[], AbstractContextManager[object]] = nullcontext,
        wait: Callable[[Nanoseconds], None] | None = None,
        after: Callable[[], bool] = lambda: False,
    ) -> None:
        self.lateness, self._now, self._together, self._after = lateness, now, together, after
        self._wait_until = wait or self._sleep_until
        self.rest = False
        """Whether the last chords may have left something for `send_rest`."""
        self._gathered: list[tuple[Nanoseconds, Send, bool]] | None = None
        self._cost = 2_000.0  # nanoseconds for each thing sent, as last seen

    def gather(self) -> None:
        """Keep what is put in from now on, until `flush`."""
        self._gathered = []

    def put(self, due: Nanoseconds, send: Send, held: bool = False) -> None:
        """``send`` is called at time ``due`` in ns, or at once."""
        if self._gathered is not None:
            self._gathered.append((due, send, held))
        else:
            send()

    def flush(self) -> None:
        """Send what was gathered, in the order of time, waiting where it is too early."""
        chords = self.chords()
        if not chords:
            return
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1.0)  # no other thread of this process takes over between two notes of a chord
        try:
            for due, chord in chords:
                self.send(due, chord)
        finally:
            sys.setswitchinterval(interval)

    def chords(self) -> list[tuple[Nanoseconds, Chord]]:
        """Take what was gathered, in the order of time, for `send`."""
        gathered, self._gathered = self._gathered or [], None
        gathered.sort(key=itemgetter(0))
        return [(due, list(chord)) for due, chord in groupby(gathered, itemgetter(0))]

    def send(self, due: Nanoseconds, chord: Chord) -> None:
        """Send what is due at one time, once it is that time."""
        with self._together():
            for _, send, held in chord:
                if held:
                    send()
            began = self._wait(due - min(MOST_EARLY, round(BEGIN + len(chord) * self._cost) // 2))
            for _, send, held in chord:
                if not held:
                    send()
        over = self._now()
        off = max(abs(began - due), abs(over - due))  # no thing of the chord left earlier or later than that
        for _ in chord:
            self.lateness.add(off)
        self._cost += 0.1 * (max(0, over - began - BEGIN) / len(chord) - self._cost)
        self.rest = True

    def send_rest(self, until: Nanoseconds) -> None:
        """Send what chords have left for later, up to a time; by the thread that sends the chords."""
        while self.rest and self._now() < until:
            self.rest = self._after()

    def _wait(self, until: Nanoseconds) -> Nanoseconds:
        self.send_rest(until - SPARE)
        if until > self._now():
            self._wait_until(until)
        return self._now()

    def _sleep_until(self, until: Nanoseconds) -> None:
        while (left := until - self._now()) > 0:
            if left > AWAKE:
                time.sleep((left - AWAKE) / 1e9)
