"""A chart: chord symbols in bars, over and over."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from rnnmuse.music.piece import ChordSymbol
from rnnmuse.music.theory import chart_bars, parse_progression

MOST = 512
"""Bars of a chart at most."""


@dataclass(frozen=True, slots=True)
class Chart:
    """``chords`` at beats from 0, repeated every ``length`` beats from beat ``start`` of the stage on."""

    chords: tuple[ChordSymbol, ...]
    length: float
    start: float = 0.0
    text: str = ""
    """The chart as it was given."""

    def at(self, beat: float) -> tuple[str, float, float]:
        """The chord at a beat, and the beats from which and until which it sounds.

        Before ``start`` the loop counts backwards.
        """
        turn, place = divmod(beat - self.start + 1e-9, self.length)
        beats = [symbol.beat for symbol in self.chords]
        index = bisect_right(beats, place) - 1
        begin = self.start + turn * self.length
        until = beats[index + 1] if index + 1 < len(beats) else self.length
        return self.chords[index].text, begin + beats[index], begin + until

    def between(self, first: float, last: float) -> list[ChordSymbol]:
        """The chords that sound from one beat to another, the first one where ``first`` is."""
        out: list[ChordSymbol] = []
        beat = first
        while beat < last - 1e-9:
            text, _, until = self.at(beat)
            if not out or out[-1].text != text:
                out.append(ChordSymbol(beat, text))
            beat = until
        return out


def parse_chart(text: str, bar_beats: float = 4.0, start: float = 0.0) -> Chart:
    """A chart such as ``"Am7 | D7 | Gmaj7 % |"``.

    ``|`` parts the bars; the chords of a bar share it evenly; ``%`` is the chord before it, alone in a bar the bar
    before. Without ``|`` each chord has a bar. ``N.C.`` is no chord. ValueError names what is not a chord.
    """
    bars = chart_bars(text)
    if len(bars) > MOST:
        raise ValueError(f"chords: {len(bars)} bars; must be up to {MOST}")
    chords = parse_progression(text, len(bars), bar_beats)
    return Chart(_merged(chords), len(bars) * bar_beats, start, text)


def _merged(chords: Sequence[ChordSymbol]) -> tuple[ChordSymbol, ...]:
    """Without symbols that say again what sounds."""
    return tuple(c for i, c in enumerate(chords) if not i or chords[i - 1].text != c.text)
