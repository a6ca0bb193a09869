"""Answers of a drummer: bars of strokes made out of what was heard, by the echo plan, with a fill that closes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from rnnmuse.music.echo import NEW, RHYTHM, lag_of
from rnnmuse.play.phrasing import KEPT, Bar, Stroke, place_of

KICK, CRASH = 36, 49
FILL = 0.25
"""Beats between the strokes of a fill."""
DROPPED = 0.25
"""Share of the weak strokes that a bar which is varied leaves out."""


@dataclass(slots=True)
class Drumming:
    """Makes bars of strokes from ``heard`` ones, each ``beats`` long.

    ``echo_of`` is the echo class that the plan has for a bar of the phrase, counted from 0; None where there is no
    plan.
    """

    heard: list[Bar]
    beats: float
    """Beats (quarters) of a bar."""
    random: Random
    """Draws what is varied."""
    echo_of: Callable[[int], int | None] = lambda bar: None
    made: list[Bar] = field(default_factory=list)
    """The bars so far."""

    def bar(self, index: int, closes: bool) -> Bar:
        """The bar ``index`` of the phrase: the first restates the first that was heard, the last one ``closes`` it."""
        bars = [bar for bar in self.heard if bar]
        if not bars:
            return ()
        own = self.heard[index % len(self.heard)] or bars[index % len(bars)]
        out = own
        if index:
            echo = self.echo_of(index)
            if echo is None or echo == NEW:
                out = self._varied(own, self.random.choice(bars))
            else:
                lag, every = lag_of(echo) or len(self.heard), [*self.heard, *self.made]
                out = (every[-lag] if lag <= len(every) else ()) or own
                if (echo - 1) % 3 == RHYTHM:
                    out = self._moved(out)
        if closes:
            out = self._filled(out)
        self.made.append(out)
        del self.made[:-KEPT]
        return out

    def _varied(self, bar: Bar, other: Bar) -> Bar:
        """The first half as it was; then as in another bar, with some of the weak strokes left out."""
        half = self.beats / 2
        late = [s for s in other if s.start >= half - 1e-6]
        kept = [s for s in late if s.start % 1 < 1e-6 or self.random.random() >= DROPPED]
        return tuple([s for s in bar if s.start < half - 1e-6] + kept) or bar

    def _moved(self, bar: Bar) -> Bar:
        """The same rhythm on other drums that were heard; the kick stays."""
        drums = sorted({s.pitch for one in self.heard for s in one if s.pitch != KICK})
        if len(drums) < 2:
            return bar
        turn = self.random.randrange(1, len(drums))
        places = {drum: drums[(i + turn) % len(drums)] for i, drum in enumerate(drums)}
        return tuple(replace(s, pitch=places.get(s.pitch, s.pitch)) for s in bar)

    def _filled(self, bar: Bar) -> Bar:
        """The bar with a fill at its end, over the drums that were heard, louder and louder."""
        length = 2.0 if self.beats >= 4 else 1.0
        first = self.beats - length
        drums = [s.pitch for one in self.heard for s in one if s.pitch not in (KICK, 42, 44, 46, 51, 22, 26)] or [38]
        count = round(length / FILL)
        path = sorted({*drums}, key=lambda drum: (-drums.count(drum), -drum))[:3]
        loud = max(40, round(sum(s.velocity for s in bar) / len(bar))) if bar else 80
        kept = [s for s in bar if s.start < first - 1e-6]
        fill = [
            Stroke(
                first + i * FILL, 0.1, path[min(len(path) - 1, i * len(path) // count)],
                min(120, loud + round(20 * i / count)),
            )
            for i in range(count)
            if i % 2 == 0 or self.random.random() < 0.6
        ]  # fmt: skip
        return tuple(kept + fill)


def drum_bars(strokes: Sequence[tuple[float, int, int]], line: float, beats: float, count: int) -> list[Bar]:
    """Strokes (beat, drum, velocity) in ``count`` bars from the bar line at beat ``line`` on, at the places that they
    are meant on."""
    bars: list[dict[tuple[float, int], Stroke]] = [{} for _ in range(count)]
    for beat, drum, velocity in strokes:
        at = place_of(beat - line)
        bar = int(at // beats)
        if 0 <= bar < count:
            bars[bar][at - bar * beats, drum] = Stroke(at - bar * beats, 0.1, drum, velocity)
    return [tuple(stroke for _, stroke in sorted(bar.items())) for bar in bars]
