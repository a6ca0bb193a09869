"""SoundFonts on this machine: where Linux, macOS and Windows keep them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from rnnmuse.errors import ReadError

SUFFIXES = (".sf2", ".sf3")
_PREFERRED = ("fluidr3", "default", "generaluser", "gm", "musescore")


def folders() -> list[Path]:
    """Folders that may hold SoundFonts, the user's own first."""
    home = Path.home()
    if sys.platform == "darwin":
        found = [
            home / "Library/Audio/Sounds/Banks", Path("/Library/Audio/Sounds/Banks"),
            Path("/opt/homebrew/share/soundfonts"), Path("/opt/homebrew/share/sounds/sf2"),
            Path("/usr/local/share/soundfonts"), Path("/usr/local/share/sounds/sf2"),
            Path("/Applications/MuseScore 4.app/Contents/Resources/sound"),
        ]  # fmt: skip
    elif sys.platform == "win32":
        places = (("PROGRAMFILES", r"C:\Program Files"), ("PROGRAMFILES(X86)", r"C:\Program Files (x86)"))
        programs = [Path(os.environ.get(name, default)) for name, default in places]
        local = Path(os.environ.get("LOCALAPPDATA", str(home / "AppData/Local")))
        found = [home / "Documents/SoundFonts", local / "SoundFonts", Path(r"C:\soundfonts"), Path(r"C:\sf2")]
        found += [program / name / "sound" for program in programs for name in ("MuseScore 4", "MuseScore 3")]
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
        found = [data / "soundfonts", data / "sounds/sf2", data / "sounds/sf3"]
        found += [Path(root) / kind for root in ("/usr/local/share", "/usr/share")
                  for kind in ("soundfonts", "sounds/sf2", "sounds/sf3")]  # fmt: skip
    own = os.environ.get("RNNMUSE_SOUNDFONTS")
    return [*([Path(own)] if own else []), *found]


def installed() -> list[Path]:
    """Every SoundFont in `folders`, General MIDI sets that are known to be whole first."""
    found = [path for folder in folders() for path in _fonts(folder)]

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
