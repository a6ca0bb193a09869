"""How each host is started here, with a patch that sends every note back and prints how many sound ("open: 2")."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from echo import BRIDGES, Program, jack_connect, program

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


def build_lv2(folder: Path) -> Path:
    """The plugin, built into a bundle in this folder; returns the LV2_PATH that finds it."""
    done = subprocess.run(
        ["make", "-C", BRIDGES / "lv2", f"BUNDLE={folder}/rnnmuse.lv2"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr, done.stderr
    return folder


@contextmanager
def jalv(port: int, path: Path, name: str = "muse", **controls: float) -> Iterator[Program]:
    """The plugin in jalv, on the JACK server that is set; its output is connected to its input."""
    settings = {"port": port, "lead": 0} | controls
    words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    with program(["jalv", "-n", name, *words, "urn:rnnmuse:player"], {"LV2_PATH": f"{path}:/usr/lib/lv2"}) as made:
        jack_connect(f"{name}:out", f"{name}:in")
        yield made


@contextmanager
def fluidsynth(font: str) -> Iterator[Program]:
    """fluidsynth on the JACK server that is set; it tells every note (-v), and its voices when it is asked."""
    jack_names = ("-o", "audio.jack.id=synth", "-o", "midi.jack.id=synth")
    with program(
        [
            "stdbuf",
            "-oL",
            "fluidsynth",
            "-a",
            "jack",
            "-m",
            "jack",
            "-v",
            "-R",
            "0",
            "-C",
            "0",
            "-g",
            "2",
            *jack_names,
            font,
        ]
    ) as made:
        jack_connect("rnnmuse out", "synth:midi")
        try:
            yield made
        finally:
            if made.process.poll() is None:
                made.say("quit")  # it then leaves JACK, which would wait for it otherwise
                made.process.wait(10)


def heard(made: Program) -> int:
    """How many note-ons fluidsynth has taken: a note may take several voices, but has one number."""
    return len({line.split("\t")[4] for line in made.lines if "noteon" in line})


def voices(made: Program) -> int:
    """How many voices sound in fluidsynth, as it says itself."""
    after = len(made.lines)
    made.say("voice_count")
    return int(made.until("voice_count:", after=after).split()[-1])
