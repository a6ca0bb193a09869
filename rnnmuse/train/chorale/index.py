"""The index of what a chorale model learned from: the lines of its training chorales, as they may be written down."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnmuse.models.bundle import Bundle
from rnnmuse.models.originality import FILE, Index, Line, index_of_lines, line_of
from rnnmuse.music.codec import GRID
from rnnmuse.train.bundle import new_bundle
from rnnmuse.train.chorale.data import SIXTEENTHS, Chorale, read_chorales

Ints = NDArray[np.int64]


def index_chorales(bundle: Bundle, sources: Sequence[Path]) -> Index:
    """Write the index of the chorales of ``sources`` into a bundle, and its hashes anew.

    ValueError where there is no chorale to learn from.
    """
    return write_index(bundle, read_chorales(sources)[0])


def write_index(bundle: Bundle, chorales: Sequence[Chorale]) -> Index:
    """As `index_chorales`, of chorales that are read already."""
    learned = [readings(c) for c in chorales if c.split in ("train", "beside")]
    if not learned:
        raise ValueError("sources: no chorale to learn from; four voices are needed")
    index = index_of_lines(learned, [written(c) for c in chorales if c.split in ("validation", "test")])
    with new_bundle(bundle.folder, (FILE,)) as partial:
        index.save(partial / FILE)
    return index


def readings(chorale: Chorale) -> list[Line]:
    """The lines of a chorale's voices in two readings: as they are, and on the beats alone as `written`.

    Its source has no note-ons, so a pitch that is sung again is a long note in the first.
    """
    return [*_lines(chorale.voices, SIXTEENTHS), *written(chorale)]


def written(chorale: Chorale) -> list[Line]:
    """The lines of the voices as `rnnmuse.compose.harmonise` writes them: a chord a beat, a voice beginning with the
    melody or on another pitch, soprano first."""
    beats = chorale.beats()
    struck = np.concatenate([[True], beats[1:, 0] != beats[:-1, 0]])
    return _lines(beats, 1, struck)


def _lines(voices: Ints, to_a_beat: int, struck: NDArray[np.bool_] | None = None) -> list[Line]:
    """The line of each voice (T, 4) in rows of which there are so many ``to_a_beat``; ``struck`` rows (T,) begin a note
    on the same pitch too."""
    out = []
    for voice, pitches in enumerate(voices.T):
        begins = np.concatenate([[True], pitches[1:] != pitches[:-1]])
        if struck is not None:
            begins |= struck
        at = np.flatnonzero(begins & (pitches > 0))
        if len(at):
            out.append(line_of(str(voice), False, at * (GRID // to_a_beat), pitches[at]))
    return out
