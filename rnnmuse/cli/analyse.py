"""`rnnmuse analyse`: what is typical of a piece or of a collection."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.command import Json, examples, progress, show_json
from rnnmuse.cli.files import AsWritten, Force, check_suffix, target


@examples(
    "rnnmuse analyse song.mid",
    "rnnmuse analyse song.mid other.mid --picture tunes.png --preset tunes.toml",
)
def analyse(
    places: Annotated[list[Path], typer.Argument(metavar="FILE|FOLDER...", help="Music files, or folders of them.")],
    picture: Annotated[Path | None, typer.Option(help="Also draw a picture (.png or .svg).")] = None,
    preset: Annotated[
        Path | None, typer.Option(help="Write a rig (.toml) in this manner, for rnnmuse live RIG.")
    ] = None,
    title: Annotated[str, typer.Option(help="The title of the picture.")] = "",
    as_written: AsWritten = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Say what is typical: keys, metres, chords, range, repetition, shapes of phrases and rhythms."""
    from rnnmuse.compose.analyse import described, summarised
    from rnnmuse.errors import ReadError, RnnmuseError
    from rnnmuse.music.read import music_files, read_music

    if picture is not None:
        check_suffix(picture, (".png", ".svg"), "picture")
    if preset is not None:
        check_suffix(preset, (".toml",), "preset")
    paths = [path for place in places for path in music_files(place)]
    found, unread = [], []
    with progress("reading") as shown:
        for number, path in enumerate(paths):
            try:
                found.append(described(path.name, read_music(path, as_written)))
            except (RnnmuseError, ValueError) as error:
                unread.append(f"{path.name}: {error}")
            shown((number + 1) / len(paths))
    for line in unread[:20]:
        print(f"skipped {line}", file=sys.stderr)
    if not found:
        raise ReadError(f"{', '.join(map(str, places))}: no music that can be analysed")
    summary = summarised(found)
    written: dict[str, Path] = {}
    if picture is not None:
        from rnnmuse.compose.portrait import save_portrait

        name = title or (f"{places[0].name}, {len(found)} pieces" if len(found) > 1 else places[0].stem)
        written["picture"] = save_portrait(summary, target(picture, force, "picture"), name)
    if preset is not None:
        written["preset"] = target(preset, force, "preset")
        written["preset"].write_text(_rig(summary), "utf-8")
    if as_json:
        show_json({**summary.as_json(), **written})
        return
    print("\n".join(summary.words()))
    for path in written.values():
        print(path)


def _rig(summary: object) -> str:
    """A rig whose first player plays in the manner of a summary, over its chart."""
    from rnnmuse.compose.analyse import Summary
    from rnnmuse.config import Rig, write
    from rnnmuse.session.seat import Seat

    assert isinstance(summary, Summary)
    settings = summary.player()
    rig = Rig()
    tempo = min(999.0, max(20.0, round(summary.tempo, 1)))
    rig.stage.update(tempo=tempo, metre=next(iter(summary.metres)), model=settings["model"])
    rig.stage.update(chart=summary.chart())
    model = settings.pop("model")
    rig.players[1] = Seat(model=model, mode="free", parameters=settings, started=True)
    return write(rig)
