"""`rnnmuse play FILE`: a file to a MIDI port, a recording or the sound card, with all that it says."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from rnnmuse.bridges.drums import ROLAND_TO_GM
from rnnmuse.bridges.file_player import FilePlayer
from rnnmuse.bridges.midi import VIRTUAL_OUT
from rnnmuse.bridges.ports import MidiSystem, Port, System
from rnnmuse.bridges.sound_out import SoundOut
from rnnmuse.cli.files import target
from rnnmuse.errors import PortError
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import Piece
from rnnmuse.music.playback import schedule
from rnnmuse.music.read import read_music


@dataclass(frozen=True, slots=True)
class FileSettings:
    """How a file is played; see the options of `rnnmuse play`."""

    port: str | None = None
    """Part of the name of a MIDI output; None makes a virtual one."""
    tempo: float | None = None
    """Tempo in bpm; None plays the file's own."""
    bars: int = 0
    """Number of bars to play; 0 for all."""
    from_bar: int | None = None
    """First bar; None for the first of the piece."""
    clock: bool = False
    """Whether MIDI clock is sent."""
    record: Path | None = None
    """MIDI file to write."""
    sound: bool = False
    """Whether it plays on the sound card."""
    drums: str = ""
    """Drum map: "gm", "roland" or pairs such as "42=22"."""
    as_written: bool = False
    """Whether repeats of a score stay unplayed."""
    force: bool = False
    """Whether files are replaced."""


def play_file(file: Path, settings: FileSettings) -> None:
    """Play a file to its end, or Ctrl-C."""
    if settings.tempo is not None and not 20 <= settings.tempo <= 999:
        raise ValueError(f"tempo: {settings.tempo:g}; must be 20 to 999 bpm")
    kit = drum_map(settings.drums)
    piece = read_music(file, settings.as_written)
    start, end = stretch(piece, settings.from_bar, settings.bars)
    messages = schedule(piece, start, end, settings.tempo, kit, settings.clock)
    with ExitStack() as stack:
        sinks = Sinks()
        port, why = None, ""
        if settings.port is not None or not (settings.sound or settings.record):
            port, why = _port_or_why(stack, settings.port)
        if port is not None:
            sinks.add(port.name, port.send)
            print(f"MIDI  {port.name}")
        elif settings.port is not None:
            raise PortError(f"play: there is no MIDI port ({why}); give --record FILE or --sound")
        if settings.sound or why:
            out = _sound(stack, why)
            sinks.add(out.name, out.send)
        if settings.record is not None:
            path = target(settings.record, settings.force, "record")
            write_midi(excerpt(piece, start, end, settings.tempo), path)
            print(f"Record {path}")
        if not sinks.open:
            return
        print("Ctrl-C ends.", flush=True)
        player = FilePlayer(sinks.send)
        sinks.all_gone = player.stop
        for name in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, name, signal.signal(name, lambda *_: player.stop()))
        player.play(messages)
        print(f"{player.notes} notes played")
        if not sinks.open:
            raise PortError("play: nothing is left to play to")


class Sinks:
    """Where a file is played to. One that is lost is reported once, and the others play on."""

    def __init__(self) -> None:
        self.open: dict[str, Callable[[bytes], object]] = {}
        self.all_gone: Callable[[], None] = lambda: None

    def add(self, name: str, send: Callable[[bytes], object]) -> None:
        """Play there too; ``send`` raises PortError when it is gone."""
        self.open[name] = send

    def send(self, message: bytes) -> None:
        """Send a message to all that are open; `all_gone` is called after the last of them."""
        for name, send in list(self.open.items()):
            try:
                send(message)
            except PortError as error:
                del self.open[name]
                print(f"{name}: {error}", flush=True)
                if not self.open:
                    self.all_gone()


def stretch(piece: Piece, from_bar: int | None, bars: int) -> tuple[float, float]:
    """The beats from which and to which a piece is played: from a bar, for ``bars`` bars or to the end."""
    first = piece.first_bar if from_bar is None else from_bar
    count = len(piece.bar_starts(piece.end))
    if not piece.first_bar <= first < piece.first_bar + max(1, count):
        raise ValueError(
            f"from-bar: {first}; the piece has bars {piece.first_bar} to {piece.first_bar + max(1, count) - 1}"
        )
    lines = list(islice(piece.bar_lines(), first - piece.first_bar, first - piece.first_bar + bars + 1))
    return lines[0], lines[-1] if bars else piece.end


def drum_map(text: str) -> dict[int, int]:
    """A map of drum notes written as ``42=22,46=26``; ``gm`` (without one too) and ``roland`` are the ports' kits.

    >>> drum_map("42=22, 46=26")
    {42: 22, 46: 26}
    """
    if text.strip().lower() in ("", "gm"):
        return dict(ROLAND_TO_GM)
    if text.strip().lower() == "roland":
        return {}
    found: dict[int, int] = {}
    for pair in text.split(","):
        one, _, other = pair.partition("=")
        if not (one.strip().isdigit() and other.strip().isdigit() and int(one) < 128 and int(other) < 128):
            raise ValueError(f"drums: {pair.strip()!r}; must be gm, roland, or notes 0-127 such as 42=22,46=26")
        found[int(one)] = int(other)
    return found


def excerpt(piece: Piece, start: float, end: float, tempo: float | None) -> Piece:
    """The piece as played from ``start`` to ``end``, moved to beat 0; whole where nothing was left out."""
    if start <= 0 and end >= piece.end and tempo is None:
        return piece
    from rnnmuse.music.piece import Tempo

    def moved(changes: list[Any]) -> list[Any]:
        before = [change for change in changes if change.beat <= start]
        inside = [replace(change, beat=change.beat - start) for change in changes if start < change.beat < end]
        return [*([replace(before[-1], beat=0.0)] if before else []), *inside]

    parts = []
    for part in piece.parts:
        notes = [replace(n, start=n.start - start, duration=min(n.end, end) - n.start)
                 for n in part.notes if start - 1e-9 <= n.start < end - 1e-9]  # fmt: skip
        kinds = {control.number for control in part.controls}
        controls = [c for number in sorted(kinds) for c in moved([c for c in part.controls if c.number == number])]
        heard = [change for change in part.programs if change.beat <= start]
        parts.append(
            replace(
                part, notes=notes, controls=sorted(controls), bends=moved(part.bends),
                program=heard[-1].number if heard else part.program,
                programs=[replace(p, beat=p.beat - start) for p in part.programs if start < p.beat < end],
                pressures=[replace(p, beat=p.beat - start) for p in part.pressures if start <= p.beat < end],
                lyrics=[replace(x, beat=x.beat - start) for x in part.lyrics if start <= x.beat < end], track=None,
            )
        )  # fmt: skip
    return replace(
        piece, parts=parts, tempos=[Tempo(0.0, tempo)] if tempo else moved(piece.tempos), metres=moved(piece.metres),
        keys=moved(piece.keys), chords=moved(piece.chords), pickup=piece.pickup if start <= 0 else 0.0, source=None,
    )  # fmt: skip


def _port_or_why(stack: ExitStack, name: str | None) -> tuple[Port | None, str]:
    """The first MIDI output whose name contains ``name``, or a virtual one; or why there is none."""
    system = MidiSystem()
    stack.callback(system.close)
    try:
        port = _open_port(system, name)
    except PortError as error:
        return None, str(error)
    stack.callback(port.close)
    return port, ""


def _open_port(system: System, name: str | None) -> Port:
    system.settle()
    if system.reason:
        raise PortError(system.reason)
    known = system.names()[1]
    full = VIRTUAL_OUT if name is None else next((one for one in known if name.lower() in one.lower()), None)
    if full is None:
        raise ValueError(f"midi-port: {name!r}; must be part of one of: {', '.join(known) or 'none is there'}")
    return system.open_output(full, lambda why: None, virtual=name is None)


def _sound(stack: ExitStack, no_port: str) -> SoundOut:
    """The sound card; ``no_port``: why there is no MIDI port, where it stands in for one."""
    try:
        out = SoundOut()
    except PortError as error:
        if not no_port:
            raise PortError(f"play: there is no sound ({error})") from None
        raise PortError(
            f"play: there is no MIDI port ({no_port}), and no sound ({error}); give --record FILE"
        ) from None
    stack.callback(out.join)
    print(f"Sound {out.name} on {out.card}")
    return out
