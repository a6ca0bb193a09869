"""`rnnmuse evaluate`: likelihood on held-out pieces beside two baselines, and statistics beside real pieces."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from rnnmuse.compose.muse import Muse
from rnnmuse.models.bundle import find, load_stream, verify, write_sums
from rnnmuse.music.analysis import STATISTICS, statistics
from rnnmuse.music.codec import (
    BAR_LENGTH,
    DENSITY,
    FIELDS,
    GRID,
    KEY,
    PART,
    QUALITY,
    ROOT,
    TEMPO,
    UNKNOWN,
    Encoded,
    decode,
)
from rnnmuse.music.pianoroll import save_roll
from rnnmuse.music.piece import Metre, Part, Piece
from rnnmuse.train.corpus import Item
from rnnmuse.train.pictures import save_statistics
from rnnmuse.train.stream.export import network_of, stepped_nll
from rnnmuse.train.stream.ngram import NGram
from rnnmuse.train.stream.objective import nll_by_head
from rnnmuse.train.stream.recipe import Recipe, read_recipe
from rnnmuse.train.stream.run import read_corpus

ORDER = 4
HIDDEN = (KEY, ROOT, QUALITY, DENSITY, TEMPO)


def evaluate_stream(model: str, folders: Sequence[Path], pieces: int, bars: int, out: Path | None = None,
                    cache: Path | None = None) -> str:  # fmt: skip
    """Evaluate a bundle on the test split of ``folders``; returns the report, and writes eval.json and pictures.

    ``out`` is the bundle's own folder without it. Likelihoods are in nats an event, without the context that is
    taken from the music itself (key, chord, density, tempo); ``conditioned`` is with it.
    """
    if pieces < 0 or not 1 <= bars <= 256:
        raise ValueError(f"pieces, bars: {pieces}, {bars}; must be 0 or more, and 1 to 256")
    bundle = find(model)
    verify(bundle)
    recipe = read_recipe(bundle.folder / "recipe.toml")
    out = out or bundle.folder
    out.mkdir(parents=True, exist_ok=True)
    corpus = read_corpus(folders, recipe, cache, Console(stderr=True))
    training, test = corpus.of("train"), corpus.of("test")
    if not training or not test:
        raise ValueError(f"folders: {len(training)} training and {len(test)} test pieces; at least one of each")
    tune = [i.encoded for i in corpus.of("validation")[:40]]
    result = likelihoods(bundle.name, [i.encoded for i in training], tune, [i.encoded for i in test])
    result |= {"model": bundle.name, "training": len(training), "test": len(test)}
    if pieces:
        result["statistics"] = compared(Muse(load_stream(model)), test, pieces, bars, out)
    (out / "eval.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    (out / "card.md").write_text(card(recipe, result), "utf-8")
    if out == bundle.folder:
        write_sums(out)
    return report(result)


def likelihoods(
    name: str, training: Sequence[Encoded], tune: Sequence[Encoded], test: Sequence[Encoded]
) -> dict[str, Any]:
    """Nats an event by head: the network with and without context, the n-gram, the unigram, the int8 step."""
    net, shape = network_of(find(name))
    plain = [_without_context(piece) for piece in test]
    events = sum(len(piece) for piece in test)

    def heads(nll: NDArray[np.float64]) -> dict[str, float]:
        by_head = nll.sum(0) / events
        return {field: round(float(v), 4) for field, v in zip(FIELDS, by_head, strict=True)} | {
            "total": round(float(by_head.sum()), 4)
        }

    rows = {
        "rnn": heads(nll_by_head(net, plain)),
        "rnn conditioned": heads(nll_by_head(net, test)),
        f"{ORDER}-gram": heads(NGram(training, shape.parts, ORDER, tune).nll_by_head(test, shape.drums)),
        "unigram": heads(NGram(training, shape.parts, 1).nll_by_head(test, shape.drums)),
    }
    few = plain[:8]
    live = stepped_nll(load_stream(name), few, 3000)
    lower = 1 - rows["rnn"]["total"] / rows[f"{ORDER}-gram"]["total"]
    return {
        "events": events,
        "nll": rows,
        "below n-gram": round(lower, 4),
        "step graph, nats": round(live, 4),
        "int8 loss": find(name).about.get("int8_loss"),
    }


def _without_context(piece: Encoded) -> Encoded:
    context = piece.context.copy()
    context[:, HIDDEN] = [UNKNOWN[column] for column in HIDDEN]
    return Encoded(piece.events, context)


def piece_of(item: Item, recipe_parts: Sequence[Any], drums: int) -> Piece:
    """The encoded piece as notes, with its commonest metre."""
    events, context = item.encoded.events, item.encoded.context
    parts = [Part(own.name, own.program, own.drum) for own in recipe_parts]
    start = int(context[0, 0]) * GRID if len(events) else 0
    for note in decode(events, start, frozenset({drums})):
        parts[note.part].notes.append(note)
    return Piece([part for part in parts if part.notes], metres=[_metre(item)])


def _metre(item: Item) -> Metre:
    halves = int(np.bincount(item.encoded.context[:, BAR_LENGTH]).argmax())
    return Metre(0.0, halves // 2, 4) if halves % 2 == 0 else Metre(0.0, halves, 8)


def compared(muse: Muse, test: Sequence[Item], pieces: int, bars: int, out: Path) -> dict[str, Any]:
    """The eight statistics of ``pieces`` generated pieces and of the first ``bars`` bars of the test pieces.

    A generated piece has the metre and the parts of a test piece. A statistic holds if the median generated piece
    lies in the real 5-95 % band; ``inside`` is the share of generated pieces that do.
    """
    real: dict[str, list[float]] = {name: [] for name in STATISTICS}
    made: dict[str, list[float]] = {name: [] for name in STATISTICS}
    for item in test:
        for name, value in statistics(piece_of(item, muse.model.parts, muse.model.drums), bars).items():
            real[name].append(value)
    shown: list[Piece] = []
    for index in track(range(pieces), "generating", console=Console(stderr=True), transient=True):
        item = test[index % len(test)]
        metre = _metre(item)
        used = ",".join(muse.parts[i] for i in np.unique(item.encoded.events[:, PART]).tolist())
        piece = muse.generate(bars, metre=f"{metre.numerator}/{metre.denominator}", players=used, seed=index)
        if index < 3:
            shown.append(piece)
        for name, value in statistics(piece, bars).items():
            made[name].append(value)
    rows = {}
    for name in STATISTICS:
        low, high = np.percentile(real[name], [5, 95])
        values = np.array(made[name])
        median = float(np.median(values))
        rows[name] = {
            "real 5 %": round(float(low), 3),
            "real median": round(float(np.median(real[name])), 3),
            "real 95 %": round(float(high), 3),
            "generated median": round(median, 3),
            "inside": round(float(((values >= low - 1e-9) & (values <= high + 1e-9)).mean()), 3),
            "holds": bool(low - 1e-9 <= median <= high + 1e-9),
        }
    save_statistics(real, made, out / "statistics.png")
    for index, piece in enumerate(shown):
        save_roll(piece, out / f"sample-{index + 1}.png", width=1200)
    return {"pieces": pieces, "bars": bars, "held": sum(row["holds"] for row in rows.values()), "rows": rows}


def report(result: dict[str, Any]) -> str:
    """The result as Markdown tables, as they stand in the card."""
    names = [*FIELDS, "total"]
    lines = [
        f"Test split: {result['test']} pieces, {result['events']:,} events. Nats an event, by head:",
        "",
        "| model | " + " | ".join(names) + " |",
        "| --- |" + " ---: |" * len(names),
    ]
    for name, row in result["nll"].items():
        lines.append(f"| {name} | " + " | ".join(f"{row[field]:.3f}" for field in names) + " |")
    lines += ["", f"The RNN is {100 * result['below n-gram']:.1f} % below the n-gram."]
    loss = result["int8 loss"]
    if loss is not None and loss == loss:
        lines[-1] += f" The int8 step graph costs {100 * loss:.2f} %."
    if "statistics" in result:
        stats = result["statistics"]
        lines += [
            "",
            f"{stats['pieces']} generated pieces of {stats['bars']} bars; {stats['held']} of {len(STATISTICS)} medians "
            "in the real 5-95 % band:",
            "",
            "| statistic | real 5 % | real median | real 95 % | generated median | pieces inside | holds |",
            "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
        ]
        for name, row in stats["rows"].items():
            lines.append(
                f"| {name} | {row['real 5 %']:.3f} | {row['real median']:.3f} | {row['real 95 %']:.3f} | "
                f"{row['generated median']:.3f} | {100 * row['inside']:.0f} % | {'yes' if row['holds'] else 'no'} |"
            )
    return "\n".join(lines)


def card(recipe: Recipe, result: dict[str, Any]) -> str:
    """The model's card in Markdown: what it is, what it was trained on and how, how well it does."""
    lines = [f"# {recipe.name}", "", recipe.about, "", "## Data", ""]
    for source in recipe.data:
        if "origin" in source:
            lines.append(f"- {source['origin']}. Licence: {source['licence']}. sha256 `{source['sha256']}`")
        else:
            lines.append(f"- {', '.join(source.values())}")
    how = {
        "as_written": "as written",
        "estimate_chords": "with chord symbols estimated from the notes",
        "lead_sheet": "as melody and block chords, the chords estimated where none are written",
    }[recipe.prepare]
    low, high = recipe.transpose
    lines += [
        "",
        f"{result['training']} pieces to train, {result['test']} to test; copies, transpositions and arrangements of a "
        f"work share a split. Pieces are read {how}"
        + (f", transposed by {low} to {high} semitones." if high > low else "."),
        "",
        "## Parts",
        "",
        ", ".join(part.name for part in recipe.parts),
        "",
        "## Network",
        "",
        f"GRU of {recipe.hidden} units, one step an event, seven heads in turn; dropout {recipe.dropout}, rate "
        f"{recipe.learning_rate}, {recipe.lanes} lanes of {recipe.chunk} events. {recipe.note}".rstrip(),
        "The whole recipe is in recipe.toml.",
        "",
        "## How well it does",
        "",
        report(result),
    ]
    if "statistics" in result:
        lines += [
            "",
            "![statistics of real and generated pieces](statistics.png)",
            "",
            "Three generated pieces, not chosen:",
            "",
        ]
        lines += [f"![sample {i}](sample-{i}.png)" for i in (1, 2, 3)]
    return "\n".join(lines) + "\n"
