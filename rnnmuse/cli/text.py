"""`rnnmuse text`: words by a text model."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnmuse.cli.command import examples, renamed
from rnnmuse.cli.files import NoProvenance, unmarked
from rnnmuse.errors import RnnmuseError

if TYPE_CHECKING:
    from rnnmuse.provenance.record import Made


@examples(
    'rnnmuse text --prompt "O gentle night" --length 200 --seed 3',
    "rnnmuse text --form haiku --theme sea --out haiku.srt",
    "rnnmuse text --form jueju --seed 1",
)
@renamed(rate="--syllables")
def text(
    prompt: Annotated[str, typer.Option(help="The text before, or the beginning of a poem.")] = "",
    model: Annotated[str | None, typer.Option(help="The model that writes; by default the one for the form.")] = None,
    form: Annotated[
        str | None,
        typer.Option(help="haiku, couplet, ballad, sonnet, song, jueju, lushi or scene; by default plain text."),
    ] = None,
    length: Annotated[
        int | None, typer.Option(help="Length in units; with a form in poems, with a scene in speeches.")
    ] = None,
    unit: Annotated[str, typer.Option(help="Unit of the length: characters, words, lines or poems.")] = "characters",
    cast: Annotated[str, typer.Option(help='Who speaks in a scene: "Ann,Ben,Cy".')] = "",
    width: Annotated[int, typer.Option(help="Characters per line of a jueju or lushi, 5 or 7; 0 draws one.")] = 0,
    temperature: Annotated[
        float, typer.Option(help="0 takes the likeliest, 1 draws as the model learned; up to 5.")
    ] = 0.8,
    top_p: Annotated[
        float, typer.Option(help="Draw from the likeliest characters that hold this share, up to 1.")
    ] = 0.95,
    seed: Annotated[int | None, typer.Option(help="The same seed writes the same text.")] = None,
    require: Annotated[str, typer.Option(help='Words that must come: "sea,light".')] = "",
    ban: Annotated[str, typer.Option(help='Words that must not come: "love,heart".')] = "",
    theme: Annotated[str, typer.Option(help='What English verse is about: "sea" or "sea,night".')] = "",
    stanzas: Annotated[int, typer.Option(help="Stanzas of a haiku, couplet or ballad, up to 12.")] = 1,
    device: Annotated[str, typer.Option(help="Repetition in English verse: anaphora or refrain.")] = "",
    title: Annotated[str, typer.Option(help="What a Chinese poem is about, in Chinese.")] = "",
    acrostic: Annotated[str, typer.Option(help="Chinese: what the first characters of the lines spell.")] = "",
    script: Annotated[str, typer.Option(help="Chinese: traditional or simplified.")] = "traditional",
    stream: Annotated[bool, typer.Option("--stream", help="Print each piece as it is made.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write to this file: .txt, .json, .srt or .vtt.")] = None,
    tempo: Annotated[float, typer.Option(help="Tempo in bpm, for .srt, .vtt and .json.")] = 120.0,
    syllables: Annotated[float, typer.Option(help="Syllables per beat, for .srt, .vtt and .json.")] = 2.0,
    no_provenance: NoProvenance = False,
) -> None:
    """Write text: plain, in a verse form, or a scene; to the screen or to a file."""
    from rnnmuse.provenance.record import Made, chosen
    from rnnmuse.text.author import author
    from rnnmuse.text.forms import FORMS, NAMES, unknown_form
    from rnnmuse.text.writer import MOST, Settings

    if form is not None and form not in (*NAMES, "scene"):
        raise unknown_form(form)
    if out is not None and out.suffix not in (".txt", ".json", ".srt", ".vtt"):
        raise ValueError(f"out: {out.name!r}; must end in .txt, .json, .srt or .vtt")
    if cast and form != "scene":
        raise ValueError("cast: is for --form scene")
    if form in (None, "scene") and (theme or device or stanzas != 1 or title or acrostic or script != "traditional"):
        raise ValueError("theme, stanzas, device, title, acrostic, script: are for a verse form; give --form")
    if length is not None and not 1 <= length <= MOST:
        raise ValueError(f"length: {length}; must be 1 to {MOST:,}")
    default = "shakespeare" if form in (None, "scene") else FORMS[form].model if form in FORMS else "tang"
    seed = secrets.randbits(31) if seed is None else seed
    writer = author(model or default)
    settings = Settings(temperature, top_p, _words(ban), _words(require))
    asked = {**chosen(settings), **({"form": form} if form else {}), "length": length, "unit": unit}
    made_by = None if unmarked(no_provenance) else Made("text", {writer.model.name: writer.model.digest}, seed, asked)
    if form == "scene":
        play = writer.scene(_words(cast), length or 8, prompt=prompt, seed=seed, settings=settings)
        _give(
            play.text(),
            out,
            tempo,
            syllables,
            seed,
            writer.model.name,
            {"form": form, "cues": play.cues(tempo, syllables)},
            made_by,
        )
    elif form is not None:
        wishes: dict[str, Any] = {
            "theme": _words(theme), "stanzas": stanzas, "device": device,
            "title": title, "acrostic": acrostic, "script": script,
        }  # fmt: skip
        poems = [
            "\n".join(writer.poem(form, prompt=prompt, seed=seed + i, settings=settings, width=width, **wishes))
            for i in range(length or 1)
        ]
        more = {"form": form, **{name: wish for name, wish in wishes.items() if wish}}
        _give("\n\n".join(poems), out, tempo, syllables, seed, writer.model.name, more, made_by)
    elif stream and not writer.model.verse:
        pieces = []
        for piece in writer.stream(length or 500, unit, prompt=prompt, seed=seed, settings=settings):
            pieces.append(piece)
            sys.stdout.write(piece)
            sys.stdout.flush()
        print()
        if out is not None:
            _give("".join(pieces), out, tempo, syllables, seed, writer.model.name, {}, made_by)
    else:
        if writer.model.verse and unit == "characters":
            length, unit = length or 1, "poems"
        made = writer.text(length or 500, unit, prompt=prompt, seed=seed, settings=settings)
        _give(made, out, tempo, syllables, seed, writer.model.name, {}, made_by)


def _words(given: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in given.replace("，", ",").split(",") if word.strip())


def _give(
    made: str,
    out: Path | None,
    tempo: float,
    rate: float,
    seed: int,
    model: str,
    more: dict[str, Any],
    made_by: Made | None,
) -> None:
    from rnnmuse.provenance.marks import seal_file
    from rnnmuse.storage import write_whole
    from rnnmuse.text.subtitles import subtitles, timed

    if out is None:
        print(made)
        return
    cues = timed(made.split("\n"), rate)
    if out.suffix in (".srt", ".vtt"):
        content = subtitles(cues, tempo, out.suffix[1:])
    elif out.suffix == ".json":
        lines = [{"beat": c.start, "beats": c.end - c.start, "text": c.text} for c in cues]
        table = {"model": model, "seed": seed, "tempo": tempo, "text": made, "lines": lines, **more}
        content = json.dumps(table, ensure_ascii=False, indent=1) + "\n"
    else:
        content = made + "\n"
    try:
        write_whole(out, content.encode())
        seal_file(out, made_by)
    except OSError as error:
        raise RnnmuseError(f"out: {out}: {error.strerror or error}") from None
    print(f"{out} (seed {seed})")
