import csv
import io
import json

import pytest

from rnnmuse.events import Note
from rnnmuse.music.cues import as_csv, as_json, bar_cues
from rnnmuse.music.piece import Metre, Part, Piece, Tempo


def arch():
    """Soft and low, then loud, high and dense, then a bar of nothing but the end of a phrase."""
    one = [Note(i, 48, 0.5, 40) for i in range(4)]
    two = [Note(4 + i / 4, 84, 0.25, 120) for i in range(12)]
    three = [Note(12.0, 60, 1.0, 80)]
    return Piece([Part("Flute", 73, notes=[*one, *two, *three])], [Tempo(0, 60)], [Metre(0, 4, 4)])


def test_bars_are_measured():
    rows = bar_cues(arch())
    assert [row.bar for row in rows] == [1, 2, 3, 4]
    assert [row.density for row in rows] == [1.0, 3.0, 0.0, 0.25]
    assert [row.loudness for row in rows] == [40.0, 120.0, 0.0, 80.0]
    assert rows[1].register == 84.0
    assert [row.seconds for row in rows] == [0.0, 4.0, 8.0, 12.0]
    assert [row.phrase_end for row in rows] == [True, True, False, True]
    assert rows[0].cue == "begin"
    assert all(word in rows[1].cue for word in ("thicken", "swell", "rise"))
    assert rows[2].cue.endswith("still")


def test_files_read_back():
    rows = bar_cues(arch())
    table = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [float(row["density"]) for row in table] == [row.density for row in rows]
    assert [row["cue"] for row in json.loads(as_json(rows))] == [row.cue for row in rows]


def test_an_upbeat_is_bar_nought_and_metres_change():
    piece = Piece([Part(notes=[Note(i, 60, 1) for i in range(8)])], metres=[Metre(0, 3, 4), Metre(4, 2, 4)], pickup=1.0)
    assert [(row.bar, row.beat) for row in bar_cues(piece)] == [(0, 0.0), (1, 1.0), (2, 4.0), (3, 6.0)]


def test_silence_is_no_piece():
    with pytest.raises(ValueError, match="no notes"):
        bar_cues(Piece())
