"""The messages of what was played in this session: forget it, keep it in a file, know it again."""

from __future__ import annotations

from rnnmuse.realtime.control.call import Call
from rnnmuse.realtime.tickets import Tickets
from rnnmuse.session import messages as m


class MemoryControl:
    """Rows of /rnnmuse/memory."""

    def __init__(self, tickets: Tickets) -> None:
        self._tickets = tickets
        self._notes = 0

    def forget(self, call: Call) -> None:
        self._ask(call, "forget", "")

    def keep(self, call: Call, name: str) -> None:
        self._ask(call, call.word, name)

    def knows(self, message: m.Knows) -> None:
        """The engine says how many notes it knows; the answer follows when it has accepted what was asked."""
        self._notes = message.notes

    def _ask(self, call: Call, act: str, name: str) -> None:
        self._tickets.request(
            ("memory", object()),
            lambda ticket: m.Memory(ticket, act, name),
            lambda: call.answer(self._notes),
            lambda text: call.fail("value", text),
        )
