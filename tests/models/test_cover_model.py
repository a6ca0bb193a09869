"""The numpy generator against the training network."""

import numpy as np
import pytest
import torch

from rnnmuse.errors import BundleError
from rnnmuse.models.bundle import load_cover
from rnnmuse.models.cover import CONDITIONS, CoverModel
from rnnmuse.train.cover.network import ConvGenerator, CoverShape


def pair(side):
    torch.manual_seed(3)
    net = ConvGenerator(CoverShape(side=side)).eval()
    weights = {key: value.numpy() for key, value in net.state_dict().items()}
    return net, CoverModel("test", weights, np.zeros(7), np.ones(7))


@pytest.mark.parametrize("side", [64, 128])
def test_it_draws_what_the_training_network_draws(side):
    net, model = pair(side)
    z, c = torch.randn(1, 96), torch.randn(1, CONDITIONS)
    with torch.no_grad():
        wanted = ((net(z, c)[0].permute(1, 2, 0).numpy() + 1) * 127.5).clip(0, 255)
    drawn = model.picture(z[0].numpy(), c[0].numpy())
    assert drawn.shape == (side, side, 3)
    assert model.side == side
    assert wanted.std() > 20
    assert np.abs(drawn - wanted).max() < 1.0


def test_a_small_picture_is_enlarged():
    net, model = pair(32)
    z, c = torch.randn(1, 96), torch.randn(1, CONDITIONS)
    with torch.no_grad():
        wanted = ((net(z, c)[0].permute(1, 2, 0).numpy() + 1) * 127.5).clip(0, 255)
    drawn = model.picture(z[0].numpy(), c[0].numpy())
    assert drawn.shape == (64, 64, 3)
    shrunk = drawn.reshape(32, 2, 32, 2, 3).astype(float).mean((1, 3))
    assert np.corrcoef(shrunk.ravel(), wanted.ravel())[0, 1] > 0.97


def test_weights_that_do_not_fit_are_named():
    net, _ = pair(64)
    weights = {key: value.numpy() for key, value in net.state_dict().items()}
    weights["same.2.weight"] = weights["same.2.weight"][:5]
    with pytest.raises(ValueError, match=r"same.2.weight: shape \(5, 128, 3, 3\); must be \(128, 128, 3, 3\)"):
        CoverModel("test", weights, np.zeros(7), np.ones(7))


def test_a_bundle_is_checked(models, covers):
    assert load_cover("covers").name == "covers"
    (models / "covers" / "weights.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(BundleError, match="damaged"):
        load_cover("covers")
