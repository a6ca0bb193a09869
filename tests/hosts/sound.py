"""What a recording holds: when sounds begin, and how high they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]
RATE = 48000


def read(path: Path, channels: int = 1) -> Samples:
    """The first channel of a 16-bit WAV, -1 to 1; its header may be unfinished, as after a crash."""
    data = path.read_bytes()
    at = data.index(b"data") + 8
    body = np.frombuffer(data[at : at + (len(data) - at) // (2 * channels) * 2 * channels], "<i2")
    return body.reshape(-1, channels)[:, 0] / 32768.0


def onsets(samples: Samples, above: float = 0.02, quiet: float = 0.02) -> list[float]:
    """Seconds at which it becomes louder than ``above`` after being softer for ``quiet`` seconds."""
    loud = np.flatnonzero(np.abs(samples) > above)
    if not len(loud):
        return []
    begins = np.concatenate(([0], np.flatnonzero(np.diff(loud) > quiet * RATE) + 1))
    return [float(loud[at]) / RATE for at in begins]


def attacks(samples: Samples, apart: float = 0.1) -> list[float]:
    """Seconds at which it becomes twice as loud within 4 ms, ``apart`` seconds at least: struck notes that ring on."""
    hop = 48
    envelope = np.abs(samples[: len(samples) // hop * hop]).reshape(-1, hop).max(1)
    before = np.array([envelope[max(0, at - 24) : max(1, at - 3)].max() for at in range(len(envelope))])
    found: list[float] = []
    for at in np.flatnonzero(envelope > 2 * before + 0.004):
        inside = np.flatnonzero(np.abs(samples[at * hop : (at + 1) * hop]) > 2 * before[at] + 0.004)
        if not found or at * hop / RATE - found[-1] > apart:
            found.append(float(at * hop + inside[0]) / RATE)
    return found


def pitch(samples: Samples, at: float, seconds: float = 0.15) -> float:
    """The loudest frequency after ``at`` seconds, as a MIDI pitch with its fraction."""
    piece = samples[round(at * RATE) : round((at + seconds) * RATE)]
    size = 1 << 17
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), size))
    spectrum[: round(30 * size / RATE)] = 0
    frequency = float(np.argmax(spectrum)) * RATE / size
    return 69 + 12 * float(np.log2(frequency / 440))


def off_the_grid(found: list[float], apart: float) -> tuple[npt.NDArray[np.float64], float]:
    """How far each onset, in ms, lies from the grid of this many seconds that fits them all, and how much slower, as a
    share, the recorder's clock ran than the grid's: the dummy driver keeps time by sleeping."""
    steps = np.round((np.array(found) - found[0]) / apart)
    rate, begin = np.polyfit(steps, found, 1)
    return (np.array(found) - begin - rate * steps) * 1000, float(rate / apart - 1)
