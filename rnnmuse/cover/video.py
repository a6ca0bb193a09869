"""A loop that moves with the music: beats cut, parts drive the shapes, loudness opens the picture.

Every bar has traits of its own (`rnnmuse.cover.traits`) and so a latent and wishes; between the bars' middles they
are joined by a closed cubic spline, so that the last bar leads into the first. The picture is composed afresh on every
beat, at the place where the walk is then. Within a beat each part of the music swells one ink as it sounds, and
loudness opens the window.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnmuse.cover.composition import Composition, compose
from rnnmuse.cover.picture import Design, Sheet, palette_for_design, sheet_of, wishes_of
from rnnmuse.cover.plate import Window, pressed, single_threaded, swollen
from rnnmuse.cover.traits import Traits, latent_of, traits_of, traits_of_seed
from rnnmuse.cover.typography import lettered
from rnnmuse.errors import MissingExtraError, RnnmuseError
from rnnmuse.events import Note
from rnnmuse.models.cover import CoverModel
from rnnmuse.music.piece import Part, Piece, Tempo
from rnnmuse.music.sound import render, write_wav
from rnnmuse.provenance.marks import seal_file
from rnnmuse.provenance.record import Made

Array = NDArray[np.float32]
Progress = Callable[[float], None]
ENDINGS = {".mp4": ("libx264", "yuv420p", "aac"), ".webm": ("libvpx-vp9", "yuv420p", "libopus")}
LONGEST = 600.0  # seconds
OWN = 0.45
"""How far a bar's own traits count beside the piece's: the loop stays one picture that moves."""
ZOOM = 0.05
FALL = 0.35  # seconds in which loudness falls to a third
SWELL = 0.16
"""How far a part that sounds raises the level of its ink."""
INKS = 3
"""Inks that parts drive: the lowest part the first, the highest the last."""


def excerpt(piece: Piece, start: int, bars: int) -> Piece:
    """``bars`` bars from bar ``start`` (1 is the first, a pickup is 0), moved to beat 0; RnnmuseError where no note is
    in them."""
    first = piece.first_bar
    if start < first or not 1 <= bars <= 256:
        raise ValueError(f"bars: {bars} from {start}; must be 1 to 256 bars, from {first} on")
    beats = list(islice(piece.bar_lines(), start - first, start - first + bars + 1))
    begin, end = beats[0], beats[-1]
    parts = []
    for part in piece.parts:
        notes = [Note(n.start - begin, n.pitch, min(n.duration, end - n.start), n.velocity)
                 for n in part.notes if begin - 1e-6 <= n.start < end - 1e-6]  # fmt: skip
        if notes:
            parts.append(Part(part.name, part.program, part.drum, notes))
    if not parts:
        raise RnnmuseError(f"bars {start} to {start + bars - 1}: no notes in them")
    tempos = [replace(t, beat=max(0.0, t.beat - begin)) for t in piece.tempos if t.beat < end]
    heard = max((i for i, t in enumerate(piece.tempos) if t.beat <= begin + 1e-6), default=0)
    metres = [replace(piece.metre_at(begin), beat=0.0)]
    metres += [replace(m, beat=m.beat - begin) for m in piece.metres if begin < m.beat < end]
    keys = piece.keys[:1]
    return Piece(parts, tempos[heard:], metres, keys, title=piece.title, pickup=piece.pickup if begin <= 0 else 0.0)


class Walk:
    """The way through latents and wishes that a piece's bars mark out; `at` is where it is at a time in seconds."""

    def __init__(self, piece: Piece | None, design: Design, length: int, seconds: float = 0.0) -> None:
        if piece is None:
            self.seconds = seconds
            bars = [traits_of_seed(design.seed + index) for index in range(6)]
            whole = traits_of_seed(design.seed)
            middles = np.arange(6) * seconds / 6
            onsets: list[list[tuple[float, float]]] = [[] for _ in range(INKS)]
            self.beats = [index * seconds / 12 for index in range(12)]
        else:
            starts = piece.bar_starts(piece.end)
            edges = list(islice(piece.bar_lines(), len(starts) + 1))
            last = edges[-1]
            self.seconds = piece.seconds_at(last)
            whole = traits_of(piece)
            bars = [_bar_traits(piece, a, b, whole) for a, b in pairwise(edges)]
            middles = np.array([piece.seconds_at((a + b) / 2) for a, b in pairwise(edges)])
            onsets = _by_ink(piece)
            self.beats = [piece.seconds_at(float(beat)) for beat in range(math.ceil(last - 1e-6))]
        mixed = [Traits(*((1 - OWN) * whole.vector() + OWN * bar.vector()).tolist()) for bar in bars]
        z = np.stack([latent_of(t, design.seed, length, design.profile) for t in mixed])
        c = np.stack([wishes_of(design, t) for t in mixed])
        self._latents, self._wishes = (_ClosedSpline(middles, values, self.seconds) for values in (z, c))
        self._onsets = [np.array(each or [(0.0, 0.0)]) for each in onsets]

    def sounding(self, at: float) -> NDArray[np.float64]:
        """How loud each ink's part sounds, (INKS,) of 0 to 1: its notes before ``at``, each falling off; those at the
        end sound on into the beginning."""
        at %= self.seconds
        if not any(each[:, 1].any() for each in self._onsets):
            turns = at / self.seconds + np.arange(INKS) / INKS
            return np.asarray(0.5 + 0.5 * np.sin(2 * math.pi * turns))
        out = [(each[:, 1] * np.exp(-((at - each[:, 0]) % self.seconds) / FALL)).sum() for each in self._onsets]
        return np.asarray(1 - np.exp(-1.2 * np.array(out)))

    def loudness(self, at: float) -> float:
        """0 to 1, of all parts together."""
        return float(1 - np.prod(1 - self.sounding(at)))

    def beat(self, at: float) -> int:
        """The beat that ``at`` is in, from 0."""
        return max(0, int(np.searchsorted(self.beats, at % self.seconds + 1e-9, "right")) - 1)

    def at(self, seconds: float) -> tuple[Array, Array]:
        """Latent and conditions at a time."""
        return self._latents(seconds), self._wishes(seconds)


def _by_ink(piece: Piece) -> list[list[tuple[float, float]]]:
    """Onsets in seconds and their loudness 0-1 for each ink: parts ordered by their mean pitch, drums the lowest; a
    single part by the register of its notes."""

    def place(part: Part) -> tuple[bool, float]:
        return not part.drum, sum(note.pitch for note in part.notes) / len(part.notes)

    parts = sorted((part for part in piece.parts if part.notes), key=place)
    out: list[list[tuple[float, float]]] = [[] for _ in range(INKS)]
    for index, part in enumerate(parts):
        pitches = sorted(note.pitch for note in part.notes)
        for note in part.notes:
            below = sum(pitch < note.pitch for pitch in pitches)
            ink = round(index * (INKS - 1) / (len(parts) - 1)) if len(parts) > 1 else INKS * below // len(pitches)
            out[ink].append((piece.seconds_at(note.start), note.velocity / 127))
    return out


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
    """The loop's pictures in turn, (height, width, 3) uint8."""
    count = max(2, round(walk.seconds * rate))

    def composed(beat: int, like: Composition | None) -> Composition:
        z, c = walk.at(walk.beats[beat])
        return compose(model.picture(z, c), like=like)

    first = composed(0, None)
    design = replace(design, palette=design.palette or palette_for_design(design, first).name)

    @lru_cache(maxsize=4)
    def sheet(beat: int) -> Sheet:
        return sheet_of(design, composed(beat, first) if beat else first, width, height)

    def frame(index: int) -> NDArray[np.uint8]:
        at = index / count * walk.seconds
        return moved(sheet(walk.beat(at)), walk.sounding(at), walk.loudness(at), design.seed)

    with single_threaded(), ThreadPoolExecutor(threads) as pool:
        ahead = 4 * threads
        waiting = [pool.submit(frame, index) for index in range(min(ahead, count))]
        for index in range(count):
            yield waiting.pop(0).result()
            if index + ahead < count:
                waiting.append(pool.submit(frame, index + ahead))


def moved(sheet: Sheet, sounding: NDArray[np.float64], loudness: float, seed: int) -> NDArray[np.uint8]:
    """A sheet as it stands while its parts sound (INKS,) and the whole is as loud: the letters do not move."""
    made = sheet.made
    plates = tuple(
        swollen(plate, SWELL * (float(sounding[min(index, INKS - 1)]) - 0.35))
        if not plate.outlines or index < INKS
        else plate
        for index, plate in enumerate(made.plates)
    )
    window = _zoomed(sheet.window, 1 - ZOOM * loudness)
    pixels = pressed(replace(made, plates=plates), sheet.width, sheet.height, window, 1, seed)
    if sheet.setting is not None:
        lettered(pixels, sheet.setting, made.letters.rgb)
    return pixels


def _zoomed(window: Window, share: float) -> Window:
    x, y = (window.left + window.right) / 2, (window.top + window.bottom) / 2
    half_x, half_y = (window.right - window.left) / 2 * share, (window.bottom - window.top) / 2 * share
    return Window(x - half_x, y - half_y, x + half_x, y + half_y)


def write_video(pictures: Iterator[NDArray[np.uint8]], path: Path, size: tuple[int, int], rate: float, count: int,
                sound: Path | None = None, progress: Progress | None = None,
                made: Made | None = None) -> None:  # fmt: skip
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
        seal_file(partial, made)
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
