"""The authorship log of a session: what people played and changed, and what models added, as a chain of hashes.

A line is JSON with ``hash``, the SHA-256 of the line before and of its own fields. An entry that is changed, taken
out or moved breaks the chain there; the last one says that the log was closed. It stays on this machine. It proves
nothing against its owner, who can write another one: give its last hash to somebody in time, and it cannot be changed
after that.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rnnmuse.errors import ReadError

log = logging.getLogger("rnnmuse.journal")

FIRST = "0" * 64
MOST_WAITING = 100_000
MOST_BYTES = 200_000_000


def chained(before: str, entry: dict[str, Any]) -> str:
    """The hash of an entry (without its own) after one with the hash ``before``."""
    text = json.dumps(entry, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256((before + text).encode()).hexdigest()


class Journal:
    """Writes a log; a thread of its own does, so that no note waits. ``lost`` is told once when it can go on no more.

    ``path`` must not exist: OSError. ``wall`` gives the time for the first and the last entry.
    """

    def __init__(
        self,
        path: Path,
        about: dict[str, Any],
        lost: Callable[[str], None] = lambda why: None,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path, self._lost, self._wall = path, lost, wall
        self._file = path.open("x", encoding="ascii")
        self._queue: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._hash, self._over = FIRST, False
        self._thread = threading.Thread(target=self._write, name="journal", daemon=True)
        self._put({"what": "began", "at": wall().isoformat(timespec="seconds"), **about})
        self._thread.start()

    def note(self, who: str, beat: float, pitch: int, velocity: int, player: int, model: str = "") -> None:
        """A note that a person (``who`` "person") or a model began."""
        entry = {"what": "note", "who": who, "beat": round(beat, 4), "pitch": pitch, "velocity": velocity}
        self._put({**entry, "player": player, **({"model": model} if model else {})})

    def change(self, beat: float, address: str, values: Iterable[Any]) -> None:
        """A person changed something."""
        plain = [value if isinstance(value, (int, float, str)) else str(value) for value in values]
        self._put({"what": "change", "who": "person", "beat": round(beat, 4), "address": address, "values": plain[:16]})

    def close(self, models: dict[str, str]) -> None:
        """Write what waits, and the last entry, with the hashes of the models that played."""
        self._put({"what": "ended", "at": self._wall().isoformat(timespec="seconds"), "models": models})
        self._queue.put(None)
        self._thread.join(5)

    def _put(self, entry: dict[str, Any]) -> None:
        if not self._over and self._queue.qsize() < MOST_WAITING:
            self._queue.put(entry)
        elif not self._over:
            self._give_up("the disk is too slow")

    def _give_up(self, why: str) -> None:
        self._over = True
        log.warning("%s: %s", self.path, why)
        self._lost(f"{self.path}: {why}")

    def _write(self) -> None:
        while (entry := self._queue.get()) is not None:
            if self._over:
                continue
            own = chained(self._hash, entry)
            try:
                self._file.write(json.dumps({**entry, "hash": own}, ensure_ascii=True) + "\n")
                if self._queue.empty():
                    self._file.flush()
            except (OSError, ValueError) as error:
                self._give_up(getattr(error, "strerror", None) or str(error))
                continue
            self._hash = own
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except (OSError, ValueError) as error:
            log.warning("%s: %s", self.path, error)


@dataclass(slots=True)
class Bar:
    """The notes of one bar: people's, and each model's."""

    people: int = 0
    """Notes that people played."""
    models: Counter[str] = field(default_factory=Counter)
    """Notes by the model's name."""

    @property
    def share(self) -> float:
        """The share of the notes that people played."""
        return self.people / max(1, self.people + self.models.total())


@dataclass(slots=True)
class Log:
    """A log that was read. ``broken`` is the first line whose hash does not follow, 0 for none; ``closed`` says
    whether its last entry is there."""

    entries: list[dict[str, Any]]
    """In order, as JSON objects."""
    broken: int = 0
    """Line of the file, from 1."""
    closed: bool = False
    last: str = FIRST
    """Hash of the last entry, SHA-256 in hex."""

    def bars(self) -> dict[int, Bar]:
        """The bars in which notes began, from 1; the metre is followed."""
        out: dict[int, Bar] = {}
        length, origin, first = 4.0, 0.0, 1
        for entry in self.entries:
            beat = float(entry.get("beat", 0.0))
            if entry.get("address") == "/rnnmuse/transport/metre" and len(entry.get("values", [])) >= 2:
                passed = max(0, int((beat - origin) // length))
                first, origin = first + passed, origin + passed * length
                length = max(0.25, float(entry["values"][0]) * 4 / max(1.0, float(entry["values"][1])))
            if entry["what"] != "note":
                continue
            bar = out.setdefault(first + max(0, int((beat - origin + 1e-6) // length)), Bar())
            if entry["who"] == "person":
                bar.people += 1
            else:
                bar.models[str(entry.get("model", "model"))] += 1
        return dict(sorted(out.items()))


def read(path: Path) -> Log:
    """Read and verify a log. ReadError where it is none; of one that was cut off, what is whole is read."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ReadError(f"{path.name}: over {MOST_BYTES:,} bytes")
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ReadError(f"{path.name}: {error.strerror or error}") from None
    found, before = Log([]), FIRST
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            entry = json.loads(line)
            own = entry.pop("hash")
            if not isinstance(entry["what"], str) or (entry["what"] == "note" and not isinstance(entry["who"], str)):
                raise ValueError("what")
            float(entry.get("beat", 0.0))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            if not found.entries:
                raise ReadError(f"{path.name}: not an authorship log") from None
            if number < len(lines):  # the last line of a log that was cut off may be anything
                found.broken = found.broken or number
            continue
        if chained(before, entry) != own or (found.entries and found.entries[-1]["what"] == "ended"):
            found.broken = found.broken or number
        found.entries.append(entry)
        before = own if isinstance(own, str) else FIRST
    if not found.entries:
        raise ReadError(f"{path.name}: not an authorship log")
    found.closed = found.entries[-1]["what"] == "ended"
    found.last = before
    return found


def statement(found: Log) -> str:
    """A log as a page for people, in Markdown: who played what, bar by bar, and what was changed."""
    bars = found.bars()
    people, models = sum(bar.people for bar in bars.values()), Counter[str]()
    for bar in bars.values():
        models += bar.models
    total = people + models.total()
    first, last = found.entries[0], found.entries[-1]
    state = f"broken at line {found.broken}" if found.broken else "whole"
    lines = [
        "# Who made this music",
        "",
        f"rnnmuse {first.get('rnnmuse', '?')}, from {first.get('at', '?')} to {last.get('at', 'an end not told')}.",
        f"The log is {state}{'' if found.closed else ', and was not closed'}; its last hash is `{found.last}`.",
        "",
        f"People played {people} of {total} notes ({people / max(1, total):.0%}).",
        *(f"- {name}: {count} notes ({count / total:.0%})" for name, count in sorted(models.items())),
        *(f"- the bundle of {name}: `{digest}`" for name, digest in sorted((last.get("models") or {}).items())),
        "",
        "| bar | people | models | share of people |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {number} | {bar.people} | {', '.join(f'{n} {c}' for n, c in sorted(bar.models.items())) or '0'} "
        f"| {bar.share:.0%} |"
        for number, bar in bars.items()
    ]
    changes = [entry for entry in found.entries if entry["what"] == "change"]
    lines += ["", f"People changed {len(changes)} settings:", ""]
    lines += [
        f"- beat {entry['beat']:g}: `{entry['address']}` {' '.join(map(str, entry['values']))}" for entry in changes
    ]
    return "\n".join(lines) + "\n"
