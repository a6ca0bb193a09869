"""What a page of `rnnmuse screen` sees: words and notes over its WebSocket, written down as they come."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


@contextmanager
def rnnmuse(*words: str) -> Iterator[str]:
    """A command of rnnmuse while it runs; gives the first line that it prints."""
    made = subprocess.Popen([sys.executable, "-m", "rnnmuse.cli.main", *words], stdout=subprocess.PIPE, text=True)
    assert made.stdout is not None
    try:
        yield made.stdout.readline().strip()
    finally:
        made.terminate()
        made.wait(20)


def main(out: Path = Path("out"), messages: int = 60) -> None:
    from websockets.sync.client import connect

    seen: list[str] = []
    with rnnmuse("live", "--osc-port", "0", "--no-midi") as line:
        port = line.rsplit(":", 1)[1]  # the first line says where it listens
        with rnnmuse("screen", "--http-port", "0", "--osc-port", port) as line:
            page = line.split()[1].rstrip("/")  # http://127.0.0.1:PORT
            with connect(page.replace("http", "ws") + "/socket", origin=page) as web:

                def send(address: str, *values: object) -> None:
                    web.send(json.dumps([address, *values]))

                while json.loads(web.recv(30)) != ["live", 1]:
                    pass
                send("/rnnmuse/player/1/param/key", "D minor")
                send("/rnnmuse/player/1/start")
                send("/rnnmuse/text/1/generate", 0, 7)
                while len(seen) < messages:
                    address, *values = json.loads(web.recv(30))
                    if address.startswith("/rnnmuse/out/"):
                        seen.append(f"{address} {' '.join(map(str, values))}")
                send("/rnnmuse/transport/panic")
    print("\n".join(seen))
    out.mkdir(exist_ok=True)
    (out / "seen.txt").write_text("\n".join(seen) + "\n", "utf-8")


if __name__ == "__main__":
    if find_spec("websockets") is None or find_spec("starlette") is None:
        sys.exit("this needs the extra 'web': pip install 'rnnmuse[web]'")
    main()
