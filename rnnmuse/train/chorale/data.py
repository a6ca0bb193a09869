"""Chorales read: four voices in sixteenths, with their split."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnmuse.errors import RnnmuseError
from rnnmuse.events import Note
from rnnmuse.music.piece import Piece
from rnnmuse.music.read import SUFFIXES, read_music
from rnnmuse.music.theory import estimate_key

Ints = NDArray[np.int64]
SIXTEENTHS = 4
SPLITS = {"train": "train", "valid": "validation", "validation": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class Chorale:
    """``voices`` (T, 4) are MIDI notes a sixteenth, soprano first, 0 for silence; ``split`` "beside" without one."""

    name: str
    """Its file's, without the ending."""
    voices: Ints
    tonic: int
    """Estimated, 0 to 11; C is 0."""
    split: str
    """One of "train", "validation", "test" and "beside"."""

    def beats(self, at: int = 0) -> Ints:
        """The voices at one sixteenth of every beat, (B, 4)."""
        return self.voices[at::SIXTEENTHS]


def read_chorales(folders: Sequence[Path]) -> tuple[list[Chorale], list[str]]:
    """Every chorale under ``folders``, and a line for each file that is none.

    A CSV file has a row a sixteenth: four MIDI notes, soprano first. Of a music file the four parts (or tracks) with
    notes are taken, the highest first.
    """
    found, unread = list[Chorale](), list[str]()
    for folder in folders:
        for path in sorted(p for p in [folder, *folder.rglob("*")] if p.suffix.lower() in (".csv", *SUFFIXES)):
            split = next((SPLITS[part] for part in reversed(path.parts[:-1]) if part in SPLITS), "beside")
            try:
                voices = _csv(path) if path.suffix.lower() == ".csv" else _four_parts(read_music(path))
            except (RnnmuseError, ValueError) as error:
                unread.append(f"{path.name}: {error}")
                continue
            found.append(Chorale(path.stem, voices, tonic_of(voices), split))
    return found, unread


def _csv(path: Path) -> Ints:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row and row[0].lstrip("-").isdigit()]
    if not rows or any(len(row) != 4 for row in rows):
        raise ValueError("must have rows of four MIDI notes")
    return np.array([[int(value) for value in row] for row in rows], np.int64)


def _four_parts(piece: Piece) -> Ints:
    parts = [part for part in piece.parts if part.notes and not part.drum]
    if len(parts) != 4:
        raise ValueError(f"{len(parts)} parts; a chorale has four")
    parts.sort(key=lambda part: -sum(n.pitch for n in part.notes) / len(part.notes))
    out = np.zeros((max(1, round(piece.end * SIXTEENTHS)), 4), np.int64)
    for voice, part in enumerate(parts):
        for note in part.notes:
            out[round(note.start * SIXTEENTHS) : round(note.end * SIXTEENTHS), voice] = note.pitch
    return out


def tonic_of(voices: Ints) -> int:
    """The estimated tonic of a chorale, 0-11."""
    counted = np.bincount(voices[voices > 0] % 12, minlength=12)
    return estimate_key(Note(0.0, pitch, float(count)) for pitch, count in enumerate(counted)).tonic


def room(chorales: Sequence[Chorale]) -> Ints:
    """The lowest and the highest note of each voice, (2, 4)."""
    sung = [c.voices for c in chorales]
    low = [min(int(v[v[:, i] > 0, i].min()) for v in sung if (v[:, i] > 0).any()) for i in range(4)]
    high = [max(int(v[:, i].max()) for v in sung) for i in range(4)]
    return np.array([low, high], np.int64)


def shifts(voices: Ints, limits: Ints) -> tuple[int, int]:
    """By how many semitones a chorale may be transposed, down and up, and stay within its voices' room."""
    down, up = -5, 6
    for voice in range(4):
        sung = voices[voices[:, voice] > 0, voice]
        if len(sung):
            down = max(down, int(limits[0, voice] - sung.min()))
            up = min(up, int(limits[1, voice] - sung.max()))
    return min(down, 0), max(up, 0)
