"""MIDI in: the bytes of messages become calls of a handler: notes, controllers, pedals, MPE, program change, clock.

After the MIDI 1.0 Detailed Specification 4.2: pedals hold notes, channel mode messages (controllers 120 to 127) concern
their channel, and after RP-015 controller 121 lifts the pedals and centres the bend. MPE follows MPE 1.0.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rnnmuse.clock import Nanoseconds

CLOCK = (0xF2, 0xF8, 0xFA, 0xFB, 0xFC)
DATA, FINE_DATA, SUSTAIN, SOSTENUTO, SOFT = 6, 38, 64, 66, 67
PEDALS = (SUSTAIN, SOSTENUTO, SOFT)
NRPN_LSB, NRPN_MSB, RPN_LSB, RPN_MSB = 98, 99, 100, 101
ALL_SOUND_OFF, RESET, LOCAL, ALL_NOTES_OFF = 120, 121, 122, 123
NO_PARAMETER = (127, 127)
MPE_ZONE = (0, 6)
"""The registered parameter (MSB, LSB) of the MPE Configuration Message (MPE 1.0, section 2.1)."""
ECHO: Nanoseconds = 50_000_000
"""A note that comes back within this time after it was sent is an echo."""
BEND = 48.0
"""Semitones of a full bend on an MPE member channel (MPE 1.0, section 2.4)."""

Key = tuple[int, int]
"""Channel (0-15) and pitch, as they came."""


class MidiHandler(Protocol):
    """What a `MidiReceiver` calls. Channels count from 0; calls come from the thread of the port."""

    def now(self) -> Nanoseconds:
        """The time in ns of the monotonic clock."""

    def note(self, channel: int, pitch: int, velocity: int) -> None:
        """A note begins, or with velocity 0 ends. A note ends once the pedals that hold it are up."""

    def control(self, channel: int, number: int, value: float) -> None:
        """A controller moved to ``value``, 0 to 1."""

    def wants_fine(self, channel: int, coarse: int) -> bool:
        """Whether controller ``coarse`` (0-31) is used, so that number ``coarse`` + 32 is its finer half."""

    def program(self, channel: int, number: int) -> None:
        """A program change, 0-127."""

    def all_sound_off(self, channel: int) -> None:
        """Controller 120: whatever sounds on the channel stops. Its held notes have been ended."""

    def all_notes_off(self, channel: int) -> None:
        """Controller 123 to 127: the channel's keys are up. Notes that no pedal holds have been ended."""

    def transport(self, command: str) -> None:
        """MIDI Machine Control: "stop" or "continue"."""

    def clock(self, status: int, now: Nanoseconds, sixteenths: int) -> None:
        """Clock (0xF8), start, continue, stop, or song position (0xF2) in sixteenths, and when it arrived."""


class Echoes:
    """The note-ons sent lately, to ignore those that come back. Used from several threads."""

    def __init__(self) -> None:
        self._sent: deque[tuple[Nanoseconds, int, int]] = deque(maxlen=256)
        self._lock = threading.Lock()

    def sent(self, now: Nanoseconds, channel: int, pitch: int) -> None:
        """A note-on was sent."""
        with self._lock:
            self._sent.append((now, channel, pitch))

    def is_one(self, now: Nanoseconds, channel: int, pitch: int) -> bool:
        """Whether a note-on that arrived is an echo; each note sent has one."""
        with self._lock:
            for entry in self._sent:
                if entry[1:] == (channel, pitch) and now - entry[0] < ECHO:
                    self._sent.remove(entry)
                    return True
        return False


@dataclass(slots=True)
class _Sounding:
    """A note that the handler was given: where, and what holds it."""

    channel: int
    """The channel given to the handler, from 0."""
    pitch: int
    """The MIDI note given to the handler."""
    down: bool = True
    """Whether its key is held."""
    caught: bool = False
    """By the sostenuto pedal."""


@dataclass(slots=True)
class MidiReceiver:
    """The messages of one input. With ``mpe`` channel 1 manages all others.

    With MPE the notes of every member channel are notes of channel 1, a bend of more than half a semitone moves a
    note's pitch as it begins, and pedals and mode messages of channel 1 concern every channel. An MPE Configuration
    Message turns it on and off.
    """

    handler: MidiHandler
    """Gets what was played."""
    mpe: bool = False
    echoes: Echoes = field(default_factory=Echoes)
    """What rnnmuse itself sent; its notes are not heard again."""
    _sounding: dict[Key, _Sounding] = field(default_factory=dict)
    """The notes that the handler was given, by channel and pitch as they came."""
    _echoed: set[Key] = field(default_factory=set)
    """Channel and pitch of the notes that were echoes, until their note-off."""
    _pedals: set[tuple[int, int]] = field(default_factory=set)
    """Channel and controller number of each pedal that is down."""
    _bends: dict[int, float] = field(default_factory=dict)
    """Pitch bend by channel, -1 to 1."""
    _parameter: dict[int, tuple[int, int]] = field(default_factory=dict)
    """The parameter that is chosen, by channel: MSB and LSB of its number."""
    _coarse: dict[tuple[int, int], int] = field(default_factory=dict)
    """The last MSB, by channel and controller number."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while a message is taken."""

    def receive(self, data: Sequence[int], now: Nanoseconds | None = None) -> None:
        """Take one message that arrived at ``now``, by default this moment. Damaged messages are ignored."""
        with self._lock:
            self._receive(data, self.handler.now() if now is None else now)

    def release(self) -> None:
        """End every note that is held, and forget pedals, bends and parameters: the port is gone."""
        with self._lock:
            self._let_go()

    def _receive(self, data: Sequence[int], now: Nanoseconds) -> None:
        if not data or (data[0] != 0xF0 and any(byte > 0x7F for byte in data[1:])):
            return
        if data[0] in CLOCK:
            if data[0] != 0xF2:
                self.handler.clock(data[0], now, 0)
            elif len(data) == 3:
                self.handler.clock(data[0], now, data[1] | data[2] << 7)
            return
        channel = data[0] & 0x0F
        match data[0] & 0xF0, list(data[1:]):
            case 0x90, [pitch, velocity] if velocity:
                self._begin(channel, pitch, velocity, now)
            case ((0x80 | 0x90), [pitch, _]):
                self._lift((channel, pitch))
            case 0xB0, [number, value] if number < ALL_SOUND_OFF:
                self._control(channel, number, value)
            case 0xB0, [number, _]:
                self._mode(channel, number)
            case 0xC0, [program]:
                self.handler.program(channel, program)
            case 0xE0, [low, high]:
                self._bends[channel] = ((high << 7 | low) - 8192) / 8192
            case 0xF0, [0x7F, _, 0x06, command, 0xF7] if data[0] == 0xF0 and command in (1, 2, 3):
                self.handler.transport("stop" if command == 1 else "continue")  # stop, play, deferred play

    # -- notes ----------------------------------------------------------------------------------------------

    def _begin(self, channel: int, pitch: int, velocity: int, now: Nanoseconds) -> None:
        key = channel, pitch
        if self.echoes.is_one(now, channel, pitch):
            if key not in self._sounding:
                self._echoed.add(key)
            return
        self._echoed.discard(key)
        before = self._sounding.get(key)
        if before is not None:
            self._end(key)
        heard = pitch
        if self.mpe and channel:
            heard = max(0, min(127, pitch + round(self._bends.get(channel, 0.0) * BEND)))
        self._sounding[key] = _Sounding(self._manager(channel), heard, caught=before is not None and before.caught)
        self.handler.note(self._manager(channel), heard, velocity)

    def _lift(self, key: Key) -> None:
        """The key goes up: its note ends, unless a pedal holds it."""
        if key in self._echoed:
            self._echoed.discard(key)
        elif key in self._sounding:
            self._sounding[key].down = False
            self._end_unheld([key])

    def _end_unheld(self, keys: Sequence[Key]) -> None:
        for key in keys:
            note = self._sounding[key]
            if not (note.down or note.caught or self._pressed(key[0], SUSTAIN)):
                self._end(key)

    def _end(self, key: Key) -> None:
        note = self._sounding.pop(key)
        if not any((o.channel, o.pitch) == (note.channel, note.pitch) for o in self._sounding.values()):
            self.handler.note(note.channel, note.pitch, 0)

    def _manager(self, channel: int) -> int:
        return 0 if self.mpe else channel

    def _keys(self, channel: int) -> list[Key]:
        """The keys that a pedal or mode message of the channel concerns."""
        return [key for key in self._sounding if key[0] == channel or (self.mpe and channel == 0)]

    def _let_go(self) -> None:
        for key in list(self._sounding):
            self._end(key)
        for state in (self._echoed, self._pedals, self._bends, self._parameter, self._coarse):
            state.clear()

    # -- controllers ----------------------------------------------------------------------------------------

    def _pressed(self, channel: int, pedal: int) -> bool:
        return (channel, pedal) in self._pedals or (self._manager(channel), pedal) in self._pedals

    def _control(self, channel: int, number: int, value: int) -> None:
        if number in PEDALS:
            self._pedal(channel, number, value >= 64)
        elif number in (RPN_LSB, RPN_MSB):
            high, low = self._parameter.get(channel, NO_PARAMETER)
            self._parameter[channel] = (value, low) if number == RPN_MSB else (high, value)
            return
        elif number in (NRPN_LSB, NRPN_MSB):
            self._parameter.pop(channel, None)
            return
        elif number == DATA and self._parameter.get(channel) == MPE_ZONE and channel in (0, 15):
            self._configure(value > 0)
            return
        if 32 <= number < 64 and self.handler.wants_fine(channel, number - 32):
            high = self._coarse.get((channel, number - 32), 0)
            self.handler.control(channel, number - 32, (high << 7 | value) / 16383)
            return
        if number < 32:
            self._coarse[channel, number] = value
        self.handler.control(channel, number, value / 127)

    def _pedal(self, channel: int, number: int, pressed: bool) -> None:
        if pressed == ((channel, number) in self._pedals):
            return
        keys = self._keys(channel)
        if pressed:
            self._pedals.add((channel, number))
            if number == SOSTENUTO:
                for key in keys:
                    self._sounding[key].caught = self._sounding[key].caught or self._sounding[key].down
            return
        self._pedals.discard((channel, number))
        if number == SOSTENUTO:
            for key in keys:
                self._sounding[key].caught = self._pressed(key[0], SOSTENUTO) and self._sounding[key].caught
        self._end_unheld(keys)

    def _configure(self, mpe: bool) -> None:
        """An MPE Configuration Message, which also ends all notes."""
        for key in list(self._sounding):
            self._end(key)
        self.mpe = mpe

    # -- channel mode messages ------------------------------------------------------------------------------

    def _mode(self, channel: int, number: int) -> None:
        if number == LOCAL:
            return
        if number == RESET:
            self._reset(channel)
            return
        keys = self._keys(channel)
        for key in keys:
            self._sounding[key].down = False
        if number == ALL_SOUND_OFF:
            for key in keys:
                self._end(key)
        else:
            self._end_unheld(keys)
        if self.mpe and channel:
            return  # a member channel's message concerns its own notes, not those of the performer
        if number == ALL_SOUND_OFF:
            self.handler.all_sound_off(channel)
        else:
            self.handler.all_notes_off(channel)

    def _reset(self, channel: int) -> None:
        """Reset All Controllers, as RP-015 lists them, of those that are known here."""
        for number in PEDALS:
            if (channel, number) in self._pedals:
                self._pedal(channel, number, False)
                self.handler.control(channel, number, 0.0)
        self._bends.pop(channel, None)
        self._parameter.pop(channel, None)
