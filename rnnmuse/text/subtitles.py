"""Text over time: when each line of a text is spoken at a tempo, and the subtitle files that say so.

SubRip (.srt) has times as ``HH:MM:SS,mmm``; WebVTT (.vtt) is the W3C's and has ``HH:MM:SS.mmm``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rnnmuse.text.pronounce import syllables

FORMATS = ("srt", "vtt")


@dataclass(frozen=True, slots=True)
class Cue:
    """A line shown from ``start`` to ``end``, in beats."""

    start: float
    end: float
    text: str
    """One line."""


def timed(lines: Sequence[str], rate: float = 2.0, bar: float = 4.0) -> list[Cue]:
    """Cues for lines spoken at ``rate`` syllables a beat: each begins on a beat, a new stanza on a bar line.

    ValueError unless 0.1 <= rate <= 16.
    """
    if not (math.isfinite(rate) and 0.1 <= rate <= 16):
        raise ValueError(f"rate: {rate!r}; must be 0.1 to 16 syllables a beat")
    out: list[Cue] = []
    beat = 0.0
    for line in lines:
        if not line.strip():
            beat = math.ceil(beat / bar - 1e-9) * bar
            continue
        length = max(1.0, math.ceil(syllables(line) / rate - 1e-9))
        out.append(Cue(beat, beat + length, line.strip()))
        beat += length
    return out


def subtitles(cues: Sequence[Cue], tempo: float, form: str) -> str:
    """The text of a subtitle file at ``tempo`` bpm; ``form`` is srt or vtt."""
    if form not in FORMATS:
        raise ValueError(f"format: {form!r}; use one of {', '.join(FORMATS)}")
    if not (math.isfinite(tempo) and 10 <= tempo <= 999):
        raise ValueError(f"tempo: {tempo!r}; must be 10 to 999 bpm")
    comma = "," if form == "srt" else "."
    blocks = []
    for number, cue in enumerate(cues, 1):
        times = " --> ".join(_clock(beat * 60 / tempo, comma) for beat in (cue.start, cue.end))
        text = cue.text if form == "srt" else cue.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        blocks.append(f"{number}\n{times}\n{text.replace('-->', '->')}\n")
    return ("WEBVTT\n\n" if form == "vtt" else "") + "\n".join(blocks)


def _clock(seconds: float, comma: str) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{comma}{ms % 1000:03}"
