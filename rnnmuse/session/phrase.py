"""A live player of a phrase model: it loops the phrase at a point of the latent space that moves.

A move is heard from the next sixteenth: notes planned from there on are recalled and planned again from the new phrase;
notes that sound keep their end. Many moves between two sixteenths cost one decoding. Beats are the stage's. The phrase
begins at a bar line, and a multiple of its length after the first one; in a metre whose bars are not four beats long,
each of its bars is cut short or begun again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil, floor
from random import Random
from typing import Any

import numpy as np

from rnnmuse.clock import COMMON, PPQ, Metre
from rnnmuse.events import Note
from rnnmuse.models.groove import blended, level_of
from rnnmuse.models.latent import Floats, along, mean, neighbour, over_pad, place_of, slerp
from rnnmuse.models.phrase import PhraseModel
from rnnmuse.music.attributes import attributes
from rnnmuse.music.phrases import (
    BAR,
    STEPS_A_BEAT,
    Grid,
    context_grid,
    drum_grid,
    drum_notes,
    melody_grid,
    melody_notes,
)
from rnnmuse.music.piece import ChordSymbol, Key, Piece
from rnnmuse.music.theory import parse_chord, parse_key, scale_pitch_classes
from rnnmuse.protocol import PARAMETERS, SLOTS
from rnnmuse.session.messages import AllOff, Done, EndNotes, NoteOff, NoteOn, Order, PartInfo, Recall
from rnnmuse.session.stream import AHEAD, REACTION, tick_of

MODES = ("off", "free", "hold", "loop")
MAP_SLOTS = "slots"
FURTHEST = 8.0  # a coordinate of a point, in standard deviations
HEARD = 4096  # notes of the performer that are kept
STEP = PPQ // STEPS_A_BEAT
"""Clock ticks in a sixteenth."""


@dataclass(slots=True)
class _Sent:
    step: int
    on: int
    off: int
    pitch: int
    velocity: int


@dataclass(slots=True)
class PhrasePlayer:
    """Player ``number`` (1-16) of a stage, with a phrase model.

    Modes: ``loop`` and ``free`` play the phrase round and round, ``hold`` lets its last notes ring, ``off`` is silent.
    ``slots`` (1-16) hold points; at first the model's own examples. Of the parameters it obeys ``key``, ``scale``,
    ``chord``, ``low``, ``high``, ``velocity``, ``humanise``, ``bars``, ``seed`` and, for how far a new phrase is
    drawn from the middle, ``temperature``.
    """

    number: int
    model: PhraseModel
    mode: str = "off"
    parameters: dict[str, Any] = field(default_factory=lambda: {name: row[1] for name, row in PARAMETERS.items()})
    tempo: float = 120.0
    metre: Metre = COMMON
    reaction: float = REACTION
    playing: bool = False
    point: Floats = field(init=False)
    slots: dict[int, Floats] = field(init=False)
    xy: tuple[float, float] = (0.5, 0.5)
    map: tuple[str, str] = ("", "")
    _bars: int = field(init=False)
    _anchor: Floats = field(init=False)
    _random: Random = field(init=False)
    _notes: list[tuple[int, Note]] = field(default_factory=list)
    _stale: bool = True
    _moved: bool = False
    _next: int = 0
    _until: float = float("inf")
    _job: int = 0
    _count: int = 0
    _sent: deque[_Sent] = field(default_factory=deque)
    _heard: deque[list[float]] = field(default_factory=lambda: deque(maxlen=HEARD))
    _down: dict[int, list[float]] = field(default_factory=dict)
    _grid: Grid = field(init=False)

    def __post_init__(self) -> None:
        self._take_up()

    def _take_up(self) -> None:
        """Begin with the model's first phrases."""
        self._bars = self._length()
        self._random = Random(int(self.parameters["seed"]))
        space = self.model.space(self._bars)
        self.slots = {i + 1: np.array(p, np.float32) for i, p in enumerate(space.examples[:SLOTS])}
        self.point = self._anchor = self.slots[1].copy() if self.slots else np.zeros(space.size, np.float32)
        self.map = (self.model.axes[0], self.model.axes[1])
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
        return []

    def stop(self, beat: float) -> list[Order]:
        self.playing = False
        return [Recall(self.number, tick_of(beat)), EndNotes(self.number), *self._job_over()]

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
                self._context()
            if name == "bars":
                self._relength()
        except ValueError:
            self.parameters[name] = before
            raise
        if name == "seed":
            self._random.seed(value)
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
            "recall": self._recall,
            "morph": self._morph,
            "vary": self._vary,
            "average": self._average,
            "restore": self._restore,
        }
        if what == "capture":
            self._capture(beat, *values)
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
        }

    def _restore(self, state: dict[str, Any]) -> None:
        """Be as `state` was told; another model's space is left alone."""
        size = self.model.space(self._bars).size
        if len(state["latent"]) != size or not set(state["map"]) <= {*self.model.axes, MAP_SLOTS, ""}:
            return
        self.slots = {int(slot): np.array(p, np.float32) for slot, p in state["slots"].items() if len(p) == size}
        self.map, self.xy = tuple(state["map"]), tuple(state["xy"])
        self._put(np.array(state["latent"], np.float32))

    def _put(self, point: Floats, anchor: bool = True) -> None:
        self.point = np.clip(np.asarray(point, np.float32), -FURTHEST, FURTHEST)
        if anchor:
            self._anchor = self.point
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

    def _recall(self, slot: int) -> None:
        self._put(self._slot(slot))

    def _morph(self, a: int, b: int, t: float) -> None:
        self._put(slerp(self._slot(a), self._slot(b), t))

    def _vary(self, amount: float) -> None:
        self._put(neighbour(self.point, amount, self._random))

    def _average(self, *slots: int) -> None:
        chosen = slots or tuple(sorted(self.slots))
        self._put(mean([self._slot(slot) for slot in chosen]))

    def _capture(self, beat: float, slot: int | None = None) -> None:
        """The performer's last bars, up to the bar line after the last note, as a point."""
        if not self._heard:
            raise ValueError("capture: nothing was played; play a phrase while the clock runs")
        last = max(note[0] for note in self._heard)
        # a note just before the bar line belongs to the next bar
        end = self.metre.next_bar(tick_of(last + 0.03 * self.metre.beats)) / PPQ
        start = end - self.metre.beats * self._bars
        notes = [
            Note(on - start, int(pitch), max(0.05, min(off, beat, end) - on), int(velocity))
            for on, pitch, velocity, off in self._heard
            if on >= start - 0.125
        ]
        grid, _ = (drum_grid if self.model.drum else melody_grid)(notes, self._bars)
        if attributes(grid)[0] == 0:
            raise ValueError(f"capture: no drum of the kit in the last {self._bars} bars")
        self._put(self.model.encode(grid, self._context()))
        if slot is not None:
            self._store(slot)

    def _relength(self) -> None:
        """The phrase in another length: repeated, or its first bars; slots likewise."""
        bars = self._length()
        if bars == self._bars:
            return

        def fitted(point: Floats) -> Floats:
            grid = self.model.decode(point, bars=self._bars)
            grid = np.concatenate([grid] * max(1, -(-bars // self._bars)))[: bars * BAR]
            return self.model.encode(grid)

        point = fitted(self.point)
        self.slots = {slot: fitted(p) for slot, p in self.slots.items()}
        self._bars = bars
        self._put(point)

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
        while self._next < (now + AHEAD) * STEPS_A_BEAT:
            if self._next / STEPS_A_BEAT >= self._until:
                self.playing = False
                orders += [AllOff(self.number, tick_of(self._until)), *self._job_over()]
                break
            place, _ = self._place(self._next)
            if place == 0 and self._breathes:
                self._played_anew()  # a drummer plays no bar twice alike
            for note in self._at(place):
                orders += self._plan(self._next, note)
            self._next += 1
        while self._sent and self._sent[0].off < tick_of(now - 4):
            self._sent.popleft()
        return orders

    def wake(self, now: float) -> float:
        """The beat at which `advance` has something to do."""
        if not self.playing:
            return float("inf")
        return now if self._moved else max(now, self._next / STEPS_A_BEAT - AHEAD)

    def prepare(self) -> None:
        """Nothing to compute ahead of a move."""

    @property
    def _breathes(self) -> bool:
        return self.model.groove is not None and bool(self.parameters["humanise"])

    def _decode(self) -> None:
        self._grid = self.model.decode(self.point, self._context(), self._bars)
        self._stale = False
        if self._breathes and not self._moved:
            self._played_anew()
        else:  # a move is heard at once, as the phrase has it; the drummer takes it up in the next round
            self._lay(self._grid)

    def _played_anew(self) -> None:
        """Timing and velocity as the groove model plays the hits this time."""
        assert self.model.groove is not None
        human = self.model.groove.humanise(self._grid, self._random, self.tempo, level=level_of(self._grid))
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

    def _at(self, step: int) -> list[Note]:
        return [note for at, note in self._notes if at == step]

    def _place(self, step: int) -> tuple[int, int]:
        """The phrase's step at a sixteenth of the clock, and the tick at which the phrase's bar has its step 0."""
        number, within = self.metre.place(step * STEP)
        at = within // STEP
        return number % self._bars * BAR + at % BAR, step * STEP - at % BAR * STEP

    def _plan(self, step: int, note: Note, earliest: int = 0) -> list[Order]:
        """Orders for a note of the phrase at a step; one that is early for its step waits for tick ``earliest``."""
        place, bar_start = self._place(step)
        base = bar_start / PPQ - place // BAR * BAR / STEPS_A_BEAT
        on, off = max(earliest, tick_of(base + note.start)), tick_of(base + note.start + note.duration)
        if self.metre.beats != BAR / STEPS_A_BEAT:  # the bar is cut: so is a note that would sound on
            off = min(off, self.metre.next_bar(step * STEP))
        sounding = [s for s in self._sent if s.pitch == note.pitch and s.on < on < s.off] if not self.model.drum else []
        if sounding:  # the same pitch still sounds: the new note follows when it ends
            on = max(s.off for s in sounding)
            if off - on < tick_of(0.2):
                return []
        self._sent.append(_Sent(step, on, off, note.pitch, note.velocity))
        self._count += 1
        return self._played(self._sent[-1])

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
        for note in self._at(self._place(step)[0]):
            if not early or (self.model.drum and note.pitch not in early):
                orders += self._plan(step, note, recall)
        start = step / STEPS_A_BEAT
        if not self.model.drum and not early and not any(s.off > tick_of(start) for s in self._sent):
            orders += self._held(step)
        self._next = step + 1
        return orders

    def _held(self, step: int) -> list[Order]:
        """What is left of a note that the phrase holds at ``step``, so that a move is heard at once."""
        place = self._place(step)[0] / STEPS_A_BEAT
        for _, note in self._notes:
            if note.start < place - 1e-6 and note.end >= place + 0.25 - 1e-6:
                return self._plan(step, Note(place, note.pitch, note.end - place, note.velocity))
        return []

    # -- rules ----------------------------------------------------------------------------------------------

    def _context(self) -> Grid:
        """Key and chord of the parameters at each step."""
        piece = Piece()
        if self.parameters["key"]:
            piece.keys = [parse_key(self.parameters["key"])]
        if self.parameters["scale"]:
            key = piece.keys[-1] if piece.keys else Key(0.0, 0)
            scale_pitch_classes(key.tonic, self.parameters["scale"])
        if self.parameters["chord"]:
            parse_chord(self.parameters["chord"])
            piece.chords = [ChordSymbol(0.0, self.parameters["chord"])]
        return context_grid(piece, 0.0, self._bars)

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
