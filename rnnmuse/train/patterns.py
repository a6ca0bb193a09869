"""Mines bar patterns from scores and MIDI files: what left hands, basses and chords do in a bar again and again, and
the rhythms of melodies.

`python -m rnnmuse.train.patterns FOLDER… --out rnnmuse/play/data/patterns.json` writes the table that
`rnnmuse.play.accompaniment` reads.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from rnnmuse.errors import RnnmuseError
from rnnmuse.events import Note
from rnnmuse.music.codec import is_sung
from rnnmuse.music.piece import Part, Piece
from rnnmuse.music.read import music_files, read_music

Stroke = tuple[int, str, int, int]
"""Start in twelfths of a beat, role ("b" the bass, "c" the chord above it), number of notes, length in twelfths."""
Pattern = tuple[Stroke, ...]

FINE = 12
BASS = 7
"""Semitones above the lowest note of a bar up to which a note is its bass."""
LEAST = 3
"""Bars in a row or apart in which a piece has a pattern, so that it is one."""
ALIKE = 0.75
"""Share of common strokes (Jaccard) from which two patterns are one."""
MOST = 40
METRES = {"4/4": 4.0, "3/4": 3.0, "2/4": 2.0, "6/8": 3.0}


def pattern_of(notes: Sequence[Note], start: float, beats: float) -> Pattern:
    """The pattern of the notes that begin in a bar."""
    own = [n for n in notes if start - 0.05 <= n.start < start + beats - 0.05]
    if not own:
        return ()
    lowest = min(n.pitch for n in own)
    groups: dict[int, list[Note]] = {}
    for note in own:
        groups.setdefault(round((note.start - start) * FINE), []).append(note)
    starts = sorted(groups)
    strokes: list[Stroke] = []
    for at, following in zip(starts, [*starts[1:], round(beats * FINE)], strict=True):
        group = sorted(groups[at], key=lambda n: n.pitch)
        low = [n for n in group if n.pitch <= lowest + BASS][:1]
        rest = min(4, len(group) - len(low))
        for role, count, voiced in (("b", len(low), low), ("c", rest, group[len(low) :])):
            if count:
                length = max(1, min(round(max(n.duration for n in voiced) * FINE), round(beats * FINE) - at))
                long = length >= following - at
                strokes.append((at, role, count, following - at if long and role == "c" else length))
    return tuple(strokes)


def accompaniments(piece: Piece) -> Iterable[list[Note]]:
    """The notes beneath the melody: of a song those of the piano's left hand and chords, of a band bass and chords."""
    pitched = [part for part in piece.parts if part.notes and not part.drum]
    rest = [part for part in pitched if not is_sung(part)]
    if len(rest) < len(pitched):
        low = sorted((n for part in rest for n in part.notes if n.pitch < 62), key=lambda n: n.start)
        if low:
            yield low
        return
    for part in rest:
        if _mean(part) < 55 or (len(part.notes) and _chordal(part)):
            yield part.notes


def _mean(part: Part) -> float:
    return sum(n.pitch for n in part.notes) / len(part.notes)


def _chordal(part: Part) -> bool:
    together = Counter(round(n.start * FINE) for n in part.notes)
    return sum(count > 1 for count in together.values()) > 0.5 * len(together)


def likeness(a: Pattern, b: Pattern) -> float:
    """The share of common strokes of two patterns."""
    one, two = {(s[0], s[1]) for s in a}, {(s[0], s[1]) for s in b}
    return len(one & two) / max(1, len(one | two))


def mined(pieces: Iterable[Piece]) -> dict[str, Counter[Pattern]]:
    """How many pieces have each pattern, by metre."""
    found: dict[str, Counter[Pattern]] = {name: Counter() for name in METRES}
    for piece in pieces:
        if len(piece.metres) != 1:
            continue
        metre = f"{piece.metres[0].numerator}/{piece.metres[0].denominator}"
        if metre not in METRES:
            continue
        for notes in accompaniments(piece):
            bars = [pattern_of(notes, line, METRES[metre]) for line in piece.bar_starts(piece.end)]
            again: Counter[Pattern] = Counter(a for a, b in pairwise(bars) if a and a == b)
            found[metre].update(pattern for pattern, times in again.items() if times >= LEAST - 1)
    return found


def rhythms(pieces: Iterable[Piece], most: int = 64) -> dict[str, list[list[tuple[int, int]]]]:
    """The commonest rhythms of melody bars by metre: start and length in twelfths of a beat."""
    found: dict[str, Counter[tuple[tuple[int, int], ...]]] = {name: Counter() for name in METRES}
    for piece in pieces:
        if len(piece.metres) != 1:
            continue
        metre = f"{piece.metres[0].numerator}/{piece.metres[0].denominator}"
        melody = next((p for p in piece.parts if is_sung(p)), next((p for p in piece.parts if p.notes), None))
        if metre not in METRES or melody is None:
            continue
        beats = METRES[metre]
        own: set[tuple[tuple[int, int], ...]] = set()
        for line in piece.bar_starts(piece.end):
            notes = {
                round((n.start - line) * FINE): round(min(n.duration, line + beats - n.start) * FINE)
                for n in melody.notes
                if line - 0.01 <= n.start < line + beats - 0.01
            }
            if len(notes) > 1 and all(at % 3 == 0 or at % 4 == 0 for at in notes):
                own.add(tuple((at, max(1, length)) for at, length in sorted(notes.items())))
        found[metre].update(own)
    return {metre: [list(bar) for bar, _ in counts.most_common(most)] for metre, counts in found.items()}


def clustered(found: Counter[Pattern], most: int = MOST) -> list[tuple[Pattern, int]]:
    """The patterns that stand for all, with how many pieces each stands for: each leads those that are like it."""
    leaders: list[tuple[Pattern, int]] = []
    for pattern, count in found.most_common():
        for place, (leader, weight) in enumerate(leaders):
            if likeness(pattern, leader) >= ALIKE:
                leaders[place] = (leader, weight + count)
                break
        else:
            leaders.append((pattern, count))
    return sorted(leaders, key=lambda one: one[1], reverse=True)[:most]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tunes", nargs="*", type=Path, default=[], help="folders of melodies")
    parser.add_argument("--every", type=int, default=1, help="read every so many files")
    options = parser.parse_args()

    def pieces(folders: Sequence[Path]) -> Iterable[Piece]:
        for folder in folders:
            for path in sorted(music_files(folder))[:: options.every]:
                try:
                    yield read_music(path)
                except (RnnmuseError, ValueError, OSError):
                    continue

    found = mined(pieces(options.folders))
    table: dict[str, object] = {"melody": rhythms(pieces(options.tunes))}
    table |= {metre: [[weight, *map(list, pattern)] for pattern, weight in clustered(c)] for metre, c in found.items()}
    options.out.write_text(json.dumps(table, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
