"""What can be said of a phrase in a word and a number: how dense, how high, how syncopated, which way it goes, how far
it is from another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnmuse.music.phrases import BAR, DRUMS, HOLD, ONSET, VELOCITIES, Grid

MELODY_AXES = ("density", "register", "syncopation", "contour")
DRUM_AXES = ("density", "syncopation", "brightness", "loudness")

_WEIGHT = np.array([0, -4, -3, -4, -2, -4, -3, -4, -1, -4, -3, -4, -2, -4, -3, -4])
_BRIGHT = [DRUMS.index(name) for name in ("closed hat", "open hat", "crash", "ride")]


def axes_of(drum: bool) -> tuple[str, ...]:
    """Names of the attributes of drum or melody phrases."""
    return DRUM_AXES if drum else MELODY_AXES


def attributes(grid: Grid) -> tuple[float, ...]:
    """The values of a phrase on its axes, in the order of MELODY_AXES or DRUM_AXES.

    - density: notes (of drums strokes) a bar.
    - register: mean MIDI pitch of the notes.
    - syncopation: that of Longuet-Higgins and Lee (1984) a bar: for each note that is followed by a stronger place
      at which nothing starts, how much stronger; of drums, of kick and snare together.
    - contour: slope of the line through the pitches, in semitones a bar; above 0 it rises.
    - brightness: share of hi-hats and cymbals among the strokes. loudness: mean MIDI velocity of the strokes.

    A phrase without notes has zeros.
    """
    bars = len(grid) / BAR
    if grid.ndim == 3:
        hit = grid[..., 0] > 0
        count = int(hit.sum())
        if not count:
            return (0.0,) * len(DRUM_AXES)
        loud = float(grid[..., 1][hit].mean()) * 128 / VELOCITIES + 2
        return (count / bars, syncopation(np.asarray(hit[:, :2].any(1))), float(hit[:, _BRIGHT].sum()) / count, loud)
    on = grid[:, 0] >= ONSET
    at = np.flatnonzero(on)
    if not len(at):
        return (0.0,) * len(MELODY_AXES)
    pitches = grid[at, 0].astype(float) - ONSET
    centred = at - at.mean()
    spread = float((centred**2).sum())
    slope = float((centred * pitches).sum()) / spread * BAR if spread else 0.0
    return (len(at) / bars, float(pitches.mean()), syncopation(on), slope)


def syncopation(on: NDArray[np.bool_]) -> float:
    """Syncopation a bar of onsets (T,), the phrase taken as a loop."""
    at = np.flatnonzero(on)
    total = 0
    for index, step in enumerate(at.tolist()):
        following = int(at[index + 1]) if index + 1 < len(at) else int(at[0]) + len(on)
        between = np.arange(step + 1, following) % BAR
        if len(between):
            total += max(0, int(_WEIGHT[between].max()) - int(_WEIGHT[step % BAR]))
    return total / (len(on) / BAR)


def distance(a: Grid, b: Grid) -> float:
    """How differently two phrases sound, 0 to 1: half by when notes start, half by what sounds.

    What sounds differs by its interval, an octave or more (or a note against a rest) counting 1. Of drums it is the
    share of hits that only one of them has.
    """
    if a.ndim == 3:
        one, two = a[..., 0] > 0, b[..., 0] > 0
        return float((one ^ two).sum()) / max(1, int((one | two).sum()))
    starts = np.mean((a[:, 0] >= ONSET) != (b[:, 0] >= ONSET))
    here, there = sounding(a), sounding(b)
    apart = np.where((here < 0) != (there < 0), 12, np.minimum(12, np.abs(here - there)))
    return float((starts + apart.mean() / 12) / 2)


def sounding(grid: Grid) -> NDArray[np.int64]:
    """The pitch that sounds at each step, -1 in a rest."""
    out = np.full(len(grid), -1)
    now = -1
    for t, step in enumerate(grid[:, 0].tolist()):
        now = now if step == HOLD else step - ONSET if step >= ONSET else -1
        out[t] = now
    return out
