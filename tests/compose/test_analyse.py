"""What is said of pieces that were made to be so."""

import json

import pytest

from rnnmuse.compose.analyse import CONTOURS, MEASURES, described, phrases_of, reference, summarised
from rnnmuse.compose.portrait import save_portrait
from rnnmuse.events import Note
from rnnmuse.music.piece import ChordSymbol, Key, Metre, Part, Piece, Tempo

SCALE = [67, 69, 71, 72, 74, 76, 78, 79]


def piece(pitches, beats=1.0, chords=(), tempo=100.0, metre=(4, 4)):
    notes = [Note(i * beats, p, beats * 0.9) for i, p in enumerate(pitches)]
    symbols = [ChordSymbol(4.0 * i, text) for i, text in enumerate(chords)]
    return Piece([Part("Melody", notes=notes)], [Tempo(0.0, tempo)], [Metre(0.0, *metre)], [], symbols)


def rising():
    return piece([*SCALE, *SCALE[::-1]] * 2, chords=["G", "C", "D7", "G"] * 2)


def test_a_piece_is_described_as_it_was_made():
    found = described("x", rising())
    assert (found.key.tonic, found.key.minor) == (7, False)
    assert (found.metre, found.tempo, found.bars) == ("4/4", 100.0, 8)
    assert (found.low, found.high) == (67, 79)
    assert found.degrees == ("I", "IV", "V7", "I", "IV", "V7", "I")
    assert found.measures["notes a beat"] == pytest.approx(1.0, abs=0.02)
    assert found.measures["steps"] > 0.8
    assert found.measures["leaps"] == 0
    assert found.measures["syncopation"] == 0
    assert set(found.rhythms) == {(0, 24, 48, 72)}
    assert sum(found.pitch_classes) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("pitches", "kind"),
    [
        ([60, 62, 64, 65, 67], "ascending"),
        ([67, 65, 64, 62, 60], "descending"),
        ([60, 64, 67, 64, 60], "arch"),
        ([67, 62, 60, 62, 67], "valley"),
        ([60, 60, 60, 60, 60], "level"),
    ],
)
def test_a_phrase_has_its_contour(pitches, kind):
    (found, line), *_ = described("x", piece(pitches)).contours
    assert found == kind in CONTOURS
    assert sum(line) == pytest.approx(0, abs=0.2)


def test_a_rest_ends_a_phrase():
    notes = [Note(b, 60 + b, 0.9) for b in (0, 1, 2, 3, 6, 7, 8, 9)]
    assert [len(p) for p in phrases_of(notes, 4.0)] == [4, 4]


def test_repeated_bars_and_syncopation_are_counted():
    same = described("x", piece([60, 64, 67, 64] * 8)).measures
    assert same["repeated bars"] == same["repeated rhythms"] == 1.0
    late = [Note(b + 0.5, 60, 1.0) for b in range(16)]
    assert described("x", Piece([Part(notes=late)])).measures["syncopation"] == pytest.approx(1.0)


def test_a_collection_is_what_its_pieces_have_in_common():
    found = summarised([described(str(i), rising()) for i in range(3)])
    assert found.pieces == 3
    assert found.keys == {"G major": 1.0}
    assert next(iter(found.rhythms)) == "1, 2, 3, 4"
    assert found.chart().split(" | ")[0] == "G"
    words = " ".join(found.words())
    assert "G major" in words
    assert "4/4" in words
    assert "more stepwise than" in words
    settings = found.player()
    assert settings["key"] == "G major"
    assert (settings["low"], settings["high"]) == (67, 79)
    json.dumps(found.as_json())


def test_the_reference_is_in_order_and_a_middling_value_is_in_the_middle():
    for name in MEASURES:
        quantiles = reference()[name]
        assert quantiles == sorted(quantiles)
        assert len(quantiles) == 21
    tunes = summarised([described("x", rising())])
    assert all(0 <= share <= 1 for share in tunes.beside.values())


def test_drums_are_described_as_drums():
    strokes = [Note(b / 2, 36 if b % 2 else 42, 0.1) for b in range(64)]
    found = summarised([described("beat", Piece([Part("Drums", drum=True, notes=strokes)]))])
    assert found.drums
    assert found.player()["model"] == "grooves"
    assert found.words()


def test_it_is_drawn(tmp_path):
    for suffix in (".png", ".svg"):
        path = save_portrait(summarised([described("x", rising())]), tmp_path / f"x{suffix}", "Scales")
        assert path.stat().st_size > 3000


def test_a_minor_piece_is_in_minor():
    minor = piece([57, 60, 64, 62, 60, 59, 57, 56, 57, 64, 62, 60, 59, 56, 57, 57])
    minor.keys = [Key(0.0, 9, True)]
    found = described("x", minor)
    assert (found.key.tonic, found.key.minor) == (9, True)
