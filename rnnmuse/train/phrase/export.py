"""From a trained phrase network to a bundle: where its phrases lie, what its axes mean, its two graphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from sklearn.cluster import KMeans

from rnnmuse.models.bundle import Bundle, read_weights
from rnnmuse.models.phrase import PhraseModel
from rnnmuse.music.attributes import attributes
from rnnmuse.train.bundle import describe, new_bundle, smaller, written
from rnnmuse.train.graph import decoder_graph, encoder_graph, in_half
from rnnmuse.train.groove.export import write_groove
from rnnmuse.train.phrase.data import Windows
from rnnmuse.train.phrase.network import PhraseNet, PhraseShape
from rnnmuse.train.phrase.recipe import PhraseRecipe

QUANTILES = 21
EXAMPLES = 64
STRETCH = 2.0
"""An axis' places lie so much farther apart than the estimates do, which are nearer to the middle than what they
estimate."""


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
    """Indexes of points that differ: each the nearest to the middle of one of ``count`` groups."""
    groups = KMeans(min(count, len(points)), n_init=1, random_state=seed).fit(points)
    return list(dict.fromkeys(groups.transform(points).argmin(0).tolist()))


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
    recipe = recipe.changed(name=folder.name)
    with new_bundle(folder) as partial:
        save_file(exported_weights(net, training), partial / "weights.safetensors")
        weights = read_weights(Bundle(folder.name, partial, {}))
        encoder, exact = encoder_graph(weights).SerializeToString(), decoder_graph(weights)

        def nll(graph: bytes) -> float:
            model = PhraseModel(folder.name, recipe.drum, recipe.bars, weights, encoder, graph)
            return mean_nll(model, check) if check is not None else float("nan")

        graph, precision, loss = smaller(exact, nll if check is not None and len(check) else None)
        (partial / "encoder.onnx").write_bytes(encoder)
        (partial / "step.onnx").write_bytes(graph if precision == "int8" else in_half(exact).SerializeToString())
        if groove is not None:
            write_groove(groove, partial)
        about = {
            "step": precision,
            "int8_loss": round(loss, 5),
            "groove": groove is not None,
            "shape": asdict(recipe.shape),
            "parts": [{"name": "drums" if recipe.drum else "melody", "drum": recipe.drum}],
        }
        describe(partial, "phrase", recipe, about)
    return written(folder)


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
