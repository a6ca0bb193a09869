"""Who is in a band: the models, programs, charts and tempos of its styles."""

from __future__ import annotations

CHARTS = {
    "jazz": "Dm7 | G7 | Cmaj7 | Am7 | Dm7 | G7 | Em7 A7 | Dm7 G7 |",
    "pop": "C | G | Am | F | C | G | F | G |",
    "folk": "G | C | G | D | G | C | G D | G |",
    "game": "Am | % | Fmaj7 | G | Am | % | Dm7 | E7 |",
}
"""The chart that a band plays where none is given."""
TEMPOS = {"jazz": 132.0, "pop": 104.0, "folk": 108.0, "game": 140.0}
PROGRAMS = {
    "jazz": {"bass": 33, "chords": 1, "lead": 67},
    "pop": {"bass": 34, "chords": 5, "lead": 54},
    "folk": {"bass": 33, "chords": 26, "lead": 74},
    "game": {"bass": 39, "chords": 82, "lead": 81},
}
"""General MIDI programs, from 1, by style and role."""
MODELS = {"drums": "grooves", "bass": "piano", "chords": "piano", "lead": "leadsheet"}
SEATS = {1: "lead", 2: "chords", 3: "bass", 4: "drums"}
"""Which player has which role."""
