"""`rnnmuse interpolate`, `vary`, `groove`, `infill` and `map`: the phrase models on files."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnmuse.cli.command import examples, progress
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

if TYPE_CHECKING:
    from rnnmuse.compose.phrases import Phrases
    from rnnmuse.music.piece import Piece

Model = Annotated[str, typer.Option(help="The phrase model; by default phrases for melodies and beats for drums.")]
Bars = Annotated[int, typer.Option(help="Length of a phrase in bars, 2 or 4.")]
Seed = Annotated[int | None, typer.Option(help="The same seed gives the same music.")]
Out = Annotated[Path | None, typer.Option(help="The file to write: .mid, or a score as .musicxml or .mxl.")]
Picture = Annotated[Path | None, typer.Option("--picture", help="Also write a picture (.png or .svg).")]
A_FILE = "A MIDI file or a score (ABC and kern with the scores extra)."


@examples("rnnmuse interpolate song.mid other.mid --steps 8")
def interpolate(
    a: Annotated[Path, typer.Argument(help=f"Where to begin. {A_FILE}")],
    b: Annotated[Path, typer.Argument(help="Where to end.")],
    steps: Annotated[int, typer.Option(help="Number of phrases, including the two given, 2 to 64.")] = 8,
    bars: Bars = 2,
    model: Model = "",
    out: Out = None,
    picture: Picture = None,
    force: Force = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Go from the first phrase of A to the first of B in steps, each a phrase of its own."""
    from rnnmuse.compose.phrases import as_piece
    from rnnmuse.music.read import read_music
    from rnnmuse.provenance.record import Made

    one, two = read_music(a), read_music(b)
    phrases = _load(model, one)
    grids = phrases.interpolate(one, two, steps, bars)
    piece = as_piece(grids, one)
    between = grids[1:-1]
    people = 1 - len(as_piece(between, one).notes) / max(1, len(piece.notes)) if between else 1.0
    piece.made = Made("interpolate", {phrases.model.name: phrases.model.digest}, None, {"bars": bars}, people)
    _write(piece, out or Path(f"{a.stem}-to-{b.stem}.mid"), f"{steps} phrases of {bars} bars", force, no_provenance)
    if picture:
        from rnnmuse.music.sheet import Cell, save_sheet

        cells = [Cell(g, str(i + 1), 1 if i in (0, steps - 1) else 0) for i, g in enumerate(grids)]
        print(
            save_sheet(
                [cells[at : at + 4] for at in range(0, steps, 4)],
                target(picture, force, "picture"),
                f"{a.stem} to {b.stem}",
            )
        )


@examples("rnnmuse vary song.mid --amount 0.5 --seed 3")
def vary(
    file: Annotated[Path, typer.Argument(help=A_FILE)],
    amount: Annotated[float, typer.Option(help="0 changes nothing but the decoding, 1 gives any other phrases.")] = 0.3,
    bars: Bars = 2,
    seed: Seed = None,
    model: Model = "",
    out: Out = None,
    force: Force = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Vary the melody of FILE, or its drums where it has nothing else, phrase by phrase."""
    from rnnmuse.music.read import read_music

    piece = inherited(read_music(file), file)
    seed = secrets.randbits(31) if seed is None else seed
    made = _load(model, piece).vary(piece, amount, seed, bars)
    _write(made, out or Path(f"{file.stem}-varied.mid"), f"amount {amount:g}, seed {seed}", force, no_provenance)


@examples("rnnmuse groove beat.mid --amount 0.7", "rnnmuse groove beat.mid --keep kick,snare --out kit.mid")
def groove(
    file: Annotated[Path, typer.Argument(help=A_FILE)],
    amount: Annotated[float, typer.Option(help="How far timing and velocity move, 0 to 1.")] = 0.7,
    keep: Annotated[str, typer.Option(help='Keep only these drums and make the rest, such as "kick,snare".')] = "",
    taps: Annotated[bool, typer.Option("--taps", help="Take the notes as a tapped rhythm; make a kit part.")] = False,
    seed: Seed = None,
    model: Model = "beats",
    out: Out = None,
    force: Force = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Play the drums of FILE as a human would; or fill in a kit; or make one from taps."""
    from rnnmuse.compose.phrases import load_phrases
    from rnnmuse.music.read import read_music

    seed = secrets.randbits(31) if seed is None else seed
    names = tuple(name for name in keep.split(",") if name.strip())
    piece = load_phrases(model).groove(inherited(read_music(file), file), amount, seed, names, taps)
    _write(piece, out or Path(f"{file.stem}-groove.mid"), f"seed {seed}", force, no_provenance)


@examples("rnnmuse infill song.mid --bars 2-3 --candidates 4 --seed 1")
def infill(
    file: Annotated[Path, typer.Argument(help=A_FILE)],
    bars: Annotated[str, typer.Option(help="The bars to replace, such as 5-8, counted from 1; a pickup is bar 0.")],
    model: Annotated[str, typer.Option(help="The stream model that plays.")] = "lieder",
    guide: Annotated[str, typer.Option(help="The phrase model that guides; empty for none.")] = "phrases",
    candidates: Annotated[int, typer.Option(help="Fillings to choose from, 1 to 256.")] = 16,
    temperature: Annotated[
        float, typer.Option(help="0 takes the likeliest, 1 draws as the model learned; up to 5.")
    ] = 1.0,
    key: Annotated[str, typer.Option(help='The key of the new bars, such as "D minor"; without, the piece\'s.')] = "",
    chords: Annotated[
        str, typer.Option(help='Their chords, one a bar or "| Dm G7 | C |"; without, the piece\'s.')
    ] = "",
    seed: Seed = None,
    out: Out = None,
    picture: Picture = None,
    as_written: AsWritten = False,
    force: Force = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Replace bars of FILE by new ones that fit what is before and after them."""
    from rnnmuse.compose.infill import infill as fill
    from rnnmuse.compose.muse import Settings, load
    from rnnmuse.compose.phrases import load_phrases
    from rnnmuse.music.read import read_music

    if out is not None:
        check_suffix(out, SCORE_SUFFIXES)
    first, _, last = bars.partition("-")
    if not (first.strip().isdigit() and (last.strip() or first).strip().isdigit()):
        raise ValueError(f"bars: {bars!r}; must be like 5-8 or 5")
    seed = secrets.randbits(31) if seed is None else seed
    guiding = load_phrases(guide) if guide else None
    settings = Settings(temperature=temperature, seed=seed, key=key or None, chords=chords or None)
    piece = inherited(read_music(file, as_written), file)
    with progress(f"{model} tries {candidates} fillings"):
        made = fill(load(model), piece, int(first), int(last or first), guiding, settings, candidates)
    _write(
        made.piece,
        out or Path(f"{file.stem}-filled.mid"),
        f"join {made.join:.2f} nats an event, seed {seed}",
        force,
        no_provenance,
    )
    if picture:
        from rnnmuse.music.pianoroll import save_roll

        print(save_roll(made.piece, target(picture, force, "picture"), made.start))


@examples("rnnmuse map beats --bars 2")
def map_(
    model: Annotated[str, typer.Argument(help="The phrase model.")] = "phrases",
    across: Annotated[str, typer.Option(help="The axis from left to right; by default the model's first.")] = "",
    up: Annotated[str, typer.Option(help="The axis from bottom to top; by default the model's second.")] = "",
    bars: Bars = 2,
    out: Annotated[Path | None, typer.Option(help="The picture (.png or .svg).")] = None,
    force: Force = False,
) -> None:
    """Draw the latent space of MODEL: phrases that differ, as small piano rolls, sorted by two axes."""
    from rnnmuse.compose.phrases import load_phrases
    from rnnmuse.music.sheet import Cell, save_sheet

    phrases = load_phrases(model)
    with progress("drawing the latent space"):
        rows = phrases.map(bars, across, up)
    axes = phrases.model.axes
    cells = [[Cell(grid) for grid in row] for row in rows]
    title = f"{model}: phrases of {bars} bars"
    print(
        save_sheet(cells, target(out or Path(f"{model}-map.png"), force), title, across or axes[0], up or axes[1], 2000)
    )


def _load(model: str, piece: Piece) -> Phrases:
    from rnnmuse.compose.phrases import load_phrases

    pitched = any(part.notes and not part.drum for part in piece.parts)
    return load_phrases(model or ("phrases" if pitched else "beats"))


def _write(piece: Piece, out: Path, words: str, force: bool, no_provenance: bool) -> None:
    if unmarked(no_provenance):
        piece.made = None
    out = write_piece(piece, out, force)
    print(f"{out}: {len(piece.notes)} notes, {piece.seconds_at(piece.end):.0f} s; {words}")
