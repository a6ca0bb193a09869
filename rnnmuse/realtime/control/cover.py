"""The covers' messages: what was played is remembered, and the jobs' process draws it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from rnnmuse.clock import Nanoseconds
from rnnmuse.jobs import messages as j
from rnnmuse.jobs import run
from rnnmuse.protocol import COVER_SETTINGS, ProtocolError
from rnnmuse.realtime.control.call import Call
from rnnmuse.realtime.link import Link
from rnnmuse.realtime.transport import Transport

SIZE = 3000
REMEMBERED = 4096
"""Notes that a cover is drawn of, at most."""

MOST_JOBS = 8
"""Covers that are drawn or wait to be drawn."""

WAITING = 256
"""Messages that may wait for the jobs' process."""


MOST_DRAWING = 4
"""Sessions of one stage process that have a jobs' process at a time."""

IDLE: Nanoseconds = 10_000_000_000
"""Silence after which a session that draws nothing lets its jobs' process go."""

ASK: Nanoseconds = 10_000_000_000
"""Silence after which the jobs' process is asked whether it lives."""

HUNG: Nanoseconds = 60_000_000_000
"""Silence after which it is ended; it has the lowest priority, and may have to wait for the others."""


class CoverControl:
    """Rows of /rnnmuse/cover. The jobs' process is started when it is first needed, and again when it was lost."""

    def __init__(
        self, transport: Transport, broadcast: Callable[..., None], error: Callable[[str, str, str], None]
    ) -> None:
        self._transport, self._broadcast, self._error = transport, broadcast, error
        self.settings: dict[str, str] = {name: default for name, (_, default, _) in COVER_SETTINGS.items()}
        self.rate = 0.0
        self.changed: Callable[..., None] = lambda *addresses: None
        """Called with the address of a value that is another by itself."""
        self.drawing: Callable[[], int] | None = None
        """How many sessions have a jobs' process; None for a stage by itself."""
        self._notes: deque[j.HeardNote] = deque(maxlen=REMEMBERED)
        self._link: Link[j.ToJobs] | None = None
        self._jobs = 0
        self._open: set[int] = set()
        self._last_heard: Nanoseconds = 0

    def generate(
        self, call: Call, seed: int | None = None, size: int = SIZE, title: str = "", artist: str = ""
    ) -> None:
        if len(self._open) >= MOST_JOBS:
            raise ProtocolError("limit", f"{call.address}: {MOST_JOBS} covers are being drawn already")
        self._check(call)
        self._jobs += 1
        self._open.add(self._jobs)
        settings = self._wanted(seed) | {"title": title, "artist": artist, "size": size}
        tempo = float(self._transport.clock.tempo)
        self._linked().send(j.DrawCover(self._jobs, settings, tuple(self._notes), tempo))
        call.answer(self._jobs)

    def stream(self, call: Call, rate: float) -> None:
        if rate:
            self._check(call)
        if rate or self.rate:
            self.rate = rate
            self._stream()

    def get_stream(self, call: Call) -> None:
        call.answer(self.rate)

    def setting(self, call: Call, value: str) -> None:
        self.settings[call.word] = value
        if self.rate:
            self._stream()

    def get_setting(self, call: Call) -> None:
        call.answer(self.settings[call.word])

    def heard(self, pitch: int, velocity: int) -> None:
        """A note begins, a player's or the performer's."""
        if velocity:
            self._notes.append(j.HeardNote(self._transport.place, pitch, velocity))
            if self.rate and self._link is not None:
                self._link.send(j.Heard(pitch, velocity))

    @property
    def draws(self) -> bool:
        """Whether it has a jobs' process."""
        return self._link is not None

    def _check(self, call: Call) -> None:
        """ProtocolError where so many sessions draw that no other may begin to."""
        if self.drawing is not None and self._link is None and self.drawing() >= MOST_DRAWING:
            text = f"{call.address}: {MOST_DRAWING} sessions draw already; must be up to {MOST_DRAWING} at a time"
            raise ProtocolError("limit", text)

    def close(self) -> None:
        """Let the jobs' process go; what it was drawing is given up."""
        if self._link is not None:
            self._link.close(0.5)

    # -- the jobs' process: `rnnmuse.realtime.link.Receiver`, in the link's thread --------------------------

    def received(self, message: j.FromJobs) -> None:
        """What the jobs' process says."""
        with self._transport.scheduler.lock:
            self._last_heard = self._transport.now()
            match message:
                case j.Progress(job, share):
                    self._broadcast("/rnnmuse/cover/progress", job, float(share))
                case j.CoverDone(job, name):
                    self._open.discard(job)
                    self._broadcast("/rnnmuse/cover/done", job, name)
                case j.JobFailed(job, text):
                    self._open.discard(job)
                    self._error("/rnnmuse/cover/generate" if job else "/rnnmuse/cover/stream", "cover", text)
                case j.Frame(number, picture):
                    self._broadcast("/rnnmuse/cover/frame", number, picture)

    def lost(self) -> None:
        """The jobs' process is gone: what it was drawing is over."""
        with self._transport.scheduler.lock:
            if self.rate:
                self._error("/rnnmuse/cover/stream", "cover", "the jobs' process was lost; ask for the stream again")
                self.changed("/rnnmuse/cover/stream")
            self._link, self.rate = None, 0.0
            for job in sorted(self._open):
                self._error("/rnnmuse/cover/generate", "cover", f"job {job}: the jobs' process was lost")
            self._open.clear()

    def watch(self) -> None:
        """End a jobs' process that has something to do and does not answer."""
        with self._transport.scheduler.lock:
            if self._link is None:
                return
            silent = self._transport.now() - self._last_heard
            if not (self._open or self.rate):
                if self.drawing is not None and silent > IDLE:
                    self._link.close(0.5)
                    self._link = None
                return
            if silent > HUNG:
                self._link.close(0.0)
                self.lost()
            elif silent > ASK:
                self._link.send(j.Ping())

    def _wanted(self, seed: int | None) -> dict[str, Any]:
        return {"seed": seed, **self.settings}

    def _stream(self) -> None:
        self._linked().send(j.Tempo(float(self._transport.clock.tempo)))
        self._linked().send(j.Stream(self.rate, self._wanted(None)))

    def _linked(self) -> Link[j.ToJobs]:
        if not (self._open - {self._jobs}) and not self.rate:
            self._last_heard = self._transport.now()  # it had nothing to say so far
        if self._link is None:
            self._last_heard = self._transport.now()
            self._link = Link[j.ToJobs]("jobs", run, (), self, j.Bye(), limit=WAITING)
        return self._link
