"""What the messages for covers mean: the /rnnmuse/cover rows of `rnnmuse.protocol` acted on."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from rnnmuse.bridges import osc
from rnnmuse.protocol import COVER_SETTINGS
from rnnmuse.realtime.jobs_link import JobsLink

if TYPE_CHECKING:
    from rnnmuse.realtime.stage import Stage

SIZE = 3000
REMEMBERED = 4096


class CoverDesk:
    """Takes messages for covers, remembers what was played, and sends on what the jobs' process answers."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.settings: dict[str, str] = {name: default for name, (_, default, _) in COVER_SETTINGS.items()}
        self.rate = 0.0
        self._notes: deque[tuple[float, int, int]] = deque(maxlen=REMEMBERED)
        self._link: JobsLink | None = None
        self._job = 0
        self._open: set[int] = set()

    def value(self, name: str) -> Any:
        """What a getter answers."""
        return self.rate if name == "stream" else self.settings[name]

    def take(self, act: str, name: str, values: list[Any]) -> int:
        """Act on a message; returns the job of a request, else 0."""
        match act, values:
            case "cover_generate", [*given]:
                seed = given[0] if given else None
                size = given[1] if len(given) > 1 else SIZE
                text = dict(zip(("title", "artist"), given[2:], strict=False))
                self._job += 1
                self._open.add(self._job)
                wanted = self._wanted(seed) | text | {"size": size}
                self._jobs().send("cover", self._job, wanted, list(self._notes), float(self.stage.clock.tempo))
                return self._job
            case "cover_stream", [rate]:
                if rate or self.rate:
                    self.rate = rate
                    self._stream()
            case "cover_setting", [value]:
                self.settings[name] = value
                if self.rate:
                    self._stream()
        return 0

    def _wanted(self, seed: int | None) -> dict[str, Any]:
        return {"seed": seed, **self.settings}

    def _stream(self) -> None:
        self._jobs().send("tempo", float(self.stage.clock.tempo))
        self._jobs().send("stream", self.rate, self._wanted(None))

    def heard(self, pitch: int, velocity: int) -> None:
        """A note begins, a player's or the performer's."""
        if velocity:
            self._notes.append((self.stage.beat, pitch, velocity))
            if self.rate and self._link is not None:
                self._link.send("heard", pitch, velocity)

    def close(self) -> None:
        if self._link is not None:
            self._link.close()

    def _jobs(self) -> JobsLink:
        if self._link is None:
            self._link = JobsLink(self._answer)
        return self._link

    def _answer(self, message: tuple[Any, ...]) -> None:
        """What the jobs' process says, in the link's thread."""
        with self.stage.lock:
            match message:
                case ("progress", job, share):
                    self._tell("progress", job, float(share))
                case ("done", job, name):
                    self._open.discard(job)
                    self._tell("done", job, name)
                case ("failed", job, text):
                    self._open.discard(job)
                    self.stage.error("/rnnmuse/cover/generate" if job else "/rnnmuse/cover/stream", "cover", text)
                case ("frame", number, picture):
                    self._tell("frame", number, picture)
                case ("lost",):
                    self._link, self.rate = None, 0.0
                    for job in sorted(self._open):
                        self.stage.error("/rnnmuse/cover/generate", "cover", f"job {job}: the jobs' process was lost")
                    self._open.clear()

    def _tell(self, name: str, *values: Any) -> None:
        self.stage.server.broadcast(osc.build(f"/rnnmuse/cover/{name}", values))
