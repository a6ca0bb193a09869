"""The numpy generator against the training network, and what a picture must be at any size."""

import numpy as np
import pytest
import torch

from rnnmuse.errors import BundleError
from rnnmuse.models.bundle import load_cover
from rnnmuse.models.cover import CONDITIONS, NOISE, NOISE_GRID, CoverModel, Window, spline
from rnnmuse.train.cover.network import CoordinateGenerator, CoverShape


def network():
    torch.manual_seed(3)
    made = CoordinateGenerator(CoverShape()).eval()
    for grain in made.grain:
        torch.nn.init.normal_(grain, 0, 0.2)
    return made


@pytest.fixture(scope="module")
def pair():
    net = network()
    weights = {key: value.numpy() for key, value in net.state_dict().items()}
    return net, CoverModel("test", weights, np.zeros(7), np.ones(7))


def test_it_draws_what_the_training_network_draws(pair):
    net, model = pair
    z, c = torch.randn(1, 96), torch.randn(1, CONDITIONS)
    noise = [torch.randn(1, 1, side, side) for side in (4, 8, 16, 32, 64)]
    fine = torch.randn(1, NOISE, NOISE_GRID, NOISE_GRID)
    x, y = (torch.arange(50) + 0.5) / 50, (torch.arange(40) + 0.5) / 40
    with torch.no_grad():
        w = net.mapping(z, c)
        wanted = ((net.at(net.planes(w, noise), w, fine, x, y)[0].permute(1, 2, 0).numpy() + 1) * 127.5).clip(0, 255)
    planes = model.planes(z[0].numpy(), c[0].numpy(), noise=[n[0, 0].numpy() for n in noise] + [fine[0].numpy()])
    drawn = model.draw(planes, 50, 40, Window())
    assert wanted.std() > 20
    assert np.abs(drawn - wanted).max() < 1.0


def test_stripes_threads_and_windows_leave_no_seam(pair, monkeypatch):
    _, model = pair
    planes = model.planes(model.latent_of(1), np.zeros(CONDITIONS, np.float32), 1)
    whole = model.draw(planes, 240, 240, threads=1)
    monkeypatch.setattr("rnnmuse.models.cover.STRIPE", 240 * 7)
    assert np.array_equal(model.draw(planes, 240, 240, threads=3), whole)
    part = model.draw(planes, 120, 60, Window(0.25, 0.5, 0.75, 0.75))
    assert np.abs(part.astype(int) - whole[120:180, 60:180]).max() <= 1


def test_a_picture_is_the_same_at_every_size(pair):
    _, model = pair
    planes = model.planes(model.latent_of(2), np.zeros(CONDITIONS, np.float32), 2)
    small = model.draw(planes, 128, 128).astype(float)
    large = model.draw(planes, 1024, 1024).astype(float).reshape(128, 8, 128, 8, 3).mean((1, 3))
    assert np.corrcoef(small.ravel(), large.ravel())[0, 1] > 0.95  # the finer noise differs, nothing else
    other = model.draw(model.planes(model.latent_of(3), np.zeros(CONDITIONS, np.float32), 3), 128, 128)
    assert np.corrcoef(small.ravel(), other.ravel())[0, 1] < 0.6


def test_no_cell_of_the_planes_shows(pair):
    """Steps at the planes' cell borders are no larger than elsewhere: a block would show as a jump."""
    _, model = pair
    planes = model.planes(model.latent_of(4), np.zeros(CONDITIONS, np.float32), 4)
    pixels = model.draw(planes, 1024, 64, Window(0, 0.4, 1, 0.4625)).astype(float)
    steps = np.abs(np.diff(pixels, axis=1)).mean((0, 2))
    borders = steps[15::16]
    assert borders.mean() < 1.15 * steps.mean()


def test_splines_sum_to_one_and_are_smooth():
    at = np.linspace(0, 1, 400)
    weights = spline(at, 8)
    assert np.allclose(weights.sum(1), 1, atol=1e-6)
    assert weights.min() >= 0
    bend = np.abs(np.diff(spline(np.linspace(0.2, 0.8, 4000), 8) @ np.arange(8.0) ** 2, 3))
    assert bend.max() < 1e-4


@pytest.mark.parametrize("size", [(0, 5), (5, 30_000)])
def test_sizes_are_checked(pair, size):
    _, model = pair
    planes = model.planes(model.latent_of(1), np.zeros(CONDITIONS, np.float32))
    with pytest.raises(ValueError, match="size"):
        model.draw(planes, *size)


def test_a_bundle_is_checked(models, covers):
    assert load_cover("covers").name == "covers"
    (models / "covers" / "weights.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(BundleError, match="damaged"):
        load_cover("covers")
