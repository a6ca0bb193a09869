"""Harmony out of notes: chord symbols where a piece has none, block chords where it has only symbols."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnmuse.events import Note
from rnnmuse.music.codec import is_sung
from rnnmuse.music.piece import ChordSymbol, Part, Piece
from rnnmuse.music.theory import PITCH_NAMES, parse_chord

_TONES = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
}
_NAMES = [(root, suffix) for root in range(12) for suffix in _TONES]
_IN = np.zeros((len(_NAMES), 12))
for _i, (_root, _suffix) in enumerate(_NAMES):
    _IN[_i, [(_root + tone) % 12 for tone in _TONES[_suffix]]] = 1
# A seventh or a bent triad has to earn its place; equal fits go to the plain triad.
_PRIOR = np.array([0.0 if suffix in ("", "m") else -0.06 if suffix in ("7", "m7") else -0.1 for _, suffix in _NAMES])
_STAY = 0.08


def segments(piece: Piece) -> list[float]:
    """Beats at which a chord may change: every half bar where a bar halves into whole beats, else every bar."""
    out: list[float] = []
    beat, end = 0.0, piece.end
    while beat < end - 1e-9:
        metre = piece.metre_at(beat)
        bar = metre.bar_beats
        step = bar / 2 if bar >= 4 and bar % 2 == 0 else bar
        out.append(beat)
        following = min((m.beat for m in piece.metres if m.beat > beat + 1e-6), default=float("inf"))
        beat = min(beat + step, following)
    return out


def estimate_chords(piece: Piece) -> list[ChordSymbol]:
    """Chord symbols of a piece, from how long each pitch class sounds in each half bar and from its bass.

    Template matching with a cost of change, decided by dynamic programming (Fujishima 1999 for the templates,
    Viterbi for the path). Drums are not heard.
    """
    starts = segments(piece)
    if not starts:
        return []
    weight, bass = _chroma(piece, np.array(starts))
    total = weight.sum(1, keepdims=True)
    share = weight / np.maximum(total, 1e-9)
    fit = share @ _IN.T - 0.6 * (share @ (1 - _IN).T) - 0.12 * (_IN.sum(1) - 3) + _PRIOR
    missing = (share[:, None, :] < 0.04) & (_IN[None] > 0)
    fit -= 0.12 * missing.sum(2)
    roots = np.array([root for root, _ in _NAMES])
    fit += 0.15 * (bass[:, None] == roots[None])
    fit[total[:, 0] == 0] = 0
    path = _best_path(fit)
    out: list[ChordSymbol] = []
    for beat, index in zip(starts, path, strict=True):
        root, suffix = _NAMES[index]
        text = PITCH_NAMES[root] + suffix
        if not out or out[-1].text != text:
            out.append(ChordSymbol(beat, text))
    return out


def _chroma(piece: Piece, starts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Beats sounded by each pitch class (S, 12) and the lowest pitch class (S,; -1 in silence) of each segment."""
    weight = np.zeros((len(starts), 12))
    lowest = np.full(len(starts), 999)
    ends = np.append(starts[1:], piece.end)
    for part in piece.parts:
        if part.drum:
            continue
        for note in part.notes:
            first = max(0, int(np.searchsorted(starts, note.start + 1e-6, side="right")) - 1)
            last = int(np.searchsorted(starts, note.end - 1e-6, side="right"))
            for s in range(first, max(first + 1, last)):
                heard = min(note.end, ends[s]) - max(note.start, starts[s])
                weight[s, note.pitch % 12] += max(0.0, heard) * (1.3 if note.start <= starts[s] + 1e-3 else 1.0)
                if heard > 0.05:
                    lowest[s] = min(lowest[s], note.pitch)
    return weight, np.where(lowest < 999, lowest % 12, -1)


def _best_path(fit: NDArray[np.float64]) -> list[int]:
    score = fit[0].copy()
    back: list[NDArray[np.int64]] = []
    for row in fit[1:]:
        best = int(score.argmax())
        moved = score[best] - _STAY
        back.append(np.where(score >= moved, np.arange(len(score)), best))
        score = np.maximum(score, moved) + row
    path = [int(score.argmax())]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    return path[::-1]


def block_chords(chords: list[ChordSymbol], end: float, low: int = 48, velocity: int = 64) -> list[Note]:
    """The chords as close-position block chords around ``low`` + 12, each held until the next or to beat ``end``."""
    notes: list[Note] = []
    for index, symbol in enumerate(chords):
        until = chords[index + 1].beat if index + 1 < len(chords) else end
        try:
            chord = parse_chord(symbol.text)
        except ValueError:
            continue
        if until - symbol.beat < 1e-6 or not chord.pitch_classes or chord.root < 0:
            continue
        pitches = sorted(low + (pc - low) % 12 for pc in chord.pitch_classes)
        bass = low - 12 + (chord.bass - low) % 12
        notes += [Note(symbol.beat, p, until - symbol.beat, velocity) for p in [bass, *pitches]]
    return sorted(notes)


def lead_sheet(piece: Piece) -> Piece:
    """Melody and chords of a piece: its sung or first part, and its chord symbols (estimated without) as notes.

    Raises ValueError if it has no pitched part.
    """
    pitched = [part for part in piece.parts if part.notes and not part.drum]
    if not pitched:
        raise ValueError("no pitched part to take as the melody")
    melody = next((part for part in pitched if is_sung(part)), pitched[0])
    chords = piece.chords or estimate_chords(piece)
    top = [
        n
        for i, n in enumerate(melody.notes)  # of a chord in the melody the highest note
        if not any(m.start == n.start and m.pitch > n.pitch for m in melody.notes[max(0, i - 6) : i + 7])
    ]
    parts = [
        Part("Melody", melody.program, notes=top, lyrics=melody.lyrics),
        Part("Chords", 0, notes=block_chords(chords, max(n.end for n in top))),
    ]
    return Piece(parts, piece.tempos, piece.metres, piece.keys, chords, piece.title, piece.pickup, piece.ticks_per_beat)
