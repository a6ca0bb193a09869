"""Prepared sets: a corpus encoded into one folder, from which training reads where the files are not.

============== ==================================================================================
file           holds
============== ==================================================================================
set.json       how the pieces are encoded, the list of shards with what they hold, given splits
recipe.toml    a recipe for a model of these pieces
skipped.txt    a line for each file that could not be used
shards/        the pieces (`rnnmuse.train.shards`), each file named by the hash of what went into it
============== ==================================================================================
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnmuse.errors import ReadError, first_line
from rnnmuse.storage import write_whole
from rnnmuse.train.recipe import read_recipe, recipe_text
from rnnmuse.train.shards import FILES, Progress, Shard, encode_shards, shards_in, signature
from rnnmuse.train.stream.recipe import Recipe
from rnnmuse.workers import Workers

FORMAT = 1
SET, RECIPE, SKIPPED, SHARDS = "set.json", "recipe.toml", "skipped.txt", "shards"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared set."""

    folder: Path
    shards: tuple[Shard, ...]
    splits: dict[str, str]
    """The split of each piece, where its corpus gives it."""

    @property
    def files(self) -> int:
        return sum(shard.files for shard in self.shards)

    @property
    def pieces(self) -> int:
        return sum(shard.pieces for shard in self.shards)

    @property
    def events(self) -> int:
        return sum(shard.events for shard in self.shards)

    @property
    def unread(self) -> list[str]:
        return [line for shard in self.shards for line in shard.unread]


def prepare(
    folders: Sequence[Path],
    recipe: Recipe,
    out: Path,
    hands: Workers,
    *,
    size: int = FILES,
    force: bool = False,
    progress: Progress | None = None,
) -> Prepared:
    """Encode every file under ``folders`` for ``recipe`` into the set ``out``, in shards of about ``size`` files.

    Called again it goes on: a shard that is there is not made again, one whose files changed is made anew, and shards
    that nothing needs are removed at the end. ValueError where ``out`` holds something else, or a set for another
    encoding without ``force``; ReadError where no file could be used.
    """
    if not 1 <= size <= 100_000:
        raise ValueError(f"shard_files: {size}; must be 1 to 100000")
    check_target(out, recipe, force)
    folder = out.resolve() / SHARDS
    buckets = shards_in([path.resolve() for path in folders], recipe, folder, size)
    given = given_splits(folders, recipe)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(out / RECIPE, recipe_text(recipe).encode())
    made = Prepared(out, tuple(encode_shards(buckets, hands, progress)), given)
    if not made.pieces:
        raise ReadError(f"{', '.join(map(str, folders))}: no piece could be used ({made.unread[0]})")
    rows = [
        {"shard": one.path.stem, "files": one.files, "pieces": one.pieces, "events": one.events, "unread": one.unread}
        for one in made.shards
    ]
    table = {"format": FORMAT, "encoding": signature(recipe), "parts": [part.name for part in recipe.parts],
             "prepare": recipe.prepare, "splits": given, "shards": rows}  # fmt: skip
    write_whole(out / SKIPPED, "".join(f"{line}\n" for line in made.unread).encode())
    write_whole(out / SET, (json.dumps(table, ensure_ascii=False, indent=1) + "\n").encode())
    kept = {one.path.name for one in made.shards}
    for path in folder.iterdir():
        if path.name not in kept:
            with suppress(OSError):
                path.unlink()
    return made


def check_target(out: Path, recipe: Recipe, force: bool = False) -> None:
    """ValueError where a set for ``recipe`` cannot be written into ``out``."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"out: {str(out)!r} is a file; give the name of a folder")
    if not out.is_dir() or force:
        return
    if is_prepared(out):
        if _table(out).get("encoding") != signature(recipe):
            raise ValueError(f"out: {str(out)!r} is a set for other parts; use another folder (--force replaces it)")
    elif any(path.name not in (RECIPE, SHARDS) for path in out.iterdir()):
        raise ValueError(f"out: {str(out)!r} is a folder with other files; use an empty one (--force writes into it)")


def is_prepared(folder: Path) -> bool:
    """Whether ``folder`` is a prepared set."""
    return (folder / SET).is_file()


def read_set(folder: Path, recipe: Recipe | None = None) -> Prepared:
    """The prepared set in ``folder``; ReadError where it is damaged, or encoded for others than ``recipe``'s parts."""
    table = _table(folder)
    if recipe is not None and table["encoding"] != signature(recipe):
        raise ReadError(
            f"{folder}: prepared for other parts or by another version ({', '.join(table['parts'])}; "
            f"{table['prepare']}); prepare the files again, with --for or --recipe of the model"
        )
    shards = tuple(
        Shard(folder / SHARDS / f"{row['shard']}.npz", row["files"], row["pieces"], row["events"], tuple(row["unread"]))
        for row in table["shards"]
    )
    return Prepared(folder, shards, table["splits"])


def recipe_of(folder: Path) -> Recipe:
    """The recipe that a prepared set was made with."""
    return read_recipe(folder / RECIPE, Recipe)


def _table(folder: Path) -> dict[str, Any]:
    try:
        table = json.loads((folder / SET).read_text("utf-8"))
        if table["format"] != FORMAT:
            raise ReadError(f"{folder / SET}: format {table['format']}; this rnnmuse reads {FORMAT}")
        for name in ("encoding", "parts", "prepare", "splits", "shards"):
            table[name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(f"{folder / SET}: a damaged set ({first_line(error)}); prepare it again") from None
    found: dict[str, Any] = table
    return found


def given_splits(folders: Sequence[Path], recipe: Recipe) -> dict[str, str]:
    """The split of each piece by its name, from the CSV that ``recipe.splits`` names; empty without."""
    if not recipe.splits:
        return {}
    for folder in folders:
        for path in sorted(folder.rglob(recipe.splits)) if folder.is_dir() else ():
            base = path.parent.relative_to(folder)
            with path.open(newline="", encoding="utf-8") as file:
                return {str(base / row["midi_filename"]): row["split"] for row in csv.DictReader(file)}
    raise ReadError(f"splits: no {recipe.splits!r} in {', '.join(map(str, folders))}")
