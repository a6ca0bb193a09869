"""Folders of music to encoded corpora: read once, in parallel, into shards that are reused."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from rnnmuse.errors import MissingExtraError, ReadError, RnnmuseError
from rnnmuse.music.codec import CONTEXT, Encoded, encode
from rnnmuse.music.harmony import estimate_chords, lead_sheet
from rnnmuse.music.keys import follow_keys
from rnnmuse.music.piece import Key, Piece
from rnnmuse.music.read import music_files, read_music
from rnnmuse.music.roles import band_roles
from rnnmuse.train.grouping import grouped, sketch
from rnnmuse.train.stream.recipe import Recipe

VERSION = 4  # raise it when reading or encoding changes, so that old shards are not reused
SPLITS = ("train", "validation", "test")
MIN_EVENTS = 8
TEMPI = (55.0, 67.0, 82.0, 97.0, 112.0, 130.0, 155.0, 185.0, 120.0)
"""The middle of each of the codec's tempo classes, in bpm."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of a corpus; ``group`` joins arrangements and copies of one work, which share a split."""

    name: str
    """Path of its file in the corpus."""
    encoded: Encoded
    """The piece as the model reads it."""
    sketch: frozenset[int]
    """Hashes that copies of a work share; see `rnnmuse.train.grouping.sketch`."""
    group: int = 0
    split: str = "train"
    """One of SPLITS."""


@dataclass(slots=True)
class Corpus:
    """Pieces that could be read, and one line for each file that could not."""

    items: list[Item] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def of(self, split: str) -> list[Item]:
        return [item for item in self.items if item.split == split]


def default_cache() -> Path:
    """Where shards are kept: ``$XDG_CACHE_HOME/rnnmuse`` or ``~/.cache/rnnmuse``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rnnmuse"


def load_corpus(
    folders: Sequence[Path],
    recipe: Recipe,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Corpus:
    """Every piece under ``folders``, encoded for ``recipe`` and split by piece.

    Files are spread over shards by their names; a shard is encoded again only where one of its files changed.
    ``progress`` is called with (files done, files in all). Raises ReadError where nothing could be read.
    """
    cache = cache or default_cache()
    files = [(root, path) for root in folders for path in music_files(root)]
    if not files:
        raise ReadError(f"{', '.join(map(str, folders))}: no music files in it")
    buckets: dict[int, list[tuple[Path, Path]]] = {}
    count = 1 << max(0, (len(files) // 24).bit_length())
    for root, path in files:
        buckets.setdefault(zlib.crc32(str(_relative(root, path)).encode()) % count, []).append((root, path))
    corpus, done = Corpus(), 0
    jobs = [(bucket, _key(bucket, recipe), recipe, cache) for _, bucket in sorted(buckets.items())]
    cache.mkdir(parents=True, exist_ok=True)
    missing = [job for job in jobs if not (cache / f"{job[1]}.npz").exists()]
    done = len(files) - sum(len(job[0]) for job in missing)
    if progress:
        progress(done, len(files))
    workers = workers or os.cpu_count() or 1
    if len(missing) > 1 and workers > 1:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for size in pool.map(_encode_shard, missing):
                done += size
                if progress:
                    progress(done, len(files))
    else:
        for job in missing:
            done += _encode_shard(job)
            if progress:
                progress(done, len(files))
    for job in jobs:
        _read_shard(cache / f"{job[1]}.npz", corpus)
    corpus.items = [item for item in corpus.items if not any(word in item.name for word in recipe.exclude)]
    if not corpus.items:
        why = f" ({corpus.unread[0]})" if corpus.unread else ""
        raise ReadError(f"{', '.join(map(str, folders))}: no piece could be used{why}")
    corpus.items.sort(key=lambda item: item.name)
    given = _given_splits(folders, recipe)
    corpus.items = split(corpus.items, given)
    return corpus


def _relative(root: Path, path: Path) -> Path:
    return path.relative_to(root) if root.is_dir() else Path(path.name)


def _key(bucket: Iterable[tuple[Path, Path]], recipe: Recipe) -> str:
    digest = hashlib.sha256(repr((VERSION, recipe.parts, recipe.prepare, recipe.kit)).encode())
    for root, path in bucket:
        stat = path.stat()
        digest.update(repr((str(_relative(root, path)), stat.st_size, stat.st_mtime_ns)).encode())
    return digest.hexdigest()[:32]


def _encode_shard(job: tuple[list[tuple[Path, Path]], str, Recipe, Path]) -> int:
    bucket, key, recipe, cache = job
    names: list[str] = []
    unread: list[str] = []
    encoded: list[Encoded] = []
    sketches: list[list[int]] = []
    for root, path in bucket:
        name = str(_relative(root, path))
        try:
            piece = prepared(read_music(path), recipe.prepare)
            one = encode(lead_sheet(piece) if recipe.prepare == "melody" else piece, recipe.parts, recipe.kit)
        except MissingExtraError:
            raise
        except (RnnmuseError, ValueError) as error:
            unread.append(f"{name}: {str(error).removeprefix(path.name + ': ')}")
            continue
        if len(one) < MIN_EVENTS:
            unread.append(f"{name}: fewer than {MIN_EVENTS} events for the parts of this model")
            continue
        names.append(name)
        encoded.append(one)
        sketches.append(sorted(sketch(piece)))
    whole: dict[str, Any] = {
        "events": np.concatenate([e.events for e in encoded]) if encoded else np.zeros((0, 7), np.int16),
        "context": np.concatenate([e.context for e in encoded]) if encoded else np.zeros((0, len(CONTEXT)), np.int16),
        "lengths": np.array([len(e) for e in encoded], np.int64),
        "text": np.array(json.dumps({"names": names, "unread": unread, "sketches": sketches})),
    }
    partial = cache / f"{key}.{os.getpid()}.tmp.npz"
    np.savez_compressed(partial, **whole)
    partial.replace(cache / f"{key}.npz")
    return len(bucket)


def _read_shard(path: Path, corpus: Corpus) -> None:
    with np.load(path) as data:
        events, context, lengths = data["events"], data["context"], data["lengths"].tolist()
        text = json.loads(str(data["text"]))
    corpus.unread += text["unread"]
    at = 0
    for name, length, hashes in zip(text["names"], lengths, text["sketches"], strict=True):
        one = Encoded(events[at : at + length], context[at : at + length])
        corpus.items.append(Item(name, one, frozenset(hashes)))
        at += length


def prepared(piece: Piece, prepare: str = "estimate_chords") -> Piece:
    """A piece as a model hears it: with its keys, and as ``prepare`` says with estimated chords or as a lead sheet.

    For ``band`` each part has the program of its role.

    For ``melody`` the whole piece with its chords is kept, so that it is known again among other models' pieces.
    """
    pitched = [n for part in piece.parts if not part.drum for n in part.notes]
    if pitched and piece.keys in ([], [Key(0.0, 0)]):  # files without a key often claim C major
        piece.keys = follow_keys(sorted(pitched))
    if prepare == "band":
        piece = band_roles(piece)
    if prepare == "lead_sheet":
        return lead_sheet(piece)
    if prepare in ("estimate_chords", "melody", "band") and pitched and not piece.chords:
        piece.chords = estimate_chords(piece)
    return piece


def split(items: list[Item], given: dict[str, str] | None = None) -> list[Item]:
    """Items with group and split set: 80 % train, 10 % validation, 10 % test of the groups.

    ``given`` (name to split) is obeyed where it knows the piece.
    """
    groups = grouped([item.sketch for item in items])
    first: dict[int, str] = {}
    for item, group in zip(items, groups, strict=True):
        first.setdefault(group, item.name)
    out = []
    for item, group in zip(items, groups, strict=True):
        share = zlib.crc32(first[group].encode()) % 100
        chosen = "test" if share < 10 else "validation" if share < 20 else "train"
        out.append(replace(item, group=group, split=(given or {}).get(item.name, chosen)))
    if len({item.split for item in out}) < 3 and len(out) >= 3 and not given:
        # too few pieces for chance to fill every split
        order = sorted(set(groups), key=lambda group: zlib.crc32(first[group].encode()))
        named = {group: SPLITS[max(0, 2 - rank)] for rank, group in enumerate(order)}
        out = [replace(item, split=named[item.group]) for item in out]
    return out


def _given_splits(folders: Sequence[Path], recipe: Recipe) -> dict[str, str]:
    if not recipe.splits:
        return {}
    for folder in folders:
        for path in sorted(folder.rglob(recipe.splits)) if folder.is_dir() else ():
            base = path.parent.relative_to(folder)
            with path.open(newline="", encoding="utf-8") as file:
                return {str(base / row["midi_filename"]): row["split"] for row in csv.DictReader(file)}
    raise ReadError(f"splits: no {recipe.splits!r} in {', '.join(map(str, folders))}")
