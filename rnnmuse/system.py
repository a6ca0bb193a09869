"""What differs between Linux, macOS and Windows, and between Python and the one-file program. It is decided here alone.

`MACHINE` is this machine. Each difference is a property, so that a test can ask what another system would get.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHILD = "--child"
"""First word of the one-file program where it runs a module of rnnmuse as a process of its own."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine: ``platform`` as `sys.platform` names it, its environment, the user's home, and how Python is run."""

    platform: str
    """Name of the system, as `sys.platform` has it."""
    environ: Mapping[str, str]
    """Environment variables."""
    home: Path | None = None
    """The user's home folder; None asks the system."""
    executable: str = sys.executable
    """Python, or the one-file program."""
    frozen: bool = False
    """Whether this is the one-file program."""

    @property
    def name(self) -> str:
        """The system in a word: linux, macos or windows."""
        return {"win32": "windows", "darwin": "macos"}.get(self.platform, "linux")

    @property
    def folder(self) -> Path:
        """The user's home folder."""
        return self.home or Path.home()

    @property
    def data_folder(self) -> Path:
        """Where the system keeps a user's own data; on Linux ``$XDG_DATA_HOME`` or ``~/.local/share``."""
        if self.platform == "darwin":
            return self.folder / "Library" / "Application Support"
        if self.platform == "win32":
            return Path(self.environ.get("LOCALAPPDATA") or self.folder / "AppData" / "Local")
        return Path(self.environ.get("XDG_DATA_HOME") or self.folder / ".local" / "share")

    @property
    def plugin_folders(self) -> dict[str, Path]:
        """Where the system's hosts look for plugins of each format, in the user's own folders."""
        if self.platform == "win32":
            common = self.data_folder / "Programs" / "Common"
            roaming = Path(self.environ.get("APPDATA") or self.folder)
            return {"vst3": common / "VST3", "clap": common / "CLAP", "lv2": roaming / "LV2"}
        if self.platform == "darwin":
            audio = self.folder / "Library" / "Audio" / "Plug-Ins"
            return {"vst3": audio / "VST3", "clap": audio / "CLAP", "lv2": audio / "LV2"}
        return {"lv2": self.folder / ".lv2", "vst3": self.folder / ".vst3", "clap": self.folder / ".clap"}

    @property
    def midi_drivers(self) -> list[str]:
        """The MIDI systems that the platform can have, the preferred one first."""
        return {"darwin": ["coremidi"], "win32": ["winmm"]}.get(self.platform, ["alsa", "jack"])

    @property
    def shares_addresses(self) -> bool:
        """Whether SO_REUSEADDR only frees a port that is no longer used; on Windows it would let two listen."""
        return self.platform != "win32"

    @property
    def soundfont_folders(self) -> list[Path]:
        """Folders that may hold SoundFonts, the user's own first."""
        own = self.environ.get("RNNMUSE_SOUNDFONTS")
        if self.platform == "darwin":
            found = [
                self.folder / "Library/Audio/Sounds/Banks", Path("/Library/Audio/Sounds/Banks"),
                Path("/opt/homebrew/share/soundfonts"), Path("/opt/homebrew/share/sounds/sf2"),
                Path("/usr/local/share/soundfonts"), Path("/usr/local/share/sounds/sf2"),
                Path("/Applications/MuseScore 4.app/Contents/Resources/sound"),
            ]  # fmt: skip
        elif self.platform == "win32":
            places = (("PROGRAMFILES", r"C:\Program Files"), ("PROGRAMFILES(X86)", r"C:\Program Files (x86)"))
            programs = [Path(self.environ.get(name, default)) for name, default in places]
            local = Path(self.environ.get("LOCALAPPDATA", str(self.folder / "AppData/Local")))
            found = [
                self.folder / "Documents/SoundFonts",
                local / "SoundFonts",
                Path(r"C:\soundfonts"),
                Path(r"C:\sf2"),
            ]
            found += [program / name / "sound" for program in programs for name in ("MuseScore 4", "MuseScore 3")]
        else:
            data = self.data_folder
            found = [data / "soundfonts", data / "sounds/sf2", data / "sounds/sf3"]
            found += [Path(root) / kind for root in ("/usr/local/share", "/usr/share")
                      for kind in ("soundfonts", "sounds/sf2", "sounds/sf3")]  # fmt: skip
        return [*([Path(own)] if own else []), *found]

    def child(self, module: str, *words: str) -> list[str]:
        """The command that runs a module of rnnmuse as a process of its own."""
        return [self.executable, *([CHILD] if self.frozen else ["-m"]), module, *words]

    def script(self, path: Path, module: str, *words: str) -> list[str]:
        """The command that runs a file of rnnmuse alone, without importing the package that it is in."""
        if self.frozen:
            return self.child(module, *words)
        return [self.executable, "-P", str(path), *words]


MACHINE = Machine(sys.platform, os.environ, frozen=bool(getattr(sys, "frozen", False)))
