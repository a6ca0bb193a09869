"""Sound without a DAW: fluidsynth, where it is installed, driven by the commands of its shell."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rnnmuse.bridges.output import Sent

SOUNDFONTS = (
    "/usr/share/sounds/sf2/default-GM.sf2",
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "/usr/share/soundfonts/default.sf2",
    "/usr/share/sounds/sf3/default-GM.sf3",
    "/opt/homebrew/share/soundfonts/default.sf2",
)


def soundfont() -> str | None:
    """The first General MIDI SoundFont of the system, if it has one."""
    return next((path for path in SOUNDFONTS if Path(path).exists()), None)


class SynthOut:
    """A fluidsynth process as an output. OSError where it cannot start, or finds no sound card."""

    def __init__(self, font: str, driver: tuple[str, ...] = ()) -> None:
        self.name, self.ahead, self.clock = "fluidsynth", 0, False
        program = shutil.which("fluidsynth")
        if program is None:
            raise OSError("fluidsynth is not installed")
        command = [program, "-q", "-g", "0.6", *driver, font]
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # a pipe that nobody empties would stop it
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._said, bufsize=0
        )
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)  # if it hangs, the music does not
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.7)  # without a sound card it ends soon
            raise OSError(self._why())

    def _why(self) -> str:
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip().splitlines()
        return said[-1] if said else "fluidsynth found no sound card"

    def prepare(self, sent: Sent) -> Callable[[], object]:
        """A note-on, or with velocity 0 a note-off."""
        velocity = f" {sent.velocity}" if sent.velocity else ""
        line = f"note{'on' if velocity else 'off'} {sent.channel} {sent.pitch}{velocity}\n"
        return partial(self._write, line.encode())

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
        except OSError:
            raise OSError(self._why()) from None

    def transport(self, data: list[int]) -> None:
        """A synthesiser needs no clock."""

    def close(self) -> None:
        """Let it end."""
        with contextlib.suppress(OSError):
            self._process.terminate()
            self._process.wait(2)
            self._said.close()
