"""Ardour's transport leads the clock while the source is osc, and follows it otherwise."""

from __future__ import annotations

from rnnmuse.bridges.ardour import ArdourOut
from rnnmuse.realtime.transport import Transport


class ArdourLeader:
    """The stage's transport as `rnnmuse.bridges.ardour` sees it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def source(self) -> str:
        return self._transport.source

    def running(self) -> bool:
        return self._transport.clock.running

    def resume(self) -> None:
        self._transport.resume(as_asked=True)

    def halt(self) -> None:
        self._transport.stop()


def ardour(transport: Transport, name: str, host: str, port: int) -> ArdourOut:
    """An output that ties Ardour's transport to the stage's."""
    return ArdourOut(ArdourLeader(transport), name, host, port)
