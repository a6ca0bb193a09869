"""The players' messages: notes, start and stop, mode, model, parameters, channels; and what MIDI plays to them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from rnnmuse.bridges import dirt
from rnnmuse.clock import PPQ
from rnnmuse.protocol import PARAMETERS, PLAYERS, Argument, ProtocolError, normal, within
from rnnmuse.realtime.control.call import Call
from rnnmuse.realtime.notes import Notes
from rnnmuse.realtime.players import Players
from rnnmuse.realtime.tickets import Tickets
from rnnmuse.realtime.transport import Transport
from rnnmuse.session import messages as m
from rnnmuse.session.checks import check_parameter
from rnnmuse.session.seat import PartSetting, Seat, hearing

Heard = Callable[[int, int], None]


class PlayerControl:
    """Rows of /rnnmuse/player/{p}. ``heard`` is called with the pitch and velocity of every note, in and out."""

    def __init__(self, players: Players, notes: Notes, transport: Transport, tickets: Tickets, heard: Heard) -> None:
        self._players, self._notes, self._transport, self._tickets = players, notes, transport, tickets
        self._commands = transport.scheduler.commands
        self._heard = heard
        self.changed: Callable[..., None] = lambda *addresses: None
        """Called with the addresses whose values the engine has accepted, or refused."""
        self.performed: Callable[[int, int, int], None] = lambda player, pitch, velocity: None
        """Called with each note of the performer and the player that heard it."""
        self.remember: Callable[[int, float, int], None] = lambda player, beat, pitch: None
        """Called with player, beat and pitch of each note of the performer that the engine was sent."""
        self.notes_in = 0
        self.chord_note: Callable[[int, int, int], bool] = lambda channel, pitch, velocity: False
        self._held: dict[int, set[int]] = {}
        self._silenced: set[int] = set()
        self._awaited: dict[int, list[Callable[[], None]]] = {}
        """Changes of model that are loaded, or wait for their bar line, the oldest first."""
        self._jobs = 0

    # -- notes in -------------------------------------------------------------------------------------------

    def note(self, call: Call, pitch: int, velocity: int, beats: float | None = None) -> None:
        if not self.play(call.player, pitch, velocity, beats):
            call.fail("limit", f"{call.address} pitch: {pitch}; the engine is busy, the note was not heard")

    def play(self, player: int, pitch: int, velocity: int, beats: float | None = None) -> bool:
        """The player hears the performer's note; False if it could not be heard."""
        if velocity:
            self.notes_in += 1
            self._heard(pitch, velocity)
        if not self._hear(player, pitch, velocity, 0):
            return False
        self.performed(player, pitch, velocity)
        if beats is not None and velocity:
            key = ("ends", player, pitch)

            def end() -> None:
                self._hear(player, pitch, 0, 0)
                self.performed(player, pitch, 0)

            if self._transport.clock.running:
                self._commands.after(round(beats * PPQ), self._transport.now(), end, key)
                self._transport.scheduler.wake()
            else:
                end()  # no beats pass in which it could last
        elif velocity:
            self._commands.cancel(("ends", player, pitch))
        return True

    def played(self, channel: int, pitch: int, velocity: int) -> None:
        """A note from a MIDI input, ``channel`` 0-15: the players that listen to the channel hear it."""
        if self.chord_note(channel, pitch, velocity):
            return
        for number in list(self._players.listeners(-1 - channel)):
            self.play(number, pitch, velocity)

    def end_notes(self, channel: int) -> None:
        """End what the players play that listen to a MIDI channel, 0-15."""
        for number in self._players.listeners(-1 - channel):
            self._notes.end(number)

    def sounding(self, player: int, pitch: int, velocity: int) -> None:
        """A player's note begins or ends: those who listen to the player hear it."""
        if velocity:
            self._heard(pitch, velocity)
        for number in list(self._players.listeners(player)):
            self._hear(number, pitch, velocity, player)

    def dirt(self, call: Call, *pairs: Any) -> None:
        """An event of TidalCycles: the player of its orbit hears the note for as long as it lasts."""
        player, pitch, velocity, beats = dirt.note_of(pairs, float(self._transport.clock.tempo))
        if not 1 <= player <= PLAYERS:
            raise ProtocolError("range", f"/dirt/play orbit: {player - 1}; must be 0 to {PLAYERS - 1}")
        self.play(player, pitch, velocity, beats)

    def _hear(self, player: int, pitch: int, velocity: int, source: int) -> bool:
        held = self._held.setdefault(player, set())
        if not velocity and pitch not in held:
            return True
        sent = self._tickets.send(m.Hear(player, self._transport.place, pitch, velocity, source))
        if sent is False and velocity:
            return False
        if velocity and not source:
            self.remember(player, self._transport.place, pitch)
        (held.add if velocity else held.discard)(pitch)
        return True

    # -- start and stop -------------------------------------------------------------------------------------

    def start(self, call: Call) -> None:
        player = call.player
        self._silenced.discard(player)
        self._players.seat(player).started = True
        self._ask_to_start(player)
        if not self._transport.clock.running:
            self._transport.resume()

    def arm(self, player: int) -> None:
        """The player plays whenever the clock runs, from now on."""
        self._players.seat(player).started = True
        if self._moves():
            self._ask_to_start(player)

    def _moves(self) -> bool:
        """Whether what is played is planned now: the clock runs, or is cued."""
        return self._transport.clock.running or self._transport.clock.cued

    def _ask_to_start(self, player: int) -> None:
        place = self._transport.place
        self._tickets.request(("mode", player, "start"), lambda ticket: m.Start(ticket, player, place))

    def stop(self, call: Call) -> None:
        self._silenced.discard(call.player)
        self.silence(call.player)

    def started(self, call: Call, value: int) -> None:
        """Start as the clock runs, without setting it going; or stop."""
        if value:
            self._silenced.discard(call.player)
            self.arm(call.player)
        else:
            self.stop(call)

    def get_started(self, call: Call) -> None:
        self._answer_all_settled(call, ("mode", call.player), lambda: int(self._players.look(call.player).started))

    def silence(self, player: int) -> None:
        """End the player's notes; it stays silent until it is started."""
        if player in self._players.seats:
            self._players.seats[player].started = False
        self._notes.recall(player)
        self._notes.end(player)
        place = self._transport.place
        self._tickets.request(("stop", player), lambda ticket: m.Stop(ticket, player, place))

    def panic(self) -> None:
        """End every note of every player; they stay silent until they, or the transport, are started."""
        self._silenced |= self._players.started()
        self._notes.recall()
        self._notes.end()
        for player in list(self._players.seats):
            self.silence(player)

    def forgive(self) -> None:
        """The transport is started: players that a panic silenced play again."""
        for player in self._silenced:
            self._players.seat(player).started = True
        self._silenced.clear()

    def reset(self, call: Call) -> None:
        self._tickets.send(m.Reset(call.player, self._transport.place))

    def prompt(self, call: Call, *values: Any) -> None:
        """Notes as groups of start, length, pitch and velocity."""
        if not values or len(values) % 4:
            raise ProtocolError("count", f"{call.address}: {len(values)} numbers; takes groups of four")
        player, place = call.player, self._transport.place
        groups = [values[at : at + 4] for at in range(0, len(values), 4)]
        notes = tuple(
            (float(s), float(b), int(p), int(v)) for s, b, p, v in map(partial(_note_of, call.address), groups)
        )
        self._tickets.request(
            ("prompt", player, object()),
            lambda ticket: m.Prompt(ticket, player, notes, place),
            refused=lambda text: call.fail("value", text),
        )

    def generate(self, call: Call, beats: float, seed: int | None = None) -> None:
        self._jobs += 1
        job, player = self._jobs, call.player
        self._players.seat(player)
        if not self._transport.clock.running:
            self._transport.resume()
        if self._tickets.send(m.Generate(player, beats, seed, job, self._transport.place)) is False:
            raise ProtocolError("limit", f"{call.address}: the engine is busy; too many messages wait")
        self._players.jobs[player] = job
        call.answer(job)

    # -- mode, model, parameters ----------------------------------------------------------------------------

    def mode(self, call: Call, mode: str) -> None:
        player, jumps = call.player, 0

        def message(ticket: int) -> m.SetMode:
            nonlocal jumps
            jumps = self._transport.jumps
            return m.SetMode(ticket, player, mode, self._transport.place)

        def accepted() -> None:
            seat = self._players.seat(player)
            seat.mode = mode
            # what was asked since then is on its way, and decides
            if mode in ("free", "loop") and not self._tickets.is_open(("stop", player)):
                seat.started = True
                if jumps != self._transport.jumps and self._moves():
                    self._ask_to_start(player)  # the clock was started before this was known
            elif mode not in ("free", "loop", "hold") and not self._tickets.is_open(("mode", player, "start")):
                seat.started = False

        self._silenced.discard(player)
        self._when(call, ("mode", player), message, accepted, "mode", "started")

    def hold(self, call: Call) -> None:
        self.mode(call, "hold")

    def get_mode(self, call: Call) -> None:
        self._answer_all_settled(call, ("mode", call.player), lambda: self._players.look(call.player).mode)

    def model(self, call: Call, model: str) -> None:
        """Change the model at once; of a player that plays, load it first and change at the next bar line."""
        player, key = call.player, ("model", call.player)
        awaited = self._awaited.setdefault(player, [])

        def change() -> None:
            over(change)
            self._commands.cancel(key)
            self._tickets.request(
                (*key, object()),  # each has its own answer
                lambda ticket: m.SetModel(ticket, player, model, self._line(player)),
                stored,
                refused,
            )

        def over(change: Callable[[], None]) -> None:
            if change in awaited:
                del awaited[: awaited.index(change) + 1]  # with those that it takes the place of

        def loaded() -> None:
            if change not in awaited:
                return  # done, or replaced
            if self._plays(player):
                del awaited[: awaited.index(change)]
                self._commands.at_line("bar", self._transport.now(), change, PPQ // 2, key)
                self._transport.scheduler.wake()
            else:
                change()

        def stored() -> None:
            self._players.seat(player).model = model
            self.changed(f"/rnnmuse/player/{player}/model")

        def refused(text: str) -> None:
            call.fail("value", text)
            self.changed(f"/rnnmuse/player/{player}/model")

        def not_loaded(text: str) -> None:
            if change in awaited:
                awaited.remove(change)
            refused(text)

        if self._plays(player):
            awaited.append(change)
            self._tickets.request(
                (*key, object()), lambda ticket: m.LoadModel(ticket, player, model), loaded, not_loaded
            )
        else:  # in order: what the player is asked to play after it is played by this model
            for earlier in list(awaited):  # asked for while it played: they do not come after this one
                earlier()
            change()

    def get_model(self, call: Call) -> None:
        self._answer_all_settled(call, ("model", call.player), lambda: self._players.model(call.player))

    def parameter(self, call: Call, value: Any) -> None:
        self._set(call, call.word, value)

    def get_parameter(self, call: Call) -> None:
        key = ("parameter", call.player, call.word)
        self._answer_settled(call, key, lambda: self._value(call.player, call.word))

    def norm(self, call: Call, value: float) -> None:
        self._set(call, call.word, normal(call.word, value))

    def get_norm(self, call: Call) -> None:
        key = ("parameter", call.player, call.word)
        self._answer_settled(call, key, lambda: within(call.word, self._value(call.player, call.word)))

    def _set(self, call: Call, name: str, value: Any) -> None:
        check_parameter(name, value)
        player = call.player

        def accepted() -> None:
            self._players.seat(player).parameters[name] = value

        self._when(
            call,
            ("parameter", player, name),
            lambda ticket: m.SetParameter(ticket, player, name, value, self._transport.place),
            accepted,
            f"param/{name}",
        )

    def _value(self, player: int, name: str) -> Any:
        return self._players.look(player).parameters.get(name, PARAMETERS[name][1])

    def _plays(self, player: int) -> bool:
        return self._transport.clock.running and self._players.look(player).started

    def _line(self, player: int) -> float:
        """The beat from which another model plays: the next bar line of a player that plays, else where the clock
        is."""
        clock, tick = self._transport.clock, self._transport.clock.tick_at(self._transport.now())
        return clock.metre.next_bar(tick) / PPQ if self._plays(player) else self._transport.place

    def _when(
        self,
        call: Call,
        key: Hashable,
        message_of: Callable[[int], m.ToEngine],
        accepted: Callable[[], None],
        *names: str,
    ) -> None:
        """Ask the engine for a change at once, or just before the next beat or bar line as the player's ``when``
        says. ``names`` are the values that it changes."""

        def decided() -> None:
            self.changed(*(f"/rnnmuse/player/{call.player}/{name}" for name in names))

        def took() -> None:
            accepted()
            decided()

        def refused(text: str) -> None:
            call.fail("value", text)
            decided()

        def ask() -> None:
            self._tickets.request(key, message_of, took, refused)

        unit = self._players.look(call.player).when
        if unit == "now" or not self._transport.clock.running:
            self._commands.cancel(key)
            ask()
        else:
            self._commands.at_line(unit, self._transport.now(), ask, key=key)
            self._transport.scheduler.wake()

    def _answer_settled(self, call: Call, key: Hashable, value: Callable[[], Any]) -> None:
        """Answer what the engine holds, after the changes that are on their way to it."""
        self._tickets.when_settled(key, lambda: call.answer(value()))

    def _answer_all_settled(self, call: Call, prefix: tuple[Hashable, ...], value: Callable[[], Any]) -> None:
        """The same after the changes of every key that begins so."""
        self._tickets.when_all_settled(prefix, lambda: call.answer(value()))

    # -- seats ----------------------------------------------------------------------------------------------

    def hears(self, call: Call, words: str) -> None:
        hearing(words)
        self._players.seat(call.player).hears = words

    def get_hears(self, call: Call) -> None:
        call.answer(self._players.look(call.player).hears or f"ch{call.player}")

    def when(self, call: Call, when: str) -> None:
        self._players.seat(call.player).when = when

    def get_when(self, call: Call) -> None:
        call.answer(self._players.look(call.player).when)

    def mute(self, call: Call, value: int) -> None:
        self._players.seat(call.player).mute = bool(value)
        self._end_unheard()

    def get_mute(self, call: Call) -> None:
        call.answer(int(self._players.look(call.player).mute))

    def solo(self, call: Call, value: int) -> None:
        self._players.seat(call.player).solo = bool(value)
        self._end_unheard()

    def get_solo(self, call: Call) -> None:
        call.answer(int(self._players.look(call.player).solo))

    def _end_unheard(self) -> None:
        for player in list(self._players.seats):
            if not self._players.is_heard(player):
                self._notes.end(player)

    def target(self, call: Call, output: str) -> None:
        self._notes.end(call.player)
        self._players.seat(call.player).target = output

    def get_target(self, call: Call) -> None:
        call.answer(self._players.look(call.player).target)

    def channel(self, call: Call, channel: int) -> None:
        self._notes.end(call.player)
        self._players.seat(call.player).channel = channel
        self._players.refresh()

    def get_channel(self, call: Call) -> None:
        call.answer(self._players.own_channel(call.player) + 1)

    def program(self, call: Call, program: int) -> None:
        self._players.seat(call.player).program = program
        self._players.refresh()

    def get_program(self, call: Call) -> None:
        call.answer(self._players.look(call.player).program)

    def parts(self, call: Call) -> None:
        for program in self._players.programs():
            if program.player == call.player:
                call.answer(program.part + 1, program.name, program.channel + 1, program.program + 1)
        call.answer()

    def part_channel(self, call: Call, channel: int) -> None:
        self._notes.end(call.player)
        self._set_part(call, channel=channel)

    def get_part_channel(self, call: Call) -> None:
        call.answer(self._part(call).channel)

    def part_program(self, call: Call, program: int) -> None:
        self._set_part(call, program=program)

    def get_part_program(self, call: Call) -> None:
        call.answer(self._part(call).program)

    def _part(self, call: Call) -> PartSetting:
        return self._players.look(call.player).parts.get(int(call.word), PartSetting())

    def _set_part(self, call: Call, channel: int | None = None, program: int | None = None) -> None:
        now = self._part(call)
        self._players.seat(call.player).parts[int(call.word)] = PartSetting(
            now.channel if channel is None else channel, now.program if program is None else program
        )
        self._players.refresh()

    def set_up(
        self,
        player: int,
        wanted: Seat,
        take: Callable[..., None],
        restore: Callable[[int, dict[str, Any]], None],
    ) -> None:
        """Change a player to what is wanted, by messages for what differs or is about to change.

        ``take`` takes a message, ``restore`` the state of a latent space.
        """
        now, at = self._players.look(player), f"/rnnmuse/player/{player}"
        model = wanted.model or self._players.default_model
        if model != self._players.model(player) or self._changing("model", player):
            take(f"{at}/model", model)
        for name in PARAMETERS:
            value = wanted.parameters.get(name, PARAMETERS[name][1])
            if value != now.parameters.get(name, PARAMETERS[name][1]) or self._changing("parameter", player, name):
                take(f"{at}/param/{name}", value)
        if wanted.channel and wanted.channel != now.channel:
            take(f"{at}/channel", wanted.channel)
        if wanted.program != now.program:
            take(f"{at}/program", wanted.program)
        for part, setting in wanted.parts.items():
            if setting != now.parts.get(part):
                take(f"{at}/part/{part}/channel", setting.channel)
                take(f"{at}/part/{part}/program", setting.program)
        for name in ("hears", "target"):
            value = getattr(wanted, name)
            if value != getattr(now, name) and (value or name == "target"):
                take(f"{at}/{name}", value)
        for name in ("mute", "solo"):
            if getattr(wanted, name) != getattr(now, name):
                take(f"{at}/{name}", int(getattr(wanted, name)))
        if wanted.latent and wanted.latent != now.latent:
            restore(player, wanted.latent)
        # who is to be silent is so at once: a mode that waited for the bar would start it there
        first = wanted.when if wanted.started else "now"
        if first != now.when:
            take(f"{at}/when", first)
        if wanted.mode != now.mode or self._changing("mode", player):
            take(f"{at}/mode", wanted.mode)
        if wanted.when != first:
            take(f"{at}/when", wanted.when)
        if wanted.started and not now.started:
            take(f"{at}/start")
        elif not wanted.started and (now.started or self._changing("mode", player)):
            self.silence(player)

    def _changing(self, *key: Hashable) -> bool:
        """Whether a change is on its way to the engine, or waits for its line."""
        return self._tickets.any_open(key) or self._commands.waits(key)


_NOTE = (Argument("start", "f", 0, 4096), Argument("beats", "f", 0.01, 256), Argument("pitch", "i", 0, 127),
         Argument("velocity", "i", 1, 127))  # fmt: skip


def _note_of(address: str, group: tuple[Any, ...]) -> list[Any]:
    """One note of a prompt, checked."""
    return [argument.check(address, value) for argument, value in zip(_NOTE, group, strict=True)]
