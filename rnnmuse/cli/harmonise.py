"""`rnnmuse harmonise`: a melody with chords, or in four parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.command import Json, examples, progress
from rnnmuse.cli.compose import Audio, Picture, check_outputs, write_outputs
from rnnmuse.cli.files import AsWritten, Force, NoProvenance, inherited


@examples(
    "rnnmuse harmonise song.mid --pattern oom-pah",
    'rnnmuse harmonise song.mid --chords "C | F | G7 | C" --out song.musicxml',
    "rnnmuse harmonise song.mid --parts SATB --out chorale.musicxml",
)
def harmonise(
    melody: Annotated[Path, typer.Argument(help="A MIDI file or a score; its sung or first part is the melody.")],
    parts: Annotated[str, typer.Option(help="SATB for four parts; by default the melody over chords.")] = "",
    model: Annotated[str, typer.Option(help="The chorale model that writes the four parts.")] = "chorales",
    key: Annotated[
        str | None, typer.Option(help='Key such as "D minor"; by default the key follows the melody.')
    ] = None,
    chords: Annotated[str | None, typer.Option(help='Your own chords, such as "Am7 | D7 | Gmaj7 % |", looped.')] = None,
    pattern: Annotated[str, typer.Option(help="How chords are played: held, broken, strummed, oom-pah.")] = "held",
    temperature: Annotated[float, typer.Option(help="Temperature of the four parts; lower is plainer.")] = 0.7,
    seed: Annotated[int, typer.Option(help="The same seed gives the same parts.")] = 1,
    out: Annotated[Path | None, typer.Option(help="The file to write: .mid, or a score as .musicxml or .mxl.")] = None,
    audio: Audio = None,
    picture: Picture = None,
    as_written: AsWritten = False,
    force: Force = False,
    as_json: Json = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Put chords beneath MELODY, or set it for four voices."""
    from rnnmuse.compose.harmonise import Harmonising, in_four_parts, with_chords
    from rnnmuse.music.read import read_music

    check_outputs(out, audio, picture)
    if parts.upper() not in ("", "SATB"):
        raise ValueError(f"parts: {parts!r}; must be SATB, or left out for chords")
    asked = Harmonising(key, chords, pattern, seed, temperature)
    piece = inherited(read_music(melody, as_written), melody)
    if parts:
        with progress(f"{model} writes four parts"):
            made = in_four_parts(piece, asked, model)
    else:
        made = with_chords(piece, asked)
    out = out or Path(f"{melody.stem}-{'satb' if parts else 'harmonised'}.mid")
    write_outputs(made, out, audio, picture, None, seed, force, as_json, no_provenance)
