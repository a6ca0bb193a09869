"""The built-in synthesiser: MIDI messages in, blocks of sound out, to the sample; for files and for playing live."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnmuse.music.tones import CHUNK, Audio, ToneBank, drum_sound, release_of, rings_for

VOICES = 192
"""Most notes that sound at once; over it the oldest released one stops."""

REVERB = 0.13
BEND_RANGE = 2.0
"""Semitones of a full pitch bend until a channel sets its own (RPN 0)."""

_CHOKES = {42: 46, 44: 46}
_RAMP = 64  # samples over which a channel's level moves


@dataclass(slots=True)
class _Channel:
    program: int = 0
    """General MIDI program, 0 to 127."""
    bank: int = 0
    """Bank MSB, 0 to 127."""
    kit: bool = False
    """Whether it plays drums."""
    volume: int = 100
    """Controller 7, 0 to 127."""
    expression: int = 127
    """Controller 11, 0 to 127."""
    pan: int = 64
    """Controller 10, 0 (left) to 127 (right)."""
    bend: float = 0.0
    """Semitones."""
    bend_range: float = BEND_RANGE
    """Semitones of a full bend."""
    sustain: bool = False
    """Whether the sustain pedal is down."""
    sostenuto: bool = False
    """Whether the sostenuto pedal is down."""
    parameter: tuple[int, int] = (127, 127)
    """LSB and MSB of the registered parameter that is chosen; 127, 127 for none."""
    ramp: tuple[tuple[float, float], tuple[float, float], int] | None = None
    """Levels of the two sides that the channel goes from and to, and the samples since it began to."""

    def targets(self) -> tuple[float, float]:
        """Gain of the left and the right, by the General MIDI recommendation (RP-015: 40 log)."""
        level = (self.volume / 100) ** 2 * (self.expression / 127) ** 2
        angle = max(0, self.pan - 1) / 126 * math.pi / 2
        return level * math.cos(angle) * math.sqrt(2), level * math.sin(angle) * math.sqrt(2)


@dataclass(slots=True)
class _Voice:
    channel: int
    """Channel, from 0."""
    pitch: int
    """MIDI note, 0 to 127."""
    program: int
    """General MIDI program, 0 to 127; 0 for drums."""
    layer: int
    """Step of brightness by velocity, 0 to 3."""
    gain: float
    """Factor of its sound, by velocity."""
    position: float = 0.0
    """Samples of its tone that were played; a bend makes them fractions."""
    held: bool = True
    """Whether its key is down."""
    sustained: bool = False
    """Whether the sustain pedal holds it."""
    captured: bool = False
    """Whether the sostenuto pedal holds it."""
    released: int = -1
    """Samples since its release, -1 while it is held."""
    release: float = 0.1
    """Seconds in which it falls by 30 dB once it is released."""
    sound: Audio | None = None
    """The whole of a drum stroke."""
    pan: tuple[float, float] = (1.0, 1.0)
    """Factors of the left and the right."""
    stop: int = -1
    """Sample of a drum stroke at which a choke has silenced it."""


@dataclass(slots=True)
class _Timed:
    at: int
    """Samples until it is due."""
    channel: int
    """Channel, from 0."""
    message: bytes = field(default=b"")
    """A MIDI message."""


class Synth:
    """Plays channel messages. `send` them ahead of the block that they belong to, then `render` it.

    The sound does not depend on how it is cut into blocks. ``chunk``: seconds of a tone that are made at a time. Not
    safe to share between threads.
    """

    def __init__(self, rate: int = 44100, reverb: float = REVERB, chunk: float = CHUNK) -> None:
        if not 8000 <= rate <= 192000:
            raise ValueError(f"rate {rate!r} must be 8000-192000 Hz")
        self.rate = rate
        self._bank = ToneBank(rate, chunk=chunk)
        self._channels: dict[int, _Channel] = {}
        self._voices: list[_Voice] = []
        self._queue: deque[_Timed] = deque()
        self._room = _Room(rate, reverb)

    def send(self, message: bytes, at: int = 0, channel: int | None = None) -> None:
        """A channel message ``at`` samples after what has been rendered, no sooner than the one sent before.

        ``channel`` counts on from 16 for further ports; without it the message's own counts.
        """
        if len(message) < 2 or not 0x80 <= message[0] < 0xF0:
            return
        at = max(at, self._queue[-1].at if self._queue else 0)
        self._queue.append(_Timed(at, message[0] & 0x0F if channel is None else channel, message))

    def panic(self) -> None:
        """Silence every note at once; the room rings on."""
        self._voices.clear()
        self._queue.clear()

    @property
    def sounding(self) -> int:
        """How many notes sound."""
        return len(self._voices)

    def render(self, frames: int) -> Audio:
        """The next ``frames`` samples, float32 of shape (frames, 2); over 1 where many notes are loud."""
        out = np.zeros((frames, 2), np.float32)
        done = 0
        while done < frames:
            while self._queue and self._queue[0].at <= done:
                self._take(self._queue.popleft())
            until = min(frames, self._queue[0].at if self._queue else frames)
            if until > done:
                self._play(out[done:until])
                done = until
        for timed in self._queue:
            timed.at -= frames
        self._room.add(out)
        return out

    # -- messages ---------------------------------------------------------------------------------------------

    def _channel(self, number: int) -> _Channel:
        return self._channels.setdefault(number, _Channel(kit=number % 16 == 9))

    def _take(self, timed: _Timed) -> None:
        message, number = timed.message, timed.channel
        kind, first = message[0] >> 4, message[1]
        second = message[2] if len(message) > 2 else 0
        channel = self._channel(number)
        if kind == 0x9 and second:
            self._start(number, channel, first, second)
        elif kind in (0x8, 0x9):
            for voice in self._voices:
                if voice.channel == number and voice.pitch == first and voice.held:
                    voice.held = False
                    voice.sustained = channel.sustain
                    self._let_go(voice)
                    break
        elif kind == 0xB:
            self._control(number, channel, first, second)
        elif kind == 0xC:
            channel.program = first
            if number % 16 != 9:
                channel.kit = channel.bank in (120, 127)
        elif kind == 0xE:
            channel.bend = ((second << 7 | first) - 8192) / 8192 * channel.bend_range

    def _control(self, number: int, channel: _Channel, control: int, value: int) -> None:
        own = [voice for voice in self._voices if voice.channel == number]
        if control == 7:
            channel.volume = value
        elif control == 11:
            channel.expression = value
        elif control == 10:
            channel.pan = value
        elif control == 0:
            channel.bank = value
        elif control == 64:
            channel.sustain = value >= 64
            if not channel.sustain:
                for voice in own:
                    voice.sustained = False
                    self._let_go(voice)
        elif control == 66:
            if value >= 64 and not channel.sostenuto:
                for voice in own:
                    voice.captured = voice.held
            elif value < 64:
                for voice in own:
                    voice.captured = False
                    self._let_go(voice)
            channel.sostenuto = value >= 64
        elif control in (100, 101):
            low, high = channel.parameter
            channel.parameter = (value, high) if control == 100 else (low, value)
        elif control in (98, 99):
            channel.parameter = (127, 127)
        elif control == 6 and channel.parameter == (0, 0):
            channel.bend_range = min(24.0, float(value))
        elif control == 120:
            self._voices = [voice for voice in self._voices if voice.channel != number]
        elif control == 121:
            kept = (channel.program, channel.bank, channel.kit, channel.volume, channel.pan)
            self._control(number, channel, 64, 0)
            self._control(number, channel, 66, 0)
            self._channels[number] = _Channel(*kept[:3], volume=kept[3], pan=kept[4], ramp=channel.ramp)
        elif control >= 123:
            for voice in own:
                voice.held = False
                voice.sustained = channel.sustain
                self._let_go(voice)

    def _start(self, number: int, channel: _Channel, pitch: int, velocity: int) -> None:
        layer = min(3, (velocity - 1) // 32)
        gain = 0.45 * (velocity / 127) ** 1.6
        if channel.kit:
            for voice in self._voices:
                if voice.channel == number and voice.sound is not None and voice.pitch == _CHOKES.get(pitch, -1):
                    voice.stop = voice.stop if voice.stop >= 0 else int(voice.position) + self.rate // 200
            sound, pan = drum_sound(pitch, layer, self.rate)
            angle = (pan + 1) * math.pi / 4
            sides = (math.cos(angle) * math.sqrt(2), math.sin(angle) * math.sqrt(2))
            self._voices.append(_Voice(number, pitch, 0, layer, gain * 0.7, held=False, sound=sound, pan=sides))
        else:
            for voice in self._voices:  # a string struck again stops its earlier sound
                if voice.channel == number and voice.pitch == pitch and voice.released < 0 and not voice.held:
                    voice.sustained = voice.captured = False
                    self._let_go(voice)
            release = release_of(channel.program)
            self._voices.append(_Voice(number, pitch, channel.program, layer, gain * 0.7, release=release))
        if len(self._voices) > VOICES:
            gone = next((i for i, voice in enumerate(self._voices) if voice.released >= 0), 0)
            del self._voices[gone]

    @staticmethod
    def _let_go(voice: _Voice) -> None:
        if not (voice.held or voice.sustained or voice.captured) and voice.released < 0 and voice.sound is None:
            voice.released = 0

    # -- sound ------------------------------------------------------------------------------------------------

    def _play(self, out: Audio) -> None:
        frames = len(out)
        buses: dict[int, Audio] = {}
        kept: list[_Voice] = []
        for voice in self._voices:
            if voice.sound is not None:
                goes_on = self._play_drum(voice, out, frames)
            else:
                bus = buses.get(voice.channel)
                if bus is None:
                    bus = buses[voice.channel] = np.zeros(frames, np.float32)
                goes_on = self._play_tone(voice, bus, frames)
            if goes_on:
                kept.append(voice)
        self._voices = kept
        for number, bus in buses.items():
            channel = self._channel(number)
            channel.ramp = _ramp(channel.ramp, channel.targets())
            before, target, done = channel.ramp
            for side in (0, 1):
                _add_ramped(out[:, side], bus, before[side], target[side], done)
            channel.ramp = (before, target, done + frames)

    def _play_drum(self, voice: _Voice, out: Audio, frames: int) -> bool:
        assert voice.sound is not None
        channel = self._channel(voice.channel)
        begin = int(voice.position)
        sound = voice.sound[begin : begin + frames]
        if voice.stop >= 0:
            fade = self.rate // 200
            left = np.clip((voice.stop - np.arange(begin, begin + len(sound))) / fade, 0, 1).astype(np.float32)
            sound = sound * left
        level = channel.targets()
        for side in (0, 1):
            out[: len(sound), side] += sound * np.float32(voice.gain * voice.pan[side] * level[side])
        voice.position += frames
        end = len(voice.sound) if voice.stop < 0 else min(len(voice.sound), voice.stop)
        return voice.position < end

    def _play_tone(self, voice: _Voice, bus: Audio, frames: int) -> bool:
        bend = self._channel(voice.channel).bend
        if bend or voice.position != int(voice.position):
            step = 2 ** (bend / 12)
            places = voice.position + step * np.arange(frames)
            first = int(places[0])
            tone = self._bank.slice(voice.program, voice.pitch, voice.layer, first, int(places[-1]) - first + 2)
            sound: NDArray[np.floating] = np.interp(places - first, np.arange(len(tone)), tone)
            voice.position = float(places[-1] + step)
        else:
            begin = int(voice.position)
            sound = self._bank.slice(voice.program, voice.pitch, voice.layer, begin, frames)
            voice.position += frames
        if voice.released >= 0:
            span = 2 * voice.release * self.rate
            left = min(frames, int(span) - voice.released)
            if left <= 0:
                return False
            # An exponential that has gone down by 60 dB after the release time.
            fall = np.exp(-6.9 / span * np.arange(voice.released + 1, voice.released + left + 1)).astype(np.float32)
            bus[:left] += sound[:left] * fall * np.float32(voice.gain)
            voice.released += frames
            return left == frames
        bus += np.asarray(sound * np.float32(voice.gain), np.float32)
        return voice.position < rings_for(voice.program, voice.pitch) * self.rate


_Sides = tuple[float, float]


def _ramp(ramp: tuple[_Sides, _Sides, int] | None, target: _Sides) -> tuple[_Sides, _Sides, int]:
    """The way to ``target``, from where ``ramp`` is if that leads elsewhere."""
    if ramp is None:
        return target, target, _RAMP
    before, to, done = ramp
    if to == target:
        return ramp
    share = min(1.0, done / _RAMP)
    return (before[0] + (to[0] - before[0]) * share, before[1] + (to[1] - before[1]) * share), target, 0


def _add_ramped(out: NDArray[np.float32], bus: Audio, before: float, target: float, done: int) -> None:
    """Add ``bus`` to ``out`` with a level that goes from ``before`` to ``target`` within _RAMP samples, of which
    ``done`` have passed."""
    left = min(len(bus), max(0, _RAMP - done))
    if left:
        level = before + (target - before) * np.arange(done + 1, done + left + 1, dtype=np.float32) / _RAMP
        out[:left] += bus[:left] * level
    out[left:] += bus[left:] * np.float32(target)


class _Room:
    """A small hall: a feedback delay network of eight lines (Jot and Chaigne 1991) with a damping average in the loop.

    Lines are longer than _STEP, so that a stretch of that length needs nothing of its own sound.
    """

    _SECONDS = (0.0297, 0.0371, 0.0411, 0.0437, 0.0531, 0.0599, 0.0677, 0.0743)

    def __init__(self, rate: int, wet: float, decay: float = 1.1) -> None:
        lengths = [int(seconds * rate) for seconds in self._SECONDS]
        self._step = min(lengths) - 2
        self._lines = [np.zeros(length + 1, np.float32) for length in lengths]
        self._wet = wet
        self._feedback = np.array([10 ** (-3 * seconds / decay) for seconds in self._SECONDS], np.float32)
        # A Householder reflection keeps the energy and mixes all lines.
        self._mix = (np.eye(8) - np.full((8, 8), 2 / 8)).astype(np.float32)
        self._sides = np.array([[1, -1, 1, -1, 1, -1, 1, -1], [1, 1, -1, -1, 1, 1, -1, -1]], np.float32) / 4
        self._silent = 0

    def add(self, out: Audio) -> None:
        """Add the room's answer to ``out`` in place."""
        if self._wet <= 0:
            return
        for begin in range(0, len(out), self._step):
            block = out[begin : begin + self._step]
            self._silent = 0 if block.any() else self._silent + len(block)
            if self._silent < 10 * max(len(line) for line in self._lines) * 4:
                self._answer(block)

    def _answer(self, block: Audio) -> None:
        frames = len(block)
        heard = block.sum(axis=1) * np.float32(self._wet)
        taken = np.empty((8, frames), np.float32)
        for index, line in enumerate(self._lines):  # the oldest sample comes first
            np.add(line[1 : frames + 1], line[:frames], out=taken[index])
        taken *= np.float32(0.5)
        back = self._mix @ (taken * self._feedback[:, None]) + heard
        for index, line in enumerate(self._lines):
            line[:-frames] = line[frames:]
            line[-frames:] = back[index]
        block += (self._sides @ taken).T * np.float32(1.6)
