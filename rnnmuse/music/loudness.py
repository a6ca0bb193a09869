"""Loudness and true peak by ITU-R BS.1770-4, block by block, in numpy alone."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ABSOLUTE_GATE = -70.0
RELATIVE_GATE = -10.0
_TAPS = 4096
_SIZE = 1 << 15
_PART = _SIZE - _TAPS + 1


def _biquad(b: tuple[float, ...], a: tuple[float, ...], impulse: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.zeros_like(impulse)
    x1 = x2 = y1 = y2 = 0.0
    for index, x in enumerate(impulse.tolist()):
        y = b[0] * x + b[1] * x1 + b[2] * x2 - a[1] * y1 - a[2] * y2
        x1, x2, y1, y2 = x, x1, y, y1
        out[index] = y
    return out


@lru_cache(maxsize=4)
def k_weighting(rate: int) -> NDArray[np.float64]:
    """The impulse response of the K-weighting, cut where it has died away: the shelf and the high pass of BS.1770
    Annex 1, for any rate by the analogue parameters that its tables come from (De Man 2014)."""
    impulse = np.zeros(_TAPS)
    impulse[0] = 1.0
    gain, q, centre = 3.999843853973347, 0.7071752369554196, 1681.974450955533
    k = math.tan(math.pi * centre / rate)
    vh = 10 ** (gain / 20)
    vb = vh**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = _biquad(
        ((vh + vb * k / q + k * k) / a0, 2 * (k * k - vh) / a0, (vh - vb * k / q + k * k) / a0),
        (1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0),
        impulse,
    )
    q, centre = 0.5003270373238773, 38.13547087602444
    k = math.tan(math.pi * centre / rate)
    a0 = 1 + k / q + k * k
    return _biquad((1.0, -2.0, 1.0), (1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0), shelf)


class Meter:
    """Integrated loudness of what is `add`-ed, in LUFS."""

    def __init__(self, rate: int) -> None:
        self._hop = round(rate * 0.1)
        self._spectrum = np.fft.rfft(k_weighting(rate), _SIZE)
        self._tail = np.zeros((_TAPS - 1, 2))
        self._waiting: list[NDArray[np.floating]] = []
        self._length = 0
        self._left = np.zeros((0, 2))
        self._energies: list[float] = []

    def add(self, block: NDArray[np.floating]) -> None:
        """Take the next samples, of shape (n, 2)."""
        self._waiting.append(block)
        self._length += len(block)
        if self._length >= _PART:
            whole = np.concatenate(self._waiting)
            parts = len(whole) // _PART
            for index in range(parts):
                self._weigh(whole[index * _PART : (index + 1) * _PART])
            self._waiting = [whole[parts * _PART :]]
            self._length -= parts * _PART

    def _weigh(self, part: NDArray[np.floating]) -> None:
        heard = np.fft.irfft(np.fft.rfft(part, _SIZE, axis=0) * self._spectrum[:, None], _SIZE, axis=0)
        heard[: _TAPS - 1] += self._tail
        self._tail = heard[len(part) : len(part) + _TAPS - 1].copy()
        self._count(heard[: len(part)])

    def _count(self, weighted: NDArray[np.float64]) -> None:
        whole = np.concatenate([self._left, weighted])
        hops = len(whole) // self._hop
        if hops:
            squares = whole[: hops * self._hop].reshape(hops, self._hop, 2) ** 2
            self._energies += squares.sum(axis=(1, 2)).tolist()
        self._left = whole[hops * self._hop :]

    def loudness(self) -> float:
        """LUFS over blocks of 400 ms, gated at -70 LUFS and at 10 LU below their mean; -inf for silence."""
        if self._length:
            self._weigh(np.concatenate(self._waiting))
            self._waiting, self._length = [], 0
        energies = np.array(self._energies)
        if len(energies) < 4:
            return -math.inf
        blocks = np.convolve(energies, np.ones(4), "valid") / (4 * self._hop)
        loud = blocks[_lufs(blocks) > ABSOLUTE_GATE]
        if not len(loud):
            return -math.inf
        loud = loud[_lufs(loud) > float(_lufs(loud.mean())) + RELATIVE_GATE]
        return float(_lufs(loud.mean()))


def _lufs(power: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray(-0.691 + 10 * np.log10(np.maximum(power, 1e-12)))


_OVER = 4
_HALF = 12


@lru_cache(maxsize=1)
def _phases() -> NDArray[np.float32]:
    """Windowed-sinc interpolators between samples, (2 * _HALF, _OVER - 1)."""
    taps = np.arange(-_HALF + 1, _HALF + 1)
    shift = np.arange(1, _OVER) / _OVER
    at = taps[:, None] - shift[None]
    window = np.cos(np.pi * at / (2 * (_HALF + 1))) ** 2
    return np.asarray(np.sinc(at) * window, np.float32)


def true_peaks(samples: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """The highest true peak of each ``step`` samples of (n, 2) audio: the samples and three points between each two.

    The last stretch may be shorter. What lies before and after ``samples`` counts as silence.
    """
    count = -(-len(samples) // step)
    peaks = np.zeros(count * step, np.float32)
    peaks[: len(samples)] = np.abs(samples).max(axis=1)
    for side in range(samples.shape[1]):
        padded = np.concatenate([np.zeros(_HALF - 1), samples[:, side], np.zeros(_HALF)]).astype(np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _HALF)
        between = np.abs(windows @ _phases()).max(axis=1)
        peaks[: len(samples)] = np.maximum(peaks[: len(samples)], between)
    return np.asarray(peaks.reshape(count, step).max(axis=1))
