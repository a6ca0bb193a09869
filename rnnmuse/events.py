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
    """Beat at which it begins."""
    pitch: int
    """MIDI note number, 0 to 127."""
    duration: float
    """Length in beats."""
    velocity: int = 80
    """1 to 127."""
    part: int = 0
    """Index of its part."""

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
class Program:
    """A change to General MIDI program ``number`` 0-127 at ``beat``."""

    beat: float
    number: int


@dataclass(frozen=True, slots=True, order=True)
class Bend:
    """A pitch bend at ``beat``: ``value`` -8192 to 8191, 0 in the centre."""

    beat: float
    value: int


@dataclass(frozen=True, slots=True, order=True)
class Pressure:
    """Aftertouch of ``value`` 0-127 at ``beat``: of the note ``pitch``, or of the whole channel where it is -1."""

    beat: float
    value: int
    pitch: int = -1


@dataclass(frozen=True, slots=True, order=True)
class Lyric:
    """One syllable of sung text at ``beat``; a trailing hyphen says that its word goes on.

    ``ends`` is ``"line"`` or ``"paragraph"`` where one ends after the syllable.
    """

    beat: float
    text: str
    """The syllable, with a trailing hyphen inside a word."""
    ends: str = ""
