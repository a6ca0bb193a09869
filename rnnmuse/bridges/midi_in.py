"""MIDI in: bytes of messages to what the desk understands: notes, pedal, controllers, MPE, program change, clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rnnmuse.clock import Nanoseconds
from rnnmuse.realtime.leader import ClockLeader
from rnnmuse.realtime.stage import Stage

CLOCK = (0xF2, 0xF8, 0xFA, 0xFB, 0xFC)
SUSTAIN, ALL_SOUND_OFF, ALL_NOTES_OFF = 64, 120, 123
RPN_LSB, RPN_MSB, DATA, DATA_LSB = 100, 101, 6, 38
MPE_ZONE = (0, 6)
"""The registered parameter (MSB, LSB) of the MPE Configuration Message (MPE 1.0, section 2.1)."""
ECHO: Nanoseconds = 50_000_000
BEND = 48.0
"""Semitones of a full bend on an MPE member channel (MPE 1.0, section 2.4)."""


@dataclass(slots=True)
class Echoes:
    """What was sent lately, so that it is not taken for the performer's when it comes back."""

    _sent: deque[tuple[Nanoseconds, int, int]] = field(default_factory=lambda: deque(maxlen=256))

    def sent(self, now: Nanoseconds, channel: int, pitch: int) -> None:
        """A note-on went out."""
        self._sent.append((now, channel, pitch))

    def is_one(self, now: Nanoseconds, channel: int, pitch: int) -> bool:
        """Whether a note-on that comes in is one of ours; each counts once."""
        for entry in self._sent:
            if entry[1:] == (channel, pitch) and now - entry[0] < ECHO:
                self._sent.remove(entry)
                return True
        return False


@dataclass(slots=True)
class MidiReceiver:
    """One input's messages, handed to the stage's desk. ``mpe`` takes channel 1 as the manager of all others.

    With MPE the notes of every member channel are those of channel 1, a bend of more than half a semitone moves a
    note's pitch when it begins, and an MPE Configuration Message turns it on and off.
    """

    stage: Stage
    leader: ClockLeader
    mpe: bool = False
    echoes: Echoes = field(default_factory=Echoes)
    _held: dict[tuple[int, int], int] = field(default_factory=dict)
    _pedal: set[int] = field(default_factory=set)
    _sustained: list[tuple[int, int]] = field(default_factory=list)
    _bends: dict[int, float] = field(default_factory=dict)
    _parameter: dict[int, tuple[int, int]] = field(default_factory=dict)
    _fine: dict[tuple[int, int], int] = field(default_factory=dict)

    def receive(self, data: Sequence[int]) -> None:
        """One message, its bytes."""
        if not data:
            return
        if data[0] in CLOCK:
            sixteenths = data[1] | data[2] << 7 if data[0] == 0xF2 and len(data) == 3 else 0
            self.leader.message(data[0], self.stage.now(), sixteenths)
            return
        if data[0] == 0xF0:
            self._exclusive(data)
            return
        status, channel, rest = data[0] & 0xF0, data[0] & 0x0F, [byte & 0x7F for byte in data[1:3]]
        match status, rest:
            case 0x90, [pitch, velocity] if velocity:
                self._begin(channel, pitch, velocity)
            case ((0x80 | 0x90), [pitch, _]):
                self._end(channel, pitch)
            case 0xB0, [number, value]:
                self._control(channel, number, value)
            case 0xC0, [program]:
                self.stage.desk.local("/rnnmuse/preset/recall", program + 1)
            case 0xE0, [low, high]:
                self._bends[channel] = ((high << 7 | low) - 8192) / 8192

    def _begin(self, channel: int, pitch: int, velocity: int) -> None:
        if self.echoes.is_one(self.stage.now(), channel, pitch):
            self._held[channel, pitch] = -1
            return
        if self._held.get((channel, pitch), -1) >= 0:
            self._end(channel, pitch, retrigger=True)
        heard = pitch
        if self.mpe and channel:
            heard = max(0, min(127, pitch + round(self._bends.get(channel, 0.0) * BEND)))
        self._held[channel, pitch] = heard
        self.stage.desk.played(self._manager(channel), heard, velocity)

    def _end(self, channel: int, pitch: int, retrigger: bool = False) -> None:
        heard = self._held.get((channel, pitch), -1)
        if heard < 0:
            self._held.pop((channel, pitch), None)
            return
        if self._manager(channel) in self._pedal and not retrigger:
            self._sustained.append((channel, pitch))
            return
        del self._held[channel, pitch]
        if not any(k != (channel, pitch) and self._manager(k[0]) == self._manager(channel) and h == heard
                   for k, h in self._held.items()):  # fmt: skip
            self.stage.desk.played(self._manager(channel), heard, 0)

    def _manager(self, channel: int) -> int:
        return 0 if self.mpe else channel

    def _control(self, channel: int, number: int, value: int) -> None:
        match number:
            case 120 | 123:
                self._release()
                self.stage.desk.local("/rnnmuse/transport/panic")
                return
            case 64:
                if value >= 64:
                    self._pedal.add(channel)
                elif channel in self._pedal:
                    self._pedal.discard(channel)
                    ended = [k for k in self._sustained if self._manager(k[0]) == self._manager(channel)]
                    self._sustained = [k for k in self._sustained if k not in ended]
                    for key in ended:
                        self._end(*key)
            case 100 | 101:
                high, low = self._parameter.get(channel, (127, 127))
                self._parameter[channel] = (value, low) if number == RPN_MSB else (high, value)
                return
            case 6:
                if self._parameter.get(channel) == MPE_ZONE and channel in (0, 15):
                    self.mpe = value > 0
                    return
        coarse = number - 32 if 32 <= number < 64 else number
        if 32 <= number < 64 and (channel, coarse) in self.stage.desk.learned:
            high = self._fine.get((channel, coarse), 0)  # the finer half of a 14-bit controller
            self.stage.desk.control(channel, coarse, (high << 7 | value) / 16383)
            return
        if number < 32:
            self._fine[channel, number] = value
        self.stage.desk.control(channel, number, value / 127)

    def _exclusive(self, data: Sequence[int]) -> None:
        """MIDI Machine Control (F0 7F device 06 command F7): stop, play, deferred play."""
        if len(data) == 6 and data[1] == 0x7F and data[3] == 0x06:
            command = {1: "stop", 2: "continue", 3: "continue"}.get(data[4])
            if command:
                self.stage.desk.local(f"/rnnmuse/transport/{command}")

    def _release(self) -> None:
        """Forget what is held, and let the players know."""
        for (channel, _), heard in list(self._held.items()):
            if heard >= 0:
                self.stage.desk.played(self._manager(channel), heard, 0)
        self._held.clear()
        self._sustained.clear()
        self._pedal.clear()
