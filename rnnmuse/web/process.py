"""The web process: OSCQuery, the screen and discovery.

It is an OSC client of the stage and nothing more. `WebProcess` is its parent's end, which never waits for it. The child
ends with its parent, even one that is killed: it reads the pipe that the parent holds open, and stops at its end.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass

from rnnmuse.system import MACHINE

log = logging.getLogger("rnnmuse.web")

RESTARTS, WINDOW = 3, 60.0
"""At most this many restarts within this many seconds; the next one waits until the limit is met."""
NOTHING = 3
"""Exit code of a child that has nothing to serve; it is not started again."""
PATIENCE = 2.0
"""Seconds that the child may take to end by itself."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the web process serves. A port of None is not served, port 0 is a free one."""

    host: str
    """Address that the stage listens at."""
    osc_port: int
    """UDP port of the stage."""
    query_port: int | None
    """TCP port of OSCQuery."""
    screen_port: int | None = None
    """TCP port of the screen."""
    discovery: bool = False
    """Whether it is announced on the local network."""
    screen_host: str = "127.0.0.1"
    """Address that the screen listens at."""
    token: str = ""
    """A secret that the screen's address must carry; empty where none is needed."""
    allow: tuple[str, ...] = ()
    """IP addresses and networks that may open the screen; empty for any."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the web process serves now, and why it does not serve the rest: one line each."""

    query: int | None = None
    """TCP port of OSCQuery; None where it is not served."""
    screen: int | None = None
    """TCP port of the screen; None where it is not served."""
    discovery: bool = False
    """Whether it is announced on the local network."""
    problems: tuple[str, ...] = ()
    """One line each."""


class Starts:
    """When a child was started, and how long the next start must wait: `RESTARTS` in `WINDOW` seconds at most."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._times: deque[float] = deque(maxlen=RESTARTS + 1)

    def rest(self) -> float:
        """Seconds to wait before the next start."""
        if len(self._times) <= RESTARTS:
            return 0.0
        return max(0.0, self._times[0] + WINDOW - self._now())

    def note(self) -> None:
        """The child is started now."""
        self._times.append(self._now())


class WebProcess:
    """The web process, started and watched by a thread of its own.

    ``report`` is called in that thread: when the process serves, and when it is gone.
    """

    def __init__(
        self,
        host: str,
        osc_port: int,
        query_port: int | None,
        screen_port: int | None = None,
        *,
        discovery: bool = False,
        screen_host: str = "127.0.0.1",
        token: str = "",
        allow: tuple[str, ...] = (),
        report: Callable[[Report], None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = Settings(host, osc_port, query_port, screen_port, discovery, screen_host, token, tuple(allow))
        self._report, self._starts = report, Starts(now)
        self._closing = threading.Event()
        self._child: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="web", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """The process number; None before it runs."""
        return self._child.pid if self._child is not None else None

    def close(self) -> None:
        """Let the process end; returns at once."""
        self._closing.set()
        with self._lock:
            if self._child is not None and self._child.stdin is not None:
                with contextlib.suppress(OSError):
                    self._child.stdin.close()

    def join(self, patience: float = PATIENCE) -> None:
        """Close, and wait until the process is gone; one that is not by then is killed."""
        self.close()
        self._thread.join(patience)
        with self._lock:
            if self._thread.is_alive() and self._child is not None:
                self._child.kill()
        self._thread.join(patience)

    def _watch(self) -> None:
        while not self._closing.wait(self._starts.rest()):
            try:
                child = self._start()
            except OSError as error:
                self._tell(Report(problems=(f"the web process could not be started: {error}",)))
                continue
            if child is None:
                return
            assert child.stdout is not None
            with child.stdout:
                for line in child.stdout:
                    with contextlib.suppress(ValueError, TypeError):
                        said = json.loads(line)
                        self._tell(Report(**said | {"problems": tuple(said["problems"])}))
            code = child.wait()
            if self._closing.is_set() or code == NOTHING:
                return
            self._tell(Report(problems=(f"the web process ended ({code}); it is started again",)))

    def _start(self) -> subprocess.Popen[str] | None:
        """Start a child; None where the process is to end."""
        self._starts.note()
        command = MACHINE.child("rnnmuse.web.process", json.dumps(asdict(self._settings)))
        path = os.pathsep.join(one for one in sys.path if one)
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,
        )  # fmt: skip
        with self._lock:
            self._child = child
            if self._closing.is_set():
                assert child.stdin is not None
                child.stdin.close()
        return child

    def _tell(self, report: Report) -> None:
        for problem in report.problems:
            log.warning("%s", problem)
        if self._report is not None and not self._closing.is_set():
            try:
                self._report(report)
            except Exception:  # the process is watched whatever the caller does with the news
                log.exception("a report of the web process could not be taken")


# -- the child --------------------------------------------------------------------------------------------------


_at_end: list[Callable[[], None]] = []


def main() -> None:
    """The child begins here. It ends when its standard input does."""
    ordinary_priority()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    settings = Settings(**json.loads(sys.argv[1]))
    thread = threading.Thread(target=_serve, args=(settings,), name="serve", daemon=True)
    thread.start()
    with contextlib.suppress(OSError, ValueError):
        sys.stdin.buffer.read()
    ending = threading.Thread(target=lambda: [end() for end in _at_end], daemon=True)
    ending.start()
    ending.join(PATIENCE / 2)
    os._exit(0)  # the stage sees the end of the connections, and gives up the subscription


def ordinary_priority() -> None:
    """Give up the parent's real-time priority, and stand back a little behind the engine; a panic comes by here."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with contextlib.suppress(OSError, AttributeError):
        os.nice(1)


def _serve(settings: Settings) -> None:
    """Serve for ever; ends the process where there is nothing to serve."""
    import asyncio

    try:
        asyncio.run(_servers(settings))
    except Exception:
        log.exception("the web process failed")
        os._exit(1)
    os._exit(NOTHING)


async def _servers(settings: Settings) -> None:
    import asyncio

    from rnnmuse.web import server
    from rnnmuse.web.oscquery import OscQuery
    from rnnmuse.web.relay import Relay
    from rnnmuse.web.values import Values

    host, problems = server.reachable(settings.host), []
    sockets: dict[str, socket.socket] = {}
    for name, at, port in (
        ("query", settings.host, settings.query_port),
        ("screen", settings.screen_host, settings.screen_port),
    ):
        if port is not None:
            try:
                sockets[name] = server.bind(at, port)
            except OSError as error:
                problems.append(str(error))
    relay = Relay()

    async def follow() -> None:
        await server.follow(relay, host, settings.osc_port)

    apps = []
    if "query" in sockets:
        query = OscQuery(relay, Values(host, settings.osc_port), settings.host, settings.osc_port)
        apps.append((query.application(follow), sockets["query"]))
    if "screen" in sockets:
        screen = server.application(
            relay,
            settings.screen_host,
            follow=None if apps else follow,
            token=settings.token,
            allow=tuple(settings.allow),
        )
        apps.append((screen, sockets["screen"]))
    ports = {name: sock.getsockname()[1] for name, sock in sockets.items()}
    advertised = False
    if settings.discovery:
        try:
            await asyncio.to_thread(_advertise, settings, ports.get("query"))
            advertised = True
        except ImportError:
            problems.append("discovery: zeroconf is not installed: pip install 'rnnmuse[discovery]'")
        except OSError as error:
            problems.append(f"discovery: {error}")
    print(json.dumps(ports | {"discovery": advertised, "problems": problems}), flush=True)
    if apps:
        await asyncio.gather(*(server.server(app).serve(sockets=[sock]) for app, sock in apps))
    elif advertised:
        await asyncio.Event().wait()


def _advertise(settings: Settings, query: int | None) -> None:
    from rnnmuse.bridges.discovery import advertise

    _at_end.append(advertise(settings.host, settings.osc_port, query))


if __name__ == "__main__":
    main()
