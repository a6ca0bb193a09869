"""`rnnmuse authorship`: who played and changed what in a session, from its log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.command import DAMAGED, examples
from rnnmuse.cli.files import Force, check_suffix, target


@examples("rnnmuse authorship session.log", "rnnmuse authorship session.log --out who.md")
def authorship(
    file: Annotated[Path, typer.Argument(help="A log written by rnnmuse live --authorship.")],
    out: Annotated[Path | None, typer.Option(help="Write the statement to this file, .md or .txt.")] = None,
    force: Force = False,
) -> None:
    """Verify the log FILE and state who made the music, bar by bar; exit with 1 where its chain is broken."""
    from rnnmuse.provenance.journal import read, statement
    from rnnmuse.storage import write_whole

    if out is not None:
        check_suffix(out, (".md", ".txt"))
    found = read(file)
    text = statement(found)
    if out is None:
        print(text, end="")
    else:
        out = target(out, force)
        write_whole(out, text.encode())
        print(f"{out}: {'whole' if not found.broken else f'broken at line {found.broken}'}, last hash {found.last}")
    if found.broken:
        raise typer.Exit(DAMAGED)
