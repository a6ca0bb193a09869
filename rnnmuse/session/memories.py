"""Files of what was played in a session, for the next concert."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from rnnmuse.models.bundle import user_folder
from rnnmuse.play.recollection import Recollection
from rnnmuse.storage import write_whole

LARGEST = 1 << 20
"""Bytes of a memory's file at most."""
MOST = 256
"""Memories that are kept at most: a stream of names from outside fills no disk."""


def folder() -> Path:
    """Where memories are kept: ``memories`` beside the user's models."""
    return user_folder().parent / "memories"


def path_of(name: str) -> Path:
    """The file of a name; ValueError where it is none."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,63}", name):
        raise ValueError(f"name: {name[:80]!r}; must be letters, digits, spaces, - and _, up to 64")
    return folder() / f"{name}.json"


def keep(memory: Recollection, name: str) -> None:
    """Write a memory under a name that none has yet. ValueError where it cannot be."""
    path = path_of(name)
    if not len(memory):
        raise ValueError("memory: nothing was played yet; there is nothing to remember")
    if path.exists():
        raise ValueError(f"name: {name!r} is there already; give another, or remove {path}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if sum(1 for _ in path.parent.glob("*.json")) >= MOST:
            raise ValueError(
                f"name: {name!r}; {MOST} memories are kept, as many as may be: remove some from {path.parent}"
            )
        write_whole(path, memory.to_text().encode())
    except OSError as error:
        raise ValueError(f"memory: {path} was not written ({error.strerror})") from None


def recall(memory: Recollection, name: str) -> None:
    """Add what was kept under a name. ValueError where there is none, or it cannot be read."""
    path = path_of(name)
    if not path.is_file():
        known = sorted(p.stem for p in folder().glob("*.json"))
        near = get_close_matches(name, known, 8, 0.4) or known[:8]
        more = f" and {len(known) - len(near)} more" if len(known) > len(near) else ""
        raise ValueError(f"name: {name!r}; kept are {', '.join(near) or 'none'}{more}")
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"memory: {path} is larger than {LARGEST} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"memory: {path} cannot be read ({error})") from None
    memory.read(text)
