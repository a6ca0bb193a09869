"""What the performer has played in this session: a variable-order context model of its lines.

For each run of up to ORDER notes it knows what came next, by pitch and by interval, and so what comes next now. The two
viewpoints, and the stream model, are combined as in IDyOM (Pearce 2005, The construction and evaluation of statistical
models of melodic structure): each is weighted by its relative entropy to the power of -2, so whoever is surer counts
for more. Orders are blended by escape method C (Moffat 1990, PPM).
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

ORDER = 5
"""Notes of context at most."""
LEAST = 2
"""Notes of context at least: a shorter match says nothing of the performer."""
MOST = 4096
"""Notes that are kept."""
TOGETHER = 0.06
"""Beats within which notes are one chord, of which the highest counts."""
SHARPNESS = 2.0
"""Exponent of the relative entropy."""
SUREST = 0.05
"""Relative entropy below which a viewpoint is no surer."""
FORMAT = 1

Probabilities = NDArray[np.float64]
Key = tuple[str, tuple[int, ...]]


@dataclass(slots=True)
class Recollection:
    """The top line of what was heard, as contexts. `hear` notes in their order; `expect` what follows some pitches."""

    notes: deque[tuple[float, int]] = field(default_factory=deque)
    """Beat and MIDI note of each, up to MOST."""
    _table: dict[Key, dict[int, int]] = field(default_factory=dict)
    """How often each value came after a context: a MIDI note after notes, or semitones after intervals."""

    def __len__(self) -> int:
        return len(self.notes)

    def hear(self, beat: float, pitch: int) -> None:
        """The performer begins a note."""
        if self.notes and abs(beat - self.notes[-1][0]) <= TOGETHER:
            if pitch <= self.notes[-1][1]:
                return
            self._count(len(self.notes) - 1, -1)
            self.notes.pop()
        self.notes.append((beat, pitch))
        self._count(len(self.notes) - 1, 1)
        while len(self.notes) > MOST:
            for index in range(1, min(ORDER + 2, len(self.notes))):  # what begins with the oldest note
                self._count(index, -1, only_from=0)
            self.notes.popleft()

    def forget(self) -> None:
        """Know nothing."""
        self.notes.clear()
        self._table.clear()

    def _count(self, index: int, by: int, only_from: int | None = None) -> None:
        """Add (or take back) what note ``index`` follows, of all contexts or of those that begin at one place."""
        pitch = self.notes[index][1]
        for first in range(max(0, index - ORDER - 1), index):
            if only_from is not None and first != only_from:
                continue
            run = [self.notes[i][1] for i in range(first, index)]
            if len(run) <= ORDER and len(run) >= LEAST:
                self._put(("pitch", tuple(run)), pitch, by)
            steps = tuple(b - a for a, b in pairwise(run))
            if LEAST <= len(steps) <= ORDER:
                self._put(("interval", steps), pitch - run[-1], by)

    def _put(self, key: Key, value: int, by: int) -> None:
        counts = self._table.setdefault(key, {})
        counts[value] = counts.get(value, 0) + by
        if counts[value] <= 0:
            del counts[value]
            if not counts:
                del self._table[key]

    def expect(self, before: Sequence[int]) -> Probabilities | None:
        """Probabilities (128,) of the pitch that follows ``before``; None where nothing like it was heard."""
        found = []
        recent = list(before)[-ORDER - 1 :]
        steps = [b - a for a, b in pairwise(recent)]
        for name, run, base in (("pitch", recent[-ORDER:], 0), ("interval", steps, recent[-1] if recent else 0)):
            mixed = self._blended(name, run, base)
            if mixed is not None:
                found.append(mixed)
        return combined(found) if found else None

    def _blended(self, name: str, run: Sequence[int], base: int) -> Probabilities | None:
        """The orders of a viewpoint, the longest first, by escape method C."""
        out, left, known = np.zeros(128), 1.0, False
        for length in range(min(ORDER, len(run)), LEAST - 1, -1):
            counts = self._table.get((name, tuple(run[-length:])))
            if not counts:
                continue
            known = True
            total, kinds = sum(counts.values()), len(counts)
            for value, count in counts.items():
                if 0 <= base + value < 128:
                    out[base + value] += left * count / (total + kinds)
            left *= kinds / (total + kinds)
        if not known:
            return None
        return np.asarray(out + left / 128)

    def to_text(self) -> str:
        """What is known, for a file; `from_text` reads it."""
        rows = [[round(beat, 3), pitch] for beat, pitch in self.notes]
        return json.dumps({"format": FORMAT, "notes": rows}, separators=(",", ":")) + "\n"

    def read(self, text: str) -> None:
        """Add what `to_text` wrote, as if it had been played before. ValueError where it is none."""
        try:
            data = json.loads(text)
            rows = [(float(beat), int(pitch)) for beat, pitch in data["notes"]]
            fits = data["format"] == FORMAT and all(0 <= pitch < 128 for _, pitch in rows)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"memory: not a memory of rnnmuse ({type(error).__name__})") from None
        if not fits:
            raise ValueError("memory: not a memory of this version of rnnmuse")
        own = list(self.notes)
        self.forget()
        for notes in (rows, own):
            shift = (self.notes[-1][0] + 8.0 - notes[0][0]) if self.notes and notes else 0.0
            for beat, pitch in notes:
                self.hear(beat + shift if notes is rows else beat, pitch)


def relative_entropy(p: Probabilities) -> float:
    """Entropy as a share of the largest that so many classes can have."""
    held = p[p > 1e-12]
    return float(-(held * np.log(held)).sum() / np.log(max(2, len(p))))


def combined(models: Iterable[Probabilities], factors: Sequence[float] = ()) -> Probabilities:
    """The weighted mean of distributions, each by its relative entropy to the power of -SHARPNESS, times its factor."""
    every = list(models)
    weights = [max(SUREST, relative_entropy(p / p.sum())) ** -SHARPNESS for p in every]
    weights = [w * f for w, f in zip(weights, factors or [1.0] * len(every), strict=True)]
    whole = sum(weights) or 1.0
    return np.asarray(sum(w / whole * p / p.sum() for w, p in zip(weights, every, strict=True)))


def recalled(logits: NDArray[np.float32], expected: Probabilities, share: float) -> NDArray[np.float32]:
    """Logits (128,) of pitches with what is remembered mixed in: ``share`` 0 none of it, 1 as much as it is sure."""
    model = np.exp(logits.astype(np.float64) - float(logits.max()))
    allowed = model > 1e-12
    mixed = combined((model / model.sum(), np.where(allowed, expected, 0) + 1e-12), (1.0, share))
    return np.where(allowed, np.log(mixed + 1e-12), logits).astype(np.float32)
