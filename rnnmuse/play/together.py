"""Steps of many players at once."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from rnnmuse.models.stream import StreamModel
from rnnmuse.play.sampler import Player, Step

log = logging.getLogger("rnnmuse.engine")


def step_together(players: Iterable[Player]) -> None:
    """Step the model of each player that has not read its last event: those of one model in one go.

    A model that raises is left to its players: each finds the error when it plays on.
    """
    waiting: dict[int, list[tuple[Player, Step]]] = {}
    for player in players:
        if (step := player.step) is not None:
            waiting.setdefault(id(player.model), []).append((player, step))
    for together in waiting.values():
        model: StreamModel = together[0][0].model
        try:
            for player, step in together:
                player.stepped(*model.step(*step))
        except Exception as error:  # onnxruntime and numpy raise their own kinds
            log.debug("%s: %s", model.name, error)
