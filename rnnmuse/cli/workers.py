"""Options of the commands that spread their work over processes, and how a batch is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnmuse.cli.command import DAMAGED, progress, show_json

if TYPE_CHECKING:
    from rnnmuse.compose.batch import Work

Scheduler = Annotated[
    str | None,
    typer.Option(help="A Dask cluster's scheduler, such as tcp://10.0.0.5:8786, or its scheduler file (scale extra)."),
]
WorkerCount = Annotated[
    int | None, typer.Option("--workers", help="Processes on this machine; by default one per core.")
]
Count = Annotated[
    int | None,
    typer.Option(help="How many, with seeds from --seed (or 1), and a manifest; --out is then a folder, and "
                      "the same command goes on with it."),
]  # fmt: skip


def only_with_count(count: int | None, scheduler: str | None, workers: int | None) -> None:
    """ValueError for options of a batch without its ``count``."""
    for name, value in (("scheduler", scheduler), ("workers", workers)):
        if count is None and value is not None:
            raise ValueError(f"{name}: {value}; is for batches: give --count")


def run_batch(
    works: Sequence[Work], folder: Path, scheduler: str | None, workers: int | None, force: bool, as_json: bool = False,
    seen: Sequence[Path] = (),
) -> None:  # fmt: skip
    """Make a batch and say what came of it; exit code DAMAGED where a file could not be made."""
    from rnnmuse.compose.batch import MANIFEST, batch
    from rnnmuse.workers import workers as pool

    if folder.exists() and not folder.is_dir():
        raise ValueError(f"out: {str(folder)!r} is a file; with --count it is a folder")
    folder.mkdir(parents=True, exist_ok=True)
    with pool(workers, scheduler, (folder, *seen)) as hands, progress(f"{len(works)} files") as bar:
        found = batch(works, folder, hands, force=force, progress=lambda done, total: bar(done / max(1, total)))
    if as_json:
        show_json({"folder": folder, "written": found.written, "before": found.before, "errors": found.errors})
    else:
        for line in found.errors[:20]:
            typer.echo(line, err=True)
        if len(found.errors) > 20:
            typer.echo(f"{len(found.errors) - 20} more, in {folder / MANIFEST}", err=True)
        there = f", {found.before} were there" if found.before else ""
        failed = f", {len(found.errors)} not" if found.errors else ""
        print(f"{folder}: {found.written} files written{there}{failed}; {MANIFEST} names each")
    if found.errors:
        raise typer.Exit(DAMAGED)
