"""The engine: players and their models, driven by the messages of `rnnmuse.session.messages`, ahead of the beat.

`Engine` is the players by number and what each message does to them. `main` serves it over a pipe, in a process of its
own. A message that cannot be acted on changes nothing and is answered; a player whose model fails is stopped, and the
others play on.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import time
from collections.abc import Callable, Iterable
from functools import singledispatchmethod
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Protocol

from rnnmuse.clock import PPQ, Clock
from rnnmuse.errors import RnnmuseError
from rnnmuse.events import Note
from rnnmuse.models.bundle import bundles, load_player, load_text
from rnnmuse.models.stream import START_EVENT, StreamModel
from rnnmuse.music.piece import Piece
from rnnmuse.music.theory import key_name
from rnnmuse.play.band import Band
from rnnmuse.play.harmony import Harmony
from rnnmuse.play.recollection import Recollection
from rnnmuse.play.sampler import Frame
from rnnmuse.session import messages as m
from rnnmuse.session.stream import REACTION, StreamPlayer

log = logging.getLogger("rnnmuse.engine")

if TYPE_CHECKING:  # phrase and text players are loaded with their models: most stages have none
    from rnnmuse.models.phrase import PhraseModel
    from rnnmuse.models.text import TextModel
    from rnnmuse.session.phrase import PhrasePlayer
    from rnnmuse.session.text import TextPlayer

    Model = StreamModel | PhraseModel
    Player = StreamPlayer | PhrasePlayer

DEFAULT_MODEL = "lieder"
AT_ONCE = 64
"""Messages that are taken at most before the players play on."""

SIGN = 0.1
"""Seconds after which the stage is told of the messages that were taken: an engine that is busy, or gets little of the
processor, is not to be taken for one that hangs."""

SLOW, MOST_HEARD = 0.005, 8
"""After a note heard the players play on, so that its answer leaves; where that took longer than ``SLOW`` seconds the
last time, only after this number of notes, so that messages do not pile up behind the players."""


class Engine:
    """Players by number. ``send`` takes each message out; ``now`` reads the monotonic clock in nanoseconds; ``load``
    returns a model by name. The engines of several sessions share ``models`` and ``text_models``, which are loaded."""

    def __init__(
        self,
        send: Callable[[m.FromEngine], None],
        now: Callable[[], int] = time.monotonic_ns,
        default: str = DEFAULT_MODEL,
        load: Callable[[str], Model] = load_player,
        models: dict[str, Model] | None = None,
        text_models: dict[str, TextModel] | None = None,
    ) -> None:
        self.send, self.now, self.default, self._load = send, now, default, load
        self.clock = Clock()
        self.players: dict[int, Player] = {}
        self.texts: dict[int, TextPlayer] = {}
        self._models = {} if models is None else models
        self._text_models = {} if text_models is None else text_models
        self._ahead = 0.0
        self._jumps = 0
        self.harmony = Harmony()
        self.band = Band()
        self.recollection = Recollection()
        self._harmony_sent = (0, 0.0)

    @property
    def hurried(self) -> bool:
        """Whether some of its players come before what others hear: they are one stage's, and do not."""
        return False

    @property
    def beat(self) -> float:
        """Where the clock is."""
        return self.clock.beat_at(self.now())

    def model(self, name: str) -> Model:
        """Return a model, loaded once for all players; BundleError where it cannot be played."""
        if name not in self._models:
            self.send(m.Loading(name))
            self._models[name] = probed(self._load(name))
        return self._models[name]

    def text_model(self, name: str) -> TextModel:
        """Return a text model, loaded once for all text players."""
        if name not in self._text_models:
            self.send(m.Loading(name))
            self._text_models[name] = load_text(name)
        return self._text_models[name]

    def player(self, number: int) -> Player:
        """Return the player; it is made with the default model when it is first addressed."""
        if number not in self.players:
            self._seat(number, self.model(self.default))
        return self.players[number]

    def text_player(self, number: int) -> TextPlayer:
        """Return the text player; it is made when it is first addressed."""
        if number not in self.texts:
            from rnnmuse.session.text import TextPlayer

            self.texts[number] = TextPlayer(number, self.text_model, others=self.texts)
            self._set_text_time(self.texts[number])
        return self.texts[number]

    def _seat(self, number: int, model: Model) -> Player:
        made: Player
        if isinstance(model, StreamModel):
            made = StreamPlayer(number, model, harmony=self.harmony, band=self.band, recollection=self.recollection)
        else:
            from rnnmuse.session.phrase import PhrasePlayer

            made = PhrasePlayer(number, model, harmony=self.harmony)
        self._set_time(made)
        made.reset(self.beat)
        self.players[number] = made
        self._announce(made)
        return made

    def _announce(self, player: Player) -> None:
        self.send(m.Parts(player.number, player.parts, player.model.digest))
        self.send(m.LatentState(player.number, {} if isinstance(player, StreamPlayer) else player.state()))

    def _set_time(self, player: Player) -> None:
        player.tempo = float(self.clock.tempo)
        player.set_metre(self.clock.metre)
        self._set_reaction(player)

    def _set_text_time(self, text: TextPlayer) -> None:
        text.metre = self.clock.metre
        self._set_reaction(text)

    def _set_reaction(self, player: Player | TextPlayer) -> None:
        reaction = REACTION + max(0.0, self._ahead) * float(self.clock.tempo) / 60
        player.reaction = 0.0 if self.clock.cued else reaction  # a clock that stands leaves time enough

    # -- messages in ----------------------------------------------------------------------------------------

    def take(self, message: m.ToEngine) -> None:
        """Act on one message. A mistake in it is answered with `Refused`, or `Mistake` where it has no ticket."""
        ticket = getattr(message, "ticket", 0)
        try:
            self._take(message)
        except (ValueError, RnnmuseError) as error:
            if ticket:
                self.send(m.Refused(ticket, str(error)))
            else:
                self.send(m.Mistake(getattr(message, "player", 0), str(error), type(message).__name__[:4] == "Text"))
        except Exception as error:  # a model's own: its player is stopped, the others play on
            of_text = type(message).__name__.startswith("Text")
            player = None if of_text else self.players.get(getattr(message, "player", 0))
            if player is None:
                raise
            if ticket:
                self.send(m.Refused(ticket, f"{player.model.name} failed ({first_line(error)})"))
            self._stop_failed(player, error)
        else:
            if ticket:
                self.send(m.Accepted(ticket))

    @singledispatchmethod
    def _take(self, message: m.ToEngine) -> None:
        raise TypeError(f"message: {type(message).__name__}; must be one of rnnmuse.session.messages")

    @_take.register
    def _(self, message: m.Ping) -> None:
        """`Handled` is the answer."""

    @_take.register
    def _(self, message: m.Sync) -> None:
        while message.played and self.advance():
            pass
        self.send(m.Synced(message.number))

    @_take.register
    def _(self, message: m.ListModels) -> None:
        names: dict[str, list[str]] = {}
        for name, bundle in sorted(bundles().items()):
            names.setdefault(str(bundle.about.get("kind")), []).append(name)
        self.send(m.Models({kind: tuple(found) for kind, found in names.items()}))

    @_take.register
    def _(self, message: m.SetClock) -> None:
        jumped, self._jumps = message.jumps != self._jumps, message.jumps
        self.clock, self._ahead = message.clock, message.ahead
        self.harmony.set_metre(self.clock.metre)
        self.band.metre = self.clock.metre
        if jumped:
            self.harmony.reset()
            self.band.reset()
        for text in self.texts.values():
            self._set_text_time(text)
            if jumped:
                text.moved(self.beat)
        for player in self.players.values():
            self._set_time(player)
            if jumped:
                self._send(player.reset(self.beat))
        if jumped and (self.clock.running or self.clock.cued):
            for number in sorted(message.started):
                self._start(self.player(number), self.beat)

    @_take.register
    def _(self, message: m.Hear) -> None:
        player = self.player(message.player)
        if not message.source and not player.hears_drums:
            self.harmony.hear(message.beat, message.pitch, message.velocity)
            self._obey(message.beat)
            if message.velocity:
                self.recollection.hear(message.beat, message.pitch)
        if not message.source and message.velocity:
            self.band.hear(message.beat, message.velocity)
        self._send(player.hear(message.beat, message.pitch, message.velocity, message.source))

    @_take.register
    def _(self, message: m.HearChord) -> None:
        self.harmony.hear(message.beat, message.pitch, message.velocity, chordal=True)
        self._obey(message.beat)

    @_take.register
    def _(self, message: m.SetHarmony) -> None:
        self.harmony.give(message.name, message.value, message.beat)
        if message.name == "chart" and self.harmony.chart is not None:
            self.band.origin = self.band.metre.place(round(self.harmony.chart.start * PPQ))[0]
        self._obey(message.beat)

    @_take.register
    def _(self, message: m.SetBand) -> None:
        self.band.give(message.name, message.value)

    @_take.register
    def _(self, message: m.Memory) -> None:
        if message.act == "forget":
            self.recollection.forget()
        else:
            from rnnmuse.session.memories import keep, recall

            (keep if message.act == "remember" else recall)(self.recollection, message.name)
        self.send(m.Knows(len(self.recollection)))

    @_take.register
    def _(self, message: m.Heard) -> None:
        for beat, pitch in message.notes:
            self.recollection.hear(beat, pitch)
        self.send(m.Knows(len(self.recollection)))

    @_take.register
    def _(self, message: m.End) -> None:
        tick = self.band.end(max(message.beat, self.beat))
        for player in self.players.values():
            player.end_at(tick / PPQ)
        self.send(m.EndsAt(tick))

    def _obey(self, beat: float) -> None:
        """Where the harmony is another now, every player plays on in it from its next event."""
        here = self.harmony.segment(beat)[0]
        version, at = self._harmony_sent
        if (self.harmony.version, here) == (version, at):
            return
        self._harmony_sent = (self.harmony.version, here)
        if self.harmony.version != version:
            for player in list(self.players.values()):
                try:
                    self._send(player.obey(beat))
                except Exception as error:  # as in `take`
                    self._stop_failed(player, error)
        now, coming = self.harmony.at(beat), self.harmony.coming(beat)
        self.send(
            m.HarmonyIs(
                now.beat,
                now.chord,
                key_name(now.key) if now.key else "",
                round(now.confidence, 3),
                now.source,
                tuple((one.beat, one.chord) for one in coming),
            )
        )

    @_take.register
    def _(self, message: m.SetParameter) -> None:
        self._send(self.player(message.player).change(message.name, message.value, message.beat))

    @_take.register
    def _(self, message: m.SetMode) -> None:
        player = self.player(message.player)
        self._send(player.set_mode(message.mode, message.beat))
        if message.mode in ("free", "loop") and (self.clock.running or self.clock.cued):
            self._send(player.start(message.beat))
        self.send(m.ModeOf(message.player, player.mode))

    @_take.register
    def _(self, message: m.LoadModel) -> None:
        self.model(message.model)

    @_take.register
    def _(self, message: m.SetModel) -> None:
        model = self.model(message.model)
        player = self.players.get(message.player)
        if player is None:
            self._seat(message.player, model)
        elif isinstance(player, StreamPlayer) and isinstance(model, StreamModel):  # noqa: SIM114
            self._swapped(player, player.swap(model, message.beat))
        elif not isinstance(player, StreamPlayer) and not isinstance(model, StreamModel):
            self._swapped(player, player.swap(model, message.beat))
        else:
            self._replace(player, model, message.beat)

    def _swapped(self, player: Player, orders: list[m.Order]) -> None:
        self._send(orders)
        self._announce(player)

    def _replace(self, player: Player, model: Model, beat: float) -> None:
        """Put a player of the other kind in the place of ``player``."""
        self._send(player.stop(beat))
        made = self._seat(player.number, model)
        for name, value in player.parameters.items():
            with contextlib.suppress(ValueError):  # a number of bars that the new model does not know
                made.change(name, value, beat)
        with contextlib.suppress(ValueError):  # a mode that it does not know
            made.set_mode(player.mode, beat)
        if player.playing:
            self._send(made.start(beat))
        self.send(m.ModeOf(made.number, made.mode))

    @_take.register
    def _(self, message: m.Start) -> None:
        self._start(self.player(message.player), message.beat)

    def _start(self, player: Player, beat: float) -> None:
        before = player.mode
        self._send(player.start(beat))
        self._tell_mode(player, before)

    def _tell_mode(self, player: Player, before: str) -> None:
        """What begins to play has a mode from then on."""
        if player.mode != before:
            self.send(m.ModeOf(player.number, player.mode))

    @_take.register
    def _(self, message: m.Stop) -> None:
        if message.player in self.players:
            self._send(self.players[message.player].stop(message.beat))

    @_take.register
    def _(self, message: m.Reset) -> None:
        player = self.player(message.player)
        goes_on = player.playing and player.mode in ("free", "loop")
        self._send(player.reset(message.beat))
        if goes_on:  # it was started, and nobody stopped it
            self._send(player.start(message.beat))

    @_take.register
    def _(self, message: m.Generate) -> None:
        player = self.player(message.player)
        before = player.mode
        self._send(player.generate(message.beats, message.seed, message.job, message.beat))
        self._tell_mode(player, before)

    @_take.register
    def _(self, message: m.MoveLatent) -> None:
        player = self.player(message.player)
        if isinstance(player, StreamPlayer):
            raise ValueError(f"latent: {player.model.name} has no latent space; phrase models have, such as phrases")
        player.move(message.act, message.values, message.beat)
        self.send(m.LatentState(message.player, player.state()))

    @_take.register
    def _(self, message: m.Prompt) -> None:
        player = self.player(message.player)
        notes = [Note(start, pitch, beats, velocity) for start, beats, pitch, velocity in message.notes]
        self._send(player.prompt(notes, message.beat))
        if not isinstance(player, StreamPlayer):
            self.send(m.LatentState(message.player, player.state()))

    @_take.register
    def _(self, message: m.ShowPhrase) -> None:
        player = self.player(message.player)
        if isinstance(player, StreamPlayer):
            raise ValueError(f"latent: {player.model.name} has no latent space; phrase models have, such as phrases")
        notes = tuple((note.start, note.duration, note.pitch, note.velocity) for note in player.phrase(message.slot))
        self.send(m.Phrase(message.ticket, message.slot, notes))

    @_take.register
    def _(self, message: m.TextGenerate) -> None:
        text = self.text_player(message.player)
        self._send(text.generate(message.chunks, message.seed, message.job, message.beat))

    @_take.register
    def _(self, message: m.TextPrompt) -> None:
        self.text_player(message.player).prompt(message.text)

    @_take.register
    def _(self, message: m.TextMix) -> None:
        self.text_player(message.player).mix(message.model, message.weight)

    @_take.register
    def _(self, message: m.TextBind) -> None:
        self.text_player(message.player).bind(message.bound)

    @_take.register
    def _(self, message: m.TextSet) -> None:
        self.text_player(message.player).change(message.name, message.value, message.beat)

    @_take.register
    def _(self, message: m.TextStop) -> None:
        if message.player in self.texts:
            self._send(self.texts[message.player].stop(message.beat))

    @_take.register
    def _(self, message: m.TextReset) -> None:
        self._send(self.text_player(message.player).reset(message.beat))

    # -- playing --------------------------------------------------------------------------------------------

    def advance(self) -> bool:
        """Play a little ahead for every player; False when there is nothing left to do for now."""
        busy = False
        if self.clock.running or self.clock.cued:
            if self.harmony.active:
                self._obey(self.beat)
            for player in list(self.players.values()):
                try:
                    orders = player.advance(self.beat, 1)  # sent at once: the first may be an answer
                    self._send(orders)
                except Exception as error:  # as in `take`
                    self._stop_failed(player, error)
                    continue
                busy = busy or bool(orders)
            for text in self.texts.values():
                said = text.advance(self.beat, 1)
                self._send(said)
                busy = busy or bool(said)
        return busy

    def prepare(self) -> None:
        """Compute what the next note heard will need; called while there is nothing else to do."""
        for player in list(self.players.values()):
            try:
                player.prepare()
            except Exception as error:  # as in `take`
                self._stop_failed(player, error)
        for text in self.texts.values():
            text.prepare()

    def wait(self, patient: bool = False) -> float | None:
        """Seconds until there is something to do; None while there is nothing. ``patient``: until it must be done."""
        if not self.clock.running:
            return None
        beat = self.beat
        players: list[Player | TextPlayer] = [*self.players.values(), *self.texts.values()]
        due = min(
            (player.wake(beat) + (player.patience if patient else 0.0) for player in players), default=float("inf")
        )
        if self.harmony.active:
            due = min(due, self.harmony.segment(beat)[1])
        if due == float("inf"):
            return None
        return max(0.0, (due - beat) * 60 / float(self.clock.tempo))

    def lead(self) -> float:
        """Beats for which all of its stream players have played ahead; 0 where there is none."""
        beat = self.beat
        players = [player for player in self.players.values() if isinstance(player, StreamPlayer)]
        return min((player.reached(beat) - beat for player in players), default=0.0)

    def _stop_failed(self, player: Player, error: Exception) -> None:
        """End a player whose model raised; the stage gives it the last model that worked."""
        log.warning("player %d: %s failed", player.number, player.model.name, exc_info=error)
        name, number = player.model.name, player.number
        self._models.pop(name, None)
        self._send([m.Recall(number, 0), m.EndNotes(number)])
        del self.players[number]
        self.send(m.PlayerFailed(number, name, f"{type(error).__name__}: {first_line(error)}"))

    def _send(self, orders: Iterable[m.Order | m.TextOrder]) -> None:
        for order in orders:
            self.send(order)
            if isinstance(order, m.NoteOn):
                self._syllables(order.player, lambda text, tick=order.tick: text.with_note(tick))  # type: ignore[misc]
            elif isinstance(order, m.Recall):
                self._syllables(order.player, lambda text, tick=order.tick: text.taken_back(tick))  # type: ignore[misc]

    def _syllables(self, player: int, orders_of: Callable[[TextPlayer], list[m.TextOrder]]) -> None:
        """A player's note is planned, or its notes are recalled: so are the syllables of the text bound to it."""
        for text in self.texts.values():
            if text.bound == player:
                self._send(orders_of(text))


def probed(model: Model) -> Model:
    """Return the model after one step; RnnmuseError where its graph does not fit its weights."""
    try:
        if isinstance(model, StreamModel):
            model.step(model.start(), START_EVENT, Frame(Piece()).at(0))
        else:
            space = model.space(model.bars[0])
            model.decode(space.examples[0], bars=model.bars[0])
    except Exception as error:  # onnxruntime and numpy raise their own kinds
        text = f"model {model.name}: cannot be played, its graph does not fit its weights ({first_line(error)})"
        raise RnnmuseError(text) from None
    return model


def first_line(error: Exception) -> str:
    """The first line of an error's text, cut to 160 characters."""
    return (str(error).strip().splitlines() or [""])[0][:160]


class Server(Protocol):
    """What `serve` serves: an `Engine`, or those of several sessions."""

    default: str

    @property
    def hurried(self) -> bool:
        """Whether somebody's next notes are so near that they come before what others are to hear."""

    def model(self, name: str) -> Model: ...

    def take(self, message: m.ToEngine) -> None: ...

    def advance(self) -> bool: ...

    def prepare(self) -> None: ...

    def wait(self) -> float | None: ...


def main(connection: Connection, preload: str = DEFAULT_MODEL, make: Callable[..., Server] = Engine) -> None:
    """Serve an engine until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the stage decides when the engine ends
    engine = make(connection.send, default=preload)
    with contextlib.suppress(EOFError, OSError):
        try:
            serve(engine, connection)
        except Exception as error:  # the stage starts another
            log.exception("the engine failed")
            connection.send(m.Failed(f"{type(error).__name__}: {first_line(error)}"))


def serve(engine: Server, connection: Connection) -> None:
    """Take messages and play ahead until `Bye`."""
    try:
        engine.model(engine.default)
    except RnnmuseError as error:
        connection.send(m.Mistake(0, str(error)))
    connection.send(m.Ready())
    gc.freeze()  # no collection walks through what is loaded in the middle of an answer
    gc.enable()
    while True:
        began = time.perf_counter()
        busy = engine.advance()
        most = MOST_HEARD if time.perf_counter() - began > SLOW and not engine.hurried else 1
        timeout = 0.0 if busy else engine.wait()
        if not busy and (timeout is None or timeout > 0.001):
            engine.prepare()
        handled = told = heard = 0
        since = 0.0
        while handled < AT_ONCE and heard < most and connection.poll(timeout):
            message = connection.recv()
            if isinstance(message, m.Bye):
                return
            since = since or time.perf_counter()
            engine.take(message)
            handled += 1
            heard += isinstance(message.message if isinstance(message, m.InSession) else message, m.Hear)
            timeout = 0.0
            if time.perf_counter() - since > SIGN:
                connection.send(m.Handled(handled - told))
                told, since = handled, time.perf_counter()
        if handled > told:
            connection.send(m.Handled(handled - told))
