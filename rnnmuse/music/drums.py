"""Drum notes of other kits as the notes of General MIDI.

The General MIDI 1 percussion map has the notes 35 to 81. Electronic kits send more: one note for each zone of a pad.
"""

from __future__ import annotations

GENERAL = {22: 42, 26: 46, 23: 42, 24: 46, 25: 44, 29: 37, 30: 51, 31: 37, 32: 37, 33: 37, 34: 53}
"""Notes outside the map that kits send: edge of a closed and of an open hi-hat, sticks and clicks."""
ROLAND = {**GENERAL, 58: 43, 47: 45, 50: 48, 55: 49, 52: 57}
"""The notes of a Roland kit (TD-11): the rims of its toms and the edges of its cymbals sound as the pad itself."""
KITS = {"general": GENERAL, "roland": ROLAND}


def general_midi(pitch: int, kit: str = "general") -> int:
    """The General MIDI drum note (35-81) for a note of a kit; one that is not known goes to the nearest of the map.

    ValueError where ``kit`` is not one of KITS.
    """
    if kit not in KITS:
        raise ValueError(f"kit: {kit!r}; use one of {', '.join(KITS)}")
    mapped = KITS[kit].get(pitch, pitch)
    return max(35, min(81, mapped))
