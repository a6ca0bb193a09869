"""A canary planted in a small training run is played, found in what is generated, and kept from it by the guard."""

import os
import random

import pytest
import torch

from rnnmuse.compose.muse import Muse
from rnnmuse.events import Note
from rnnmuse.models.bundle import load_stream
from rnnmuse.models.originality import LIMIT, lines_of
from rnnmuse.music.codec import PartClass, encode
from rnnmuse.music.piece import Key, Part, Piece
from rnnmuse.train.stream.export import export
from rnnmuse.train.stream.objective import train
from rnnmuse.train.stream.recipe import Recipe

pytestmark = pytest.mark.skipif("RNNMUSE_TRUST" not in os.environ, reason="trains for a minute: make trust")
RECIPE = Recipe(
    "canary",
    (PartClass("piano", 0, (0,)),),
    embed=48,
    hidden=128,
    head=48,
    readers=1,
    slots=64,
    lanes=4,
    chunk=64,
    epochs=300,
    patience=300,
    learning_rate=0.003,
    average=0.8,
    dropout=0.0,
    transpose=(0, 0),
    seed=1,
)


def canary():
    rng = random.Random(9)
    notes, beat = [], 0.0
    for _ in range(28):
        length = rng.choice((0.5, 1.0))
        notes.append(Note(beat, 60 + rng.randrange(12), length, 80))
        beat += length
    return Piece([Part("Piano", notes=notes)], keys=[Key(0.0, 0)])


@pytest.fixture(scope="module")
def muse(tmp_path_factory):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    piece = encode(canary(), RECIPE.parts)
    folder = tmp_path_factory.mktemp("canary")
    net, _ = train(RECIPE, [piece] * 8, [piece], folder / "run", precision="32-true", device="cpu")
    made = export(net, RECIPE, folder / "canary", [piece], [piece])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNNMUSE_MODELS", str(folder))
        return Muse(load_stream(made.name))


def runs(muse, original):
    found = []
    prompt = [note for note in canary().parts[0].notes if note.start < 4]
    for seed in range(6):
        new = muse.continue_(Piece([Part("Piano", notes=prompt)], keys=[Key(0.0, 0)]), 5, seed=seed, temperature=0.3,
                             repeat=0.0, original=original)  # fmt: skip
        found.append(muse.model.corpus.find(lines_of(new)).run.notes)
    return found


def test_the_canary_is_found_and_kept_away(muse):
    assert max(runs(muse, 0.0)) >= LIMIT, "the model has learned it by heart"
    assert max(runs(muse, 0.5)) < LIMIT
    assert max(runs(muse, 1.0)) < LIMIT
