"""Files that are written whole or not at all: a reader, and a start after a crash, sees the old file or the new one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

Data = bytes | bytearray | memoryview


def write_whole(path: Path | str, data: Data | Iterable[Data]) -> None:
    """Write ``data``, one piece or several, to ``path`` in place of what is there.

    The data goes to a file beside it, to the disk, and then takes the name in one step (POSIX rename). OSError where
    that fails; ``path`` is then as it was, and nothing is left beside it. A link is followed, permissions are kept.
    """
    path = Path(os.path.realpath(path))
    partial = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            for piece in (data,) if isinstance(data, (bytes, bytearray, memoryview)) else data:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):
            partial.chmod(path.stat().st_mode & 0o7777)
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have a folder's names on the disk, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
