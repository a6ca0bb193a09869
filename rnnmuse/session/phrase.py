"""A live player of a phrase model: it loops the phrase at a point of the latent space that moves.

A move is heard from the next sixteenth: notes planned from there on are recalled and planned again from the new phrase;
notes that sound keep their end. Many moves between two sixteenths cost one decoding. Beats are the stage's. The phrase
begins at a bar line, and a multiple of its length after the first one; in a metre whose bars are not four beats long,
each of its bars is cut short or begun again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, floor
from random import Random
from typing import Any

import numpy as np

from rnnmuse.clock import COMMON, PPQ, Metre
from rnnmuse.events import Note
from rnnmuse.models.groove import blended, level_of, levelled
from rnnmuse.models.latent import Floats, along, mean, over_pad, place_of, slerp
from rnnmuse.models.phrase import PhraseModel
from rnnmuse.music.attributes import attributes
from rnnmuse.music.phrases import (
    BAR,
    STEPS_A_BEAT,
    Grid,
    Mask,
    context_grid,
    drum_grid,
    drum_notes,
    melody_grid,
    melody_notes,
    playable,
)
from rnnmuse.music.piece import ChordSymbol, Key, Piece
from rnnmuse.music.theory import parse_chord, parse_key, scale_pitch_classes
from rnnmuse.play.harmony import Harmony
from rnnmuse.play.variation import varied_point
from rnnmuse.protocol import PARAMETERS, SLOTS
from rnnmuse.session.messages import AllOff, Done, EndNotes, NoteOff, NoteOn, Order, PartInfo, Recall
from rnnmuse.session.stream import AHEAD, REACTION, tick_of

MODES = ("off", "free", "hold", "loop")
MAP_SLOTS = "slots"
FURTHEST = 8.0  # a coordinate of a point, in standard deviations
HEARD = 4096  # notes of the performer that are kept
STEP = PPQ // STEPS_A_BEAT
"""Clock ticks in a sixteenth."""
LATE = 0.25
"""Beats after a bar line within which a captured phrase still begins with it."""
SHORTEST = 0.05  # beats that a captured note lasts


@dataclass(frozen=True, slots=True)
class Captured:
    """A phrase exactly as the performer played it: its notes from its own first bar line, ``bars`` bars of ``beats``
    beats. Bar ``origin`` of the clock is its first."""

    notes: tuple[Note, ...]
    bars: int
    beats: float
    origin: int = 0

    def at(self, bar: int, step: int) -> list[Note]:
        """The notes that belong to a sixteenth of one of its bars; one just before a bar line belongs to it."""
        return [note for note in self.notes if self.place(note) == (bar, step)]

    def place(self, note: Note) -> tuple[int, int]:
        """Its bar of the phrase and the sixteenth in it that a note belongs to."""
        last = ceil(self.beats * STEPS_A_BEAT - 1e-6) - 1
        bar = floor((note.start + 0.5 / STEPS_A_BEAT) / self.beats)
        if bar >= self.bars:
            return self.bars - 1, last
        return bar, min(last, max(0, floor((note.start - bar * self.beats) * STEPS_A_BEAT + 0.5)))

    def of_bars(self, bars: int) -> Captured:
        """The same in another length: said again, or its first bars."""
        span = self.bars * self.beats
        notes = [replace(n, start=n.start + turn * span) for turn in range(-(-bars // self.bars)) for n in self.notes]
        whole = bars * self.beats
        kept = [replace(n, duration=min(n.duration, whole - n.start)) for n in notes if n.start < whole]
        return Captured(tuple(kept), bars, self.beats, self.origin)


@dataclass(slots=True)
class _Sent:
    step: int
    """The clock's sixteenth that the note belongs to."""
    on: int
    """Tick at which it begins."""
    off: int
    """Tick at which it ends."""
    pitch: int
    """MIDI note."""
    velocity: int
    """1 to 127."""


@dataclass(slots=True)
class PhrasePlayer:
    """Player ``number`` (1-16) of a stage, with a phrase model.

    Modes: ``loop`` and ``free`` play the phrase round and round, ``hold`` lets its last notes ring, ``off`` is silent.
    A captured phrase is played exactly as it was, from its own first bar, until the point moves.
    ``slots`` (1-16) hold points; at first the model's own examples. Of the parameters it obeys ``key``, ``scale``,
    ``chord``, ``low``, ``high``, ``velocity``, ``humanise``, ``bars``, ``seed`` and, for how far a new phrase is
    drawn from the middle, ``temperature``.
    """

    number: int
    model: PhraseModel
    mode: str = "off"
    parameters: dict[str, Any] = field(default_factory=lambda: {name: row[1] for name, row in PARAMETERS.items()})
    """Values by name, in the units and ranges of `rnnmuse.protocol.PARAMETERS`."""
    tempo: float = 120.0
    """Beats a minute."""
    metre: Metre = COMMON
    """The stage's."""
    harmony: Harmony | None = None
    """The stage's; what is given in it holds where the player has no key and no chord of its own."""
    reaction: float = REACTION
    """Beats between now and the earliest that can still be played."""
    playing: bool = False
    """Whether it was started and has not ended."""
    point: Floats = field(init=False)
    """(Z,), in standard deviations; -8 to 8."""
    slots: dict[int, Floats] = field(init=False)
    xy: tuple[float, float] = (0.5, 0.5)
    """Where the finger is on the pad: across and up, each 0 to 1."""
    map: tuple[str, str] = ("", "")
    """The pad's two axes, or "slots" and an empty text."""
    _bars: int = field(init=False)
    """Length of the phrase."""
    _anchor: Floats = field(init=False)
    """(Z,), the point that the pad's axes move from."""
    _random: Random = field(init=False)
    """Seeded by the parameter ``seed``."""
    _varying: Random = field(init=False)
    """Likewise, and drawn from by variations alone: what is played meanwhile does not change them."""
    _notes: list[tuple[int, Note]] = field(default_factory=list)
    """Notes of the phrase, in beats from its start, each with the phrase's sixteenth that it belongs to."""
    _stale: bool = True
    """Whether the phrase must be decoded again before it is played."""
    _moved: bool = False
    """Whether notes that were planned must be planned again."""
    _next: int = 0
    """The clock's sixteenth that is planned next."""
    _until: float = float("inf")
    """Beat at which it ends; infinity for never."""
    _job: int = 0
    """The job of `generate`; 0 without one."""
    _count: int = 0
    """Notes that the job has played."""
    _sent: deque[_Sent] = field(default_factory=deque)
    """Notes sent, without those that ended over four beats ago."""
    _heard: deque[list[float]] = field(default_factory=lambda: deque(maxlen=HEARD))
    """The performer's notes: beat, pitch, velocity and end in beats, infinity while the note sounds."""
    _down: dict[int, list[float]] = field(default_factory=dict)
    """Those of the performer's notes that sound, by pitch."""
    _grid: Grid = field(init=False)
    """(T, 3) or (T, 9, 3), the phrase as it was decoded."""
    _exact: Captured | None = None
    """The captured phrase that is played; None where it is the point's."""
    _kept: dict[int, Captured] = field(default_factory=dict)
    """The captured phrases that slots hold."""
    _joins: bool = False
    """The captured phrase begins at a bar line that has just passed: what it holds there is still to be played."""

    def __post_init__(self) -> None:
        self._take_up()

    def _take_up(self) -> None:
        """Begin with the model's first phrases."""
        self._bars = self._length()
        self._random, self._varying = Random(int(self.parameters["seed"])), Random(int(self.parameters["seed"]))
        space = self.model.space(self._bars)
        self.slots = {i + 1: np.array(p, np.float32) for i, p in enumerate(space.examples[:SLOTS])}
        self.point = self._anchor = self.slots[1].copy() if self.slots else np.zeros(space.size, np.float32)
        self.map = (self.model.axes[0], self.model.axes[1])
        self._exact, self._kept = None, {}
        self._stale = True

    def _length(self) -> int:
        wanted = int(self.parameters["bars"])
        self.model.space(wanted)
        return wanted

    # -- what the performer does ----------------------------------------------------------------------------

    def hear(self, beat: float, pitch: int, velocity: int, source: int = 0) -> list[Order]:
        """Remember a note of the performer (velocity 0 ends it), for `capture`."""
        if pitch in self._down:
            self._down.pop(pitch)[3] = beat
        if velocity:
            note = [beat, pitch, velocity, float("inf")]
            self._down[pitch] = note
            self._heard.append(note)
        return []

    def set_mode(self, mode: str, beat: float) -> list[Order]:
        if mode not in MODES:
            raise ValueError(f"mode: {mode!r}; {self.model.name} plays phrases and knows {', '.join(MODES)}")
        if mode == self.mode:
            return []
        before, self.mode = self.mode, mode
        if mode in ("loop", "free"):
            return self.start(beat) if before not in ("loop", "free") or not self.playing else []
        self.playing = False
        orders: list[Order] = [Recall(self.number, tick_of(beat)), *self._job_over()]
        return orders if mode == "hold" else [*orders, EndNotes(self.number)]

    def start(self, beat: float) -> list[Order]:
        """Play from the next beat on; `loop` if it had no mode."""
        if self.mode not in ("loop", "free"):
            self.mode = "loop"
        if not self.playing:
            self.playing, self._until = True, float("inf")
            self._next = ceil(beat + self.reaction - 1e-9) * STEPS_A_BEAT
            self._sent.clear()
            if self._exact is not None:
                self._begin_exact(self._exact, beat)
        return []

    def stop(self, beat: float) -> list[Order]:
        self.playing = False
        return [Recall(self.number, tick_of(beat)), EndNotes(self.number), *self._job_over()]

    def end_at(self, beat: float) -> None:
        """Play no longer than to a beat."""
        self._until = min(self._until, beat)

    def _job_over(self) -> list[Order]:
        """The job of `generate` is done, or was cut short."""
        job, self._job = self._job, 0
        return [Done(self.number, job, self._count)] if job else []

    def reset(self, beat: float) -> list[Order]:
        """Forget what was heard; the point and the slots stay."""
        self._heard.clear()
        self._down.clear()
        return self.stop(beat)

    def generate(self, beats: float, seed: int | None, job: int, beat: float) -> list[Order]:
        """A new phrase, drawn from the prior, for ``beats`` beats; then `Done`."""
        if seed is not None:
            self._random.seed(seed)
        drawn = self.model.draw(self._bars, self._random, min(1.5, float(self.parameters["temperature"])))
        self._put(drawn)
        orders = self.stop(beat)
        self.start(beat)
        self._until, self._job, self._count = self._next / STEPS_A_BEAT + beats, job, 0
        return orders

    def change(self, name: str, value: Any, beat: float) -> list[Order]:
        """Set a parameter, heard from the next sixteenth. ValueError for a value that cannot be."""
        before = self.parameters[name]
        self.parameters[name] = value
        try:
            if name in ("key", "scale", "chord"):
                self._allowed()
            if name == "bars":
                self._relength()
        except ValueError:
            self.parameters[name] = before
            raise
        if name == "seed":
            self._random.seed(value)
            self._varying.seed(value)
        self._stale = self._moved = True
        return []

    def swap(self, model: PhraseModel, beat: float) -> list[Order]:
        """Another phrase model from ``beat`` on, at its own first phrase."""
        orders: list[Order] = [Recall(self.number, tick_of(beat)), EndNotes(self.number)]
        self.model = model
        if int(self.parameters["bars"]) not in model.spaces:
            self.parameters["bars"] = model.bars[0]
        self._take_up()
        self._next = ceil(beat * STEPS_A_BEAT - 1e-6)
        self._sent.clear()
        return orders

    @property
    def parts(self) -> tuple[PartInfo, ...]:
        """Its one part."""
        return (PartInfo("drums" if self.model.drum else "melody", 0, self.model.drum),)

    def obey(self, beat: float) -> list[Order]:
        """The stage's harmony is another from ``beat`` on: the phrase is heard in it from the next sixteenth."""
        if not self.model.drum and self.harmony is not None and not self._own_harmony:
            self._stale = self._moved = True
        return []

    @property
    def hears_drums(self) -> bool:
        """Whether the performer is heard as a drummer."""
        return bool(self.model.drum)

    def set_metre(self, metre: Metre) -> None:
        """Count bars of another metre from now on."""
        if metre != self.metre:
            self.metre = metre
            self._moved = self.playing

    # -- the latent space -----------------------------------------------------------------------------------

    def move(self, what: str, values: Sequence[Any], beat: float) -> None:
        """One message of the latent space; ValueError names what is wrong with it. See `rnnmuse.protocol`."""
        acts: dict[str, Callable[..., None]] = {
            "latent": self._whole,
            "dimension": self._dimension,
            "axis": self._axis,
            "map": self._map,
            "xy": self._xy,
            "x": lambda x: self._xy(x, self.xy[1]),
            "y": lambda y: self._xy(self.xy[0], y),
            "store": self._store,
            "morph": self._morph,
            "vary": self._vary,
            "average": self._average,
            "restore": self._restore,
        }
        if what == "capture":
            self._capture(beat, *values)
        elif what == "recall":
            self._recall(beat, *values)
        elif what in acts:
            acts[what](*values)
        else:
            raise ValueError(f"latent: {what!r} is not known")

    def state(self) -> dict[str, Any]:
        """What getters answer: the point, the pad's place and map, where the point lies on each axis, the slots."""
        space = self.model.space(self._bars)
        return {
            "latent": [float(v) for v in self.point],
            "xy": self.xy,
            "map": self.map,
            "axes": {name: place_of(space, self.point, k) for k, name in enumerate(self.model.axes)},
            "slots": {slot: [float(v) for v in point] for slot, point in self.slots.items()},
            "captured": {slot: _told(kept) for slot, kept in self._kept.items()},
            "exact": _told(self._exact) if self._exact is not None else [],
        }

    def _restore(self, state: dict[str, Any]) -> None:
        """Be as `state` was told; another model's space is left alone."""
        size = self.model.space(self._bars).size
        if len(state["latent"]) != size or not set(state["map"]) <= {*self.model.axes, MAP_SLOTS, ""}:
            return
        self.slots = {int(slot): np.array(p, np.float32) for slot, p in state["slots"].items() if len(p) == size}
        self.map, self.xy = tuple(state["map"]), tuple(state["xy"])
        self._kept = {int(slot): _captured(told) for slot, told in state.get("captured", {}).items()}
        self._put(np.array(state["latent"], np.float32))
        if told := state.get("exact"):
            self._exact = _captured(told)

    def _put(self, point: Floats, anchor: bool = True) -> None:
        self.point = np.clip(np.asarray(point, np.float32), -FURTHEST, FURTHEST)
        if anchor:
            self._anchor = self.point
        self._exact = None
        self._stale = self._moved = True

    def _whole(self, *values: float) -> None:
        size = self.model.space(self._bars).size
        if len(values) != size:
            raise ValueError(f"latent: {len(values)} numbers; {self.model.name} takes {size} for {self._bars} bars")
        self._put(np.array(values, np.float32))

    def _dimension(self, index: int, value: float) -> None:
        size = self.model.space(self._bars).size
        if not 1 <= index <= size:
            raise ValueError(f"latent: dimension {index}; {self.model.name} has 1 to {size}")
        point = self.point.copy()
        point[index - 1] = value
        self._put(point)

    def _index(self, axis: str) -> int:
        if axis not in self.model.axes:
            raise ValueError(f"axis: {axis!r}; {self.model.name} has {', '.join(self.model.axes)}")
        return self.model.axes.index(axis)

    def _axis(self, axis: str, value: float) -> None:
        self._put(along(self.model.space(self._bars), self.point, {self._index(axis): value}))

    def _map(self, across: str, up: str = "") -> None:
        if across == MAP_SLOTS:
            self.map = (MAP_SLOTS, "")
            return
        if self._index(across) == self._index(up):
            raise ValueError(f"map: {across!r} twice; take two axes of {', '.join(self.model.axes)}, or slots")
        self.map = (across, up)
        self._anchor = self.point

    def _xy(self, x: float, y: float) -> None:
        """Where the finger is: among the stored phrases, or on two named axes from the phrase that was last set."""
        self.xy = (x, y)
        if self.map[0] == MAP_SLOTS:
            slots = sorted(self.slots)
            if not slots:
                raise ValueError("xy: no phrase is stored; store some, or choose axes with latent/map")
            self._put(over_pad(places(len(slots)), [self.slots[s] for s in slots], x, y), anchor=False)
            return
        wanted = {self._index(self.map[0]): x, self._index(self.map[1]): y}
        self._put(along(self.model.space(self._bars), self._anchor, wanted), anchor=False)

    def _slot(self, slot: int) -> Floats:
        if slot not in self.slots:
            known = ", ".join(map(str, sorted(self.slots))) or "none"
            raise ValueError(f"slot: {slot} is empty; stored are {known}")
        return self.slots[slot]

    def _store(self, slot: int) -> None:
        self.slots[slot] = self.point.copy()
        if self._exact is not None:
            self._kept[slot] = self._exact
        else:
            self._kept.pop(slot, None)

    def _recall(self, beat: float, slot: int) -> None:
        point = self._slot(slot)
        if slot in self._kept:
            self._take_exactly(self._kept[slot], point, beat)
        else:
            self._put(point)

    def _morph(self, a: int, b: int, t: float) -> None:
        self._put(slerp(self._slot(a), self._slot(b), t))

    def _vary(self, amount: float) -> None:
        allowed = self._allowed()
        self._put(varied_point(self.model, self.point, amount, self._varying, self._context(), allowed, self._bars))

    def _average(self, *slots: int) -> None:
        chosen = slots or tuple(sorted(self.slots))
        self._put(mean([self._slot(slot) for slot in chosen]))

    def prompt(self, notes: Sequence[Note], beat: float) -> list[Order]:
        """Take the first bars of ``notes`` as the phrase, as if the performer had played them."""
        length = self.metre.beats * self._bars
        self._heard.clear()
        self._heard.extend([n.start, n.pitch, n.velocity, n.end] for n in notes if n.start < length - 0.125)
        self._capture(beat)
        return []

    def phrase(self, slot: int = 0) -> list[Note]:
        """The notes of a stored phrase, of the point that it plays without a slot."""
        point = self._slot(slot) if slot else self.point
        grid = self.model.decode(point, self._context(), self._bars, allowed=self._allowed())
        return list((drum_notes if self.model.drum else melody_notes)(grid, 0.0))

    def _capture(self, beat: float, slot: int | None = None) -> None:
        """The performer's last bars, up to the bar line after the last note, as a point."""
        if not self._heard:
            raise ValueError("capture: nothing was played; play a phrase while the clock runs")
        last = max(note[0] for note in self._heard)
        # a note just before the bar line belongs to the next bar
        end = self.metre.next_bar(tick_of(last + 0.03 * self.metre.beats)) / PPQ
        length = self.metre.beats * self._bars
        notes = [
            Note(on - end + length, int(pitch), max(SHORTEST, min(off, end) - on), int(velocity))
            for on, pitch, velocity, off in self._heard
            if on >= end - length - 0.125
        ]
        grid, _ = (drum_grid if self.model.drum else melody_grid)(notes, self._bars)
        if attributes(grid)[0] == 0:
            raise ValueError(f"capture: no drum of the kit in the last {self._bars} bars")
        exact = Captured(_apart(notes, length), self._bars, self.metre.beats)
        self._take_exactly(exact, self.model.encode(grid, self._context()), beat)
        if slot is not None:
            self._store(slot)

    def _take_exactly(self, exact: Captured, point: Floats, beat: float) -> None:
        """Play a captured phrase from the next bar line on, or from one that has just passed."""
        stale = self._stale
        self._put(point)
        self._stale = stale or not self.playing  # until then the phrase before it is played
        self._begin_exact(exact, beat)

    def _begin_exact(self, exact: Captured, beat: float) -> None:
        number, within = self.metre.place(tick_of(beat))
        late = within > LATE * PPQ
        self._exact = replace(exact, origin=number + late)
        self._joins = not late
        if self.playing and not self._sent:  # it begins: not before its first bar
            first = self.metre.bar_start(tick_of(beat)) + late * self.metre.ticks
            self._next = max(ceil((beat + self.reaction) * STEPS_A_BEAT - 1e-6), ceil(first / STEP))

    def _relength(self) -> None:
        """The phrase in another length: repeated, or its first bars; slots likewise."""
        bars = self._length()
        if bars == self._bars:
            return

        def fitted(point: Floats) -> Floats:
            grid = self.model.decode(point, bars=self._bars)
            grid = np.concatenate([grid] * max(1, -(-bars // self._bars)))[: bars * BAR]
            return self.model.encode(grid)

        point, exact = fitted(self.point), self._exact
        self.slots = {slot: fitted(p) for slot, p in self.slots.items()}
        self._kept = {slot: kept.of_bars(bars) for slot, kept in self._kept.items()}
        self._bars = bars
        self._put(point)
        self._exact = exact.of_bars(bars) if exact is not None else None

    # -- what it plays --------------------------------------------------------------------------------------

    def advance(self, now: float, limit: int = 8) -> list[Order]:
        """Orders for what is due within AHEAD beats of ``now``."""
        orders: list[Order] = []
        if not self.playing:
            return orders
        if self._stale:
            self._decode()
        if self._moved:
            orders += self._again(now)
            self._moved = False
        if self._joins:
            orders += self._joined(now)
            self._joins = False
        while self._next < (now + AHEAD) * STEPS_A_BEAT:
            if self._next / STEPS_A_BEAT >= self._until:
                self.playing = False
                orders += [AllOff(self.number, tick_of(self._until)), *self._job_over()]
                break
            if self._breathes and self._place(self._next)[0] == 0:
                self._played_anew()  # a drummer plays no bar twice alike
            elif self._shared is not None and self._place(self._next)[0] == 0:
                self._decode()  # over the chords of this round
            for base, note in self._at(self._next):
                orders += self._plan(self._next, base, note)
            self._next += 1
        while self._sent and self._sent[0].off < tick_of(now - 4):
            self._sent.popleft()
        return orders

    def wake(self, now: float) -> float:
        """The beat at which `advance` has something to do."""
        if not self.playing:
            return float("inf")
        return now if self._moved else max(now, self._next / STEPS_A_BEAT - AHEAD)

    @property
    def patience(self) -> float:
        """Beats by which `advance` may come later than `wake` says."""
        return 0.0

    def prepare(self) -> None:
        """Nothing to compute ahead of a move."""

    @property
    def _breathes(self) -> bool:
        return self.model.groove is not None and bool(self.parameters["humanise"])

    def _decode(self) -> None:
        self._grid = self.model.decode(self.point, self._context(), self._bars, allowed=self._allowed())
        self._stale = False
        if self._breathes and not self._moved:
            self._played_anew()
        else:  # a move is heard at once, as the phrase has it; the drummer takes it up in the next round
            self._lay(self._grid)

    def _played_anew(self) -> None:
        """Timing and velocity as the groove model plays the hits this time."""
        assert self.model.groove is not None
        level = level_of(self._grid)
        human = levelled(self.model.groove.humanise(self._grid, self._random, self.tempo, level=level), level)
        self._lay(blended(self._grid, human, min(1.0, float(self.parameters["humanise"]))))

    def _lay(self, grid: Grid) -> None:
        p = self.parameters
        notes = (drum_notes if self.model.drum else melody_notes)(grid, float(p["humanise"]))
        self._notes = []
        for note in notes:
            pitch = note.pitch if self.model.drum else self._fitting(note.pitch)
            velocity = max(1, min(127, round(note.velocity * float(p["velocity"]))))
            step = floor(note.start * STEPS_A_BEAT + 0.5)
            self._notes.append((step, Note(note.start, pitch, note.duration, velocity)))

    def _at(self, step: int) -> list[tuple[float, Note]]:
        """The notes that begin at a sixteenth of the clock, and the beat that they are counted from."""
        number, within = self.metre.place(step * STEP)
        exact = self._exact
        if exact is not None and number >= exact.origin:
            bar = (number - exact.origin) % exact.bars
            base = (step * STEP - within) / PPQ - bar * exact.beats
            return [(base, note) for note in exact.at(bar, within // STEP)]
        place, bar_start = self._place(step)
        base = bar_start / PPQ - place // BAR * BAR / STEPS_A_BEAT
        return [(base, note) for at, note in self._notes if at == place]

    def _place(self, step: int) -> tuple[int, int]:
        """The phrase's step at a sixteenth of the clock, and the tick at which the phrase's bar has its step 0."""
        number, within = self.metre.place(step * STEP)
        at = within // STEP
        return number % self._bars * BAR + at % BAR, step * STEP - at % BAR * STEP

    def _plan(self, step: int, base: float, note: Note, earliest: int = 0) -> list[Order]:
        """Orders for a note of the phrase at a step; one that is early for its step waits for tick ``earliest``."""
        on, off = max(earliest, tick_of(base + note.start)), tick_of(base + note.start + note.duration)
        exact = self._exact is not None and self.metre.place(step * STEP)[0] >= self._exact.origin
        if self.metre.beats != BAR / STEPS_A_BEAT and not exact:  # the bar is cut: so is a note that would sound on
            off = min(off, self.metre.next_bar(step * STEP))
        sounding = [s for s in self._sent if s.pitch == note.pitch and s.on < on < s.off] if not self.model.drum else []
        if sounding:  # the same pitch still sounds: the new note follows when it ends
            on = max(s.off for s in sounding)
            if off - on < tick_of(SHORTEST if exact else 0.2):
                return []
        velocity = note.velocity
        if exact:
            velocity = max(1, min(127, round(velocity * float(self.parameters["velocity"]))))
        self._sent.append(_Sent(step, on, max(off, on + 1), note.pitch, velocity))
        self._count += 1
        return self._played(self._sent[-1])

    def _joined(self, now: float) -> list[Order]:
        """What a captured phrase has begun since its first bar line, which has just passed: the rest of it."""
        exact, at = self._exact, now + self.reaction
        if exact is None:
            return []
        number, within = self.metre.place(tick_of(at))
        base = at - within / PPQ
        step = ceil(at * STEPS_A_BEAT - 1e-6)
        if number != exact.origin:
            return []
        orders: list[Order] = []
        planned = {(s.pitch, s.on) for s in self._sent}
        for note in exact.notes:
            bar, after = exact.place(note)
            begun = not bar and tick_of(base) // STEP + after < step
            if begun and (note.pitch, tick_of(base + note.start)) not in planned:
                orders += self._plan(step, base, note, tick_of(at))
        return orders

    def _played(self, sent: _Sent) -> list[Order]:
        begin = NoteOn(self.number, sent.on, sent.pitch, sent.velocity, 0, self.model.drum)
        return [begin] if self.model.drum else [begin, NoteOff(self.number, sent.off, sent.pitch)]

    def _again(self, now: float) -> list[Order]:
        """Take back what is planned from the next sixteenth on; play on from there with the phrase as it is now."""
        at = now + self.reaction
        step = ceil(at * STEPS_A_BEAT - 1e-6)
        if step >= self._next:  # nothing was planned beyond it
            return []
        recall = tick_of(at)
        orders: list[Order] = [Recall(self.number, recall)]
        begun = [s for s in self._sent if s.on < recall]
        late = [s for s in self._sent if s.on >= recall and s.step < step]  # of the sixteenth that is sounding
        for sent in late:
            orders += self._played(sent)
        self._sent = deque(begun + late)
        early = {s.pitch for s in begun if s.step >= step}  # struck before its sixteenth, by the phrase before
        for base, note in self._at(step):
            if not early or ((self.model.drum or self._exact is not None) and note.pitch not in early):
                orders += self._plan(step, base, note, recall)
        start = step / STEPS_A_BEAT
        if (
            self._exact is None
            and not self.model.drum
            and not early
            and not any(s.off > tick_of(start) for s in self._sent)
        ):
            orders += self._held(step)
        self._next = step + 1
        return orders

    def _held(self, step: int) -> list[Order]:
        """What is left of a note that the phrase holds at ``step``, so that a move is heard at once."""
        at, bar_start = self._place(step)
        place, base = at / STEPS_A_BEAT, bar_start / PPQ - at // BAR * BAR / STEPS_A_BEAT
        for _, note in self._notes:
            if note.start < place - 1e-6 and note.end >= place + 0.25 - 1e-6:
                return self._plan(step, base, Note(place, note.pitch, note.end - place, note.velocity))
        return []

    # -- rules ----------------------------------------------------------------------------------------------

    @property
    def _own_harmony(self) -> bool:
        return bool(self.parameters["key"] or self.parameters["scale"] or self.parameters["chord"])

    @property
    def _shared(self) -> Harmony | None:
        """The stage's harmony, where it is given and the player has none of its own."""
        shared = self.harmony
        if shared is None or self.model.drum or self._own_harmony:
            return None
        return shared if shared.key is not None or shared.at(self._next / STEPS_A_BEAT).given else None

    def _context(self) -> Grid:
        """Key and chord of the parameters, or of the stage where the phrase is played next, at each step."""
        piece = Piece()
        if (shared := self._shared) is not None:
            start = (self._next - self._place(self._next)[0]) / STEPS_A_BEAT
            keys, chords = shared.maps(max(0.0, start), self._bars * BAR / STEPS_A_BEAT)
            piece.keys, piece.chords = keys, [replace(c, beat=c.beat - max(0.0, start)) for c in chords]
            return context_grid(piece, 0.0, self._bars)
        if self.parameters["key"]:
            piece.keys = [parse_key(self.parameters["key"])]
        if self.parameters["scale"]:
            key = piece.keys[-1] if piece.keys else Key(0.0, 0)
            scale_pitch_classes(key.tonic, self.parameters["scale"])
        if self.parameters["chord"]:
            parse_chord(self.parameters["chord"])
            piece.chords = [ChordSymbol(0.0, self.parameters["chord"])]
        return context_grid(piece, 0.0, self._bars)

    def _allowed(self) -> Mask | None:
        """The pitches that key, scale and chord leave at each step; None without them, and of drums."""
        p = self.parameters
        if (shared := self._shared) is not None:
            return playable(self._context(), self._scale_of(shared))
        if self.model.drum or not self._own_harmony:
            return None
        scale = None
        if p["key"] or p["scale"]:
            key = parse_key(p["key"]) if p["key"] else Key(0.0, 0)
            scale = scale_pitch_classes(key.tonic, p["scale"] or ("minor" if key.minor else "major"))
        return playable(self._context(), scale)

    def _scale_of(self, harmony: Harmony) -> frozenset[int] | None:
        """The scale of the key that is given to the stage; None without one."""
        key = harmony.key
        return None if key is None else scale_pitch_classes(key.tonic, "minor" if key.minor else "major")

    def _fitting(self, pitch: int) -> int:
        """The nearest pitch in the scale, in the octave that fits the range."""
        p = self.parameters
        if p["key"] or p["scale"]:
            key = parse_key(p["key"]) if p["key"] else Key(0.0, 0)
            scale = scale_pitch_classes(key.tonic, p["scale"] or ("minor" if key.minor else "major"))
            pitch = min(
                range(max(0, pitch - 6), min(128, pitch + 7)), key=lambda q: (q % 12 not in scale, abs(q - pitch))
            )
        low, high = int(p["low"]), int(p["high"])
        while pitch > high and pitch - 12 >= low:
            pitch -= 12
        while pitch < low and pitch + 12 <= high:
            pitch += 12
        return max(low, min(high, pitch)) if low <= high else pitch


def places(count: int) -> list[tuple[float, float]]:
    """Where so many stored phrases lie on the pad: alone in the middle, two side by side, more in rows of a square."""
    if count == 1:
        return [(0.5, 0.5)]
    columns = ceil(count**0.5)
    rows = ceil(count / columns)
    out = []
    for index in range(count):
        row, column = divmod(index, columns)
        width = min(columns, count - row * columns)
        x = 0.5 if width == 1 else column / (width - 1)
        out.append((x, 0.5 if rows == 1 else row / (rows - 1)))
    return out


def _apart(notes: Sequence[Note], length: float) -> tuple[Note, ...]:
    """The notes of a loop of so many beats, each ended where its pitch begins again, in the next turn too."""
    out = []
    for note in sorted(notes):
        again = [n.start + turn * length for turn in (0, 1) for n in notes if n.pitch == note.pitch]
        following = min((at for at in again if at > note.start + 1e-6), default=float("inf"))
        out.append(replace(note, duration=max(SHORTEST / 2, min(note.duration, following - note.start))))
    return tuple(out)


def _told(captured: Captured) -> list[float]:
    """A captured phrase as numbers: bars, beats of a bar, origin, then each note's start, pitch, length, velocity."""
    notes = [float(v) for n in captured.notes for v in (n.start, n.pitch, n.duration, n.velocity)]
    return [float(captured.bars), captured.beats, float(captured.origin), *notes]


def _captured(told: Sequence[float]) -> Captured:
    """The inverse of `_told`."""
    rows = zip(*(told[3 + i :: 4] for i in range(4)), strict=True)
    notes = tuple(Note(start, int(pitch), duration, int(velocity)) for start, pitch, duration, velocity in rows)
    return Captured(notes, int(told[0]), told[1], int(told[2]))
