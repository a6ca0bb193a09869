"""Kinds of parts: what plays in somebody's files, and the recipe that this asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from rnnmuse.errors import RnnmuseError
from rnnmuse.music.codec import PartClass, is_sung
from rnnmuse.music.piece import Part
from rnnmuse.music.read import music_files, read_music
from rnnmuse.train.recipe import folders_of
from rnnmuse.train.stream.recipe import Recipe

FAMILIES = (
    ("piano", 0), ("tuned percussion", 11), ("organ", 16), ("guitar", 25), ("bass", 33), ("strings", 40),
    ("ensemble", 48), ("brass", 61), ("reed", 65), ("pipe", 73), ("lead", 80), ("pad", 89), ("effects", 98),
    ("world", 104), ("percussive", 114), ("sounds", 122),
)  # fmt: skip
"""The sixteen General MIDI families, and the program each is written with."""
SAMPLE = 60  # files that are looked at for their parts


def part_kind(part: Part) -> str:
    """What a part is called: drums, voice, or its General MIDI family."""
    return "drums" if part.drum else "voice" if is_sung(part) else FAMILIES[part.program // 8][0]


def parts_in(folders: Sequence[Path], sample: int = SAMPLE) -> tuple[Counter[str], Counter[str], int]:
    """Notes by `part_kind`, files by it, and how many of up to ``sample`` files could be read."""
    files = [path for folder in folders for path in music_files(folder)]
    notes: Counter[str] = Counter()
    holders: Counter[str] = Counter()
    read = 0
    for path in files[:: -(-len(files) // sample) or 1]:
        try:
            piece = read_music(path)
        except RnnmuseError:
            continue
        read += 1
        own: Counter[str] = Counter()
        for part in piece.parts:
            own[part_kind(part)] += len(part.notes)
        notes += own
        holders.update(kind for kind, count in own.items() if count)
    return notes, holders, read


def recipe_for(folders: Sequence[Path], name: str) -> Recipe:
    """A recipe for music that was not seen before: its part classes from a sample of its files."""
    notes, _, _ = parts_in(folders)
    kept = [kind for kind, count in notes.items() if count >= 0.02 * notes.total()]
    if not kept:
        raise RnnmuseError(f"{', '.join(map(str, folders))}: no notes in the music files")
    parts = [PartClass("voice", 53, (6,), sung=True)] if "voice" in kept else []
    parts += [PartClass(family, program, (i,)) for i, (family, program) in enumerate(FAMILIES) if family in kept]
    if "drums" in kept:
        parts.append(PartClass("drums", 0, drum=True))
    return Recipe(name, tuple(parts), data=folders_of(folders), embed=192, hidden=384, lanes=32, dropout=0.2)


def covers(parts: Sequence[dict[str, object]], kind: str) -> bool:
    """Whether one of a model's part classes is meant for a `part_kind`."""
    families = [name for name, _ in FAMILIES]
    for part in parts:
        if kind == "drums" and part.get("drum"):
            return True
        if kind == "voice" and part.get("sung"):
            return True
        if kind in families and families.index(kind) in cast("list[int]", part.get("families", [])):
            return True
    return kind == "voice" and any("voice" in str(part["name"]) for part in parts)
