"""The jobs' process: covers are drawn and the live picture moves here, at the lowest priority, touching nothing else.

It is driven by the messages of `rnnmuse.jobs.messages`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from rnnmuse.cover.folder import covers_folder
from rnnmuse.cover.live import LivePicture
from rnnmuse.cover.picture import Design, described, design_for, draw, write
from rnnmuse.cover.plate import single_threaded
from rnnmuse.errors import RnnmuseError
from rnnmuse.events import Note
from rnnmuse.jobs import messages as m
from rnnmuse.models.bundle import load_cover
from rnnmuse.models.cover import CoverModel
from rnnmuse.music.piece import Part, Piece, Tempo

STEP = 0.05  # share of a cover between two reports


class Jobs:
    """Takes messages; ``send`` takes each answer out and may be called from two threads."""

    def __init__(self, send: Callable[[m.FromJobs], None], folder: Path | None = None,
                 now: Callable[[], float] = time.monotonic) -> None:  # fmt: skip
        self.send, self.now = send, now
        self.folder = folder or covers_folder()
        self._models: dict[str, CoverModel] = {}
        self._rate = 0.0
        self._due = 0.0
        self._tempo = 120.0
        self._live: LivePicture | None = None
        self._number = 0

    def model(self, name: str) -> CoverModel:
        if name not in self._models:
            self._models[name] = load_cover(name)
        return self._models[name]

    def take(self, message: m.ToJobs) -> None:
        """Act on one message; a mistake in it is answered with `JobFailed`."""
        try:
            match message:
                case m.DrawCover(job, settings, notes, tempo):
                    self.cover(job, settings, notes, tempo)
                case m.Stream(rate, settings):
                    self.stream(rate, settings)
                case m.Heard(pitch, velocity):
                    if self._live is not None:
                        self._live.hear(self.now(), pitch, velocity)
                case m.Tempo(bpm):
                    self._tempo = bpm
                    if self._live is not None:
                        self._live.tempo = bpm
                case m.Ping():
                    self.send(m.Pong())
        except (ValueError, RnnmuseError, OSError, MemoryError) as error:
            self.send(m.JobFailed(getattr(message, "job", 0), str(error) or type(error).__name__))

    def cover(self, job: int, settings: dict[str, Any], notes: tuple[m.HeardNote, ...], tempo: float) -> None:
        """Draw a cover of what was played, or of the seed where nothing was, into the folder."""
        settings = dict(settings)
        model, size, seed = self.model(settings.pop("model")), settings.pop("size"), settings.pop("seed")
        design = design_for(played(notes, tempo) if notes else None, seed, **settings)
        told = 0.0

        def progress(share: float) -> None:
            nonlocal told
            if share - told >= STEP:
                told = share
                self.send(m.Progress(job, share))

        image, _ = draw(model, design, size, size, 1, progress)
        path = fresh(self.folder, f"cover-{design.seed}")
        write(image, path, described(model, design))
        self.send(m.CoverDone(job, path.name))

    def stream(self, rate: float, settings: dict[str, Any]) -> None:
        """Send ``rate`` pictures a second from now on; 0 ends it."""
        settings = dict(settings)
        name, seed = settings.pop("model"), settings.pop("seed")
        self._rate = 0.0  # until the model is there
        if rate:
            live = LivePicture(self.model(name), Design(1 if seed is None else seed, **settings), self._tempo)
            self._live, self._rate, self._due = live, rate, self.now()

    def wait(self) -> float | None:
        """Seconds until the next picture is due; None without a stream."""
        return max(0.0, self._due - self.now()) if self._rate else None

    def advance(self) -> None:
        """Draw and send a picture if one is due; those that could not be drawn in time are left out."""
        if not self._rate or self._live is None or self.now() < self._due:
            return
        self._number += 1
        self.send(m.Frame(self._number, self._live.jpeg(self.now())))
        self._due = max(self._due + 1 / self._rate, self.now())


def played(notes: tuple[m.HeardNote, ...], tempo: float) -> Piece:
    """What was heard as a piece: half a beat a note, from the first note on."""
    first = notes[0].beat
    heard = sorted(Note(max(0.0, note.beat - first), note.pitch, 0.5, note.velocity) for note in notes)
    return Piece([Part("heard", notes=heard)], [Tempo(0.0, tempo)])


def fresh(folder: Path, stem: str) -> Path:
    """A .jpg in the folder that is not there yet."""
    path, number = folder / f"{stem}.jpg", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}.jpg"
    return path


def main(connection: Connection) -> None:
    """Serve until the other end is gone. Covers are drawn in a thread, so that the live picture goes on moving."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the stage decides when it is over
    single_threaded()  # for good: numpy's threads wait by spinning, on processors that the notes need
    lock = threading.Lock()

    def send(message: m.FromJobs) -> None:
        with lock, contextlib.suppress(OSError):
            connection.send(message)

    jobs, covers = Jobs(send), SimpleQueue[m.ToJobs]()

    def draw_covers() -> None:
        while True:
            jobs.take(covers.get())

    threading.Thread(target=draw_covers, name="covers", daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        while True:
            if connection.poll(jobs.wait()):
                message = connection.recv()
                if isinstance(message, m.Bye):
                    break
                (covers.put if isinstance(message, m.DrawCover) else jobs.take)(message)
            jobs.advance()
    os._exit(0)  # a cover that is being drawn is given up: its threads would be waited for
