"""The report and the card of a phrase model, in Markdown."""

from __future__ import annotations

from typing import Any

from rnnmuse.train.card import opening
from rnnmuse.train.phrase.recipe import PhraseRecipe


def phrase_report(result: dict[str, Any]) -> str:
    """The result as Markdown, as it stands in the card."""
    lines = _reconstruction(result) + _axes(result) + _prior(result) + _interpolation(result)
    if "groove" in result:
        lines += _groove(result["groove"])
    if "infill" in result:
        row = result["infill"]
        lines += [
            "",
            f"In-filling of {row['bars']} bars in {row['pieces']} held-out songs: around the gap's end "
            f"{row['filled']:.3f} nats an event with the filling, {row['real']:.3f} with the real bars "
            f"({100 * (row['filled'] / row['real'] - 1):+.1f} %; song by song {100 * row['apart']:+.1f} % with a "
            f"standard error of {100 * row['error']:.1f} %); {row['songs within 10 %']} songs within 10 %. Chosen "
            f"by the join alone {row['unguided']:.3f}, the sixteen that nothing chose {row['alone']:.3f}.",
        ]
    return "\n".join(lines)


def _reconstruction(result: dict[str, Any]) -> list[str]:
    lines = ["Held-out phrases, encoded to their point and decoded again:", ""]
    if result["drum"]:
        lines += [
            "| bars | phrases | hits F1, teacher-forced | free-running | by live graphs | KL, bits | active units |",
            "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for bars, r in result["reconstruction"].items():
            lines.append(
                f"| {bars} | {r['phrases']:.0f} | {r['hits F1, teacher-forced']:.3f} | {r['hits F1']:.3f} | "
                f"{r['by the graphs']:.3f} | {r['KL, bits']:.0f} | {r['active units']:.0f} |"
            )
        lines += [
            "",
            "| bars | velocity RMSE | of the mean | of nothing | timing RMSE, ms | of the mean | of the grid |",
            "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for bars, r in result["reconstruction"].items():
            lines.append(
                f"| {bars} | {r['velocity RMSE']:.1f} | {r['velocity RMSE, mean']:.1f} | "
                f"{r['velocity RMSE, nothing']:.1f} | {r['timing RMSE, ms']:.1f} | {r['timing RMSE, mean, ms']:.1f} | "
                f"{r['timing RMSE, nothing, ms']:.1f} |"
            )
        lines += ["", "Milliseconds are at each piece's tempo, to within the codec's nine tempo classes."]
        return lines
    lines += [
        "| bars | phrases | steps, teacher-forced | steps, free-running | by the live graphs | onset pitches | "
        "whole phrases | KL, bits | active units |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for bars, r in result["reconstruction"].items():
        lines.append(
            f"| {bars} | {r['phrases']:.0f} | {r['steps, teacher-forced']:.3f} | {r['steps, free-running']:.3f} | "
            f"{r['by the graphs']:.3f} | {r['onset pitches']:.3f} | {r['whole phrases']:.3f} | {r['KL, bits']:.0f} | "
            f"{r['active units']:.0f} |"
        )
    return lines


def _axes(result: dict[str, Any]) -> list[str]:
    lines = [
        "",
        "Axes: correlation of a held-out phrase's place on the axis with its attribute; rank correlation of where a "
        "phrase is asked to be with the attribute of what is then played:",
        "",
        "| bars | axis | place | moved |",
        "| ---: | --- | ---: | ---: |",
    ]
    for bars, rows in result["axes"].items():
        lines += [f"| {bars} | {name} | {row['place']:.2f} | {row['moved']:.2f} |" for name, row in rows.items()]
    return lines


def _prior(result: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for bars, part in result["prior"].items():
        lines += [
            "",
            f"{part['samples']} phrases of {bars} bars at points drawn from N(0, I), beside real ones:",
            "",
            "| statistic | real 5 % | real median | real 95 % | generated median | phrases inside |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
        ]
        for name, row in part["rows"].items():
            lines.append(
                f"| {name} | {row['real 5 %']:.3f} | {row['real median']:.3f} | {row['real 95 %']:.3f} | "
                f"{row['generated median']:.3f} | {100 * row['inside']:.0f} % |"
            )
    return lines


def _interpolation(result: dict[str, Any]) -> list[str]:
    lines = [
        "",
        "Ways of eight steps between phrases of different pieces, as `rnnmuse interpolate` chooses them on the arc and "
        "at even turns of the arc and of the line: share of moves that go away from the one end or nearer the other "
        "(or keep their distance), share of ways in which all do, moves to the same phrase, the largest move of a way "
        "(1/7 is 14 %), statistics whose median at an inner step leaves the real band, length of the middle point "
        "beside the ends':",
        "",
        "| bars | way | moves | whole ways | stays | largest | outside | middle |",
        "| ---: | --- | ---: | ---: | ---: | ---: | --- | ---: |",
    ]
    for bars, part in result["interpolation"].items():
        for name in ("chosen", "arc", "line"):
            row = part[name]
            lines.append(
                f"| {bars} | {name} | {100 * row['monotone']:.1f} % | {100 * row['whole']:.0f} % | "
                f"{100 * row['stays']:.1f} % | {100 * row['largest']:.0f} % | "
                f"{', '.join(row['outside']) or 'none'} | {row['norm']:.2f} |"
            )
    return lines


def _groove(found: dict[str, Any]) -> list[str]:
    lines = [
        "",
        f"Humanise: Kolmogorov-Smirnov distance to the human test split ({found['phrases']} phrases), of the groove "
        f"model, of quantised drums, of random jitter with the variance that the humans of the test split have ("
        f"{found['takes']} takes of what is drawn at random, counted together); less is nearer. All "
        f"are given the same: the hits on the grid, and each drum's mean velocity in the piece. Better "
        f"than both: {found['better than both']}.",
        "",
        "| drum | hits | timing: groove | quantised | jitter | velocity: groove | quantised | jitter |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, row in found["drums"].items():
        values = [row[what][kind] for what in ("timing", "velocity") for kind in ("groove", "quantised", "jitter")]
        lines.append(f"| {name} | {row['hits']} | " + " | ".join(f"{v:.3f}" for v in values) + " |")
    lines += [
        "",
        f"A kit from taps: F1 of hits {found['taps, F1']:.2f}, of its rhythm {found['taps, rhythm F1']:.2f}. The kit "
        f"around the true kick and snare: F1 of the other hits {found['in-filling, F1']:.2f}. (Both are drawn: another "
        "drummer's choice counts as wrong.)",
    ]
    return lines


def phrase_card(recipe: PhraseRecipe, result: dict[str, Any]) -> list[str]:
    """The model's card: what it is, what it was trained on and how, how well it does."""
    lines = opening(recipe.name, recipe.about, recipe.data)
    counts = ", ".join(f"{n} of {bars} bars" for bars, n in result["phrases"]["train"].items())
    kind = "drums of the nine instruments of the Groove MIDI paper" if recipe.drum else "melodies with key and chords"
    low, high = recipe.transpose
    lines += [
        "",
        f"Phrases of {kind}, a bar apart, from {result['pieces']['train']} pieces to train ({counts}) and "
        f"{result['pieces']['test']} to test; copies and arrangements of a work share a split. Only music in 4/4 and "
        "2/2, and in 2/4 as pairs of bars, on a grid of sixteenths with micro-timing: other metres are left out"
        + (
            "."
            if recipe.drum
            else ", as are melodies with two notes on a sixteenth, with an empty bar or with fewer than two notes a "
            f"bar. In training phrases are transposed by {low} to {high} semitones."
        ),
        "",
        "## Network",
        "",
        f"A VAE: bidirectional GRU of {recipe.encoder} units, {' and '.join(map(str, recipe.latent))} dimensions for "
        f"{' and '.join(map(str, recipe.bars))} bars, GRU of {recipe.hidden} units as decoder. The loss and its signs "
        f"are in `rnnmuse.train.phrase.network`: beta {recipe.beta}, {recipe.free} free nats a dimension, annealed "
        f"over {recipe.annealing} steps; {recipe.hide:.0%} of the steps before hidden from the decoder, "
        f"{recipe.blind:.0%} of the phrases without key and chords. {recipe.note}".rstrip(),
        "",
        "After training the mean and the covariance of the training phrases' posterior were measured, and the change "
        "of coordinates that makes them N(0, I) was put before the decoder and after the encoder: a point's numbers "
        "are in standard deviations, the widest direction first. KL is that of the training, to its own N(0, I).",
        "The whole recipe is in recipe.toml.",
        "",
        "## How well it does",
        "",
        phrase_report(result),
        "",
        "Held-out phrases, not chosen, and how they come back:",
        "",
        "![reconstruction](reconstruction.png)",
        "",
        "Draws from N(0, I):",
        "",
        "![draws](prior.png)",
        "",
        "Ways between held-out phrases (the ends as they are):",
        "",
        "![interpolation](interpolation.png)",
        "",
        f"![map](map.png) ![statistics](statistics-{recipe.bars[0]}.png)",
    ]
    if "infill" in result:
        lines += ["", "Bars 5 to 8 filled in, and what follows them:", "", "![in-filling](infill.png)"]
    if "groove" in result:
        lines += ["", "![timing and velocity](humanise.png)"]
    return lines
