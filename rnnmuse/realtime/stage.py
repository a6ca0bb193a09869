"""The realtime process: clock, scheduler, ledger, notes out; the engine at the other end of a pipe.

It never computes music: what comes in is stamped and handed to the engine, and the engine's orders are done on time.
If the engine dies or does not answer, every note is ended, the clock goes on, and the engine is started again. What
the messages of OSC and MIDI mean is in `rnnmuse.realtime.desk`.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from rnnmuse.bridges import osc
from rnnmuse.bridges.osc_server import OscServer
from rnnmuse.clock import PPQ, Clock, Nanoseconds
from rnnmuse.realtime.desk import Desk
from rnnmuse.realtime.engine_link import EngineLink
from rnnmuse.realtime.ledger import Key, Ledger
from rnnmuse.realtime.outbox import Outbox
from rnnmuse.realtime.scheduler import Lateness, Scheduler, realtime_priority
from rnnmuse.realtime.seats import Output, PlayedNote, Seat, Sent, Settings

log = logging.getLogger("rnnmuse.stage")

BAR = 4 * PPQ
PULSE = PPQ // 24
READY: tuple[Nanoseconds, Nanoseconds] = (1_000_000, 60_000)
"""So long before their time notes are made ready to be sent: so much, and so much a note."""

GIVE_WAY = 0.0001


class Stage:
    """One performance. `open` it, `serve` until `leave` or `close` is called; ``desk`` takes the messages."""

    def __init__(self, settings: Settings | None = None, now: Callable[[], int] = time.monotonic_ns) -> None:
        self.settings = settings or Settings()
        self.now = now
        self.clock = Clock()
        self.clock.set_tempo(self.settings.tempo, now())
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.lateness = Lateness()
        self.scheduler = Scheduler(self.clock, self.changed, 0, self.lateness, *READY)
        self.lanes: dict[Nanoseconds, Scheduler] = {0: self.scheduler}
        self.ledger = Ledger(self._send_note)
        self.seats: dict[int, Seat] = {}
        self.outputs: dict[str, Output] = {}
        self.closers: list[Callable[[], None]] = []
        self.source = "internal"
        self.notes_in = self.notes_out = self.restarts = 0
        self.on_beat: Callable[[], None] | None = None
        self.engine_ready = threading.Event()
        self.desk = Desk(self)
        self.server = OscServer(self.settings.host, self.settings.port, self.desk.handle)
        self.outbox = Outbox(self.lateness, now, self.server.together)
        self.add_output(OscOutput(self.server, "osc", 0))
        self._playing: tuple[PlayedNote, int] | None = None
        self._open: dict[tuple[int, int], PlayedNote] = {}
        self._at_key: dict[Key, PlayedNote] = {}
        self._wanted: Nanoseconds | None = None
        self._closing = threading.Event()
        self._leaving = False
        self._engine: EngineLink | None = None
        self._selector = selectors.DefaultSelector()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_out.setblocking(False)

    # -- life -----------------------------------------------------------------------------------------------

    @property
    def port(self) -> int:
        """Where OSC is listened to."""
        return self.server.port

    def open(self) -> None:
        """Take the port and start the engine; OSError where the port is taken."""
        if self.settings.osc:
            self.server.open(self._selector)
        self._selector.register(self._wake_in, selectors.EVENT_READ, self._woken)
        if self.settings.engine:
            self._start_engine()
        threading.Thread(target=self._play, name="scheduler", daemon=True).start()
        self._plan_beat()

    def serve(self) -> None:
        """Take packets and orders until `leave` or `close`."""
        gc.freeze()  # a collection that walks through all that was loaded takes milliseconds
        realtime_priority(5)  # below the scheduler, above other programs: the scheduler may wait for this thread's GIL
        while not (self._leaving or self._closing.is_set()):
            for key, _ in self._selector.select():
                if not self._closing.is_set():
                    key.data()

    def leave(self) -> None:
        """Let `serve` return; safe in a signal handler."""
        self._leaving = True
        self._wake()

    def close(self) -> None:
        """End every note, let the engine go, close the ports."""
        if self._closing.is_set():
            return
        self._closing.set()
        with self.changed:
            self._forget_plans()
            self.changed.notify_all()
        self._wake()
        for closer in reversed(self.closers):
            with contextlib.suppress(Exception):  # each driver raises its own kinds
                closer()
        for output in list(self.outputs.values()):
            output.close()
        self.desk.covers.close()
        if self._engine is not None:
            self._engine.close()
        self.server.close()

    def _wake(self, sign: bytes = b"x") -> None:
        with contextlib.suppress(OSError):
            self._wake_out.send(sign)

    # -- the scheduler's thread -----------------------------------------------------------------------------

    def _play(self) -> None:
        realtime_priority()
        with self.changed:
            while not self._closing.is_set():
                self.outbox.gather()
                try:
                    dues = [lane.run_due(self.now()) for lane in list(self.lanes.values())]
                except Exception as error:  # one bad action must not end the music
                    log.exception("an action failed")
                    self.error("stage", "internal", f"{type(error).__name__}: {error}")
                    continue
                finally:
                    self.outbox.flush()
                due = min((d for d in dues if d is not None), default=None)
                self._wanted = due
                self.changed.wait(None if due is None else max(0.0, (due - self.now()) / 1e9))

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """The lock, for a thread that works through many things: where notes are due, the scheduler goes first."""
        if self._wanted is not None and self._wanted <= self.now():
            time.sleep(GIVE_WAY)
        with self.lock:
            yield

    def _plan_beat(self, after: int = -1) -> None:
        beat = max(after, self.clock.tick_at(self.now()) // PPQ) + 1  # a beat is told early: it may not be over yet

        def tell() -> None:
            packet = osc.build("/rnnmuse/beat", (beat, float(self.clock.tempo)))
            self.outbox.put(self._time(beat * PPQ), lambda: self.server.broadcast(packet), held=True)
            self._plan_beat(beat)
            self._wake(b"b")

        self.scheduler.plan(beat * PPQ, tell, sure=True)

    def _pulse(self, name: str, tick: int) -> None:
        """MIDI clock for one output: a pulse, which plans the next."""
        output = self.outputs.get(name)
        if output is not None and output.clock:
            self._transport([0xF8], output, tick)
            following = tick + PULSE
            self.lanes[output.ahead].plan(following, lambda: self._pulse(name, following), sure=True)

    def add_output(self, output: Output) -> None:
        """Send notes there too, from now on."""
        with self.lock:
            self.outputs[output.name] = output
            if output.ahead not in self.lanes:
                self.lanes[output.ahead] = Scheduler(self.clock, self.changed, output.ahead, self.lateness, *READY)
            if self.clock.running and output.clock:
                self._start_pulses(output.name, resume=True)

    def remove_output(self, name: str) -> None:
        """End its notes and let it go."""
        with self.lock:
            if name in self.outputs:
                self.ledger.end(output=name)
                self.outputs.pop(name).close()

    def lose(self, name: str, why: object) -> None:
        """An output is gone: nobody is left to end its notes for. The caller holds the lock."""
        output = self.outputs.pop(name, None)
        if output is None:  # more of the same chord was on its way there
            return
        log.warning("%s is gone: %s", name, why)
        self.ledger.forget(name)
        self.error("/rnnmuse/midi/ports", "port", f"{name} is gone")
        threading.Thread(target=output.close, name="closing", daemon=True).start()  # drivers may hang in it

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
            for lane in self.lanes.values():
                lane.recall()
            self.ledger.end()
        self._selector.unregister(self._engine.pipe)
        self._engine.close(0)
        self.engine_ready.clear()
        self.restarts += 1
        self.error("engine", "engine", f"{why}; it is started again")
        self._start_engine()
        for number, seat in self.seats.items():
            if seat.model:
                self.tell("model", number, seat.model, self.beat)
            for name, value in seat.parameters.items():
                self.tell("set", number, name, value, self.beat)
            if seat.latent:
                self.tell("latent", number, "restore", (seat.latent,), self.beat)
            self.tell("mode", number, seat.mode, self.beat)
            if seat.started:
                self.tell("start", number, self.beat)
        self.desk.texts.tell_again()

    def tell(self, *message: Any) -> None:
        """Send the engine a message."""
        if self._engine is not None:
            self._engine.send(*message)

    def tell_clock(self) -> None:
        """Let the engine know of the clock, and of how early notes are wanted."""
        self.tell("clock", self.clock, max(self.lanes) / 1e9)

    def _orders(self) -> None:
        engine = self._engine
        assert engine is not None
        try:
            for order in engine.messages():
                with self.turn():
                    self._order(order)
                if self._engine is not engine:  # it said that it failed, and another has been started
                    return
        except (EOFError, OSError):
            self._engine_lost("the engine was lost")

    def _woken(self) -> None:
        """A beat has passed (or the stage closes): see that the engine lives."""
        self._wake_in.recv(64)
        if self._closing.is_set():
            return
        if self._engine is not None and not self._engine.watch(self.now()):
            self._engine_lost("the engine did not answer")
        if self.on_beat is not None:
            self.on_beat()

    def _order(self, order: tuple[Any, ...]) -> None:
        match order:
            case ("on", player, tick, pitch, velocity, drum):
                self.plan_note(player, tick, pitch, velocity, drum)
            case ("off", player, tick, pitch):
                self.plan_off(player, tick, pitch)
            case ("off_all", player, tick):
                for lane in self.lanes.values():
                    lane.plan(tick, lambda: self.end(player), player, sure=True)
            case ("recall", player, tick):
                with self.lock:
                    for lane in self.lanes.values():
                        lane.recall(player, tick - 1)
            case ("end", player):
                with self.lock:
                    self.end(player)
            case ("text", player, tick, job, index, text, last):
                for ahead, lane in self.lanes.items():
                    lane.plan(tick, lambda a=ahead: self._say(a, player, tick, (job, index, text, last)), -player)  # type: ignore[misc]
            case ("unsay", player, tick):
                self.unsay(player, tick - 1)
            case ("done", player, job, notes):
                self.server.broadcast(osc.build(f"/rnnmuse/player/{player}/done", (job, notes)))
            case ("latent", player, state):
                self.seats.setdefault(player, Seat()).latent = state
            case ("models", names):
                self.desk.answer_models(names)
            case (("error" | "text_error") as kind, player, text):
                self.error(f"/rnnmuse/{'text' if kind == 'text_error' else 'player'}/{player}", "value", text)
                log.warning("player %s: %s", player, text)
            case ("failed", text):
                self._engine_lost(f"the engine failed ({text})")
            case ("ready",):
                self.engine_ready.set()

    # -- notes out ------------------------------------------------------------------------------------------

    def plan_note(self, player: int, tick: int, pitch: int, velocity: int, drum: bool = False) -> None:
        """Begin a note at ``tick`` on every output; a drum stroke ends by itself after an eighth of a beat."""
        channel = 9 if drum else self.channel(player)
        note = PlayedNote(player, channel, pitch, velocity, tick)
        with self.lock:
            for ahead, lane in self.lanes.items():
                note.begins[ahead] = lane.plan(tick, lambda ahead=ahead: self._begin(note, ahead), player)  # type: ignore[misc]
            self._open[player, pitch] = note
        if drum:
            self.plan_off(player, tick + PPQ // 8, pitch)

    def plan_off(self, player: int, tick: int, pitch: int) -> None:
        """End the player's last note of this pitch at ``tick``."""
        with self.lock:
            note = self._open.pop((player, pitch), None)
            if note is None:
                note = PlayedNote(player, self.channel(player), pitch, 0, tick)
            note.off = tick
            for ahead, lane in self.lanes.items():
                lane.plan(tick, lambda ahead=ahead: self._finish(note, ahead), player, True, note.begins.get(ahead))  # type: ignore[misc]

    def _begin(self, note: PlayedNote, ahead: Nanoseconds) -> None:
        self._playing = note, note.tick
        seat = self.seats.get(note.player)
        for output in [o for o in self.outputs.values() if o.ahead == ahead]:
            if seat is None or seat.plays_to(output.name):
                key = (output.name, note.channel, note.pitch)
                self._at_key[key] = note
                self.ledger.on(key, note.velocity, note.player)
        self._playing = None
        if not ahead:
            self.notes_out += 1
            self.desk.overheard(note.player, note.pitch, note.velocity)

    def _finish(self, note: PlayedNote, ahead: Nanoseconds) -> None:
        assert note.off is not None
        self._playing = note, note.off
        for output in [o for o in self.outputs.values() if o.ahead == ahead]:
            key = (output.name, note.channel, note.pitch)
            if not note.velocity or self._at_key.get(key) is note:  # a later note of the pitch has an end of its own
                self.ledger.off(key, note.player)
        self._playing = None
        if not ahead:
            self.desk.overheard(note.player, note.pitch, 0)

    def _say(self, ahead: Nanoseconds, player: int, tick: int, values: tuple[Any, ...]) -> None:
        """Send a chunk of text to the subscribers of one look-ahead."""
        due = self._time(tick) if self.clock.running else self.now()
        for output in [o for o in self.outputs.values() if o.ahead == ahead and isinstance(o, OscOutput)]:
            self._put(output, due - ahead, output.prepare_text(player, values, due))

    def unsay(self, player: int, tick: int) -> None:
        """Take back what a text player was to say after ``tick``."""
        with self.lock:
            for lane in self.lanes.values():
                lane.recall(-player, tick)

    def end(self, player: int) -> None:
        """End every note of a player."""
        self.ledger.end(player)

    def channel(self, player: int) -> int:
        """MIDI channel 0-15; without a wish players take them in turn, leaving 10 to the drums."""
        wished = self.seats[player].channel if player in self.seats else 0
        return wished - 1 if wished else (player - 1 if player < 10 else player) % 16

    def _send_note(self, key: Key, velocity: int, player: int) -> None:
        name, channel, pitch = key
        output = self.outputs.get(str(name))
        if output is None:
            return
        now = self.now()
        if self._playing is not None and self._playing[0].pitch == pitch:
            note, tick = self._playing
            due = self._time(tick) if self.clock.running else now
            length = (note.off - note.tick) / PPQ if velocity and note.off is not None else 0.0
            sent = Sent(player, channel, pitch, velocity, tick / PPQ, length, due)
        else:
            sent = Sent(player, channel, pitch, velocity, self.clock.beat_at(now), 0.0, now)
        self._put(output, sent.due - output.ahead, output.prepare(sent))

    def _put(self, output: Output, due: Nanoseconds, send: Callable[[], object]) -> None:
        def guarded() -> None:
            try:
                send()
            except Exception as error:  # a port that is gone raises its driver's own kinds
                self.lose(output.name, error)

        self.outbox.put(due, guarded, held=isinstance(output, OscOutput))

    def error(self, address: str, code: str, text: str) -> None:
        """Tell every subscriber what went wrong."""
        self.server.broadcast(osc.build("/rnnmuse/error", (address, code, text)))

    # -- transport ------------------------------------------------------------------------------------------

    @property
    def beat(self) -> float:
        """Where the clock is."""
        return self.clock.beat_at(self.now())

    def halt(self) -> None:
        """Stand still; every note is ended."""
        was_running = self.clock.running
        self.clock.stop(self.now())
        self._forget_plans()
        if was_running:
            self._transport([0xFC])
        self.tell_clock()

    def run(self, change: Callable[[int], None]) -> None:
        """Start or move the clock: what was planned for another place is void."""
        was_running = self.clock.running
        self._forget_plans()
        change(self.now())
        self._plan_beat()
        for output in [o for o in self.outputs.values() if o.clock]:
            if was_running:
                self._transport([0xFC], output)
            if self.clock.running:
                self._start_pulses(output.name, resume=self.clock.tick_at(self.now()) > 0)
        self.changed.notify()
        self.tell_clock()

    def _start_pulses(self, name: str, resume: bool) -> None:
        """Start or continue on the next sixteenth, which the song position pointer names."""
        sixteenth = -(-self.clock.tick_at(self.now()) // (PPQ // 4)) if resume else 0
        output = self.outputs[name]
        if resume:
            self._transport([0xF2, sixteenth & 0x7F, sixteenth >> 7 & 0x7F], output)
        tick = sixteenth * PPQ // 4

        def first() -> None:
            self._transport([0xFB if resume else 0xFA], output, tick)
            self._pulse(name, tick)

        self.lanes[output.ahead].plan(tick, first, sure=True)

    def _transport(self, data: list[int], only: Output | None = None, tick: int | None = None) -> None:
        for output in [only] if only is not None else list(self.outputs.values()):
            if output.clock and output.name in self.outputs:
                due = self.now() if tick is None else self._time(tick) - output.ahead
                self._put(output, due, partial(output.transport, data))

    def _time(self, tick: int) -> Nanoseconds:
        """When a tick sounds, with the swing."""
        return self.clock.time_at(self.clock.swung(tick))

    def _forget_plans(self) -> None:
        for lane in self.lanes.values():
            lane.clear()
        self._open.clear()
        self.ledger.end()


class OscOutput:
    """The subscribers of one look-ahead. With a look-ahead notes leave early, in bundles with their time."""

    def __init__(self, server: OscServer, name: str, ahead: Nanoseconds) -> None:
        self.name, self.ahead, self.clock = name, ahead, False
        self._server = server
        self._begun: dict[tuple[int, int], float] = {}

    def prepare(self, sent: Sent) -> Callable[[], object]:
        """/rnnmuse/out/{p}/note, plain or in a bundle with its time tag."""
        values = (sent.pitch, sent.velocity, sent.beats, sent.beat)
        packet = osc.build(f"/rnnmuse/out/{sent.player}/note", values)
        if self.ahead:
            seconds = time.time() + (sent.due - time.monotonic_ns()) / 1e9
            key = (sent.player, sent.pitch)
            if sent.velocity:
                self._begun[key] = seconds
            else:  # never before the beginning, which the receiver may still hold back
                seconds = max(seconds, self._begun.pop(key, 0.0) + 0.001)
            packet = osc.bundle(osc.tag_of(seconds), [packet])
        return partial(self._server.broadcast, packet, self.ahead)

    def prepare_text(self, player: int, values: tuple[Any, ...], due: Nanoseconds) -> Callable[[], object]:
        """/rnnmuse/out/text/{p}, likewise."""
        packet = osc.build(f"/rnnmuse/out/text/{player}", values)
        if self.ahead:
            packet = osc.bundle(osc.tag_of(time.time() + (due - time.monotonic_ns()) / 1e9), [packet])
        return partial(self._server.broadcast, packet, self.ahead)

    def transport(self, data: list[int]) -> None:
        """MIDI clock is not for OSC."""

    def close(self) -> None:
        """Nothing to close."""
