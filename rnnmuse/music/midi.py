"""Standard MIDI Files (types 0, 1 and 2) to and from pieces.

Follows the MIDI 1.0 Standard MIDI Files specification (RP-001), with lyrics in ``lyrics`` meta events,
chord symbols in ``text`` meta events that start with ``chord:``, and channel 10 for drums. mido parses and
serialises the bytes; everything it can raise on a damaged file becomes one `ReadError`.
"""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import mido

from rnnmuse.errors import ReadError
from rnnmuse.events import Control, Lyric, Note
from rnnmuse.music.piece import ChordSymbol, Key, Metre, Part, Piece, Tempo

MAX_BYTES = 400_000  # read in about a second; half an hour of piano with its pedal is some 300 KB
MAX_EVENTS = 140_000
MAX_BEATS = 40_000.0  # five hours and a half at 120 bpm; damaged delta times claim days
DRUM_CHANNEL = 9
CHORD_PREFIX = "chord:"
_FIFTHS_MAJOR = ["Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#"]
_FIFTHS_MINOR = ["Abm", "Ebm", "Bbm", "Fm", "Cm", "Gm", "Dm", "Am", "Em", "Bm", "F#m", "C#m", "G#m", "D#m", "A#m"]


@dataclass(slots=True)
class _Voice:
    """What one channel of one track played, while its file is read."""

    program: int = 0
    program_known: bool = False
    notes: list[Note] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    sounding: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))


def read_midi(source: Path | str | bytes) -> Piece:
    """Read a Standard MIDI File.

    Each (track, channel) that plays becomes a part; the tracks of a type 2 file follow one another, each
    from the next bar line. Sounding notes without a note-off end with their track. A note-on with
    velocity 0 is a note-off.

    Raises:
        ReadError: not a MIDI file, truncated, over 8 MiB, over 1,000,000 events or 40,000 beats.
    """
    name, data = _bytes_of(source)
    midi = _parse(name, data)
    if midi.type == 2:
        return _joined(name, midi)
    piece = Piece(ticks_per_beat=midi.ticks_per_beat)
    _read_tracks(name, midi.tracks, piece, 0)
    return _finished(piece)


def _bytes_of(source: Path | str | bytes) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        name, data = "MIDI data", source
    else:
        path = Path(source)
        name = path.name
        try:
            size = path.stat().st_size
            if size > MAX_BYTES:
                raise ReadError(f"{name}: {size:,} bytes; a MIDI file may have at most {MAX_BYTES:,}")
            data = path.read_bytes()
        except OSError as error:
            raise ReadError(f"{name}: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise ReadError(f"{name}: {len(data):,} bytes; a MIDI file may have at most {MAX_BYTES:,}")
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = data[20:]
    if data[:4] != b"MThd":
        raise ReadError(f"{name}: not a MIDI file (it does not begin with MThd)")
    return name, data


def _parse(name: str, data: bytes) -> mido.MidiFile:
    try:
        midi = mido.MidiFile(file=io.BytesIO(data), clip=True, charset="utf-8")
    except UnicodeDecodeError:
        try:
            midi = mido.MidiFile(file=io.BytesIO(data), clip=True, charset="latin-1")
        except Exception as error:
            raise ReadError(f"{name}: damaged MIDI file ({_reason(error)})") from None
    except Exception as error:  # mutated files raise EOFError, OSError, ValueError, KeyError, IndexError …
        raise ReadError(f"{name}: damaged MIDI file ({_reason(error)})") from None
    if midi.type not in (0, 1, 2):
        raise ReadError(f"{name}: MIDI type {midi.type}; types 0, 1 and 2 are read")
    if midi.ticks_per_beat <= 0 or midi.ticks_per_beat >= 0x8000:
        raise ReadError(f"{name}: time division {midi.ticks_per_beat} is SMPTE or zero; only ticks per beat are read")
    if sum(len(track) for track in midi.tracks) > MAX_EVENTS:
        raise ReadError(f"{name}: more than {MAX_EVENTS:,} events")
    return midi


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:80] or type(error).__name__


def _joined(name: str, midi: mido.MidiFile) -> Piece:
    """The patterns of a type 2 file, one after another."""
    piece = Piece(ticks_per_beat=midi.ticks_per_beat)
    for track in midi.tracks:
        offset = round(piece.bar_start_after(piece.end) * midi.ticks_per_beat) if piece.parts else 0
        _read_tracks(name, [track], piece, offset)
    return _finished(piece)


def _read_tracks(name: str, tracks: list[mido.MidiTrack], piece: Piece, offset: int) -> None:
    per_beat = piece.ticks_per_beat
    for track in tracks:
        tick, track_name = offset, ""
        voices: dict[int, _Voice] = {}
        lyrics: list[Lyric] = []
        for message in track:
            tick += message.time
            beat = tick / per_beat
            if beat > MAX_BEATS:
                raise ReadError(f"{name}: lasts beyond {MAX_BEATS:,.0f} beats")
            if message.is_meta:
                if message.type == "track_name":
                    track_name = track_name or _text(message.name)
                elif message.type == "lyrics":
                    lyrics.append(Lyric(beat, _text(message.text)))
                else:
                    _read_meta(message, beat, piece)
            elif hasattr(message, "channel"):
                _read_voice(message, tick, per_beat, voices.setdefault(message.channel, _Voice()))
        for voice in voices.values():
            for pitch, begun in voice.sounding.items():
                for start, velocity in begun:
                    voice.notes.append(_note(start, max(tick, start + 1), pitch, velocity, per_beat))
        playing = sorted(channel for channel, voice in voices.items() if voice.notes or voice.controls)
        for position, channel in enumerate(playing):
            voice = voices[channel]
            piece.parts.append(
                Part(
                    name=track_name,
                    program=voice.program,
                    drum=channel == DRUM_CHANNEL,
                    notes=sorted(voice.notes),
                    controls=voice.controls,
                    lyrics=lyrics if position == 0 else [],
                )
            )
        if lyrics and not playing:
            piece.parts.append(Part(name=track_name, lyrics=lyrics))
        if track_name and not piece.title and not playing:
            piece.title = track_name


def _text(text: str) -> str:
    return text.replace("\x00", "").strip("\r\n")


def _read_meta(message: mido.MetaMessage, beat: float, piece: Piece) -> None:
    if message.type == "set_tempo":
        if message.tempo > 0:
            piece.tempos.append(Tempo(beat, mido.tempo2bpm(message.tempo)))
    elif message.type == "time_signature":
        if message.numerator > 0:
            piece.metres.append(Metre(beat, message.numerator, message.denominator))
    elif message.type == "key_signature":
        minor = message.key.endswith("m")
        names = _FIFTHS_MINOR if minor else _FIFTHS_MAJOR
        fifths = names.index(message.key) - 7
        piece.keys.append(Key(beat, (fifths * 7 + (9 if minor else 0)) % 12, minor))
    elif message.type == "text" and message.text.startswith(CHORD_PREFIX):
        piece.chords.append(ChordSymbol(beat, _text(message.text[len(CHORD_PREFIX) :])))


def _read_voice(message: mido.Message, tick: int, per_beat: int, voice: _Voice) -> None:
    if message.type == "note_on" and message.velocity > 0:
        voice.sounding[message.note].append((tick, message.velocity))
    elif message.type in ("note_on", "note_off"):
        begun = voice.sounding.get(message.note)
        if begun:  # first in, first out, as most sequencers pair overlapping notes
            start, velocity = begun.pop(0)
            voice.notes.append(_note(start, max(tick, start + 1), message.note, velocity, per_beat))
    elif message.type == "control_change":
        voice.controls.append(Control(tick / per_beat, message.control, message.value))
    elif message.type == "program_change" and not voice.program_known:
        voice.program, voice.program_known = message.program, True


def _note(start: int, end: int, pitch: int, velocity: int, per_beat: int) -> Note:
    return Note(start / per_beat, pitch, (end - start) / per_beat, velocity)


def _finished(piece: Piece) -> Piece:
    for changes in (piece.tempos, piece.metres, piece.keys, piece.chords):
        changes.sort(key=lambda change: change.beat)
    return piece


def write_midi(piece: Piece, path: Path | str) -> None:
    """Write a type 1 Standard MIDI File: a track of tempo, metre, keys and chords, then a track a part.

    Drum parts go to channel 10, the others to the free channels in turn (shared beyond 15).
    Ticks are ``round(beat * piece.ticks_per_beat)``, so what was read is written back tick for tick.

    Raises:
        OSError: the file cannot be written.
        ValueError: a pitch, velocity or program is out of MIDI's range.
    """
    Path(path).write_bytes(midi_bytes(piece))


def midi_bytes(piece: Piece) -> bytes:
    """The bytes `write_midi` writes."""
    _check(piece)
    midi = mido.MidiFile(type=1, ticks_per_beat=piece.ticks_per_beat, charset="utf-8")
    midi.tracks.append(_track(_conductor(piece), piece.ticks_per_beat))
    channels = [channel for channel in range(16) if channel != DRUM_CHANNEL]
    pitched = 0
    for part in piece.parts:
        channel = DRUM_CHANNEL if part.drum else channels[pitched % len(channels)]
        pitched += not part.drum
        midi.tracks.append(_track(_part_messages(part, channel), piece.ticks_per_beat))
    out = io.BytesIO()
    midi.save(file=out)
    return out.getvalue()


def _check(piece: Piece) -> None:
    for index, part in enumerate(piece.parts):
        if not 0 <= part.program <= 127:
            raise ValueError(f"program of part {index}: {part.program}; must be 0-127")
        for note in part.notes:
            if not 0 <= note.pitch <= 127:
                raise ValueError(f"pitch of part {index} at beat {note.start:g}: {note.pitch}; must be 0-127")
            if not 1 <= note.velocity <= 127:
                raise ValueError(f"velocity of part {index} at beat {note.start:g}: {note.velocity}; must be 1-127")
            if note.start < 0:
                raise ValueError(f"start of a note of part {index}: {note.start:g}; must be 0 or later")


# (beat, order within a tick, message): note-offs before note-ons, set-up before both
_Timed = tuple[float, int, mido.Message]


def _conductor(piece: Piece) -> list[_Timed]:
    timed: list[_Timed] = []
    if piece.title:
        timed.append((0.0, 0, mido.MetaMessage("track_name", name=piece.title)))
    for tempo in piece.tempos or [Tempo(0.0, 120.0)]:
        micros = min(max(mido.bpm2tempo(tempo.bpm), 1), 0xFFFFFF)
        timed.append((tempo.beat, 1, mido.MetaMessage("set_tempo", tempo=micros)))
    for metre in piece.metres or [Metre(0.0, 4, 4)]:
        signature = mido.MetaMessage("time_signature", numerator=metre.numerator, denominator=metre.denominator)
        timed.append((metre.beat, 1, signature))
    for key in piece.keys:
        timed.append((key.beat, 1, mido.MetaMessage("key_signature", key=_signature(key))))
    for chord in piece.chords:
        timed.append((chord.beat, 2, mido.MetaMessage("text", text=CHORD_PREFIX + chord.text)))
    return timed


def _signature(key: Key) -> str:
    major = (key.tonic + 3) % 12 if key.minor else key.tonic
    fifths = (major * 7 + 5) % 12 - 5  # -5 .. 6: at most six sharps
    return (_FIFTHS_MINOR if key.minor else _FIFTHS_MAJOR)[fifths + 7]


def _part_messages(part: Part, channel: int) -> list[_Timed]:
    timed: list[_Timed] = []
    if part.name:
        timed.append((0.0, 0, mido.MetaMessage("track_name", name=part.name)))
    timed.append((0.0, 1, mido.Message("program_change", channel=channel, program=part.program)))
    for control in part.controls:
        change = mido.Message("control_change", channel=channel, control=control.number, value=control.value)
        timed.append((control.beat, 2, change))
    for lyric in part.lyrics:
        timed.append((lyric.beat, 4, mido.MetaMessage("lyrics", text=lyric.text)))
    for note in part.notes:
        on = mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)
        timed.append((note.start, 5, on))
        timed.append((note.end, 3, mido.Message("note_off", channel=channel, note=note.pitch, velocity=64)))
    return timed


def _track(timed: list[_Timed], per_beat: int) -> mido.MidiTrack:
    ticked = sorted(
        ((round(beat * per_beat), order, message) for beat, order, message in timed), key=lambda entry: entry[:2]
    )
    track, previous = mido.MidiTrack(), 0
    for tick, _, message in ticked:
        track.append(message.copy(time=tick - previous))
        previous = tick
    track.append(mido.MetaMessage("end_of_track", time=0))
    return track
