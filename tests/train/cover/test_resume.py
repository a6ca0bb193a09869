"""An interrupted run of a generator and its discriminator ends as one that is not."""

import numpy as np
import pytest
import torch

from rnnmuse.train.checkpoint import load
from rnnmuse.train.cover.objective import Trainer
from rnnmuse.train.cover.recipe import recipe_of
from rnnmuse.train.cover.run import material_of


def test_an_interrupted_run_ends_as_one_that_is_not(tmp_path):
    torch.set_num_threads(1)
    squares = np.random.default_rng(1).integers(0, 256, (6, 28, 28, 3), np.uint8)
    recipe = recipe_of("digits", "x").changed(batch=4, variants=1, pictures_every=100)

    def run(name, stop=0):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        trainer = Trainer(recipe, material_of(squares, recipe), folder)
        resumed = trainer.resume()

        def report(now):
            if now.step == stop:
                raise KeyboardInterrupt

        trainer.run(None, 5, report, lambda: None)
        return resumed

    run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("cut", stop=2)
    assert load(tmp_path / "cut" / "last.ckpt")["progress"]["step"] == 2
    assert run("cut")
    want, got = (load(tmp_path / name / "last.ckpt") for name in ("whole", "cut"))
    assert want["progress"]["step"] == got["progress"]["step"] == 5
    for network in ("generator", "discriminator", "mean"):
        for key, value in want[network].items():
            assert torch.equal(value, got[network][key]), f"{network}: {key}"
