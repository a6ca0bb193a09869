"""Folders of images to a corpus of squares: any file is read safely or listed with the reason and left out.

What a stranger's folder may hold is bounded before it is decoded: the file's size, its kind (never one that runs a
program, such as EPS), and the pixels its header claims. Only the first frame of an animation is read.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from rnnmuse.errors import ReadError
from rnnmuse.quiet import quiet

KINDS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "TGA")
ENDINGS = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".gif",
        ".bmp",
        ".dib",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".tga",
        ".apng",
        ".eps",
        ".svg",
        ".psd",
    ]
)
"""Files that end so are meant as images; whatever cannot be read is listed. Others are passed over in silence."""
MAX_BYTES = 100_000_000
MAX_PIXELS = 50_000_000
MIN_SIDE = 16
MAX_SQUARES = 20_000
FLAT = 2.0  # a picture whose values spread less (of 255) shows nothing
TEST_SHARE = 20  # percent of the works

Pixels = NDArray[np.uint8]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Square:
    """One square of a work: ``pixels`` (size, size, 3) uint8 sRGB. Squares of one ``work`` share a split."""

    name: str
    """Path of its file in the folder."""
    pixels: Pixels
    work: int = 0
    split: str = "train"
    """Either "train" or "test"."""


@dataclass(slots=True)
class Images:
    """Squares that could be cut, and one line for each file that could not be read."""

    squares: list[Square] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def of(self, split: str) -> Pixels:
        """The squares of a split, (count, size, size, 3) uint8."""
        found = [square.pixels for square in self.squares if square.split == split]
        return np.stack(found) if found else np.zeros((0, 1, 1, 3), np.uint8)

    def works(self, split: str) -> int:
        return len({square.work for square in self.squares if square.split == split})


def image_files(folder: Path) -> Iterator[Path]:
    """Regular files at any depth that are named as images, in a fixed order; hidden ones are passed over."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(root) / name
            if not name.startswith(".") and path.suffix.lower() in ENDINGS and path.is_file():
                yield path


def read_image(path: Path, side: int = 0) -> Image.Image:
    """The picture in sRGB, upright, without alpha; ReadError says in one line why it cannot be had.

    With ``side`` a JPEG may be decoded at a lower resolution whose shorter side is still at least that.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ReadError(f"{path.name}: {size / 1e6:.0f} MB; at most {MAX_BYTES // 10**6} MB are read")
        if size == 0:
            raise ReadError(f"{path.name}: is empty")
        with quiet(), warnings.catch_warnings():  # libtiff writes on the terminal by itself
            warnings.simplefilter("ignore")  # the limits below are stricter than Pillow's warnings
            with Image.open(path, formats=KINDS) as image:
                _check_size(path, image)
                if side:
                    image.draft(None, (side, side))
                image.load()
                return _plain(image)
    except ReadError:
        raise
    except Image.DecompressionBombError:
        raise ReadError(
            f"{path.name}: claims too many pixels; at most {MAX_PIXELS // 10**6} million are read"
        ) from None
    except UnidentifiedImageError:
        raise ReadError(f"{path.name}: not one of {', '.join(KINDS)}") from None
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError,
            MemoryError, RuntimeError, ZeroDivisionError, struct.error, zlib.error) as error:  # fmt: skip
        # Pillow's readers raise many kinds on damaged files
        reason = (str(error).splitlines() or [""])[0].replace(str(path), "").strip() or type(error).__name__
        raise ReadError(f"{path.name}: damaged ({reason[:120]})") from None


def _check_size(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 10**6
        raise ReadError(f"{path.name}: {width} x {height} pixels; at most {limit} million are read")
    if min(width, height) < MIN_SIDE:
        raise ReadError(f"{path.name}: {width} x {height} pixels; must be at least {MIN_SIDE} x {MIN_SIDE}")


def _plain(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image) or image
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        return _deep(image)
    if image.mode in ("RGB", "CMYK", "L") and profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # a damaged profile: the picture as it stands
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return _over(image.convert("RGBA"))
    return image.convert("RGB")


def _deep(image: Image.Image) -> Image.Image:
    """16-bit grey by its own full scale, 32-bit and float by what they hold."""
    values = np.nan_to_num(np.asarray(image).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = (0.0, 65535.0) if image.mode.startswith("I;16") or (
        image.mode == "I" and values.min() >= 0 and 255 < values.max() <= 65535
    ) else (float(values.min()), float(values.max()))  # fmt: skip
    grey = np.clip((values - low) / max(1e-9, high - low) * 255, 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _over(image: Image.Image) -> Image.Image:
    """Without alpha: light drawings on black, dark ones on white."""
    pixels = np.asarray(image).astype(np.float32)
    seen = pixels[..., 3:] / 255
    if seen.max() == 0:
        raise ReadError("is wholly transparent")
    ground = 0.0 if (pixels[..., :3] * seen).sum() / (3 * seen.sum()) > 127 else 255.0
    return Image.fromarray((pixels[..., :3] * seen + ground * (1 - seen)).round().astype(np.uint8))


def squares_of(image: Image.Image, size: int) -> list[Pixels]:
    """Up to three squares along the longer side, resampled to ``size``: (size, size, 3) uint8 each."""
    width, height = image.size
    short, long = min(width, height), max(width, height)
    count = min(3, max(1, round(2 * long / short) - 1))
    out = []
    for index in range(count):
        at = round((long - short) * (index + 0.5 if count == 1 else index) / max(1, count - 1 or 1))
        at = (long - short) // 2 if count == 1 else at
        box = (at, 0, at + short, short) if width >= height else (0, at, short, at + short)
        part = image.resize((size, size), Image.Resampling.LANCZOS, box, reducing_gap=3.0)
        out.append(np.asarray(part))
    return out


def load_images(folders: Sequence[Path], size: int, progress: Progress | None = None) -> Images:
    """Every image under ``folders`` as squares of ``size`` px, split by work into train (80 %) and test.

    A work is what stands before ``__`` in the file's name; files that look alike are one work too. ReadError where
    nothing could be read.
    """
    files = [(root, path) for root in folders for path in ([root] if root.is_file() else image_files(root))]
    if not files:
        raise ReadError(f"{', '.join(map(str, folders))}: no image files in it")
    out = Images()
    names: list[str] = []
    for index, (root, path) in enumerate(files):
        name = path.relative_to(root).as_posix() if root.is_dir() else path.name
        try:
            image = read_image(path, 2 * size)
            cut = squares_of(image, size)
            kept = [pixels for pixels in cut if pixels.astype(np.float32).std() >= FLAT]
            if not kept:
                raise ReadError(f"{path.name}: one colour throughout")
        except ReadError as error:
            out.unread.append(f"{name}: {str(error).removeprefix(path.name + ': ')}")
            continue
        finally:
            if progress:
                progress(index + 1, len(files))
        if len(out.squares) + len(kept) > MAX_SQUARES:
            out.unread.append(f"{name} and what follows: over {MAX_SQUARES} squares, left out")
            break
        out.squares += [Square(name, pixels) for pixels in kept]
        names += [work_of(name)] * len(kept)
    if not out.squares:
        raise ReadError(f"{', '.join(map(str, folders))}: no image could be used ({out.unread[0]})")
    _split(out, names)
    return out


def work_of(name: str) -> str:
    """The work that a file belongs to: ``museum/artic_50909__sq1.jpg`` is a square of ``museum/artic_50909``."""
    return name.rpartition("__")[0] or name


def _split(images: Images, names: list[str]) -> None:
    groups = alike(images.squares, names)
    first: dict[int, str] = {}
    for name, group in zip(names, groups, strict=True):
        first.setdefault(group, name)
    order = sorted(first, key=lambda group: zlib.crc32(first[group].encode()))
    held = set(order[: round(len(order) * TEST_SHARE / 100)])
    images.squares = [
        Square(square.name, square.pixels, group, "test" if group in held else "train")
        for square, group in zip(images.squares, groups, strict=True)
    ]


def alike(squares: Sequence[Square], names: Sequence[str], nearest: float = 0.985) -> list[int]:
    """The work of each square, as a number: one name, or small grey copies that correlate above ``nearest``."""
    parent: dict[int, int] = {}
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}

    def find(i: int) -> int:
        while parent.setdefault(i, i) != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    small = np.stack([thumbnail(square.pixels) for square in squares])
    for start in range(0, len(small), 512):
        found = small[start : start + 512] @ small.T
        for row, column in zip(*np.nonzero(found > nearest), strict=True):
            a, b = numbers[names[start + int(row)]], numbers[names[int(column)]]
            if a != b:
                parent[find(a)] = find(b)
    return [find(numbers[name]) for name in names]


def thumbnail(pixels: Pixels, side: int = 16) -> NDArray[np.float32]:
    """Grey, ``side`` x ``side``, mean 0 and length 1, flat: the dot product of two is their correlation."""
    grey = Image.fromarray(pixels).convert("L").resize((side, side), Image.Resampling.BOX)
    values = np.asarray(grey).astype(np.float32).ravel()
    values -= values.mean()
    length = float(np.linalg.norm(values))
    return values / length if length > 1e-6 else values * 0


def variants(pixels: Pixels, size: int, count: int, seed: int, smallest: float = 0.8) -> Pixels:
    """``count`` random crops of each square, half of them mirrored: (squares * count, size, size, 3) uint8.

    A crop keeps ``smallest`` to all of the side; with one variant the whole square is taken.
    """
    rng = np.random.default_rng(seed)
    out = np.empty((len(pixels) * count, size, size, 3), np.uint8)
    at = 0
    for square in pixels:
        image = Image.fromarray(square)
        whole = len(square)
        for index in range(count):
            side = whole if index == 0 else whole * rng.uniform(smallest, 1.0)
            left, top = rng.uniform(0, whole - side, 2) if index else (0.0, 0.0)
            box = (left, top, left + side, top + side)
            part = np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box))
            out[at] = part[:, ::-1] if index and rng.random() < 0.5 else part
            at += 1
    return out
