"""From a trained stream network to a bundle: int8 weights and the step as an ONNX graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper
from safetensors.torch import save_file

from rnnmuse.models.bundle import READS, Bundle, read_weights, write_forms
from rnnmuse.models.likelihood import event_likelihoods
from rnnmuse.models.originality import FILE as INDEX
from rnnmuse.models.originality import index_of
from rnnmuse.models.stream import StreamModel
from rnnmuse.music.codec import (
    BAR_BEAT,
    BAR_LENGTH,
    BAR_SUB,
    BEATS,
    DENSITY,
    GRID,
    KEY,
    KIND,
    ON,
    PART,
    PITCH,
    SUB,
    UNKNOWN,
    Encoded,
)
from rnnmuse.play.outline import form_of
from rnnmuse.play.plan import DENSEST, LONGEST_FORM
from rnnmuse.play.sampler import REGISTER
from rnnmuse.train.bundle import INT8_LIMIT, compact, describe, new_bundle, smaller, written
from rnnmuse.train.graph import Weights, graph_of, gru_cell, in_four_bits
from rnnmuse.train.stream.network import Shape, StreamNet
from rnnmuse.train.stream.objective import shape_of
from rnnmuse.train.stream.recipe import Recipe

MOST_FORMS, LEAST_BARS = 96, 8


def minor_share(pieces: Sequence[Encoded]) -> float:
    """Share of the pieces with a key that begin in minor."""
    keys = [int(piece.context[0, KEY]) for piece in pieces if len(piece) and piece.context[0, KEY] < UNKNOWN[KEY]]
    return sum(key >= 12 for key in keys) / len(keys) if keys else 0.0


def pitches_of(pieces: Sequence[Encoded], parts: int, drums: int) -> list[list[int]]:
    """The pitches that each part plays: of drums those of one stroke in a thousand, else all from low to high.

    Low and high leave out one note in two hundred at each end.
    """
    out: list[list[int]] = []
    for part in range(parts):
        rows = [p.events[(p.events[:, PART] == part) & (p.events[:, KIND] == ON), PITCH] for p in pieces]
        found = np.concatenate(rows) if rows else np.zeros(0, np.int16)
        if not len(found):
            out.append([])
        elif part == drums:
            counts = np.bincount(found, minlength=128)
            out.append(np.flatnonzero(counts >= max(1, len(found) // 1000)).tolist())
        else:
            low, high = np.quantile(found, (0.005, 0.995))
            out.append(list(range(int(low), int(high) + 1)))
    return out


def registers_of(pieces: Sequence[Encoded], parts: int, drums: int) -> list[list[float]]:
    """The lowest and highest mean of REGISTER notes of each part, but for one in forty at each end; none of drums."""
    out: list[list[float]] = []
    for part in range(parts):
        means = []
        for piece in pieces if part != drums else ():
            notes = piece.events[(piece.events[:, PART] == part) & (piece.events[:, KIND] == ON), PITCH]
            total = np.cumsum(np.concatenate(([0], notes.astype(np.int64))))
            means.append((total[REGISTER:] - total[:-REGISTER]) / REGISTER)
        found = np.concatenate(means) if means else np.zeros(0)
        out.append([round(float(v), 1) for v in np.quantile(found, (0.025, 0.975))] if len(found) else [])
    return out


def dense_of(pieces: Sequence[Encoded]) -> float:
    """The mean note-ons a beat of the bars of the highest class of density; the default without any."""
    rates: list[NDArray[np.float64]] = []
    for piece in pieces:
        context = piece.context.astype(np.int64)
        grids = np.cumsum(piece.events[:, BEATS].astype(np.int64) * GRID + piece.events[:, SUB])
        starts = grids - context[:, BAR_BEAT] * GRID - context[:, BAR_SUB]
        _, first, bar = np.unique(starts, return_index=True, return_inverse=True)
        counts = np.bincount(bar, weights=piece.events[:, KIND] == ON)
        densest = context[first, DENSITY] == UNKNOWN[DENSITY] - 1
        rates.append(counts[densest] * 2 / context[first, BAR_LENGTH][densest])
    found = np.concatenate(rates) if rates else np.zeros(0)
    return round(float(found.mean()), 1) if len(found) else DENSEST


def step_graph(weights: Weights) -> onnx.ModelProto:
    """The trunk's step: x (B, E) and state (B, H) to the new state (B, H) and what is computed from it.

    That is, in a row each: the heads' inputs (7 x head), the key of the slot to come and the queries of both reads
    (R x K each; the queries divided by the root of K), the gates of the copies (4) and the mixing of the heads of both
    reads (2 x R).
    """
    w = {key: value.astype(np.float32) for key, value in weights.items()}
    nodes, constants = gru_cell(w, 0, "x", "state", "new_state")
    maps = ("project", "keys", "query1", "query2", "copying")
    root = np.float32((len(w["null_key"]) / len(w["lag_bars"])) ** 0.5)
    for name in ("query1", "query2"):
        w[f"{name}.weight"], w[f"{name}.bias"] = w[f"{name}.weight"] / root, w[f"{name}.bias"] / root
    out_weight = np.concatenate([w[f"{name}.weight"] for name in maps])
    out_bias = np.concatenate([w.get(f"{name}.bias", np.zeros(len(w[f"{name}.weight"]), np.float32)) for name in maps])
    constants |= {"w_out": out_weight.T, "b_out": out_bias}
    nodes += [
        helper.make_node("MatMul", ["new_state", "w_out"], ["o_"]),
        helper.make_node("Add", ["o_", "b_out"], ["heads"]),
    ]
    embed, hidden, out = (w["trunk.weight_ih_l0"].shape[1], w["trunk.weight_hh_l0"].shape[1], len(out_bias))
    widths = {"x": embed, "state": hidden}, {"new_state": hidden, "heads": out}
    return graph_of("step", nodes, constants, *widths, batch="rows")


def reading_graphs(weights: Weights) -> list[bytes]:
    """What the reads of the memory say to the heads, from what they found (1, R x V): a graph each, in 4 bits."""
    out = []
    for name in ("read1", "read2"):
        weight = weights[f"{name}.weight"].astype(np.float32)
        nodes = [helper.make_node("MatMul", ["found", "w"], ["said"])]
        graph = graph_of(name, nodes, {"w": weight.T}, {"found": weight.shape[1]}, {"said": weight.shape[0]}, "rows")
        out.append(in_four_bits(graph))
    return out


def write_graphs(folder: Path, recipe: Recipe, weights: Weights, check: Sequence[Encoded]) -> tuple[str, float]:
    """Write the step and the reads; returns the precision and the share of the likelihood of ``check`` that it costs.

    4 bits are kept if they cost at most INT8_LIMIT, else int8 is. Without ``check`` it is float32.
    """
    exact, reads = step_graph(weights), reading_graphs(weights)
    whole = exact.SerializeToString()

    def nll(graph: bytes, said: Sequence[bytes] = ()) -> float:
        return stepped_nll(StreamModel(folder.name, recipe.parts, weights, graph, recipe.slots, said=said), check)

    graph, precision, loss = whole, "float32", float("nan")
    if check:
        small = in_four_bits(exact)
        loss = nll(small, reads) / nll(whole) - 1
        graph, precision = small, "int4"
        if loss > INT8_LIMIT:
            graph, precision, loss = smaller(exact, nll)
    (folder / "step.onnx").write_bytes(graph)
    for file, read in zip(READS, reads if precision == "int4" else (), strict=False):
        (folder / file).write_bytes(read)
    return precision, loss


def stepped_nll(model: StreamModel, pieces: Sequence[Encoded], events: int = 4000) -> float:
    """Mean nats an event of ``pieces``, read step by step as they are live; up to ``events`` in all."""
    total, count = 0.0, 0
    for piece in pieces:
        kept = Encoded(piece.events[: events - count], piece.context[: events - count])
        total -= sum(event_likelihoods(model, kept))
        count += len(kept)
    return total / max(1, count)


def forms_of(pieces: Sequence[Encoded], parts: int, most: int = MOST_FORMS) -> list[list[list[int]]]:
    """The forms of up to ``most`` pieces of 8 bars and more, spread over all; ``parts`` is the number of classes."""
    long = [form for piece in pieces if len(form := form_of(piece, LONGEST_FORM, parts)) >= LEAST_BARS]
    return long[:: max(1, -(-len(long) // most))]


def export(
    net: StreamNet,
    recipe: Recipe,
    folder: Path,
    check: Sequence[Encoded] = (),
    training: Sequence[Encoded] = (),
    held_out: Sequence[Encoded] = (),
) -> Bundle:
    """Write the bundle ``folder`` (its name is the model's) and return it.

    What the precision of the step costs of the likelihood of the pieces in ``check`` is written to model.toml. The
    forms that plans are drawn from are those of ``training``, of which the index of originality is made too; it is
    compared with ``held_out`` pieces.
    """
    recipe = recipe.changed(name=folder.name)
    with new_bundle(folder) as partial:
        save_file(compact(net.state_dict()), partial / "weights.safetensors")
        weights = read_weights(Bundle(folder.name, partial, {}))

        precision, loss = write_graphs(partial, recipe, weights, check)
        write_forms(partial, forms_of(training, len(recipe.parts)))
        if training:
            drums = frozenset(i for i, part in enumerate(recipe.parts) if part.drum)
            index_of(training, held_out or check, drums).save(partial / INDEX)
        about = {
            "step": precision,
            "step_loss": round(loss, 5),
            "minor": round(minor_share(training), 3),
            "score": recipe.score,
            "pitches": pitches_of(training, len(recipe.parts), recipe.drums),
            "registers": registers_of(training, len(recipe.parts), recipe.drums),
            "top_p": recipe.top_p,
            "gravity": recipe.gravity,
            "restate": recipe.restate,
            "clash": recipe.clash,
            "follow": list(recipe.follow),
            "touch": recipe.touch,
            "opening": recipe.opening,
            "again": recipe.again,
            "dense": dense_of(training),
            "pace": recipe.pace,
            "stepwise": recipe.stepwise,
            "rhythm": recipe.rhythm,
            "verbatim": recipe.verbatim,
            "shape": asdict(shape_of(recipe)),
            "parts": [asdict(part) for part in recipe.parts],
        }
        describe(partial, "stream", recipe, about)
    return written(folder)


def network_of(bundle: Bundle) -> tuple[StreamNet, Shape]:
    """The torch network of a bundle, to fine-tune or to evaluate."""
    shape = Shape(**bundle.about["shape"])
    net = StreamNet(shape)
    net.load_state_dict({key: torch.from_numpy(value).float() for key, value in read_weights(bundle).items()})
    return net, shape
