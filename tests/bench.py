"""`make bench`: speed and memory, as medians and ratios measured in one run. Not a test."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from random import Random

from rnnmuse.compose import load
from rnnmuse.models.bundle import bundles
from rnnmuse.music.codec import GRID
from rnnmuse.music.piece import Piece
from rnnmuse.session.constraints import Constraints, Rules
from rnnmuse.session.generate import Frame, Player

SCALE = frozenset({0, 2, 4, 5, 7, 9, 11})


def timed(command: list[str], runs: int = 7) -> float:
    """Median seconds of a process."""
    seconds = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def imports() -> None:
    bare = timed([sys.executable, "-c", "pass"])
    with_package = timed([sys.executable, "-c", "import rnnmuse"])
    print(f"import rnnmuse          {1000 * (with_package - bare):6.1f} ms over bare Python")
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "x.mid")
        whole = timed(
            [sys.executable, "-m", "rnnmuse.cli.main", "generate", "--bars", "8", "--seed", "1", "--out", out]
        )
    print(f"generate --bars 8       {whole:6.2f} s from process start to written file")


def events(name: str, count: int = 3000) -> None:
    """Every head, sampling and masks, one event at a time."""
    model = load(name).model
    drums = all(part.drum for part in model.parts)
    rules = Rules(
        Constraints(scale=None if drums else SCALE, polyphony=6, rest=4.0), Piece(), model.drums, len(model.parts)
    )
    player = Player(model, Frame(Piece()), rules, Random(1))
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        if player.next(player.grid, 10**9) is None:
            raise SystemExit(f"{name}: fell silent")
        seconds.append(time.perf_counter() - began)
    seconds.sort()
    median, late = seconds[count // 2], seconds[int(count * 0.99)]
    rate = count / sum(seconds)
    print(f"one event of {name:<11}{1000 * median:6.2f} ms median, p99 {late / median:.1f} x, {rate:,.0f} events/s")


def long_run(name: str = "lieder", count: int = 100_000) -> None:
    """Event 100,000 beside event 100: time and memory."""
    model = load(name).model
    player = Player(model, Frame(Piece()), Rules(Constraints(), Piece(), model.drums, len(model.parts)), Random(2))

    def block(size: int) -> float:
        seconds = []
        for _ in range(size):
            began = time.perf_counter()
            player.next(player.grid, 10**9)
            seconds.append(time.perf_counter() - began)
        return statistics.median(seconds)

    block(100)
    early, memory = block(1000), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in islice(iter(lambda: player.next(player.grid, 10**9), None), count - 2100):
        pass
    late = block(1000)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    print(f"event {count:,} costs {late / early:.2f} x event 1,000; memory grew by {grown:.1f} MB")
    print(f"(that is {player.grid / GRID:,.0f} beats of music)")


if __name__ == "__main__":
    imports()
    for name, bundle in bundles().items():
        if bundle.about.get("kind") == "stream":
            events(name)
    long_run()
