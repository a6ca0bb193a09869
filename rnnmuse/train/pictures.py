"""Pictures of training and evaluation, by matplotlib."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

COLOURS = 96


def _figure(width: float, height: float, rows: int = 1, columns: int = 1) -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(rows, columns, figsize=(width, height), constrained_layout=True)


def _save(figure: Any, path: Path) -> Path:
    from matplotlib import pyplot

    drawn = BytesIO()
    figure.savefig(drawn, dpi=80, format="png")
    # a palette: half the bytes or less, and bundles hold pictures
    Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)
    pyplot.close(figure)
    return path


def save_loss_curve(log: Path, path: Path, unit: str = "nats an event") -> Path:
    """Training loss and validation by epoch, from a run's ``log.jsonl``."""
    rows = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    figure, axes = _figure(6, 3.5)
    epochs = [row["epoch"] for row in rows]
    axes.plot(epochs, [row["loss"] for row in rows], label="training", color="#a0aec0", marker=".")
    axes.plot(epochs, [row["validation"] for row in rows], label="validation", color="#2b6cb0", marker=".")
    axes.set_xlabel("epoch")
    axes.set_ylabel(unit)
    axes.grid(alpha=0.3)
    axes.legend()
    return _save(figure, path)


def save_statistics(real: Mapping[str, Sequence[float]], made: Mapping[str, Sequence[float]], path: Path) -> Path:
    """Histograms of each measure of real and of generated music, the real quartiles shaded; NaN is left out."""
    columns = 4
    figure, axes = _figure(13, 5.6, -(-len(real) // columns), columns)
    for axis, name in zip(np.ravel(axes), real, strict=False):
        values, generated = (np.array([v for v in own[name] if not np.isnan(v)] or [0.0]) for own in (real, made))
        low, high = np.percentile(values, [25, 75])
        every = np.concatenate([values, generated])
        bins = np.linspace(every.min(), max(every.max(), every.min() + 1e-6), 28)
        axis.axvspan(low, high, color="#ebf4ff")
        axis.hist(values, bins, weights=np.full(len(values), 1 / len(values)), color="#718096", alpha=0.6, label="real")
        axis.hist(
            generated, bins, weights=np.full(len(generated), 1 / len(generated)), histtype="step",
            color="#dd6b20", linewidth=1.8, label="generated",
        )  # fmt: skip
        axis.axvline(float(np.median(generated)), color="#dd6b20", linestyle="--", linewidth=1)
        axis.set_title(name, fontsize=9)
        axis.tick_params(labelsize=8)
    np.ravel(axes)[0].legend(fontsize=8)
    return _save(figure, path)


def save_similarity(rows: Sequence[Mapping[str, Any]], prompt: int, path: Path) -> Path:
    """Self-similarity matrices by bar, a row a window and a column a kind; a line after ``prompt`` bars.

    Kinds without a prompt, which have fewer bars than the first, have no line.
    """
    names = list(rows[0])
    figure, axes = _figure(3.2 * len(names), 3.2 * len(rows), len(rows), len(names))
    for line, row in zip(np.reshape(axes, (len(rows), len(names))), rows, strict=True):
        for axis, name in zip(line, names, strict=True):
            bars = len(row[name])
            axis.imshow(row[name], vmin=0, vmax=1, cmap="magma", extent=(0.5, bars + 0.5, bars + 0.5, 0.5))
            if bars == len(row[names[0]]):
                axis.axvline(prompt + 0.5, color="#63b3ed", linewidth=1)
                axis.axhline(prompt + 0.5, color="#63b3ed", linewidth=1)
            axis.set_title(name, fontsize=10)
            axis.tick_params(labelsize=7)
    return _save(figure, path)


def save_distributions(shown: Mapping[str, tuple[Any, Any, Any]], path: Path) -> Path:
    """Histograms of what humans play, what the model plays and random jitter, one panel each."""
    columns = 6
    figure, axes = _figure(15, 2.3 * -(-len(shown) // columns), -(-len(shown) // columns), columns)
    for axis, (name, (human, played, jitter)) in zip(np.ravel(axes), shown.items(), strict=False):
        bins = np.arange(-0.5, 32.5)
        for values, colour, label in (
            (jitter, "#cbd5e0", "jitter"),
            (human, "#2b6cb0", "human"),
            (played, "#dd6b20", "model"),
        ):
            axis.hist(values, bins, histtype="step", density=True, color=colour, label=label, linewidth=1.5)
        axis.set_title(name, fontsize=9)
        axis.tick_params(labelsize=7)
    for axis in np.ravel(axes)[len(shown) :]:
        axis.axis("off")
    np.ravel(axes)[0].legend(fontsize=7)
    return _save(figure, path)
