"""Pieces to MusicXML, with their words under the notes; written with music21 (the train extra).

A syllable goes under its note as ``single``, ``begin``, ``middle`` or ``end`` of a word; notes that hold a syllable are
slurred to it and its line of extension is drawn, as in the MusicXML 4.0 specification's ``lyric`` and ``extend``.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rnnmuse.errors import MissingExtraError
from rnnmuse.music.piece import Part, Piece

HELD = "_"
GRID = 24


def write_musicxml(piece: Piece, path: Path | str) -> None:
    """Write the pitched parts of ``piece``; beats are rounded to 24ths. OSError where it cannot be written."""
    Path(path).write_bytes(musicxml_bytes(piece))


def musicxml_bytes(piece: Piece) -> bytes:
    """The bytes `write_musicxml` writes. MissingExtraError without music21."""
    try:
        from music21 import metadata, stream
        from music21.musicxml.m21ToXml import GeneralObjectExporter
    except ImportError:
        raise MissingExtraError("writing MusicXML", "scores") from None
    score = stream.Score()
    score.metadata = metadata.Metadata(title=piece.title or "Song")
    for part in piece.parts:
        if part.notes and not part.drum:
            score.insert(0, _part(piece, part))
    xml: bytes = GeneralObjectExporter(score).parse()
    return _extended(xml)


def _beat(value: float) -> Fraction:
    return Fraction(round(value * GRID), GRID)


def _part(piece: Piece, part: Part) -> Any:
    from music21 import chord, instrument, key, meter, note, spanner, stream, tempo

    out = stream.Part()
    out.partName = part.name or "Voice"
    player = instrument.Instrument(out.partName)
    player.midiProgram = part.program
    out.insert(0, player)
    for metre in piece.metres or []:
        out.insert(_beat(metre.beat), meter.TimeSignature(f"{metre.numerator}/{metre.denominator}"))
    for mark in piece.tempos:
        out.insert(_beat(mark.beat), tempo.MetronomeMark(number=round(mark.bpm, 1)))
    for one in piece.keys:
        fifths = ((one.tonic + (3 if one.minor else 0)) * 7 + 5) % 12 - 5
        out.insert(_beat(one.beat), key.KeySignature(fifths))
    words = {_beat(lyric.beat): lyric.text for lyric in part.lyrics}
    by_start: dict[Fraction, list[Any]] = {}
    for sounded in part.notes:
        by_start.setdefault(_beat(sounded.start), []).append(sounded)
    going_on = False
    carrying: Any = None
    slur: Any = None
    starts = sorted(by_start)
    for position, start in enumerate(starts):
        group = by_start[start]
        end = max(_beat(n.end) for n in group)
        if position + 1 < len(starts):
            end = min(end, starts[position + 1])
        length = max(end - start, Fraction(1, GRID))
        pitches = sorted({n.pitch for n in group})
        element = note.Note(pitches[0]) if len(pitches) == 1 else chord.Chord(pitches)
        element.quarterLength = length
        text = words.get(start, "")
        if text == HELD and carrying is not None:
            if slur is None:
                slur = spanner.Slur(carrying)
                out.insert(0, slur)
            slur.addSpannedElements(element)
        elif text and text != HELD:
            more = text.endswith("-") and len(text) > 1
            kind = ("middle" if more else "end") if going_on else ("begin" if more else "single")
            element.lyrics.append(note.Lyric(text[:-1] if more else text, syllabic=kind, applyRaw=True))
            going_on, carrying, slur = more, element, None
        out.insert(start, element)
    return out.makeNotation()


def _extended(xml: bytes) -> bytes:
    """With a line of extension after each syllable that is held over more notes: those that a slur begins on."""
    root = ElementTree.fromstring(xml)
    for sounded in root.iter("note"):
        lyric = sounded.find("lyric")
        begins = any(slur.get("type") == "start" for slur in sounded.iter("slur"))
        if lyric is not None and begins and lyric.find("extend") is None:
            ElementTree.SubElement(lyric, "extend")
    head = b'<?xml version="1.0" encoding="utf-8"?>\n'
    kind = (
        b'<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
        b'"http://www.musicxml.org/dtds/partwise.dtd">\n'
    )
    body: bytes = ElementTree.tostring(root, "utf-8")
    return head + kind + body
