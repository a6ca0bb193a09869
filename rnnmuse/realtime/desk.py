"""What each message means, whether it came by OSC, from a rig or as MIDI: the rows of `rnnmuse.protocol` acted on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rnnmuse import __version__
from rnnmuse.bridges import dirt, osc
from rnnmuse.bridges.osc_server import LEASE, Client
from rnnmuse.clock import PPQ
from rnnmuse.protocol import PARAMETERS, PLAYERS, TABLE, ProtocolError, Row, addresses, normal, within
from rnnmuse.realtime import pad
from rnnmuse.realtime.cover_desk import CoverDesk
from rnnmuse.realtime.seats import Seat
from rnnmuse.realtime.text_desk import TextDesk

if TYPE_CHECKING:
    from rnnmuse.realtime.stage import Stage

FARTHEST = 60.0
BAR = 4 * PPQ
LOCAL = Client("", 0)
"""The sender of messages that come from this process; it gets no answers."""


class Desk:
    """Takes messages for a stage. `handle` is a packet's way in, `take` a message's."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.presets: dict[int, dict[int, Seat]] = {}
        self.learning: tuple[str, float, float] | None = None
        self.learned: dict[tuple[int, int], tuple[str, float, float]] = {}
        self.save_rig: Callable[[], str] | None = None
        self._addresses = addresses()
        self.covers = CoverDesk(stage)
        self.texts = TextDesk(stage)
        self._waiting_for_models: list[tuple[Client, str]] = []
        self._job = 0

    # -- in -------------------------------------------------------------------------------------------------

    def handle(self, data: bytes, client: Client) -> None:
        """Take one packet from a client; whatever is wrong with it is answered with /rnnmuse/error."""
        with self.stage.turn():  # from the first byte: while notes are being sent, this thread must not hold them up
            self._handle(data, client)

    def _handle(self, data: bytes, client: Client) -> None:
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
            elif wait > 0.0005 and self.stage.clock.running:
                tick = self.stage.clock.tick_at(self.stage.now() + round(wait * 1e9))
                self.stage.scheduler.plan(tick, lambda m=message: self._take(m, client), sure=True)  # type: ignore[misc]
            else:
                self._take(message, client)

    def local(self, address: str, *arguments: Any) -> None:
        """Take a message from this process itself, such as a rig's or a MIDI port's; mistakes go to subscribers."""
        self._take(osc.Message(address, arguments), LOCAL)

    def check(self, address: str, *arguments: Any) -> None:
        """ProtocolError if the message could not be taken."""
        if address not in self._addresses:
            raise ProtocolError("address", f"{address[:80]}: not known; docs/osc.md lists every address")
        self._addresses[address][0].check(address, arguments)

    def _take(self, message: osc.Message, client: Client) -> None:
        address = message.address
        try:
            if address in self._addresses:
                self._do(*self._addresses[address], address, message.arguments, client)
                return
            found = osc.match(address, self._addresses) if osc.is_pattern(address) else []
            if not found:
                raise ProtocolError("address", f"{address[:80]}: not known; /rnnmuse/list tells what is")
            for one in found:
                self._do(*self._addresses[one], one, message.arguments, client)
        except ProtocolError as error:
            self._fail(client, address, error)

    def _do(self, row: Row, player: int, address: str, arguments: tuple[Any, ...], client: Client) -> None:
        if row.access == "r":
            raise ProtocolError("access", f"{address}: is sent, not taken")
        if row.access == "rw" and not arguments:
            value = self.value(address)
            self._reply(client, address, *(value if isinstance(value, list | tuple) else (value,)))
            return
        if not row.arguments and not row.free and arguments in ((1,), (0,)):
            if not arguments[0]:
                return  # a button that is let go
            arguments = ()  # a trigger works with 1 or T too
        values = list(arguments) if row.free else row.check(address, arguments)
        with self.stage.lock:
            if row.act.startswith("cover_"):
                if job := self.covers.take(row.act, address.rsplit("/", 1)[1], values):
                    self._reply(client, address, job)
            elif row.act.startswith("text_") and player:
                job = self.texts.take(row.act, player, address.rsplit("/", 1)[1], values)
                if job:
                    self._reply(client, address, job)
            elif player:
                self._player(row.act, player, address.rsplit("/", 1)[1], values, client)
            elif not self._transport(row.act, values):
                self._stage(row.act, values, client)

    def value(self, address: str) -> Any:
        """What a getter answers."""
        row, player = self._addresses[address]
        stage, seat = self.stage, self.stage.seats.get(player, Seat())
        name = address.rsplit("/", 1)[1]
        if row.act.startswith("cover_"):
            return self.covers.value(name)
        if row.act.startswith("text_"):
            return self.texts.value(player, name)
        match row.act:
            case "tempo":
                return float(stage.clock.tempo)
            case "position":
                return stage.beat
            case "swing":
                return stage.clock.swing
            case "source":
                return stage.source
            case "mode":
                return seat.mode
            case "model":
                return seat.model or stage.settings.model
            case "channel":
                return stage.channel(player) + 1
            case "target":
                return seat.target
            case "hears":
                return seat.hears or f"ch{player}"
            case "when":
                return seat.when
            case "latent" | "dimension" | "axis" | "map" | "xy" | "x" | "y":
                return pad.value(row.act, name, seat.latent)
        value = seat.parameters.get(name, PARAMETERS[name][1])
        return within(name, value) if row.act == "norm" else value

    # -- players --------------------------------------------------------------------------------------------

    def _player(self, act: str, player: int, name: str, values: list[Any], client: Client) -> None:
        stage = self.stage
        seat = stage.seats.setdefault(player, Seat())
        beat = stage.beat
        match act, values:
            case "note", [pitch, velocity, *length]:
                stage.notes_in += bool(velocity)
                self.covers.heard(pitch, velocity)
                stage.tell("hear", player, beat, pitch, velocity)
                if length and velocity and not stage.clock.running:  # no beats pass in which it could last
                    stage.tell("hear", player, beat, pitch, 0)
                elif length and velocity:
                    tick = stage.clock.tick_at(stage.now()) + round(length[0] * PPQ)
                    stage.scheduler.plan(tick, lambda: stage.tell("hear", player, stage.beat, pitch, 0), sure=True)
            case "player_start", []:
                seat.started = True
                seat.mode = "free" if seat.mode == "off" else seat.mode
                if not stage.clock.running:
                    stage.run(stage.clock.resume)
                stage.tell("start", player, stage.beat)
            case "player_stop", []:
                seat.started = False
                stage.tell("stop", player, beat)
                for lane in stage.lanes.values():
                    lane.recall(player)
                stage.end(player)
            case "player_reset", []:
                stage.tell("reset", player, beat)
            case "player_hold", []:
                self._mode(player, "hold")
            case "mode", [mode]:
                self._mode(player, mode)
            case "generate", [beats, *seed]:
                self._job += 1
                if not stage.clock.running:
                    stage.run(stage.clock.resume)
                stage.tell("generate", player, beats, seed[0] if seed else None, self._job, stage.beat)
                self._reply(client, f"/rnnmuse/player/{player}/generate", self._job)
            case "model", [model]:
                seat.model = model
                bar = -(-stage.clock.tick_at(stage.now()) // BAR) * BAR
                if stage.clock.running:  # the engine is told half a beat before the bar line, to have it ready
                    at = bar / PPQ
                    stage.tell("load", player, model)
                    stage.scheduler.plan(bar - PPQ // 2, lambda: stage.tell("model", player, model, at), sure=True)
                else:
                    stage.tell("model", player, model, beat)
            case "channel", [channel]:
                stage.end(player)
                seat.channel = channel
            case "target", [output]:
                stage.end(player)
                seat.target = output
            case "hears", [words]:
                hearing(words)
                seat.hears = words
            case "when", [when]:
                seat.when = when
            case act, _ if act in pad.ACTS:
                stage.tell("latent", player, *pad.order(act, name, values, seat.latent), beat)
            case (("parameter" | "norm"), [value]):
                value = normal(name, value) if act == "norm" else value
                seat.parameters[name] = value
                self._at_its_time(seat.when, lambda: stage.tell("set", player, name, value, stage.beat))

    def _mode(self, player: int, mode: str) -> None:
        seat = self.stage.seats.setdefault(player, Seat())
        seat.mode = mode
        seat.started = seat.started and mode != "off"
        self._at_its_time(seat.when, lambda: self.stage.tell("mode", player, mode, self.stage.beat))

    def _at_its_time(self, when: str, act: Callable[[], None]) -> None:
        """At once, or just before the next beat or bar line."""
        clock = self.stage.clock
        if when == "now" or not clock.running:
            act()
            return
        unit = BAR if when == "bar" else PPQ
        tick = (clock.tick_at(self.stage.now()) // unit + 1) * unit
        self.stage.scheduler.plan(tick - 1, act, sure=True)

    def overheard(self, source: int, pitch: int, velocity: int) -> None:
        """A player's note sounds (or ends): those who listen to the player hear it."""
        self.covers.heard(pitch, velocity)
        for number, seat in self.stage.seats.items():
            if seat.hears and number != source and source in hearing(seat.hears):
                self.stage.tell("overhear", number, self.stage.beat, pitch, velocity)

    def played(self, channel: int, pitch: int, velocity: int) -> None:
        """A note from a MIDI input, ``channel`` 0-15: heard by the players that listen to the channel."""
        listeners = {n for n, seat in self.stage.seats.items() if seat.hears and -1 - channel in hearing(seat.hears)}
        own = self.stage.seats.get(channel + 1)
        if own is None or not own.hears:
            listeners.add(channel + 1)
        for number in sorted(listeners):
            self.local(f"/rnnmuse/player/{number}/note", pitch, velocity)

    # -- the stage ------------------------------------------------------------------------------------------

    def _transport(self, act: str, values: list[Any]) -> bool:
        """Act on a message for the clock; False if it is not one."""
        stage = self.stage
        match act, values:
            case "play", []:
                stage.run(lambda now: stage.clock.start(now, 0))
            case "resume", []:
                stage.run(stage.clock.resume)
            case "stop", []:
                stage.halt()
            case "panic", []:
                for lane in stage.lanes.values():
                    lane.recall()
                stage.ledger.end()
                for number, seat in stage.seats.items():
                    seat.started = False
                    stage.tell("stop", number, stage.beat)
                self.texts.stop()
            case "tempo", [bpm]:
                stage.clock.set_tempo(bpm, stage.now())
                stage.changed.notify()
                stage.tell_clock()
            case "position", [beat]:
                stage.run(lambda now: stage.clock.locate(now, round(beat * PPQ)))
            case "source", [source]:
                stage.source = source
            case "swing", [place]:
                stage.clock.swing = place
                stage.changed.notify()
            case "lead", [beat, *tempo]:
                if stage.source == "osc":
                    self._follow(beat, tempo[0] if tempo else float(stage.clock.tempo))
            case _:
                return False
        return True

    def _follow(self, beat: float, tempo: float) -> None:
        """Another program says where the music is now."""
        clock, now = self.stage.clock, self.stage.now()
        if not clock.running or abs(clock.beat_at(now) - beat) > 1.0:
            self.stage.run(lambda at: clock.start(at, round(beat * PPQ)))
        clock.align(now, round(beat * PPQ), tempo)
        self.stage.changed.notify()
        self.stage.tell_clock()

    def _stage(self, act: str, values: list[Any], client: Client) -> None:
        stage, reply = self.stage, self._reply
        match act, values:
            case "hello", []:
                reply(client, "/rnnmuse/hello", "rnnmuse", __version__, stage.port)
            case "ping", [*number]:
                reply(client, "/rnnmuse/pong", *number)
            case "sync", [number]:
                reply(client, "/rnnmuse/synced", number)
            case "list", [*prefix]:
                found = [a for a in self._addresses if a.startswith(prefix[0] if prefix else "/")]
                for at in range(0, len(found), 100):
                    reply(client, "/rnnmuse/list", *found[at : at + 100])
            case "describe", [address]:
                row = self._addresses[address][0] if address in self._addresses else None
                row = row or next((r for r in TABLE if r.address == address), None)
                if row is None:
                    raise ProtocolError("address", f"{address[:80]}: not known; /rnnmuse/list tells what is")
                reply(client, "/rnnmuse/describe", address, row.access, row.shape(), row.doc)
            case "subscribe", [*given]:
                seconds = float(given[0]) if given else LEASE
                if len(given) > 2:
                    stage.server.reply_to(client, given[2])
                self._subscribe(client, seconds, float(given[1]) if len(given) > 1 else 0.0)
                reply(client, "/rnnmuse/subscribed", seconds)
            case "unsubscribe", []:
                stage.server.unsubscribe(client)
            case "reply_to", [port]:
                stage.server.reply_to(client, port)
            case (("probe" | "probed"), [*told]):
                stage.server.broadcast(osc.build(f"/rnnmuse/{act}", told))
            case "stats", []:
                late = stage.lateness
                shares = [late.quantile(share) / 1e6 for share in (0.5, 0.99, 0.999)]
                reply(client, "/rnnmuse/stats", stage.notes_in, stage.notes_out, *shares, late.worst / 1e6,
                      late.dropped, stage.restarts)  # fmt: skip
            case (("models" | "text_models"), []):
                self._waiting_for_models.append((client, "text" if act == "text_models" else "stream"))
                stage.tell("models")
            case "midi_ports", []:
                reply(client, "/rnnmuse/midi/ports", *[n for n in stage.outputs if not n.startswith("osc")])
            case "learn", [address, *limits]:
                self._learn(address, limits)
            case "unlearn", [address]:
                self.learned = {key: to for key, to in self.learned.items() if to[0] != address}
            case "map", []:
                for (channel, number), (address, low, high) in sorted(self.learned.items()):
                    reply(client, "/rnnmuse/midi/map", channel + 1, number, address, low, high)
                reply(client, "/rnnmuse/midi/map")
            case "preset_store", [number]:
                self.presets[number] = {p: replace(s, parameters=dict(s.parameters)) for p, s in stage.seats.items()}
            case "preset_recall", [number]:
                self.recall_preset(number)
            case "presets", []:
                reply(client, "/rnnmuse/presets", *sorted(self.presets))
            case "rig_save", []:
                if self.save_rig is None:
                    raise ProtocolError("rig", "/rnnmuse/rig/save: no rig was loaded; begin with rnnmuse live RIG.toml")
                reply(client, "/rnnmuse/rig/save", self.save_rig())
            case "dirt", [*pairs]:
                self._dirt(pairs)

    def _subscribe(self, client: Client, seconds: float, ahead: float) -> None:
        from rnnmuse.realtime.stage import OscOutput

        nanoseconds = round(ahead * 1e3) * 1_000_000
        name = f"osc {ahead:g}"
        if nanoseconds and name not in self.stage.outputs:
            self.stage.add_output(OscOutput(self.stage.server, name, nanoseconds))
            self.stage.tell_clock()
        self.stage.server.subscribe(client, seconds, nanoseconds)

    def _learn(self, address: str, limits: list[float]) -> None:
        row, _ = self._addresses.get(address, (None, 0))
        if row is None or row.access == "r" or len(row.arguments) > 1 or row.free:
            text = f"/rnnmuse/midi/learn address: {address[:80]!r}; must be an address with one number or none"
            raise ProtocolError("address", text)
        low, high = 0.0, 1.0
        if row.arguments:
            argument = row.arguments[0]
            if argument.kind == "s" or argument.low is None or argument.high is None:
                raise ProtocolError("address", f"/rnnmuse/midi/learn address: {address}; it takes no number")
            low, high = argument.low, argument.high
        low, high = limits if len(limits) == 2 else (low, high)
        self.learning = (address, low, high)

    def control(self, channel: int, number: int, value: float) -> None:
        """A controller moved to ``value`` (0-1): what it is learned for, or being learned for."""
        if self.learning is not None:
            address, low, high = self.learning
            self.learned[channel, number], self.learning = (address, low, high), None
            told = ("/rnnmuse/midi/map", (channel + 1, number, address, float(low), float(high)))
            self.stage.server.broadcast(osc.build(*told))
        if (channel, number) in self.learned:
            address, low, high = self.learned[channel, number]
            if self._addresses[address][0].arguments:
                self.local(address, low + value * (high - low))
            elif value >= 0.5:
                self.local(address)

    def recall_preset(self, number: int) -> None:
        """Bring the players to how they were when the preset was stored."""
        if number not in self.presets:
            known = ", ".join(map(str, sorted(self.presets))) or "none is stored"
            raise ProtocolError("range", f"/rnnmuse/preset/recall number: {number}; must be one of: {known}")
        for player in sorted(self.stage.seats.keys() | self.presets[number].keys()):
            self.seat(player, self.presets[number].get(player, Seat()))

    def seat(self, player: int, wanted: Seat) -> None:
        """Change a player to what is wanted, by the messages that differ."""
        now = self.stage.seats.get(player, Seat())
        at = f"/rnnmuse/player/{player}"
        if wanted.model and wanted.model != (now.model or self.stage.settings.model):
            self.local(f"{at}/model", wanted.model)
        for name in PARAMETERS:
            value = wanted.parameters.get(name, PARAMETERS[name][1])
            if value != now.parameters.get(name, PARAMETERS[name][1]):
                self.local(f"{at}/param/{name}", value)
        if wanted.channel and wanted.channel != now.channel:
            self.local(f"{at}/channel", wanted.channel)
        if wanted.when != now.when:
            self.local(f"{at}/when", wanted.when)
        if wanted.hears and wanted.hears != now.hears:
            self.local(f"{at}/hears", wanted.hears)
        if wanted.latent and wanted.latent != now.latent:
            self.stage.tell("latent", player, "restore", (wanted.latent,), self.stage.beat)
        if wanted.mode != now.mode:
            self.local(f"{at}/mode", wanted.mode)
        if wanted.started and not now.started:
            self.local(f"{at}/start")

    def _dirt(self, pairs: list[Any]) -> None:
        """A TidalCycles event: the player of its orbit hears the note for as long as it lasts."""
        player, pitch, velocity, beats = dirt.note_of(pairs, float(self.stage.clock.tempo))
        if not 1 <= player <= PLAYERS:
            raise ProtocolError("range", f"/dirt/play orbit: {player - 1}; must be 0 to {PLAYERS - 1}")
        self.local(f"/rnnmuse/player/{player}/note", pitch, velocity, beats)

    # -- answers --------------------------------------------------------------------------------------------

    def answer_models(self, names: dict[str, list[str]]) -> None:
        """Send the models' names, by kind, to whoever asked for them."""
        playable = sorted(names.get("stream", []) + names.get("phrase", []))
        for client, kind in self._waiting_for_models:
            if kind == "text":
                self._reply(client, "/rnnmuse/text/models", *names.get("text", []))
            else:
                self._reply(client, "/rnnmuse/models", *playable)
        self._waiting_for_models.clear()

    def _reply(self, client: Client, address: str, *values: Any) -> None:
        if client is not LOCAL:
            self.stage.server.send(self.stage.server.target(client), osc.build(address, values))

    def _fail(self, client: Client, address: str, error: ProtocolError) -> None:
        if client is LOCAL:
            self.stage.error(address[:80], error.code, str(error))
        else:
            self._reply(client, "/rnnmuse/error", address[:80], error.code, str(error))


def hearing(words: str) -> frozenset[int]:
    """Whom a player hears: "ch1 ch10 2" is MIDI channels 1 and 10 (-1, -10) and player 2; "all" is every channel.

    ProtocolError names the word that is neither.
    """
    out: set[int] = set()
    for word in words.replace(",", " ").split():
        number = word.removeprefix("ch")
        if word == "all":
            out.update(range(-16, 0))
        elif word == "none":
            continue
        elif number.isdecimal() and 1 <= int(number) <= 16:
            out.add(-int(number) if word.startswith("ch") else int(number))
        else:
            raise ProtocolError("range", f"hears: {word!r}; must be ch1-ch16, a player 1-16, all or none")
    return frozenset(out)
