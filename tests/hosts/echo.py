"""A stage that plays known notes to a real program, and what the program sends back.

There is no engine: notes 0, 1, 2 … are planned on the stage's own scheduler, leave by its own outputs, and come back as
the notes that a player hears. A note's number is in its pitch and velocity, so that each is known again.
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnmuse.bridges.output import Program as PartProgram
from rnnmuse.bridges.output import Sent
from rnnmuse.realtime.stage import Settings, Stage
from rnnmuse.session import messages as m

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BRIDGES = ROOT / "bridges"
TICKS = 10
"""Ticks from note to note: 192 notes a second at 120 bpm."""


@dataclass(frozen=True, slots=True)
class Result:
    """Notes that left, that came back, and the way there and back in ms; ``open`` notes never got their end."""

    sent: int
    arrived: int
    median: float
    p99: float
    open: int

    @property
    def lost(self) -> int:
        return self.sent - self.arrived


def note(number: int) -> tuple[int, int]:
    """Pitch and velocity of a note, up to 88 x 127 of them."""
    return 21 + number % 88, 1 + number // 88


class Tally:
    """An output that notes when each note left."""

    name, ahead, clock = "tally", 0, False

    def __init__(self) -> None:
        self.left: dict[tuple[int, int], int] = {}

    def prepare(self, sent: Sent) -> Callable[[], object]:
        def send() -> None:
            if sent.velocity:
                self.left[sent.pitch, sent.velocity] = time.monotonic_ns()

        return send

    def program(self, program: PartProgram) -> Callable[[], object]:
        return lambda: None

    def transport(self, data: list[int]) -> None: ...

    def close(self) -> None: ...


class Echo:
    """The stage, running in threads of its own."""

    def __init__(self, port: int = 0, player: int = 1) -> None:
        self.stage = Stage(Settings(port=port, engine=False))
        self.player = player
        self.tally = Tally()
        self.came: dict[tuple[int, int], int] = {}
        self.told: list[m.ToEngine] = []
        self.when: list[int] = []  # ns at which each note-on came
        self.sounding: set[int] = set()
        self._end = 0.0
        self.stage.tickets.send = self._told  # as if there were no engine, but heard
        self.stage.add_output(self.tally)
        self.stage.open()
        self._thread = threading.Thread(target=self.stage.serve, daemon=True)
        self._thread.start()
        self.port = self.stage.port

    def close(self) -> None:
        self.stage.close()
        self._thread.join(5)

    def crash(self) -> None:
        """Be gone without a word, as after a SIGKILL: the sockets close, and no note-off is sent."""
        self.stage.server.close()
        self.close()

    def _told(self, message: m.ToEngine) -> None:
        self.told.append(message)
        if isinstance(message, m.Hear):
            if message.velocity:
                self.when.append(time.monotonic_ns())
                self.came.setdefault((message.pitch, message.velocity), time.monotonic_ns())
                self.sounding.add(message.pitch)
            else:
                self.sounding.discard(message.pitch)

    def heard(self) -> list[m.Hear]:
        """Every note that the player heard begin."""
        return [message for message in self.told if isinstance(message, m.Hear) and message.velocity]

    def reached(self, patience: float = 15.0) -> None:
        """Wait until the program has subscribed."""
        until(lambda: len(self.stage.server.subscribers) > 0, patience, "nobody subscribed")

    def probe(self, number: int, patience: float = 20.0) -> str:
        """Ask the bridge whether it is there; the host that it names."""
        answers: list[str] = []
        setters = self.stage.control.setters
        probed = setters["server.probed"]

        def watch(call: Any, answered: int, host: str) -> None:
            if answered == number:
                answers.append(host)
            probed(call, answered, host)

        setters["server.probed"] = watch
        self.stage.take("/rnnmuse/probe", number)
        until(lambda: bool(answers), patience, "the probe was not answered")
        return answers[0]

    def play(self, count: int, patience: float = 15.0, first: int = 0, ticks: int = TICKS) -> Result:
        """Play notes and wait for them; ``patience`` seconds without a new one end the wait."""
        self.plan(count, first, ticks)
        self.wait(count, patience)
        return self.result()

    def plan(self, count: int, first: int = 0, ticks: int = TICKS, afresh: bool = True) -> None:
        """Plan the notes, so far ahead that planning them is over when they begin; ``afresh`` starts the clock."""
        stage = self.stage
        with stage.lock:
            if afresh:
                stage.transport.start(0)
            begin = stage.clock.tick_at(stage.now()) + 480 + count
            for number in range(count):
                pitch, velocity = note(first + number)
                tick = begin + ticks * number
                stage.notes.plan_on(self.player, tick, pitch, velocity)
                stage.notes.plan_off(self.player, tick + 4 * ticks, pitch)
        self._end = (begin + ticks * (count + 4)) / 960 + 1

    def over(self) -> None:
        """Wait until the planned notes have been played, those that came too late and were left out as well."""
        until(lambda: self.stage.transport.place > self._end, 30 + self._end, "the stage does not play on")

    def wait(self, count: int, patience: float = 10.0) -> None:
        """Wait until so many notes have come back."""
        seen, since = -1, time.monotonic()
        while len(self.came) < count or self.sounding:
            if len(self.came) != seen:
                seen, since = len(self.came), time.monotonic()
            if time.monotonic() - since > patience:
                return
            time.sleep(0.02)

    def result(self) -> Result:
        left, came = self.tally.left, self.came
        ways = sorted((came[key] - left[key]) / 1e6 for key in left if key in came)
        median = statistics.median(ways) if ways else float("nan")
        p99 = ways[min(len(ways) - 1, len(ways) * 99 // 100)] if ways else float("nan")
        return Result(len(left), len(ways), median, p99, len(self.sounding))


@contextmanager
def echo(port: int = 0, player: int = 1) -> Iterator[Echo]:
    made = Echo(port, player)
    try:
        yield made
    finally:
        made.close()


def finish(process: subprocess.Popen[Any], patience: float, goodbye: signal.Signals = signal.SIGTERM) -> None:
    """Ask a process to end, and make it end if it has not after ``patience`` seconds."""
    process.send_signal(goodbye)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


class Program:
    """A program that was started here; ended by its own pid. ``lines`` is what it has printed."""

    def __init__(
        self, command: Sequence[str | Path], env: dict[str, str] | None = None, cwd: Path | None = None,
        goodbye: signal.Signals = signal.SIGTERM,
    ) -> None:  # fmt: skip
        self.goodbye = goodbye
        self.lines: list[str] = []
        words = [str(word) for word in command]
        self.process = subprocess.Popen(
            words, env=os.environ | (env or {}), cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def until(self, text: str, patience: float = 15.0, after: int = 0) -> str:
        """The first line (after so many) that has the text in it."""
        found: list[str] = []

        def there() -> bool:
            found[:] = [line for line in self.lines[after:] if text in line][:1]
            return bool(found)

        try:
            until(there, patience, "")
        except AssertionError:
            raise AssertionError(f"{text!r} was not printed; the last lines: {self.lines[-12:]}") from None
        return found[0]

    def kill(self) -> None:
        """As a crash would."""
        self.process.kill()
        self.process.wait(10)

    def end(self) -> None:
        if self.process.poll() is None:
            finish(self.process, 6, self.goodbye)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


@contextmanager
def program(
    command: Sequence[str | Path], env: dict[str, str] | None = None, cwd: Path | None = None,
    goodbye: signal.Signals = signal.SIGTERM,
) -> Iterator[Program]:  # fmt: skip
    made = Program(command, env, cwd, goodbye)
    try:
        yield made
    except BaseException:
        print(f"{command[0]} said, at the end:", *made.lines[-12:], sep="\n  ")  # pytest shows it
        raise
    finally:
        made.end()


def free_port() -> int:
    """A UDP port that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        return int(udp.getsockname()[1])


def until(test: Callable[[], bool], patience: float = 15.0, text: str = "it did not happen") -> None:
    """Look until it is so."""
    end = time.monotonic() + patience
    while not test():
        if time.monotonic() > end:
            raise AssertionError(text)
        time.sleep(0.02)


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
        server = subprocess.Popen(["jackd", "-n", name, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: _jack_runs() or server.poll() is not None, 10.0, "jackd did not start")  # noqa: B023
        if server.poll() is None:
            break
        os.close(taken)
    else:
        raise JackError("jackd did not start under any name")
    try:
        yield QUIET_JACK | {"JACK_DEFAULT_SERVER": name}
    except BaseException:
        print("jackd ran still" if server.poll() is None else f"jackd had ended, with {server.poll()}")
        raise
    finally:
        finish(server, 3)
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
