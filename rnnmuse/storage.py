"""Files that are written whole or not at all: a reader, and a start after a crash, sees the old file or the new one."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

Data = bytes | bytearray | memoryview
_PART = ".part"


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """A file beside ``path``, with its suffix, to write to; it takes the name of ``path`` when the block ends.

    It is on the disk before that, and the new name after it (fsync, then POSIX rename). Where the block or a step
    fails, ``path`` is as it was and nothing is left beside it. A link is followed, permissions are kept; a device is
    written to as it is.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():  # a device
        yield path
        return
    _sweep(path)
    partial = path.with_name(f".{path.stem[:150]}.{os.getpid()}-{threading.get_ident()}{_PART}{path.suffix}")
    try:
        yield partial
        _sync(partial)
        with contextlib.suppress(OSError):
            partial.chmod(path.stat().st_mode & 0o7777)
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # some systems cannot
        _sync(path.parent)


def write_whole(path: Path | str, data: Data | Iterable[Data]) -> None:
    """Write ``data``, one piece or several, in place of what ``path`` holds (`replacing`); OSError where it fails."""
    with replacing(path) as partial, partial.open("wb") as file:
        for piece in (data,) if isinstance(data, (bytes, bytearray, memoryview)) else data:
            file.write(piece)


def sync_tree(folder: Path) -> None:
    """Have every file of a folder on the disk."""
    for path in folder.iterdir():
        if path.is_file():
            _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(path: Path) -> None:
    """Remove what processes that were killed left beside ``path``."""
    head = f".{path.stem[:150]}."
    with contextlib.suppress(OSError):
        for left in path.parent.iterdir():
            if not (left.name.startswith(head) and left.name.endswith(_PART + path.suffix)):
                continue
            number = left.name[len(head) : -len(_PART + path.suffix)].partition("-")[0]
            if number.isdigit() and not _runs(int(number)):
                left.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    if os.name == "nt":
        return True  # there os.kill ends a process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
