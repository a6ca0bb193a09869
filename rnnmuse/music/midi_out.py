"""Pieces to Standard MIDI Files, and the messages that stand for what a piece holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import count
from pathlib import Path

from rnnmuse.events import Lyric
from rnnmuse.music.piece import Claim, Key, Metre, Part, Piece, Source, Tempo
from rnnmuse.music.smf import META, Event, Track, serialise
from rnnmuse.provenance.marks import MIDI_PREFIX, seal
from rnnmuse.storage import write_whole

CHORD_PREFIX = "chord:"
DRUM_CHANNEL = 9
_RECORD = bytes((META, 0x01)) + MIDI_PREFIX
_PITCHED = [channel for channel in range(16) if channel != DRUM_CHANNEL]


class MetaKind(IntEnum):
    """Types of meta events."""

    NUMBER = 0x00
    TEXT = 0x01
    COPYRIGHT = 0x02
    NAME = 0x03
    INSTRUMENT = 0x04
    LYRIC = 0x05
    MARKER = 0x06
    CUE = 0x07
    PREFIX = 0x20
    PORT = 0x21
    TEMPO = 0x51
    SMPTE = 0x54
    METRE = 0x58
    KEY = 0x59

    @property
    def label(self) -> str:
        """What the specification calls it."""
        return {
            MetaKind.NUMBER: "sequence number", MetaKind.PREFIX: "channel prefix", MetaKind.PORT: "port",
            MetaKind.TEMPO: "tempo", MetaKind.SMPTE: "SMPTE offset", MetaKind.METRE: "time signature",
            MetaKind.KEY: "key signature",
        }.get(self, "text")  # fmt: skip


def text_message(kind: int, text: str, encoding: str = "utf-8") -> bytes:
    """A meta event of ``kind`` that holds ``text``."""
    return bytes((META, kind)) + text.encode(encoding, "replace")


def tempo_message(bpm: float) -> bytes:
    """A set-tempo event; beyond what it can hold the nearest tempo."""
    micros = min(max(round(60e6 / bpm), 1), 0xFFFFFF)
    return bytes((META, MetaKind.TEMPO)) + micros.to_bytes(3, "big")


def metre_message(numerator: int, denominator: int) -> bytes:
    """A time signature with a metronome click a quarter note."""
    return bytes((META, MetaKind.METRE, numerator, denominator.bit_length() - 1, 24, 8))


def key_message(key: Key) -> bytes:
    """A key signature of five flats to six sharps."""
    major = (key.tonic + 3) % 12 if key.minor else key.tonic
    fifths = (major * 7 + 5) % 12 - 5
    return bytes((META, MetaKind.KEY, fifths & 0xFF, key.minor))


def lyric_message(lyric: Lyric) -> bytes:
    """A lyric event, with the line ends of RP-017."""
    return text_message(MetaKind.LYRIC, lyric.text + {"line": "\r", "paragraph": "\n"}.get(lyric.ends, ""))


def metre_changes(piece: Piece) -> list[Metre]:
    """The metres of a piece as a file without pickups has them: a pickup is a short bar of its own metre."""
    metres = piece.metres or [Metre(0.0, 4, 4)]
    if not piece.pickup:
        return metres
    for denominator in (4, 8, 16, 32, 64):
        count = piece.pickup * denominator / 4
        if abs(count - round(count)) < 1e-6 and round(count):
            first = metres[0]
            short = Metre(0.0, round(count), denominator)
            rest = [metre for metre in metres[1:] if metre.beat > piece.pickup - 1e-6]
            if rest and abs(rest[0].beat - piece.pickup) < 1e-6:
                return [short, *rest]
            return [short, Metre(piece.pickup, first.numerator, first.denominator), *rest]
    return metres


def channels(piece: Piece) -> list[int]:
    """The MIDI channel of each part, from 0, plus 16 for each port after the first.

    Parts keep a channel of their own. The others get a free one, drums channel 10; beyond 15 channels parts of the
    same program share one, and what is left goes to further ports.
    """
    found = [_own_channel(part) for part in piece.parts]
    used = {channel for channel in found if channel is not None}
    programs: dict[int, int] = {}
    for index, part in enumerate(piece.parts):
        if found[index] is not None:
            continue
        if part.drum:
            found[index] = DRUM_CHANNEL
            continue
        free = next((channel for channel in _PITCHED if channel not in used), None)
        if free is None:
            shared = programs.get(part.program)
            free = shared if shared is not None else next(c for c in _further_channels() if c not in used)
        programs.setdefault(part.program, free)
        used.add(free)
        found[index] = free
    return [channel or 0 for channel in found]


def _own_channel(part: Part) -> int | None:
    if part.channel is None:
        return None
    kit = part.channel % 16 == DRUM_CHANNEL or any(c.number == 0 and c.value in (120, 127) for c in part.controls)
    return part.channel if kit == part.drum else None


def _further_channels() -> Iterator[int]:
    for port in range(1, 128):
        for channel in _PITCHED:
            yield 16 * port + channel
    raise ValueError("parts: too many for the 1,905 pitched channels of a MIDI file")


def write_midi(piece: Piece, path: Path | str) -> None:
    """Write a Standard MIDI File: a track of tempo, metre, keys and chords, then a track a part.

    A piece that was read from a MIDI file keeps that file's tracks, and every event that was not changed stays at its
    tick. Ticks are ``round(beat * piece.ticks_per_beat)``.

    Raises:
        OSError: the file cannot be written.
        ValueError: a pitch, velocity, program or time is out of MIDI's range.
    """
    write_whole(path, midi_bytes(piece))


def midi_bytes(piece: Piece) -> bytes:
    """The bytes `write_midi` writes."""
    _check(piece)
    source = piece.source or Source(1, piece.ticks_per_beat, tracks=[[]], ends=[0])
    wanted = _wanted(piece, len(source.tracks))
    encoding = _encoding(source, wanted)
    counts = Counter(event.claim for event in wanted)
    tracks = [_kept(source, index, piece.ticks_per_beat, counts, encoding) for index in range(len(source.tracks))]
    if piece.made is not None:  # a new record takes the place of an earlier one
        for track in tracks:
            track.events = [event for event in track.events if not event[1].startswith(_RECORD)]
    for claim in source.implied:
        if claim in counts:
            counts[claim] = 0
    new: dict[int, list[_Wanted]] = {}
    for event in reversed(wanted):  # of equal events the later ones are the new ones
        if counts[event.claim] > 0:
            counts[event.claim] -= 1
            new.setdefault(event.track, []).append(event)
    tracks += [Track() for _ in range(len(source.tracks), max(new, default=0) + 1)]
    for index, events in new.items():
        tracks[index] = _with_new(tracks[index], events[::-1], encoding)
    form = 0 if source.form == 0 and len(tracks) == 1 else 1
    data = serialise(form, piece.ticks_per_beat, [track for track in tracks if track.events or piece.source])
    return data if piece.made is None else seal(data, ".mid", piece.made)


class _Wanted:
    """An event that the piece asks for: its claim, the track for it, and its place among those of one tick."""

    __slots__ = ("claim", "rank", "track")

    def __init__(self, claim: Claim, rank: int, track: int) -> None:
        self.claim, self.rank, self.track = claim, rank, track


_NAME, _SETUP, _BANK, _PROGRAM, _CONTROL, _WORD, _ON = range(7)
_OFF = -1


def _wanted(piece: Piece, first_new: int) -> list[_Wanted]:
    """Every event of the piece; parts without a track get one from ``first_new`` on."""
    out: list[_Wanted] = []
    per_beat = piece.ticks_per_beat

    def want(beat: float, channel: int, message: bytes, rank: int, track: int) -> None:
        out.append(_Wanted((round(beat * per_beat), channel, message), rank, track))

    if piece.title:
        want(0.0, -1, text_message(MetaKind.NAME, piece.title), _NAME, 0)
    for tempo in piece.tempos or [Tempo(0.0, 120.0)]:
        want(tempo.beat, -1, tempo_message(tempo.bpm), _SETUP, 0)
    for metre in metre_changes(piece):
        want(metre.beat, -1, metre_message(metre.numerator, metre.denominator), _SETUP, 0)
    for key in piece.keys:
        want(key.beat, -1, key_message(key), _SETUP, 0)
    for chord in piece.chords:
        want(chord.beat, -1, text_message(MetaKind.TEXT, CHORD_PREFIX + chord.text), _SETUP, 0)
    named: set[int] = set()
    ports: set[int] = set()
    begun: set[int] = set()
    own = channels(piece)
    homes = _homes(piece, first_new)
    for index in sorted(range(len(piece.parts)), key=lambda i: (_first(piece.parts[i]), i)):
        part = piece.parts[index]
        plays = part.notes or part.controls or part.programs or part.bends or part.pressures
        if (plays or part.channel is not None) and own[
            index
        ] not in begun:  # a channel begins with the program of its first note
            begun.add(own[index])
            want(0.0, own[index], bytes((0xC0 | own[index] & 0x0F, part.program)), _PROGRAM, homes[index])
    for index, (part, channel) in enumerate(zip(piece.parts, own, strict=True)):
        track = homes[index]
        if part.name and track not in named:
            named.add(track)
            want(0.0, -1, text_message(MetaKind.NAME, part.name), _NAME, track)
        if channel >= 16 and track >= first_new and track not in ports:
            ports.add(track)
            want(0.0, -1, bytes((META, MetaKind.PORT, channel // 16)), _NAME, track)
        _want_part(part, channel, track, want)
    return out


def _first(part: Part) -> float:
    return part.notes[0].start if part.notes else float("inf")


def _homes(piece: Piece, first_new: int) -> list[int]:
    """The track of each part."""
    new = count(first_new)
    return [part.track if part.track is not None and part.track < first_new else next(new) for part in piece.parts]


def _want_part(part: Part, channel: int, track: int, want: Callable[[float, int, bytes, int, int], None]) -> None:
    low = channel & 0x0F
    for program in part.programs:
        want(program.beat, channel, bytes((0xC0 | low, program.number)), _PROGRAM, track)
    for control in part.controls:
        rank = _BANK if control.number in (0, 32) else _CONTROL
        want(control.beat, channel, bytes((0xB0 | low, control.number, control.value)), rank, track)
    for bend in part.bends:
        value = bend.value + 8192
        want(bend.beat, channel, bytes((0xE0 | low, value & 0x7F, value >> 7)), _CONTROL, track)
    for pressure in part.pressures:
        if pressure.pitch < 0:
            want(pressure.beat, channel, bytes((0xD0 | low, pressure.value)), _CONTROL, track)
        else:
            want(pressure.beat, channel, bytes((0xA0 | low, pressure.pitch, pressure.value)), _CONTROL, track)
    for lyric in part.lyrics:
        want(lyric.beat, -1, lyric_message(lyric), _WORD, track)
    for note in part.notes:
        want(note.start, channel, bytes((0x90 | low, note.pitch, note.velocity)), _ON, track)
        want(note.end, channel, bytes((0x80 | low, note.pitch, 64)), _OFF, track)


def _encoding(source: Source, wanted: Iterable[_Wanted]) -> str:
    """The source's encoding, or UTF-8 where that cannot hold a text of the piece."""
    if source.encoding == "utf-8":
        return source.encoding
    for event in wanted:
        if event.claim[1] < 0 and 1 <= event.claim[2][1] <= 15:
            try:
                event.claim[2][2:].decode("utf-8").encode(source.encoding)
            except UnicodeEncodeError:
                return "utf-8"
    return source.encoding


def _kept(source: Source, index: int, per_beat: int, counts: Counter[Claim], encoding: str) -> Track:
    """The events of a track of the source that the piece still asks for; takes them from ``counts``."""
    track = Track()
    scaled = per_beat != source.ticks_per_beat
    for tick, message, claim in source.tracks[index]:
        if scaled:
            tick = round(tick * per_beat / source.ticks_per_beat)
            claim = claim and (round(claim[0] * per_beat / source.ticks_per_beat), *claim[1:])
        if claim is not None:
            if counts[claim] <= 0:
                continue
            counts[claim] -= 1
        if encoding != source.encoding and message[0] == META and 1 <= message[1] <= 15:
            message = message[:2] + message[2:].decode(source.encoding, "replace").encode(encoding)
        track.events.append((tick, message))
    track.end = round(source.ends[index] * per_beat / source.ticks_per_beat)
    return track


def _with_new(track: Track, new: Sequence[_Wanted], encoding: str) -> Track:
    """``track`` with new events in it. In one tick new note-offs come first; new set-up comes before notes."""
    order = sorted(range(len(new)), key=lambda i: (new[i].claim[0], new[i].rank, i))
    added: list[tuple[int, int, bytes]] = []
    for i in order:
        tick, channel, message = new[i].claim
        if channel < 0 and 1 <= message[1] <= 15 and encoding != "utf-8":
            message = text_message(message[1], message[2:].decode("utf-8"), encoding)
        added.append((tick, new[i].rank, message))
    # Kept events stay in their order: each takes the place of the highest rank so far in its tick.
    keyed: list[tuple[int, int, int, int, bytes]] = []
    tick_now, rank_now = -1, _SETUP
    for position, (tick, message) in enumerate(track.events):
        if tick != tick_now:
            tick_now, rank_now = tick, _OFF
        sounding = message[0] >> 4 == 0x9 and message[2] > 0
        rank_now = _ON if sounding else max(rank_now, _OFF)
        keyed.append((tick, rank_now, 0, position, message))
    keyed += [(tick, rank, 1 if rank != _OFF else -1, position, m) for position, (tick, rank, m) in enumerate(added)]
    keyed.sort(key=lambda event: event[:4])
    events: list[Event] = [(tick, message) for tick, _, _, _, message in keyed]
    return Track(events, max(track.end, events[-1][0] if events else 0))


def _check(piece: Piece) -> None:
    if not 1 <= piece.ticks_per_beat <= 0x7FFF:
        raise ValueError(f"ticks_per_beat: {piece.ticks_per_beat}; must be 1 to 32767")
    for index, part in enumerate(piece.parts):
        for program in (part.program, *(change.number for change in part.programs)):
            if not 0 <= program <= 127:
                raise ValueError(f"program of part {index}: {program}; must be 0-127")
        for note in part.notes:
            if not 0 <= note.pitch <= 127:
                raise ValueError(f"pitch of part {index} at beat {note.start:g}: {note.pitch}; must be 0-127")
            if not 1 <= note.velocity <= 127:
                raise ValueError(f"velocity of part {index} at beat {note.start:g}: {note.velocity}; must be 1-127")
            if note.start < 0:
                raise ValueError(f"start of a note of part {index}: {note.start:g}; must be 0 or later")
        for control in part.controls:
            if not (0 <= control.number <= 127 and 0 <= control.value <= 127):
                raise ValueError(
                    f"controller of part {index} at beat {control.beat:g}: {control.number} = {control.value}; "
                    "both must be 0-127"
                )
        for bend in part.bends:
            if not -8192 <= bend.value <= 8191:
                raise ValueError(f"bend of part {index} at beat {bend.beat:g}: {bend.value}; must be -8192 to 8191")
    for metre in piece.metres:
        if not 1 <= metre.numerator <= 255 or metre.denominator not in (1, 2, 4, 8, 16, 32, 64):
            raise ValueError(f"metre at beat {metre.beat:g}: {metre.numerator}/{metre.denominator}")
