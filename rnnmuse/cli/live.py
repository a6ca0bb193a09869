"""`rnnmuse live`: the stage, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer


def live(
    model: Annotated[str, typer.Option(help="The model that players begin with.")] = "lieder",
    port: Annotated[int, typer.Option(help="UDP port for OSC on this machine, 1 to 65535; 0 takes a free one.")] = 7707,
    tempo: Annotated[float, typer.Option(help="Tempo in bpm, 20 to 999.")] = 120.0,
    mode: Annotated[str, typer.Option(help="What player 1 does: off, free, accompany, continue, answer.")] = "off",
    demo: Annotated[bool, typer.Option(help="Player 1 plays by itself at once.")] = False,
    midi: Annotated[bool, typer.Option(help="Open virtual MIDI ports where the system has them.")] = True,
) -> None:
    """Play live: OSC in and out, MIDI out, until Ctrl-C."""
    from rnnmuse.models.bundle import find
    from rnnmuse.protocol import MODES
    from rnnmuse.realtime.seats import Settings
    from rnnmuse.realtime.stage import Stage

    if not 0 <= port <= 65535:
        raise ValueError(f"port: {port}; must be 0 to 65535")
    if mode not in MODES:
        raise ValueError(f"mode: {mode!r}; must be one of {', '.join(MODES)}")
    find(model)
    stage = Stage(Settings(port=port, tempo=tempo, model=model))
    sys.setswitchinterval(0.0005)  # the scheduler's thread must not wait 5 ms for the other
    stage.open()
    lines = [f"OSC   udp 127.0.0.1:{stage.port}"]
    if midi:
        from rnnmuse.bridges.midi import open_ports

        opened, why = open_ports(stage)
        lines.append(f"MIDI  {opened}" if opened else f"MIDI  none ({why})")
    lines += [f"Model {model}", f"Tempo {tempo:g} bpm", "", "Try, from any program that speaks OSC:",
              '  /rnnmuse/player/1/mode "accompany"    then  /rnnmuse/player/1/note 60 90',
              "  /rnnmuse/subscribe                    and listen to /rnnmuse/out/1/note",
              "Every address: docs/osc.md. Ctrl-C ends."]  # fmt: skip
    print("\n".join(lines), flush=True)
    if demo:
        mode = "free"
    if mode != "off":
        stage.handle_local("/rnnmuse/transport/play")
        stage.handle_local("/rnnmuse/player/1/mode", mode)
    if mode == "free":
        stage.handle_local("/rnnmuse/player/1/start")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stage.leave())
    try:
        stage.serve()
    finally:
        stage.close()
    print(f"{stage.notes_in} notes in, {stage.notes_out} notes out")
