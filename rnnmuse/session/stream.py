"""A live player of a stream model: hears the performer, plays by its mode, takes back what has not sounded.

It plays ahead of the beat into a queue and keeps a snapshot of the model's state for each event that may still be
recalled. Beats are those of the stage's clock; the player's grid positions are the same beats in 24ths.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil
from random import Random
from typing import Any

from rnnmuse import clock, events
from rnnmuse.clock import PPQ
from rnnmuse.models.stream import StreamModel
from rnnmuse.music.codec import (
    GRID,
    KIND,
    MAX_WAIT,
    MICRO,
    MICROTIME,
    OFF,
    ON,
    PART,
    PITCH,
    VELOCITY,
    to_grid,
    velocity_of,
)
from rnnmuse.music.echo import NEW
from rnnmuse.music.expression import expressed_live
from rnnmuse.music.piece import ChordSymbol, Key, Metre, Piece, Tempo
from rnnmuse.music.theory import PITCH_NAMES, Chord, key_name, parse_chord, parse_key, scale_pitch_classes
from rnnmuse.play import accompaniment, sampler
from rnnmuse.play.accompaniment import Pattern
from rnnmuse.play.band import ARRANGED, PHRASE, RANGES, SECTION, Band, swung
from rnnmuse.play.drumming import Drumming, drum_bars
from rnnmuse.play.harmony import Harmony
from rnnmuse.play.limits import Constraints, Rules
from rnnmuse.play.phrasing import REACH, Bar, Phrasing, bars_of
from rnnmuse.play.plan import Plan
from rnnmuse.play.recollection import Recollection
from rnnmuse.play.sampler import Event, Frame, Player, Saved, bass_of, habits_of
from rnnmuse.play.script import NEUTRAL, Cue, Script
from rnnmuse.protocol import PARAMETERS
from rnnmuse.session.beneath import LOUD, VOICES, Beneath
from rnnmuse.session.messages import AllOff, Done, EndNotes, NoteOff, NoteOn, Order, PartInfo, Recall

AHEAD = 2.0
"""Beats that are played ahead."""

PATIENCE = 0.25
"""Beats by which what is played ahead may be planned later."""

MOST_ENDED = 8
"""Notes that are ended at most to make room for an answer."""

REACTION = 0.02
"""Beats between the beat that is now and the earliest that can still be played."""

TOGETHER = 0.04
"""Beats within which what the performer plays counts as one chord."""

GRAVITY = 3.0
"""Nats by which notes outside the key that the stage plays in are less likely."""

SURE = 0.4
"""Confidence from which on what accompanies plays a chord that was heard, not given."""

LONGEST_MEMORY = 64.0
"""Beats of the past that are kept."""

LEAD = 0.15
"""Beats before a bar line at which it is decided whether an answer begins there."""

ROOM = 1.5
"""Notes that an accompaniment has at most for each of the performer's."""

FAITHFUL = (0.6, 0.85)
"""How often the lead of a band restates a bar of its theme, and that of an arranged style."""

LONGEST_SCRIPT = 2048
"""Edges of a script that are kept."""

LONGEST_REST = 64.0
"""Beats for which a script may have nothing to play."""

FEEL = 5
"""Classes of micro-timing by which a stroke of the band's drums is early or late at most."""

BROKEN = (0, 1, 2, 1)
"""The voices that a broken chord goes through."""

FOREVER = 1 << 60
TICKS = PPQ // GRID
"""Clock ticks in a grid step."""

LONGEST_LOOP = 64
"""Bars that are kept for the mode `loop`."""

Note = NoteOn | NoteOff

Place = tuple[Saved, int]
"""A player's place in the music, and its place in the script."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A note that began or ended. ``kind`` is ON or OFF; ``foreign`` notes are not the player's own."""

    beat: float
    kind: int
    pitch: int
    """MIDI note."""
    velocity: int
    """1 to 127; 0 where the note ends."""
    drum: bool
    """Whether it is a drum stroke."""
    foreign: bool


@dataclass(slots=True)
class StreamPlayer:
    """Player ``number`` (1-16) of a stage, with one model.

    Modes: ``free`` plays once started. ``accompany`` plays along and hears each note as it happens. ``continue``
    takes over when the performer has been silent for ``silence`` beats, until the performer plays again.
    ``answer`` likewise, for as many bars as the phrase it heard; with a ``turn`` the two take turns of so many bars,
    rest or no rest. Both enter on the bar line and make something of what they heard. ``loop`` repeats the last
    ``bars`` bars it played.
    ``hold`` plays nothing new and lets its notes ring. ``harmonise`` plays chords beneath the performer's melody, one a
    half bar, at once and in a ``pattern``. ``off`` is silent.
    """

    number: int
    model: StreamModel
    mode: str = "off"
    parameters: dict[str, Any] = field(default_factory=lambda: {name: row[1] for name, row in PARAMETERS.items()})
    """Values by name, in the units and ranges of `rnnmuse.protocol.PARAMETERS`."""
    tempo: float = 120.0
    """Beats a minute."""
    metre: clock.Metre = clock.COMMON
    """The stage's."""
    harmony: Harmony | None = None
    """The stage's; it holds where the player has no key and no chord of its own."""
    player: Player = field(init=False)
    """Draws the events, and keeps the model's state."""
    beneath: Beneath = field(init=False)
    """The chords of the mode ``harmonise``."""
    _own_harmony: Harmony = field(init=False)
    """The player's own key and chords by half bars; they hold where the stage's do not."""
    playing: bool = False
    """Whether it was started and has not ended."""
    _queue: deque[tuple[int, Event, Place]] = field(default_factory=deque)
    """Events drawn ahead and not sent: grid position, event, and the place before it."""
    _sent: deque[tuple[int, Place]] = field(default_factory=deque)
    """The tick of each event sent, and the place before it."""
    recollection: Recollection | None = None
    """What the performer has played to the stage."""
    band: Band | None = None
    """What the roles of the stage's band share."""
    _drawn_at: dict[int, int] = field(default_factory=dict)
    """Grid position at which a bar of the theme was played, by the bar's `id`."""
    _lines: tuple[Phrasing, ...] = ()
    """The lead's two strains: the theme, and what comes between."""
    _script: Script | None = None
    """The notes that it is to play, cue by cue; None where the model chooses when to play."""
    _cue: int = 0
    """Where it is in the script."""
    _phrasing: Phrasing | None = None
    """How its melody goes; None where it only accompanies."""
    _drumming: Drumming | None = None
    """How its answer goes, where it is a drummer."""
    _pattern: Pattern | None = None
    """How its accompaniment goes; None until one is chosen."""
    _bar: int = 0
    """Bars that the script has settled."""
    _bars: int | None = None
    """Bars after which the script ends."""
    _close: int = PHRASE
    """Bars after which a phrase closes."""
    _voicing: tuple[tuple[float, str, int, int], tuple[int, ...]] = ((0.0, "", 0, 0), ())
    """The last chord: beat of its half bar, symbol and voices, and its MIDI notes."""
    _low: int = -1
    """The last bass note."""
    _until: float = float("inf")
    """Beat at which it ends; infinity for never."""
    _ends: float = 0.0  # until then it is heard, though it may have played all of it ahead
    _earliest: int = 0
    """Grid position before which it plays nothing."""
    _owed: float | None = None
    """Beat of a note that is still to be answered on the spot; None without one."""
    _rests: float = float("-inf")
    """Beat up to which nothing may begin, as far as was looked."""
    _held: dict[int, int] = field(default_factory=dict)
    """Pitches heard that still sound, with the part that each is heard in."""
    _phrase: float | None = None
    """Beat at which the phrase that it hears began; None without one."""
    _answered: float = 0.0
    """Where the phrase began that it answers."""
    _last: float = 0.0
    """Beat of the last note-on or note-off heard."""
    _loop: deque[Note] = field(default_factory=deque)
    """Notes played in the last LONGEST_LOOP bars; in the mode ``loop`` those that it repeats."""
    _past: deque[Heard] = field(default_factory=deque)
    """Notes heard and played in the last LONGEST_MEMORY beats."""
    _loop_from: int = 0
    """Tick at which the next pass of the loop begins."""
    _tries: int = 0
    """Events drawn for the note that is owed an answer."""
    _chorded: float = float("-inf")
    """Beat of the last note of the melody that a chord was struck for."""
    _job: int = 0
    """The job of `generate`; 0 without one."""
    _notes: int = 0
    """Notes that the job has played."""
    reaction: float = REACTION
    """Beats between now and the earliest that can still be played."""

    def __post_init__(self) -> None:
        self.player = self._made(0)
        self._own_harmony, self.beneath = self._made_own(), self._made_beneath()

    # -- what the performer does ----------------------------------------------------------------------------

    def hear(self, beat: float, pitch: int, velocity: int, source: int = 0) -> list[Order]:
        """The performer starts (or, velocity 0, ends) a note at ``beat``.

        The notes of another player (``source``) are heard, but not answered one by one: two players that hear each
        other would never end.
        """
        orders: list[Order] = []
        if velocity:
            sounding = beat < self._ends
            if self.mode in ("continue", "answer") and sounding and not self._turn:
                unheard = self._phrase is None and beat < self._earliest / GRID
                orders += self._hush(beat)
                if unheard:  # the phrase was not over: it goes on
                    self._phrase = self._answered
            if self._phrase is None and not (self._turn and sounding):
                self._phrase = beat
        elif pitch not in self._held:
            return orders
        self._last = max(self._last, beat)
        if self._stage_harmony is None and self.mode != "harmonise" and not source and not self.hears_drums:
            self._own_harmony.hear(beat, pitch, velocity)
        if self.mode == "accompany" and self.playing:
            orders += self._back_to(beat)
        part = self._hearing()
        if velocity and pitch in self._held:
            self._listen(beat, OFF, part, pitch, 0)
        if velocity:
            self._held[pitch] = part
            self._listen(beat, ON, part, pitch, velocity)
        else:
            self._listen(beat, OFF, self._held.pop(pitch), pitch, 0)
        if velocity and self.mode == "accompany" and (not source or not self.playing):
            if self._patterned and not self.playing:
                self._accompany_from(beat)
            self.playing = True
            self._earliest = self.player.grid
            if self._script is None or not self._bar:
                self._owed, self._tries = None if source else beat, 0
        if self.mode == "harmonise" and not source:
            if velocity and beat - self._chorded > TOGETHER and not self._gives(pitch):
                self._chorded = beat
                orders += self._under(beat, pitch, velocity)
            elif not velocity and self._stage_harmony is None:
                self._own_harmony.hear(beat, pitch, 0)
        return orders

    def set_mode(self, mode: str, beat: float) -> list[Order]:
        """Change what it does; what it was playing ends, but for ``hold`` and ``loop``."""
        if mode == self.mode:
            return []
        keep = mode in ("hold", "loop")
        orders: list[Order] = [Recall(self.number, tick_of(beat))] if keep else self._hush(beat)
        if keep:
            self._rewind(beat)
            orders += self._job_over()
        if mode == "loop":
            self._begin_loop(beat)
        self.mode = mode
        self._own_harmony, self.beneath = self._made_own(), self._made_beneath()
        self.player.rules = self._rules()  # beside a performer it leaves the performer's part alone
        self.playing = mode == "loop"
        self._phrase = None
        return orders

    def start(self, beat: float) -> list[Order]:
        """Play from the next beat on; `free` if it had no mode; `harmonise` waits for a melody."""
        self.mode = "free" if self.mode == "off" else self.mode
        if self.mode != "harmonise":
            self._play_from(ceil(beat + self.reaction - 1e-9))
        return []

    def stop(self, beat: float) -> list[Order]:
        """Fall silent; listen on."""
        return self._hush(beat)

    def reset(self, beat: float) -> list[Order]:
        """Forget what was heard and played, and of what came before a jump back all that would lie ahead of it."""
        orders = self._hush(beat)
        self.player = self._made(to_grid(beat)[0])
        self._held.clear()
        self._phrase = None
        self._past = deque(heard for heard in self._past if heard.beat < beat)
        if self.mode != "loop":
            self._loop = deque(order for order in self._loop if order.tick < tick_of(beat))
        return orders

    def generate(self, beats: float, seed: int | None, job: int, beat: float) -> list[Order]:
        """Play for ``beats`` beats from the next beat on, then send `Done`."""
        orders = self._hush(beat)
        if seed is not None:
            self.player.random.seed(seed)
        start = ceil(beat + self.reaction - 1e-9)
        self._play_from(start)
        self._until, self._job, self._notes = start + beats, job, 0
        return orders

    def change(self, name: str, value: Any, beat: float) -> list[Order]:
        """Set a parameter; notes that were planned ahead are planned again. ValueError for a value out of range."""
        before = self.parameters[name]
        self.parameters[name] = value
        try:
            rules, frame = self._rules(), self._frame()
        except ValueError:
            self.parameters[name] = before
            raise
        orders = self._back_to(beat) if self.playing and self.mode != "loop" else []
        self.player.rules, self.player.frame = rules, frame
        if self.mode == "harmonise":
            orders += self.beneath.end(beat)
        self._own_harmony, self.beneath = self._made_own(), self._made_beneath()
        self.player.temperature, self.player.top_p = self.parameters["temperature"], self._top_p
        if self.player.guard is not None:
            self.player.guard.original = self.parameters["original"]
        self.player.recall = self._recall()
        if name == "seed":
            self.player.random.seed(value)
        if name in ("role", "style") and self.playing and self.mode == "free":
            orders += self._hush(beat)
            self._play_from(ceil(beat + self.reaction))
        return orders

    def end_at(self, beat: float) -> None:
        """Play no longer than to a beat."""
        self._until = min(self._until, beat)

    @property
    def hears_drums(self) -> bool:
        """Whether the performer is heard as a drummer."""
        return self.model.parts[self._hearing()].drum

    def obey(self, beat: float) -> list[Order]:
        """Take another harmony of the stage from ``beat`` on; notes that were planned ahead are planned again."""
        if self.harmony is None or self.parameters["chord"]:
            return []
        orders = self._back_to(beat) if self.playing and self.mode != "loop" else []
        self.player.rules = self._rules()
        self.player.frame.refresh()
        return orders

    @property
    def parts(self) -> tuple[PartInfo, ...]:
        """The parts that its model plays."""
        return tuple(PartInfo(part.name, part.program, part.drum) for part in self.model.parts)

    def set_metre(self, metre: clock.Metre) -> None:
        """Count bars of another metre from now on; what was drawn ahead stays."""
        if metre != self.metre:
            self.metre = metre
            self._own_harmony.set_metre(metre)
            self.player.rules, self.player.frame = self._rules(), self._frame()

    def swap(self, model: StreamModel, beat: float) -> list[Order]:
        """Another model from ``beat`` on, which first hears what was played in the last ``memory`` beats."""
        orders: list[Order] = [*self._back_to(beat), AllOff(self.number, tick_of(beat))]
        first = max(0.0, beat - float(self.parameters["memory"]))
        self.model = model
        self.player = self._made(to_grid(first)[0])
        self.beneath = self._made_beneath()
        self._held = dict.fromkeys(self._held, self._hearing())
        for heard in sorted(self._past, key=lambda heard: heard.beat):
            drum, foreign = heard.drum, heard.foreign
            part = model.drums if drum else next((i for i in self._pitched() if foreign or i in self._own()), -1)
            if first <= heard.beat < beat and part >= 0:
                self._told(heard.beat, (heard.kind, part, heard.pitch, heard.velocity), foreign)
        for part, pitch in sorted(self.player.started):
            self._told(beat, (OFF, part, pitch, 0))
        self.player.started.clear()
        self._earliest = to_grid(beat)[0]
        return orders

    def prompt(self, notes: Sequence[events.Note], beat: float) -> list[Order]:
        """Take notes for what the performer played up to ``beat``, in place of what was heard before."""
        last = max(note.end for note in notes)
        within = min(last, beat, LONGEST_MEMORY)
        self._past.clear()
        for note in notes:
            begin = note.start - last + beat
            if begin >= beat - within:
                end = min(beat - 1e-3, begin + note.duration)
                self._past.append(Heard(begin, ON, note.pitch, note.velocity, False, True))
                self._past.append(Heard(end, OFF, note.pitch, 0, False, True))
        kept, self.parameters["memory"] = self.parameters["memory"], within
        try:
            return self.swap(self.model, beat)
        finally:
            self.parameters["memory"] = kept

    # -- what it plays --------------------------------------------------------------------------------------

    def advance(self, now: float, limit: int = 8) -> list[Order]:
        """Up to ``limit`` orders for what is due within AHEAD beats of ``now``; none when all is done."""
        orders: list[Order] = []
        self._decide(now)
        beside = self.mode == "accompany" and self._script is not None and self._until == float("inf")
        if beside and not self._held and now - self._last >= 2 * self.metre.beats:  # nobody is left to accompany
            self._until = self.metre.next_bar(tick_of(now)) / PPQ
        if self.mode == "loop" and self.playing:
            return self._looped(now)
        if self.mode == "harmonise":
            return self._kept(self.beneath.advance(self._listening, now, self._sings))
        while self.playing and len(orders) < limit:
            if not self._queue:
                if now < self._rests:
                    break
                self.player.prepare()  # kept with what is saved: going back there costs no step
                saved = self.player.save(), self._cue
                earliest = max(self._earliest, to_grid(now + self.reaction)[0])
                if self._owed is not None:  # a note heard is answered on the spot, not on the grid
                    event = self._at_once()
                    if event is None:
                        self._owed = None
                        continue
                    order = self._order(self.player.grid, event)
                    tick = min(order.tick, tick_of(self._owed))
                    self._sent.append((tick, saved))
                    orders.append(replace(order, tick=tick))
                    self._tries += 1
                    if event[KIND] == ON or self._tries == MOST_ENDED:  # first others may have to end for it
                        self._owed = None
                    continue
                event = self._drawn(earliest)
                if event is None:  # it looks again a beat later, no more than the longest wait behind
                    self._rests = now + 1
                    self.player.grid = max(self.player.grid, earliest - MAX_WAIT)
                    break
                self._queue.append((self.player.grid, event, saved))
            grid, event, saved = self._queue[0]
            if grid >= self._until * GRID:
                orders += self._finish(self._until)
                break
            if grid > (now + AHEAD) * GRID:
                break
            self._queue.popleft()
            order = self._order(grid, event)
            self._sent.append((order.tick, saved))
            orders.append(order)
        while self._sent and self._sent[0][0] < tick_of(now - 1):
            self._sent.popleft()
        return orders

    def wake(self, now: float) -> float:
        """The beat at which `advance` has something to do; infinity for never, unless something is heard."""
        if self.mode == "harmonise":
            return self.beneath.wake(self._sings)
        if self.playing:
            if self.mode == "loop":
                return now + 1.0
            if not self._queue:
                return max(now, self._rests)
            return max(now, min(self._queue[0][0] / GRID - AHEAD, self._until - AHEAD))
        if self._turn and self._phrase is not None:
            return self._turn_from(self._phrase) - self.reaction
        if self.mode in ("continue", "answer") and self._phrase is not None:
            line = self.metre.next_bar(tick_of(now + LEAD)) / PPQ - LEAD
            silent = self._last + float(self.parameters["silence"])
            return min(line, silent) if not self._held and silent > now else line
        return float("inf")

    @property
    def patience(self) -> float:
        """Beats by which `advance` may come later than `wake` says, for the steps of several players to be one."""
        ahead = self.playing and bool(self._queue) and self.mode not in ("loop", "harmonise")
        return PATIENCE if ahead else 0.0

    def reached(self, now: float) -> float:
        """The beat up to which its part is played already; infinity where it has none."""
        if not self.playing or self.mode in ("loop", "harmonise"):
            return self.wake(now)
        if self._owed is not None:
            return now
        return (self._queue[0][0] if self._queue else self.player.grid) / GRID

    def prepare(self) -> None:
        """Compute what the next note heard will need."""
        self.player.prepare()

    def _decide(self, now: float) -> None:
        """Take over when the performer's phrase, or turn, is over."""
        if self.playing or self.mode not in ("continue", "answer") or self._phrase is None:
            return
        if self._turn:
            start = self._turn_from(self._phrase)
            if now >= start - self.reaction - 1e-6:
                heard = self._heard_bars(self._phrase, start)
                self._play_from(start)
                self._answer_with(heard, start, self._turn)
                self._until, self._phrase = start + self.metre.beats * self._turn, None
            return
        entry = self._entry(now)
        if entry is None:
            return
        start = entry
        bar = self.metre.beats
        length = max(1.0, ceil((self._last - self._phrase) / bar - 0.05))
        heard = self._heard_bars(self._phrase, start)
        self._answered = self._phrase
        self._play_from(start)
        self._until = start + length * bar if self.mode == "answer" else float("inf")
        self._answer_with(heard, start, int(length) if self.mode == "answer" else None)
        self._phrase = None

    def _entry(self, now: float) -> float | None:
        """The bar line at which it takes over, once the performer's phrase is over; None before that.

        A phrase is over after a rest of ``silence``. At a bar line half of it is enough, and less where the phrase has
        two, four or eight bars and its last note was long.
        """
        assert self._phrase is not None
        line = self.metre.next_bar(tick_of(now + self.reaction)) / PPQ
        if self.metre.bar_start(tick_of(now + self.reaction)) >= tick_of(now + self.reaction) - 1:
            line = self.metre.bar_start(tick_of(now + self.reaction)) / PPQ
        if self._held:
            return None
        rest, needed = now - self._last, float(self.parameters["silence"])
        if rest >= needed - 1e-6:
            return line
        if line - now > LEAD + 1e-6:
            return None
        begun = self.metre.bar_start(tick_of(self._phrase + 0.25 * self.metre.beats)) / PPQ
        bars = round((line - begun) / self.metre.beats)
        if not self.hears_drums and bars in (2, 4, 8) and rest >= min(needed, 0.5) - LEAD - 1e-6:
            return line  # strokes have no length, and a rest between them says nothing
        onsets = [h.beat for h in self._past if h.foreign and h.kind == ON and h.beat >= self._phrase - 1e-6]
        if bars in (2, 4, 8) and len(onsets) > 3:
            between = sorted(b - a for a, b in pairwise(onsets) if b - a > TOGETHER)
            usual = between[len(between) // 2] if between else 1.0
            if line - onsets[-1] >= max(1.0, 1.75 * usual):
                return line
        return None

    @property
    def _turn(self) -> int:
        return int(self.parameters["turn"]) if self.mode == "answer" else 0

    def _turn_from(self, phrase: float) -> float:
        """The bar line at which the performer's turn that began at ``phrase`` is over."""
        return self.metre.bar_start(tick_of(phrase)) / PPQ + self._turn * self.metre.beats

    def _play_from(self, beat: float) -> None:
        self.playing, self._earliest, self._until = True, round(beat * GRID), float("inf")
        self._ends = float("inf")
        self._queue.clear()
        self._script = self._phrasing = self._drumming = None
        if self.mode == "free" and self.parameters["role"] and self.band is not None:
            line = self.metre.bar_start(tick_of(beat - 1 + 1e-6))
            if tick_of(beat - 1) - line > PPQ // 10:
                line = self.metre.next_bar(tick_of(beat - 1))
            self._earliest = line // TICKS
            self._begin_script(line / PPQ, None)
            self._lines = tuple(self._strain() for _ in range(2)) if self.parameters["role"] == "lead" else ()
            self._drawn_at.clear()  # of bars that are gone, whose ids others may get

    # -- what a role of the band plays --------------------------------------------------------------------------

    def _strain(self) -> Phrasing:
        arranged = self.parameters["style"] in ARRANGED
        low, high = RANGES["lead arranged" if arranged else "lead"]
        return Phrasing(
            [],
            self.metre.beats,
            self.player.random,
            lambda beat: self._key_at(beat),
            lambda beat: self._tones_at(beat),
            max(int(self.parameters["low"]), low),
            min(int(self.parameters["high"]), high),
            faithful=FAITHFUL[arranged],
            reach=12 if arranged else REACH,
            rhythms=accompaniment.rhythms(self.metre.beats, 4),
        )

    def _role_cues(self, start: int, role: str, band: Band) -> list[Cue]:
        bar, style = self.metre.place(start * TICKS)[0], str(self.parameters["style"])
        beat = start / GRID
        if role == "lead":
            return self._lead_cues(start, bar, style, band)
        part = self.model.drums if role == "drums" else self._role_part
        if part < 0:
            return []
        out = []
        for one in band.figures(role, style, bar, beat, self.player.random, int(self.parameters["seed"])):
            at, end = start + round(one.start * GRID), start + round((one.start + one.length) * GRID)
            pitches = (one.pitch,) if one.kind == "d" else ()
            velocity = max(1, min(127, one.velocity))
            micro = None if one.micro is None else NEUTRAL + one.micro
            out.append(
                Cue(at, max(at + 1, end), part, pitches, velocity, one.kind, one.voice, one.voices, one.centre, micro)
            )
        return out

    @property
    def _role_part(self) -> int:
        """The part that a pitched role plays: the one of its name, else the first pitched one."""
        role = self.parameters["role"]
        named = [i for i, part in enumerate(self.model.parts) if part.name == role and not part.drum]
        return (named or [i for i, part in enumerate(self.model.parts) if not part.drum] or [-1])[0]

    def _lead_cues(self, start: int, bar: int, style: str, band: Band) -> list[Cue]:
        """The lead's bar: of a theme of eight bars that comes back, sometimes varied, and of another in between."""
        if band.solo(bar) or (band.last_bar is not None and bar > band.last_bar):
            return []
        beat, place = start / GRID, bar - band.origin
        phrasing = self._lines[place // SECTION % 4 == 2]
        self._phrasing = phrasing
        closes = bar == band.last_bar or place % PHRASE == PHRASE - 1
        if len(phrasing.heard) < SECTION and len(phrasing.made) >= SECTION:
            phrasing.heard = [self._lasting(bar) for bar in phrasing.made[:SECTION]]
        strokes = phrasing.bar(place % SECTION, beat, closes)
        self._theme(phrasing, start, strokes)
        if not band.plays("lead", style, bar, int(self.parameters["seed"])):
            return []  # the theme goes on in silence, so that it comes back in its place
        if bar == band.last_bar:
            strokes = (replace(strokes[-1], start=0.0, length=self.metre.beats - 0.1),)
        loud = 0.75 + 0.4 * band.dense(bar, beat)
        out = []
        for stroke in strokes:
            at = start + round(swung(stroke.start, style) * GRID)
            end = start + round(swung(stroke.start + stroke.length, style) * GRID)
            pitch = stroke.pitch
            if pitch >= 0 and self.player.rules.strong(at):
                pitch = _nearest(pitch, self._tones_at(at / GRID))
            rises = 5 * (1 - abs(2 * ((place + stroke.start / self.metre.beats) % PHRASE) / PHRASE - 1))
            accent = rises + (5 if self.player.rules.strong(at) else -5 if stroke.start % 1 else 0)
            velocity = max(1, min(127, round((stroke.velocity + accent) * loud)))
            out.append(Cue(at, max(at + 1, end - 1), self._role_part, (pitch,) if pitch >= 0 else (), velocity))
        return out

    def _theme(self, phrasing: Phrasing, start: int, strokes: Bar) -> None:
        """Remember where a bar of the theme is played, so that the pitches which the model chooses are part of it."""
        if len(phrasing.heard) < SECTION:
            self._drawn_at[id(strokes)] = start

    def _lasting(self, bar: Bar) -> Bar:
        """A bar of the theme with the pitches that were chosen for it."""
        start, script = self._drawn_at.get(id(bar), -1), self._script
        if start < 0 or script is None:
            return bar
        style, part = str(self.parameters["style"]), self._role_part
        out = []
        for stroke in bar:
            at = start + round(swung(stroke.start, style) * GRID)
            out.append(replace(stroke, pitch=script.chosen.get((at, part, "", 0), stroke.pitch)))
        return tuple(out)

    def _bass(self, cue: Cue, beat: float, chord: Chord) -> Sequence[int]:
        """What the bass of a band plays at a cue."""
        low, high = RANGES["bass"]
        low, high = max(low, int(self.parameters["low"])), min(high, int(self.parameters["high"]))
        if high - low < 11:
            return ()
        kind, last = cue.role, self.player.state.last[cue.part]
        if kind == "w":
            before, after = self._listening.at(beat - 0.1).tones, self._listening.at(beat + 1.0)
            kind = "t" if before == self._tones_at(beat) else "b"
            below = parse_chord(after.chord).bass if after.chord else chord.bass
            if kind == "t" and below not in (chord.bass, -1) and not self.player.rules.strong(cue.start):
                target = accompaniment.bass_pitch(below, last, low, high)
                return [p for p in (target - 1, target + 1, target - 2, target + 2) if low <= p <= high and p != last]
        if kind == "t" and last >= 0:
            tones = [p for p in range(max(low, last - 7), min(high, last + 7) + 1) if p % 12 in chord.pitch_classes]
            tones = [p for p in tones if p != last] or tones
            if self.parameters["style"] in ARRANGED:  # a line that comes back is the same line
                return sorted(tones, key=lambda p: (abs(p - last), p))[:1]
            return tones
        root = accompaniment.bass_pitch(chord.bass, self._low, low, min(high, low + 20))
        if kind == "f":
            fifths = [pc for pc in ((chord.root + 7) % 12, (chord.root + 6) % 12) if pc in chord.pitch_classes]
            return (accompaniment.bass_pitch((fifths or [chord.bass])[0], root, low, high),)
        if kind == "o":
            return (root + 12 if root + 12 <= high else root,)
        self._low = root
        return (root,)

    def _struck(self, cue: Cue, wait: int, pitch: int) -> tuple[int, int]:
        """How a drum is struck: as loud as the pattern has it and the model would, when the model would."""
        velocity, micro = self.player.struck(wait, cue.part, pitch)
        mixed = round((0.7 * cue.velocity + 0.3 * velocity_of(velocity)) / 4)
        return max(1, min(31, mixed)), max(NEUTRAL - FEEL, min(NEUTRAL + FEEL, micro))

    # -- what is settled before it is drawn -------------------------------------------------------------------

    @property
    def _patterned(self) -> bool:
        """Whether it accompanies by a bar pattern: it has a part that can, and is asked to."""
        return bool(self.parameters["steady"]) and self._chord_part >= 0

    @property
    def _chord_part(self) -> int:
        """The part that plays chords, -1 for none: its own first that is neither drums, sung nor a bass."""
        own = [i for i in sorted(self._own()) if not self.model.parts[i].drum]
        chordal = [i for i in own if not self.model.parts[i].sung and self.model.parts[i].name != "bass"]
        return (chordal or own or [-1])[0]

    @property
    def _bass_part(self) -> int:
        own = [i for i in sorted(self._own()) if self.model.parts[i].name == "bass"]
        return own[0] if own else self._chord_part

    def _heard_bars(self, first: float, until: float) -> list[Bar]:
        """The performer's top line from beat ``first`` to the bar line at ``until``, in bars; a pickup is left out."""
        beats = self.metre.beats
        line = self.metre.bar_start(tick_of(first + min(1.0, 0.25 * beats))) / PPQ
        count = max(1, round((until - line) / beats))
        if self.hears_drums:
            strokes = [h for h in self._past if h.foreign and h.kind == ON and h.beat >= line - 0.125]
            drummed = drum_bars([(h.beat, h.pitch, h.velocity) for h in strokes], line, beats, count)
            while len(drummed) > 1 and not drummed[-1]:
                drummed.pop()
            return drummed
        notes: list[list[float]] = []
        for one in sorted((h for h in self._past if h.foreign and not h.drum), key=lambda h: h.beat):
            if one.kind == ON and one.beat >= line - 0.125:
                notes.append([one.beat, until, one.pitch, one.velocity])
            elif one.kind == OFF:
                begun = next((n for n in reversed(notes) if n[2] == one.pitch and n[1] == until), None)
                if begun is not None:
                    begun[1] = one.beat
        bars = bars_of([(n[0], n[1], int(n[2]), int(n[3])) for n in notes], line, beats, count)
        while len(bars) > 1 and not bars[-1]:  # the rest after which it answers
            bars.pop()
        return bars

    def _answer_with(self, heard: list[Bar], start: float, bars: int | None) -> None:
        """Settle a phrase of so many bars, or without end, that makes something of what was heard."""
        if not any(heard):
            return
        if self.hears_drums:
            plan, first = self.player.frame.plan, self.player.frame.bar_of(max(0, round(start * GRID)))
            self._drumming = Drumming(
                heard, self.metre.beats, self.player.random, lambda bar: self._echo(plan, first + bar)
            )
            self._begin_script(start, bars)
            self._close = len(heard) if len(heard) in (2, 4, 8) else PHRASE
            return
        pitches = [stroke.pitch for bar in heard for stroke in bar]
        low, high = int(self.parameters["low"]), int(self.parameters["high"])
        plan, first = self.player.frame.plan, self.player.frame.bar_of(max(0, round(start * GRID)))
        self._phrasing = Phrasing(
            heard,
            self.metre.beats,
            self.player.random,
            lambda beat: self._key_at(beat),
            lambda beat: self._tones_at(beat),
            max(low, min(pitches)),
            min(high, max(pitches)),
            lambda bar: self._echo(plan, first + bar),
            rhythms=accompaniment.rhythms(self.metre.beats, sum(map(len, heard)) / len(heard)),
        )
        self._begin_script(start, bars)
        self._close = len(heard) if len(heard) in (2, 4, 8) else PHRASE
        if self._patterned and len(self.model.parts) > 1:
            self._pattern = accompaniment.chosen(self.metre.beats, ROOM * len(pitches) / len(heard), self.player.random)

    @staticmethod
    def _echo(plan: Plan | None, bar: int) -> int | None:
        echo = plan.row(bar)[0] if plan is not None and plan.forms else None
        return echo if echo is None or echo >= NEW else None

    def _accompany_from(self, beat: float) -> None:
        """Begin to keep a bar pattern, in the middle of a bar too."""
        self._begin_script(self.metre.bar_start(tick_of(beat)) / PPQ, None)
        self._pattern = accompaniment.chosen(self.metre.beats, 3, self.player.random)

    def _begin_script(self, start: float, bars: int | None) -> None:
        self._script, self._cue, self._bar, self._bars = Script(round(start * GRID)), 0, 0, bars
        self._pattern = None

    def _settle(self, script: Script, beyond: int = 0) -> None:
        """Settle the script's bars as far as they are needed, and one that begins at ``beyond``."""
        length = round(self.metre.beats * GRID)
        while script.until <= max(self.player.grid + length, beyond) and (self._bars is None or self._bar < self._bars):
            start = script.until
            closes = self._bar + 1 == self._bars or (self._bars is None and (self._bar + 1) % self._close == 0)
            role = self.parameters["role"] if self.mode == "free" else ""
            if role and self.band is not None:
                script.add(self._role_cues(start, role, self.band), start + length)
                self._bar += 1
                continue
            if self._drumming is not None:
                part = self.model.drums
                script.add(
                    [
                        Cue(at := start + round(s.start * GRID), at + 2, part, (s.pitch,), s.velocity, "d", s.pitch)
                        for s in self._drumming.bar(self._bar, closes)
                    ],
                    start + length,
                )
                self._bar += 1
                continue
            cues = self._melody(start, closes) if self._phrasing is not None else []
            if self._phrasing is None:
                most = self._choose_pattern(start / GRID)
                assert self._pattern is not None
                fuller = self._pattern.notes > 1.4 * most  # for once it holds back
                cues = self._accompaniment(start, self._pattern.thinned(int(most)) if fuller else self._pattern)
            elif self._pattern is not None:
                cues += self._accompaniment(start, self._pattern)
            if not self._bar and self._phrasing is None:  # it joins in the middle of a bar: with the bass, at once
                now = self.player.grid
                cues = [cue for cue in cues if cue.start > now]
                until = min((cue.start for cue in cues), default=start + length)
                cues.insert(0, Cue(now, max(now + 1, until), self._bass_part, (), self._touch(), "b"))
            script.add(cues, start + length)
            self._bar += 1

    def _trim(self, script: Script) -> None:
        """Drop what a long script has played, and can no longer be recalled."""
        if len(script.edges) < LONGEST_SCRIPT:
            return
        done = min([self._cue, *(place[1] for _, place in self._sent), *(place[1] for _, _, place in self._queue)])
        script.forget(done)
        self._cue -= done
        self._sent = deque((tick, (saved, cue - done)) for tick, (saved, cue) in self._sent)
        self._queue = deque((grid, event, (saved, cue - done)) for grid, event, (saved, cue) in self._queue)

    def _melody(self, start: int, closes: bool) -> list[Cue]:
        assert self._phrasing is not None
        part, out = self._hearing(), list[Cue]()
        for stroke in self._phrasing.bar(self._bar, start / GRID, closes):
            at, end = (start + round(beat * GRID) for beat in (stroke.start, stroke.start + stroke.length))
            pitches = tuple(self._bounded([stroke.pitch])) if stroke.pitch >= 0 else ()
            if pitches or stroke.pitch < 0:
                out.append(Cue(at, max(at + 1, end - 1), part, pitches, stroke.velocity))
        return out

    def _bounded(self, pitches: Sequence[int]) -> list[int]:
        """The pitches, by octaves, between the lowest and the highest note; without those that have no place there."""
        low, high = int(self.parameters["low"]), int(self.parameters["high"])
        places = [[p for p in range(pitch % 12, 128, 12) if low <= p <= high] for pitch in pitches]
        nearest = [min((abs(p - pitch), p) for p in own) for pitch, own in zip(pitches, places, strict=True) if own]
        return [p for _, p in nearest]

    def _accompaniment(self, start: int, pattern: Pattern) -> list[Cue]:
        out, touch = list[Cue](), self._touch()
        single = [beat for beat in pattern.beats if beat.role == "c" and beat.count == 1]
        broken = len(single) > 1 and len(single) >= 0.5 * (len(pattern.beats) - len(single))
        turn = 0
        for beat in pattern.beats:
            at, end = start + round(beat.start * GRID), start + round((beat.start + beat.length) * GRID)
            part = self._bass_part if beat.role == "b" else self._chord_part
            loud = touch + (5 if beat.start == 0 else 0) - (4 if beat.role == "c" else 0)
            loud = max(1, min(127, loud))
            if broken and beat.role == "c" and beat.count == 1:  # a broken chord goes through its voices
                out.append(Cue(at, max(at + 1, end), part, (), loud, "c", BROKEN[turn % len(BROKEN)], 3))
                turn += 1
                continue
            out += [
                Cue(at, max(at + 1, end), part, (), loud, beat.role, voice, beat.count) for voice in range(beat.count)
            ]
        return out

    def _touch(self) -> int:
        """How loud it accompanies: a little softer than the performer has lately played."""
        recent = [h.velocity for h in self._past if h.foreign and h.kind == ON and h.beat >= self._last - 8]
        return round(0.82 * sum(recent) / len(recent)) if recent else 64

    def _choose_pattern(self, beat: float) -> float:
        """Another pattern where a phrase is over; returns how many notes a bar leave the performer room."""
        bar = self.metre.beats
        onsets = [h.beat for h in self._past if h.foreign and h.kind == ON]
        until = min(beat, max(onsets, default=beat) + 0.01)  # bars are settled before they are heard
        bars = max(1.0, min(float(PHRASE), (until - min(onsets, default=until)) / bar))
        played = sum(until - bars * bar <= onset for onset in onsets) / bars
        most = max(1.0, ROOM * 0.9 * played)
        rested = any(b - a >= 1.5 for a, b in pairwise([*onsets, beat]) if a >= beat - bar)
        phrase_over = self._bar in (1, 2) or self._bar % (2 * PHRASE) == 0 or (rested and self._bar % PHRASE == 0)
        if phrase_over:
            self._pattern = accompaniment.chosen(bar, most, self.player.random)
        return most

    def _at_once(self) -> Event | None:
        """The answer to a note that is heard, at the place where it is heard; None where nothing may begin."""
        if self._script is not None:
            return self._drawn(self.player.grid)
        return self.player.next(self.player.grid, FOREVER, at=self.player.grid)

    def _drawn(self, earliest: int) -> Event | None:
        """The next event: the script's where there is one, the model's in the parts and after the time of it.

        None where nothing may begin for as long as an event can wait.
        """
        script = self._script
        while script is not None:
            self._settle(script)
            self._trim(script)
            edge = script.next(self._cue)
            more = self._bars is None or self._bar < self._bars
            if edge is None and more and script.until < self.player.grid + LONGEST_REST * GRID:
                self._settle(script, script.until)  # it begins later, or has empty bars
                continue
            if edge is None:
                earliest = max(earliest, script.until)
                break
            beside = self._pattern is None and self._phrasing is not None and self.mode != "free"
            if beside and len(self.model.parts) > 1:
                rules, self.player.rules = self.player.rules, self._beside()
                found = self.player.next(earliest, max(edge, earliest))
                self.player.rules = rules
                if found is not None:
                    return found
            drums = self._drumming is not None or (self.parameters["role"] == "drums" and self.mode == "free")
            played = script.play(self.player, self._cue, self._pitches_of, self._struck if drums else None)
            self._cue += 1
            if played is not None:
                return played
        return self.player.next(earliest, FOREVER)

    def _beside(self) -> Rules:
        """The rules of the parts that the model plays beside a melody that is settled."""
        rules = self._rules()
        rules.parts = (self._own() - {self._hearing()}) or self._own()
        return rules

    def _key_at(self, beat: float) -> Key | None:
        if self.parameters["key"]:
            return parse_key(self.parameters["key"])
        return self._listening.at(beat).key

    def _tones_at(self, beat: float) -> frozenset[int]:
        if self.parameters["chord"]:
            return parse_chord(self.parameters["chord"]).pitch_classes
        return self._listening.at(beat).tones

    def _pitches_of(self, cue: Cue) -> Sequence[int]:
        """What a cue plays in the harmony that holds now."""
        beat = max(cue.start, self.player.grid) / GRID
        if not cue.role and self._phrasing is not None:
            last, strong = self.player.state.last[cue.part], self.player.rules.strong(cue.start)
            return self._bounded(self._phrasing.open(beat, last, strong))
        name = self.parameters["chord"] or self._listening.at(beat).chord
        key = self._key_at(beat)
        chord = parse_chord(name) if name else None
        if chord is None or chord.root < 0:
            if key is None:
                return ()
            chord = parse_chord(PITCH_NAMES[key.tonic] + ("m" if key.minor else ""))
        if self.mode == "free" and cue.role != "c":
            return self._bass(cue, beat, chord)
        low, high = int(self.parameters["low"]), int(self.parameters["high"])
        if cue.role == "b":
            span = (max(low, accompaniment.LOWEST_BASS), min(high, accompaniment.HIGHEST_BASS))
            if span[1] - span[0] < 11:
                span = (low, high)
            self._low = accompaniment.bass_pitch(chord.bass, self._low, *span) if span[1] - span[0] >= 11 else -1
            return (self._low,) if self._low >= 0 else ()
        half = self._listening.segment(beat)[0]
        asked = (half, name, cue.voices, cue.centre)
        if self._voicing[0] != asked:
            top = min((h.pitch for h in self._past if h.foreign and h.kind == ON and h.beat >= beat - 8), default=76)
            span = (
                RANGES["chords"] if self.mode == "free" else (accompaniment.LOWEST_CHORD, accompaniment.HIGHEST_CHORD)
            )
            if cue.centre:
                span = (cue.centre - 12, cue.centre + 14)
            span = (max(low, span[0]), min(high, span[1]))
            if span[1] - span[0] < 11:
                span = (low, high)
            voices = accompaniment.voiced(
                chord.pitch_classes, chord.root, cue.voices, self._voicing[1],
                *span, 128 if self.mode == "free" else max(64, top),
            )  # fmt: skip
            if self.mode == "free" and cue.voices > 3 and self.parameters["style"] in ARRANGED:
                voices = tuple(sorted((*voices[:-2], voices[-2] - 12, voices[-1])))  # open, as several instruments are
            voices = tuple(pitch for pitch in voices if low <= pitch <= high)
            self._voicing = (asked, voices)
        voices = self._voicing[1]
        return (voices[cue.voice],) if cue.voice < len(voices) else ()

    def _hush(self, beat: float) -> list[Order]:
        self.beneath.end(beat)  # what it plays is among the notes that end
        orders: list[Order] = [*self._back_to(beat), EndNotes(self.number), *self._job_over()]
        self._silence(beat)
        return orders

    def _job_over(self) -> list[Order]:
        """The job of `generate` is done, or was cut short."""
        job, self._job = self._job, 0
        return [Done(self.number, job, self._notes)] if job else []

    def _finish(self, beat: float) -> list[Order]:
        """Its turn is over at ``beat``, which is yet to come."""
        self.player.restore(self._queue[0][2][0])
        self._queue.clear()
        self._silence(beat)
        self._ends = beat
        return [AllOff(self.number, tick_of(beat)), *self._job_over()]

    def _silence(self, beat: float) -> None:
        for part, pitch in sorted(self.player.started):
            self._told(beat, (OFF, part, pitch, 0))
        self.player.started.clear()
        self.playing, self._owed, self._ends = False, None, 0.0
        self._script = self._phrasing = self._drumming = None

    def _back_to(self, beat: float) -> list[Order]:
        """Recall what is planned from ``beat`` on, in the model's memory and in the scheduler."""
        return [Recall(self.number, tick_of(beat))] if self._rewind(beat) else []

    def _rewind(self, beat: float) -> bool:
        found, self._rests = None, float("-inf")
        if self._queue:
            found = self._queue[0][2]
            self._queue.clear()
        while self._sent and self._sent[-1][0] >= tick_of(beat):
            found = self._sent.pop()[1]
        if found is not None:
            self.player.restore(found[0])
            self._cue = found[1]
            self._unremember(beat)
        return found is not None

    def _unremember(self, beat: float) -> None:
        """Forget what the player itself played from ``beat`` on: of both memories only the end is looked at."""
        tick, loop, past = tick_of(beat), list[Note](), list[Heard]()
        while self._loop and self._loop[-1].tick >= tick - PPQ:  # close together they may be out of order
            loop.append(self._loop.pop())
        self._loop.extend(order for order in reversed(loop) if order.tick < tick)
        while self._past and (self._past[-1].foreign or self._past[-1].beat >= beat):
            past.append(self._past.pop())
        self._past.extend(heard for heard in reversed(past) if heard.foreign)

    def _listen(self, beat: float, kind: int, part: int, pitch: int, velocity: int) -> None:
        if self._queue:  # what was drawn ahead did not know of this note
            self.player.restore(self._queue[0][2][0])
            self._cue = self._queue[0][2][1]
            self._queue.clear()
        self._told(beat, (kind, part, pitch, velocity), foreign=True)
        self._remember(Heard(beat, kind, pitch, velocity, part == self.model.drums, True))

    def _told(self, beat: float, what: tuple[int, int, int, int], foreign: bool = False) -> None:
        kind, part, pitch, velocity = what
        grid, micro = to_grid(beat)
        wait = min(max(0, grid - self.player.grid), MAX_WAIT)
        micro = max(micro + 10, self.player.micro if not wait else 0)
        event = (wait // GRID, wait % GRID, kind, part, pitch, velocity // 4, micro)
        (self.player.listen if foreign else self.player.hear)(event)
        self.player.grid = max(self.player.grid, grid)

    def _remember(self, heard: Heard) -> None:
        self._past.append(heard)
        while self._past[0].beat < heard.beat - LONGEST_MEMORY:
            self._past.popleft()

    def _order(self, grid: int, event: Event) -> Note:
        tick = grid * TICKS + round((event[MICROTIME] - 10) * TICKS / MICRO * float(self.parameters["humanise"]))
        drum = event[PART] == self.model.drums
        velocity = 0
        order: Note
        if event[KIND] == OFF:
            order = NoteOff(self.number, tick, event[PITCH], event[PART])
        else:
            loud = self._expressed(velocity_of(event[VELOCITY]), event[PITCH], grid * TICKS, drum)
            velocity = max(1, min(127, round(loud * float(self.parameters["velocity"]))))
            order = NoteOn(self.number, tick, event[PITCH], velocity, event[PART], drum)
            self._notes += 1
        self._remember(Heard(grid / GRID, event[KIND], event[PITCH], velocity, drum, False))
        self._loop.append(order)
        while self._loop and self._loop[0].tick < tick - LONGEST_LOOP * self.metre.ticks:
            self._loop.popleft()
        return order

    def _expressed(self, velocity: int, pitch: int, tick: int, drum: bool) -> float:
        """The velocity by the rules of a performer's dynamics, for a model without any of its own."""
        amount = float(self.parameters["expression"])
        if not amount or drum or not self.model.score:
            return velocity
        shared, given = self._stage_harmony, self.parameters["key"]
        key = parse_key(given) if given else shared.key if shared is not None else None
        return expressed_live(velocity, pitch, amount, self.metre, tick, key.tonic if key is not None else None)

    def _under(self, beat: float, melody: int, velocity: int) -> list[Order]:
        """The chord beneath a note of the performer's, by the stage's harmony or, with a key or chord of its own, the
        player's."""
        harmony = self._listening
        if self._stage_harmony is None:
            harmony.hear(beat, melody, velocity)
        return self._kept(self.beneath.under(harmony, beat, melody, velocity))

    def _gives(self, pitch: int) -> bool:
        """Whether a note of the performer's gives a chord, and is no melody."""
        shared = self._stage_harmony
        return shared is not None and pitch < shared.split

    @property
    def _sings(self) -> bool:
        """Whether a note of the melody is held."""
        return any(not self._gives(pitch) for pitch in self._held)

    def _kept(self, orders: Sequence[Order]) -> list[Order]:
        """Keep what is played beside the model for the mode `loop`."""
        self._loop.extend(order for order in orders if isinstance(order, Note))
        while self._loop and self._loop[0].tick < self._loop[-1].tick - LONGEST_LOOP * self.metre.ticks:
            self._loop.popleft()
        return list(orders)

    @property
    def _listening(self) -> Harmony:
        return self._stage_harmony or self._own_harmony

    def _made_own(self) -> Harmony:
        """A harmony of the player's own: its key, scale and chord are given."""
        made, p = Harmony(self.metre), self.parameters
        if p["key"] or p["scale"]:
            key = parse_key(p["key"]) if p["key"] else Key(0.0, 0)
            made.scale = scale_pitch_classes(key.tonic, p["scale"] or ("minor" if key.minor else "major"))
            made.give_key(key_name(key))
        made.give_chord(p["chord"])
        return made

    def _made_beneath(self) -> Beneath:
        p, parts = self.parameters, [i for i in sorted(self._own()) if not self.model.parts[i].drum]
        low = max(36, int(p["low"]))
        return Beneath(
            self.number,
            parts[0] if parts else 0,
            p["pattern"],
            int(p["polyphony"]) or VOICES,
            low,
            max(low, min(76, int(p["high"]))),
            LOUD * float(p["velocity"]),
        )

    # -- the loop -------------------------------------------------------------------------------------------

    def _begin_loop(self, beat: float) -> None:
        now = tick_of(beat)
        first = now - self._loop_ticks
        self._loop = deque(order for order in self._loop if first <= order.tick < now)
        self._loop_from = ceil(beat) * PPQ

    @property
    def _loop_ticks(self) -> int:
        return int(self.parameters["bars"]) * self.metre.ticks

    def _looped(self, now: float) -> list[Order]:
        """The next pass of the loop, when the one before is nearly over."""
        length = self._loop_ticks
        orders: list[Order] = []
        while self._loop_from < tick_of(now + AHEAD):
            begin = self._loop_from
            notes: list[Note] = [replace(note, tick=begin + (note.tick - begin) % length) for note in self._loop]
            notes.sort(key=lambda note: (note.tick, isinstance(note, NoteOn)))
            orders += notes
            orders.append(AllOff(self.number, begin + length - 1))
            self._loop_from += length
        return orders

    # -- model and rules ------------------------------------------------------------------------------------

    def _hearing(self) -> int:
        """The part class that the performer is heard as: the first pitched one, or the drums of a drummer."""
        return next((i for i, part in enumerate(self.model.parts) if not part.drum), 0)

    def _pitched(self) -> list[int]:
        return [i for i, part in enumerate(self.model.parts) if not part.drum]

    def _own(self) -> frozenset[int]:
        """The parts it plays: beside a performer the others, if there are any."""
        every = frozenset(range(len(self.model.parts)))
        if self.mode in ("accompany", "harmonise") and len(every) > 1:
            return every - {self._hearing()}
        return every

    def _made(self, grid: int) -> Player:
        made = Player(
            self.model,
            self._frame(),
            self._rules(),
            Random(self.parameters["seed"]),
            self.parameters["temperature"],
            self._top_p,
            original=self.parameters["original"],
        )
        made.at(grid)
        made.recall = self._recall()
        self._queue.clear()
        self._sent.clear()
        return made

    @property
    def _top_p(self) -> float:
        """The nucleus that is drawn from: the one that is asked for, else the model's own."""
        return self.parameters["top_p"] or self.model.top_p

    def _recall(self) -> sampler.Recall | None:
        """What its melody draws on of what the performer has played; a part of several voices has none."""
        part = self._hearing()
        if self.recollection is None or not self.model.parts[part].sung:
            return None
        return sampler.Recall(self.recollection, part, float(self.parameters["recall"]))

    def _frame(self) -> Frame:
        piece = Piece(tempos=[Tempo(0.0, self.tempo)], metres=[_metre(self.metre)])
        if self.parameters["key"]:
            piece.keys = [parse_key(self.parameters["key"])]
        elif self.parameters["scale"]:
            piece.keys = [Key(0.0, 0)]
        if self.parameters["chord"]:
            parse_chord(self.parameters["chord"])
            piece.chords = [ChordSymbol(0.0, self.parameters["chord"])]
        plan = Plan(
            self.model.forms,
            Random(self.parameters["seed"]),
            repeat=self.parameters.get("repeat"),
            parts=self._own(),
        )
        return Frame(piece, self.parameters["density"] or None, plan, self._stage_harmony)

    @property
    def _stage_harmony(self) -> Harmony | None:
        """The stage's harmony, where the player has no key and no chord of its own."""
        own = self.parameters["key"] or self.parameters["scale"] or self.parameters["chord"]
        return None if own else self.harmony

    def _rules(self) -> Rules:
        p = self.parameters
        frame = self._frame()
        scale = None
        shared = self._stage_harmony
        if shared is not None and shared.key is not None:
            scale = scale_pitch_classes(shared.key.tonic, "minor" if shared.key.minor else "major")
            if not any(pitch % 12 in scale for pitch in range(int(p["low"]), int(p["high"]) + 1)):
                scale = None  # its range is its own; the stage's key is not
        elif p["key"] or p["scale"]:
            key = frame.piece.keys[-1]
            scale = scale_pitch_classes(key.tonic, p["scale"] or ("minor" if key.minor else "major"))
        limits = Constraints(
            scale=scale,
            low=p["low"],
            high=p["high"],
            polyphony=p["polyphony"] or None,
            density=p["density"] * 1.5 if p["density"] and self.mode != "harmonise" else None,
            parts=self._own(),
            chord_tones=bool(p["chord"]),
            rest=4.0,
            longest=8.0,
            voices={i: 1 for i, part in enumerate(self.model.parts) if part.sung},
            gravity=GRAVITY if shared is not None else 0.0,
            **habits_of(self.model),
        )
        return Rules(
            limits,
            frame.piece,
            self.model.drums,
            len(self.model.parts),
            bass_of(self.model),
            self.model.pitches,
            shared,
            SURE if self.mode in ("accompany", "harmonise") else 1.1,
        )


def _nearest(pitch: int, tones: frozenset[int]) -> int:
    """The pitch of the classes that is nearest, or the pitch itself where there are none."""
    return min((p for p in range(128) if p % 12 in tones), key=lambda p: (abs(p - pitch), p), default=pitch)


def _metre(metre: clock.Metre) -> Metre:
    """The clock's metre as a piece has it, from the last bar line at or before the start."""
    first = metre.origin - metre.ticks if metre.origin else 0
    return Metre(first / PPQ, metre.numerator, metre.denominator)


def tick_of(beat: float) -> int:
    """The clock tick of a beat."""
    return round(beat * PPQ)
