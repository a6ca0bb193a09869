"""A small picture that moves with what is played: for the dashboard, for projectors."""

from __future__ import annotations

import io
import math
from collections import deque

from PIL import Image

from rnnmuse.cover.palette import parse_palette, recolour
from rnnmuse.cover.picture import Design, noise_of, wishes_of
from rnnmuse.cover.traits import Traits, latent_of, traits_of, traits_of_seed
from rnnmuse.events import Note
from rnnmuse.models.cover import ATTRIBUTES, CoverModel, Window
from rnnmuse.music.piece import Part, Piece, Tempo

SIDE = 128
MOST_BYTES = 7_000
"""A picture goes into one OSC packet of 8 KiB."""
WINDOW = 8.0  # seconds of music that the traits are taken from
EASE = 2.5  # seconds in which the picture goes most of the way to them
FALL = 0.3
ZOOM = 0.08


class LivePicture:
    """`hear` notes, ask for a `jpeg`; both with the time in seconds, of one clock."""

    def __init__(self, model: CoverModel, design: Design, tempo: float = 120.0) -> None:
        self.model, self.design, self.tempo = model, design, tempo
        self._noise = noise_of(model, design)
        self._notes: deque[tuple[float, int, int]] = deque(maxlen=400)
        self._traits = traits_of_seed(design.seed).vector()
        self._loud = self._struck = 0.0
        self._at: float | None = None

    def hear(self, at: float, pitch: int, velocity: int) -> None:
        """A note begins."""
        if velocity:
            self._notes.append((at, pitch, velocity))
            self._loud = min(1.0, self._loudness(at) + 0.6 * velocity / 127)
            self._struck = at

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
        return Traits(*self._traits.tolist()), self._loudness(now)

    def _loudness(self, now: float) -> float:
        return self._loud * math.exp(-max(0.0, now - self._struck) / FALL)

    def picture(self, now: float, side: int = SIDE) -> Image.Image:
        """The picture as the music has it now."""
        traits, loud = self.move(now)
        c = wishes_of(self.design, traits)
        c[ATTRIBUTES.index("contrast")] += 0.9 * (loud - 0.3)
        c[ATTRIBUTES.index("brightness")] += 0.6 * (loud - 0.3)
        z = latent_of(traits, self.design.seed, self.model.latent, self.design.profile)
        planes = self.model.planes(z, c, self.design.seed, self._noise)
        edge = ZOOM * loud / 2
        window = Window(edge, edge, 1 - edge, 1 - edge)
        image = Image.fromarray(self.model.draw(planes, side, side, window, 1))
        return recolour(image, parse_palette(self.design.palette)) if self.design.palette else image

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
