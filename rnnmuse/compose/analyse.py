"""What is typical of some works: key, metre, chords, range, repetition, contours and rhythms of a collection.

Each piece is described by itself (`described`); a collection is what its pieces have in common (`summarised`), beside
how other lead sheets do it, in plain words (`Summary.words`). `Summary.player` has the settings that bring it out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from rnnmuse.clock import Metre as ClockMetre
from rnnmuse.compose.harmonise import melody_of
from rnnmuse.events import Note
from rnnmuse.music.piece import Key, Part, Piece
from rnnmuse.music.structure import onsets, outside_key, repetition
from rnnmuse.music.theory import PITCH_NAMES, key_name, parse_chord
from rnnmuse.play.harmony import HalfBar, follow
from rnnmuse.play.patterns import pulse

CONTOURS = (
    "ascending", "descending", "arch", "valley", "level, then up", "level, then down", "up, then level",
    "down, then level", "level",
)  # fmt: skip
"""D. Huron's nine types: first note, mean of those between, and last note (The Melodic Arch in Western Folksongs,
Computing in Musicology 10, 1996)."""
SHAPE = 16
"""Points of a contour's mean line."""
ALIKE = 0.5
"""Semitones within which two of the three heights of a contour are level."""
REST = 0.9
"""Beats of rest that end a phrase."""
PHRASE_BARS = 4
"""Bars of a phrase at most, where no rest ends it."""
PROGRESSION = 4
"""Chords of a typical progression."""
ROMAN = ("I", "bII", "II", "bIII", "III", "IV", "#IV", "V", "bVI", "VI", "bVII", "VII")
MEASURES = {
    "notes a beat": "busy",
    "steps": "stepwise",
    "leaps": "rich in leaps",
    "range": "wide",
    "syncopation": "syncopated",
    "repeated bars": "rich in repeated bars",
    "repeated rhythms": "rich in repeated rhythms",
    "chords a bar": "rich in chords",
    "outside the key": "chromatic",
}
"""What is compared with other pieces, and the word for more of it."""


@dataclass(frozen=True, slots=True)
class Description:
    """What was found in one piece. ``measures`` are those of MEASURES; ``degrees`` the Roman numerals in order,
    ``rhythms`` one-bar rhythms as onsets in 24ths of a beat, ``contours`` each phrase's type and its line of SHAPE
    heights in semitones."""

    name: str
    """The piece's name or file."""
    key: Key
    """That of most half bars."""
    key_share: float
    """Share of the half bars in this key, 0 to 1."""
    metre: str
    """Such as "4/4"."""
    tempo: float
    """At the beginning, in bpm."""
    bars: int
    """How many it has."""
    low: int
    """Lowest MIDI note of the melody."""
    high: int
    """Highest MIDI note of the melody."""
    measures: dict[str, float]
    degrees: tuple[str, ...]
    rhythms: tuple[tuple[int, ...], ...]
    contours: tuple[tuple[str, tuple[float, ...]], ...]
    pitch_classes: tuple[float, ...]
    """Share (12,) of the melody's time on each pitch class above the tonic."""
    drums: bool = False
    """Whether the part is drums; then there is no key."""


def described(name: str, piece: Piece) -> Description:
    """Describe a piece by its melody and its chords (its own symbols, else those heard). ValueError without notes."""
    if not any(part.notes for part in piece.parts):
        raise ValueError("no notes")
    drums = all(part.drum for part in piece.parts if part.notes)
    line = next(p for p in piece.parts if p.notes) if drums else melody_of(piece)
    metre = piece.metre_at(piece.pickup)
    bars = max(1, len(piece.bar_starts(piece.end)) - (piece.pickup > 0))
    found = [] if drums else follow(piece)
    key, share = _key(found)
    names = [c.text for c in piece.chords] if piece.chords else [one.chord for one in found]
    chords = [name for i, name in enumerate(names) if not i or names[i - 1] != name]
    rows = onsets(_shifted(line, piece.pickup), bars, metre.bar_beats)
    again = repetition(rows, drums)
    pitches = [n.pitch for n in line.notes]
    moves = [abs(b - a) for a, b in pairwise(pitches)]
    played = max(1.0, line.notes[-1].end - line.notes[0].start)
    clock = ClockMetre(metre.numerator, metre.denominator)
    measures = {
        "notes a beat": len(line.notes) / played,
        "steps": _share(m in (1, 2) for m in moves),
        "leaps": _share(m > 4 for m in moves),
        "range": float(max(pitches) - min(pitches)),
        "syncopation": _syncopation(line.notes, piece.pickup, pulse(clock)),
        "repeated bars": again.exact,
        "repeated rhythms": again.rhythm,
        "chords a bar": len(chords) / bars,
        "outside the key": 0.0 if drums else outside_key(line.notes, key),
    }
    counted = np.bincount([p % 12 for p in pitches], [n.duration for n in line.notes], 12)
    counted = np.roll(counted, -key.tonic) / max(1e-9, counted.sum())
    return Description(
        name, key, share, f"{metre.numerator}/{metre.denominator}", piece.tempo_at(0.0), bars, min(pitches),
        max(pitches), measures, tuple(_numeral(c, key) for c in chords if parse_chord(c).root >= 0),
        tuple(tuple(sorted({place for place, _ in row})) for row in rows if row),
        () if drums else tuple(_contour(p) for p in phrases_of(line.notes, metre.bar_beats)),
        tuple(counted.tolist()), drums,
    )  # fmt: skip


def _key(found: Sequence[HalfBar]) -> tuple[Key, float]:
    """The key of most half bars, and their share."""
    counted = Counter((one.key.tonic, one.key.minor) for one in found if one.key is not None)
    if not counted:
        return Key(0.0, 0), 0.0
    (tonic, minor), count = counted.most_common(1)[0]
    return Key(0.0, tonic, minor), count / len(found)


def _shifted(part: Part, pickup: float) -> Part:
    """A part whose first whole bar begins at beat 0."""
    moved = [Note(n.start - pickup, n.pitch, n.duration, n.velocity) for n in part.notes if n.start >= pickup - 1e-6]
    return Part(part.name, part.program, part.drum, moved)


def _share(values: Iterable[bool]) -> float:
    every = list(values)
    return sum(every) / len(every) if every else 0.0


def _syncopation(notes: Sequence[Note], pickup: float, beat: float) -> float:
    """Share of the notes that begin off a beat and sound into the next."""
    off = [n for n in notes if 0.05 * beat < (n.start - pickup) % beat < 0.95 * beat]
    return (
        _share(bool((n.start - pickup) % beat + n.duration > beat + 0.05 * beat) for n in off)
        * len(off)
        / max(1, len(notes))
    )


def _numeral(text: str, key: Key) -> str:
    """A chord as a Roman numeral above the tonic, lower case where it is minor or diminished."""
    chord = parse_chord(text)
    numeral = ROMAN[(chord.root - key.tonic) % 12]
    if chord.quality in ("min", "min7", "dim"):
        numeral = numeral.lower()
    return numeral + {"dim": "o", "dom7": "7", "aug": "+"}.get(chord.quality, "")


def phrases_of(notes: Sequence[Note], bar_beats: float) -> list[list[Note]]:
    """The phrases of a melody: up to a rest, or PHRASE_BARS bars."""
    out: list[list[Note]] = []
    for note in notes:
        last = out[-1] if out else None
        if last is None or note.start - last[-1].end > REST or note.start - last[0].start >= PHRASE_BARS * bar_beats:
            out.append([])
        out[-1].append(note)
    return [phrase for phrase in out if len(phrase) >= 4]


def _contour(phrase: Sequence[Note]) -> tuple[str, tuple[float, ...]]:
    """Huron's type of a phrase, and its line above its mean."""
    first, last = phrase[0].pitch, phrase[-1].pitch
    middle = float(np.mean([n.pitch for n in phrase[1:-1]]))
    up = [0 if abs(b - a) < ALIKE else 1 if b > a else -1 for a, b in ((first, middle), (middle, last))]
    kind = {
        (1, 1): 0, (-1, -1): 1, (1, -1): 2, (-1, 1): 3, (0, 1): 4, (0, -1): 5, (1, 0): 6, (-1, 0): 7, (0, 0): 8,
    }[up[0], up[1]]  # fmt: skip
    times = np.linspace(phrase[0].start, phrase[-1].start, SHAPE)
    starts = np.array([n.start for n in phrase])
    heights = np.array([n.pitch for n in phrase], float)[np.searchsorted(starts, times + 1e-6, side="right") - 1]
    return CONTOURS[kind], tuple((heights - heights.mean()).round(2).tolist())


# -- a collection -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Summary:
    """What pieces have in common. Shares are of pieces, but for ``contours`` (phrases), ``rhythms`` (bars), ``chords``
    and ``progressions`` (chords that follow one another)."""

    pieces: int
    """How many there are."""
    bars: int
    """How many they have together."""
    keys: dict[str, float]
    """Share by the key's name, the most frequent first."""
    minor: float
    """Share of pieces in minor, 0 to 1; pieces of drums do not count."""
    metres: dict[str, float]
    """Share by time signature, the most frequent first."""
    tempo: float
    """Median in bpm."""
    low: int
    """MIDI note: the 25th percentile of the lowest of each piece."""
    high: int
    """MIDI note: the 75th percentile of the highest of each piece."""
    measures: dict[str, float]
    """Mean of each of MEASURES."""
    beside: dict[str, float]
    """For each measure, the share of other lead sheets that have less of it."""
    chords: dict[str, float]
    progressions: dict[str, float]
    contours: dict[str, float]
    lines: dict[str, tuple[float, ...]]
    """The mean line of each type of contour, in semitones."""
    rhythms: dict[str, float]
    pitch_classes: tuple[float, ...]
    """Share of the melody's time on each pitch class above the tonic."""
    drums: bool = False
    """Whether all pieces are drums."""
    names: tuple[str, ...] = field(default=())
    """Names of the pieces."""

    def words(self) -> list[str]:
        """The summary as sentences."""
        out = [f"{_count(self.pieces, 'piece')}, {_count(self.bars, 'bar')}."]
        metre, share = next(iter(self.metres.items()))
        out.append(f"The metre is {metre}{_mostly(share)}, at about {self.tempo:.0f} bpm.")
        if not self.drums:
            key, share = next(iter(self.keys.items()))
            whole = "All are" if self.minor in (0.0, 1.0) else f"{100 * max(self.minor, 1 - self.minor):.0f} % are"
            mode = "minor" if self.minor > 0.5 else "major"
            out.append(
                f"The key is {key}."
                if self.pieces == 1
                else f"{whole} in {mode}; the commonest key is {key} ({100 * share:.0f} %)."
            )
            steps, leaps = 100 * self.measures["steps"], 100 * self.measures["leaps"]
            out.append(
                f"The melody lies between {_pitch(self.low)} and {_pitch(self.high)}; {steps:.0f} % of its moves are "
                f"steps, {leaps:.0f} % leaps of more than a third."
            )
        out.append(
            f"{100 * self.measures['repeated bars']:.0f} % of its bars return within eight bars, "
            f"{100 * self.measures['repeated rhythms']:.0f} % in rhythm."
        )
        if self.chords:
            common = ", ".join(list(self.chords)[:4])
            out.append(
                f"The commonest chords are {common}; they change {self.measures['chords a bar']:.1f} times a bar."
            )
        if self.progressions:
            out.append(f"What follows what most often: {'; '.join(list(self.progressions)[:3])}.")
        if self.contours:
            kind, share = next(iter(self.contours.items()))
            out.append(f"The commonest shape of a phrase is {kind} ({100 * share:.0f} %).")
        if self.rhythms:
            rhythm, share = next(iter(self.rhythms.items()))
            out.append(f"The commonest rhythm of a bar begins notes on {rhythm} ({100 * share:.0f} % of the bars).")
        out += self._typical()
        return out

    def _typical(self) -> list[str]:
        """What sets the pieces apart from other lead sheets."""
        if self.drums:
            return []
        far = sorted(self.beside.items(), key=lambda one: -abs(one[1] - 0.5))
        more = [f"{MEASURES[n]} than {100 * s:.0f} %" for n, s in far if s >= 0.8][:3]
        less = [f"{MEASURES[n]} than {100 * (1 - s):.0f} %" for n, s in far if s <= 0.2][:3]
        out = []
        if more:
            out.append(f"Beside other lead sheets: more {', more '.join(more)} of them.")
        if less:
            out.append(f"Beside other lead sheets: less {', less '.join(less)} of them.")
        return out or ["Beside other lead sheets nothing about them is out of the ordinary."]

    def chart(self, bars: int = 4) -> str:
        """The commonest progression as a chart in the commonest key, from the tonic on; empty without chords."""
        if not self.progressions:
            return ""
        tonic = _tonic(next(iter(self.keys)))
        run = next(iter(self.progressions)).split(" ")
        home = next((i for i, numeral in enumerate(run) if numeral in ("I", "i")), 0)
        chords = [_chord(numeral, tonic) for numeral in run[home:] + run[:home]]
        return " | ".join(chords[:bars])

    def player(self) -> dict[str, Any]:
        """The settings of a player that bring it out, as a rig has them."""
        found: dict[str, Any] = {
            "repeat": round(float(np.clip(0.25 + 0.75 * self.measures["repeated bars"], 0, 1)), 2),
            "density": round(min(24.0, max(0.1, self.measures["notes a beat"])), 2),
        }
        if self.drums:
            return {"model": "grooves", **found}
        key = next(iter(self.keys))
        return {"model": "leadsheet", "key": key, "low": self.low, "high": self.high, **found}

    def as_json(self) -> dict[str, Any]:
        """Everything, with the words and the settings."""
        return {**asdict(self), "words": self.words(), "chart": self.chart(), "player": self.player()}


def summarised(pieces: Sequence[Description]) -> Summary:
    """What some pieces have in common. ValueError for none."""
    if not pieces:
        raise ValueError("pieces: none; at least one is needed")
    tuned = [p for p in pieces if not p.drums]
    tempos = [p.tempo for p in pieces]
    measures = {name: float(np.mean([p.measures[name] for p in pieces])) for name in MEASURES}
    lines: dict[str, list[tuple[float, ...]]] = {}
    for kind, line in (one for p in tuned for one in p.contours):
        lines.setdefault(kind, []).append(line)
    contours = _ranked(kind for p in tuned for kind, _ in p.contours)
    return Summary(
        pieces=len(pieces),
        bars=sum(p.bars for p in pieces),
        keys=_ranked(key_name(p.key) for p in tuned),
        minor=_share(p.key.minor for p in tuned),
        metres=_ranked(p.metre for p in pieces),
        tempo=float(median(tempos)),
        low=int(np.percentile([p.low for p in pieces], 25)),
        high=int(np.percentile([p.high for p in pieces], 75)),
        measures={name: round(value, 3) for name, value in measures.items()},
        beside={name: _less_than(name, value) for name, value in measures.items()},
        chords=_ranked((c for p in tuned for c in p.degrees), 12),
        progressions=_progressions(tuned),
        contours=contours,
        lines={kind: tuple(np.mean(lines[kind], 0).round(2).tolist()) for kind in contours},
        rhythms=_rhythms(pieces),
        pitch_classes=tuple(np.mean([p.pitch_classes for p in pieces], 0).round(4).tolist()),
        drums=not tuned,
        names=tuple(p.name for p in pieces),
    )


def _ranked(values: Iterable[str], most: int = 8) -> dict[str, float]:
    counted = Counter(values)
    total = sum(counted.values())
    return {name: round(count / total, 3) for name, count in counted.most_common(most)} if total else {}


def _progressions(pieces: Sequence[Description]) -> dict[str, float]:
    """Runs of PROGRESSION chords, each counted once a piece at most twice, so that one piece does not decide."""
    counted: Counter[str] = Counter()
    for piece in pieces:
        own = Counter(" ".join(piece.degrees[i : i + PROGRESSION]) for i in range(len(piece.degrees) - PROGRESSION + 1))
        counted.update({run: min(count, 2 if len(pieces) > 1 else count) for run, count in own.items()})
    total = sum(counted.values())
    return {run: round(count / total, 4) for run, count in counted.most_common(6)} if total else {}


def _rhythms(pieces: Sequence[Description]) -> dict[str, float]:
    """One-bar rhythms in beats from 1, such as ``1, 2, 3 1/2``, of the commonest metre."""
    metre = Counter(p.metre for p in pieces).most_common(1)[0][0]
    found = _ranked(
        (" ".join(map(str, rhythm)) for p in pieces if p.metre == metre for rhythm in p.rhythms if len(rhythm) > 1), 6
    )
    return {", ".join(_beat(int(place)) for place in name.split()): share for name, share in found.items()}


def _beat(place: int) -> str:
    beat, part = divmod(place, 24)
    names = {0: "", 6: " 1/4", 8: " 1/3", 12: " 1/2", 16: " 2/3", 18: " 3/4"}
    return f"{beat + 1}{names.get(part, f' {part}/24')}"


def _pitch(pitch: int) -> str:
    return f"{PITCH_NAMES[pitch % 12]}{pitch // 12 - 1}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _mostly(share: float) -> str:
    return "" if share > 0.99 else f" in {100 * share:.0f} % of them"


def _tonic(name: str) -> int:
    return PITCH_NAMES.index(name.split(" ")[0])


def _chord(numeral: str, tonic: int) -> str:
    """The chord of a Roman numeral as `_numeral` writes it."""
    plain = numeral.rstrip("7+o")
    root = next(i for i, name in enumerate(ROMAN) if name.upper() == plain.upper())
    minor, suffix = plain.lstrip("b#").islower(), numeral[len(plain) :]
    quality = "dim" if "o" in suffix else ("m" if minor else "") + ("aug" if "+" in suffix else suffix)
    return PITCH_NAMES[(root + tonic) % 12] + quality


def reference() -> dict[str, list[float]]:
    """The quantiles (0, 5, ... 100 %) of each measure over lead sheets: OpenEWLD's part in the public domain."""
    text = files("rnnmuse.compose").joinpath("data/leadsheets.json").read_text("utf-8")
    found: dict[str, list[float]] = json.loads(text)["quantiles"]
    return found


def _less_than(name: str, value: float) -> float:
    """The share of other lead sheets whose measure is below ``value``."""
    quantiles = np.array(reference()[name])
    below = np.searchsorted(quantiles, value, side="left") + np.searchsorted(quantiles, value, side="right")
    return round(float(np.clip(below / 2 / (len(quantiles) - 1) - 0.5 / (len(quantiles) - 1), 0, 1)), 2)
