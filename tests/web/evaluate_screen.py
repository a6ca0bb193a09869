"""Figures of the screen on a quiet machine, with the real rnnmuse and Chromium. Not a test: run it by hand.

    python tests/web/evaluate_screen.py [--seconds 30] [--turns 3]

It prints the time to the first picture of the page, the time from a panic in the page to the last note-off while the
page is flooded, frame times of the roll with eight players at 180 bpm, and how late notes are with three pages open
(the stage's own histogram, a new stage for each). They are measured in turn with one subscriber and no browser, and
with one subscriber and three windows of the same browser that draw as much as the roll does and know nothing of the
stage: what a browser costs on this machine, whatever it shows.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parents[0] / name) for name in ("hosts", "realtime", "bridges"))]

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


BUSY = """data:text/html,<canvas id=c width=1240 height=300></canvas><script>
const brush = c.getContext("2d");
(function draw(now) {
  brush.clearRect(0, 0, 1240, 300);
  for (let i = 0; i < 300; i++) {
    brush.fillStyle = `hsl(${i * 40} 60%25 60%25)`;
    brush.fillRect((i * 37 + now / 8) % 1240, (i * 13) % 300, 24, 6);
  }
  requestAnimationFrame(draw);
})(0)</script>"""


def lateness(seconds: float, show: str | None) -> tuple[float, float, list[float]]:
    """Median and p99 of a new stage with eight players and a subscriber, in ms, and the page's frame times.

    ``show``: None for no browser, "" for three pages of the stage, or an address that three windows show.
    """
    with contextlib.ExitStack() as stack:
        tab = (
            stack.enter_context(
                browser(Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))))
            )
            if show is not None
            else None
        )
        page, client = stack.enter_context(live())
        client.send("/rnnmuse/subscribe", 3600)
        play(client)
        if tab is not None:
            tab.go(show or page)
            for _ in range(2):
                tab.do("Target.createTarget", url=show or page, newWindow=True)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                client.next(0.5)
        stats = client.ask("/rnnmuse/stats")
        frames = []
        if tab is not None and not show:
            frames = sorted(tab.run("import('/roll.js').then(({ frames }) => [...frames])"))
        return float(stats[2]), float(stats[3]), frames


def panic(tab: Tab, page: str, client: Client, times: int = 20) -> list[float]:
    """ms from the key in the page to the last note-off that an OSC client gets, while another page sends as it can."""
    client.send("/rnnmuse/subscribe", 3600)
    host, took, ended = page.split("/")[2], [], [0.0]

    def hear() -> None:
        """When the last note-off came: by a thread of its own, for the browser answers a key when it has drawn."""
        with contextlib.suppress(OSError):
            while True:
                message = client.next()
                if message.address.endswith("/note") and not message.arguments[1]:
                    ended[0] = time.monotonic()

    play(client)
    threading.Thread(target=hear, daemon=True).start()
    with connect(f"ws://{host}/socket", origin=f"http://{host}", compression=None, max_size=None) as web:
        threading.Thread(target=deque, args=(web, 0), daemon=True).start()  # one that does not read is let go
        for _ in range(times):
            for player in range(1, len(MODELS) + 1):
                client.send(f"/rnnmuse/player/{player}/start")
            time.sleep(1.5)
            for number in range(400):
                web.send(json.dumps(["/rnnmuse/player/1/param/density", number % 24]))
            began = time.monotonic()
            tab.press("Escape")
            time.sleep(0.5)
            took.append(1000 * max(0.0, ended[0] - began))
    return took


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=30.0)
    options.add_argument("--turns", type=int, default=3)
    given = options.parse_args()
    own = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with own as folder, browser(Path(folder)) as tab, live() as (page, client):
        tab.go(page)
        tab.until(THERE)
        paint = tab.until("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
        print(f"first picture              {paint:8.0f} ms  (at most 1000)", flush=True)
        took = panic(tab, page, client)
        median, worst = statistics.median(took), max(took)
        print(f"panic, page flooded        {median:8.1f} ms  median, worst {worst:.1f} (at most 50)", flush=True)
    found: dict[str, list[tuple[float, float]]] = {}
    frames: list[float] = []
    for _ in range(given.turns):
        for name, show in (("a subscriber, no browser", None), ("three pages", ""), ("three other windows", BUSY)):
            middle, high, drawn = lateness(given.seconds, show)
            found.setdefault(name, []).append((middle, high))
            frames += drawn
    frames.sort()
    print(f"frames, 8 players, 180 bpm {statistics.median(frames):8.1f} ms  median (at most 16.7)")
    print(f"                           {frames[int(0.99 * len(frames))]:8.1f} ms  p99 of {len(frames)}")
    p99 = {name: statistics.median(high for _, high in turns) for name, turns in found.items()}
    for name, turns in found.items():
        print(f"lateness, {name:24}{statistics.median(one for one, _ in turns):6.2f} ms  median, p99 {p99[name]:.2f}")
    for name in ("a subscriber, no browser", "three other windows"):
        print(f"p99, three pages by {name:24}{p99['three pages'] / max(p99[name], 0.01):6.2f}  (at most 1.2)")


if __name__ == "__main__":
    main()
