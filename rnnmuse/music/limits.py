"""The rule for times that make no music, whatever file they come from."""

from __future__ import annotations

from rnnmuse.errors import ReadError
from rnnmuse.music.piece import Piece

MAX_BEATS = 40_000.0
MAX_SECONDS = 6 * 3600.0
MAX_PAUSE = 20 * 60.0


def check_times(name: str, piece: Piece) -> None:
    """Raise ReadError if ``piece`` lasts over MAX_BEATS or MAX_SECONDS, or no note begins or ends for MAX_PAUSE.

    Damaged files claim silences of hours; every command would carry them on.
    """
    times = sorted({time for part in piece.parts for note in part.notes for time in (note.start, note.end)})
    tempos = [tempo for tempo in piece.tempos if tempo.bpm > 0]
    seconds, before, bpm, at = 0.0, 0.0, 120.0, 0
    for time in times:
        then = seconds
        while at < len(tempos) and tempos[at].beat < time:
            seconds += (tempos[at].beat - before) * 60 / bpm
            before, bpm = tempos[at].beat, tempos[at].bpm
            at += 1
        seconds += (time - before) * 60 / bpm
        before = time
        if seconds - then > MAX_PAUSE:
            raise ReadError(
                f"{name}: no note begins or ends for {(seconds - then) / 60:.0f} minutes before beat {time:g}; "
                f"at most {MAX_PAUSE / 60:.0f} are read as music"
            )
        if time > MAX_BEATS:
            raise ReadError(f"{name}: a note at beat {time:g}; a piece may last {MAX_BEATS:,.0f} beats")
        if seconds > MAX_SECONDS:
            raise ReadError(f"{name}: lasts over {MAX_SECONDS / 3600:.0f} hours, more than a piece may")
