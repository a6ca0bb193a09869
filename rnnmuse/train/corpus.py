"""Folders of music, or prepared sets, to encoded corpora, split by piece."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rnnmuse.errors import ReadError
from rnnmuse.music.codec import Encoded
from rnnmuse.train.grouping import Sketch, grouped
from rnnmuse.train.prepared import given_splits, is_prepared, read_set
from rnnmuse.train.shards import Bucket, Progress, Shard, Stored, encode_shards, known, pieces_of, shards_in, stored_in
from rnnmuse.train.stream.recipe import Recipe
from rnnmuse.workers import workers as pool

SPLITS = ("train", "validation", "test")
TEMPI = (55.0, 67.0, 82.0, 97.0, 112.0, 130.0, 155.0, 185.0, 120.0)
"""The middle of each of the codec's tempo classes, in bpm."""


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of a corpus; ``group`` joins arrangements and copies of one work, which share a split."""

    name: str
    """Path of its file in the corpus."""
    encoded: Encoded
    """The piece as the model reads it."""
    sketch: Sketch
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
    together: tuple[int, int] = (0, 1),
    share: tuple[int, int] | None = None,
) -> Corpus:
    """Every piece under ``folders``, encoded for ``recipe`` and split by piece.

    A folder is one of music, whose shards are kept in ``cache`` and made anew where one of their files changed, or a
    prepared set (`rnnmuse.train.prepared`). ``workers`` processes encode, by default one for each core. ``progress`` is
    called with (files done, files in all).

    ``together`` is the rank of this process of how many that load the corpus at once: each encodes shards that no other
    has. ``share`` is the rank of this process of how many that hold a share of the training pieces each; the others'
    pieces, and but for the first process those held out, stay in their shards (`rnnmuse.train.shards.Stored`), and
    items come in the order of shards. Raises ReadError where nothing could be read.
    """
    cache = cache or default_cache()
    sets = [folder for folder in folders if is_prepared(folder)]
    music = [folder for folder in folders if folder not in sets]
    shards: list[Shard] = []
    given: dict[str, str] = {}
    for folder in sets:
        prepared = read_set(folder, recipe)
        shards += prepared.shards
        given |= prepared.splits
    if music:
        shards += _encoded(shards_in(music, recipe, cache), workers, progress, together)
        given |= given_splits(music, recipe)
    corpus = Corpus(unread=[line for shard in shards for line in shard.unread])
    for shard in shards:
        corpus.items += [Item(*piece) for piece in (pieces_of(shard) if share is None else stored_in(shard))]
    corpus.items = [item for item in corpus.items if not any(word in item.name for word in recipe.exclude)]
    if not corpus.items:
        why = f" ({corpus.unread[0]})" if corpus.unread else ""
        raise ReadError(f"{', '.join(map(str, folders))}: no piece could be used{why}")
    corpus.items.sort(key=lambda item: item.name)
    corpus.items = split(corpus.items, given)
    if share is not None:
        corpus.items = _share(corpus.items, shards, *share)
    return corpus


def _share(items: list[Item], shards: Sequence[Shard], rank: int, world: int) -> list[Item]:
    """Items in the order of shards, with the pieces read that the process ``rank`` of ``world`` holds."""
    number = {shard.path: index for index, shard in enumerate(shards)}
    out: list[tuple[int, Item, Stored]] = []
    for item in items:
        stored = item.encoded
        assert isinstance(stored, Stored)
        out.append((number[stored.path], item, stored))
    out.sort(key=lambda row: row[0])
    return [
        replace(item, encoded=stored.read()) if (at % world == rank if item.split == "train" else rank == 0) else item
        for at, item, stored in out
    ]


def _encoded(
    buckets: Sequence[Bucket], workers: int | None, progress: Progress | None, together: tuple[int, int]
) -> list[Shard]:
    """The shards of ``buckets``; workers are started only for several that are not there."""
    found = [known(bucket) for bucket in buckets]
    missing = [bucket for bucket, shard in zip(buckets, found, strict=True) if shard is None]
    total = sum(len(bucket.files) for bucket in buckets)
    there = total - sum(len(bucket.files) for bucket in missing)
    if progress:
        progress(there, total)
    rank, world = together
    if world > 1:  # its own first, then from the other end what others have not come to
        missing = missing[rank::world] + [one for n, one in enumerate(missing) if n % world != rank][::-1]
        workers = 1
    with pool(workers if len(missing) > 1 else 1) as hands:
        told = (lambda done, _: progress(there + done, total)) if progress else None
        made = {bucket.files: shard for bucket, shard in zip(missing, encode_shards(missing, hands, told), strict=True)}
    return [made[bucket.files] if shard is None else shard for bucket, shard in zip(buckets, found, strict=True)]


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
