import io
import zipfile

import pytest

from rnnmuse.errors import ReadError
from rnnmuse.music.scores import parse_scores

NOTE = "<note><pitch><step>{step}</step><octave>4</octave></pitch><duration>{length}</duration>{more}</note>"
HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<score-partwise version="4.0"><work><work-title>Test</work-title></work><part-list><score-part id="P1">
<part-name>Voice</part-name></score-part></part-list><part id="P1">"""
ATTRIBUTES = """<attributes><divisions>2</divisions><key><fifths>1</fifths><mode>major</mode></key>
<time><beats>3</beats><beat-type>4</beat-type></time><clef><sign>G</sign><line>2</line></clef></attributes>
<direction><direction-type><dynamics><f/></dynamics></direction-type></direction>
<direction><direction-type><metronome><beat-unit>quarter</beat-unit><per-minute>90</per-minute></metronome>
</direction-type><sound tempo="90"/></direction>
<harmony><root><root-step>G</root-step></root><kind>dominant</kind></harmony>"""


def note(step: str, length: int = 2, more: str = "") -> str:
    return NOTE.format(step=step, length=length, more=more)


def score(*measures: str) -> bytes:
    body = "".join(f'<measure number="{i}">{text}</measure>' for i, text in enumerate(measures, 1))
    return (HEAD + body + "</part></score-partwise>").encode()


TIE = '<tie type="{0}"/><notations><tied type="{0}"/></notations>'
LYRIC = '<lyric number="1"><syllabic>{0}</syllabic><text>{1}</text></lyric>'
SONG = score(
    ATTRIBUTES + note("G", 2, LYRIC.format("begin", "hal")) + note("A", 2, LYRIC.format("end", "lo"))
    + note("B", 2, TIE.format("start")),
    note("B", 2, TIE.format("stop")) + note("D", 4),
)  # fmt: skip


def test_musicxml_keeps_what_is_written():
    (piece,) = parse_scores(SONG, "song.musicxml")
    part = piece.parts[0]
    assert piece.title == "Test"
    assert [(n.start, n.pitch, n.duration, n.velocity) for n in part.notes] == [
        (0, 67, 1, 96), (1, 69, 1, 96), (2, 71, 2, 96), (4, 62, 2, 96),
    ]  # fmt: skip
    assert [(t.beat, t.bpm) for t in piece.tempos] == [(0, 90)]
    assert [(m.numerator, m.denominator) for m in piece.metres] == [(3, 4)]
    assert [(k.tonic, k.minor) for k in piece.keys] == [(7, False)]
    assert [(c.beat, c.text) for c in piece.chords] == [(0, "G7")]
    assert [(text.beat, text.text) for text in part.lyrics] == [(0, "hal-"), (1, "lo")]


def test_mxl_is_the_same_piece():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            "META-INF/container.xml", '<container><rootfiles><rootfile full-path="a.xml"/></rootfiles></container>'
        )
        archive.writestr("a.xml", SONG)
    assert parse_scores(buffer.getvalue(), "song.mxl") == parse_scores(SONG, "song.xml")


def test_abc_with_two_tunes():
    tunes = parse_scores(b"X:1\nT:One\nM:4/4\nL:1/4\nK:D\nDEFG|\n\nX:2\nT:Two\nM:3/4\nL:1/8\nK:Am\nA2B2c2|\n", "t.abc")
    assert [[n.pitch for n in tune.notes] for tune in tunes] == [[62, 64, 66, 67], [69, 71, 72]]
    assert [(m.numerator, m.denominator) for m in tunes[1].metres] == [(3, 4)]
    assert [(k.tonic, k.minor) for k in tunes[1].keys] == [(9, True)]


def test_kern():
    (piece,) = parse_scores(b"**kern\n*M4/4\n*k[f#]\n=1\n4g\n4a\n2b\n==\n*-\n", "t.krn")
    assert [(n.start, n.pitch, n.duration) for n in piece.notes] == [(0, 67, 1), (1, 69, 1), (2, 71, 2)]


def test_music21_reads_the_same_notes_that_we_do():
    from music21 import converter

    stream = converter.parse(SONG.decode(), format="musicxml").stripTies()
    want = sorted((float(n.getOffsetInHierarchy(stream)), n.pitch.midi) for n in stream.recurse().notes if n.isNote)
    (piece,) = parse_scores(SONG, "song.xml")
    assert [(n.start, n.pitch) for n in piece.notes] == want


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "a.xml"),
        (b"<html/>", "a.musicxml"),
        (SONG[: len(SONG) // 2], "a.xml"),
        (b"PK\x03\x04 broken", "a.mxl"),
        (score("<note/>"), "a.xml"),
        (score(""), "a.xml"),
        (b"\xff\xfe\x00", "a.abc"),
        (b"**kern\n4g\t4a\n", "a.krn"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + SONG, "a.xml"),
    ],
)
def test_damage_gets_one_line(data, name):
    with pytest.raises(ReadError) as caught:
        parse_scores(data, name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_upbeat_and_slurs_are_kept():
    from music21 import meter, note, spanner, stream
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    part = stream.Part()
    upbeat = stream.Measure(number=0)
    upbeat.paddingLeft = 2.0
    upbeat.append([meter.TimeSignature("3/4"), note.Note("G4", quarterLength=1)])
    bar = stream.Measure(number=1)
    notes = [note.Note(name, quarterLength=1) for name in ("A4", "B4", "C5")]
    bar.append(notes)
    part.append([upbeat, bar])
    part.insert(0, spanner.Slur(notes[0], notes[2]))
    score = stream.Score([part])
    piece = parse_scores(GeneralObjectExporter(score).parse(), "upbeat.musicxml")[0]
    assert piece.pickup == 1.0
    assert piece.parts[0].slurs == [(1.0, 3.0)]
