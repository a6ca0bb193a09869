"""ONNX graphs of what is played live: the cell of a GRU, a bidirectional reader, a decoder's step, int8 weights."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from rnnmuse.models.runtime import onnxruntime
from rnnmuse.music.phrases import STEPS_A_BEAT

Weights = dict[str, NDArray[Any]]
SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)
"""Shares of a block's largest weight that its scale may reach; what is beyond is clipped."""


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
    onnxruntime()  # before its parts, so that its telemetry is off
    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level = root.level
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "step.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        root.setLevel(logging.ERROR)  # it warns of a preparation that this graph does not need
        try:
            quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=True)
        finally:
            root.setLevel(level)
        return target.read_bytes()


def in_four_bits(model: onnx.ModelProto, block: int = 32) -> bytes:
    """The graph with constant matrices in 4 bits, a scale for every ``block`` weights of a column, and activations in
    int8: the operator MatMulNBits of onnxruntime.

    Half the bytes of int8. A step is bound by the bytes of its weights where they do not stay in the cache.
    """
    out = onnx.ModelProto()
    out.CopyFrom(model)
    held = {one.name: one for one in out.graph.initializer}
    for node in out.graph.node:
        if node.op_type != "MatMul" or node.input[1] not in held:
            continue
        name = node.input[1]
        weight = numpy_helper.to_array(held[name]).T.astype(np.float32)
        rows, width = weight.shape
        blocks = -(-width // block)
        weight = np.pad(weight, ((0, 0), (0, blocks * block - width))).reshape(rows, blocks, block)
        levels, scale = _levels(weight)
        packed = levels[..., 0::2] | levels[..., 1::2] << 4
        out.graph.initializer.remove(held[name])
        out.graph.initializer.extend(
            [
                numpy_helper.from_array(packed, f"{name}_bits"),
                numpy_helper.from_array(scale.reshape(-1), f"{name}_scale"),
            ]
        )
        node.CopyFrom(
            helper.make_node(
                "MatMulNBits",
                [node.input[0], f"{name}_bits", f"{name}_scale"],
                list(node.output),
                domain="com.microsoft",
                K=width,
                N=rows,
                bits=4,
                block_size=block,
                accuracy_level=4,
            )
        )
    out.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    data: bytes = out.SerializeToString()
    return data


def _levels(weight: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The levels (0 to 15, 8 is zero) of blocks of weights (.., B), and the scale of each with the least error."""
    furthest = np.take_along_axis(weight, np.abs(weight).argmax(-1)[..., None], -1)
    best = np.full(furthest.shape, np.inf, np.float32)
    levels, scales = np.zeros(weight.shape, np.uint8), np.ones(furthest.shape, np.float32)
    for share in SHARES:
        scale = np.where(furthest == 0, 1, furthest * share / -8).astype(np.float32)
        found = np.clip(np.round(weight / scale) + 8, 0, 15)
        error = np.square((found - 8) * scale - weight).sum(-1, keepdims=True)
        better = error < best
        best, scales = np.where(better, error, best), np.where(better, scale, scales)
        levels = np.where(better, found, levels).astype(np.uint8)
    return levels, scales[..., 0]


def encoder_graph(weights: Weights, every: int = STEPS_A_BEAT) -> onnx.ModelProto:
    """The encoder: x (1, T, E) to its output for each beat, or for each ``every`` steps, (T / every, beat)."""
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
