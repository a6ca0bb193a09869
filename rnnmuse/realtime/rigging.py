"""Sets a stage up as its rig says, and writes the rig as the stage is now."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from rnnmuse.bridges.ardour import ArdourOut
from rnnmuse.bridges.dirt import AHEAD, DirtOut
from rnnmuse.bridges.midi import Ports
from rnnmuse.config import Rig, write
from rnnmuse.realtime.stage import Stage


def open_rig(stage: Stage, rig: Rig, midi: bool = True) -> list[str]:
    """Open what the rig names, and seat its players; returns a line for each thing that is open or is not."""
    s, lines = rig.stage, [f"OSC   udp and tcp {stage.settings.host}:{stage.port}"]
    ports = Ports(stage)
    if midi and s["virtual"]:
        opened = ports.virtual(s["clock"], round(s["latency"] * 1e6), s["mpe"])
        lines.append("MIDI  rnnmuse in, rnnmuse out" if opened else f"MIDI  none ({ports.reason})")

    def tempo() -> float:
        return float(stage.clock.tempo)

    for out in rig.outputs:
        if out["kind"] == "midi" and not midi:
            continue
        ahead = round(out["latency"] * 1e6)
        if out["kind"] == "dirt":
            name = f"dirt {out['host']}:{out['number']}"
            ahead += round(AHEAD * 1e9)
            stage.add_output(DirtOut(name, out["host"], out["number"], ahead, out["sound"], out["drum"], tempo))
            lines.append(f"OSC   to {name}")
        elif out["kind"] == "ardour":
            name = f"ardour {out['host']}:{out['number']}"
            stage.add_output(ArdourOut(stage, name, out["host"], out["number"]))
            lines.append(f"OSC   to {name}")
        else:
            ports.output(out["port"], out["clock"], ahead)
            lines.append(f"MIDI  to {ports.opened[-1]}")
    for into in rig.inputs if midi else ():
        ports.input(into["port"], into["mpe"])
        lines.append(f"MIDI  from {ports.opened[-1]}")
    if s["source"] == "link":
        lines.append(_link(stage))
    desk = stage.desk
    desk.presets = {n: dict(seats) for n, seats in rig.presets.items()}
    desk.learned = {(k["channel"] - 1, k["controller"]): (k["address"], k["low"], k["high"]) for k in rig.learned}
    for key in rig.learned:
        desk.check(key["address"], key["low"])
    desk.local("/rnnmuse/transport/swing", s["swing"])
    desk.local("/rnnmuse/transport/source", s["source"])
    stage.tell_clock()
    if s["play"]:
        desk.local("/rnnmuse/transport/play")
    for number, seat in sorted(rig.players.items()):
        desk.seat(number, seat)
    return lines


def save_rig(stage: Stage, rig: Rig, path: Path) -> str:
    """Write the rig with the players, presets and learned controllers as they are now; returns the file's name."""
    learned = tuple({"channel": c + 1, "controller": n, "address": a, "low": low, "high": high}
                    for (c, n), (a, low, high) in sorted(stage.desk.learned.items()))  # fmt: skip
    settings = rig.stage | {"tempo": float(stage.clock.tempo), "swing": stage.clock.swing, "source": stage.source}
    text = write(replace(rig, stage=settings, players=stage.seats, presets=stage.desk.presets, learned=learned))
    beside = path.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)  # whole or not at all
    return path.name


def _link(stage: Stage) -> str:
    from rnnmuse.bridges.link import LinkLeader

    try:
        leader = LinkLeader(stage)
    except ImportError:
        return "Link  none (aalink is not installed: pip install 'rnnmuse[link]')"
    with contextlib.suppress(RuntimeError):
        leader.open()
    stage.closers.append(leader.close)
    return "Link  open"
