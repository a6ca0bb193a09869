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
            if len(together) == 1:
                player, step = together[0]
                player.stepped(*model.step(*step))
                continue
            found = model.step_many(*zip(*(step for _, step in together), strict=True))
            for (player, _), (expected, state) in zip(together, found, strict=True):
                player.stepped(expected, state)
        except Exception as error:  # onnxruntime and numpy raise their own kinds
            log.debug("%s: %s", model.name, error)
