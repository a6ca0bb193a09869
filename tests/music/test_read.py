import pytest

from rnnmuse.errors import ReadError
from rnnmuse.music.midi import write_midi
from rnnmuse.music.read import music_files, read_music


def test_the_suffix_chooses_the_reader(tmp_path, piece):
    write_midi(piece, tmp_path / "A.MID")
    assert len(read_music(tmp_path / "A.MID").notes) == len(piece.notes)
    (tmp_path / "a.abc").write_text("X:1\nT:t\nM:4/4\nL:1/4\nK:C\nCDEF|\n")
    assert [n.pitch for n in read_music(tmp_path / "a.abc").notes] == [60, 62, 64, 65]
    with pytest.raises(ReadError, match="unknown kind"):
        read_music(tmp_path / "a.doc")


def test_folders_are_searched_in_order(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("b/z.mid", "a.mid", "x.txt", "c.MXL"):
        (tmp_path / name).write_bytes(b"")
    assert [str(p.relative_to(tmp_path)) for p in music_files(tmp_path)] == ["a.mid", "b/z.mid", "c.MXL"]
    assert music_files(tmp_path / "a.mid") == [tmp_path / "a.mid"]
    with pytest.raises(ReadError, match="no such"):
        music_files(tmp_path / "nothing")
