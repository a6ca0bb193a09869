# ruff: noqa: E501  # tables of cases
"""Pieces as notation: what is written is what was meant, and other programs read the same notes."""

import io
import re
import warnings
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from rnnmuse.events import Note
from rnnmuse.music.chordtext import harmony_of
from rnnmuse.music.midi import midi_bytes, read_midi
from rnnmuse.music.musicxml import musicxml_bytes, spelled, write_musicxml
from rnnmuse.music.piece import ChordSymbol, Key, Metre, Part, Piece
from rnnmuse.music.read import read_music
from rnnmuse.music.scores import parse_scores
from rnnmuse.music.theory import parse_chord

ROOT = Path(__file__).parents[2]
SONG = ROOT / "rnnmuse" / "music" / "data" / "schumann.mid"


def notes_of(piece: Piece) -> list[tuple[int, int]]:
    return sorted((round(n.start * 24), n.pitch) for n in piece.notes)


def written(piece: Piece) -> ET.Element:
    return ET.fromstring(re.sub(rb"<!DOCTYPE[^>]*>", b"", musicxml_bytes(piece)))


def values(root: ET.Element) -> list[str]:
    """Each note or rest as its value: ``quarter``, ``eighth.``, ``r16th``, ``eighth3`` for a triplet, ``~`` for a tie."""
    out = []
    for note in root.iter("note"):
        text = (
            ("r" if note.find("rest") is not None else "")
            + (note.findtext("type") or "bar")
            + "." * len(note.findall("dot"))
        )
        text += "3" if note.find("time-modification") is not None else ""
        out.append(text + ("~" if any(tie.get("type") == "start" for tie in note.findall("tie")) else ""))
    return out


def line(*spans: tuple[float, float], metre: tuple[int, int] = (4, 4)) -> Piece:
    return Piece(
        [Part("x", 40, notes=[Note(s, 72, e - s) for s, e in spans])], metres=[Metre(0, *metre)], keys=[Key(0, 0)]
    )


@pytest.mark.parametrize(
    ("piece", "want"),
    [
        (line((0, 4)), ["whole"]),
        (line((0, 1), (1, 2), (2, 4)), ["quarter", "quarter", "half"]),
        (line((0, 1.5), (1.5, 2), (2, 4)), ["quarter.", "eighth", "half"]),
        (line((0, 0.5), (0.5, 1.5), (1.5, 2), (2, 4)), ["eighth", "quarter", "eighth", "half"]),
        (line((0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1), (1, 4)), ["eighth3", "eighth3", "eighth3", "half."]),
        (line((3, 5), (5, 8)), ["rhalf.", "quarter~", "quarter", "half."]),
        (line((0, 1.5), (1.5, 3), metre=(6, 8)), ["quarter.", "quarter."]),
        (line((0, 3), metre=(3, 4)), ["half."]),
        (line((0, 0.75), (0.75, 1), (1, 2), metre=(2, 4)), ["eighth.", "16th", "quarter"]),
    ],
)  # fmt: skip
def test_note_values_are_those_a_person_writes(piece, want):
    assert values(written(piece)) == want


def test_human_timing_is_written_on_the_beat():
    played = line((0.02, 0.93), (1.015, 1.48), (1.49, 1.9), (1.985, 3.9))
    assert values(written(played)) == ["quarter", "eighth", "eighth", "half"]


def test_beams_join_the_notes_of_a_beat():
    root = written(line(*((i / 4, i / 4 + 0.25) for i in range(8)), (2, 4)))
    beams = [note.findtext("beam[@number='1']") for note in root.iter("note")]
    assert beams == ["begin", "continue", "continue", "end"] * 2 + [None]


def test_a_piano_is_written_on_two_staves_with_voices():
    notes = [Note(0, 76, 4), Note(0, 60, 2), Note(2, 62, 2), Note(0, 36, 4)]
    root = written(Piece([Part("Piano", 0, notes=sorted(notes))]))
    assert root.findtext(".//staves") == "2"
    assert [(clef.findtext("sign"), clef.get("number")) for clef in root.iter("clef")] == [("G", "1"), ("F", "2")]
    for staff in ("1", "2"):
        lengths = Counter()
        for note in root.iter("note"):
            if note.findtext("staff") == staff and note.find("chord") is None:
                lengths[note.findtext("voice")] += int(note.findtext("duration"))
        assert set(lengths.values()) == {4 * 480}


def test_every_pitch_keeps_its_sound_in_every_key():
    for fifths in range(-7, 8):
        for pitch in range(12, 120):
            step, alter, octave = spelled(pitch, fifths, minor=fifths % 2 == 0)
            assert 12 * (octave + 1) + {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}[step] + alter == pitch
    assert spelled(66, 1)[:2] == ("F", 1)
    assert spelled(70, -2)[:2] == ("B", -1)
    assert spelled(68, 0, minor=True)[:2] == ("G", 1)


@pytest.mark.parametrize(
    "text", ["C", "Am7", "F#m7b5", "Bb7#9", "G7sus4", "C/E", "Ebmaj7#11", "N.C.", "E7#5#9", "C7alt", "Dm6", "Aaug", "F69", "Cadd9"]
)  # fmt: skip
def test_chord_symbols_come_back(text):
    piece = Piece([Part("x", 40, notes=[Note(0, 60, 4)])], chords=[ChordSymbol(0, text)])
    (back,) = parse_scores(musicxml_bytes(piece), "a.xml")
    assert [parse_chord(chord.text) for chord in back.chords] == [parse_chord(text)]
    assert harmony_of(text) is not None


def pieces() -> list[Path]:
    cases = sorted((ROOT / "tests" / "cases").glob("*.m*"))
    return [
        SONG,
        *(path for path in cases if path.stem not in ("c5_far_39999", "mut1114", "flip0", "lzbad", "enc_undefined")),
    ]


@pytest.mark.parametrize("path", pieces(), ids=lambda path: path.name)
@pytest.mark.filterwarnings("ignore::rnnmuse.errors.ReadWarning")
def test_our_notation_holds_every_note(path, tmp_path):
    piece = read_music(path)
    write_musicxml(piece, tmp_path / "a.mxl")
    back = read_music(tmp_path / "a.mxl")
    assert notes_of(back) == notes_of(piece)
    assert back.bar_starts(back.end)[:20] == piece.bar_starts(piece.end)[:20]
    assert back.pickup == piece.pickup


def test_music21_reads_the_same_notes_from_our_notation():
    music21 = pytest.importorskip("music21")
    piece = read_midi(SONG)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score = music21.converter.parseData(musicxml_bytes(piece).decode(), format="musicxml")
    found = sorted(
        (round(float(element.getOffsetInHierarchy(score)) * 24), pitch.midi)
        for element in score.recurse().notes
        for pitch, tie in ((n.pitch, n.tie) for n in (element.notes if element.isChord else [element]))
        if tie is None or tie.type == "start"
    )
    assert found == notes_of(piece)


@pytest.mark.filterwarnings("ignore")
def test_pretty_midi_reads_the_same_notes_from_our_midi():
    pretty_midi = pytest.importorskip("pretty_midi")
    piece = read_midi(SONG)
    theirs = pretty_midi.PrettyMIDI(io.BytesIO(midi_bytes(piece)))
    found = sorted((n.pitch, n.velocity, round(n.start, 3)) for i in theirs.instruments for n in i.notes)
    assert found == sorted((n.pitch, n.velocity, round(piece.seconds_at(n.start), 3)) for n in piece.notes)
