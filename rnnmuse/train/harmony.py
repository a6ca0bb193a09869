"""Learns the tables of `rnnmuse.play.degrees` from lead sheets.

    python -m rnnmuse.train.harmony LEADSHEETS [--beside SONGS] [--out harmony.npz]

A lead sheet gives each half bar its chord (the one that sounds longest in it) and the notes of the melody. Degrees are
counted above the tonic; counts are smoothed towards broader ones (a quality on any root, a degree from anywhere). Songs
``beside`` the lead sheets have no chord symbols: theirs are estimated from all parts, and count for less. Of the lead
sheets `HELD` are held out, the same for every run: `tests/evaluate_harmony.py` measures on them.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnmuse.compose.analyse import MEASURES, described
from rnnmuse.errors import RnnmuseError
from rnnmuse.music.codec import is_sung
from rnnmuse.music.harmony import estimate_chords
from rnnmuse.music.piece import Key, Piece
from rnnmuse.music.read import music_files, read_music
from rnnmuse.music.theory import estimate_key, parse_chord
from rnnmuse.play.degrees import DEGREES, TRIADS, Segment
from rnnmuse.play.harmony import segments_of

HELD = 50
NOT_FREE = (
    "Little_Sir_Echo", "She_Wore_a_Yellow_Ribbon", "The_Quartermaster's_Stores", "Just_a_Closer_Walk_with_Thee",
)  # fmt: skip
"""Sheets of the collection that are called traditional and are not, as the recipe of the model `leadsheet` says."""

BESIDE = 0.15
"""What a half bar of a song beside the lead sheets counts."""

LENGTH, EMISSION, DEGREE, UNIGRAM, MOVE, STAY = 0.3, 40.0, 0.1, 10.0, 150.0, 10.0
"""Exponent of a note's beats, and counts that the broader distributions weigh: chosen by four-fold cross-validation on
the training sheets (agreement with the sheet's triads, online and with look-ahead)."""
WEIGHTS = (1.0, 1.0, 0.6, 0.25)
MODULATION = 0.004

QUALITY = {"maj": 0, "min": 1, "dom7": 2, "min7": 3, "dim": 4, "aug": 0, "maj7": 0, "sus": 2}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sheet:
    """The melody of a piece in half bars: ``starts`` in beats, what is heard in each, and its ``labels``, chords as
    root times 5 plus quality, -1 for none. ``slash`` are the basses that a chord symbol names, -1 for its root."""

    name: str
    """Its file's."""
    piece: Piece
    """With the chord symbols that the labels are from."""
    key: Key
    """The key that the labels are read in."""
    starts: tuple[float, ...]
    segments: tuple[Segment, ...]
    """Beats heard of each pitch class, a half bar each."""
    labels: NDArray[np.int64]
    slash: NDArray[np.int64]
    weight: float = 1.0
    """How much it counts in learning; a lead sheet counts 1."""


def sheet_of(name: str, piece: Piece, weight: float = 1.0) -> Sheet | None:
    """The sheet of a piece with chord symbols; None without them."""
    chords = [(symbol.beat, parse_chord(symbol.text)) for symbol in piece.chords]
    sounding = [chord for _, chord in chords if chord.root >= 0]
    line = next((i for i, part in enumerate(piece.parts) if is_sung(part)), 0)
    starts, segments = segments_of(piece, [line])
    if not sounding or not starts:
        return None
    ends = [*starts[1:], piece.end]
    labels, slash = np.full(len(starts), -1), np.full(len(starts), -1)
    until = [beat for beat, _ in chords[1:]] + [max(piece.end, chords[-1][0])]
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        longest = 0.0
        for (beat, chord), last in zip(chords, until, strict=True):
            heard = min(end, last) - max(start, beat)
            if heard > longest and chord.root >= 0:
                longest = heard
                labels[index] = chord.root * 5 + QUALITY[chord.quality]
                slash[index] = chord.bass if chord.bass != chord.root else -1
    key = key_of(piece, line)
    return Sheet(name, piece, key, tuple(starts), tuple(segments), labels, slash, weight)


def key_of(piece: Piece, line: int) -> Key:
    """The key of a lead sheet: that of its signature which its last chord, else its first, is the tonic of.

    Files say major for most keys, whatever they are.
    """
    chords = [chord for chord in (parse_chord(symbol.text) for symbol in piece.chords) if chord.root >= 0]
    given = piece.keys[0] if piece.keys else estimate_key(piece.parts[line].notes)
    minor = given.tonic if given.minor else (given.tonic + 9) % 12
    major = (minor + 3) % 12
    for chord in (chords[-1], chords[0]):
        if chord.root in (minor, major):
            is_minor = chord.root == minor and chord.quality in ("min", "min7")
            return Key(0.0, minor if is_minor else major, is_minor)
    return Key(0.0, major)


def lead_sheets(folder: Path) -> tuple[list[Sheet], list[Sheet]]:
    """The lead sheets under a folder, for training and held out: by a hash of their names."""
    found = list[Sheet]()
    for path in music_files(folder):
        if any(name in str(path) for name in NOT_FREE):
            continue
        try:
            made = sheet_of(path.name, read_music(path))
        except (RnnmuseError, ValueError):
            continue
        if made is not None:
            found.append(made)
    found.sort(key=lambda sheet: zlib.crc32(sheet.name.encode()))
    return found[HELD:], found[:HELD]


def songs(folder: Path, most: int) -> list[Sheet]:
    """Songs with an accompaniment, their chords and keys estimated."""
    found = list[Sheet]()
    for path in sorted(music_files(folder), key=lambda p: zlib.crc32(str(p.relative_to(folder)).encode()))[:most]:
        try:
            piece = read_music(path)
            piece.chords = estimate_chords(piece)
            made = sheet_of(path.name, piece, BESIDE)
        except (RnnmuseError, ValueError):
            continue
        if made is not None:
            key = estimate_key([n for part in piece.parts if not part.drum for n in part.notes])
            found.append(Sheet(made.name, piece, key, made.starts, made.segments, made.labels, made.slash, BESIDE))
    return found


def learn(sheets: Sequence[Sheet]) -> dict[str, Floats]:
    """The arrays of `rnnmuse.play.degrees.Tables`."""
    heard, degree = np.zeros((2, DEGREES, 3, 12)), np.zeros((2, DEGREES))
    moves, first, mode = np.zeros((2, 2, DEGREES, DEGREES)), np.zeros((2, DEGREES)), np.zeros(2)
    for sheet in sheets:
        m, w = int(sheet.key.minor), sheet.weight
        labels = np.where(sheet.labels < 0, -1, (sheet.labels // 5 - sheet.key.tonic) % 12 * 5 + sheet.labels % 5)
        mode[m] += w
        known = labels[labels >= 0]
        if len(known):
            first[m, known[0]] += w
        for index, (segment, label) in enumerate(zip(sheet.segments, labels, strict=True)):
            if label < 0:
                continue
            turned = np.roll(segment.heard, -sheet.key.tonic, axis=1)
            heard[m, label] += w * np.where(turned > 0, np.minimum(turned, 2) ** LENGTH, 0)
            degree[m, label] += w
            if index and labels[index - 1] >= 0:
                moves[m, int(segment.within), labels[index - 1], label] += w
    return {
        "emission": np.log(_emission(heard)),
        "degree": _shares(degree + DEGREE),
        "moves": _moves(moves, _shares(degree + DEGREE)),
        "first": _shares(first + 5 * _shares(degree + DEGREE)),
        "mode": _shares(mode + 1),
        "weights": np.array(WEIGHTS),
        "modulation": np.array(MODULATION),
    }


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / counts.sum(-1, keepdims=True))


def _emission(heard: Floats) -> Floats:
    """Pitch classes by degree, smoothed towards those of the quality on any root."""
    by_quality = np.zeros((5, 3, 12))
    for degree in range(DEGREES):
        by_quality[degree % 5] += np.roll(heard[:, degree].sum(0), -(degree // 5), axis=1)
    for quality, triad in enumerate(TRIADS):
        by_quality[quality][:, list(triad)] += 1
    plain = _shares(by_quality + 1)
    out = np.empty_like(heard)
    for degree in range(DEGREES):
        prior = np.roll(plain[degree % 5], degree // 5, axis=1)
        out[:, degree] = _shares(heard[:, degree] + EMISSION * prior)
    return out


def _moves(moves: Floats, degree: Floats) -> Floats:
    """From degree to degree: how often a chord stays, and where it goes, smoothed towards moves at any place."""
    out, unit = np.empty_like(moves), np.eye(DEGREES)
    for m in (0, 1):
        every = moves[m].sum(0) * (1 - unit)
        base = _shares((every + UNIGRAM * degree[m]) / (every.sum(1, keepdims=True) + UNIGRAM) * (1 - unit))
        for within in (0, 1):
            counts = moves[m, within]
            away = counts * (1 - unit)
            stays = moves[:, within].trace(axis1=1, axis2=2).sum() / max(1.0, moves[:, within].sum())
            stay = (np.diag(counts) + STAY * stays) / (counts.sum(1) + STAY)
            to = (away + MOVE * base) / (away.sum(1, keepdims=True) + MOVE)
            out[m, within] = to * (1 - stay)[:, None] + np.diag(stay)
    return out


def save(tables: dict[str, Floats], path: Path) -> None:
    """Write the tables small: half floats, but for the weights."""
    kinds = {name: np.float16 if value.ndim > 2 else np.float32 for name, value in tables.items()}
    np.savez_compressed(path, **{name: value.astype(kinds[name]) for name, value in tables.items()})  # type: ignore[arg-type]


def save_reference(folder: Path, path: Path) -> None:
    """Write the quantiles of each measure of `rnnmuse.compose.analyse` over the lead sheets under a folder."""
    training, held = lead_sheets(folder)
    found = [described(sheet.name, sheet.piece).measures for sheet in (*training, *held)]
    quantiles = {
        name: np.quantile([one[name] for one in found], np.linspace(0, 1, 21)).round(4).tolist() for name in MEASURES
    }
    about = f"{len(found)} lead sheets of OpenEWLD (commit ec03cbd), the part in the public domain. Licence: MIT"
    path.write_text(json.dumps({"about": about, "quantiles": quantiles}, indent=1) + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="lead sheets with chord symbols")
    parser.add_argument("--beside", type=Path, help="songs with an accompaniment")
    parser.add_argument("--most", type=int, default=400, help="songs that are read at most")
    parser.add_argument("--out", type=Path, default=Path("harmony.npz"))
    parser.add_argument("--reference", type=Path, help="write what `rnnmuse analyse` compares with, and end")
    asked = parser.parse_args()
    if asked.reference:
        save_reference(asked.folder, asked.reference)
        return
    training, held = lead_sheets(asked.folder)
    beside = songs(asked.beside, asked.most) if asked.beside else []
    print(f"{len(training)} lead sheets, {len(held)} held out, {len(beside)} songs beside them")
    save(learn([*training, *beside]), asked.out)
    print(asked.out)


if __name__ == "__main__":
    main()
