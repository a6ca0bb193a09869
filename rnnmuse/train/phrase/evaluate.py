"""How well a phrase model brings back, makes and joins phrases that it never saw; its card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy.stats import ks_2samp, spearmanr

from rnnmuse.compose.infill import best, fillings, join_nll, without
from rnnmuse.compose.muse import Muse, Settings
from rnnmuse.compose.phrases import Phrases, as_piece
from rnnmuse.models.bundle import find, load_phrase, load_stream, verify, write_sums
from rnnmuse.models.groove import taps_of
from rnnmuse.models.latent import along, slerp, straight
from rnnmuse.models.phrase import PhraseModel
from rnnmuse.music.analysis import STATISTICS, statistics
from rnnmuse.music.attributes import attributes, distance
from rnnmuse.music.phrases import DRUMS, MICROS, Grid
from rnnmuse.music.pianoroll import save_roll
from rnnmuse.music.read import read_music
from rnnmuse.music.sheet import Cell, save_sheet
from rnnmuse.train.card import save_card
from rnnmuse.train.groove.objective import levels
from rnnmuse.train.phrase.card import phrase_card, phrase_report
from rnnmuse.train.phrase.data import Windows
from rnnmuse.train.phrase.export import phrase_network_of
from rnnmuse.train.phrase.measures import reconstruction
from rnnmuse.train.phrase.recipe import PhraseRecipe
from rnnmuse.train.phrase.run import read_items, read_phrases
from rnnmuse.train.pictures import save_distributions, save_statistics
from rnnmuse.train.recipe import read_recipe

STEPS = 8
LIVE = 200  # phrases that go through the graphs themselves
GROOVES = 600
TAKES = 8
STREAM = "lieder"
Floats = NDArray[np.float64]


def evaluate_phrases(
    model: str, folders: Sequence[Path], samples: int = 200, pairs: int = 100, songs: int = 0, out: Path | None = None,
    cache: Path | None = None,
) -> str:  # fmt: skip
    """Evaluate a phrase bundle on the test split of ``folders``; returns the report, writes eval.json and pictures.

    ``out`` is the bundle's own folder without it; ``songs`` held-out songs have bars filled in by STREAM.
    """
    if samples < 1 or pairs < 1:
        raise ValueError(f"samples, pairs: {samples}, {pairs}; must be at least 1")
    bundle = find(model)
    verify(bundle)
    recipe = read_recipe(bundle.folder / "recipe.toml", PhraseRecipe)
    out = out or bundle.folder
    out.mkdir(parents=True, exist_ok=True)
    data, _ = read_phrases(folders, recipe, cache)
    test = data["test"] if all(len(w) for w in data["test"].values()) else data["validation"]
    if not all(len(w) for w in test.values()):
        raise ValueError(f"folders: {', '.join(map(str, folders))}; no held-out phrases of every length in them")
    net, live = phrase_network_of(bundle), load_phrase(model)
    result: dict[str, Any] = {
        "model": model,
        "drum": recipe.drum,
        "phrases": {s: {str(b): len(w) for b, w in d.items()} for s, d in data.items()},
        "pieces": {s: len(set(d[recipe.bars[0]].piece.tolist())) for s, d in data.items()},
        "int8 loss": bundle.about.get("int8_loss"),
        "reconstruction": {},
        "prior": {},
        "interpolation": {},
        "axes": {},
    }
    for bars in track(recipe.bars, "evaluating", console=Console(stderr=True), transient=True):
        own = test[bars]
        result["reconstruction"][str(bars)] = reconstruction(net, own) | {"by the graphs": by_graphs(live, own)}
        result["prior"][str(bars)] = prior(live, own, samples, bars, out / f"statistics-{bars}.png")
        result["interpolation"][str(bars)] = interpolations(live, own, pairs)
        result["axes"][str(bars)] = axes(live, own, min(100, samples))
    if live.groove is not None:
        result["groove"] = grooves(live, test[recipe.bars[0]], out / "humanise.png")
    if songs and not recipe.drum:
        held = [i.name for i in read_items(folders, recipe, cache)[0] if i.split == "test"]
        result["infill"] = infills(Phrases(live), folders, held, songs, out / "infill.png")
    pictures(live, test, out)
    (out / "eval.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    save_card(out, phrase_card(recipe, result))
    if out == bundle.folder:
        write_sums(out)
    return phrase_report(result)


def chosen(windows: Windows, count: int) -> list[int]:
    """Indexes of ``count`` phrases, evenly from all pieces."""
    return [int(i) for i in np.linspace(0, len(windows) - 1, min(count, len(windows)))]


def by_graphs(model: PhraseModel, windows: Windows) -> float:
    """Share of steps (of drums F1 of hits) right free-running, through the exported graphs."""
    right = total = made_hits = real_hits = 0
    for i in chosen(windows, LIVE):
        grid, context = windows.grids[i], windows.context[i]
        made = model.decode(model.encode(grid, context), context)
        right += int(((made[..., 0] == grid[..., 0]) & (grid[..., 0] > 0 if model.drum else True)).sum())
        total += grid[..., 0].size
        real_hits, made_hits = real_hits + int(grid[..., 0].sum()), made_hits + int(made[..., 0].sum())
    return round(2 * right / max(1, real_hits + made_hits) if model.drum else right / total, 4)


def bands(windows: Windows) -> dict[str, tuple[float, float, float]]:
    """The real 5 %, median and 95 % of each musical statistic."""
    real = stats_of([windows.grids[i] for i in chosen(windows, 1000)])
    return {name: tuple(np.percentile(real[name], [5, 50, 95]).tolist()) for name in STATISTICS}


def stats_of(grids: Sequence[Grid]) -> dict[str, list[float]]:
    """The eight statistics of each phrase."""
    rows = [statistics(as_piece([grid])) for grid in grids]
    return {name: [row[name] for row in rows] for name in STATISTICS}


def prior(model: PhraseModel, windows: Windows, samples: int, bars: int, picture: Path) -> dict[str, Any]:
    """Phrases at points of N(0, I), in the keys and chords of real ones, beside real phrases."""
    random = Random(1)
    rows = chosen(windows, samples)
    made = [model.decode(model.draw(bars, random), windows.context[rows[i % len(rows)]]) for i in range(samples)]
    real = stats_of([windows.grids[i] for i in chosen(windows, 1000)])
    new = stats_of(made)
    save_statistics(real, new, picture)
    out: dict[str, Any] = {}
    for name in STATISTICS:
        low, middle, high = np.percentile(real[name], [5, 50, 95])
        median = float(np.median(new[name]))
        out[name] = {
            "real 5 %": round(float(low), 3),
            "real median": round(float(middle), 3),
            "real 95 %": round(float(high), 3),
            "generated median": round(median, 3),
            "inside": round(float(np.mean([low - 1e-9 <= v <= high + 1e-9 for v in new[name]])), 3),
        }
    return {"samples": samples, "rows": out}


def interpolations(model: PhraseModel, windows: Windows, pairs: int) -> dict[str, Any]:
    """Ways of eight steps between random phrases of different pieces: as `Phrases.between` goes (``chosen``), and at
    even turns of the arc and of the straight line.

    ``monotone`` is the share of moves from a step to the next, and of ends, in which the distance to the end that is
    left does not fall and to the other does not rise; ``whole`` that of ways in which all do; ``stays`` the share of
    moves to the same phrase; ``largest`` the largest of a way's moves as a share of the way, 1/7 at best, the mean of
    the ways; ``outside`` lists the statistics whose median at some inner step is outside the real band; ``norm`` is
    the length of the middle point beside that of the ends.
    """
    random = np.random.default_rng(3)
    limits = bands(windows)
    ends: list[tuple[int, int]] = []
    while len(ends) < pairs:
        i, j = random.integers(0, len(windows), 2).tolist()
        if windows.piece[i] != windows.piece[j] or len(set(windows.piece.tolist())) < 2:
            ends.append((i, j))
    points = [[model.encode(windows.grids[k], windows.context[k]) for k in pair] for pair in ends]
    phrases = Phrases(model)
    found: dict[str, Any] = {"pairs": pairs, "steps": STEPS}
    for name, way in (("chosen", slerp), ("arc", slerp), ("line", straight)):
        right = cases = whole = stays = 0
        inner: list[list[Grid]] = [[] for _ in range(STEPS)]
        lengths, largest = [], []
        for (i, j), (a, b) in zip(ends, points, strict=True):
            one, two = windows.context[i], windows.context[j]
            if name == "chosen":
                steps = phrases.between((windows.grids[i], one), (windows.grids[j], two), STEPS)
            else:
                turns = [k / (STEPS - 1) for k in range(STEPS)]
                steps = [model.decode(way(a, b, t), one if t < 0.5 else two) for t in turns]
            for k, step in enumerate(steps):
                inner[k].append(step)
            lengths.append(float(np.linalg.norm(way(a, b, 0.5))) / float(np.linalg.norm(a) + np.linalg.norm(b)) * 2)
            away = np.array([distance(steps[0], step) for step in steps])
            left = np.array([distance(steps[-1], step) for step in steps])
            good = [*(np.diff(away) >= -1e-9), *(np.diff(left) <= 1e-9)]
            right, cases, whole = right + sum(good), cases + len(good), whole + all(good)
            stays += sum(bool((x == y).all()) for x, y in pairwise(steps))
            largest.append(float(np.abs(np.diff(away - left)).max()) / max(1e-9, 2 * float(away[-1])))
        outside = set()
        for k in range(1, STEPS - 1):
            new = stats_of(inner[k])
            for stat, (low, _, high) in limits.items():
                if not low - 1e-9 <= float(np.median(new[stat])) <= high + 1e-9:
                    outside.add(f"{stat} at {k + 1}")
        found[name] = {
            "monotone": round(float(right / cases), 4),
            "whole": round(whole / pairs, 4),
            "stays": round(stays / pairs / (STEPS - 1), 4),
            "largest": round(float(np.mean(largest)), 3),
            "outside": sorted(outside),
            "norm": round(float(np.mean(lengths)), 3),
        }
    return found


def axes(model: PhraseModel, windows: Windows, count: int) -> dict[str, Any]:
    """For each axis the correlation of a held-out phrase's place on it with its attribute, and the rank correlation
    of where a phrase is asked to be (0.1, 0.3, 0.5, 0.7, 0.9) with the attribute of what is played there."""
    bars = windows.grids.shape[1] // 16
    space = model.space(bars)
    rows = chosen(windows, count)
    points = [model.encode(windows.grids[i], windows.context[i]) for i in rows]
    told = np.array([attributes(windows.grids[i]) for i in rows])
    estimate = np.array([space.axes @ p + space.offsets for p in points])
    out: dict[str, Any] = {}
    for k, name in enumerate(model.axes):
        asked, played = [], []
        for i, point in zip(rows[:40], points[:40], strict=False):
            for place in (0.1, 0.3, 0.5, 0.7, 0.9):
                grid = model.decode(along(space, point, {k: place}), windows.context[i])
                asked.append(place)
                played.append(attributes(grid)[k])
        out[name] = {
            "place": round(float(np.corrcoef(estimate[:, k], told[:, k])[0, 1]), 3),
            "moved": round(float(spearmanr(asked, played).statistic), 3),
        }
    return out


def grooves(model: PhraseModel, windows: Windows, picture: Path) -> dict[str, Any]:
    """Timing and velocity of each drum of the human test split against the same hits quantised, quantised with random
    jitter of the human's own variance, and played by the groove model: Kolmogorov-Smirnov statistics. What is drawn
    at random is drawn ``TAKES`` times and counted together, for its own chance to weigh less.

    All three are given the same: which drums are struck on the grid, and each drum's level, its mean velocity in the
    piece. Quantised input stays at that; normal jitter goes about it with the variance with which the humans of the
    test split do. Also the F1 of the kit made from taps, and of the
    kit made around the true kick and snare, beside the commonest pattern of the training phrases' kind.
    """
    assert model.groove is not None
    random, noise = Random(5), np.random.default_rng(5)
    rows = chosen(windows, GROOVES)
    level = levels(windows)
    real = np.concatenate([windows.grids[i] for i in rows])
    told = np.concatenate([np.tile(31 * level[i], (windows.grids.shape[1], 1)) for i in rows])
    made = np.stack(
        [
            np.concatenate(
                [model.groove.humanise(windows.grids[i], random, float(windows.tempo[i]), level=level[i]) for i in rows]
            )
            for _ in range(TAKES)
        ]
    )
    out: dict[str, Any] = {"phrases": len(rows), "takes": TAKES, "drums": {}}
    shown: dict[str, tuple[Floats, Floats, Floats]] = {}
    for drum, name in enumerate(DRUMS):
        hit = real[:, drum, 0] > 0
        if hit.sum() < 20:
            continue
        row: dict[str, Any] = {"hits": int(hit.sum())}
        for what, column, top in (("timing", 2, MICROS - 1), ("velocity", 1, 31)):
            human, played = real[hit, drum, column].astype(float), made[:, hit, drum, column].astype(float).ravel()
            centre = told[hit, drum] if column == 1 else np.full(len(human), float(MICROS // 2))
            flat = np.rint(centre)
            spread = (human - centre).std()
            jitter = np.clip(np.rint(noise.normal(centre, spread, (TAKES, len(centre)))), 0, top).ravel()
            row[what] = {
                "groove": round(float(ks_2samp(human, played).statistic), 3),
                "quantised": round(float(ks_2samp(human, flat).statistic), 3),
                "jitter": round(float(ks_2samp(human, jitter).statistic), 3),
            }
            shown[f"{name}, {what}"] = (human, played, jitter)
        out["drums"][name] = row
    save_distributions(shown, picture)
    better = [
        row[what]["groove"] < min(row[what]["quantised"], row[what]["jitter"])
        for row in out["drums"].values()
        for what in ("timing", "velocity")
    ]
    out["better than both"] = f"{sum(better)} of {len(better)}"
    taps, fills = [], []
    for i in rows[:100]:
        grid = windows.grids[i]
        tempo = float(windows.tempo[i])
        taps.append((grid, model.groove.from_taps(taps_of(grid), random, tempo)))
        fills.append((grid, model.groove.fill(grid, random, (0, 1), tempo)))
    out["taps, F1"] = hits_f1(taps)
    out["in-filling, F1"] = hits_f1([(a[:, 2:], b[:, 2:]) for a, b in fills])
    rhythm = [((a[..., :1].max(1, keepdims=True)), (b[..., :1].max(1, keepdims=True))) for a, b in taps]
    out["taps, rhythm F1"] = hits_f1(rhythm)
    return out


def hits_f1(pairs: Sequence[tuple[Grid, Grid]]) -> float:
    right = sum(int(((a[..., 0] > 0) & (b[..., 0] > 0)).sum()) for a, b in pairs)
    total = sum(int((a[..., 0] > 0).sum() + (b[..., 0] > 0).sum()) for a, b in pairs)
    return round(2 * right / max(1, total), 4)


def infills(
    phrases: Phrases, folders: Sequence[Path], names: Sequence[str], songs: int, picture: Path
) -> dict[str, Any]:
    """Bars 5 to 8 of held-out songs filled in: nats an event around the gap's end, beside those of the real bars.

    STREAM was split by song in the same way: it never saw them either. Chords are not given. ``alone`` is the mean
    of the fillings that nothing chose, ``unguided`` the least join; ``error`` is the standard error of the mean
    relative difference between filled and real.
    """
    muse = Muse(load_stream(STREAM))
    rows: list[tuple[float, float, float, float]] = []
    for name in names:
        path = next((folder / name for folder in folders if (folder / name).exists()), None)
        if path is None or len(rows) >= songs:
            continue
        piece = read_music(path)
        if any(m.bar_beats != 4 for m in piece.metres) or not 48 <= piece.end <= 400:
            continue
        piece.chords = []
        real = join_nll(muse.model, piece, 32.0)
        found = fillings(muse, piece, 5, 8, phrases, Settings(seed=1))
        joins = [filled.join for filled in found]
        guided = best(found)
        rows.append((real, guided.join, min(joins), float(np.mean(joins))))
        if len(rows) == 1:
            first = without(guided.piece, 48.0, piece.end + 1)
            save_roll(first, picture, 16.0)
    if not rows:
        raise ValueError(f"songs: {songs}; no held-out song in 4/4 of 12 to 100 bars")
    real, filled, unguided_, alone = (float(np.mean(column)) for column in zip(*rows, strict=True))
    apart = [row[1] / row[0] - 1 for row in rows]
    return {
        "pieces": len(rows), "bars": 4, "real": round(real, 4), "filled": round(filled, 4),
        "unguided": round(unguided_, 4), "alone": round(alone, 4),
        "songs within 10 %": sum(share <= 0.1 for share in apart),
        "apart": round(float(np.mean(apart)), 4), "error": round(float(np.std(apart) / len(apart) ** 0.5), 4),
    }  # fmt: skip


def pictures(model: PhraseModel, test: dict[int, Windows], out: Path) -> None:
    """What a card shows: phrases and how they come back, draws from the prior, ways between phrases, the map."""
    bars = min(test)
    windows = test[bars]
    rows = chosen(windows, 6)
    back = [model.decode(model.encode(windows.grids[i], windows.context[i]), windows.context[i]) for i in rows]
    save_sheet(
        [[Cell(windows.grids[i], "held out") for i in rows], [Cell(grid, "back again", 1) for grid in back]],
        out / "reconstruction.png", width=1600,
    )  # fmt: skip
    random = Random(7)
    drawn = [model.decode(model.draw(bars, random), windows.context[rows[k % 6]]) for k in range(12)]
    save_sheet([[Cell(g) for g in drawn[:6]], [Cell(g) for g in drawn[6:]]], out / "prior.png")
    phrases = Phrases(model)
    ways = []
    for k in range(3):
        i, j = rows[k], rows[5 - k]
        way = phrases.between((windows.grids[i], windows.context[i]), (windows.grids[j], windows.context[j]), STEPS)
        ways.append([Cell(grid, f"{n + 1}", 1 if n in (0, STEPS - 1) else 0) for n, grid in enumerate(way)])
    save_sheet(ways, out / "interpolation.png", width=2000)
    cells = [[Cell(grid) for grid in row] for row in phrases.map(bars)]
    save_sheet(cells, out / "map.png", f"{model.name}: phrases of {bars} bars", model.axes[0], model.axes[1], 2000)
