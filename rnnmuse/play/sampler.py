"""The loop that plays a stream model: hear the music so far, then draw event after event within the rules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from math import exp, log
from random import Random
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.sampling import Mask, check, sample
from rnnmuse.models.stream import START_EVENT, Distribution, State, StreamModel
from rnnmuse.music.codec import (
    ACTIVE,
    BAR_BEAT,
    BAR_LENGTH,
    BAR_SUB,
    BEATS,
    DENSITY,
    ECHO,
    ECHO_REST,
    GRID,
    KIND,
    MAX_WAIT,
    MICROTIME,
    MOST_ACTIVE,
    OFF,
    ON,
    PART,
    PITCH,
    PLANNED,
    QUALITY,
    ROOT,
    SUB,
    UNKNOWN,
    VELOCITY,
    context_of,
    density_class,
)
from rnnmuse.music.echo import EXACT, lag_of
from rnnmuse.music.piece import Piece
from rnnmuse.play import guard
from rnnmuse.play.guard import Guard
from rnnmuse.play.harmony import Harmony
from rnnmuse.play.limits import Constraints, Rules
from rnnmuse.play.plan import KEPT, Plan
from rnnmuse.play.recollection import LEAST, ORDER, Recollection, recalled
from rnnmuse.play.restated import AROUND, DRAWN, EARLY, Due, Restated

Event = tuple[int, ...]
STEER = 0.6
"""How much of the distance to the density that is asked for is corrected a bar."""
STEEPEST = 6.0
HASTE = 2.0
"""Nats a beat by which waits are shorter for the density of the plan's outline at most."""
ORIGINAL = 0.5
"""The fader of `rnnmuse.play.guard` where none is given: runs of 16 notes are too long."""
ASKED = 4
"""Times that the model is asked for an event of the parts that do not play a bar again."""
ON_THE_GRID = 10
"""The class of micro-timing that is on the grid."""
LIMBS = 4
"""Drum strokes at one time: a drummer has two hands and two feet."""
SILENT_BARS = 2
"""Bars of silence after which a part that is to play is drawn more often."""
LONGEST_PAUSE = 1.5
"""Bars after which a part that the plan's outline has play, and that is silent, begins a note."""
BUSY = 3
"""The density class from which on that holds."""
DUE = 8.0
"""Nats by which such a part is drawn more."""
TONES = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 4, 7, 11), (0, 3, 7, 10), (0, 3, 6), (0, 4, 8), (0, 5, 7))
"""The tones of each of `rnnmuse.music.theory.QUALITIES`, from the root."""
ECHOED = 0.5
"""Share of a model's ``restate`` by which what began in the restated bar is drawn more."""
RESTING = 8
"""Beats of rest after which a part is no longer kept from beginning where the restated bar has no note of it."""
NEAR = 1
"""Grid steps by which a restated note may be early or late."""
STEP, ONWARD = 2, 4
"""Semitones of a step, and of a move on in the line's direction, at most."""
REGISTER = 24
"""Notes of a part whose mean is its register."""
_BLOCK = 8 * GRID
_PITCHES = np.arange(128, dtype=np.float32)
_WAITS = np.arange(32, dtype=np.float32)
_PLACES = np.arange(GRID, dtype=np.float32) / GRID


class Habits(TypedDict):
    """Fields of `rnnmuse.play.limits.Constraints` that a model sets for itself."""

    clash: float
    register: float
    again: float
    stepwise: float


class Frame:
    """Context rows along a piece's maps, with the ``plan`` of its bars.

    ``density`` (note-ons a beat) is asked for all along where it is given. ``harmony`` is that of a stage, in place of
    the piece's keys and chords.
    """

    def __init__(
        self,
        piece: Piece,
        density: float | None = None,
        plan: Plan | None = None,
        harmony: Harmony | None = None,
    ) -> None:
        self.piece, self.density, self.plan, self.harmony = piece, density, plan, harmony
        self._class = UNKNOWN[DENSITY] if density is None else density_class(density)
        self._blocks: dict[int, list[list[int]]] = {}
        first = piece.metre_at(0.0).bar_beats
        self._bars = [round((piece.pickup - first) * GRID) if 0 < piece.pickup < first else 0]
        self._gone = 0  # bars before the first of `_bars`

    def at(self, grid: int) -> list[int]:
        """The context (13 classes) at a grid position."""
        block = grid // _BLOCK
        if block not in self._blocks:
            grids = np.arange(block * _BLOCK, (block + 1) * _BLOCK)
            if self.harmony is not None:
                self.piece.keys, self.piece.chords = self.harmony.maps(block * _BLOCK / GRID, _BLOCK / GRID)
            rows = context_of(self.piece, grids)
            rows[:, DENSITY] = self._class
            if self.plan is not None:
                last = self.bar_of(int(grids[-1]))
                bars = np.maximum(np.searchsorted(self._bars, grids, side="right") - 1, 0) + self._gone
                planned = np.array([self.plan.row(bar) for bar in range(bars[0], last + 1)], np.int16)
                rows[:, PLANNED] = planned[bars - bars[0]]
                if self.plan.home is not None:
                    self._outline(rows, bars, last)
            self._blocks = {block: rows.tolist()}
        return self._blocks[block][grid % _BLOCK]

    def _outline(self, rows: NDArray[np.int16], bars: NDArray[np.int64], last: int) -> None:
        """Put the plan's outline into context rows, where density and chords are not given."""
        assert self.plan is not None
        outline = np.array([self.plan.outline(bar) for bar in range(bars[0], last + 1)], np.int16)[bars - bars[0]]
        if self.density is None:
            rows[:, DENSITY] = outline[:, 0]
        free = rows[:, ROOT] == UNKNOWN[ROOT]
        half = (rows[:, BAR_BEAT] * GRID + rows[:, BAR_SUB]) * 4 >= rows[:, BAR_LENGTH] * GRID
        chords = np.where(half[:, None], outline[:, 4:6], outline[:, 2:4])
        rows[np.ix_(free, (ROOT, QUALITY))] = chords[free]

    def bar_of(self, grid: int) -> int:
        """The bar that a grid position is in, counted from 0."""
        while self._bars[-1] <= grid:
            beat = self._bars[-1] / GRID
            length = self.piece.metre_at(max(0.0, beat)).bar_beats
            changes = (m.beat for m in self.piece.metres if m.beat > max(0.0, beat) + 1e-6)
            self._bars.append(round(min(beat + length, *changes, beat + length) * GRID))
            if len(self._bars) >= 2 * KEPT:
                self._gone += len(self._bars) - KEPT
                del self._bars[:-KEPT]
        return self._gone + bisect_right(self._bars, grid) - 1

    def bar_start(self, bar: int) -> int:
        """The grid position at which a bar begins."""
        while self._gone + len(self._bars) <= bar:
            self.bar_of(self._bars[-1])
        return self._bars[max(0, bar - self._gone)]

    def refresh(self) -> None:
        """The harmony is another from now on."""
        self._blocks = {}

    def ask(self, notes_per_beat: float) -> None:
        """Ask for another density from now on."""
        asked = density_class(notes_per_beat)
        if asked != self._class:
            self._class = asked
            self._blocks = {}


@dataclass(frozen=True, slots=True)
class Recall:
    """A memory of the performer's lines, the part that draws on it, and how much: ``share`` 0 to 1."""

    memory: Recollection
    """What was heard."""
    part: int
    """Index of the part class."""
    share: float


class Step(NamedTuple):
    """The arguments of `StreamModel.step`."""

    state: State
    event: Event
    context: Sequence[int]
    grid: int
    restate: float


@dataclass(frozen=True, slots=True)
class Saved:
    """A player's place in the music, as `Player.save` gives it."""

    grid: int
    """Position in 24ths of a beat."""
    micro: int
    """Micro-timing class of the last event, 0 to 20; 10 is on the grid."""
    state: State
    """The model's state."""
    started: dict[tuple[int, int], int]
    """Grid position at which each sounding note began, by part and pitch."""
    foreign: frozenset[tuple[int, int]]
    """Part and pitch of the notes that others let sound."""
    expected: Distribution | None
    """What the model expects next; None before it was asked."""
    previous: tuple[Event, Sequence[int]] | None
    """The last event with its context row, while the model has not read it."""
    onsets: tuple[int, ...]
    """Grid positions of note-ons, 256 at most."""
    struck: frozenset[tuple[int, int]]
    """Part and pitch of what began at this position."""
    heard: tuple[int, ...]
    """Grid position of the last note-on of each part class."""
    tilt: float
    """How much shorter waits are drawn."""
    guard: guard.Saved = field(default_factory=dict)
    """Places of the lines that are guarded."""
    line: tuple[int, ...] = ()
    """The last MIDI notes of the recalled part."""
    recent: tuple[tuple[int, ...], ...] = ()
    """The last MIDI notes of each part class."""
    played: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    """Pitches by part and grid position."""
    begun: tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...] = ()
    """Where each part class began notes last, their pitches, and those before."""
    moves: tuple[int, ...] = ()
    """Semitones of each part's last move before that to its last onset."""
    restated: Restated = field(default_factory=Restated)
    """What is settled of the bar that is played."""


@dataclass(slots=True)
class Player:
    """One model at one place in the music. `hear` what was played, `next` what to play.

    ``grid`` is the position reached, in 24ths of a beat; ``started`` when each of its sounding notes began;
    ``foreign`` what others let sound.
    """

    model: StreamModel
    """Gives the probabilities."""
    frame: Frame
    """Gives the context of each position."""
    rules: Rules
    """What may be played."""
    random: Random
    """Draws the events."""
    temperature: float = 1.0
    """Of the draw."""
    top_p: float = 1.0
    """Above 0 to 1: the likeliest classes of this probability together are drawn from."""
    grid: int = 0
    micro: int = 0
    """Micro-timing class of the last event, 0 to 20; 10 is on the grid."""
    original: float = ORIGINAL
    """How far runs of the training corpus are kept out, 0 to 1."""
    guard: Guard | None = field(init=False)
    """Keeps it from repeating the training corpus; None for a model without an index of it."""
    state: State = field(init=False)
    """The model's state after what it has read."""
    started: dict[tuple[int, int], int] = field(default_factory=dict)
    foreign: set[tuple[int, int]] = field(default_factory=set)
    recall: Recall | None = None
    """What is remembered of the performer's lines, and for which part; see `rnnmuse.play.recollection`."""
    _line: list[int] = field(default_factory=list)
    """The last MIDI notes of the part that recalls."""
    _expected: Distribution | None = None
    """What the model expects next; None before it was asked."""
    _previous: tuple[Event, Sequence[int]] | None = None
    """The last event with its context row, while the model has not read it."""
    _onsets: list[int] = field(default_factory=list)
    """Grid positions of note-ons, up to 512."""
    _struck: set[tuple[int, int]] = field(default_factory=set)
    """Part and pitch of what began at this position."""
    _heard: list[int] = field(default_factory=list)
    """When each part class last began a note."""
    _recent: list[tuple[int, ...]] = field(default_factory=list)
    """The last REGISTER notes of each part class."""
    _begun: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = field(default_factory=list)
    """Of each part class where it began notes last, their pitches, and those that it began before."""
    _played: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    """Pitches by part and grid position, where the plan's outline is used."""
    _moves: list[int] = field(default_factory=list)
    """Semitones of each part's last move before that to its last onset."""
    _restated: Restated = field(default_factory=Restated)
    """What is settled of the bar that is played, where the plan has parts play bars again."""
    _tilt: float = 0.0
    """How much shorter waits are drawn than the model would, for the density that is asked for."""

    def __post_init__(self) -> None:
        check(self.temperature, self.top_p)
        index = self.model.corpus
        self.guard = None if index is None else Guard(index, self.model.drums, self.original)
        self._heard = [self.grid] * len(self.model.parts)
        self._recent = [()] * len(self.model.parts)
        self._begun = [(-1, (), ())] * len(self.model.parts)
        self._moves = [0] * len(self.model.parts)
        self.at(self.grid)

    def at(self, grid: int) -> None:
        """Begin at a grid position, before anything is heard."""
        self.grid = grid
        self.state = self.model.start(grid)
        self._heard = [grid] * len(self.model.parts)
        self._previous = (START_EVENT, self.frame.at(grid))

    def hear(self, event: Event) -> None:
        """Take ``event`` (seven classes) as played."""
        self._expect()
        self._take(event, own=False)

    def listen(self, event: Event) -> None:
        """Take ``event`` as played by somebody else, whose notes are not ours to end."""
        own, key = dict(self.started), (event[PART], event[PITCH])
        self.hear(event)
        self.started = own
        if event[KIND] == ON and key[0] != self.model.drums:
            self.foreign.add(key)
        else:
            self.foreign.discard(key)

    def prepare(self) -> None:
        """Step the model over what it has taken, so that the next `hear` or `next` need not."""
        self._expect()

    @property
    def step(self) -> Step | None:
        """The step of the model that `prepare` would take; None where it has none to take."""
        if self._previous is None:
            return None
        return Step(self.state, *self._previous, self.grid, 0.0 if self.frame.plan is None else self.model.restate)

    def stepped(self, expected: Distribution, state: State) -> None:
        """Take what the model made of `step`."""
        self._expected, self.state, self._previous = expected, state, None

    def save(self) -> Saved:
        """Everything that `hear`, `listen` and `next` change, for `restore`."""
        return Saved(
            self.grid,
            self.micro,
            self.state,
            dict(self.started),
            frozenset(self.foreign),
            self._expected,
            self._previous,
            tuple(self._onsets[-256:]),
            frozenset(self._struck),
            tuple(self._heard),
            self._tilt,
            {} if self.guard is None else self.guard.save(),
            tuple(self._line),
            tuple(self._recent),
            {key: list(pitches) for key, pitches in self._played.items()},
            tuple(self._begun),
            tuple(self._moves),
            self._restated.copy(),
        )

    def restore(self, saved: Saved) -> None:
        """Go back to a saved place, as if nothing had been played since."""
        self.grid, self.micro, self.state = saved.grid, saved.micro, saved.state
        self.started, self.foreign = dict(saved.started), set(saved.foreign)
        self._expected, self._previous = saved.expected, saved.previous
        self._onsets, self._struck = list(saved.onsets), set(saved.struck)
        self._heard, self._tilt, self._line = list(saved.heard), saved.tilt, list(saved.line)
        self._recent = list(saved.recent)
        self._begun, self._moves = list(saved.begun), list(saved.moves)
        self._played = {key: list(pitches) for key, pitches in saved.played.items()}
        self._restated = saved.restated.copy()
        if self.guard is not None:
            self.guard.restore(saved.guard)

    def next(
        self, earliest: int, end: int, at: int | None = None, pitches: Collection[int] | None = None
    ) -> Event | None:
        """Draw the next event at or after grid position ``earliest``; None if it would fall at or after ``end``.

        ``at`` gives the time: a note-on at that grid position, if the rules let one start; ``pitches`` gives its
        pitch, as one or several of which one is drawn. Nothing is lost by a None: the same distribution is drawn
        from when asked again.
        """
        if at is None and pitches is None and self._restates():
            return self._next_of_bars(earliest, end)
        event = self._next(earliest, end, at, pitches)
        if event is not None:
            self._take(event)
        return event

    def _next(
        self, earliest: int, end: int, at: int | None = None, pitches: Collection[int] | None = None
    ) -> Event | None:
        """The next event, which is not taken yet."""
        deadline = self._deadline()
        # the music may have gone on beyond a deadline while nothing could begin
        last = MAX_WAIT + self.grid if deadline is None or deadline >= end else max(deadline, earliest, self.grid)
        if at is not None:
            earliest = last = max(at, self.grid)
        if end <= earliest:
            return None
        return self._draw(earliest, last, end, at is not None, pitches)

    def _restates(self) -> bool:
        plan = self.frame.plan
        return plan is not None and plan.home is not None and plan.verbatim > 0

    def _next_of_bars(self, earliest: int, end: int) -> Event | None:
        """The next event where some parts play earlier bars again: one that is due, or one that the model draws."""
        restated = self._restated
        if restated.bar is None:
            restated.bar = self.frame.bar_of(max(earliest, self.grid) + EARLY) - 1
        event = self._free(earliest, end)
        while True:
            border = self.frame.bar_start(restated.bar + 1) - EARLY
            due = restated.due[0] if restated.due and restated.due[0].grid < min(end, border) else None
            if due is not None and (event is None or not self._before(event, due)):
                played = self._play(due)
                if played is not None:
                    self._expect()
                    self._take(played)
                    return played
            elif event is not None and self._time(event) < border:
                self._take(event)
                return event
            elif border >= end:
                return None
            else:
                held = len(restated.held)
                self._enter(restated.bar + 1)
                if event is None or self._settles(event) or len(restated.held) < held:
                    event = self._free(earliest, end)

    def _free(self, earliest: int, end: int) -> Event | None:
        """The next event before ``end`` that the model draws for the parts that are free; None where it draws none.

        An event of a settled part is refused, and the model is asked again, up to ASKED times.
        """
        for _ in range(ASKED):
            if not self._has_free():
                return None
            event = self._next(earliest, end)
            if event is None or not self._settles(event):
                return event
        return self._overdue(end)

    def _time(self, event: Event) -> int:
        """The grid position of an event that is not taken yet."""
        return self.grid + event[BEATS] * GRID + event[SUB]

    def _settles(self, event: Event) -> bool:
        """Whether an event is not the model's to draw: in the bar that is played, or before it."""
        bar, at = self._restated.bar, self._time(event)
        assert bar is not None
        if at >= self.frame.bar_start(bar + 1) - EARLY:
            return False
        early = at < self.frame.bar_start(bar) - EARLY and bar > 0
        return early or self._restated.settles(event[KIND], event[PART], event[PITCH])

    def _overdue(self, end: int) -> Event | None:
        """The end of the note that has sounded longest, where it must come before ``end`` and is not settled."""
        longest = self.rules.constraints.longest
        free = [(at, key) for key, at in self.started.items() if key not in self._restated.held]
        if longest is None or not free:
            return None
        at, (part, pitch) = min(free)
        by = max(self.grid, at + round(longest * GRID))
        return self._ending(by - self.grid, part, pitch) if by < end else None

    def _has_free(self) -> bool:
        """Whether anything in the bar is the model's to draw: a part, or the end of a note."""
        playing = self._planned(self.frame.bar_start(self._restated.bar or 0)) or self.rules.parts
        return len(self.started) > len(self._restated.held) or not self._restated.parts.keys() >= set(playing)

    def _before(self, event: Event, due: Due) -> bool:
        """Whether an event comes before what is due, in the order of the events of a piece."""
        return (self._time(event), event[KIND], event[PART]) < (due.grid, due.kind, due.part)

    def _enter(self, bar: int) -> None:
        """Settle what parts play again in a bar."""
        frame, plan = self.frame, self.frame.plan
        assert plan is not None
        start = frame.bar_start(bar)
        playing = set(self._planned(start) or self.rules.parts)
        again = {}
        for part, how in plan.again(bar).items():
            first, last = frame.bar_start(bar - how.lag), frame.bar_start(bar - how.lag + 1)
            if part in playing and last - first == frame.bar_start(bar + 1) - start:
                again[part] = (how, first, last)
        longest = self.rules.constraints.longest
        self._restated.enter(
            bar, start, again, self._played, MAX_WAIT if longest is None else max(1, round(longest * GRID))
        )

    def _play(self, due: Due) -> Event | None:
        """What is due as an event; None where it cannot be played, and is left out."""
        restated, part = self._restated, due.part
        grid = max(due.grid, self.grid)
        wait = grid - self.grid
        if due.kind == OFF:
            return self._ending(min(wait, MAX_WAIT), part, due.pitch)
        if wait > MAX_WAIT:
            restated.due.pop(0)
            return None
        sounding = restated.loose(part, self.started)
        if (part, due.pitch) in self.started:
            sounding.append((part, due.pitch))
        ends = [key for key in sounding if self.started[key] < grid]
        if ends:
            return self._ending(wait, *ends[0])
        allowed = self._playable(grid, wait).get(part)
        if self._full(grid, wait) or allowed is None or (due.pitch != DRAWN and not allowed[due.pitch]):
            restated.due.pop(0)
            return None
        free = allowed if self.guard is None else self.guard.allowed(part, grid, allowed)
        if due.pitch != DRAWN and not free[due.pitch]:  # it would go on with a piece of the corpus
            restated.release(part)
            return None
        expected = self._beginning(wait, part)
        if due.pitch == DRAWN:
            near = free & (np.abs(np.arange(128) - due.near) <= AROUND)
            free = near if near.any() else free
            pitch = self._pick(
                expected, PITCH, free, self._with_memory(expected, part, self._leaning(part, grid, wait))
            )
        else:
            pitch = due.pitch
            expected.logits(PITCH)
            expected.choose(PITCH, pitch)
        velocity = self._pick(expected, VELOCITY, None)
        micro = self._pick(expected, MICROTIME, None if wait else _between(21, self.micro, 20))
        restated.begun(due, pitch, part != self.model.drums)
        return (wait // GRID, wait % GRID, ON, part, pitch, velocity, micro)

    def _ending(self, wait: int, part: int, pitch: int) -> Event:
        micro = ON_THE_GRID if wait else max(ON_THE_GRID, self.micro)
        return (wait // GRID, wait % GRID, OFF, part, pitch, 0, micro)

    def chosen(self, wait: int, part: int, pitches: Collection[int]) -> int:
        """The pitch of several that the model would start in ``part`` after ``wait`` grid steps; nothing is played."""
        expected = self._beginning(wait, part)
        lean = self._with_memory(expected, part, self.rules.leaning(part, self.grid + wait))
        logits = expected.logits(PITCH)
        return sample(
            logits if lean is None else logits + lean, self.random, self.temperature, self.top_p, _only(128, pitches)
        )

    def _beginning(self, wait: int, part: int) -> Distribution:
        """What the model expects of a note that begins in ``part`` after ``wait`` grid steps."""
        expected = self._expect().copy()
        for head, value in ((BEATS, wait // GRID), (SUB, wait % GRID)):
            expected.choose(head, value)
        expected.place(self.frame.at(self.grid + wait))
        for head, value in ((KIND, ON), (PART, part)):
            expected.choose(head, value)
        return expected

    def struck(self, wait: int, part: int, pitch: int) -> tuple[int, int]:
        """How the model would strike ``pitch`` in ``part`` after ``wait`` grid steps: classes of velocity and
        micro-timing; nothing is played."""
        expected = self._beginning(wait, part)
        expected.logits(PITCH)
        expected.choose(PITCH, pitch)
        return self._pick(expected, VELOCITY, None), self._pick(expected, MICROTIME, None)

    def may_start(self, pitches: Collection[int]) -> bool:
        """Whether `next` can start one of ``pitches`` at the grid position reached."""
        return bool(self._playable(self.grid, 0, pitches)) and not self._dense(self.grid)

    def _expect(self) -> Distribution:
        if (step := self.step) is not None:
            self.stepped(*self.model.step(*step))
        assert self._expected is not None
        return self._expected

    def _take(self, event: Event, own: bool = True) -> None:
        wait = event[BEATS] * GRID + event[SUB]
        self.grid += wait
        if wait:
            self._struck.clear()
            if self.frame.density is not None:
                self._steer(wait)
            elif own and self.model.pace:
                self._pace(wait)
        self.micro = event[MICROTIME]
        key = (event[PART], event[PITCH])
        if event[KIND] == ON:
            self._onsets.append(self.grid)
            self._heard[key[0]] = self.grid
            if self.recall is not None and key[0] == self.recall.part:
                self._line = [*self._line[-ORDER:], key[1]]
            self._struck.add(key)
            if self.frame.plan is not None and self.frame.plan.home is not None:
                self._played.setdefault((key[0], self.grid), []).append(key[1])
            if self.rules.constraints.again or self.rules.constraints.stepwise:
                at, begun, before = self._begun[key[0]]
                if at != self.grid:
                    self._moves[key[0]] = self._move(key[0])
                self._begun[key[0]] = (
                    (at, (*begun, key[1]), before) if at == self.grid else (self.grid, (key[1],), begun)
                )
            if self.rules.constraints.register:
                self._recent[key[0]] = (*self._recent[key[0]][1 - REGISTER :], key[1])
            if self.guard is not None:
                self.guard.take(event[PART], self.grid, event[PITCH], own)
            if key[0] != self.model.drums:
                self.started[key] = self.grid
        else:
            began = self.started.pop(key, None)
            if began is not None and self._restates():
                self._restated.ended(*key, began, self.grid)
        self._previous = (event, self.frame.at(self.grid))
        if len(self._onsets) > 512:
            del self._onsets[:256]

    def _steer(self, wait: int) -> None:
        """Where a bar line was crossed: compare the density of the last bars with what is asked for."""
        asked = self.frame.density
        bar = self.frame.bar_of(self.grid)
        if asked is None or bar == self.frame.bar_of(self.grid - wait) or bar < 1:
            return
        since, now = self.frame.bar_start(max(0, bar - 2)), self.frame.bar_start(bar)
        played = sum(since <= at < now for at in self._onsets) * GRID / max(1, now - since)
        ratio = log(asked / max(played, asked / 16))
        self._tilt = max(-STEEPEST, min(STEEPEST, self._tilt + STEER * ratio))
        self.frame.ask(asked * exp(max(-2.0, min(2.0, self._tilt))))

    def _pace(self, wait: int) -> None:
        """Where a bar line was crossed: compare the density of the last bars with that of the plan's outline."""
        plan, bar = self.frame.plan, self.frame.bar_of(self.grid)
        if plan is None or plan.home is None or bar < 1 or bar == self.frame.bar_of(self.grid - wait):
            return
        first = max(0, bar - 2)
        asked = [plan.rate(one) for one in range(first, bar)]
        if None in asked:
            return
        since, now = self.frame.bar_start(first), self.frame.bar_start(bar)
        played = sum(since <= at < now for at in self._onsets) * GRID / max(1, now - since)
        wanted = sum(rate or 0.0 for rate in asked) / len(asked)
        ratio = log(wanted / max(played, wanted / 8))
        self._tilt = max(0.0, min(HASTE, self.model.pace * ratio))

    def _deadline(self) -> int | None:
        """Grid position by which something must happen: a note grown too long is ended, a silence broken."""
        c = self.rules.constraints
        found: list[int] = []
        if c.longest is not None and self.started:
            began = [at for key, at in self.started.items() if key not in self._restated.held]
            found += [min(began) + round(c.longest * GRID)] if began else []
        if c.rest is not None and not self.started:
            found.append(self.grid + round(c.rest * GRID))
        found += [at for at in self._pauses(self.grid).values() if at > self.grid]
        return min(found, default=None)

    def _pauses(self, grid: int) -> dict[int, int]:
        """Grid position by which each silent part that the plan's outline has play begins a note."""
        plan = self.frame.plan
        if plan is None or plan.home is None:
            return {}
        context = self.frame.at(grid)
        active = context[ACTIVE]
        if not BUSY <= context[DENSITY] < UNKNOWN[DENSITY] or active == UNKNOWN[ACTIVE]:
            return {}
        sounding = {part for part, _ in self.started}
        longest = round(LONGEST_PAUSE * context[BAR_LENGTH] * GRID / 2)
        return {
            part: self._heard[part] + longest
            for part in self.rules.parts
            if part < MOST_ACTIVE
            and active >> part & 1
            and part not in sounding
            and not self.model.parts[part].sung
            and part not in self._restated.parts
        }

    def _draw(
        self, earliest: int, last: int, end: int, now: bool = False, pitches: Collection[int] | None = None
    ) -> Event | None:
        if not now and self._crowded():
            earliest = max(earliest, self.grid + 1)
            last = max(last, earliest)
        expected = self._expect().copy()
        wait = self._draw_wait(expected, max(0, earliest - self.grid), last - self.grid, end - self.grid)
        if wait is None:
            return None
        grid = self.grid + wait
        expected.place(self.frame.at(grid))
        playable = self._playable(grid, wait, pitches)
        c = self.rules.constraints
        overdue = [
            key
            for key, at in self.started.items()
            if c.longest is not None and grid - at >= c.longest * GRID and key not in self._restated.held
        ]
        full = not playable or self._full(grid, wait) or bool(overdue)
        ending = overdue or [key for key, at in self.started.items() if at < grid]  # a note lasts a grid step at least
        if full and not ending:
            if self.started:
                return self._draw(self.grid + 1, max(last, self.grid + 1), end)
            return self._nudged(grid, end)
        due = self._due(grid, playable)
        late = [part for part, by in self._pauses(grid).items() if by <= grid and part in playable]
        if late:
            due = np.zeros(len(self.model.parts), np.float32) if due is None else due
            due[late] = DUE
        strongest = 0.0 if due is None else float(due[list(playable)].max(initial=0.0 if late else -DUE))
        lean = np.array([0, strongest], np.float32) if late or strongest < 0 else None
        kind = self._pick(expected, KIND, [bool(ending) and (full or not now), not full], lean)
        if kind == ON:
            owed = self._owed(grid, playable)
            if due is not None:
                owed = due if owed is None else owed + due
            part = self._pick(expected, PART, _only(len(self.model.parts), playable), owed)
            allowed = playable[part]
            if self.guard is not None and pitches is None:
                allowed = self.guard.allowed(part, grid, allowed)
            lean = self._with_memory(expected, part, self._leaning(part, grid, wait))
            pitch = self._pick(expected, PITCH, allowed, lean)
            velocity = self._pick(expected, VELOCITY, None)
        else:
            part = self._pick(expected, PART, _only(len(self.model.parts), [p for p, _ in ending]))
            pitch = self._pick(expected, PITCH, _only(128, [n for p, n in ending if p == part]))
            velocity = 0
            expected.choose(VELOCITY, 0)
        micro = self._pick(expected, MICROTIME, None if wait else _between(21, self.micro, 20))
        return (wait // GRID, wait % GRID, kind, part, pitch, velocity, micro)

    def _draw_wait(self, expected: Distribution, low: int, high: int, end: int) -> int | None:
        """A wait of ``low`` to ``high`` grid steps; None where the model would rather wait beyond ``end``."""
        # a model that would wait past the end stops here; one that would wait past a deadline acts on it
        low, bound = min(low, MAX_WAIT), min(high, MAX_WAIT)
        lean = (-self._tilt * _WAITS).astype(np.float32) if self._tilt else None
        beats = self._pick(expected, BEATS, _between(32, low // GRID, bound // GRID), lean)
        first = low - beats * GRID if beats == low // GRID else 0
        final = bound - beats * GRID if beats == bound // GRID else GRID - 1
        lean = (-self._tilt * _PLACES).astype(np.float32) if self._tilt else None
        sub = self._pick(expected, SUB, _between(GRID, first, final), lean)
        wait = beats * GRID + sub
        return wait if wait < end else None

    def _pick(
        self,
        expected: Distribution,
        head: int,
        mask: Mask | None,
        lean: NDArray[np.float32] | None = None,
    ) -> int:
        value = -1
        if isinstance(mask, list) and sum(mask) == 1:
            value = mask.index(True)
        else:
            top_p = self._nucleus(head)
            value = expected.draw(head, self.random, self.temperature, top_p, mask, lean)
        expected.choose(head, value)
        return value

    def _nucleus(self, head: int) -> float:
        """The nucleus of a head: that of the player, or the model's own for touch and for rhythm.

        One who asks for a narrower nucleus than the model's gets it for the rhythm too.
        """
        if head in (VELOCITY, MICROTIME):
            return max(self.top_p, self.model.touch)
        own = self.model.rhythm if head in (BEATS, SUB) else 0.0
        return own if own and self.top_p >= min(self.model.top_p, self.model.opening) else self.top_p

    def _limbs(self) -> int:
        """Drum strokes at the grid position reached."""
        return sum(part == self.model.drums for part, _ in self._struck)

    def _full(self, grid: int, wait: int) -> bool:
        """Whether the rules have no room for another note at a grid position."""
        c = self.rules.constraints
        crowded = len(self.started) >= c.sounding or (not wait and len(self._struck) >= c.together)
        return crowded or self._dense(grid)

    def _crowded(self) -> bool:
        """Whether nothing more can begin at the grid position reached, so that the next event must wait."""
        if len(self._struck) >= self.rules.constraints.together:
            return True
        return self.rules.parts == {self.model.drums} and self._limbs() >= LIMBS

    def _leaning(self, part: int, grid: int, wait: int) -> NDArray[np.float32] | None:
        """Weights (128,) in nats of the pitches of ``part``, by key, register, and what began at this grid position."""
        lean, clash = self.rules.leaning(part, grid), self.rules.constraints.clash
        for more in (
            self._towards_register(part),
            self._towards_chord(part, grid),
            self._towards_echo(part, grid),
            self._away(part, grid),
            self._stepwise(part, grid),
        ):
            if more is not None:
                lean = more if lean is None else lean + more
        if wait or not clash or part == self.model.drums:
            return lean
        near = _beside(frozenset([pitch % 12 for p, pitch in self._struck if p != self.model.drums]))
        if not near:
            return lean
        out = np.zeros(128, np.float32) if lean is None else lean.copy()
        out[near] -= np.float32(clash)
        return out

    def _echoed(self, part: int, grid: int) -> tuple[int, tuple[int, ...]] | None:
        """How the plan has ``part`` restate an earlier bar, and what began there then; None where it does not."""
        context = self.frame.at(grid)
        echo = context[ECHO] if part == 0 else context[ECHO_REST]
        lag, bar = lag_of(echo), self.frame.bar_of(grid)
        if lag is None or lag > bar:
            return None
        place = self.frame.bar_start(bar - lag) + grid - self.frame.bar_start(bar)
        found = [p for at in range(place - NEAR, place + NEAR + 1) for p in self._played.get((part, at), ())]
        taken = {pitch for p, pitch in self._struck if p == part} if grid == self.grid else set()
        return (echo - 1) % 3, tuple(p for p in found if p not in taken)

    def _due(self, grid: int, playable: Collection[int]) -> NDArray[np.float32] | None:
        """Weights (P,) of the parts by the plan: those that began a note here in the bar that they restate are drawn
        more, those that did not less."""
        plan, strength = self.frame.plan, self.model.restate * ECHOED
        if not strength or not playable or plan is None or plan.home is None:
            return None
        out = np.zeros(len(self.model.parts), np.float32)
        for part in playable:
            if part in self._restated.parts:
                continue
            echoed = self._echoed(part, grid)
            own = part == 0 or len(out) < 3  # of more parts one column of the plan speaks for all but the first
            if echoed is not None and (echoed[1] or (own and grid - self._heard[part] < GRID * RESTING)):
                out[part] = strength if echoed[1] else -strength
        return out

    def _towards_echo(self, part: int, grid: int) -> NDArray[np.float32] | None:
        """Weights (128,) by which the pitches of the bar that is restated as it was are likelier."""
        plan, strength = self.frame.plan, self.model.restate * ECHOED
        echoed = self._echoed(part, grid) if strength and plan is not None and plan.home is not None else None
        if echoed is None or echoed[0] != EXACT or not echoed[1]:
            return None
        out = np.zeros(128, np.float32)
        out[list(echoed[1])] = strength
        return out

    def _away(self, part: int, grid: int) -> NDArray[np.float32] | None:
        """Weights (128,) by which the pitches that ``part`` began last are less likely to begin again."""
        strength = self.rules.constraints.again
        if not strength or part == self.model.drums:
            return None
        at, begun, before = self._begun[part]
        pitches = before if at == grid else begun
        echoed = self._echoed(part, grid) if self.frame.plan is not None else None
        if not pitches or (echoed is not None and echoed[0] == EXACT):
            return None
        out = np.zeros(128, np.float32)
        out[list(pitches)] = -strength
        return out

    def _stepwise(self, part: int, grid: int) -> NDArray[np.float32] | None:
        """Weights (128,) by which the top line of ``part`` moves by step, and on in the direction of its last move.

        Melodies of most styles do (Huron 2006, Sweet Anticipation, chapter 5: pitch proximity and step inertia).
        """
        strength = self.rules.constraints.stepwise
        at, begun, before = self._begun[part]
        last = before if at == grid else begun
        if not strength or part == self.model.drums or not last:
            return None
        top, out = max(last), np.zeros(128, np.float32)
        move = self._moves[part] if at == grid else self._move(part)
        out[max(0, top - STEP) : top + STEP + 1] = strength
        out[top] = 0
        if move > 0:
            out[top + 1 : top + ONWARD + 1] += strength
        elif move < 0:
            out[max(0, top - ONWARD) : top] += strength
        return out

    def _move(self, part: int) -> int:
        """Semitones from the top note of ``part`` before its last onset to that of the last; 0 where it never moved."""
        _, begun, before = self._begun[part]
        return (max(begun) - max(before) if begun and before else 0) or self._moves[part]

    def _towards_chord(self, part: int, grid: int) -> NDArray[np.float32] | None:
        """Weights (128,) by which pitches outside the chord of the plan's outline are less likely."""
        plan, strength = self.frame.plan, self.model.follow[part]
        if not strength or part == self.model.drums or plan is None or plan.home is None:
            return None
        context = self.frame.at(grid)
        return _outside(context[ROOT], context[QUALITY], strength) if context[ROOT] < UNKNOWN[ROOT] else None

    def _towards_register(self, part: int) -> NDArray[np.float32] | None:
        """Weights (128,) in nats by which a part that has drifted out of its register comes back."""
        strength, recent = self.rules.constraints.register, self._recent[part]
        if not strength or part not in self.model.registers or len(recent) < REGISTER:
            return None
        low, high = self.model.registers[part]
        mean = sum(recent) / len(recent)
        out = max(0.0, mean - high) - max(0.0, low - mean)
        return np.clip(-strength * out * (_PITCHES - mean) / 36, -4, 4).astype(np.float32) if out else None

    def _with_memory(
        self, expected: Distribution, part: int, lean: NDArray[np.float32] | None
    ) -> NDArray[np.float32] | None:
        """Weights (128,) in nats of the pitches of ``part`` with what is remembered of the performer."""
        recall = self.recall
        if recall is None or recall.part != part or not recall.share or len(self._line) < LEAST:
            return lean
        remembered = recall.memory.expect(self._line)
        if remembered is None:
            return lean
        logits = expected.logits(PITCH)
        more = recalled(logits, remembered, recall.share) - logits
        return more if lean is None else lean + more

    def _owed(self, grid: int, playable: Collection[int]) -> NDArray[np.float32] | None:
        """Weights (P,) of the parts: one that the plan has play, and that was silent for some bars, is drawn more."""
        if len(playable) < 2 or self.frame.plan is None:
            return None
        active = self.frame.at(grid)[ACTIVE]
        if active == UNKNOWN[ACTIVE]:
            return None
        bar = self.frame.piece.metre_at(max(0, grid) / GRID).bar_beats * GRID
        silent = [
            (grid - at) / bar - SILENT_BARS if active >> part & 1 and part not in self._restated.parts else 0.0
            for part, at in enumerate(self._heard)
        ]
        return np.array([max(0.0, min(4.0, bars)) for bars in silent], np.float32) if max(silent) > 0 else None

    def _playable(self, grid: int, wait: int, pitches: Collection[int] | None = None) -> dict[int, NDArray[np.bool_]]:
        """The pitches that each part may start at ``grid``; parts without any are left out."""
        out: dict[int, NDArray[np.bool_]] = {}
        struck: dict[int, list[int]] = {}
        taken: dict[int, list[int]] = {}
        for p, pitch in (*self.started, *self.foreign):
            taken.setdefault(p, []).append(pitch)
        if not wait:
            for p, pitch in self._struck:
                struck.setdefault(p, []).append(pitch)
                taken.setdefault(p, []).append(pitch)
        for part in self._planned(grid) or sorted(self.rules.parts):
            if not self.rules.room(self.started, part):
                continue
            if part == self.model.drums and not wait and self._limbs() >= LIMBS:
                continue
            begun = struck.get(part)
            mask = self.rules.pitches(part, grid, lowest=not begun)
            if part in taken:
                mask = mask.copy()
                mask[taken[part]] = False
            if pitches is not None:
                mask = mask & _only(128, pitches)
            if np.count_nonzero(mask):
                out[part] = mask
        return out

    def _planned(self, grid: int) -> list[int]:
        """The parts that the plan has play at a grid position, of those that may; empty where it does not say."""
        if self.frame.plan is None:
            return []
        active = self.frame.at(grid)[ACTIVE]
        if active in (0, UNKNOWN[ACTIVE]):
            return []
        return [part for part in sorted(self.rules.parts) if part >= MOST_ACTIVE or active >> part & 1]

    def _dense(self, grid: int) -> bool:
        limit = self.rules.constraints.density
        if limit is None:
            return False
        metre = self.frame.piece.metre_at(grid / GRID)
        bar = round(metre.bar_beats * GRID)
        start = grid - (grid - round(metre.beat * GRID)) % bar
        return sum(at >= start for at in self._onsets) + 1 > max(1.0, limit * bar / GRID)

    def _nudged(self, grid: int, end: int) -> Event | None:
        """Nothing may start here and nothing sounds: look again at the next bar, when the rules may have room."""
        metre = self.frame.piece.metre_at(grid / GRID)
        bar = round(metre.bar_beats * GRID)
        following = grid + bar - (grid - round(metre.beat * GRID)) % bar
        if following >= end or following - self.grid > MAX_WAIT:
            return None
        return self._draw(following, following, end)


def _only(size: int, allowed: Collection[int]) -> list[bool]:
    mask = [False] * size
    for value in allowed:
        if 0 <= value < size:
            mask[value] = True
    return mask


@cache
def _outside(root: int, quality: int, nats: float) -> NDArray[np.float32]:
    tones = [(root + step) % 12 for step in TONES[quality]]
    return np.where(np.isin(np.arange(128) % 12, tones), 0, -nats).astype(np.float32)


@cache
def _between(size: int, low: int, high: int) -> NDArray[np.bool_] | None:
    if low <= 0 and high >= size - 1:
        return None
    index = np.arange(size)
    return (index >= low) & (index <= high)


@lru_cache(256)
def _beside(begun: frozenset[int]) -> list[int]:
    """The pitches a semitone from one of some pitch classes, in any octave, that are not of them."""
    return [at for at in range(128) if ((at + 1) % 12 in begun or (at - 1) % 12 in begun) and at % 12 not in begun]


def events_until(player: Player, start: int, end: int) -> Iterator[Event]:
    """Events from grid position ``start`` to ``end``; what still sounds is ended there."""
    while (event := player.next(start, end)) is not None:
        yield event
    for part, pitch in sorted(player.started):
        wait = min(max(0, end - player.grid), MAX_WAIT)
        event = (wait // GRID, wait % GRID, OFF, part, pitch, 0, 10 if wait else max(10, player.micro))
        player.hear(event)
        yield event


def constrained(
    model: StreamModel,
    piece: Piece,
    constraints: Constraints,
    seed: int,
    temperature: float,
    top_p: float,
    density: float | None,
    plan: Plan | None = None,
    original: float = ORIGINAL,
) -> Player:
    """A player at the start of ``piece``'s maps."""
    rules = Rules(constraints, piece, model.drums, len(model.parts), bass_of(model), model.pitches)
    return Player(model, Frame(piece, density, plan), rules, Random(seed), temperature, top_p, original=original)


def habits_of(model: StreamModel) -> Habits:
    """How a model's lines are held, offline and live alike."""
    return {"clash": model.clash, "register": 1.0, "again": model.again, "stepwise": model.stepwise}


def bass_of(model: StreamModel) -> int:
    """The part class that has the bass of the chords, -1 for none: ``bass``, else the last one that is not sung."""
    names = [part.name for part in model.parts]
    if "bass" in names:
        return names.index("bass")
    return next((i for i in reversed(range(len(names))) if not model.parts[i].drum and not model.parts[i].sung), -1)
