# ruff: noqa: E501  # tables of cases
"""Kinds of scores that readers get wrong: a case of each in tests/cases, and more of its kind made here."""

import io
import warnings
import zipfile
from pathlib import Path

import pytest

from rnnmuse.compose.infill import bar_span
from rnnmuse.errors import ReadError, ReadWarning
from rnnmuse.music.read import read_music
from rnnmuse.music.repeats import BarMarks, sounding_order
from rnnmuse.music.scores import parse_scores, read_score

CASES = Path(__file__).parents[1] / "cases"
LETTERS = "CDEFGAB"
PITCH = dict(zip(LETTERS, (60, 62, 64, 65, 67, 69, 71), strict=True))


def note(step: str, length: int = 4, more: str = "", octave: int = 4, head: str = "") -> str:
    return (
        f"<note>{head}<pitch><step>{step}</step><octave>{octave}</octave></pitch><duration>{length}</duration>"
        f"<voice>1</voice>{more}</note>"
    )


def bar(number: int, body: str, left: str = "", right: str = "", about: str = "") -> str:
    first = "<attributes><divisions>4</divisions><time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
    left = f'<barline location="left">{left}</barline>' if left else ""
    right = f'<barline location="right">{right}</barline>' if right else ""
    return f'<measure number="{number}" {about}>{first if number == 1 else ""}{left}{body}{right}</measure>'


def score(*bars: str, part: str = "", head: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?><score-partwise version="4.0">{head}<part-list><score-part id="P1"><part-name>One'
        f'</part-name>{part}</score-part></part-list><part id="P1">{"".join(bars)}</part></score-partwise>'
    ).encode()


def heard(data: bytes, as_written: bool = False) -> str:
    """The bars of a score of whole notes as letters."""
    (piece,) = parse_scores(data, "a.musicxml", as_written)
    names = {pitch: letter for letter, pitch in PITCH.items()}
    return "".join(names[n.pitch] for n in piece.notes)


def whole(letters: str, **marks: tuple[str, str]) -> bytes:
    bars = []
    for index, letter in enumerate(letters, 1):
        left, right = marks.get(f"b{index}", ("", ""))
        extra = left if left.startswith("<direction") else ""
        tail = right if right.startswith("<direction") else ""
        bars.append(bar(index, extra + note(letter, 16) + tail, "" if extra else left, "" if tail else right))
    return score(*bars)


BACK, FORTH = '<repeat direction="backward"/>', '<repeat direction="forward"/>'


def ending(number: str, kind: str, more: str = "") -> str:
    return f'<ending number="{number}" type="{kind}"/>{more}'


def sound(attributes: str) -> str:
    return f"<direction><direction-type><words>x</words></direction-type><sound {attributes}/></direction>"


# -- pickups --------------------------------------------------------------------------------------------------


def test_a_pickup_moves_the_bar_lines():
    piece = read_music(CASES / "pickup.musicxml")
    assert piece.pickup == 1.0
    assert piece.bar_starts(8) == [0, 1, 4, 7]
    assert bar_span(piece, 1, 1) == (1.0, 4.0)
    assert piece.first_bar == 0
    with pytest.raises(ValueError, match="the piece ends before bar 9"):
        bar_span(piece, 9, 9)


@pytest.mark.parametrize("length", [2, 4, 6, 12])
def test_pickups_of_other_lengths(length):
    data = score(bar(1, note("C", length), about='implicit="yes"'), bar(2, note("D", 16)), bar(3, note("E", 16)))
    (piece,) = parse_scores(data, "a.xml")
    assert piece.pickup == length / 4
    assert piece.bar_starts(piece.end) == [0, length / 4, length / 4 + 4]


def test_a_pickup_survives_midi():
    from rnnmuse.music.midi import midi_bytes, read_midi

    piece = read_music(CASES / "pickup.musicxml")
    back = read_midi(midi_bytes(piece))
    assert (back.pickup, back.metres, back.bar_starts(12)) == (1.0, piece.metres, piece.bar_starts(12))


def test_a_bar_split_by_a_repeat_stays_one_bar():
    data = score(
        bar(1, note("C", 4), about='implicit="yes"'), bar(2, note("D", 16)),
        bar(3, note("E", 12), right=BACK, about='implicit="yes"'), bar(4, note("F", 4), about='implicit="yes"'), bar(5, note("G", 16)),
    )  # fmt: skip
    (piece,) = parse_scores(data, "a.xml")
    assert [n.start for n in piece.notes] == [0, 1, 5, 8, 9, 13, 16, 17]
    assert [line for line in (1, 5, 9, 13, 17) if line not in piece.bar_starts(20)] == []


# -- repeats --------------------------------------------------------------------------------------------------


def test_the_case_sounds_as_it_is_played_and_stays_as_written_on_demand():
    assert [n.pitch for n in read_score(CASES / "repeats.musicxml").notes][::4] == [60, 62, 60, 64, 65]
    assert [n.pitch for n in read_score(CASES / "repeats.musicxml", as_written=True).notes][::4] == [60, 62, 64, 65]


@pytest.mark.parametrize(
    ("data", "want"),
    [
        (whole("CD", b2=("", BACK)), "CDCD"),
        (whole("CDE", b2=(FORTH, BACK)), "CDDE"),
        (whole("CDEF", b2=("", BACK), b3=(FORTH, BACK)), "CDCDEEF"),
        (whole("CD", b2=("", '<repeat direction="backward" times="3"/>')), "CDCDCD"),
        (whole("CDE", b2=(ending("1", "start"), ending("1", "stop", BACK)), b3=(ending("2", "start"), ending("2", "stop"))), "CDCE"),
        (whole("CDE", b2=(ending("1, 2", "start"), ending("1, 2", "stop", BACK)), b3=(ending("3", "start"), ending("3", "discontinue"))), "CDCDCE"),
        (whole("CDE", b1=("", sound('fine="yes"')), b3=("", sound('dacapo="yes"'))), "CDEC"),
        (whole("CDE", b2=(sound('segno="1"'), ""), b3=("", sound('dalsegno="1"'))), "CDEDE"),
        (whole("CDEF", b2=("", sound('tocoda="1"')), b3=("", sound('dacapo="yes"')), b4=(sound('coda="1"'), "")), "CDECDF"),
        (whole("CDE", b2=("", BACK), b3=("", sound('dacapo="yes"'))), "CDCDECDE"),
        (whole("CDE", b3=("", "<direction><direction-type><words>D.C. al Fine</words></direction-type></direction>"),
               b1=("", "<direction><direction-type><words>Fine</words></direction-type></direction>")), "CDEC"),
    ],
)  # fmt: skip
def test_repeats_endings_and_jumps(data, want):
    assert heard(data) == want
    assert heard(data, as_written=True) == "".join(dict.fromkeys(want)) or len(set(want)) == len(want)


def test_marks_without_sense_end_all_the_same():
    marks = [BarMarks(backward=99, dal_segno=True, to_coda=True, coda=True, forward=i % 2 == 0) for i in range(60)]
    assert len(sounding_order(marks)) < 5000
    assert sounding_order([BarMarks(ending=(7,), backward=2)]) == []


def test_musescore_plays_the_same_bars(tmp_path):
    import shutil
    import subprocess

    program = shutil.which("mscore3") or shutil.which("musescore3")
    if program is None:
        pytest.skip("MuseScore is not installed")
    data = whole("CDEFG", b2=(ending("1", "start"), ending("1", "stop", BACK)), b3=(ending("2", "start"), ending("2", "stop")), b5=("", sound('dacapo="yes"')))  # fmt: skip
    (tmp_path / "a.musicxml").write_bytes(data)
    subprocess.run([program, "-o", str(tmp_path / "a.mid"), str(tmp_path / "a.musicxml")], capture_output=True, timeout=120,
                   env={"QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=False)  # fmt: skip
    assert [n.pitch for n in read_music(tmp_path / "a.mid").notes] == [PITCH[letter] for letter in heard(data)]


# -- what sounds otherwise than it is written -------------------------------------------------------------------


def test_each_drum_has_its_own_note():
    piece = read_music(CASES / "drumset.musicxml")
    assert [n.pitch for n in piece.notes] == [36, 38, 42, 38]
    assert piece.parts[0].drum


@pytest.mark.parametrize(
    ("name", "want"), [("Closed Hi-Hat", 42), ("Kleine Trommel", 38), ("Ride Bell", 53), ("Cowbell", 56)]
)
def test_drums_are_known_by_name_where_no_number_is_given(name, want):
    part = f'<score-instrument id="I1"><instrument-name>{name}</instrument-name></score-instrument>'
    data = score(bar(1, '<note><unpitched/><duration>16</duration><instrument id="I1"/></note>'), part=part)
    assert parse_scores(data, "a.xml")[0].notes[0].pitch == want


@pytest.mark.parametrize(
    ("chromatic", "octaves", "want"), [(-2, 0, 58), (-9, 0, 51), (3, 0, 63), (0, -1, 48), (-2, -1, 46)]
)
def test_transposing_instruments_sound(chromatic, octaves, want):
    more = f"<attributes><transpose><chromatic>{chromatic}</chromatic><octave-change>{octaves}</octave-change></transpose></attributes>"
    assert parse_scores(score(bar(1, more + note("C", 16))), "a.xml")[0].notes[0].pitch == want


def test_octave_lines_change_nothing_that_sounds():
    more = '<direction><direction-type><octave-shift type="down" size="8"/></direction-type></direction>'
    assert parse_scores(score(bar(1, more + note("C", 16, octave=6))), "a.xml")[0].notes[0].pitch == 84


def test_grace_notes_come_before_their_note():
    grace = '<note><grace slash="yes"/><pitch><step>D</step><octave>4</octave></pitch><voice>1</voice></note>'
    (piece,) = parse_scores(score(bar(1, note("C", 8) + grace + note("E", 8))), "a.xml")
    assert [(n.start, n.pitch) for n in piece.notes] == [(0, 60), (1.875, 62), (2, 64)]


def test_tuplets_are_as_long_as_they_are():
    data = score(
        bar(
            1,
            "<attributes><divisions>6</divisions></attributes>"
            + note("C", 2)
            + note("D", 2)
            + note("E", 2)
            + note("F", 18),
        )
    )
    assert [n.start for n in parse_scores(data, "a.xml")[0].notes] == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_verses_follow_the_repeats():
    words = '<lyric number="1"><text>one</text></lyric><lyric number="2"><text>two</text></lyric>'
    (piece,) = parse_scores(score(bar(1, note("C", 16, words), right=BACK)), "a.xml")
    assert [lyric.text for lyric in piece.parts[0].lyrics] == ["one", "two"]


def test_timewise_is_read_like_partwise():
    inner = "<attributes><divisions>1</divisions></attributes><note><pitch><step>C</step><octave>4</octave></pitch><duration>4</duration></note>"
    data = f'<score-timewise><part-list><score-part id="P1"><part-name>x</part-name></score-part></part-list><measure number="1"><part id="P1">{inner}</part></measure></score-timewise>'
    assert [n.pitch for n in parse_scores(data.encode(), "a.xml")[0].notes] == [60]


# -- chords ---------------------------------------------------------------------------------------------------


def test_chord_symbols_keep_alterations_and_basses():
    assert [chord.text for chord in read_music(CASES / "chords.musicxml").chords] == [
        "C7b5", "D7#9", "F#addb9/B", "Bbadd9", "G7sus4", "Ebmaj7#11", "Am/G", "Cmmaj7", "N.C.", "E7#5#9", "C7alt",
    ]  # fmt: skip


def test_unknown_chords_are_told():
    harmony = '<harmony><root><root-step>C</root-step></root><kind text="Tristan">Tristan</kind></harmony>'
    with pytest.warns(ReadWarning, match="CTristan"):
        (piece,) = parse_scores(score(bar(1, harmony + note("C", 16))), "a.xml")
    assert piece.chords == []


# -- damage ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["flip0.mxl", "lzbad.mxl"])
def test_a_damaged_archive_is_one_line(name):
    with pytest.raises(ReadError, match="damaged MXL container") as caught:
        read_music(CASES / name)
    assert "\n" not in str(caught.value)


def test_an_unknown_encoding_is_guessed():
    assert len(read_music(CASES / "enc_undefined.musicxml").notes) == 4


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.xml", b"<score-partwise>" + b" " * 60_000_000)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (bomb(), "a.mxl"),
        (b"<score-partwise>" + b"<a>" * 100_000, "a.xml"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]><score-partwise>&d;</score-partwise>', "a.xml"),
        ('<!DOCTYPE a [<!ENTITY b "cc">]><score-partwise/>'.encode("utf-16"), "a.xml"),
        (b"X:1\nM:4/4\nL:1/4\nK:C\n" + b"CDEF|" * 20_000, "a.abc"),
        (b"X:1\nK:C\n" + b"[" * 9_000 + b"\n", "a.abc"),
        (b"**kern\n" + b"4c\t" * 3_000 + b"\n", "a.krn"),
        (score(bar(1, note("C", 10**9))), "a.xml"),
        (score(bar(1, note("C", 4, octave=10**6))), "a.xml"),
        (score(bar(1, "<attributes><divisions>0</divisions></attributes>" + note("C"))), "a.xml"),
    ],
    ids=["zip bomb", "deep nesting", "entities", "entities in UTF-16", "one line", "brackets", "wide kern", "long note", "far pitch", "divisions 0"],
)  # fmt: skip
def test_hostile_inputs_are_one_line(data, name):
    with pytest.raises(ReadError) as caught:
        parse_scores(data, name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_child_process_is_ended_when_a_file_takes_too_long(monkeypatch):
    pytest.importorskip("music21")
    from rnnmuse.music import parser

    monkeypatch.setattr(parser, "CPU_SECONDS", 0.05)
    tune = ("X:1\nM:4/4\nL:1/4\nK:C\n" + ("CDEF|" * 100 + "\n") * 40).encode()
    with pytest.raises(ReadError, match="takes over"):
        parse_scores(tune, "a.abc")
    monkeypatch.undo()
    assert parse_scores(b"X:1\nM:4/4\nL:1/4\nK:C\nCDEF|\n", "a.abc")[0].notes


# -- ABC and kern ---------------------------------------------------------------------------------------------

FOUR = """X:1
T:Four voices
M:4/4
L:1/4
V:S name="Soprano"
V:A name="Alto"
V:T clef=treble-8 name="Tenor"
V:B clef=bass name="Bass"
K:G
[V:S] GABc|d4|]
[V:A] D4|D4|]
V:T
g4|g4|]
V:B
G,,4|G,,4|]
"""


def test_abc_voices_are_parts():
    pytest.importorskip("music21")
    (piece,) = parse_scores(FOUR.encode(), "hymn.abc")
    assert [part.name for part in piece.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    assert [[n.pitch for n in part.notes] for part in piece.parts] == [
        [67, 69, 71, 72, 74],
        [62, 62],
        [67, 67],
        [43, 43],
    ]


def test_abc_repeats_sound():
    pytest.importorskip("music21")
    tune = b"X:1\nM:4/4\nL:1/4\nK:C\nC4|:D4|[1 E4:|[2 F4|]\n"
    assert [n.pitch for n in parse_scores(tune, "a.abc")[0].notes] == [60, 62, 64, 62, 65]
    assert [n.pitch for n in parse_scores(tune, "a.abc", as_written=True)[0].notes] == [60, 62, 64, 65]


def test_one_damaged_tune_costs_itself_alone():
    pytest.importorskip("music21")
    book = b"X:1\nK:C\n[[[[(((\n\nX:2\nM:4/4\nL:1/4\nK:C\nCDEF|\n"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadWarning)
        assert [len(piece.notes) for piece in parse_scores(book, "a.abc")] == [4]


def test_kern_with_ornaments_and_grace_notes():
    pytest.importorskip("music21")
    (piece,) = parse_scores(b"**kern\n*M4/4\n=1\n4gT\n8qa\n4a;\n2bM\n==\n*-\n", "a.krn")
    assert [(n.start, n.pitch, n.duration) for n in piece.notes] == [
        (0, 67, 1),
        (0.875, 69, 0.125),
        (1, 69, 1),
        (2, 71, 2),
    ]


# -- words and chord symbols of ABC -----------------------------------------------------------------------------

SUNG = """X:1
M:4/4
L:1/4
K:G
"G"GABc|"Cxyz"d2 "^above"B2|"Hmaj7"{c}(GA) z "D7alt"B|"Am/F#"G4||
w:All peo-ple that_ on earth* do
w:se-cond verse, ~ too
|:"G"G A "Fine"B c:|
w:once a-gain now
w:twice | more
"""


def syllables(piece):
    return [(lyric.beat, lyric.text) for lyric in piece.parts[0].lyrics]


def test_abc_words_stand_at_their_notes():
    pytest.importorskip("music21")
    with pytest.warns(ReadWarning):
        (piece,) = parse_scores(SUNG.encode(), "a.abc", as_written=True)
    assert syllables(piece) == [
        (0, "All"), (1, "peo-"), (2, "ple"), (3, "that"), (6, "on"), (8, "earth"), (11, "do"),
        (16, "once"), (17, "a-"), (18, "gain"), (19, "now"),
    ]  # fmt: skip
    assert [n.start for n in piece.parts[0].notes if n.duration == 0.125] == [7.875]


def test_abc_verses_sound_one_after_another():
    pytest.importorskip("music21")
    with pytest.warns(ReadWarning):
        (piece,) = parse_scores(SUNG.encode(), "a.abc")
    again = [text for beat, text in syllables(piece) if beat >= 20]
    assert again == ["twice", "a-", "gain", "now"]


def test_abc_chords_that_are_not_known_are_told_and_the_others_kept():
    pytest.importorskip("music21")
    with pytest.warns(ReadWarning, match=r"not known: Cxyz, Fine, Hmaj7$"):
        (piece,) = parse_scores(SUNG.encode(), "a.abc", as_written=True)
    assert [(c.beat, c.text) for c in piece.chords] == [(0, "G"), (11, "D7alt"), (12, "Am/F#"), (16, "G")]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("a b c d", ["a", "b", "c", "d"]),
        ("a-b- c-d", ["a-", "b-", "c-", "d"]),
        ("a - b c", ["a", None, "b", "c"]),
        ("a~b c\\-d e f g", ["a b", "c-d", "e", "f"]),
        ("a_ *b", ["a", None, None, "b"]),
        ("a|c", ["a", None, "c", None]),
        ("", [None] * 4),
        ("---- x", [None] * 4),
    ],
)
def test_the_signs_of_w_lines(words, found):
    from rnnmuse.music.abc_words import events

    notes = [e for e in events(f"X:1\nK:C\nC D|z E{{g}} [FA]|\nw:{words}\n") if not e.rest]
    assert [note.words.get(1) for note in notes] == found


# -- hairpins and simile signs ----------------------------------------------------------------------------------


def wedge(kind: str, dynamic: str = "") -> str:
    loud = f"<direction-type><dynamics><{dynamic}/></dynamics></direction-type>" if dynamic else ""
    return f'<direction><direction-type><wedge type="{kind}"/></direction-type>{loud}</direction>'


def level(dynamic: str) -> str:
    return f"<direction><direction-type><dynamics><{dynamic}/></dynamics></direction-type></direction>"


def velocities(*bars: str) -> list[int]:
    return [n.velocity for n in read_bytes(score(*bars)).parts[0].notes]


def read_bytes(data: bytes):
    return parse_scores(data, "a.musicxml")[0]


def test_a_hairpin_leads_to_the_dynamic_at_its_end():
    four = note("C") * 4
    first = bar(1, level("p") + wedge("crescendo") + four)
    second = bar(2, wedge("stop") + level("f") + four)
    assert velocities(first, second) == [49, 61, 72, 84, 96, 96, 96, 96]


def test_a_hairpin_to_nowhere_leads_one_level_on():
    four = note("C") * 4
    first = bar(1, level("f") + wedge("diminuendo") + four + wedge("stop"))
    assert velocities(first, bar(2, four)) == [96, 92, 88, 84, 80, 80, 80, 80]


def test_a_crescendo_before_a_sudden_piano_still_rises():
    four = note("C") * 4
    first = bar(1, level("mf") + wedge("crescendo") + four + wedge("stop"))
    assert velocities(first, bar(2, level("p") + four)) == [80, 84, 88, 92, 49, 49, 49, 49]


def test_a_hairpin_that_never_ends_changes_nothing():
    four = note("C") * 4
    assert velocities(bar(1, level("f") + wedge("crescendo") + four)) == [96] * 4


REPEAT = '<attributes><measure-style><measure-repeat type="{}">{}</measure-repeat></measure-style></attributes>'
REST = "<note><rest/><duration>16</duration></note>"


@pytest.mark.parametrize("back", [1, 2])
def test_bars_under_a_simile_sign_sound_as_those_before(back):
    bars = [bar(n + 1, note("CDEF"[n]) * 4) for n in range(back)]
    bars.append(bar(3, REPEAT.format("start", back) + REST))
    bars += [bar(4 + n, REST) for n in range(back)]
    bars.append(bar(9, REPEAT.format("stop", "") + REST))
    steps = [n.pitch for n in read_bytes(score(*bars)).parts[0].notes][::4]
    assert steps == ([60, 60, 60] if back == 1 else [60, 62, 60, 62, 60])


def test_a_simile_bar_that_is_written_out_is_left_alone():
    bars = [bar(1, note("C") * 4), bar(2, REPEAT.format("start", 1) + note("D", 8) * 2)]
    assert [n.pitch for n in read_bytes(score(*bars)).parts[0].notes] == [60] * 4 + [62] * 2
