"""Scores to pieces: MusicXML (plain or zipped), ABC and kern, read with music21.

music21 comes with the ``train`` extra and is imported only when a score is read. Repeats are not expanded, except
in kern files that list the order of their sections: a piece holds the bars as written. Pitches are as they sound.
Nothing outside the file is ever fetched: document types are dropped and entity declarations refused.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rnnmuse.errors import MissingExtraError, ReadError
from rnnmuse.events import Lyric, Note
from rnnmuse.music.kern import as_it_sounds, outline, with_dynamics
from rnnmuse.music.piece import ChordSymbol, Key, Metre, Part, Piece, Tempo
from rnnmuse.music.theory import estimate_key, parse_chord

SUFFIXES = {".xml": "musicxml", ".musicxml": "musicxml", ".mxl": "musicxml", ".abc": "abc", ".krn": "humdrum"}
"""File suffixes that `read_score` reads, and what music21 calls their format."""

MAX_BYTES = 64 * 1024 * 1024
MAX_NOTES = 500_000

_VELOCITIES = {
    "pppp": 12,
    "ppp": 20,
    "pp": 33,
    "p": 49,
    "mp": 64,
    "mf": 80,
    "f": 96,
    "ff": 112,
    "fff": 124,
    "ffff": 127,
}
_KINDS = {
    "major": "",
    "minor": "m",
    "augmented": "aug",
    "diminished": "dim",
    "dominant": "7",
    "dominant-seventh": "7",
    "major-seventh": "maj7",
    "minor-major": "mmaj7",
    "minor-major-seventh": "mmaj7",
    "major-minor": "mmaj7",
    "minor-seventh": "m7",
    "augmented-major-seventh": "maj7#5",
    "augmented-seventh": "7#5",
    "half-diminished": "m7b5",
    "half-diminished-seventh": "m7b5",
    "diminished-seventh": "dim7",
    "seventh-flat-five": "7b5",
    "major-sixth": "6",
    "minor-sixth": "m6",
    "major-ninth": "maj9",
    "dominant-ninth": "9",
    "minor-major-ninth": "mmaj9",
    "minor-ninth": "m9",
    "augmented-dominant-ninth": "7#5",
    "half-diminished-ninth": "m7b5",
    "diminished-ninth": "dim7",
    "dominant-11th": "11",
    "major-11th": "maj11",
    "minor-11th": "m11",
    "dominant-13th": "13",
    "major-13th": "maj13",
    "minor-13th": "m13",
    "suspended-second": "sus2",
    "suspended-fourth": "sus4",
    "suspended-fourth-seventh": "7sus4",
    "power": "5",
}


def read_score(path: Path | str) -> Piece:
    """Read a score; of an ABC file with several tunes the first one.

    Each part of the score becomes a part of the piece (the staves of a piano share the name). Tied notes are
    one note, grace notes are left out. Velocities follow the written dynamics, 80 without any.

    Raises:
        ReadError: not a score, damaged, larger than 64 MiB, or with entity declarations.
        MissingExtraError: music21 is not installed.
    """
    return read_scores(path)[0]


def read_scores(path: Path | str) -> list[Piece]:
    """As `read_score`, every tune of the file; never empty."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ReadError(f"{path.name}: larger than {MAX_BYTES // 2**20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise ReadError(f"{path.name}: {error.strerror or error}") from None
    return parse_scores(data, path.name)


def parse_scores(data: bytes, name: str) -> list[Piece]:
    """As `read_scores`, from the bytes of a file; ``name`` gives the format by its suffix."""
    name = Path(name).name
    form = SUFFIXES.get(Path(name).suffix.lower())
    if form is None:
        raise ReadError(f"{name}: unknown kind of score; use one of {', '.join(SUFFIXES)}")
    text = _xml_text(name, data) if form == "musicxml" else _decoded(data)
    if not text.strip():
        raise ReadError(f"{name}: the file is empty")
    pieces = [_piece(name, score, form, text) for score in _music21_scores(name, text, form)]
    if form == "humdrum" and len(pieces) == 1:
        found = outline(text)
        pieces = [as_it_sounds(with_dynamics(pieces[0], found), found)]
    pieces = [piece for piece in pieces if any(part.notes for part in piece.parts)]
    if not pieces:
        raise ReadError(f"{name}: no notes in it")
    return pieces


def _music21_scores(name: str, text: str, form: str) -> list[Any]:
    try:
        from music21 import converter
    except ImportError:
        raise MissingExtraError("reading scores", "scores") from None
    logging.getLogger("music21").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            stream = converter.parseData(text, format=form)
        except Exception as error:  # music21 raises whatever its parsers meet
            raise ReadError(f"{name}: {_first_line(error)}") from None
    scores = getattr(stream, "scores", None) if "Opus" in stream.classes else None
    return list(scores) if scores is not None else [stream]


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _decoded(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    declared = re.match(rb"\s*<\?xml[^>]*encoding=[\"']([A-Za-z0-9._-]+)", data)
    for encoding in ([declared[1].decode("ascii")] if declared else []) + ["utf-8-sig"]:
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except (LookupError, UnicodeDecodeError):
            continue
    return data.decode("latin-1")


def _xml_text(name: str, data: bytes) -> str:
    if data[:4] == b"PK\x03\x04":
        data = _unzipped(name, data)
    text = _decoded(data)
    if re.search(r"<!ENTITY", text, re.IGNORECASE):
        raise ReadError(f"{name}: declares XML entities, which are not accepted")
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)
    text = re.sub(r"<!DOCTYPE[^\[>]*(\[[^\]]*\]\s*)?>", "", text, count=1, flags=re.IGNORECASE)
    if not re.search(r"<score-(partwise|timewise)[\s>]", text):
        raise ReadError(f"{name}: not MusicXML (no score-partwise or score-timewise in it)")
    return text


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
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ReadError(f"{name}: {_first_line(error)}") from None


def _member(name: str, archive: zipfile.ZipFile, inner: str) -> bytes:
    # read no further than the limit: the size in a zip's directory may lie
    with archive.open(inner) as member:
        data = member.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ReadError(f"{name}: more than {MAX_BYTES // 2**20} MiB when unpacked")
    return data


def _piece(name: str, score: Any, form: str, text: str) -> Piece:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if form == "musicxml" and "<transpose" in text:
                score = score.toSoundingPitch()
            return _converted(score)
    except ReadError:
        raise
    except Exception as error:
        raise ReadError(f"{name}: {_first_line(error)}") from None


def _converted(score: Any) -> Piece:
    piece = Piece(title=_title(score))
    tempos: dict[float, Tempo] = {}
    metres: dict[float, Metre] = {}
    chords: dict[float, ChordSymbol] = {}
    signatures: dict[float, Any] = {}
    dynamics: dict[str, dict[float, int]] = {}
    held: list[tuple[Part, list[Any]]] = []
    total = 0
    for stream in list(score.parts) if "Score" in score.classes else [score]:
        part = Part()
        sounding: list[Any] = []
        own_signatures: dict[float, Any] = {}
        marks: dict[float, int] = {}
        for element in stream.flatten():
            kinds = element.classSet
            beat = float(element.offset)
            if "ChordSymbol" in kinds:
                symbol = _chord_text(element)
                if symbol:
                    chords.setdefault(beat, ChordSymbol(beat, symbol))
            elif "NotRest" in kinds:
                if not element.duration.isGrace:
                    sounding.append(element)
            elif "MetronomeMark" in kinds:
                _add_tempo(tempos, element, beat)
            elif "TimeSignature" in kinds:
                if element.numerator and element.denominator:
                    metres.setdefault(beat, Metre(beat, int(element.numerator), int(element.denominator)))
            elif "KeySignature" in kinds:
                own_signatures.setdefault(beat, element)
            elif "Dynamic" in kinds:
                if element.value in _VELOCITIES:
                    marks[beat] = _VELOCITIES[element.value]
            elif "Instrument" in kinds:
                _set_instrument(part, element)
        part.name = str(stream.partName or part.name or "")
        first = stream.getElementsByClass("Measure").first()
        piece.pickup = max(piece.pickup, _pickup(first) if first is not None else 0.0)
        dynamics.setdefault(part.name or str(len(held)), {}).update(marks)
        signatures = signatures or own_signatures
        total += len(sounding)
        if total > MAX_NOTES:
            raise ReadError(f"more than {MAX_NOTES:,} notes")
        held.append((part, sounding))
    for index, (part, sounding) in enumerate(held):
        _fill(part, sounding, sorted(dynamics[part.name or str(index)].items()))
    piece.parts = [part for part, _ in held]
    piece.tempos = [tempos[beat] for beat in sorted(tempos)]
    piece.metres = [metres[beat] for beat in sorted(metres)]
    piece.chords = [chords[beat] for beat in sorted(chords)]
    piece.keys = _keys(signatures, piece.notes)
    return piece


def _pickup(measure: Any) -> float:
    """Length of a first bar that is only the end of one, else 0."""
    signature = measure.timeSignature
    length = float(measure.highestTime)
    short = signature is not None and 0 < length < float(signature.barDuration.quarterLength) - 1e-6
    return length if short else 0.0


def _title(score: Any) -> str:
    metadata = score.metadata
    if metadata is None:
        return ""
    title = metadata.title or metadata.movementName or ""
    return " ".join(str(title).split())


def _set_instrument(part: Part, instrument: Any) -> None:
    if instrument.midiProgram is not None and not part.program:
        part.program = max(0, min(127, int(instrument.midiProgram)))
    part.name = part.name or str(instrument.instrumentName or "")
    if "UnpitchedPercussion" in instrument.classSet or instrument.midiChannel == 9:
        part.drum = True


def _add_tempo(tempos: dict[float, Tempo], mark: Any, beat: float) -> None:
    bpm = mark.getQuarterBPM()
    if bpm and 5 <= bpm <= 1000 and (beat not in tempos or not mark.numberImplicit):
        tempos[beat] = Tempo(beat, round(float(bpm), 3))


def _fill(part: Part, sounding: list[Any], dynamics: list[tuple[float, int]]) -> None:
    """Put the notes and syllables of ``sounding`` into ``part``, with ties merged."""
    notes: list[Note] = []
    open_ties: dict[int, list[int]] = {}
    slurs: dict[int, float] = {}
    mark = 0
    velocity = 80
    for element in sounding:
        start, length = float(element.offset), float(element.duration.quarterLength)
        while mark < len(dynamics) and dynamics[mark][0] <= start:
            velocity = dynamics[mark][1]
            mark += 1
        if length <= 0:
            continue
        for note in element.notes if "ChordBase" in element.classSet else [element]:
            pitch = _pitch(note, part)
            if not 0 <= pitch <= 127:
                continue
            tie = note.tie.type if note.tie is not None else None
            if tie in ("stop", "continue"):
                waiting = open_ties.get(pitch, [])
                found = next((i for i in waiting if abs(notes[i].end - start) < 1e-3), None)
                if found is not None:
                    first = notes[found]
                    notes[found] = Note(first.start, pitch, start + length - first.start, first.velocity)
                    if tie == "stop":
                        waiting.remove(found)
                    continue
            notes.append(Note(start, pitch, length, velocity))
            if tie in ("start", "continue"):
                open_ties.setdefault(pitch, []).append(len(notes) - 1)
        _add_lyric(part, element, start)
        for slur in element.getSpannerSites("Slur"):
            if slur.isFirst(element):
                slurs[id(slur)] = start
            elif slur.isLast(element) and id(slur) in slurs:
                part.slurs.append((slurs.pop(id(slur)), start))
    part.slurs.sort()
    part.notes = sorted(notes)
    part.lyrics.sort()


def _pitch(note: Any, part: Part) -> int:
    if "Unpitched" not in note.classSet:
        return int(note.pitch.midi)
    part.drum = True
    instrument = note.storedInstrument
    mapped = getattr(instrument, "percMapPitch", None)
    return int(mapped) if mapped is not None else 38


def _add_lyric(part: Part, element: Any, beat: float) -> None:
    verses = [lyric for lyric in element.lyrics if lyric.number == 1]
    if not verses or not verses[0].text:
        return
    text = " ".join(str(verses[0].text).split())
    if text:
        hyphen = "-" if verses[0].syllabic in ("begin", "middle") else ""
        part.lyrics.append(Lyric(beat, text + hyphen))


def _spelled(pitch: Any) -> str:
    return str(pitch.name).replace("-", "b")


def _chord_text(symbol: Any) -> str:
    """A music21 chord symbol as in a lead sheet, or '' if it cannot be told."""
    if "NoChord" in symbol.classSet:
        return "N.C."
    root = symbol.root()
    if root is None:
        return ""
    suffix = _KINDS.get(str(symbol.chordKind))
    if suffix is None:
        return ""
    bass = symbol.bass()
    below = f"/{_spelled(bass)}" if bass is not None and bass.name != root.name else ""
    altered = "".join(_alteration(step) for step in symbol.chordStepModifications)
    for body in (suffix + altered, suffix):
        text = _spelled(root) + body + below
        try:
            parse_chord(text)
        except ValueError:
            continue
        return text
    return ""


def _alteration(step: Any) -> str:
    semitones = int(step.interval.semitones) if step.interval is not None else 0
    if step.modType == "subtract":
        return f"no{step.degree}"
    if semitones == 0:
        return f"add{step.degree}"
    return ("#" if semitones > 0 else "b") + str(step.degree)


def _keys(signatures: dict[float, Any], notes: Iterable[Note]) -> list[Key]:
    """Keys of the signatures; where one states no mode the notes under it decide between its two keys."""
    found: list[Key] = []
    every = list(notes)
    beats = sorted(signatures)
    for index, beat in enumerate(beats):
        signature = signatures[beat]
        sharps = max(-7, min(7, int(signature.sharps or 0)))
        major, minor = sharps * 7 % 12, (sharps * 7 + 9) % 12
        mode = getattr(signature, "mode", None)
        if mode is None:
            until = beats[index + 1] if index + 1 < len(beats) else float("inf")
            region = [note for note in every if beat <= note.start < until]
            is_minor = bool(region) and _leans_minor(region, major, minor)
        else:
            is_minor = mode == "minor"
        if mode in (None, "major", "minor"):
            tonic = minor if is_minor else major
        else:
            tonic = int(signature.tonic.pitchClass)
            is_minor = mode in ("dorian", "phrygian", "aeolian", "locrian")
        if not found or (found[-1].tonic, found[-1].minor) != (tonic, is_minor):
            found.append(Key(beat, tonic, is_minor))
    return found


def _leans_minor(notes: list[Note], major: int, minor: int) -> bool:
    guess = estimate_key(notes)
    if (guess.tonic, guess.minor) in ((major, False), (minor, True)):
        return guess.minor
    end = max(note.end for note in notes)
    return min(note.pitch for note in notes if note.end > end - 0.01) % 12 == minor
