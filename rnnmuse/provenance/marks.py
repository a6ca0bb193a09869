"""Records in files: where each format holds one, how it is sealed, found and verified.

A record holds the SHA-256 of the whole file as it is with that hash blank, so that every other byte counts, those
around the record too. It finds damage and edits; it is no signature: who changes a file can seal it again.

================ ====================================================================================
format           where the record stands
================ ====================================================================================
MIDI             a text event at the start of the first track (RP-001)
MusicXML, MXL    ``identification/miscellaneous``; of an MXL the archive's comment too
PNG, JPEG, SVG   an XMP packet with IPTC's DigitalSourceType: iTXt chunk, APP1, ``metadata``
PDF              a comment before ``startxref``
MP4, WebM        an XMP ``uuid`` box; a tag in ``Tags``
WAV              ``LIST``-``INFO``, ``bext`` (EBU Tech 3285) and an XMP packet (``_PMX``)
AIFF, FLAC, MP3  ``ANNO`` chunk; APPLICATION block; ID3v2.4 ``TXXX`` frame
JSON             the field ``provenance``
all others       a file beside it, ``NAME.provenance.json``
================ ====================================================================================
"""

from __future__ import annotations

import hashlib
import json
import mmap
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnmuse import __version__
from rnnmuse.provenance.record import BLANK, MOST, Made, made_of
from rnnmuse.storage import write_whole

Buffer = bytes | memoryview
Pieces = tuple[tuple[Buffer, ...], tuple[Buffer, ...]]
"""What comes before the record's container, and what comes after it."""

SIDECAR = ".provenance.json"
MIDI_PREFIX = b"rnnmuse:provenance "
_BEGIN, _END = b'{"rnnmuse": "', b'"content": "sha256:'
_DIGEST = re.compile(rb'[0-9a-f]{64}"\}')
_TRIES = 64
"""Beginnings of records that are looked at in one file."""
_XMP_UUID = bytes.fromhex("BE7ACFCB97A942E89C71999491E3AFAC")
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True, slots=True)
class Reading:
    """A record that was found: its fields, how it was made, and whether the file is as it was sealed."""

    record: dict[str, Any]
    made: Made
    intact: bool
    beside: bool = False
    """Whether it stood in a file beside, not in the file."""


@dataclass(frozen=True, slots=True)
class _Format:
    """``wrap`` makes the container of a record; ``split`` gives what is before and after it in a file without one,
    its sizes corrected for a container of ``size`` bytes; ValueError where the file cannot hold one."""

    wrap: Callable[[bytes], bytes]
    split: Callable[[Buffer, int], Pieces]


# -- containers -------------------------------------------------------------------------------------------


def _escaped(text: bytes) -> bytes:
    return text.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")


def _unescaped(text: bytes) -> bytes:
    return text.replace(b"&lt;", b"<").replace(b"&gt;", b">").replace(b"&amp;", b"&")


def _rdf(text: bytes) -> bytes:
    kind = json.loads(text)["digitalSourceType"].encode()
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        b'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:rnnmuse="urn:rnnmuse:provenance">'
        b"<xmp:CreatorTool>rnnmuse</xmp:CreatorTool>"
        b"<Iptc4xmpExt:DigitalSourceType>" + _escaped(kind) + b"</Iptc4xmpExt:DigitalSourceType>"
        b"<rnnmuse:record>" + _escaped(text) + b"</rnnmuse:record>"
        b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def _packet(text: bytes) -> bytes:
    """An XMP packet (ISO 16684-1) with the record."""
    begin = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    return begin + _rdf(text) + b'<?xpacket end="r"?>'


def _vlq(value: int) -> bytes:
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))


def _midi(text: bytes) -> bytes:
    body = MIDI_PREFIX + text
    return b"\x00\xff\x01" + _vlq(len(body)) + body


def _midi_split(data: Buffer, size: int) -> Pieces:
    if data[:4] != b"MThd":
        raise ValueError("not a MIDI file")
    at = 8 + int.from_bytes(data[4:8], "big")
    if data[at : at + 4] != b"MTrk":
        raise ValueError("no track after the header")
    length = int.from_bytes(data[at + 4 : at + 8], "big") + size
    return (data[: at + 4], struct.pack(">I", length)), (data[at + 8 :],)


def _musicxml(text: bytes) -> bytes:
    field = b'<miscellaneous-field name="rnnmuse-provenance">' + _escaped(text) + b"</miscellaneous-field>"
    return b"<miscellaneous>" + field + b"</miscellaneous>"


def _before(mark: bytes) -> Callable[[Buffer, int], Pieces]:
    def split(data: Buffer, size: int) -> Pieces:
        at = bytes(data).find(mark)
        if at < 0:
            raise ValueError(f"no {mark.decode()} in it")
        return (data[:at],), (data[at:],)

    return split


def _archive_split(data: Buffer, size: int) -> Pieces:
    if data[-22:-18] != b"PK\x05\x06" or data[-2:] != b"\0\0" or size > 0xFFFF:
        raise ValueError("not an archive without a comment")
    return (data[:-2], struct.pack("<H", size)), ()


def _png(text: bytes) -> bytes:
    body = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + _packet(text)
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def _png_split(data: Buffer, size: int) -> Pieces:
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        raise ValueError("not a PNG")
    return (data[:33],), (data[33:],)


def _jpeg(text: bytes) -> bytes:
    body = _JPEG_XMP + _packet(text)
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def _jpeg_split(data: Buffer, size: int) -> Pieces:
    if data[:2] != b"\xff\xd8":
        raise ValueError("not a JPEG")
    at = 4 + int.from_bytes(data[4:6], "big") if data[2:4] == b"\xff\xe0" else 2
    return (data[:at],), (data[at:],)


def _svg(text: bytes) -> bytes:
    return b"<metadata>" + _rdf(text) + b"</metadata>"


def _svg_split(data: Buffer, size: int) -> Pieces:
    found = re.search(rb"<svg\b[^>]*>", data)
    if found is None:
        raise ValueError("no svg element in it")
    return (data[: found.end()],), (data[found.end() :],)


def _pdf_split(data: Buffer, size: int) -> Pieces:
    at = bytes(data).rfind(b"startxref")
    if at < 0:
        raise ValueError("not a PDF")
    return (data[:at],), (data[at:],)


def _mp4(text: bytes) -> bytes:
    body = b"uuid" + _XMP_UUID + _packet(text)
    return struct.pack(">I", len(body) + 4) + body


def _mp4_split(data: Buffer, size: int) -> Pieces:
    if data[4:8] != b"ftyp":
        raise ValueError("not an MP4")
    return (data,), ()


def _element(name: str, body: bytes) -> bytes:
    return bytes.fromhex(name) + struct.pack(">Q", 1 << 56 | len(body)) + body


def _webm(text: bytes) -> bytes:
    """A Tags element (Matroska, RFC 9559)."""
    simple = _element("67C8", _element("45A3", b"RNNMUSE_PROVENANCE") + _element("4487", text))
    return _element("1254C367", _element("7373", _element("63C0", b"") + simple))


def _webm_split(data: Buffer, size: int) -> Pieces:
    if data[:4] != b"\x1a\x45\xdf\xa3":
        raise ValueError("not a WebM")
    at = bytes(data[:256]).find(b"\x18\x53\x80\x67")
    if at < 0 or data[at + 4] != 1:
        raise ValueError("no segment with a size of eight bytes")
    length = int.from_bytes(data[at + 5 : at + 12], "big")
    if at + 12 + length != len(data):
        raise ValueError("its segment is not what ends the file")
    return (data[: at + 5], (length + size).to_bytes(7, "big"), data[at + 12 :]), ()


def _chunk(name: bytes, body: bytes, order: str = "<") -> bytes:
    return name + struct.pack(order + "I", len(body)) + body + b"\0" * (len(body) % 2)


def _wav(text: bytes) -> bytes:
    info = _chunk(b"LIST", b"INFO" + _chunk(b"ISFT", b"rnnmuse\0") + _chunk(b"ICMT", b"Made with a trained model\0"))
    about = b"Made with a trained model; the XMP packet says how."
    bext = about.ljust(256, b"\0") + b"rnnmuse".ljust(32, b"\0") + bytes(32 + 10 + 8 + 8) + b"\x01\x00" + bytes(254)
    return info + _chunk(b"bext", bext) + _chunk(b"_PMX", _packet(text))


def _form_split(head: bytes, order: str) -> Callable[[Buffer, int], Pieces]:
    def split(data: Buffer, size: int) -> Pieces:
        if data[:4] != head:
            raise ValueError(f"does not begin with {head.decode()}")
        length = len(data) - 8 + size
        if length > 0xFFFFFFFF or len(data) % 2:
            raise ValueError("too long, or of an odd length")
        return (data[:4], struct.pack(order + "I", length), data[8:]), ()

    return split


def _aiff(text: bytes) -> bytes:
    return _chunk(b"ANNO", text, ">")


def _flac(text: bytes) -> bytes:
    body = b"rnmu" + text
    return b"\x02" + len(body).to_bytes(3, "big") + body


def _flac_split(data: Buffer, size: int) -> Pieces:
    if data[:4] != b"fLaC" or data[4] & 0x7F or data[4] & 0x80:
        raise ValueError("not a FLAC file with metadata after its STREAMINFO")
    return (data[:42],), (data[42:],)


def _mp3(text: bytes) -> bytes:
    frame = b"\x03rnnmuse-provenance\0" + text
    body = b"TXXX" + _syncsafe(len(frame)) + b"\0\0" + frame
    return b"ID3\x04\0\0" + _syncsafe(len(body)) + body


def _syncsafe(value: int) -> bytes:
    return bytes(value >> shift & 0x7F for shift in (21, 14, 7, 0))


def _mp3_split(data: Buffer, size: int) -> Pieces:
    if data[:3] == b"ID3":
        raise ValueError("has a tag")
    return (), (data,)


def _json(text: bytes) -> bytes:
    return b',\n "provenance": ' + text


def _json_split(data: Buffer, size: int) -> Pieces:
    body = bytes(data).rstrip()
    if body[:1] != b"{" or body[-1:] != b"}" or len(body) < 4:
        raise ValueError("not an object")
    at = len(body[:-1].rstrip())
    return (data[:at],), (data[at:],)


def _sidecar(text: bytes) -> bytes:
    return text + b"\n"


_XML = _Format(_musicxml, _before(b"</identification>"))
_PDF = _Format(lambda text: b"%" + text + b"\n", _pdf_split)
_FORMATS: dict[str, _Format] = {
    ".mid": _Format(_midi, _midi_split),
    ".musicxml": _XML,
    ".xml": _XML,
    ".mxl": _Format(lambda text: text, _archive_split),
    ".png": _Format(_png, _png_split),
    ".jpg": _Format(_jpeg, _jpeg_split),
    ".svg": _Format(_svg, _svg_split),
    ".pdf": _PDF,
    ".mp4": _Format(_mp4, _mp4_split),
    ".webm": _Format(_webm, _webm_split),
    ".wav": _Format(_wav, _form_split(b"RIFF", "<")),
    ".aiff": _Format(_aiff, _form_split(b"FORM", ">")),
    ".flac": _Format(_flac, _flac_split),
    ".mp3": _Format(_mp3, _mp3_split),
    ".json": _Format(_json, _json_split),
}
_FORMATS |= {".midi": _FORMATS[".mid"], ".jpeg": _FORMATS[".jpg"], ".aif": _FORMATS[".aiff"]}
_BESIDE = _Format(_sidecar, lambda data, size: ((data,), ()))


# -- sealing ----------------------------------------------------------------------------------------------


def seal(data: bytes, suffix: str, made: Made) -> bytes:
    """``data``, a file of the format of ``suffix``, with its record; ValueError where it cannot hold one."""
    form = _FORMATS.get(suffix.lower())
    if form is None:
        raise ValueError(f"format: {suffix!r}; holds no record")
    return b"".join(_sealed(memoryview(data), form, made)[0])


def seal_file(path: Path, made: Made | None) -> None:
    """Put the record into the file ``path`` that was just written, or beside it where its format holds none.

    Without ``made`` nothing is written, and a record beside an earlier file of this name goes.
    """
    beside = path.with_name(path.name + SIDECAR)
    form = _FORMATS.get(path.suffix.lower())
    if made is None:
        beside.unlink(missing_ok=True)
        return
    data = _mapped(path)
    if form is not None:
        try:
            pieces, _ = _sealed(data, form, made)
        except ValueError:
            pass  # of a kind that holds none: beside it
        else:
            write_whole(path, pieces)
            beside.unlink(missing_ok=True)
            return
    write_whole(beside, _sealed(data, _BESIDE, made)[1])


def _sealed(data: memoryview, form: _Format, made: Made) -> tuple[list[Buffer], bytes]:
    """The pieces of the sealed file, and its record's container."""
    blank = made.text(__version__).encode()
    empty = form.wrap(blank)
    before, after = form.split(data, len(empty))
    digest = _digest([*before, empty, *after])
    full = form.wrap(blank.replace(BLANK.encode(), b"sha256:" + digest))
    return [*before, full, *after], full


def _digest(pieces: list[Buffer]) -> bytes:
    hashed = hashlib.sha256()
    for piece in pieces:
        hashed.update(piece)
    return hashed.hexdigest().encode()


def _mapped(path: Path) -> memoryview:
    """A file's bytes, which are read when they are used."""
    if not path.stat().st_size:
        return memoryview(b"")
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


# -- reading ----------------------------------------------------------------------------------------------


def read(path: Path) -> Reading | None:
    """The record of a file, in it or beside it, verified; None where there is none. OSError where it cannot be read."""
    path = Path(path)
    form = _FORMATS.get(path.suffix.lower())
    with path.open("rb") as file:
        data = file.read()
    found = unseal(data, path.suffix) if form is not None else None
    if found is not None and found.intact:
        return found
    try:
        with path.with_name(path.name + SIDECAR).open("rb") as file:
            beside = file.read(2 * MOST)
    except FileNotFoundError:
        return found
    texts = list(_texts(beside))
    if not texts:
        return found
    record, made, text = texts[0]
    blank = text[:-66] + b"0" * 64 + text[-2:]
    intact = beside == _sidecar(text) and _digest([data, _sidecar(blank)]) == text[-66:-2]
    return Reading(record, made, intact, True)


def unseal(data: bytes, suffix: str) -> Reading | None:
    """The record in ``data``, a file of the format of ``suffix``, verified; None where there is none."""
    form = _FORMATS.get(suffix.lower())
    if form is None:
        return None
    first: Reading | None = None
    for record, made, text in _texts(data):
        reading = Reading(record, made, _intact(data, form, text))
        if reading.intact:
            return reading
        first = first or reading
    return first


def _texts(data: bytes) -> Iterator[tuple[dict[str, Any], Made, bytes]]:
    """What could be records in ``data``, as they stand there but unescaped."""
    at = -1
    for _ in range(_TRIES):
        at = data.find(_BEGIN, at + 1)
        if at < 0:
            return
        end = data.find(_END, at, at + 2 * MOST)
        found = _DIGEST.match(data, end + len(_END)) if end >= 0 else None
        if found is None:
            continue
        text = data[at : found.end()]
        for candidate in dict.fromkeys((text, _unescaped(text))):
            try:
                record = json.loads(candidate)
                made = made_of(record)
            except (ValueError, RecursionError):
                continue
            yield record, made, candidate


def _intact(data: bytes, form: _Format, text: bytes) -> bool:
    """Whether ``data`` is a file sealed with the record ``text``."""
    try:
        full = form.wrap(text)
        blank = form.wrap(text[:-66] + b"0" * 64 + text[-2:])
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    at = data.find(full)
    if at < 0:
        return False
    view = memoryview(data)
    return _digest([view[:at], blank, view[at + len(full) :]]) == text[-66:-2]
