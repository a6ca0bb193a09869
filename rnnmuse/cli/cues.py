"""`rnnmuse cues`: a movement-cue list from a piece, a row a bar."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.command import examples
from rnnmuse.cli.files import AsWritten, Force, check_suffix, target


@examples("rnnmuse cues song.mid", "rnnmuse cues song.mid --out cues.json")
def cues(
    file: Annotated[Path, typer.Argument(help="A MIDI, MusicXML, MXL, ABC or kern file.")],
    out: Annotated[
        Path | None, typer.Option(help="Write to this file (.csv or .json) instead of the terminal.")
    ] = None,
    as_written: AsWritten = False,
    force: Force = False,
) -> None:
    """List density, loudness, register, phrase ends and a word for the change, bar by bar."""
    from rnnmuse.music.cues import as_csv, as_json, bar_cues
    from rnnmuse.music.read import read_music

    if out is not None:
        check_suffix(out, (".csv", ".json"))
    rows = bar_cues(read_music(file, as_written))
    text = as_json(rows) if out is not None and out.suffix.lower() == ".json" else as_csv(rows)
    if out is None:
        print(text, end="")
        return
    out = target(out, force)
    out.write_text(text, "utf-8")
    print(f"{out}: {len(rows)} bars")
