"""The keys that a piece passes through, followed with hysteresis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnnmuse.events import Note
from rnnmuse.music.piece import Key
from rnnmuse.music.theory import KEY_PROFILES

_PROFILES = np.array(KEY_PROFILES)
WINDOW = 16.0
HOP = 4.0
CHANGE = 0.6
"""What a change of key costs, in units of correlation summed over windows: short excursions are not followed."""


def key_fits(notes: Sequence[Note], starts: NDArray[np.float64], window: float = WINDOW) -> NDArray[np.float64]:
    """Correlation (W, 24) of each window's pitch classes with the profiles of 12 major and 12 minor keys."""
    weight = np.zeros((len(starts), 12))
    begins = np.array([n.start for n in notes])
    ends = np.array([n.end for n in notes])
    classes = np.array([n.pitch % 12 for n in notes])
    for index, start in enumerate(starts):
        heard = np.minimum(ends, start + window) - np.maximum(begins, start)
        inside = heard > 0
        np.add.at(weight[index], classes[inside], heard[inside])
    centred = weight - weight.mean(1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    fits = centred @ _PROFILES.T / np.maximum(norm, 1e-9)
    fits[norm[:, 0] < 1e-9] = 0
    return np.asarray(fits)


def follow_keys(notes: Sequence[Note], change: float = CHANGE) -> list[Key]:
    """The keys of ``notes`` (no drums) from beat 0 on, at least one; C major for no notes.

    Krumhansl-Schmuckler in windows of 16 beats, joined by the best path (Viterbi) with a cost for each change, as in
    Temperley, The Cognition of Basic Musical Structures (2001), ch. 7.
    """
    if not notes:
        return [Key(0.0, 0)]
    end = max(n.end for n in notes)
    starts = np.arange(min(n.start for n in notes), max(end - WINDOW / 2, 1e-3), HOP)
    fits = key_fits(notes, starts if len(starts) else np.array([0.0]))
    score, back = fits[0].copy(), []
    for row in fits[1:]:
        best = int(score.argmax())
        moved = score[best] - change
        back.append(np.where(score >= moved, np.arange(24), best))
        score = np.maximum(score, moved) + row
    path = [int(score.argmax())]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    out: list[Key] = []
    for start, index in zip(starts, path[::-1], strict=False):
        beat = float(start + (WINDOW - HOP) / 2) if out else 0.0
        if not out or (out[-1].tonic, out[-1].minor) != (index % 12, index >= 12):
            out.append(Key(beat, index % 12, index >= 12))
    return out or [Key(0.0, path[0] % 12, path[0] >= 12)]
