"""What every command that reads or writes files shares: names that are free, formats by suffix."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rnnmuse.music.piece import Piece

Force = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
AsWritten = Annotated[bool, typer.Option("--as-written", help="Read a score without playing its repeats.")]
NoProvenance = Annotated[
    bool,
    typer.Option(
        "--no-provenance",
        help="Write no record of what made the file. The law may require one: Article 50 of the EU AI Act says that "
        "generated sound, pictures and text must be marked.",
    ),
]
SCORE_SUFFIXES = (".mid", ".midi", ".musicxml", ".xml", ".mxl")


def check_suffix(path: Path, suffixes: tuple[str, ...], field: str = "out") -> None:
    """Raise ValueError where ``path`` does not end in one of ``suffixes``, whatever their case."""
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"{field}: {str(path)!r}; must end in {_either(suffixes)}")


def _either(suffixes: tuple[str, ...]) -> str:
    return suffixes[0] if len(suffixes) == 1 else f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"


def target(path: Path, force: bool = False, field: str = "out") -> Path:
    """Where to write: ``path``, or the next free name where something is there and ``force`` is not given, which is
    said on stderr. The folder is made. ValueError where ``path`` is a folder or cannot be written."""
    if path.is_dir():
        raise ValueError(f"{field}: {str(path)!r} is a folder; give the name of a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{field}: the folder of {str(path)!r} cannot be made ({error.strerror})") from None
    if not path.exists() or force:
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise ValueError(f"{field}: {str(path)!r} cannot be written (permission denied)")
        return path
    number = 2
    while (free := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    print(f"{path} exists; writing {free.name} (--force replaces it)", file=sys.stderr)
    return target(free, field=field)


def unmarked(none: bool) -> bool:
    """Whether a file is written without its record; a warning says so once."""
    if none:
        print("rnnmuse: no record of what made it; where the law asks for one, say so yourself", file=sys.stderr)
    return none


def inherited(piece: Piece, file: Path) -> Piece:
    """``piece``, read from ``file``, with the record that the file has, so that what is made of it says so too."""
    from dataclasses import replace

    from rnnmuse.provenance.marks import read

    found = read(file)
    return piece if found is None else replace(piece, made=found.made)


def write_piece(piece: Piece, out: Path, force: bool = False) -> Path:
    """Write ``piece`` as MIDI or MusicXML by the suffix of ``out``; returns the file's name."""
    from rnnmuse.music.midi import write_midi

    check_suffix(out, SCORE_SUFFIXES)
    out = target(out, force)
    if out.suffix.lower() in (".mid", ".midi"):
        write_midi(piece, out)
    else:
        from rnnmuse.music.musicxml import write_musicxml

        write_musicxml(piece, out)
    return out
