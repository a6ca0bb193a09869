"""Standard MIDI Files as bytes: chunks, delta times, running status. Nothing here knows about music.

Follows the MIDI 1.0 Standard MIDI Files specification (RP-001). `parse` accepts what the specification forbids but
files contain: unknown chunks, wrong chunk lengths, running status over meta events, missing ends of tracks, bytes that
belong to nothing. It lists what it skipped.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass, field

from rnnmuse.errors import ReadError

META, SYSEX, ESCAPE = 0xFF, 0xF0, 0xF7
END_OF_TRACK = 0x2F
MAX_EVENTS = 140_000
MAX_TICK = 1 << 31

# Data bytes of a channel message by the high nibble of its status; of a system common message by its status.
_DATA_BYTES = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}
_COMMON_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}

Event = tuple[int, bytes]
"""Tick from the start of the track, and a message: a channel message with its status byte, ``FF type payload`` for a
meta event, ``F0 payload`` or ``F7 payload`` for system exclusive; payloads without their length."""


@dataclass(slots=True)
class Track:
    """The events of one track in file order, and the tick of its end."""

    events: list[Event] = field(default_factory=list)
    """Ticks as in the file."""
    end: int = 0
    """Ticks."""


@dataclass(slots=True)
class SmfFile:
    """``form`` is the file's type 0-2, ``division`` its raw time division (16 bits, unsigned)."""

    form: int
    division: int
    tracks: list[Track] = field(default_factory=list)
    """In file order."""
    skipped: Counter[str] = field(default_factory=Counter)
    """What was not understood, and how many times."""


def parse(name: str, data: bytes) -> SmfFile:
    """Parse a Standard MIDI File, alone or in a RIFF container (RMID).

    Raises:
        ReadError: there is no MThd chunk or no track in it, or more than MAX_EVENTS events.
    """
    skipped: Counter[str] = Counter()
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = _riff_data(data)
    at = _header_at(data, skipped)
    if at is None:
        raise ReadError(f"{name}: not a MIDI file (it does not begin with MThd)")
    if len(data) < at + 14:
        raise ReadError(f"{name}: damaged MIDI file (its header is cut off)")
    length, form, _, division = struct.unpack_from(">IHHH", data, at + 4)
    file = SmfFile(form, division, skipped=skipped)
    if form > 2:
        skipped[f"the type {form}, read as 1"] += 1
        file.form = 1
    if length < 6 or not _is_chunk(data, at + 8 + length):
        length = 6
    _read_chunks(name, data, at + 8 + length, file)
    if not file.tracks:
        raise ReadError(f"{name}: damaged MIDI file (no track in it)")
    return file


def _riff_data(data: bytes) -> bytes:
    """The payload of the ``data`` chunk of a RIFF file."""
    at = 12
    while at + 8 <= len(data):
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind == b"data":
            return data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    return data[20:]


def _header_at(data: bytes, skipped: Counter[str]) -> int | None:
    if data[:4] == b"MThd":
        return 0
    found = data.find(b"MThd", 0, 64 * 1024)
    if found > 0:
        skipped[f"{found} bytes before the header"] += 1
        return found
    return None


def _is_chunk(data: bytes, at: int) -> bool:
    """Whether a chunk, or the end of the file, is at ``at``."""
    if at >= len(data):
        return at == len(data)
    return len(data) >= at + 8 and all(0x20 <= byte < 0x7F for byte in data[at : at + 4])


def _read_chunks(name: str, data: bytes, at: int, file: SmfFile) -> None:
    events = 0
    while at < len(data):
        kind = data[at : at + 4]
        if len(data) < at + 8:
            file.skipped[f"{len(data) - at} bytes at the end"] += 1
            return
        length = int.from_bytes(data[at + 4 : at + 8], "big")
        begin = at + 8
        if kind == b"MTrk":
            track, at = _read_track(data, begin, begin + length, file, MAX_EVENTS - events)
            events += len(track.events)
            if events >= MAX_EVENTS:
                raise ReadError(f"{name}: more than {MAX_EVENTS:,} events")
            file.tracks.append(track)
        elif _is_chunk(data, at):
            following = begin + length
            if following > len(data) or not _is_chunk(data, following):
                following = _next_track(data, begin)
            file.skipped[f"an unknown chunk {kind.decode('ascii', 'replace')!r}"] += 1
            at = following
        else:
            following = _next_track(data, at + 1)
            file.skipped[f"{following - at} bytes between chunks"] += 1
            at = following


def _next_track(data: bytes, at: int) -> int:
    found = data.find(b"MTrk", at)
    return found if found >= 0 else len(data)


def _read_track(data: bytes, at: int, stated: int, file: SmfFile, most: int) -> tuple[Track, int]:
    """A track that begins at ``at``, and where the chunk after it begins; ``stated`` is where it should end.

    Where the stated end is no place for a chunk, the track ends at its own end-of-track event, or at the next track.
    """
    trusted = _is_chunk(data, stated)
    limit = stated if trusted else _next_track(data, at)
    if not trusted:
        file.skipped["a wrong chunk length"] += 1
    track = Track()
    stop = _read_events(data, at, limit, track, file.skipped, most)
    if trusted:
        return track, stated
    return track, stop if _is_chunk(data, stop) else limit


def _read_events(data: bytes, at: int, limit: int, track: Track, skipped: Counter[str], most: int) -> int:
    """Read events up to the end-of-track event or ``limit``; returns where reading stopped."""
    tick, status = 0, 0
    events = track.events
    append = events.append
    try:
        while at < limit:
            byte = data[at]
            at += 1
            if byte < 0x80:
                tick += byte
            else:
                at -= 1
                wait, at = _quantity(data, at)
                tick += wait
                if tick > MAX_TICK:
                    skipped["what lies beyond the last possible tick"] += 1
                    break
            if at >= limit:
                break
            byte = data[at]
            if byte < 0x80:
                if not status:
                    skipped["a data byte without a status"] += 1
                    at += 1
                    continue
            elif byte < 0xF0:
                status = byte
                at += 1
            elif byte == META:
                kind = data[at + 1] & 0x7F
                length, at = _quantity(data, at + 2)
                if at + length > limit:
                    skipped["a meta event that is cut off"] += 1
                    break
                if kind == END_OF_TRACK:
                    track.end = tick
                    return at + length
                append((tick, bytes((META, kind)) + data[at : at + length]))
                at += length
                continue
            elif byte in (SYSEX, ESCAPE):
                length, at = _quantity(data, at + 1)
                if at + length > limit:
                    skipped["a system exclusive message that is cut off"] += 1
                    break
                append((tick, bytes((byte,)) + data[at : at + length]))
                at += length
                continue
            else:
                skipped[f"a status byte {byte:#04x}, which no file may hold"] += 1
                at += 1 + _COMMON_BYTES.get(byte, 0)
                continue
            if status >> 4 in (0xC, 0xD):
                if at + 1 > limit:
                    skipped["a message that is cut off"] += 1
                    break
                first = data[at]
                at += 1
                if first > 0x7F:
                    skipped["a data byte over 127, read as 127"] += 1
                    first = 0x7F
                append((tick, bytes((status, first))))
            else:
                if at + 2 > limit:
                    skipped["a message that is cut off"] += 1
                    break
                first, second = data[at], data[at + 1]
                at += 2
                if first > 0x7F or second > 0x7F:
                    skipped["a data byte over 127, read as 127"] += 1
                    first, second = min(first, 0x7F), min(second, 0x7F)
                append((tick, bytes((status, first, second))))
            if len(events) >= most:
                return limit
    except IndexError:
        skipped["a message that is cut off"] += 1
    skipped["a missing end of a track"] += 1
    track.end = tick if tick <= MAX_TICK else (events[-1][0] if events else 0)
    return min(at, limit)


def _quantity(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length quantity of at most four bytes, and where it ends. IndexError at the end of the data."""
    value = 0
    for _ in range(4):
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, at


def serialise(form: int, division: int, tracks: list[Track]) -> bytes:
    """The bytes of a file of type ``form``; each track's events in order of their ticks."""
    out = bytearray(b"MThd" + struct.pack(">IHHH", 6, form, len(tracks), division))
    for track in tracks:
        body = bytearray()
        previous = 0
        for tick, message in track.events:
            body += _quantity_bytes(tick - previous)
            previous = tick
            if message[0] == META:
                body += message[:2] + _quantity_bytes(len(message) - 2) + message[2:]
            elif message[0] in (SYSEX, ESCAPE):
                body += message[:1] + _quantity_bytes(len(message) - 1) + message[1:]
            else:
                body += message
        body += _quantity_bytes(max(0, track.end - previous)) + bytes((META, END_OF_TRACK, 0))
        out += b"MTrk" + struct.pack(">I", len(body)) + body
    return bytes(out)


def _quantity_bytes(value: int) -> bytes:
    """``value`` as a variable-length quantity; ValueError over 28 bits."""
    if value >= 1 << 28:
        raise ValueError(f"wait before an event: {value} ticks; a MIDI file holds at most {(1 << 28) - 1}")
    out = bytearray((value & 0x7F,))
    value >>= 7
    while value:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(reversed(out))
