"""`rnnmuse rig new|check`: the files that set up a performance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.command import App, examples

app = App(help="Rig files: the setup of a performance.", no_args_is_help=True)


@app.command()
@examples("rnnmuse rig new my.toml", "rnnmuse rig new trio.toml --band jazz")
def new(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("rig.toml"),
    band: Annotated[str, typer.Option(help="Write the rig of a band instead: jazz, pop, folk or game.")] = "",
) -> None:
    """Write a rig with every field explained; an existing file is left alone."""
    from rnnmuse.config import band_rig, template, write
    from rnnmuse.protocol import STYLES

    if band and band not in STYLES:
        raise ValueError(f"band: {band!r}; must be one of {', '.join(STYLES)}")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(write(band_rig(band)) if band else template())
    except FileExistsError:
        raise ValueError(f"{path}: is there already; give another name") from None
    print(f"{path}: change it, then run: rnnmuse live {path}")


@app.command()
@examples("rnnmuse rig check my.toml")
def check(path: Annotated[Path, typer.Argument(help="The rig to check.")]) -> None:
    """Say what is wrong with a rig, or what it opens."""
    from rnnmuse.config import load
    from rnnmuse.models.bundle import find

    rig = load(path)
    for name in {str(rig.stage["model"]), *(seat.model for seat in rig.players.values() if seat.model)}:
        find(name)
    players = ", ".join(f"{n} {s.mode}" for n, s in sorted(rig.players.items())) or "none set up"
    print(f"{path}: good. Port {rig.stage['port']}, {rig.stage['tempo']:g} bpm, players: {players}; "
          f"{len(rig.presets)} presets, {len(rig.learned)} learned controllers")  # fmt: skip
