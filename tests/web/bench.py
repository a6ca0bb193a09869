"""`make bench`: from a note of the stage to a page, beside a bare WebSocket echo; the screen's memory. Not a test."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from fake_stage import FakeStage
from websockets.sync.client import connect

COUNT = 500
ECHO = """
from websockets.sync.server import serve
def echo(web):
    for message in web:
        web.send(message)
with serve(echo, "127.0.0.1", 0, compression=None) as server:
    print(server.socket.getsockname()[1], flush=True)
    server.serve_forever()
"""


def timed(name: str, once: Callable[[int], object]) -> None:
    """Print the median and the p99 of COUNT times, 10 ms apart, after 20 that are not counted."""
    ways = []
    for number in range(COUNT + 20):
        began = time.perf_counter()
        once(number)
        ways.append(1000 * (time.perf_counter() - began))
        time.sleep(0.01)
    ways = sorted(ways[20:])
    print(f"{name:24}{statistics.median(ways):6.2f} ms  p99 {ways[int(0.99 * COUNT)]:.2f}")


def main() -> None:
    stage = FakeStage()
    words = ["screen", "--http-port", "0", "--osc-port", str(stage.port)]
    screen = subprocess.Popen([sys.executable, "-m", "rnnmuse.cli.main", *words], stdout=subprocess.PIPE, text=True)
    echo = subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True)
    try:
        assert screen.stdout is not None
        assert echo.stdout is not None
        found = re.search(r"http:\S+\d", screen.stdout.readline())
        assert found
        page, bare = found[0], f"ws://127.0.0.1:{int(echo.stdout.readline())}"
        with (
            connect(page.replace("http", "ws") + "/socket", origin=page, compression=None) as web,
            connect(bare, compression=None) as other,
        ):

            def until(sign: str) -> None:
                while sign not in web.recv(20):
                    pass

            def note(number: int) -> None:
                stage.say("/rnnmuse/out/1/note", 60 + number % 12, 90, 0.5, float(number))
                until("/rnnmuse/out/1/note")

            def ping(number: int) -> None:
                web.send(json.dumps(["/rnnmuse/ping", number]))
                until("/rnnmuse/pong")

            def bounce(number: int) -> None:
                other.send(json.dumps(["/rnnmuse/out/1/note", 60, 90, 0.5, float(number)]))
                other.recv(20)

            until('["live", 1]')
            timed("bare WebSocket echo", bounce)
            timed("note to page", note)
            timed("page to stage and back", ping)
            with open(f"/proc/{screen.pid}/status") as status:
                resident = re.findall(r"VmRSS:\s+(\d+)", status.read())
            print(f"memory of the screen    {int(resident[0]) / 1000:6.1f} MB")
    finally:
        for made in (screen, echo):
            made.terminate()
            made.wait(20)
        stage.close()


if __name__ == "__main__":
    main()
