"""From a trained phrase network to a bundle: where its phrases lie, what its axes mean, its two graphs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from safetensors.numpy import save_file

from rnnmuse.models.bundle import FORMAT, Bundle, read_about, read_weights, write_sums
from rnnmuse.models.phrase import PhraseModel
from rnnmuse.music.attributes import attributes
from rnnmuse.music.phrases import STEPS_A_BEAT
from rnnmuse.train.phrase.data import Windows
from rnnmuse.train.phrase.network import PhraseNet, PhraseShape
from rnnmuse.train.phrase.recipe import PhraseRecipe, phrase_recipe_text
from rnnmuse.train.stream.export import INT8_LIMIT, Weights, graph_of, gru_cell, quantised
from rnnmuse.train.stream.recipe import toml_value

QUANTILES = 21
EXAMPLES = 64
STRETCH = 2.0
"""An axis' places lie so much farther apart than the estimates do, which are nearer to the middle than what they
estimate."""


def encoder_graph(weights: Weights, every: int = STEPS_A_BEAT) -> onnx.ModelProto:
    """The encoder: x (1, T, E) to what it says of each beat, or of ``every`` so many steps, (T / every, beat)."""
    w = {key: np.asarray(value, np.float32) for key, value in weights.items()}
    sides = ("", "_reverse")
    hidden, embed = w["encoder.weight_hh_l0"].shape[1], w["encoder.weight_ih_l0"].shape[1]
    seen = ["forward", "backward", "steps"]
    if w["beats.weight"].shape[1] == 2 * hidden:  # of a network that looks at the states alone
        seen.pop()

    def gates(name: str) -> Any:
        """Both directions stacked; ONNX keeps update, reset, new where torch keeps reset, update, new."""
        out = []
        for side in sides:
            r, z, n = np.split(w[f"encoder.{name}_l0{side}"], 3)
            out.append(np.concatenate((z, r, n)))
        return np.stack(out)

    end = np.iinfo(np.int64).max
    constants: Weights = {
        "w": gates("weight_ih"),
        "r": gates("weight_hh"),
        "b": np.concatenate((gates("bias_ih"), gates("bias_hh")), 1),
        "w_beats": w["beats.weight"].T,
        "b_beats": w["beats.bias"],
        "axis": np.array([0], np.int64),
        "every": np.array([every], np.int64),
        "last": np.array([every - 1], np.int64),
        "zero": np.array([0], np.int64),
        "end": np.array([end], np.int64),
        "row": np.array([-1, hidden], np.int64),
        "flat": np.array([-1, every * embed], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Transpose", ["x"], ["x_"], perm=[1, 0, 2]),
        node("GRU", ["x_", "w", "r", "b"], ["y"], direction="bidirectional", hidden_size=hidden, linear_before_reset=1),
        node("Split", ["y"], ["forward_", "backward_"], axis=1, num_outputs=2),
        node("Slice", ["forward_", "last", "end", "axis", "every"], ["forward4"]),
        node("Slice", ["backward_", "zero", "end", "axis", "every"], ["backward4"]),
        node("Reshape", ["forward4", "row"], ["forward"]),
        node("Reshape", ["backward4", "row"], ["backward"]),
        node("Reshape", ["x", "flat"], ["steps"]),
        node("Concat", seen, ["both"], axis=1),
        node("MatMul", ["both", "w_beats"], ["beats_"]),
        node("Add", ["beats_", "b_beats"], ["beats"]),
    ]
    info = helper.make_tensor_value_info
    held = [onnx.numpy_helper.from_array(np.ascontiguousarray(array), key) for key, array in constants.items()]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [info("x", TensorProto.FLOAT, [1, "time", embed])],
        [info("beats", TensorProto.FLOAT, ["beat", len(w["beats.bias"])])],
        held,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], producer_name="rnnmuse")
    model.ir_version = 9
    return in_half(model)


def in_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with its float32 weights kept in half precision, as they were saved; it computes the same."""
    for held in model.graph.initializer:
        if held.data_type == TensorProto.FLOAT:
            name, array = held.name, onnx.numpy_helper.to_array(held).astype(np.float16)
            held.CopyFrom(onnx.numpy_helper.from_array(array, f"{name}_half"))
            model.graph.node.insert(0, helper.make_node("Cast", [held.name], [name], to=TensorProto.FLOAT))
    onnx.checker.check_model(model)
    return model


def decoder_graph(weights: Weights) -> onnx.ModelProto:
    """One step of the decoder: x (1, E), beside (1, C + E), state (1, H) to the new state, the logits of the first
    head (1, K) and what the later heads begin from (1, head)."""
    w = {key: np.asarray(value, np.float32) for key, value in weights.items()}
    nodes, constants = gru_cell(w, 0, "x", "state", "new_state")
    head = w["first.weight"].shape[1]
    constants |= {
        "w_out": w["project.weight"].T,
        "b_out": w["project.bias"],
        "w_first": w["first.weight"].T,
        "b_first": w["first.bias"],
    }
    node = helper.make_node
    nodes += [
        node("Concat", ["new_state", "beside"], ["seen"], axis=1),
        node("MatMul", ["seen", "w_out"], ["o_"]),
        node("Add", ["o_", "b_out"], ["o"]),
        node("Relu", ["o"], ["heads"]),
        node("Split", ["heads"], ["f", "rest"], axis=1, num_outputs=2),
        node("MatMul", ["f", "w_first"], ["k_"]),
        node("Add", ["k_", "b_first"], ["first"]),
    ]
    embed, hidden = w["trunk.weight_ih_l0"].shape[1], w["trunk.weight_hh_l0"].shape[1]
    beside = w["project.weight"].shape[1] - hidden
    return graph_of(
        "step",
        nodes,
        constants,
        {"x": embed, "beside": beside, "state": hidden},
        {"new_state": hidden, "first": len(w["first.bias"]), "rest": head},
    )


@torch.no_grad()
def aggregate(net: PhraseNet, windows: Windows, seed: int = 1) -> dict[str, Any]:
    """Where the phrases lie: mean (Z,), root (Z, Z) with z = mean + root @ point, the points' axes and examples.

    The aggregate posterior's mean and covariance over the phrases (of the means, plus the mean sigma^2), by principal
    axes, the widest first. The axes are the least-squares fit of the attributes to points drawn from the posteriors: as
    these have unit covariance, that is the covariance of points and attributes. (A fit to the means alone would lean on
    directions so narrow that the decoder takes them for noise.)
    """
    mus, variances = [], []
    for at in range(0, len(windows), 256):
        grid = torch.from_numpy(windows.grids[at : at + 256]).long()
        context = torch.from_numpy(windows.context[at : at + 256]).long()
        mu, log_var = net.encode(grid, context)
        mus.append(mu.double().numpy())
        variances.append(log_var.double().exp().mean(0).numpy() * len(mu))
    mu = np.concatenate(mus)
    size = mu.shape[1]
    noise = np.diag(np.sum(variances, 0) / len(mu))
    mean = mu.mean(0)
    values, vectors = np.linalg.eigh((np.cov(mu.T) if len(mu) > 1 else np.eye(size)) + noise)
    order = np.argsort(-values)
    root = vectors[:, order] * np.sqrt(np.maximum(values[order], 1e-6))
    points = (mu - mean) @ np.linalg.inv(root).T
    told = np.array([attributes(grid) for grid in windows.grids])
    axes, offsets = (points.T @ (told - told.mean(0)) / len(points)).T, told.mean(0)
    ranks = np.quantile(points @ axes.T + offsets, np.linspace(0, 1, QUANTILES), axis=0)
    middle = np.median(ranks, 0)
    return {
        "mean": mean,
        "root": root,
        "axes": axes,
        "offsets": offsets,
        "quantiles": (middle + STRETCH * (ranks - middle)).T,
        "examples": points[spread_out(points, EXAMPLES, seed)],
    }


def spread_out(points: Any, count: int, seed: int) -> list[int]:
    """Indexes of points that differ: each the nearest to the middle of one of ``count`` groups (Lloyd 1982)."""
    random = np.random.default_rng(seed)
    count = min(count, len(points))
    centres = points[random.choice(len(points), count, replace=False)].copy()
    for _ in range(8):
        near = _distances(points, centres).argmin(1)
        for k in range(count):
            if (near == k).any():
                centres[k] = points[near == k].mean(0)
    return [int(i) for i in dict.fromkeys(_distances(points, centres).argmin(0).tolist())]


def _distances(a: Any, b: Any) -> Any:
    return (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)[None]


def exported_weights(net: PhraseNet, training: Mapping[int, Windows]) -> dict[str, Any]:
    """Every weight in half precision, with each length's `aggregate`."""
    out: dict[str, Any] = {key: value.detach().half().numpy() for key, value in net.state_dict().items()}
    for index, bars in enumerate(net.shape.bars):
        found = aggregate(net, training[bars])
        out |= {
            f"aggregate.{index}.mean": found["mean"].astype(np.float32),
            f"aggregate.{index}.root": found["root"].astype(np.float32),
            f"axes.{index}.weight": found["axes"].astype(np.float32),
            f"axes.{index}.bias": found["offsets"].astype(np.float32),
            f"axes.{index}.quantiles": found["quantiles"].astype(np.float32),
            f"examples.{index}": found["examples"].astype(np.float16),
        }
    return {key: np.ascontiguousarray(value) for key, value in out.items()}


def export_phrases(
    net: PhraseNet,
    recipe: PhraseRecipe,
    folder: Path,
    training: Mapping[int, Windows],
    check: Windows | None = None,
    groove: Mapping[str, Any] | None = None,
) -> Bundle:
    """Write the bundle ``folder`` (its name is the model's) and return it.

    The decoder's int8 step is kept if it costs at most 1 % of the likelihood of the phrases in ``check``. ``groove``
    holds the weights of a groove network (`rnnmuse.train.groove.network`) that goes with drums.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.parent / f".{folder.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    save_file(exported_weights(net, training), partial / "weights.safetensors")
    weights = read_weights(Bundle(folder.name, partial, {}))
    encoder = encoder_graph(weights).SerializeToString()
    exact = decoder_graph(weights)
    small = quantised(exact)
    precision, loss = "float32", float("nan")
    if check is not None and len(check):
        full = PhraseModel(folder.name, recipe.drum, recipe.bars, weights, encoder, exact.SerializeToString())
        less = PhraseModel(folder.name, recipe.drum, recipe.bars, weights, encoder, small)
        loss = mean_nll(less, check) / mean_nll(full, check) - 1
        precision = "int8" if loss <= INT8_LIMIT else "float32"
    (partial / "encoder.onnx").write_bytes(encoder)
    (partial / "step.onnx").write_bytes(small if precision == "int8" else in_half(exact).SerializeToString())
    if groove is not None:
        from rnnmuse.train.groove.network import write_groove

        write_groove(groove, partial)
    lines = [
        f"format = {FORMAT}",
        f'name = "{folder.name}"',
        'kind = "phrase"',
        f"about = {toml_value(recipe.about)}",
        f'step = "{precision}"',
        f"int8_loss = {loss:.5f}",
        f"groove = {toml_value(groove is not None)}",
        "",
        "[shape]",
    ]
    lines += [f"{key} = {toml_value(value)}" for key, value in asdict(recipe.shape).items()]
    lines += ["", "[[parts]]", f'name = "{"drums" if recipe.drum else "melody"}"', f"drum = {toml_value(recipe.drum)}"]
    (partial / "recipe.toml").write_text(phrase_recipe_text(recipe.changed(name=folder.name)), "utf-8")
    (partial / "model.toml").write_text("\n".join(lines) + "\n", "utf-8")
    write_sums(partial)
    if folder.is_dir():
        shutil.rmtree(folder)
    partial.rename(folder)
    return Bundle(folder.name, folder, read_about(folder))


def mean_nll(model: PhraseModel, windows: Windows, most: int = 40) -> float:
    """Mean nats a phrase at its own point, over up to ``most`` phrases."""
    rows = np.linspace(0, len(windows) - 1, min(most, len(windows))).astype(int)
    pairs = [(windows.grids[i], windows.context[i]) for i in rows]
    return sum(model.nll(model.encode(grid, context), grid, context) for grid, context in pairs) / len(pairs)


def phrase_network_of(bundle: Bundle) -> PhraseNet:
    """The torch network of a bundle, to fine-tune or to evaluate."""
    table = bundle.about["shape"]
    sizes: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in table.items()}
    shape = PhraseShape(**sizes)
    net = PhraseNet(shape)
    own = net.state_dict()
    weights = read_weights(bundle)
    net.load_state_dict({key: torch.from_numpy(weights[key]).float() for key in own})
    return net
