"""`make sessions`: curves of sessions against lateness, memory and processor, as JSON and a picture. Not a test.

Every session plays one model with its memory at 120 bpm, at the density of sixteenths, to a subscriber of its own.
Lateness is that of the stage's outbox: how far from its time a note left. Each number of sessions is measured in
several windows, those of all numbers in turn, so that what else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

from rnnmuse.bridges import osc
from rnnmuse.realtime import stage as stage_module
from rnnmuse.realtime.lanes import Lateness
from rnnmuse.realtime.sessions import Sessions
from rnnmuse.realtime.stage import Settings

MODEL, TEMPO, DENSITY = "lieder", 120.0, 4.0
LATE = 10_000_000
"""Nanoseconds beyond which a note is late, and its bar too."""
FLOOD = 4000
"""Messages a second."""
TICK = os.sysconf("SC_CLK_TCK")


class Recorded(Lateness):
    """A histogram that can begin anew, and knows the bars that were late."""

    __slots__ = ("bars", "offs")

    def add(self, late: int) -> None:
        offs: list[int] = self.offs
        offs.append(late)
        Lateness.add(self, late)


def serve(count: int) -> None:
    """A process that serves; it answers each line on its standard input with what it measured since the last one."""
    made: list[Recorded] = []

    def recorded() -> Recorded:
        one = Recorded()
        one.offs = []
        made.append(one)
        return one

    stage_module.Lateness = recorded  # type: ignore[misc,assignment]
    sessions = Sessions(Settings(port=0, tempo=TEMPO, model=MODEL), count)
    sys.setswitchinterval(0.0002)
    sessions.open()
    sessions.supervisor.ready.wait(60)

    def answer() -> None:
        dropped = [0] * count
        for _ in sys.stdin:
            offs = [one.offs for one in made]
            for one in made:
                one.offs = []
            lost = [one.dropped - before for one, before in zip(made, dropped, strict=True)]
            dropped = [one.dropped for one in made]
            said = {"offs": offs, "dropped": lost, "restarts": sessions.supervisor.restarts}
            print(json.dumps(said), flush=True)
        sessions.leave()

    threading.Thread(target=answer, daemon=True).start()
    print(json.dumps({"port": sessions.stage(1).port, "engine": sessions.supervisor.pid}), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sessions.leave())
    sessions.serve()
    sessions.close()


class House:
    """A serving process with all of its sessions playing, and a subscriber of each."""

    def __init__(self, count: int) -> None:
        self.count = count
        command = [sys.executable, __file__, "serve", str(count)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        said = self._line()
        self.port, self.pids = said["port"], [self.process.pid, said["engine"]]
        self.received = 0
        self._over = threading.Event()
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
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
        self.measured(0)

    def send(self, number: int, address: str, *values: Any) -> None:
        self._udp.sendto(osc.build(f"/rnnmuse/session/{number}/{address}", values), ("127.0.0.1", self.port))

    def _read(self) -> None:
        while not self._over.is_set():
            try:
                packet = self._udp.recv(65536)
            except TimeoutError:
                continue
            if b"/out/1/note" in packet[:64]:
                self.received += 1

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said

    def _cpu(self) -> list[float]:
        out = []
        for pid in self.pids:
            words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            out.append((int(words[11]) + int(words[12])) / TICK)
        return out

    def memory(self) -> list[float]:
        """Megabytes of the stage and of the engine that are their own, by /proc/…/smaps_rollup."""
        out = []
        for pid in self.pids:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            out.append(sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024)
        return out

    def measured(self, seconds: float) -> dict[str, Any]:
        """One window."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self._line()
        before, began, received = self._cpu(), time.monotonic(), self.received
        time.sleep(seconds)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        took, after = time.monotonic() - began, self._cpu()
        said = self._line()
        said["cpu"] = [(b - a) / took for a, b in zip(before, after, strict=True)]
        said["notes"] = (self.received - received) / took / self.count if took else 0.0
        said["seconds"] = took
        return said

    def close(self) -> None:
        self._over.set()
        self._reader.join()
        self.process.terminate()
        self.process.wait(30)


def quantile(values: list[int], share: float) -> float:
    """Milliseconds."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e6 if ordered else 0.0


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
        bars = sum(window["seconds"] * number * TEMPO / 240 for window in rows[number])
        late = sum(off > LATE for off in offs) + sum(sum(window["dropped"]) for window in rows[number])
        row = {
            "sessions": number,
            "notes a second of each": statistics.median(window["notes"] for window in rows[number]),
            "p50 ms": quantile(offs, 0.5),
            "p99 ms": statistics.median(p99),
            "p99 of each window ms": p99,
            "worst ms": max(offs, default=0) / 1e6,
            "late notes": late,
            "bars": round(bars),
            "stage MB": memory[number][0],
            "engine MB": memory[number][1],
            "stage cores": statistics.median(window["cpu"][0] for window in rows[number]),
            "engine cores": statistics.median(window["cpu"][1] for window in rows[number]),
            "restarts": sum(window["restarts"] for window in rows[number]),
        }
        out.append(row)
        print(
            f"{number:3} sessions: p50 {row['p50 ms']:.2f} p99 {row['p99 ms']:.2f} worst {row['worst ms']:.1f} ms, "
            f"{late} late of {len(offs)} in {round(bars)} bars; {row['notes a second of each']:.1f} on and off a second"
            f" each; stage {row['stage MB']:.0f} MB, {row['stage cores']:.2f} cores; engine {row['engine MB']:.0f} MB, "
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
    said = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "model": MODEL,
        "rows": rows,
    }
    if not given.no_flood:
        said["flood"] = flood(8, given.seconds, given.windows)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(said, indent=1) + "\n")
    picture(rows, given.picture)
    print(f"{given.out}, {given.picture}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", count]:
            serve(int(count))
        case ["flood", port]:
            over = threading.Event()
            signal.signal(signal.SIGTERM, lambda *_: over.set())
            flooding(int(port), 1, over)
        case _:
            main()
