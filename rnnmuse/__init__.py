"""rnnmuse: models that play along. `load` one, then `continue_` a piece or `generate` one; `Client` speaks to a stage.

    import rnnmuse

    muse = rnnmuse.load("lieder")
    piece = muse.generate(bars=8, key="D minor", seed=1)
    piece.save("song.mid")

Names are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnnmuse.bridges.client import AsyncClient, Client, Heard, StageError
    from rnnmuse.compose.harmonise import harmonise
    from rnnmuse.compose.muse import Muse, Settings, joined, load
    from rnnmuse.compose.phrases import Phrases, load_phrases
    from rnnmuse.errors import BundleError, MissingExtraError, ReadError, RnnmuseError
    from rnnmuse.events import Note
    from rnnmuse.models.bundle import Bundle, list_models
    from rnnmuse.music.midi import write_midi
    from rnnmuse.music.piece import Part, Piece
    from rnnmuse.music.read import read_music
    from rnnmuse.text.author import Author, author

__version__ = "0.2.0"

_HOMES = {
    "AsyncClient": "rnnmuse.bridges.client",
    "Client": "rnnmuse.bridges.client",
    "Heard": "rnnmuse.bridges.client",
    "StageError": "rnnmuse.bridges.client",
    "Bundle": "rnnmuse.models.bundle",
    "harmonise": "rnnmuse.compose.harmonise",
    "list_models": "rnnmuse.models.bundle",
    "BundleError": "rnnmuse.errors",
    "MissingExtraError": "rnnmuse.errors",
    "ReadError": "rnnmuse.errors",
    "RnnmuseError": "rnnmuse.errors",
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
    "AsyncClient",
    "Author",
    "Bundle",
    "BundleError",
    "Client",
    "Heard",
    "MissingExtraError",
    "Muse",
    "Note",
    "Part",
    "Phrases",
    "Piece",
    "ReadError",
    "RnnmuseError",
    "Settings",
    "StageError",
    "author",
    "harmonise",
    "joined",
    "list_models",
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
