"""`rnnmuse play`: a file, or a model, to a MIDI port or a recording, by the stage's own scheduler; no OSC."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnmuse.cli.live import add_recorder, add_synth, say, serve
from rnnmuse.clock import FASTEST, PPQ, SLOWEST

if TYPE_CHECKING:  # they are loaded by the command
    from rnnmuse.bridges.midi import Ports
    from rnnmuse.music.piece import Piece
    from rnnmuse.realtime.stage import Stage


def play(
    file: Annotated[Path | None, typer.Argument(help="What to play: MIDI, MusicXML, ABC or kern.")] = None,
    model: Annotated[str | None, typer.Option(help="Play this model instead of a file.")] = None,
    port: Annotated[str | None, typer.Option(help="A MIDI output whose name contains this; else one is made.")] = None,
    tempo: Annotated[float | None, typer.Option(help="Tempo in bpm, 20 to 999; a file's own without it.")] = None,
    bars: Annotated[int, typer.Option(help="Stop after so many bars, 1 to 10000; 0 for none.")] = 0,
    key: Annotated[str, typer.Option(help='The key of what a model plays, such as "D minor".')] = "",
    clock: Annotated[bool, typer.Option(help="Send MIDI clock too.")] = False,
    record: Annotated[Path | None, typer.Option(help="Write what is played into this MIDI file.")] = None,
    sound: Annotated[bool, typer.Option(help="Sound by fluidsynth, where it is installed.")] = False,
) -> None:
    """Play a file or a model to a MIDI port, until its end or Ctrl-C."""
    from rnnmuse.bridges.ports import MidiSystem
    from rnnmuse.models.bundle import find
    from rnnmuse.realtime.rig import open_ports
    from rnnmuse.realtime.stage import Settings, Stage

    if (file is None) == (model is None):
        raise ValueError("play: give a file or --model NAME, one of them")
    if not 0 <= bars <= 10000:
        raise ValueError(f"bars: {bars}; must be 0 to 10000")
    piece = None
    if file is not None:
        from rnnmuse.music.read import read_music

        piece = read_music(file)
    if model is not None:
        find(model)
    stage = Stage(Settings(tempo=tempo or _tempo(piece), model=model or "", engine=model is not None, osc=False))
    sys.setswitchinterval(0.0002)
    ports = open_ports(stage, MidiSystem())
    lines = []
    try:
        if port is not None:
            lines.append(_port(ports, port, clock))
        else:
            _, out = ports.virtual(clock)
            if out.state == "open":
                lines.append(f"MIDI  {out.name}")
            elif record is None and not sound:
                raise ValueError(f"play: there is no MIDI port ({out.detail}); give --record FILE or --sound")
        if sound:
            lines.append(add_synth(stage))
        if record is not None:
            lines.append(add_recorder(stage, record))
        say("\n".join([*lines, "Ctrl-C ends."]))
        stage.open()
        end = bars * stage.clock.metre.ticks if bars else None
        if piece is not None:
            if piece.metres:
                stage.take("/rnnmuse/transport/metre", piece.metres[0].numerator, piece.metres[0].denominator)
                end = bars * stage.clock.metre.ticks if bars else None
            end = min(end or 1 << 60, _plan(stage, piece, follow=tempo is None))
        else:
            stage.take("/rnnmuse/player/1/param/key", key)
            stage.take("/rnnmuse/player/1/mode", "free")
            stage.take("/rnnmuse/transport/play")
            stage.take("/rnnmuse/player/1/start")
        if end is not None:
            with stage.lock:
                stage.scheduler.lanes[0].plan(end, stage.leave, ends=True)
        serve(stage)
    finally:
        stage.close()
    say(f"{stage.notes.count} notes played")


def _tempo(piece: Piece | None) -> float:
    return min(999.0, max(20.0, piece.tempos[0].bpm)) if piece is not None and piece.tempos else 120.0


def _port(ports: Ports, name: str, clock: bool) -> str:
    known = ports.names()[1]
    if not any(name.lower() in one.lower() for one in known):
        raise ValueError(f"port: {name!r}; must be part of one of: {', '.join(known) or 'none is there'}")
    ports.output(name, clock)
    return f"MIDI  to {name}"


def _plan(stage: Stage, piece: Piece, follow: bool) -> int:
    """Plan every note and tempo of a piece; returns the tick at which all is over."""
    stage.take("/rnnmuse/transport/play")
    melodic = [i for i, part in enumerate(piece.parts) if not part.drum]
    with stage.lock:
        for tempo in piece.tempos[1:] if follow else ():
            bpm = min(float(FASTEST), max(float(SLOWEST), tempo.bpm))
            set_tempo = partial(stage.transport.set_tempo, bpm)
            stage.scheduler.lanes[0].plan(round(tempo.beat * PPQ), set_tempo, ends=True)
        for note in piece.notes:
            drum = piece.parts[note.part].drum
            player = 10 if drum else melodic.index(note.part) % 15 + 1
            player += not drum and player >= 10  # channel 10 is the drums'
            begin, end = round(note.start * PPQ), round(note.end * PPQ)
            stage.notes.plan_on(player, begin, note.pitch, note.velocity, 0, drum)
            if not drum:
                stage.notes.plan_off(player, max(end, begin + 1), note.pitch)
    last = max((note.end for note in piece.notes), default=0.0)
    return round(last * PPQ) + PPQ // 4
