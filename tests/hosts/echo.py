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
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jackd import CUT_OFF, CUTS, JackError, begun_again, finish, jack, jack_connect, jack_ports, until

from rnnmuse.bridges.output import Program as PartProgram
from rnnmuse.bridges.output import Sent
from rnnmuse.realtime.stage import Settings, Stage
from rnnmuse.session import messages as m

__all__ = [
    "JackError",
    "begun_again",
    "finish",
    "jack",
    "jack_connect",
    "jack_ports",
    "until",
]  # for the tests of the hosts

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
        with suppress(ValueError):  # it is closed at the end
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
        CUT_OFF.extend(line for line in made.lines if any(words in line for words in CUTS))
        raise
    finally:
        made.end()


def free_port() -> int:
    """A UDP port that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        return int(udp.getsockname()[1])
