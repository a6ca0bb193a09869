"""The realtime process: OSC in, clock, scheduler, ledger, notes out; the engine at the other end of a pipe.

It never computes music: it stamps what comes in, hands it to the engine, and does the engine's orders on time. If the
engine dies or does not answer, every note is ended, the clock goes on, and the engine is started again.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from rnnmuse import __version__
from rnnmuse.bridges import osc
from rnnmuse.protocol import PARAMETERS, TABLE, ProtocolError, Row, addresses, normal
from rnnmuse.realtime.clock import PPQ, Clock
from rnnmuse.realtime.engine_link import EngineLink
from rnnmuse.realtime.ledger import Key, Ledger
from rnnmuse.realtime.scheduler import Scheduler, realtime_priority
from rnnmuse.realtime.seats import Output, Seat, Settings

log = logging.getLogger("rnnmuse.stage")

Address = tuple[str, int]
LEASE = 60.0
FARTHEST = 60.0
OSC_OUT = "osc"


class Stage:
    """One performance. `open` it, `serve` until `close` is called; `handle` is a packet's way in."""

    def __init__(self, settings: Settings | None = None, now: Callable[[], int] = time.monotonic_ns) -> None:
        self.settings = settings or Settings()
        self.now = now
        self.clock = Clock()
        self.clock.set_tempo(self.settings.tempo, now())
        self.lock = threading.RLock()
        self.scheduler = Scheduler(self.clock, self.lock)
        self.ledger = Ledger(self._send_note)
        self.outputs: dict[str, Output] = {}
        self.inputs: list[Any] = []
        self.source = "internal"
        self.notes_in = self.notes_out = self.restarts = 0
        self.port = self.settings.port
        self.engine_ready = threading.Event()
        self._addresses = addresses()
        self._seats: dict[int, Seat] = {}
        self._subscribers: dict[Address, float] = {}
        self._reply_ports: dict[Address, int] = {}
        self._waiting_for_models: list[Address] = []
        self._ends: dict[tuple[int, int, int], int] = {}
        self._closing = threading.Event()
        self._leaving = False
        self._socket: socket.socket | None = None
        self._engine: EngineLink | None = None
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()

    # -- life -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Take the port and start the engine; OSError where the port is taken."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((self.settings.host, self.settings.port))
        except OSError as error:
            self._socket.close()
            raise OSError(f"port {self.settings.port}: {error.strerror}; is rnnmuse live running already?") from None
        self.port = self._socket.getsockname()[1]
        self._socket.setblocking(False)
        self._selector.register(self._socket, selectors.EVENT_READ, self._packets)
        self._selector.register(self._wake_in, selectors.EVENT_READ, self._woken)
        self._start_engine()
        threading.Thread(target=self._play, name="scheduler", daemon=True).start()
        self._plan_beat()

    def serve(self) -> None:
        """Take packets and orders until `leave` or `close`."""
        while not (self._leaving or self._closing.is_set()):
            for key, _ in self._selector.select():
                if not self._closing.is_set():
                    key.data()

    def leave(self) -> None:
        """Let `serve` return; safe in a signal handler."""
        self._leaving = True
        with contextlib.suppress(OSError):
            self._wake_out.send(b"x")

    def close(self) -> None:
        """End every note, let the engine go, close the ports."""
        if self._closing.is_set():
            return
        self._closing.set()
        with self.scheduler.changed:
            self.scheduler.clear()
            self.ledger.end()
            self.scheduler.changed.notify_all()
        with contextlib.suppress(OSError):
            self._wake_out.send(b"x")
        if self._engine is not None:
            self._engine.close()
        for source in self.inputs:
            with contextlib.suppress(Exception):
                source.close_port()
                source.delete()
        for output in self.outputs.values():
            output.close()
        if self._socket is not None:
            self._socket.close()

    # -- the scheduler's thread -----------------------------------------------------------------------------

    def _play(self) -> None:
        realtime_priority()
        with self.scheduler.changed:
            while not self._closing.is_set():
                due = self.scheduler.run_due(self.now())
                self.scheduler.changed.wait(None if due is None else max(0.0, (due - self.now()) / 1e9))

    def _plan_beat(self) -> None:
        beat = self.clock.tick_at(self.now()) // PPQ + 1

        def tell() -> None:
            self._broadcast("/rnnmuse/beat", beat, float(self.clock.tempo))
            self._plan_beat()
            with contextlib.suppress(OSError):
                self._wake_out.send(b"b")

        self.scheduler.plan(beat * PPQ, tell, sure=True)

    # -- the engine -----------------------------------------------------------------------------------------

    def _start_engine(self) -> None:
        self._engine = EngineLink(self.settings.model)
        self._selector.register(self._engine.pipe, selectors.EVENT_READ, self._orders)
        self.tell_clock()

    def _engine_lost(self, why: str) -> None:
        """End what sounds, keep the clock, start another engine as the old one was."""
        assert self._engine is not None
        if self._closing.is_set():
            return
        with self.lock:
            self.scheduler.recall()
            self.ledger.end()
        self._selector.unregister(self._engine.pipe)
        self._engine.close(0)
        self.engine_ready.clear()
        self.restarts += 1
        self._broadcast("/rnnmuse/error", "engine", "engine", f"{why}; it is started again")
        self._start_engine()
        for number, seat in self._seats.items():
            if seat.model:
                self._tell("model", number, seat.model, self._beat())
            for name, value in seat.parameters.items():
                self._tell("set", number, name, value, self._beat())
            self._tell("mode", number, seat.mode, self._beat())
            if seat.started:
                self._tell("start", number, self._beat())

    def _tell(self, *message: Any) -> None:
        if self._engine is not None:
            self._engine.send(*message)

    def tell_clock(self) -> None:
        self._tell("clock", self.clock)

    def _orders(self) -> None:
        assert self._engine is not None
        try:
            for order in self._engine.messages():
                self._order(order)
        except (EOFError, OSError):
            self._engine_lost("the engine was lost")

    def _woken(self) -> None:
        """A beat has passed (or the stage closes): see that the engine lives."""
        self._wake_in.recv(64)
        if self._engine is not None and not self._closing.is_set() and not self._engine.watch(self.now()):
            self._engine_lost("the engine did not answer")

    def _order(self, order: tuple[Any, ...]) -> None:
        match order:
            case ("on", player, tick, pitch, velocity, drum):
                self._plan_note(player, tick, pitch, velocity, drum)
            case ("off", player, tick, pitch):
                self._plan_off(player, tick, pitch)
            case ("off_all", player, tick):
                self.scheduler.plan(tick, lambda: self._end(player), player, sure=True)
            case ("recall", player, tick):
                self.scheduler.recall(player, tick - 1)
            case ("end", player):
                with self.lock:
                    self._end(player)
            case ("models", names):
                for client in self._waiting_for_models:
                    self._reply(client, "/rnnmuse/models", *names)
                self._waiting_for_models.clear()
            case ("error", player, text):
                self._broadcast("/rnnmuse/error", f"/rnnmuse/player/{player}", "value", text)
                log.warning("player %s: %s", player, text)
            case ("ready",):
                self.engine_ready.set()

    def _plan_note(self, player: int, tick: int, pitch: int, velocity: int, drum: bool) -> None:
        channel = 9 if drum else self._channel(player)

        def on() -> None:
            for output in (OSC_OUT, *self.outputs):
                self.ledger.on((output, channel, pitch), velocity, player)
            if drum:
                self.scheduler.plan(tick + PPQ // 8, lambda: self._off(player, channel, pitch), player, sure=True)

        self.scheduler.plan(tick, on, player)

    def _plan_off(self, player: int, tick: int, pitch: int) -> None:
        channel = self._channel(player)
        self.scheduler.plan(tick, lambda: self._off(player, channel, pitch), player, sure=True)

    def _off(self, player: int, channel: int, pitch: int) -> None:
        for output in (OSC_OUT, *self.outputs):
            self.ledger.off((output, channel, pitch), player)

    def _end(self, player: int) -> None:
        self.ledger.end(player)

    def _channel(self, player: int) -> int:
        """MIDI channel 0-15; without a wish players take them in turn, leaving 10 to the drums."""
        wished = self._seats[player].channel if player in self._seats else 0
        return wished - 1 if wished else (player - 1 if player < 10 else player) % 16

    def _send_note(self, key: Key, velocity: int) -> None:
        output, channel, pitch = key
        if velocity:
            self.notes_out += 1
        if output == OSC_OUT:
            player = self.ledger.sounding.get(key, 0) or self._player_of(channel)
            self._broadcast(f"/rnnmuse/out/{player}/note", pitch, velocity, 0.0, self._beat())
        elif output in self.outputs:
            try:
                self.outputs[str(output)].send(channel, pitch, velocity)
            except Exception as error:  # a port that is gone raises its driver's own kinds
                log.warning("%s is gone: %s", output, error)
                del self.outputs[str(output)]
                self.ledger.forget(output)
                self._broadcast("/rnnmuse/error", "/rnnmuse/midi/ports", "port", f"{output} is gone")

    def _player_of(self, channel: int) -> int:
        return next((p for p in self._seats if self._channel(p) == channel), 1)

    # -- OSC in ---------------------------------------------------------------------------------------------

    def _packets(self) -> None:
        assert self._socket is not None
        for _ in range(64):  # then let the engine's orders have a turn
            try:
                data, client = self._socket.recvfrom(65536)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an answer to a client that is gone came back
            self.handle(data, client)

    def handle(self, data: bytes, client: Address) -> None:
        """Take one packet from a client; whatever is wrong with it is answered with /rnnmuse/error."""
        try:
            messages = osc.parse(data)
        except ProtocolError as error:
            self._fail(client, "packet", error)
            return
        for message in messages:
            wait = osc.seconds_of(message.tag) - time.time() if message.tag > osc.NOW else 0.0
            if wait > FARTHEST:
                late = ProtocolError("time", f"{message.address}: due in {wait:.0f} s; must be within {FARTHEST:.0f} s")
                self._fail(client, message.address, late)
            elif wait > 0.0005 and self.clock.running:
                tick = self.clock.tick_at(self.now() + round(wait * 1e9))
                self.scheduler.plan(tick, lambda m=message: self._take(m, client), sure=True)  # type: ignore[misc]
            else:
                self._take(message, client)

    def handle_local(self, address: str, *arguments: Any) -> None:
        """Take a message from this process itself, such as a rig's or the command line's."""
        self._take(osc.Message(address, arguments), (self.settings.host, self.port))

    def _take(self, message: osc.Message, client: Address) -> None:
        address = message.address
        try:
            found = osc.match(address, self._addresses) if osc.is_pattern(address) else [address]
            if not found or (len(found) == 1 and found[0] not in self._addresses):
                raise ProtocolError("address", f"{address[:80]}: not known; /rnnmuse/list tells what is")
            for one in found:
                row, player = self._addresses[one]
                self._do(row, one, player, message.arguments, client)
        except ProtocolError as error:
            self._fail(client, address, error)

    def _do(self, row: Row, address: str, player: int, arguments: tuple[Any, ...], client: Address) -> None:
        if row.access == "r":
            raise ProtocolError("access", f"{address}: is sent, not taken")
        if row.access == "rw" and not arguments:
            self._reply(client, address, self._value(row, address, player))
            return
        if not row.arguments and arguments in ((1,), (True,)):
            arguments = ()  # a trigger works with 1 or T too
        values = row.check(address, arguments)
        name = address.rsplit("/", 1)[1]
        with self.lock:
            if player:
                self._player(row.act, player, name, values, client)
            else:
                self._stage(row.act, values, client)

    def _value(self, row: Row, address: str, player: int) -> Any:
        """What a getter answers."""
        seat = self._seats.get(player, Seat())
        name = address.rsplit("/", 1)[1]
        match row.act:
            case "tempo":
                return float(self.clock.tempo)
            case "position":
                return self._beat()
            case "swing":
                return self.clock.swing
            case "source":
                return self.source
            case "mode":
                return seat.mode
            case "model":
                return seat.model or self.settings.model
            case "channel":
                return self._channel(player) + 1
        value = seat.parameters.get(name, PARAMETERS[name][1])
        if row.act == "norm":
            argument = PARAMETERS[name][0]
            assert argument.low is not None
            assert argument.high is not None
            return (value - argument.low) / (argument.high - argument.low)
        return value

    def _player(self, act: str, player: int, name: str, values: list[Any], client: Address) -> None:
        seat = self._seats.setdefault(player, Seat())
        beat = self._beat()
        match act, values:
            case "note", [pitch, velocity, *length]:
                self.notes_in += bool(velocity)
                self._tell("hear", player, beat, pitch, velocity)
                if length and velocity:
                    tick = self.clock.tick_at(self.now()) + round(length[0] * PPQ)
                    self.scheduler.plan(tick, lambda: self._tell("hear", player, self._beat(), pitch, 0), sure=True)
            case "player_start", []:
                seat.started = True
                seat.mode = "free" if seat.mode == "off" else seat.mode
                if not self.clock.running:
                    self.run(self.clock.resume)
                self._tell("start", player, self._beat())
            case "player_stop", []:
                seat.started = False
                self._tell("stop", player, beat)
                self.scheduler.recall(player)
                self._end(player)
            case "player_reset", []:
                self._tell("reset", player, beat)
            case "mode", [mode]:
                seat.mode = mode
                self._tell("mode", player, mode, beat)
            case "model", [model]:
                seat.model = model
                bar = -(-self.clock.tick_at(self.now()) // (4 * PPQ)) * 4 * PPQ
                if self.clock.running:  # the engine is told half a beat before the bar line, to have it ready
                    self.scheduler.plan(
                        bar - PPQ // 2, lambda: self._tell("model", player, model, bar / PPQ), sure=True
                    )
                else:
                    self._tell("model", player, model, beat)
            case "channel", [channel]:
                self._end(player)
                seat.channel = channel
            case (("parameter" | "norm"), [value]):
                seat.parameters[name] = normal(name, value) if act == "norm" else value
                self._tell("set", player, name, seat.parameters[name], beat)

    def _stage(self, act: str, values: list[Any], client: Address) -> None:
        match act, values:
            case "hello", []:
                self._reply(client, "/rnnmuse/hello", "rnnmuse", __version__, self.port)
            case "ping", [*number]:
                self._reply(client, "/rnnmuse/pong", *number)
            case "sync", [number]:
                self._reply(client, "/rnnmuse/synced", number)
            case "list", [*prefix]:
                found = [a for a in self._addresses if a.startswith(prefix[0] if prefix else "/")]
                for at in range(0, len(found), 100):
                    self._reply(client, "/rnnmuse/list", *found[at : at + 100])
            case "describe", [address]:
                row = self._addresses[address][0] if address in self._addresses else None
                row = row or next((r for r in TABLE if r.address == address), None)
                if row is None:
                    raise ProtocolError("address", f"{address[:80]}: not known; /rnnmuse/list tells what is")
                self._reply(client, "/rnnmuse/describe", address, row.access, row.shape(), row.doc)
            case "subscribe", [*seconds]:
                self._subscribers[self._target(client)] = time.monotonic() + (seconds[0] if seconds else LEASE)
                self._reply(client, "/rnnmuse/subscribed", float(seconds[0] if seconds else LEASE))
            case "unsubscribe", []:
                self._subscribers.pop(self._target(client), None)
            case "reply_to", [port]:
                self._reply_ports[client] = port
            case "stats", []:
                late = sorted(self.scheduler.lateness.recent) or [0]
                worst = self.scheduler.lateness.worst / 1e6
                self._reply(client, "/rnnmuse/stats", self.notes_in, self.notes_out, median(late) / 1e6, worst,
                            self.scheduler.lateness.dropped)  # fmt: skip
            case "models", []:
                self._waiting_for_models.append(client)
                self._tell("models")
            case "midi_ports", []:
                self._reply(client, "/rnnmuse/midi/ports", *self.outputs)
            case "play", []:
                self.run(lambda now: self.clock.start(now, 0))
            case "resume", []:
                self.run(self.clock.resume)
            case "stop", []:
                self.halt()
            case "panic", []:
                self.scheduler.recall()
                self.ledger.end()
                for number, seat in self._seats.items():
                    seat.started = False
                    self._tell("stop", number, self._beat())
            case "tempo", [bpm]:
                self.clock.set_tempo(bpm, self.now())
                self.scheduler.changed.notify()
                self.tell_clock()
            case "position", [beat]:
                self.run(lambda now: self.clock.locate(now, round(beat * PPQ)))
            case "source", [source]:
                self.source = source
            case "swing", [place]:
                self.clock.swing = place
                self.scheduler.changed.notify()

    def halt(self) -> None:
        """Stand still; every note is ended."""
        self.clock.stop(self.now())
        self.scheduler.clear()
        self.ledger.end()
        self.tell_clock()

    def run(self, change: Callable[[int], None]) -> None:
        """Start or move the clock: what was planned for another place is void."""
        self.scheduler.clear()
        self.ledger.end()
        change(self.now())
        self._plan_beat()
        self.scheduler.changed.notify()
        self.tell_clock()

    def _beat(self) -> float:
        return self.clock.beat_at(self.now())

    # -- OSC out --------------------------------------------------------------------------------------------

    def _target(self, client: Address) -> Address:
        return client[0], self._reply_ports.get(client, client[1])

    def _reply(self, client: Address, address: str, *values: Any) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(osc.build(address, values), self._target(client))

    def _fail(self, client: Address, address: str, error: ProtocolError) -> None:
        self._reply(client, "/rnnmuse/error", address[:80], error.code, str(error))

    def _broadcast(self, address: str, *values: Any) -> None:
        if self._socket is None or not self._subscribers:
            return
        data, now = osc.build(address, values), time.monotonic()
        for client, until in list(self._subscribers.items()):
            if until < now:
                del self._subscribers[client]
                continue
            with contextlib.suppress(OSError):
                self._socket.sendto(data, client)
