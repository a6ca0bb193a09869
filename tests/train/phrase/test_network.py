"""The phrase VAE: its loss against torch's own distributions, its training on a handful of phrases."""

import json

import numpy as np
import pytest
import torch

from rnnmuse.train.phrase.measures import reconstruction
from rnnmuse.train.phrase.network import PhraseNet, PhraseShape, kl_by_dimension
from rnnmuse.train.phrase.objective import augmented, train_phrases
from rnnmuse.train.phrase.recipe import PhraseRecipe
from rnnmuse.train.recipe import read_recipe, recipe_text


def test_kl_is_that_of_two_normal_distributions():
    mu, log_var = torch.randn(5, 7), torch.randn(5, 7)
    q = torch.distributions.Normal(mu, (log_var / 2).exp())
    p = torch.distributions.Normal(torch.zeros(5, 7), torch.ones(5, 7))
    torch.testing.assert_close(kl_by_dimension(mu, log_var), torch.distributions.kl_divergence(q, p))


@pytest.mark.parametrize("drum", [False, True])
def test_the_decoder_never_sees_what_is_to_come(drum, phrases, small):
    torch.manual_seed(1)
    net = PhraseNet(PhraseShape(drum, **small)).eval()
    data = phrases(drum, 2, 2)
    grid, context = torch.from_numpy(data.grids).long(), torch.from_numpy(data.context).long()
    z, told = torch.randn(2, 12), torch.zeros(2, 32, dtype=torch.bool)
    before = torch.cat((net.start(grid[:, :1]), grid[:, :-1]), 1)
    other = before.clone()
    other[:, 20:] = before.flip(0)[:, 20:]
    with torch.no_grad():
        a, b = net.states(z, before, context, told, 0)[0], net.states(z, other, context, told, 0)[0]
    torch.testing.assert_close(a[:, :20], b[:, :20])
    assert (a[:, 20:] != b[:, 20:]).any()


def test_transposed_copies_keep_their_shape_and_their_harmony(phrases):
    data = phrases(False, 2, 50)
    grid, context = torch.from_numpy(data.grids).long(), torch.from_numpy(data.context).long()
    up, around = augmented(grid, context, -6, 5, torch.Generator().manual_seed(1))
    on = grid[..., 0] >= 2
    for row in range(50):
        shifts = (up[row, :, 0] - grid[row, :, 0])[on[row]].unique()
        assert len(shifts) == 1
        assert -6 <= int(shifts) <= 5
        known = context[row, :, 1] < 12
        assert (((around[row, :, 1] - context[row, :, 1] - shifts)[known]) % 12 == 0).all()
    assert ((up - grid)[..., 1:] == 0).all()
    assert ((up - grid)[..., 0][~on] == 0).all()


def test_a_handful_of_phrases_is_learned_and_an_interrupted_run_goes_on(tmp_path, phrases):
    data = {2: phrases(False, 2, 12)}
    recipe = PhraseRecipe(
        "small", bars=(2,), latent=(24,), embed=32, encoder=32, beat=16, condition=24, hidden=48, head=32, beta=0.01,
        annealing=1, batch=12, epochs=60, learning_rate=1e-2, transpose=(0, 0), dropout=0.0, hide=0.2,
    )  # fmt: skip
    net, _ = train_phrases(recipe.changed(epochs=3), data, data, tmp_path / "run")
    before = reconstruction(net, data[2])
    net, now = train_phrases(recipe, data, data, tmp_path / "run")
    after = reconstruction(net, data[2])
    assert now.epoch == 60
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 60
    assert after["steps, free-running"] > before["steps, free-running"] + 0.15
    assert after["KL, bits"] > 0
    assert json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])["lengths"]["2"]["phrases"] == 12


def test_the_measures_of_a_perfect_and_of_a_silent_copy(phrases, small):
    data = phrases(False, 2, 6)

    class Copy(PhraseNet):
        silent = False

        def decode(self, z, context):
            grid = torch.from_numpy(data.grids).long()
            return grid * 0 + 1 if self.silent else grid

    net = Copy(PhraseShape(False, **small)).eval()
    assert reconstruction(net, data)["steps, free-running"] == 1
    assert reconstruction(net, data)["onset pitches"] == 1
    net.silent = True
    rests = float((data.grids[..., 0] == 1).mean())
    assert reconstruction(net, data)["steps, free-running"] == pytest.approx(rests, abs=1e-3)
    assert reconstruction(net, data)["onset pitches"] == 0


def test_a_recipe_is_read_back_and_a_mistake_in_it_is_named(tmp_path):
    recipe = PhraseRecipe("x", True, 'of "drums"', data=({"set": "a", "licence": "CC0"},), bars=(2,), latent=(8,))
    (tmp_path / "recipe.toml").write_text(recipe_text(recipe))
    assert read_recipe(tmp_path / "recipe.toml", PhraseRecipe) == recipe
    for text, said in (
        ('name = "x"\nbeta = -1', "beta: -1"),
        ('name = "x"\nbetta = 1', "unknown setting 'betta'"),
        ('name = "x"\nbars = [2]', "bars, latent"),
        ('name = "x"\nhide = 1.0', "hide: 1.0"),
        ('name = "x"\nbatch = 0', "batch: 0"),
    ):
        (tmp_path / "bad.toml").write_text(text)
        with pytest.raises(ValueError, match=said):
            read_recipe(tmp_path / "bad.toml", PhraseRecipe)


def test_numbers_of_the_drum_measures(phrases, small):
    data = phrases(True, 2, 5)

    class Late(PhraseNet):
        def decode(self, z, context):
            grid = torch.from_numpy(data.grids).long()
            grid[..., 2] = torch.where(grid[..., 0] > 0, 12, grid[..., 2])
            return grid

    found = reconstruction(Late(PhraseShape(True, **small)).eval(), data)
    assert found["hits F1"] == 1
    assert found["velocity RMSE"] == 0
    hit = data.grids[..., 0] > 0
    want = np.sqrt(np.mean(((data.grids[..., 2] - 12)[hit] * 5.0) ** 2))  # 25ths of a sixteenth are 5 ms at 120 bpm
    assert found["timing RMSE, ms"] == pytest.approx(want, rel=1e-3)
    assert found["timing RMSE, nothing, ms"] == found["timing RMSE, ms"]
