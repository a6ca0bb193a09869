"""The outputs that are open, and the one that notes leave by on OSC."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from rnnmuse.bridges import osc
from rnnmuse.bridges.osc_server import OscServer
from rnnmuse.bridges.output import Output, Program, Send, Sent
from rnnmuse.clock import Nanoseconds

log = logging.getLogger("rnnmuse.stage")


class Outputs:
    """Outputs by name. The table is replaced, never changed, so that any thread may walk through it.

    ``lost`` is called with the name and the reason of one that is gone, under the stage's lock.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Output] = {}
        self.lost: Callable[[str, object], None] = lambda name, why: None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def get(self, name: str) -> Output | None:
        return self._by_name.get(name)

    def all(self) -> list[Output]:
        """Every output."""
        return list(self._by_name.values())

    def names(self) -> list[str]:
        """The outputs that are not subscribers of this stage."""
        return [name for name, output in self._by_name.items() if not isinstance(output, OscOutput)]

    def of(self, ahead: Nanoseconds) -> list[Output]:
        """The outputs of one look-ahead."""
        return [output for output in self._by_name.values() if output.ahead == ahead]

    def look_aheads(self) -> set[Nanoseconds]:
        """Every look-ahead in use."""
        return {output.ahead for output in self._by_name.values()}

    def add(self, output: Output) -> None:
        self._by_name = {**self._by_name, output.name: output}

    def take(self, name: str) -> Output | None:
        """Take an output out of the table; it is not closed."""
        found = self._by_name.get(name)
        self._by_name = {key: value for key, value in self._by_name.items() if key != name}
        return found

    def guarded(self, output: Output, send: Send) -> Send:
        """``send``, but an output that raises is lost, and the others play on."""

        def guarded() -> None:
            try:
                send()
            except Exception as error:  # a port that is gone raises its driver's own kinds
                if self.get(output.name) is output:  # more of the same chord may be on its way there
                    self.lost(output.name, error)

        return guarded


def close_aside(output: Output) -> None:
    """Close an output in a thread of its own: drivers may hang in it."""
    threading.Thread(target=output.close, name=f"closing {output.name}", daemon=True).start()


class OscOutput:
    """The subscribers of one look-ahead. With a look-ahead notes leave early, in bundles with their time."""

    clock = False

    def __init__(
        self,
        server: OscServer,
        ahead: Nanoseconds,
        now: Callable[[], Nanoseconds] = time.monotonic_ns,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.name, self.ahead = f"osc {ahead}", ahead
        self._server, self._now, self._wall = server, now, wall
        self._begun: dict[tuple[int, int, int], float] = {}

    def prepare(self, sent: Sent) -> Send:
        """/rnnmuse/out/{p}/note, plain or in a bundle with its time tag."""
        values = (sent.pitch, sent.velocity, sent.beats, sent.beat)
        packet = osc.build(f"/rnnmuse/out/{sent.player}/note", values)
        if self.ahead:
            seconds = self._seconds(sent.due)
            key = (sent.player, sent.part, sent.pitch)
            if sent.velocity:
                self._begun[key] = seconds
            else:  # never before the beginning, which the receiver may still hold back
                seconds = max(seconds, self._begun.pop(key, 0.0) + 0.001)
            packet = osc.bundle(osc.tag_of(seconds), [packet])
        return partial(self._server.broadcast, packet, self.ahead)

    def program(self, program: Program) -> Send:
        """/rnnmuse/out/{p}/program."""
        values = (program.part + 1, program.channel + 1, program.program + 1, program.name)
        return partial(self._server.broadcast, osc.build(f"/rnnmuse/out/{program.player}/program", values), self.ahead)

    def text(self, player: int, values: tuple[Any, ...], due: Nanoseconds) -> Send:
        """/rnnmuse/out/text/{p}, plain or in a bundle with its time tag."""
        packet = osc.build(f"/rnnmuse/out/text/{player}", values)
        if self.ahead:
            packet = osc.bundle(osc.tag_of(self._seconds(due)), [packet])
        return partial(self._server.broadcast, packet, self.ahead)

    def _seconds(self, due: Nanoseconds) -> float:
        return self._wall() + (due - self._now()) / 1e9

    def transport(self, data: list[int]) -> None:
        """MIDI clock is not for OSC."""

    def close(self) -> None:
        """Nothing to close."""
