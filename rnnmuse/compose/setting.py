"""A melody for given words: the rhythm from their stress, the notes by a stream model.

Stressed syllables fall on strong beats of a metre drawn from the seed; what lies between shares the time in a pattern
drawn for the section. Lines follow each other as A A B A: the lines of a section share their rhythm and, where their
syllables fall alike, their notes; a line that returns returns with its melody. A line begins with its upbeat, and its
last note is held until a breath before the next. The stream RNN is asked for each note at its time: in the key, within
a tenth, on a tone of the tonic triad where a line ends, on the tonic at the very end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, isfinite
from random import Random

from rnnmuse.events import Lyric, Note
from rnnmuse.models.stream import StreamModel
from rnnmuse.music.codec import GRID, KIND, MAX_WAIT, OFF, ON, PITCH, VELOCITY, velocity_of
from rnnmuse.music.piece import Metre, Part, Piece, Tempo
from rnnmuse.music.theory import parse_key, scale_pitch_classes
from rnnmuse.play.limits import Constraints, Rules
from rnnmuse.play.sampler import Frame, Player
from rnnmuse.provenance.record import Made
from rnnmuse.text.lyrics import syllables_of
from rnnmuse.text.pronounce import sound, words_of

SECTIONS = "AABA"
"""The section of each line of a stanza, over and over."""

LEAP = 9
"""Semitones from one note to the next at most."""

TENTH = 16
"""Semitones from the lowest to the highest note at most."""

BREATHS = (0.5, 1.0)
"""Beats of rest between two lines."""

FOREVER = 1 << 60


@dataclass(frozen=True, slots=True)
class Beat:
    """A metre for singing: its time signature, the beats (quarters) of a bar, and those from a stressed syllable to the
    next; by the number of weak syllables between, the ways to share that time."""

    numerator: int
    """Of the time signature."""
    denominator: int
    """Of the time signature."""
    bar: float
    foot: float
    patterns: tuple[tuple[tuple[float, ...], ...], ...]
    """At index n, ways for n weak syllables: beats of each syllable, the stressed one first."""


METRES = (
    Beat(4, 4, 4.0, 2.0, (
        ((2.0,), (1.5,), (1.0,)),
        ((1.0, 1.0), (1.5, 0.5), (0.5, 1.5), (1.25, 0.75), (0.75, 1.25)),
        ((1.0, 0.5, 0.5), (0.5, 0.5, 1.0), (0.75, 0.75, 0.5), (0.5, 1.0, 0.5), (0.75, 0.25, 1.0)),
        ((0.5, 0.5, 0.5, 0.5), (0.75, 0.25, 0.5, 0.5), (0.5, 0.5, 0.75, 0.25), (0.75, 0.25, 0.75, 0.25)),
    )),
    Beat(3, 4, 3.0, 3.0, (
        ((3.0,), (2.0,), (2.5,)),
        ((2.0, 1.0), (1.0, 2.0), (2.5, 0.5), (1.5, 1.5)),
        ((1.0, 1.0, 1.0), (1.5, 0.5, 1.0), (2.0, 0.5, 0.5), (1.0, 0.5, 1.5)),
        ((1.0, 1.0, 0.5, 0.5), (1.5, 0.5, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0), (1.0, 0.5, 0.5, 1.0)),
    )),
    Beat(6, 8, 3.0, 1.5, (
        ((1.5,), (1.0,)),
        ((1.0, 0.5), (0.5, 1.0), (1.25, 0.25), (0.75, 0.75)),
        ((0.5, 0.5, 0.5), (0.75, 0.25, 0.5), (0.5, 0.75, 0.25), (0.25, 0.5, 0.75)),
        ((0.5, 0.5, 0.25, 0.25), (0.25, 0.25, 0.5, 0.5), (0.5, 0.25, 0.25, 0.5)),
    )),
)  # fmt: skip


@dataclass(slots=True)
class Place:
    """Where a syllable is sung: ``start`` and ``length`` in beats. ``offset`` is its distance from the first stressed
    syllable of its line; ``line`` numbers the lines."""

    start: float
    length: float
    text: str
    """The syllable."""
    line: int
    offset: float
    """Beats."""


def set_words(
    model: StreamModel,
    text: str,
    *,
    key: str = "C major",
    tempo: float = 96.0,
    low: int = 57,
    high: int = 76,
    temperature: float = 0.9,
    seed: int = 0,
) -> Piece:
    """A piece of one sung part with ``text`` under its notes; each line of the text is a phrase.

    An empty line begins a stanza. ValueError for a text without words, a key that is none, or a range (MIDI notes) of
    less than an octave; of a wider range than a tenth a part is used.
    """
    lines = [line for line in text.split("\n") if words_of(line)]
    if not lines:
        raise ValueError("words: none; there must be a word to sing")
    if sum(map(len, lines)) > 20_000:
        raise ValueError(f"words: {sum(map(len, lines))} characters; must be up to 20000")
    if not (isfinite(tempo) and 10 <= tempo <= 400):
        raise ValueError(f"tempo: {tempo!r}; must be 10 to 400 bpm")
    if not (low >= 0 and low + 12 <= high <= 127):
        raise ValueError(f"low, high: {low}, {high}; must be at least an octave apart, 0 to 127")
    tonality = parse_key(key)
    random = Random(seed)
    beat = METRES[random.randrange(len(METRES))]
    if high - low > TENTH:
        low += random.randrange(high - low - TENTH + 1)
        high = low + TENTH
    metre = Metre(0.0, beat.numerator, beat.denominator)
    piece = Piece(tempos=[Tempo(0.0, tempo)], metres=[metre], keys=[tonality], title=lines[0].strip())
    places = rhythm(sections_of(text), beat, seed)
    scale = scale_pitch_classes(tonality.tonic, "minor" if tonality.minor else "major")
    third = 3 if tonality.minor else 4
    triad = {(tonality.tonic + step) % 12 for step in (0, third, 7)}
    singer = _Singer(model, piece, scale, frozenset(triad), tonality.tonic, (low, high), temperature, seed)
    notes = singer.sing(places, sections_of(text))
    piece.parts = [Part("Voice", 53, notes=notes, lyrics=[Lyric(place.start, place.text) for place in places])]
    asked = {"key": key, "tempo": tempo, "low": low, "high": high, "temperature": temperature}
    piece.made = Made("setting", {model.name: model.digest}, seed, asked, 0.0)
    return piece


def sections_of(text: str) -> list[tuple[str, str]]:
    """The lines with words of a text, each with its section; a stanza begins with A. A line that returns keeps the
    section that it had."""
    out: list[tuple[str, str]] = []
    known: dict[str, str] = {}
    number = 0
    for line in text.split("\n"):
        if not words_of(line):
            number = 0
            continue
        bare = " ".join(words_of(line.lower()))
        known.setdefault(bare, SECTIONS[number % len(SECTIONS)])
        out.append((line, known[bare]))
        number += 1
    return out


def stresses(line: str) -> list[bool]:
    """Which syllables of a line are sung on strong beats: those with primary stress, and of more than three weak ones
    in a row every second."""
    marks = [mark == "1" for word in words_of(line) for mark in sound(word).stress]
    if not any(marks):
        marks[0] = True
    strong = [i for i, mark in enumerate(marks) if mark]
    for a, b in zip([-2, *strong], [*strong, len(marks) + 1], strict=True):
        if b - a > 4:
            for k in range(a + 2, b - 1, 2):
                if 0 <= k < len(marks):
                    marks[k] = True
    return marks


def rhythm(lines: Sequence[tuple[str, str]], beat: Beat, seed: int) -> list[Place]:
    """Where the syllables of lines are sung; each line comes with its section (`sections_of`)."""
    places: list[Place] = []
    over = 0.0
    for number, (line, section) in enumerate(lines):
        random = Random(f"{seed}/{section}/line")
        breath, weak = random.choice(BREATHS), 0.5 if beat.foot != 3 else 1.0
        syllables, strong = syllables_of(line), stresses(line)
        first = strong.index(True)
        upbeat = first * weak
        earliest = over + breath + upbeat if places else upbeat
        start = ceil(earliest / beat.bar - 1e-6) * beat.bar
        if places:
            if start - earliest > beat.bar / 2 and beat.bar > beat.foot:
                start -= beat.bar / 2  # the line begins on the other strong beat
            last = places[-1]
            last.length = start - upbeat - breath - last.start
        at = start - upbeat
        for i in range(first):
            places.append(Place(at, weak, syllables[i], number, at - start))
            at += weak
        i, foot = first, 0
        while i < len(syllables):
            j = next((k for k in range(i + 1, len(syllables)) if strong[k]), len(syllables))
            lengths = _lengths(beat, seed, section, foot, j - i - 1, last=j == len(syllables))
            for k, length in zip(range(i, j), lengths, strict=True):
                places.append(Place(at, length, syllables[k], number, at - start))
                at += length
            if j < len(syllables):  # the next stressed syllable waits for its beat
                wait = ceil((at - start) / beat.foot - 1e-6) * beat.foot + start
                places[-1].length += wait - at
                at = wait
            i, foot = j, foot + 1
        over = at
    if places:
        places[-1].length = max(places[-1].length, beat.foot)
    return places


def _lengths(beat: Beat, seed: int, section: str, foot: int, weak: int, last: bool) -> tuple[float, ...]:
    """The lengths of a stressed syllable and the ``weak`` ones after it: the same for a foot of a section."""
    random = Random(f"{seed}/{section}/{foot}/{weak}")
    lengths = random.choice(beat.patterns[weak]) if weak < len(beat.patterns) else (0.5,) * (weak + 1)
    return (*lengths[:-1], min(lengths[-1], 1.0)) if last else lengths


@dataclass(slots=True)
class _Singer:
    """Asks a stream model for the notes of a melody, one at a time."""

    model: StreamModel
    """Gives the probabilities of pitches."""
    piece: Piece
    """The accompaniment, with its keys and chords."""
    scale: frozenset[int]
    """Pitch classes that the melody keeps to."""
    triad: frozenset[int]
    """Pitch classes on which a line ends."""
    tonic: int
    """Pitch class on which the last note ends."""
    span: tuple[int, int]
    """Lowest and highest MIDI note."""
    temperature: float
    """Above 0."""
    seed: int
    """Decides what is drawn."""
    sung: dict[str, dict[float, int]] = field(default_factory=dict)
    """By section, the pitch at each offset of its first line."""
    first: dict[str, int] = field(default_factory=dict)
    """By section, the number of its first line."""
    whole: dict[str, list[int]] = field(default_factory=dict)
    """By line, its pitches."""

    def sing(self, places: Sequence[Place], lines: Sequence[tuple[str, str]]) -> list[Note]:
        """A note a place. ValueError where none can be sung."""
        player, voice = self._player()
        low, high = self.span
        notes: list[Note] = []
        for number, place in enumerate(places):
            text, section = lines[place.line]
            bare = " ".join(words_of(text.lower()))
            first = number == 0 or places[number - 1].line != place.line
            final = number + 1 == len(places) or places[number + 1].line != place.line
            if first:
                own: list[int] = []
            allowed = set(range(low, high + 1))
            if notes:
                allowed &= set(range(notes[-1].pitch - LEAP, notes[-1].pitch + LEAP + 1))
            if number + 1 == len(places):
                wanted = {p for p in allowed if p % 12 == self.tonic}
            elif bare in self.whole:
                wanted = {self.whole[bare][len(own)]}
            elif final:
                wanted = {p for p in allowed if p % 12 in self.triad}
            elif self.first.get(section, place.line) != place.line and place.offset in self.sung[section]:
                wanted = {self.sung[section][place.offset]}
            else:
                wanted = {p for p in allowed if p % 12 in self.scale}
            if notes and len(wanted) > 1 and len(own) > 1 and own[-1] == own[-2]:
                wanted -= {own[-1]}  # not a third time the same note
            grid = round(place.start * GRID)
            event = player.next(grid, FOREVER, at=grid, pitches=wanted or allowed)
            while event is not None and event[KIND] != ON:
                event = player.next(grid, FOREVER, at=grid, pitches=wanted or allowed)
            if event is None:
                raise ValueError("setting: no note can be sung there; widen low and high")
            notes.append(Note(place.start, event[PITCH], place.length, velocity_of(event[VELOCITY])))
            own.append(event[PITCH])
            if final:
                self.whole.setdefault(bare, own)
            self.first.setdefault(section, place.line)
            if self.first[section] == place.line:
                self.sung.setdefault(section, {})[place.offset] = event[PITCH]
            off = round((place.start + place.length) * GRID)
            wait = min(max(0, off - player.grid), MAX_WAIT)
            player.hear((wait // GRID, wait % GRID, OFF, voice, event[PITCH], 0, 10))
        return notes

    def _player(self) -> tuple[Player, int]:
        voice = next((i for i, part in enumerate(self.model.parts) if part.sung), None)
        if voice is None:
            voice = next((i for i, part in enumerate(self.model.parts) if not part.drum), None)
        if voice is None:
            raise ValueError(f"model: {self.model.name!r} has no part that can sing")
        low, high = self.span
        limits = Constraints(
            scale=self.scale, low=low, high=high, polyphony=1, parts=frozenset({voice}), rest=None, longest=None
        )
        rules = Rules(limits, self.piece, self.model.drums, len(self.model.parts))
        return Player(self.model, Frame(self.piece), rules, Random(self.seed), self.temperature, 0.95), voice
