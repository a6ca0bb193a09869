"""General MIDI programs and drum notes by the names that scores give to instruments."""

from __future__ import annotations

import re

_PROGRAMS: tuple[tuple[str, int], ...] = (
    # The first pattern that fits a lower-case name decides; longer names stand before the shorter ones in them.
    ("harpsi|cembalo|clavecin|clavicembalo", 6), ("celest", 8), ("glocken|bells", 9), ("music.?box", 10),
    ("vibra", 11), ("marimba", 12), ("xylo", 13), ("tubular|chimes", 14), ("dulcimer", 15),
    ("electric piano|rhodes|e-piano", 4), ("piano|klavier|clavier|keyboard|pf\\b", 0), ("clavinet", 7),
    ("harmonium|reed organ", 20), ("accord|bandoneon|akkordeon", 21), ("harmonica|mundharm", 22),
    ("organ|orgel|orgue", 19), ("bass guitar|electric bass|e-bass|bajo", 33), ("acoustic bass", 32),
    ("electric guitar|e-guitar|jazz guitar", 27), ("guitar|gitarr|guitare|chitarra", 24),
    ("violoncell|\\bcello|\\bvc\\b", 42), ("contrabass|double ?bass|kontrabass|contrebasse|string bass", 43),
    ("viola|bratsche|\\balto \\(str", 41), ("violin|violon\\b|geige|fiddle|\\bvln?\\b", 40),
    ("harp\\b|harfe|harpe|arpa", 46),
    ("timpani|pauken|timbales", 47), ("strings|streicher", 48),
    ("choir|chor\\b|chorus|choeur|coro", 52),
    ("piccolo|ottavino", 72), ("recorder|blockfl|flauto dolce", 74), ("pan ?fl", 75),
    ("flute|fl[oö]te|flauto|fl[uû]te", 73),
    ("english horn|cor anglais|englischhorn|corno inglese", 69), ("oboe|hautbois", 68), ("clarin|klarin", 71),
    ("bassoon|fagott|basson", 70), ("soprano sax", 64), ("alto sax|altsax", 65), ("tenor sax", 66),
    ("bari\\w* sax", 67), ("sax", 65), ("trombon|posaune", 57), ("tuba", 58), ("trumpet|trompet|tromba|cornet", 56),
    ("horn\\b|\\bcorn[oi]\\b|\\bcor\\b|hörner", 60), ("brass|blech", 61), ("banjo", 105),
    ("mandolin", 25), ("ukulele", 24),
    ("sitar", 104), ("koto", 107), ("bagpipe|dudelsack", 109),
    ("voice|vocal|vox|soprano|mezzo|contralto|alto\\b|\\btenor|bariton|\\bbass\\b|basso\\b|sing|gesang|canto|chant|voix"
     "|sopran|\\balt\\b|countertenor", 52),
)  # fmt: skip

_DRUMS: tuple[tuple[str, int], ...] = (
    ("bass drum 2|acoustic bass drum", 35), ("bass drum|kick|grosse? trommel|gran ?cassa|grosse caisse", 36),
    ("side stick|rim ?shot|cross ?stick|rim ?click", 37), ("clap", 39), ("electric snare", 40),
    ("snare|side drum|kleine trommel|caisse claire|rullante", 38),
    ("open.*hi.?hat|hi.?hat.*open", 46), ("pedal.*hi.?hat|hi.?hat.*pedal|foot.*hi.?hat", 44),
    ("hi.?hat|charleston", 42),
    ("low floor|floor tom 2", 41), ("floor tom|high floor", 43), ("low tom", 45), ("low.?mid tom", 47),
    ("hi.?mid tom|mid.*tom", 48), ("high tom", 50), ("tom", 47), ("crash.*2", 57), ("crash", 49), ("splash", 55),
    ("chin(ese|a)", 52), ("ride.*2", 59), ("ride bell|bell.*ride", 53), ("ride", 51), ("cymbal|becken|piatti", 49),
    ("tambourin|schellen", 54), ("cow ?bell", 56), ("vibraslap", 58), ("hi.*bongo", 60), ("bongo", 61),
    ("mute.*conga", 62), ("conga", 64), ("timbale", 65), ("agogo", 67), ("cabasa", 69), ("maraca|shaker", 70),
    ("guiro", 74), ("claves", 75), ("wood ?block|temple block", 76), ("cuica", 79), ("triangle|triangel", 81),
)  # fmt: skip

_STAFF_DRUMS = {
    # Where a drum stands on the staff, by the Percussive Arts Society's guide (N. Weinberg); x heads are cymbals.
    ("F", 4): 36, ("E", 4): 35, ("A", 4): 43, ("G", 4): 41, ("B", 4): 45, ("C", 5): 38, ("D", 5): 47, ("E", 5): 48,
    ("F", 5): 50,
}  # fmt: skip
_STAFF_CYMBALS = {
    ("D", 4): 44, ("F", 4): 44, ("C", 5): 37, ("F", 5): 51, ("G", 5): 42, ("A", 5): 49, ("B", 5): 57, ("E", 5): 53,
}  # fmt: skip

DRUM_STAFF: dict[int, tuple[str, int, str]] = {
    35: ("E", 4, "normal"), 36: ("F", 4, "normal"), 37: ("C", 5, "x"), 38: ("C", 5, "normal"), 39: ("C", 5, "diamond"),
    40: ("C", 5, "normal"), 41: ("G", 4, "normal"), 42: ("G", 5, "x"), 43: ("A", 4, "normal"), 44: ("D", 4, "x"),
    45: ("B", 4, "normal"), 46: ("G", 5, "circle-x"), 47: ("D", 5, "normal"), 48: ("E", 5, "normal"),
    49: ("A", 5, "x"), 50: ("F", 5, "normal"), 51: ("F", 5, "x"), 52: ("B", 5, "x"), 53: ("F", 5, "diamond"),
    54: ("B", 4, "x"), 55: ("B", 5, "x"), 56: ("E", 5, "triangle"), 57: ("B", 5, "x"), 59: ("F", 5, "x"),
}  # fmt: skip
"""Step, octave and note head of General MIDI drums on a percussion staff."""

_DRUM_NAMES = (
    "Acoustic Bass Drum", "Bass Drum 1", "Side Stick", "Acoustic Snare", "Hand Clap", "Electric Snare",
    "Low Floor Tom", "Closed Hi-Hat", "High Floor Tom", "Pedal Hi-Hat", "Low Tom", "Open Hi-Hat", "Low-Mid Tom",
    "Hi-Mid Tom", "Crash Cymbal 1", "High Tom", "Ride Cymbal 1", "Chinese Cymbal", "Ride Bell", "Tambourine",
    "Splash Cymbal", "Cowbell", "Crash Cymbal 2", "Vibraslap", "Ride Cymbal 2", "Hi Bongo", "Low Bongo",
    "Mute Hi Conga", "Open Hi Conga", "Low Conga", "High Timbale", "Low Timbale", "High Agogo", "Low Agogo", "Cabasa",
    "Maracas", "Short Whistle", "Long Whistle", "Short Guiro", "Long Guiro", "Claves", "Hi Wood Block",
    "Low Wood Block", "Mute Cuica", "Open Cuica", "Mute Triangle", "Open Triangle",
)  # fmt: skip


def drum_name(pitch: int) -> str:
    """The General MIDI name of a drum note."""
    return _DRUM_NAMES[pitch - 35] if 35 <= pitch <= 81 else f"Drum {pitch}"


def program_of(name: str) -> int | None:
    """The General MIDI program 0-127 of an instrument called ``name``; None where nothing fits."""
    return _first(_PROGRAMS, name)


def drum_of(name: str) -> int | None:
    """The General MIDI drum note of a drum called ``name``; None where nothing fits."""
    return _first(_DRUMS, name)


def staff_drum(step: str, octave: int, cross: bool) -> int:
    """The drum note of a place on a percussion staff; ``cross`` for an x note head."""
    place = (step, octave)
    first, second = (_STAFF_CYMBALS, _STAFF_DRUMS) if cross else (_STAFF_DRUMS, _STAFF_CYMBALS)
    return first.get(place, second.get(place, 38))


def _first(table: tuple[tuple[str, int], ...], name: str) -> int | None:
    lower = name.lower()
    return next((number for pattern, number in table if re.search(pattern, lower)), None)
