"""`rnnmuse provenance`: what made a file, and whether it is still that file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.command import DAMAGED, Json, examples, show_json


@examples("rnnmuse provenance song.mid", "rnnmuse provenance song.mid other.mid --json")
def provenance(
    files: Annotated[list[Path], typer.Argument(help="Files that rnnmuse wrote.")],
    require: Annotated[bool, typer.Option("--require", help="Exit with 1 for a file without a record too.")] = False,
    as_json: Json = False,
) -> None:
    """Say what made FILES, and verify them byte by byte; exit with 1 where one has changed since."""
    from rnnmuse.provenance.marks import read
    from rnnmuse.provenance.record import sentence

    rows = []
    for file in files:
        found = read(file)
        state = "no record" if found is None else "verified" if found.intact else "changed since"
        rows.append({"file": file, "state": state, "record": found.record if found else None})
        if found is None:
            line = f"{file}: no record: rnnmuse did not write it, or its record was removed"
        else:
            line = f"{file}: {state}: {sentence(found.record)}"
        if not as_json:
            print(line)
    if as_json:
        show_json(rows)
    failing = {"changed since", "no record"} if require else {"changed since"}
    if any(row["state"] in failing for row in rows):
        raise typer.Exit(DAMAGED)
