"""A small picture that moves with what is played, in a print look: for the screen, for projectors."""

from __future__ import annotations

import io
import math
from collections import deque
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rnnmuse.cover.composition import Composition, compose
from rnnmuse.cover.picture import Design, Sheet, palette_for_design, sheet_of, wishes_of
from rnnmuse.cover.traits import Traits, latent_of, traits_of, traits_of_seed
from rnnmuse.cover.video import INKS, moved
from rnnmuse.events import Note
from rnnmuse.models.cover import CoverModel
from rnnmuse.music.piece import Part, Piece, Tempo

SIDE = 128
MOST_BYTES = 7_000
"""A picture goes into one OSC packet of 8 KiB."""
WINDOW = 8.0  # seconds of music that the traits are taken from
EASE = 2.5  # seconds in which the picture goes most of the way to them
FALL = 0.3
EDGES = (55, 67)
"""Pitches below and above which notes drive the first and the last ink."""
PALETTE_BEATS = 16
"""Beats for which a palette stays."""


class LivePicture:
    """`hear` notes, ask for a `jpeg`; both with the time in seconds, of one clock.

    The picture is composed afresh on every beat; between beats low, middle and high notes each swell an ink.
    """

    def __init__(self, model: CoverModel, design: Design, tempo: float = 120.0) -> None:
        self.model, self.design, self.tempo = model, design, tempo
        self._notes: deque[tuple[float, int, int]] = deque(maxlen=400)
        self._traits = traits_of_seed(design.seed).vector()
        self._loud = np.zeros(INKS)
        self._struck = np.zeros(INKS)
        self._at: float | None = None
        self._beat: int | None = None
        self._first: Composition | None = None
        self._sheet: Sheet | None = None
        self._palette = ""

    def hear(self, at: float, pitch: int, velocity: int) -> None:
        """A note begins."""
        if velocity:
            self._notes.append((at, pitch, velocity))
            ink = sum(pitch >= edge for edge in EDGES)
            self._loud[ink] = min(1.0, self._sounding(at)[ink] + 0.6 * velocity / 127)
            self._struck[ink] = at

    def move(self, now: float) -> tuple[Traits, float]:
        """Go on to ``now``: the eased traits and the loudness 0-1."""
        passed = max(0.0, now - self._at) if self._at is not None else 0.0
        self._at = now
        while self._notes and self._notes[0][0] < now - WINDOW:
            self._notes.popleft()
        if self._notes:
            pace = self.tempo / 60
            notes = [
                Note(max(0.0, at - now + WINDOW) * pace, pitch, 0.5, velocity) for at, pitch, velocity in self._notes
            ]
            wanted = traits_of(Piece([Part("heard", notes=sorted(notes))], [Tempo(0.0, self.tempo)])).vector()
            self._traits += (1 - math.exp(-passed / EASE)) * (wanted - self._traits)
        return Traits(*self._traits.tolist()), float(1 - np.prod(1 - self._sounding(now)))

    def _sounding(self, now: float) -> NDArray[np.float64]:
        """How loud each ink's notes sound, (INKS,) of 0 to 1."""
        return np.asarray(self._loud * np.exp(-np.maximum(0.0, now - self._struck) / FALL))

    def picture(self, now: float, side: int = SIDE) -> Image.Image:
        """The picture as the music has it now."""
        traits, loud = self.move(now)
        beat = int(now * self.tempo / 60)
        if self._sheet is None or beat != self._beat or self._sheet.width != side:
            self._sheet = self._composed(traits, beat, side)
            self._beat = beat
        return Image.fromarray(moved(self._sheet, self._sounding(now), loud, self.design.seed))

    def _composed(self, traits: Traits, beat: int, side: int) -> Sheet:
        design = replace(self.design, traits=traits, title="", artist="")
        z = latent_of(traits, design.seed, self.model.latent, design.profile)
        composition = compose(self.model.picture(z, wishes_of(design, traits)), like=self._first)
        self._first = self._first or composition
        if not self._palette or beat % PALETTE_BEATS == 0:
            self._palette = design.palette or palette_for_design(design, composition).name
        return sheet_of(replace(design, palette=self._palette), composition, side, side)

    def jpeg(self, now: float) -> bytes:
        """The picture as a JPEG of at most MOST_BYTES."""
        image = self.picture(now)
        data = b""
        for quality in (80, 65, 50, 35, 20):
            held = io.BytesIO()
            image.save(held, "JPEG", quality=quality)
            data = held.getvalue()
            if len(data) <= MOST_BYTES:
                break
        return data
