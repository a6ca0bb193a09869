"""`rnnmuse show`: the piano roll of a file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.command import Json, examples, show_json
from rnnmuse.cli.files import AsWritten, Force, check_suffix, target


@examples("rnnmuse show song.mid --out song.png")
def show(
    file: Annotated[Path, typer.Argument(help="The piece to look at.")],
    out: Annotated[Path | None, typer.Option(help="Write a picture (.png or .svg).")] = None,
    width: Annotated[int, typer.Option(help="Width of the picture in pixels.")] = 1600,
    as_written: AsWritten = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Draw the piano roll of FILE in the terminal, and as a picture with --out."""
    from rnnmuse.music.pianoroll import FORMATS, save_roll, text_roll
    from rnnmuse.music.read import read_music
    from rnnmuse.music.theory import key_name

    if out is not None:
        check_suffix(out, FORMATS)
    piece = read_music(file, as_written)
    metre = piece.metre_at(0.0)
    key = f", {key_name(piece.keys[0])}" if piece.keys else ""
    if as_json:
        picture = save_roll(piece, target(out, force), width=width) if out else None
        show_json(
            {
                "title": piece.title or file.name, "notes": len(piece.notes), "beats": piece.end,
                "seconds": piece.seconds_at(piece.end), "tempo": piece.tempo_at(0.0),
                "metre": f"{metre.numerator}/{metre.denominator}",
                "key": key_name(piece.keys[0]) if piece.keys else None, "picture": picture,
                "parts": [
                    {"name": p.name, "program": p.program, "drum": p.drum, "notes": len(p.notes)} for p in piece.parts
                ],
            }
        )  # fmt: skip
        return
    print(
        f"{piece.title or file.name}: {len(piece.notes)} notes, {piece.end:g} beats, {piece.seconds_at(piece.end):.1f} "
        f"s, {piece.tempo_at(0.0):g} bpm, {metre.numerator}/{metre.denominator}{key}"
    )
    for part in piece.parts:
        if part.notes:
            kind = "drums" if part.drum else f"program {part.program}"
            changes = f", {len(part.programs)} program changes" if part.programs else ""
            print(f"  {part.name or 'unnamed'} ({kind}{changes}): {len(part.notes)} notes")
    print(text_roll(piece, shutil.get_terminal_size().columns))
    if out:
        print(save_roll(piece, target(out, force), width=width))
