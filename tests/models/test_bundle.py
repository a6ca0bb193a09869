"""Finding bundles by name, and refusing what is not whole."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from rnnmuse.errors import BundleError
from rnnmuse.models import bundle as module
from rnnmuse.models.bundle import FORMAT, REQUIRED, bundles, find, load_stream, read_weights, verify, write_sums


def make(folder: Path, name: str, about: str = "", fmt: object = FORMAT, kind: str = "stream") -> Path:
    """A bundle whose files are whole, though no network is in them."""
    where = folder / name
    where.mkdir(parents=True)
    (where / "model.toml").write_text(f'format = {fmt}\nname = "{name}"\nkind = "{kind}"\nabout = "{about}"\n')
    save_file({"w": np.arange(4, dtype=np.float16)}, where / "weights.safetensors")
    (where / "step.onnx").write_bytes(b"graph")
    write_sums(where)
    return where


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A folder in the place of the shipped models."""
    folder = tmp_path / "shipped"
    for name in ("lieder", "grooves", "leadsheet"):
        make(folder, name, "shipped")
    monkeypatch.setattr(module, "shipped_folder", lambda: folder)
    return folder


def test_the_users_bundle_hides_the_shipped_one(models, shipped):
    assert find("lieder").about["about"] == "shipped"
    mine = make(models, "lieder", "mine")
    make(models, "own", "mine")
    assert find("lieder").folder == mine
    assert {name: b.about["about"] for name, b in bundles().items()} == {
        "lieder": "mine", "grooves": "shipped", "leadsheet": "shipped", "own": "mine",
    }  # fmt: skip
    shutil.rmtree(mine)
    assert find("lieder").folder == shipped / "lieder"


def test_the_users_folder_is_looked_up_anew(models, shipped, tmp_path, monkeypatch):
    make(models, "own")
    assert "own" in bundles()
    monkeypatch.setenv("RNNMUSE_MODELS", str(tmp_path / "elsewhere"))
    assert "own" not in bundles()
    with pytest.raises(BundleError, match="own"):
        find("own")


@pytest.mark.parametrize(("wrong", "near"), [("leider", "lieder"), ("groove", "grooves"), ("lead", "leadsheet")])
def test_a_wrong_name_is_told_the_near_ones(models, shipped, wrong, near):
    with pytest.raises(BundleError, match=f"{wrong}.*did you mean.*{near}"):
        find(wrong)


def test_a_name_near_none_lists_all(models, shipped):
    with pytest.raises(BundleError, match=r"'xyzq' is not known; there are grooves, leadsheet, lieder"):
        find("xyzq")


def test_without_any_bundle_the_error_says_so(models, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "shipped_folder", lambda: tmp_path / "none")
    with pytest.raises(BundleError, match="there are none"):
        find("lieder")


@pytest.mark.parametrize("name", ["../shipped/lieder", "", ".", "Lieder", "lieder/", "a" * 42])
def test_only_plain_names_are_looked_up(models, shipped, name):
    with pytest.raises(BundleError, match="is not known"):
        find(name)


def test_folders_that_are_no_bundles_are_passed_over(models, shipped):
    (models / "empty").mkdir()
    make(models, "Upper")
    make(models, "newer", fmt=FORMAT + 1)
    (models / "file").write_text("")
    assert sorted(bundles()) == ["grooves", "leadsheet", "lieder"]


@pytest.mark.parametrize("fmt", [FORMAT + 1, 0, '"1"'])
def test_another_format_is_named(models, shipped, fmt):
    make(models, "other", fmt=fmt)
    with pytest.raises(BundleError, match=rf"other/model\.toml: format .*{str(fmt)[1:-1]}.*reads {FORMAT}"):
        find("other")


def test_a_model_toml_that_does_not_read_is_named(models, shipped):
    (make(models, "torn") / "model.toml").write_bytes(b"format = \xff")
    with pytest.raises(BundleError, match=r"torn/model\.toml"):
        find("torn")


def test_a_bundle_of_another_kind_does_not_load(models, shipped):
    make(models, "other", kind="chords")
    with pytest.raises(BundleError, match="'other' is a chords model"):
        load_stream("other")


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("at", [0, -1])
def test_verify_sees_one_changed_byte_in_any_file(models, name, at):
    where = make(models, "own")
    (where / "card.md").write_text("a card")
    write_sums(where)
    bundle = find("own")
    verify(bundle)
    data = bytearray((where / name).read_bytes())
    data[at] ^= 1
    (where / name).write_bytes(data)
    with pytest.raises(BundleError, match=f"own/{name}: damaged"):
        verify(bundle)


def test_people_may_write_in_the_card(models):
    where = make(models, "own")
    (where / "card.md").write_text("a card")
    write_sums(where)
    (where / "card.md").write_text("a card, and my notes")
    verify(find("own"))


@pytest.mark.parametrize("name", REQUIRED)
def test_verify_sees_a_missing_or_unlisted_file(models, name):
    where = make(models, "own")
    bundle = find("own")
    (where / name).rename(where.parent / "away")
    with pytest.raises(BundleError, match=f"own/{name}: the file is missing"):
        verify(bundle)
    write_sums(where)
    with pytest.raises(BundleError, match=f"own/{name}: not listed in SHA256SUMS"):
        verify(bundle)


def test_sums_may_not_point_outside(models, tmp_path):
    where = make(models, "own")
    (tmp_path / "outside").write_bytes(b"")
    with (where / "SHA256SUMS").open("a") as sums:
        sums.write("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  ../../outside\n")
    with pytest.raises(BundleError, match="outside"):
        verify(find("own"))


def test_weights_that_are_not_finite_are_named(models):
    where = make(models, "own")
    save_file({"good": np.ones(2, np.float16), "bad": np.array([1, np.nan], np.float16)}, where / "weights.safetensors")
    with pytest.raises(BundleError, match=r"weights\.safetensors: bad is not finite"):
        read_weights(find("own"))


def test_files_that_fit_their_sums_but_hold_no_network_are_refused(models):
    make(models, "own")
    with pytest.raises(BundleError, match="own"):
        load_stream("own")


def test_the_size_is_that_of_its_files(models):
    where = make(models, "own")
    assert find("own").bytes == sum(len(path.read_bytes()) for path in where.iterdir())


def test_a_bundle_that_holds_another_models_graph_is_named_and_the_rest_goes_on(tmp_path, monkeypatch):
    """The graph of the phrase model in the place of a stream model's, with its hash as if it belonged there."""
    mine = tmp_path / "mine"
    shutil.copytree(module.shipped_folder() / "grooves", mine)
    shutil.copy(module.shipped_folder() / "verse" / "step.onnx", mine)
    write_sums(mine)
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / "model.toml").write_text("a = " + "[" * 3000)
    monkeypatch.setenv("RNNMUSE_MODELS", str(tmp_path))
    found = module.broken()
    assert sorted(found) == ["mine", "torn"]
    assert "do not fit together" in found["mine"]
    assert "nested too deeply" in found["torn"]
    assert all("\n" not in why for why in found.values())
    assert "lieder" in bundles()


def test_a_scale_without_its_values_is_named(models):
    """Found by `make fuzz` (bundle 513): a name in the head of the weights was changed."""
    import shutil

    from rnnmuse.models.bundle import find, read_weights, write_sums

    shutil.copytree(find("grooves").folder, models / "mine")
    path = models / "mine" / "weights.safetensors"
    path.write_bytes(path.read_bytes().replace(b'"fields.1.weight"', b'"fiends.1.weight"', 1))
    write_sums(models / "mine")
    with pytest.raises(BundleError, match=r"fields\.1\.weight' has a scale but no values"):
        read_weights(find("mine"))
