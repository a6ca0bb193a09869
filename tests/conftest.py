"""What tests share: a small untrained model as a bundle, and a short piece."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from rnnmuse.cli import main as command
from rnnmuse.events import Note
from rnnmuse.models.alphabet import Alphabet
from rnnmuse.models.text import TextModel
from rnnmuse.music.piece import Key, Part, Piece
from rnnmuse.text.regulated import tones

# a seed plays what numpy and onnxruntime make of it, whether or not the kernel was built
os.environ.setdefault("RNNMUSE_KERNEL", "off")

PROGRAMS = ("hosts", "test_jack.py", "test_link.py", "test_ports.py", "test_oscquery.py")
"""Tests that use what a machine has one of, such as a JACK server: never two at a time."""
BROWSER = ("test_browser.py", "test_browser_live.py", "test_browser_sound.py")
"""Tests in Chromium."""
SLOW = ("train", "web", "cli", "realtime", "test_examples.py", "test_wheels.py")
"""Folders and files with the slowest tests: they begin first, so that short ones fill up the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give the tests that wait for another program a second try, which the summary names (RERUN).

    With `pytest -n 2 --dist loadgroup --no-loadscope-reorder` the tests of a file stay together, the slow ones first.
    """
    if config.pluginmanager.hasplugin("rerunfailures"):
        for item in items:
            if any(part in (*PROGRAMS, *BROWSER) for part in item.path.parts):
                item.add_marker(pytest.mark.flaky(reruns=1))
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            alone = any(part in PROGRAMS for part in item.path.parts)
            item.add_marker(pytest.mark.xdist_group("programs" if alone else str(item.path)))
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    parts = item.path.parts
    return 0 if any(part in PROGRAMS for part in parts) else 1 if any(part in SLOW for part in parts) else 2


settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")  # a loaded machine makes no test fail

TUNE = [60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65, 64, 62, 60, 60]


@pytest.fixture
def piece() -> Piece:
    """Four bars of C major in two parts, with a human touch in the melody."""
    melody = [Note(i + 0.01 * (i % 3 - 1) * (i > 0), p, 0.9, 60 + i) for i, p in enumerate(TUNE)]
    bass = [Note(4.0 * i, p, 4.0, 70) for i, p in enumerate([36, 41, 43, 36])]
    return Piece([Part("Voice", 53, notes=melody), Part("Piano", 0, notes=bass)], keys=[Key(0.0, 0)])


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the user's models."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("RNNMUSE_MODELS", str(folder))
    return folder


@pytest.fixture(scope="session")
def untrained_covers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of an untrained cover model; not to be changed."""
    import torch

    from rnnmuse.models.cover import CONDITIONS
    from rnnmuse.train.cover.objective import Material, Trainer
    from rnnmuse.train.cover.recipe import CoverRecipe
    from rnnmuse.train.cover.run import export

    folder = tmp_path_factory.mktemp("covers")
    recipe = CoverRecipe("covers", about="Untrained.", seed=3)
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    material = Material(images, torch.zeros(2, CONDITIONS), torch.ones(2), torch.zeros(7), torch.ones(7))
    return export(Trainer(recipe, material, folder), recipe, folder / "covers").folder


@pytest.fixture
def covers(models: Path, untrained_covers: Path) -> Path:
    """The same as the user's model "covers"."""
    return Path(shutil.copytree(untrained_covers, models / "covers"))


ENGLISH = "\n !',-.:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def untrained_text_model(name: str = "tiny", characters: str = ENGLISH, verse: str = "", seed: int = 0) -> TextModel:
    """A text model that has learned nothing: forms must hold whatever a model says."""
    import torch

    from rnnmuse.text.grid import PLACES
    from rnnmuse.train.text.export import text_graph
    from rnnmuse.train.text.network import TextNet, TextShape

    torch.manual_seed(seed)
    net = TextNet(TextShape(len(characters) + 2, PLACES if verse else 0, 64, 16, 24, 1))
    weights = {key: value.detach().numpy() for key, value in net.state_dict().items()}
    return TextModel(name, Alphabet(characters), weights, text_graph(weights).SerializeToString(), {"verse": verse})


@pytest.fixture(scope="session")
def new_text_model() -> Callable[..., TextModel]:
    """Makes untrained text models."""
    return untrained_text_model


@pytest.fixture(scope="session")
def text_model() -> TextModel:
    return untrained_text_model()


@pytest.fixture(scope="session")
def chinese_model() -> TextModel:
    """An untrained model of regulated verse with a few hundred characters of the rhyme table."""
    known = tones()
    level, oblique = sorted(known.level - known.oblique), sorted(known.oblique - known.level)
    return untrained_text_model("tiny-tang", "\n" + "".join(sorted({*level[::3], *oblique[::5]})), "regulated")


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run a command line in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["rnnmuse", *words])
        code = 0
        try:
            command.main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call
