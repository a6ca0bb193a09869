"""The loop with each kind's objective: an interrupted run takes the same steps as one that is not."""

import json
import os
import signal

import numpy as np
import pytest
import torch

from rnnmuse.events import Note
from rnnmuse.models.alphabet import Alphabet
from rnnmuse.music.codec import PartClass, encode
from rnnmuse.music.piece import Part, Piece
from rnnmuse.train.checkpoint import Budget, load
from rnnmuse.train.device import started
from rnnmuse.train.groove.network import GrooveNet, GrooveShape
from rnnmuse.train.groove.objective import GrooveObjective
from rnnmuse.train.loop import Schedule, Step, _Run, fit
from rnnmuse.train.phrase.network import PhraseNet
from rnnmuse.train.phrase.objective import PhraseObjective
from rnnmuse.train.phrase.recipe import PhraseRecipe
from rnnmuse.train.stream.network import StreamNet
from rnnmuse.train.stream.objective import StreamObjective, shape_of
from rnnmuse.train.stream.recipe import Recipe
from rnnmuse.train.text.data import Row
from rnnmuse.train.text.network import Dropout, TextNet
from rnnmuse.train.text.objective import TextObjective
from rnnmuse.train.text.objective import shape_of as text_shape_of
from rnnmuse.train.text.recipe import TextRecipe

TEXT = "the cat sat on the mat and the dog sat on the log\n" * 30


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def stream(_):
    """Pieces of unequal length, transposed, with hidden context, a played touch and dropout."""
    rng = np.random.default_rng(0)
    parts = (PartClass("piano", 0, (0,)),)
    music = []
    for size in (30, 37, 44, 51, 58):
        notes = [Note(i * 0.5, int(rng.integers(50, 70)), 0.5, 80) for i in range(size)]
        music.append(encode(Piece([Part("Piano", notes=notes)]), parts))
    recipe = Recipe("x", parts, embed=8, hidden=12, head=6, lanes=2, chunk=16, dropout=0.2)
    return StreamNet(shape_of(recipe), 0.2), StreamObjective(recipe, music, music[:2])


def text(_):
    alphabet = Alphabet("\n " + "".join(sorted(set(TEXT) - set("\n "))))
    recipe = TextRecipe("x", grams=32, embed=8, hidden=12, layers=2, lanes=2, chunk=24)
    row = Row.of([TEXT], alphabet, grid=False)
    return TextNet(text_shape_of(recipe, alphabet), Dropout()), TextObjective(recipe, row, row)


def phrase(phrases):
    sizes = {"latent": (6, 8), "embed": 8, "encoder": 6, "beat": 4, "condition": 6, "hidden": 10, "head": 8}
    recipe = PhraseRecipe("x", **sizes, batch=4, annealing=20, dropout=0.1)
    data = {2: phrases(False, 2, 20), 4: phrases(False, 4, 12)}
    return PhraseNet(recipe.shape, 0.1), PhraseObjective(recipe, data, data)


def groove(phrases):
    data = {2: phrases(True, 2, 24)}
    shape = GrooveShape(embed=8, encoder=6, features=6, hidden=10, head=8)
    return GrooveNet(shape), GrooveObjective(data, data, batch=4)


def run(kind, phrases, folder, epochs=3, average=0.0, **more):
    torch.manual_seed(3)
    net, objective = kind(phrases)
    fabric = started(precision="32-true", device="cpu")
    now = fit(net, objective, Schedule(epochs, epochs, 1e-2, average=average), folder, fabric, **more)
    return net, now


@pytest.mark.parametrize("kind", [stream, text, phrase, groove])
def test_an_interrupted_run_ends_as_one_that_is_not(kind, phrases, tmp_path):
    whole, now = run(kind, phrases, tmp_path / "whole", average=0.9)
    assert now.steps >= 5

    def stop(now):
        if (now.epoch, now.step) in ((0, 2), (1, 3)) and (now.epoch, now.step) not in stopped:
            stopped.append((now.epoch, now.step))
            raise KeyboardInterrupt

    stopped = []
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(kind, phrases, tmp_path / "cut", average=0.9, report=stop)
    cut, again = run(kind, phrases, tmp_path / "cut", average=0.9, report=stop)
    assert stopped == [(0, 2), (1, 3)]
    assert (again.events, again.best_epoch, again.epoch) == (now.events, now.best_epoch, now.epoch)
    want, got = (load(tmp_path / name / "last.ckpt") for name in ("whole", "cut"))
    for what in ("net", "average"):
        for key, value in want[what].items():
            assert torch.equal(value, got[what][key]), f"{what}: {key}"
    assert all(torch.equal(value, cut.state_dict()[key]) for key, value in whole.state_dict().items())
    rows = [[json.loads(line) for line in (tmp_path / name / "log.jsonl").open()] for name in ("whole", "cut")]
    assert [[row["validation"] for row in one] for one in rows] == [[row["validation"] for row in rows[0]]] * 2


def test_without_what_was_read_a_resumed_run_differs(phrases, tmp_path, monkeypatch):
    """The comparison above tells a run that reads from the start again."""
    run(stream, phrases, tmp_path / "whole")

    def stop(now):
        if now.position == 4 and not stopped:
            stopped.append(1)
            raise KeyboardInterrupt

    stopped = []
    with pytest.raises(KeyboardInterrupt):
        run(stream, phrases, tmp_path / "cut", report=stop)
    monkeypatch.setattr(StreamObjective, "restore", lambda self, state: None)
    run(stream, phrases, tmp_path / "cut", report=stop)
    want, got = (load(tmp_path / name / "last.ckpt")["net"] for name in ("whole", "cut"))
    assert not all(torch.equal(value, got[key]) for key, value in want.items())


def test_a_request_to_terminate_ends_the_run_after_the_step(phrases, tmp_path):
    seen = []

    def report(now):
        seen.append(now.position)
        if now.position == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run(text, phrases, tmp_path, report=report)
    assert seen == [1, 2, 3]
    held = load(tmp_path / "last.ckpt")["progress"]
    assert (held["epoch"], held["step"]) == (0, 3)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_run_that_is_over_is_not_trained_further(phrases, tmp_path):
    clock = iter(range(10**6))
    _, now = run(text, phrases, tmp_path, minutes=0.5, now=lambda: float(next(clock)))
    assert now.epoch >= 1
    before = load(tmp_path / "last.ckpt")["net"]
    seen = []
    run(text, phrases, tmp_path, minutes=0.5, now=lambda: float(next(clock)), report=seen.append)
    assert seen == []
    assert all(torch.equal(value, load(tmp_path / "last.ckpt")["net"][key]) for key, value in before.items())


def test_a_damaged_checkpoint_is_named(phrases, tmp_path):
    (tmp_path / "last.ckpt").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match=r"last\.ckpt: the checkpoint cannot be read .*--again"):
        run(text, phrases, tmp_path)


def test_the_gradient_of_an_objective_is_that_of_its_loss(tmp_path):
    """One step of the loop is one step of AdamW on the objective's loss, clipped, at the scheduled rate."""

    class Line:
        steps = 4

        def begin(self, rank, world):
            pass

        def step(self, net, device):
            loss = (net(torch.ones(1, 3)) - 2).square().sum()
            return Step(loss, loss, 1)

        def validate(self, net):
            return 1.0, {}

        def state(self):
            return {}

        def restore(self, state):
            pass

    torch.manual_seed(0)
    net, twin = (torch.nn.Linear(3, 1) for _ in range(2))
    twin.load_state_dict(net.state_dict())
    schedule = Schedule(1, 1, 0.1, 0.0)
    rates = []
    fit(net, Line(), schedule, tmp_path, started(precision="32-true", device="cpu"), report=lambda p: rates.append(p))
    adam = torch.optim.AdamW(twin.parameters(), 0.1, weight_decay=0.0, betas=schedule.betas)
    for step in range(4):
        cosine = 0.02 + 0.98 * (1 + np.cos(np.pi * step / 4)) / 2
        adam.param_groups[0]["lr"] = 0.1 * min(1, (step + 1) / 8) * cosine
        loss = (twin(torch.ones(1, 3)) - 2).square().sum()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
        adam.step()
    held = load(tmp_path / "last.ckpt")["net"]
    for key, value in twin.state_dict().items():
        torch.testing.assert_close(held[key], value)


def test_a_budget_ends_by_time_or_by_steps():
    at = [0.0]
    budget = Budget(2, 100, before=60, now=lambda: at[0])
    assert budget.done(0) == 0.5
    assert budget.done(75) == 0.75
    at[0] = 30.0
    assert (budget.seconds, budget.left(10), budget.done(10)) == (90, 30, 0.75)
    assert not budget.due()
    at[0] = 90.0
    assert [budget.due(), budget.due(), budget.done(0)] == [True, False, 1.0]
    for minutes, steps in ((0, None), (float("inf"), None), (None, 0)):
        with pytest.raises(ValueError, match="must be"):
            Budget(minutes, steps)


def test_the_first_process_alone_decides_when_to_save_and_to_stop():
    class Second:
        world_size = 2

        def broadcast(self, decision):
            assert decision == (0.9, False, True)
            return 0.25, True, False  # what the first process sent

    run = object.__new__(_Run)
    run.fabric = Second()
    assert run._agreed((0.9, False, True)) == (0.25, True, False)


def test_accumulated_batches_take_the_step_of_one_large_batch(tmp_path):
    """The mean of two batches' gradients is the gradient of both together; each epoch has half as many steps."""

    class Line:
        """A line through points, ``size`` of them a batch."""

        def __init__(self, size):
            self.size, self.at, self.steps = size, 0, 8 // size

        def begin(self, rank, world):
            self.at = 0

        def step(self, net, device):
            x = (torch.arange(self.size, dtype=torch.float32) + self.at) % 8
            self.at += self.size
            error = (net(x.unsqueeze(1)).squeeze(1) - 3 * x).square()
            return Step(error.mean(), error.sum(), self.size)

        def validate(self, net):
            return float("nan"), {}

        def state(self):
            return {"at": self.at}

        def restore(self, state):
            self.at = state["at"]

    weights, steps = [], []
    for size, accumulate in ((4, 1), (2, 2)):
        torch.manual_seed(0)
        net = torch.nn.Linear(1, 1)
        schedule = Schedule(3, 3, 1e-2, accumulate=accumulate)
        now = fit(net, Line(size), schedule, tmp_path / str(accumulate), started(precision="32-true", device="cpu"))
        weights.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
        steps.append(now.steps)
    assert torch.allclose(*weights, atol=1e-6)
    assert steps == [2, 2]
    with pytest.raises(ValueError, match="accumulate: 0"):
        Schedule(1, 1, 1e-3, accumulate=0)
