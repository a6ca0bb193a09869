"""`rnnmuse listen`: a file as sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.command import examples, progress, renamed
from rnnmuse.cli.files import AsWritten, Force, NoProvenance, inherited, target, unmarked


@examples("rnnmuse listen song.mid", "rnnmuse listen song.mid --loudness -14 --out loud.wav")
@renamed(rate="--sample-rate")
def listen(
    file: Annotated[Path, typer.Argument(help="The piece to hear.")],
    out: Annotated[
        Path | None, typer.Option(help="The sound file to write: .wav, or with the sound extra .flac, .ogg or .mp3.")
    ] = None,
    soundfont: Annotated[
        str | None,
        typer.Option(help="A SoundFont by path or name, or auto for the best that is installed; needs fluidsynth."),
    ] = None,
    sample_rate: Annotated[int, typer.Option(help="Samples per second, 8000 to 192000.")] = 44100,
    loudness: Annotated[float, typer.Option(help="Loudness in LUFS, -60 to -5.")] = -16.0,
    play: Annotated[bool, typer.Option("--play", help="Play it on the sound card instead of writing a file.")] = False,
    as_written: AsWritten = False,
    force: Force = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Render FILE to a sound file, with the built-in synthesiser or a SoundFont."""
    from rnnmuse.music.read import read_music
    from rnnmuse.music.sound import check_format, play_sound, write_sound
    from rnnmuse.music.soundfonts import find

    if not -60 <= loudness <= -5:
        raise ValueError(f"loudness: {loudness:g}; must be -60 to -5 LUFS")
    path = out or Path(f"{file.stem}.wav")
    if not play:
        check_format(path)
    font = find(soundfont) if soundfont is not None else None
    piece = inherited(read_music(file, as_written), file)
    if unmarked(no_provenance):
        piece.made = None
    if play:
        print(f"{file.name}: {play_sound(piece, font, sample_rate, loudness):.1f} s played")
        return
    path = target(path, force)
    with progress("rendering the sound"):
        seconds = write_sound(piece, path, font, sample_rate, loudness)
    print(f"{path}: {seconds:.1f} s")
