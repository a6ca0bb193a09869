"""Pictures of every view of the screen, in both themes and five widths, while a band plays. Not a test: run it by hand.

    python tests/web/pictures.py FOLDER [--views play,pad] [--language zh]

It starts rnnmuse live, seats a band, a phrase model and a voice, and writes FOLDER/<view>-<width>-<theme>.png, of the
whole page up to three screens, and a sheet a view, FOLDER/<view>.png. "play16" is the view Play with sixteen players.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(HERE.parents[0] / name) for name in ("hosts", "realtime", "bridges"))]

from browser import Tab, browser  # noqa: E402
from test_browser import THERE, rnnmuse  # noqa: E402
from test_stage import Client  # noqa: E402

SIZES = ((360, 780), (390, 844), (1280, 800), (1920, 1080), (2560, 1440))
VIEWS = ("play", "pad", "words", "cover", "setup", "monitor", "play16")
SCREENS = 3
"""Heights of the window that a picture shows of a long page."""
MODELS = ("grooves", "lieder", "leadsheet", "piano")


@contextlib.contextmanager
def playing() -> Iterator[tuple[str, Client]]:
    """rnnmuse live with a band, a phrase model and two voices."""
    words = ("live", "--osc-port", 0, "--no-midi", "--no-browser", "--screen", "--tempo", 112)
    with rnnmuse(*words) as (_, told):
        client = Client(int(told.readline().rsplit(":", 1)[1]))
        page = next(line for line in told if line.startswith("Screen")).split()[1]
        client.send("/rnnmuse/harmony/chart", "Dm7 | G7 | Cmaj7 | A7 | Dm7 | G7 | Em7 A7 | Dm6")
        client.send("/rnnmuse/band", "jazz")
        for player, model in ((5, "phrases"),):
            client.send(f"/rnnmuse/player/{player}/model", model)
            client.send(f"/rnnmuse/player/{player}/mode", "free")
            client.send(f"/rnnmuse/player/{player}/start")
        client.send("/rnnmuse/text/1/prompt", "Shall I compare thee to a summer's day?\n")
        client.send("/rnnmuse/text/1/generate", 0)
        client.send("/rnnmuse/text/2/mix", "shakespeare", 0.0)
        client.send("/rnnmuse/text/2/mix", "tang", 1.0)
        client.send("/rnnmuse/text/2/generate", 0)
        client.send("/rnnmuse/transport/play")
        client.ask("/rnnmuse/sync", 1, answer="/rnnmuse/synced")
        yield page, client


def seat_all(client: Client) -> None:
    """Sixteen players."""
    for player in range(5, 17):
        client.send(f"/rnnmuse/player/{player}/model", MODELS[player % len(MODELS)])
        client.send(f"/rnnmuse/player/{player}/mode", "free" if player < 9 else "continue")
    client.ask("/rnnmuse/sync", 2, answer="/rnnmuse/synced")


def shoot(tab: Tab, page: str, view: str, folder: Path, language: str) -> None:
    """One view at every size and in both themes."""
    for theme in ("dark", "bright"):
        for wide, high in SIZES:
            tab.do("Emulation.setDeviceMetricsOverride", width=wide, height=high, deviceScaleFactor=1, mobile=False)
            tab.run(f"localStorage.setItem('theme', '{theme}'); localStorage.setItem('language', '{language}')")
            tab.go(page + view.removesuffix("16"), wide, high)
            tab.until(THERE)
            time.sleep(3.0 if wide == SIZES[0][0] else 1.5)
            tall = min(SCREENS * high, tab.run("document.documentElement.scrollHeight"))
            if tall > high and wide < 1000:
                tab.do("Emulation.setDeviceMetricsOverride", width=wide, height=tall, deviceScaleFactor=1, mobile=False)
                time.sleep(0.7)
            tab.picture(folder / f"{view}-{wide}-{theme}.png")


def sheet(folder: Path, view: str) -> None:
    """All pictures of a view on one, dark above bright, each as high as the row."""
    rows = []
    for theme in ("dark", "bright"):
        images = [Image.open(folder / f"{view}-{wide}-{theme}.png").convert("RGB") for wide, _ in SIZES]
        high = 900
        images = [one.resize((max(1, round(one.width * high / one.height)), high)) for one in images]
        rows.append(images)
    wide = max(sum(one.width + 12 for one in row) for row in rows)
    made = Image.new("RGB", (wide, 2 * 912), "#888888")
    for y, row in enumerate(rows):
        x = 0
        for one in row:
            made.paste(one, (x, y * 912))
            x += one.width + 12
    made.save(folder / f"{view}.png")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("--views", default=",".join(VIEWS))
    options.add_argument("--language", default="en")
    given = options.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with profile as own, playing() as (page, client), browser(Path(own)) as tab:
        tab.go(page)
        tab.until(THERE)
        for view in given.views.split(","):
            if view == "play16":
                seat_all(client)
            shoot(tab, page, view, given.folder, given.language)
            sheet(given.folder, view)
            print(given.folder / f"{view}.png", flush=True)


if __name__ == "__main__":
    main()
