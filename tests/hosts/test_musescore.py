"""MuseScore, without its window, opens the MIDI files that we write, and we read what it then writes."""

import subprocess

import pytest
from programs import QUIET, missing

from rnnmuse import author
from rnnmuse.events import Note
from rnnmuse.music.midi import read_midi, write_midi
from rnnmuse.music.musicxml import write_musicxml
from rnnmuse.music.piece import Key, Part, Piece
from rnnmuse.music.read import read_music
from rnnmuse.text.lyrics import write_lyrics

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


def test_it_opens_and_keeps_the_words_on_the_notes(tmp_path):
    pytest.importorskip("music21", reason="music21 is not installed")
    tune = [(0, 67, 1), (1, 67, 1), (2, 69, 1), (3, 67, 1), (4, 72, 1), (5, 71, 2), (8, 67, 1), (9, 67, 1),
            (10, 69, 1), (11, 67, 1), (12, 74, 1), (13, 72, 2)]  # fmt: skip
    melody = Piece([Part("Voice", 53, notes=[Note(float(at), pitch, float(beats)) for at, pitch, beats in tune])])
    song, _ = write_lyrics(author("shakespeare"), melody, seed=1)
    write_musicxml(song, tmp_path / "ours.musicxml")
    convert(tmp_path / "ours.musicxml", tmp_path / "theirs.musicxml")
    theirs, ours = read_music(tmp_path / "theirs.musicxml"), song.parts[0].lyrics
    assert len(ours) == len(tune)
    assert [(word.beat, word.text) for word in theirs.parts[0].lyrics] == [(word.beat, word.text) for word in ours]
    assert notes(theirs) == notes(song)
