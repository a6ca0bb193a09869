"""One door for every kind of music file."""

from __future__ import annotations

from pathlib import Path

from rnnmuse.errors import ReadError
from rnnmuse.music.midi import read_midi
from rnnmuse.music.piece import Piece

MIDI = (".mid", ".midi", ".kar", ".rmi")
SCORES = (".xml", ".musicxml", ".mxl", ".abc", ".krn")
SUFFIXES = (*MIDI, *SCORES)


def read_music(path: Path | str, as_written: bool = False) -> Piece:
    """The piece in a MIDI, MusicXML, MXL, ABC or kern file; ``as_written`` leaves the repeats of a score unplayed.

    What is not understood is skipped with one ReadWarning. Raises ReadError where the file cannot be read,
    MissingExtraError where a score needs music21 and it is not there.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if path.is_dir():
        raise ReadError(f"{path}: a folder; give a file")
    if suffix in MIDI:
        return read_midi(path)
    if suffix in SCORES:
        from rnnmuse.music.scores import read_score

        return read_score(path, as_written)
    raise ReadError(f"{path.name}: unknown kind of file; use one of {', '.join(SUFFIXES)}")


def music_files(folder: Path | str) -> list[Path]:
    """Every music file under ``folder``, or ``folder`` itself if it is one; sorted."""
    folder = Path(folder)
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise ReadError(f"{folder}: no such file or folder")
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
