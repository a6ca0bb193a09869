"""`rnnmuse lyrics` and `rnnmuse setting`: words for a melody, and a melody for words."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnmuse.cli.command import examples, progress
from rnnmuse.cli.files import SCORE_SUFFIXES, Force, NoProvenance, check_suffix, inherited, unmarked, write_piece

if TYPE_CHECKING:
    from rnnmuse.music.piece import Piece

OutFile = Annotated[Path | None, typer.Option(help="The file to write: .mid, .musicxml or .mxl.")]


@examples("rnnmuse lyrics song.mid --theme sea --seed 2")
def lyrics(
    file: Annotated[Path, typer.Argument(help="A MIDI, MusicXML, MXL, ABC or kern file.")],
    model: Annotated[str, typer.Option(help="The text model that writes.")] = "verse",
    part: Annotated[int | None, typer.Option(help="Which part is sung, from 1; by default the singer's.")] = None,
    prompt: Annotated[str, typer.Option(help="Words to set the tone; they are not sung.")] = "",
    temperature: Annotated[
        float, typer.Option(help="0 takes the likeliest, 1 draws as the model learned; up to 5.")
    ] = 0.9,
    ban: Annotated[str, typer.Option(help='Words to avoid: "love,heart".')] = "",
    theme: Annotated[str, typer.Option(help='What the song is about: "sea" or "sea,night".')] = "",
    refrain: Annotated[bool, typer.Option("--refrain", help="A phrase that returns keeps its words.")] = False,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same words.")] = None,
    out: OutFile = None,
    force: Force = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Write words to a melody: a syllable a note, stress on strong beats, rhyme at the ends of phrases."""
    from rnnmuse.music.read import read_music
    from rnnmuse.text.author import author
    from rnnmuse.text.lyrics import fit, write_lyrics
    from rnnmuse.text.melody import sung_part
    from rnnmuse.text.writer import Settings

    _check_out(out)
    piece = inherited(read_music(file), file)
    if part is not None and not 1 <= part <= len(piece.parts):
        raise ValueError(f"part: {part}; {file.name} has 1 to {len(piece.parts)}")
    index = sung_part(piece) if part is None else part - 1
    seed = secrets.randbits(31) if seed is None else seed
    banned, about = (tuple(word.strip() for word in given.split(",") if word.strip()) for given in (ban, theme))
    settings = Settings(temperature, banned=banned)
    with progress(f"{model} writes"):
        made, words = write_lyrics(
            author(model),
            piece,
            part=index,
            prompt=prompt,
            seed=seed,
            settings=settings,
            theme=about,
            refrain=refrain,
        )
    for line in words.lines:
        print(line)
    found = fit(made, index)
    _write(made, out or file.with_name(f"{file.stem}-words.mid"), seed, force, no_provenance)
    share = found.strong / max(1, found.stressed)
    print(f"{found.notes} notes, all with a syllable or held; {share:.0%} of stressed syllables on strong beats")


@examples('rnnmuse setting "Shall I compare thee to a summer\'s day?" --seed 2')
def setting(
    words: Annotated[str, typer.Argument(help="The words, or a text file with them; a line is a phrase.")],
    model: Annotated[str, typer.Option(help="The stream model that sings.")] = "lieder",
    key: Annotated[str, typer.Option(help='Key such as "D minor".')] = "C major",
    tempo: Annotated[float, typer.Option(help="Tempo in bpm, 10 to 400.")] = 96.0,
    low: Annotated[int, typer.Option(help="Lowest MIDI note.")] = 57,
    high: Annotated[int, typer.Option(help="Highest MIDI note.")] = 76,
    temperature: Annotated[
        float, typer.Option(help="0 takes the likeliest, 1 draws as the model learned; up to 5.")
    ] = 0.9,
    seed: Annotated[int | None, typer.Option(help="The same seed sings the same.")] = None,
    out: OutFile = None,
    force: Force = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Make a melody for words: rhythm from their stress, notes by a stream model."""
    from rnnmuse.compose.setting import set_words
    from rnnmuse.models.bundle import load_stream

    _check_out(out)
    path = Path(words)
    try:
        text = path.read_text("utf-8") if len(words) < 250 and path.is_file() else words
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"words: {path.name}: {error}") from None
    seed = secrets.randbits(31) if seed is None else seed
    piece = set_words(
        load_stream(model), text, key=key, tempo=tempo, low=low, high=high, temperature=temperature, seed=seed
    )
    _write(piece, out or Path(f"setting-{seed}.mid"), seed, force, no_provenance)


def _check_out(out: Path | None) -> None:
    if out is not None:
        check_suffix(out, SCORE_SUFFIXES)


def _write(piece: Piece, out: Path, seed: int, force: bool, no_provenance: bool) -> None:
    if unmarked(no_provenance):
        piece.made = None
    print(f"{write_piece(piece, out, force)} (seed {seed})")
