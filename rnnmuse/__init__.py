"""rnnmuse: a recurrent model that plays along. `load` a model, then `continue_` a piece or `generate` one.

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnmuse.compose.muse import Muse, Settings, joined, load
    from rnnmuse.compose.phrases import Phrases, load_phrases
    from rnnmuse.events import Note
    from rnnmuse.music.midi import write_midi
    from rnnmuse.music.piece import Part, Piece
    from rnnmuse.music.read import read_music
    from rnnmuse.text.author import Author, author

__version__ = "0.2.0"

_HOMES = {
    "Muse": "rnnmuse.compose.muse",
    "Settings": "rnnmuse.compose.muse",
    "joined": "rnnmuse.compose.muse",
    "load": "rnnmuse.compose.muse",
    "Phrases": "rnnmuse.compose.phrases",
    "load_phrases": "rnnmuse.compose.phrases",
    "Note": "rnnmuse.events",
    "Part": "rnnmuse.music.piece",
    "Piece": "rnnmuse.music.piece",
    "read_music": "rnnmuse.music.read",
    "write_midi": "rnnmuse.music.midi",
    "Author": "rnnmuse.text.author",
    "author": "rnnmuse.text.author",
}
__all__ = [
    "Author",
    "Muse",
    "Note",
    "Part",
    "Phrases",
    "Piece",
    "Settings",
    "author",
    "joined",
    "load",
    "load_phrases",
    "read_music",
    "write_midi",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rnnmuse' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
