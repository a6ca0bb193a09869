"""`rnnmuse evaluate` for stream models: likelihood on held-out pieces, and generated windows beside real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from rnnmuse.models.bundle import find, load_stream, verify, write_sums
from rnnmuse.music.codec import (
    DENSITY,
    FIELDS,
    KEY,
    PLANNED,
    QUALITY,
    ROOT,
    TEMPO,
    UNKNOWN,
    Encoded,
    PartClass,
    decode,
    drum_parts,
)
from rnnmuse.music.pianoroll import save_roll
from rnnmuse.music.piece import Part, Piece
from rnnmuse.train.card import save_card
from rnnmuse.train.corpus import Item
from rnnmuse.train.pictures import save_similarity, save_statistics
from rnnmuse.train.recipe import read_recipe
from rnnmuse.train.run import progress_bar
from rnnmuse.train.stream import judge
from rnnmuse.train.stream.excerpts import PROMPT, excerpts
from rnnmuse.train.stream.export import network_of, stepped_nll
from rnnmuse.train.stream.ngram import NGram
from rnnmuse.train.stream.objective import nll_by_head
from rnnmuse.train.stream.recipe import Recipe
from rnnmuse.train.stream.report import card, report
from rnnmuse.train.stream.run import held_out, read_corpus

ORDER = 4
HIDDEN = (KEY, ROOT, QUALITY, DENSITY, TEMPO, *PLANNED)
PLAYED = (".mid", ".midi", ".kar")
"""Endings of files that hold a performance; others are scores, without velocities and timing of their own."""


def evaluate_stream(
    model: str,
    folders: Sequence[Path],
    windows: int,
    bars: int,
    out: Path | None = None,
    cache: Path | None = None,
    workers: int = judge.WORKERS,
    copies: int = 0,
) -> str:
    """Evaluate a bundle on the test split of ``folders``; returns the report, and writes eval.json, card and pictures.

    ``out`` is the bundle's own folder without it. ``windows`` real windows of ``bars`` bars are compared with as many
    from nothing and continued; 0 leaves that out. ``copies`` pieces are looked through for runs of training pieces.
    Likelihoods are in nats an event, without the context that is taken from the music itself (key, chord, density,
    tempo, plan); ``conditioned`` is with it.
    """
    if copies < 0:
        raise ValueError(f"copies: {copies}; must be 0 or more")
    if windows < 0 or not 4 <= bars <= 64:
        raise ValueError(f"windows, bars: {windows}, {bars}; must be 0 or more, and 4 to 64")
    console = Console(stderr=True)
    bundle = find(model)
    verify(bundle)
    recipe = read_recipe(bundle.folder / "recipe.toml", Recipe)
    out = out or bundle.folder
    out.mkdir(parents=True, exist_ok=True)
    corpus = read_corpus(folders, recipe, cache=cache)
    training, test = corpus.of("train"), held_out(corpus, "test", recipe)
    if not training or not test:
        raise ValueError(f"folders: {len(training)} training and {len(test)} test pieces; at least one of each")
    result: dict[str, Any] = {"model": bundle.name, "training": len(training), "test": len(test)}
    with console.status("likelihood"):
        tune = [i.encoded for i in held_out(corpus, "validation", recipe)[:40]]
        result |= likelihoods(bundle.name, [i.encoded for i in training], tune, [i.encoded for i in test])
    if windows:
        result["windows"] = compared(model, recipe, training, test, windows, bars, out, console, workers)
    if copies:
        with progress_bar(console, True) as bar:
            task = bar.add_task("looking for copies", total=1.0)
            result["copied"] = judge.copied(
                bundle.name,
                judge.known_runs(pieces_of(training, recipe.parts)),
                copies,
                bars,
                workers,
                lambda done, every: bar.update(task, completed=done, total=every),
            )
    (out / "eval.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    save_card(out, card(recipe, result))
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
        "step loss": find(name).about.get("step_loss"),
    }


def _without_context(piece: Encoded) -> Encoded:
    context = piece.context.copy()
    context[:, HIDDEN] = [UNKNOWN[column] for column in HIDDEN]
    return Encoded(piece.events, context)


def compared(
    model: str,
    recipe: Recipe,
    training: Sequence[Item],
    test: Sequence[Item],
    count: int,
    bars: int,
    out: Path,
    console: Console,
    workers: int,
) -> dict[str, Any]:
    """Real windows beside generated ones, as `rnnmuse.train.stream.judge` measures them; pictures go into ``out``."""
    found = excerpts(test, recipe.parts, bars, count)
    if len({excerpt.group for excerpt in found}) < 2:
        raise ValueError(
            f"folders: no two test pieces of {PROMPT + bars} bars in one metre; fewer --bars, or --pieces 0 for the "
            "likelihood alone"
        )
    if len(found) < count:
        console.print(f"{len(found)} windows; the test pieces have no more")
    groups = [excerpt.group for excerpt in found]
    leave = () if _performed(test) else ("velocity", "timing")
    with progress_bar(console, True) as bar:
        task = bar.add_task("generating", total=1.0)
        made = judge.windows(
            model, found, bars, workers, lambda done, every: bar.update(task, completed=done, total=every)
        )
        bar.update(task, description="comparing")
        tests = {
            kind: judge.two_sample(made[judge.REAL], made[kind], groups, leave)
            for kind in (judge.NOTHING, judge.CONTINUED)
        }
        result = {
            "count": len(found),
            "bars": bars,
            "prompt": PROMPT,
            "pieces": len({excerpt.name for excerpt in found}),
            "left out": list(leave),
            "two-sample": tests,
            "control": judge.control(made[judge.REAL], groups, leave),
            "structure": judge.structure(made),
            "copies": judge.copies(made, found, pieces_of(training, recipe.parts)),
            "silent": judge.silent(made[judge.NOTHING], found, recipe.parts),
        }
    shown = [row["feature"] for row in tests[judge.NOTHING]["tell"]]
    real, nothing = (
        {name: [w.features[name] for w in made[kind]] for name in shown} for kind in (judge.REAL, judge.NOTHING)
    )
    save_statistics(real, nothing, out / "statistics.png")
    first = [{kind: own[i].piece for kind, own in made.items()} for i in range(min(3, len(found)))]
    save_similarity(
        [judge.similarities(pieces, excerpt, bars) for pieces, excerpt in zip(first, found, strict=False)],
        PROMPT,
        out / "similarity.png",
    )
    save_roll(made[judge.NOTHING][0].piece, out / "sample-1.png")
    save_roll(
        judge.continued(found[0].prompt, made[judge.CONTINUED][0].piece, found[0]),
        out / "sample-2.png",
        PROMPT * found[0].metre.bar_beats,
    )
    return result


def _performed(items: Sequence[Item]) -> bool:
    """Whether most of the pieces were read from performances rather than scores."""
    return 2 * sum(Path(item.name).suffix.lower() in PLAYED for item in items) > len(items)


def pieces_of(items: Sequence[Item], classes: Sequence[PartClass]) -> Iterator[Piece]:
    """The encoded pieces as notes."""
    drums = drum_parts(tuple(classes))
    for item in items:
        parts = [Part(own.name, own.program, own.drum) for own in classes]
        for note in decode(item.encoded.events, 0, drums):
            parts[note.part].notes.append(note)
        yield Piece(parts)
