"""`rnnmuse listen`: a file as sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def listen(
    file: Annotated[Path, typer.Argument(help="The piece to hear.")],
    out: Annotated[Path | None, typer.Option(help="The WAV to write; beside the current folder's name else.")] = None,
    soundfont: Annotated[
        Path | None, typer.Option(help="A SoundFont (.sf2, .sf3), played by the fluidsynth program.")
    ] = None,
    rate: Annotated[int, typer.Option(help="Samples a second, 8000 to 192000.")] = 44100,
) -> None:
    """Render FILE to a WAV, with the built-in synthesiser or a SoundFont."""
    from rnnmuse.music.read import read_music
    from rnnmuse.music.sound import render, write_wav

    piece = read_music(file)
    out = out or Path(f"{file.stem}.wav")
    samples = render(piece, soundfont, rate)
    write_wav(out, samples, rate)
    print(f"{out}: {len(samples) / rate:.1f} s")
