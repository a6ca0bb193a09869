"""Pieces to sound files, streamed: by the built-in synthesiser or a SoundFont, at a stated loudness.

A piece is rendered once into a temporary file of raw samples, measured on the way, and written from there with its gain
and its limiter, so that the memory in use does not depend on its length.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnmuse.errors import MissingExtraError, ReadError, RnnmuseError
from rnnmuse.music.loudness import Meter, true_peaks
from rnnmuse.music.midi_out import channels, write_midi
from rnnmuse.music.piece import Piece
from rnnmuse.music.playback import performance
from rnnmuse.music.synth import Synth
from rnnmuse.music.tones import Audio
from rnnmuse.provenance.marks import seal_file
from rnnmuse.storage import replacing

TAIL = 1.5
"""Seconds rendered after the last note's release, for ringing tones and reverb."""

CEILING = 10 ** (-1 / 20)
"""No rendered sample is beyond this: -1 dBFS."""

LOUDNESS = -16.0
"""LUFS of a sound file, as podcasts and streaming services ask for."""

BLOCK = 8192
MAX_SECONDS = 6 * 3600.0
_STEP = 64
"""Samples that the limiter sees as one."""

_LIMITED = {
    ".wav": None,
    ".flac": "FLAC",
    ".ogg": "OGG",
    ".opus": "OGG",
    ".mp3": "MP3",
    ".aiff": "AIFF",
    ".aif": "AIFF",
}


def render(piece: Piece, soundfont: Path | None = None, rate: int = 44100) -> Audio:
    """Audio of ``piece``: float32 of shape (samples, 2) at ``rate`` Hz, within +-CEILING, held in memory.

    It lasts until the last release plus TAIL seconds; an empty piece gives no samples. With ``soundfont`` it is played
    by the fluidsynth program; without, by the built-in synthesiser. Raises ReadError for a bad SoundFont, RnnmuseError
    if fluidsynth is not there or fails, ValueError for a ``rate`` outside 8000-192000.
    """
    blocks = list(stream(piece, soundfont, rate))
    if not blocks:
        return np.zeros((0, 2), np.float32)
    mix = np.concatenate(blocks)
    curve = _gain_curve(_sample_peaks(mix, _STEP), rate)
    return np.asarray(np.clip(mix * _interpolated(curve, 0, len(mix))[:, None], -CEILING, CEILING), np.float32)


def stream(piece: Piece, soundfont: Path | None = None, rate: int = 44100) -> Iterator[Audio]:
    """The sound of ``piece`` block by block, float32 of shape (n, 2), before any limiter; see `render`."""
    if not 8000 <= rate <= 192000:
        raise ValueError(f"rate {rate!r} must be 8000-192000 Hz")
    if not any(part.notes for part in piece.parts):
        return
    seconds = piece.seconds_at(piece.end) + TAIL
    if seconds > MAX_SECONDS + TAIL:
        raise ValueError(f"length: {seconds / 3600:.1f} hours; at most {MAX_SECONDS / 3600:.0f} are rendered")
    samples = math.ceil(seconds * rate)
    made = (
        _synthesised(piece, samples, rate) if soundfont is None else _fluidsynth(piece, Path(soundfont), samples, rate)
    )
    fade = min(samples, rate // 20)
    at = 0
    for block in made:
        left = samples - at - np.arange(len(block))
        yield block * np.clip(left / fade, 0, 1).astype(np.float32)[:, None] if left[-1] <= fade else block
        at += len(block)


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


def _synthesised(piece: Piece, samples: int, rate: int) -> Iterator[Audio]:
    at = clock(piece)
    synth = Synth(rate)
    for channel, pan in _spread(piece).items():
        synth.send(bytes((0xB0 | channel & 0x0F, 10, pan)), channel=channel)
    events = [(round(at(max(0.0, sent.beat)) * rate), sent.channel, sent.message) for sent in performance(piece)]
    done, place = 0, 0
    while done < samples:
        frames = min(BLOCK, samples - done)
        while place < len(events) and events[place][0] < done + frames:
            tick, channel, message = events[place]
            synth.send(message, tick - done, channel)
            place += 1
        yield synth.render(frames)
        done += frames


def _spread(piece: Piece) -> dict[int, int]:
    """Pans of the channels of pitched parts that say nothing of their own, from left to right."""
    own = channels(piece)
    pitched = [i for i, part in enumerate(piece.parts) if part.notes and not part.drum]
    if any(control.number == 10 for part in piece.parts for control in part.controls) or len(pitched) < 2:
        return {}
    return {own[i]: 64 + round(28 * (2 * place / (len(pitched) - 1) - 1)) for place, i in enumerate(pitched)}


# ---------------------------------------------------------------------------------------------------------
# SoundFonts


def _fluidsynth(piece: Piece, font: Path, samples: int, rate: int) -> Iterator[Audio]:
    """``samples`` of ``piece`` as the fluidsynth program plays it, read from the file that it writes."""
    try:
        with font.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise ReadError(f"soundfont {str(font)!r} cannot be read: {error.strerror}") from error
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise ReadError(f"soundfont {str(font)!r} is not a SoundFont file (.sf2 or .sf3)")
    program = shutil.which("fluidsynth")
    if not program:
        raise RnnmuseError("soundfont: the fluidsynth program is needed to play one; it is not on the path")
    with tempfile.TemporaryDirectory() as folder:
        song, audio = Path(folder) / "piece.mid", Path(folder) / "piece.wav"
        write_midi(piece, song)
        command = [program, "-niq", "-r", str(rate), "-T", "wav", "-O", "s16", "-F", str(audio), str(font)]
        done = subprocess.run([*command, str(song)], capture_output=True, text=True, check=False)
        if done.returncode or not audio.exists():
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise RnnmuseError(f"fluidsynth could not render with {str(font)!r}: {reason}")
        with wave.open(str(audio), "rb") as played:
            left = samples
            while left:
                data = np.frombuffer(played.readframes(min(BLOCK, left)), "<i2").reshape(-1, 2)
                if not len(data):
                    data = np.zeros((min(BLOCK, left), 2), "<i2")
                left -= len(data)
                yield np.asarray(data / 32768, np.float32)


# ---------------------------------------------------------------------------------------------------------
# Loudness


class Rendered:
    """A rendered piece in a temporary file: its peaks and loudness, and its samples at a loudness."""

    def __init__(self, blocks: Iterator[Audio], rate: int, file: IO[bytes]) -> None:
        self.rate, self._file, self.samples = rate, file, 0
        meter = Meter(rate)
        peaks: list[NDArray[np.float32]] = []
        left = np.zeros((0, 2), np.float32)
        for block in blocks:
            file.write(block.tobytes())
            self.samples += len(block)
            meter.add(block)
            left = np.concatenate([left, block])
            whole = len(left) // _STEP * _STEP
            if whole >= 4 * BLOCK:
                peaks.append(true_peaks(left[:whole], _STEP))
                left = left[whole:]
        peaks.append(true_peaks(left, _STEP) if len(left) else np.zeros(0, np.float32))
        self.peaks = np.concatenate(peaks)
        self.loudness = meter.loudness()

    def at_loudness(self, target: float) -> Iterator[Audio]:
        """The samples at ``target`` LUFS, with no true peak over CEILING; silence stays silence.

        The limiter takes loudness away, so the gain is found in up to three steps.
        """
        gain = 10 ** ((target - self.loudness) / 20) if math.isfinite(self.loudness) else 1.0
        for _ in range(3):
            curve = _gain_curve(self.peaks * np.float32(gain), self.rate)
            if not math.isfinite(self.loudness) or float(curve.min(initial=1.0)) > 0.99:
                break
            meter = Meter(self.rate)
            for block in self._limited(gain, curve):
                meter.add(block)
            short = target - meter.loudness()
            if abs(short) < 0.3:
                break
            gain *= 10 ** (min(6.0, short) / 20)
        curve = _gain_curve(self.peaks * np.float32(gain), self.rate)
        yield from self._limited(gain, curve)

    def _limited(self, gain: float, curve: NDArray[np.float32]) -> Iterator[Audio]:
        self._file.seek(0)
        at = 0
        while True:
            data = np.frombuffer(self._file.read(BLOCK * 8), np.float32).reshape(-1, 2)
            if not len(data):
                return
            levels = _interpolated(curve, at, len(data)) * np.float32(gain)
            yield np.clip(data * levels[:, None], -CEILING, CEILING)
            at += len(data)


@contextmanager
def rendered(piece: Piece, soundfont: Path | None = None, rate: int = 44100) -> Iterator[Rendered]:
    """``piece`` rendered into a temporary file, which goes with the context."""
    with tempfile.TemporaryFile() as file:
        yield Rendered(stream(piece, soundfont, rate), rate, file)


def _sample_peaks(mix: Audio, step: int) -> NDArray[np.float32]:
    padded = np.zeros(-(-len(mix) // step) * step, np.float32)
    padded[: len(mix)] = np.abs(mix).max(axis=1)
    return np.asarray(padded.reshape(-1, step).max(axis=1))


def _gain_curve(peaks: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Gains of stretches of _STEP samples that keep ``peaks`` under CEILING: they fall within 5 ms before a peak and
    recover over 0.3 s after it."""
    if float(peaks.max(initial=0.0)) <= CEILING:
        return np.ones(len(peaks), np.float32)
    gain = np.minimum(1.0, 0.99 * CEILING / np.maximum(peaks, 1e-9))
    edged = np.concatenate([[1.0], gain, [1.0]])
    # Interpolating between centres stays below each stretch's gain, as neighbours count in each.
    curve = np.minimum(np.minimum(edged[:-2], edged[1:-1]), edged[2:]).tolist()
    rise, fall = _STEP / (0.3 * rate), _STEP / (0.005 * rate)
    for i in range(1, len(curve)):
        if curve[i] > curve[i - 1] + rise:
            curve[i] = curve[i - 1] + rise
    for i in range(len(curve) - 2, -1, -1):
        if curve[i] > curve[i + 1] + fall:
            curve[i] = curve[i + 1] + fall
    return np.array(curve, np.float32)


def _interpolated(curve: NDArray[np.float32], start: int, count: int) -> NDArray[np.float32]:
    """The gain of each of ``count`` samples from ``start`` on."""
    first = max(0, start // _STEP - 1)
    own = curve[first : (start + count) // _STEP + 2]
    centres = (first + np.arange(len(own)) + 0.5) * _STEP
    return np.interp(np.arange(start, start + count), centres, own).astype(np.float32)


# ---------------------------------------------------------------------------------------------------------
# Files


class _Sink(Protocol):
    def write(self, samples: Audio) -> object: ...

    def close(self) -> object: ...


class _Wav:
    """A 16 bit WAV."""

    def __init__(self, path: Path, rate: int, channels_: int = 2) -> None:
        self._out = wave.open(str(path), "wb")  # noqa: SIM115  # close() does
        self._out.setnchannels(channels_)
        self._out.setsampwidth(2)
        self._out.setframerate(rate)

    def write(self, samples: NDArray[np.floating]) -> None:
        self._out.writeframesraw(np.round(np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())

    def close(self) -> None:
        self._out.close()


def check_format(path: Path | str) -> None:
    """Raise ValueError for a suffix that is no sound format, MissingExtraError where it needs soundfile."""
    suffix = Path(path).suffix.lower()
    if suffix not in _LIMITED:
        raise ValueError(f"out: {Path(path).name!r}; must end in one of {', '.join(_LIMITED)}")
    kind = _LIMITED[suffix]
    if kind is None:
        return
    soundfile = _soundfile(suffix)
    if kind not in soundfile.available_formats():
        raise ValueError(f"out: {Path(path).name!r}; this build of libsndfile writes no {suffix}; use .wav or .flac")


def _soundfile(suffix: str) -> Any:
    try:
        import soundfile
    except (ImportError, OSError):  # without its library it raises OSError
        raise MissingExtraError(f"writing {suffix}", "sound") from None
    return soundfile


def _sink(path: Path, rate: int) -> _Sink:
    check_format(path)
    suffix = path.suffix.lower()
    kind = _LIMITED[suffix]
    if kind is None:
        return _Wav(path, rate)
    subtype = {".opus": "OPUS", ".ogg": "VORBIS"}.get(suffix)
    sink: _Sink = _soundfile(suffix).SoundFile(str(path), "w", rate, 2, subtype=subtype, format=kind)
    return sink


def write_sound(
    piece: Piece, path: Path | str, soundfont: Path | None = None, rate: int = 44100, loudness: float = LOUDNESS
) -> float:
    """Write ``piece`` as a sound file at ``loudness`` LUFS, in the format of the suffix; returns its seconds.

    WAV needs nothing more; FLAC, OGG, Opus, MP3 and AIFF need soundfile (the ``sound`` extra).
    """
    path = Path(path)
    check_format(path)
    with rendered(piece, soundfont, rate) as made:
        with replacing(path) as partial:
            sink = _sink(partial, rate)
            try:
                for block in made.at_loudness(loudness):
                    sink.write(block)
            finally:
                sink.close()
        seal_file(path, piece.made)
        return made.samples / rate


def play_sound(piece: Piece, soundfont: Path | None = None, rate: int = 44100, loudness: float = LOUDNESS) -> float:
    """Play ``piece`` on the default sound card (the ``sound`` extra) to its end; returns its seconds."""
    try:
        import sounddevice
    except (ImportError, OSError):
        raise MissingExtraError("playing sound", "sound") from None
    with rendered(piece, soundfont, rate) as made:
        try:
            with sounddevice.OutputStream(samplerate=rate, channels=2, dtype="float32") as out:
                for block in made.at_loudness(loudness):
                    out.write(np.ascontiguousarray(block))
        except sounddevice.PortAudioError as error:
            raise RnnmuseError(f"play: the sound card cannot be opened ({str(error).splitlines()[0]})") from None
        return made.samples / rate


def write_wav(path: Path | str, samples: NDArray[np.floating], rate: int = 44100) -> None:
    """Write ``samples`` (n, channels) or (n,), -1 to 1, as a 16 bit WAV at ``rate`` Hz; OSError if it cannot."""
    data = samples[:, None] if samples.ndim == 1 else samples
    out = _Wav(Path(path), rate, data.shape[1])
    try:
        out.write(data)
    finally:
        out.close()
