"""`rnnmuse play`: a file, or a model, to a MIDI port or a recording, by the stage's own scheduler; no OSC."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnmuse.cli.live import add_recorder, add_synth, serve

if TYPE_CHECKING:
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
    from rnnmuse.bridges.midi import Ports
    from rnnmuse.clock import PPQ
    from rnnmuse.models.bundle import find
    from rnnmuse.realtime.seats import Settings
    from rnnmuse.realtime.stage import Stage

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
    ports = Ports(stage)
    lines = []
    if port is not None:
        lines.append(_port(ports, port, clock))
    elif ports.virtual(clock):
        lines.append("MIDI  rnnmuse out")
    elif record is None and not sound:
        stage.close()
        raise ValueError(f"play: there is no MIDI port ({ports.reason}); give --record FILE or --sound")
    if sound:
        lines.append(add_synth(stage))
    if record is not None:
        lines.append(add_recorder(stage, record))
    print("\n".join([*lines, "Ctrl-C ends."]), flush=True)
    stage.open()
    try:
        end = bars * 4 * PPQ if bars else None
        if piece is not None:
            end = min(end or 1 << 60, _plan(stage, piece, follow=tempo is None))
        else:
            stage.desk.local("/rnnmuse/player/1/param/key", key)
            stage.desk.local("/rnnmuse/transport/play")
            stage.desk.local("/rnnmuse/player/1/mode", "free")
            stage.desk.local("/rnnmuse/player/1/start")
        if end is not None:
            stage.scheduler.plan(end, stage.leave, sure=True)
        serve(stage)
    finally:
        stage.close()
    print(f"{stage.notes_out} notes played")


def _tempo(piece: Piece | None) -> float:
    return min(999.0, max(20.0, piece.tempos[0].bpm)) if piece is not None and piece.tempos else 120.0


def _port(ports: object, name: str, clock: bool) -> str:
    from rnnmuse.bridges.midi import Ports

    assert isinstance(ports, Ports)
    if name.lower() not in " ".join(ports.names()[1]).lower():
        known = ", ".join(ports.names()[1]) or "none is there"
        raise ValueError(f"port: {name!r}; must be part of one of: {known}")
    ports.output(name, clock)
    return f"MIDI  to {name}"


def _plan(stage: Stage, piece: Piece, follow: bool) -> int:
    """Plan every note and tempo of a piece; returns the tick at which all is over."""
    from rnnmuse.clock import FASTEST, PPQ, SLOWEST

    stage.desk.local("/rnnmuse/transport/play")
    for tempo in piece.tempos[1:] if follow else ():
        bpm = min(float(FASTEST), max(float(SLOWEST), tempo.bpm))
        stage.scheduler.plan(round(tempo.beat * PPQ),
                             lambda bpm=bpm: stage.desk.local("/rnnmuse/transport/tempo", bpm), sure=True)  # type: ignore[misc]  # fmt: skip
    melodic = [i for i, part in enumerate(piece.parts) if not part.drum]
    for note in piece.notes:
        drum = piece.parts[note.part].drum
        player = 10 if drum else melodic.index(note.part) % 15 + 1
        player += not drum and player >= 10  # channel 10 is the drums'
        start, stop = round(note.start * PPQ), round(note.end * PPQ)
        stage.plan_note(player, start, note.pitch, note.velocity, drum)
        if not drum:
            stage.plan_off(player, max(stop, start + 1), note.pitch)
    last = max((note.end for note in piece.notes), default=0.0)
    return round(last * PPQ) + PPQ // 4
