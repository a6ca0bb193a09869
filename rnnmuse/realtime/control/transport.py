"""The transport's messages: play, stop, panic, tempo, position, metre, swing, and who leads the clock."""

from __future__ import annotations

from rnnmuse.clock import PPQ
from rnnmuse.protocol import ProtocolError
from rnnmuse.realtime.control.call import Call
from rnnmuse.realtime.control.player import PlayerControl
from rnnmuse.realtime.control.server import ServerControl
from rnnmuse.realtime.control.text import TextControl
from rnnmuse.realtime.lead.osc import OscLeader
from rnnmuse.realtime.transport import Transport

MOST_RENDERED = 64
"""Beats that one message may render."""


class TransportControl:
    """Rows of /rnnmuse/transport."""

    def __init__(
        self,
        transport: Transport,
        players: PlayerControl,
        texts: TextControl,
        leader: OscLeader,
        server: ServerControl,
    ) -> None:
        self._transport, self._players, self._texts, self._leader = transport, players, texts, leader
        self._server = server

    def play(self, call: Call) -> None:
        self._transport.start(0, as_asked=True)

    def resume(self, call: Call) -> None:
        self._transport.resume(as_asked=True)

    def stop(self, call: Call) -> None:
        self._transport.stop()

    def panic(self, call: Call) -> None:
        """End every note at once; players stay silent until they or the transport are started again."""
        self._players.panic()
        self._texts.stop_all()

    def running(self, call: Call, value: int) -> None:
        if value:
            self._transport.resume(as_asked=True)
        else:
            self._transport.stop()

    def get_running(self, call: Call) -> None:
        call.answer(int(self._transport.clock.running))

    def tempo(self, call: Call, bpm: float) -> None:
        self._transport.set_tempo(bpm)

    def get_tempo(self, call: Call) -> None:
        call.answer(float(self._transport.clock.tempo))

    def position(self, call: Call, beat: float) -> None:
        self._transport.locate(round(beat * PPQ))

    def get_position(self, call: Call) -> None:
        call.answer(self._transport.place)

    def source(self, call: Call, source: str) -> None:
        self._transport.source = source

    def get_source(self, call: Call) -> None:
        call.answer(self._transport.source)

    def swing(self, call: Call, place: float) -> None:
        self._transport.set_swing(place)

    def get_swing(self, call: Call) -> None:
        call.answer(self._transport.clock.swing)

    def metre(self, call: Call, numerator: int, denominator: int, beat: float | None = None) -> None:
        try:
            self._transport.set_metre(numerator, denominator, None if beat is None else round(beat * PPQ))
        except ValueError as error:
            raise ProtocolError("range", f"{call.address} {error}") from None

    def get_metre(self, call: Call) -> None:
        metre = self._transport.clock.metre
        call.answer(metre.numerator, metre.denominator)

    def lead(self, call: Call, beat: float, bpm: float | None = None) -> None:
        self._leader.heard(beat, bpm)

    def cue(self, call: Call, beat: float, bpm: float | None = None) -> None:
        if bpm is not None:
            self._transport.set_tempo(bpm)
        self._transport.cue(round(beat * PPQ))

    def render(self, call: Call, beat: float, bpm: float | None = None) -> None:
        """Play on beat by beat: the players plan two beats ahead of the clock, and none may be left out."""
        away = beat - self._transport.place
        if away > MOST_RENDERED:
            raise ProtocolError("range", f"{call.address} beat: {beat:g}; must be up to {MOST_RENDERED} beats ahead")

        def play_on() -> None:
            step = min(beat, self._transport.place + 1)
            self._transport.render(round(step * PPQ), bpm)
            try:
                self._server.once_played(play_on if step < beat else answer)
            except ProtocolError as error:  # the engine is busy: whoever asked is told how far it came
                call.fail(error.code, f"{error}; rendered to {step:g}")

        def answer() -> None:
            call.reply("/rnnmuse/transport/rendered", beat)

        def begin() -> None:
            try:
                self._server.once_played(play_on)
            except ProtocolError as error:
                call.fail(error.code, str(error))

        self._server.once_moved(begin)
