"""Batches: many pieces or covers by seeds that follow one another, with a manifest, gone on with where they stopped.

A batch is a folder with its files and ``manifest.jsonl``: a JSON object a line, with ``file``, ``seed``, ``model`` and
its ``hash``, ``settings``, ``seconds`` and ``error`` (null where the file was written). A line is added when a file is
done; a file that is tried again has a line more, and the last one counts.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from rnnmuse.compose.muse import Muse, Settings, joined, load
from rnnmuse.cover.composition import compose
from rnnmuse.cover.picture import Design, described, design_for, made_of, picture_of, printed, sheet_of, write
from rnnmuse.errors import RnnmuseError, WorkersError, first_line
from rnnmuse.models.bundle import find, load_cover
from rnnmuse.models.cover import CoverModel
from rnnmuse.music.midi import write_midi
from rnnmuse.music.read import read_music
from rnnmuse.provenance.record import chosen
from rnnmuse.storage import write_whole
from rnnmuse.workers import Lost, Workers

MANIFEST = "manifest.jsonl"
MOST = 1_000_000
"""Files of a batch, at most."""

Progress = Callable[[int, int], None]


class Work(Protocol):
    """One file of a batch."""

    @property
    def file(self) -> str:
        """Its name in the batch's folder."""

    @property
    def seed(self) -> int: ...

    @property
    def model(self) -> str: ...

    @property
    def hash(self) -> str:
        """The model's digest (`rnnmuse.models.bundle.Bundle.digest`)."""

    @property
    def settings(self) -> dict[str, Any]:
        """What was asked for, as plain values."""

    def write(self, path: Path) -> None:
        """Make the file."""


@dataclass(frozen=True, slots=True)
class Tune:
    """A piece from nothing, or from a ``prompt``: what `rnnmuse generate` writes for these settings."""

    file: str
    model: str
    hash: str
    bars: int
    asked: Settings
    prompt: Path | None = None
    marked: bool = True
    """Whether the file has its record of what made it."""

    @property
    def seed(self) -> int:
        return self.asked.seed or 0

    @property
    def settings(self) -> dict[str, Any]:
        own = {"bars": self.bars, **chosen(self.asked, "seed")}
        return own if self.prompt is None else {**own, "prompt": str(self.prompt)}

    def write(self, path: Path) -> None:
        muse = _muse(self.model, self.hash)
        if self.prompt is None:
            piece = muse.generate(self.bars, self.asked)
        else:
            given = read_music(self.prompt)
            new = muse.continue_(given, self.bars, self.asked)
            piece = joined(given, new) if new.notes else given
        write_midi(piece if self.marked else replace(piece, made=None), path)


@dataclass(frozen=True, slots=True)
class Picture:
    """A cover of a piece, or of a seed alone: what `rnnmuse cover` draws for these settings."""

    file: str
    model: str
    hash: str
    seed: int
    size: int
    asked: tuple[tuple[str, Any], ...] = ()
    """Fields of `rnnmuse.cover.picture.Design`."""
    piece: Path | None = None
    marked: bool = True
    """Whether the file has its record of what made it."""

    @property
    def settings(self) -> dict[str, Any]:
        own = {"size": self.size, **{name: value for name, value in self.asked if value not in ("", None)}}
        return own if self.piece is None else {**own, "piece": str(self.piece)}

    def write(self, path: Path) -> None:
        model = _painter(self.model, self.hash)
        design: Design = design_for(read_music(self.piece) if self.piece else None, self.seed, **dict(self.asked))
        sheet = sheet_of(design, compose(picture_of(model, design)), self.size, self.size)
        made = made_of(model, design) if self.marked else None
        write(printed(sheet, design.seed, 1)[0], path, described(model, design), made)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch came to."""

    folder: Path
    written: int
    """Files that are written now."""
    before: int
    """Files that an earlier run had written."""
    errors: tuple[str, ...]
    """A line for each file that could not be made."""


def batch(
    works: Sequence[Work], folder: Path, hands: Workers, *, force: bool = False, progress: Progress | None = None
) -> Outcome:
    """Have every file of ``works`` made in ``folder`` by ``hands``; called again it makes what is missing.

    A file that cannot be made has a line with its error and stops nothing. A file that is there and differs is an
    error too, unless ``force``. ValueError where the folder is another batch's.
    """
    if not 1 <= len(works) <= MOST:
        raise ValueError(f"count: {len(works)}; must be 1 to {MOST}")
    folder.mkdir(parents=True, exist_ok=True)
    rows = read_manifest(folder)
    if rows and not force:
        _check_same(rows[0], works[0], folder)
    done = {row["file"] for row in rows if row["error"] is None and (folder / row["file"]).is_file()}
    waiting = [work for work in works if force or work.file not in done]
    before = len(works) - len(waiting)
    written, errors = 0, []
    if progress:
        progress(before, len(works))
    tasks = [(work, folder.resolve(), force) for work in waiting]
    for (work, _, _), outcome in hands.outcomes(_made, tasks):
        seconds, error = (0.0, outcome.reason) if isinstance(outcome, Lost) else outcome
        _append(folder, _row(work, seconds, error))
        if error is None:
            written += 1
        else:
            errors.append(f"{work.file}: {error}")
        if progress:
            progress(before + written + len(errors), len(works))
    return Outcome(folder, written, before, tuple(errors))


def read_manifest(folder: Path) -> list[dict[str, Any]]:
    """The last row of each file of a batch; a line that a killed run was writing is left out."""
    rows: dict[str, dict[str, Any]] = {}
    with suppress(FileNotFoundError):
        for line in (folder / MANIFEST).read_text("utf-8", "replace").splitlines():
            with suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                rows[row["file"]] = row | {"error": row["error"]}
    return list(rows.values())


def _check_same(row: dict[str, Any], work: Work, folder: Path) -> None:
    """ValueError where a row of an earlier run has another model or other settings than ``work``."""
    wanted = json.loads(json.dumps(_row(work, 0.0, None)))
    for name in ("model", "hash"):
        if row.get(name) != wanted[name]:
            raise ValueError(
                f"out: {str(folder)!r} is a batch of {name} {row.get(name)}; use another folder, or --force"
            )
    for name in sorted({*row.get("settings", {}), *wanted["settings"]} - {"piece"}):
        has, wants = row.get("settings", {}).get(name), wanted["settings"].get(name)
        if has != wants:
            raise ValueError(
                f"out: {str(folder)!r} is a batch with {name} {has}, not {wants}; use another folder (--force replaces)"
            )


def _row(work: Work, seconds: float, error: str | None) -> dict[str, Any]:
    return {"file": work.file, "seed": work.seed, "model": work.model, "hash": work.hash, "settings": work.settings,
            "seconds": round(seconds, 3), "error": error}  # fmt: skip


def _append(folder: Path, row: dict[str, Any]) -> None:
    with (folder / MANIFEST).open("ab+") as file:
        if file.tell() and (file.seek(-1, 2), file.read(1))[1] != b"\n":
            file.write(b"\n")  # a killed run ended within a row
        file.write(json.dumps(row, ensure_ascii=False, default=str).encode() + b"\n")


def _made(task: tuple[Work, Path, bool]) -> tuple[float, str | None]:
    """Seconds that a file took, and what is wrong with it; OSError where it cannot be stored."""
    work, folder, force = task
    began, path = time.perf_counter(), folder / work.file
    try:
        with tempfile.TemporaryDirectory() as place:
            partial = Path(place) / f"made{path.suffix}"
            work.write(partial)
            data = partial.read_bytes()
    except WorkersError:
        raise
    except (RnnmuseError, ValueError) as error:
        return time.perf_counter() - began, first_line(error)
    except Exception as error:  # one file never stops a batch
        return time.perf_counter() - began, f"{type(error).__name__}: {first_line(error)}"
    if path.exists() and not force:
        if path.read_bytes() != data:
            return time.perf_counter() - began, "a file with other contents is there; --force replaces it"
    else:
        write_whole(path, data)
    return time.perf_counter() - began, None


@lru_cache(maxsize=2)
def _muse(name: str, digest: str) -> Muse:
    _check_model(name, digest)
    return load(name)


@lru_cache(maxsize=2)
def _painter(name: str, digest: str) -> CoverModel:
    _check_model(name, digest)
    return load_cover(name)


def _check_model(name: str, digest: str) -> None:
    if find(name).digest != digest:
        raise RnnmuseError(f"model: {name!r} of this worker is not that of the command; install the same there")
