"""Keys, scales and chords: parsing what a user types, and estimating from notes what is not given."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from rnnmuse.events import Note
from rnnmuse.music.piece import ChordSymbol, Key

QUALITIES: tuple[str, ...] = ("maj", "min", "dom7", "maj7", "min7", "dim", "aug", "sus")
"""The chord classes a model is conditioned on; every parsed chord falls into one of them."""

PITCH_NAMES: tuple[str, ...] = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"#": 1, "♯": 1, "b": -1, "♭": -1}

SCALES: dict[str, frozenset[int]] = {
    name: frozenset(steps)
    for name, steps in {
        "major": (0, 2, 4, 5, 7, 9, 11),
        "minor": (0, 2, 3, 5, 7, 8, 10),
        "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
        "melodic minor": (0, 2, 3, 5, 7, 9, 11),
        "ionian": (0, 2, 4, 5, 7, 9, 11),
        "dorian": (0, 2, 3, 5, 7, 9, 10),
        "phrygian": (0, 1, 3, 5, 7, 8, 10),
        "lydian": (0, 2, 4, 6, 7, 9, 11),
        "mixolydian": (0, 2, 4, 5, 7, 9, 10),
        "aeolian": (0, 2, 3, 5, 7, 8, 10),
        "locrian": (0, 1, 3, 5, 6, 8, 10),
        "phrygian dominant": (0, 1, 4, 5, 7, 8, 10),
        "lydian dominant": (0, 2, 4, 6, 7, 9, 10),
        "altered": (0, 1, 3, 4, 6, 8, 10),
        "harmonic major": (0, 2, 4, 5, 7, 8, 11),
        "hungarian minor": (0, 2, 3, 6, 7, 8, 11),
        "pentatonic": (0, 2, 4, 7, 9),
        "minor pentatonic": (0, 3, 5, 7, 10),
        "blues": (0, 3, 5, 6, 7, 10),
        "major blues": (0, 2, 3, 4, 7, 9),
        "whole tone": (0, 2, 4, 6, 8, 10),
        "diminished": (0, 2, 3, 5, 6, 8, 9, 11),
        "half-whole": (0, 1, 3, 4, 6, 7, 9, 10),
        "hirajoshi": (0, 2, 3, 7, 8),
        "chromatic": tuple(range(12)),
    }.items()
}
"""Scale name to its pitch classes above the tonic, in semitones."""

# Chord suffix: semitones above the root, and the class it is shown to a model as.
_SUFFIXES: dict[str, tuple[tuple[int, ...], str]] = {
    "": ((0, 4, 7), "maj"),
    "maj": ((0, 4, 7), "maj"),
    "M": ((0, 4, 7), "maj"),
    "5": ((0, 7), "maj"),
    "6": ((0, 4, 7, 9), "maj"),
    "maj6": ((0, 4, 7, 9), "maj"),
    "69": ((0, 2, 4, 7, 9), "maj"),
    "6/9": ((0, 2, 4, 7, 9), "maj"),
    "add9": ((0, 2, 4, 7), "maj"),
    "add2": ((0, 2, 4, 7), "maj"),
    "add11": ((0, 4, 5, 7), "maj"),
    "maj7": ((0, 4, 7, 11), "maj7"),
    "maj9": ((0, 2, 4, 7, 11), "maj7"),
    "maj11": ((0, 2, 4, 5, 7, 11), "maj7"),
    "maj13": ((0, 2, 4, 7, 9, 11), "maj7"),
    "maj7#11": ((0, 4, 6, 7, 11), "maj7"),
    "maj7#5": ((0, 4, 8, 11), "aug"),
    "maj7b5": ((0, 4, 6, 11), "maj7"),
    "m": ((0, 3, 7), "min"),
    "m6": ((0, 3, 7, 9), "min"),
    "m69": ((0, 2, 3, 7, 9), "min"),
    "madd9": ((0, 2, 3, 7), "min"),
    "mmaj7": ((0, 3, 7, 11), "min"),
    "mmaj9": ((0, 2, 3, 7, 11), "min"),
    "m7": ((0, 3, 7, 10), "min7"),
    "m9": ((0, 2, 3, 7, 10), "min7"),
    "m11": ((0, 2, 3, 5, 7, 10), "min7"),
    "m13": ((0, 2, 3, 7, 9, 10), "min7"),
    "m7b5": ((0, 3, 6, 10), "dim"),
    "7": ((0, 4, 7, 10), "dom7"),
    "9": ((0, 2, 4, 7, 10), "dom7"),
    "11": ((0, 2, 4, 5, 7, 10), "dom7"),
    "13": ((0, 2, 4, 7, 9, 10), "dom7"),
    "7b5": ((0, 4, 6, 10), "dom7"),
    "7b9": ((0, 1, 4, 7, 10), "dom7"),
    "7#9": ((0, 3, 4, 7, 10), "dom7"),
    "7#11": ((0, 4, 6, 7, 10), "dom7"),
    "9#11": ((0, 2, 4, 6, 7, 10), "dom7"),
    "7b13": ((0, 4, 7, 8, 10), "dom7"),
    "7b9b13": ((0, 1, 4, 7, 8, 10), "dom7"),
    "7#5": ((0, 4, 8, 10), "aug"),
    "7alt": ((0, 1, 3, 4, 8, 10), "dom7"),
    "dim": ((0, 3, 6), "dim"),
    "dim7": ((0, 3, 6, 9), "dim"),
    "mb5": ((0, 3, 6), "dim"),
    "aug": ((0, 4, 8), "aug"),
    "aug7": ((0, 4, 8, 10), "aug"),
    "sus4": ((0, 5, 7), "sus"),
    "sus2": ((0, 2, 7), "sus"),
    "7sus4": ((0, 5, 7, 10), "sus"),
    "7sus2": ((0, 2, 7, 10), "sus"),
    "9sus4": ((0, 2, 5, 7, 10), "sus"),
    "13sus4": ((0, 2, 5, 7, 9, 10), "sus"),
}
_ALIASES = {
    "+": "aug",
    "+7": "aug7",
    "o": "dim",
    "°": "dim",
    "o7": "dim7",
    "°7": "dim7",
    "ø": "m7b5",
    "ø7": "m7b5",
    "Ø": "m7b5",
    "Ø7": "m7b5",
    "sus": "sus4",
    "7sus": "7sus4",
    "9sus": "9sus4",
    "13sus": "13sus4",
    "alt": "7alt",
    "dom7": "7",
    "dom": "7",
}
_NO_CHORD = {"n.c.", "nc", "n.c", "-"}

# Krumhansl & Kessler (1982) probe-tone ratings, C major and C minor.
_MAJOR_PROFILE = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR_PROFILE = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)

_TEMPLATES: tuple[tuple[str, frozenset[int]], ...] = (
    ("maj", frozenset({0, 4, 7})),
    ("min", frozenset({0, 3, 7})),
    ("dom7", frozenset({0, 4, 7, 10})),
    ("maj7", frozenset({0, 4, 7, 11})),
    ("min7", frozenset({0, 3, 7, 10})),
    ("dim", frozenset({0, 3, 6})),
    ("dim", frozenset({0, 3, 6, 9})),
    ("dim", frozenset({0, 3, 6, 10})),
    ("aug", frozenset({0, 4, 8})),
    ("sus", frozenset({0, 5, 7})),
    ("sus", frozenset({0, 2, 7})),
    ("sus", frozenset({0, 5, 7, 10})),
)


@dataclass(frozen=True, slots=True)
class Chord:
    """``root`` and ``bass`` are pitch classes 0-11 (-1 both for no chord); ``quality`` one of QUALITIES
    ('' for no chord); ``pitch_classes`` holds every sounding class, the bass included."""

    root: int
    quality: str
    pitch_classes: frozenset[int]
    bass: int


def _bad(field: str, value: str, allowed: str, known: Iterable[str] = (), typed: str | None = None) -> ValueError:
    near = get_close_matches(value if typed is None else typed, list(known), n=3, cutoff=0.5)
    hint = f"; near: {', '.join(near)}" if near else ""
    return ValueError(f"{field} {value!r} is not known: {allowed}{hint}")


def _spelled(text: str) -> tuple[int, str] | None:
    """The pitch class that ``text`` begins with and what follows, or None."""
    if not text or text[0].upper() not in _LETTERS:
        return None
    tonic, at = _LETTERS[text[0].upper()], 1
    while at < len(text) and at < 3 and text[at] in _ACCIDENTALS:
        tonic += _ACCIDENTALS[text[at]]
        at += 1
    return tonic % 12, text[at:]


def parse_pitch_class(text: str) -> int:
    """Pitch class 0-11 of a note name: ``C``, ``f#``, ``Bb``. ValueError names the value."""
    spelled = _spelled(text.strip())
    if spelled is None or spelled[1]:
        raise _bad("note", text, "write a letter A-G with # or b, such as C, F# or Bb", PITCH_NAMES)
    return spelled[0]


def parse_key(text: str) -> Key:
    """Key, from beat 0, of ``C``, ``F#m``, ``Bb minor``, ``a`` (a bare lower-case letter is minor).

    ValueError names the value and the allowed forms.

    >>> key_name(parse_key("Bb minor")), key_name(parse_key("f#"))
    ('Bb minor', 'F# minor')
    """
    value = text.strip()
    spelled = _spelled(value)
    mode = None
    if spelled is not None:
        rest = spelled[1].strip(" -_:")
        if rest == "":
            mode = value[0].islower()
        elif rest in ("m", "-") or rest.lower() in ("min", "minor", "moll"):
            mode = True
        elif rest == "M" or rest.lower() in ("maj", "major", "dur"):
            mode = False
    if spelled is None or mode is None:
        known = [n + m for n in PITCH_NAMES for m in ("", "m", " minor", " major")]
        raise _bad("key", text, "write a tonic and a mode, such as C, F#m, Bb minor or a", known)
    return Key(0.0, spelled[0], mode)


def key_name(key: Key) -> str:
    """``C major`` or ``F# minor``."""
    return f"{PITCH_NAMES[key.tonic % 12]} {'minor' if key.minor else 'major'}"


def scale_pitch_classes(tonic: int, name: str) -> frozenset[int]:
    """Pitch classes 0-11 of scale ``name`` (see SCALES) on ``tonic``. ValueError on an unknown name.

    >>> sorted(scale_pitch_classes(2, "dorian"))
    [0, 2, 4, 5, 7, 9, 11]
    """
    steps = SCALES.get(" ".join(name.lower().replace("_", " ").split()))
    if steps is None:
        raise _bad("scale", name, f"use one of {', '.join(SCALES)}", SCALES, name.lower())
    return frozenset((tonic + step) % 12 for step in steps)


def _suffix(text: str) -> tuple[tuple[int, ...], str] | None:
    """The template of chord suffix ``text`` in any of its usual spellings."""
    plain = re.sub(r"[()\s,]", "", text).replace("♯", "#").replace("♭", "b").replace("△", "maj7").replace("Δ", "maj7")
    plain = plain.replace("maj77", "maj7")
    for form in (plain, _ALIASES.get(plain, plain)):
        if form in _SUFFIXES:
            return _SUFFIXES[form]
    major = re.sub(r"^(mi|m|-)?(?:maj|Maj|MAJ|Ma|ma|M|j)(?=\d|$)", lambda m: ("m" if m[1] else "") + "maj", plain)
    minor = re.sub(r"^(?:minor|min|Min|mi|-)(?!or)", "m", major)
    minor = re.sub(r"^mmaj$", "mmaj7", minor)
    altered = re.sub(r"(?<=[79m])-(?=5|9)", "b", minor).replace("+5", "#5").replace("+9", "#9")
    for form in (major, minor, altered, re.sub("^major", "maj", plain), plain.lower()):
        form = _ALIASES.get(form, form)
        if form in _SUFFIXES:
            return _SUFFIXES[form]
    return None


_TOKEN = re.compile(r"(add|no|omit|sus)?([#b+-]?)(1[135]|[2-9])")
_DEGREES = {2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 10, 9: 2, 11: 5, 13: 9, 15: 0}


def _composed(text: str) -> tuple[tuple[int, ...], str] | None:
    """The template of a suffix that is a known one with alterations after it: ``7#5#9``, ``maj7add13``, ``7b9no3``.

    An altered 5 or an altered 9, 11 or 13 of the known suffix takes the place of the plain one; the others are added.
    """
    plain = re.sub(r"[()\s,]", "", text).replace("♯", "#").replace("♭", "b")
    for cut in range(len(plain), -1, -1):
        base = _suffix(plain[:cut])
        tokens = list(_TOKEN.finditer(plain, cut))
        if base is None or "".join(token[0] for token in tokens) != plain[cut:] or not tokens:
            continue
        steps, quality = set(base[0]), base[1]
        for what, sign, number in (token.groups() for token in tokens):
            degree = int(number)
            step = (_DEGREES[degree] + {"#": 1, "+": 1, "b": -1, "-": -1}.get(sign, 0)) % 12
            if what in ("no", "omit"):
                steps -= {3, 4} if degree == 3 else {6, 7, 8} if degree == 5 else {step}
                continue
            if what == "sus":
                steps -= {3, 4}
                quality = "sus"
            elif sign and degree == 5 and what != "add":
                steps -= {7}
                quality = _with_fifth(quality, step)
            elif sign and degree in (9, 11, 13) and what != "add":
                steps -= {_DEGREES[degree]}
            steps.add(step)
        return tuple(sorted(steps)), quality
    return None


def _with_fifth(quality: str, step: int) -> str:
    """The class of a chord of ``quality`` whose fifth became ``step`` semitones."""
    if step == 8:
        return "aug" if quality in ("maj", "dom7", "maj7") else quality
    return "dim" if quality in ("min", "min7") else quality


@lru_cache(maxsize=4096)
def parse_chord(text: str) -> Chord:
    """A lead-sheet chord: ``Am7``, ``F#dim``, ``C/E``, ``Bbmaj7``, ``Gsus4``, ``E7#9``, ``N.C.``.

    Extensions fold into the nearest of QUALITIES; ``N.C.`` has root -1 and no pitch classes.
    ValueError names the value and the allowed forms.
    """
    value = text.strip()
    if value.lower() in _NO_CHORD:
        return Chord(-1, "", frozenset(), -1)
    spelled = _spelled(value) if value[:1].isupper() else None
    if spelled is not None:
        root, rest = spelled
        body, slash, below = rest.partition("/")
        if below == "9" or below.startswith("9/"):
            body, (_, slash, below) = body + "/9", below.partition("/")
        low = _spelled(below.strip()) if slash else (root, "")
        template = _suffix(body) or _composed(body)
        if template is not None and low is not None and not low[1]:
            classes = frozenset((root + step) % 12 for step in template[0]) | {low[0]}
            return Chord(root, template[1], classes, low[0])
    head = "".join(re.findall(r"^\s*[A-Ga-g][#b]?", value)).strip().capitalize() or "C"
    known = [head + suffix for suffix in _SUFFIXES]
    allowed = "write a root and a quality, such as Am7, F#dim, C/E, Bbmaj7, Gsus4, E7#9, Cm7b5, or N.C."
    raise _bad("chord", text, allowed, known, value[:1].upper() + value[1:])


def _is_chord(text: str) -> bool:
    try:
        parse_chord(text)
    except ValueError:
        return False
    return True


def chart_bars(text: str) -> list[list[str]]:
    """The chord symbols of each bar of a progression or chart; not checked yet.

    ``|`` parts the bars; without it each chord has one. ``%`` or ``/`` is the chord before it, and ``%`` alone in a bar
    the bar before. ValueError where there is none before it, or no chord at all.
    """
    plain = re.sub(r"\|[:|\]]*|[\[:]+\|", "|", text.strip())
    plain = re.sub(r"[,;](?![^(]*\))", " ", plain)  # commas and semicolons part chords too, but not within brackets
    cells = (
        [cell.split() for cell in plain.split("|") if cell.strip()] if "|" in plain else [[w] for w in plain.split()]
    )
    bars: list[list[str]] = []
    for cell in cells:
        if cell == ["%"] and bars:
            bars.append(list(bars[-1]))
            continue
        bar: list[str] = []
        for word in cell:
            before = bar[-1] if bar else bars[-1][-1] if bars else None
            if word in ("%", "/"):
                if before is None:
                    raise ValueError(f"chords: {word!r} repeats the chord before it; there is none")
                word = before
            bar.append(word)
        bars.append(bar)
    if not bars:
        raise ValueError(f"chords: progression {text!r} holds no chord: write chords, such as 'Am7 | D7 | Gmaj7 % |'")
    return bars


def parse_progression(text: str, bars: int, bar_beats: float = 4.0) -> list[ChordSymbol]:
    """The chords of a progression or chart (`chart_bars`) for ``bars`` bars of ``bar_beats`` beats, cycling.

    The chords of a bar share it evenly. ValueError on an unknown chord, an empty progression, or ``bars`` or
    ``bar_beats`` not above zero.
    """
    if bars < 1 or not bar_beats > 0:
        raise ValueError(f"bars {bars!r} and bar_beats {bar_beats!r} must be above zero")
    cells = chart_bars(text)
    for cell in cells:
        for word in cell:
            try:
                parse_chord(word)
            except ValueError as error:
                if all(_is_chord(part) for part in re.split(r"[-_>:.]+", word)):
                    raise ValueError(f"chords: {word!r}; separate chords by spaces, such as 'Am F C G'") from None
                raise ValueError(f"chords: {error}") from None
    return [
        ChordSymbol(bar_beats * (bar + at / len(cell)), word)
        for bar, cell in ((b, cells[b % len(cells)]) for b in range(bars))
        for at, word in enumerate(cell)
    ]


def _correlation(a: Sequence[float], b: Sequence[float]) -> float:
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    top = sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    below = math.sqrt(sum((x - mean_a) ** 2 for x in a) * sum((y - mean_b) ** 2 for y in b))
    return top / below if below > 0 else 0.0


def estimate_key(notes: Iterable[Note]) -> Key:
    """The most likely key of ``notes``, from beat 0; C major for no notes.

    Krumhansl-Schmuckler: durations (beats) summed by pitch class, correlated with the 24 rotations of the
    Krumhansl-Kessler profiles. C. L. Krumhansl, Cognitive Foundations of Musical Pitch (Oxford University
    Press, 1990), ch. 4; profiles: Krumhansl and Kessler, Psychological Review 89 (1982), 334-368.
    Pass no drum notes: their numbers are not pitches.
    """
    weights = [0.0] * 12
    for note in notes:
        weights[note.pitch % 12] += max(0.0, note.duration)
    if not any(weights):
        return Key(0.0, 0, False)
    best, found = -2.0, Key(0.0, 0, False)
    for minor, profile in ((False, _MAJOR_PROFILE), (True, _MINOR_PROFILE)):
        for tonic in range(12):
            fit = _correlation(weights, [profile[(pc - tonic) % 12] for pc in range(12)])
            if fit > best + 1e-12:
                best, found = fit, Key(0.0, tonic, minor)
    return found


def _profiles() -> tuple[tuple[float, ...], ...]:
    rows = []
    for profile in (_MAJOR_PROFILE, _MINOR_PROFILE):
        mean = sum(profile) / 12
        norm = math.sqrt(sum((x - mean) ** 2 for x in profile))
        rows += [tuple((profile[(pc - tonic) % 12] - mean) / norm for pc in range(12)) for tonic in range(12)]
    return tuple(rows)


KEY_PROFILES = _profiles()
"""The Krumhansl-Kessler profiles of 12 major and 12 minor keys, each centred and of length 1."""


def identify_chord(pitch_classes: Iterable[int]) -> tuple[int, str] | None:
    """Root 0-11 and quality (of QUALITIES) of the best-matching chord; None where nothing fits.

    The first pitch class given is taken as the bass where it decides between equal matches (C6 and Am7).
    A match contains its root, and lacks one tone or has one foreign tone at most.
    """
    ordered = [int(pc) % 12 for pc in pitch_classes]
    given = set(ordered)
    if len(given) < 2:
        return None
    # An unordered set has no bass to speak of.
    bass = -1 if isinstance(pitch_classes, (set, frozenset)) else ordered[0]
    best: tuple[float, int, str] | None = None
    for root in sorted(given):
        for quality, steps in _TEMPLATES:
            chord = {(root + step) % 12 for step in steps}
            missing, extra = len(chord - given), len(given - chord)
            if missing + extra > 1 or (missing and quality == "sus"):
                continue
            # A missing fifth is common in real voicings; a missing third leaves the chord open.
            open_fifth = missing == 1 and (chord - given) == {(root + 7) % 12}
            cost = missing * (0.6 if open_fifth else 1.2) + extra * 1.1 - (0.1 if root == bass else 0.0)
            if best is None or cost < best[0] - 1e-9:
                best = (cost, root, quality)
    return None if best is None else (best[1], best[2])
