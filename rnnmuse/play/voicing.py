"""Voicing: the notes of a chord beneath a melody, near the chord before, by the rules of part-writing.

Whole chords; the bass is the root, or the one that the symbol names; voices move as little as they can; no parallel or
direct fifths and octaves with the melody, no parallels among the voices; the third of a chord is not doubled and a
leading tone never, where that can be helped (Aldwell, Schachter and Cadwallader, Harmony and Voice Leading, part II).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, pairwise

from rnnmuse.music.theory import Chord, parse_chord

BASS = (36, 57)
"""Lowest and highest note of the bass."""
UPPER = (48, 76)
"""Lowest and highest note of the voices above it."""
WIDEST = 12
"""Semitones between two neighbouring upper voices at most."""
MOST = 4000
"""Voicings that are looked at, at most."""


@dataclass(frozen=True, slots=True)
class Before:
    """What sounded before: its notes from the bass up, and the melody note above them; None where it rested."""

    notes: tuple[int, ...]
    """MIDI notes."""
    melody: int | None = None
    """MIDI note."""


def voiced(
    chord: Chord | str,
    melody: int | None = None,
    before: Before | None = None,
    voices: int = 4,
    low: int = BASS[0],
    high: int = UPPER[1],
) -> tuple[int, ...]:
    """MIDI notes from the bass up: ``voices`` of them, all below ``melody`` where one is given.

    A tone of the chord may be left to the melody where there are fewer voices than tones; the fifth goes first. Empty
    for no chord, or where the melody lies too low for one.
    """
    symbol = parse_chord(chord) if isinstance(chord, str) else chord
    if symbol.root < 0:
        return ()
    top = min(high, 127 if melody is None else melody - 1)
    best: tuple[float, tuple[int, ...]] | None = None
    for bass, price in _basses(symbol):
        for notes in _candidates(replace(symbol, bass=bass), voices, low, top):
            cost = price + _cost(notes, symbol, melody, before)
            if best is None or cost < best[0]:
                best = (cost, notes)
    return () if best is None else best[1]


def _basses(chord: Chord) -> list[tuple[int, float]]:
    """The pitch classes that the bass may have, with what each costs: the root is free, an inversion is not.

    Where the symbol names a bass, it is that one.
    """
    if chord.bass != chord.root:
        return [(chord.bass, 0.0)]
    third = [(chord.root + s) % 12 for s in (3, 4) if (chord.root + s) % 12 in chord.pitch_classes]
    fifth = [(chord.root + 7) % 12] if (chord.root + 7) % 12 in chord.pitch_classes else []
    return [(chord.root, 0.0), *((pc, 3.0) for pc in third), *((pc, 9.0) for pc in fifth)]


@lru_cache(maxsize=2048)
def _candidates(chord: Chord, voices: int, low: int, top: int) -> tuple[tuple[int, ...], ...]:
    tones = _needed(chord, voices)
    floor = min(low + BASS[1] - BASS[0], top)
    basses = [p for p in range(low, floor + 1) if p % 12 == chord.bass]
    if not basses:
        basses = [p for p in range(max(0, top - 24), top + 1) if p % 12 == chord.bass]
    out: list[tuple[int, ...]] = []
    for bass in basses:
        above = [p for p in range(max(bass + 3, min(UPPER[0], top - 14)), top + 1) if p % 12 in chord.pitch_classes]
        # the bass of a slash chord that is no tone of it is the bass's alone
        foreign = chord.bass not in _body(chord)
        above = [p for p in above if not (foreign and p % 12 == chord.bass)]
        for upper in combinations(above, voices - 1):
            notes = (bass, *upper)
            if tones <= {p % 12 for p in notes} and all(b - a <= WIDEST for a, b in pairwise(upper)):
                out.append(notes)
        if len(out) > MOST:
            break
    if not out and voices > 3:
        return _candidates(chord, voices - 1, low, top)
    return tuple(out)


def _body(chord: Chord) -> frozenset[int]:
    """The chord's tones without a bass that is not among them: as far as the root's own triad and seventh tell."""
    third = {(chord.root + 3) % 12, (chord.root + 4) % 12, (chord.root + 5) % 12, (chord.root + 2) % 12}
    fifth = {(chord.root + step) % 12 for step in (6, 7, 8)}
    seventh = {(chord.root + step) % 12 for step in (9, 10, 11)}
    return frozenset(chord.pitch_classes & ({chord.root} | third | fifth | seventh))


def _needed(chord: Chord, voices: int) -> frozenset[int]:
    """The tones that must sound in so many voices: extensions go first, then the fifth."""
    root = chord.root
    order = [root, *((root + s) % 12 for s in (4, 3, 5, 2)), *((root + s) % 12 for s in (10, 11, 9))]
    order += [(root + s) % 12 for s in (6, 8, 7)]
    ranked = [pc for pc in dict.fromkeys(order) if pc in chord.pitch_classes]
    third = next((pc for pc in ranked[1:] if (pc - root) % 12 in (3, 4)), None)
    if third is not None:  # 5 and 2 above the root are tones in the place of a third only without one
        ranked = [pc for pc in ranked if (pc - root) % 12 not in (2, 5) or pc == chord.bass]
    room = voices if chord.bass in ranked else voices - 1
    if len(ranked) > room:
        ranked = ranked[:room]
    return frozenset(ranked) | {chord.bass}


def _cost(notes: tuple[int, ...], chord: Chord, melody: int | None, before: Before | None) -> float:
    bass, upper = notes[0], notes[1:]
    cost = 0.0
    third = [(chord.root + s) % 12 for s in (3, 4) if (chord.root + s) % 12 in chord.pitch_classes]
    every = [*notes] if melody is None else [*notes, melody]
    classes = [p % 12 for p in every]
    for pc in set(classes):
        extra = classes.count(pc) - 1
        if extra:
            cost += extra * (0.2 if pc == chord.root else 0.8 if pc not in third else 2.5)
    cost += 0.05 * abs(bass - 45) + 0.03 * sum(abs(p - 60) for p in upper)
    cost += sum(1.5 for a, b in pairwise(upper) if b - a < 3)
    if bass < 48 and upper and upper[0] - bass < 7:
        cost += 1.5  # close and low is mud
    if melody is not None and upper:
        cost += 3.0 if melody - upper[-1] < 2 else 0.0
        cost += 0.1 * max(0, melody - upper[-1] - 9)
    if before is None or not before.notes:
        return cost
    cost += 0.35 * _motion(before.notes[1:], upper) + 0.12 * abs(bass - before.notes[0])
    old = [*before.notes] if before.melody is None or melody is None else [*before.notes, before.melody]
    new = [*notes] if before.melody is None or melody is None else [*notes, melody]
    if len(old) == len(new):
        cost += 40.0 * parallels(old, new)
        if melody is not None and before.melody is not None:
            cost += 4.0 * _direct(before.notes[0], bass, before.melody, melody)
    elif melody is not None and before.melody is not None:
        cost += 40.0 * parallels([before.notes[0], before.melody], [bass, melody])
    return cost


def _motion(old: Sequence[int], new: Sequence[int]) -> float:
    """Semitones by which voices move, each to its own place from below."""
    if len(old) == len(new):
        return float(sum(abs(a - b) for a, b in zip(old, new, strict=True)))
    if not old or not new:
        return 0.0
    return float(sum(min(abs(a - b) for b in old) for a in new))


def parallels(old: Sequence[int], new: Sequence[int]) -> int:
    """Pairs of voices that move from a fifth or octave (or unison) in the same direction to the same interval."""
    found = 0
    for i, j in combinations(range(len(old)), 2):
        first, second = new[i] - old[i], new[j] - old[j]
        if first and second and (first > 0) == (second > 0):
            interval = (old[j] - old[i]) % 12
            found += interval in (0, 7) and (new[j] - new[i]) % 12 == interval
    return found


def _direct(bass: int, next_bass: int, melody: int, next_melody: int) -> bool:
    """Whether the outer voices go in one direction into a fifth or octave, the upper one by a leap."""
    down, up = next_bass - bass, next_melody - melody
    same = bool(down and up) and (down > 0) == (up > 0)
    return same and (next_melody - next_bass) % 12 in (0, 7) and abs(up) > 2


def whole(notes: Sequence[int], chord: Chord | str) -> bool:
    """Whether the triad of a chord is among the notes: its root, third (or what stands for it) and fifth."""
    symbol = parse_chord(chord) if isinstance(chord, str) else chord
    classes = {p % 12 for p in notes}
    steps = [s for s in range(12) if (symbol.root + s) % 12 in symbol.pitch_classes]
    third = next((s for s in (4, 3, 5, 2) if s in steps), None)
    fifth = next((s for s in (7, 6, 8) if s in steps), None)
    return all((symbol.root + s) % 12 in classes for s in (0, third, fifth) if s is not None)
