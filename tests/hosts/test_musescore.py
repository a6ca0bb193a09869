"""MuseScore, without its window, opens the MIDI files that we write, and we read what it then writes."""

import subprocess

import pytest
from programs import QUIET, missing

from rnnmuse.events import Note
from rnnmuse.music.midi import read_midi, write_midi
from rnnmuse.music.piece import Key, Part, Piece
from rnnmuse.music.read import read_music

pytestmark = pytest.mark.skipif(bool(missing("mscore3")), reason="MuseScore 3 is not installed")


@pytest.fixture
def written(tmp_path):
    """Eight bars of quarters and eighths over a bass, on the grid, as a score has them."""
    melody = [Note(i / 2, 60 + (0, 2, 4, 5, 7, 9, 11, 12)[i * 3 % 8], 0.5, 80) for i in range(64)]
    bass = [Note(4.0 * i, (36, 41, 43, 36)[i % 4], 4.0, 70) for i in range(8)]
    piece = Piece([Part("Voice", 53, notes=melody), Part("Piano", 0, notes=bass)], keys=[Key(0.0, 0)])
    write_midi(piece, tmp_path / "ours.mid")
    return piece, tmp_path


def convert(source, target):
    import os

    done = subprocess.run(["mscore3", "-o", str(target), str(source)], env=os.environ | QUIET, capture_output=True,
                          text=True, timeout=120)  # fmt: skip
    assert target.exists(), done.stderr[-500:]


def notes(piece):
    return sorted((note.start, note.pitch, note.duration) for part in piece.parts for note in part.notes)


def test_what_we_write_is_what_it_writes(written):
    pytest.importorskip("music21", reason="music21 is not installed")
    piece, folder = written
    convert(folder / "ours.mid", folder / "theirs.musicxml")
    score = read_music(folder / "theirs.musicxml")
    assert notes(score) == notes(piece)
    convert(folder / "theirs.musicxml", folder / "again.mid")
    again = read_midi(folder / "again.mid")
    assert [n[:2] for n in notes(again)] == [n[:2] for n in notes(piece)]  # it shortens notes a little when it plays
    convert(folder / "theirs.musicxml", folder / "again.musicxml")
    assert notes(read_music(folder / "again.musicxml")) == notes(piece)
