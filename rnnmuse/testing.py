"""A stage for tests: its engine in this process, its clocks in the test's hands, every packet and note on record.

    stage = StageClient()
    stage.send("/rnnmuse/player/1/start")
    stage.run(4.0)                            # four seconds of the injected clocks
    assert stage.notes("on") and not stage.hung()

Nothing here sleeps, opens a socket or starts a process. The queue to the engine is the real one, so what a slow or hung
engine does to it happens here too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

from rnnmuse.bridges import osc
from rnnmuse.bridges.osc_server import Client, OscServer
from rnnmuse.bridges.osc_sessions import CommonServer
from rnnmuse.bridges.output import Program, Send, Sent
from rnnmuse.clock import Nanoseconds
from rnnmuse.engine.process import Engine, first_line
from rnnmuse.engine.sessions import Sessions as EngineSessions
from rnnmuse.models.bundle import load_player
from rnnmuse.realtime.outgoing import Outgoing
from rnnmuse.realtime.sessions import Sessions
from rnnmuse.realtime.shared_thread import NEVER
from rnnmuse.realtime.stage import Engines, Settings, Stage
from rnnmuse.realtime.supervisor import CREDIT
from rnnmuse.session import messages as m

if TYPE_CHECKING:
    from rnnmuse.engine.process import Model

LOOK: Nanoseconds = 250_000_000
WALL = 1_800_000_000.0
"""The wall clock, in seconds since 1970, at which a stage client begins."""

MOST_ROUNDS = 100_000
ME = Client("127.0.0.1", 50_000)

shared_model: Callable[[str], Model] = cache(load_player)
"""Loads a model once for all engines of the tests."""


class Tap(OscServer):
    """A server without sockets: packets that leave are kept by client."""

    def open(self, selector: Any) -> None:
        self.port = self.port or 7707

    def _send(self, client: Client, packet: bytes) -> None:
        self._send_all(client, [packet])

    def _send_all(self, client: Client, packets: list[bytes]) -> None:
        self.sent: list[tuple[Client, bytes]]
        self.__dict__.setdefault("sent", []).extend((client, packet) for packet in packets)


@dataclass
class RecordingOutput:
    """An output that keeps what it is given, with its own ledger of note-ons and note-offs."""

    now: Callable[[], Nanoseconds]
    """Reads the clock in nanoseconds."""
    name: str = "recording output"
    """As the stage lists it."""
    ahead: Nanoseconds = 0
    """Nanoseconds by which it gets notes early."""
    clock: bool = False
    """Whether it gets MIDI clock."""
    events: list[tuple[Nanoseconds, Sent]] = field(default_factory=list)
    """Notes with the time at which they came, in nanoseconds."""
    programs: list[Program] = field(default_factory=list)
    """Programs in the order in which they came."""
    data: list[tuple[Nanoseconds, list[int]]] = field(default_factory=list)
    """Transport messages with the time at which they came, in nanoseconds."""
    sounding: dict[tuple[int, int], Sent] = field(default_factory=dict)
    """The note-on of what sounds, by channel and pitch."""
    twice: list[Sent] = field(default_factory=list)
    """Note-ons of what sounded already, and note-offs of what did not."""
    broken: bool = False
    """Whether it raises OSError from now on, as a port that is gone."""
    closed: bool = False
    """Whether it was closed."""

    def prepare(self, sent: Sent) -> Send:
        def send() -> None:
            self._check()
            key = (sent.channel, sent.pitch)
            if (key in self.sounding) == bool(sent.velocity):
                self.twice.append(sent)
            if sent.velocity:
                self.sounding[key] = sent
            else:
                self.sounding.pop(key, None)
            self.events.append((self.now(), sent))

        return send

    def program(self, program: Program) -> Send:
        def send() -> None:
            self._check()
            self.programs.append(program)

        return send

    def transport(self, data: list[int]) -> None:
        self._check()
        self.data.append((self.now(), data))

    def close(self) -> None:
        self.closed = True

    def _check(self) -> None:
        if self.broken:
            raise OSError("the port is gone")


class LocalEngine:
    """An engine in this process behind the real queue. ``frozen`` it takes nothing, as a stopped process would."""

    pid = None

    def __init__(
        self,
        received: Callable[[m.FromEngine], None],
        lost: Callable[[], None],
        now: Callable[[], Nanoseconds],
        model: str,
        load: Callable[[str], Model],
        make: Callable[..., Engine | EngineSessions] = Engine,
    ) -> None:
        self.received, self.lost = received, lost
        self.engine = make(self._say, now, model, load)
        self.queue: Outgoing[m.ToEngine] = Outgoing()
        self.queue.grant(CREDIT)
        self.frozen = self.closed = self.begun = False
        self.taken: list[m.ToEngine] = []

    def send(self, message: m.ToEngine) -> bool | m.ToEngine:
        return self.queue.put(message)

    def grant(self, count: int) -> None:
        self.queue.grant(count)

    def close(self, patience: float = 1.0) -> list[m.ToEngine]:
        self.closed = True
        return self.queue.close()

    def join(self, patience: float = 2.0) -> None:
        self.close()

    def _say(self, message: m.FromEngine) -> None:
        if not self.closed:
            self.received(message)

    def work(self) -> bool:
        """Take what waits and play ahead; False if there was nothing to do."""
        if self.frozen or self.closed:
            return False
        if not self.begun:
            self.begun = True
            self._say(m.Ready())
        busy = False
        while not self.closed and (message := self.queue.get(wait=False)) is not None:
            busy = True
            self.taken.append(message)
            try:
                self.engine.take(message)
            except Exception as error:  # as `rnnmuse.engine.process.main` does
                self._say(m.Failed(f"{type(error).__name__}: {first_line(error)}"))
                return True
            self._say(m.Handled(1))
        for _ in range(MOST_ROUNDS):
            if self.closed or not self.engine.advance():
                break
            busy = True
        return busy


class _ByHand:
    """Time and the engine in the test's hands, and a record of the packets: what the two clients below share."""

    def __init__(self) -> None:
        self.time: Nanoseconds = 1_000_000_000
        self.wall = WALL
        self.engines: list[LocalEngine] = []
        self._looked = self.time
        self._read = 0
        self._received: dict[Client, list[osc.Message]] = {}

    @property
    def engine(self) -> LocalEngine:
        """The engine that is in use; there is none where the settings say so."""
        return self.engines[-1]

    def settle(self) -> None:
        """Let the engine do everything that it can do now."""
        for _ in range(MOST_ROUNDS):
            if not (self.engines and self.engine.work()):
                return
        raise AssertionError("the engine does not come to rest")

    def kill_engine(self) -> None:
        """The engine's process dies."""
        engine = self.engine
        engine.frozen = True
        engine.lost()

    def _go_to(self, time: Nanoseconds) -> None:
        if time > self.time:
            self.wall += (time - self.time) / 1e9
            self.time = time

    def _turn(self, due: Nanoseconds | None, end: Nanoseconds, least: Nanoseconds, supervisor: Engines) -> bool:
        """Go on to what comes next: what is due, the engine's next work, a look of the supervisor's, or ``end``, but
        ``least`` at least. Returns whether the end is reached."""
        self.settle()
        times = [self._looked + LOOK, *([] if due is None else [due])]
        if self.engines and not self.engine.frozen and (wait := self.engine.engine.wait()) is not None:
            times.append(self.time + max(1, round(wait * 1e9)))
        self._go_to(min(end, max(self.time + least, min(times))))
        if self.time - self._looked >= LOOK:
            self._looked = self.time
            supervisor.watch()
            supervisor.also_watch()
        if self.time >= end:
            self.settle()
            return True
        return False

    def _messages(self, packets: list[tuple[Client, bytes]], client: Client, address: str | None) -> list[osc.Message]:
        """Every message to a client, or those of an address, once those that are new among ``packets`` are read."""
        for to, packet in packets[self._read :]:
            self._received.setdefault(to, []).extend(osc.parse(packet))
        self._read = len(packets)
        return [one for one in self._received.get(client, []) if address is None or one.address == address]


class StageClient(_ByHand):
    """A stage, an OSC client of it that has subscribed, and an output that records; see the module's docstring."""

    def __init__(
        self,
        settings: Settings | None = None,
        load: Callable[[str], Model] = shared_model,
        subscribe: bool = True,
    ) -> None:
        super().__init__()
        settings = settings or Settings(port=0)
        self.stage = Stage(
            settings,
            now=lambda: self.time,
            wall=lambda: self.wall,
            connect=lambda received, lost: self._connect(received, lost, settings.model, load),
            server=Tap,
            wait=self._wait,
        )
        self.output = RecordingOutput(lambda: self.time)
        self.stage.open(thread=False)
        self.stage.add_output(self.output)
        self.settle()
        if subscribe:
            self.send("/rnnmuse/subscribe", 3600)

    def _connect(self, received: Any, lost: Any, model: str, load: Any) -> LocalEngine:
        self.engines.append(LocalEngine(received, lost, lambda: self.time, model, load))
        return self.engines[-1]

    def _wait(self, until: Nanoseconds) -> None:
        self._go_to(until)

    # -- the client's side ----------------------------------------------------------------------------------

    def send(self, address: str, *values: Any, due: float | None = None, client: Client = ME) -> None:
        """Send a message; with ``due`` in a bundle whose time tag is ``due`` seconds from now."""
        packet = osc.build(address, values)
        if due is not None:
            packet = osc.bundle(osc.tag_of(self.wall + due), [packet])
        self.send_packet(packet, client)

    def send_packet(self, packet: bytes, client: Client = ME) -> None:
        """Send a packet as it is."""
        self.stage.control.handle(packet, client)

    def received(self, address: str | None = None, client: Client = ME) -> list[osc.Message]:
        """Every message that came to the client, or those of an address."""
        return self._messages(self.stage.server.__dict__.get("sent", []), client, address)

    def ask(self, address: str, *values: Any, answer: str | None = None) -> tuple[Any, ...]:
        """Send a message, let the engine work, and return the arguments of the answer."""
        before = len(self.received(answer or address))
        self.send(address, *values)
        self.settle()
        found = self.received(answer or address)[before:]
        assert found, f"{address} {values}: no answer; errors: {self.errors()[-3:]}"
        return found[0].arguments

    def errors(self) -> list[tuple[Any, ...]]:
        """Address, code and text of every error that the client got."""
        return [message.arguments for message in self.received("/rnnmuse/error")]

    def faults(self) -> list[tuple[Any, ...]]:
        """The errors, whoever got them, that are the stage's own: a handler that raised, or a model that failed."""
        self.received()
        errors = {m.arguments for got in self._received.values() for m in got if m.address == "/rnnmuse/error"}
        return sorted(error for error in errors if error[1] == "internal" or " failed (" in error[2])

    def forget(self) -> None:
        """Forget every message that came so far, so that a long test stays small."""
        self._received.clear()
        self.stage.server.__dict__.get("sent", []).clear()
        self._read = 0

    # -- time -----------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let time pass: everything that is due is done at its time."""
        end = self.time + round(seconds * 1e9)
        for _ in range(MOST_ROUNDS):
            self.settle()
            due = self.stage.scheduler.run_due()
            self.stage.outbox.send_rest(NEVER)
            if self._turn(due, end, 0, self.stage.supervisor):
                return
        raise AssertionError("the stage does not come to rest")

    # -- faults ---------------------------------------------------------------------------------------------

    def freeze_engine(self) -> None:
        """The engine's process is stopped: it takes nothing, and does not end."""
        self.engine.frozen = True

    # -- the record -----------------------------------------------------------------------------------------

    def notes(self, kind: str = "") -> list[Sent]:
        """What the output was given: all, the note-ons ("on") or the note-offs ("off")."""
        events = [sent for _, sent in self.output.events]
        return [s for s in events if not kind or bool(s.velocity) == (kind == "on")]

    def hung(self) -> list[tuple[int, int]]:
        """Channels and pitches that sound though the stage was stopped; panics first."""
        self.send("/rnnmuse/transport/panic")
        self.send("/rnnmuse/transport/stop")
        self.run(0.3)
        ledger = [key[1:] for key in self.stage.notes.ledger.sounding]
        return sorted({*self.output.sounding, *ledger})

    def close(self) -> None:
        """End the stage."""
        self.stage.close()


class CommonTap(CommonServer):
    """The server of several sessions without sockets: packets that leave are kept by client."""

    def __init__(self, host: str, port: int, handle: Callable[[bytes, Client], None], count: int) -> None:
        super().__init__(host, port, handle, count, sleep=lambda seconds: None)
        self.sent: list[tuple[Client, bytes]] = []

    def open(self, selector: Any) -> None:
        self.port = self.port or 7707

    def _send(self, client: Client, packet: bytes) -> None:
        packet = osc.in_session(packet, client.session) if client.session else packet
        self.sent.append((client._replace(session=0), packet))

    def _send_all(self, client: Client, packets: list[bytes]) -> None:
        for packet in packets:
            self._send(client, packet)

    def bring(self, packet: bytes, client: Client) -> None:
        """Let a packet come as from a socket."""
        if lost := self._keep(client, packet):
            self._tell_lost(client, lost)

    def handle(self) -> None:
        """Handle everything that came."""
        while self._inbox:
            self._serve()


class SessionsClient(_ByHand):
    """Several sessions with their engine in this process, an OSC client of them, and an output that records for each.

    Addresses are whole: ``/rnnmuse/session/2/player/1/start``. Time is in the test's hands, as with `StageClient`.
    """

    def __init__(
        self, count: int, settings: Settings | None = None, load: Callable[[str], Model] = shared_model
    ) -> None:
        super().__init__()
        settings = settings or Settings(port=0)

        def connect(received: Any, lost: Any) -> LocalEngine:
            made = LocalEngine(received, lost, lambda: self.time, settings.model, load, EngineSessions)
            self.engines.append(made)
            return made

        self.sessions = Sessions(
            settings, count, False, lambda: self.time, lambda: self.wall, connect, CommonTap, self._go_to
        )
        assert isinstance(self.sessions.common, CommonTap)
        self.server = self.sessions.common
        self.sessions.open(thread=False)
        self.outputs = [RecordingOutput(lambda: self.time) for _ in range(count)]
        for stage, output in zip(self.sessions.stages, self.outputs, strict=True):
            stage.add_output(output)
        self.settle()

    def bring(self, address: str, *values: Any, client: Client = ME) -> None:
        """Let a message come; it waits to be handled, as in a flood."""
        self.server.bring(osc.build(address, values), client)

    def send(self, address: str, *values: Any, client: Client = ME) -> None:
        """Send a message, which is handled at once."""
        self.send_packet(osc.build(address, values), client)

    def send_packet(self, packet: bytes, client: Client = ME) -> None:
        """Send a packet as it is."""
        self.server.bring(packet, client)
        self.server.handle()

    def received(self, address: str | None = None, client: Client = ME) -> list[osc.Message]:
        """Every message that came to the client, or those of an address."""
        return self._messages(self.server.sent, client, address)

    def ask(self, address: str, *values: Any, answer: str | None = None, client: Client = ME) -> tuple[Any, ...]:
        """Send a message, let the engine work, and return the arguments of the answer."""
        before = len(self.received(answer or address, client))
        self.send(address, *values, client=client)
        self.settle()
        found = self.received(answer or address, client)[before:]
        assert found, f"{address} {values}: no answer; {[one.arguments for one in self.received()[-3:]]}"
        return found[0].arguments

    def run(self, seconds: float) -> None:
        """Let time pass: everything that is due is done at its time."""
        end = self.time + round(seconds * 1e9)
        for _ in range(MOST_ROUNDS):
            self.settle()
            due = self.sessions.thread.turn()
            if due is not None and self._turn(due if due < NEVER else end, end, 1, self.sessions.supervisor):
                return
        raise AssertionError("the stages do not come to rest")

    def notes(self, number: int, kind: str = "on") -> list[Sent]:
        """What the output of a session was given: note-ons ("on") or note-offs ("off")."""
        return [sent for _, sent in self.outputs[number - 1].events if bool(sent.velocity) == (kind == "on")]

    def close(self) -> None:
        """End all sessions."""
        self.sessions.close()


def mutant(data: bytes, rng: Random, others: list[bytes]) -> bytes:
    """``data`` with some bytes changed, cut, doubled, taken from others, or numbers at their edges put in."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at = rng.randrange(len(out) + 1)
        match rng.randrange(8):
            case 0 if out:
                out[at % len(out)] ^= 1 << rng.randrange(8)
            case 1 if out:
                out[at % len(out)] = rng.choice((0, 1, 0x7F, 0x80, 0xC0, 0xDB, 0xF0, 0xF7, 0xFF))
            case 2:
                del out[at : at + rng.choice((1, 2, 4, 16, 64))]
            case 3:
                out[at:at] = out[at : at + rng.choice((1, 4, 16, 256))] * rng.choice((1, 2, 9))
            case 4:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                out[at:at] = other[start : start + rng.randrange(1, 64)]
            case 5:
                edge = rng.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7F800000, 0x7FC00000))
                out[at : at + 4] = edge.to_bytes(4, rng.choice(("big", "little")))
            case 6:
                out[at:at] = rng.choice((b"-1", b"1e999", b"nan", b"\xef\xbf\xbf", b"\0", b'"', b"[" * 99, b"{", b"*"))
            case _:
                out[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(8)))
    return bytes(out[:100_000])
