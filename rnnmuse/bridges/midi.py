"""MIDI outputs, and the ports of a performance: opened by name, brought back when they were lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from rnnmuse.bridges import drums
from rnnmuse.bridges.midi_in import ALL_NOTES_OFF, SUSTAIN, Echoes, MidiReceiver
from rnnmuse.bridges.output import Program, Send, Sent
from rnnmuse.bridges.ports import Port, System
from rnnmuse.clock import Nanoseconds
from rnnmuse.errors import PortError

log = logging.getLogger("rnnmuse.midi")

VIRTUAL_IN, VIRTUAL_OUT = "rnnmuse in", "rnnmuse out"
PATIENCE = 1.0
"""Seconds between two looks at what is missing, while no port comes or goes."""
MOST_PORTS = 32
"""Ports that may be asked for while it runs."""
LONGEST = 30.0
"""Seconds between two tries of a port that is there and does not open; each try takes twice as long as the last."""


class MidiOut:
    """An output port. Its note-ons are entered in ``echoes``; ``kit`` is one of `drums.KITS`.

    ``after`` is the output that the port had before it was lost: what that one played is ended here.
    """

    def __init__(
        self,
        port: Port,
        name: str,
        ahead: Nanoseconds = 0,
        clock: bool = False,
        echoes: Echoes | None = None,
        kit: str = "gm",
        after: MidiOut | None = None,
    ) -> None:
        self.name, self.ahead, self.clock, self.kit = name, ahead, clock, kit
        self.closed: Callable[[MidiOut], None] = lambda _: None
        self._port, self._echoes = port, echoes
        self._lock = threading.Lock()  # of the following three
        self._sounding: dict[tuple[int, int], set[int]] = {}
        """By channel and pitch as sent: the pitches that sound there, of which a kit may map two onto one."""
        self._left: set[tuple[int, int]] = set()
        """Channel and pitch of what the port before it was playing."""
        self._programs: dict[int, int] = {}
        if after is not None:
            self._take_over(after)

    @property
    def sounding(self) -> set[tuple[int, int]]:
        """Channel and pitch, as sent, of each note that plays."""
        with self._lock:
            return set(self._sounding)

    def prepare(self, sent: Sent) -> Send:
        """A note-on, or with velocity 0 a note-off."""
        pitch = drums.pitch_out(self.kit, sent.channel, sent.pitch)
        key = sent.channel, pitch
        with self._lock:
            if sent.velocity:
                self._sounding.setdefault(key, set()).add(sent.pitch)
            else:
                sources = self._sounding.get(key, set())
                sources.discard(sent.pitch)
                if sources:
                    return lambda: None  # another note of the key still sounds
                self._sounding.pop(key, None)
        if sent.velocity and self._echoes is not None:
            self._echoes.sent(sent.due, sent.channel, pitch)
        status = (0x90 if sent.velocity else 0x80) | sent.channel
        return partial(self._port.send, bytes((status, pitch, sent.velocity)))

    def program(self, program: Program) -> Send:
        """A program change; a port that comes back gets it again."""
        with self._lock:
            self._programs[program.channel] = program.program
        return partial(self._port.send, bytes((0xC0 | program.channel, program.program)))

    def transport(self, data: list[int]) -> None:
        """Send clock, start, continue, stop or song position."""
        self._port.send(bytes(data))

    def end_left(self) -> None:
        """End again what the lost port was playing: what is sent before a driver has connected is lost."""
        with self._lock:  # held while sending: a note that begins now is sent after its end here
            for channel, pitch in sorted(self._left - self._sounding.keys()):
                self._port.send(bytes((0x80 | channel, pitch, 0)))
            self._left.clear()

    def close(self) -> None:
        """Close the port, which ends what it plays. Never waits."""
        with self._lock:
            left = sorted(self._left - self._sounding.keys())
        try:
            for channel, pitch in left:
                self._port.send(bytes((0x80 | channel, pitch, 0)))
        except PortError as error:
            log.debug("%s: %s", self.name, error)
        self._port.close()
        self.closed(self)

    def _take_over(self, before: MidiOut) -> None:
        with before._lock:
            self._left = before._left | before._sounding.keys()
            self._programs = dict(before._programs)
        for channel in range(16):
            self._port.send(bytes((0xB0 | channel, SUSTAIN, 0)))
            self._port.send(bytes((0xB0 | channel, ALL_NOTES_OFF, 0)))
        for channel, program in self._programs.items():
            self._port.send(bytes((0xC0 | channel, program)))


@dataclass(frozen=True, slots=True)
class PortState:
    """What became of a port that was asked for.

    ``state`` is "open", "waiting" (it was never there) or "gone" (it was open). ``detail`` is the port's full name, or
    the reason for which it is not open.
    """

    name: str
    """What was asked for: part of the port's name."""
    direction: str
    """``in`` or ``out``."""
    state: str
    detail: str


@dataclass(slots=True, eq=False)
class _Wanted:
    """A port that was asked for. ``held`` is the output, or the input's port, while it is open."""

    name: str
    """Part of the port's name; of a virtual port all of it."""
    direction: str
    """``in`` or ``out``."""
    virtual: bool
    """Whether the port is made here, not found."""
    clock: bool = False
    """Whether MIDI clock is sent to it."""
    ahead: Nanoseconds = 0
    """Nanoseconds by which it gets notes early."""
    kit: str = "gm"
    """How drum notes are named there, one of the kits of `rnnmuse.music.drums`."""
    mpe: bool = False
    """Whether an input begins in MPE mode."""
    held: MidiOut | Port | None = None
    receiver: MidiReceiver | None = None
    """What takes an input's messages, while it is open."""
    forgotten: bool = False
    """Whether nobody wants it any more."""
    last: MidiOut | None = None
    """The output before, so that a new one goes on where it ended."""
    state: PortState = field(init=False)
    """What became of it."""
    again: float = 0.0
    """Time of the next try after an error, in monotonic seconds."""
    pause: float = PATIENCE
    """Seconds until the try after the next error; doubled by each, up to LONGEST."""

    def __post_init__(self) -> None:
        self.state = PortState(self.name, self.direction, "waiting", "not there yet")


class Ports:
    """Opens the ports of a performance and brings back those that were lost.

    ``add_output`` and ``lose`` are called, with an output, when it is open and when it is gone; ``make_receiver`` makes
    an input's receiver; ``on_error`` takes a line for the performer when an input is gone; ``remove`` is called with
    an output that nobody wants any more, whose notes are to end, and ``on_change`` with each new state. They are called
    from the thread of this class or a port's, or of the caller, and no lock of this class is held.
    """

    def __init__(
        self,
        system: System,
        add_output: Callable[[MidiOut], None],
        lose: Callable[[MidiOut, str], None],
        make_receiver: Callable[[bool, Echoes], MidiReceiver],
        on_error: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time.monotonic,
        remove: Callable[[MidiOut], None] = lambda output: output.close(),
        on_change: Callable[[PortState], None] = lambda _: None,
    ) -> None:
        self.system, self.echoes = system, Echoes()
        self._remove, self._on_change = remove, on_change
        self._add_output, self._lose, self._make_receiver = add_output, lose, make_receiver
        self._on_error, self._now = on_error, now
        self._wanted: list[_Wanted] = []
        self._lock = threading.Lock()  # of what a wanted port holds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def virtual(
        self, clock: bool = False, ahead: Nanoseconds = 0, mpe: bool = False, kit: str = "gm"
    ) -> tuple[PortState, PortState]:
        """Ask for the virtual ports "rnnmuse in" and "rnnmuse out", of which the second gets notes."""
        into, out = _Wanted(VIRTUAL_IN, "in", True, mpe=mpe), _Wanted(VIRTUAL_OUT, "out", True, clock, ahead, kit)
        beside = threading.Thread(target=self._want, args=(into,), name="ports", daemon=True)
        beside.start()  # a port takes a tenth of a second to open
        self._want(out)
        beside.join()
        return into.state, out.state

    def output(self, name: str, clock: bool = False, ahead: Nanoseconds = 0, kit: str = "gm") -> PortState:
        """Ask for the first output port whose name contains ``name``: now, or once it is there; again when lost."""
        return self._want(_Wanted(name, "out", False, clock, ahead, kit))

    def input(self, name: str, mpe: bool = False) -> PortState:
        """Ask for the first input port whose name contains ``name``, likewise."""
        return self._want(_Wanted(name, "in", False, mpe=mpe))

    def ask(self, direction: str, name: str) -> PortState:
        """Ask for a port ("in" or "out"), as `input` and `output` do; ValueError where one of this name was asked for,
        or where `MOST_PORTS` were."""
        wanted = list(self._wanted)
        if len(wanted) >= MOST_PORTS:
            raise ValueError(f"{len(wanted)} ports; must be up to {MOST_PORTS}")
        there = self.names()[0 if direction == "in" else 1]
        full = next((one for one in there if name.lower() in one.lower()), "")
        for one in wanted:
            known = (one.name, one.state.detail if one.state.state == "open" else "")
            if one.direction == direction and (name in known or (full and full in known)):
                raise ValueError(f"{name[:80]!r} is {one.state.state} already, as {one.name!r}")
        return self.input(name) if direction == "in" else self.output(name)

    def forget(self, direction: str, name: str) -> PortState:
        """Close a port that was asked for by this name or is open under it, and look for it no more; ValueError where
        there is none."""
        for wanted in list(self._wanted):
            names = (wanted.name, wanted.state.detail if wanted.state.state == "open" else wanted.name)
            if wanted.direction == direction and name in names:
                break
        else:
            known = ", ".join(repr(one.name) for one in self._wanted if one.direction == direction) or "there is none"
            raise ValueError(f"{name[:80]!r}; must be one of: {known}")
        with self._lock:
            self._wanted = [one for one in self._wanted if one is not wanted]
            wanted.forgotten = True
            held, receiver = wanted.held, wanted.receiver
            wanted.held = wanted.receiver = None
            wanted.state = PortState(wanted.name, direction, "closed", "")
        if isinstance(held, MidiOut):
            self._remove(held)
        elif held is not None:
            held.close()
            if receiver is not None:
                receiver.release()
        self._on_change(wanted.state)
        return wanted.state

    def outputs(self) -> list[tuple[str, bool, Nanoseconds, str]]:
        """Name, whether it gets MIDI clock, look-ahead and kit of each output that was asked for and is not virtual."""
        wanted = [one for one in self._wanted if one.direction == "out" and not one.virtual]
        return [(one.name, one.clock, one.ahead, one.kit) for one in wanted]

    def inputs(self) -> list[tuple[str, bool]]:
        """Name, and whether it begins in MPE mode, of each input likewise."""
        return [(one.name, one.mpe) for one in self._wanted if one.direction == "in" and not one.virtual]

    def state(self) -> list[PortState]:
        """Each port that was asked for, as it is now."""
        return [wanted.state for wanted in list(self._wanted)]

    def names(self) -> tuple[list[str], list[str]]:
        """The inputs and outputs that can be opened."""
        return self.system.names()

    def open(self) -> None:
        """Begin to look for what is missing, in a thread."""
        self._thread = threading.Thread(target=self._watch, name="ports", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close every port and look no more; what outputs were given before is still sent. Never waits."""
        self._stop.set()
        self.system.close()

    def look(self, changed: bool = True) -> None:
        """Open what is missing and there. ``changed``: ports have come or gone since the last look."""
        for wanted in list(self._wanted):
            held = wanted.held
            if isinstance(held, MidiOut):
                try:
                    held.end_left()
                except PortError as error:  # the port's own thread tells of it
                    log.debug("%s: %s", wanted.name, error)
            elif held is None and not self._stop.is_set() and (changed or self._now() >= wanted.again):
                self._open(wanted)

    def _watch(self) -> None:
        while not self._stop.is_set():
            changed = self.system.wait(PATIENCE)
            try:
                self.look(changed)
            except Exception as error:  # one bad port must not end the watch
                log.exception("looking for MIDI ports failed")
                self._on_error(f"MIDI ports: {type(error).__name__}: {error}")

    def _want(self, wanted: _Wanted) -> PortState:
        self.system.settle()
        self._open(wanted)
        with self._lock:
            self._wanted = [*self._wanted, wanted]
        if wanted.state.state != "open":
            self._on_change(wanted.state)
        return wanted.state

    def _open(self, wanted: _Wanted) -> None:
        before = wanted.state
        try:
            if wanted.direction == "out":
                self._open_output(wanted)
            else:
                self._open_input(wanted)
        except PortError as error:
            state = "gone" if wanted.state.state in ("open", "gone") else "waiting"
            why = str(error).removeprefix(f"MIDI port {wanted.name!r}: ")
            wanted.state = PortState(wanted.name, wanted.direction, state, why)
            wanted.again = self._now() + wanted.pause
            wanted.pause = min(LONGEST, 2 * wanted.pause)
            if wanted.state != before and wanted in self._wanted:
                self._on_change(wanted.state)
        else:
            wanted.pause = PATIENCE

    def _open_output(self, wanted: _Wanted) -> None:
        made: list[MidiOut] = []
        first = threading.Lock()

        def lost(why: str) -> None:
            if made and first.acquire(blocking=False):
                self._tell(wanted, made[0], why)
                self._lose(made[0], why)  # before it is looked for again
                self._let_go(wanted, made[0])

        port = self.system.open_output(wanted.name, lost, wanted.virtual)
        try:
            output = MidiOut(port, wanted.name, wanted.ahead, wanted.clock, self.echoes, wanted.kit, wanted.last)
        except PortError:
            port.close()
            raise
        output.closed = partial(self._closed, wanted)
        wanted.last = output
        if not self._hold(wanted, output, port.name):
            port.close()
            return
        self._add_output(output)
        made.append(output)
        if port.lost:  # before it was known to `lost`
            lost("its port vanished")

    def _open_input(self, wanted: _Wanted) -> None:
        receiver = self._make_receiver(wanted.mpe, self.echoes)
        made: list[Port] = []

        def lost(why: str) -> None:
            receiver.release()
            for port in made:
                self._tell(wanted, port, why)
                self._let_go(wanted, port)

        port = self.system.open_input(wanted.name, receiver.receive, lost, wanted.virtual)
        if not self._hold(wanted, port, port.name):
            port.close()
            return
        wanted.receiver = receiver
        made.append(port)
        if port.lost:
            lost("its port vanished")

    def _hold(self, wanted: _Wanted, held: MidiOut | Port, name: str) -> bool:
        """Enter what is open; False where nobody wants it any more."""
        with self._lock:
            if wanted.forgotten:
                return False
            wanted.held = held
            wanted.state = PortState(wanted.name, wanted.direction, "open", name)
        self._on_change(wanted.state)
        return True

    def _tell(self, wanted: _Wanted, held: MidiOut | Port, why: str) -> None:
        """Say once that a port is gone."""
        with self._lock:
            if wanted.held is not held or wanted.state.state != "open":
                return
            wanted.state = PortState(wanted.name, wanted.direction, "gone", why)
        self._on_change(wanted.state)
        if wanted.direction == "in" and not self._stop.is_set():  # an output's is reported by its owner
            log.warning("%s is gone: %s", wanted.name, why)
            self._on_error(f"{wanted.name} is gone: {why}")

    def _let_go(self, wanted: _Wanted, held: MidiOut | Port) -> None:
        """From now on a port is looked for."""
        with self._lock:
            if wanted.held is held:
                wanted.held = None

    def _closed(self, wanted: _Wanted, output: MidiOut) -> None:
        """An output was closed by whoever had it: a note could not be sent, or the performance ends."""
        self._tell(wanted, output, "its driver takes no messages")
        self._let_go(wanted, output)
