"""The text network: its step is its forward pass, it learns, goes on where it was, and comes out as a bundle."""

import numpy as np
import pytest
import torch

from rnnmuse.models.bundle import load_text, verify
from rnnmuse.models.text import TextModel
from rnnmuse.text.alphabet import Alphabet
from rnnmuse.text.grid import PLACES
from rnnmuse.train.text.data import Row, Texts, carried_nll, windowed_nll
from rnnmuse.train.text.export import text_graph, text_network_of
from rnnmuse.train.text.network import TextNet, TextShape
from rnnmuse.train.text.objective import train
from rnnmuse.train.text.recipe import TextRecipe
from rnnmuse.train.text.run import exported

TEXT = "the cat sat on the mat and the dog sat on the log\n" * 60
ALPHABET = Alphabet("\n " + "".join(sorted(set(TEXT) - set("\n "))))
RECIPE = TextRecipe("tiny", grams=64, embed=16, hidden=32, layers=2, lanes=4, chunk=32, epochs=6, patience=6,
                    learning_rate=1e-2, average=0.9)  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("places", [0, PLACES])
def test_step_by_step_is_the_forward_pass(layers, places):
    torch.manual_seed(layers)
    net = TextNet(TextShape(len(ALPHABET), places, 50, 12, 20, layers)).eval()
    for table in (net.pairs, net.triples):
        torch.nn.init.normal_(table.weight)
    weights = {key: value.detach().numpy() for key, value in net.state_dict().items()}
    model = TextModel("x", ALPHABET, weights, text_graph(weights).SerializeToString())
    classes = torch.randint(2, len(ALPHABET), (3, 30))
    classes[:, 0] = 0
    where = torch.randint(0, places or 1, (3, 30))
    with torch.no_grad():
        whole, _ = net(classes, where if places else None, None)
    state = model.start(3)
    for t in range(30):
        logits, state = model.step(state, classes[:, t].tolist(), where[:, t].tolist())
        known = np.isfinite(logits)
        assert np.allclose(logits[known], whole[:, t].numpy()[known], atol=1e-4)
        assert not known[:, 1].any()  # the unknown character is never written


def test_carried_in_chunks_is_carried_in_one(tmp_path):
    net = TextNet(TextShape(len(ALPHABET), 0, 64, 12, 20, 2)).eval()
    row = Row.of([TEXT[:1000]], ALPHABET, grid=False)
    assert carried_nll(net, row, chunk=7) == pytest.approx(carried_nll(net, row, chunk=5000), abs=1e-5)
    assert windowed_nll(net, row, 16) != pytest.approx(carried_nll(net, row), abs=1e-6)


def texts():
    return Texts([TEXT[:2400]], [TEXT[2400:]])


def test_it_learns_goes_on_and_is_exported(tmp_path, models):
    half = RECIPE.changed(epochs=3)
    train(half, texts(), ALPHABET, tmp_path / "run", precision="32-true")
    net, now = train(RECIPE, texts(), ALPHABET, tmp_path / "run", precision="32-true")
    assert now.epoch == 6
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 6
    held = Row.of(texts().validation, ALPHABET, grid=False)
    assert carried_nll(net, held) == pytest.approx(now.best, abs=1e-4)
    torch.manual_seed(RECIPE.seed)
    assert now.best < 0.6 * carried_nll(TextNet(net.shape), held)
    bundle = exported(net, ALPHABET, RECIPE, texts(), models / "mine")
    verify(bundle)
    model = load_text("mine")
    assert model.alphabet == ALPHABET
    assert model.training is not None
    assert model.training.quotes(TEXT[100:200])
    back, alphabet = text_network_of(bundle)
    assert alphabet == ALPHABET
    assert carried_nll(back, held) == pytest.approx(now.best, rel=0.02)


def test_no_text_is_named(tmp_path):
    with pytest.raises(ValueError, match="no text"):
        train(RECIPE, Texts(), ALPHABET, tmp_path)
