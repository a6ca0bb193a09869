"""A melody with chords beneath it, or in four parts.

Chords are those of `rnnmuse.play.harmony` with look-ahead, or given. Four parts come from a chorale model by a particle
filter: each particle is a harmonisation so far, weighed by how likely the melody's next note is after it, so that what
is chosen looks ahead; the rules of part-writing weigh down what breaks them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rnnmuse.clock import Metre as ClockMetre
from rnnmuse.events import Note
from rnnmuse.models.bundle import find, load_chorale
from rnnmuse.models.chorale import LOWEST, ORDER, PITCHES, VOICES, ChoraleModel, State, log_softmax, signed
from rnnmuse.music.codec import is_sung
from rnnmuse.music.piece import ChordSymbol, Key, Part, Piece, credited
from rnnmuse.music.theory import Chord, parse_chord, parse_key
from rnnmuse.play.chart import Chart, parse_chart
from rnnmuse.play.harmony import HalfBar, follow
from rnnmuse.play.patterns import PATTERNS, pulse, strokes
from rnnmuse.play.voicing import Before, voiced
from rnnmuse.provenance.record import Made

PARTICLES = 48
TEMPERATURE = 0.7
RESTLESS = 1.0
"""Nats that it costs a chord beneath a melody to stay over a bar line; without, one chord lasts for bars."""
FORBIDDEN = -1e9
PARALLEL, CROSSING, SPACING, FOREIGN = 6.0, 6.0, 3.0, 9.0
"""Nats by which a parallel fifth or octave, a crossing, more than an octave between upper voices, and a tone outside a
chord that is given are less likely."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Harmonising:
    """What is asked for: ``key`` and ``chords`` (a chart) win over what is heard; ``pattern`` is of PATTERNS."""

    key: str | None = None
    chords: str | None = None
    pattern: str = "held"
    seed: int = 1
    """Decides what is drawn."""
    temperature: float = TEMPERATURE
    """Above 0, up to 5."""

    def __post_init__(self) -> None:
        if self.key is not None:
            parse_key(self.key)
        if self.chords is not None:
            parse_chart(self.chords)
        if self.pattern not in PATTERNS:
            raise ValueError(f"pattern: {self.pattern!r}; must be one of {', '.join(PATTERNS)}")
        if not 0 < self.temperature <= 5:
            raise ValueError(f"temperature: {self.temperature}; must be above 0, up to 5")


def harmonise(
    piece: Piece,
    *,
    key: str | None = None,
    chords: str | None = None,
    pattern: str = "held",
    parts: str = "",
    model: str = "chorales",
    seed: int = 1,
    temperature: float = TEMPERATURE,
) -> Piece:
    """The melody of a piece over chords, or with ``parts="SATB"`` as the soprano of four parts.

    ``key`` and ``chords`` (a chart such as "Am7 | D7 | Gmaj7 % |") win over what is decided; ``pattern`` is "held",
    "broken", "strummed" or "oom-pah". ``model``, ``seed`` and ``temperature`` concern the four parts. ValueError names
    the field, the value and what is allowed.
    """
    asked = Harmonising(key, chords, pattern, seed, temperature)
    if parts.upper() not in ("", "SATB"):
        raise ValueError(f"parts: {parts!r}; must be SATB, or left out for chords")
    return in_four_parts(piece, asked, model) if parts else with_chords(piece, asked)


def melody_of(piece: Piece) -> Part:
    """The sung part of a piece, or its first pitched one; of a chord the highest note. ValueError without notes."""
    pitched = [part for part in piece.parts if part.notes and not part.drum]
    if not pitched:
        raise ValueError("melody: no pitched part in the file")
    part = next((part for part in pitched if is_sung(part)), pitched[0])
    top: dict[float, Note] = {}
    for note in part.notes:
        if note.start not in top or note.pitch > top[note.start].pitch:
            top[note.start] = note
    return replace(part, notes=sorted(top.values()), name=part.name or "Melody")


def alone(piece: Piece) -> Piece:
    """The melody of a piece, with its maps but without its chords."""
    return replace(piece, parts=[melody_of(piece)], chords=[], source=None)


def decided(melody: Piece, asked: Harmonising) -> list[HalfBar]:
    """Key and chord of every half bar of a melody, as asked for or as decided."""
    key = parse_key(asked.key) if asked.key is not None else None
    found = follow(melody, key, restless=RESTLESS)
    if asked.chords is None:
        return found
    chart, out = _chart(melody, asked.chords), list[HalfBar]()
    for one in found:
        beat = one.beat
        while beat < one.until - 1e-6:
            text, _, until = chart.at(beat + 1e-6)
            out.append(replace(one, beat=beat, until=min(until, one.until), chord=text, confidence=1.0, source="chart"))
            beat = out[-1].until
    return out


def _chart(melody: Piece, text: str) -> Chart:
    """The chart from the first whole bar on."""
    return parse_chart(text, melody.metre_at(0.0).bar_beats, melody.pickup)


def key_of(found: Sequence[HalfBar]) -> Key:
    """The key that holds for most of the half bars."""
    counted = Counter((one.key.tonic, one.key.minor) for one in found if one.key is not None)
    tonic, minor = counted.most_common(1)[0][0] if counted else (0, False)
    return Key(0.0, tonic, minor)


def with_chords(piece: Piece, asked: Harmonising) -> Piece:
    """The melody of a piece over chords in a pattern; the chord symbols are in the piece."""
    melody = alone(piece)
    found = decided(melody, asked)
    notes, symbols = list[Note](), list[ChordSymbol]()
    before: Before | None = None
    line = melody.parts[0].notes
    for at, one in _joined(found, asked.pattern):
        if not symbols or symbols[-1].text != one.chord:
            symbols.append(ChordSymbol(one.beat, one.chord))
        sung = [n for n in line if n.start < one.until - 1e-6 and n.end > one.beat + 1e-6]
        top = next((n.pitch for n in sung if n.end > one.beat + 0.05), None)
        lowest = min((n.pitch for n in sung), default=None)
        chord = voiced(one.chord, top if lowest is None else max(lowest, (top or 0) - 7), before, high=67)
        metre = melody.metre_at(one.beat)
        clock = ClockMetre(metre.numerator, metre.denominator)
        for stroke in strokes(asked.pattern, chord, one.until - one.beat, clock):
            notes.append(Note(at + stroke.start, stroke.pitch, max(0.05, stroke.end - stroke.start),
                              max(1, round(66 * stroke.weight))))  # fmt: skip
        if chord:
            before = Before(chord, top)
    parts = [melody.parts[0], Part("Chords", 0, notes=sorted(notes))]
    made = replace(melody, parts=parts, keys=[key_of(found)], chords=symbols)
    return _credited(made, piece, "harmonise", {}, asked)


def _joined(found: Sequence[HalfBar], pattern: str) -> list[tuple[float, HalfBar]]:
    """Half bars with their beats; for ``held`` those of one chord within a bar are one."""
    out: list[HalfBar] = []
    for index, one in enumerate(found):
        if pattern == "held" and out and out[-1].chord == one.chord and index % 2 and out[-1].until == one.beat:
            out[-1] = replace(out[-1], until=one.until)
        else:
            out.append(one)
    return [(one.beat, one) for one in out]


# -- four parts -------------------------------------------------------------------------------------------------------


def in_four_parts(piece: Piece, asked: Harmonising, model: str = "chorales") -> Piece:
    """The melody of a piece as the soprano of four parts by a chorale model, a chord a beat.

    A melody outside the soprano's range is put there by octaves. The other voices sound on where the melody holds a
    note, and begin anew with it.
    """
    loaded = load_chorale(model)
    melody = alone(piece)
    line = _in_range(melody.parts[0].notes, loaded)
    melody = replace(melody, parts=[replace(melody.parts[0], notes=line)])
    found = decided(melody, asked)
    key = key_of(found)
    times = frames(melody)
    soprano = np.array([_at(line, at, until) for at, until in times], np.int64)
    chords = [_chord_at(found, at) for at, _ in times] if asked.chords is not None else None
    voices = harmonised(loaded, soprano, key.tonic, asked.seed, asked.temperature, chords)
    parts = [Part(VOICES[0], 52, notes=line, lyrics=melody.parts[0].lyrics)]
    struck = {round(n.start, 4) for n in line}
    for voice in (1, 2, 3):
        parts.append(Part(VOICES[voice], 52, notes=_notes(voices[:, voice], times, struck)))
    made = replace(melody, parts=parts, keys=[key])
    return _credited(made, piece, "harmonise", {model: _digest(model)}, asked)


def _credited(made: Piece, source: Piece, what: str, models: dict[str, str], asked: Harmonising) -> Piece:
    settings = {"key": asked.key, "chords": asked.chords, "pattern": asked.pattern}
    return credited(made, source, Made(what, models, asked.seed, {k: v for k, v in settings.items() if v}))


def _digest(model: str) -> str:
    return find(model).digest


def frames(piece: Piece) -> list[tuple[float, float]]:
    """The beats of a piece that a chord is written to, each with its end: as they are felt in its metre."""
    out: list[tuple[float, float]] = []
    lines = [*piece.bar_starts(piece.end), piece.end]
    for line, following in pairwise(lines):
        metre = piece.metre_at(line)
        step = pulse(ClockMetre(metre.numerator, metre.denominator))
        step = step * 2 if step < 1 else step
        short = line == 0 and 0 < piece.pickup < metre.bar_beats
        at = following - int((following - line + 1e-6) / step) * step if short else line
        if at > line + 1e-6:
            out.append((line, at))
        while at < following - 1e-6:
            out.append((at, min(at + step, following)))
            at += step
    return out


def _at(line: Sequence[Note], at: float, until: float) -> int:
    """The pitch that sounds at a beat, or that begins next before ``until``; 0 for silence."""
    sounding = next((n for n in line if n.start <= at + 0.05 and n.end > at + 0.05), None)
    found = sounding or next((n for n in line if at < n.start < until - 1e-6), None)
    return found.pitch if found else 0


def _in_range(line: Sequence[Note], model: ChoraleModel) -> list[Note]:
    middle = float(np.median([n.pitch for n in line]))
    by = 12 * round(((model.low[0] + model.high[0]) / 2 - middle) / 12)
    inside = all(model.low[0] - 2 <= n.pitch <= model.high[0] + 2 for n in line)
    return [n if inside or not by else replace(n, pitch=min(127, max(0, n.pitch + by))) for n in line]


def _chord_at(found: Sequence[HalfBar], at: float) -> Chord | None:
    one = next((one for one in found if one.beat - 1e-6 <= at < one.until - 1e-6), None)
    chord = parse_chord(one.chord) if one is not None and one.chord else None
    return chord if chord is not None and chord.root >= 0 else None


def _notes(pitches: Ints, times: Sequence[tuple[float, float]], struck: set[float]) -> list[Note]:
    out: list[Note] = []
    for pitch, (at, until) in zip(pitches.tolist(), times, strict=True):
        if not pitch:
            continue
        if out and out[-1].pitch == pitch and abs(out[-1].end - at) < 1e-6 and round(at, 4) not in struck:
            out[-1] = replace(out[-1], duration=until - out[-1].start)
        else:
            out.append(Note(at, pitch, until - at, 72))
    return out


def harmonised(
    model: ChoraleModel,
    soprano: Ints,
    tonic: int,
    seed: int = 1,
    temperature: float = TEMPERATURE,
    chords: Sequence[Chord | None] | None = None,
    particles: int = PARTICLES,
) -> Ints:
    """Four voices (T, 4) of MIDI notes beneath ``soprano`` (T,), a beat each; 0 is silence.

    The harmonisation of the particle that the model finds likeliest in all.
    """
    with threadpool_limits(1):
        return _Filter(model, tonic, seed, temperature, particles).run(soprano, chords)


class _Filter:
    def __init__(self, model: ChoraleModel, tonic: int, seed: int, temperature: float, particles: int) -> None:
        self.model, self.tonic, self.temperature = model, tonic, temperature
        self.random = np.random.default_rng(seed)
        self.count = particles
        self.pitch = np.where(np.arange(PITCHES) > 0, np.arange(PITCHES) + LOWEST + int(signed(tonic)), 0)

    def run(self, soprano: Ints, chords: Sequence[Chord | None] | None) -> Ints:
        state = self.model.begin(self.count, self.tonic)
        weight, total = np.zeros(self.count), np.zeros(self.count)
        paths = np.zeros((self.count, 0, 4), np.int64)
        before = np.zeros((self.count, 4), np.int64)
        for index, note in enumerate(soprano.tolist()):
            expected = self.model.expect(state, self.tonic)
            own = int(np.clip(note - LOWEST - int(signed(self.tonic)), 1, PITCHES - 1)) if note else 0
            seen = log_softmax(expected.logits(0))[:, own]
            weight, total = weight + seen, total + seen
            share = np.exp(weight - weight.max())
            share /= share.sum()
            if 1 / (share**2).sum() < self.count / 2:
                rows = self.random.choice(self.count, self.count, p=share)
                state, paths, before = state.taken(rows), paths[rows], before[rows]
                total, weight = total[rows], np.zeros(self.count)
                expected = self.model.expect(state, self.tonic)
            expected.choose(0, np.full(self.count, own))
            now = np.zeros((self.count, 4), np.int64)
            now[:, 0] = note
            chord = chords[index] if chords is not None else None
            for place in (1, 2, 3):
                voice = ORDER[place]
                if not note:
                    continue
                logits = log_softmax(expected.logits(place))
                ruled = logits / self.temperature + self._rules(voice, now, before, chord)
                drawn = ruled + self.random.gumbel(size=ruled.shape)
                classes = drawn.argmax(1)
                total = total + logits[np.arange(self.count), classes]
                total = total + np.minimum(0.0, self._rules(voice, now, before, chord))[np.arange(self.count), classes]
                expected.choose(place, classes)
                now[:, voice] = self.pitch[classes]
            state = self._stepped(state, expected.chosen)
            before = np.where(now > 0, now, before) if not note else now
            paths = np.concatenate((paths, now[:, None]), 1)
        return np.asarray(paths[int(total.argmax())])

    def _stepped(self, state: State, classes: Ints) -> State:
        return self.model.step(state, classes, self.tonic)

    def _rules(self, voice: int, now: Ints, before: Ints, chord: Chord | None) -> NDArray[np.float64]:
        """Nats (N, PITCHES) for each pitch of a voice beside those that sound already."""
        p = self.pitch[None, :]
        out = np.zeros((self.count, PITCHES))
        out[:, (self.pitch < self.model.low[voice]) | (self.pitch > self.model.high[voice])] = FORBIDDEN
        if chord is not None:
            allowed = {chord.bass} if voice == 3 else set(chord.pitch_classes)
            out[:, ~np.isin(self.pitch % 12, sorted(allowed))] -= FOREIGN
        for other in range(4):
            there = now[:, other : other + 1]
            if other == voice or not there.any():
                continue
            out -= CROSSING * ((p > there) if other < voice else (p < there))
            if voice != 3 and other != 3:
                out -= SPACING * (np.abs(p - there) > 12 * max(1, abs(other - voice)))
            was, mine = before[:, other : other + 1], before[:, voice : voice + 1]
            interval = (mine - was) % 12
            moved = (was > 0) & (mine > 0) & (there != was) & (p != mine) & ((there > was) == (p > mine))
            out -= PARALLEL * (moved & np.isin(interval, (0, 7)) & ((p - there) % 12 == interval))
        return out
