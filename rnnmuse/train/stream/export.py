"""From a trained network to a bundle: half-precision weights, the trunk's step as an ONNX graph, its int8 form."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

from rnnmuse.models.bundle import FORMAT, Bundle, read_weights, write_sums
from rnnmuse.models.likelihood import event_likelihoods
from rnnmuse.models.stream import StreamModel
from rnnmuse.music.codec import Encoded
from rnnmuse.train.stream.network import Shape, StreamNet
from rnnmuse.train.stream.objective import shape_of
from rnnmuse.train.stream.recipe import Recipe, recipe_text, toml_value

INT8_LIMIT = 0.01
Weights = dict[str, NDArray[Any]]


def gru_cell(weights: Weights, layer: int, x: str, state: str, new_state: str) -> tuple[list[Any], Weights]:
    """Nodes and constants of one step of layer ``layer`` of ``trunk`` (a `torch.nn.GRU`), from the named values.

    Written with plain matrix products, which the dynamic quantiser understands.
    """
    p, node = f"l{layer}_", helper.make_node
    constants = {
        f"{p}w_ih": weights[f"trunk.weight_ih_l{layer}"].T,
        f"{p}b_ih": weights[f"trunk.bias_ih_l{layer}"],
        f"{p}w_hh": weights[f"trunk.weight_hh_l{layer}"].T,
        f"{p}b_hh": weights[f"trunk.bias_hh_l{layer}"],
    }
    inputs, hiddens = ([f"{p}{side}_{gate}" for gate in "rzn"] for side in "ih")
    nodes = [
        node("MatMul", [x, f"{p}w_ih"], [f"{p}i_"]),
        node("Add", [f"{p}i_", f"{p}b_ih"], [f"{p}i"]),
        node("MatMul", [state, f"{p}w_hh"], [f"{p}h_"]),
        node("Add", [f"{p}h_", f"{p}b_hh"], [f"{p}h"]),
        node("Split", [f"{p}i"], inputs, axis=1, num_outputs=3),
        node("Split", [f"{p}h"], hiddens, axis=1, num_outputs=3),
        node("Add", [inputs[0], hiddens[0]], [f"{p}r_"]),
        node("Sigmoid", [f"{p}r_"], [f"{p}r"]),
        node("Add", [inputs[1], hiddens[1]], [f"{p}z_"]),
        node("Sigmoid", [f"{p}z_"], [f"{p}z"]),
        node("Mul", [f"{p}r", hiddens[2]], [f"{p}rn"]),
        node("Add", [inputs[2], f"{p}rn"], [f"{p}n_"]),
        node("Tanh", [f"{p}n_"], [f"{p}n"]),
        node("Sub", [state, f"{p}n"], [f"{p}d"]),
        node("Mul", [f"{p}z", f"{p}d"], [f"{p}zd"]),
        node("Add", [f"{p}n", f"{p}zd"], [new_state]),
    ]
    return nodes, constants


def step_graph(weights: Weights) -> onnx.ModelProto:
    """The trunk's step: x (1, E) and state (1, H) to the new state (1, H) and what is computed from it.

    That is, in one row: the heads' inputs (7 x head), the key of the slot to come and the queries of both reads (R x K
    each), the gates of the copies (4) and the mixing of the heads of both reads (2 x R).
    """
    w = {key: value.astype(np.float32) for key, value in weights.items()}
    nodes, constants = gru_cell(w, 0, "x", "state", "new_state")
    maps = ("project", "keys", "query1", "query2", "copying")
    out_weight = np.concatenate([w[f"{name}.weight"] for name in maps])
    out_bias = np.concatenate([w.get(f"{name}.bias", np.zeros(len(w[f"{name}.weight"]), np.float32)) for name in maps])
    constants |= {"w_out": out_weight.T, "b_out": out_bias}
    nodes += [
        helper.make_node("MatMul", ["new_state", "w_out"], ["o_"]),
        helper.make_node("Add", ["o_", "b_out"], ["heads"]),
    ]
    embed, hidden, out = (w["trunk.weight_ih_l0"].shape[1], w["trunk.weight_hh_l0"].shape[1], len(out_bias))
    return graph_of("step", nodes, constants, {"x": embed, "state": hidden}, {"new_state": hidden, "heads": out})


def graph_of(
    name: str,
    nodes: list[Any],
    constants: Weights,
    inputs: dict[str, int],
    outputs: dict[str, int],
    batch: int | str = 1,
) -> onnx.ModelProto:
    """A checked ONNX model; inputs and outputs are (``batch``, width), float32. A batch with a name may be any."""

    def rows(widths: dict[str, int]) -> list[Any]:
        return [helper.make_tensor_value_info(key, TensorProto.FLOAT, [batch, width]) for key, width in widths.items()]

    held = [numpy_helper.from_array(np.ascontiguousarray(array), key) for key, array in constants.items()]
    graph = helper.make_graph(nodes, name, rows(inputs), rows(outputs), held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], producer_name="rnnmuse")
    model.ir_version = 9
    onnx.checker.check_model(model)
    return model


def quantised(model: onnx.ModelProto) -> bytes:
    """The graph with int8 weights, one scale a column, and activations scaled as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().setLevel(logging.ERROR)  # it warns of a preparation that this graph does not need
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "step.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=True)
        return target.read_bytes()


def stepped_nll(model: StreamModel, pieces: Sequence[Encoded], events: int = 4000) -> float:
    """Mean nats an event of ``pieces``, read step by step as they are live; up to ``events`` in all."""
    total, count = 0.0, 0
    for piece in pieces:
        kept = Encoded(piece.events[: events - count], piece.context[: events - count])
        total -= sum(event_likelihoods(model, kept))
        count += len(kept)
    return total / max(1, count)


def export(net: StreamNet, recipe: Recipe, folder: Path, check: Sequence[Encoded] = ()) -> Bundle:
    """Write the bundle ``folder`` (its name is the model's) and return it.

    The int8 step graph is kept if it costs at most 1 % of the likelihood of the pieces in ``check``; the loss is
    written to model.toml.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.parent / f".{folder.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    save_file(
        {key: value.detach().half().contiguous() for key, value in net.state_dict().items()},
        partial / "weights.safetensors",
    )
    bundle = Bundle(folder.name, partial, {})
    weights = read_weights(bundle)
    exact = step_graph(weights)
    small = quantised(exact)
    precision, loss = "float32", float("nan")
    if check:
        full = stepped_nll(StreamModel(folder.name, recipe.parts, weights, exact.SerializeToString()), check)
        loss = stepped_nll(StreamModel(folder.name, recipe.parts, weights, small), check) / full - 1
        precision = "int8" if loss <= INT8_LIMIT else "float32"
    (partial / "step.onnx").write_bytes(small if precision == "int8" else exact.SerializeToString())
    lines = [
        f"format = {FORMAT}",
        f'name = "{folder.name}"',
        'kind = "stream"',
        f"about = {toml_value(recipe.about)}",
        f'step = "{precision}"',
        f"int8_loss = {loss:.5f}",
        "",
        "[shape]",
    ]
    lines += [f"{key} = {value}" for key, value in asdict(shape_of(recipe)).items()]
    (partial / "recipe.toml").write_text(recipe_text(recipe.changed(name=folder.name)), "utf-8")
    parts = recipe_text(recipe.changed(data=())).partition("\n[[parts]]")
    (partial / "model.toml").write_text("\n".join(lines) + "\n\n[[parts]]" + parts[2], "utf-8")
    keep_written(folder, partial)
    write_sums(partial)
    if folder.is_dir():
        shutil.rmtree(folder)
    partial.rename(folder)
    from rnnmuse.models.bundle import read_about

    return Bundle(folder.name, folder, read_about(folder))


def keep_written(folder: Path, partial: Path) -> None:
    """Copy what people wrote in a bundle, such as its card, to the one that will replace it."""
    for kept in folder.iterdir() if folder.is_dir() else ():
        if kept.is_file() and not (partial / kept.name).exists() and kept.name not in ("SHA256SUMS", "eval.json"):
            shutil.copy2(kept, partial / kept.name)


def network_of(bundle: Bundle) -> tuple[StreamNet, Shape]:
    """The torch network of a bundle, to fine-tune or to evaluate."""
    shape = Shape(**bundle.about["shape"])
    net = StreamNet(shape)
    net.load_state_dict({key: torch.from_numpy(value).float() for key, value in read_weights(bundle).items()})
    return net, shape
