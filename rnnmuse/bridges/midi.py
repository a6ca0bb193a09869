"""MIDI ports by python-rtmidi: notes out, and what is played in to player 1 (or the player of its channel)."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any

from rnnmuse.realtime.leader import ClockLeader
from rnnmuse.realtime.stage import Stage

NAME = "rnnmuse"
CLOCK = (0xF2, 0xF8, 0xFA, 0xFB, 0xFC)


class MidiOut:
    """A virtual output port."""

    def __init__(self, port: Any, name: str) -> None:
        self._port, self.name = port, name

    def send(self, channel: int, pitch: int, velocity: int) -> None:
        """A note-on, or with velocity 0 a note-off."""
        self._port.send_message([(0x90 if velocity else 0x80) | channel, pitch, velocity])

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._port.close_port()
            self._port.delete()


def open_ports(stage: Stage) -> tuple[str, str]:
    """Open "rnnmuse in" and "rnnmuse out"; returns their names, or the reason why there are none."""
    try:
        import rtmidi
    except ImportError:
        return "", "python-rtmidi is not installed: pip install 'rnnmuse[midi]'"
    apis = [a for a in rtmidi.get_compiled_api() if a not in (rtmidi.API_RTMIDI_DUMMY, rtmidi.API_UNSPECIFIED)]
    reasons = []
    for api in apis:
        try:
            out, into = rtmidi.MidiOut(api, NAME), rtmidi.MidiIn(api, NAME)
            out.open_virtual_port("rnnmuse out")
            into.open_virtual_port("rnnmuse in")
        except Exception as error:  # each driver raises its own kinds
            reasons.append(str(error).splitlines()[0] if str(error) else type(error).__name__)
            continue
        into.ignore_types(sysex=True, timing=False, active_sense=True)
        into.set_callback(partial(_called, ClockLeader(stage)))
        stage.outputs["rnnmuse out"] = MidiOut(out, "rnnmuse out")
        stage.inputs.append(into)
        return "rnnmuse in, rnnmuse out", ""
    return "", "; ".join(reasons) or "this system has no virtual ports"


def _called(leader: ClockLeader, message: tuple[list[int], float], _: object = None) -> None:
    receive(leader.stage, leader, message[0])


def receive(stage: Stage, leader: ClockLeader, data: list[int]) -> None:
    """One MIDI message: clock goes to the leader, notes to the player of the channel; CC 120, 123 end every note."""
    if data[0] in CLOCK:
        sixteenths = data[1] | data[2] << 7 if data[0] == 0xF2 and len(data) == 3 else 0
        leader.message(data[0], stage.now(), sixteenths)
        return
    if len(data) < 3:
        return
    status, channel = data[0] & 0xF0, data[0] & 0x0F
    if status in (0x80, 0x90):
        velocity = data[2] if status == 0x90 else 0
        stage.handle_local(f"/rnnmuse/player/{channel + 1}/note", data[1], velocity)
    elif status == 0xB0 and data[1] in (120, 123):
        stage.handle_local("/rnnmuse/transport/panic")
