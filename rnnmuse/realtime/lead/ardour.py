"""Ardour's transport leads the clock, or follows it; `rnnmuse.bridges.ardour` speaks to Ardour."""

from __future__ import annotations

from rnnmuse.realtime.transport import Transport


class ArdourClock:
    """The clock as Ardour's output sees it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def source(self) -> str:
        """Who leads the clock."""
        return self._transport.source

    def running(self) -> bool:
        """Whether it runs."""
        return self._transport.clock.running

    def resume(self) -> None:
        """Run on from where it stands."""
        self._transport.resume(as_asked=True)

    def halt(self) -> None:
        """Stand still."""
        self._transport.stop()
