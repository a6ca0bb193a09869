"""`rnnmuse play`: a file, or a model, to a MIDI port, a recording or the sound card; no OSC."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnmuse.cli.command import examples, renamed
from rnnmuse.cli.files import AsWritten, Force
from rnnmuse.cli.live import add_recorder, add_sound, say, serve

if TYPE_CHECKING:  # it is loaded by the command
    from rnnmuse.bridges.midi import Ports


@examples("rnnmuse play song.mid --record take.mid", "rnnmuse play --model grooves --midi-port IAC --bars 8")
@renamed(port="--midi-port", **{"from": "--from-bar"})
def play(
    file: Annotated[Path | None, typer.Argument(help="What to play: MIDI, MusicXML, ABC or kern.")] = None,
    model: Annotated[str | None, typer.Option(help="Play this model instead of a file.")] = None,
    midi_port: Annotated[
        str | None, typer.Option(help="Part of the name of a MIDI output; by default one is created.")
    ] = None,
    tempo: Annotated[float | None, typer.Option(help="Tempo in bpm, 20 to 999; by default the file's own.")] = None,
    from_bar: Annotated[int | None, typer.Option("--from-bar", help="The bar of a file to begin at.")] = None,
    bars: Annotated[int, typer.Option(help="Stop after this many bars, 1 to 10000; 0 plays on.")] = 0,
    key: Annotated[str, typer.Option(help='The key of what a model plays, such as "D minor".')] = "",
    clock: Annotated[bool, typer.Option("--clock", help="Also send MIDI clock.")] = False,
    drums: Annotated[str, typer.Option(help="Drum notes for the kit: gm, roland, or a map such as 42=22,46=26.")] = "",
    record: Annotated[Path | None, typer.Option(help="Record what is played into this MIDI file.")] = None,
    sound: Annotated[
        bool, typer.Option("--sound", help="Play on the sound card; the default if there is no MIDI port.")
    ] = False,
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

        play_file(file, FileSettings(midi_port, tempo, bars, from_bar, clock, record, sound, drums, as_written, force))
    elif model is not None:
        _play_model(model, midi_port, tempo, bars, key, clock, record, sound)


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
    from rnnmuse.bridges.ports import MidiSystem
    from rnnmuse.models.bundle import find
    from rnnmuse.realtime.rig import open_ports
    from rnnmuse.realtime.stage import Settings, Stage

    find(model)
    stage = Stage(Settings(tempo=tempo or 120.0, model=model, engine=True, osc=False))
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
            else:
                sound = sound or record is None
        if sound:
            lines.append(add_sound(stage))
        if record is not None:
            lines.append(add_recorder(stage, record))
        say("\n".join([*lines, "Ctrl-C ends."]))
        stage.open()
        stage.take("/rnnmuse/player/1/param/key", key)
        stage.take("/rnnmuse/player/1/mode", "free")
        stage.take("/rnnmuse/transport/play")
        stage.take("/rnnmuse/player/1/start")
        if bars:
            with stage.lock:
                stage.scheduler.lanes[0].plan(bars * stage.clock.metre.ticks, stage.leave, ends=True)
        serve(stage)
    finally:
        stage.close()
    say(f"{stage.notes.count} notes played")


def _port(ports: Ports, name: str, clock: bool) -> str:
    known = ports.names()[1]
    if not any(name.lower() in one.lower() for one in known):
        raise ValueError(f"midi-port: {name!r}; must be part of one of: {', '.join(known) or 'none is there'}")
    ports.output(name, clock)
    return f"MIDI  to {name}"
