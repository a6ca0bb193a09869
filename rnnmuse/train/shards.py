"""Shards: the pieces of a few dozen files, read and encoded once, in one file that is named by what went into it.

Files go to shards by their names, so that one that is added or changed touches one shard. A shard's name is the hash of
its files' contents and of how they are encoded: what is there already need not be made again, on whatever machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from rnnmuse.errors import MissingExtraError, ReadError, RnnmuseError, first_line
from rnnmuse.music.codec import CONTEXT, Array, Encoded, encode
from rnnmuse.music.harmony import estimate_chords, lead_sheet
from rnnmuse.music.keys import follow_keys
from rnnmuse.music.piece import Key, Piece
from rnnmuse.music.read import music_files, read_music
from rnnmuse.music.roles import band_roles
from rnnmuse.train.grouping import Sketch, sketch
from rnnmuse.train.stream.recipe import Recipe
from rnnmuse.workers import Lost, Workers

VERSION = 5  # raise it when reading or encoding changes, so that old shards are not reused
MIN_EVENTS = 8
FILES = 24
"""Files of a shard, about."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Bucket:
    """The files of one shard, and the folder that the shard is kept in."""

    files: tuple[tuple[Path, Path], ...]
    """Each file's corpus folder and the file, in order."""
    recipe: Recipe
    folder: Path
    without: tuple[tuple[str, str], ...] = ()
    """Files that are not read, by name, with the reason."""


@dataclass(frozen=True, slots=True)
class Shard:
    """What is known of a shard without reading its pieces."""

    path: Path
    files: int
    """Files that it was made of, those that could not be read included."""
    pieces: int
    events: int
    unread: tuple[str, ...]
    """A line for each file that could not be used."""


def shards_in(folders: Sequence[Path], recipe: Recipe, folder: Path, size: int = FILES) -> list[Bucket]:
    """The files under ``folders`` in buckets of about ``size``; their shards are kept in ``folder``.

    Raises ReadError where there are none.
    """
    files = [(root, path) for root in folders for path in music_files(root)]
    if not files:
        raise ReadError(f"{', '.join(map(str, folders))}: no music files in it")
    buckets: dict[int, list[tuple[Path, Path]]] = {}
    count = 1 << max(0, (len(files) // size).bit_length())
    for root, path in files:
        buckets.setdefault(zlib.crc32(_name(root, path).encode()) % count, []).append((root, path))
    return [Bucket(tuple(bucket), recipe, folder) for _, bucket in sorted(buckets.items())]


def encode_shards(buckets: Sequence[Bucket], hands: Workers, progress: Progress | None = None) -> list[Shard]:
    """The shards of ``buckets``, in their order, made by ``hands`` where they are not there yet.

    A file that ends the process which reads it is told from the others of its shard and listed as unread.
    ``progress`` is called with (files done, files in all).
    """
    found: dict[int, Shard] = {}
    done, total = 0, sum(len(bucket.files) for bucket in buckets)
    if progress:
        progress(0, total)
    waiting = dict(enumerate(buckets))
    while waiting:
        lost: dict[int, Bucket] = {}
        for (number, bucket), outcome in hands.outcomes(_encode, waiting.items()):
            if isinstance(outcome, Lost):
                lost[number] = bucket
                continue
            found[number] = outcome
            done += outcome.files
            if progress:
                progress(done, total)
        waiting = {number: _without_killers(bucket, hands) for number, bucket in lost.items()}
    return [found[number] for number in range(len(buckets))]


def _encode(task: tuple[int, Bucket]) -> Shard:
    return encode_shard(task[1])


def _without_killers(bucket: Bucket, hands: Workers) -> Bucket:
    """The bucket without the files that end their process, each tried alone; ReadError where none of them does."""
    alone = [replace(bucket, files=(file,)) for file in bucket.files]
    killers = [
        (_name(*one.files[0]), outcome.reason)
        for one, outcome in hands.outcomes(_tried, alone)
        if isinstance(outcome, Lost) and _name(*one.files[0]) not in dict(bucket.without)
    ]
    if not killers:
        raise ReadError(f"{bucket.files[0][1].parent}: a shard's process died each time, with no file of it alone")
    return replace(bucket, without=(*bucket.without, *sorted(killers)))


def _tried(bucket: Bucket) -> None:
    _read(bucket)


def known(bucket: Bucket) -> Shard | None:
    """The bucket's shard, where it is there and whole."""
    return _seen(bucket.folder / f"{_key(bucket)}.npz")


def encode_shard(bucket: Bucket) -> Shard:
    """Make the shard of ``bucket``, unless it is there."""
    path = bucket.folder / f"{_key(bucket)}.npz"
    shard = _seen(path)
    if shard is not None:
        return shard
    names, encoded, sketches, unread = _read(bucket)
    text = {"names": names, "unread": unread, "sketches": sketches, "files": len(bucket.files)}
    whole: dict[str, Any] = {
        "events": np.concatenate([e.events for e in encoded]) if encoded else np.zeros((0, 7), np.int16),
        "context": np.concatenate([e.context for e in encoded]) if encoded else np.zeros((0, len(CONTEXT)), np.int16),
        "lengths": np.array([len(e) for e in encoded], np.int64),
        "text": np.array(json.dumps(text)),
    }
    bucket.folder.mkdir(parents=True, exist_ok=True)
    writer = f"{socket.gethostname()}.{os.getpid()}.{threading.get_ident()}"
    partial = bucket.folder / f".{path.stem}.{writer}.tmp.npz"
    try:
        np.savez_compressed(partial, **whole)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(bucket.folder)) from None
    return Shard(path, len(bucket.files), len(names), int(whole["lengths"].sum()), tuple(unread))


def _read(bucket: Bucket) -> tuple[list[str], list[Encoded], list[list[int]], list[str]]:
    """Names, encoded pieces and sketches of what can be used, and a line for each file that cannot."""
    recipe, without = bucket.recipe, dict(bucket.without)
    names: list[str] = []
    encoded: list[Encoded] = []
    sketches: list[list[int]] = []
    unread: list[str] = []
    for root, path in bucket.files:
        name = _name(root, path)
        if name in without:
            unread.append(f"{name}: {without[name]}")
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what is skipped within a file
                piece = prepared(read_music(path), recipe.prepare)
                one = encode(lead_sheet(piece) if recipe.prepare == "melody" else piece, recipe.parts, recipe.kit)
                hashes = sorted(sketch(piece))
        except MissingExtraError:
            raise
        except (RnnmuseError, ValueError, OSError) as error:
            unread.append(f"{name}: {first_line(error).removeprefix(path.name + ': ')}")
            continue
        except Exception as error:  # one file never stops a corpus
            unread.append(f"{name}: {type(error).__name__}: {first_line(error)}")
            continue
        if len(one) < MIN_EVENTS:
            unread.append(f"{name}: fewer than {MIN_EVENTS} events for the parts of this model")
            continue
        names.append(name)
        encoded.append(one)
        sketches.append(hashes)
    return names, encoded, sketches, unread


class Stored(Encoded):
    """A piece that stays in its shard: its length is known, its events are read each time that they are asked for."""

    __slots__ = ("at", "length", "path")
    path: Path
    at: int
    length: int

    def __init__(self, path: Path, at: int, length: int) -> None:
        for name, value in (("path", path), ("at", at), ("length", length)):
            object.__setattr__(self, name, value)

    @property
    def events(self) -> Array:
        return self.read().events

    @property
    def context(self) -> Array:
        return self.read().context

    def read(self) -> Encoded:
        """The piece itself."""
        events, context = _arrays(self.path)
        rows = slice(self.at, self.at + self.length)
        return Encoded(events[rows].copy(), context[rows].copy())

    def __len__(self) -> int:
        return self.length


@lru_cache(maxsize=4)
def _arrays(path: Path) -> tuple[Array, Array]:
    with _whole(path), np.load(path) as data:
        return data["events"], data["context"]


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """ReadError where what is read of a shard is damaged."""
    try:
        yield
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ReadError(f"{path}: a damaged shard ({first_line(error)}); delete it and prepare again") from None


def pieces_of(shard: Shard) -> Iterator[tuple[str, Encoded, Sketch]]:
    """Name, encoded piece and sketch of every piece of a shard; ReadError where it is damaged."""
    with _whole(shard.path), np.load(shard.path) as data:
        events, context = data["events"], data["context"]
    for name, one, hashes in stored_in(shard):
        yield name, Encoded(events[one.at : one.at + one.length], context[one.at : one.at + one.length]), hashes


def stored_in(shard: Shard) -> Iterator[tuple[str, Stored, Sketch]]:
    """Name, place and sketch of every piece of a shard, which stays where it is; ReadError where it is damaged."""
    with _whole(shard.path), np.load(shard.path) as data:
        lengths, text = data["lengths"].tolist(), json.loads(str(data["text"]))
    at = 0
    for name, length, hashes in zip(text["names"], lengths, text["sketches"], strict=True):
        yield name, Stored(shard.path, at, length), np.array(hashes, np.uint32)
        at += length


def _seen(path: Path) -> Shard | None:
    try:
        with np.load(path) as data:
            lengths, text = data["lengths"], json.loads(str(data["text"]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error):
        return None
    return Shard(path, int(text["files"]), len(lengths), int(lengths.sum()), tuple(text["unread"]))


def _name(root: Path, path: Path) -> str:
    """A file's path in its corpus."""
    return (path.relative_to(root) if root.is_dir() else Path(path.name)).as_posix()


def _key(bucket: Bucket) -> str:
    digest = hashlib.sha256(f"{signature(bucket.recipe)} {bucket.without}".encode())
    for root, path in bucket.files:
        digest.update(f"\n{_name(root, path)} ".encode())
        try:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError:
            digest.update(b"unreadable")
    return digest.hexdigest()[:32]


def signature(recipe: Recipe) -> str:
    """A hash of all that the encoding of a file depends on, but for the file."""
    return hashlib.sha256(repr((VERSION, recipe.parts, recipe.prepare, recipe.kit)).encode()).hexdigest()


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
