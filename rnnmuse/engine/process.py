"""The engine: players and their models in a process of their own, driven by messages over a pipe.

Messages in: ("clock", Clock, seconds ahead), ("hear" | "overhear", player, beat, pitch, velocity), ("mode" | "model",
player, value, beat), ("load", player, model), ("set", player, name, value, beat), ("start" | "stop" | "reset", player,
beat), ("generate", player, beats, seed or None, job, beat), ("latent", player, what, values, beat), ("models",),
("alive",), ("bye",); for text players ("text_generate", player, chunks, seed or None, job, beat), ("text_prompt",
player, text), ("text_mix", player, model, weight), ("text_bind", player, other), ("text_set", player, name, value,
beat), ("text_stop" | "text_reset", player, beat).
Messages out: the orders of `rnnmuse.session.stream` and `rnnmuse.session.text`, ("ready",), ("models", names by kind),
("latent", player, state), ("error" | "text_error", player, text), ("alive",), ("failed", text) as its last word.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from typing import Any

from rnnmuse.clock import Clock
from rnnmuse.errors import RnnmuseError
from rnnmuse.models.bundle import bundles, load_player, load_text
from rnnmuse.models.phrase import PhraseModel
from rnnmuse.models.stream import StreamModel
from rnnmuse.models.text import TextModel
from rnnmuse.session.phrase import MODES, PhrasePlayer
from rnnmuse.session.stream import REACTION, LivePlayer, Order
from rnnmuse.session.text import TextPlayer

DEFAULT_MODEL = "lieder"
AT_ONCE = 64
"""Moves of a pad or a fader that are taken at most before the players play on: of many, the last counts."""

Model = StreamModel | PhraseModel
AnyPlayer = LivePlayer | PhrasePlayer


class Engine:
    """Players by number; ``send`` takes each message out, ``now`` reads the monotonic clock in nanoseconds."""

    def __init__(
        self,
        send: Callable[[tuple[Any, ...]], None],
        now: Callable[[], int] = time.monotonic_ns,
        default: str = DEFAULT_MODEL,
    ) -> None:
        self.send, self.now, self.default = send, now, default
        self.clock = Clock()
        self.players: dict[int, AnyPlayer] = {}
        self.texts: dict[int, TextPlayer] = {}
        self._models: dict[str, Model] = {}
        self._text_models: dict[str, TextModel] = {}
        self._ahead = 0.0

    def model(self, name: str) -> Model:
        """A loaded model; players of the same name share its weights."""
        if name not in self._models:
            self._models[name] = load_player(name)
        return self._models[name]

    def player(self, number: int) -> AnyPlayer:
        """The player, made with the default model when it is first spoken of."""
        if number not in self.players:
            self.players[number] = self._seat(number, self.model(self.default))
        return self.players[number]

    def text_model(self, name: str) -> TextModel:
        """A loaded text model, shared likewise."""
        if name not in self._text_models:
            self._text_models[name] = load_text(name)
        return self._text_models[name]

    def text_player(self, number: int) -> TextPlayer:
        """The text player, made when it is first spoken of."""
        if number not in self.texts:
            self.texts[number] = TextPlayer(number, self.text_model)
            self.texts[number].reaction = self._reaction()
        return self.texts[number]

    def _reaction(self) -> float:
        return REACTION + max(0.0, self._ahead) * float(self.clock.tempo) / 60

    def _seat(self, number: int, model: Model) -> AnyPlayer:
        made = PhrasePlayer(number, model) if isinstance(model, PhraseModel) else LivePlayer(number, model)
        self._set_time(made)
        made.reset(self.beat)
        if isinstance(made, PhrasePlayer):
            self.send(("latent", number, made.state()))
        return made

    def _swap(self, player: AnyPlayer, model: Model, beat: float) -> None:
        """Another model for a player from ``beat`` on; one of another kind is another player in its place."""
        if isinstance(player, LivePlayer) and isinstance(model, StreamModel):
            self._send(player.swap(model, beat))
        elif isinstance(player, PhrasePlayer) and isinstance(model, PhraseModel):
            self._send(player.swap(model, beat))
            self.send(("latent", player.number, player.state()))
        else:
            self._send(player.stop(beat))
            made = self._seat(player.number, model)
            for name, value in player.parameters.items():
                with contextlib.suppress(ValueError):  # a length that the new model does not know
                    made.change(name, value, beat)
            if isinstance(made, LivePlayer) or player.mode in MODES:
                made.set_mode(player.mode, beat)
            if player.playing:
                self._send(made.start(beat))
            self.players[player.number] = made

    def _set_time(self, player: AnyPlayer) -> None:
        player.tempo = float(self.clock.tempo)
        player.reaction = self._reaction()

    @property
    def beat(self) -> float:
        return self.clock.beat_at(self.now())

    def take(self, message: tuple[Any, ...]) -> None:
        """Act on one message; a mistake in it is sent back as an error."""
        kind, *rest = message
        if kind == "clock":
            self._follow(*rest)
            return
        if kind == "alive":
            self.send(("alive",))
            return
        if kind == "models":
            names: dict[str, list[str]] = {}
            for name, bundle in sorted(bundles().items()):
                names.setdefault(str(bundle.about.get("kind")), []).append(name)
            self.send(("models", names))
            return
        number = rest[0]
        try:
            if kind.startswith("text_"):
                self._write(kind, self.text_player(number), rest[1:])
            else:
                self._act(kind, number, rest[1:])
        except (ValueError, RnnmuseError) as error:
            self.send(("text_error" if kind.startswith("text_") else "error", number, str(error)))

    def _act(self, kind: str, number: int, rest: list[Any]) -> None:
        player = self.player(number)
        match kind, rest:
            case (("hear" | "overhear"), [beat, pitch, velocity]):
                self._send(player.hear(beat, pitch, velocity, player_heard=kind == "overhear"))
            case "mode", [mode, beat]:
                self._send(player.set_mode(mode, beat))
                if mode in ("free", "loop") and self.clock.running:
                    self._send(player.start(beat))
            case "model", [name, beat]:
                self._swap(player, self.model(name), beat)
            case "load", [name]:
                self.model(name)
            case "generate", [beats, seed, job, beat]:
                self._send(player.generate(beats, seed, job, beat))
            case "set", [name, value, beat]:
                self._send(player.change(name, value, beat))
            case "start", [beat]:
                self._send(player.start(beat))
            case "stop", [beat]:
                self._send(player.stop(beat))
            case "reset", [beat]:
                self._send(player.reset(beat))
            case "latent", [what, values, beat]:
                if not isinstance(player, PhrasePlayer):
                    raise ValueError(
                        f"latent: {player.model.name} has no latent space; phrase models have, such as phrases"
                    )
                player.move(what, values, beat)
                self.send(("latent", number, player.state()))
            case _:
                raise ValueError(f"message: {kind!r} is not known")

    def _write(self, kind: str, player: TextPlayer, rest: list[Any]) -> None:
        match kind, rest:
            case "text_generate", [chunks, seed, job, beat]:
                self._send(player.generate(chunks, seed, job, beat))
            case "text_prompt", [text]:
                player.prompt(text)
            case "text_mix", [name, weight]:
                player.mix(name, weight)
            case "text_bind", [other]:
                player.bind(other)
            case "text_set", [name, value, beat]:
                player.change(name, value, beat)
            case "text_stop", [beat]:
                self._send(player.stop(beat))
            case "text_reset", [beat]:
                self._send(player.reset(beat))
            case _:
                raise ValueError(f"message: {kind!r} is not known")

    def _follow(self, clock: Clock, ahead: float) -> None:
        """The stage's clock started, stopped, moved or changed its tempo; notes are wanted ``ahead`` seconds early."""
        moved = abs(clock.beat_at(self.now()) - self.beat) > 0.25 or clock.running != self.clock.running
        self.clock, self._ahead = clock, ahead
        for text in self.texts.values():
            text.reaction = self._reaction()
            if moved:
                text.moved(self.beat)
        for player in self.players.values():
            self._set_time(player)
            if moved:
                playing = player.playing
                self._send(player.reset(self.beat))
                if playing and clock.running:
                    self._send(player.start(self.beat))
            elif clock.running and player.mode == "free" and not player.playing:
                self._send(player.start(self.beat))

    def advance(self) -> bool:
        """Play a little ahead for every player; False when nothing is left to do for now."""
        busy = False
        if self.clock.running:
            for player in self.players.values():
                orders = player.advance(self.beat, 1)  # sent at once: the first may be an answer
                self._send(orders)
                busy = busy or bool(orders)
            for text in self.texts.values():
                said = text.advance(self.beat, 1)
                self._send(said)
                busy = busy or bool(said)
        return busy

    def prepare(self) -> None:
        """Nothing is left to do for now: compute what the next note heard will need."""
        for player in self.players.values():
            player.prepare()
        for text in self.texts.values():
            text.prepare()

    def wait(self) -> float | None:
        """Seconds until there is something to do; None while nothing is."""
        if not self.clock.running:
            return None
        beat = self.beat
        players: list[AnyPlayer | TextPlayer] = [*self.players.values(), *self.texts.values()]
        due = min((player.wake(beat) for player in players), default=float("inf"))
        if due == float("inf"):
            return None
        return max(0.0, (due - beat) * 60 / float(self.clock.tempo))

    def _send(self, orders: Iterable[tuple[Any, ...]]) -> None:
        for order in orders:
            self.send(order)
            if order[0] in ("on", "recall"):
                self._sung(order)

    def _sung(self, order: Order) -> None:
        """A player's note is planned, or its notes are recalled: so are the syllables of the text bound to it."""
        for text in self.texts.values():
            if text.bound == order[1]:
                self._send(text.with_note(order[2]) if order[0] == "on" else text.taken_back(order[2]))


def main(connection: Connection, preload: str = DEFAULT_MODEL) -> None:
    """Serve until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the stage decides when it is over
    engine = Engine(connection.send, default=preload)
    with contextlib.suppress(EOFError, OSError):
        try:
            _serve(engine, connection)
        except Exception as error:  # the stage starts another
            connection.send(("failed", f"{type(error).__name__}: {error}"))


def _serve(engine: Engine, connection: Connection) -> None:
    try:
        engine.model(engine.default)
    except RnnmuseError as error:
        connection.send(("error", 0, str(error)))
    connection.send(("ready",))
    gc.freeze()  # what is loaded stays: no collection walks through it in the middle of an answer
    while True:
        busy = engine.advance()
        timeout = 0.0 if busy else engine.wait()
        if not busy and (timeout is None or timeout > 0.001):
            engine.prepare()
        for _ in range(AT_ONCE):
            if not connection.poll(timeout):
                break
            message = connection.recv()
            if message[0] == "bye":
                return
            engine.take(message)
            if message[0] not in ("latent", "set"):
                break
            timeout = 0.0
