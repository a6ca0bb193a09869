"""The messages of what was played in this session: forget it, keep it in a file, know it again."""

from __future__ import annotations

from collections import deque

from rnnmuse.realtime.control.call import Call
from rnnmuse.realtime.players import Players
from rnnmuse.realtime.tickets import Tickets
from rnnmuse.session import messages as m

KEPT = 4096
"""Notes that are kept for an engine that begins anew: as many as it remembers."""
RECALLED = 16
"""Files that are recalled again, the last ones."""


class MemoryControl:
    """Rows of /rnnmuse/memory. It keeps what a new engine needs to know again what the one before it knew."""

    def __init__(self, tickets: Tickets, players: Players) -> None:
        self._tickets, self._players = tickets, players
        self._notes = 0
        self._heard: deque[tuple[float, int]] = deque(maxlen=KEPT)
        self._recalled: deque[str] = deque(maxlen=RECALLED)

    def heard(self, player: int, beat: float, pitch: int) -> None:
        """A player has heard a note of the performer's; what drummers hear is no melody."""
        parts = self._players.parts.get(player, ())
        if not parts or not all(part.drum for part in parts):
            self._heard.append((beat, pitch))

    def set_up(self) -> None:
        """Tell a new engine what was recalled and heard."""
        for name in self._recalled:
            self._tickets.send(m.Memory(0, "recall", name))
        if self._heard:
            self._tickets.send(m.Heard(tuple(self._heard)))

    def forget(self, call: Call) -> None:
        self._ask(call, "forget", "")

    def keep(self, call: Call, name: str) -> None:
        self._ask(call, call.word, name)

    def knows(self, message: m.Knows) -> None:
        """The engine says how many notes it knows; the answer follows when it has accepted what was asked."""
        self._notes = message.notes

    def _ask(self, call: Call, act: str, name: str) -> None:
        def accepted() -> None:
            if act == "forget":
                self._heard.clear()
                self._recalled.clear()
            elif act == "recall":
                self._recalled.append(name)
            call.answer(self._notes)

        self._tickets.request(
            ("memory", object()),
            lambda ticket: m.Memory(ticket, act, name),
            accepted,
            lambda text: call.fail("value", text),
        )
