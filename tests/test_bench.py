"""The comparison behind `make bench-check`: a slower revision is seen, noise is not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import bench_pairs
import bench_peers
import bench_probes


def figures(factor: float, noise: float, seed: int, rounds: int = 9) -> dict[str, dict[str, float]]:
    random = Random(seed)
    ratios = [factor * random.lognormvariate(0, noise) for _ in range(rounds)]
    middle, low, high = bench_pairs.band(ratios)
    return {"event": {"ratio": middle, "low": low, "high": high, "new": 1.0, "old": 1.0}}


def test_a_regression_is_beyond_its_noise():
    assert bench_pairs.regressions(figures(1.3, 0.05, 1), 1.05) == ["event"]
    found = [bench_pairs.regressions(figures(1.0, 0.1, seed), 1.05) for seed in range(100)]
    assert sum(map(bool, found)) <= 2
    assert not bench_pairs.regressions(figures(0.7, 0.05, 2), 1.05)  # faster is no regression


def test_a_band_holds_its_median():
    middle, low, high = bench_pairs.band([1.0, 1.1, 0.9, 1.05, 0.95])
    assert low <= middle <= high
    assert middle == 1.0
    assert bench_pairs.band([2.0, 2.0, 2.0]) == (2.0, 2.0, 2.0)


def test_an_unknown_base_is_named():
    with pytest.raises(SystemExit, match="'no-such-thing' is no revision"):
        bench_pairs.commit("no-such-thing")


def test_a_probe_that_fails_gives_no_figure(capsys):
    assert bench_pairs.run("no_such_probe", bench_pairs.ROOT) == {}
    assert "no_such_probe" in capsys.readouterr().err


def test_every_probe_and_figure_that_is_named_is_there():
    assert set(bench_pairs.PROBES) <= bench_probes.PROBES.keys()
    assert {name for name, _ in bench_peers.PLAN} <= bench_probes.PROBES.keys()
    assert {peer for _, peer in bench_peers.PLAN if peer} == bench_peers.PEERS.keys()


def test_a_probe_runs_without_rnnmuse(tmp_path):
    """As it must in a peer's environment."""
    code = (
        "import sys, runpy; sys.modules['rnnmuse'] = None; sys.argv = ['x', 'limits']; "
        f"runpy.run_path({str(Path(bench_probes.__file__))!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["figure"] for row in rows] == ["bare Python", "bare UDP echo"]
    assert all(row["value"] > 0 for row in rows)


def test_the_history_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    history = tmp_path / "history.jsonl"
    rows = [{"commit": f"{i:07}", "figures": figures(1 + i / 10, 0.05, i)} for i in range(3)]
    history.write_text("".join(json.dumps(row) + "\n" for row in rows))
    bench_pairs.draw(history, tmp_path / "history.png")
    assert (tmp_path / "history.png").read_bytes()[:4] == b"\x89PNG"
