"""Keys, scales and chords against textbook values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.events import Note
from rnnmuse.music.piece import ChordSymbol, Key
from rnnmuse.music.theory import (
    PITCH_NAMES,
    QUALITIES,
    SCALES,
    estimate_key,
    identify_chord,
    key_name,
    parse_chord,
    parse_key,
    parse_pitch_class,
    parse_progression,
    scale_pitch_classes,
)


@pytest.mark.parametrize(
    ("text", "tonic", "minor"),
    [
        ("C", 0, False),
        ("F#m", 6, True),
        ("Bb minor", 10, True),
        ("a", 9, True),
        ("bb", 10, True),
        ("B", 11, False),
        ("C major", 0, False),
        ("Eb min", 3, True),
        ("Cb", 11, False),
        ("  g# minor ", 8, True),
        ("c major", 0, False),
    ],
)
def test_keys(text: str, tonic: int, minor: bool) -> None:
    assert parse_key(text) == Key(0.0, tonic, minor)


@given(st.integers(0, 11), st.booleans())
def test_a_written_key_reads_back(tonic: int, minor: bool) -> None:
    key = Key(0.0, tonic, minor)
    assert parse_key(key_name(key)) == key


@pytest.mark.parametrize(
    ("text", "root", "quality", "classes", "bass"),
    [
        ("C", 0, "maj", {0, 4, 7}, 0),
        ("Am7", 9, "min7", {9, 0, 4, 7}, 9),
        ("F#dim", 6, "dim", {6, 9, 0}, 6),
        ("C/E", 0, "maj", {0, 4, 7}, 4),
        ("Am/F", 9, "min", {9, 0, 4, 5}, 5),
        ("Bbmaj7", 10, "maj7", {10, 2, 5, 9}, 10),
        ("CM7", 0, "maj7", {0, 4, 7, 11}, 0),
        ("Gsus4", 7, "sus", {7, 0, 2}, 7),
        ("Dsus2", 2, "sus", {2, 4, 9}, 2),
        ("E7#9", 4, "dom7", {4, 8, 11, 2, 7}, 4),
        ("Cm7b5", 0, "dim", {0, 3, 6, 10}, 0),
        ("Cø7", 0, "dim", {0, 3, 6, 10}, 0),
        ("Bdim7", 11, "dim", {11, 2, 5, 8}, 11),
        ("C+", 0, "aug", {0, 4, 8}, 0),
        ("C6/9", 0, "maj", {0, 2, 4, 7, 9}, 0),
        ("C-7", 0, "min7", {0, 3, 7, 10}, 0),
        ("CmMaj7", 0, "min", {0, 3, 7, 11}, 0),
        ("Ebmin", 3, "min", {3, 6, 10}, 3),
        ("Cmajor", 0, "maj", {0, 4, 7}, 0),
        ("C7(b9)", 0, "dom7", {0, 1, 4, 7, 10}, 0),
        ("N.C.", -1, "", set(), -1),
    ],
)
def test_chords(text: str, root: int, quality: str, classes: set[int], bass: int) -> None:
    chord = parse_chord(text)
    assert (chord.root, chord.quality, chord.pitch_classes, chord.bass) == (
        root,
        quality,
        frozenset(classes),
        bass,
    )


@given(st.text(max_size=12))
def test_any_text_is_a_chord_or_a_plain_error(text: str) -> None:
    try:
        chord = parse_chord(text)
    except ValueError as error:
        assert repr(text) in str(error)
    else:
        assert chord.quality in (*QUALITIES, "")
        assert all(0 <= pc < 12 for pc in chord.pitch_classes)


@given(st.text(max_size=8))
def test_any_text_is_a_key_or_a_plain_error(text: str) -> None:
    try:
        assert 0 <= parse_key(text).tonic < 12
    except ValueError as error:
        assert repr(text) in str(error)


@pytest.mark.parametrize(
    ("parse", "value", "near"),
    [
        (parse_chord, "Cmja7", "Cmaj7"),
        (parse_chord, "am", "Am"),
        (parse_key, "C minro", "C minor"),
        (lambda name: scale_pitch_classes(0, name), "dorain", "dorian"),
    ],
)
def test_errors_offer_near_names(parse: object, value: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"{value}.* near: .*{near}"):
        parse(value)  # type: ignore[operator]


def test_scales() -> None:
    assert scale_pitch_classes(9, "minor") == scale_pitch_classes(0, "major")
    assert scale_pitch_classes(2, "dorian") == scale_pitch_classes(0, "Major")
    assert scale_pitch_classes(9, "minor_pentatonic") == {9, 0, 2, 4, 7}
    assert scale_pitch_classes(1, "whole tone") == {1, 3, 5, 7, 9, 11}
    assert len(SCALES["chromatic"]) == 12
    assert all(0 in steps for steps in SCALES.values())


def test_pitch_classes() -> None:
    assert [parse_pitch_class(name) for name in PITCH_NAMES] == list(range(12))
    with pytest.raises(ValueError, match="'H'"):
        parse_pitch_class("H")


def test_progression_cycles_one_chord_a_bar() -> None:
    assert parse_progression("Am F C G", 5, 3.0) == [
        ChordSymbol(0.0, "Am"),
        ChordSymbol(3.0, "F"),
        ChordSymbol(6.0, "C"),
        ChordSymbol(9.0, "G"),
        ChordSymbol(12.0, "Am"),
    ]


def test_progression_bars_share_evenly() -> None:
    assert parse_progression("| Am F | C |", 3, 4.0) == [
        ChordSymbol(0.0, "Am"),
        ChordSymbol(2.0, "F"),
        ChordSymbol(4.0, "C"),
        ChordSymbol(8.0, "Am"),
        ChordSymbol(10.0, "F"),
    ]


def test_progression_repeats_with_percent() -> None:
    assert parse_progression("Am7 | % | Gmaj7 D7 |", 4) == parse_progression("Am7 | Am7 | Gmaj7 D7 | Am7", 4)
    assert parse_progression("C % F | %", 2, 3.0) == parse_progression("C C F | C C F", 2, 3.0)
    with pytest.raises(ValueError, match="before"):
        parse_progression("% | C", 2)


@pytest.mark.parametrize(("text", "bars", "beats"), [("", 4, 4.0), ("| |", 4, 4.0), ("C", 0, 4.0), ("C", 4, 0.0)])
def test_progression_refuses_nonsense(text: str, bars: int, beats: float) -> None:
    with pytest.raises(ValueError, match=r"progression|bars"):
        parse_progression(text, bars, beats)


def test_key_of_scales() -> None:
    c_major = [Note(i, 60 + step, 2.0 if step in (0, 7) else 1.0) for i, step in enumerate((0, 2, 4, 5, 7, 9, 11))]
    assert estimate_key(c_major) == Key(0.0, 0, False)
    a_minor = [
        Note(i, p, d) for i, (p, d) in enumerate([(57, 4), (59, 1), (60, 3), (62, 1), (64, 3), (65, 1), (68, 1)])
    ]
    assert estimate_key(a_minor) == Key(0.0, 9, True)
    assert estimate_key([]) == Key(0.0, 0, False)


@given(st.lists(st.tuples(st.integers(24, 90), st.floats(0.1, 4)), min_size=3, max_size=20), st.integers(1, 11))
def test_key_transposes_with_the_notes(heard: list[tuple[int, float]], by: int) -> None:
    notes = [Note(i, p, d) for i, (p, d) in enumerate(heard)]
    moved = [Note(n.start, n.pitch + by, n.duration) for n in notes]
    key, after = estimate_key(notes), estimate_key(moved)
    weights = [sum(d for p, d in heard if p % 12 == pc) for pc in range(12)]
    # A symmetric collection has several equal keys, of which the lowest is taken.
    if len(set(weights)) > 6:
        assert after == Key(0.0, (key.tonic + by) % 12, key.minor)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ([0, 4, 7], (0, "maj")),
        ([4, 7, 0], (0, "maj")),
        ([9, 0, 4, 7], (9, "min7")),
        ([7, 11, 2, 5], (7, "dom7")),
        ([0, 4, 7, 11], (0, "maj7")),
        ([2, 5, 8, 11], (2, "dim")),
        ([11, 2, 5, 8], (11, "dim")),
        ([0, 4, 8], (0, "aug")),
        ([0, 5, 7], (0, "sus")),
        ([0, 4], (0, "maj")),
        ([0, 3], (0, "min")),
        ([0, 7], (0, "maj")),
        ([0], None),
        ([0, 1, 2], None),
        ([], None),
    ],
)
def test_identify(classes: list[int], expected: tuple[int, str] | None) -> None:
    assert identify_chord(classes) == expected


@pytest.mark.parametrize("quality", ["", "m", "7", "maj7", "m7", "dim", "aug", "7sus4"])
@pytest.mark.parametrize("root", range(12))
def test_identify_inverts_parse(root: int, quality: str) -> None:
    chord = parse_chord(PITCH_NAMES[root] + quality)
    ordered = sorted(chord.pitch_classes, key=lambda pc: (pc - root) % 12)
    assert identify_chord(ordered) == (root, chord.quality)
