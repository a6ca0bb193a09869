"""The vocabulary: what happens in music, as rnnmuse passes it around. Read this first.

Time is in beats (quarter notes) from the start, as float. Pitches are MIDI note numbers 0-127
(60 = middle C), velocities 1-127, programs General MIDI 0-127. ``part`` is the index of the part in
its piece, or of the player on stage.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """A sounded note: it begins at ``start`` and lasts ``duration`` beats."""

    start: float
    pitch: int
    duration: float
    velocity: int = 80
    part: int = 0

    @property
    def end(self) -> float:
        """The beat at which the note is released."""
        return self.start + self.duration


@dataclass(frozen=True, slots=True, order=True)
class Control:
    """A controller change (MIDI CC ``number`` 0-127, ``value`` 0-127) at ``beat``; sustain is number 64."""

    beat: float
    number: int
    value: int


@dataclass(frozen=True, slots=True, order=True)
class Lyric:
    """One syllable of sung text at ``beat``."""

    beat: float
    text: str
