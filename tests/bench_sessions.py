"""`make sessions`: curves of sessions against lateness, memory and processor, as JSON and a picture. Not a test.

Every session plays one model with its memory at 120 bpm, to a subscriber of its own, at a density with which it begins
some eight notes a second: sixteenths. The rate is in each row. Lateness is measured outside: how far the system's time
stamp of a note's packet is from the note's beat, with the clock of each session fitted to the median of its notes. Each
number of sessions is measured in several windows, those of all numbers in turn, so that what else the machine does
falls on all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

from rnnmuse.bridges import osc

MODEL, TEMPO, DENSITY = "lieder", 120.0, 3.0
LATE = 0.010
"""Seconds beyond which a note is late, and its bar too."""
FLOOD = 4000
"""Messages a second."""
TICK = os.sysconf("SC_CLK_TCK")
TIMESTAMPS = getattr(socket, "SO_TIMESTAMPNS", 35)

Note = tuple[int, float, float]
"""Session, the system's time of its packet in seconds, and its beat."""


class House:
    """`rnnmuse live --sessions` with all of its sessions playing, and a subscriber of each."""

    def __init__(self, count: int) -> None:
        self.count = count
        options = ["--sessions", str(count), "--osc-port", "0", "--no-midi", "--tempo", str(TEMPO), "--model", MODEL]
        command = [sys.executable, "-m", "rnnmuse", "live", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])
        self.notes: list[Note] = []
        self.dropped: dict[int, int] = {}
        self._over = threading.Event()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._udp.setsockopt(socket.SOL_SOCKET, TIMESTAMPS, 1)
        self._udp.settimeout(0.2)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        random = Random(1)
        for number in range(1, count + 1):
            self.send(number, "subscribe", 3600.0)
            for name, value in (("seed", number), ("density", DENSITY)):
                self.send(number, f"player/1/param/{name}", value)
            self.send(number, "player/1/mode", "free")
            self.send(number, "player/1/start")
            self.send(number, "transport/play")
            time.sleep(random.uniform(0, 2 / count))  # nobody comes at the same moment as another
        time.sleep(3)
        self.pids = [self.process.pid, *self._children()]

    def _children(self) -> list[int]:
        """The engine; the stage starts nothing else that plays."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        found = [int(word) for task in tasks for word in task.read_text().split()]
        return [pid for pid in found if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def send(self, number: int, address: str, *values: Any) -> None:
        self._udp.sendto(osc.build(f"/rnnmuse/session/{number}/{address}", values), ("127.0.0.1", self.port))

    def _read(self) -> None:
        while not self._over.is_set():
            try:
                packet, told, _, _ = self._udp.recvmsg(65536, 64)
            except TimeoutError:
                continue
            (message,) = osc.parse(packet)
            words = message.address.split("/")
            if words[4:] == ["out", "1", "note"]:
                seconds, nanoseconds = struct.unpack("qq", told[0][2])
                self.notes.append((int(words[3]), seconds + nanoseconds / 1e9, message.arguments[3]))
            elif words[4:] == ["stats"]:
                self.dropped[int(words[3])] = message.arguments[6]

    def _cpu(self) -> list[float]:
        out = []
        for pid in self.pids:
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            out.append((int(words[11]) + int(words[12])) / TICK)
        return [out[0], sum(out[1:])]

    def memory(self) -> list[float]:
        """Megabytes of the stage and of the engine: what is theirs alone and their share of the rest."""
        out = []
        for pid in self.pids:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            out.append(sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024)
        return [out[0], sum(out[1:])]

    def measured(self, seconds: float) -> dict[str, Any]:
        """One window: lateness of each note by session in seconds, its bars, and the processor's share."""
        self.notes = []
        before, began = self._cpu(), time.monotonic()
        time.sleep(seconds)
        took, after = time.monotonic() - began, self._cpu()
        notes, self.notes = self.notes, []
        lost = self._dropped()
        offs: list[list[float]] = [[] for _ in range(self.count)]
        bars: set[tuple[int, int]] = set()
        for number in range(1, self.count + 1):
            own = [(at - beat * 60 / TEMPO, beat) for one, at, beat in notes if one == number]
            middle = statistics.median([at for at, _ in own]) if own else 0.0
            offs[number - 1] = [abs(at - middle) for at, _ in own]
            bars |= {(number, int(beat // 4)) for at, beat in own if abs(at - middle) > LATE}
        cpu = [(b - a) / took for a, b in zip(before, after, strict=True)]
        rate = len(notes) / took / self.count
        return {"offs": offs, "late bars": len(bars), "dropped": lost, "cpu": cpu, "rate": rate, "seconds": took}

    def _dropped(self) -> int:
        """Notes that were dropped because they were too late, since the last window."""
        before = sum(self.dropped.values())
        for number in range(1, self.count + 1):
            self.send(number, "stats")
        time.sleep(0.5)
        return sum(self.dropped.values()) - before

    def close(self) -> None:
        self._over.set()
        self._reader.join()
        self.process.terminate()
        self.process.wait(30)


def quantile(values: list[float], share: float) -> float:
    """Milliseconds."""
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def flooding(port: int, session: int, over: Any) -> None:
    """`FLOOD` messages a second to one session: notes, parameters, getters, patterns; from one sender."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    root = f"/rnnmuse/session/{session}"
    packets = [
        *(osc.build(f"{root}/player/2/note", (40 + n, 90 if n % 2 else 0)) for n in range(40)),
        *(osc.build(f"{root}/player/3/param/temperature", (0.5 + n / 50,)) for n in range(20)),
        *(osc.build(f"{root}/player/*/mode", ()) for _ in range(2)),
        *(osc.build(f"{root}/ping", (n,)) for n in range(10)),
        *(osc.build(f"{root}/no/such/address", (n,)) for n in range(10)),
    ]
    sent, began = 0, time.monotonic()
    while not over.is_set():
        for _ in range(40):
            udp.sendto(packets[sent % len(packets)], ("127.0.0.1", port))
            sent += 1
        time.sleep(max(0.0, began + sent / FLOOD - time.monotonic()))


def flood(count: int, seconds: float, pairs: int) -> dict[str, Any]:
    """The lateness of the other sessions without and with a flood to one, in turn."""
    house = House(count)
    quiet: list[dict[str, Any]] = []
    flooded: list[dict[str, Any]] = []
    for _ in range(pairs):
        quiet.append(house.measured(seconds))
        command = [sys.executable, __file__, "flood", str(house.port)]
        with subprocess.Popen(command) as process:
            time.sleep(0.5)
            flooded.append(house.measured(seconds))
            process.terminate()
        time.sleep(1.5)
    house.close()

    def others(windows: list[dict[str, Any]]) -> list[float]:
        return [quantile([off for offs in window["offs"][1:] for off in offs], 0.99) for window in windows]

    before, under = others(quiet), others(flooded)
    ratio = statistics.median(b / a for a, b in zip(before, under, strict=True))
    late = sum(off > LATE for window in flooded for offs in window["offs"][1:] for off in offs)
    print(
        f"flood of {FLOOD} messages a second to one of {count} sessions: p99 of the others x {ratio:.2f}, {late} late"
    )
    return {
        "sessions": count,
        "messages a second": FLOOD,
        "p99 without ms": before,
        "p99 with ms": under,
        "ratio": ratio,
        "late notes": late,
    }


def throughput(count: int = 32, rounds: int = 25) -> dict[str, float]:
    """Processor time of what players do one after another and together, in turn; as ratios."""
    from rnnmuse.compose.muse import load
    from rnnmuse.music.piece import Piece
    from rnnmuse.play.limits import Constraints, Rules
    from rnnmuse.play.sampler import Frame, Player
    from rnnmuse.play.together import step_together

    model = load(MODEL).model
    limits = Constraints(polyphony=6, rest=4.0)

    def seated() -> list[Player]:
        players = []
        for seed in range(count):
            rules = Rules(limits, Piece(), model.drums, len(model.parts))
            players.append(Player(model, Frame(Piece()), rules, Random(seed)))
            for _ in range(100):
                players[-1].next(players[-1].grid, 10**9)
        return players

    def one_by_one(players: list[Player]) -> None:
        for player in players:
            player.prepare()

    ways: tuple[Any, Any] = (one_by_one, step_together)
    seconds: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    all_players = seated(), seated()
    for _ in range(rounds):
        for players, step, kept in zip(all_players, ways, seconds, strict=True):
            began = time.thread_time()
            step(players)
            for player in players:  # the first read too, which a batch does at once
                player._expect().copy()
            stepped = time.thread_time()
            for player in players:
                player.next(player.grid, 10**9)
            kept.append((stepped - began, time.thread_time() - began))
    alone, together = seconds
    step = statistics.median(a[0] / b[0] for a, b in zip(alone, together, strict=True))
    event = statistics.median(a[1] / b[1] for a, b in zip(alone, together, strict=True))
    print(
        f"{count} together: steps with their first read {step:.2f} x, whole events {event:.2f} x as fast as one by one"
    )
    return {"players": count, "steps": step, "events": event}


def curves(numbers: list[int], seconds: float, windows: int) -> list[dict[str, Any]]:
    """A row for each number of sessions."""
    rows: dict[int, list[dict[str, Any]]] = {number: [] for number in numbers}
    memory: dict[int, list[float]] = {}
    for _ in range(windows):
        for number in numbers:
            house = House(number)
            rows[number].append(house.measured(seconds))
            memory[number] = house.memory()
            house.close()
    out = []
    for number in numbers:
        offs = [off for window in rows[number] for each in window["offs"] for off in each]
        p99 = [quantile([off for each in window["offs"] for off in each], 0.99) for window in rows[number]]
        row = {
            "sessions": number,
            "begins and ends a second of each": statistics.median(window["rate"] for window in rows[number]),
            "notes": len(offs),
            "p50 ms": quantile(offs, 0.5),
            "p99 ms": statistics.median(p99),
            "p99 of each window ms": p99,
            "worst ms": 1000 * max(offs, default=0),
            "bars": round(sum(window["seconds"] * number * TEMPO / 240 for window in rows[number])),
            "late bars": sum(window["late bars"] for window in rows[number]),
            "dropped": sum(window["dropped"] for window in rows[number]),
            "stage MB": memory[number][0],
            "engine MB": memory[number][1],
            "stage cores": statistics.median(window["cpu"][0] for window in rows[number]),
            "engine cores": statistics.median(window["cpu"][1] for window in rows[number]),
        }
        out.append(row)
        print(
            f"{number:3} sessions: p50 {row['p50 ms']:.2f} p99 {row['p99 ms']:.2f} worst {row['worst ms']:.1f} ms, "
            f"{row['late bars']} late of {row['bars']} bars, {row['dropped']} dropped; "
            f"{row['begins and ends a second of each']:.1f} begins and ends a second each; "
            f"stage {row['stage MB']:.0f} MB, {row['stage cores']:.2f} cores; engine {row['engine MB']:.0f} MB, "
            f"{row['engine cores']:.2f} cores",
            flush=True,
        )
    return out


def picture(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    x = [row["sessions"] for row in rows]
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), constrained_layout=True)
    for name, style in (("p50 ms", "o:"), ("p99 ms", "o-")):
        axes[0].plot(x, [row[name] for row in rows], style, label=name.removesuffix(" ms"), color="#2b5d8a")
    axes[0].axhline(2 * rows[0]["p99 ms"], color="#999", lw=0.8, ls="--", label="2 x p99 of one")
    axes[0].set_ylabel("lateness of notes, ms")
    for axis, unit, title in ((axes[1], "MB", "memory, MB"), (axes[2], "cores", "processor, cores")):
        stage, engine = ([row[f"{name} {unit}"] for row in rows] for name in ("stage", "engine"))
        axis.fill_between(x, 0, stage, color="#2b5d8a", alpha=0.7, label="stage")
        both = [a + b for a, b in zip(stage, engine, strict=True)]
        axis.fill_between(x, stage, both, color="#c7713b", alpha=0.7, label="engine")
        axis.set_ylabel(title)
    for axis in axes:
        axis.set_xscale("log", base=2)
        axis.set_xticks(x, [str(number) for number in x])
        axis.set_xlabel("sessions")
        axis.set_ylim(bottom=0)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbers", default="1,2,4,8,16,32,64")
    parser.add_argument("--seconds", type=float, default=10.0, help="of a window")
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("out/sessions.json"))
    parser.add_argument("--picture", type=Path, default=Path("out/sessions.png"))
    parser.add_argument("--no-flood", action="store_true")
    given = parser.parse_args()
    rows = curves([int(number) for number in given.numbers.split(",")], given.seconds, given.windows)
    said: dict[str, Any] = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "model": MODEL,
        "rows": rows,
    }
    said["together"] = throughput()
    if not given.no_flood:
        said["flood"] = flood(8, given.seconds, given.windows)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(said, indent=1) + "\n")
    picture(rows, given.picture)
    print(f"{given.out}, {given.picture}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["flood", port]:
            over = threading.Event()
            signal.signal(signal.SIGTERM, lambda *_: over.set())
            flooding(int(port), 1, over)
        case _:
            main()
