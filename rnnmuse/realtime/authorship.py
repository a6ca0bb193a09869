"""The authorship log of a stage: hears what people play and change, and what the players send."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rnnmuse import __version__
from rnnmuse.bridges.osc_server import Client
from rnnmuse.bridges.output import RECORDING, Program, Send, Sent
from rnnmuse.clock import Nanoseconds
from rnnmuse.protocol import Entry
from rnnmuse.provenance.journal import Journal
from rnnmuse.realtime.stage import Stage

UNTOLD = ("/note", "/transport/beat", "/midi/", "/subscribe", "/ping", "/sync", "/watch")
"""Addresses, or what they end with, that change nothing of the music, or are told as notes."""


class Authorship:
    """An output that writes into a `Journal`; OSError where ``path`` exists or cannot be written."""

    def __init__(self, stage: Stage, path: Path) -> None:
        self.name = f"{RECORDING}{path.name}"
        self.ahead: Nanoseconds = 0
        self.clock = False
        self._stage, self._before = stage, (-1, -1.0, -1)
        models = {f"player {n}": stage.players.model(n) for n in sorted(stage.players.seats) or [1]}
        self._journal = Journal(path, {"rnnmuse": __version__, **models}, lambda why: stage.lose(self.name, why))
        self._performed, stage.player.performed = stage.player.performed, self._person
        self._took: Callable[[Client, Entry, str, list[Any]], None] = stage.control.took
        stage.control.took = self._changed
        stage.add_output(self)

    def prepare(self, sent: Sent) -> Send:
        def send() -> None:
            if sent.velocity:
                model = self._stage.players.model(sent.player)
                self._journal.note("model", sent.beat, sent.pitch, sent.velocity, sent.player, model)

        return send

    def program(self, program: Program) -> Send:
        return lambda: None

    def transport(self, data: list[int]) -> None:
        """Clock is not written."""

    def close(self) -> None:
        """Write what waits, and the last entry."""
        self._journal.close(dict(self._stage.made().models))

    def _person(self, player: int, pitch: int, velocity: int) -> None:
        self._performed(player, pitch, velocity)
        if velocity:
            beat = float(self._stage.transport.place)
            key = (pitch, round(beat, 3), velocity)
            if key != self._before:  # one key that several players hear is one note
                self._before = key
                self._journal.note("person", beat, pitch, velocity, player)

    def _changed(self, client: Client, entry: Entry, address: str, values: list[Any]) -> None:
        self._took(client, entry, address, values)
        if not any(word in address for word in UNTOLD):
            self._journal.change(float(self._stage.transport.place), address, values)
