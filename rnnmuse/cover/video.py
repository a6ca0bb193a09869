"""A loop that moves with the music: the latent walks from bar to bar, loudness opens and brightens the picture.

Every bar has traits of its own (`rnnmuse.cover.traits`) and so a latent and wishes; between the bars' middles they
are joined by a closed cubic spline, so that the last bar leads into the first. Loudness moves the wish for contrast
and a small zoom.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rnnmuse.cover.palette import parse_palette, recolour
from rnnmuse.cover.picture import Design, noise_of, wishes_of
from rnnmuse.cover.traits import Traits, latent_of, traits_of, traits_of_seed
from rnnmuse.cover.typography import DARK, LIGHT, overlay
from rnnmuse.errors import MissingExtraError, RnnmuseError
from rnnmuse.events import Note
from rnnmuse.models.cover import ATTRIBUTES, CoverModel, Window, single_threaded
from rnnmuse.music.piece import Part, Piece, Tempo
from rnnmuse.music.sound import render, write_wav

Array = NDArray[np.float32]
Progress = Callable[[float], None]
ENDINGS = {".mp4": ("libx264", "yuv420p", "aac"), ".webm": ("libvpx-vp9", "yuv420p", "libopus")}
LONGEST = 600.0  # seconds
OWN = 0.45
"""How far a bar's own traits count beside the piece's: the loop stays one picture that moves."""
ZOOM = 0.05
FALL = 0.35  # seconds in which loudness falls to a third


def excerpt(piece: Piece, start: int, bars: int) -> Piece:
    """``bars`` bars from bar ``start`` (1 is the first), moved to beat 0; RnnmuseError where no note is in them."""
    if start < 1 or not 1 <= bars <= 256:
        raise ValueError(f"bars: {bars} from {start}; must be 1 to 256 bars, from 1 on")
    beats = _bar_beats(piece, start + bars - 1)
    begin, end = beats[start - 1], beats[-1]
    parts = []
    for part in piece.parts:
        notes = [Note(n.start - begin, n.pitch, min(n.duration, end - n.start), n.velocity)
                 for n in part.notes if begin - 1e-6 <= n.start < end - 1e-6]  # fmt: skip
        if notes:
            parts.append(Part(part.name, part.program, part.drum, notes))
    if not parts:
        raise RnnmuseError(f"bars {start} to {start + bars - 1}: no notes in them")
    tempos = [replace(t, beat=max(0.0, t.beat - begin)) for t in piece.tempos if t.beat < end]
    first = max((i for i, t in enumerate(piece.tempos) if t.beat <= begin + 1e-6), default=0)
    metres = [replace(piece.metre_at(begin), beat=0.0)]
    metres += [replace(m, beat=m.beat - begin) for m in piece.metres if begin < m.beat < end]
    keys = piece.keys[:1]
    return Piece(parts, tempos[first:], metres, keys, title=piece.title)


def _bar_beats(piece: Piece, count: int) -> list[float]:
    beats = [0.0]
    for _ in range(count):
        beats.append(beats[-1] + piece.metre_at(beats[-1] + 1e-6).bar_beats)
    return beats


class Walk:
    """The way through latents and wishes that a piece's bars mark out; `at` is where it is at a time in seconds."""

    def __init__(self, piece: Piece | None, design: Design, length: int, seconds: float = 0.0) -> None:
        self._strength = design.strength
        if piece is None:
            self.seconds = seconds
            bars = [traits_of_seed(design.seed + index) for index in range(6)]
            whole = traits_of_seed(design.seed)
            middles = np.arange(6) * seconds / 6
            self._onsets: list[tuple[float, float]] = []
        else:
            ends = [b for b in _bar_beats(piece, 4096) if b < piece.end - 1e-6]
            last = ends[-1] + piece.metre_at(ends[-1] + 1e-6).bar_beats
            edges = [*ends, last]
            self.seconds = piece.seconds_at(last)
            whole = traits_of(piece)
            bars = [_bar_traits(piece, a, b, whole) for a, b in pairwise(edges)]
            middles = np.array([piece.seconds_at((a + b) / 2) for a, b in pairwise(edges)])
            self._onsets = sorted((piece.seconds_at(n.start), n.velocity / 127) for n in piece.notes)
        mixed = [Traits(*((1 - OWN) * whole.vector() + OWN * bar.vector()).tolist()) for bar in bars]
        z = np.stack([latent_of(t, design.seed, length, design.profile) for t in mixed])
        c = np.stack([wishes_of(design, t) for t in mixed])
        self._latents, self._wishes = (_ClosedSpline(middles, values, self.seconds) for values in (z, c))
        self._times = np.array([at for at, _ in self._onsets])
        self._loud = np.array([loud for _, loud in self._onsets])

    def loudness(self, at: float) -> float:
        """0 to 1: the strokes before ``at``, each falling off; those at the end sound on into the beginning."""
        if not len(self._times):
            return 0.5 + 0.5 * math.sin(2 * math.pi * at / self.seconds)
        since = (at - self._times) % self.seconds
        return float(1 - math.exp(-1.2 * float((self._loud * np.exp(-since / FALL)).sum())))

    def at(self, seconds: float) -> tuple[Array, Array, float]:
        """Latent, conditions and loudness at a time."""
        loud = self.loudness(seconds)
        c = self._wishes(seconds)
        c[ATTRIBUTES.index("contrast")] += 0.9 * self._strength * (loud - 0.5)
        c[ATTRIBUTES.index("brightness")] += 0.5 * self._strength * (loud - 0.5)
        return self._latents(seconds), c, loud


def _bar_traits(piece: Piece, begin: float, end: float, whole: Traits) -> Traits:
    """The traits of one bar; the key's are the piece's. A bar without notes has the piece's, but thinner."""
    parts = [Part(p.name, p.program, p.drum, [n for n in p.notes if begin - 1e-6 <= n.start < end - 1e-6])
             for p in piece.parts]  # fmt: skip
    notes = [n for p in parts for n in p.notes]
    if not notes:
        return replace(whole, density=whole.density - 0.8, dynamics=whole.dynamics - 0.8)
    seconds = piece.seconds_at(end) - piece.seconds_at(begin)
    pace = 60 * (end - begin) / max(seconds, 1e-3)
    moved = [
        replace(p, notes=[replace(n, start=n.start - begin, duration=end - begin) for n in p.notes]) for p in parts
    ]
    own = traits_of(Piece(moved, [Tempo(0.0, pace)], keys=piece.keys))
    return replace(own, mode=whole.mode, fifths_x=whole.fifths_x, fifths_y=whole.fifths_y)


class _ClosedSpline:
    """Catmull-Rom through values (n, d) at times, closed over ``period``; uneven times by Barry and Goldman 1988."""

    def __init__(self, times: NDArray[np.floating], values: Array, period: float) -> None:
        self._times, self._values, self._period = np.asarray(times, np.float64), values, period

    def __call__(self, at: float) -> Array:
        count = len(self._times)
        if count == 1:
            return np.array(self._values[0])
        last = int(np.searchsorted(self._times, at % self._period, "right")) - 1
        index = [last - 1, last, last + 1, last + 2]
        t = [self._times[i % count] + (i // count) * self._period for i in index]
        p = [self._values[i % count].astype(np.float64) for i in index]
        x = at % self._period
        level = list(p)
        for width in (1, 2, 3):
            if width == 2:
                level = [_between(level[i], level[i + 1], t[i], t[i + 2], x) for i in range(2)]
            elif width == 1:
                level = [_between(level[i], level[i + 1], t[i], t[i + 1], x) for i in range(3)]
            else:
                level = [_between(level[0], level[1], t[1], t[2], x)]
        return np.asarray(level[0], np.float32)


def _between(
    a: NDArray[np.float64], b: NDArray[np.float64], begin: float, end: float, at: float
) -> NDArray[np.float64]:
    part = (at - begin) / max(1e-9, end - begin)
    return np.asarray(a * (1 - part) + b * part)


def frames(model: CoverModel, design: Design, walk: Walk, width: int, height: int, rate: float,
           threads: int = 2) -> Iterator[NDArray[np.uint8]]:  # fmt: skip
    """The loop's pictures in turn, (height, width, 3) uint8. The picture's fine irregularities stand still."""
    count = max(2, round(walk.seconds * rate))
    base = Window.of(width, height)
    scale = 2 if min(width, height) >= 512 else 1  # the picture has nothing finer than half a pixel at these sizes
    colours = parse_palette(design.palette) if design.palette else None
    text = overlay((width, height), design.title, design.artist, design.style, design.place, design.font)

    noise = noise_of(model, design)

    def frame(index: int) -> NDArray[np.uint8]:
        z, c, loud = walk.at(index / count * walk.seconds)
        planes = model.planes(z, c, design.seed, noise)
        window = _zoomed(base, 1 - ZOOM * loud)
        pixels = model.draw(planes, -(-width // scale), -(-height // scale), window, 1)
        image = Image.fromarray(pixels)
        if scale > 1:
            image = image.resize((width, height), Image.Resampling.BICUBIC)
        if colours:
            image = recolour(image, colours, 0.8)
        if text is not None:
            image.paste(DARK, (0, 0, width, height), text[0])
            image.paste(LIGHT, (0, 0, width, height), text[1])
        return np.asarray(image)

    with single_threaded(), ThreadPoolExecutor(threads) as pool:
        ahead = 4 * threads
        waiting = [pool.submit(frame, index) for index in range(min(ahead, count))]
        for index in range(count):
            yield waiting.pop(0).result()
            if index + ahead < count:
                waiting.append(pool.submit(frame, index + ahead))


def _zoomed(window: Window, share: float) -> Window:
    x, y = (window.left + window.right) / 2, (window.top + window.bottom) / 2
    half_x, half_y = (window.right - window.left) / 2 * share, (window.bottom - window.top) / 2 * share
    return Window(x - half_x, y - half_y, x + half_x, y + half_y)


def write_video(pictures: Iterator[NDArray[np.uint8]], path: Path, size: tuple[int, int], rate: float, count: int,
                sound: Path | None = None, progress: Progress | None = None) -> None:  # fmt: skip
    """Encode pictures as MP4 (H.264, AAC) or WebM (VP9, Opus), with a WAV as sound.

    MissingExtraError without imageio-ffmpeg, RnnmuseError if its program fails. Written whole or not at all.
    """
    codec, pixel, audio = ENDINGS[checked(path)]
    try:
        import imageio_ffmpeg
    except ImportError:
        raise MissingExtraError("video", "video") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".video-") as folder:
        partial = Path(folder) / f"loop{path.suffix.lower()}"
        more = ["-preset", "medium", "-crf", "18", "-movflags", "+faststart"] if codec == "libx264" else [
            "-crf", "32", "-b:v", "0", "-row-mt", "1", "-cpu-used", "5"]  # fmt: skip
        settings = {"fps": rate, "codec": codec, "pix_fmt_out": pixel, "quality": None, "macro_block_size": 2,
                    "output_params": more, "ffmpeg_log_level": "error"}  # fmt: skip
        if sound is not None:
            settings |= {"audio_path": str(sound), "audio_codec": audio}
        try:
            writer = imageio_ffmpeg.write_frames(str(partial), size, **settings)
            writer.send(None)
            for index, picture in enumerate(pictures, 1):
                writer.send(np.ascontiguousarray(picture))
                if progress:
                    progress(index / count)
            writer.close()
        except (OSError, RuntimeError) as error:
            raise RnnmuseError(f"video: ffmpeg failed ({str(error).strip().splitlines()[-1][:200]})") from None
        if not partial.exists() or not partial.stat().st_size:
            raise RnnmuseError("video: ffmpeg wrote nothing")
        partial.replace(path)


def checked(path: Path) -> str:
    """The path's ending in lower case; ValueError if no video can have it."""
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"out: {path.name}; must end with {' or '.join(ENDINGS)}")
    return path.suffix.lower()


def parse_size(text: str) -> tuple[int, int]:
    """``720x720`` as width and height, even (as H.264 wants them), 64 to 3840; ValueError else."""
    found = re.fullmatch(r"(\d{2,4})\s*[x×X]\s*(\d{2,4})", text.strip())
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (64 <= width <= 3840 and 64 <= height <= 3840) or width % 2 or height % 2:
        raise ValueError(f"size: {text!r}; must be width x height, even numbers of 64 to 3840, such as 1280x720")
    return width, height


def write_loop_sound(piece: Piece, seconds: float, path: Path, rate: int = 44100) -> Path:
    """The excerpt as a WAV of just ``seconds``: what sounds on after the end is laid over the beginning."""
    samples = render(piece, rate=rate)
    length = round(seconds * rate)
    out = np.zeros((length, 2), np.float32)
    for at in range(0, len(samples), length):
        part = samples[at : at + length]
        out[: len(part)] += part
    peak = float(np.abs(out).max())
    write_wav(path, out / peak * 0.89 if peak > 0.89 else out, rate)
    return path
