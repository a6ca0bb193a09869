"""What may be played: musical limits as masks on the heads of a stream model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnmuse.music.codec import GRID
from rnnmuse.music.piece import Key, Piece
from rnnmuse.music.theory import parse_chord, scale_pitch_classes
from rnnmuse.play.harmony import HalfBar, Harmony

Mask = NDArray[np.bool_]
LEANINGS = 256  # keys with chords whose leaning is kept


@dataclass(frozen=True, slots=True)
class Constraints:
    """Limits on what is generated; each is off where it is None.

    ``scale``: pitch classes 0-11. ``low``, ``high``: MIDI notes 0-127, both allowed. ``polyphony``: notes that
    sound at once in one part. ``density``: at most so many note-ons a beat, in each bar. ``parts``: indexes of the
    model's part classes that play. ``chord_tones``: notes that start on a strong beat are tones of the piece's
    chord there. ``longest``: beats after which a note is ended. ``rest``: beats of silence at most. ``ranges``: lowest
    and highest note by part. ``voices``:
    ``polyphony`` by part, where it differs. ``together``, ``sounding``: notes of all parts that start at one grid
    position, and that sound, at most. ``gravity``: nats by which pitches outside the piece's key are less likely;
    the raised seventh of minor and the tones of the chord are not. ``clash``: nats by which a pitch is less likely
    a semitone from one that begins together with it, in any octave. ``register``: how strongly a part whose last
    notes lie outside the model's register comes back (a third of a nat an octave for each semitone outside, at 1).
    ``again``: nats by which the pitches that a part began last are less likely to begin again next, but where a bar
    is restated as it was. ``stepwise``: nats by which a part's top line rather moves by step, and as many by which it
    goes on in the direction of its last move. Drums know only ``density``, ``parts`` and ``rest``.
    """

    scale: frozenset[int] | None = None
    low: int = 0
    high: int = 127
    polyphony: int | None = None
    density: float | None = None
    parts: frozenset[int] | None = None
    chord_tones: bool = False
    longest: float | None = 16.0
    rest: float | None = 4.0
    ranges: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    voices: Mapping[int, int] = field(default_factory=dict)
    together: int = 16
    sounding: int = 32
    gravity: float = 0.0
    clash: float = 0.0
    register: float = 0.0
    again: float = 0.0
    stepwise: float = 0.0

    def __post_init__(self) -> None:
        if self.scale is not None and not (self.scale and all(0 <= pc <= 11 for pc in self.scale)):
            raise ValueError(f"scale: {sorted(self.scale)}; must be pitch classes 0 to 11, at least one")
        if not 0 <= self.low <= self.high <= 127:
            raise ValueError(f"low, high: {self.low}, {self.high}; must be 0 to 127, low not above high")
        if self.scale is not None and not any(p % 12 in self.scale for p in range(self.low, self.high + 1)):
            raise ValueError(f"low, high: {self.low}, {self.high}; no note of the scale lies between them")
        if self.polyphony is not None and self.polyphony < 1:
            raise ValueError(f"polyphony: {self.polyphony}; must be at least 1")
        for name in ("together", "sounding"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)}; must be at least 1")
        for name in ("density", "longest", "rest"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}: {value}; must be above 0")
        if self.parts is not None and not self.parts:
            raise ValueError("parts: none; at least one part must play")


class Rules:
    """Constraints made ready for one piece: masks by part and grid position.

    ``harmony`` is that of a stage, in place of the piece's keys and chords: its given chords hold, those that it heard
    from a confidence of ``sure`` on.
    """

    def __init__(
        self,
        constraints: Constraints,
        piece: Piece,
        drums: int,
        parts: int,
        bass: int = -1,
        pitches: Mapping[int, frozenset[int]] | None = None,
        harmony: Harmony | None = None,
        sure: float = 1.0,
    ) -> None:
        self._known = pitches or {}
        self._harmony, self._sure = harmony, sure
        self.constraints, self.drums, self.bass = constraints, drums, bass
        chosen = constraints.parts if constraints.parts is not None else range(parts)
        self.parts = frozenset(part for part in chosen if 0 <= part < parts)
        if not self.parts:
            raise ValueError(f"parts: {sorted(chosen)}; the model has parts 0 to {parts - 1}")
        self._free = np.ones(128, np.bool_)
        self._pitched = {part: self._pitch_mask(part) for part in self.parts}
        self._chords = (
            [(round(c.beat * GRID), *_classes(c.text)) for c in piece.chords] if constraints.chord_tones else []
        )
        self._leaning: dict[tuple[int, bool, frozenset[int]], NDArray[np.float32]] = {}
        self._piece = piece
        self._tones: dict[tuple[int, frozenset[int]], Mask] = {}

    def _pitch_mask(self, part: int) -> Mask:
        known = self._free.copy()
        if part in self._known:
            known[:] = False
            known[sorted(self._known[part])] = True
        if part == self.drums:
            return known
        c = self.constraints
        low, high = c.ranges.get(part, (0, 127))
        pitches = np.arange(128)
        mask = (pitches >= max(low, c.low)) & (pitches <= min(high, c.high))
        if c.scale is not None:
            mask &= np.isin(pitches % 12, list(c.scale))
        return mask & known if (mask & known).any() else mask  # what is asked for outranks what is known

    def pitches(self, part: int, grid: int, lowest: bool = False) -> Mask:
        """Pitches (128,) that may start in ``part`` at a grid position, whatever sounds.

        ``lowest`` says that the note will be the lowest that begins there in its part: where a chord begins, and at a
        bar line, it is the chord's bass if the part has the bass.
        """
        own = self._pitched[part]
        if part == self.drums or not (self._chords or self._harmony):
            return own
        at, tones, bass = self._chord_at(grid)
        if not tones or not (at == grid or self.strong(grid)):
            return own
        if lowest and part == self.bass and bass >= 0 and (at == grid or self._bar_line(grid)):
            tones = frozenset({bass})
        key = (part, tones)
        if key not in self._tones:
            both = own & np.isin(np.arange(128) % 12, list(tones))
            self._tones[key] = both if both.any() else own  # the scale outranks a chord that has none of it
        return self._tones[key]

    def leaning(self, part: int, grid: int) -> NDArray[np.float32] | None:
        """Weights (128,) in nats of the pitches of ``part`` by the piece's key; None where none is leant to."""
        key = self._key_at(grid)
        if part == self.drums or not self.constraints.gravity or key is None:
            return None
        tones = self._chord_at(grid)[1]
        name = (key.tonic, key.minor, tones)
        lean = self._leaning.get(name)
        if lean is None:
            scale = scale_pitch_classes(key.tonic, "minor" if key.minor else "major")
            raised = {(key.tonic + 11) % 12} if key.minor else set()
            outside = ~np.isin(np.arange(128) % 12, sorted(scale | raised | tones))
            lean = np.where(outside, -self.constraints.gravity, 0.0).astype(np.float32)
            if len(self._leaning) >= LEANINGS:
                self._leaning.clear()
            self._leaning[name] = lean
        return lean

    def _bar_line(self, grid: int) -> bool:
        metre = self._piece.metre_at(grid / GRID)
        return (grid - round(metre.beat * GRID)) % round(metre.bar_beats * GRID) == 0

    def strong(self, grid: int) -> bool:
        """Whether a grid position is a strong beat: a bar line, or the middle of a bar that halves."""
        metre = self._piece.metre_at(grid / GRID)
        bar = round(metre.bar_beats * GRID)
        place = (grid - round(metre.beat * GRID)) % bar
        return place == 0 or (metre.numerator % 2 == 0 and 2 * place == bar)

    def _chord_at(self, grid: int) -> tuple[int, frozenset[int], int]:
        """Grid position, tones and bass of the chord at a grid position; no tones without one."""
        if self._harmony is not None:
            one = self._harmony.at(grid / GRID)
            return (round(one.beat * GRID), *_classes(one.chord)) if self._holds(one) else (0, frozenset(), -1)
        found: tuple[int, frozenset[int], int] = (0, frozenset(), -1)
        for at, classes, bass in self._chords:
            if at > grid:
                break
            found = (at, classes, bass)
        return found

    def _holds(self, one: HalfBar) -> bool:
        return bool(one.chord) and (one.given or one.confidence >= self._sure)

    def _key_at(self, grid: int) -> Key | None:
        if self._harmony is not None:
            return self._harmony.at(grid / GRID).key
        keys = self._piece.keys
        return next((k for k in reversed(keys) if k.beat <= grid / GRID + 1e-6), keys[0]) if keys else None

    def room(self, sounding: Iterable[tuple[int, int]], part: int) -> bool:
        """Whether ``part`` may start another note beside what sounds."""
        limit = self.constraints.voices.get(part, self.constraints.polyphony)
        return limit is None or part == self.drums or sum(p == part for p, _ in sounding) < limit


def _classes(text: str) -> tuple[frozenset[int], int]:
    """Pitch classes of a chord symbol and its bass; none and -1 where it names no chord."""
    try:
        chord = parse_chord(text)
    except ValueError:
        return frozenset(), -1
    return chord.pitch_classes, chord.bass if chord.root >= 0 else -1
