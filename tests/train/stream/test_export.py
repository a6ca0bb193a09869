"""The bundle against the network, and against damage."""

import json
import shutil

import numpy as np
import pytest
import torch
from onnx import helper

from rnnmuse.errors import BundleError
from rnnmuse.models.bundle import bundles, find, load_stream
from rnnmuse.models.runtime import session
from rnnmuse.models.stream import StreamModel
from rnnmuse.music.codec import PartClass, encode
from rnnmuse.train.graph import _levels, graph_of, in_four_bits
from rnnmuse.train.stream.export import export, network_of, step_graph, stepped_nll
from rnnmuse.train.stream.network import StreamNet
from rnnmuse.train.stream.objective import nll_by_head, shape_of
from rnnmuse.train.stream.recipe import Recipe

RECIPE = Recipe(
    "small",
    (PartClass("voice", 53, (6,), sung=True), PartClass("piano", 0, (0,)), PartClass("drums", drum=True)),
    about='A "small" one.',
    embed=16,
    hidden=24,
    head=8,
)


@pytest.fixture
def bundle(models, piece):
    torch.manual_seed(3)
    return export(StreamNet(shape_of(RECIPE)), RECIPE, models / "small", [encode(piece, RECIPE.parts)])


def test_the_step_graph_equals_torch(piece, bundle):
    net, _ = network_of(bundle)
    weights = {key: value.numpy() for key, value in net.state_dict().items()}
    step = session(step_graph(weights).SerializeToString())
    x, state = np.random.default_rng(1).normal(size=(2, 1, 16)), np.zeros((1, 24), np.float32)
    x, state = x.astype(np.float32), np.random.default_rng(2).uniform(-1, 1, (1, 24)).astype(np.float32)
    for row in x:
        new, heads = step.run(None, {"x": row, "state": state})
        with torch.no_grad():
            out, want = net.trunk(torch.from_numpy(row).unsqueeze(0), torch.from_numpy(state).unsqueeze(0))
            np.testing.assert_allclose(new, want[0], atol=1e-5)
            root = net.shape.key**0.5
            maps = (net.project(out), net.keys(out), net.query1(out) / root, net.query2(out) / root, net.copying(out))
            np.testing.assert_allclose(heads, torch.cat(maps, -1)[0], atol=1e-5)
        state = new


def test_played_step_by_step_it_is_the_full_forward_pass(piece, bundle):
    encoded = encode(piece, RECIPE.parts)
    net, _ = network_of(bundle)
    weights = {key: value.numpy() for key, value in net.state_dict().items()}
    model = StreamModel("small", RECIPE.parts, weights, step_graph(weights).SerializeToString())
    want = nll_by_head(net, [encoded]).sum() / len(encoded)
    assert stepped_nll(model, [encoded]) == pytest.approx(want, abs=1e-4)


def test_the_shipped_step_is_within_one_percent_of_its_network(piece):
    for bundle in bundles().values():
        if bundle.folder.name not in ("lieder", "leadsheet", "band", "piano", "grooves"):
            continue
        net, _ = network_of(bundle)
        parts = load_stream(bundle.name).parts
        encoded = encode(piece, parts)
        if not len(encoded):
            continue
        want = nll_by_head(net, [encoded]).sum() / len(encoded)
        assert stepped_nll(load_stream(bundle.name), [encoded]) == pytest.approx(want, rel=0.03)


def test_a_matrix_in_four_bits_is_the_same_product_of_its_rounded_weights():
    rng = np.random.default_rng(5)
    weight = rng.normal(size=(40, 100)).astype(np.float32)  # the last block is not full
    nodes = [helper.make_node("MatMul", ["found", "w"], ["said"])]
    exact = graph_of("product", nodes, {"w": weight.T}, {"found": 100}, {"said": 40})
    x = rng.normal(size=(1, 100)).astype(np.float32)
    (got,) = session(in_four_bits(exact, 32)).run(None, {"found": x})
    levels, scales = _levels(np.pad(weight, ((0, 0), (0, 28))).reshape(40, 4, 32))
    rounded = ((levels.astype(np.float32) - 8) * scales[..., None]).reshape(40, 128)[:, :100]
    np.testing.assert_allclose(got[0], rounded @ x[0], atol=0.15)
    assert 0.05 < np.sqrt(np.square(rounded - weight).mean()) < 0.12
    assert np.corrcoef(got[0], weight @ x[0])[0, 1] > 0.98


def test_a_bundle_says_what_it_is(bundle):
    assert find("small").about["about"] == 'A "small" one.'
    assert find("small").about["step"] in ("int4", "int8")
    assert abs(find("small").about["step_loss"]) < 0.01
    assert load_stream("small").drums == 2


@pytest.mark.parametrize("name", ["model.toml", "weights.safetensors", "step.onnx", "recipe.toml"])
def test_one_wrong_bit_is_refused_with_the_file_named(bundle, name):
    path = bundle.folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=name):
        load_stream("small")


@pytest.mark.parametrize("name", ["weights.safetensors", "step.onnx", "SHA256SUMS"])
def test_a_missing_file_is_named(bundle, name):
    (bundle.folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        load_stream("small")


def test_hashes_that_leave_a_file_out_are_refused(bundle):
    sums = bundle.folder / "SHA256SUMS"
    sums.write_text("".join(line + "\n" for line in sums.read_text().splitlines() if "step.onnx" not in line))
    with pytest.raises(BundleError, match=r"step\.onnx"):
        load_stream("small")


def test_exporting_again_keeps_what_people_wrote(bundle, models):
    (bundle.folder / "card.md").write_text("mine")
    (bundle.folder / "eval.json").write_text(json.dumps({}))
    export(StreamNet(shape_of(RECIPE)), RECIPE, models / "small")
    assert (models / "small" / "card.md").read_text() == "mine"
    assert not (models / "small" / "eval.json").exists()
    assert not list(models.glob(".*"))


def test_the_users_models_come_first(bundle, models):
    assert find("lieder").folder.parent != models
    shutil.copytree(bundle.folder, models / "lieder")
    assert find("lieder").folder == models / "lieder"
    assert {"small", "lieder", "grooves"} <= set(bundles())
