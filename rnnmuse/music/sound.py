"""Pieces to audio by a small synthesiser in numpy, or a SoundFont. Over 500 lines: instruments are tables."""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnmuse.errors import ReadError, RnnmuseError
from rnnmuse.music.piece import Part, Piece

Audio = NDArray[np.float32]

TAIL = 1.5
"""Seconds rendered after the last note's release, for ringing tones and reverb."""

CEILING = 10 ** (-1 / 20)
"""No rendered sample is beyond this: -1 dBFS."""

_SUSTAIN = 64


def render(piece: Piece, soundfont: Path | None = None, rate: int = 44100) -> Audio:
    """Audio of ``piece``: float32 of shape (samples, 2) at ``rate`` Hz, within +-CEILING.

    It lasts until the last release plus TAIL seconds; an empty piece gives no samples. With ``soundfont``
    it is played by the fluidsynth program; without, by the built-in synthesiser. Raises ReadError for a bad
    SoundFont, RnnmuseError if fluidsynth is not there or fails, ValueError for a ``rate`` outside 8000-192000.
    """
    if not 8000 <= rate <= 192000:
        raise ValueError(f"rate {rate!r} must be 8000-192000 Hz")
    end = piece.end
    if not any(part.notes for part in piece.parts):
        return np.zeros((0, 2), np.float32)
    samples = math.ceil((piece.seconds_at(end) + TAIL) * rate)
    if soundfont is None:
        mix = _synthesise(piece, samples, rate)
    else:
        mix = _play_soundfont(piece, Path(soundfont), samples, rate)
    fade = min(len(mix), rate // 20)
    mix[len(mix) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return _limit(mix, rate)


def write_wav(path: Path | str, samples: NDArray[np.floating], rate: int = 44100) -> None:
    """Write ``samples`` (n, channels) or (n,), -1 to 1, as a 16 bit WAV at ``rate`` Hz; OSError if it cannot."""
    data = samples[:, None] if samples.ndim == 1 else samples
    with wave.open(str(path), "wb") as out:
        out.setnchannels(data.shape[1])
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.round(np.clip(data, -1, 1) * 32767).astype("<i2").tobytes())


def clock(piece: Piece) -> Callable[[float], float]:
    """A fast ``piece.seconds_at``: beats to seconds, from a table built once."""
    tempos = [t for t in piece.tempos if t.bpm > 0]
    beats = np.array([0.0, *(t.beat for t in tempos)])
    pace = np.array([60 / 120.0, *(60 / t.bpm for t in tempos)])
    seconds = np.concatenate([[0.0], np.cumsum(np.diff(beats) * pace[:-1])])

    def at(beat: float) -> float:
        i = max(0, int(np.searchsorted(beats, beat)) - 1)
        return float(seconds[i] + (beat - beats[i]) * pace[i])

    return at


# ---------------------------------------------------------------------------------------------------------
# Voices


@dataclass(frozen=True)
class _Struck:
    """A struck or plucked tone: decaying partials. ``ring`` is the decay time to -60 dB at A4, seconds."""

    ring: float
    tilt: float = 1.0
    bright: float = 2500.0
    position: float = 0.12
    stretch: float = 0.0003
    ratios: tuple[float, ...] = ()
    thump: float = 0.0
    release: float = 0.12
    gain: float = 1.0


@dataclass(frozen=True)
class _Blown:
    """A held tone: a wavetable with vibrato. Times in seconds, vibrato in cents at 5.3 Hz."""

    attack: float = 0.05
    release: float = 0.12
    tilt: float = 1.0
    bright: float = 2500.0
    even: float = 1.0
    vibrato: float = 8.0
    detune: float = 0.0
    breath: float = 0.0
    formants: tuple[float, ...] = ()
    ratios: tuple[float, ...] = ()
    sustain: float = 0.8
    gain: float = 0.8


@dataclass(frozen=True)
class _Noise:
    """A noise effect around the played pitch."""

    width: float = 1.0
    ring: float = 0.5
    release: float = 0.1
    gain: float = 0.7


_Voice = _Struck | _Blown | _Noise

_PLUCK = _Struck(3.5, 1.0, 2600, 0.21, 0.00008, release=0.08)
_FAMILIES: tuple[_Voice, ...] = (
    _Struck(6.0, 0.9, 2200, 0.12, 0.0004, thump=0.06),  # piano
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


def _exponents(
    count: int, decay: NDArray[np.float64], hertz: NDArray[np.float64], rate: int
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Powers of each partial's step, coarse and fine, whose product is the partial: a matmul sums them all."""
    step = (-decay + 2j * np.pi * hertz) / rate
    block = 512
    return (
        np.exp(np.outer(np.arange(0, count, block), step)),
        np.exp(np.outer(step, np.arange(block))),
    )


def _struck(voice: _Struck, pitch: int, layer: int, count: int, rate: int) -> Audio:
    base = 440 * 2 ** ((pitch - 69) / 12)
    if voice.ratios:
        ratio = np.array(voice.ratios)
        order = np.arange(1, len(ratio) + 1.0)
    else:
        order = np.arange(1, 29.0)
        ratio = order * np.sqrt(1 + voice.stretch * order**2) / math.sqrt(1 + voice.stretch)
    keep = base * ratio < 0.45 * rate
    keep[0] = True
    ratio, order = ratio[keep], order[keep]
    hertz = base * ratio
    bright = voice.bright * (0.6 + 0.35 * layer) * (base / 440) ** 0.35
    amp = order**-voice.tilt * np.exp(-(hertz - base) / bright)
    if not voice.ratios:
        amp *= np.abs(np.sin(np.pi * order * voice.position)) + 0.03
    amp /= np.sqrt(np.sum(amp**2))
    decay = 6.9 / voice.ring * (base / 440) ** 0.55 * (1 + 0.25 * (order - 1))
    # Piano strings sound in pairs: a fast early decay, and a slow one a hair out of tune.
    hertz = np.concatenate([hertz, hertz * 1.0003])
    weight = np.concatenate([0.62 * amp, 0.38 * amp])
    decay = np.concatenate([decay * 2.4, decay])
    coarse, fine = _exponents(count, decay, hertz, rate)
    tone = ((coarse * weight) @ fine).imag.reshape(-1)[:count]
    if voice.thump:
        knock = min(count, rate // 25)
        noise = _band_noise(knock, 60, min(2200.0, base * 3 + 300), rate, pitch)
        tone[:knock] += noise * voice.thump * (1 + layer) * np.exp(-np.arange(knock) / (0.008 * rate))
    rise = min(count, max(2, int(0.002 * rate)))
    tone[:rise] *= np.linspace(0, 1, rise)
    # Low tones need more level to sound as loud.
    return np.asarray(0.5 * voice.gain * (base / 440) ** -0.15 * tone, np.float32)


def _wavetable(voice: _Blown, base: float, layer: int, rate: int) -> NDArray[np.floating]:
    order = np.arange(1, max(2, min(60, int(0.45 * rate / base) + 1)))
    hertz = base * order
    if voice.ratios:
        amp: NDArray[np.floating] = np.zeros(len(order))
        amp[: len(voice.ratios)] = voice.ratios[: len(order)]
    else:
        amp = order**-voice.tilt
    amp = amp * np.exp(-(hertz - base) / (voice.bright * (0.5 + 0.4 * layer)))
    amp[1::2] *= voice.even
    if voice.formants:
        amp *= 0.15 + sum(np.exp(-(((hertz - f) / (0.22 * f + 60)) ** 2)) for f in voice.formants)
        amp[0] = max(amp[0], amp[1:].max(initial=0) * 1.05)
    amp /= np.sqrt(np.sum(amp**2))
    angle = np.arange(2048) * (2 * np.pi / 2048)
    # Scattered phases keep the crest of the wave low.
    return np.asarray(amp @ np.sin(np.outer(order, angle) + (order**2 * 0.7)[:, None]))


def _blown(voice: _Blown, pitch: int, layer: int, count: int, rate: int) -> Audio:
    base = 440 * 2 ** ((pitch - 69) / 12)
    t = np.arange(count) / rate
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
        tone += voice.breath * _band_noise(count, base, min(8000.0, 0.4 * rate), rate, pitch)
    level = voice.sustain + (1 - voice.sustain) * np.exp(-np.maximum(0, t - voice.attack) / 0.25)
    return np.asarray(0.36 * voice.gain * tone * onset * level, np.float32)


def _noise(voice: _Noise, pitch: int, layer: int, count: int, rate: int) -> Audio:
    base = min(440 * 2 ** ((pitch - 69) / 12), 0.3 * rate)
    noise = _band_noise(count, base / (1 + voice.width), base * (1 + voice.width) + 400, rate, pitch)
    t = np.arange(count) / rate
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


@lru_cache(maxsize=600)
def _tone(program: int, pitch: int, layer: int, count: int, rate: int) -> Audio:
    voice = _voice(program)
    if isinstance(voice, _Struck):
        return _struck(voice, pitch, layer, count, rate)
    if isinstance(voice, _Blown):
        return _blown(voice, pitch, layer, count, rate)
    return _noise(voice, pitch, layer, count, rate)


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


@lru_cache(maxsize=256)
def _drum(note: int, layer: int, rate: int) -> tuple[Audio, float]:
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


# ---------------------------------------------------------------------------------------------------------
# Mixing


def _releases(part: Part, last: float) -> list[float]:
    """The beat at which each note really stops, the sustain pedal obeyed."""
    ends = [note.end for note in part.notes]
    spans: list[tuple[float, float]] = []
    down: float | None = None
    for control in sorted(part.controls):
        if control.number == _SUSTAIN and control.value >= 64 and down is None:
            down = control.beat
        elif control.number == _SUSTAIN and control.value < 64 and down is not None:
            spans.append((down, control.beat))
            down = None
    if down is not None:
        spans.append((down, max(last, down)))
    if not spans:
        return ends
    begins = np.array([span[0] for span in spans])
    following: dict[int, float] = {}
    for at in sorted(range(len(ends)), key=lambda i: -part.notes[i].start):
        note = part.notes[at]
        span = int(np.searchsorted(begins, ends[at], side="right")) - 1
        if span >= 0 and spans[span][0] <= ends[at] < spans[span][1]:
            # A string struck again stops sounding its earlier note.
            ends[at] = max(ends[at], min(spans[span][1], following.get(note.pitch, math.inf)))
        following[note.pitch] = note.start
    return ends


def _synthesise(piece: Piece, samples: int, rate: int) -> Audio:
    at = clock(piece)
    mix = np.zeros((samples, 2), np.float32)
    pitched = [p for p in piece.parts if not p.drum and p.notes]
    first = samples
    for part in piece.parts:
        if not part.notes:
            continue
        first = min(first, min(int(at(n.start) * rate) for n in part.notes))
        if part.drum:
            _add_drums(part, at, mix, rate)
            continue
        bus = np.zeros(samples, np.float32)
        _add_notes(part, at, bus, rate, piece.end)
        where = pitched.index(part)
        spread = 0.0 if len(pitched) == 1 else 0.45 * (2 * where / (len(pitched) - 1) - 1)
        mix += bus[:, None] * _gains(spread)
    _reverberate(mix, rate)
    mix[: max(0, first)] = 0
    return mix


def _gains(pan: float) -> Audio:
    angle = (pan + 1) * math.pi / 4
    return np.array([math.cos(angle), math.sin(angle)], np.float32)


def _loudness(velocity: int) -> float:
    return float(0.45 * (max(1, min(127, velocity)) / 127) ** 1.6)


def _add_notes(part: Part, at: Callable[[float], float], bus: Audio, rate: int, last: float) -> None:
    voice = _voice(part.program)
    # An exponential that has gone down by 60 dB after the release time.
    fall = np.exp(-6.9 * np.arange(1, int(voice.release * 2 * rate) + 1) / (2 * voice.release * rate)).astype(
        np.float32
    )
    for note, end in zip(part.notes, _releases(part, last), strict=True):
        begin = int(at(note.start) * rate)
        held = max(int(0.02 * rate), int(at(end) * rate) - begin)
        wanted = min(held + len(fall), len(bus) - begin)
        if isinstance(voice, _Struck):
            wanted = min(wanted, int(rate * 1.3 * voice.ring * 2 ** max(0.0, (69 - note.pitch) / 20)))
        if wanted <= 0 or begin < 0:
            continue
        # Tones are cached by a length rounded up to half an octave of time.
        steps = math.ceil(2 * math.log2(max(wanted / rate, 0.35)))
        layer = min(3, max(0, note.velocity - 1) // 32)
        tone = _tone(part.program, note.pitch, layer, math.ceil(2 ** (steps / 2) * rate), rate)[:wanted]
        sound = tone * np.float32(_loudness(note.velocity))
        if len(sound) > held:
            sound[held:] *= fall[: len(sound) - held]
        bus[begin : begin + len(sound)] += sound


def _add_drums(part: Part, at: Callable[[float], float], mix: Audio, rate: int) -> None:
    closings = sorted(n.start for n in part.notes if n.pitch in (42, 44))
    for note in part.notes:
        begin = int(at(note.start) * rate)
        sound, pan = _drum(note.pitch, min(3, max(0, note.velocity - 1) // 32), rate)
        if note.pitch == 46 and closings:
            i = int(np.searchsorted(closings, note.start, side="right"))
            if i < len(closings):
                stop = min(len(sound), int(at(closings[i]) * rate) - begin)
                fade = min(stop, rate // 200)
                sound = sound[:stop].copy()
                sound[stop - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        sound = sound[: max(0, len(mix) - begin)]
        mix[begin : begin + len(sound)] += sound[:, None] * (_gains(pan) * np.float32(_loudness(note.velocity)))


@lru_cache(maxsize=4)
def _room(rate: int, size: int) -> NDArray[np.complex64]:
    """Spectrum of a small hall's stereo answer."""
    count = int(1.1 * rate)
    t = np.arange(count) / rate
    answer = np.zeros((2, size), np.float32)
    for side in (0, 1):
        noise = _band_noise(count, 180, 5000, rate, 7 + side) * np.exp(-t / 0.22)
        noise[: int(0.012 * rate)] = 0
        answer[side, :count] = noise / np.sqrt(np.sum(noise**2))
    return np.fft.rfft(answer).astype(np.complex64)


def _reverberate(mix: Audio, rate: int, wet: float = 0.13) -> None:
    send = mix.sum(axis=1)
    size = 1 << (4 * rate).bit_length()
    block = size - int(1.1 * rate)
    room = _room(rate, size)
    for begin in range(0, len(send), block):
        heard = np.fft.rfft(send[begin : begin + block], size)
        end = min(len(send), begin + size)
        for side in (0, 1):
            answer = np.fft.irfft(heard * room[side], size)[: end - begin]
            mix[begin:end, side] += (wet * answer).astype(np.float32)


def _limit(mix: Audio, rate: int) -> Audio:
    """Turn down what would pass CEILING, falling within 5 ms ahead of it and recovering over 0.3 s."""
    peak = float(np.abs(mix).max(initial=0.0))
    if peak <= CEILING:
        return mix
    mix = mix * np.float32(min(1.0, 2.0 / peak))
    block = 128
    blocks = -(-len(mix) // block)
    padded = np.zeros(blocks * block, np.float32)
    padded[: len(mix)] = np.abs(mix).max(axis=1)
    gain = np.minimum(1.0, 0.999 * CEILING / np.maximum(padded.reshape(blocks, block).max(axis=1), 1e-9))
    edged = np.concatenate([[1.0], gain, [1.0]])
    # Interpolating between block centres stays below each block's gain, as neighbours count in each.
    curve = np.minimum(np.minimum(edged[:-2], edged[1:-1]), edged[2:]).tolist()
    rise, fall = block / (0.3 * rate), block / (0.005 * rate)
    for i in range(1, blocks):
        curve[i] = min(curve[i], curve[i - 1] + rise)
    for i in range(blocks - 2, -1, -1):
        curve[i] = min(curve[i], curve[i + 1] + fall)
    smooth = np.interp(np.arange(len(mix)), (np.arange(blocks) + 0.5) * block, curve).astype(np.float32)
    return np.asarray(np.clip(mix * smooth[:, None], -CEILING, CEILING), np.float32)


# ---------------------------------------------------------------------------------------------------------
# SoundFonts


def _play_soundfont(piece: Piece, font: Path, samples: int, rate: int) -> Audio:
    try:
        with font.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise ReadError(f"soundfont {str(font)!r} cannot be read: {error.strerror}") from error
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise ReadError(f"soundfont {str(font)!r} is not a SoundFont file (.sf2 or .sf3)")
    from rnnmuse.music.midi import write_midi

    with tempfile.TemporaryDirectory() as folder:
        song, audio = Path(folder) / "piece.mid", Path(folder) / "piece.wav"
        program = shutil.which("fluidsynth")
        if not program:
            raise RnnmuseError("soundfont: the fluidsynth program is needed to play one; it is not on the path")
        write_midi(piece, song)
        command = [program, "-niq", "-r", str(rate), "-T", "wav", "-O", "s16", "-F", str(audio), str(font)]
        done = subprocess.run([*command, str(song)], capture_output=True, text=True, check=False)
        if done.returncode or not audio.exists():
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise RnnmuseError(f"fluidsynth could not render with {str(font)!r}: {reason}")
        with wave.open(str(audio), "rb") as file_:
            data = np.frombuffer(file_.readframes(file_.getnframes()), "<i2")
        played = data.reshape(-1, 2).astype(np.float32) / 32768
    mix = np.zeros((samples, 2), np.float32)
    count = min(samples, len(played))
    mix[:count] = played[:count]
    return mix
