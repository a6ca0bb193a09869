"""Harmony in real time: the voices beneath a note of a melody, drawn one after another from the stream model."""

from __future__ import annotations

from collections.abc import Iterator

from rnnmuse.music.codec import PITCH
from rnnmuse.play.sampler import Event, Player

VOICES = 3
"""Notes beneath the melody's, where no limit is asked for."""

DEEPEST = 28
"""Semitones beneath the melody that a voice lies at most."""

APART = 3
"""Semitones between two voices at least: seconds are the melody's to make, by moving on."""


def chord_beneath(player: Player, top: int, voices: int = VOICES) -> Iterator[Event]:
    """Note-ons at the player's grid position, each taken as played: ``voices`` of them beneath MIDI note ``top``.

    The model chooses among the pitches that its rules allow and that make no second, seventh of eleven semitones or
    minor ninth with what the chord has already: a chord is heard at once and cannot be taken back. There are fewer
    voices where no such pitch is left.
    """
    chord = [top]
    for _ in range(voices):
        free = [
            pitch
            for pitch in range(max(0, top - DEEPEST), top)
            if all(abs(pitch - other) >= APART and (pitch - other) % 12 not in (1, 11) for other in chord)
        ]
        if not player.may_start(free):
            return
        event = player.next(player.grid, player.grid + 1, at=player.grid, pitches=free)
        if event is None:
            return
        chord.append(event[PITCH])
        yield event
