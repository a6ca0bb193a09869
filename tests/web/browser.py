"""A real browser without a window: Chromium, driven by its DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from echo import finish
from websockets.sync.client import ClientConnection, connect

PATIENCE = 60.0
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--remote-debugging-port=0",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
         "--disable-dev-shm-usage")  # fmt: skip


GONE = ("navigated", "context was destroyed", "Cannot find context")
"""What the browser answers a question to a page that is there no more."""
OBSERVER = """(selector) => {
  globalThis.shown = [];
  new MutationObserver((records) => {
    for (const { target, addedNodes } of records) {
      const element = target.nodeType === Node.TEXT_NODE ? target.parentElement : target;
      if (element?.closest(selector)) for (const one of addedNodes) shown.push(one.textContent);
    }
  }).observe(document.body, { childList: true, subtree: true });
}"""


class Navigated(AssertionError):
    """The page that was asked has given way to another."""


class Tab:
    """One page of the browser; what goes wrong in it is in ``mistakes``."""

    def __init__(self, line: ClientConnection) -> None:
        self._line, self._numbers = line, itertools.count(1)
        self.mistakes: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Run a DevTools command."""
        number = next(self._numbers)
        self._line.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._line.recv(PATIENCE))
            if message.get("method") == "Runtime.exceptionThrown" or (
                message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error"
            ):
                self.mistakes.append(json.dumps(message["params"]))
            if message.get("id") == number:
                if any(sign in message.get("error", {}).get("message", "") for sign in GONE):
                    raise Navigated(message)
                assert "error" not in message, message
                return dict(message["result"])

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        done = self.do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def until(self, script: str) -> Any:
        """The first true value of an expression."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(Navigated):  # it asked the page before
                if found := self.run(script):
                    return found
            with contextlib.suppress(TimeoutError):
                self._line.recv(0.05)
        raise AssertionError(f"never true: {script}; {self.mistakes}; {self.run('document.body.innerText')}")

    def go(self, address: str, wide: int = 1280, high: int = 720) -> None:
        """Open an address; earlier mistakes are forgotten. Returns when the new page is there: the one before answers
        on after the browser has taken the command."""
        self.do("Page.navigate", url="about:blank")
        self.until("location.href === 'about:blank'")
        self.mistakes.clear()
        self.do("Emulation.setDeviceMetricsOverride", width=wide, height=high, deviceScaleFactor=1, mobile=False)
        self.do("Page.navigate", url=address)
        self.until("location.href !== 'about:blank' && document.readyState === 'complete'")

    def observe(self, selector: str) -> None:
        """Keep every text that an element shows from now on, however short, in the page's list ``shown``."""
        self.run(f"({OBSERVER})({json.dumps(selector)})")

    def reload(self) -> None:
        """Load the page anew; returns when the new one is there, not while the old one still answers."""
        self.run("globalThis.isOld = true")
        self.do("Page.reload")
        self.until("!globalThis.isOld && document.readyState === 'complete'")

    def press(self, key: str) -> None:
        """Press and let go a key, by its name in the DOM."""
        text = {"text": key} if len(key) == 1 else {}
        code = {"Escape": 27, " ": 32}.get(key, ord(key[0].upper()))
        for kind in ("keyDown", "keyUp"):
            self.do("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)

    def click(self, selector: str) -> None:
        """Click in the middle of an element, which is scrolled into view if it must be."""
        self.run(f"document.querySelector({json.dumps(selector)}).scrollIntoViewIfNeeded()")
        box = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        x, y = self.run(f"(({{left, top, width, height}}) => [left + width / 2, top + height / 2])({box})")
        for kind in ("mousePressed", "mouseReleased"):
            self.do("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self, path: Path, **how: Any) -> None:
        """What the page looks like, as a file."""
        path.write_bytes(base64.b64decode(self.do("Page.captureScreenshot", **how)["data"]))


@contextmanager
def browser(folder: Path) -> Iterator[Tab]:
    """Chromium with a new profile in ``folder``, and its first tab."""
    profile = folder / "profile"
    command = [PROGRAM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with open(folder / "chromium.log", "wb") as log:
        program = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        end, told = time.monotonic() + PATIENCE, profile / "DevToolsActivePort"
        while not (told.exists() and told.read_text().count("\n")):
            assert program.poll() is None, (folder / "chromium.log").read_text()
            assert time.monotonic() < end, "chromium does not come up"
            time.sleep(0.05)
        port = told.read_text().split("\n")[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as answer:
            tabs = [tab for tab in json.load(answer) if tab["type"] == "page"]
        with connect(tabs[0]["webSocketDebuggerUrl"], max_size=1 << 26, compression=None) as line:
            yield Tab(line)
    finally:
        finish(program, 10)
