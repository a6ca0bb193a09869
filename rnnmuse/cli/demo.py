"""`rnnmuse demo`: a real song goes on for sixteen bars."""

from __future__ import annotations

import time
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.command import examples
from rnnmuse.cli.files import Force, target


@examples("rnnmuse demo --bars 4")
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the output.")] = Path("out"),
    model: Annotated[str, typer.Option(help="The model that continues the song.")] = "lieder",
    bars: Annotated[int, typer.Option(help="How many new bars.")] = 16,
    seed: Annotated[int, typer.Option(help="The same seed gives the same music.")] = 1,
    soundfont: Annotated[str | None, typer.Option(help="A SoundFont for the sound, played by fluidsynth.")] = None,
    force: Force = False,
) -> None:
    """Continue a song by Schumann with two players to an end; write MIDI, sound and a piano roll."""
    from rnnmuse.compose.muse import joined, load
    from rnnmuse.music.midi import read_midi, write_midi
    from rnnmuse.music.pianoroll import save_roll
    from rnnmuse.music.sound import write_sound
    from rnnmuse.music.soundfonts import find

    began = time.perf_counter()
    song = read_midi((resources.files("rnnmuse") / "music" / "data" / "schumann.mid").read_bytes())
    print(f"{song.title}: the first {song.end / song.metre_at(0).bar_beats:.0f} bars.")
    new = load(model).continue_(song, bars, players=2, seed=seed, ending=True)
    whole = joined(song, new)
    mark = song.bar_start_after(song.end - 0.2)
    midi, roll, wav = (target(out / f"demo{suffix}", force) for suffix in (".mid", ".png", ".wav"))
    write_midi(whole, midi)
    print(f"{model} plays on for {bars} bars: {len(new.notes)} notes after {time.perf_counter() - began:.1f} s.")
    save_roll(whole, roll, mark)
    write_sound(whole, wav, find(soundfont) if soundfont is not None else None)
    print(f"  MIDI        {midi}\n  sound       {wav}  ({whole.seconds_at(whole.end):.0f} s)")
    print(f"  piano roll  {roll}  (grey: Schumann, colour: {model})")
    print(
        "Try next:\n"
        "  rnnmuse demo --seed 2\n"
        "  rnnmuse continue YOUR.mid --bars 8\n"
        "  rnnmuse generate --model grooves --bars 4 --audio beat.wav\n"
        '  rnnmuse generate --key "D minor" --chords "Dm Gm A Dm"'
    )
