"""The long half of `make soak`: the band for thirty real minutes, and for a simulated day.

`MINUTES=2 python tests/soak.py band` and `HOURS=1 python tests/soak.py day` do less.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from soak import SHARE, Live, live

STYLES = ("jazz", "pop", "folk", "game")
SETTLED = 3.0
"""Minutes after which memory is looked at: by then every bar of the form has been played once."""


def slope(hours: list[float], megabytes: list[float]) -> float:
    """Megabytes an hour by Theil and Sen: the median of the slopes of all pairs, which one outlier does not bend."""
    pairs = [
        (megabytes[j] - megabytes[i]) / (hours[j] - hours[i])
        for i in range(len(hours))
        for j in range(i + 1, len(hours))
    ]
    return float(np.median(pairs)) if pairs else 0.0


def _counted(made: Live) -> tuple[int, int]:
    """Threads and descriptors of all processes."""
    here = made.processes()
    threads = sum(len(list(Path(f"/proc/{p}/task").iterdir())) for p in here)
    return threads, sum(len(list(Path(f"/proc/{p}/fd").iterdir())) for p in here)


def _read(made: Live, seconds: float) -> int:
    """Take what comes for so many seconds; returns the note-ons."""
    end, found = time.monotonic() + seconds, 0
    while (left := end - time.monotonic()) > 0:
        with suppress(TimeoutError):
            made.note(left)
            found += 1
    return found


def band() -> None:
    """A band for thirty real minutes with a change of style, tempo and loudness each minute."""
    minutes = int(os.environ.get("MINUTES", 30 // SHARE))
    with live("--band", "pop") as made:
        hours, megabytes, notes, counts = [], [], 0, [(0, 0)]
        for minute in range(minutes):
            made.send("/rnnmuse/subscribe", 3600)
            made.send("/rnnmuse/band", STYLES[minute % len(STYLES)])
            made.send("/rnnmuse/transport/tempo", float(90 + 7 * (minute % 9)))
            notes += _read(made, 60.0)
            if minute + 1 >= min(SETTLED, minutes / 2):
                hours.append((minute + 1) / 60)
                megabytes.append(made.memory())
                counts.append(_counted(made))
        made.send("/rnnmuse/transport/stop")
        _read(made, 1.0)
        print(
            f"band: {minutes} minutes, {notes:,} notes, {len(made.sounding)} hung; memory {megabytes[0]:.1f} to "
            f"{megabytes[-1]:.1f} MB, {slope(hours, megabytes):+.2f} MB an hour; threads {counts[1][0]} to "
            f"{counts[-1][0]}, descriptors {counts[1][1]} to {counts[-1][1]}"
        )


def _resident() -> float:
    """Megabytes of this process."""
    gc.collect()
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def day() -> None:
    """A band for a day of simulated time, its engine in this process; each hour it is stopped and looked at."""
    from rnnmuse.testing import StageClient

    count = int(os.environ.get("HOURS", max(1, 24 // SHARE)))
    stage, notes, hung, at, megabytes = StageClient(), 0, 0, [], []
    dropped = 0
    for hour in range(count):
        stage.send("/rnnmuse/band", STYLES[hour % len(STYLES)])
        stage.send("/rnnmuse/transport/tempo", float(80 + 13 * (hour % 7)))
        stage.send("/rnnmuse/transport/play")
        for _ in range(60):
            stage.send("/rnnmuse/subscribe", 3600)
            stage.run(60.0)
            notes += len(stage.notes("on"))
            assert not stage.faults(), stage.faults()
            stage.forget()
            stage.output.events.clear()
            stage.output.programs.clear()
            stage.output.data.clear()
            for engine in stage.engines:
                engine.taken.clear()
        dropped = stage.stage.lateness.dropped
        hung += len(stage.hung()) + len(stage.output.twice)
        at.append(hour + 1.0)
        megabytes.append(_resident())
        print(f"day: hour {hour + 1}: {notes:,} notes, {hung} hung, {megabytes[-1]:.1f} MB", flush=True)
    tail = slice(min(2, count - 1), None)
    print(
        f"day: {count} simulated hours, {notes:,} notes, {hung} hung or sent twice, {dropped} dropped; memory "
        f"{megabytes[0]:.1f} to {megabytes[-1]:.1f} MB, {slope(at[tail], megabytes[tail]):+.2f} MB an hour; "
        f"{threading.active_count()} threads"
    )
