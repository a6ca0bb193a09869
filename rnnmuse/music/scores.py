"""Scores to pieces: MusicXML (plain or zipped), ABC and kern.

MusicXML is read by musicxml_in.py; ABC and kern by music21, which comes with the ``scores`` extra, in a child process
with limits (parser.py). Repeats sound unless they are to be left as written; a kern file's dynamics and order of
sections are read by kern.py. Nothing outside the file is ever fetched: document types are dropped and entity
declarations refused.
"""

from __future__ import annotations

import codecs
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rnnmuse.errors import ReadError, ReadWarning, first_line
from rnnmuse.music import abc_tunes, charset, parser
from rnnmuse.music.kern import as_it_sounds, outline, with_dynamics
from rnnmuse.music.limits import check_times
from rnnmuse.music.musicxml_in import read_musicxml
from rnnmuse.music.piece import Piece

SUFFIXES = {".xml": "musicxml", ".musicxml": "musicxml", ".mxl": "musicxml", ".abc": "abc", ".krn": "humdrum"}
"""File suffixes that `read_score` reads, and what music21 calls their format."""

MAX_BYTES = 24 * 1024 * 1024
MAX_LINE = 10_000
"""Characters of one line of ABC or kern; music21 takes minutes for longer ones."""


def read_score(path: Path | str, as_written: bool = False) -> Piece:
    """Read a score; of an ABC file with several tunes the first one.

    Each part of the score becomes a part of the piece, each staff of a piano one of its own with the same name. Tied
    notes are one note. Velocities follow the written dynamics, 80 without any. ``as_written`` leaves repeats unplayed.

    Raises:
        ReadError: not a score, damaged, too large or too slow to read, or with entity declarations.
        MissingExtraError: music21 is needed and not installed.
    """
    return next(_pieces(*_bytes_of(path), as_written))


def read_scores(path: Path | str, as_written: bool = False) -> list[Piece]:
    """As `read_score`, every tune of the file; never empty."""
    return list(_pieces(*_bytes_of(path), as_written))


def parse_scores(data: bytes, name: str, as_written: bool = False) -> list[Piece]:
    """As `read_scores`, from the bytes of a file; ``name`` gives the format by its suffix."""
    return list(_pieces(data, name, as_written))


def _bytes_of(path: Path | str) -> tuple[bytes, str]:
    path = Path(path)
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1), path.name
    except OSError as error:
        raise ReadError(f"{path.name}: {error.strerror or error}") from None


def _pieces(data: bytes, name: str, as_written: bool) -> Iterator[Piece]:
    """The pieces of a file, read one by one; at least one, or ReadError."""
    name = Path(name).name
    form = SUFFIXES.get(Path(name).suffix.lower())
    if form is None:
        raise ReadError(f"{name}: unknown kind of score; use one of {', '.join(SUFFIXES)}")
    if len(data) > MAX_BYTES:
        raise ReadError(f"{name}: larger than {MAX_BYTES // 2**20} MiB")
    if not data.strip():
        raise ReadError(f"{name}: the file is empty")
    if form == "musicxml":
        found: Iterator[Piece] = iter([read_musicxml(name, musicxml_document(name, data), as_written)])
    elif form == "abc":
        found = _tunes(name, _text(name, data), as_written)
    else:
        found = iter([_kern(name, _text(name, data), as_written)])
    any_notes = False
    for piece in found:
        if any(part.notes for part in piece.parts):
            any_notes = True
            check_times(name, piece)
            yield piece
    if not any_notes:
        raise ReadError(f"{name}: no notes in it")


def _kern(name: str, text: str, as_written: bool) -> Piece:
    """A kern file's piece with its dynamics; where it lists the order of its sections, they sound in that order."""
    found = outline(text)
    ordered = bool(found.order) and not as_written
    piece = with_dynamics(parser.read(name, "humdrum", [("", text)], as_written or ordered), found)
    return as_it_sounds(piece, found) if ordered else piece


def _tunes(name: str, text: str, as_written: bool) -> Iterator[Piece]:
    """The tunes of an ABC file; one that cannot be read is skipped where another can."""
    failed: list[ReadError] = []
    read = 0
    budget = parser.Budget(len(text))
    for tune in abc_tunes.tunes(text):
        try:
            piece = parser.read(name, "abc", tune.voices, as_written, budget)
        except ReadError as error:
            failed.append(error)
            if len(failed) > 20 * (read + 1):
                break
            continue
        for part, shift in zip(piece.parts, tune.shifts, strict=False):
            part.notes = [replace(note, pitch=min(127, max(0, note.pitch + shift))) for note in part.notes]
        read += 1
        yield piece
    if failed and not read:
        raise failed[0]
    if failed:
        warnings.warn(f"{name}: skipped {len(failed)} tunes ({failed[0]})", ReadWarning, stacklevel=2)


def _text(name: str, data: bytes) -> str:
    """The text of an ABC or kern file."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    else:
        text = charset.decode(data, charset.detect([data])).removeprefix("\ufeff")
    longest = max(map(len, text.splitlines()), default=0)
    if longest > MAX_LINE:
        raise ReadError(f"{name}: a line of {longest:,} characters; at most {MAX_LINE:,} are read")
    return text


def musicxml_document(name: str, data: bytes) -> bytes:
    """The MusicXML document in a file, in UTF-8 and without its document type; ReadError where there is none."""
    if data[:4] == b"PK\x03\x04":
        data = _unzipped(name, data)
    data = _in_utf8(data)
    if re.search(rb"<!ENTITY", data, re.IGNORECASE):
        raise ReadError(f"{name}: declares XML entities, which are not accepted")
    data = re.sub(rb"^\s*<\?xml[^>]*\?>", b"", data, count=1)
    data = re.sub(rb"<!DOCTYPE[^\[>]{0,1000}(\[[^\]]{0,1000}\]\s*)?>", b"", data, count=1, flags=re.IGNORECASE)
    if not re.search(rb"<score-(partwise|timewise)[\s>]", data):
        raise ReadError(f"{name}: not MusicXML (no score-partwise or score-timewise in it)")
    return data


def _in_utf8(data: bytes) -> bytes:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").encode()
    data = data.removeprefix(b"\xef\xbb\xbf")
    declared = re.match(rb"\s*<\?xml[^>]{0,200}?encoding=[\"']([A-Za-z0-9._:-]{1,40})[\"']", data)
    for encoding in (declared[1].decode("ascii") if declared else "utf-8", "utf-8"):
        try:
            if not codecs.lookup(encoding).name.startswith(("utf-16", "utf-32", "utf-7", "idna", "punycode")):
                return data.decode(encoding).encode()
        except (LookupError, UnicodeError, ValueError):
            continue
    return charset.decode(data, charset.detect([data])).encode()


def _unzipped(name: str, data: bytes) -> bytes:
    """The score inside an MXL container."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            inner = ""
            if "META-INF/container.xml" in names:
                container = _member(name, archive, "META-INF/container.xml").decode("utf-8", "replace")
                root = re.search(r"full-path\s*=\s*[\"']([^\"']+)", container)
                inner = root[1] if root else ""
            if inner not in names:
                scores = [n for n in names if n.lower().endswith((".xml", ".musicxml")) and "META-INF" not in n]
                if not scores:
                    raise ReadError(f"{name}: no score in the MXL container")
                inner = scores[0]
            return _member(name, archive, inner)
    except ReadError:
        raise
    except Exception as error:  # zipfile and its decompressors raise a dozen kinds
        raise ReadError(f"{name}: damaged MXL container: {first_line(error)}") from None


def _member(name: str, archive: zipfile.ZipFile, inner: str) -> bytes:
    # Read no further than the limit: the size in a zip's directory may lie.
    with archive.open(inner) as member:
        data = member.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ReadError(f"{name}: more than {MAX_BYTES // 2**20} MiB when unpacked")
    return data
