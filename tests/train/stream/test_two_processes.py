"""Two processes under torchrun share the lanes of one run and end with its weights."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from rnnmuse.events import Note
from rnnmuse.music.codec import Encoded, PartClass, encode
from rnnmuse.music.piece import Part, Piece
from rnnmuse.train.checkpoint import load
from rnnmuse.train.stream import objective as stream
from rnnmuse.train.stream.data import Lanes
from rnnmuse.train.stream.network import StreamNet
from rnnmuse.train.stream.objective import shape_of, train
from rnnmuse.train.stream.recipe import Recipe

RECIPE = Recipe(
    "pair", (PartClass("piano", 0, (0,)),), embed=16, hidden=24, head=8, lanes=4, chunk=16, epochs=2, patience=2,
    learning_rate=1e-2, dropout=0.0,
)  # fmt: skip

SCRIPT = """
import json, sys
from pathlib import Path

sys.path.insert(0, {tests!r})
import rnnmuse.train.stream.objective as stream
from test_two_processes import RECIPE, corpus, weights_sum
import torch

torch.set_num_threads(1)
work, read, reports = Path({work!r}), [], []

class Seen(stream.Lanes):
    def __init__(self, pieces, lanes, *rest):
        read.extend(lanes)
        super().__init__(pieces, lanes, *rest)

stream.Lanes = Seen
try:
    stream.train(RECIPE.changed(lanes=1), corpus(), [], work / "odd", precision="32-true", devices=2)
except ValueError as error:
    odd = str(error)
read.clear()
net, now = stream.train(
    RECIPE, corpus(), corpus()[:2], work, precision="32-true", devices=2, report=lambda p: reports.append(p.step)
)
rank = torch.distributed.get_rank()
seen = dict(
    world=torch.distributed.get_world_size(), lanes=read, reports=len(reports), best=now.best, odd=odd,
    events=now.events, weights=weights_sum(net),
)
(work / f"rank{{rank}}.json").write_text(json.dumps(seen))
"""


def corpus() -> list[Encoded]:
    """Pieces of unequal length, so that lanes end at different steps and some chunks are padded."""
    rng = np.random.default_rng(0)
    out = []
    for size in (30, 37, 44, 51, 58, 65):
        root = int(rng.integers(50, 65))
        notes = [Note(i * 0.5, root + (0, 4, 7, 4)[i % 4], 0.5, 80) for i in range(size)]
        out.append(encode(Piece([Part("Piano", notes=notes)]), RECIPE.parts))
    return out


def weights_sum(net: StreamNet) -> float:
    return float(sum(p.detach().double().abs().sum() for p in net.parameters()))


def final(folder) -> dict[str, torch.Tensor]:
    return torch.load(folder / "last.ckpt", weights_only=False)["net"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, request):
    """The same recipe in this process and in two: (one, two) folders, and this process's progress."""
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    torch.set_num_threads(1)
    net, now = train(RECIPE, corpus(), corpus()[:2], one, precision="32-true")
    script = two / "script.py"
    script.write_text(SCRIPT.format(tests=str(request.path.parent), work=str(two)))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    ranks = [json.loads((two / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    return one, two, net, now, ranks


def agree(one: torch.Tensor, two: torch.Tensor) -> bool:
    return torch.allclose(one, two, atol=1e-4, rtol=1e-3)


def test_the_final_weights_are_those_of_one_process(runs):
    one, two, *_ = runs
    want, got = final(one), final(two)
    assert want.keys() == got.keys() == StreamNet(shape_of(RECIPE)).state_dict().keys()
    torch.manual_seed(RECIPE.seed)
    begun = StreamNet(shape_of(RECIPE)).state_dict()
    apart = sum(float((want[key] - got[key]).square().sum()) for key in want) ** 0.5
    moved = sum(float((want[key] - begun[key]).square().sum()) for key in want) ** 0.5
    # where a gradient is next to nothing, Adam makes a whole step of its rounding
    assert apart < 0.05 * moved


def test_half_of_the_lanes_alone_gives_other_weights(runs, tmp_path, monkeypatch):
    """The tolerance above tells a run whose gradients were not shared."""
    monkeypatch.setattr(stream, "Lanes", lambda pieces, _, *rest: Lanes(pieces, [0, 2], *rest))
    train(RECIPE, corpus(), corpus()[:2], tmp_path, precision="32-true")
    want, half = final(runs[0]), final(tmp_path)
    assert sum(not agree(want[key], half[key]) for key in want) > len(want) / 2


def test_each_process_reads_its_share_of_the_lanes(runs):
    ranks = runs[-1]
    assert [seen["world"] for seen in ranks] == [2, 2]
    assert [seen["lanes"] for seen in ranks] == [[0, 2], [1, 3]]


def test_only_the_first_process_reports_and_both_return_the_best_network(runs):
    _, two, net, now, ranks = runs
    assert ranks[0]["reports"] > 0
    assert ranks[1]["reports"] == 0
    assert len((two / "log.jsonl").read_text().splitlines()) == RECIPE.epochs
    assert ranks[0]["best"] == ranks[1]["best"] == pytest.approx(now.best, rel=1e-4)
    assert ranks[0]["weights"] == ranks[1]["weights"] == pytest.approx(weights_sum(net), rel=1e-4)


def test_the_checkpoint_of_the_first_process_holds_the_reading_of_both(runs):
    each = load(runs[1] / "last.ckpt")["processes"]
    assert len(each) == 2
    assert [len(one["reading"]["lanes"]) for one in each] == [2, 2]
    assert each[0]["reading"]["lanes"] != each[1]["reading"]["lanes"]
    assert len(load(runs[0] / "last.ckpt")["processes"]) == 1


def test_fewer_lanes_than_processes_are_refused(runs):
    assert [seen["odd"] for seen in runs[-1]] == ["lanes: 1; must be at least one for each of the 2 processes"] * 2


ELASTIC = """
import os, signal, sys
from pathlib import Path

sys.path.insert(0, {tests!r})
import rnnmuse.train.stream.objective as stream
from test_two_processes import RECIPE, corpus
import torch

torch.set_num_threads(1)
work, own = Path({work!r}), stream.StreamObjective.step

def step(self, net, device):
    marker = work / "killed"
    if os.environ["RANK"] == "1" and (work / "last.ckpt").exists() and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return own(self, net, device)

stream.StreamObjective.step = step
_, now = stream.train(RECIPE, corpus(), corpus()[:2], work, precision="32-true")
(work / f"rank{{os.environ['RANK']}}").write_text(f"{{os.environ['TORCHELASTIC_RESTART_COUNT']}} {{now.epoch}}")
"""


def test_a_process_that_is_killed_costs_a_restart_and_nothing_else(runs, tmp_path, request):
    """torchrun starts both again; they go on from the checkpoint and end with the weights of a run without a fault."""
    script = tmp_path / "script.py"
    script.write_text(ELASTIC.format(tests=str(request.path.parent), work=str(tmp_path)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
               "--max-restarts", "2", "--monitor-interval", "0.1", str(script)]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "killed").exists()
    assert [(tmp_path / f"rank{rank}").read_text() for rank in (0, 1)] == [f"1 {RECIPE.epochs}"] * 2
    want, got = final(runs[1]), final(tmp_path)
    assert all(torch.equal(want[key], got[key]) for key in want)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == RECIPE.epochs
