"""The plugin for DAWs: how it finds rnnmuse, and where its files go.

The plugin starts `rnnmuse live` itself. It reads the command from ``engine.txt`` in the user's data folder, one word a
line, which `register` writes; the plugin adds the port.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath

from rnnmuse.errors import RnnmuseError
from rnnmuse.system import MACHINE

FILE = "engine.txt"
BUNDLES = {"lv2": "rnnmuse.lv2", "vst3": "rnnmuse.vst3", "clap": "rnnmuse.clap"}
"""The format's name: what is installed, a folder or a file."""

ALONE = 20
"""Seconds after the last plugin is gone when the rnnmuse that it started ends."""


class PluginError(RnnmuseError):
    """The plugin's files are not there, or cannot be put where hosts look."""


def data_folder() -> Path:
    """The user's data folder, as the plugin finds it too."""
    return MACHINE.data_folder / "rnnmuse"


def command() -> list[str]:
    """The command by which this installation is started for a plugin."""
    start = "from rnnmuse.cli.main import main; main()"
    python = [MACHINE.executable] if MACHINE.frozen else [MACHINE.executable, "-c", start]
    return [*python, "live", "--no-midi", "--until-alone", str(ALONE)]


def register(folder: Path | None = None) -> Path:
    """Write how rnnmuse is started into the data folder; returns the file. It is replaced as a whole."""
    target = (folder or data_folder()) / FILE
    text = "# How plugins start rnnmuse: one word a line.\n" + "".join(f"{word}\n" for word in command())
    with contextlib.suppress(OSError):
        if target.read_text("utf-8") == text:
            return target
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=FILE)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(target)
    return target


def folders() -> dict[str, Path]:
    """Where this system's hosts look for each format, in the user's own folders."""
    return MACHINE.plugin_folders


MOST = 256 << 20
"""Bytes of a release's files, unpacked."""


@contextlib.contextmanager
def opened(source: Path | None) -> Iterator[Path | None]:
    """The folder of a release, which may be a zip: then its files are unpacked for as long as they are needed.

    PluginError for a file that is none, and for one whose names lead elsewhere or whose files are too large.
    """
    if source is None or source.is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="rnnmuse-plugin-") as folder:
        try:
            with zipfile.ZipFile(source) as packed:
                wanted = [one for one in packed.infolist() if PurePosixPath(one.filename).parts[:1] in _TOPS]
                size = sum(one.file_size for one in wanted)
                if size > MOST:
                    raise PluginError(f"{source}: {size >> 20} MB unpacked; at most {MOST >> 20}")
                if any(".." in PurePosixPath(one.filename).parts for one in wanted):
                    raise PluginError(f"{source}: a file in it leads out of it")
                packed.extractall(folder, wanted)
        except (OSError, zipfile.BadZipFile) as error:
            raise PluginError(f"{source}: neither a release's folder nor its zip: {error}") from None
        yield Path(folder)


_TOPS = [(name,) for name in BUNDLES.values()]


def built(source: Path | None = None) -> dict[str, Path]:
    """The plugin's files by format: in ``source``, a release's folder, else in the wheel or in ``out/plugin``.

    PluginError where there are none.
    """
    here = Path(str(resources.files("rnnmuse")))
    places = (
        [source]
        if source
        else [here / "_data" / "plugin" / MACHINE.name, here.parent / "out" / "plugin" / MACHINE.name]
    )
    for place in places:
        found = {kind: place / name for kind, name in BUNDLES.items() if (place / name).exists()}
        if found:
            return found
    raise PluginError(f"plugin: no {', '.join(BUNDLES.values())} in {' or '.join(map(str, places))}; build them with "
                      "make plugin, or name a release's folder or zip with --from")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Placed:
    """One file or bundle that is to be installed. ``state``: new, same, or differs."""

    source: Path
    """The file or bundle that was built or downloaded."""
    target: Path
    """Where the system's hosts look for it."""
    state: str


def plan(source: Path | None = None, root: Path | None = None) -> list[Placed]:
    """What installing would do; ``root`` is a folder instead of the system's, with one folder a format."""
    out = []
    for kind, path in built(source).items():
        target = (root / kind if root else folders()[kind]) / path.name
        state = "new" if not target.exists() else "same" if _same(path, target) else "differs"
        out.append(Placed(path, target, state))
    return out


def install(placed: list[Placed]) -> None:
    """Copy them; what differs is replaced, so ask before. A bundle is never there in half."""
    for one in placed:
        if one.state == "same":
            continue
        one.target.parent.mkdir(parents=True, exist_ok=True)
        aside = one.target.with_name(f".{one.target.name}.new")
        _remove(aside)
        if one.source.is_dir():
            shutil.copytree(one.source, aside)
        else:
            shutil.copy2(one.source, aside)
        _remove(one.target)
        aside.replace(one.target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _same(one: Path, other: Path) -> bool:
    if one.is_dir() != other.is_dir():
        return False
    if not one.is_dir():
        return one.read_bytes() == other.read_bytes()
    names = {file.relative_to(one) for file in one.rglob("*") if file.is_file()}
    if names != {file.relative_to(other) for file in other.rglob("*") if file.is_file()}:
        return False
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)
