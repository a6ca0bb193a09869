"""The harmony of a stage: which key and chord hold in each half bar, from what is given or from what is heard.

What is given wins: a chord, a chart with its own loop, the chords of a left hand or of a track, a key. Where nothing is
given, the layer listens (`rnnmuse.play.degrees`): one decision a half bar, made with the first note that is heard in
it, and held. Beats are those of the stage's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rnnmuse import clock
from rnnmuse.clock import PPQ
from rnnmuse.music.piece import ChordSymbol, Key, Piece
from rnnmuse.music.theory import PITCH_NAMES, identify_chord, key_name, parse_chord, parse_key
from rnnmuse.play import degrees
from rnnmuse.play.chart import Chart, parse_chart
from rnnmuse.play.degrees import Array, Segment, Tables, chord_name

EARLY = 0.12
"""Beats before a half bar within which a note counts to it: people play early, and tie over the bar line."""

LOYALTY = 0.75
"""A chord that sounds and has the note stays where its probability is this share of the best one's at least."""

STALE, RESTLESS = 1, 0.5
"""After so many half bars of one chord another takes its place that is so much as likely, and has the note."""

KEY_CHANGE = 0.6
"""Probability from which another key is believed, where it held for two half bars."""

OUTLOOK = 8
"""Half bars that are foretold."""

LONGEST_REST = 16
"""Half bars of silence after which more silence says nothing."""

LONGEST_NOTE, MOST_NOTES = 16.0, 128
"""Beats after which a note that was not ended is taken as over, and notes that are kept of a half bar."""

HAND = 0.09
"""Beats within which the notes of a left hand make one chord."""


@dataclass(frozen=True, slots=True)
class HalfBar:
    """What holds from ``beat`` to ``until``.

    ``chord`` is a lead-sheet symbol, empty where none is known. ``source`` is "chord", "chart" or "hand" for what is
    given, "heard" for what is decided, "foretold" for what may come, and empty where nothing is known yet.
    ``confidence`` and ``key_confidence`` are probabilities; of what is given 1.
    """

    beat: float
    until: float
    chord: str = ""
    key: Key | None = None
    """None where none is known."""
    confidence: float = 0.0
    key_confidence: float = 0.0
    source: str = ""

    @property
    def given(self) -> bool:
        """Whether the chord is given."""
        return self.source in ("chord", "chart", "hand")

    @property
    def tones(self) -> frozenset[int]:
        """The chord's pitch classes."""
        return parse_chord(self.chord).pitch_classes if self.chord else frozenset()


@dataclass(slots=True)
class Harmony:
    """Key and chord by half bars. `hear` what the performer plays, ask `at` a beat and what is `coming`.

    ``version`` grows whenever an answer that was given before may be another now.
    """

    metre: clock.Metre = clock.COMMON
    """The time signature that the half bars follow."""
    tables: Tables = field(default_factory=degrees.tables)
    """What was learned of keys and chords."""
    version: int = 0
    split: int = 0
    """MIDI note below which the performer's notes are chords; 0 for none."""
    chart: Chart | None = None
    """The chart that is given; None without one."""
    chord: str = ""
    """The chord that is given, until it is released; empty for none."""
    key: Key | None = None
    """The key that is given."""
    scale: frozenset[int] | None = None
    """Pitch classes that the chords that are decided keep to, where one of them does."""
    _chart_key: Key | None = None
    """The key that the chart's chords are in."""
    _hand: str = ""
    """The chord of the performer's left hand; empty for none."""
    _hands: set[int] = field(default_factory=set)
    """MIDI notes of the left hand that count for its chord."""
    _struck: float = float("-inf")
    """Beat of the left hand's last note."""
    _state: Array | None = None
    """Probabilities (12, 2, 60) of tonic, mode and degree before this half bar is heard; None before any note."""
    _segment: Segment = field(default_factory=Segment)
    """What was heard of this half bar."""
    _start: float = 0.0
    """Beat at which this half bar begins."""
    _notes: list[list[float]] = field(default_factory=list)
    """Start, pitch and end (infinity while it sounds) of what was heard in this half bar, and of what sounds."""
    _decided: HalfBar | None = None
    """What was decided of this half bar; None before it is."""
    _past: list[HalfBar] = field(default_factory=list)
    """Half bars that are over, up to 64."""
    _key: int = -1
    """The key that is followed, 0 to 23 with the major ones first; -1 for none yet."""
    _rival: int = -1
    """The key that was likelier in the last half bar; -1 for none."""
    _foretold: tuple[int, float, list[HalfBar]] | None = None
    """The version that it is for, the beat of this half bar, and the half bars from it on."""

    # -- what is given --------------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether anything was given or heard."""
        return bool(self.chord or self._hand or self.chart) or self._state is not None

    def give(self, name: str, value: str | int, beat: float) -> None:
        """Give a "chord", "chart" or "key" as its text, or the "split" as a MIDI note. ValueError where it is none."""
        if name == "chord":
            self.give_chord(str(value))
        elif name == "chart":
            self.give_chart(str(value), beat)
        elif name == "key":
            self.give_key(str(value))
        elif name == "split":
            self.split = int(value)
            self._hands.clear()
            self._hand = self._hand if self.split else ""
            self._changed()
        else:
            raise ValueError(f"harmony: {name!r}; must be chord, chart, key or split")

    def give_chord(self, text: str) -> None:
        """A chord that holds until another is given; empty to release it. ValueError where it is none."""
        if text:
            parse_chord(text)
        self.chord = text
        self._changed()

    def give_chart(self, text: str, beat: float = 0.0) -> None:
        """A chart whose loop begins at the bar line at ``beat``, else at the next; empty to release it.

        ValueError names what is not a chord.
        """
        chart = None
        if text.strip():
            tick = round(beat * PPQ)
            line = self.metre.bar_start(tick)
            start = line if tick - line < PPQ // 8 else line + self.metre.ticks
            chart = parse_chart(text, self.metre.beats, start / PPQ)
        self._chart_key = None if chart is None else key_of_chords(chart.chords, chart.length)
        self.chart = chart
        self._changed()

    def give_key(self, text: str) -> None:
        """The key; empty to follow what is heard. ValueError where it is none."""
        self.key = parse_key(text) if text else None
        if self._state is not None:
            self._state = degrees.only(self._state, self.key)
        self._changed()

    def set_metre(self, metre: clock.Metre) -> None:
        """Count half bars of another metre from its bar line on; a chart goes on with its next bar there."""
        if metre != self.metre:
            before, self.metre = self.metre, metre
            if self.chart is not None:
                line = metre.bar_line / PPQ
                bars = round((line - self.chart.start) / before.beats)
                self.chart = parse_chart(self.chart.text, metre.beats, line - bars * metre.beats)
            self._changed()

    def reset(self) -> None:
        """Forget what was heard; what is given holds."""
        self._state, self._decided, self._key, self._rival = None, None, -1, -1
        self._notes.clear()
        self._past.clear()
        self._hands.clear()
        self._hand = ""
        self._changed()

    def _changed(self) -> None:
        self.version += 1
        self._foretold = None

    # -- what is heard --------------------------------------------------------------------------------------

    def hear(self, beat: float, pitch: int, velocity: int, chordal: bool = False) -> None:
        """The performer begins (or, velocity 0, ends) a note. ``chordal`` notes, and those below the split, are chords
        that are given."""
        if chordal or (self.split and pitch < self.split):
            self._hear_hand(beat, pitch, velocity)
            return
        if not velocity:
            for note in self._notes:
                if note[1] == pitch and note[2] == float("inf"):
                    note[2] = beat
            return
        if any(note[1] == pitch and abs(note[0] - beat) < 1e-9 for note in self._notes):
            return  # several players hear the same performer
        self._move_to(beat + EARLY)
        del self._notes[:-MOST_NOTES]
        self._notes.append([beat, pitch, float("inf")])
        if self._decided is None:
            self._decide(beat)

    def _hear_hand(self, beat: float, pitch: int, velocity: int) -> None:
        if not velocity:
            self._hands.discard(pitch)
            return
        if beat - self._struck > HAND and len(self._hands) > 6:
            self._hands.clear()
        self._struck = beat
        self._hands.add(pitch)
        classes = [p % 12 for p in sorted(self._hands)]
        found = identify_chord(classes)
        if found is None:
            return
        root, quality = found
        bass = classes[0]
        name = PITCH_NAMES[root] + {"maj": "", "min": "m", "dom7": "7", "min7": "m7", "sus": "sus4"}.get(
            quality, quality
        )
        name += f"/{PITCH_NAMES[bass]}" if bass != root else ""
        if name != self._hand:
            self._hand = name
            self._changed()

    def segment(self, beat: float) -> tuple[float, float, int, bool]:
        """The half bar at a beat: its first and last beat, its bar, and whether it begins within it.

        Bars halve where they have at least four beats, an even number of them.
        """
        tick = round(beat * PPQ)
        bar, within = self.metre.place(tick)
        line = tick - within
        beats = self.metre.beats
        if beats >= 4 and beats % 2 == 0:
            half = self.metre.ticks // 2
            late = within >= half
            return (line + half * late) / PPQ, (line + half * (1 + late)) / PPQ, bar, late
        return line / PPQ, (line + self.metre.ticks) / PPQ, bar, False

    def _move_to(self, beat: float) -> None:
        """Let the half bar at ``beat`` be the one that is heard now."""
        start, _, _, within = self.segment(beat)
        if self._state is None:
            self._state = degrees.opening(self.tables, self.key)
            self._start, self._segment = start, Segment(within)
            return
        if start <= self._start + 1e-9:
            return
        passed = 0
        while self._start < start - 1e-9:
            until = self.segment(self._start + 1e-6)[1]
            self._fill(until)
            self._state = degrees.heard(self._state, degrees.likelihood(self.tables, self._segment))
            self._follow_key()
            if self._decided is not None:
                self._past.append(self._decided)
                del self._past[:-64]
            if passed >= LONGEST_REST:
                until = start
            _, _, _, inside = self.segment(until + 1e-6)
            self._start, self._segment = until, Segment(inside)
            self._state = degrees.ahead(self.tables, self._state, inside, self.key)
            self._notes = [note for note in self._notes if note[2] > until + 0.05 and note[0] > until - LONGEST_NOTE]
            self._decided = None
            self._foretold = None
            passed += 1

    def _fill(self, until: float) -> None:
        """Put what was heard so far into the half bar, as if it sounded until ``until`` where it still does."""
        self._segment.heard[:] = 0
        sounding: list[int] = []
        for start, pitch, end in self._notes:
            length = min(end, until) - max(start, self._start)
            if length <= 0:
                continue
            after = start - self._start
            place = 0 if after < EARLY else 1 if abs(after - round(after)) < EARLY else 2
            self._segment.heard[place, int(pitch) % 12] += length
            if place == 0:
                sounding.append(int(pitch))
        _set_texture(self._segment, sounding)

    def _follow_key(self) -> None:
        assert self._state is not None
        found = degrees.keys_of(self._state)
        best = int(found.argmax())
        if self._key < 0 or best == self._key:
            self._key, self._rival = best, -1
        elif found[best] > KEY_CHANGE and self._rival == best:
            self._key, self._rival = best, -1
            self._changed()
        else:
            self._rival = best

    def _decide(self, beat: float) -> None:
        """Decide the chord of the half bar that is heard now, from what was heard until ``beat``."""
        assert self._state is not None
        start, until = self._start, self.segment(self._start + 1e-6)[1]
        expected = self._from(self._state, start, until)
        self._fill(min(until, beat + 1.0))
        state = degrees.heard(self._state, degrees.likelihood(self.tables, self._segment))
        if self._key < 0:
            self._key = int(degrees.keys_of(state).argmax())
            self._changed()
        now = self._from(state, start, until, "heard")
        if self._past and now.chord != self._past[-1].chord and self._past[-1].until == start:
            last, chords = self._past[-1], degrees.chords_of(state)
            root, quality = _index(last.chord)
            share = float(degrees.triads_of(chords)[root, quality])
            fits = all(int(p) % 12 in last.tones for s, p, e in self._notes if e > beat)
            if fits and share >= LOYALTY * now.confidence:
                now = HalfBar(start, until, last.chord, now.key, share, now.key_confidence, "heard")
        held = 0
        while held < len(self._past) and self._past[-1 - held].chord == now.chord:
            held += 1
        if held >= STALE:
            now = self._moved_on(now, state, [int(p) % 12 for _, p, e in self._notes if e > beat])
        self._decided = now
        if now.chord != expected.chord:
            self._changed()
        self._foretold = None

    def _moved_on(self, now: HalfBar, state: Array, sounding: Sequence[int]) -> HalfBar:
        """The likeliest other chord with the notes that sound, where it is nearly as likely."""
        chords = degrees.chords_of(state)
        if self.scale is not None:
            chords = degrees.within_scale(chords, self.scale)
        triads = degrees.triads_of(chords)
        root, kind = _index(now.chord)
        triads[root, kind] = 0.0
        for pitch in sounding:
            triads *= degrees.HAS[:, :, pitch]
        root, kind = divmod(int(triads.argmax()), 3)
        share = float(triads[root, kind])
        if share < RESTLESS * now.confidence:
            return now
        own = chords.reshape(12, 5)[root]
        quality = 4 if kind == 2 else kind + (2 if own[kind + 2] > own[kind] else 0)
        return replace(now, chord=chord_name(root, quality), confidence=share)

    def _from(self, state: Array, beat: float, until: float, source: str = "foretold") -> HalfBar:
        chords = degrees.chords_of(state)
        if self.scale is not None:
            chords = degrees.within_scale(chords, self.scale)
        root, quality, sure = degrees.best_chord(chords)
        keys = degrees.keys_of(state)
        index = self._key if self._key >= 0 else int(keys.argmax())
        key, believed = self.key, 1.0
        if key is None:
            key, believed = Key(0.0, index % 12, index >= 12), float(keys[index])
        return HalfBar(beat, until, chord_name(root, quality), key, sure, believed, source)

    # -- answers --------------------------------------------------------------------------------------------

    def at(self, beat: float) -> HalfBar:
        """What holds at a beat; what is foretold where it is yet to come."""
        beat = round(beat * PPQ) / PPQ  # a clock is a hair before its beat
        start, until, _, _ = self.segment(beat)
        heard = self._listened(beat, start, until)
        key = self.key or (heard.key if heard.source else None) or self._chart_key
        sure = 1.0 if self.key else heard.key_confidence if heard.source else 0.0
        if self.chord:
            return HalfBar(start, until, self.chord, key, 1.0, sure, "chord")
        if self._hand:
            return HalfBar(start, until, self._hand, key, 1.0, sure, "hand")
        if self.chart is not None:
            key = self.key or self._chart_key
            chord, first, last = self.chart.at(beat)
            return HalfBar(max(first, start), min(last, until), chord, key, 1.0, 1.0, "chart")
        return heard

    def _listened(self, beat: float, start: float, until: float) -> HalfBar:
        if self._state is None:
            return HalfBar(start, until, key=self.key, key_confidence=float(self.key is not None))
        if start < self._start - 1e-9:
            found = next((one for one in reversed(self._past) if one.beat <= beat < one.until), None)
            return found or HalfBar(start, until, key=self.key)
        if self._decided is not None and beat < self._decided.until - 1e-9:
            return self._decided
        return self._foretell(beat, start, until)

    def _foretell(self, beat: float, start: float, until: float) -> HalfBar:
        assert self._state is not None
        if self._foretold is None or self._foretold[0] != self.version:
            state, at = self._state, self._start
            out: list[HalfBar] = []
            if self._decided is None:
                out.append(self._from(state, at, self.segment(at + 1e-6)[1]))
            else:  # from what was decided on, not from what may have been meant
                root, quality = _index(self._decided.chord)
                mine = degrees.triad_only(state, root, quality)
                state = mine if mine.sum() > 0 else state
            for _ in range(OUTLOOK):
                at = self.segment(at + 1e-6)[1]
                _, last, _, within = self.segment(at + 1e-6)
                state = degrees.ahead(self.tables, state, within, self.key)
                out.append(self._from(state, at, last))
            self._foretold = (self.version, self._start, out)
        for one in self._foretold[2]:
            if one.beat - 1e-9 <= beat < one.until - 1e-9:
                return one
        last_known = self._foretold[2][-1]
        return HalfBar(start, until, "", last_known.key, 0.0, last_known.key_confidence, "")

    def coming(self, beat: float, beats: float = 16.0) -> list[HalfBar]:
        """What holds at ``beat`` and what comes after it, for so many beats; only chords that are known."""
        out: list[HalfBar] = []
        at = beat
        while at < beat + beats - 1e-6:
            one = self.at(at + 1e-6)
            if not one.chord:
                break
            if out and out[-1].chord == one.chord and out[-1].source == one.source:
                last = out[-1]
                out[-1] = HalfBar(last.beat, one.until, one.chord, one.key, last.confidence, last.key_confidence,
                                  one.source)  # fmt: skip
            else:
                out.append(one)
            at = max(one.until, at + 1 / PPQ)  # a half bar may end between two ticks
        return out

    def maps(self, beat: float, beats: float = 16.0) -> tuple[list[Key], list[ChordSymbol]]:
        """Keys and chord symbols of a piece at ``beat`` and for so many beats on, as a `Piece` has them."""
        found = self.coming(beat, beats)
        key = found[0].key if found else self.at(beat).key
        return [Key(0.0, key.tonic, key.minor)] if key else [], [ChordSymbol(one.beat, one.chord) for one in found]


def _set_texture(segment: Segment, sounding: Sequence[int]) -> None:
    """Say whether what begins a segment is a whole chord, and what its bass is."""
    segment.full = len({pitch % 12 for pitch in sounding}) >= 3
    low = min(sounding, default=-1)
    segment.bass = low % 12 if segment.full or (len(sounding) > 1 and low < 55) else -1


def _index(chord: str) -> tuple[int, int]:
    """Root and triad (0 major, 1 minor, 2 diminished) of one of the layer's own chords."""
    parsed = parse_chord(chord)
    return parsed.root, 2 if parsed.quality == "dim" else 1 if parsed.quality in ("min", "min7") else 0


def key_of_chords(chords: Sequence[ChordSymbol], length: float) -> Key | None:
    """The likeliest key of chord symbols; None where none of them is a chord."""
    sounding: list[Segment] = []
    for index, symbol in enumerate(chords):
        parsed = parse_chord(symbol.text)
        if parsed.root < 0:
            continue
        until = chords[index + 1].beat if index + 1 < len(chords) else length
        one = Segment(index % 2 > 0, bass=parsed.bass, full=True)
        one.heard[0, sorted(parsed.pitch_classes)] = min(2.0, max(0.5, until - symbol.beat))
        sounding.append(one)
    if not sounding:
        return None
    found = degrees.keys_of(sum(degrees.smoothed(degrees.tables(), sounding), np.zeros((12, 2, degrees.DEGREES))))
    best = int(found.argmax())
    return Key(0.0, best % 12, best >= 12)


def follow(piece: Piece, key: Key | None = None, tables: Tables | None = None, restless: float = 0.0) -> list[HalfBar]:
    """Key and chord of each half bar of a piece, with look-ahead: given all of it. Drums are not heard.

    ``restless`` are nats that it costs a chord to stay over a bar line: 0 for what is likeliest in each half bar, more
    for a harmonisation that moves.
    """
    made = degrees.tables() if tables is None else tables
    starts, segments = segments_of(piece)
    if not segments:
        return []
    states = degrees.smoothed(made, segments, key)
    keys = _key_path([degrees.keys_of(state) for state in states]) if key is None else []
    out: list[HalfBar] = []
    ends = [*starts[1:], max(piece.end, starts[-1] + 1e-3)]
    chords = [degrees.chords_of(state) for state in states]
    path = _restless(chords, [segment.within for segment in segments], restless)
    for index, state in enumerate(states):
        root, kind = divmod(path[index], 3)
        own, sure = chords[index].reshape(12, 5)[root], float(degrees.triads_of(chords[index])[root, kind])
        quality = 4 if kind == 2 else kind + (2 if own[kind + 2] > own[kind] else 0)
        holds = key or Key(0.0, keys[index] % 12, keys[index] >= 12)
        believed = 1.0 if key else float(degrees.keys_of(state)[keys[index]])
        name = chord_name(root, quality)
        out.append(HalfBar(starts[index], ends[index], name, holds, sure, believed, "heard"))
    return out


def _restless(chords: Sequence[Array], within: Sequence[bool], cost: float) -> list[int]:
    """The triad (root times 3 plus kind) of each half bar: the best path where staying over a bar line costs so many
    nats, and changing within a bar as many."""
    fits = [np.log(degrees.triads_of(one).ravel() + 1e-6) for one in chords]
    score, back = fits[0].copy(), list[NDArray[np.int64]]()
    for fit, inside in zip(fits[1:], within[1:], strict=True):
        best, second = (int(i) for i in np.argsort(-score)[:2])
        come = np.full(len(score), best)
        come[best] = second
        stays = score - (0.0 if inside else cost)
        moves = score[come] - (cost if inside else 0.0)
        back.append(np.where(stays >= moves, np.arange(len(score)), come))
        score = np.maximum(stays, moves) + fit
    path = [int(score.argmax())]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    return path[::-1]


def _key_path(keys: list[Array], change: float = 3.0) -> list[int]:
    """The best path through the keys' probabilities, with a cost in nats for each change."""
    score, back = np.log(keys[0] + 1e-9), []
    for row in keys[1:]:
        best = int(score.argmax())
        moved = score[best] - change
        back.append(np.where(score >= moved, np.arange(24), best))
        score = np.maximum(score, moved) + np.log(row + 1e-9)
    path = [int(score.argmax())]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    return path[::-1]


def segments_of(piece: Piece, parts: Iterable[int] | None = None) -> tuple[list[float], list[Segment]]:
    """The half bars of a piece and what is heard in each, of all pitched parts or of those named."""
    chosen = set(range(len(piece.parts)) if parts is None else parts)
    notes = [n for i in sorted(chosen) if not piece.parts[i].drum for n in piece.parts[i].notes]
    starts, segments = list[float](), list[Segment]()
    end = max((n.end for n in notes), default=0.0)
    upbeat = piece.pickup > 0
    lines = [*piece.bar_starts(end), end]
    for number, line in enumerate(lines[:-1]):
        length = piece.metre_at(line).bar_beats
        whole = length >= 4 and length % 2 == 0 and lines[number + 1] - line > length / 2 + 1e-6
        short = upbeat and number == 0
        places = [line, line + length / 2] if whole and not short else [line]
        for place in places:
            starts.append(place)
            segments.append(Segment(place > line))
    edges = np.array([*starts, end])
    low: list[list[int]] = [[] for _ in starts]
    for note in notes:
        first = max(0, int(np.searchsorted(edges, note.start + EARLY, side="right")) - 1)
        for index in range(first, len(starts)):
            if edges[index] >= note.end - 1e-6:
                break
            length = min(note.end, edges[index + 1]) - max(note.start, edges[index])
            if length <= 1e-6:
                continue
            after = note.start - edges[index]
            place = 0 if after < EARLY else 1 if abs(after - round(after)) < EARLY else 2
            segments[index].heard[place, note.pitch % 12] += length
            if place == 0:
                low[index].append(note.pitch)
    for segment, pitches in zip(segments, low, strict=True):
        _set_texture(segment, pitches)
    return starts, segments


def describe(one: HalfBar) -> str:
    """``Am7 in G major``."""
    return one.chord + (f" in {key_name(one.key)}" if one.key else "")
