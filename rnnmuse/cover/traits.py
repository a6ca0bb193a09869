"""What a piece of music asks of its picture: a stated map, the same for the same piece and seed.

Nine traits are measured on the piece and brought to about -1 to 1 (`Traits`). `WISHES` says what each asks of the
picture. What traits do not tell apart, two tunes in one key, the `profile_of` the notes does: how often each degree,
melodic step and note length comes. The latent is a smooth function of both: random Fourier features (Rahimi and Recht
2007), so that the correlation of two pieces' latents is exp(-d² / 2 r² - p² / 2 q²), d the distance of their traits, p
that of their profiles, r REACH and q PROFILE_REACH: near pieces have near pictures, and the seed chooses the features.
From three means of the profile alone comes a tone of its own (`tone_of`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rnnmuse.errors import RnnmuseError
from rnnmuse.models.cover import ABSTRACT, ATTRIBUTES, CONDITIONS
from rnnmuse.music.piece import Piece
from rnnmuse.music.theory import estimate_key, scale_pitch_classes

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Traits:
    """Music in nine numbers, each about -1 to 1, 0 the middle of the road.

    - mode: 1 major, -1 minor
    - fifths_x, fifths_y: the tonic on the circle of fifths, C at (0, 1), G clockwise of it
    - tempo: 60 bpm -1, 120 bpm 0, 240 bpm 1
    - density: onsets a second, 1 is -1, 3 is 0, 9 is 1
    - register: mean pitch, an octave and a half about middle C
    - span: how far the pitches spread
    - dynamics: mean velocity, 40 is -1, 80 is 0, 120 is 1
    - chromaticism: share of notes outside the key, none is -1, a fifth is 1
    """

    mode: float = 0.0
    fifths_x: float = 0.0
    fifths_y: float = 0.0
    tempo: float = 0.0
    density: float = 0.0
    register: float = 0.0
    span: float = 0.0
    dynamics: float = 0.0
    chromaticism: float = 0.0

    def vector(self) -> Array:
        """The traits in their order, (9,)."""
        return np.array(astuple(self), np.float32)


NAMES = tuple(field.name for field in fields(Traits))

WISHES: dict[str, dict[str, float]] = {
    "mode": {"brightness": 0.5, "warmth": 0.5},
    "fifths_x": {"warmth": -0.5, "tint": 0.3},
    "fifths_y": {"tint": 0.5},
    "tempo": {"contrast": 0.5, "detail": 0.4},
    "density": {"detail": 0.8},
    "register": {"brightness": 0.6, "sky": 0.6},
    "span": {"variety": 0.5},
    "dynamics": {"contrast": 0.7, "variety": 0.3},
    "chromaticism": {"variety": 0.3, "abstract": 0.35},
}
"""What one unit of a trait adds to each attribute, in units of the attribute's spread over the training pictures; to
``abstract``, which begins at 0.35, in shares."""

MOODS: dict[str, dict[str, float]] = {
    "calm": {"detail": -1.2, "contrast": -0.8},
    "stormy": {"contrast": 1.2, "detail": 1.0, "brightness": -0.5},
    "dark": {"brightness": -1.3, "sky": -0.3},
    "bright": {"brightness": 1.3, "variety": 0.4},
    "warm": {"warmth": 1.3},
    "cold": {"warmth": -1.4},
    "colourful": {"variety": 1.5},
    "muted": {"variety": -1.2, "contrast": -0.4},
    "dreamy": {"detail": -1.0, "brightness": 0.6, "abstract": 0.4},
}
"""What a mood adds, in the same units."""


REACH = 4.4
"""Distance of traits over which pictures lose their likeness."""
PROFILE_REACH = 1.0
"""The same for profiles; those of two tunes are about 0.6 apart."""
DEGREES, STEPS, GAPS = 12, 15, 8
PROFILE = DEGREES + STEPS + GAPS
EIGHTHS = 2
"""The place of eighth notes among the gaps."""
TONE = 1.6
"""Spread of what the notes themselves add, in units of the attributes' spread."""
SEEDED = 0.6
"""Spread of what a seed adds."""


def traits_of(piece: Piece) -> Traits:
    """The traits of a piece; RnnmuseError where it has no notes."""
    notes = piece.notes
    if not notes:
        raise RnnmuseError("the piece has no notes: there is nothing to make a cover from")
    pitched = [n for n in notes if not piece.parts[n.part].drum]
    seconds = max(0.1, piece.seconds_at(piece.end))
    onsets = len({round(n.start * 24) for n in notes})
    tempo = 60 * piece.end / seconds  # the mean over its changes
    speed = math.log2(max(20.0, min(400.0, tempo)) / 120)
    busy = math.log(max(0.1, onsets / seconds) / 3, 3)
    loud = (float(np.mean([n.velocity for n in notes])) - 80) / 40
    if not pitched:
        return Traits(tempo=_soft(speed), density=_soft(busy), dynamics=_soft(loud), span=-1.0)
    key = piece.keys[0] if piece.keys else estimate_key(pitched)
    scale = scale_pitch_classes(key.tonic, "harmonic minor" if key.minor else "major")
    outside = sum(n.pitch % 12 not in scale for n in pitched) / len(pitched)
    pitches = np.array([n.pitch for n in pitched], np.float64)
    turn = 2 * math.pi * ((key.tonic * 7 + (9 if key.minor else 0)) % 12) / 12  # minor keys by their relative major
    return Traits(
        mode=-1.0 if key.minor else 1.0,
        fifths_x=math.sin(turn),
        fifths_y=math.cos(turn),
        tempo=_soft(speed),
        density=_soft(busy),
        register=_soft((float(pitches.mean()) - 62) / 12),
        span=_soft((float(pitches.std()) - 11) / 6),
        dynamics=_soft(loud),
        chromaticism=_soft(min(1.0, outside / 0.1 - 1)),
    )


def _soft(value: float) -> float:
    """Bounded by ±1.5, straight in the middle."""
    return 1.5 * math.tanh(value / 1.5)


def conditions_of(traits: Traits, mood: str = "", strength: float = 1.0) -> Array:
    """What the picture is asked for, (CONDITIONS,): the sum of the traits' WISHES and the mood's, times ``strength``.

    ValueError names a mood that is not known; several are joined by ``+``, as in ``dark+calm``.
    """
    asked = dict.fromkeys([*ATTRIBUTES, "abstract"], 0.0)
    for name, value in zip(NAMES, astuple(traits), strict=True):
        for attribute, weight in WISHES[name].items():
            asked[attribute] += value * weight
    for word in filter(None, mood.lower().replace(" ", "").split("+")):
        if word not in MOODS:
            raise ValueError(f"mood: {word!r}; must be of {', '.join(MOODS)}, or some joined by +")
        for attribute, weight in MOODS[word].items():
            asked[attribute] += weight
    out = np.zeros(CONDITIONS, np.float32)
    out[:ABSTRACT] = np.clip([strength * asked[name] for name in ATTRIBUTES], -2.5, 2.5)
    out[ABSTRACT] = np.clip(0.35 + asked["abstract"], 0, 1)
    return out


def profile_of(piece: Piece) -> Array:
    """How often a piece has each of 12 degrees above its tonic, of 15 steps of its upper line (-7 to 7 semitones and
    beyond) and of 8 gaps between onsets (a sixteenth to two bars, by factors of √2 and beyond): (PROFILE,).

    Roots of shares, as in Hellinger's distance: two profiles are 0 to √2 apart. All 0 for a piece without notes.
    """
    notes = [n for n in piece.notes if not piece.parts[n.part].drum] or piece.notes
    if not notes:
        return np.zeros(PROFILE, np.float32)
    tonic = (piece.keys[0] if piece.keys else estimate_key(notes)).tonic
    top: dict[int, int] = {}
    for note in notes:
        at = round(note.start * 24)
        top[at] = max(note.pitch, top.get(at, 0))
    onsets = sorted(top)
    steps = [max(-7, min(7, top[b] - top[a])) + 7 for a, b in pairwise(onsets)]
    gaps = [max(0, min(GAPS - 1, round(2 * math.log2((b - a) / 24) + 4))) for a, b in pairwise(onsets)]
    counts = ([(n.pitch - tonic) % 12 for n in notes], DEGREES), (steps, STEPS), (gaps, GAPS)
    shares = [np.bincount(np.array(values, int), minlength=size) / max(1, len(values)) for values, size in counts]
    return np.sqrt(np.concatenate(shares) / 3).astype(np.float32)


def latent_of(traits: Traits, seed: int, length: int, profile: Sequence[float] = ()) -> Array:
    """The latent of a piece, (length,), each entry of mean 0 and spread 1 over pieces; of the traits alone without a
    profile.

    √2 cos(w·t / r + v·p / q + b), w and v standard normal and b uniform drawn by the seed: latents of traits t, t' and
    profiles p, p' correlate by exp(-|t - t'|² / 2 r² - |p - p'|² / 2 q²).
    """
    rng = np.random.default_rng((seed, 2))
    turn = rng.standard_normal((length, len(NAMES))) @ (traits.vector() / REACH) + rng.uniform(0, 2 * math.pi, length)
    return _features(turn, rng, profile)


def tone_of(profile: Sequence[float], seed: int) -> Array:
    """What the notes themselves add to the conditions, (CONDITIONS,), nothing without a profile.

    Longer gaps between onsets are brighter, fewer even eighths warmer, and larger steps of the upper line and notes
    outside the major scale greener; every seed but 1 adds a mood of its own, the same for all pieces.
    """
    out = np.zeros(CONDITIONS, np.float32)
    if not len(profile):
        return out
    shares = 3 * np.square(np.asarray(profile, np.float64))
    degrees, steps, gaps = np.split(shares, (DEGREES, DEGREES + STEPS))
    gap = (float(gaps @ np.arange(GAPS)) - 2.6) / 1.4
    leap = (float(steps @ np.abs(np.arange(STEPS) - STEPS // 2)) - 3.1) / 1.2
    outside = (1 - float(degrees[[0, 2, 4, 5, 7, 9, 11]].sum()) - 0.15) / 0.12
    eighths = (math.sqrt(float(gaps[EIGHTHS])) - 0.49) / 0.29
    for name, value in (("brightness", gap), ("warmth", -eighths), ("tint", (outside + leap) / 2)):
        out[ATTRIBUTES.index(name)] = TONE * _soft(value)
    if seed != 1:
        out[:ABSTRACT] += np.random.default_rng((seed, 5)).normal(0, SEEDED, ABSTRACT)
    return out


def _features(turn: NDArray[np.floating], rng: np.random.Generator, profile: Sequence[float]) -> Array:
    if len(profile):
        turn = turn + rng.standard_normal((len(turn), PROFILE)) @ (np.asarray(profile) / PROFILE_REACH)
    return np.asarray(math.sqrt(2) * np.cos(turn), np.float32)


def traits_of_seed(seed: int) -> Traits:
    """Traits drawn for a seed, where there is no music."""
    rng = np.random.default_rng((seed, 3))
    turn = rng.uniform(0, 2 * math.pi)
    rest = np.clip(rng.normal(0, 0.6, 6), -1.5, 1.5)
    return Traits(float(rng.choice([-1, 1])), math.sin(turn), math.cos(turn), *map(float, rest))
