"""From a trained text network to a bundle, as `rnnmuse.train.stream.export` does for music."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from safetensors.torch import save_file

from rnnmuse.models.alphabet import Alphabet
from rnnmuse.models.bundle import Bundle, read_weights
from rnnmuse.models.fingerprint import Fingerprint
from rnnmuse.models.text import TextModel
from rnnmuse.train.bundle import compact, describe, new_bundle, smaller, written
from rnnmuse.train.graph import Weights, graph_of, gru_cell
from rnnmuse.train.text.network import TextNet, TextShape
from rnnmuse.train.text.recipe import TextRecipe

IN_GRAPH = ("trunk.", "project.", "bias")
"""Weights that the step graph holds, and weights.safetensors does not hold again."""


def text_graph(weights: Weights) -> onnx.ModelProto:
    """The step: x (B, E) and state (B, layers x H) to the new state and the logits (B, classes)."""
    w = {key: np.asarray(value, np.float32) for key, value in weights.items()}
    layers = sum(key.startswith("trunk.weight_hh_l") for key in w)
    hidden, embed = w["trunk.weight_hh_l0"].shape[1], w["embedding.weight"].shape[1]
    states, news = [f"state_{k}" for k in range(layers)], [f"new_{k}" for k in range(layers)]
    nodes = [helper.make_node("Split", ["state"], states, axis=1, num_outputs=layers)]
    constants: Weights = {}
    below = "x"
    for k in range(layers):
        more, held = gru_cell(w, k, below, states[k], news[k])
        nodes += more
        constants |= held
        below = news[k]
    constants |= {
        "w_project": w["project.weight"].T,
        "b_project": w["project.bias"],
        "w_out": w["embedding.weight"].T,
        "b_out": w["bias"],
    }
    nodes += [
        helper.make_node("Concat", news, ["new_state"], axis=1),
        helper.make_node("MatMul", ["new_state", "w_project"], ["p_"]),
        helper.make_node("Add", ["p_", "b_project"], ["p"]),
        helper.make_node("MatMul", ["p", "w_out"], ["o_"]),
        helper.make_node("Add", ["o_", "b_out"], ["logits"]),
    ]
    width = layers * hidden
    sizes = {"x": embed, "state": width}, {"new_state": width, "logits": len(w["bias"])}
    return graph_of("text_step", nodes, constants, *sizes, batch="batch")


def stepped_nll(model: TextModel, classes: Sequence[int], places: Sequence[int] | None = None) -> float:
    """Mean nats a character of ``classes`` (START first), read step by step as it is live."""
    total, state = 0.0, model.start()
    for at in range(len(classes) - 1):
        logits, state = model.step(state, [classes[at]], None if places is None else [places[at + 1]])
        scores = logits[0].astype(np.float64)
        if np.isfinite(scores[classes[at + 1]]):
            total -= scores[classes[at + 1]] - scores.max() - math.log(np.exp(scores - scores.max()).sum())
    return total / max(1, len(classes) - 1)


def export_text(
    net: TextNet,
    alphabet: Alphabet,
    recipe: TextRecipe,
    folder: Path,
    training: Sequence[str] = (),
    check: Sequence[int] = (),
    places: Sequence[int] | None = None,
) -> Bundle:
    """Write the bundle ``folder`` (its name is the model's) and return it.

    ``training`` are the texts it learned, of which a fingerprint is kept so that the writer can tell a quotation.
    The int8 step graph is kept if it costs at most 1 % of the likelihood of ``check``, classes from START on.
    """
    recipe = recipe.changed(name=folder.name)
    with new_bundle(folder) as partial:
        parts = compact(net.state_dict())
        save_file(parts, partial / "weights.safetensors")
        weights = read_weights(Bundle(folder.name, partial, {}))

        def nll(graph: bytes) -> float:
            return stepped_nll(TextModel(folder.name, alphabet, weights, graph), check, places)

        graph, precision, loss = smaller(text_graph(weights), nll if len(check) > 1 else None)
        (partial / "step.onnx").write_bytes(graph)
        save_file({k: v for k, v in parts.items() if not k.startswith(IN_GRAPH)}, partial / "weights.safetensors")
        (partial / "alphabet.json").write_text(json.dumps(alphabet.characters), "utf-8")
        if training:
            Fingerprint.of(training).save(partial / "training.bin")
        about = {
            "step": precision,
            "int8_loss": round(loss, 5),
            "verse": recipe.verse,
            "titles": recipe.titles,
            "shape": net.shape.as_dict(),
        }
        describe(partial, "text", recipe, about)
    return written(folder)


def text_network_of(bundle: Bundle) -> tuple[TextNet, Alphabet]:
    """The torch network and the alphabet of a bundle, to fine-tune or to evaluate."""
    net = TextNet(TextShape(**bundle.about["shape"]))
    weights = graph_weights(bundle.folder / "step.onnx") | read_weights(bundle)
    net.load_state_dict({key: torch.from_numpy(np.array(value, np.float32)) for key, value in weights.items()})
    characters = json.loads((bundle.folder / "alphabet.json").read_text("utf-8"))
    return net.eval(), Alphabet(characters)


def graph_weights(path: Path) -> Weights:
    """The weights of the trunk and of its output from a step graph, by their names in `TextNet`; int8 ones scaled."""
    held: Weights = {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}

    def found(name: str) -> NDArray[np.float32]:
        if name in held:
            return np.asarray(held[name], np.float32)
        steps, zero, scale = (np.asarray(held[f"{name}_{k}"], np.float32) for k in ("quantized", "zero_point", "scale"))
        return np.asarray((steps - zero) * scale, np.float32)

    out = {"project.weight": found("w_project").T, "project.bias": found("b_project"), "bias": found("b_out")}
    for k in range(sum(name.endswith("_b_hh") for name in held)):
        for part in ("ih", "hh"):
            out[f"trunk.weight_{part}_l{k}"] = found(f"l{k}_w_{part}").T
            out[f"trunk.bias_{part}_l{k}"] = found(f"l{k}_b_{part}")
    return {key: np.ascontiguousarray(value) for key, value in out.items()}
