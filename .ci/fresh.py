"""Install the wheel of a folder as a newcomer would, outside the checkout, and see that it plays. Prints seconds.

    python .ci/fresh.py dist [--extra live] [--offline]

--offline runs everything after the installation without a network and without the checkout (Linux, as root).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*words: object, cwd: Path, apart: bool = False) -> str:
    """Run a command in ``cwd``; ``apart``: with no network, and with an empty folder in the checkout's place."""
    command = [str(word) for word in words]
    if apart:
        script = f'mount -t tmpfs none "{ROOT}" && exec "$@"'
        command = ["unshare", "--net", "--mount", "sh", "-c", script, "sh", *command]
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=env)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def size(folder: Path) -> float:
    """MB of the files in a folder, compiled ones left out."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    return sum(file.stat().st_size for file in files) / 1e6


def main() -> None:
    """Install, time, and check what a newcomer does first."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--extra", default="")
    asked.add_argument("--offline", action="store_true")
    given = asked.parse_args()
    (wheel,) = given.folder.resolve().glob("rnnmuse-*-any.whl")
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        venv.create(home / "env", with_pip=True)
        binary = home / "env" / ("Scripts" if sys.platform == "win32" else "bin")
        before = size(home / "env")
        began = time.perf_counter()
        run(
            binary / "python",
            "-m",
            "pip",
            "install",
            "-q",
            f"{wheel}{f'[{given.extra}]' * bool(given.extra)}",
            cwd=home,
        )
        installed = time.perf_counter()
        apart = given.offline
        work = home / "work"
        work.mkdir()
        said = run(binary / "rnnmuse", "try", "--no-browser", "--no-sound", cwd=work, apart=apart)
        first = time.perf_counter()
        assert {file.name for file in (work / "out").iterdir()} == {"first.mid", "first.wav", "first.png"}, said
        assert "All well." in run(binary / "rnnmuse", "doctor", cwd=work, apart=apart)
        found = json.loads(run(binary / "rnnmuse", "models", "--json", cwd=work, apart=apart))
        assert all(str(ROOT) not in one["folder"] for one in found), found
        assert run(binary / "python", "-m", "rnnmuse", "-V", cwd=work, apart=apart).startswith("rnnmuse ")
        run(binary / "rnnmuse", "bridges", "export", "pd", "patches", cwd=work, apart=apart)
        whole = size(home / "env") - before
        models = sum(one["bytes"] for one in found) / 1e6
        print(f"wheel {wheel.stat().st_size / 1e6:.1f} MB; installed {whole:.0f} MB, {models:.0f} MB of it models")
        print(f"install {installed - began:.1f} s; first sound {first - installed:.1f} s after it")
        shutil.rmtree(home / "env")


if __name__ == "__main__":
    main()
