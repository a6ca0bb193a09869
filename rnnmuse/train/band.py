"""Mines what a band plays, from performances of drummers and from pieces for bands: units of two bars that return.

    python -m rnnmuse.train.band --drums GROOVES --bands FOLDER… --out rnnmuse/play/data/band.npz

A piece gives each role the unit that returns most in it; units that are alike are one (`rnnmuse.play.units` says what
a unit is). Drums come from Groove MIDI by style, all else and the drums of games from the pieces that the model `band`
learned from. Only training pieces are read: `tests/evaluate_partner.py area` compares with the others.
"""

from __future__ import annotations

import argparse
import csv
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from rnnmuse.events import Note
from rnnmuse.models.bundle import find
from rnnmuse.music.drums import general_midi
from rnnmuse.music.piece import Piece
from rnnmuse.music.read import read_music
from rnnmuse.music.theory import Chord, parse_chord
from rnnmuse.play.units import BARS, BASS_KINDS, FINE, MOST_VOICES, ROLES, STYLES, Unit, save
from rnnmuse.train.corpus import load_corpus
from rnnmuse.train.recipe import read_recipe
from rnnmuse.train.shards import prepared
from rnnmuse.train.stream.recipe import Recipe

BEAT = 4.0
EARLY = 0.1
"""Beats before a bar line from which on a note counts to the bar."""
ALIKE = 0.6
"""Share of common strokes (Jaccard) from which two units are one."""
MOST = {"drums": 14, "fill": 8, "bass": 28, "chords": 28, "lead": 32}
"""Units that are kept of each style, by role."""
LEAST = 4
"""Strokes that a unit of drums has at least."""
PHRASE = 4
LEVEL, NEARER, FLATTER = 95, 0.4, 0.7
"""Velocity about which the units of different pieces are brought together, how much of their distance from it is left,
and how much of their own spread."""
LOWEST, HIGHEST = 50, 62
"""MIDI notes about which chords lie at least and at most: beneath the lead."""
STEADY = 0.7
"""Share of the phrases in which chords, bass and drums each play in a piece whose form is taken."""
LOOSE = 0.1
"""Share of the strokes off the grid from which a unit of a piece is left out: files of bands are programmed."""
PLACES = (0, 6, 8, 12, 16, 18)
"""Where in a beat strokes fall, in 24ths."""
PROGRAM_ROLES = {80: "lead", 0: "chords", 33: "bass"}

DRUMMED = {
    "jazz": ("jazz", "jazz/swing", "jazz/march", "jazz/mediumfast"),
    "pop": ("pop", "pop/soft", "soul", "soul/motown", "dance", "dance/disco", "dance/breakbeat", "gospel"),
    "folk": ("country", "rock/folk", "blues/shuffle", "highlife", "rock/shuffle", "neworleans/secondline"),
}
"""Styles of Groove MIDI, by ours."""


def drummers(folder: Path) -> Iterable[tuple[str, bool, Piece]]:
    """Style, whether it is a fill, and the piece, of each training performance in 4/4."""
    with (folder / "info.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["split"] != "train" or row["time_signature"] != "4-4":
                continue
            for ours, theirs in DRUMMED.items():
                if row["style"] in theirs:
                    yield ours, row["beat_type"] == "fill", read_music(folder / row["midi_filename"])


def strokes_of(
    notes: Sequence[Note], first: float, beats: float, drum: bool = False
) -> list[tuple[int, int, int, int]]:
    """Start, pitch, length (in FINE parts of a beat) and velocity of the notes from beat ``first`` on."""
    starts = [n.start for n in notes]
    own = notes[bisect_right(starts, first - EARLY) : bisect_right(starts, first + beats - EARLY)]
    rows = [
        (
            round((n.start - first) * FINE),
            general_midi(n.pitch, "roland") if drum else n.pitch,
            max(1, round(min(BARS * BEAT, n.duration) * FINE)),
            n.velocity,
        )
        for n in own
    ]
    return sorted(set(rows))


def signature(rows: Sequence[tuple[int, ...]], drum: bool) -> frozenset[tuple[int, int]]:
    """Where strokes fall, in twelfths of a beat, and of drums which."""
    return frozenset((round(row[0] * 12 / FINE), row[1] if drum else 0) for row in rows)


def returning(notes: Sequence[Note], end: float, drum: bool) -> list[tuple[float, int]]:
    """The first beats of the units of a part, those first that return most, with how often."""
    where: dict[frozenset[tuple[int, int]], list[float]] = defaultdict(list)
    for index in range(int(end // (BARS * BEAT))):
        first = index * BARS * BEAT
        found = signature(strokes_of(notes, first, BARS * BEAT, drum), drum)
        if len(found) >= (LEAST if drum else 1):
            where[found].append(first)
    return sorted(((places[0], len(places)) for places in where.values()), key=lambda one: -one[1])


def bass_rows(rows: Sequence[tuple[int, int, int, int]], chord_at: list[Chord]) -> list[tuple[int, ...]]:
    """Strokes with what the bass plays in the place of the pitch: an index of BASS_KINDS."""
    roots = [row[1] for row, chord in zip(rows, chord_at, strict=True) if row[1] % 12 == chord.root]
    low = min(roots, default=0)
    out = list[tuple[int, ...]]()
    for (start, pitch, length, velocity), chord in zip(rows, chord_at, strict=True):
        above = (pitch - chord.root) % 12
        kind = "o" if above == 0 and pitch >= low + 12 else "b" if above == 0 else "f" if above == 7 else (
            "t" if pitch % 12 in chord.pitch_classes else "w"
        )  # fmt: skip
        out.append((start, BASS_KINDS.index(kind), length, velocity, 0))
    return out


def chord_rows(rows: Sequence[tuple[int, int, int, int]]) -> list[tuple[int, ...]]:
    """Strokes with the number of a voice in the place of the pitch, and how many voices its half bar has."""
    halves: dict[int, set[int]] = defaultdict(set)
    for start, pitch, _, _ in rows:
        halves[max(0, start) // (2 * FINE)].add(pitch)
    found: dict[tuple[int, int], tuple[int, ...]] = {}
    for start, pitch, length, velocity in rows:
        own = sorted(halves[max(0, start) // (2 * FINE)])
        voices = min(MOST_VOICES, len(own))
        voice = own.index(pitch) * voices // len(own)
        found.setdefault((start, voice), (start, voice, length, velocity, voices))
    return [found[key] for key in sorted(found)]


def on_grid(rows: Sequence[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Strokes of a programmed part on its grid, their velocities about LEVEL; none where it is not on a grid."""
    step = FINE // 24
    off = [round(start / step) % 24 not in PLACES or abs(start - step * round(start / step)) > 4 for start, *_ in rows]
    if not rows or sum(off) > LOOSE * len(rows):
        return []
    mean = sum(row[3] for row in rows) / len(rows)
    centre = LEVEL + NEARER * (mean - LEVEL)
    out = {
        (max(0, step * round(start / step)), pitch, length, round(min(127, centre + FLATTER * (velocity - mean))))
        for start, pitch, length, velocity in rows
    }
    return sorted(out)


def struck_again(rows: Sequence[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Strokes that ring over a bar line are struck again there: the chord may be another."""
    bar, out = round(BEAT * FINE), list[tuple[int, int, int, int]]()
    for start, pitch, length, velocity in rows:
        rest = start + length - (start // bar + 1) * bar
        if rest < FINE:
            out.append((start, pitch, length, velocity))
            continue
        out.append((start, pitch, length - rest, velocity))
        if start < bar * (BARS - 1):
            out.append((bar * (start // bar + 1), pitch, min(rest, bar), velocity))
    return sorted({row[:2]: row for row in out}.values())


def of_bands(pieces: Iterable[Piece]) -> tuple[dict[str, list[Unit]], list[list[int]]]:
    """Units of every role of pieces for bands, and who plays in their phrases: bits in the order of ROLES."""
    units: dict[str, list[Unit]] = defaultdict(list)
    forms: list[list[int]] = []
    for piece in pieces:
        if len(piece.metres) != 1 or piece.metres[0].bar_beats != BEAT or piece.pickup:
            continue
        parts: dict[str, list[Note]] = defaultdict(list)
        for part in piece.parts:
            parts["drums" if part.drum else PROGRAM_ROLES[part.program]] += part.notes
        chords = [parse_chord(symbol.text) for symbol in piece.chords]
        beats = [symbol.beat for symbol in piece.chords]
        for role, notes in parts.items():
            notes.sort()
            drum = role == "drums"
            for first, times in returning(notes, piece.end, drum)[:4]:
                rows = on_grid(strokes_of(notes, first, BARS * BEAT, drum))
                if not rows:
                    continue
                if role in ("bass", "chords"):
                    rows = struck_again(rows)
                    if len({row[0] // round(BEAT * FINE) for row in rows}) < BARS:
                        continue  # it rests in one of its bars
                if role == "bass" and rows[0][0] > 0:
                    continue  # a bass that leaves out the first beat needs its own piece around it
                if role == "bass":
                    if not chords:
                        continue
                    at = [chords[max(0, bisect_right(beats, first + row[0] / FINE + 0.05) - 1)] for row in rows]
                    if any(chord.root < 0 for chord in at):
                        continue
                    made = bass_rows(rows, at)
                elif role == "chords":
                    made = chord_rows(rows)
                elif drum:
                    made = [(start, pitch, length, velocity, 0) for start, pitch, length, velocity in rows]
                else:
                    top = {start: (start, 0, length, velocity, 0) for start, _, length, velocity in rows}
                    made = [top[start] for start in sorted(top)]
                centre = round(sum(row[1] for row in rows) / len(rows)) if role == "chords" else 0
                units[role].append(
                    Unit("game", role, float(times), tuple(made), min(HIGHEST, max(LOWEST, centre)) if centre else 0)
                )
            if drum:
                units["fill"] += fills_of(notes, piece.end)
        phrases = int(piece.end // (PHRASE * BEAT))
        played = [
            [
                sum(int(n.start // (PHRASE * BEAT)) == phrase for n in parts.get(role, [])) >= 2
                for phrase in range(phrases)
            ]
            for role in ROLES
        ]
        if phrases >= 8 and all(sum(row) >= STEADY * phrases for row in played[1:]) and any(played[0]):
            forms.append([sum(played[i][p] << i for i in range(len(ROLES))) for p in range(min(phrases, 24))])
    return units, forms


def fills_of(notes: Sequence[Note], end: float) -> list[Unit]:
    """Bars of drums that lead to another section: the last of eight, unlike the one before."""
    out = []
    for bar in range(7, int(end // BEAT) - 1, 8):
        rows, before = (on_grid(strokes_of(notes, at * BEAT, BEAT, True)) for at in (bar, bar - 1))
        mine, theirs = signature(rows, True), signature(before, True)
        late = {one for one in mine if one[0] >= 24}
        if len(mine) >= LEAST and len(late - theirs) >= 3:
            made = tuple((start, pitch, length, velocity, 0) for start, pitch, length, velocity in rows)
            out.append(Unit("game", "fill", 1.0, made))
    return out


def of_drummers(folder: Path) -> dict[str, list[Unit]]:
    """Units and fills of drummers, by role."""
    units: dict[str, list[Unit]] = defaultdict(list)
    for style, fill, piece in drummers(folder):
        notes = sorted(n for part in piece.parts for n in part.notes)
        if fill:
            rows = strokes_of(notes, 0.0, BEAT, True)
            if len(rows) >= LEAST:
                units["fill"].append(Unit(style, "fill", 1.0, tuple((s, p, d, v, 0) for s, p, d, v in rows)))
            continue
        bars = int(piece.end // (BARS * BEAT))
        found = [strokes_of(notes, BARS * BEAT * i, BARS * BEAT, True) for i in range(1, bars - 1)]
        found = [rows for rows in found if len(rows) >= 2 * LEAST]
        if not found:
            continue
        marks = [signature(rows, True) for rows in found]
        likest = [sum(len(a & b) / len(a | b) for b in marks) for a in marks]
        for index in sorted(range(len(found)), key=lambda i: -likest[i])[:3]:
            rows = found[index]
            units["drums"].append(
                Unit(style, "drums", float(len(found)), tuple((s, p, d, v, 0) for s, p, d, v in rows))
            )
    return units


def clustered(units: Sequence[Unit], most: int) -> list[Unit]:
    """The units that stand for all of a style and role: each leads those that are like it."""
    drum = bool(units) and units[0].role in ("drums", "fill")
    leaders: list[list[object]] = []
    for unit in sorted(units, key=lambda one: -one.weight):
        mine = signature(unit.strokes, drum)
        for leader in leaders:
            theirs = leader[1]
            assert isinstance(theirs, frozenset)
            if len(mine & theirs) / len(mine | theirs) >= (0.95 if drum else ALIKE):
                leader[2] = float(leader[2]) + 1  # type: ignore[arg-type]
                break
        else:
            leaders.append([unit, mine, 1.0])
    ranked = sorted(leaders, key=lambda one: -float(one[2]))[:most]  # type: ignore[arg-type]
    return [Unit(u.style, u.role, float(w), u.strokes, u.centre) for u, _, w in ranked]  # type: ignore[arg-type, attr-defined]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drums", type=Path, required=True, help="Groove MIDI, with its info.csv")
    parser.add_argument("--bands", type=Path, nargs="+", required=True, help="folders of pieces for bands")
    parser.add_argument("--cache", type=Path, help="a folder for what is encoded")
    parser.add_argument("--out", type=Path, default=Path("band.npz"))
    asked = parser.parse_args()
    recipe = read_recipe(find("band").folder / "recipe.toml", Recipe)
    names = {item.name for item in load_corpus(asked.bands, recipe, cache=asked.cache, workers=1).of("train")}
    paths = [folder / name for folder in asked.bands for name in sorted(names) if (folder / name).is_file()]
    units, forms = of_bands(prepared(read_music(path), recipe.prepare) for path in paths)
    for role, found in of_drummers(asked.drums).items():
        units[role] += found
    kept: list[Unit] = []
    for role, found in sorted(units.items()):
        for style in STYLES:
            own = [unit for unit in found if unit.style == style]
            kept += clustered(own, MOST[role])
    counts = Counter((unit.style, unit.role) for unit in kept)
    print(", ".join(f"{style} {role} {count}" for (style, role), count in sorted(counts.items())), len(forms), "forms")
    save(asked.out, kept, forms)
    print(asked.out, asked.out.stat().st_size, "bytes", len(np.concatenate([u.strokes for u in kept])), "strokes")


if __name__ == "__main__":
    main()
