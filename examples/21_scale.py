"""Encode a folder of music into a set, and make a batch of beats with its manifest; more workers do both faster."""

import sys
from pathlib import Path

import rnnmuse
from rnnmuse.compose.batch import Tune, batch, read_manifest
from rnnmuse.compose.muse import Settings
from rnnmuse.models.bundle import find
from rnnmuse.music.codec import PartClass
from rnnmuse.train.prepared import prepare
from rnnmuse.train.stream.recipe import Recipe
from rnnmuse.workers import workers

OUT = Path("out/scale")


def main(count: int | None = 1, scheduler: str | None = None) -> None:
    """``count`` processes of this machine, or a Dask cluster."""
    digest = find("grooves").digest
    works = [Tune(f"beat-{seed}.mid", "grooves", digest, 4, Settings(seed=seed)) for seed in range(1, 5)]
    with workers(None if scheduler else count, scheduler) as hands:
        found = batch(works, OUT / "beats", hands)
        print(f"{found.written} beats written, {found.before} were there")
        recipe = Recipe("beats", (PartClass("drums", drum=True),))
        made = prepare([OUT / "beats"], recipe, OUT / "set", hands)
    print(f"{made.pieces} pieces, {made.events} events, {len(made.shards)} shards; rnnmuse train stream {OUT / 'set'}")
    for row in read_manifest(OUT / "beats"):
        notes = len(rnnmuse.read_music(OUT / "beats" / row["file"]).notes)
        print(f"{row['file']}: seed {row['seed']}, {notes} strokes, {row['seconds']:.2f} s")


if __name__ == "__main__":  # workers are processes that import this file
    main(scheduler=sys.argv[1] if len(sys.argv) > 1 else None)
