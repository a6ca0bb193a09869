"""Commands replace no file, refuse wrong names before they work, and say what is wrong in one line."""

from pathlib import Path

import pytest

from rnnmuse.cli.files import check_suffix, target, write_piece
from rnnmuse.events import Note
from rnnmuse.music.piece import Part, Piece
from rnnmuse.music.read import read_music

PIECE = Piece([Part("x", 40, notes=[Note(0, 60, 1)])])


def test_the_next_free_name_is_taken_and_told(tmp_path, capsys):
    first = tmp_path / "a.mid"
    for name in ("a.mid", "a-2.mid", "a-3.mid"):
        assert write_piece(PIECE, first).name == name
    assert capsys.readouterr().err.count("--force replaces it") == 2
    first.write_bytes(b"old")
    assert write_piece(PIECE, first, force=True) == first
    assert first.read_bytes()[:4] == b"MThd"


@pytest.mark.parametrize("name", ["a.mid", "b.MIDI", "c.musicxml", "d.xml", "e.mxl", "new/folder/f.mid"])
def test_the_suffix_gives_the_format(tmp_path, name):
    path = write_piece(PIECE, tmp_path / name)
    if path.suffix != ".MIDI":
        assert [n.pitch for n in read_music(path).notes] == [60]


@pytest.mark.parametrize("name", ["a", "a.mp3", "a.mid.txt"])
def test_other_suffixes_are_named(name):
    with pytest.raises(ValueError, match=r"must end in \.mid or \.mxl"):
        check_suffix(Path(name), (".mid", ".mxl"))


def test_folders_and_files_in_the_way_are_told(tmp_path):
    (tmp_path / "dir.mid").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        target(tmp_path / "dir.mid")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="cannot be made"):
        target(tmp_path / "file" / "a.mid")
