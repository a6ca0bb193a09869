"""`rnnmuse prepare`: corpora encoded into sets, by several processes or a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnmuse.cli.command import Json, examples, progress, show_json
from rnnmuse.cli.workers import Scheduler, WorkerCount

if TYPE_CHECKING:
    from rnnmuse.train.stream.recipe import Recipe


@examples("rnnmuse prepare my_midi_files --out prepared --workers 1")
def prepare(
    folders: Annotated[list[Path], typer.Argument(help="Folders of MIDI, MusicXML, MXL, ABC or kern files.")],
    out: Annotated[Path, typer.Option(help="The folder of the set, new or unfinished.")],
    model: Annotated[str | None, typer.Option("--for", help="Encode for this model, to fine-tune it.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="Encode for the model of this recipe.toml.")] = None,
    scheduler: Scheduler = None,
    workers: WorkerCount = None,
    shard_files: Annotated[int, typer.Option(help="Approximate number of files per shard.")] = 24,
    force: Annotated[bool, typer.Option("--force", help="Replace a set that was made for other parts.")] = False,
    as_json: Json = False,
) -> None:
    """Encode a corpus once, for `rnnmuse train stream SET`; run it again after an interruption and it goes on."""
    from rnnmuse.errors import ReadError
    from rnnmuse.music.read import music_files
    from rnnmuse.train.prepared import SKIPPED, check_target
    from rnnmuse.train.prepared import prepare as prepared
    from rnnmuse.workers import workers as pool

    if not any(music_files(folder) for folder in folders):
        raise ReadError(f"{', '.join(map(str, folders))}: no music files in it")
    chosen = _recipe(folders, out, model, recipe)
    check_target(out, chosen, force)
    out.mkdir(parents=True, exist_ok=True)
    with pool(workers, scheduler, (*folders, out)) as hands, progress("encoding") as bar:
        made = prepared(
            folders, chosen, out, hands, size=shard_files, force=force,
            progress=lambda done, total: bar(done / max(1, total)),
        )  # fmt: skip
    unread = made.unread
    if as_json:
        show_json(
            {"set": out, "files": made.files, "pieces": made.pieces, "events": made.events,
             "shards": len(made.shards), "skipped": unread}
        )  # fmt: skip
        return
    for line in unread[:20]:
        typer.echo(f"skipped {line}", err=True)
    if len(unread) > 20:
        typer.echo(f"skipped {len(unread) - 20} more, listed in {out / SKIPPED}", err=True)
    print(f"{out}: {made.pieces:,} pieces of {made.files:,} files, {made.events:,} events, {len(made.shards):,} shards")


def _recipe(folders: list[Path], out: Path, model: str | None, path: Path | None) -> Recipe:
    from rnnmuse.models.bundle import find
    from rnnmuse.train.prepared import RECIPE, is_prepared
    from rnnmuse.train.recipe import read_recipe
    from rnnmuse.train.stream.kinds import recipe_for
    from rnnmuse.train.stream.recipe import Recipe

    if model is not None and path is not None:
        raise ValueError(f"--for {model} and --recipe {path}: use one of them")
    if path is not None:
        return read_recipe(path, Recipe)
    if model is not None:
        bundle = find(model)
        if bundle.kind != "stream":
            raise ValueError(f"--for {model}: is a {bundle.kind} model; a stream model is needed")
        return read_recipe(bundle.folder / RECIPE, Recipe)
    if is_prepared(out) or (out / RECIPE).is_file():
        return read_recipe(out / RECIPE, Recipe)  # a set that is gone on with keeps its parts
    return recipe_for(folders, out.name)
