"""How well a chorale model does: nats a beat of held-out chorales, and their sopranos harmonised again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rnnmuse.compose.harmonise import harmonised
from rnnmuse.errors import ReadError
from rnnmuse.models.bundle import load_chorale
from rnnmuse.models.chorale import nats
from rnnmuse.train.chorale.data import read_chorales, room, tonic_of

Ints = NDArray[np.int64]


def rates(chorales: Sequence[Ints], limits: Ints) -> dict[str, float]:
    """Shares of beats with each fault; parallels of the steps from beat to beat."""
    found = dict.fromkeys(("parallels", "crossings", "range", "dissonance"), 0)
    beats = steps = 0
    for voices in chorales:
        for now in voices:
            if not now.any():
                continue
            beats += 1
            sung = [p for p in now if p]
            found["crossings"] += any(a < b for a, b in pairwise(sung))
            found["range"] += any(p and not limits[0][i] <= p <= limits[1][i] for i, p in enumerate(now))
            found["dissonance"] += any((a - b) % 12 in (1, 2, 6, 10, 11) for a, b in combinations(sung, 2))
        for old, new in pairwise(voices):
            steps += 1
            found["parallels"] += any(
                old[i] and old[j] and new[i] and new[j]
                and old[i] != new[i] and old[j] != new[j]
                and (new[i] > old[i]) == (new[j] > old[j])
                and (old[i] - old[j]) % 12 == (new[i] - new[j]) % 12 in (0, 7)
                for i, j in combinations(range(4), 2)
            )  # fmt: skip
    shares = {name: count / (steps if name == "parallels" else beats) for name, count in found.items()}
    return {name: round(share, 5) for name, share in shares.items()}


def evaluate_chorale(name: str, folders: Sequence[Path], most: int | None = None, seed: int = 1) -> str:
    """JSON: the mean summed negative log-likelihood of a quarter-note beat over all beats of the test chorales (of all,
    where no folder is called test), and the `rates` of theirs and of their sopranos harmonised again."""
    model = load_chorale(name)
    chorales, _ = read_chorales(folders)
    if not chorales:
        raise ReadError(f"{', '.join(map(str, folders))}: no chorale; four voices are needed")
    test = ([c for c in chorales if c.split == "test"] or chorales)[:most]
    limits = room([c for c in chorales if c.split == "train"] or chorales)
    with threadpool_limits(1):
        total = sum(nats(model, c.beats()) for c in test)
    count = sum(len(c.beats()) for c in test)
    again = [
        harmonised(model, c.beats()[:, 0], tonic_of(c.voices[:, :1]), seed + number) for number, c in enumerate(test)
    ]
    same = np.mean([(a[:, 1:] % 12 == c.beats()[:, 1:] % 12).mean() for a, c in zip(again, test, strict=True)])
    found = {
        "chorales": len(test),
        "beats": count,
        "nats_a_beat": round(total / count, 4),
        "originals": rates([c.beats() for c in test], limits),
        "harmonised": rates(again, limits),
        "voices_as_original": round(float(same), 3),
    }
    return json.dumps(found, indent=1)
