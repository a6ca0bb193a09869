"""The harmony's messages: what is given, the notes of the chord track, and what holds now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnmuse.realtime.control.call import Call
from rnnmuse.realtime.tickets import Tickets
from rnnmuse.realtime.transport import Transport
from rnnmuse.session import messages as m

GIVEN: dict[str, Any] = {"chart": "", "chord": "", "key": "", "split": 0}
"""What can be given, and what it is at first."""


class HarmonyControl:
    """Rows of /rnnmuse/harmony. ``broadcast`` speaks to the subscribers."""

    def __init__(self, transport: Transport, tickets: Tickets, broadcast: Callable[..., None]) -> None:
        self._transport, self._tickets, self._broadcast = transport, tickets, broadcast
        self.values = dict(GIVEN)
        self._since: dict[str, float] = {}
        self._channel = 0
        self._sounding: set[int] = set()
        self._now = m.HarmonyIs(0.0, "", "", 0.0, "")
        self._told: tuple[Any, ...] = ()
        self._coming: tuple[tuple[float, str], ...] = ()

    # -- what is given --------------------------------------------------------------------------------------

    def given(self, call: Call, value: Any) -> None:
        """It holds once the engine has accepted it."""
        name, place = call.word, self._transport.place

        def accepted() -> None:
            self.values[name], self._since[name] = value, place

        self._tickets.request(
            ("harmony", name),
            lambda ticket: m.SetHarmony(ticket, name, value, place),
            accepted,
            lambda text: call.fail("value", text),
        )

    def get_given(self, call: Call) -> None:
        self._tickets.when_settled(("harmony", call.word), lambda: call.answer(self.values[call.word]))

    def kept(self) -> dict[str, Any]:
        """What a rig keeps of it."""
        return {name: self.values[name] for name in ("chart", "key", "split")} | {"chords": self._channel}

    def set_up(self) -> None:
        """Give a new engine what was confirmed."""
        for name, value in self.values.items():
            if value != GIVEN[name]:
                self._tickets.send(m.SetHarmony(0, name, value, self._since[name]))

    # -- the chord track ------------------------------------------------------------------------------------

    def track(self, call: Call, channel: int) -> None:
        self._end_track()
        self._channel = channel

    def get_track(self, call: Call) -> None:
        call.answer(self._channel)

    def note(self, call: Call, pitch: int, velocity: int) -> None:
        if not self._hear(pitch, velocity):
            call.fail("limit", f"{call.address} pitch: {pitch}; the engine is busy, the note was not heard")

    def played(self, channel: int, pitch: int, velocity: int) -> bool:
        """A note from a MIDI input, ``channel`` 0-15; True if it belongs to the chord track."""
        if channel + 1 != self._channel:
            return False
        self._hear(pitch, velocity)
        return True

    def _hear(self, pitch: int, velocity: int) -> bool:
        if not velocity and pitch not in self._sounding:
            return True
        if self._tickets.send(m.HearChord(self._transport.place, pitch, velocity)) is False and velocity:
            return False
        (self._sounding.add if velocity else self._sounding.discard)(pitch)
        return True

    def _end_track(self) -> None:
        for pitch in sorted(self._sounding):
            self._tickets.send(m.HearChord(self._transport.place, pitch, 0))
        self._sounding.clear()

    # -- what holds -----------------------------------------------------------------------------------------

    @property
    def chord(self) -> str:
        """The chord that holds now; empty where none is known."""
        return self._now.chord

    def now(self, call: Call) -> None:
        one = self._now
        call.answer(one.beat, one.chord, one.key, one.confidence, one.source)

    def holds(self, message: m.HarmonyIs) -> None:
        """Take the engine's present and coming harmony; send the subscribers what has changed."""
        self._now = message
        now = (message.chord, message.key, message.source)
        if now != self._told:
            self._told = now
            self._broadcast(
                "/rnnmuse/out/harmony", message.beat, message.chord, message.key, message.confidence, message.source
            )
        if message.coming != self._coming:
            self._coming = message.coming
            pairs = [value for pair in message.coming for value in pair]
            self._broadcast("/rnnmuse/out/harmony/coming", *pairs)
