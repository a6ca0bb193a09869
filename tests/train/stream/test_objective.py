"""The loop: it learns, it stops, it goes on where it was."""

import numpy as np
import pytest
import torch

from rnnmuse.events import Note
from rnnmuse.music.codec import Encoded, PartClass, encode
from rnnmuse.music.piece import Part, Piece
from rnnmuse.train.stream.network import StreamNet
from rnnmuse.train.stream.objective import nll_by_head, shape_of, train
from rnnmuse.train.stream.recipe import Recipe

RECIPE = Recipe(
    "tiny", (PartClass("piano", 0, (0,)),), embed=16, hidden=24, head=8, lanes=4, chunk=16, epochs=6, patience=6,
    learning_rate=1e-2, dropout=0.0,
)  # fmt: skip


def pieces(count: int = 6, bars: int = 6) -> list[Encoded]:
    rng = np.random.default_rng(0)
    out = []
    for _ in range(count):
        root = int(rng.integers(50, 65))
        notes = [Note(i * 0.5, root + (0, 4, 7, 4)[i % 4], 0.5, 80) for i in range(bars * 8)]
        out.append(encode(Piece([Part("Piano", notes=notes)]), RECIPE.parts))
    return out


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_it_learns_and_keeps_the_best(tmp_path):
    music = pieces()
    seen = []
    net, now = train(RECIPE, music, music[:2], tmp_path, precision="32-true", report=lambda p: seen.append(p.loss))
    torch.manual_seed(RECIPE.seed)
    untrained = nll_by_head(StreamNet(shape_of(RECIPE)), music[:2]).sum()
    assert nll_by_head(net, music[:2]).sum() < 0.85 * untrained
    events = sum(len(piece) for piece in music[:2])
    assert nll_by_head(net, music[:2]).sum() / events == pytest.approx(now.best, rel=1e-4)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == now.epoch == 6


def test_after_an_interruption_it_goes_on(tmp_path):
    music = pieces()

    def stop(now):
        if now.epoch == 2 and now.step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(RECIPE, music, music[:2], tmp_path, precision="32-true", report=stop)
    places = []
    train(RECIPE, music, music[:2], tmp_path, precision="32-true", report=lambda p: places.append((p.epoch, p.step)))
    assert places[0] == (2, 4)
    assert places[-1][0] >= 5


def test_it_stops_when_validation_stops_falling(tmp_path):
    music = pieces()
    noise = [Encoded(piece.events.copy(), piece.context) for piece in music[:2]]
    rng = np.random.default_rng(1)
    for piece in noise:
        ons = piece.events[:, 2] == 1
        piece.events[ons, 5] = rng.integers(0, 32, ons.sum())
    recipe = RECIPE.changed(epochs=40, patience=2)
    _, now = train(recipe, music, noise, tmp_path, precision="32-true")
    assert now.epoch < 40
    assert now.epoch - now.best_epoch >= 2
    assert train(recipe, music, noise, tmp_path, precision="32-true")[1].epoch == now.epoch, "and stays so"


def test_nothing_to_train_on_is_said(tmp_path):
    with pytest.raises(ValueError, match="training"):
        train(RECIPE, [], [], tmp_path)
    with pytest.raises(ValueError, match="minutes"):
        train(RECIPE, pieces(1), [], tmp_path, minutes=0)


def test_carried_state_gives_the_same_likelihood_as_one_pass():
    torch.manual_seed(0)
    net = StreamNet(shape_of(RECIPE))
    music = pieces(5)
    whole = nll_by_head(net, music, lanes=1, chunk=1000)
    np.testing.assert_allclose(nll_by_head(net, music, lanes=3, chunk=16), whole, rtol=1e-4, atol=1e-4)
