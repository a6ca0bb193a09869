"""Licences of dependencies and data against the allow-list, the hashed lock, and what the cards and pages must say."""

import importlib.util
import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
CARDS = sorted(ROOT.glob("models/*/card.md"))


@pytest.fixture(scope="module")
def licences():
    spec = importlib.util.spec_from_file_location("licences", ROOT / ".ci" / "licences.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_every_dependency_and_datum_is_on_the_list(licences):
    assert len(licences.needed()) > 15
    assert len(licences.data()) > 10
    assert licences.wrong() == []


SCALE = ("cloudpickle", "cryptography", "dask", "distributed", "fsspec", "locket", "msgpack", "partd", "psutil",
         "sortedcontainers", "tblib", "toolz", "tornado", "zict")  # fmt: skip


@pytest.mark.parametrize("name", SCALE)
def test_what_the_scale_extra_brings_is_on_the_list(licences, name):
    try:
        found = distribution(name)
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    assert licences.allowed(licences.licence(found)), licences.licence(found)


def test_copyleft_is_only_in_extras(licences):
    assert not set(licences.ONLY_AS_EXTRAS) & set(licences.needed())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    own = {Requirement(line).name for line in project["dependencies"]}
    assert not own & set(licences.ONLY_AS_EXTRAS)
    page = (ROOT / "docs" / "trust.md").read_text("utf-8")
    for name in licences.ONLY_AS_EXTRAS:
        assert name in page


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("MIT", True), ("BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0", True), ("Apache Software License", True),
        ("GPL-3.0-only", False), ("AGPL-3.0", False), ("MIT OR GPL-2.0", True), ("MIT AND GPL-2.0-only", False),
        ("unknown", False), ("Proprietary", False),
    ],
)  # fmt: skip
def test_the_list_refuses_what_it_must(licences, text, good):
    assert licences.allowed(text) == good


def test_the_attribution_names_everything(licences):
    page = licences.attribution()
    assert all(f"| {name} |" in page for name in licences.needed())
    assert all(origin in page for _, origin, _ in licences.data())


def test_the_lock_has_a_hash_for_every_package_and_holds_every_dependency():
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", lock)
    pins = {re.split(r"[=\[ ]", block)[0]: block for block in blocks if "==" in block.splitlines()[0]}
    assert len(pins) > 20
    assert all("--hash=sha256:" in block for block in pins.values())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for line in project["dependencies"]:
        requirement = Requirement(line)
        pinned = re.search(r"==([^ ;\\]+)", pins[requirement.name.lower()])[1]
        assert requirement.specifier.contains(pinned), f"{line} is locked at {pinned}"


@pytest.mark.parametrize("card", CARDS, ids=lambda path: path.parent.name)
def test_every_card_says_what_its_model_is_for_and_not(card):
    assert "## Intended use and limits" in card.read_text("utf-8")


def test_the_pages_for_those_who_find_a_hole():
    assert "private" in (ROOT / "SECURITY.md").read_text("utf-8").lower()
    threats = (ROOT / "docs" / "threats.md").read_text("utf-8")
    assert "forged" in threats
