"""The chorale model: numpy against torch, and what its likelihood is of."""

import numpy as np
import pytest

from rnnmuse.models.bundle import load_chorale
from rnnmuse.models.chorale import LOWEST, ORDER, PITCHES, ChoraleModel, classes_of, log_softmax, nats, pitches_of

CHORALE = np.array(
    [[67, 62, 59, 43], [69, 62, 57, 42], [71, 62, 55, 43], [0, 0, 0, 0], [72, 64, 55, 48], [71, 62, 55, 50]], np.int64
)


@pytest.fixture(scope="module")
def model():
    return load_chorale("chorales")


def test_the_step_is_the_network_of_training():
    torch = pytest.importorskip("torch")
    from rnnmuse.train.chorale.network import ChoraleNet, ChoraleShape, nats_of

    torch.manual_seed(3)
    net = ChoraleNet(ChoraleShape(embed=8, hidden=16, head=12)).eval()
    played = ChoraleModel("x", {key: value.numpy() for key, value in net.state_dict().items()})
    tonics = np.array([0, 7, 11])
    x = np.stack([classes_of(CHORALE, t) for t in tonics])
    with torch.no_grad():
        wanted = nats_of(net, torch.from_numpy(x), torch.from_numpy(tonics)).numpy()
    state = played.begin(3, tonics)
    for beat in range(len(CHORALE)):
        expected, total = played.expect(state, tonics), np.zeros(3)
        for place, voice in enumerate(ORDER):
            found = log_softmax(expected.logits(place))
            assert np.exp(found).sum(1) == pytest.approx(1, abs=1e-4)
            total -= found[np.arange(3), x[:, beat, voice]]
            expected.choose(place, x[:, beat, voice])
        assert total == pytest.approx(wanted[:, beat], abs=1e-3)
        state = played.step(state, x[:, beat], tonics)


def test_a_transposed_chorale_with_its_tonic_is_the_same_classes():
    for tonic in range(12):
        classes = classes_of(CHORALE, tonic)
        assert (pitches_of(classes, tonic) == CHORALE).all()
    assert (classes_of(CHORALE, 0) == classes_of(np.where(CHORALE > 0, CHORALE + 2, 0), 2)).all()
    assert classes_of(np.array([LOWEST + 200]), 0) == PITCHES - 1


def test_the_likelihood_is_a_mixture_of_the_tonics(model):
    """The mixture is no less likely than a twelfth of its likeliest part, and no likelier than that part."""
    whole = nats(model, CHORALE)
    parts = []
    for tonic in range(12):
        state, total = model.begin(1, tonic), 0.0
        for beat in classes_of(CHORALE, tonic):
            expected = model.expect(state, tonic)
            for place, voice in enumerate(ORDER):
                total -= float(log_softmax(expected.logits(place))[0, beat[voice]])
                expected.choose(place, beat[None, voice])
            state = model.step(state, beat[None], tonic)
        parts.append(total)
    assert whole == pytest.approx(-np.log(np.mean(np.exp(-np.array(parts)))), abs=1e-3)
    assert int(np.argmin(parts)) == 7


def test_a_chorale_is_likelier_than_the_same_notes_in_another_order(model):
    random = np.random.default_rng(1)
    shuffled = np.stack([random.permutation(CHORALE[:3, voice]) for voice in range(4)], 1)
    assert nats(model, CHORALE[:3]) < nats(model, shuffled)
