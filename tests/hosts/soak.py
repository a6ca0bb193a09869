"""`make hosts`: 10,000 notes through each real program, lost ones and round trips counted; prints a table.

Not a test: it takes twenty minutes. `python tests/hosts/soak.py pd csound` runs some, NOTES=500 fewer notes. Parts that
a program here has not been installed for are named as such. Where notes are lost, the packets that sockets had no room
for are told.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from echo import JackError, Result, echo, jack, until
from programs import (
    HOSTS,
    build_plugin,
    fluidsynth,
    heard,
    jalv,
    missing,
    no_plugin,
    sonic_pi_echo,
    still_open,
    voices,
)
from programs import sonic_pi as start_sonic_pi
from sound import off_the_grid

NOTES = int(os.environ.get("NOTES", "10000"))
VERSIONS = {
    "pd": "pd -version", "sclang": "sclang -v", "csound": "csound --version", "chuck": "chuck --version",
    "fluidsynth": "fluidsynth --version", "jalv": "dpkg-query -W -f ${Version} jalv", "ghci": "ghc-pkg latest tidal",
    "ardour7-lua": "dpkg-query -W -f ${Version} ardour", "sonic-pi": "dpkg-query -W -f ${Version} sonic-pi-server",
    "mscore3": "mscore3 --version",
}  # fmt: skip


def version(program: str) -> str:
    """What a program says of its version."""
    env = os.environ | {"QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_DISABLE_SANDBOX": "1"}
    done = subprocess.run(VERSIONS[program].split(), capture_output=True, text=True, env=env, timeout=60)
    found = re.search(r"\d+\.\d+[\d.]*", done.stdout + done.stderr)
    return found[0].rstrip(".") if found else "?"


def no_room() -> int:
    """How many UDP packets were lost here since the start because a socket's buffer was full."""
    names, values = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line[:4] == "Udp:"]
    return int(values[names.index("RcvbufErrors")])


FULL = no_room() if Path("/proc/net/snmp").exists() else 0


def row(name: str, which: str, result: Result | None, remark: str = "") -> None:
    """One line of the table."""
    if result is None:
        print(f"| {name} | {which} | | | | | | {remark} |", flush=True)
        return
    if result.lost:
        remark += f"; {no_room() - FULL} packets found a socket's buffer full"
    median, p99 = ("" if math.isnan(ms) else f"{ms:.2f}" for ms in (result.median, result.p99))
    print(f"| {name} | {which} | {result.sent} | {result.arrived} | {result.lost} | {median} | {p99} | "
          f"{remark} |", flush=True)  # fmt: skip


def over_osc(name: str) -> None:
    """Out of rnnmuse, into the host, out of the host, into rnnmuse."""
    command, start = HOSTS[name]
    with tempfile.TemporaryDirectory() as folder, echo() as stage, start(stage.port, Path(folder)) as made:
        stage.reached(60)
        result = stage.play(NOTES)
        until(lambda: still_open(made) == 0, 20, "notes hang in the host")
        row(name, version(command.split()[0]), result, f"0 hung in the host, {result.open} in rnnmuse")


def plugin() -> None:
    """Into the plugin, out of jalv by JACK MIDI, into jalv, out of the plugin."""
    if no_plugin():
        row("plugin (jalv)", "", None, no_plugin())
        return
    with jack(), echo() as stage, jalv(stage.port, build_plugin()["folder"]) as made:
        stage.reached()
        result = stage.play(NOTES)
        assert made.process.poll() is None
    row("plugin (jalv)", version("jalv"), result, "rnnmuse's clock leads; period 256")


def synth() -> None:
    """JACK MIDI into fluidsynth, as it counts its notes and voices; then the error of its onsets in recorded sound."""
    from test_fluidsynth import recorded

    from rnnmuse.bridges.ports import MidiSystem
    from rnnmuse.bridges.synth import soundfont
    from rnnmuse.realtime.rig import open_ports

    font = soundfont()
    if font is None:
        row("fluidsynth", "", None, "no SoundFont here")
        return
    with jack(), echo() as stage:
        ports = open_ports(stage.stage, MidiSystem()).virtual()
        assert all(state.state == "open" for state in ports), ports
        with fluidsynth(font) as made:
            stage.plan(NOTES)
            stage.over()
            until(lambda: voices(made) == 0, 30, "voices hang in fluidsynth")
            arrived = heard(made)
    nan = float("nan")
    with tempfile.TemporaryDirectory() as folder:
        begins, _ = recorded(Path(folder), 24)
    away, _drift = off_the_grid(begins, 0.25)
    remark = (f"0 voices hung; onsets of {len(begins)} notes in the sound: median {np.median(np.abs(away)):.2f}, worst "
              f"{np.max(np.abs(away)):.2f} ms from the beat (period 256, 5.3 ms)")  # fmt: skip
    row("fluidsynth", version("fluidsynth"), Result(len(stage.tally.left), arrived, nan, nan, 0), remark)


def sonic_pi() -> None:
    """Cues in, OSC out. Its loops are slow: 38 notes a second."""
    with tempfile.TemporaryDirectory() as folder, jack(), echo() as stage, start_sonic_pi(Path(folder)) as host:
        sonic_pi_echo(host, stage.port)
        stage.reached(60)
        assert stage.probe(1) == "sonic-pi"
        result = stage.play(NOTES, ticks=50)
    row("sonic-pi", version("sonic-pi"), result, "38 notes a second")


def supercollider_sound() -> None:
    """The error of scsynth's onsets by time tags."""
    from test_supercollider import recorded

    with tempfile.TemporaryDirectory() as folder:
        begins, _ = recorded(Path(folder), 32, 20)
    for what, part in (("synths", begins[4:32]), ("Prnnmuse", begins[32:])):
        away, drift = off_the_grid(part, 0.25)
        gaps = np.abs(np.diff(part) - 0.25) * 1000
        print(f"SuperCollider's sound, {what}: {len(part)} onsets, worst {np.max(np.abs(away)):.3f} ms from the beat "
              f"(the dummy driver's clock ran {100 * drift:.3f} % slow), from onset to onset median "
              f"{np.median(gaps):.3f}, worst {np.max(gaps):.3f} ms", flush=True)  # fmt: skip


def tidal() -> None:
    """Tidal's notes into rnnmuse: none may be missing from the row that its pattern makes."""
    from test_tidal import tidal as boot

    with tempfile.TemporaryDirectory() as folder, echo() as stage, boot(stage.port, Path(folder)) as made:
        stage.stage.take("/rnnmuse/transport/play")
        made.say("setcps 4")
        time.sleep(2)  # Tidal leaves out events amid a change of tempo
        made.say("d1 $ pitch (fastcat (map pure [40..71])) # player 1 # beats 0.01")
        until(lambda: len(stage.when) > 0, 30)
        end = time.monotonic() + 60 + NOTES / 100
        while len(stage.when) < NOTES and time.monotonic() < end:
            time.sleep(0.1)
        made.say("hush")
        pitches = [hear.pitch for hear in stage.heard()][:NOTES]
        gaps = np.abs(np.diff(np.array(stage.when)) / 1e6 - 1000 / 128)
    lost = sum((b - a - 1) % 32 for a, b in itertools.pairwise(pitches))
    result = Result(len(pitches) + lost, len(pitches), float("nan"), float("nan"), 0)
    remark = f"by time tags: from note to note median {np.median(gaps):.2f}, p99 {np.quantile(gaps, 0.99):.2f} ms off"
    row("tidal", version("ghci"), result, remark)


def ardour() -> None:
    """Notes recorded into Ardour's track, read back from its own files."""
    from test_ardour import record

    with tempfile.TemporaryDirectory() as folder, jack(), echo() as stage:
        found = record(stage, Path(folder), NOTES)
    sent = len(stage.tally.left)
    arrived = len(set(found) & {(0, *left) for left in stage.tally.left})
    remark = "recorded, read back"
    if sent < NOTES:
        remark += f"; {NOTES - sent} came over 100 ms late here and were left out"
    row("ardour", version("ardour7-lua"), Result(sent, arrived, float("nan"), float("nan"), 0), remark)


PARTS: dict[str, tuple[str, Callable[[], None]]] = {
    **{name: (command, lambda name=name: over_osc(name)) for name, (command, _) in HOSTS.items()},  # type: ignore[misc]
    "tidal": ("ghci", tidal),
    "plugin": ("jalv jackd g++", plugin),
    "fluidsynth": ("fluidsynth jackd jack_rec", synth),
    "sonic-pi": ("ruby erl scsynth jackd o2m", sonic_pi),
    "supercollider_sound": ("sclang scsynth jackd", supercollider_sound),
    "ardour": ("ardour7-lua jackd", ardour),
}


def main() -> None:
    print("| host | version | sent | arrived | lost | median ms | p99 ms | |")
    print("| --- " * 8 + "|")
    for name in sys.argv[1:] or PARTS:
        needed, part = PARTS[name]
        lacking = missing(*needed.split())
        if lacking:
            row(name, "", None, f"{lacking} is not installed")
            continue
        try:
            with ExitStack():
                part()
        except (AssertionError, subprocess.SubprocessError, OSError, JackError) as error:  # the others go on
            row(name, "", None, f"FAILED: {(str(error) or type(error).__name__)[:200]}")


if __name__ == "__main__":
    main()
