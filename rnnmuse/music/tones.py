"""The tones of the built-in synthesiser: instruments and drums as tables, and the sound of a stretch of a note.

Over 300 lines: instruments are tables.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]

CHUNK = 0.5
"""Seconds of a tone that are made, and kept, at a time."""

LIVE_CHUNK = 0.1
"""The same for playing live, where a note that is new must not keep the next block of sound waiting."""

CACHE_BYTES = 40 * 2**20

BRIGHTER = 3.2
"""How much higher the partials of every instrument reach; set so that 4-10 kHz lies as in the FluidR3 SoundFont: 0.8 dB
below it in five pieces without drums. Drums are brighter than its."""

# ---------------------------------------------------------------------------------------------------------
# Voices


@dataclass(frozen=True)
class _Struck:
    """A struck or plucked tone: decaying partials. ``ring`` is the decay time to -60 dB at A4, seconds."""

    ring: float
    tilt: float = 1.0
    """Partial n has the level n to the power of -tilt."""
    bright: float = 2500.0
    """Hz above the lowest partial in which levels fall to 1/e, at A4, before BRIGHTER and the velocity."""
    position: float = 0.12
    """Place of the stroke on the string, 0 to 1."""
    stretch: float = 0.0003
    """Inharmonicity of a string: partial n is n * sqrt(1 + stretch * n²) times the lowest, up to a common factor."""
    ratios: tuple[float, ...] = ()
    """Frequencies of the partials by the lowest; empty for those of a string."""
    thump: float = 0.0
    """Level of the knock at the beginning; 0 for none."""
    release: float = 0.12
    """Seconds in which a released note falls by 30 dB."""
    gain: float = 1.0
    """Factor of the whole."""


@dataclass(frozen=True)
class _Blown:
    """A held tone: a wavetable with vibrato. Times in seconds, vibrato in cents at 5.3 Hz."""

    attack: float = 0.05
    """Until the full level."""
    release: float = 0.12
    """In which a released note falls by 30 dB."""
    tilt: float = 1.0
    """Partial n has the level n to the power of -tilt."""
    bright: float = 2500.0
    """Hz above the lowest partial in which levels fall to 1/e, before BRIGHTER and the velocity."""
    even: float = 1.0
    """Factor of the even partials."""
    vibrato: float = 8.0
    """Cents to each side."""
    detune: float = 0.0
    """Cents between three copies; 0 for one tone."""
    breath: float = 0.0
    """Level of the noise in it; 0 for none."""
    formants: tuple[float, ...] = ()
    """Hz."""
    ratios: tuple[float, ...] = ()
    """Levels of the partials from the first on, in place of the tilt."""
    sustain: float = 0.8
    """Level after the attack has decayed, 0 to 1."""
    gain: float = 0.8
    """Factor of the whole."""


@dataclass(frozen=True)
class _Noise:
    """A noise effect around the played pitch."""

    width: float = 1.0
    """Share of the pitch's frequency by which the band reaches down and up."""
    ring: float = 0.5
    """Seconds in which it falls to 1/e."""
    release: float = 0.1
    """Seconds in which a released note falls by 30 dB."""
    gain: float = 0.7
    """Factor of the whole."""


_Voice = _Struck | _Blown | _Noise

_PLUCK = _Struck(3.5, 1.0, 3400, 0.21, 0.00008, release=0.08)
_FAMILIES: tuple[_Voice, ...] = (
    _Struck(6.0, 0.85, 4200, 0.12, 0.0004, thump=0.06),  # piano
    _Struck(2.5, 0.7, 6000, ratios=(1, 2.76, 5.4, 8.93), release=0.3),  # tuned percussion
    _Blown(0.012, 0.06, 0.4, 9000, vibrato=3, detune=2, ratios=(1, 0.8, 0.6, 0.5, 0, 0.2, 0, 0.25)),  # organ
    _PLUCK,  # guitar
    _Struck(4.0, 1.1, 1100, 0.18, 0.0001, thump=0.03, release=0.08, gain=1.3),  # bass
    _Blown(0.07, 0.14, 1.0, 3000, vibrato=14),  # solo strings
    _Blown(0.12, 0.3, 1.0, 2600, vibrato=8, detune=9),  # ensemble
    _Blown(0.04, 0.09, 0.7, 2200, vibrato=6),  # brass
    _Blown(0.035, 0.08, 0.6, 2600, even=0.5, vibrato=9),  # reed
    _Blown(0.05, 0.1, 1.6, 2200, vibrato=11, breath=0.03),  # pipe
    _Blown(0.008, 0.08, 1.0, 5000, vibrato=9, detune=4, gain=0.6),  # lead
    _Blown(0.25, 0.6, 1.3, 2000, vibrato=5, detune=10),  # pad
    _Blown(0.15, 0.6, 1.2, 3500, vibrato=5, detune=14, breath=0.02),  # synth effects
    _Struck(2.4, 0.8, 3200, 0.13, 0.0002, release=0.1),  # plucked of the world
    _Struck(0.9, 0.9, 3000, ratios=(1, 1.6, 2.4, 3.3), thump=0.1),  # tuned drums
    _Noise(),  # sound effects
)
_VOICES: dict[int, _Voice] = {
    4: _Struck(5.0, 1.6, 1800, ratios=(1, 2, 3, 14.0)),
    5: _Struck(4.0, 1.2, 3000, ratios=(1, 2, 3, 4, 7)),
    6: _Struck(3.5, 0.4, 5000, 0.15, 0.00005, release=0.06, gain=0.8),
    7: _Struck(2.0, 0.5, 3500, 0.2, 0.00005, release=0.05),
    11: _Struck(6.0, 1.2, 5000, ratios=(1, 4, 10)),
    12: _Struck(1.0, 1.2, 3000, ratios=(1, 4, 9.2), thump=0.08),
    13: _Struck(0.6, 0.9, 5000, ratios=(1, 3, 6.1), thump=0.1),
    14: _Struck(6.0, 0.4, 4000, ratios=(1, 1.5, 2, 2.5, 3, 4.1), release=0.8),
    15: _Struck(3.0, 0.8, 4000, 0.1, 0.0001),
    19: _Blown(0.06, 0.25, 0.5, 8000, vibrato=2, detune=3, ratios=(1, 0.9, 0.3, 0.7, 0.1, 0.3, 0, 0.5)),
    21: _Blown(0.04, 0.08, 0.6, 3500, vibrato=4, detune=6),
    22: _Blown(0.03, 0.06, 0.6, 3500, vibrato=8, breath=0.01),
    28: _Struck(0.5, 1.2, 1600, 0.2),
    29: _Blown(0.006, 0.08, 0.7, 3000, vibrato=3, sustain=0.6, gain=0.6),
    30: _Blown(0.006, 0.08, 0.5, 3800, vibrato=3, sustain=0.7, gain=0.55),
    38: _Blown(0.005, 0.06, 1.0, 1500, vibrato=0, sustain=0.6, gain=1.0),
    39: _Blown(0.005, 0.06, 0.8, 1800, even=0.3, vibrato=0, sustain=0.6, gain=1.0),
    45: _Struck(0.8, 1.3, 1800, 0.25, release=0.1),
    46: _Struck(4.0, 1.2, 2400, 0.35, 0.00005, release=0.5),
    47: _Struck(2.0, 1.0, 1200, ratios=(1, 1.5, 1.99, 2.44), thump=0.1, release=0.4, gain=1.3),
    52: _Blown(0.12, 0.25, 0.8, 3500, vibrato=10, detune=9, formants=(700, 1150, 2700)),
    53: _Blown(0.1, 0.2, 0.9, 3000, vibrato=10, detune=8, formants=(400, 800, 2600)),
    54: _Blown(0.08, 0.2, 0.8, 3500, vibrato=8, detune=7, formants=(600, 1000, 2500)),
    55: _Blown(0.01, 0.2, 0.6, 4000, detune=10, sustain=0.3),
    71: _Blown(0.04, 0.08, 0.8, 2200, even=0.12, vibrato=4),
    80: _Blown(0.005, 0.05, 1.0, 7000, even=0.0, vibrato=5, gain=0.55),
    109: _Blown(0.04, 0.08, 0.4, 4000, vibrato=2, detune=5, gain=0.6),
    110: _Blown(0.06, 0.12, 0.9, 3200, vibrato=14),
    111: _Blown(0.03, 0.08, 0.5, 3200, even=0.7, vibrato=12, gain=0.6),
}


def _voice(program: int) -> _Voice:
    return _VOICES.get(program, _FAMILIES[min(program, 127) // 8])


def _struck(voice: _Struck, pitch: int, layer: int, start: int, count: int, rate: int) -> Audio:
    base = 440 * 2 ** ((pitch - 69) / 12)
    if voice.ratios:
        ratio = np.array(voice.ratios)
        order = np.arange(1, len(ratio) + 1.0)
    else:
        order = np.arange(1, 29.0)
        ratio = order * np.sqrt(1 + voice.stretch * order**2) / math.sqrt(1 + voice.stretch)
    keep = base * ratio < min(0.45 * rate, 16_000)
    keep[0] = True
    ratio, order = ratio[keep], order[keep]
    hertz = base * ratio
    bright = BRIGHTER * voice.bright * (0.6 + 0.35 * layer) * (base / 440) ** 0.35
    amp = order**-voice.tilt * np.exp(-(hertz - base) / bright)
    if not voice.ratios:
        amp *= np.abs(np.sin(np.pi * order * voice.position)) + 0.03
    amp /= np.sqrt(np.sum(amp**2))
    decay = 6.9 / voice.ring * (base / 440) ** 0.55 * (1 + 0.25 * (order - 1))
    # Piano strings sound in pairs: a fast early decay, and a slow one a hair out of tune.
    hertz = np.concatenate([hertz, hertz * 1.0003])
    weight = np.concatenate([0.62 * amp, 0.38 * amp]).astype(np.float32)
    decay = np.concatenate([decay * 2.4, decay])
    # A partial at coarse + fine samples is the product of its values at both: a matrix product sums them all.
    block = max(32, 1 << round(math.log2(count) / 2))
    sine, cosine = _partials(start + np.arange(0, count, block), hertz / rate, decay / rate)
    fine_sine, fine_cosine = _partials(np.arange(block), hertz / rate, decay / rate)
    coarse = np.concatenate([sine * weight, cosine * weight], axis=1)
    tone = (coarse @ np.concatenate([fine_cosine, fine_sine], axis=1).T).reshape(-1)[:count]
    if start == 0:
        if voice.thump:
            knock = min(count, rate // 25)
            noise = _band_noise(knock, 60, min(2200.0, base * 3 + 300), rate, pitch)
            tone[:knock] += noise * voice.thump * (1 + layer) * np.exp(-np.arange(knock) / (0.008 * rate))
        rise = min(count, max(2, int(0.002 * rate)))
        tone[:rise] *= np.linspace(0, 1, rise)
    # Low tones need more level to sound as loud.
    return np.asarray(0.5 * voice.gain * (base / 440) ** -0.15 * tone, np.float32)


def _partials(
    samples: NDArray[np.integer], turns: NDArray[np.float64], decay: NDArray[np.float64]
) -> tuple[Audio, Audio]:
    """Decaying sines and cosines at ``samples``, each of shape (samples, partials); ``turns`` and ``decay`` (in nepers)
    are of a sample."""
    angle = (2 * np.pi * (np.outer(samples, turns) % 1.0)).astype(np.float32)
    level = np.exp(-np.outer(samples, decay).astype(np.float32))
    return level * np.sin(angle), level * np.cos(angle)


@lru_cache(maxsize=512)
def _wavetable(voice: _Blown, base: float, layer: int, rate: int) -> NDArray[np.floating]:
    order = np.arange(1, max(2, min(60, int(0.45 * rate / base) + 1)))
    hertz = base * order
    if voice.ratios:
        amp: NDArray[np.floating] = np.zeros(len(order))
        amp[: len(voice.ratios)] = voice.ratios[: len(order)]
    else:
        amp = order**-voice.tilt
    amp = amp * np.exp(-(hertz - base) / (BRIGHTER * voice.bright * (0.5 + 0.4 * layer)))
    amp[1::2] *= voice.even
    if voice.formants:
        amp *= 0.15 + sum(np.exp(-(((hertz - f) / (0.22 * f + 60)) ** 2)) for f in voice.formants)
        amp[0] = max(amp[0], amp[1:].max(initial=0) * 1.05)
    amp /= np.sqrt(np.sum(amp**2))
    angle = np.arange(2048) * (2 * np.pi / 2048)
    # Scattered phases keep the crest of the wave low.
    return np.asarray(amp @ np.sin(np.outer(order, angle) + (order**2 * 0.7)[:, None]))


def _blown(voice: _Blown, pitch: int, layer: int, start: int, count: int, rate: int) -> Audio:
    base = 440 * 2 ** ((pitch - 69) / 12)
    t = np.arange(start, start + count) / rate
    bright = _wavetable(voice, base, layer, rate)
    dull = _wavetable(voice, base, -1, rate)
    onset = np.minimum(t / voice.attack, 1)
    onset = onset * onset * (3 - 2 * onset)
    late = np.clip((t - 0.18) / 0.5, 0, 1)
    wobble = voice.vibrato * math.log(2) / 1200 / (2 * np.pi * 5.3) * late * np.sin(2 * np.pi * 5.3 * t)
    tone = np.zeros(count)
    copies = (-1.0, 0.0, 1.0) if voice.detune else (0.0,)
    for copy in copies:
        hertz = base * 2 ** (copy * voice.detune / 1200)
        at = (hertz * (t + wobble) + 0.37 * copy) * 2048
        index = at.astype(np.int64) & 2047
        tone += dull[index] + (bright[index] - dull[index]) * onset
    tone /= math.sqrt(len(copies))
    if voice.breath:
        tone += voice.breath * _looped_noise(start, count, base, min(8000.0, 0.4 * rate), rate, pitch)
    level = voice.sustain + (1 - voice.sustain) * np.exp(-np.maximum(0, t - voice.attack) / 0.25)
    return np.asarray(0.36 * voice.gain * tone * onset * level, np.float32)


def _noise(voice: _Noise, pitch: int, layer: int, start: int, count: int, rate: int) -> Audio:
    base = min(440 * 2 ** ((pitch - 69) / 12), 0.3 * rate)
    noise = _looped_noise(start, count, base / (1 + voice.width), base * (1 + voice.width) + 400, rate, pitch)
    t = np.arange(start, start + count) / rate
    shape = np.minimum(t / 0.01, 1) * np.exp(-t / voice.ring)
    return np.asarray(0.4 * voice.gain * (0.7 + 0.1 * layer) * noise * shape, np.float32)


def _band_noise(count: int, low: float, high: float, rate: int, seed: int) -> NDArray[np.float64]:
    """Noise of unit RMS between ``low`` and ``high`` Hz; the same for the same arguments."""
    size = 1 << max(6, (count - 1).bit_length())
    generator = np.random.default_rng(seed)
    spectrum = np.fft.rfft(generator.standard_normal(size))
    hertz = np.fft.rfftfreq(size, 1 / rate)
    spectrum *= (1 + (low / np.maximum(hertz, 1)) ** 6) ** -0.5 * (1 + (hertz / high) ** 6) ** -0.5
    noise = np.fft.irfft(spectrum, size)
    return np.asarray(noise[:count] / (np.sqrt(np.mean(noise**2)) + 1e-12))


@lru_cache(maxsize=32)
def _noise_loop(low: float, high: float, rate: int, seed: int) -> NDArray[np.float64]:
    return _band_noise(1 << 16, low, high, rate, seed)


def _looped_noise(start: int, count: int, low: float, high: float, rate: int, seed: int) -> NDArray[np.float64]:
    """A stretch of an endless noise; made in the frequency domain, it meets its own beginning without a seam."""
    loop = _noise_loop(low, high, rate, seed)
    return np.asarray(loop[np.arange(start, start + count) & (len(loop) - 1)])


def release_of(program: int) -> float:
    """Seconds in which a released note of ``program`` falls by 30 dB."""
    return _voice(program).release


def rings_for(program: int, pitch: int) -> float:
    """Seconds after which a held note of ``program`` cannot be heard; infinity for tones that are held."""
    voice = _voice(program)
    if isinstance(voice, _Struck):
        return 1.3 * voice.ring * 2 ** max(0.0, (69 - pitch) / 20)
    return 8 * voice.ring if isinstance(voice, _Noise) else math.inf


class ToneBank:
    """Tones in chunks of ``chunk`` seconds, made when first heard; the least used are dropped over ``limit`` bytes."""

    def __init__(self, rate: int, limit: int = CACHE_BYTES, chunk: float = CHUNK) -> None:
        self.rate, self.size, self._limit = rate, int(chunk * rate), limit
        self._chunks: OrderedDict[tuple[int, int, int, int], Audio] = OrderedDict()
        self._bytes = 0

    def slice(self, program: int, pitch: int, layer: int, start: int, count: int) -> Audio:
        """Samples ``start`` to ``start + count`` of a note held for ever, as if played at full velocity."""
        first, last = start // self.size, (start + count - 1) // self.size
        pieces = [self._chunk(program, pitch, layer, index) for index in range(first, last + 1)]
        whole = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return whole[start - first * self.size : start - first * self.size + count]

    def _chunk(self, program: int, pitch: int, layer: int, index: int) -> Audio:
        key = (program, pitch, layer, index)
        found = self._chunks.get(key)
        if found is not None:
            self._chunks.move_to_end(key)
            return found
        voice = _voice(program)
        place = (pitch, layer, index * self.size, self.size, self.rate)
        if isinstance(voice, _Struck):
            made = _struck(voice, *place)
        elif isinstance(voice, _Blown):
            made = _blown(voice, *place)
        else:
            made = _noise(voice, *place)
        self._chunks[key] = made
        self._bytes += made.nbytes
        while self._bytes > self._limit:
            _, dropped = self._chunks.popitem(last=False)
            self._bytes -= dropped.nbytes
        return made


# ---------------------------------------------------------------------------------------------------------
# Drums: (start Hz, end Hz, tone level, noise low Hz, noise high Hz, noise level, ring s, pan -1..1)

_Drum = tuple[float, float, float, float, float, float, float, float]
_DRUMS: dict[int, _Drum] = {
    35: (110, 42, 1.2, 100, 1500, 0.15, 0.30, 0.0),
    36: (140, 48, 1.2, 200, 2500, 0.20, 0.25, 0.0),
    37: (1700, 1650, 0.3, 1500, 6000, 0.50, 0.03, 0.05),
    38: (230, 180, 0.6, 900, 9000, 0.60, 0.16, 0.0),
    39: (0, 0, 0.0, 900, 3500, 0.80, 0.12, 0.1),
    40: (260, 210, 0.5, 1500, 11000, 0.65, 0.13, 0.0),
    42: (0, 0, 0.0, 7000, 16000, 0.38, 0.035, -0.3),
    44: (0, 0, 0.0, 6000, 14000, 0.33, 0.045, -0.3),
    46: (0, 0, 0.0, 6500, 16000, 0.38, 0.35, -0.3),
    49: (0, 0, 0.0, 3500, 15000, 0.50, 1.1, -0.4),
    51: (3300, 3300, 0.06, 5000, 14000, 0.25, 0.7, 0.4),
    52: (0, 0, 0.0, 2500, 12000, 0.50, 0.8, 0.5),
    53: (2600, 2600, 0.30, 5000, 13000, 0.12, 0.8, 0.4),
    54: (5200, 5200, 0.10, 6000, 15000, 0.40, 0.12, 0.3),
    55: (0, 0, 0.0, 5000, 16000, 0.50, 0.45, -0.2),
    56: (560, 556, 0.6, 800, 4000, 0.05, 0.18, 0.2),
    57: (0, 0, 0.0, 3000, 14000, 0.50, 1.3, 0.4),
    58: (0, 0, 0.0, 2500, 5000, 0.45, 0.35, -0.3),
    59: (3900, 3900, 0.06, 5500, 15000, 0.25, 0.6, 0.45),
    69: (0, 0, 0.0, 6000, 14000, 0.40, 0.06, 0.3),
    70: (0, 0, 0.0, 7000, 15000, 0.35, 0.04, 0.3),
    71: (2300, 2250, 0.35, 3000, 8000, 0.05, 0.10, -0.3),
    72: (2300, 2150, 0.35, 3000, 8000, 0.05, 0.30, -0.3),
    73: (0, 0, 0.0, 2500, 7000, 0.40, 0.06, 0.3),
    74: (0, 0, 0.0, 2500, 7000, 0.40, 0.22, 0.3),
    75: (2500, 2500, 0.6, 2000, 6000, 0.05, 0.04, 0.3),
    76: (1250, 1230, 0.6, 1000, 5000, 0.08, 0.05, 0.2),
    77: (850, 830, 0.6, 800, 4000, 0.08, 0.06, 0.2),
    78: (500, 750, 0.5, 500, 2000, 0.08, 0.10, -0.2),
    79: (750, 420, 0.5, 500, 2000, 0.08, 0.18, -0.2),
    80: (5000, 5000, 0.35, 6000, 12000, 0.05, 0.06, 0.35),
    81: (5000, 5000, 0.35, 6000, 12000, 0.05, 0.9, 0.35),
    82: (0, 0, 0.0, 7000, 15000, 0.35, 0.06, -0.35),
}
# Skinned drums: a tuned body with a drooping pitch, a little stick noise.
_SKINS = {41: 75, 43: 90, 45: 110, 47: 135, 48: 160, 50: 190, 60: 400, 61: 300, 62: 330, 63: 260, 64: 195}
_SKINS |= {65: 310, 66: 220, 67: 900, 68: 660}
_DRUMS |= {
    n: (f * 1.4, f, 0.9, 300, 4000, 0.12, 0.32 * (110 / f) ** 0.4, (50 - n) / 14 if n < 52 else 0.25)
    for n, f in _SKINS.items()
}


@lru_cache(maxsize=128)
def drum_sound(note: int, layer: int, rate: int) -> tuple[Audio, float]:
    """The sound of a GM drum note, and its pan."""
    other: _Drum = (60 + 9.0 * note, 55 + 8.0 * note, 0.5, 800, 6000, 0.25, 0.12, 0.0)
    start, end, level, low, high, hiss, ring, pan = _DRUMS.get(note, other)
    top = 0.45 * rate
    count = int(min(3.0, 6.9 * ring + 0.02) * rate)
    t = np.arange(count) / rate
    sound = np.zeros(count)
    if level:
        start, end = min(start, top), min(end, top)
        sweep = 0.03
        phase = end * t + (start - end) * sweep * (1 - np.exp(-t / sweep))
        sound += level * np.sin(2 * np.pi * phase) * np.exp(-t / ring)
    noise = _band_noise(count, min(low, 0.6 * top), min(high * (0.7 + 0.1 * layer), top), rate, note)
    shape = np.exp(-t / (ring if level < 0.5 else ring * 0.6))
    if note == 39:
        claps = [np.where(t >= d, np.exp(-(t - d) / (0.008 if d < 0.03 else ring)), 0) for d in (0, 0.012, 0.03)]
        shape = np.asarray(np.sum(claps, axis=0))
    elif note in (58, 73, 74):
        shape = shape * (0.5 + 0.5 * np.sign(np.sin(2 * np.pi * 38 * t)))
    sound += hiss * noise * shape * (0.8 + 0.1 * layer)
    sound[: rate // 1000] *= np.linspace(0, 1, rate // 1000)
    return np.asarray(0.55 * sound, np.float32), max(-1.0, min(1.0, pan))
