"""What a run keeps in its folder: checkpoints, the log and how much of its time is over."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from rnnmuse.storage import replacing, write_whole

LAST, BEST, LOG = "last.ckpt", "best.ckpt", "log.jsonl"
SAVE_EVERY = 90.0  # seconds


def save(path: Path, held: dict[str, Any]) -> None:
    """Write a checkpoint of tensors and plain values; what was there stays until the new one is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        torch.save(held, partial)


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """A checkpoint with its tensors on ``device``. ValueError where it is damaged."""
    try:
        held: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises errors of several modules for a damaged file
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path}: the checkpoint cannot be read ({first}); --again starts over") from None
    return held


def random_state() -> dict[str, Any]:
    """The state of torch's global generators."""
    held: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        held["cuda"] = torch.cuda.get_rng_state()
    return held


def restore_random(held: dict[str, Any]) -> None:
    """Bring torch's global generators back to a `random_state`."""
    torch.set_rng_state(held["cpu"].cpu())
    if "cuda" in held and torch.cuda.is_available():
        torch.cuda.set_rng_state(held["cuda"].cpu())


class Log:
    """``log.jsonl`` of a run: a row an epoch, or a measurement."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOG

    def append(self, row: dict[str, Any]) -> None:
        with self.path.open("ab+") as file:
            if file.tell() and (file.seek(-1, 2), file.read(1))[1] != b"\n":
                file.write(b"\n")  # a killed run ended within a row
            file.write(json.dumps(row).encode() + b"\n")

    def rows(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        lines = [line for line in self.path.read_text("utf-8", "replace").splitlines() if line.strip()]
        out: list[dict[str, Any]] = []
        for line in lines:
            with contextlib.suppress(ValueError):  # a row that a killed run was writing
                out.append(json.loads(line))
        return out

    def keep(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Leave out the rows that a run wrote after its last checkpoint."""
        kept = [row for row in self.rows() if wanted(row)]
        if self.path.exists():
            write_whole(self.path, "".join(json.dumps(row) + "\n" for row in kept).encode())


class Budget:
    """How much of a run is over: by ``minutes``, by steps, or by whichever is further.

    ``before`` are the seconds of earlier parts of the run. ``now`` is a monotonic clock in seconds.
    """

    def __init__(
        self,
        minutes: float | None = None,
        steps: int | None = None,
        before: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        if minutes is not None and not 0 < minutes < math.inf:
            raise ValueError(f"minutes: {minutes}; must be above 0")
        if steps is not None and steps < 1:
            raise ValueError(f"steps: {steps}; must be at least 1")
        self.minutes, self.steps, self.before, self.now = minutes, steps, before, now
        self.began = self.saved = now()

    @property
    def seconds(self) -> float:
        """Seconds of the whole run."""
        return self.before + self.now() - self.began

    def done(self, step: int) -> float:
        """Share of the run that is over before step number ``step``, 0 to 1."""
        by_time = self.seconds / (60 * self.minutes) if self.minutes else 0.0
        by_step = step / self.steps if self.steps else 0.0
        return min(1.0, max(by_time, by_step))

    def left(self, step: int) -> float:
        """Seconds that are left, estimated from this part of the run where no minutes are given; NaN at first."""
        if self.minutes is not None:
            return max(0.0, 60 * self.minutes - self.seconds)
        done = self.done(step)
        return self.seconds * (1 - done) / done if done else math.nan

    def due(self) -> bool:
        """Whether SAVE_EVERY seconds have passed since the last time that this was true."""
        if self.now() - self.saved < SAVE_EVERY:
            return False
        self.saved = self.now()
        return True
