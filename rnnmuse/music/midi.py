"""Pieces from Standard MIDI Files (types 0, 1 and 2).

Follows the MIDI 1.0 Standard MIDI Files specification (RP-001) and RP-017 for lyrics; words of karaoke files, which
stand in text events, are lyrics too. Chord symbols are text events that start with ``chord:``. `read_midi` models what
rnnmuse works with and keeps every other event in the piece's `Source`; `write_midi` (midi_out.py) writes both.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from rnnmuse.errors import ReadError, ReadWarning
from rnnmuse.events import Bend, Control, Lyric, Note, Pressure, Program
from rnnmuse.music import charset
from rnnmuse.music.limits import check_times
from rnnmuse.music.midi_out import (
    CHORD_PREFIX,
    DRUM_CHANNEL,
    MetaKind,
    key_message,
    lyric_message,
    metre_changes,
    metre_message,
    midi_bytes,
    tempo_message,
    text_message,
    write_midi,
)
from rnnmuse.music.piece import ChordSymbol, Claim, Key, Metre, Part, Piece, Source, Tempo
from rnnmuse.music.smf import META, SmfFile, Track, parse

__all__ = ["DRUM_CHANNEL", "MAX_BYTES", "midi_bytes", "read_midi", "write_midi"]

MAX_BYTES = 2_000_000
"""Half an hour of piano with its pedal is some 300 KB."""

DRUM_BANKS = (120, 127)  # bank select MSB of drum kits on any channel: General MIDI 2, XG
_FRAME_RATES = {24: 24.0, 25: 25.0, 29: 30_000 / 1001, 30: 30.0}
_LENGTHS: dict[int, tuple[int, ...]] = {
    MetaKind.NUMBER: (0, 2), MetaKind.PREFIX: (1,), MetaKind.PORT: (1,), MetaKind.TEMPO: (3,), MetaKind.SMPTE: (5,),
    MetaKind.METRE: (4,), MetaKind.KEY: (2,),
}  # fmt: skip
_TAG = re.compile(r"^\{[@#][^}]*\}")  # RP-026 tags in lyrics: language and song information

_Entry = tuple[int, bytes, Claim | None]
_Change = tuple[int, int, int, int]
"""A program change: tick, track, entry in the track, number."""


@dataclass(slots=True)
class _Voice:
    """What one channel of one track plays; times are ticks."""

    track: int
    """Index of the track."""
    channel: int
    """Channel, 0 to 15, plus 16 for each port after the first."""
    notes: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Start, pitch, end, velocity."""
    controls: list[tuple[int, int, int]] = field(default_factory=list)
    """Tick, controller number, value."""
    programs: list[_Change] = field(default_factory=list)
    """In the order of the file."""
    bends: list[tuple[int, int]] = field(default_factory=list)
    """Tick, and bend from -8192 to 8191."""
    pressures: list[tuple[int, int, int]] = field(default_factory=list)
    """Tick, value, and pitch; pitch -1 for the whole channel."""
    sounding: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """Tick and velocity of each note that has not ended, by pitch."""

    @property
    def first(self) -> int:
        """The tick of the first note."""
        return min(note[0] for note in self.notes)


@dataclass(slots=True)
class _Words:
    """The texts of one track; entries are indexes into the track."""

    name: str = ""
    """The track's name."""
    name_entry: int = -1
    """Entry of the name; -1 without one."""
    lyrics: list[tuple[int, int, str]] = field(default_factory=list)
    """Tick, entry, text."""


def read_midi(source: Path | str | bytes) -> Piece:
    """Read a Standard MIDI File.

    Each track and channel that plays becomes a part. Programs, controllers, bends and pressure belong to their channel,
    whatever track they stand in. The tracks of a type 2 file follow one another, each from the next bar line. SMPTE
    time becomes beats at the file's first tempo. Sounding notes without a note-off end with their track. What is not
    understood is skipped with one ReadWarning.

    Raises:
        ReadError: not a MIDI file, no track in it, over MAX_BYTES, or times that make no music.
    """
    name, data = _bytes_of(source)
    file = parse(name, data)
    if file.form == 2:
        _put_in_a_row(file)
    piece = _Reader(name, file).piece()
    if file.skipped:
        reasons = [f"{what} ({count} times)" if count > 1 else what for what, count in file.skipped.items()]
        if not any(part.notes for part in piece.parts):
            raise ReadError(f"{name}: damaged MIDI file ({reasons[0]})")
        warnings.warn(f"{name}: skipped {'; '.join(reasons[:8])}", ReadWarning, stacklevel=2)
    check_times(name, piece)
    return piece


def _bytes_of(source: Path | str | bytes) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        name, data = "MIDI data", source
    else:
        path = Path(source)
        name = path.name
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise ReadError(f"{name}: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise ReadError(f"{name}: a MIDI file may have at most {MAX_BYTES:,} bytes")
    return name, data


def _put_in_a_row(file: SmfFile) -> None:
    """Make one track of the patterns of a type 2 file; each begins at the bar line after the one before."""
    per_beat = file.division if 0 < file.division < 0x8000 else 480
    origin, bar, offset = 0, 4 * per_beat, 0
    row = Track()
    for track in file.tracks:
        last = 0
        for tick, message in track.events:
            if message[0] == META and message[1] == MetaKind.METRE and len(message) == 6 and message[2]:
                origin, bar = offset + tick, max(1, message[2] * 4 * per_beat >> min(message[3], 6))
            elif message[0] < 0xA0:
                last = tick
            row.events.append((tick + offset, message))
        row.end = offset + track.end
        if last:
            offset = origin + -(-(offset + last - origin) // bar) * bar
    row.events.sort(key=lambda event: event[0])
    file.form, file.tracks = 0, [row]


class _Reader:
    """One reading of one file."""

    def __init__(self, name: str, file: SmfFile) -> None:
        self.name, self.file = name, file
        self.skipped = file.skipped
        texts = [e[1][2:] for t in file.tracks for e in t.events if e[1][0] == META and 1 <= e[1][1] <= 15]
        self.encoding = charset.detect(texts)
        self.karaoke = any(text[:2] == b"@K" for text in texts)
        self.scale, self.per_beat, smpte_tempo = self._timing()
        self.result = Piece(ticks_per_beat=self.per_beat)
        if smpte_tempo:
            self.result.tempos.append(Tempo(0.0, smpte_tempo))
        self.smpte = smpte_tempo is not None
        self.tracks: list[list[_Entry]] = []
        self.voices: list[_Voice] = []
        self.words: list[_Words] = []
        self.metres: list[tuple[Metre, int, int]] = []  # with track and entry
        self.implied: set[Claim] = set()

    def piece(self) -> Piece:
        for index in range(len(self.file.tracks)):
            self._read_track(index)
        self._read_metres()
        self._make_parts()
        for changes in (self.result.tempos, self.result.keys, self.result.chords):
            changes.sort(key=lambda change: change.beat)
        if not self.result.tempos:
            self.implied.add((0, -1, tempo_message(120.0)))
        if not self.result.metres:
            self.implied.add((0, -1, metre_message(4, 4)))
        ends = [track.end * self.scale for track in self.file.tracks]
        source = Source(self.file.form, self.per_beat, self.encoding, self.tracks, ends, self.implied)
        self.result.source = source
        return self.result

    def _timing(self) -> tuple[int, int, float | None]:
        """What ticks are multiplied with, ticks a beat, and the tempo of a file in SMPTE time."""
        division = self.file.division
        if division == 0:
            self.skipped["a time division of 0, read as 480 ticks a beat"] += 1
            return 1, 480, None
        if division < 0x8000:
            return 1, division, None
        frames = 256 - (division >> 8)
        rate = _FRAME_RATES.get(frames)
        resolution = division & 0xFF
        if rate is None or not resolution:
            self.skipped[f"a time division of {frames} frames of {resolution} ticks, read as 480 ticks a beat"] += 1
            return 1, 480, None
        tempo = 120.0
        for message in (event[1] for track in self.file.tracks for event in track.events):
            if message[0] == META and message[1] == MetaKind.TEMPO and len(message) == 5 and any(message[2:]):
                tempo = 60e6 / int.from_bytes(message[2:], "big")
                break
        a_second = rate * resolution
        scale = 1
        while a_second * scale * 60 / tempo < 240:
            scale *= 2
        per_beat = min(0x7FFF, round(a_second * scale * 60 / tempo))
        return scale, per_beat, 60 * a_second * scale / per_beat

    def _beat(self, tick: int) -> float:
        return tick / self.per_beat

    def _read_track(self, index: int) -> None:
        track = self.file.tracks[index]
        entries: list[_Entry] = []
        words = _Words()
        self.tracks.append(entries)
        self.words.append(words)
        playing: dict[int, _Voice] = {}
        port = 0
        tick = 0
        for raw_tick, message in track.events:
            tick = raw_tick * self.scale
            status = message[0]
            if status < 0xF0:
                channel = port + (status & 0x0F)
                voice = playing.get(channel)
                if voice is None:
                    voice = playing[channel] = _Voice(index, channel)
                claim = self._read_channel(voice, status >> 4, message, tick, len(entries))
                entries.append((tick, message, claim))
            elif status == META:
                if not self._is_sound(message):
                    continue
                if message[1] == MetaKind.PORT:
                    port = 16 * (message[2] & 0x7F)
                if self.smpte and message[1] == MetaKind.TEMPO:
                    continue  # tempo does not move SMPTE time; the tempo that stands for it is in the piece
                entries.append((tick, message, self._read_meta(message, tick, index, len(entries))))
            else:
                entries.append((tick, message, None))
        end = max(tick, track.end * self.scale)
        for voice in playing.values():
            for pitch, begun in voice.sounding.items():
                voice.notes += [(start, pitch, max(end, start + 1), velocity) for start, velocity in begun]
        self.voices += playing.values()

    def _read_channel(self, voice: _Voice, kind: int, message: bytes, tick: int, entry: int) -> Claim | None:
        """Take a channel message into ``voice``; returns what it claims."""
        channel = voice.channel
        if kind == 0x9 and message[2]:
            voice.sounding.setdefault(message[1], []).append((tick, message[2]))
        elif kind in (0x8, 0x9):
            begun = voice.sounding.get(message[1])
            if not begun:
                return None
            start, velocity = begun.pop(0)  # first in, first out, as most sequencers pair overlapping notes
            end = max(tick, start + 1)
            voice.notes.append((start, message[1], end, velocity))
            return end, channel, bytes((0x80 | channel & 0x0F, message[1], 64))
        elif kind == 0xB:
            voice.controls.append((tick, message[1], message[2]))
        elif kind == 0xC:
            voice.programs.append((tick, voice.track, entry, message[1]))
            return None  # known once it is clear which program the first note has
        elif kind == 0xE:
            voice.bends.append((tick, (message[2] << 7 | message[1]) - 8192))
        elif kind == 0xD:
            voice.pressures.append((tick, message[1], -1))
        else:
            voice.pressures.append((tick, message[2], message[1]))
        return tick, channel, message

    def _is_sound(self, message: bytes) -> bool:
        """Whether a meta event is as the specification has it; what is not would stop other readers."""
        kind, payload = message[1], message[2:]
        what = ""
        if len(payload) not in _LENGTHS.get(kind, (len(payload),)):
            what = f"a {MetaKind(kind).label} of {len(payload)} bytes"
        elif kind == MetaKind.TEMPO and not any(payload):
            what = "a tempo of 0"
        elif kind == MetaKind.METRE and (not payload[0] or payload[1] > 6):
            what = f"a time signature of {payload[0]}/{2 ** min(payload[1], 99)}"
        elif kind == MetaKind.KEY and not (payload[1] < 2 and (payload[0] <= 7 or payload[0] >= 249)):
            what = f"a key signature of {payload[0] if payload[0] < 128 else payload[0] - 256} sharps"
        elif kind == MetaKind.SMPTE and (
            payload[0] >> 5 > 3
            or any(value >= most for value, most in zip(payload[1:], (60, 60, 30, 100), strict=True))
        ):
            what = "a SMPTE offset that is no time"
        elif kind == MetaKind.PREFIX and payload[0] > 15:
            what = f"a prefix for channel {payload[0] + 1}"
        if what:
            self.skipped[what] += 1
        return not what

    def _read_meta(self, message: bytes, tick: int, track: int, entry: int) -> Claim | None:
        kind, payload, beat = message[1], message[2:], self._beat(tick)
        words = self.words[track]
        if kind == MetaKind.TEMPO:
            bpm = 60e6 / int.from_bytes(payload, "big")
            self.result.tempos.append(Tempo(beat, bpm))
            return tick, -1, tempo_message(bpm)
        if kind == MetaKind.METRE:
            self.metres.append((Metre(beat, payload[0], 1 << payload[1]), track, entry))
        elif kind == MetaKind.KEY:
            fifths = payload[0] if payload[0] < 128 else payload[0] - 256
            key = Key(beat, (fifths * 7 + (9 if payload[1] else 0)) % 12, bool(payload[1]))
            self.result.keys.append(key)
            return tick, -1, key_message(key)
        elif kind == MetaKind.NAME and words.name_entry < 0:
            words.name, words.name_entry = self._text(payload), entry
        elif kind == MetaKind.LYRIC:
            words.lyrics.append((tick, entry, charset.decode(payload, self.encoding)))
        elif kind == MetaKind.TEXT:
            text = charset.decode(payload, self.encoding)
            if text.startswith(CHORD_PREFIX):
                chord = ChordSymbol(beat, _plain(text[len(CHORD_PREFIX) :]))
                self.result.chords.append(chord)
                return tick, -1, text_message(MetaKind.TEXT, CHORD_PREFIX + chord.text)
            if self.karaoke and text.startswith("@T") and not self.result.title:
                self.result.title = _plain(text[2:])
                return 0, -1, text_message(MetaKind.NAME, self.result.title)
            if self.karaoke and text and not text.startswith("@"):
                words.lyrics.append((tick, entry, text))
        return None

    def _text(self, payload: bytes) -> str:
        return _plain(charset.decode(payload, self.encoding))

    def _claim(self, track: int, entry: int, claim: Claim) -> None:
        tick, message, _ = self.tracks[track][entry]
        self.tracks[track][entry] = (tick, message, claim)

    def _read_metres(self) -> None:
        """Metres in order; a first bar that is shorter than those that follow is a pickup."""
        self.metres.sort(key=lambda found: found[0].beat)
        for metre, track, entry in self.metres:
            claim = (round(metre.beat * self.per_beat), -1, metre_message(metre.numerator, metre.denominator))
            self._claim(track, entry, claim)
        found = [metre for metre, _, _ in self.metres]
        if len(found) > 1 and found[0].beat == 0 and 0 < found[0].bar_beats < found[1].bar_beats:
            second = found[1]
            whole = Piece(metres=[Metre(0.0, second.numerator, second.denominator)], pickup=found[0].bar_beats)
            if abs(second.beat - found[0].bar_beats) < 1e-9 and metre_changes(whole) == found[:2]:
                self.result.pickup = whole.pickup
                found = [*whole.metres, *found[2:]]
        self.result.metres = found

    def _make_parts(self) -> None:
        by_channel: dict[int, list[_Voice]] = {}
        for voice in self.voices:
            by_channel.setdefault(voice.channel, []).append(voice)
        kept: list[_Voice] = []
        programs: dict[int, tuple[list[_Change], int]] = {}
        for channel, voices in by_channel.items():
            changes = sorted(chain.from_iterable(voice.programs for voice in voices))
            playing = [voice for voice in voices if voice.notes]
            home = playing[0] if playing else voices[0]
            for voice in voices:
                if voice is not home and not voice.notes:
                    home.controls += voice.controls
                    home.programs += voice.programs
                    home.bends += voice.bends
                    home.pressures += voice.pressures
            kept += playing or [home]
            programs[channel] = changes, self._claim_programs(channel, changes, playing)
        kept.sort(key=lambda voice: (voice.track, voice.channel))
        for voice in kept:
            if voice.notes or voice.controls or voice.programs or voice.bends or voice.pressures:
                self.result.parts.append(self._part(voice, *programs[voice.channel]))
        self._place_words()

    def _claim_programs(self, channel: int, changes: list[_Change], playing: list[_Voice]) -> int:
        """Claim the changes of a channel from the one that gives its first note a program on; its index, len(changes)
        where there is none. What comes before changes nothing that sounds."""
        first = min((voice.first for voice in playing), default=0)
        before = [index for index, change in enumerate(changes) if change[0] <= first]
        begin = before[-1] if before else len(changes)
        for index, (tick, track, entry, number) in enumerate(changes):
            if index == begin or tick > first:
                change = bytes((0xC0 | channel & 0x0F, number))
                self._claim(track, entry, (0 if index == begin else tick, channel, change))
        if begin == len(changes):
            self.implied.add((0, channel, bytes((0xC0 | channel & 0x0F, 0))))
        return begin

    def _part(self, voice: _Voice, changes: list[_Change], begin: int) -> Part:
        beat = self._beat
        first = voice.first if voice.notes else 0
        heard = [change[3] for change in changes if change[0] <= first]
        later = [c for c in voice.programs if begin == len(changes) or c > changes[begin]]
        voice.controls.sort(key=lambda control: control[0])
        bank = [value for tick, number, value in voice.controls if number == 0 and tick <= first]
        return Part(
            program=heard[-1] if heard else 0,
            drum=voice.channel % 16 == DRUM_CHANNEL or bool(bank and bank[-1] in DRUM_BANKS),
            notes=sorted(Note(beat(s), pitch, beat(e) - beat(s), velocity) for s, pitch, e, velocity in voice.notes),
            controls=[Control(beat(tick), number, value) for tick, number, value in voice.controls],
            programs=[Program(beat(tick), number) for tick, _, _, number in sorted(later)],
            bends=[Bend(beat(tick), value) for tick, value in sorted(voice.bends, key=lambda b: b[0])],
            pressures=[Pressure(beat(t), v, p) for t, v, p in sorted(voice.pressures, key=lambda x: x[0])],
            channel=voice.channel,
            track=voice.track,
        )

    def _place_words(self) -> None:
        """Names and lyrics to the parts of their track; a track of words alone to the part that it fits."""
        of_track: dict[int, list[Part]] = {}
        for part in self.result.parts:
            of_track.setdefault(part.track or 0, []).append(part)
        titles: list[tuple[int, _Words]] = []
        for track, words in enumerate(self.words):
            lyrics = self._lyrics(track, words)
            owners = of_track.get(track)
            if owners is None and lyrics:
                singer = _singer(self.result.parts, lyrics)
                if singer is None:
                    owners = [Part(track=track)]
                    self.result.parts += owners
                    owners[0].lyrics = lyrics
                else:
                    singer.lyrics = sorted(singer.lyrics + lyrics, key=lambda lyric: lyric.beat)
            elif owners and lyrics:
                owners[0].lyrics = sorted(owners[0].lyrics + lyrics, key=lambda lyric: lyric.beat)
            if words.name and owners:
                for part in owners:
                    part.name = words.name
                self._claim_name(track, words)
            elif words.name:
                titles.append((track, words))
        if titles and not self.result.title:
            track, words = titles[0]
            self.result.title = words.name
            self._claim_name(track, words)

    def _claim_name(self, track: int, words: _Words) -> None:
        self._claim(track, words.name_entry, (0, -1, text_message(MetaKind.NAME, words.name)))

    def _lyrics(self, track: int, words: _Words) -> list[Lyric]:
        """The syllables of a track, each with its claim.

        Karaoke files begin lines with ``/`` and paragraphs with a backslash; RP-017 ends them with CR and LF. Where
        spaces part the words, a syllable without one goes on with a hyphen.
        """
        found: list[tuple[int, int, str]] = []
        ends: dict[int, str] = {}
        spaced = any(text.strip() and (text[-1] == " " or text[0] == " ") for _, _, text in words.lyrics)
        for tick, entry, raw in words.lyrics:
            text = _TAG.sub("", raw.replace("\x00", ""))
            head = text[: len(text) - len(text.lstrip("\r\n\\/"))]
            tail = text[len(text.rstrip("\r\n")) :] if text.strip("\r\n\\/") else ""
            text = text[len(head) : len(text) - len(tail)]
            if head and found:
                ends[len(found) - 1] = _break(head)
            if text.strip():
                found.append((tick, entry, text))
                if tail:
                    ends[len(found) - 1] = _break(tail)
        lyrics: list[Lyric] = []
        for index, (tick, entry, text) in enumerate(found):
            following = found[index + 1][2] if index + 1 < len(found) else " "
            going_on = spaced and text[-1] != " " and following[0] != " " and index not in ends
            word = text.strip()
            word += "-" if going_on and not word.endswith("-") else ""
            lyric = Lyric(self._beat(tick), word, ends.get(index, ""))
            lyrics.append(lyric)
            self._claim(track, entry, (tick, -1, lyric_message(lyric)))
        return lyrics


def _plain(text: str) -> str:
    return text.replace("\x00", "").strip("\r\n")


def _break(marks: str) -> str:
    return "paragraph" if "\n" in marks or "\\" in marks else "line"


def _singer(parts: list[Part], lyrics: list[Lyric]) -> Part | None:
    """The pitched part with a note at four of five syllables, the one with fewest notes where several have."""
    best: tuple[float, Part] | None = None
    beats = [lyric.beat for lyric in lyrics]
    for part in parts:
        if part.drum or not part.notes:
            continue
        starts = {round(note.start * 24) for note in part.notes}
        share = sum(round(beat * 24) in starts for beat in beats) / len(beats)
        if share >= 0.8 and (best is None or len(part.notes) < best[0]):
            best = len(part.notes), part
    return best[1] if best else None
