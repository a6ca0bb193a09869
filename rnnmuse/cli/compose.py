"""`rnnmuse generate` and `rnnmuse continue`."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnmuse.cli.command import Json, examples, progress, renamed, show_json
from rnnmuse.cli.files import (
    SCORE_SUFFIXES,
    AsWritten,
    Force,
    NoProvenance,
    check_suffix,
    inherited,
    target,
    unmarked,
    write_piece,
)
from rnnmuse.cli.workers import Count, Scheduler, WorkerCount, only_with_count, run_batch

if TYPE_CHECKING:
    from rnnmuse.music.piece import Piece

Model = Annotated[str, typer.Option(help="The model that plays; `rnnmuse models` lists them.")]
Bars = Annotated[int, typer.Option(help="How many new bars.")]
Tempo = Annotated[float | None, typer.Option(help="Tempo in bpm, 10 to 400.")]
Key = Annotated[str | None, typer.Option(help='Key such as "D minor"; every note stays in its scale.')]
Scale = Annotated[str | None, typer.Option(help='Scale on the key\'s tonic, such as "dorian" or "blues".')]
Chords = Annotated[str | None, typer.Option(help='Chords, one per bar, such as "Am F C G".')]
Metre = Annotated[str | None, typer.Option(help="Time signature such as 3/4.")]
Density = Annotated[float | None, typer.Option(help="Notes per beat to aim at, 0.05 to 24.")]
Temperature = Annotated[float, typer.Option(help="0 takes the likeliest event, 1 draws as the model learned; up to 5.")]
TopP = Annotated[
    float | None, typer.Option(help="Draw from the likeliest classes that hold this share; by default the model's own.")
]
Seed = Annotated[int | None, typer.Option(help="The same seed gives the same music.")]
Players = Annotated[str | None, typer.Option(help='How many parts play, or which: 2, or "voice,piano".')]
Low = Annotated[int, typer.Option(help="Lowest MIDI note.")]
High = Annotated[int, typer.Option(help="Highest MIDI note.")]
Polyphony = Annotated[int | None, typer.Option(help="The most notes at once in one part.")]
Repeat = Annotated[float | None, typer.Option(help="How much is restated: 0 never, 0.5 as in real pieces, 1 always.")]
Expression = Annotated[
    float | None, typer.Option(help="Dynamics, tempo and pedal of a performer, 0 to 2; 1 for models of scores.")
]
Original = Annotated[
    float, typer.Option(help="Keep copied runs of the training corpus short: 0 off, 0.5 under 16 notes, 1 under 10.")
]
Ending = Annotated[bool, typer.Option("--ending", help="End the piece: a cadence and a long last note.")]
Out = Annotated[Path | None, typer.Option(help="The file to write: .mid, or a score as .musicxml or .mxl.")]
Audio = Annotated[
    Path | None, typer.Option(help="Also write the sound: .wav, or with the sound extra .flac, .ogg or .mp3.")
]
Picture = Annotated[Path | None, typer.Option(help="Also write the piano roll (.png or .svg).")]


@examples(
    "rnnmuse generate --model grooves --bars 4 --tempo 96",
    'rnnmuse generate --key "D minor" --chords "Dm Gm A Dm" --bars 4 --picture song.png',
    "rnnmuse generate --model grooves --bars 2 --count 3 --out beats --workers 1",
)
@renamed(wav="--audio", roll="--picture")
def generate(
    model: Model = "lieder",
    prompt: Annotated[Path | None, typer.Option(help="A piece to continue, as with `rnnmuse continue`.")] = None,
    bars: Bars = 8,
    tempo: Tempo = None,
    key: Key = None,
    scale: Scale = None,
    chords: Chords = None,
    metre: Metre = None,
    density: Density = None,
    temperature: Temperature = 1.0,
    top_p: TopP = None,
    seed: Seed = None,
    players: Players = None,
    low: Low = 0,
    high: High = 127,
    polyphony: Polyphony = None,
    repeat: Repeat = None,
    expression: Expression = None,
    ending: Ending = False,
    original: Original = 0.5,
    out: Out = None,
    audio: Audio = None,
    picture: Picture = None,
    force: Force = False,
    as_json: Json = False,
    no_provenance: NoProvenance = False,
    count: Count = None,
    scheduler: Scheduler = None,
    workers: WorkerCount = None,
) -> None:
    """Write new music, from nothing or from a --prompt."""
    from rnnmuse.compose.muse import Settings

    only_with_count(count, scheduler, workers)
    if count is None:
        check_outputs(out, audio, picture)
    elif audio is not None or picture is not None:
        raise ValueError("count: makes MIDI files alone; leave --audio and --picture out")
    elif count < 1:
        raise ValueError(f"count: {count}; must be at least 1")
    else:
        seed = 1 if seed is None else seed
    seed = secrets.randbits(31) if seed is None else seed
    settings = Settings(
        temperature, top_p, seed, key, scale, chords, density, tempo, metre, players, low, high, polyphony,
        repeat, expression, ending, original,
    )  # fmt: skip
    if count is not None:
        from dataclasses import replace

        from rnnmuse.compose.batch import Tune
        from rnnmuse.models.bundle import find

        folder, digest, marked = out or Path(f"{model}-batch"), find(model).digest, not unmarked(no_provenance)
        whence = None if prompt is None else prompt.resolve()
        works = [
            Tune(f"{model}-{one}.mid", model, digest, bars, replace(settings, seed=one), whence, marked)
            for one in ((seed + index) % 2**31 for index in range(count))
        ]
        run_batch(works, folder, scheduler, workers, force, as_json, () if whence is None else (whence,))
        return
    if prompt is not None:
        _continue(prompt, model, bars, settings, out, audio, picture, False, force, as_json, no_provenance)
        return
    from rnnmuse.compose.muse import load

    muse = load(model)
    with progress(f"{model} plays {bars} bars"):
        piece = muse.generate(bars, settings)
    _name_silent(muse.silent(piece, players))
    write_outputs(piece, out or Path(f"{model}-{seed}.mid"), audio, picture, None, seed, force, as_json, no_provenance)


@examples(
    "rnnmuse continue song.mid --bars 4",
    "rnnmuse continue song.mid --bars 4 --players 2 --seed 7 --audio song.wav --out longer.mid",
)
@renamed(wav="--audio", roll="--picture")
def continue_(
    file: Annotated[Path, typer.Argument(help="A MIDI file or a score (ABC and kern with the scores extra).")],
    model: Model = "lieder",
    bars: Bars = 8,
    tempo: Tempo = None,
    key: Key = None,
    scale: Scale = None,
    chords: Chords = None,
    density: Density = None,
    temperature: Temperature = 1.0,
    top_p: TopP = None,
    seed: Seed = None,
    players: Players = None,
    low: Low = 0,
    high: High = 127,
    polyphony: Polyphony = None,
    repeat: Repeat = None,
    expression: Expression = None,
    ending: Ending = False,
    original: Original = 0.5,
    out: Out = None,
    audio: Audio = None,
    picture: Picture = None,
    as_written: AsWritten = False,
    force: Force = False,
    as_json: Json = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Play on where FILE stops; the result holds the piece and its continuation."""
    from rnnmuse.compose.muse import Settings

    seed = secrets.randbits(31) if seed is None else seed
    settings = Settings(
        temperature, top_p, seed, key, scale, chords, density, tempo, None, players, low, high, polyphony,
        repeat, expression, ending, original,
    )  # fmt: skip
    _continue(file, model, bars, settings, out, audio, picture, as_written, force, as_json, no_provenance)


def _continue(
    file: Path,
    model: str,
    bars: int,
    settings: object,
    out: Path | None,
    audio: Path | None,
    picture: Path | None,
    as_written: bool,
    force: bool,
    as_json: bool,
    no_provenance: bool,
) -> None:
    from rnnmuse.compose.muse import Settings, joined, load
    from rnnmuse.music.read import read_music

    assert isinstance(settings, Settings)
    check_outputs(out, audio, picture)
    piece = inherited(read_music(file, as_written), file)
    muse = load(model)
    with progress(f"{model} plays {bars} bars"):
        new = muse.continue_(piece, bars, settings)
    _name_silent(muse.silent(new, settings.players))
    notes = new.notes
    mark = piece.bar_start_after(max(0.0, piece.end - 0.2))
    whole = joined(piece, new) if notes else piece
    out = out or Path(f"{file.stem}-continued.mid")
    write_outputs(whole, out, audio, picture, mark, settings.seed, force, as_json, no_provenance)


def _name_silent(names: list[str]) -> None:
    """Say which of the players that were asked for do not play."""
    if names:
        print(
            f"{', '.join(names)}: asked for, but {'does' if len(names) == 1 else 'do'} not play here", file=sys.stderr
        )


def check_outputs(out: Path | None, audio: Path | None, picture: Path | None) -> None:
    """Refuse a wrong suffix before any work is done."""
    if out is not None:
        check_suffix(out, SCORE_SUFFIXES)
    if audio is not None:
        from rnnmuse.music.sound import check_format

        check_format(audio)
    if picture is not None:
        check_suffix(picture, (".png", ".svg"), "picture")


def write_outputs(
    piece: Piece,
    out: Path,
    audio: Path | None,
    picture: Path | None,
    mark: float | None,
    seed: int | None,
    force: bool,
    as_json: bool,
    no_provenance: bool,
) -> None:
    if unmarked(no_provenance):
        piece.made = None
    out = write_piece(piece, out, force)
    new = [n for n in piece.notes if mark is None or n.start >= mark - 1e-3]
    if picture:
        from rnnmuse.music.pianoroll import save_roll

        picture = save_roll(piece, target(picture, force, "picture"), mark)
    if audio:
        from rnnmuse.music.sound import write_sound

        audio = target(audio, force, "audio")
        with progress("rendering the sound"):
            write_sound(piece, audio)
    seconds = piece.seconds_at(piece.end)
    if as_json:
        show_json(
            {"file": out, "new_notes": len(new), "seconds": seconds, "seed": seed, "audio": audio, "picture": picture}
        )
        return
    print(f"{out}: {len(new)} new notes, {seconds:.0f} s in all, seed {seed}")
    for path in (picture, audio):
        if path:
            print(path)
