"""Self-tests that replay: each runs in a process of its own, from a seed, and says in a line what it found.

`python -m rnnmuse.selfcheck NAME STRICTNESS SEED` runs one check and prints its `Outcome` as JSON. After clap-validator
and pluginval: out of process, so that what crashes is a result; strictness 1 to 10 repeats more.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from rnnmuse.system import MACHINE

SECONDS = 60.0
"""What a check may take at strictness 1; each step adds half of it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found: ``state`` is ok, failed or skipped; ``text`` a line with figures."""

    name: str
    """One of CHECKS."""
    state: str
    text: str
    seconds: float = 0.0
    """How long it took."""


class Skipped(Exception):
    """This machine lacks what the check needs; the message says what."""


def ports(strictness: int, seed: int) -> str:
    """OSC over UDP and TCP on a free port, and the system's MIDI ports."""
    import socket

    from rnnmuse.bridges import osc, slip
    from rnnmuse.bridges.ports import MidiSystem

    with _live() as (udp, port):
        udp.sendto(osc.build("/rnnmuse/hello", ()), ("127.0.0.1", port))
        answer = osc.parse(udp.recv(65536))[0]
        _demand(answer.arguments[:1] == ("rnnmuse",), f"hello was answered with {answer.arguments}")
        with socket.create_connection(("127.0.0.1", port), 10) as tcp:
            tcp.settimeout(10)
            tcp.sendall(slip.encode(osc.build("/rnnmuse/ping", (seed % 1000,))))
            decoder = slip.Decoder()
            found: list[bytes] = []
            while not found:
                data = tcp.recv(4096)
                _demand(bool(data), "TCP was closed")
                found = list(decoder.feed(data))
            _demand(osc.parse(found[0])[0].arguments == (seed % 1000,), "TCP: the wrong answer")
    system = MidiSystem()
    midi = "no MIDI system"
    try:
        found_ports = system.names()
        midi = f"{len(found_ports[0])} MIDI inputs, {len(found_ports[1])} outputs"
    except Exception as error:  # each system raises its own kinds
        midi = f"no MIDI system ({error})"
    return f"UDP and TCP answer; {midi}"


def clock(strictness: int, seed: int) -> str:
    """Beats of a stage over OSC, beside a bare timer in this process."""
    from rnnmuse.bridges import osc

    beats, beat = 16 * strictness, 0.1
    bare: list[float] = []
    due = time.perf_counter()
    for _ in range(beats):
        due += beat
        time.sleep(max(0.0, due - time.perf_counter()))
        bare.append(time.perf_counter() - due)
    came: list[float] = []
    with _live() as (udp, port):
        udp.sendto(osc.build("/rnnmuse/subscribe", ()), ("127.0.0.1", port))
        udp.sendto(osc.build("/rnnmuse/transport/tempo", (60 / beat,)), ("127.0.0.1", port))
        udp.sendto(osc.build("/rnnmuse/transport/play", ()), ("127.0.0.1", port))
        numbers: list[int] = []
        while len(came) < beats:
            for message in osc.parse(udp.recv(65536)):
                if message.address == "/rnnmuse/beat":
                    came.append(time.perf_counter())
                    numbers.append(int(message.arguments[0]))
    steps = {b - a for a, b in pairwise(numbers)}
    _demand(steps <= {1}, f"beats are missing or doubled: {sorted(steps)}")
    lags = [at - beat * index for index, at in enumerate(came)]
    first = min(lags)
    late = sorted(lag - first for lag in lags)
    own, other = late[int(len(late) * 0.9)], sorted(bare)[int(len(bare) * 0.9)]
    _demand(late[-1] < beats * beat, "the clock stands still")
    _demand(own < 20 * max(other, 0.001) + 0.02, f"{1000 * own:.1f} ms late, a bare timer {1000 * other:.2f} ms (90 %)")
    return f"{beats} beats in order, 90 % within {1000 * own:.2f} ms; a bare timer within {1000 * other:.2f} ms"


def ledger(strictness: int, seed: int) -> str:
    """Storms of notes, stops, jumps, modes and panics: after each, nothing may sound."""
    from rnnmuse.testing import StageClient

    rng = random.Random(seed)
    stage = StageClient()
    steps = 400 * strictness
    try:
        for step in range(steps):
            _disturb(stage, rng)
            if step % 100 == 99:
                hung = stage.hung()
                _demand(not hung, f"step {step}: hung notes {hung}")
        _demand(not stage.output.twice, f"notes that began twice: {stage.output.twice}")
        count = stage.stage.notes.count
    finally:
        stage.close()
    return f"{steps} steps, {count} notes, 0 hung"


def _disturb(stage: object, rng: random.Random) -> None:
    from rnnmuse.testing import StageClient

    assert isinstance(stage, StageClient)
    player = rng.randrange(1, 4)
    where = f"/rnnmuse/player/{player}"
    match rng.randrange(12):
        case 0 | 1 | 2:
            stage.send(f"{where}/note", rng.randrange(30, 90), rng.choice((0, 60, 100)))
        case 3:
            stage.send(f"{where}/mode", rng.choice(("free", "free", "accompany", "answer", "continue", "hold", "loop")))
        case 4:
            stage.send(f"{where}/start")
        case 5:
            stage.send(f"{where}/stop")
        case 6:
            stage.send("/rnnmuse/transport/position", float(rng.randrange(64)))
        case 7:
            stage.send(rng.choice(("/rnnmuse/transport/play", "/rnnmuse/transport/continue")))
        case 8:
            ends = ("/rnnmuse/transport/stop", "/rnnmuse/transport/panic")
            stage.send(rng.choice((*ends, f"{where}/start", f"{where}/start", f"{where}/start", f"{where}/start")))
        case 9:
            stage.send("/rnnmuse/transport/tempo", float(rng.choice((40, 120, 300))))
        case _:
            stage.run(rng.choice((0.01, 0.1, 0.5)))


def hostile(strictness: int, seed: int) -> str:
    """Damaged OSC packets: none is an internal error, and a ping is answered after them."""
    from rnnmuse.bridges import osc
    from rnnmuse.testing import StageClient, mutant

    rng = random.Random(seed)
    seeds = [osc.build("/rnnmuse/player/1/note", (60, 90)), osc.build("/rnnmuse/player/*/param/*", (0.5,)),
             osc.build("/rnnmuse/transport/tempo", (120.0,)), osc.build("/rnnmuse/rig", ("x",))]  # fmt: skip
    seeds.append(osc.bundle(osc.NOW, seeds))
    count = 1000 * strictness
    stage = StageClient()
    try:
        for number in range(count):
            stage.send_packet(mutant(rng.choice(seeds), rng, seeds))
            if number % 250 == 249:
                stage.run(0.05)
                stage.received()
                stage.send("/rnnmuse/ping", number)
                answers = [m.arguments for m in stage.received() if m.address == "/rnnmuse/pong"]
                _demand((number,) in answers, f"packet {number}: a ping is not answered")
        wrong = [error for error in stage.errors() if error[1] == "internal"]
        _demand(not wrong, f"{len(wrong)} internal errors, the first {wrong[:1]}")
        hung = stage.hung()
        _demand(not hung, f"hung notes {hung}")
    finally:
        stage.close()
    return f"{count} damaged packets, every ping answered, 0 hung"


def engine(strictness: int, seed: int) -> str:
    """The engine dies while it plays: its notes end, another one plays on."""
    from rnnmuse.testing import StageClient

    rng = random.Random(seed)
    stage = StageClient()
    try:
        stage.send("/rnnmuse/player/1/mode", "free")
        stage.send("/rnnmuse/player/1/start")
        for death in range(min(2, strictness) + strictness // 5):
            stage.run(1.0 + rng.random())
            played = stage.stage.notes.count
            stage.kill_engine()
            stage.run(40.0)  # after some deaths a new engine waits
            _demand(stage.stage.notes.count > played, f"death {death + 1}: no note after it")
        hung = stage.hung()
        _demand(not hung, f"hung notes {hung}")
        return f"{stage.stage.supervisor.restarts} engines begun anew, each played on, 0 hung"
    finally:
        stage.close()


def bundles(strictness: int, seed: int) -> str:
    """The hashes of every model; with strictness 3 and more each is loaded too."""
    from rnnmuse.models.bundle import bundles as every
    from rnnmuse.models.bundle import load_cover, load_player, load_text, verify

    found = every()
    _demand(bool(found), "there are no models")
    for bundle in found.values():
        verify(bundle)
        kind = bundle.about.get("kind")
        if strictness >= 3:
            load = {"text": load_text, "cover": load_cover}.get(str(kind), load_player)
            load(bundle.name)
    return f"{len(found)} models whole{', each loads' if strictness >= 3 else ''}"


def memory(strictness: int, seed: int) -> str:
    """A stage that plays on: the memory of the second half beside the first."""
    from rnnmuse.testing import StageClient

    stage = StageClient()
    try:
        stage.send("/rnnmuse/player/1/mode", "free")
        stage.send("/rnnmuse/player/1/start")
        sizes = []
        for _ in range(4):
            stage.run(15.0 * strictness)
            stage.received()
            stage.output.events.clear()
            sizes.append(_resident())
        if not sizes[0]:
            raise Skipped("this system does not say how much memory a process has")
        grown = (sizes[3] - sizes[1]) / 1e6
        _demand(grown < 16, f"{grown:.1f} MB more in {30 * strictness} s of music")
        return f"{60 * strictness} s of music, {grown:+.1f} MB in its second half"
    finally:
        stage.close()


def _resident() -> int:
    """Bytes in memory; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096
    except (OSError, IndexError, ValueError):
        return 0


def audio(strictness: int, seed: int) -> str:
    """The built-in synthesiser: the same samples twice, no over, no silence."""
    import numpy as np

    from rnnmuse.events import Note
    from rnnmuse.music.piece import Part, Piece
    from rnnmuse.music.sound import CEILING, render

    rng = random.Random(seed)
    for _ in range(strictness):
        notes = sorted(Note(rng.random() * 4, rng.randrange(30, 100), rng.random() + 0.1) for _ in range(40))
        piece = Piece([Part("a", rng.randrange(128), notes=notes), Part("Drums", drum=True, notes=notes[:9])])
        one, two = render(piece), render(piece)
        _demand(np.array_equal(one, two), "the same piece sounds differently")
        peak = float(np.abs(one).max())
        _demand(math.isfinite(peak) and 0.01 < peak <= CEILING + 1e-6, f"peak {peak:.3f}")
    return f"{strictness} pieces, twice the same samples, none over -1 dBFS"


CHECKS: dict[str, Callable[[int, int], str]] = {
    check.__name__: check for check in (ports, clock, ledger, hostile, engine, bundles, memory, audio)
}


def run(name: str, strictness: int, seed: int) -> Outcome:
    """Run a check in a process of its own; what crashes or hangs has failed."""
    began = time.monotonic()
    limit = SECONDS * (1 + strictness / 2)
    command = MACHINE.child("rnnmuse.selfcheck", name, str(strictness), str(seed))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return Outcome(name, "failed", f"hangs: no result after {limit:.0f} s", time.monotonic() - began)
    seconds = time.monotonic() - began
    lines = done.stdout.strip().splitlines()
    try:
        said = json.loads(lines[-1])
        return Outcome(name, str(said["state"]), str(said["text"]), seconds)
    except (IndexError, ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return Outcome(name, "failed", f"ended with {done.returncode}: {last[:200]}", seconds)


def page(outcomes: Iterable[Outcome], strictness: int, seed: int) -> str:
    """The results on one page, for a bug report."""
    import platform
    from importlib import metadata

    from rnnmuse import __version__
    from rnnmuse.models import kernel

    versions = []
    for name in ("numpy", "onnxruntime", "mido", "rtmidi2", "python-osc"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{name} none")
    lines = [
        f"rnnmuse {__version__}, Python {platform.python_version()}, {platform.platform()}",
        ", ".join(versions),
        f"compiled kernel {kernel.in_use()}",
        f"strictness {strictness}, seed {seed}: rnnmuse selfcheck --strictness {strictness} --seed {seed} replays it",
        "",
    ]
    outcomes = list(outcomes)
    lines += [f"{one.state:<8} {one.name:<8} {one.text} ({one.seconds:.1f} s)" for one in outcomes]
    failed = sum(one.state == "failed" for one in outcomes)
    lines += ["", "All well." if not failed else f"{failed} of {len(outcomes)} failed."]
    return "\n".join(lines)


def _demand(holds: bool, text: str) -> None:
    if not holds:
        raise AssertionError(text)


class _live:
    """`rnnmuse live` on a free port without MIDI, and a socket that waits 20 s."""

    def __enter__(self) -> tuple[Any, int]:
        import socket

        command = MACHINE.child("rnnmuse.cli.main", "live", "--osc-port", "0", "--no-midi")
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(20)
        return self._socket, int(line.rsplit(":", 1)[1])

    def __exit__(self, *error: object) -> None:
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()


def main() -> None:
    """Run one check and print its outcome."""
    name, strictness, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    try:
        outcome = Outcome(name, "ok", CHECKS[name](strictness, seed))
    except Skipped as reason:
        outcome = Outcome(name, "skipped", str(reason))
    except Exception as error:  # whatever it is, it is the result
        outcome = Outcome(name, "failed", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
