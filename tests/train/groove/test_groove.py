"""The groove network: what it is given, and what is played against torch."""

from random import Random

import numpy as np
import pytest
import torch

from rnnmuse.models.groove import APART, GrooveModel, blended, given_of, level_of, taps_of
from rnnmuse.train.groove.export import write_groove
from rnnmuse.train.groove.network import GrooveNet, GrooveShape
from rnnmuse.train.groove.objective import given_to, groove_loss, levels, train_groove

SMALL = GrooveShape(embed=12, encoder=10, features=8, hidden=14, head=12)


@pytest.fixture
def pair(tmp_path):
    torch.manual_seed(4)
    net = GrooveNet(SMALL).eval()
    for value in net.parameters():
        value.data = (value.data * 2).half().float()
    write_groove(net.state_dict(), tmp_path)
    from safetensors.numpy import load_file

    weights = load_file(tmp_path / "groove.safetensors")
    graphs = [(tmp_path / f"groove-{name}.onnx").read_bytes() for name in ("reader", "step")]
    return net, GrooveModel(weights, *graphs)


def test_what_is_given_is_the_same_in_numpy_and_in_torch(phrases):
    data = phrases(True, 2, 3)
    grid = torch.from_numpy(data.grids).long()
    tempo = torch.tensor([60.0, 120.0, 200.0])
    level = torch.from_numpy(levels(data)).masked_fill(torch.tensor([[False], [True], [True]]), torch.nan)
    rows = given_to(grid, torch.tensor([0, 1, 2]), tempo, level).numpy()
    own = level_of(data.grids[0])
    one, none, two = np.ones(9), np.zeros(9), np.array([1, 1, 0, 0, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(rows[0], given_of(data.grids[0], one, none, None, 60, own), atol=1e-6)
    np.testing.assert_allclose(rows[1], given_of(data.grids[1], none, none, taps_of(data.grids[1]), 120), atol=1e-6)
    np.testing.assert_allclose(rows[2], given_of(data.grids[2], two, two, None, 200), atol=1e-6)


def test_a_level_is_the_mean_velocity_of_a_drum_in_the_whole_piece(phrases):
    data = phrases(True, 2, 6)
    data.piece[:] = [0, 0, 1, 1, 1, 2]
    data.grids[:2, :, 4] = (0, 0, 12)  # no low tom in the first piece
    found = levels(data)
    of_two = [data.grids[i][t, 3, 1] for i in (2, 3, 4) for t in range(32) if data.grids[i][t, 3, 0]]
    np.testing.assert_allclose(found[2:5, 3], np.mean(of_two) / 31, rtol=1e-5)
    assert np.isnan(found[:2, 4]).all()
    assert not np.isnan(found[2:, 3]).any()
    np.testing.assert_allclose(found[5], level_of(data.grids[5]))


def test_a_drum_is_struck_as_loud_as_its_level_says(phrases, tmp_path):
    """Trained on pieces that are soft or loud throughout, the network plays each at its level."""
    data = phrases(True, 2, 64)
    loud = np.arange(64) % 2 == 1
    data.grids[..., 1] = np.where(data.grids[..., 0] > 0, np.where(loud, 27, 5)[:, None, None], 0)
    net = train_groove({2: data}, {2: data}, tmp_path, shape=SMALL, epochs=50, batch=32, learning_rate=0.02)
    grid = torch.from_numpy(data.grids).long()
    level = torch.from_numpy(levels(data))
    given = given_to(grid, torch.zeros(64, dtype=torch.long), torch.full((64,), 120.0), level)
    with torch.no_grad():
        _, velocity, _, _ = net(torch.zeros_like(grid) + grid[..., :1] * torch.tensor([1, 0, 0]), given,
                                torch.ones(64, 32, dtype=torch.bool))  # fmt: skip
    hit = grid[..., 0] > 0
    right = net.loud(velocity, level).argmax(-1)[hit] == grid[..., 1][hit]
    assert right.float().mean() > 0.9


def test_the_likeliest_human_is_torchs(pair, phrases):
    """At temperature 0 each step's classes are the argmax of the network told what was played before."""
    net, model = pair
    data = phrases(True, 2, 3)
    for index in range(3):
        made = model.humanise(data.grids[index], Random(1), 100.0, temperature=0.0)
        grid = torch.from_numpy(made[None]).long()
        given = given_to(torch.from_numpy(data.grids[index][None]).long(), torch.tensor([0]), torch.tensor([100.0]))
        with torch.no_grad():
            _, velocity, micro, _ = net(grid, given, torch.zeros(1, 32, dtype=torch.bool))
        hit = made[..., 0] > 0
        np.testing.assert_array_equal(hit, data.grids[index][..., 0] > 0)
        assert (net.loud(velocity, None)[0].argmax(-1).numpy()[hit] == made[..., 1][hit]).mean() > 0.99
        assert (micro[0].argmax(-1).numpy()[hit] == made[..., 2][hit]).mean() > 0.99


def test_what_is_kept_stays_to_the_class(pair, phrases):
    _, model = pair
    grid = phrases(True, 2, 1).grids[0]
    made = model.fill(grid, Random(2), (0, 1))
    np.testing.assert_array_equal(made[:, :2] * grid[:, :2, :1].clip(0, 1), grid[:, :2] * grid[:, :2, :1])
    np.testing.assert_array_equal(made[:, :2, 0], grid[:, :2, 0])


def test_the_same_random_plays_the_same_and_another_does_not(pair, phrases):
    _, model = pair
    grid = phrases(True, 2, 1).grids[0]
    one, again, other = (model.humanise(grid, Random(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    with pytest.raises(ValueError, match="tempo: 5"):
        model.humanise(grid, Random(1), 5)


def test_an_amount_of_0_is_what_was_there_and_of_1_the_human(pair, phrases):
    _, model = pair
    grid = phrases(True, 2, 1).grids[0]
    human = model.humanise(grid, Random(1))
    hit = grid[..., 0] > 0
    np.testing.assert_array_equal(blended(grid, human, 0.0)[hit], grid[hit])
    np.testing.assert_array_equal(blended(grid, human, 1.0), human)
    with pytest.raises(ValueError, match="amount: 2"):
        blended(grid, human, 2)


def test_only_what_is_not_given_costs(phrases):
    torch.manual_seed(1)
    net = GrooveNet(SMALL)
    grid = torch.from_numpy(phrases(True, 2, 4).grids).long()
    tempo, hidden = torch.full((4,), 120.0), torch.zeros(4, 32, dtype=torch.bool)
    quantised, tapped, filled = (
        groove_loss(net, grid, torch.full((4,), task), tempo, hidden).detach() for task in range(3)
    )
    assert (quantised < tapped).all()  # hits are given
    assert (filled < tapped).all()


def test_an_older_groove_is_refused_by_its_size(pair):
    net, _ = pair
    weights = {key: value.numpy() for key, value in net.state_dict().items()}
    weights["velocity.bias"] = weights["velocity.bias"][: 9 * APART]
    with pytest.raises(ValueError, match=r"velocity\.bias: 567 numbers; must be 855"):
        GrooveModel(weights, b"", b"")
