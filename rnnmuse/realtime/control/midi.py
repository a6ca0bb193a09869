"""MIDI: what an input's messages mean, the controllers that are learned, and the ports' messages."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from rnnmuse.clock import Nanoseconds
from rnnmuse.protocol import Entry, ProtocolError
from rnnmuse.realtime.control.call import Call
from rnnmuse.realtime.control.player import PlayerControl
from rnnmuse.realtime.control.preset import PresetControl
from rnnmuse.realtime.lead.midi_clock import MidiClockLeader
from rnnmuse.realtime.transport import Transport

Learned = dict[tuple[int, int], tuple[str, float, float]]
"""Channel (from 0) and controller, to address, value at 0 and value at 127."""

MOST_LEARNED = 256
MOST_WAITING = 16
"""Ports that may wait to be opened or closed."""
Tables = tuple[list[dict[str, Any]], list[dict[str, Any]]]
"""Outputs and inputs, as a rig has them."""


class PortDesk(NamedTuple):
    """Opens and closes ports while the stage runs; both may take seconds, and raise ValueError with what is wrong."""

    open: Callable[[str, str], None]
    """Takes "in" or "out", and part of the port's name."""
    close: Callable[[str, str], None]
    """Takes "in" or "out", and the name that was asked for or the port's own."""
    state: Callable[[], list[tuple[str, str, str, str]]]
    """Of each port that was asked for: "in" or "out", what was asked for, its state, its full name or what is wrong."""


class MidiControl:
    """Rows of /rnnmuse/midi, and the handler of every MIDI input: it calls the other controls directly."""

    def __init__(
        self,
        addresses: Callable[[], dict[str, Entry]],
        take: Callable[..., None],
        broadcast: Callable[..., None],
        players: PlayerControl,
        presets: PresetControl,
        transport: Transport,
    ) -> None:
        self._addresses, self._take, self._broadcast = addresses, take, broadcast
        self._players, self._presets, self._transport = players, presets, transport
        self.leader = MidiClockLeader(transport)
        self.learned: Learned = {}
        self.learning: tuple[str, float, float] | None = None
        self.open_outputs: Callable[[], list[str]] = list
        self.play_test: Callable[[str], None] = lambda output: None
        self.open_inputs: Callable[[], list[str]] = list
        self.available_ports: Callable[[], tuple[list[str], list[str]]] = lambda: ([], [])
        self.desk: PortDesk | None = None
        """None where the stage was started without MIDI."""
        self.tables: Callable[[], Tables] | None = None
        self._listing = threading.Lock()
        self._errands: queue.Queue[Callable[[], None]] = queue.Queue(MOST_WAITING)
        self._runner: threading.Thread | None = None

    # -- the ports' rows ------------------------------------------------------------------------------------

    def ports(self, call: Call) -> None:
        call.answer(*self.open_inputs(), *self.open_outputs())

    def available(self, call: Call) -> None:
        """A driver may take its time: it is asked in a thread of its own, once at a time."""
        if not self._listing.acquire(blocking=False):
            raise ProtocolError("limit", f"{call.address}: the ports are being listed already")

        def answer() -> None:
            try:
                inputs, outputs = self.available_ports()
            finally:
                self._listing.release()
            for way, names in (("in", inputs), ("out", outputs)):
                for name in names:
                    call.answer(way, name)
            call.answer()

        threading.Thread(target=answer, name="list ports", daemon=True).start()

    def open(self, call: Call, way: str, name: str) -> None:
        self._errand(call, self._desk(call).open, way, name)

    def close(self, call: Call, way: str, name: str) -> None:
        self._errand(call, self._desk(call).close, way, name)

    def state(self, call: Call) -> None:
        for one in self.desk.state() if self.desk is not None else ():
            call.answer(*one)
        call.answer()

    def _desk(self, call: Call) -> PortDesk:
        if self.desk is None:
            raise ProtocolError("port", f"{call.address}: rnnmuse was started without MIDI ports (--no-midi)")
        return self.desk

    def _errand(self, call: Call, act: Callable[[str, str], None], way: str, name: str) -> None:
        """Drivers take their time: a thread of its own does one thing after another."""
        if not name.strip():
            raise ProtocolError("range", f"{call.address} name: {name[:40]!r}; must not be empty")

        def run() -> None:
            try:
                act(way, name.strip())
            except (ValueError, OSError) as error:
                call.fail("port", f"{call.address}: {error}")

        try:
            self._errands.put_nowait(run)
        except queue.Full:
            text = f"{call.address}: {MOST_WAITING} ports wait to be opened or closed; try again later"
            raise ProtocolError("limit", text) from None
        if self._runner is None:
            self._runner = threading.Thread(target=self._run_errands, name="port errands", daemon=True)
            self._runner.start()

    def _run_errands(self) -> None:
        while True:
            self._errands.get()()
            self._errands.task_done()

    def test(self, call: Call, output: str = "") -> None:
        """A test note, entered in the ledger as every other."""
        found = [name for name in self.open_outputs() if output.lower() in name.lower()]
        if not found:
            known = ", ".join(self.open_outputs()) or "none is open"
            raise ProtocolError("range", f"{call.address} output: {output[:40]!r}; must be part of one of: {known}")
        for name in found:
            self.play_test(name)

    def learn(self, call: Call, address: str, *limits: float) -> None:
        entry = self._addresses().get(address)
        if entry is None or entry.row.access == "r" or len(entry.row.arguments) > 1 or entry.row.free:
            text = f"{call.address} address: {address[:80]!r}; must be an address with one number or none"
            raise ProtocolError("address", text)
        low, high = 0.0, 1.0
        if entry.row.arguments:
            argument = entry.row.arguments[0]
            if argument.kind == "s" or argument.low is None or argument.high is None:
                raise ProtocolError("address", f"{call.address} address: {address}; it takes no number")
            low, high = argument.low, argument.high
        low, high = (limits[0], limits[1]) if len(limits) == 2 else (low, high)
        self.learning = (address, low, high)

    def unlearn(self, call: Call, address: str) -> None:
        self.learned = {key: to for key, to in self.learned.items() if to[0] != address}

    def map(self, call: Call) -> None:
        for (channel, number), (address, low, high) in sorted(self.learned.items()):
            call.answer(channel + 1, number, address, low, high)
        call.answer()

    # -- the handler of an input: `rnnmuse.bridges.midi_in.MidiHandler` -------------------------------------

    def now(self) -> Nanoseconds:
        """The time, of the monotonic clock."""
        return self._transport.now()

    def note(self, channel: int, pitch: int, velocity: int) -> None:
        """A note begins, or ends where ``velocity`` is 0."""
        with self._transport.scheduler.lock:
            self._players.played(channel, pitch, velocity)

    def control(self, channel: int, number: int, value: float) -> None:
        """A controller moved to ``value`` (0-1): it sets what it is learned for, or is learned."""
        with self._transport.scheduler.lock:
            if self.learning is not None and len(self.learned) < MOST_LEARNED:
                address, low, high = self.learning
                self.learned[channel, number], self.learning = (address, low, high), None
                self._broadcast("/rnnmuse/midi/map", channel + 1, number, address, float(low), float(high))
            if (channel, number) in self.learned:
                address, low, high = self.learned[channel, number]
                if self._addresses()[address].row.arguments:
                    self._take(address, low + value * (high - low))
                elif value >= 0.5:
                    self._take(address)

    def wants_fine(self, channel: int, coarse: int) -> bool:
        """Whether a controller's finer half belongs to one that is learned."""
        return (channel, coarse) in self.learned

    def program(self, channel: int, number: int) -> None:
        """A program change recalls a preset; one without a preset is ignored."""
        with self._transport.scheduler.lock:
            self._presets.recall_program(number + 1)

    def all_sound_off(self, channel: int) -> None:
        """Controller 120: as `all_notes_off`."""
        self.all_notes_off(channel)

    def all_notes_off(self, channel: int) -> None:
        """Controllers 123 to 127: what the players that hear the channel play ends. They go on to their next notes."""
        with self._transport.scheduler.lock:
            self._players.end_notes(channel)

    def transport(self, command: str) -> None:
        """MIDI Machine Control: "stop" or "continue"."""
        if command == "stop":
            self._transport.stop()
        else:
            self._transport.resume(as_asked=True)

    def clock(self, status: int, now: Nanoseconds, sixteenths: int = 0) -> None:
        """Clock, start, continue, stop and song position."""
        self.leader.message(status, now, sixteenths)


def learned_of(tables: tuple[dict[str, Any], ...]) -> Learned:
    """Learned controllers from a rig's ``[[learn]]`` tables."""
    return {(k["channel"] - 1, k["controller"]): (k["address"], k["low"], k["high"]) for k in tables}
