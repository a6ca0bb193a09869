"""A melody for given words: the rhythm from their stress, the notes by a stream model.

A stressed syllable falls on a strong beat (every second quarter), what lies between shares the time; a line begins with
its upbeat and ends at a bar line with a rest to breathe. The stream RNN is asked for each note at its time: in the key,
in the range, on a tone of the tonic triad where a line ends, on the tonic at the very end.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import ceil, isfinite
from random import Random

from rnnmuse.events import Lyric, Note
from rnnmuse.models.stream import StreamModel
from rnnmuse.music.codec import GRID, KIND, MAX_WAIT, OFF, ON, PITCH, VELOCITY, velocity_of
from rnnmuse.music.piece import Metre, Part, Piece, Tempo
from rnnmuse.music.theory import parse_key, scale_pitch_classes
from rnnmuse.play.limits import Constraints, Rules
from rnnmuse.play.sampler import Frame, Player
from rnnmuse.text.lyrics import syllables_of
from rnnmuse.text.pronounce import sound, words_of

FOOT = 2.0
"""Beats from one stressed syllable to the next."""

BAR = 4.0
LEAP = 9
"""Semitones from one note to the next at most."""

FOREVER = 1 << 60


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

    ValueError for a text without words, a key that is none, or a range (MIDI notes) of less than an octave.
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
    piece = Piece(tempos=[Tempo(0.0, tempo)], metres=[Metre(0.0, 4, 4)], keys=[tonality], title=lines[0].strip())
    places: list[tuple[float, float, str]] = []
    beat = 0.0
    for line in lines:
        beat = _place(line, beat, places)
    scale = scale_pitch_classes(tonality.tonic, "minor" if tonality.minor else "major")
    third = 3 if tonality.minor else 4
    triad = {(tonality.tonic + step) % 12 for step in (0, third, 7)}
    ends = {sum(len(syllables_of(line)) for line in lines[: k + 1]) - 1 for k in range(len(lines))}
    notes = _sing(model, piece, places, scale, triad, ends, tonality.tonic, (low, high), temperature, seed)
    part = Part("Voice", 53, notes=notes, lyrics=[Lyric(at, word) for at, _, word in places])
    piece.parts = [part]
    return piece


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


def _place(line: str, beat: float, places: list[tuple[float, float, str]]) -> float:
    """Give each syllable of a line its start and length; returns where the line is over, on a bar line."""
    words, strong = syllables_of(line), stresses(line)
    first = strong.index(True)
    upbeat = first * 0.5
    start = beat + (BAR if upbeat and beat == 0 else 0.0)  # the first bar is the upbeat's
    if upbeat > 1.0 and beat:
        start += BAR  # no room in the rest before the bar line
    at = start - upbeat
    i = 0
    while i < len(words):
        if i < first:
            places.append((at, 0.5, words[i]))
            at, i = at + 0.5, i + 1
            continue
        j = next((k for k in range(i + 1, len(words)) if strong[k]), len(words))
        weak = j - i - 1
        last = j == len(words)
        foot = FOOT if not (last and weak == 0) else FOOT / 2
        lengths = {0: [foot], 1: [1.0, 1.0], 2: [1.0, 0.5, 0.5], 3: [0.5] * 4}.get(
            weak, [foot / (weak + 1)] * (weak + 1)
        )
        if last and weak == 0:
            lengths = [max(1.0, FOOT - 0.5)]
        for k, length in zip(range(i, j), lengths, strict=True):
            places.append((at, length, words[k]))
            at += length
        i = j
    return ceil((at + 1.0 - 1e-6) / BAR) * BAR  # a beat to breathe, and to the upbeat of the next line


def _sing(
    model: StreamModel,
    piece: Piece,
    places: Sequence[tuple[float, float, str]],
    scale: frozenset[int],
    triad: Collection[int],
    ends: Collection[int],
    tonic: int,
    span: tuple[int, int],
    temperature: float,
    seed: int,
) -> list[Note]:
    voice = next((i for i, part in enumerate(model.parts) if part.sung), None)
    if voice is None:
        voice = next((i for i, part in enumerate(model.parts) if not part.drum), None)
    if voice is None:
        raise ValueError(f"model: {model.name!r} has no part that can sing")
    limits = Constraints(
        scale=scale, low=span[0], high=span[1], polyphony=1, parts=frozenset({voice}), rest=None, longest=None
    )
    rules = Rules(limits, piece, model.drums, len(model.parts))
    player = Player(model, Frame(piece), rules, Random(seed), temperature, 0.95)
    notes: list[Note] = []
    for number, (start, length, _) in enumerate(places):
        allowed = set(range(span[0], span[1] + 1))
        if notes:
            allowed &= set(range(notes[-1].pitch - LEAP, notes[-1].pitch + LEAP + 1))
        if number == len(places) - 1:
            wanted = {p for p in allowed if p % 12 == tonic}
        elif number in ends:
            wanted = {p for p in allowed if p % 12 in triad}
        else:
            wanted = {p for p in allowed if p % 12 in scale}
        grid = round(start * GRID)
        event = player.next(grid, FOREVER, at=grid, pitches=wanted or allowed)
        while event is not None and event[KIND] != ON:
            event = player.next(grid, FOREVER, at=grid, pitches=wanted or allowed)
        if event is None:
            raise ValueError("setting: no note can be sung there; widen low and high")
        notes.append(Note(start, event[PITCH], length, velocity_of(event[VELOCITY])))
        off = round((start + length) * GRID)
        wait = min(max(0, off - player.grid), MAX_WAIT)
        player.hear((wait // GRID, wait % GRID, OFF, voice, event[PITCH], 0, 10))
    return notes
