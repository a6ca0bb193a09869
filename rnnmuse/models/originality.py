"""What a stream model learned from, in a small file: enough to tell that music repeats it, not to play it back.

The line of a part is the highest note of each beginning; a step of it is the interval to the next and the time between
the two in 32nds, so that a run is found in any transposition and tempo. Of drums a step is the set of drums struck and
the time since the last. Every SPAN steps of the training corpus are kept as a hash in a Bloom filter (Bloom 1970), but
for figures that repeat within PERIOD steps or have at most FEW different ones, which belong to nobody: scales,
ostinati, repeated chords. They are passed over: they neither lengthen a run nor break it.

Nothing of the corpus is missed. A step that is not in it is taken for one with the probability `Index.false`; a run of
`Index.limit` notes needs many in a row. How much real pieces have in common with each other is measured when the index
is made (Yin, Reuben, Stepney and Collins, "Measuring when a music generation algorithm copies too much", 2022).
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from rnnmuse.music.codec import BEATS, GRID, KIND, ON, PART, PITCH, SUB, Encoded
from rnnmuse.music.drums import general_midi
from rnnmuse.music.piece import Piece
from rnnmuse.storage import write_whole

FILE = "originality.npz"
MOST_BYTES = 3_000_000
SPAN, PERIOD = 8, 4
DRUM_SPAN, DRUM_PERIOD = 16, 8
FEW = 3
LIMIT = 16
"""Notes of a run that counts as copied."""
DRUM_LIMIT = 32
BITS = 4.33
"""Bits for each hash: with PROBES they make a false hit as likely as one in eight."""
PROBES = 3
_WORD = (1 << 64) - 1
_MULTIPLIER = 0x9E3779B97F4A7C15
_LONGEST_STEP = 63
_WIDEST = 31

Hashes = NDArray[np.uint64]


def _mixed(value: int) -> int:
    """SplitMix64's finaliser: 64 bits from 64."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _WORD
    return value ^ value >> 31


DRUM_HASH = tuple(_mixed(pitch + 1) & ~63 & _WORD for pitch in range(128))
"""Of each drum; a set is the exclusive or of its drums."""


def time_class(steps: int) -> int:
    """The time between two beginnings, from grid steps to 32nds, at most 63."""
    return min((steps + 1) // 3, _LONGEST_STEP)


def step_of(before: int, after: int, steps: int) -> int:
    """A step of a pitched line: interval and time."""
    return (max(-_WIDEST, min(_WIDEST, after - before)) + 32) * 64 + time_class(steps)


def drum_step(strokes: int, steps: int) -> int:
    """A step of drums: the exclusive or of DRUM_HASH, and the time."""
    return strokes ^ time_class(steps)


def hash_of(steps: Sequence[int]) -> int:
    """The hash of SPAN or DRUM_SPAN steps."""
    value = len(steps)
    for step in steps:
        value = (value ^ step + 1 & _WORD) * _MULTIPLIER & _WORD
        value ^= value >> 29
    return value


def is_common(steps: Sequence[int], period: int) -> bool:
    """Whether steps repeat within ``period`` of them, or are few different ones."""
    return len(set(steps)) <= FEW or any(steps[p:] == steps[:-p] for p in range(1, period + 1))


def hashes_of(steps: Hashes, drum: bool) -> tuple[Hashes, NDArray[np.bool_]]:
    """The hash from each step on (N - span + 1,), and whether the figure belongs to nobody."""
    span, period = (DRUM_SPAN, DRUM_PERIOD) if drum else (SPAN, PERIOD)
    count = len(steps) - span + 1
    if count <= 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.bool_)
    value = np.full(count, span, np.uint64)
    for k in range(span):
        value = (value ^ (steps[k : k + count] + np.uint64(1))) * np.uint64(_MULTIPLIER)
        value ^= value >> np.uint64(29)
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(steps, span), axis=1)
    common = (np.diff(windows, axis=1) != 0).sum(1) + 1 <= FEW
    for p in range(1, period + 1):
        same = np.concatenate([[0], np.cumsum(steps[p:] == steps[:-p])])
        common |= same[span - p :][:count] - same[: len(same) - (span - p)][:count] == span - p
    return value, common


@dataclass(frozen=True, slots=True)
class Line:
    """The line of one part: grid positions of its beginnings (N + 1,) and its steps (N,)."""

    name: str
    """The part's name."""
    drum: bool
    """Whether it is drums."""
    grids: NDArray[np.int64]
    steps: Hashes


def line_of(name: str, drum: bool, grids: NDArray[np.int64], pitches: NDArray[np.int64]) -> Line:
    """The line of notes that begin at grid positions, in any order."""
    places, at = np.unique(grids, return_inverse=True)
    between = np.minimum((np.diff(places) + 1) // 3, _LONGEST_STEP).astype(np.uint64)
    if drum:
        strokes = np.zeros(len(places), np.uint64)
        for place, pitch in set(zip(at.tolist(), pitches.tolist(), strict=True)):
            strokes[place] ^= np.uint64(DRUM_HASH[pitch])
        return Line(name, True, places, strokes[1:] ^ between)
    top = np.full(len(places), -1, np.int64)
    np.maximum.at(top, at, pitches)
    intervals = (np.clip(np.diff(top), -_WIDEST, _WIDEST) + 32).astype(np.uint64)
    return Line(name, False, places, intervals * np.uint64(64) + between)


def lines_of(piece: Piece) -> list[Line]:
    """The line of each part of a piece; drum parts together are one kit."""
    out = []
    for part in piece.parts:
        if part.notes and not part.drum:
            grids = np.array([round(n.start * GRID) for n in part.notes], np.int64)
            out.append(line_of(part.name, False, grids, np.array([n.pitch for n in part.notes], np.int64)))
    kit = [(round(n.start * GRID), general_midi(n.pitch)) for part in piece.parts if part.drum for n in part.notes]
    if kit:
        rows = np.array(kit, np.int64)
        out.append(line_of("drums", True, rows[:, 0], rows[:, 1]))
    return out


def lines_of_events(piece: Encoded, drums: frozenset[int]) -> list[Line]:
    """The line of each part class of an encoded piece; ``drums`` are the part classes of drums."""
    events = piece.events.astype(np.int64)
    at = np.cumsum(events[:, BEATS] * GRID + events[:, SUB])
    begins = events[:, KIND] == ON
    return [
        line_of(str(part), part in drums, at[own], events[own, PITCH])
        for part in np.unique(events[begins, PART]).tolist()
        if (own := begins & (events[:, PART] == part)).any()
    ]


@dataclass(frozen=True, slots=True)
class Run:
    """A run in common with the corpus: its ``notes`` (of drums: beginnings), in which part, from which beat on."""

    notes: int
    part: str = ""
    beat: float = 0.0
    drum: bool = False
    """Whether the part is drums."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a piece has in common with a corpus. ``overlap`` is the share of its figures, 0-1, with those that are hit
    by chance taken off; NaN where there are none."""

    run: Run
    """The longest."""
    overlap: float
    figures: int
    """Figures of the piece, without those that belong to nobody."""


@dataclass(frozen=True, slots=True)
class Index:
    """The figures of a corpus of ``pieces``, as bits (uint8, packed).

    ``false`` is the measured probability of a false hit. ``runs`` and ``overlaps`` are those of held-out pieces of
    the corpus with the training pieces: least, median, 95 % and most.
    """

    bits: NDArray[np.uint8]
    pieces: int
    figures: int
    """Different figures that were entered."""
    false: float
    runs: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Notes."""
    overlaps: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Shares of figures, 0 to 1."""

    @property
    def limit(self) -> int:
        """Notes of a run that counts as copied."""
        return LIMIT

    def false_alarm(self, notes: int = 1000, limit: int = LIMIT) -> float:
        """The probability that chance alone makes a run of ``limit`` notes in a piece of so many."""
        return min(1.0, max(0, notes - limit + 1) * self.false ** (limit - SPAN))

    def holds(self, value: int) -> bool:
        """Whether the corpus has the figure of this hash; True by chance with the probability ``false``."""
        bits, size = self.bits, len(self.bits) * 8
        first, second = value & 0xFFFFFFFF, value >> 32 | 1
        for probe in range(PROBES):
            place = (first + probe * second) % size
            if not bits[place >> 3] >> (place & 7) & 1:
                return False
        return True

    def have(self, values: Hashes) -> NDArray[np.bool_]:
        """As `holds`, of many."""
        known = np.ones(len(values), np.bool_)
        for places in _places(values, len(self.bits) * 8):
            known &= (self.bits[(places >> np.uint64(3)).astype(np.int64)] >> (places & np.uint64(7)).astype(np.uint8)
                      & 1).astype(np.bool_)  # fmt: skip
        return known

    def find(self, lines: Iterable[Line]) -> Found:
        """The longest run of lines in common with the corpus, and how much of them it has."""
        best, hits, figures = Run(0), 0, 0
        for line in lines:
            values, common = hashes_of(line.steps, line.drum)
            known = self.have(values)
            hits += int((known & ~common).sum())
            figures += int((~common).sum())
            span = DRUM_SPAN if line.drum else SPAN
            run, start = 0, 0
            for place, (hit, passed) in enumerate(zip(known.tolist(), common.tolist(), strict=True)):
                if passed:
                    continue
                if not hit:
                    run = 0
                    continue
                start = place if not run else start
                run += 1
                if run + span > best.notes:
                    best = Run(run + span, line.name, float(line.grids[start]) / GRID, line.drum)
        share = float("nan") if not figures else max(0.0, (hits / figures - self.false) / (1 - self.false))
        return Found(best, share, figures)

    def save(self, path: Path) -> None:
        about = {name: getattr(self, name) for name in ("pieces", "figures", "false", "runs", "overlaps")}
        file = io.BytesIO()
        np.savez(file, bits=self.bits, about=np.frombuffer(json.dumps(about).encode(), np.uint8))
        write_whole(path, file.getvalue())

    @classmethod
    def load(cls, path: Path) -> Index:
        """ValueError if the file is none."""
        try:
            if path.stat().st_size > MOST_BYTES:
                raise ValueError(f"over {MOST_BYTES:,} bytes")
            with np.load(path, allow_pickle=False) as held:
                bits, text = held["bits"], held["about"].tobytes()
            about: dict[str, Any] = json.loads(text)
            four = [tuple(float(value) for value in about[name]) for name in ("runs", "overlaps")]
            if bits.dtype != np.uint8 or bits.ndim != 1 or not len(bits) or any(len(values) != 4 for values in four):
                raise ValueError("its parts do not fit together")
            made = cls(bits, int(about["pieces"]), int(about["figures"]), float(about["false"]))
            return cls(made.bits, made.pieces, made.figures, made.false, *four)  # type: ignore[arg-type]
        except (OSError, KeyError, TypeError, ValueError, EOFError, RuntimeError, BadZipFile, zlib.error) as error:
            raise ValueError(f"{path.name}: no index of a corpus ({error})") from None


def index_of(pieces: Sequence[Encoded], held_out: Sequence[Encoded], drums: frozenset[int]) -> Index:
    """The index of training ``pieces``, and what ``held_out`` pieces of the same corpus have in common with them."""
    return index_of_lines(*([lines_of_events(piece, drums) for piece in some] for some in (pieces, held_out)))


def index_of_lines(pieces: Sequence[Sequence[Line]], held_out: Sequence[Sequence[Line]]) -> Index:
    """As `index_of`, of the lines of each piece."""
    kept: list[Hashes] = [np.zeros(0, np.uint64)]
    for piece in pieces:
        for line in piece:
            values, common = hashes_of(line.steps, line.drum)
            kept.append(np.unique(values[~common]))
    values = np.unique(np.concatenate(kept))
    bits = np.zeros(min(MOST_BYTES - 4096, max(8, int(len(values) * BITS / 8) + 1)), np.uint8)
    for places in _places(values, len(bits) * 8):
        np.bitwise_or.at(bits, (places >> np.uint64(3)).astype(np.int64),
                         np.uint8(1) << (places & np.uint64(7)).astype(np.uint8))  # fmt: skip
    bare = Index(bits, len(pieces), len(values), 0.0)
    chance = np.random.default_rng(1).integers(0, 1 << 64, 200_000, np.uint64)
    index = Index(bits, len(pieces), len(values), float(bare.have(chance).mean()))
    found = [one for one in map(index.find, held_out) if one.figures]
    if not found:
        return index
    runs, overlaps = (
        tuple(round(float(value), 4) for value in np.quantile(values, [0, 0.5, 0.95, 1]))
        for values in ([one.run.notes for one in found], [one.overlap for one in found])
    )
    return Index(bits, len(pieces), len(values), index.false, runs, overlaps)  # type: ignore[arg-type]


def _places(values: Hashes, size: int) -> Iterator[Hashes]:
    first, second = values & np.uint64(0xFFFFFFFF), values >> np.uint64(32) | np.uint64(1)
    for probe in range(PROBES):
        yield (first + np.uint64(probe) * second) % np.uint64(size)
