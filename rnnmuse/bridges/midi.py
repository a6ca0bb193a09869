"""MIDI ports by python-rtmidi: virtual ones of our own, existing ones by name, and their coming back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rnnmuse.bridges.midi_in import ALL_NOTES_OFF, SUSTAIN, Echoes, MidiReceiver
from rnnmuse.clock import Nanoseconds
from rnnmuse.quiet import quiet
from rnnmuse.realtime.leader import ClockLeader
from rnnmuse.realtime.seats import Sent
from rnnmuse.realtime.stage import Stage

NAME = "rnnmuse"
DRAIN = 0.05
"""Seconds that a driver has to send the last note-offs."""

PATIENCE = 1.0
"""Seconds between two looks for a port that is gone."""


class MidiOut:
    """An output port; ``sent`` remembers note-ons, so that their echoes are known."""

    def __init__(self, port: Any, name: str, ahead: Nanoseconds = 0, clock: bool = False, echoes: Echoes | None = None):
        self._port, self.name, self.ahead, self.clock = port, name, ahead, clock
        self._echoes = echoes
        self.sounding: set[tuple[int, int]] = set()
        """Channel and pitch of what it was last told to play."""
        self.left: set[tuple[int, int]] = set()
        """Likewise, of what a port before it, which is lost, was playing."""

    def prepare(self, sent: Sent) -> Callable[[], object]:
        """A note-on, or with velocity 0 a note-off."""
        if sent.velocity and self._echoes is not None:
            self._echoes.sent(sent.due, sent.channel, sent.pitch)
        (self.sounding.add if sent.velocity else self.sounding.discard)((sent.channel, sent.pitch))
        message = [(0x90 if sent.velocity else 0x80) | sent.channel, sent.pitch, sent.velocity]
        return partial(self._port.send_message, message)

    def silence(self) -> None:
        """All notes off, sustain off, on every channel: for a port that comes back as it was when it was lost."""
        for channel in range(16):
            self._port.send_message([0xB0 | channel, SUSTAIN, 0])
            self._port.send_message([0xB0 | channel, ALL_NOTES_OFF, 0])

    def end_left(self) -> None:
        """Note-offs for what is ``left`` and not played anew: what is sent before a driver has connected is lost."""
        for channel, pitch in sorted(self.left - self.sounding):
            self._port.send_message([0x80 | channel, pitch, 0])

    def transport(self, data: list[int]) -> None:
        """Clock, start, continue, stop or song position."""
        self._port.send_message(data)

    def close(self) -> None:
        """Close the port; the ledger has ended its notes, and their ends are given time to leave."""
        with contextlib.suppress(Exception):
            self.end_left()
            time.sleep(DRAIN)  # JACK sends what waits in its next cycle, if the port is still there
            self._port.close_port()
            self._port.delete()


class Ports:
    """Opens ports for a stage and brings those back that were lost. ``reason`` says why there are none."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.reason = stage, ""
        self.echoes = Echoes()
        self.leader = ClockLeader(stage)
        self.opened: list[str] = []
        self._wanted: list[Callable[[], bool]] = []
        self._looks: dict[tuple[Any, int], Any] = {}
        self._stop = threading.Event()
        try:
            import rtmidi
        except ImportError:
            self.reason = "python-rtmidi is not installed: pip install 'rnnmuse[midi]'"
            self._apis: list[int] = []
            return
        self._rtmidi = rtmidi
        unusable = [rtmidi.API_RTMIDI_DUMMY, rtmidi.API_UNSPECIFIED]
        if not Path("/dev/snd/seq").exists():  # ALSA would complain on the terminal at each look
            unusable.append(rtmidi.API_LINUX_ALSA)
        self._apis = [api for api in rtmidi.get_compiled_api() if api not in unusable]
        stage.closers.append(self.close)

    def virtual(self, clock: bool = False, ahead: Nanoseconds = 0, mpe: bool = False) -> bool:
        """Open "rnnmuse in" and "rnnmuse out"; False, and the reason, where the system has no virtual ports."""
        reasons = []
        for api in self._apis:
            try:
                with quiet():
                    out, into = self._rtmidi.MidiOut(api, NAME), self._rtmidi.MidiIn(api, NAME)
                    out.open_virtual_port("rnnmuse out")
                    into.open_virtual_port("rnnmuse in")
            except Exception as error:  # each driver raises its own kinds
                reasons.append(str(error).splitlines()[0] if str(error) else type(error).__name__)
                continue
            self._listen(into, mpe)
            self.stage.add_output(MidiOut(out, "rnnmuse out", ahead, clock, self.echoes))
            self.opened += ["rnnmuse in", "rnnmuse out"]
            return True
        self.reason = self.reason or "; ".join(reasons) or "this system has no virtual ports"
        return False

    def output(self, name: str, clock: bool = False, ahead: Nanoseconds = 0) -> None:
        """Open the first output port whose name contains ``name``, now or as soon as it is there, again when lost."""

        last: MidiOut | None = None

        def present() -> bool:
            nonlocal last
            held = self.stage.outputs.get(name)
            if held is not None:
                if self._has(self._rtmidi.MidiOut, name):
                    if last is not None and last.left:
                        with self.stage.lock:
                            last.end_left()
                            last.left.clear()
                    return True
                with self.stage.lock:
                    self.stage.lose(name, "its port vanished")
            opened = self._open(self._rtmidi.MidiOut, name) if self._has(self._rtmidi.MidiOut, name) else None
            if opened is None:
                return False
            output = MidiOut(opened, name, ahead, clock, self.echoes)
            if last is not None:
                output.silence()
                output.left = last.left | last.sounding
            last = output
            self.stage.add_output(output)
            return True

        self._want(present, name)

    def input(self, name: str, mpe: bool = False) -> None:
        """Listen to the first input port whose name contains ``name``, now or as soon as it is there."""
        held: list[Any] = []

        def present() -> bool:
            if held:
                if self._has(self._rtmidi.MidiIn, name):
                    return True
                with contextlib.suppress(Exception):
                    held[0].cancel_callback()
                    held.pop().close_port()
            opened = self._open(self._rtmidi.MidiIn, name) if self._has(self._rtmidi.MidiIn, name) else None
            if opened is None:
                return False
            held.append(opened)
            self._listen(opened, mpe)
            return True

        self._want(present, name)

    def names(self) -> tuple[list[str], list[str]]:
        """The input and output ports that exist."""
        if not self._apis:
            return [], []
        kinds = self._rtmidi.MidiIn, self._rtmidi.MidiOut
        into, out = ([name for api in self._apis for name in self._ports(kind, api)] for kind in kinds)
        return into, out

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        for look in self._looks.values():
            look.delete()
        self._looks.clear()

    def _want(self, present: Callable[[], bool], name: str) -> None:
        if not self._apis:
            raise ValueError(f"MIDI port {name!r}: {self.reason}")
        if present():
            self.opened.append(name)
        else:
            self.opened.append(f"{name} (not there yet)")
        self._wanted.append(present)
        if len(self._wanted) == 1:
            threading.Thread(target=self._watch, name="ports", daemon=True).start()

    def _watch(self) -> None:
        while not self._stop.wait(PATIENCE):
            for present in self._wanted:
                with contextlib.suppress(Exception):
                    present()

    def _has(self, kind: Any, name: str) -> bool:
        return any(name.lower() in port.lower() for api in self._apis for port in self._ports(kind, api))

    def _ports(self, kind: Any, api: int) -> list[str]:
        try:  # one look-out for each: a JACK server may hang on clients that come and go every second
            with quiet():
                if (kind, api) not in self._looks:
                    self._looks[kind, api] = kind(api, NAME + " look")
                names: list[str] = self._looks[kind, api].get_ports()
        except Exception:  # as above
            self._looks.pop((kind, api), None)
            return []
        return names

    def _open(self, kind: Any, name: str) -> Any:
        for api in self._apis:
            try:
                port = kind(api, NAME)
                names = port.get_ports()
                at = next((i for i, found in enumerate(names) if name.lower() in found.lower()), None)
                if at is None:
                    port.delete()
                    continue
                port.open_port(at, name)
                return port
            except Exception:  # as above
                continue
        return None

    def _listen(self, into: Any, mpe: bool) -> None:
        receiver = MidiReceiver(self.stage, self.leader, mpe, self.echoes)
        into.ignore_types(sysex=False, timing=False, active_sense=True)
        into.set_callback(partial(_called, receiver))

        def close() -> None:
            into.cancel_callback()  # closing holds the GIL and waits for JACK, which may wait for a callback
            into.close_port()
            into.delete()

        self.stage.closers.append(close)


def _called(receiver: MidiReceiver, message: tuple[list[int], float], _: object = None) -> None:
    receiver.receive(message[0])
