"""A model as a composer: `load` one, then `continue_` a piece or `generate` from nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypedDict, Unpack

import numpy as np

from rnnmuse.events import Note
from rnnmuse.models.bundle import load_stream
from rnnmuse.models.stream import StreamModel
from rnnmuse.music import joining
from rnnmuse.music.codec import (
    BAR_LENGTH,
    DENSITY,
    GRID,
    KEY,
    TEMPO,
    UNKNOWN,
    PartClass,
    assign,
    context_of,
    decode,
    drum_parts,
    encode,
    notes_of,
    plan_of,
)
from rnnmuse.music.echo import NEW, Bar, bars_of
from rnnmuse.music.expression import expressed
from rnnmuse.music.keys import follow_keys
from rnnmuse.music.piece import ChordSymbol, Key, Metre, Part, Piece, Tempo, credited
from rnnmuse.music.theory import (
    PITCH_NAMES,
    estimate_key,
    parse_chord,
    parse_key,
    parse_progression,
    scale_pitch_classes,
)
from rnnmuse.play.cadence import closed
from rnnmuse.play.limits import Constraints
from rnnmuse.play.outline import outlines
from rnnmuse.play.plan import Plan
from rnnmuse.play.sampler import ORIGINAL, Event, constrained, events_until, habits_of
from rnnmuse.provenance.record import Made, chosen

MEMORY = 2048  # events of the prompt that are heard; the state has forgotten what was before
UNHEARD = 2
"""Bars that drums play before what is kept."""
SWING = 0.06
"""Beats by which a stroke may come before its bar line."""
MAX_BARS = 1000
DENSEST = 2.5
"""Times as many notes as in the densest bars of the corpus that a bar has at most, where no density is asked for."""
FINGERS = 10
"""Notes at once in a part, where no number is asked for."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a performer may ask for. None leaves the choice to the model, or to the piece that is continued.

    ``key`` keeps every note in its scale (in minor with the raised seventh) and ``scale`` replaces the scale; without
    both the key is inferred and held, and notes outside it are less likely. ``expression`` is by default 1 for a model
    that learned from scores and 0 otherwise. The same ``seed`` gives the same music.
    """

    temperature: float = 1.0
    """0 is the likeliest, 1 as the model is, up to 5."""
    top_p: float | None = None
    """Share of the likeliest classes that are sampled from, above 0 to 1; None for the model's own."""
    seed: int | None = None
    """Number from which all chance follows; None draws one."""
    key: str | None = None
    """Key, such as "D minor"."""
    scale: str | None = None
    """Scale on the key's tonic, such as "dorian"."""
    chords: str | None = None
    """Chord symbols, one a bar, repeated, such as "Am F C G"."""
    density: float | None = None
    """Note-ons a beat, 0.05 to 24."""
    tempo: float | None = None
    """Tempo in bpm, 10 to 400."""
    metre: str | None = None
    """Time signature, such as "3/4"; only from nothing."""
    players: str | int | None = None
    """Number of parts, or their names with commas."""
    low: int = 0
    """Lowest MIDI note."""
    high: int = 127
    """Highest MIDI note."""
    polyphony: int | None = None
    """Largest number of notes at once in one part."""
    repeat: float | None = None
    """Share of bars that are restated, 0 to 1; 0.5 as in real pieces."""
    expression: float | None = None
    """Amount of a performer's dynamics, tempo and pedal, 0 to 2."""
    ending: bool = False
    """Whether the last bar ends the piece."""
    original: float = ORIGINAL
    """How short runs of the training corpus are kept: 0 off, 0.5 under 16 notes, 1 under 10 (`rnnmuse.play.guard`)."""

    def __post_init__(self) -> None:
        if self.repeat is not None and not 0 <= self.repeat <= 1:
            raise ValueError(f"repeat: {self.repeat}; must be 0 to 1")
        if self.expression is not None and not 0 <= self.expression <= 2:
            raise ValueError(f"expression: {self.expression}; must be 0 to 2")
        if not 0 <= self.original <= 1:
            raise ValueError(f"original: {self.original}; must be 0 to 1")
        if self.tempo is not None and not 10 <= self.tempo <= 400:
            raise ValueError(f"tempo: {self.tempo}; must be 10 to 400 bpm")
        if self.density is not None and not 0.05 <= self.density <= 24:
            raise ValueError(f"density: {self.density}; must be 0.05 to 24 notes a beat")


class Changes(TypedDict, total=False):
    """The fields of `Settings` as keyword arguments."""

    temperature: float
    top_p: float | None
    seed: int | None
    key: str | None
    scale: str | None
    chords: str | None
    density: float | None
    tempo: float | None
    metre: str | None
    players: str | int | None
    low: int
    high: int
    polyphony: int | None
    repeat: float | None
    expression: float | None
    ending: bool
    original: float


def voices(parts: Sequence[PartClass], polyphony: int | None) -> dict[int, int]:
    """Notes that each part may sound at once: one that is sung, and of others what was asked for or FINGERS."""
    return {i: 1 if part.sung else polyphony or FINGERS for i, part in enumerate(parts) if not part.drum}


def parse_metre(text: str) -> Metre:
    """A time signature such as ``3/4``; ValueError says what is allowed.

    >>> parse_metre("6/8").bar_beats
    3.0
    """
    above, _, below = text.partition("/")
    if above.strip().isdigit() and below.strip() in ("1", "2", "4", "8", "16", "32") and 1 <= int(above) <= 32:
        return Metre(0.0, int(above), int(below))
    raise ValueError(f"metre: {text!r}; must be like 4/4: 1 to 32 over 1, 2, 4, 8, 16 or 32")


class Muse:
    """A loaded stream model that writes music. ``parts`` names what it can play."""

    def __init__(self, model: StreamModel) -> None:
        self.model = model

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def parts(self) -> list[str]:
        return [part.name for part in self.model.parts]

    def continue_(
        self, music: Piece | Iterable[Note], bars: int = 8, settings: Settings | None = None, **changes: Unpack[Changes]
    ) -> Piece:
        """``bars`` more bars of ``music``: a piece with the new notes alone, on the same time line.

        A plain iterable of notes is taken as one part of piano, or of drums for a model of drums. ``changes`` are
        fields of Settings. ValueError names the field, the value and what is allowed.
        """
        settings = replace(settings or Settings(), **changes)
        piece = music if isinstance(music, Piece) else self._as_piece(list(music))
        _check_bars(bars)
        start = piece.bar_start_after(max(0.0, piece.end - 0.2))
        out = _frame(piece, start, bars, settings)
        prompt = replace(out, parts=[_clipped(part, start) for part in piece.parts])
        whole = encode(prompt, self.model.parts).events.tolist()
        heard = whole[-MEMORY:]
        first = min((n.start for n in notes_of(prompt, self.model.parts)), default=start)
        end = _end(out, start, bars)
        origin = int(first) * GRID + sum(row[0] * GRID + row[1] for row in whole[:-MEMORY])
        used = sorted({row[3] for row in heard})
        players = self._players(settings.players, used)
        seed = secrets.randbits(31) if settings.seed is None else settings.seed
        plan = self._plan(replace(prompt, chords=prompt.chords or piece.chords), start, bars, settings, players, seed)
        self._cadence(out, start, end, settings)
        span = (origin, round(start * GRID), round(end * GRID))
        events = self._play(out, heard, span, settings, players, plan, seed)
        notes = decode_from(events, round(start * GRID), drum_parts(self.model.parts))
        made = self._expressed(self._spread(notes, piece, out), start, settings)
        return replace(made, made=self._made("continue", seed, settings))

    def generate(self, bars: int = 8, settings: Settings | None = None, **changes: Unpack[Changes]) -> Piece:
        """``bars`` bars from nothing."""
        settings = replace(settings or Settings(), **changes)
        _check_bars(bars)
        seed = secrets.randbits(31) if settings.seed is None else settings.seed
        metre = parse_metre(settings.metre) if settings.metre else Metre(0.0, 4, 4)
        empty = Piece(tempos=[Tempo(0.0, settings.tempo or 110.0)], metres=[metre], title=f"{self.name}")
        if not settings.key and not settings.scale and not all(part.drum for part in self.model.parts):
            empty.keys = [_drawn_key(Random(f"key {seed}"), self.model.minor, settings.chords)]
        out = _frame(empty, 0.0, bars, settings)
        players = self._players(settings.players, [])
        # drums alone are begun in the middle: their corpus has many fills, which begin like nothing else
        unheard = UNHEARD if all(part.drum for part in self.model.parts) else 0
        plan = self._plan(empty, 0.0, bars + unheard, settings, players, seed)
        start, end = _end(out, 0.0, unheard), _end(out, 0.0, bars + unheard)
        self._cadence(out, 0.0, end, settings)
        events = self._play(out, [], (0, 0, round(end * GRID)), settings, players, plan, seed)
        notes = decode_from(events, 0, drum_parts(self.model.parts))
        if unheard:
            notes = [replace(n, start=max(0.0, n.start - start)) for n in notes if n.start >= start - SWING]
            notes = [n for n in notes if n.start < end - start - SWING]
            end -= start
        made = self._expressed(self._spread(notes, empty, out), 0.0, settings)
        return replace(made, made=self._made("generate", seed, settings))

    def _made(self, what: str, seed: int, settings: Settings) -> Made:
        return Made(what, {self.name: self.model.digest}, seed, chosen(settings, "seed"), 0.0)

    def top_p(self, settings: Settings) -> float:
        """The nucleus that music that goes on is drawn from: the one that is asked for, else the model's own."""
        return self.model.top_p if settings.top_p is None else settings.top_p

    def silent(self, piece: Piece, players: str | int | None) -> list[str]:
        """The names of the parts that were asked for as ``players`` and do not play in a piece."""
        asked = self._players(players, []) if players is not None else None
        playing = {note.part for note in notes_of(piece, self.model.parts)}
        return [self.parts[i] for i in sorted(asked or ()) if i not in playing]

    def _plan(
        self, prompt: Piece, start: float, bars: int, settings: Settings, players: frozenset[int] | None, seed: int
    ) -> Plan:
        begun: list[list[int]] = []
        outline: list[tuple[int, ...]] = []
        notes: list[Note] = []
        lines: list[Bar] = []
        if start > 0:
            notes = [n for n in notes_of(prompt, self.model.parts) if n.start < start]
            rows = plan_of(notes, prompt)[1]
            lines = bars_of(prompt, start) if notes else []
            there = len(lines)
            kept = rows[:there].tolist()
            begun = kept + [[NEW, NEW, kept[-1][2] if kept else 0]] * (there - len(kept))
            if notes:
                outline = outlines(notes, _with_chords(prompt), lines)
        place = context_of(prompt, np.array([round(start * GRID)]))[0].tolist()
        key = place[KEY] if place[KEY] < UNKNOWN[KEY] else None
        return Plan(
            self.model.forms,
            Random(f"plan {seed}"),
            begun,
            settings.repeat,
            players,
            settings.players is not None,
            len(begun) + bars if settings.ending else None,
            0 if key is None else key % 12,
            None if key is None else key >= 12,
            (place[BAR_LENGTH], place[TEMPO]),
            outline,
            _dense(notes, lines, outline) or self.model.dense,
            self.model.verbatim,
        )

    def _cadence(self, frame: Piece, start: float, end: float, settings: Settings) -> None:
        """For an ending without chords of its own: the dominant before the last bar, the tonic in it."""
        if not settings.ending or settings.chords or not frame.keys:
            return
        key = frame.keys[-1]
        last, dominant = _close(frame, start, end)
        tonic = PITCH_NAMES[key.tonic] + ("m" if key.minor else "")
        frame.chords = [c for c in frame.chords if c.beat < (last if dominant is None else dominant)]
        if dominant is not None:
            frame.chords.append(ChordSymbol(dominant, PITCH_NAMES[(key.tonic + 7) % 12] + "7"))
        frame.chords.append(ChordSymbol(last, tonic))

    def _expressed(self, piece: Piece, start: float, settings: Settings) -> Piece:
        amount = settings.expression
        if amount is None:
            amount = 1.0 if self.model.score else 0.0
        return expressed(piece, amount, start, settings.ending)

    def _as_piece(self, notes: list[Note]) -> Piece:
        drum = all(part.drum for part in self.model.parts)
        found = sorted({note.part for note in notes})
        return Piece([Part(drum=drum, notes=sorted(n for n in notes if n.part == index)) for index in found])

    def _players(self, wanted: str | int | None, heard: list[int]) -> frozenset[int] | None:
        """Which part classes play."""
        count = len(self.model.parts)
        if wanted is None:
            return frozenset(heard) or None
        text = str(wanted).strip()
        if text.isdigit():
            number = int(text)
            if not 1 <= number <= count:
                raise ValueError(f"players: {number}; {self.name} has 1 to {count}")
            rest = [i for i in range(count) if i not in heard]
            return frozenset((heard + rest)[:number])
        names = [name.strip().lower() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in self.parts]
        if unknown or not names:
            raise ValueError(f"players: {', '.join(unknown) or text!r}; {self.name} has {', '.join(self.parts)}")
        return frozenset(self.parts.index(name) for name in names)

    def _play(
        self,
        frame: Piece,
        heard: Sequence[Sequence[int]],
        span: tuple[int, int, int],
        settings: Settings,
        players: frozenset[int] | None,
        plan: Plan,
        seed: int,
    ) -> list[Event]:
        """Events of the grid positions ``span``: where what is heard begins, start and end."""
        origin, start, end = span
        scale = None
        if settings.key or settings.scale:
            key = frame.keys[-1]
            scale = scale_pitch_classes(key.tonic, settings.scale or ("minor" if key.minor else "major"))
            if key.minor and not settings.scale:
                scale |= {(key.tonic + 11) % 12}
        rules = Constraints(
            scale=scale,
            low=settings.low,
            high=settings.high,
            polyphony=settings.polyphony,
            density=self.model.dense * DENSEST if settings.density is None else settings.density * 1.5,
            parts=players,
            chord_tones=settings.chords is not None or settings.ending,
            rest=frame.metre_at(start / GRID).bar_beats,
            voices=voices(self.model.parts, settings.polyphony),
            gravity=self.model.gravity if scale is None else 0.0,
            **habits_of(self.model),
        )
        player = constrained(
            self.model,
            frame,
            rules,
            seed,
            settings.temperature,
            self.top_p(settings) if heard or settings.top_p is not None else self.model.opening,
            settings.density,
            plan,
            settings.original,
        )
        player.at(origin)
        for row in heard:
            player.hear(tuple(row))
        before = player.grid
        if settings.ending:
            last, dominant = _close(frame, start / GRID, end / GRID)
            before_last = None if dominant is None or settings.chords else round(dominant * GRID)
            events = list(closed(player, heard, start, end, before_last, round(last * GRID)))
        else:
            events = list(events_until(player, start, end))
        # counted from the start of the continuation, not from the last event heard
        if events:
            first = events[0]
            wait = before + first[0] * GRID + first[1] - start
            events[0] = (wait // GRID, wait % GRID, *first[2:])
        return events

    def _spread(self, notes: list[Note], source: Piece, frame: Piece) -> Piece:
        """Notes by part class into the parts of ``source`` that play these classes, or into new ones."""
        places: dict[int, int] = {}
        parts = [Part(part.name, part.program, part.drum) for part in source.parts]
        for index, part in enumerate(source.parts):
            place = assign(part, self.model.parts)
            if place is not None and part.notes:
                places.setdefault(place, index)
        for place in sorted({note.part for note in notes}):
            if place not in places:
                own = self.model.parts[place]
                places[place] = len(parts)
                parts.append(Part(own.name.capitalize(), own.program, own.drum))
        for note in notes:
            parts[places[note.part]].notes.append(replace(note, part=places[note.part]))
        if not source.parts and notes and not frame.keys and any(not self.model.parts[n.part].drum for n in notes):
            frame.keys = [estimate_key([n for n in notes if not self.model.parts[n.part].drum])]
        return replace(frame, parts=parts)


def load(name: str) -> Muse:
    """The model called ``name``, checked and ready; BundleError where there is none or it is damaged."""
    return Muse(load_stream(name))


def joined(piece: Piece, continuation: Piece) -> Piece:
    """A piece and its continuation as one; see `rnnmuse.music.joining`."""
    if not any(part.notes for part in continuation.parts):
        return piece
    whole = joining.joined(piece, continuation, piece.bar_start_after(max(0.0, piece.end - 0.2)))
    return whole if continuation.made is None else credited(whole, piece, continuation.made)


def decode_from(events: Sequence[Event], start: int, drums: frozenset[int]) -> list[Note]:
    import numpy as np

    rows = np.array(events, np.int16).reshape(-1, 7)
    return decode(rows, start, drums)


def _check_bars(bars: int) -> None:
    if not 1 <= bars <= MAX_BARS:
        raise ValueError(f"bars: {bars}; must be 1 to {MAX_BARS}")


def _with_chords(piece: Piece) -> Piece:
    """A piece with its chords; they are estimated where it has none."""
    from rnnmuse.music.harmony import estimate_chords

    if piece.chords or not any(part.notes and not part.drum for part in piece.parts):
        return piece
    return replace(piece, chords=estimate_chords(piece))


def _dense(notes: Sequence[Note], bars: Sequence[Bar], outline: Sequence[Sequence[int]]) -> float | None:
    """The note-ons a beat of the bars of the highest class of density; None without any."""
    densest = [bar for bar, row in zip(bars, outline, strict=False) if row[0] == UNKNOWN[DENSITY] - 1]
    found = [sum(bar.start <= n.start + 1e-3 < bar.start + bar.beats for n in notes) / bar.beats for bar in densest]
    return sum(found) / len(found) if found else None


def _clipped(part: Part, end: float) -> Part:
    notes = [n if n.end <= end else replace(n, duration=end - n.start) for n in part.notes if n.start < end - 1e-6]
    return replace(part, notes=notes)


def _frame(piece: Piece, start: float, bars: int, settings: Settings) -> Piece:
    """The maps of a piece with what is asked for added from ``start`` on; no notes."""
    out = replace(piece, parts=[], tempos=list(piece.tempos), keys=list(piece.keys), chords=[], source=None)
    if settings.tempo is not None:
        out.tempos = [t for t in out.tempos if t.beat < start] + [Tempo(start, settings.tempo)]
    pitched = [n for part in piece.parts if not part.drum for n in part.notes]
    if pitched and out.keys in ([], [Key(0.0, 0)]):
        out.keys = follow_keys(sorted(pitched))
    if settings.key:
        out.keys = [k for k in out.keys if k.beat < start] + [replace(parse_key(settings.key), beat=start)]
    elif settings.scale and not out.keys:
        out.keys = [Key(start, 0)]
    if settings.chords:
        from rnnmuse.music.harmony import estimate_chords

        known = piece.chords or (estimate_chords(piece) if pitched else [])
        asked = parse_progression(settings.chords, bars, out.metre_at(start).bar_beats)
        out.chords = [c for c in known if c.beat < start] + [ChordSymbol(c.beat + start, c.text) for c in asked]
    return out


def _drawn_key(random: Random, minor: float, chords: str | None) -> Key:
    """A key for music from nothing: that of its ``chords``, or one drawn."""
    if chords:
        tones = [Note(0.0, pc, 1.0) for c in parse_progression(chords, 1) for pc in parse_chord(c.text).pitch_classes]
        progression = [
            Note(0.0, pc, 1.0)
            for text in dict.fromkeys(chords.replace("|", " ").split())
            for pc in parse_chord(text).pitch_classes
        ]
        return estimate_key(progression or tones)
    is_minor = random.random() < minor
    tonics = (9, 2, 4, 7, 0, 11, 6) if is_minor else (0, 7, 5, 2, 10, 9, 3)
    return Key(0.0, random.choice(tonics), is_minor)


def _close(frame: Piece, start: float, end: float) -> tuple[float, float | None]:
    """The beats of the last chord, in the last bar, and of the dominant in the bar before; None without such a bar."""
    last = end - frame.metre_at(end - 1e-3).bar_beats
    metre = frame.metre_at(max(0.0, last - 1e-3))
    share = 1 / 2 if metre.numerator % 2 == 0 else 2 / 3 if metre.numerator % 3 == 0 else 1.0
    dominant = last - metre.bar_beats * share
    return last, dominant if dominant >= start - 1e-6 else None


def _end(frame: Piece, start: float, bars: int) -> float:
    beat = start
    for _ in range(bars):
        beat += frame.metre_at(beat).bar_beats
    return beat
