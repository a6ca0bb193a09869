"""`make bench-check`: this checkout beside another revision, in turn, in one run. Fails where it is clearly worse.

    python tests/bench_pairs.py --base main --rounds 7 --only event

Each probe of `bench_probes.py` runs in a process of its own, A B A B …; a figure is the median of the ratios of
neighbours, its band the 95 % interval of that median (bootstrap). It is a regression where the whole band lies above
`--allowed`. The run is appended to ``out/bench/history.jsonl``, and the history is drawn.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
ROOT = HERE.parent
PROBES = ("event", "event_empty", "phrase", "character", "cover", "start", "reaction", "commands", "training")
OUT = ROOT / "out" / "bench"


def run(probe: str, checkout: Path, python: str = sys.executable) -> dict[str, float]:
    """The figures of a probe, with the package of a checkout; none where it fails there."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [python, str(HERE / "bench_probes.py"), probe],
        capture_output=True,
        text=True,
        env=environment,
        cwd=checkout,
        timeout=600,
        check=False,
    )
    if done.returncode:
        print(f"{probe} in {checkout.name}: {(done.stderr.strip().splitlines() or ['no word'])[-1]}", file=sys.stderr)
        return {}
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {row["figure"]: row["value"] for row in rows}


def band(ratios: list[float], draws: int = 2000) -> tuple[float, float, float]:
    """The median, and the 95 % interval of it by bootstrap."""
    random = Random(1)
    medians = sorted(statistics.median(random.choices(ratios, k=len(ratios))) for _ in range(draws))
    return statistics.median(ratios), medians[int(0.025 * draws)], medians[int(0.975 * draws)]


def commit(revision: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", revision], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"base: {revision!r} is no revision of this checkout; must be a commit, a tag or a branch")
    return done.stdout.strip()


def compare(base: str, rounds: int, only: str) -> dict[str, dict[str, float]]:
    """Ratio of every figure, this checkout over the other revision, with its band."""
    ratios: dict[str, list[float]] = {}
    values: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "base"
        subprocess.run(["git", "-C", str(ROOT), "worktree", "add", "-q", "--detach", str(other), base], check=True)
        try:
            for turn in range(rounds):
                for probe in PROBES:
                    if only not in probe:
                        continue
                    order = (ROOT, other) if turn % 2 else (other, ROOT)
                    found = {checkout: run(probe, checkout) for checkout in order}
                    for figure in found[ROOT].keys() & found[other].keys():
                        new, old = found[ROOT][figure], found[other][figure]
                        ratios.setdefault(figure, []).append(new / old)
                        values.setdefault(figure, []).append((new, old))
        finally:
            subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(other)], check=False)
    out = {}
    for figure, found_ratios in ratios.items():
        middle, low, high = band(found_ratios)
        new, old = (statistics.median(pair[i] for pair in values[figure]) for i in (0, 1))
        out[figure] = {"ratio": middle, "low": low, "high": high, "new": new, "old": old}
    return out


def regressions(figures: dict[str, dict[str, float]], allowed: float) -> list[str]:
    """The figures whose whole band lies above ``allowed``."""
    return [figure for figure, found in figures.items() if found["low"] > allowed]


def draw(history: Path, path: Path) -> None:
    """The ratio of every figure over the runs of a history, with its bands."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    runs = [json.loads(line) for line in history.read_text("utf-8").splitlines()]
    names = sorted({figure for run in runs for figure in run["figures"]})
    fig, axes = plt.subplots(len(names), 1, figsize=(8, 0.9 * len(names) + 0.6), sharex=True, squeeze=False)
    for axis, name in zip(axes[:, 0], names, strict=True):
        at = [i for i, run in enumerate(runs) if name in run["figures"]]
        rows = [runs[i]["figures"][name] for i in at]
        axis.axhline(1.0, color="0.7", linewidth=0.8)
        spread = [[r["ratio"] - r["low"] for r in rows], [r["high"] - r["ratio"] for r in rows]]
        axis.errorbar(at, [r["ratio"] for r in rows], spread, marker="o", markersize=3, linewidth=1)
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
        axis.tick_params(labelsize=7)
    axes[-1, 0].set_xticks(range(len(runs)), [run["commit"][:7] for run in runs])
    fig.suptitle("new / base, 95 % bands", fontsize=9)
    fig.tight_layout()
    fig.savefig(path, dpi=110)
    plt.close(fig)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="HEAD~1", help="the revision to compare with")
    parser.add_argument("--rounds", type=int, default=7, help="pairs of each probe, 3 and more")
    parser.add_argument("--allowed", type=float, default=1.05, help="ratio that is no regression yet")
    parser.add_argument("--only", default="", help="probes whose name contains this")
    given = parser.parse_args()
    if given.rounds < 3:
        parser.error(f"rounds: {given.rounds}; must be 3 or more")
    base = commit(given.base)
    figures = compare(base, given.rounds, given.only)
    print("| figure | base | here | here / base | 95 % |\n| --- | ---: | ---: | ---: | --- |")
    for name, found in figures.items():
        print(f"| {name} | {found['old']:.4g} | {found['new']:.4g} | {found['ratio']:.3f} | "
              f"{found['low']:.3f}-{found['high']:.3f} |")  # fmt: skip
    OUT.mkdir(parents=True, exist_ok=True)
    record = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit("HEAD"), "base": base,
              "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
              "load": os.getloadavg()[0], "rounds": given.rounds, "figures": figures}  # fmt: skip
    history = OUT / "history.jsonl"
    with history.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    draw(history, OUT / "history.png")
    worse = regressions(figures, given.allowed)
    print(f"\nslower than {given.allowed} x the base, beyond noise: {', '.join(worse) or 'none'}")
    return len(worse)


if __name__ == "__main__":
    sys.exit(bool(main()))
