"""The rows of the latent space: what they tell the engine, what they answer from what the engine last said."""

from __future__ import annotations

import math
from typing import Any

from rnnmuse.protocol import SLOTS, ProtocolError

ACTS = ("latent", "dimension", "axis", "map", "xy", "x", "y", "store", "recall", "morph", "vary", "average", "capture")
MOST = 1024


def order(act: str, name: str, values: list[Any], known: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """What to do and its values, of a row's ``act``; ``name`` is the last word of the address.

    ProtocolError for what the table does not check.
    """
    match act:
        case "latent":
            return act, tuple(numbers("latent", values, -1e3, 1e3))
        case "dimension":
            return act, (int(name), *values)
        case "axis":
            return act, (name, *values)
        case "map":
            if (values[0] == "slots") == (len(values) > 1):
                raise ProtocolError("count", f"map: {' '.join(values)}; takes two axes, or slots alone")
        case "x":
            return "xy", (values[0], known.get("xy", (0.5, 0.5))[1])
        case "y":
            return "xy", (known.get("xy", (0.5, 0.5))[0], values[0])
        case "average":
            return act, tuple(round(v) for v in numbers("average", values, 1, SLOTS))
    return act, tuple(values)


def numbers(name: str, values: list[Any], low: float, high: float) -> list[float]:
    """Finite numbers in a range; ProtocolError names the first that is not."""
    if len(values) > MOST:
        raise ProtocolError("count", f"{name}: {len(values)} numbers; takes up to {MOST}")
    for value in values:
        if isinstance(value, str | bytes) or not isinstance(value, int | float):
            raise ProtocolError("type", f"{name}: {value!r}; must be a number")
        if not (math.isfinite(value) and low <= value <= high):
            raise ProtocolError("range", f"{name}: {value}; must be {low:g} to {high:g}")
    return [float(value) for value in values]


def value(act: str, name: str, known: dict[str, Any]) -> Any:
    """What a getter answers; nothing of a player that has no latent space, or none yet."""
    if not known:
        return []
    match act:
        case "dimension":
            point = known["latent"]
            return point[int(name) - 1] if int(name) <= len(point) else []
        case "axis":
            return known["axes"].get(name, [])
        case "map":
            return [word for word in known["map"] if word]
        case "x":
            return known["xy"][0]
        case "y":
            return known["xy"][1]
    return list(known[act])
