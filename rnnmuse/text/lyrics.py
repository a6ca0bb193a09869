"""Words for a melody: a syllable a note, stresses on strong beats, rhymes at the ends of phrases.

Every phrase is a line for the search of `rnnmuse.text.verse`: as many syllables as it has notes that take one, the
stresses where the metre is strong; phrases rhyme two by two. Written as MIDI lyric events (a hyphen after a syllable
whose word goes on, ``_`` for a note that holds the syllable before it) and as MusicXML lyrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnnmuse.errors import RnnmuseError
from rnnmuse.events import Lyric, Note
from rnnmuse.music.piece import Piece, credited
from rnnmuse.provenance.record import Made, chosen
from rnnmuse.text.author import Author
from rnnmuse.text.grammar import Syntax
from rnnmuse.text.line import LineGuide
from rnnmuse.text.melody import Melody, Phrase, melody_of, strong_notes, sung_part
from rnnmuse.text.pronounce import divided, sound, words_of
from rnnmuse.text.steer import Found, Here
from rnnmuse.text.themes import likings
from rnnmuse.text.verse import WORN, Poet, worn_words
from rnnmuse.text.writer import Settings

HELD = "_"
OFFBEAT = -5.0
"""Nats for a stress on a weak beat: more than in spoken verse, as the music decides."""

ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Words:
    """Lines of a song by phrase, and the syllables of each."""

    lines: tuple[str, ...]
    """One for each phrase."""
    syllables: tuple[tuple[str, ...], ...]
    """Of each line, in order."""


def write_lyrics(
    author: Author,
    piece: Piece,
    *,
    part: int | None = None,
    prompt: str = "",
    seed: int = 0,
    settings: Settings | None = None,
    theme: Sequence[str] = (),
    refrain: bool = False,
) -> tuple[Piece, Words]:
    """``piece`` with words under its melody, and the words. ValueError for a piece without one.

    ``prompt`` is read first and sets the tone, ``theme`` are words that the song is about; with ``refrain`` a phrase
    that returns note for note returns with its words. RnnmuseError if no line fits a phrase.
    """
    index = sung_part(piece) if part is None else part
    melody = melody_of(piece, index)
    words = words_for(author, melody, prompt=prompt, seed=seed, settings=settings, theme=theme, refrain=refrain)
    made = with_lyrics(piece, index, melody, [s for line in words.syllables for s in line])
    asked = {"theme": list(theme), "refrain": refrain, **(chosen(settings) if settings else {})}
    return credited(made, piece, Made("lyrics", {author.model.name: author.model.digest}, seed, asked)), words


def words_for(
    author: Author,
    melody: Melody,
    *,
    prompt: str = "",
    seed: int = 0,
    settings: Settings | None = None,
    theme: Sequence[str] = (),
    refrain: bool = False,
) -> Words:
    """A line for each phrase of a melody; see `write_lyrics`."""
    poet = author.poet(settings or Settings(temperature=0.9), np.random.default_rng(seed))
    poet.liking = likings(theme)
    logits, state = author.model.begin()
    if prompt:
        logits, state = author.model.read(prompt.strip() + "\n\n", state)
    here = Here(logits, state)
    lines: list[str] = []
    ends: list[str] = []
    syntax = Syntax.begin()
    sung: dict[Tune, int] = {}
    for number, phrase in enumerate(melody.phrases):
        before = sung.setdefault(tune_of(melody, phrase), number)
        if refrain and before < number and len(phrase.notes) == len(melody.phrases[before].notes):
            lines.append(lines[before])
            ends.append(ends[before])
            here = Here(*author.model.read(f"{lines[-1]}\n", here.state))
            syntax = syntax.read_text(lines[-1])
            continue
        partner = number - 1 if number % 2 and _rhymes(phrase) and _rhymes(melody.phrases[number - 1]) else -1
        opens = (
            number % 2 == 0
            and number + 1 < len(melody.phrases)
            and _rhymes(phrase)
            and _rhymes(melody.phrases[number + 1])
        )
        final = number + 1 == len(melody.phrases)
        found = _line(poet, phrase, here, syntax, lines, ends, partner, opens, final)
        guide = found.guide
        assert isinstance(guide, LineGuide)
        lines.append(author.model.alphabet.decode(found.classes).strip())
        ends.append(guide.word)
        here, syntax = found.here, guide.syntax
    return Words(tuple(lines), tuple(tuple(syllables_of(line)) for line in lines))


Tune = tuple[tuple[float, float, int], ...]
"""Notes as their start in the phrase, their length and their pitch."""


def tune_of(melody: Melody, phrase: Phrase) -> Tune:
    """The notes of a phrase from its beginning."""
    notes = [melody.notes[i] for i in phrase.notes]
    return tuple((round(n.start - notes[0].start, 3), round(n.duration, 3), n.pitch) for n in notes)


def _rhymes(phrase: Phrase) -> bool:
    return len(phrase.notes) >= 4


def _line(
    poet: Poet,
    phrase: Phrase,
    here: Here,
    syntax: Syntax,
    lines: Sequence[str],
    ends: Sequence[str],
    partner: int,
    opens: bool,
    final: bool,
) -> Found:
    worn = worn_words(lines[-WORN:])
    for attempt in range(ROUNDS):
        rhyme = ends[partner] if partner >= 0 and attempt < ROUNDS - 1 else ""  # rather no rhyme than no line
        try:
            found = poet.line(
                len(phrase.notes),
                here,
                rhyme=rhyme,
                used=ends[-4:] if len(phrase.notes) > 2 else (),
                opens=opens,
                strong=phrase.strong,
                final=final,
                offbeat=OFFBEAT,
                syntax=syntax,
                worn=worn,
                musts=poet.themed(worn),
            )
        except ValueError:
            continue
        new = [
            one
            for one in found
            if poet.model.alphabet.decode(one.classes).strip().lower() not in [line.lower() for line in lines[-8:]]
        ]
        if new:
            return new[0]
    raise RnnmuseError(f"lyrics: no line of {len(phrase.notes)} syllables was found; try another seed")


def syllables_of(line: str) -> list[str]:
    """The syllables of a line as they are written under notes: a hyphen after one whose word goes on, punctuation kept
    with the word it follows."""
    out: list[str] = []
    at = 0
    words = words_of(line)
    for number, word in enumerate(words):
        begin = line.index(word, at)
        at = begin + len(word)
        following = line.index(words[number + 1], at) if number + 1 < len(words) else len(line)
        mark = line[at:following].strip()
        parts = divided(word)
        out += [f"{part}-" for part in parts[:-1]] + [parts[-1] + mark]
    return out


def with_lyrics(piece: Piece, index: int, melody: Melody, syllables: Sequence[str]) -> Piece:
    """``piece`` with the part ``index`` replaced by the melody with its words; ValueError if the numbers differ."""
    notes = [i for phrase in melody.phrases for i in phrase.notes]
    if len(notes) != len(syllables):
        raise ValueError(f"syllables: {len(syllables)}; the melody takes {len(notes)}")
    own = dict(zip(notes, syllables, strict=True))
    lyrics = [Lyric(note.start, own.get(i, HELD)) for i, note in enumerate(melody.notes)]
    part = replace(piece.parts[index], notes=list(melody.notes), lyrics=lyrics)
    return replace(piece, parts=[part if i == index else p for i, p in enumerate(piece.parts)])


@dataclass(frozen=True, slots=True)
class Fit:
    """How words sit on a melody: notes with a syllable or a mark, stressed syllables, those of them on strong notes."""

    notes: int
    """All notes of the part."""
    marked: int
    """Notes with a syllable or a mark."""
    stressed: int
    """Syllables that are stressed."""
    strong: int
    """Stressed syllables on strong notes."""


def fit(piece: Piece, index: int) -> Fit:
    """Measure the words of a part against its metre, whoever wrote them.

    A syllable is stressed if it has its word's primary stress, or is a word of one syllable that is not mostly weak
    ("the", "of", ...); a note is strong as in `rnnmuse.text.melody.strong_notes`, among the notes that carry syllables.
    """
    part = piece.parts[index]
    lyrics = {round(lyric.beat * 96): lyric.text for lyric in part.lyrics}
    notes = [note for note in part.notes if round(note.start * 96) in lyrics]
    carrying = [note for note in notes if lyrics[round(note.start * 96)] != HELD]
    strong = dict(zip((n.start for n in carrying), strong_notes(piece, carrying), strict=True))
    stressed = good = 0
    for word, places in _words_on(carrying, lyrics):
        marks = sound(word).stress
        if len(marks) != len(places):
            continue
        for mark, note in zip(marks, places, strict=True):
            if mark == "1":
                stressed += 1
                good += strong[note.start]
    return Fit(len(part.notes), len(notes), stressed, good)


def _words_on(notes: Sequence[Note], lyrics: dict[int, str]) -> list[tuple[str, list[Note]]]:
    """Words, each with the notes of its syllables."""
    out: list[tuple[str, list[Note]]] = []
    word = ""
    places: list[Note] = []
    for note in notes:
        text = lyrics[round(note.start * 96)]
        word, places = word + text.rstrip("-"), [*places, note]
        if not text.endswith("-"):
            clean = words_of(word)
            if len(clean) == 1:
                out.append((clean[0], places))
            word, places = "", []
    return out
