"""`make bench-peers`: rnnmuse beside notochord 0.8.0 and IMPSY 1.2.1, in turn, in one run; ratios of medians.

Each peer is installed from the package index into an environment of its own under ``build/peers``, and runs with random
weights of its published sizes: what a step costs does not depend on them. `--peers FOLDER` takes environments that
are there already. notochord 0.8.0 asks for a torch below 2.11; it gets the one of constraints.txt.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import venv
from pathlib import Path

from bench_pairs import ROOT, run

PEERS = {
    "notochord": [["torch", "-c", str(ROOT / "constraints.txt")], ["--no-deps", "notochord==0.8.0"],
                  ["numpy<3", "pandas<3", "tqdm", "sf2utils", "appdirs", "toml-file", "joblib", "iipyper>=0.5,<0.6"]],
    "impsy": [["impsy==1.2.1"]],
}  # fmt: skip
PLAN = (("event", None), ("notochord", "notochord"), ("notochord_small", "notochord"), ("impsy", "impsy"),
        ("reaction", None), ("notochord_server", "notochord"), ("start", None), ("gru", None),
        ("limits", None))  # fmt: skip
ROWS = (
    ("event: notochord, default size / rnnmuse, memory full", "notochord: event", "event, memory full", 25.0),
    ("event: notochord, 2.4 M / rnnmuse, memory full", "notochord 2.4 M: event", "event, memory full", 8.0),
    ("event: IMPSY, size s / rnnmuse, memory full", "impsy: event", "event, memory full", None),
    (
        "start to the first event: notochord / rnnmuse",
        "notochord: start to the first event",
        "start to the first event",
        8.0,
    ),
    ("start to the first event: IMPSY / rnnmuse", "impsy: start to the first event", "start to the first event", 8.0),
    ("memory of the process: notochord / rnnmuse", "notochord: memory of the process", "memory of the process", 3.0),
    ("memory of the process: IMPSY / rnnmuse", "impsy: memory of the process", "memory of the process", 3.0),
    ("server to its answer: notochord / rnnmuse live", "notochord: server, to its answer", "live, to its answer", 8.0),
    (
        "memory of the server: notochord / all of rnnmuse live",
        "notochord: server, memory",
        "live, memory of all processes",
        3.0,
    ),
    ("note in to note out: notochord / rnnmuse", "notochord: note in to note out", "note in to note out", 4.0),
    ("rnnmuse, memory full / GRU and heads in plain torch", "event, memory full", "GRU and heads in plain torch", None),
    ("note in to note out / bare UDP echo", "note in to note out", "bare UDP echo", None),
    ("live to its answer / bare Python", "live, to its answer", "bare Python", None),
)
"""What is printed: a title, a figure over another, and what was asked of the ratio at least."""


def environment(name: str, folder: Path) -> str:
    """The Python of a peer's environment, installed where it is missing."""
    python = folder / name / "bin" / "python"
    if not python.exists():
        venv.create(folder / name, with_pip=True)
        for packages in PEERS[name]:
            subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
    return str(python)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each, in turn")
    parser.add_argument("--peers", type=Path, default=ROOT / "build" / "peers", help="folder of the environments")
    given = parser.parse_args()
    pythons = {name: environment(name, given.peers) for name in PEERS}
    found: dict[str, list[float]] = {}
    for _ in range(given.rounds):
        for probe, peer in PLAN:
            for figure, value in run(probe, ROOT, pythons[peer] if peer else sys.executable).items():
                found.setdefault(figure, []).append(value)
    medians = {figure: statistics.median(values) for figure, values in found.items()}
    print("| figure | median |\n| --- | ---: |")
    for figure, value in medians.items():
        print(f"| {figure} | {value:.4g} |")
    print("\n| ratio | measured | asked |\n| --- | ---: | ---: |")
    short = 0
    for title, over, under, asked in ROWS:
        if over not in medians or under not in medians:
            print(f"| {title} | not measured | {asked or ''} |")
            short += asked is not None
            continue
        # the ratio of neighbours in a round: both saw the same machine
        ratio = statistics.median(a / b for a, b in zip(found[over], found[under], strict=False))
        short += asked is not None and ratio < asked
        print(f"| {title} | {ratio:.1f} | {asked or ''} |")
    out = ROOT / "out" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "peers.json").write_text(json.dumps({"medians": medians, "runs": found}, indent=1) + "\n", "utf-8")
    return short


if __name__ == "__main__":
    sys.exit(bool(main()))
