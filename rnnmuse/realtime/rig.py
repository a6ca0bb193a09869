"""Sets a stage up as its rig says, and writes the rig as the stage is now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnnmuse.bridges.dirt import AHEAD, DirtOut
from rnnmuse.bridges.midi import Ports, PortState
from rnnmuse.bridges.midi_in import Echoes, MidiReceiver
from rnnmuse.bridges.ports import System
from rnnmuse.config import FIELDS, Rig, write
from rnnmuse.realtime.control.midi import PortDesk, learned_of
from rnnmuse.realtime.lead.ardour import ardour
from rnnmuse.realtime.stage import Stage
from rnnmuse.storage import write_whole


def open_rig(stage: Stage, rig: Rig, midi: System | None) -> list[str]:
    """Open what the rig names, and seat its players; returns a line for each thing that is open or is not.

    ``midi`` is the machine's MIDI system; None opens no MIDI port. ProtocolError where a learned address is none.
    """
    settings = rig.stage
    lines = [f"OSC   udp and tcp {stage.settings.host}:{stage.port}"]
    ports = open_ports(stage, midi) if midi is not None else None
    if ports is not None and settings["virtual"]:
        lines.append(_virtual(ports, rig))
    lines += [_output(stage, ports, table) for table in rig.outputs if table["kind"] != "midi" or ports is not None]
    for table in rig.inputs if ports is not None else ():
        assert ports is not None
        lines.append(port_line("from", ports.input(table["port"], table["mpe"])))
    if settings["source"] == "link":
        lines.append(_link(stage))
    seat_rig(stage, rig)
    return lines


def seat_rig(stage: Stage, rig: Rig) -> None:
    """Take the settings, players and presets of a rig, and open nothing."""
    settings = rig.stage
    for table in rig.learned:
        stage.control.check(table["address"], table["low"])
    with stage.lock:
        stage.players.presets = {n: dict(seats) for n, seats in rig.presets.items()}
        stage.midi.learned = learned_of(rig.learned)
    stage.take("/rnnmuse/transport/swing", settings["swing"])
    stage.take("/rnnmuse/transport/metre", rig.metre.numerator, rig.metre.denominator)
    for name, row in (("chart", "chart"), ("key", "key"), ("split", "split"), ("chords", "track")):
        if settings[name]:
            stage.take(f"/rnnmuse/harmony/{row}", settings[name])
    for number, seat in sorted(rig.players.items()):  # before anything plays: the first note is the rig's model's
        stage.presets.seat(number, replace(seat, started=False))
    stage.take("/rnnmuse/transport/source", settings["source"])
    if settings["play"]:
        stage.take("/rnnmuse/transport/play")
    for number, seat in sorted(rig.players.items()):
        if seat.started:
            start(stage, number)


def start(stage: Stage, player: int) -> None:
    """Let a player begin as soon as the clock runs; the clock is not set going."""
    with stage.lock:
        stage.player.arm(player)


def open_ports(stage: Stage, system: System) -> Ports:
    """The MIDI ports of a stage: none is open yet."""

    def receiver(mpe: bool, echoes: Echoes) -> MidiReceiver:
        return MidiReceiver(stage.midi, mpe, echoes)

    ports = Ports(
        system,
        stage.add_output,
        lambda output, why: stage.lose(output.name, why),
        receiver,
        lambda text: stage.error("/rnnmuse/midi/ports", "port", text),
        remove=lambda output: stage.remove_output(output.name),
        on_change=lambda state: stage.broadcast("/rnnmuse/midi/port", *_of(state)),
    )

    def open_port(way: str, name: str) -> None:
        ports.ask(way, name)

    def close_port(way: str, name: str) -> None:
        ports.forget(way, name)

    stage.midi.desk = PortDesk(open_port, close_port, lambda: [_of(state) for state in ports.state()])
    stage.midi.tables = lambda: (_outputs(ports), _inputs(ports))
    stage.midi.open_inputs = lambda: [
        state.name for state in ports.state() if state.state == "open" and state.direction == "in"
    ]
    stage.midi.available_ports = ports.names
    stage.closers.append(ports.close)
    ports.open()
    return ports


def _of(state: PortState) -> tuple[str, str, str, str]:
    return state.direction, state.name, state.state, state.detail


def _outputs(ports: Ports) -> list[dict[str, Any]]:
    """The MIDI outputs that were asked for, as a rig has them."""
    defaults = {name: row[1] for name, row in FIELDS["output"].items()}
    return [
        defaults | {"port": name, "clock": clock, "latency": ahead / 1e6, "kit": kit}
        for name, clock, ahead, kit in ports.outputs()
    ]


def _inputs(ports: Ports) -> list[dict[str, Any]]:
    return [{"port": name, "mpe": mpe} for name, mpe in ports.inputs()]


def port_line(way: str, state: PortState) -> str:
    """A line for people: a port that is open, or why it is not."""
    return f"MIDI  {way} {state.detail if state.state == 'open' else f'{state.name} ({state.detail})'}"


def save_rig(stage: Stage, rig: Rig, path: Path) -> Callable[[], str]:
    """Take down players, presets, ports and learned controllers; returns what writes the rig and names its file.

    The file is replaced whole or not at all.
    """
    with stage.lock:
        learned = tuple(
            {"channel": channel + 1, "controller": number, "address": address, "low": low, "high": high}
            for (channel, number), (address, low, high) in sorted(stage.midi.learned.items())
        )
        clock = stage.clock
        settings = rig.stage | {
            "tempo": float(clock.tempo),
            "swing": clock.swing,
            "metre": f"{clock.metre.numerator}/{clock.metre.denominator}",
            "source": stage.transport.source,
            **stage.harmony.kept(),
        }
        seats = {number: seat.copy() for number, seat in stage.players.seats.items()}
        outputs, inputs = rig.outputs, rig.inputs
        if stage.midi.tables is not None:  # ports may have been opened and closed meanwhile
            midi_outputs, midi_inputs = stage.midi.tables()
            outputs = (*(one for one in rig.outputs if one["kind"] != "midi"), *midi_outputs)
            inputs = tuple(midi_inputs)
        text = write(
            replace(
                rig,
                stage=settings,
                players=seats,
                presets=dict(stage.players.presets),
                learned=learned,
                outputs=outputs,
                inputs=inputs,
            )
        )

    def save() -> str:
        write_whole(path, text.encode())
        return path.name

    return save


def _virtual(ports: Ports, rig: Rig) -> str:
    settings = rig.stage
    into, out = ports.virtual(settings["clock"], round(settings["latency"] * 1e6), settings["mpe"], settings["kit"])
    if out.state == into.state == "open":
        return f"MIDI  {into.name}, {out.name}"
    return f"MIDI  none ({out.detail if out.state != 'open' else into.detail})"


def _output(stage: Stage, ports: Ports | None, table: dict[str, object]) -> str:
    ahead = round(float(str(table["latency"])) * 1e6)
    host, number = str(table["host"]), int(str(table["number"]))
    name = f"{table['kind']} {host}:{number}"
    if table["kind"] == "dirt":
        ahead += round(AHEAD * 1e9)
        sounds = str(table["sound"]), str(table["drum"])
        stage.add_output(DirtOut(name, host, number, ahead, *sounds, lambda: float(stage.clock.tempo)))
        return f"OSC   to {name}"
    if table["kind"] == "ardour":
        stage.add_output(ardour(stage.transport, name, host, number))
        return f"OSC   to {name}"
    assert ports is not None
    state = ports.output(str(table["port"]), bool(table["clock"]), ahead, str(table["kit"]))
    return port_line("to", state)


def _link(stage: Stage) -> str:
    try:
        from rnnmuse.realtime.lead.link import LinkLeader
    except ImportError:
        return "Link  none (aalink is not installed: pip install 'rnnmuse[link]')"
    leader = LinkLeader(stage.transport)
    with contextlib.suppress(RuntimeError):
        leader.open()
    stage.closers.append(leader.close)
    return "Link  open"
