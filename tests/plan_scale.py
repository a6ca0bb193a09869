"""What a million files cost, from the measured cost of one: `python tests/plan_scale.py FOLDER`. Not a test.

Measured, as processor time, so that other programs on the machine do not count: reading and encoding each of some files
of FOLDER, the scheduler's and the command's time for a task, the bytes of a shard, the memory of an item of the corpus.
Simulated: workers that take shards from one scheduler and read and write through one disk, event by event. Writes
docs/scale.png and prints the tables of docs/scale.md.
"""

from __future__ import annotations

import argparse
import heapq
import json
import logging
import random
import tempfile
import time
import tracemalloc
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib.pyplot as plt
from distributed import Client, LocalCluster

from rnnmuse.models.bundle import find
from rnnmuse.music.read import music_files
from rnnmuse.train.corpus import Item
from rnnmuse.train.grouping import grouped
from rnnmuse.train.recipe import read_recipe
from rnnmuse.train.shards import Bucket, encode_shard, stored_in
from rnnmuse.train.stream.recipe import Recipe
from rnnmuse.workers import AHEAD, Workers

FILES = 1_000_000


@dataclass(frozen=True)
class Cost:
    """What was measured."""

    seconds: tuple[float, ...]
    """Of a processor, to read and encode each file."""
    read: float
    """Bytes of a file."""
    written: float
    """Bytes of a shard, a file."""
    scheduler: float
    """Seconds of the scheduler's processor, a task."""
    client: float
    """Seconds of the command's processor, a task."""
    item: float
    """Bytes of memory, a piece in the list of the corpus."""
    grouping: float
    """Most bytes of memory beyond those, a piece, while copies are looked for."""
    event: float
    """Events of a piece."""


def measured(folder: Path, recipe: Recipe, count: int, tasks: int) -> Cost:
    files = music_files(folder)
    chosen = random.Random(1).sample(files, min(count, len(files)))
    seconds, shards, written = [], [], 0
    with tempfile.TemporaryDirectory() as place:
        encode_shard(Bucket(((folder, chosen[0]),), recipe, Path(place) / "first"))  # loads what is loaded once
        for path in chosen:
            began = time.process_time()
            encode_shard(Bucket(((folder, path),), recipe, Path(place) / "one"))
            seconds.append(time.process_time() - began)
        for at in range(0, len(chosen), 24):
            shard = encode_shard(Bucket(tuple((folder, path) for path in chosen[at : at + 24]), recipe, Path(place)))
            shards.append(shard)
            written += shard.path.stat().st_size
        tracemalloc.start()
        items = [Item(*piece) for shard in shards for piece in stored_in(shard)]
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        grouped([item.sketch for item in items])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None,
                     worker_dashboard_address=None, silence_logs=logging.CRITICAL) as workers,
        Client(workers.scheduler_address) as client,
    ):  # fmt: skip
        # scheduler and command are threads of this process: what both cost together is shared out evenly
        hands = Workers(1, client, workers.scheduler_address)
        list(hands.outcomes(abs, range(200)))
        began = time.process_time()
        list(hands.outcomes(abs, range(tasks)))
        both = (time.process_time() - began) / tasks
    pieces = max(1, len(items))
    return Cost(
        tuple(seconds), sum(path.stat().st_size for path in chosen) / len(chosen), written / len(chosen), both / 2,
        both / 2, held / pieces, (peak - held) / pieces, sum(len(item.encoded) for item in items) / pieces,
    )  # fmt: skip


def simulated(cost: Cost, files: int, workers: int, size: int, disk: float, seed: int = 1) -> float:
    """Seconds until ``files`` files are encoded by ``workers`` in shards of ``size``; ``disk`` is bytes a second.

    The scheduler gives a shard out and takes it back one at a time; a worker reads, encodes and writes; reads and
    writes of all workers share the disk, one after another.
    """
    drawn = random.Random(seed)
    shards = -(-files // size)
    waits: list[tuple[float, int]] = []
    service = max(cost.scheduler, cost.client)
    scheduler = disk_free = 0.0
    given, last = 0, 0.0
    mean = sum(cost.seconds) / len(cost.seconds)
    spread = (sum((one - mean) ** 2 for one in cost.seconds) / len(cost.seconds)) ** 0.5
    ready = [(0.0, worker) for worker in range(workers)]
    heapq.heapify(ready)
    while given < shards or waits:
        if given < shards and ready and (not waits or ready[0][0] <= waits[0][0]):
            free, worker = heapq.heappop(ready)
            scheduler = max(scheduler, free - AHEAD * service) + service  # a few tasks are given out ahead
            begun = max(free, scheduler)
            disk_free = max(disk_free, begun) + size * cost.read / disk
            work = max(0.0, drawn.gauss(size * mean, spread * size**0.5))
            heapq.heappush(waits, (disk_free + work, worker))
            given += 1
            continue
        end, worker = heapq.heappop(waits)
        disk_free = max(disk_free, end) + size * cost.written / disk
        last = max(last, disk_free)
        heapq.heappush(ready, (disk_free, worker))
    return last


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--for", dest="model", default="leadsheet", help="the model whose parts are encoded")
    parser.add_argument("--files", type=int, default=240, help="files that are measured")
    parser.add_argument("--tasks", type=int, default=3000, help="tasks by which the scheduler is measured")
    parser.add_argument("--out", type=Path, default=Path("docs/scale.png"))
    parser.add_argument("--costs", type=Path, help="measured costs as JSON: read where they are there, else written")
    options = parser.parse_args()
    if options.costs and options.costs.exists():
        held = json.loads(options.costs.read_text())
        cost = Cost(**{**held, "seconds": tuple(held["seconds"])})
    else:
        recipe = read_recipe(find(options.model).folder / "recipe.toml", Recipe)
        cost = measured(options.folder, recipe, options.files, options.tasks)
        if options.costs:
            options.costs.write_text(json.dumps(asdict(cost)))
    mean = sum(cost.seconds) / len(cost.seconds)
    print(f"a file: {1000 * mean:.1f} ms of a processor, {cost.read / 1e3:.1f} kB read, "
          f"{cost.written / 1e3:.1f} kB written, "
          f"{cost.event:,.0f} events")  # fmt: skip
    print(f"a task: {1000 * cost.scheduler:.2f} ms of the scheduler, {1000 * cost.client:.2f} ms of the command")
    print(f"a piece in the corpus: {cost.item / 1e3:.1f} kB, {cost.grouping / 1e3:.1f} kB more while copies are found")
    print(f"\n{FILES:,} files: {mean * FILES / 3600:.1f} hours of one processor; "
          f"{cost.written * FILES / 1e9:.1f} GB of shards; "
          f"{(cost.item + cost.grouping) * FILES / 1e9:.1f} GB to load the index")  # fmt: skip
    counts = [1, 4, 16, 64, 256, 1024, 4096]
    lines = [(24, 5e8), (96, 5e8), (384, 5e8), (384, 5e9)]
    table = {line: [simulated(cost, FILES, count, *line) for count in counts] for line in lines}
    print("\n| workers | " + " | ".join(f"{size} a shard, {disk / 1e9:g} GB/s" for size, disk in lines) + " |")
    print("| ---: |" + " ---: |" * len(lines))
    for index, count in enumerate(counts):
        print(f"| {count:,} | " + " | ".join(f"{_told(table[line][index])}" for line in lines) + " |")
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for (size, disk), seconds in table.items():
        left.plot(counts, [FILES / s for s in seconds], "o-", label=f"{size} files a shard, disk {disk / 1e9:g} GB/s")
    left.plot(counts, [count / mean for count in counts], ":", color="grey", label="no limit but the workers")
    left.set(xscale="log", yscale="log", xlabel="workers", ylabel="files a second", title="Encoding 1,000,000 files")
    left.legend(fontsize=8)
    sizes = [10**n for n in range(3, 8)]
    event = 2 * (7 + 13) + 4 + 2 + 2
    for label, each in (
        ("index: names, places, sketches", cost.item),
        ("while copies are found", cost.item + cost.grouping),
        ("all pieces in memory", cost.item + cost.event * event),
        ("pieces of one of 8 processes (--sharded)", cost.item + cost.event * event / 8),
    ):
        right.plot(sizes, [each * n / 1e9 for n in sizes], "o-", label=label)
    right.axhline(16, color="grey", linestyle=":", label="16 GB")
    right.set(xscale="log", yscale="log", xlabel="files", ylabel="GB", title="Memory of a training process")
    right.legend(fontsize=8)
    figure.savefig(options.out, dpi=110)


def _told(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


if __name__ == "__main__":
    main()
