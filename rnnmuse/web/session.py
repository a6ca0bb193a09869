"""What was played, as MIDI files: the last bars, and a session from when its recording began."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rnnmuse.events import Note
from rnnmuse.music.midi_out import midi_bytes
from rnnmuse.music.piece import Metre, Part, Piece, Tempo
from rnnmuse.provenance.marks import seal
from rnnmuse.provenance.record import Made

KEPT, RECORDED = 20_000, 200_000
"""Notes that are kept for the last bars, and in a recording: some hours of a band."""
DRUMS = 10
BACK = 0.5
"""Beats by which a note may begin before an earlier one; one that begins earlier still is from another start."""


@dataclass(slots=True, eq=False)
class Played:
    """A note of a player, or heard of the performer; ``end`` is infinite while it sounds."""

    player: int
    """1 to 16; of the performer the one that hears the note."""
    channel: int
    """MIDI channel, 1 to 16."""
    pitch: int
    """MIDI note, 0 to 127."""
    velocity: int
    """1 to 127."""
    start: float
    """Beats of the recording."""
    end: float = math.inf
    """Beats of the recording."""
    heard: bool = False
    """Whether the performer played it."""


class Session:
    """Hears what the stage sends, and writes it. The bars of another start follow those of the one before."""

    def __init__(self) -> None:
        self._last: deque[Played] = deque(maxlen=KEPT)
        self._recorded: deque[Played] = deque(maxlen=RECORDED)
        self._open: dict[tuple[bool, int, int], Played] = {}
        self._channels: dict[tuple[int, int], int] = {}
        self._parts: dict[tuple[int, int], tuple[str, int]] = {}
        self._tempos: list[Tempo] = []
        self._metre = (4, 4)
        self._shift = 0.0
        self._newest = 0.0
        self.recording = False
        self.models: dict[str, str] = {}
        """The models that have played, with their hashes, as the stage last answered; ``told`` is set when it does."""
        self.told = asyncio.Event()

    @property
    def recorded(self) -> int:
        """How many notes the recording has."""
        return len(self._recorded)

    def plays_drums(self, player: int) -> bool:
        """Whether all that the player's model plays is drums, as far as was heard."""
        channels = {channel for number, channel in self._parts if number == player}
        return channels == {DRUMS}

    def record(self, on: bool) -> None:
        """Begin a recording in place of the one before, or end it."""
        if on and not self.recording:
            self._recorded.clear()
        self.recording = on

    def hear(self, address: str, values: Sequence[Any]) -> None:
        """A message of the stage."""
        words = address.split("/")
        match words[2:], tuple(values):
            case ["out", player, "planned"], (pitch, velocity, _, _, channel) if velocity:
                self._channels[int(player), pitch] = channel
            case ["out", player, "program"], (part, channel, program, name):
                if part == 1:  # another model
                    self._parts = {key: one for key, one in self._parts.items() if key[0] != int(player)}
                self._parts[int(player), channel] = str(name), program - 1
            case ["player", player, "parts"], (_, name, channel, program):
                self._parts[int(player), channel] = str(name), program - 1
            case ["out", player, "note"], (pitch, velocity, _, beat):
                self._note(int(player), pitch, velocity, float(beat), False)
            case ["in", player, "note"], (pitch, velocity, beat):
                self._note(int(player), pitch, velocity, float(beat), True)
            case ["beat"], (beat, bpm):
                if not self._tempos or self._tempos[-1].bpm != bpm:
                    self._tempos.append(Tempo(beat + self._shift, float(bpm)))
            case ["provenance"], (_, _, _, *pairs):
                self.models = dict(zip(map(str, pairs[::2]), map(str, pairs[1::2]), strict=False))
                self.told.set()
            case ["transport", "metre"], (numerator, denominator, *_):
                self._metre = int(numerator), int(denominator)
            case ["transport", "panic" | "stop"], _:
                for note in self._open.values():
                    note.end = max(note.start, self._newest)
                self._open.clear()

    def _note(self, player: int, pitch: int, velocity: int, beat: float, heard: bool) -> None:
        before = self._open.pop((heard, player, pitch), None)
        if before is not None:
            end = beat + self._shift
            before.end = end if end >= before.start else max(before.start, self._newest)
            self._newest = max(self._newest, before.end)
        if not velocity:
            return
        if beat + self._shift < self._newest - BACK and (
            not self._last or beat + self._shift < self._last[-1].start - BACK
        ):
            bar = self._bar
            self._shift = (math.ceil(self._newest / bar - 1e-6) - math.floor(beat / bar + 1e-6)) * bar
            self._tempos = [*self._tempos, Tempo(beat + self._shift, self._tempos[-1].bpm)] if self._tempos else []
        channel = self._channels.get((player, pitch), player) if not heard else player
        note = Played(player, channel, pitch, velocity, beat + self._shift, heard=heard)
        self._newest = max(self._newest, note.start)
        self._open[heard, player, pitch] = note
        self._last.append(note)
        if self.recording:
            self._recorded.append(note)

    @property
    def _bar(self) -> float:
        return self._metre[0] * 4 / self._metre[1]

    def last_bars(self, bars: int) -> bytes:
        """The last whole ``bars`` bars, as a MIDI file; ValueError where nothing was played."""
        if not self._last:
            raise ValueError("nothing was played yet")
        bar = self._bar
        end = math.ceil(self._newest / bar - 1e-6) * bar
        start = max(math.floor(self._last[0].start / bar + 1e-6) * bar, end - bars * bar)
        return self._file([note for note in self._last if note.start >= start - 0.02 and note.start < end], start)

    def whole(self) -> bytes:
        """The recording, as a MIDI file from its first bar; ValueError where there is none."""
        if not self._recorded:
            raise ValueError("nothing was recorded yet")
        return self._file(list(self._recorded), math.floor(self._recorded[0].start / self._bar + 1e-6) * self._bar)

    def _file(self, notes: list[Played], start: float) -> bytes:
        parts: dict[tuple[bool, int, int], Part] = {}
        for note in sorted(notes, key=lambda one: (one.heard, one.player, one.channel, one.start)):
            key = (note.heard, note.player, note.channel)
            if key not in parts:
                name, program = self._parts.get(key[1:], ("", 0))
                drum = note.channel == DRUMS and not note.heard
                title = f"heard by player {note.player}" if note.heard else f"player {note.player} {name}".strip()
                parts[key] = Part(title, 0 if drum or note.heard else program, drum, channel=note.channel - 1)
            begin = max(0.0, note.start - start)
            end = note.end if math.isfinite(note.end) else max(self._newest, note.start + 0.25)
            parts[key].notes.append(Note(begin, note.pitch, max(0.03, end - start - begin), note.velocity))
        data = midi_bytes(Piece(list(parts.values()), self._tempo_map(start), [Metre(0.0, *self._metre)]))
        people = sum(note.heard for note in notes) / max(1, len(notes))
        return seal(data, ".mid", Made("live", self.models, None, {}, people))

    def _tempo_map(self, start: float) -> list[Tempo]:
        first = next((tempo for tempo in reversed(self._tempos) if tempo.beat <= start), None)
        first = first or (self._tempos[0] if self._tempos else Tempo(0.0, 120.0))
        later = {round(tempo.beat - start, 6): tempo.bpm for tempo in self._tempos if tempo.beat > start}
        return [Tempo(0.0, first.bpm), *(Tempo(beat, bpm) for beat, bpm in sorted(later.items()))]
