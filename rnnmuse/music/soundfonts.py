"""SoundFonts on this machine: where Linux, macOS and Windows keep them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rnnmuse.errors import ReadError
from rnnmuse.system import MACHINE

SUFFIXES = (".sf2", ".sf3")
_PREFERRED = ("fluidr3", "default", "generaluser", "gm", "musescore")


def installed() -> list[Path]:
    """Every SoundFont in the system's folders, General MIDI sets that are known to be whole first."""
    found = [path for folder in MACHINE.soundfont_folders for path in _fonts(folder)]

    def rank(path: Path) -> int:
        name = path.stem.lower()
        return next((i for i, word in enumerate(_PREFERRED) if word in name), len(_PREFERRED))

    return sorted(dict.fromkeys(found), key=rank)


def _fonts(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError:
        return


def find(name: str) -> Path:
    """The SoundFont of a path, of a name or its beginning among those installed, or the best of them for ``auto``.

    Raises ReadError naming what is installed.
    """
    path = Path(name).expanduser()
    if name != "auto" and (path.suffix.lower() in SUFFIXES or path.exists()):
        if path.is_dir():
            raise ReadError(f"soundfont: {name!r} is a folder; give a .sf2 or .sf3 file")
        if path.exists() or len(path.parts) > 1:
            return path
    fonts = installed()
    wanted = "" if name == "auto" else name.lower().removesuffix(".sf2").removesuffix(".sf3")
    match = next((font for font in fonts if font.stem.lower().startswith(wanted)), None)
    if match is None:
        known = ", ".join(dict.fromkeys(font.stem for font in fonts)) or "none is installed"
        raise ReadError(f"soundfont: {name!r} is not found; installed: {known}")
    return match
