"""JACK servers of our own, on the dummy driver; ending processes, and waiting."""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def finish(process: subprocess.Popen[Any], patience: float, goodbye: signal.Signals = signal.SIGTERM) -> None:
    """Ask a process to end, and make it end if it has not after ``patience`` seconds."""
    process.send_signal(goodbye)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def until(test: Callable[[], bool], patience: float = 15.0, text: str = "it did not happen") -> None:
    """Look until it is so."""
    end = time.monotonic() + patience
    while not test():
        if time.monotonic() > end:
            raise AssertionError(text)
        time.sleep(0.02)


CUTS = ("CheckSize error", "JACK HALTED")
"""What jackd says when the requests of one client interleave on its socket, under load, and it cuts the client off."""
CUT_OFF: list[str] = []
"""Lines by which jackd, or a program, said so in this run of the tests; see `begun_again`."""
AGAIN = 3
"""How often a test is begun at most."""


def begun_again(test: Callable[..., None]) -> Callable[..., None]:
    """A test that is begun again, in a folder of its own, where jackd has cut a client off; every time is told.

    What fails for another reason fails at once.
    """

    @functools.wraps(test)
    def again(*given: Any, **named: Any) -> None:
        for number in range(1, AGAIN + 1):
            seen = len(CUT_OFF)
            folder = named["tmp_path"] / str(number)
            folder.mkdir()
            try:
                return test(*given, **{**named, "tmp_path": folder})
            except Exception:
                if len(CUT_OFF) == seen or number == AGAIN:
                    raise
                print(f"{test.__name__}: jackd cut a client off ({CUT_OFF[-1]}); begun again, {number} of {AGAIN - 1}")
        return None

    return again


@contextmanager
def jack(period: int = 256, realtime: bool = True, wait: bool = True) -> Iterator[dict[str, str]]:
    """A JACK server of our own on the dummy driver; yields the environment that finds it, which is set here too.

    It waits for its clients (-S): else it drops MIDI when a cycle comes late. Without ``wait`` a client may be killed
    without the server hanging on it. ``realtime``, where it is permitted: it loses no cycle beside other work. JACK
    remembers eight server names, of killed servers too: so few names are used, each again and again, and those of the
    dead where there is no room for others.
    """
    before = {key: os.environ.get(key) for key in ("JACK_DEFAULT_SERVER", *QUIET_JACK)}
    os.environ |= QUIET_JACK
    options = ["-S"] * wait + (["-R", "-P", "40"] if realtime else ["--no-realtime"])
    options += f"-t 20000 -d dummy -r 48000 -p {period} -C 2 -P 2".split()
    left = [file.name.removeprefix("jack_").rsplit("_", 2)[0] for file in Path("/dev/shm").glob("jack_*_0_0")]
    for name in [*(f"rnnmuse-{number}" for number in range(4)), *left]:
        os.environ["JACK_DEFAULT_SERVER"] = name
        taken = _take(name)
        if taken is None:
            continue
        if _jack_runs():  # somebody else's
            os.close(taken)
            continue
        words = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        server = subprocess.Popen(["jackd", "-n", name, *options], stdout=words, stderr=subprocess.STDOUT)
        until(lambda: _jack_runs() or server.poll() is not None, 10.0, "jackd did not start")  # noqa: B023
        if server.poll() is None:
            break
        os.close(taken)
    else:
        raise JackError("jackd did not start under any name")
    try:
        yield QUIET_JACK | {"JACK_DEFAULT_SERVER": name}
    except BaseException:
        words.seek(0)
        said = words.read()
        print("jackd ran still" if server.poll() is None else f"jackd had ended, with {server.poll()}")
        print("jackd said, at the end:", *said.splitlines()[-12:], sep="\n  ")
        CUT_OFF.extend(line for line in said.splitlines() if any(words in line for words in CUTS))
        raise
    finally:
        finish(server, 3)
        words.close()
        os.close(taken)
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def _take(name: str) -> int | None:
    """A lock on the server's name: tests that start at the same time must not take each other's server for theirs."""
    import fcntl  # not on Windows, where these tests skip

    file = os.open(Path(tempfile.gettempdir(), f"{name}.lock"), os.O_CREAT | os.O_WRONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file


def jack_rtmidi() -> Any:
    """rtmidi2, with the system's libjack: its own speaks to no server of today."""
    ctypes.CDLL("libjack.so.0", mode=ctypes.RTLD_GLOBAL)
    import rtmidi2

    return rtmidi2


class JackError(Exception):
    """No JACK server can be had here."""


QUIET_JACK = {"JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}


def _jack_runs() -> bool:
    try:
        return subprocess.run(["jack_wait", "-c"], capture_output=True, timeout=5).stdout.startswith(b"running")
    except subprocess.TimeoutExpired:
        return False


def jack_ports() -> list[str]:
    done = subprocess.run(["jack_lsp"], capture_output=True, text=True, timeout=20)
    return done.stdout.splitlines()


def jack_has(words: str, patience: float = 20.0) -> None:
    """Wait until a port is there whose name has these words."""
    until(lambda: any(words in port for port in jack_ports()), patience, f"JACK has no port {words!r}")


def jack_connect(source: str, target: str, patience: float = 20.0) -> None:
    """Connect the first ports whose names have these words, once both are there and take it."""

    def done() -> bool:
        ports = jack_ports()
        found = [next((p for p in ports if words in p), "") for words in (source, target)]
        if not all(found):
            return False
        made = subprocess.run(["jack_connect", *found], capture_output=True, timeout=20)
        return made.returncode == 0 or _connected(*found)

    with suppress(AssertionError):
        return until(done, patience)
    raise AssertionError(f"JACK does not connect {source!r} to {target!r}; there are {jack_ports()}")


def _connected(source: str, target: str) -> bool:
    """Whether JACK lists the second among the connections of the first, below it and further in."""
    shown = subprocess.run(["jack_lsp", "-c", source], capture_output=True, text=True, timeout=20).stdout
    return f"   {target}" in shown.splitlines()
