"""Generated windows beside real ones: a two-sample test, structure, copies from the training set.

Real windows are `Excerpt` s of held-out pieces. For each there is a window from nothing, in its metre, tempo and parts,
and a continuation of its prompt. The two-sample test trains a forest of trees to tell real from generated windows by
their `features` and reports the area under the ROC curve on pieces that the forest has not seen (Lopez-Paz and Oquab
2017): 0.5 where it cannot tell them apart, 1 where it always can.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

from rnnmuse.compose.muse import Muse
from rnnmuse.events import Note
from rnnmuse.models.bundle import load_stream
from rnnmuse.music.codec import PartClass
from rnnmuse.music.piece import Part, Piece
from rnnmuse.music.structure import Repetition, outside_key, pitched, repetitions, self_similarity, snapped, survival
from rnnmuse.music.theory import estimate_key
from rnnmuse.train.stream.excerpts import PROMPT, Excerpt, between
from rnnmuse.train.stream.features import features

REAL, NOTHING, CONTINUED = "real", "from nothing", "continued"
KINDS = (REAL, NOTHING, CONTINUED)
WORKERS = 2  # processes
FOLDS = 5
TREES = 400
TOLD = 8  # features that tell most, in the report
RUN = 16  # notes of a run that counts as copied
PLAIN = 4  # runs with fewer different steps, such as repeated notes, are not counted
UNSEEN = 1_000_000  # the seed from which pieces are counted that are looked through for copies
OFTEN = 20  # windows in which a part must be busy to be reported
Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Window:
    """A window of whole bars from beat 0 and what was measured of it."""

    piece: Piece
    features: dict[str, float]
    """Those of `rnnmuse.train.stream.features.features`, by name."""
    repetition: dict[str, Repetition]
    """By the name of the part."""
    survival: float
    """Share of the parts of the first quarter that play in the last; NaN without any."""
    outside: float
    """Share of notes outside the window's own key."""
    astray: float
    """Share of notes outside the key of the prompt; NaN without a pitched prompt."""
    spreads: list[float]
    """Standard deviation of the velocities of each part of four notes and more."""


def windows(
    model: str, excerpts: Sequence[Excerpt], bars: int, workers: int = WORKERS, progress: Progress | None = None
) -> dict[str, list[Window]]:
    """The real windows and as many of the model ``model`` from nothing and continued, in the excerpts' order."""
    jobs = [(kind, index) for index in range(len(excerpts)) for kind in KINDS]
    out: dict[str, list[Window]] = {kind: [] for kind in KINDS}
    workers = min(workers, os.cpu_count() or 1)
    for done, (job, window) in enumerate(zip(jobs, _measured(model, excerpts, bars, jobs, workers), strict=True), 1):
        out[job[0]].append(window)
        if progress:
            progress(done, len(jobs))
    return out


def _measured(
    model: str, excerpts: Sequence[Excerpt], bars: int, jobs: Sequence[tuple[str, int]], workers: int
) -> Iterator[Window]:
    if workers == 1:
        worker = _Worker(model, excerpts, bars)
        yield from map(worker, jobs)
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(model, excerpts, bars)
    ) as pool:
        yield from pool.map(_run, jobs, chunksize=3)


class _Worker:
    def __init__(self, model: str, excerpts: Sequence[Excerpt], bars: int) -> None:
        self.muse, self.excerpts, self.bars = Muse(load_stream(model)), excerpts, bars

    def __call__(self, job: tuple[str, int]) -> Window:
        kind, index = job
        excerpt = self.excerpts[index]
        if kind == REAL:
            return measured(excerpt.real, self.bars, excerpt)
        if kind == CONTINUED:
            piece = self.muse.continue_(excerpt.prompt, self.bars, seed=index)
            return measured(cut(piece, PROMPT * excerpt.metre.bar_beats, self.bars, excerpt), self.bars, excerpt)
        parts = self.muse.parts
        piece = self.muse.generate(
            self.bars + 1,  # as the real windows it is cut out of a longer piece
            metre=f"{excerpt.metre.numerator}/{excerpt.metre.denominator}",
            tempo=excerpt.tempo,
            players=",".join(parts[i] for i in excerpt.players),
            seed=index,
        )
        return measured(cut(piece, 0.0, self.bars, excerpt), self.bars, excerpt)


_worker: _Worker | None = None  # of a process of the pool


def _begin(model: str, excerpts: Sequence[Excerpt], bars: int) -> None:
    global _worker
    _worker = _Worker(model, excerpts, bars)


def _run(job: tuple[str, int]) -> Window:
    assert _worker is not None
    return _worker(job)


def cut(piece: Piece, start: float, bars: int, excerpt: Excerpt) -> Piece:
    """``bars`` bars of a piece from ``start`` on, counted from there."""
    begin, end = round(start * 24), round((start + bars * excerpt.metre.bar_beats) * 24)
    parts = [Part(part.name, part.program, part.drum, between(part.notes, begin, end)) for part in piece.parts]
    return Piece([part for part in parts if part.notes], list(excerpt.real.tempos), [excerpt.metre])


def measured(piece: Piece, bars: int, excerpt: Excerpt) -> Window:
    """A window with its measures."""
    beats = excerpt.metre.bar_beats
    notes, before = pitched(piece), pitched(excerpt.prompt)
    return Window(
        piece,
        features(piece, bars, beats),
        repetitions(piece, bars, beats),
        survival(piece, bars, beats),
        outside_key(notes),
        outside_key(notes, estimate_key(before)) if before else math.nan,
        [float(np.std([n.velocity for n in part.notes])) for part in piece.parts if len(part.notes) >= 4],
    )


def two_sample(
    real: Sequence[Window], made: Sequence[Window], groups: Sequence[int], leave: tuple[str, ...] = (), seed: int = 1
) -> dict[str, Any]:
    """Area under the ROC curve of a forest that tells ``made`` from ``real``, and the features that tell most.

    ``groups`` are the works of the windows, the same for both lists: no work is in two folds. Features whose name
    begins with one of ``leave`` are left out. ``deviation`` is that of the folds.
    """
    works = np.concatenate([groups, groups])
    folds = min(FOLDS, len(set(groups)))
    if folds < 2:
        raise ValueError(f"test pieces: {folds} work with excerpts; a two-sample test needs at least 2")
    names, rows = _table([*real, *made], leave)
    label = np.repeat([0, 1], [len(real), len(made)])
    fold = np.zeros(len(rows), np.int64)
    for k, (_, test) in enumerate(GroupKFold(folds, shuffle=True, random_state=seed).split(rows, groups=works)):
        fold[test] = k
    areas, weights = _areas(rows, label, fold, seed)
    return {
        "area": round(float(np.mean(areas)), 3),
        "deviation": round(float(np.std(areas)), 3),
        "folds": folds,
        "features": len(names),
        "tell": [
            {
                "feature": names[i],
                "weight": round(float(weights[i]), 3),
                "real": _median(rows[label == 0, i]),
                "generated": _median(rows[label == 1, i]),
            }
            for i in np.argsort(-weights)[:TOLD]
        ],
    }


def control(real: Sequence[Window], groups: Sequence[int], leave: tuple[str, ...] = (), seed: int = 1) -> float | None:
    """The area of the same test between the real windows of two halves of the works; None for too few works.

    It tends to lie below 0.5: what the forest learned of one work misleads it about the works that are like it.
    """
    works = sorted(set(groups))
    if len(works) < 4 * FOLDS:
        return None
    order = np.random.default_rng(seed).permutation(len(works))
    place = {works[k]: rank for rank, k in enumerate(order)}
    _, rows = _table(real, leave)
    ranks = np.array([place[group] for group in groups])
    areas, _ = _areas(rows, ranks % 2, ranks // 2 % FOLDS, seed)  # each fold has works of both halves
    return round(float(np.mean(areas)), 3)


def _table(windows: Sequence[Window], leave: tuple[str, ...]) -> tuple[list[str], Floats]:
    names = [name for name in windows[0].features if not name.startswith(leave)]
    rows = np.array([[window.features[name] for name in names] for window in windows])
    known = ~np.isnan(rows).all(0)
    return [name for name, kept in zip(names, known, strict=True) if kept], rows[:, known]


def _areas(rows: Floats, label: NDArray[Any], fold: NDArray[Any], seed: int) -> tuple[list[float], Floats]:
    """The area of each fold and the mean weight of each feature."""
    areas, weights = [], np.zeros(rows.shape[1])
    folds = sorted(set(fold.tolist()))
    for k in folds:
        test = fold == k
        forest = RandomForestClassifier(TREES, min_samples_leaf=2, random_state=seed, n_jobs=WORKERS)
        forest.fit(rows[~test], label[~test])
        areas.append(float(roc_auc_score(label[test], forest.predict_proba(rows[test])[:, 1])))
        weights += forest.feature_importances_ / len(folds)
    return areas, weights


def structure(found: dict[str, list[Window]]) -> list[dict[str, Any]]:
    """Rows of the structure table: the real quartiles and the median (or mean) of each kind of window."""
    rows = []
    counts: dict[str, int] = {}
    for window in found[REAL]:
        for part in window.repetition:
            counts[part] = counts.get(part, 0) + 1
    for part in sorted(counts, key=lambda name: -counts[name]):
        if counts[part] < min(OFTEN, len(found[REAL]) / 4):
            continue
        for measure in ("exact", "transposed", "rhythm"):
            values = {
                kind: [getattr(w.repetition[part], measure) for w in found[kind] if part in w.repetition]
                for kind in KINDS
            }
            if not all(map(math.isnan, values[REAL])):
                rows.append(_row(f"repeated bars, {measure}: {part}", values))
    rows.append(_row("parts that stay", {k: [w.survival for w in found[k]] for k in KINDS}, mean=True))
    outside = {k: [w.outside for w in found[k]] for k in KINDS}
    if not all(map(math.isnan, outside[REAL])):
        rows.append(_row("notes outside the window's key", outside, mean=True))
        astray = {k: [w.astray for w in found[k]] if k != NOTHING else [] for k in KINDS}
        rows.append(_row("notes outside the prompt's key", astray, mean=True))
    spreads = {k: [v for w in found[k] for v in w.spreads] for k in KINDS}
    rows.append(_row("velocity spread of a part", spreads))
    rows.append(_row("parts with one velocity", {k: [float(v == 0) for v in spreads[k]] for k in KINDS}, mean=True))
    return rows


def _row(name: str, values: dict[str, list[float]], mean: bool = False) -> dict[str, Any]:
    arrays = {kind: np.array([v for v in own if not math.isnan(v)]) for kind, own in values.items()}
    middle = {kind: float((np.mean if mean else np.median)(own)) if len(own) else None for kind, own in arrays.items()}
    low, high = np.percentile(arrays[REAL], [25, 75]) if len(arrays[REAL]) else (math.nan, math.nan)
    return {
        "measure": name,
        "of": "mean" if mean else "median",
        "real 25 %": _rounded(low),
        "real 75 %": _rounded(high),
        **{kind: None if value is None else _rounded(value) for kind, value in middle.items()},
    }


def _median(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return _rounded(np.median(known)) if len(known) else None


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 3)


def silent(made: Sequence[Window], excerpts: Sequence[Excerpt], classes: Sequence[PartClass]) -> dict[str, list[int]]:
    """The parts that were asked for and did not play: in how many windows, of how many."""
    out: dict[str, list[int]] = {}
    for window, excerpt in zip(made, excerpts, strict=True):
        played = {part.name.lower() for part in window.piece.parts}
        for index in excerpt.players:
            row = out.setdefault(classes[index].name, [0, 0])
            row[0] += classes[index].name.lower() not in played
            row[1] += 1
    return {part: row for part, row in out.items() if row[0]}


def continued(prompt: Piece, continuation: Piece, excerpt: Excerpt) -> Piece:
    """A prompt and its continuation as one piece."""
    offset = PROMPT * excerpt.metre.bar_beats
    parts = [Part(part.name, part.program, part.drum, list(part.notes)) for part in prompt.parts]
    by_name = {part.name.lower(): part for part in parts}
    for part in continuation.parts:
        own = by_name.get(part.name.lower())
        if own is None:
            own = by_name[part.name.lower()] = Part(part.name, part.program, part.drum)
            parts.append(own)
        own.notes += [replace(note, start=note.start + offset) for note in part.notes]
    return Piece(parts, list(prompt.tempos), list(prompt.metres))


def similarities(pieces: dict[str, Piece], excerpt: Excerpt, bars: int) -> dict[str, Floats]:
    """Self-similarity of the prompt with the real bars, of the prompt with its continuation, and from nothing."""
    beats = excerpt.metre.bar_beats
    return {
        REAL: self_similarity(continued(excerpt.prompt, pieces[REAL], excerpt), PROMPT + bars, beats),
        CONTINUED: self_similarity(continued(excerpt.prompt, pieces[CONTINUED], excerpt), PROMPT + bars, beats),
        NOTHING: self_similarity(pieces[NOTHING], bars, beats),
    }


def runs(notes: Iterable[Note], drum: bool) -> list[int]:
    """A hash of each run of RUN notes of a part: intervals, waits and lengths, whatever the transposition.

    Drums have no intervals and no lengths: their strokes and waits. Runs of fewer than PLAIN different steps are left
    out.
    """
    line = sorted((snapped(n.start), n.pitch, n.duration) for n in notes)
    steps = [
        (pitch, after - at) if drum else (high - pitch, after - at, round(length * 4))
        for (at, pitch, length), (after, high, _) in pairwise(line)
    ]
    grams = [tuple(steps[i : i + RUN - 1]) for i in range(len(steps) - RUN + 2)]
    return [hash(gram) for gram in grams if len(set(gram)) >= PLAIN]


def known_runs(training: Iterable[Piece]) -> frozenset[int]:
    """The `runs` of every part of the training pieces."""
    return frozenset(value for piece in training for part in piece.parts for value in runs(part.notes, part.drum))


def copied(
    model: str,
    known: frozenset[int],
    count: int,
    bars: int,
    workers: int = WORKERS,
    progress: Progress | None = None,
) -> dict[str, int]:
    """How many of ``count`` pieces of ``bars`` bars from nothing hold a run that is among ``known``, and which runs.

    ``pieces``, ``holding`` (pieces), ``runs`` and ``known`` (runs) are counts.
    """
    out = {"pieces": count, "bars": bars, "holding": 0, "runs": 0, "known": 0}
    workers = min(workers, os.cpu_count() or 1)
    pool = None
    if workers > 1:
        pool = ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(model, (), bars)
        )
    else:
        _begin(model, (), bars)
    for done, found in enumerate((pool.map if pool else map)(_runs_of, range(count)), 1):
        again = sum(value in known for value in found)
        out["runs"] += len(found)
        out["known"] += again
        out["holding"] += bool(again)
        if progress:
            progress(done, count)
    if pool:
        pool.shutdown()
    return out


def _runs_of(index: int) -> list[int]:
    """The runs of a piece from nothing, of a seed that no window has."""
    assert _worker is not None
    made = _worker.muse.generate(_worker.bars, seed=UNSEEN + index)
    return [value for part in made.parts for value in runs(part.notes, part.drum)]


def copies(found: dict[str, list[Window]], excerpts: Sequence[Excerpt], training: Iterable[Piece]) -> dict[str, Any]:
    """Share of runs that are in a training piece but not in the prompt, and the windows that hold one."""
    known = known_runs(training)
    out = {}
    for kind in KINDS:
        total = copied = holding = 0
        for window, excerpt in zip(found[kind], excerpts, strict=True):
            heard: set[int] = set()
            if kind == CONTINUED:
                heard = {value for part in excerpt.prompt.parts for value in runs(part.notes, part.drum)}
            own = [v for part in window.piece.parts for v in runs(part.notes, part.drum) if v not in heard]
            again = sum(value in known for value in own)
            total, copied, holding = total + len(own), copied + again, holding + bool(again)
        out[kind] = {"runs": total, "share": round(copied / max(1, total), 5), "windows": holding}
    return out
