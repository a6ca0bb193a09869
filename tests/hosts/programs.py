"""How each host is started here, with a patch that sends every note back and prints how many sound ("open: 2")."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from echo import BRIDGES, Program, program

HERE = Path(__file__).parent
QUIET = {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_DISABLE_SANDBOX": "1"}


@contextmanager
def pure_data(port: int, folder: Path, *options: str) -> Iterator[Program]:
    patch = folder / "echo.pd"
    text = (HERE / "echo.pd").read_text("utf-8")
    patch.write_text(text.replace("PORT", str(port)).replace("WAV", str(folder / "pd.wav")), "utf-8")
    sound = options or ("-noaudio",)
    with program(["pd", "-nogui", *sound, "-nomidi", "-stderr", "-path", BRIDGES / "pd", patch]) as made:
        yield made


@contextmanager
def supercollider(port: int, folder: Path, script: str = "echo.scd", **more: str) -> Iterator[Program]:
    settings = folder / "sclang.yaml"
    settings.write_text(f"includePaths: [{BRIDGES / 'supercollider'}]\nexcludePaths: []\n", "utf-8")
    with program(["sclang", "-l", settings, HERE / script], QUIET | {"RNNMUSE_PORT": str(port)} | more) as made:
        made.until("ready", 60)
        yield made


HOSTS: dict[str, tuple[str, Callable[[int, Path], AbstractContextManager[Program]]]] = {
    "pd": ("pd", pure_data),
    "supercollider": ("sclang", supercollider),
}
"""Name as the bridge tells it: the program that must be installed, and how it is started."""


def missing(*names: str) -> str:
    """Which of the programs is not installed."""
    return next((name for name in names if shutil.which(name) is None), "")


def still_open(made: Program) -> int:
    """How many notes sound in the host, as it counts them itself."""
    return next((int(float(line.split("open:")[1])) for line in reversed(made.lines) if "open:" in line), 0)
