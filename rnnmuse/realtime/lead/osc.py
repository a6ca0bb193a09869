"""Another program's position by OSC leads the clock."""

from __future__ import annotations

from rnnmuse.clock import PPQ, Nanoseconds
from rnnmuse.realtime.transport import Transport

APART = 1.0
"""Beats between the two positions from which on the clock jumps."""

REFRESH: Nanoseconds = 2_000_000_000
"""Time within which a position that lies on the line of the one before only refreshes it."""


class OscLeader:
    """Follows /rnnmuse/transport/beat while the source is osc.

    A position sets a clock going that stands, unless it only goes on from the one before: a stop here holds until the
    other program pauses, or goes to another place.
    """

    source = "osc"

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._heard: tuple[Nanoseconds, float, float] | None = None

    def heard(self, beat: float, bpm: float | None = None) -> None:
        """The other program is at ``beat`` now, at this tempo or the one before."""
        transport = self._transport
        if transport.source != self.source:
            return
        now, clock = transport.now(), transport.clock
        tempo = bpm if bpm is not None else float(clock.tempo)
        goes_on = self._goes_on(now, beat)
        self._heard = now, beat, tempo
        if not clock.running and not clock.cued and goes_on:
            return
        if clock.cued and abs(clock.beat_at(now) - beat) <= APART:
            transport.go(round(beat * PPQ))
        elif not clock.running or abs(clock.beat_at(now) - beat) > APART:
            transport.start(round(beat * PPQ), as_asked=True)
        transport.align(now, round(beat * PPQ), tempo)

    def _goes_on(self, now: Nanoseconds, beat: float) -> bool:
        """Whether a position lies where the one before leads to."""
        if self._heard is None:
            return False
        time, before, tempo = self._heard
        expected = before + (now - time) * tempo / 60e9
        return now - time < REFRESH and abs(beat - expected) < APART / 2
