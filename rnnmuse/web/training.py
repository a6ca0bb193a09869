"""Training on files that a page sends: a child process at the lowest priority, whose lines every page sees."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from rnnmuse.music.read import SUFFIXES
from rnnmuse.web.relay import Relay
from rnnmuse.web.uploads import body, guarded

MOST_FILES = 500
LINES = 50
LONGEST = 400
"""Characters of a line of the training that pages get."""
MINUTES = (1.0, 600.0)
PREVIEW_BARS = 8


class Training:
    """Routes that take files and train a stream model on them; one training at a time. ``program`` is rnnmuse.

    Pages get ``["job", {...}]`` with every line: state (none, running, done, failed), share (0-1, of the time), the
    last lines, whether there is a preview, and the model's name.
    """

    def __init__(self, relay: Relay, program: Sequence[str] = (sys.executable, "-m", "rnnmuse")) -> None:
        self._relay, self._program = relay, program
        self._folder: Path | None = None
        self._files = 0
        self._child: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._lines: deque[str] = deque(maxlen=LINES)
        self._state, self._share, self._name = "none", 0.0, ""
        self.routes = [
            Route("/train/begin", guarded(self._begin), methods=["POST"]),
            Route("/train/file", guarded(self._file), methods=["POST"]),
            Route("/train", guarded(self._train), methods=["POST"]),
            Route("/train/preview.mid", guarded(self._preview)),
        ]

    def state(self) -> str:
        """The state of the training that pages receive."""
        about = {
            "state": self._state,
            "share": round(self._share, 3),
            "lines": list(self._lines)[-3:],
            "preview": self._there is not None,
            "name": self._name,
        }
        return json.dumps(["job", about])

    def close(self) -> None:
        """End the training, and remove its files; a later one resumes from its checkpoint."""
        if self._task is not None:
            self._task.cancel()
        if self._child is not None and self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._child.terminate()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _there(self) -> Path | None:
        path = self._folder / "preview.mid" if self._folder is not None else None
        return path if path is not None and path.is_file() else None

    def _idle(self) -> None:
        if self._state == "running":
            raise ValueError("train: a training runs already; stop it first")

    async def _begin(self, request: Request) -> Any:
        self._idle()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder, self._files = Path(tempfile.mkdtemp(prefix="rnnmuse-train-")), 0
        (self._folder / "music").mkdir()
        return {}

    async def _file(self, request: Request) -> Any:
        self._idle()
        name = Path(request.query_params.get("name", "").replace("\\", "/")).name
        if self._folder is None:
            raise ValueError("train: begin first")
        if Path(name).suffix.lower() not in SUFFIXES:
            raise ValueError(f"name: {name[:80]!r}; must end with one of {', '.join(SUFFIXES)}")
        if self._files >= MOST_FILES:
            raise ValueError(f"train: {self._files} files; must be up to {MOST_FILES}")
        data = await body(request)
        self._files += 1
        (self._folder / "music" / f"{self._files:03}-{name[-80:]}").write_bytes(data)
        return {"files": self._files}

    async def _train(self, request: Request) -> Any:
        asked = request.query_params
        if asked.get("stop"):
            if self._child is not None and self._child.returncode is None:
                self._child.terminate()
            return {}
        self._idle()
        name, start, minutes = asked.get("name", ""), asked.get("from", ""), asked.get("minutes", "10")
        for what, value in (("name", name), ("from", start)):
            if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", value) and not (what == "from" and not value):
                raise ValueError(f"{what}: {value[:40]!r}; must be letters, digits, _ and -, up to 40")
        try:
            most = float(minutes)
        except ValueError:
            most = 0.0
        if not MINUTES[0] <= most <= MINUTES[1]:
            raise ValueError(f"minutes: {minutes[:20]!r}; must be {MINUTES[0]:g} to {MINUTES[1]:g}")
        if self._folder is None or not self._files:
            raise ValueError("train: no file was sent; choose a folder with music")
        self._state, self._share, self._name = "running", 0.0, name
        self._lines.clear()
        words = ["train", "stream", str(self._folder / "music"), "--name", name, "--minutes", f"{most:g}"]
        self._task = asyncio.create_task(self._run([*words, *(["--from", start] if start else [])], most * 60))
        self._tell()
        return {}

    async def _run(self, words: list[str], seconds: float) -> None:
        began = asyncio.get_running_loop().time()
        code = await self._follow(words, lambda: (asyncio.get_running_loop().time() - began) / seconds)
        if code == 0:
            assert self._folder is not None
            made = str(self._folder / "preview.mid")
            bars = str(PREVIEW_BARS)
            await self._follow(
                ["generate", "--model", self._name, "--bars", bars, "--out", made, "--force"], lambda: 1.0
            )
        self._state = "done" if code == 0 else "failed"
        self._tell()

    async def _follow(self, words: list[str], share: Any) -> int:
        """Run a command of rnnmuse at the lowest priority, and tell its lines."""
        self._child = await asyncio.create_subprocess_exec(
            *self._program, *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            preexec_fn=_last if os.name == "posix" else None,
        )  # fmt: skip
        assert self._child.stdout is not None
        async for line in self._child.stdout:
            text = line.decode("utf-8", "replace").split("\r")[-1].strip()
            if text:
                self._lines.append(text[:LONGEST])
                self._share = min(1.0, share())
                self._tell()
        return await self._child.wait()

    async def _preview(self, request: Request) -> Response:
        path = self._there
        if path is None:
            return PlainTextResponse("there is no preview yet", 404)
        return FileResponse(path, media_type="audio/midi", filename=f"{self._name}-preview.mid")

    def _tell(self) -> None:
        self._relay.tell(self.state())


def _last() -> None:
    """The child comes after everything else."""
    os.nice(19)
