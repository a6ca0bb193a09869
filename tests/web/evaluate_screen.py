"""Figures of the screen on a quiet machine, with the real rnnmuse and Chromium. Not a test: run it by hand.

    python tests/web/evaluate_screen.py [--seconds 30]

It prints the time to the first picture of the page, the time from a panic in the page to the last note-off while the
page is flooded, frame times of the roll with eight players at 180 bpm, and how late notes are with three pages open
beside without (the stage's own histogram, a new stage for each).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[0] / "hosts"), str(HERE.parents[0] / "realtime")]

from browser import Tab, browser  # noqa: E402
from test_browser import THERE, rnnmuse  # noqa: E402
from test_stage import Client  # noqa: E402
from websockets.sync.client import connect  # noqa: E402

MODELS = ("lieder", "grooves", "leadsheet", "piano", "lieder", "grooves", "leadsheet", "band")


@contextlib.contextmanager
def live(tempo: int = 180) -> Iterator[tuple[str, Client]]:
    """rnnmuse live with its screen: the page's address, and an OSC client."""
    words = ("live", "--osc-port", 0, "--no-midi", "--no-browser", "--screen", "--tempo", tempo)
    with rnnmuse(*words) as (_, told):
        port = int(told.readline().rsplit(":", 1)[1])
        page = next(line for line in told if line.startswith("Screen")).split()[1]
        yield page, Client(port)


def play(client: Client) -> None:
    """Eight players, all free."""
    for player, model in enumerate(MODELS, 1):
        client.send(f"/rnnmuse/player/{player}/model", model)
        client.send(f"/rnnmuse/player/{player}/mode", "free")
        client.send(f"/rnnmuse/player/{player}/start")
    client.ask("/rnnmuse/sync", 1, answer="/rnnmuse/synced")


def lateness(client: Client, seconds: float) -> tuple[float, float]:
    """Median and p99 of the stage so far, in ms, after some time."""
    time.sleep(seconds)
    stats = client.ask("/rnnmuse/stats")
    return float(stats[2]), float(stats[3])


def panic(tab: Tab, page: str, client: Client, times: int = 20) -> list[float]:
    """ms from the key in the page to the last note-off that an OSC client gets, while another page sends as it can."""
    client.send("/rnnmuse/subscribe", 3600)
    host, took = page.split("/")[2], []
    with connect(f"ws://{host}/socket", origin=f"http://{host}", compression=None, max_size=None) as web:
        for _ in range(times):
            play(client)
            time.sleep(1.0)
            for number in range(400):
                web.send(json.dumps(["/rnnmuse/player/1/param/density", number % 24]))
            began = last = time.monotonic()
            tab.press("Escape")
            with contextlib.suppress(Exception):
                while time.monotonic() - began < 0.5:
                    message = client.next()
                    if message.address.endswith("/note") and not message.arguments[1]:
                        last = time.monotonic()
            took.append(1000 * (last - began))
    return took


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=30.0)
    seconds = options.parse_args().seconds
    with live() as (_, client):
        play(client)
        without = lateness(client, seconds)
    with tempfile.TemporaryDirectory() as folder, browser(Path(folder)) as tab, live() as (page, client):
        tab.go(page)
        tab.until(THERE)
        paint = tab.run("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN")
        print(f"first picture              {paint:8.0f} ms  (at most 1000)")
        for _ in range(2):
            tab.do("Target.createTarget", url=page, newWindow=True)
        play(client)
        tab.run("import('/roll.js').then(({ frames }) => { frames.length = 0; })")
        with_pages = lateness(client, seconds)
        frames = sorted(tab.run("import('/roll.js').then(({ frames }) => [...frames])"))
        print(f"frames, 8 players, 180 bpm {statistics.median(frames):8.1f} ms  median (at most 16.7)")
        print(f"                           {frames[int(0.99 * len(frames))]:8.1f} ms  p99 of {len(frames)}")
        print(f"lateness without pages     {without[0]:8.2f} ms  median, p99 {without[1]:.2f}")
        print(f"lateness with three pages  {with_pages[0]:8.2f} ms  median, p99 {with_pages[1]:.2f}")
        print(f"p99 with by without        {with_pages[1] / max(without[1], 0.01):8.2f}     (at most 1.2)")
        took = panic(tab, page, client)
        print(
            f"panic, page flooded        {statistics.median(took):8.1f} ms  median, worst {max(took):.1f} (at most 50)"
        )


if __name__ == "__main__":
    main()
