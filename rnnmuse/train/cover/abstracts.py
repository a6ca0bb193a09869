"""Abstract pictures drawn by stated procedures: free of anyone's rights, mixed into the training of covers.

Each procedure takes a random generator and a side and returns (side, side, 3) float32 in 0-1, sRGB. They are drawn at
twice the side and averaged, so that edges are smooth.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def abstracts(count: int, size: int, seed: int) -> NDArray[np.uint8]:
    """``count`` pictures, the procedures in turn: (count, size, size, 3) uint8."""
    out = np.empty((count, size, size, 3), np.uint8)
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        fine = PROCEDURES[index % len(PROCEDURES)](rng, 2 * size)
        grain = rng.normal(0, rng.uniform(0, 0.03), (2 * size, 2 * size, 1))
        soft = (fine + grain).reshape(size, 2, size, 2, 3).mean((1, 3))
        out[index] = (np.clip(soft, 0, 1) * 255).round()
    return out


def palette(rng: np.random.Generator, count: int = 5) -> Array:
    """``count`` colours (count, 3) around one to three hues, with lightness spread and muted more often than not."""
    hues = rng.uniform() + rng.choice([0.0, 0.08, 0.33, 0.5, 0.92], count) * (rng.random() < 0.7)
    light = np.sort(rng.uniform(0.08, 0.95, count))
    rng.shuffle(light)
    saturation = rng.beta(2, 2.5, count) * rng.uniform(0.3, 1.0)
    wheel = 0.5 + 0.5 * np.cos(2 * np.pi * (hues[:, None] - np.array([0.0, 1 / 3, 2 / 3])))
    grey = wheel.mean(1, keepdims=True)
    colour = light[:, None] * (1 + saturation[:, None] * (wheel - grey) * 1.6)
    return np.asarray(np.clip(colour, 0, 1), np.float32)


def grid(side: int) -> tuple[Array, Array]:
    """x and y of the pixel centres, -1 to 1."""
    line = ((np.arange(side) + 0.5) / side * 2 - 1).astype(np.float32)
    x, y = np.meshgrid(line, line)
    return x, y


def clouds(rng: np.random.Generator, side: int, octaves: int = 5, fall: float = 0.55) -> Array:
    """Value noise: random grids of doubling fineness, smoothly interpolated and summed; mean 0, spread about 1."""
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        cells = int(2 ** (octave + 1))
        if cells * 2 > side:
            break
        rough = rng.normal(size=(cells + 3, cells + 3)).astype(np.float32)
        at = (np.arange(side) + 0.5) / side * cells
        whole = at.astype(int)
        t = (at - whole).astype(np.float32)
        t = t * t * (3 - 2 * t)
        rows = rough[whole] * (1 - t)[:, None] + rough[whole + 1] * t[:, None]
        total += fall**octave * (rows[:, whole] * (1 - t) + rows[:, whole + 1] * t)
    return np.asarray((total - total.mean()) / (total.std() + 1e-6))


def ramp(colours: Array, values: Array) -> Array:
    """Colours along a line, 0 the first and 1 the last, (…, 3)."""
    at = np.clip(values, 0, 1) * (len(colours) - 1)
    low = np.minimum(at.astype(int), len(colours) - 2)
    part = (at - low)[..., None]
    return np.asarray(colours[low] * (1 - part) + colours[low + 1] * part, np.float32)


def soft_fields(rng: np.random.Generator, side: int) -> Array:
    """Two to four stacked rectangles with feathered, uneven edges on a ground, as in colour-field painting."""
    x, y = grid(side)
    colours = palette(rng, 6)
    uneven = 0.03 * clouds(rng, side)
    out = np.broadcast_to(colours[0], (side, side, 3)).copy()
    bounds = np.sort(rng.uniform(-0.85, 0.85, int(rng.integers(2, 5)) - 1))
    edges = np.concatenate([[-0.9], bounds, [0.9]])
    margin = rng.uniform(0.75, 0.95)
    feather = rng.uniform(15, 60)
    for index in range(len(edges) - 1):
        inside = np.minimum.reduce([margin - np.abs(x), y - edges[index] - 0.03, edges[index + 1] - 0.03 - y]) + uneven
        cover = 1 / (1 + np.exp(-np.clip(feather * inside, -30, 30)))
        tone = colours[1 + index % 5] * (1 + 0.08 * clouds(rng, side))[..., None]
        out = out * (1 - cover[..., None]) + tone * cover[..., None]
    return out


def warped_bands(rng: np.random.Generator, side: int) -> Array:
    """A ramp of colours along a direction that is bent by clouds twice over, as in marbled paper."""
    x, y = grid(side)
    turn = rng.uniform(0, 2 * np.pi)
    bend = rng.uniform(0.1, 0.5)
    a, b = clouds(rng, side, 4), clouds(rng, side, 4)
    along = np.cos(turn) * (x + bend * a) + np.sin(turn) * (y + bend * b)
    bands = rng.uniform(0.5, 3)
    return ramp(palette(rng, 7), 0.5 + 0.5 * np.sin(np.pi * bands * along + rng.uniform(0, 6)))


def rings(rng: np.random.Generator, side: int) -> Array:
    """Discs of concentric rings over a ground, each ring of one colour."""
    x, y = grid(side)
    colours = palette(rng, 8)
    out = np.broadcast_to(colours[0], (side, side, 3)).copy()
    for _ in range(int(rng.integers(2, 7))):
        cx, cy = rng.uniform(-1, 1, 2)
        radius = rng.uniform(0.2, 1.0)
        width = radius / int(rng.integers(1, 6))
        distance = np.hypot(x - cx, y - cy)
        kind = (distance / width).astype(int) + int(rng.integers(0, 8))
        out = np.where((distance < radius)[..., None], colours[kind % 8], out)
    return np.asarray(out * (1 + 0.05 * clouds(rng, side, 6, 0.8))[..., None])


def mosaic(rng: np.random.Generator, side: int) -> Array:
    """Voronoi cells (nearest of random points), shaded across each cell, with or without dark seams."""
    x, y = grid(side)
    count = int(rng.integers(6, 60))
    points = rng.uniform(-1.1, 1.1, (count, 2)).astype(np.float32)
    distance = np.hypot(x[..., None] - points[:, 0], y[..., None] - points[:, 1])
    nearest = distance.argmin(-1)
    two = np.partition(distance, 1, axis=-1)
    colours = palette(rng, 6)[rng.integers(0, 6, count)] * rng.uniform(0.8, 1.2, (count, 1))
    shade = 1 + rng.uniform(0, 0.6) * (points[nearest, 0] - x)
    out = colours[nearest] * shade[..., None]
    if rng.random() < 0.5:
        out *= np.clip((two[..., 1] - two[..., 0]) / rng.uniform(0.01, 0.05), 0.1, 1)[..., None]
    return np.asarray(out, np.float32)


def strokes(rng: np.random.Generator, side: int) -> Array:
    """Short brush strokes laid along a flowing field of directions, light over dark or dark over light."""
    base = clouds(rng, side, 3)
    colours = palette(rng, 7)
    out = ramp(colours, 0.5 + 0.3 * base)
    flow = clouds(rng, side, 2) * rng.uniform(0.5, 1.5) + rng.uniform(0, np.pi)
    x, y = grid(side)
    for _ in range(int(rng.integers(80, 260))):
        cx, cy = rng.uniform(-1, 1, 2)
        row, column = int((cy + 1) / 2 * (side - 1)), int((cx + 1) / 2 * (side - 1))
        angle = flow[row, column] + rng.normal(0, 0.15)
        long, wide = rng.uniform(0.06, 0.25), rng.uniform(0.012, 0.05)
        reach = int(long * side / 2) + 2
        rows, columns = slice(max(0, row - reach), row + reach), slice(max(0, column - reach), column + reach)
        dx, dy = x[rows, columns] - cx, y[rows, columns] - cy
        u = dx * np.cos(angle) + dy * np.sin(angle)
        v = dy * np.cos(angle) - dx * np.sin(angle)
        cover = ((np.abs(u) < long) & (np.abs(v) < wide * np.sqrt(np.clip(1 - (u / long) ** 2, 0, 1))))[..., None]
        colour = ramp(colours, np.asarray(0.5 + 0.3 * base[row, column] + rng.normal(0, 0.12), np.float32))
        hair = 1 + 0.15 * np.sin(v * side * rng.uniform(0.6, 1.4) + rng.uniform(0, 6))[..., None]
        out[rows, columns] = np.where(cover, colour * hair, out[rows, columns])
    return out


def planes(rng: np.random.Generator, side: int) -> Array:
    """Overlapping half-planes and their mixtures: straight-edged, translucent, as in constructivist painting."""
    x, y = grid(side)
    colours = palette(rng, 8)
    out = np.broadcast_to(colours[0], (side, side, 3)).copy()
    for index in range(int(rng.integers(4, 12))):
        turn, shift = rng.uniform(0, 2 * np.pi), rng.uniform(-0.8, 0.8)
        along = np.cos(turn) * x + np.sin(turn) * y - shift
        across = np.sin(turn) * x - np.cos(turn) * y
        inside = (along > 0) & (along < rng.uniform(0.05, 0.9)) & (np.abs(across) < rng.uniform(0.2, 1.6))
        strength = rng.uniform(0.5, 1.0) * inside[..., None]
        out = out * (1 - strength) + colours[1 + index % 7] * strength
    return np.asarray(out * (1 + 0.04 * clouds(rng, side, 6, 0.8))[..., None])


def landscape(rng: np.random.Generator, side: int) -> Array:
    """A sky and three to six ridges, the nearer the darker: layered noise lines."""
    _, y = grid(side)
    colours = palette(rng, 6)
    order = np.argsort(colours.sum(1))[::-1]
    colours = colours[order] if rng.random() < 0.75 else colours[order[::-1]]
    out = ramp(colours[:2], (y + 1) / 2 + 0.08 * clouds(rng, side))
    count = int(rng.integers(3, 7))
    for index in range(count):
        ridge = rng.uniform(-0.3, 0.1) + index / count + rng.uniform(0.05, 0.25) * clouds(rng, side, 5)[0]
        cover = np.clip((y - ridge[None, :]) * side / 2, 0, 1)[..., None]
        tone = ramp(colours[1:], np.full_like(y, index / count)) * (1 + 0.1 * clouds(rng, side, 6, 0.8))[..., None]
        out = out * (1 - cover) + tone * cover
    return out


PROCEDURES: tuple[Callable[[np.random.Generator, int], Array], ...] = (
    soft_fields, warped_bands, rings, mosaic, strokes, planes, landscape,
)  # fmt: skip
