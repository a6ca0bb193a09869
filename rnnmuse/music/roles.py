"""What each part of a band does: drums, bass, chords or lead, from its program and its notes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from rnnmuse.music.piece import Part, Piece

BASS, LEAD, CHORDS = 33, 80, 0
"""Programs that stand for the roles, as the part classes of a band model have them."""
LOW = 48
"""Mean pitch under which a line of single notes counts as bass."""
SINGLE = 1.25
"""Notes that sound at once, on average, up to which a part counts as a line."""


def voices(part: Part) -> float:
    """Notes that sound at once while the part sounds, on average."""
    edges = sorted([(n.start, 1) for n in part.notes] + [(n.end, -1) for n in part.notes])
    sounding, total, covered = 0, 0.0, 0.0
    for (beat, change), (following, _) in pairwise(edges):
        sounding += change
        if sounding > 0:
            total += sounding * (following - beat)
            covered += following - beat
    return total / covered if covered else 0.0


def band_roles(piece: Piece) -> Piece:
    """The piece with the program of each pitched part set to its role's.

    A part of the program family bass, or a low line, is bass. Of the other lines those above the mean pitch of the
    accompaniment are lead; where there is none the highest line is. Everything else plays chords.
    """
    pitched = [part for part in piece.parts if part.notes and not part.drum]
    mean = {id(part): sum(n.pitch for n in part.notes) / len(part.notes) for part in pitched}
    line = {id(part): voices(part) <= SINGLE for part in pitched}
    bass = {id(p) for p in pitched if p.program // 8 == 4 or (line[id(p)] and mean[id(p)] < LOW)}
    others = [p for p in pitched if id(p) not in bass]
    centre = sum(mean[id(p)] for p in others) / len(others) if others else 0.0
    lead = {id(p) for p in others if line[id(p)] and mean[id(p)] >= centre}
    if not lead and others:
        lead = {id(max(others, key=lambda p: mean[id(p)] - 12 * (not line[id(p)])))} if len(others) > 1 else set()

    def role(part: Part) -> int:
        return BASS if id(part) in bass else LEAD if id(part) in lead else CHORDS

    return replace(piece, parts=[part if part.drum else replace(part, program=role(part)) for part in piece.parts])
