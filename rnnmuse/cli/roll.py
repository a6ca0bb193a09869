"""The terminal while a stage plays: a small piano roll of the last beats above a line of what holds now."""

from __future__ import annotations

import io
import shutil
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from rnnmuse.bridges.output import Program, Send, Sent
from rnnmuse.clock import PPQ, Nanoseconds

if TYPE_CHECKING:
    from rnnmuse.realtime.stage import Stage

BEATS = 8.0
"""Beats that the roll shows, the present one at its right edge."""
ROWS = 8
"""Lines of pitches; each holds two rows, as half blocks. One more line is for drums."""
LEAST_SPAN = 24
"""Semitones that the roll shows at least."""
EVERY = 0.15
"""Seconds between two pictures."""
MOST = 1024
"""Notes that are kept."""
NARROW = 50
"""Columns below which there is no roll."""
COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red", "bright_cyan", "bright_magenta")


@dataclass(slots=True)
class Shown:
    """A note in the roll: ``start`` and ``end`` in beats, ``end`` infinite while it sounds; ``colour`` by its part."""

    start: float
    end: float
    pitch: int
    """MIDI note number."""
    drum: bool
    """Whether it is drawn in the line of drums."""
    colour: str


class Roll:
    """An output that keeps what was played last, and draws it. Another thread draws than the one that adds notes."""

    name = "terminal"
    ahead: Nanoseconds = 0
    clock = False

    def __init__(self) -> None:
        self._notes: deque[Shown] = deque(maxlen=MOST)
        self._sounding: dict[tuple[int, int, int], Shown] = {}

    def prepare(self, sent: Sent) -> Send:
        """Enter a note, or its end."""

        def enter() -> None:
            key = (sent.player, sent.part, sent.pitch)
            if (held := self._sounding.pop(key, None)) is not None:
                held.end = min(held.end, sent.beat)
            if sent.velocity:
                colour = COLOURS[(3 * (sent.player - 1) + sent.part) % len(COLOURS)]
                note = Shown(sent.beat, float("inf"), sent.pitch, sent.drum or sent.channel == 9, colour)
                self._notes.append(note)
                self._sounding[key] = note

        return enter

    def program(self, program: Program) -> Send:
        """A roll shows no programs."""
        return lambda: None

    def transport(self, data: list[int]) -> None:
        """A roll needs no clock."""

    def close(self) -> None:
        """Nothing to close."""

    def draw(self, now: float, columns: int) -> Text:
        """The roll as `ROWS` + 1 lines of ``columns`` characters, the beat ``now`` at the right edge."""
        seen = [n for n in tuple(self._notes) if n.end > now - BEATS and n.start < now]
        pitched = [n.pitch for n in seen if not n.drum]
        low, high = (min(pitched), max(pitched)) if pitched else (48, 72)
        spare = max(0, LEAST_SPAN - (high - low))
        low, high = low - spare // 2, high + spare - spare // 2
        rows = 2 * ROWS
        cells: dict[tuple[int, int], str] = {}
        hits: dict[int, str] = {}
        for note in seen:
            first = max(0, int((note.start - now + BEATS) / BEATS * columns))
            last = min(
                columns, max(first + 1, int((note.end - now + BEATS) / BEATS * columns) if note.end < now else columns)
            )
            if note.drum:
                hits[min(first, columns - 1)] = note.colour
                continue
            row = rows - 1 - (note.pitch - low) * (rows - 1) // max(1, high - low)
            for column in range(first, last):
                cells[row, column] = note.colour
        text = Text(no_wrap=True, end="")
        for line in range(ROWS):
            _append(text, [_block(cells.get((2 * line, c)), cells.get((2 * line + 1, c))) for c in range(columns)])
            text.append("\n")
        _append(text, [("•", hits[c]) if c in hits else ("·", "bright_black") for c in range(columns)])
        return text


def _block(above: str | None, below: str | None) -> tuple[str, str]:
    """The character of two cells, one above the other, and its style."""
    if above and below:
        return ("█", above) if above == below else ("▀", f"{above} on {below}")
    return ("▀", above) if above else ("▄", below) if below else (" ", "")


def _append(text: Text, line: list[tuple[str, str]]) -> None:
    """Add characters with their styles, neighbours of one style together."""
    for style, run in groupby(line, key=itemgetter(1)):
        text.append("".join(character for character, _ in run), style)


def status(stage: Stage) -> str:
    """One line: tempo, bar and beat, chord, players, notes, lateness."""
    bar, ticks = stage.clock.metre.place(round(stage.transport.place * PPQ))
    beat = ticks * stage.clock.metre.denominator // (4 * PPQ)
    seats = sorted(dict(stage.players.seats).items())
    players = " ".join(f"{n}:{seat.mode}" for n, seat in seats if seat.mode != "off") or "none"
    late = stage.lateness
    chord = f"chord {stage.harmony.chord}  " if stage.harmony.chord else ""
    return (f"{float(stage.clock.tempo):.1f} bpm  bar {bar + 1} beat {beat + 1}  {chord}players {players}  "
            f"notes {stage.player.notes_in} in {stage.notes.count} out  late {late.quantile(0.5) / 1e6:.2f} ms "
            f"(worst {late.worst / 1e6:.1f}, dropped {late.dropped})")  # fmt: skip


def picture(roll: Roll, stage: Stage, columns: int) -> list[str]:
    """The lines that the terminal shows: the roll, then the status in as many lines as it needs."""
    console = Console(
        file=io.StringIO(), force_terminal=True, color_system="standard", width=columns, legacy_windows=False
    )
    with console.capture() as drawn:
        if columns >= NARROW:
            console.print(roll.draw(stage.transport.place, columns - 1))
        console.print(Text(status(stage)))
    return drawn.get().rstrip("\n").split("\n")


def show(stage: Stage, write: Callable[[str], bool]) -> Callable[[], None]:
    """Draw the roll and the status again and again, in a thread of its own: a terminal may be slow, held or gone.

    The picture is drawn from the line of the cursor on, and the cursor goes back to its first line: whatever else is
    printed there stands above the next picture. ``write`` prints and returns False where the terminal is gone.
    Returns a function that ends it, with the last picture left in place.
    """
    roll, over = Roll(), threading.Event()
    stage.add_output(roll)

    def draw() -> None:
        while True:
            last = over.wait(EVERY)
            lines = picture(roll, stage, shutil.get_terminal_size().columns)
            back = "\n" if last else f"\r\033[{len(lines) - 1}A" if len(lines) > 1 else "\r"
            if not write("\r\033[J" + "\n".join(lines) + back):
                stage.remove_output(roll.name)
                return
            if last:
                return

    thread = threading.Thread(target=draw, name="terminal", daemon=True)
    thread.start()

    def end() -> None:
        over.set()
        thread.join(1.0)

    return end
