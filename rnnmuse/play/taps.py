"""A kit part for a tapped rhythm: bars that are tapped alike are alike, and then get their ornaments."""

from __future__ import annotations

from random import Random

import numpy as np

from rnnmuse.models.groove import GrooveModel, level_of, taps_of
from rnnmuse.music.phrases import BAR, Grid

PHRASE = 4
"""Period, in bars, of the bars that have an ornament."""
ORNAMENT = 0.12
"""Share of a bar's strokes that its ornament adds at most."""


def kit_of(groove: GrooveModel, grid: Grid, random: Random, tempo: float = 120.0) -> Grid:
    """A kit part (T, 9, 3) for the strokes of ``grid`` (T, 9, 3), whatever they are struck on.

    Of the bars that are tapped alike the one that is most like the others is taken for all. The last bar of each
    phrase then gets some strokes of its own. The velocity and timing of each stroke are sampled again.
    """
    taps = taps_of(grid)
    made = groove.from_taps(taps, random, tempo)
    hits = made[..., 0].reshape(-1, BAR, made.shape[1]) > 0
    own = hits.copy()
    tapped = (taps[:, 0].reshape(-1, BAR) > 0).astype(np.int8)
    for pattern in np.unique(tapped, axis=0):
        bars = np.flatnonzero((tapped == pattern).all(1)).tolist()
        if len(bars) > 1:
            alike = [sum(_jaccard(own[a], own[b]) for b in bars) for a in bars]
            hits[bars] = own[bars[int(np.argmax(alike))]]
            for bar in bars:
                if bar % PHRASE == PHRASE - 1:
                    _ornament(hits[bar], own[bar], random)
    plain = made.copy()
    plain[..., 0] = hits.reshape(len(grid), -1)
    return groove.humanise(plain, random, tempo, level=level_of(made))


def _ornament(bar: np.ndarray, own: np.ndarray, random: Random) -> None:
    """Add to a bar some of the strokes that were drawn for it alone."""
    places = np.argwhere(own & ~bar).tolist()
    random.shuffle(places)
    for step, drum in places[: int(ORNAMENT * bar.sum())]:
        bar[step, drum] = True


def _jaccard(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum()) / max(1, int((a | b).sum()))
