"""`rnnmuse play`: a file, or a model, to a MIDI port, a recording or the sound card; no OSC."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.files import AsWritten, Force
from rnnmuse.cli.live import add_recorder, add_synth, serve


def play(
    file: Annotated[Path | None, typer.Argument(help="What to play: MIDI, MusicXML, ABC or kern.")] = None,
    model: Annotated[str | None, typer.Option(help="Play this model instead of a file.")] = None,
    port: Annotated[str | None, typer.Option(help="A MIDI output whose name contains this; else one is made.")] = None,
    tempo: Annotated[float | None, typer.Option(help="Tempo in bpm, 20 to 999; a file's own without it.")] = None,
    from_bar: Annotated[int | None, typer.Option("--from", help="The bar of a file to begin at.")] = None,
    bars: Annotated[int, typer.Option(help="Stop after so many bars, 1 to 10000; 0 for none.")] = 0,
    key: Annotated[str, typer.Option(help='The key of what a model plays, such as "D minor".')] = "",
    clock: Annotated[bool, typer.Option(help="Send MIDI clock too.")] = False,
    drums: Annotated[
        str, typer.Option(help="Drum notes of a file as the kit has them: gm, roland, or a map such as 42=22,46=26.")
    ] = "",
    record: Annotated[Path | None, typer.Option(help="Write what is played into this MIDI file.")] = None,
    sound: Annotated[bool, typer.Option(help="Sound: a file by the built-in synthesiser, a model by fluidsynth.")] = False,
    as_written: AsWritten = False,
    force: Force = False,
) -> None:
    """Play a file or a model to a MIDI port, until its end or Ctrl-C.

    A file is played with its programs, controllers, bends, pressure and tempos.
    """
    if (file is None) == (model is None):
        raise ValueError("play: give a file or --model NAME, one of them")
    if not 0 <= bars <= 10000:
        raise ValueError(f"bars: {bars}; must be 0 to 10000")
    if file is not None:
        from rnnmuse.cli.play_file import FileSettings, play_file

        play_file(file, FileSettings(port, tempo, bars, from_bar, clock, record, sound, drums, as_written, force))
    elif model is not None:
        _play_model(model, port, tempo, bars, key, clock, record, sound)


def _play_model(
    model: str,
    port: str | None,
    tempo: float | None,
    bars: int,
    key: str,
    clock: bool,
    record: Path | None,
    sound: bool,
) -> None:
    """Play a model by the stage's own scheduler."""
    from rnnmuse.bridges.midi import Ports
    from rnnmuse.clock import PPQ
    from rnnmuse.models.bundle import find
    from rnnmuse.realtime.seats import Settings
    from rnnmuse.realtime.stage import Stage

    find(model)
    stage = Stage(Settings(tempo=tempo or 120.0, model=model, engine=True, osc=False))
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
        stage.desk.local("/rnnmuse/player/1/param/key", key)
        stage.desk.local("/rnnmuse/transport/play")
        stage.desk.local("/rnnmuse/player/1/mode", "free")
        stage.desk.local("/rnnmuse/player/1/start")
        if bars:
            stage.scheduler.plan(bars * 4 * PPQ, stage.leave, sure=True)
        serve(stage)
    finally:
        stage.close()
    print(f"{stage.notes_out} notes played")


def _port(ports: object, name: str, clock: bool) -> str:
    from rnnmuse.bridges.midi import Ports

    assert isinstance(ports, Ports)
    if name.lower() not in " ".join(ports.names()[1]).lower():
        known = ", ".join(ports.names()[1]) or "none is there"
        raise ValueError(f"port: {name!r}; must be part of one of: {known}")
    ports.output(name, clock)
    return f"MIDI  to {name}"
