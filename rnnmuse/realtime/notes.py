"""Notes out: from the engine's orders by the lanes and the ledger to the outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from rnnmuse.bridges.output import Output, Program, Send, Sent
from rnnmuse.clock import PPQ, Nanoseconds
from rnnmuse.realtime.lanes import Planned
from rnnmuse.realtime.ledger import Key, Ledger
from rnnmuse.realtime.outputs import OscOutput, Outputs
from rnnmuse.realtime.players import Players
from rnnmuse.realtime.scheduler import Scheduler

TEST_PITCH, TEST_VELOCITY, TEST_LENGTH = 60, 90, 500_000_000
STROKE = PPQ // 8
"""Ticks after which a drum stroke ends."""


@dataclass(slots=True, eq=False)
class PlayedNote:
    """A note of a player from when it is planned: its ticks, and its planned begins by look-ahead.

    Its channel is the one that its part has when it begins; ``channels`` holds it by look-ahead.
    """

    player: int
    """1 to 16."""
    part: int
    """Index of the part in the parts of the player's model."""
    pitch: int
    """MIDI note, 0 to 127."""
    velocity: int
    """1 to 127."""
    tick: int
    """Where it begins, in ticks of the clock."""
    drum: bool = False
    """Whether it goes to the drum channel."""
    off: int | None = None
    """Where it ends; None while that is open."""
    begins: dict[Nanoseconds, Planned] = field(default_factory=dict)
    """Its begin for each look-ahead in nanoseconds."""
    channels: dict[Nanoseconds, int] = field(default_factory=dict)
    """MIDI channel, 0 to 15."""


class Notes:
    """Plans notes on every output and ends them. ``sounding`` is called as a player's note begins and ends.

    Every note-on is in the ledger, by output, channel and pitch. The caller holds the stage's lock.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        outputs: Outputs,
        players: Players,
        sounding: Callable[[int, int, int], None],
    ) -> None:
        self.scheduler, self.outputs, self.players, self._sounding = scheduler, outputs, players, sounding
        self.clock, self.outbox, self.now = scheduler.clock, scheduler.outbox, scheduler.now
        self.ledger = Ledger(self._send)
        self.planned: Callable[[int, int, int, int, int, bool], None] = lambda *note: None
        self.recalled: Callable[[int | None, int], None] = lambda player, after: None
        self.ended: Callable[[int | None, int], None] = lambda player, tick: None
        self.count = 0
        """Notes that began."""
        self._open: dict[tuple[int, int, int], PlayedNote] = {}
        self._at_key: dict[Key, PlayedNote] = {}
        self._heard: set[tuple[int, int]] = set()
        self._tick: int | None = None

    def plan_on(self, player: int, tick: int, pitch: int, velocity: int, part: int = 0, drum: bool = False) -> None:
        """Begin a note at ``tick`` on every output; a drum stroke ends by itself."""
        note = PlayedNote(player, part, pitch, velocity, tick, drum)
        for ahead, lane in self.scheduler.lanes.items():
            note.begins[ahead] = lane.plan(tick, partial(self._begin, note, ahead), player)
        self._open[player, part, pitch] = note
        self.planned(player, tick, pitch, velocity, part, drum)
        if drum:
            self.plan_off(player, tick + STROKE, pitch, part)
        self.scheduler.wake()

    def plan_off(self, player: int, tick: int, pitch: int, part: int = 0) -> None:
        """End the last note of this player, part and pitch at ``tick``."""
        note = self._open.pop((player, part, pitch), None)
        if note is None:
            note = PlayedNote(player, part, pitch, 0, tick)
        note.off = tick
        self.planned(player, tick, pitch, 0, part, note.drum)
        for ahead, lane in self.scheduler.lanes.items():
            lane.plan(tick, partial(self._finish, note, ahead), player, True, note.begins.get(ahead))
        self.scheduler.wake()

    def plan_end(self, player: int, tick: int) -> None:
        """End every note of the player at ``tick``."""
        for ahead, lane in self.scheduler.lanes.items():
            lane.plan(tick, partial(self._finish_all, player, tick, ahead), player, True)
        self.ended(player, tick)
        self.scheduler.wake()

    def recall(self, player: int | None = None, after: int = -1) -> None:
        """Take back the notes planned after ``tick`` that did not begin, of one player or of all."""
        for lane in self.scheduler.lanes.values():
            lane.recall(player, after)
        self.recalled(player, after)
        self.scheduler.wake()

    def end(self, player: int | None = None) -> None:
        """End every note that sounds, of one player or of all."""
        self.ledger.end(player)
        self.ended(player, self.clock.tick_at(self.now()))
        self._silent(player)

    def test(self, output: str) -> None:
        """Play middle C on an output for half a second."""
        key = (output, 0, TEST_PITCH)
        self.ledger.on(key, TEST_VELOCITY)
        self.scheduler.commands.at(self.now() + TEST_LENGTH, partial(self._end_test, key))
        self.scheduler.wake()

    def _end_test(self, key: Key) -> None:
        self.ledger.off(key, 0)

    def silence(self) -> None:
        """Forget every plan and end every note: the clock goes to another place."""
        self.scheduler.forget_notes()
        self._open.clear()
        self.recalled(None, -1)
        self.ended(None, 0)
        self._heard.clear()  # the engine's players begin again at the new place
        self.ledger.end()

    def announce(self, program: Program, only: Output | None = None) -> None:
        """Send a part's channel and program to the outputs that the player plays to."""
        for output in [only] if only is not None else self.outputs.all():
            if self.players.plays_to(program.player, output.name):
                self.outbox.put(self.now(), self.outputs.guarded(output, output.program(program)))

    def put(self, output: Output, due: Nanoseconds, send: Send) -> None:
        """Send by the outbox at a time; OSC packets leave together."""
        self.outbox.put(due, self.outputs.guarded(output, send), held=isinstance(output, OscOutput))

    def time_of(self, tick: int) -> Nanoseconds:
        """When a tick sounds, with the swing; now while the clock stands."""
        return self.clock.time_at(self.clock.swung(tick)) if self.clock.running else self.now()

    def _begin(self, note: PlayedNote, ahead: Nanoseconds) -> None:
        if not self.players.is_heard(note.player):
            return
        channel = note.channels[ahead] = self.players.channel(note.player, note.part, note.drum)
        self._tick = note.tick
        try:
            for output in self.outputs.of(ahead):
                if self.players.plays_to(note.player, output.name):
                    key = (output.name, channel, note.pitch)
                    self.ledger.off(key)  # as the note that it is, before the next takes the key
                    self._at_key[key] = note
                    self.ledger.on(key, note.velocity, note.player)
        finally:
            self._tick = None
        if not ahead:
            self.count += 1
            self._heard.add((note.player, note.pitch))
            self._sounding(note.player, note.pitch, note.velocity)

    def _finish(self, note: PlayedNote, ahead: Nanoseconds) -> None:
        assert note.off is not None
        channel = note.channels.get(ahead, self.players.channel(note.player, note.part, note.drum))
        self._tick = note.off
        try:
            for output in self.outputs.of(ahead):
                key = (output.name, channel, note.pitch)
                if not note.velocity or self._at_key.get(key) is note:  # a later note of the pitch has its own end
                    self.ledger.off(key, note.player)
        finally:
            self._tick = None
        if not ahead:
            self._heard.discard((note.player, note.pitch))
            self._sounding(note.player, note.pitch, 0)

    def _finish_all(self, player: int, tick: int, ahead: Nanoseconds) -> None:
        self._tick = tick
        try:
            for output in self.outputs.of(ahead):
                self.ledger.end(player, output.name)
        finally:
            self._tick = None
        if not ahead:
            self._silent(player)

    def _silent(self, player: int | None) -> None:
        """Whoever listens to a player hears the ends of its notes."""
        ended = {(by, pitch) for by, pitch in self._heard if player is None or by == player}
        self._heard -= ended
        for by, pitch in sorted(ended):
            self._sounding(by, pitch, 0)

    def _send(self, key: Key, velocity: int, player: int) -> None:
        name, channel, pitch = key
        output = self.outputs.get(str(name))
        if output is None:
            return
        now, note = self.now(), self._at_key.get(key)
        part, drum, length = 0, False, 0.0
        if note is not None:
            part, drum = note.part, note.drum
            if velocity and note.off is not None:
                length = (note.off - note.tick) / PPQ
        if self._tick is not None:
            beat, due = self._tick / PPQ, self.time_of(self._tick)
        else:
            beat, due = self.clock.beat_at(now), now
        if not velocity:
            self._at_key.pop(key, None)
        sent = Sent(player, channel, pitch, velocity, beat, length, due, part, drum)
        self.put(output, due - output.ahead, output.prepare(sent))
