"""Training of cover models: runs, resumes, fine-tunes; what the trainer learns from and gives out."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from rnnmuse.cli.main import app
from rnnmuse.models.bundle import load_cover
from rnnmuse.models.cover import ATTRIBUTES
from rnnmuse.train.cover.abstracts import PROCEDURES, abstracts
from rnnmuse.train.cover.augment import attributes, augment
from rnnmuse.train.cover.network import NETWORKS, CoverShape
from rnnmuse.train.cover.objective import Trainer
from rnnmuse.train.cover.recipe import CoverRecipe, recipe_of
from rnnmuse.train.cover.run import material_of, train_cover
from rnnmuse.train.recipe import read_recipe, recipe_text


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "pictures"
    made.mkdir()
    for index, pixels in enumerate(abstracts(14, 48, 1)):
        Image.fromarray(pixels).save(made / f"{index}.png")
    return made


def test_a_run_makes_a_bundle_goes_on_and_is_fine_tuned(folder, models, tmp_path):
    work = tmp_path / "run"
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(recipe_text(CoverRecipe("mine", side=32, batch=4, variants=1, pictures_every=2)), "utf-8")
    bundle = train_cover([folder], "mine", recipe=recipe, steps=2, work=work)
    first = load_cover("mine")
    assert (work / "pictures-000002.png").exists()
    assert json.loads((work / "log.jsonl").read_text().splitlines()[0])["step"] == 2
    train_cover([folder], "mine", recipe=recipe, steps=3, work=work)
    assert torch.load(work / "last.ckpt", weights_only=True)["progress"]["step"] == 3
    assert (bundle.folder / "SHA256SUMS").exists()
    train_cover([folder], "more", start="mine", steps=1, work=tmp_path / "more")
    tuned = load_cover("more")
    planes = [m.planes(m.latent_of(1), np.zeros(8, np.float32), 1) for m in (first, tuned)]
    drawn = [m.draw(p, 32, 32).astype(float) for m, p in zip((first, tuned), planes, strict=True)]
    assert np.corrcoef(drawn[0].ravel(), drawn[1].ravel())[0, 1] > 0.5


def test_the_other_architectures_leave_a_run(folder, models, tmp_path):
    for name in ("digits", "conv"):
        recipe = tmp_path / f"{name}.toml"
        plan = recipe_of(name, name).changed(batch=4, pictures_every=1, variants=1)
        recipe.write_text(recipe_text(plan if name == "digits" else plan.changed(side=32)), "utf-8")
        work = train_cover([folder], name, recipe=recipe, steps=1, work=tmp_path / name)
        assert (work / "pictures-000001.png").exists()
        assert not (models / name).exists()


@pytest.mark.parametrize("architecture", NETWORKS)
def test_networks_have_the_shapes_they_name(architecture):
    shape = CoverShape(conditions=8)
    generator, discriminator = (make(shape) for make in NETWORKS[architecture])
    z, c = torch.randn(3, shape.latent), torch.randn(3, 8)
    images = generator(z, c)
    assert images.shape == (3, 3, 64, 64)
    logits = discriminator(images, c)
    assert logits.shape == ((3, 1) if architecture == "digits" else (3, 257))
    logits.sum().backward()
    assert all(p.grad is not None for p in generator.parameters())


def test_augmentation_lets_the_gradient_through_and_changes_each_picture():
    images = torch.zeros(8, 3, 32, 32, requires_grad=True)
    changed = augment(images)
    assert changed.shape == images.shape
    assert len({round(float(v), 4) for v in changed.detach().mean((1, 2, 3))}) > 4
    changed.sum().backward()
    assert images.grad.abs().sum() > 0


def test_attributes_are_what_they_are_called():
    def of(pixels):
        found = attributes(torch.tensor(pixels, dtype=torch.float32)[None])[0]
        return dict(zip(ATTRIBUTES, found.tolist(), strict=True))

    grey = np.zeros((3, 32, 32))
    assert of(grey + 0.5)["brightness"] > of(grey)["brightness"]
    assert of(np.stack([grey[0] + 0.5, grey[0], grey[0] - 0.5]))["warmth"] > 0.4
    assert of(np.stack([grey[0], grey[0] + 0.5, grey[0]]))["tint"] > 0.4
    sky = grey.copy()
    sky[:, :16] = 1
    assert of(sky)["sky"] == pytest.approx(1)
    noise = np.random.default_rng(1).normal(0, 0.3, (1, 32, 32)).repeat(3, 0)
    assert of(noise)["detail"] > of(sky * 0.3)["detail"]
    assert of(noise)["contrast"] > of(noise / 2)["contrast"]


def test_material_holds_the_share_of_abstract_pictures():
    squares = np.random.default_rng(2).integers(0, 256, (10, 48, 48, 3), np.uint8)
    held = material_of(squares, CoverRecipe("x", abstract=0.25, variants=4, side=32))
    abstract = held.conditions[:, -1] == 1
    assert int((~abstract).sum()) == 40
    assert float(held.weights[abstract].sum()) == pytest.approx(0.25, abs=1e-5)
    assert held.conditions[~abstract, :-1].mean(0).abs().max() < 0.2


def test_every_procedure_draws_its_own_picture():
    made = abstracts(len(PROCEDURES), 48, 3)
    assert made.shape == (len(PROCEDURES), 48, 48, 3)
    assert all(one.std() > 2 for one in made)
    assert np.array_equal(made, abstracts(len(PROCEDURES), 48, 3))


def test_recipes_are_read_back_and_mistakes_named(tmp_path):
    path = tmp_path / "recipe.toml"
    plan = CoverRecipe("x", data=({"set": "a"},), r1=0.5)
    path.write_text(recipe_text(plan), "utf-8")
    assert read_recipe(path, CoverRecipe) == plan
    for text, message in (("nme = 1", "unknown setting 'nme'"), ("name='x'\nside = 65", "side: 65; must be one of 32"),
                          ("name='x'\nr1 = -1.0", "r1: -1.0; must be 0 to 100"), ("name='x'\nhalf = 3", "half: 3"),
                          ("name='x'\narchitecture='vae'", "must be one of coordinate")):  # fmt: skip
        path.write_text(text, "utf-8")
        with pytest.raises(ValueError, match=message):
            read_recipe(path, CoverRecipe)


def test_arguments_are_checked(folder, models, tmp_path):
    for settings, message in (({"minutes": -1.0}, "minutes: -1"), ({"start": "lieder"}, "is not known|stream model"),
                              ({"architecture": "x"}, "architecture: 'x'"), ({"steps": 0}, "steps: 0")):  # fmt: skip
        with pytest.raises(Exception, match=message):
            train_cover([folder], "y", work=tmp_path / "w", **settings)
    result = CliRunner().invoke(app, ["train", "cover", str(tmp_path / "none"), "--name", "y", "--steps", "1"])
    assert "no image files" in str(result.exception)


def _trainer(tmp_path, **settings):
    plan = CoverRecipe("x", side=32, batch=8, variants=1, abstract=0.0, half=False).changed(**settings)
    squares = np.random.default_rng(3).integers(0, 256, (40, 48, 48, 3), np.uint8)
    return Trainer(plan, material_of(squares, plan), tmp_path)


def test_patches_of_the_batches_before_make_their_spread_surer(tmp_path):
    """Two sets of one source are at a distance for being small alone: it falls as more are remembered."""
    random = torch.Generator().manual_seed(5)
    found = {}
    for batches in (1, 8):
        trainer = _trainer(tmp_path, batches=batches)
        for _ in range(12):
            one, two = torch.randn(2, 8, 3, 32, 32, generator=random)
            one.requires_grad_(True)
            distance = trainer._patch_distance(one, two)
        assert [len(sets) for level in trainer.before[:2] for sets in level] == 4 * [batches - 1]
        distance.backward()
        found[batches] = float(distance.detach()) / batches, float(one.grad.abs().mean())
    assert found[8][0] < 0.6 * found[1][0]
    assert found[8][1] == pytest.approx(found[1][1], rel=0.2)  # what is remembered does not weaken what is learned


def test_the_learning_rate_falls_at_the_end_of_a_run(tmp_path):
    trainer = _trainer(tmp_path, fall=0.5, patches=0.0, r1=0.0)
    rates = []

    def told(now):
        rates.append(trainer.of_generator.param_groups[0]["lr"])

    trainer.run(None, 4, told, lambda: None)
    warm = [rate / (trainer.recipe.learning_rate * step / 100) for step, rate in enumerate(rates, 1)]
    assert warm == pytest.approx([1.0, 1.0, 1.0, 0.5])
    rates.clear()
    trainer = _trainer(tmp_path, fall=0.5, patches=0.0, r1=0.0)
    trainer.now.step = 3  # as after an interruption: the first step is where the run had been
    trainer.run(None, 4, told, lambda: None)
    assert rates == pytest.approx([0.5 * trainer.recipe.learning_rate * 4 / 100])
