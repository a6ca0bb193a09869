"""The phrase bundle's graphs against torch."""

import numpy as np
import pytest
import torch

from rnnmuse.models.phrase import PhraseModel
from rnnmuse.music.phrases import no_context
from rnnmuse.train.phrase.export import decoder_graph, encoder_graph, exported_weights
from rnnmuse.train.phrase.network import PhraseNet, PhraseShape


@pytest.fixture(params=[False, True], ids=["melody", "drums"])
def pair(request, phrases, small):
    torch.manual_seed(2)
    net = PhraseNet(PhraseShape(request.param, **small)).eval()
    for value in net.parameters():  # as the bundle will hold them
        value.data = (value.data * 2).half().float()
    data = {bars: phrases(request.param, bars, 40) for bars in (2, 4)}
    weights = exported_weights(net, data)
    model = PhraseModel(
        "small", request.param, (2, 4), weights, encoder_graph(weights).SerializeToString(),
        decoder_graph(weights).SerializeToString(),
    )  # fmt: skip
    return net, model, data


def test_a_point_is_the_networks_mean_in_the_phrases_own_coordinates(pair):
    net, model, data = pair
    for index, bars in enumerate((2, 4)):
        grids, context = data[bars].grids[:5], data[bars].context[:5]
        with torch.no_grad():
            mu, _ = net.encode(torch.from_numpy(grids).long(), torch.from_numpy(context).long())
        w = exported_weights(net, data)
        for row in range(5):
            point = model.encode(grids[row], context[row])
            back = w[f"aggregate.{index}.mean"] + w[f"aggregate.{index}.root"] @ point
            np.testing.assert_allclose(back, mu[row].numpy(), atol=2e-3)


def test_the_decoder_plays_what_torch_plays(pair):
    net, model, data = pair
    for index, bars in enumerate((2, 4)):
        context = data[bars].context[:4]
        points = np.random.default_rng(5).normal(size=(4, model.space(bars).size)).astype(np.float32)
        w = exported_weights(net, data)
        z = w[f"aggregate.{index}.mean"] + points @ w[f"aggregate.{index}.root"].T
        want = net.decode(torch.from_numpy(z), torch.from_numpy(context).long()).numpy()
        made = np.stack([model.decode(point, rows) for point, rows in zip(points, context, strict=True)])
        assert (made == want).mean() > 0.995  # a tie may fall either way


def test_the_likelihood_is_the_full_forward_pass(pair):
    net, model, data = pair
    for bars in (2, 4):
        grid, context = data[bars].grids[:3], data[bars].context[:3]
        with torch.no_grad():
            g, c = torch.from_numpy(grid).long(), torch.from_numpy(context).long()
            mu, _ = net.encode(g, c)
            want = sum(net(mu, g, c, torch.zeros(g.shape[:2], dtype=torch.bool))).numpy()
        for row in range(3):
            assert model.nll(model.encode(grid[row], context[row]), grid[row], context[row]) == pytest.approx(
                want[row], rel=1e-3
            )


def test_the_phrases_lie_where_the_normal_distribution_is(pair):
    _, model, data = pair
    points = np.stack([model.encode(g, c) for g, c in zip(data[2].grids, data[2].context, strict=True)])
    assert np.abs(points.mean(0)).max() < 0.02
    assert 0.3 < points.std(0).mean() <= 1.05


def test_a_point_of_another_size_is_refused(pair):
    _, model, _ = pair
    with pytest.raises(ValueError, match="point: 5 numbers"):
        model.decode(np.zeros(5, np.float32))
    with pytest.raises(ValueError, match="bars: 3"):
        model.encode(np.zeros((48, 9, 3) if model.drum else (48, 3), np.int16), no_context(48))
