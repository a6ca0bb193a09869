"""A band: what each role plays in a bar in a style, and what all roles share: how dense it is, fills, solos, the end.

A bar is made of `Figure`s. Their pitches are settled when they are played, in the harmony that holds then; where
several fit, the role's model chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from rnnmuse.clock import COMMON, PPQ, Metre
from rnnmuse.play import units
from rnnmuse.play.units import FINE, Unit

PHRASE = 4
"""Bars of a phrase; the ending comes where one is over."""
SECTION = 8
"""Bars after which drums play a fill."""
ARC = (0.35, 0.5, 0.65, 0.85, 0.95, 0.6)
"""How dense a round of the arc is at evenly spaced places, 0 to 1."""
ROUND = 48
"""Bars of a round of the arc."""
AWAY = 3
"""Bars between the cue for an ending and the last bar at least: what is settled already is played."""
HEEDED = 0.5
"""How much of the density is the performer's loudness, while the performer plays."""
QUIETEST, LOUDEST = 35, 115
"""Velocities of the performer that ask for the least and the most."""
LISTENS = 8.0
"""Beats for which a note of the performer's is heeded."""

ARRANGED = ("pop", "game")
"""Styles whose roles rest by phrases as in pieces for bands."""
TURN = 16
"""Phrases after which another form is followed."""
FULL = 0.95
"""Density from which on nobody rests."""
LIKE = {("pop", "bass"): "game", ("pop", "chords"): "game"}
"""The style whose units a role of another plays."""
LEVELS = 3
"""Steps of density: within one a role keeps its unit."""
MOST_MICRO = 10
NEAR, TIGHT = 36, 1 / 6
"""Parts of a beat about the bar line within which drums are on it, and how much of their distance is left there."""

KICK, STICK, SNARE, LOW, HAT, PEDAL, MID, OPEN, HIGH, CRASH, RIDE, SHAKER, TAMBOURINE = (
    36, 37, 38, 43, 42, 44, 45, 46, 48, 49, 51, 70, 54,
)  # fmt: skip

RANGES = {"bass": (28, 50), "chords": (48, 76), "lead": (65, 86), "lead arranged": (67, 93)}
"""Lowest and highest MIDI note of each pitched role."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A note of a bar: start and length in beats, velocity, and what it plays.

    ``kind`` is "d" for the drum ``pitch``, "b" the chord's bass, "f" its fifth, "o" the octave, "t" a tone of the chord
    near the last one, "w" what a walking bass plays there, "c" voice ``voice`` of a chord of ``voices``.
    """

    start: float
    """Beats after the bar line."""
    length: float
    """Beats."""
    velocity: int
    """1 to 127."""
    kind: str
    pitch: int = 0
    voice: int = 0
    voices: int = 1
    centre: int = 0
    """MIDI note about which its chord lies, where that is known."""
    micro: int | None = None
    """By how many twentieths of a 24th of a beat it is late, where that is known."""


@dataclass(slots=True)
class Band:
    """What the roles of a band share. ``fours`` is the bars after which lead and drums take turns, 0 for none;
    ``density`` 0 to 1 makes the whole arc thinner or fuller, 0.5 as it is."""

    metre: Metre = COMMON
    """The time signature of the stage."""
    fours: int = 0
    density: float = 0.5
    origin: int = 0
    """The bar that the chart's first bar is."""
    last_bar: int | None = None
    """The bar of the final chord, once the ending was cued."""
    _loud: float = 0.0
    """Running mean of how loud the performer plays, 0 to 1."""
    _heard: float = float("-inf")
    """Beat at which the performer last played."""

    def reset(self) -> None:
        """Forget the performer and the ending."""
        self.last_bar, self._heard = None, float("-inf")

    def give(self, name: str, value: float) -> None:
        """Set "fours" or "density"."""
        if name == "fours":
            self.fours = int(value)
        elif name == "density":
            self.density = float(value)
        else:
            raise ValueError(f"band: {name!r}; must be fours or density")

    def hear(self, beat: float, velocity: int) -> None:
        """The performer begins a note."""
        loud = max(0.0, min(1.0, (velocity - QUIETEST) / (LOUDEST - QUIETEST)))
        fresh = beat - self._heard > LISTENS
        self._loud = loud if fresh else 0.75 * self._loud + 0.25 * loud
        self._heard = beat

    def end(self, beat: float) -> int:
        """Cue the ending at a beat; returns the tick at which all is over.

        The final chord falls on the first bar of a phrase.
        """
        now = self.metre.place(round(beat * PPQ))[0]
        if self.last_bar is None:
            first = now + AWAY - self.origin
            self.last_bar = self.origin + -(-first // PHRASE) * PHRASE
        return self.tick_of_bar(self.last_bar + 1)

    def tick_of_bar(self, bar: int) -> int:
        """The tick at which a bar begins."""
        return self.metre.bar_line + (bar - self.metre.bar) * self.metre.ticks

    def dense(self, bar: int, beat: float) -> float:
        """How dense a bar is to be, 0 to 1: the arc, and the performer's loudness while the performer plays."""
        place = (bar - self.origin) % ROUND / ROUND * (len(ARC) - 1)
        low = int(place)
        arc = ARC[low] + (ARC[min(low + 1, len(ARC) - 1)] - ARC[low]) * (place - low)
        if beat - self._heard <= LISTENS:
            arc = (1 - HEEDED) * arc + HEEDED * self._loud
        return max(0.0, min(1.0, arc + (self.density - 0.5)))

    def solo(self, bar: int) -> str:
        """Which role has the bar to itself: "drums" in their turn, "" for none."""
        if self.fours and (bar - self.origin) // self.fours % 2:
            return "drums"
        return ""

    def fills(self, bar: int) -> bool:
        """Whether a bar leads to another section, or to the end."""
        return (bar - self.origin) % SECTION == SECTION - 1 or (self.last_bar is not None and bar == self.last_bar - 1)

    def opens(self, bar: int) -> bool:
        """Whether a section begins."""
        return (bar - self.origin) % SECTION == 0

    def figures(self, role: str, style: str, bar: int, beat: float, random: Random, seed: int = 1) -> list[Figure]:
        """What drums, bass or chords play in a bar that begins at a beat. ``random`` is for what differs each time."""
        beats = self.metre.beats
        if self.last_bar is not None and bar > self.last_bar:
            return []
        if bar == self.last_bar:
            return _final(role, beats)
        dense, solo = self.dense(bar, beat), self.solo(bar)
        # what is chosen for a phrase is the same in each of its bars
        settled = Random(f"{seed} {style} {role} {(bar - self.origin) // PHRASE}")
        if solo == "drums" and role != "drums":
            return _stab(role) if (bar - self.origin) % self.fours == 0 else []
        if role != "drums" and not self.plays(role, style, bar, seed):
            return []
        first = bar - (bar - self.origin) % SECTION  # a section keeps its unit
        mined = self._mined(role, style, bar, self.dense(first, beat), seed)
        if mined is not None and solo != "drums":
            return mined
        if role == "drums":
            bar_ = _Drums(style, beats, dense, settled, random)
            if solo == "drums":
                return bar_.solo()
            return bar_.bar(self.fills(bar), self.opens(bar))
        if role == "bass":
            return _bass(style, beats, dense, settled, random)
        return _chords(style, beats, dense, settled)

    def plays(self, role: str, style: str, bar: int, seed: int = 1) -> bool:
        """Whether a role plays in the phrase of a bar: as in the forms of real pieces, after a section of all.

        All play where the density is up, and towards the end.
        """
        phrase = (bar - self.origin) // PHRASE - SECTION // PHRASE
        if phrase < 0 or self.last_bar is not None or self.density >= FULL:
            return True
        if style not in ARRANGED:
            section = (bar - self.origin) // SECTION
            return role != "lead" or section % 8 != 2  # it leaves the first middle part to the others
        arranged = [form for form in units.forms() if form.count(0) == 0]
        if not arranged:
            return True
        form = Random(f"{seed} {style} {phrase // TURN}").choice(arranged)
        return bool(form[phrase % TURN % len(form)] >> units.ROLES.index(role) & 1)

    def _mined(self, role: str, style: str, bar: int, dense: float, seed: int) -> list[Figure] | None:
        """A bar of a unit that bands play; None where there is none for the role and style."""
        kind = "fill" if role == "drums" and self.fills(bar) else role
        place = (bar - self.origin) // SECTION
        other = place % 4 == 2  # of four sections the third is another
        level = round(dense * LEVELS) / LEVELS
        random = Random(f"{seed} {style} {kind} {place if kind == 'fill' else other} {level}")
        unit = units.chosen(LIKE.get((style, role), style), kind, level, random) if self.metre.beats == 4 else None
        if unit is None:
            return None
        out = bar_of(unit, 0 if kind == "fill" else (bar - self.origin) % units.BARS, 0.94 + 0.12 * dense)
        if role == "drums" and self.opens(bar) and style != "folk":
            loud = max((figure.velocity for figure in out), default=90)
            out = [f for f in out if f.start > 0 or f.pitch not in (HAT, RIDE, OPEN)]
            out += [Figure(0.0, 0.1, loud, "d", CRASH, micro=0)]
            out += (
                [Figure(0.0, 0.1, loud, "d", KICK, micro=0)]
                if not any(f.start == 0 and f.pitch == KICK for f in out)
                else []
            )
        return out


def bar_of(unit: Unit, number: int, loud: float = 1.0) -> list[Figure]:
    """Bar ``number`` of a unit in 4/4, its velocities times ``loud``."""
    out = []
    step = FINE // 24
    for start, what, length, velocity, voices in unit.strokes:
        bar, after = divmod(start + NEAR, 4 * FINE)
        bar, after = (bar, after - NEAR) if bar >= 0 else (0, start)
        if bar != number:
            continue
        grid = max(0, round(after / step))
        micro = max(-MOST_MICRO, min(MOST_MICRO, after - grid * step))
        if unit.role in ("drums", "fill") and abs(after) <= NEAR:  # the bar line is where it is
            grid, micro = 0, round(after * TIGHT)
        kind = {"bass": units.BASS_KINDS[what] if unit.role == "bass" else "", "chords": "c"}.get(unit.role, "d")
        if (kind == "w" and grid % 24 == 0) or (unit.role == "bass" and grid == 0):
            kind = "b" if grid == 0 else "t"
        out.append(
            Figure(
                grid / 24,
                max(1 / 24, length / FINE),
                max(1, min(127, round(velocity * loud))),
                kind,
                what if kind == "d" else 0,
                what if kind == "c" else 0,
                max(1, voices),
                unit.centre,
                micro,
            )
        )
    return out


def swung(start: float, style: str) -> float:
    """Where an onset falls in a style: in jazz the second eighth of a beat is the third triplet."""
    if style != "jazz":
        return start
    whole, part = divmod(start + 1e-6, 1)
    return whole + (part * 4 / 3 if part <= 0.5 else 2 / 3 + (part - 0.5) * 2 / 3)


@dataclass(slots=True)
class _Drums:
    style: str
    """A style with a method here, such as ``jazz``."""
    beats: float
    """Beats of the bar."""
    dense: float
    """0 to 1."""
    settled: Random
    """The same for every bar of a phrase."""
    random: Random
    """Of this bar alone."""
    out: list[Figure] = field(default_factory=list)
    """The notes so far."""

    def hit(self, pitch: int, velocity: float, *starts: float) -> None:
        for start in starts:
            if 0 <= start < self.beats - 1e-6:
                loud = max(1, min(127, round(velocity * (0.8 + 0.4 * self.dense))))
                self.out.append(Figure(swung(start, self.style), 0.1, loud, "d", pitch))

    def steps(self, step: float, first: float = 0.0) -> list[float]:
        return [first + i * step for i in range(int((self.beats - first) / step + 0.99))]

    def bar(self, fills: bool, opens: bool) -> list[Figure]:
        filled = min(2.0 if self.dense > 0.5 else 1.0, self.beats - 1) if fills else 0.0
        getattr(self, f"_{self.style}")()
        if fills:
            until = self.beats - filled
            self.out = [f for f in self.out if f.start < until - 1e-6 or f.pitch in (KICK, PEDAL)]
            self._fill(until)
        if opens and self.style != "folk":
            self.out = [f for f in self.out if f.start > 0 or f.pitch not in (HAT, RIDE)]
            self.hit(CRASH, 88, 0)
            self.hit(KICK, 92, 0) if not any(f.start == 0 and f.pitch == KICK for f in self.out) else None
        return self.out

    def solo(self) -> list[Figure]:
        for beat in range(int(self.beats)):
            self.hit(PEDAL, 60, *([beat] if beat % 2 else []))
            for start in (0.0, 0.25, 0.5, 0.75) if self.style != "jazz" else (0.0, 0.25, 0.5):
                if start == 0 or self.random.random() < 0.35 + 0.5 * self.dense:
                    drum = self.random.choice((SNARE, SNARE, HIGH, MID, LOW, KICK))
                    self.hit(drum, self.random.choice((48, 62, 84, 98)), beat + start)
        return self.out

    def _fill(self, first: float) -> None:
        """Strokes over the toms down to the end of the bar."""
        step = 0.5 if self.style == "folk" else 0.25
        starts = [first + i * step for i in range(round((self.beats - first) / step))]
        path = [SNARE, SNARE, HIGH, MID, LOW] if self.style != "folk" else [STICK, STICK, LOW, LOW]
        for index, start in enumerate(starts):
            if index and self.settled.random() < 0.2:
                continue
            drum = path[min(len(path) - 1, index * len(path) // max(1, len(starts)))]
            self.hit(drum, 70 + 24 * index / max(1, len(starts)), start)

    def _jazz(self) -> None:
        back = [beat for beat in range(int(self.beats)) if beat % 2] if self.beats % 2 == 0 else [1, 2]
        self.hit(RIDE, 78, *(float(b) for b in range(int(self.beats))))
        self.hit(RIDE, 66, *(b + 0.5 for b in back))
        self.hit(PEDAL, 58, *map(float, back))
        if self.dense > 0.3:
            self.hit(KICK, 40, *(float(b) for b in range(0, int(self.beats), 2)))
        for start in (0.5, 1.5, 2.5, 3.5):
            if self.settled.random() < 0.1 + 0.35 * self.dense:
                self.hit(self.settled.choice((SNARE, SNARE, KICK)), 44 + 26 * self.dense, start)

    def _pop(self) -> None:
        kicks = self.settled.choice(((0, 2), (0, 2.5), (0, 1.5, 2.5), (0, 0.75, 2.5), (0, 2, 2.75, 3.5)))
        self.hit(KICK, 96, *(k for k in kicks if self.dense > 0.3 or k in (0, 2)))
        self.hit(SNARE, 98, *((1, 3) if self.beats % 2 == 0 else (2,)))
        top = RIDE if self.dense > 0.85 else HAT
        fine = 0.25 if 0.68 < self.dense <= 0.85 else 0.5
        for start in self.steps(fine):
            self.hit(top, 76 if start % 1 == 0 else 60 if start % 0.5 == 0 else 46, start)
        if self.dense > 0.55:
            self.hit(SNARE, 34, self.settled.choice((1.75, 2.25, 3.75)))
            self.out = [f for f in self.out if not (f.start == 3.5 and f.pitch == HAT)]
            self.hit(OPEN, 74, self.beats - 0.5)

    def _folk(self) -> None:
        self.hit(KICK, 66, *((0, 2) if self.beats % 2 == 0 else (0,)))
        if self.dense > 0.4:
            self.hit(STICK, 62, *((1, 3) if self.beats % 2 == 0 else (1, 2)))
        for start in self.steps(0.5):
            self.hit(TAMBOURINE if self.dense > 0.75 else SHAKER, 52 if start % 1 else 40, start)

    def _game(self) -> None:
        kicks = self.settled.choice(((0, 1, 2, 3), (0, 1.5, 2), (0, 0.75, 1.5, 2, 2.75)))
        self.hit(KICK, 100, *(k for k in kicks if self.dense > 0.3 or k % 2 == 0))
        self.hit(SNARE, 96, *((1, 3) if self.beats % 2 == 0 else (2,)))
        for start in self.steps(0.25 if self.dense > 0.5 else 0.5):
            self.hit(HAT, 74 if start % 0.5 == 0 else 54, start)
        if self.dense > 0.6:
            self.hit(OPEN, 76, *(b + 0.5 for b in range(int(self.beats)) if b % 2))


def _bass(style: str, beats: float, dense: float, settled: Random, random: Random) -> list[Figure]:
    loud = round(74 + 26 * dense)

    def figure(start: float, length: float, kind: str, less: int = 0) -> Figure:
        return Figure(swung(start, style), length, loud - less, kind)

    if style == "jazz":
        if dense < 0.45 and beats == 4:
            return [figure(0, 1.9, "b"), figure(2, 1.9, "f", 4)]
        walk = [figure(float(b), 0.92, "b" if b == 0 else "w", 3 * (b % 2)) for b in range(int(beats))]
        if random.random() < 0.2 * dense:
            walk.insert(-1, figure(beats - 1.5, 0.3, "t", 16))
        return walk
    if style == "folk":
        return [figure(0, 0.95, "b"), *([figure(2, 0.95, "f", 4)] if beats >= 4 else [])]
    if style == "game":
        return [figure(i / 2, 0.42, "o" if i % 2 and dense > 0.4 else "b", 8 * (i % 2)) for i in range(int(beats * 2))]
    if dense > 0.6 or beats != 4:
        return [figure(i / 2, 0.46, "b" if i < beats * 2 - 1 else "f", 6 * (i % 2)) for i in range(int(beats * 2))]
    rhythm = settled.choice(((0, 1.5, 2, 3.5), (0, 1.5, 2.5), (0, 2, 3.5), (0, 0.75, 2, 2.75)))
    ends = [*rhythm[1:], beats]
    return [
        figure(at, (end - at) * 0.9, "b" if at != rhythm[-1] or random.random() < 0.6 else "f")
        for at, end in zip(rhythm, ends, strict=True)
    ]


_COMPS: dict[str, Sequence[Sequence[tuple[float, float]]]] = {
    "jazz": (
        ((0, 1.2), (1.5, 0.4)),
        ((1.5, 0.5), (3.5, 0.5)),
        ((0.5, 0.5), (2, 0.5)),
        ((0, 0.5), (2.5, 1.2)),
        ((1, 0.5), (2.5, 0.5)),
    ),
    "pop": (
        ((0, 1.9), (2, 1.9)),
        ((0, 1.4), (1.5, 1.4), (3, 0.9)),
        ((0, 0.9), (1, 0.9), (2, 0.9), (3, 0.9)),
        ((0, 1.4), (1.5, 0.9), (2.5, 1.4)),
    ),
    "folk": (((1, 0.6), (3, 0.6)), ((1, 0.45), (1.5, 0.45), (3, 0.45), (3.5, 0.45))),
}


def _chords(style: str, beats: float, dense: float, settled: Random) -> list[Figure]:
    loud = round(56 + 24 * dense)
    if style == "game":
        step, order = (0.25 if dense > 0.55 else 0.5), (0, 1, 2, 1)
        return [
            Figure(i * step, step * 0.9, loud - 6 * (i % 2), "c", voice=order[i % 4], voices=3)
            for i in range(round(beats / step))
        ]
    if beats != 4:
        starts = [(0.0, beats * 0.95)] if style != "folk" and dense < 0.5 else [(1.0, 0.6), (2.0, 0.6)]
    elif style == "pop":
        starts = list(_COMPS["pop"][0] if dense < 0.45 else settled.choice(_COMPS["pop"][1:]))
    elif style == "folk":
        starts = list(_COMPS["folk"][dense > 0.55])
    else:
        starts = list(settled.choice(_COMPS[style]))
    voices = 4 if style == "jazz" and dense > 0.4 else 3
    return [
        Figure(swung(start, style), length, loud + (6 if start == 0 else 0), "c", voice=voice, voices=voices)
        for start, length in starts
        for voice in range(voices)
    ]


def _stab(role: str) -> list[Figure]:
    """The one chord that leads to a solo of the drums."""
    if role == "bass":
        return [Figure(0.0, 0.5, 96, "b")]
    return [Figure(0.0, 0.4, 88, "c", voice=voice, voices=3) for voice in range(3)]


def _final(role: str, beats: float) -> list[Figure]:
    if role == "drums":
        return [Figure(0.0, 0.1, 100, "d", KICK), Figure(0.0, 0.1, 96, "d", CRASH)]
    if role == "bass":
        return [Figure(0.0, beats - 0.1, 92, "b")]
    return [Figure(0.0, beats - 0.1, 82, "c", voice=voice, voices=4) for voice in range(4)]
