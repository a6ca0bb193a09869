"""Several sessions in one engine: each has players, harmony and clock of its own, and they share the loaded models.

They play in rounds. A round takes the sessions that have something to play, the one whose time comes first before the
others, steps the models of all of their players together, and plays one event of each. What lies ahead may wait a
little, so that rounds are few and large; a note that is to be answered does not wait.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from rnnmuse.engine.process import DEFAULT_MODEL, Engine
from rnnmuse.models.bundle import load_player
from rnnmuse.play.together import step_together
from rnnmuse.session import messages as m
from rnnmuse.session.stream import StreamPlayer

if TYPE_CHECKING:  # as in `rnnmuse.engine.process`
    from rnnmuse.engine.process import Model
    from rnnmuse.models.text import TextModel

SLICE = 4_000_000
"""Nanoseconds after which a round is left for a moment: messages are taken in between."""


class Sessions:
    """The engines of several sessions by number, made when they are first addressed; see `Engine` for the arguments."""

    def __init__(
        self,
        send: Callable[[m.FromEngine], None],
        now: Callable[[], int] = time.monotonic_ns,
        default: str = DEFAULT_MODEL,
        load: Callable[[str], Model] = load_player,
    ) -> None:
        self.send, self.now, self.default, self._load = send, now, default, load
        self.engines: dict[int, Engine] = {}
        self._models: dict[str, Model] = {}
        self._text_models: dict[str, TextModel] = {}
        self._out: list[m.InSession] = []
        self._round: deque[int] = deque()  # the sessions whose turn is still to come
        self._due: dict[int, tuple[int, int]] = {}  # when each may, and when it must, play on; those that ever do

    @property
    def hurried(self) -> bool:
        """Whether a session must play on at once."""
        now = self.now()
        return any(0 < must <= now for _, must in self._due.values())

    def session(self, number: int) -> Engine:
        """The engine of a session."""
        if number not in self.engines:
            self.engines[number] = Engine(
                partial(self._send, number), self.now, self.default, self._load, self._models, self._text_models
            )
        return self.engines[number]

    def model(self, name: str) -> Model:
        """Return a model, loaded once for all sessions; BundleError where it cannot be played."""
        return self.session(1).model(name)

    def take(self, message: m.ToEngine) -> None:
        """Act on one message; see `Engine.take`."""
        if isinstance(message, m.InSession):
            self.session(message.number).take(message.message)
            self._due[message.number] = (0, 0)

    def advance(self) -> bool:
        """Play on for some milliseconds; False when there is nothing left to do for now."""
        began = self.now()
        self._flush()
        asked = [number for number, (_, must) in self._due.items() if not must]  # somebody may wait for an answer
        self._step(asked)
        busy = False
        for number in asked:
            busy = self._advance(number) or busy
        self._flush()
        if not self._round and any(must <= began for _, must in self._due.values()):
            ready = [number for number, (may, _) in self._due.items() if may <= began]
            self._round.extend(sorted(ready, key=lambda number: self.engines[number].lead()))
            self._step(ready)
        while self._round and self.now() - began <= SLICE:
            busy = self._advance(self._round.popleft()) or busy
        self._flush()
        return busy or bool(self._round)

    def prepare(self) -> None:
        """Compute what the next notes will need; called while there is nothing else to do."""
        self._step(list(self.engines))
        for engine in self.engines.values():
            engine.prepare()
        self._flush()

    def wait(self) -> float | None:
        """Seconds until there is something that must be done; None while there is nothing."""
        due = min((must for _, must in self._due.values()), default=None)
        return None if due is None else max(0, due - self.now()) / 1e9

    def _advance(self, number: int) -> bool:
        engine = self.engines[number]
        if engine.advance():
            self._due[number] = (1, 1)  # there may be more to do
            return True
        may, must, now = engine.wait(), engine.wait(patient=True), self.now()
        if may is None or must is None:
            self._due.pop(number, None)
        else:
            self._due[number] = (now + 1 + round(may * 1e9), now + 1 + round(must * 1e9))
        return False

    def _step(self, numbers: list[int]) -> None:
        """Step the models of what plays in these sessions."""
        step_together(
            player.player
            for number in numbers
            for player in self.engines[number].players.values()
            if isinstance(player, StreamPlayer)
        )

    def _send(self, number: int, message: m.FromEngine) -> None:
        if isinstance(message, m.Loading):
            self._flush()
            self.send(message)
        else:
            self._out.append(m.InSession(number, message))

    def _flush(self) -> None:
        """Send what the sessions said: each message by itself would cost the other end a turn of its thread."""
        if self._out:
            out, self._out = self._out, []
            self.send(m.Several(tuple(out)) if len(out) > 1 else out[0])
