"""Key and chord as states of a hidden Markov model: chords are degrees of a key, notes are what a chord lets be heard.

A state is (tonic 0-11, mode 0 major or 1 minor, degree 0-59), where a degree is the root above the tonic times 5 plus
one of QUALITIES. A segment is half a bar. The tables were learned on lead sheets: `rnnmuse.train.harmony`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from rnnmuse.music.piece import Key
from rnnmuse.music.theory import PITCH_NAMES

QUALITIES = ("", "m", "7", "m7", "dim")
"""The suffixes of the chords that are told apart."""
DEGREES = 12 * len(QUALITIES)
TRIADS = ((0, 4, 7), (0, 3, 7), (0, 4, 7), (0, 3, 7), (0, 3, 6))
PLACES = 3
"""Where in a segment a note begins: at or before its start, on a later beat, between beats."""
FULL = 9.0
"""Nats of the likeness of a whole chord that is heard to the chord of a state."""

Array = NDArray[np.float64]

_ABSOLUTE = (np.arange(DEGREES)[None] // 5 + np.arange(12)[:, None]) % 12 * 5 + np.arange(DEGREES)[
    None
] % 5  # [tonic, degree]

_SEVENTHS = (None, None, 10, 10, None)
_TONES = np.zeros((DEGREES, 12))
for _chord in range(DEGREES):
    _steps = [*TRIADS[_chord % 5], *([10] if _SEVENTHS[_chord % 5] else [])]
    _TONES[_chord, [(_chord // 5 + _step) % 12 for _step in _steps]] = 1


HAS = np.zeros((12, 3, 12), bool)
"""Whether the triad on a root (major, minor, diminished) has a pitch class."""
for _root in range(12):
    for _kind, _triad in enumerate(((0, 4, 7), (0, 3, 7), (0, 3, 6))):
        HAS[_root, _kind, [(_root + _step) % 12 for _step in _triad]] = True


@dataclass(frozen=True, slots=True)
class Tables:
    """What was learned, as probabilities; logarithms where named so.

    ``emission`` (2, 60, 3, 12): log of pitch classes above the tonic, by mode, degree and place. ``degree`` (2, 60).
    ``moves`` (2, 2, 60, 60): from one degree to the next, by mode and by whether the segment begins within a bar.
    ``first`` (2, 60), ``mode`` (2,).
    """

    emission: Array
    degree: Array
    moves: Array
    first: Array
    mode: Array
    weights: Array
    """Of the places in a segment (3), and the exponent of a note's beats."""
    modulation: float
    """Probability that the key changes from one segment to the next."""

    @classmethod
    def load(cls, path: str | None = None) -> Tables:
        """The tables that ship, or those in a file."""
        source = path or str(files("rnnmuse.play").joinpath("data/harmony.npz"))
        with np.load(source) as saved:
            found = {name: saved[name].astype(np.float64) for name in saved.files}
        for name in ("degree", "first", "mode"):
            found[name] /= found[name].sum(-1, keepdims=True)
        found["moves"] += 1e-7  # half floats know nothing as small
        found["moves"] /= found["moves"].sum(-1, keepdims=True)
        return cls(**{**found, "modulation": float(found["modulation"])})


@lru_cache(maxsize=1)
def tables() -> Tables:
    """The tables that ship."""
    return Tables.load()


@dataclass(slots=True)
class Segment:
    """Half a bar, ``within`` a bar or at its line, and the beats heard of each pitch class by place."""

    within: bool = False
    heard: Array = None  # type: ignore[assignment]
    """(3, 12), by place and pitch class, in beats; None before the first note."""
    bass: int = -1
    """The lowest pitch class where several notes sound at once; -1 where none is known."""
    full: bool = False
    """Whether whole chords were heard in it."""

    def __post_init__(self) -> None:
        if self.heard is None:
            self.heard = np.zeros((PLACES, 12))


def likelihood(t: Tables, segment: Segment) -> Array:
    """Log-likelihood (12, 2, 60) of what a segment has, up to a constant."""
    weight = np.minimum(segment.heard, 2.0) ** t.weights[3] * t.weights[:3, None]
    weight[segment.heard <= 0] = 0
    turned = np.stack([np.roll(weight, -tonic, axis=1).ravel() for tonic in range(12)])
    out = turned @ t.emission.reshape(2 * DEGREES, -1).T
    out = out.reshape(12, 2, DEGREES)
    if segment.full:
        share = segment.heard.sum(0) / segment.heard.sum()
        fit = share @ _TONES.T - 0.6 * (share @ (1 - _TONES).T) - 0.12 * (_TONES.sum(1) - 3)
        fit -= 0.12 * ((share < 0.04)[None] & (_TONES > 0)).sum(1)
        out = out + FULL * fit[_ABSOLUTE][:, None]
    if segment.bass >= 0:
        out += _bass_fit(segment.bass)[:, None]
    return np.asarray(out)


@lru_cache(maxsize=12)
def _bass_fit(bass: int) -> Array:
    """Log-likelihood (12, 60) of a bass: most often the root, less often the third or fifth."""
    chord = np.arange(DEGREES)
    above = (bass - chord // 5) % 12
    third, fifth = (np.array([triad[i] for triad in TRIADS])[chord % 5] for i in (1, 2))
    fit = np.where(above == 0, 0.62, np.where((above == third) | (above == fifth), 0.13, 0.12 / 9))
    return np.asarray(np.log(fit)[_ABSOLUTE])


def opening(t: Tables, key: Key | None = None) -> Array:
    """Probability (12, 2, 60) of each state in the first segment, in a key where one is given."""
    out = np.broadcast_to(t.mode[:, None] * t.first, (12, 2, DEGREES)) / 12
    return only(out, key)


def only(state: Array, key: Key | None) -> Array:
    """The probabilities within one key; all where there is none."""
    if key is None:
        return np.array(state)
    out = np.zeros_like(state)
    out[key.tonic, int(key.minor)] = np.maximum(state[key.tonic, int(key.minor)], 1e-12)
    return np.asarray(out / out.sum())


def ahead(t: Tables, state: Array, within: bool, key: Key | None = None) -> Array:
    """Probabilities one segment later; ``within`` says that it begins within a bar."""
    out = np.empty_like(state)
    for mode in (0, 1):
        out[:, mode] = state[:, mode] @ t.moves[mode, int(within)]
    if key is not None:
        return only(out, key)
    keys = state.sum(2)
    others = (keys.sum() - keys) / 23
    return np.asarray((1 - t.modulation) * out + t.modulation * others[:, :, None] * t.degree[None])


def heard(state: Array, fit: Array) -> Array:
    """Probabilities after a segment with this log-likelihood."""
    out = state * np.exp(fit - fit.max())
    total = out.sum()
    return np.asarray(out / total) if total > 0 else state


def smoothed(t: Tables, segments: Sequence[Segment], key: Key | None = None) -> list[Array]:
    """Probabilities of each segment's state given all of them (forward and backward)."""
    fits = [likelihood(t, segment) for segment in segments]
    state, forward = opening(t, key), list[Array]()
    for index, segment in enumerate(segments):
        if index:
            state = ahead(t, state, segment.within, key)
        state = heard(state, fits[index])
        forward.append(state)
    back = np.ones_like(state)
    out = [state]
    for index in range(len(segments) - 1, 0, -1):
        seen = np.exp(fits[index] - fits[index].max()) * back
        earlier = np.empty_like(seen)
        for mode in (0, 1):
            earlier[:, mode] = seen[:, mode] @ t.moves[mode, int(segments[index].within)].T
        if key is None:
            earlier = (1 - t.modulation) * earlier + t.modulation * float((seen * t.degree[None]).sum()) / 23
        back = earlier / earlier.max()
        both = forward[index - 1] * back
        out.append(both / both.sum())
    return out[::-1]


def keys_of(state: Array) -> Array:
    """Probability (24,) of each key, the major ones first."""
    return np.asarray(state.sum(2).T.ravel())


def chords_of(state: Array) -> Array:
    """Probability (60,) of each chord: root times 5 plus quality."""
    by_tonic = state.sum(1)
    out = np.zeros(DEGREES)
    for tonic in range(12):
        out[_ABSOLUTE[tonic]] += by_tonic[tonic]
    return out


def triads_of(chords: Array) -> Array:
    """The same with each seventh counted as its triad, (12, 3): major, minor, diminished on each root."""
    by_root = chords.reshape(12, 5)
    return np.stack([by_root[:, 0] + by_root[:, 2], by_root[:, 1] + by_root[:, 3], by_root[:, 4]], axis=1)


def best_chord(chords: Array) -> tuple[int, int, float]:
    """Root, quality and probability of the likeliest chord: first the triad, then whether it has its seventh."""
    triads = triads_of(chords)
    root, kind = divmod(int(triads.argmax()), 3)
    by_root = chords.reshape(12, 5)[root]
    quality = 4 if kind == 2 else kind + (2 if by_root[kind + 2] > by_root[kind] else 0)
    return root, quality, float(triads[root, kind])


def within_scale(chords: Array, scale: frozenset[int]) -> Array:
    """The probabilities of the chords whose tones all lie in a scale; all of them where none does."""
    keep = _TONES[:, [pc for pc in range(12) if pc not in scale]].sum(1) == 0
    return np.asarray(np.where(keep, chords, 0.0)) if keep.any() else chords


def chord_name(root: int, quality: int) -> str:
    """``Am7``."""
    return PITCH_NAMES[root % 12] + QUALITIES[quality]


def triad_only(state: Array, root: int, kind: int) -> Array:
    """The probabilities of the states whose chord is one triad (kind 0 major, 1 minor, 2 diminished)."""
    qualities = ((0, 2), (1, 3), (4,))[kind]
    keep = (root % 12 == _ABSOLUTE // 5) & np.isin(_ABSOLUTE % 5, qualities)
    out = state * keep[:, None]
    total = out.sum()
    return np.asarray(out / total) if total > 0 else out
