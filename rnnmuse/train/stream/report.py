"""The report and the card of a stream model, in Markdown."""

from __future__ import annotations

from typing import Any

from rnnmuse.music.codec import FIELDS
from rnnmuse.train.card import opening
from rnnmuse.train.stream.judge import CONTINUED, NOTHING, REAL
from rnnmuse.train.stream.recipe import Recipe

PREPARED = {
    "as_written": "as written",
    "estimate_chords": "with chord symbols estimated from the notes",
    "lead_sheet": "as melody and block chords, the chords estimated where none are written",
    "melody": "as a melody with its key and chords",
}


def report(result: dict[str, Any]) -> str:
    """The result as Markdown, as it stands in the card."""
    lines = _likelihood(result)
    if "windows" in result:
        lines += ["", *_windows(result["windows"])]
    if "copied" in result:
        found = result["copied"]
        lines += [
            "",
            f"Of {found['pieces']:,} pieces of {found['bars']} bars from nothing {found['holding']:,} hold a run of 16 "
            f"notes of a training piece ({found['known']:,} of {found['runs']:,} runs).",
        ]
    return "\n".join(lines)


def _likelihood(result: dict[str, Any]) -> list[str]:
    names = ["total", *FIELDS]
    lines = [
        f"Held-out pieces: {result['test']} of {result['training'] + result['test']}, {result['events']:,} events.",
        "",
        "| nats an event | " + " | ".join(names) + " |",
        "| --- |" + " ---: |" * len(names),
    ]
    for name, row in result["nll"].items():
        lines.append(f"| {name} | " + " | ".join(f"{row[key]:.3f}" for key in names) + " |")
    lines += ["", f"The RNN is {100 * result['below n-gram']:.1f} % below the n-gram."]
    loss = result["step loss"]
    if loss is not None and loss == loss:
        lines[-1] += f" The step graph in a few bits costs {100 * loss:.2f} %."
    return lines


def _windows(found: dict[str, Any]) -> list[str]:
    tests = found["two-sample"]
    lines = [
        f"{found['count']} windows of {found['bars']} bars from {found['pieces']} held-out pieces, as many generated "
        f"from nothing in their metre, tempo and parts, and as many continuations of the {found['prompt']} bars before "
        "them.",
        "",
        f"Two-sample test: a forest of trees on {tests[NOTHING]['features']} features of a window, "
        f"{tests[NOTHING]['folds']} folds by work. Area under the ROC curve: 1 means that it always tells generated "
        "from real, 0.5 that it cannot.",
        "",
        "| windows | area | deviation of the folds |",
        "| --- | ---: | ---: |",
    ]
    lines += [f"| {kind} | {tests[kind]['area']:.2f} | {tests[kind]['deviation']:.2f} |" for kind in tests]
    if found["control"] is not None:
        lines.append(f"| real, one half of the works against the other | {found['control']:.2f} | |")
    if found["left out"]:
        lines += ["", f"Left out of the test, as the pieces are scores: {', '.join(found['left out'])}."]
    for kind, test in tests.items():
        lines += [
            "",
            f"What tells most, {kind}:",
            "",
            "| feature | weight | real median | generated median |",
            "| --- | ---: | ---: | ---: |",
        ]
        lines += [
            f"| {row['feature']} | {row['weight']:.2f} | {_number(row['real'])} | {_number(row['generated'])} |"
            for row in test["tell"]
        ]
    lines += [
        "",
        "Structure of the windows. A bar is repeated if one of the eight bars before it has the same onsets and "
        "pitches (of drums: three quarters of its strokes), the same transposed, or the same onsets; only parts that "
        "play in half of the bars with two onsets a bar and more are counted.",
        "",
        "| measure | of | real 25 % | real | real 75 % | from nothing | continued |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in found["structure"]:
        numbers = (row["real 25 %"], row[REAL], row["real 75 %"], row[NOTHING], row[CONTINUED])
        lines.append(f"| {row['measure']} | {row['of']} | " + " | ".join(map(_number, numbers)) + " |")
    copied = "; ".join(
        f"{kind} {100 * row['share']:.2f} % ({row['windows']} of {found['count']} windows)"
        for kind, row in found["copies"].items()
    )
    lines += [
        "",
        "Runs of 16 notes (intervals, waits and lengths, in any transposition; of drums strokes and waits) that are in "
        f"a training piece and not in the prompt: {copied}.",
    ]
    silent = found["silent"]
    if silent:
        named = ", ".join(f"{part} in {count} of {every}" for part, (count, every) in silent.items())
        lines += ["", f"Parts that were asked for and did not play, from nothing: {named} windows."]
    return lines


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def card(recipe: Recipe, result: dict[str, Any]) -> list[str]:
    """The lines of the model's card: what it is, what it was trained on and how, how well it does."""
    low, high = recipe.transpose
    lines = [
        *opening(recipe.name, recipe.about, recipe.data),
        "",
        f"{result['training']} pieces to train, {result['test']} to test; copies, transpositions and arrangements of a "
        f"work share a split. Pieces are read {PREPARED[recipe.prepare]}"
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
    if "windows" in result:
        lines += [
            "",
            "Likeness of every two bars, of real pieces and of the continuations of their first bars (bright: alike; "
            "the line is where the prompt ends), and of pieces from nothing; the first three windows, not chosen:",
            "",
            "![self-similarity](similarity.png)",
            "",
            "The features that tell most, from nothing:",
            "",
            "![features of real and generated windows](statistics.png)",
            "",
            "From nothing, and a continuation (from the red line on):",
            "",
            "![from nothing](sample-1.png)",
            "![continuation](sample-2.png)",
        ]
    return lines
