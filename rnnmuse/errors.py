"""The few conditions a caller handles. Each message names the field, the value and what is allowed."""

from __future__ import annotations


class RnnmuseError(Exception):
    """Base of every error that rnnmuse raises on purpose."""


class ReadError(RnnmuseError):
    """A file could not be read as music; the message is one line."""


class BundleError(RnnmuseError):
    """A model bundle is missing, damaged or of another version; names the file."""


SIZES = {
    "scores": "about 0.2 GB",
    "train": "about 6 GB on Linux, 1.5 GB where the CPU build of torch is installed first",
}
"""What an extra takes on disk, where that is much."""


class MissingExtraError(RnnmuseError):
    """An optional part of the install is needed; names the extra."""

    def __init__(self, what: str, extra: str) -> None:
        size = f" ({SIZES[extra]})" if extra in SIZES else ""
        super().__init__(f"{what} needs the '{extra}' extra: pip install 'rnnmuse[{extra}]'{size}")
        self.extra = extra


class WorkersError(RnnmuseError):
    """The workers that a command was to use cannot be reached, or cannot do its work; names the scheduler."""


class PortError(RnnmuseError, OSError):
    """A MIDI port could not be opened, or is gone; names the port."""


class ReadWarning(UserWarning):
    """Something in a file was not understood and was skipped; the message is one line that names it."""


def first_line(error: BaseException) -> str:
    """The first line of another library's error, cut to 200 characters; its type's name where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
