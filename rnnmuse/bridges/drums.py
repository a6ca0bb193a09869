"""Drum notes on their way out: as General MIDI names them, or as Roland's electronic kits send them.

General MIDI names percussion notes 35 to 81 (General MIDI System Level 1), GM2 27 to 87. Roland's kits send the edge of
the hi-hat on notes below these; the Groove MIDI Dataset, from which drum models learn, was played on one (TD-11).
"""

from __future__ import annotations

CHANNEL = 9
"""The percussion channel, counted from 0."""
KITS = ("gm", "roland")
ROLAND_TO_GM = {22: 42, 26: 46}
"""Closed and open hi-hat struck on the edge, after the table of the Groove MIDI Dataset."""


def pitch_out(kit: str, channel: int, pitch: int) -> int:
    """The pitch that a port with this kit gets for a note of ours."""
    return ROLAND_TO_GM.get(pitch, pitch) if channel == CHANNEL and kit == "gm" else pitch
