"""Folders of images: a hundred odd and hostile files, each read or listed with one line, in bounded time and memory."""

import io
import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from rnnmuse.errors import ReadError
from rnnmuse.train.cover.data import (
    MAX_PIXELS,
    image_files,
    load_images,
    read_image,
    squares_of,
    thumbnail,
    variants,
    work_of,
)  # fmt: skip

RNG = np.random.default_rng(5)


def noise(width=40, height=40, channels=3):
    return RNG.integers(0, 256, (height, width, channels), np.uint8)


def encoded(image, kind="PNG", **options):
    held = io.BytesIO()
    image.save(held, kind, **options)
    return held.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, data, depth=8, colour=2, more=b""):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def odd():
    """Name and bytes of files that are unusual, but pictures."""
    picture = Image.fromarray(noise())
    yield "grey.png", encoded(picture.convert("L"))
    yield "one_bit.png", encoded(picture.convert("1"))
    yield "palette.png", encoded(picture.convert("P"))
    yield "palette_alpha.png", encoded(picture.convert("P"), transparency=3)
    yield "alpha.png", encoded(Image.fromarray(noise(channels=4), "RGBA"))
    yield "grey_alpha.png", encoded(Image.fromarray(noise(channels=2), "LA"))
    yield "sixteen.png", encoded(Image.fromarray(RNG.integers(0, 65536, (40, 40)).astype(np.uint16)))
    yield "sixteen.tif", encoded(Image.fromarray(RNG.integers(0, 65536, (40, 40)).astype(np.uint16)), "TIFF")
    yield "float.tif", encoded(Image.fromarray(RNG.normal(size=(40, 40)).astype(np.float32)), "TIFF")
    yield (
        "nan.tif",
        encoded(
            Image.fromarray(np.where(RNG.random((40, 40)) < 0.1, np.nan, RNG.random((40, 40))).astype(np.float32)),
            "TIFF",
        ),
    )
    yield "int32.tif", encoded(Image.fromarray(RNG.integers(-9999, 9999, (40, 40)).astype(np.int32)), "TIFF")
    yield "cmyk.jpg", encoded(picture.convert("CMYK"), "JPEG")
    yield "ycck.tif", encoded(picture.convert("CMYK"), "TIFF")
    yield "progressive.jpg", encoded(picture, "JPEG", progressive=True)
    yield "grey.jpg", encoded(picture.convert("L"), "JPEG")
    yield (
        "animated.gif",
        encoded(picture, "GIF", save_all=True, append_images=[Image.fromarray(noise()) for _ in range(30)]),
    )
    yield "animated.webp", encoded(picture, "WEBP", save_all=True, append_images=[Image.fromarray(noise())])
    yield "animated.png", encoded(picture, "PNG", save_all=True, append_images=[Image.fromarray(noise())])
    yield "lossless.webp", encoded(picture, "WEBP", lossless=True)
    yield "plain.bmp", encoded(picture, "BMP")
    yield "plain.tga", encoded(picture, "TGA")
    yield "plain.ppm", encoded(picture, "PPM")
    yield "plain.pgm", encoded(picture.convert("L"), "PPM")
    yield "deflate.tiff", encoded(picture, "TIFF", compression="tiff_deflate")
    yield "pages.tif", encoded(picture, "TIFF", save_all=True, append_images=[picture, picture])
    yield (
        "profile.jpg",
        encoded(picture, "JPEG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()),
    )
    yield "bad_profile.jpg", encoded(picture, "JPEG", icc_profile=b"no profile at all" * 20)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "turned.jpg", encoded(Image.fromarray(noise(60, 30)), "JPEG", exif=exif)
    yield "wide.png", encoded(Image.fromarray(noise(400, 20)))
    yield "tall.png", encoded(Image.fromarray(noise(20, 400)))
    yield "wrong_ending.png", encoded(picture, "JPEG")
    yield "named ünï 图.png", encoded(picture)
    yield "upper.PNG", encoded(picture)
    yield "trailing.png", encoded(picture) + b"<script>" * 1000


def hostile():
    """Name and bytes of files that are no pictures, damaged, or want too much."""
    good = encoded(Image.fromarray(noise(64, 64)))
    jpeg = encoded(Image.fromarray(noise(64, 64)), "JPEG")
    gif = encoded(Image.fromarray(noise(64, 64)), "GIF")
    tiff = encoded(Image.fromarray(noise(64, 64)), "TIFF", compression="tiff_lzw")
    webp = encoded(Image.fromarray(noise(64, 64)), "WEBP")
    yield "empty.png", b""
    yield "one.png", encoded(Image.fromarray(noise(1, 1)))
    yield "thin.png", encoded(Image.fromarray(noise(4000, 1)))
    yield "small.gif", encoded(Image.fromarray(noise(8, 8)), "GIF")
    yield "flat.png", encoded(Image.new("RGB", (64, 64), (10, 200, 30)))
    yield "unseen.png", encoded(Image.new("RGBA", (64, 64), (10, 200, 30, 0)))
    yield "text.jpg", b"this is not a picture\n" * 50
    yield "nulls.bmp", bytes(5000)
    yield "random.tif", RNG.bytes(5000)
    yield "program.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n/x {x x} def x\n"
    yield "named_png.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\nwhile\n"
    yield "drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    yield "layers.psd", b"8BPS\x00\x01" + bytes(60)
    yield "icon.png", b"\x00\x00\x01\x00\x01\x00" + bytes(50)
    for size in (30_000, 65_535, 2**31 - 1):  # bombs: a small file that claims a huge picture
        yield f"bomb_{size}.png", png(size, size, zlib.compress(bytes(1_000_000), 9))
    yield "bomb_flat.png", png(7500, 7500, zlib.compress(bytes(7500 * (7500 * 3 + 1)), 9))
    yield "bomb_wide.png", png(MAX_PIXELS + 1, 16, zlib.compress(bytes(1000)))
    yield (
        "bomb_text.png",
        png(
            64, 64, zlib.compress(bytes(64 * 193)), more=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000), 9))
        ),
    )
    yield (
        "bomb_icc.png",
        png(
            64, 64, zlib.compress(bytes(64 * 193)), more=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(80_000_000), 9))
        ),
    )
    yield "bomb.gif", b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + gif[13:]
    yield "bomb.bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0)
    yield "bomb.ppm", b"P6 90000 90000 255\n" + bytes(100)
    yield "long_header.ppm", b"P6 " + b"9" * 5000 + b" 1 255\n"
    yield "bomb.tga", struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 65535, 65535, 24, 0) + bytes(100)
    yield (
        "bomb.tif",
        b"II*\0\x08\0\0\0"
        + struct.pack("<H", 3)
        + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in ((256, 100_000), (257, 100_000), (258, 8)))
        + bytes(4),
    )
    yield "loop.tif", b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 256, 4, 1, 40, 8)
    yield "many_tags.tif", b"II*\0\x08\0\0\0" + struct.pack("<H", 65535) + bytes(3000)
    yield "cut_header.png", good[:20]
    yield "bad_sum.png", good[:60] + bytes([good[60] ^ 255]) + good[61:]
    yield "no_data.png", png(64, 64, b"")
    yield "bad_zlib.png", png(64, 64, b"\x78\x9c" + RNG.bytes(900))
    yield "bad_depth.png", png(64, 64, zlib.compress(bytes(64 * 193)), depth=7)
    yield "bad_colour.png", png(64, 64, zlib.compress(bytes(64 * 193)), colour=5)
    yield "zero.png", png(0, 0, zlib.compress(b""))
    for name, data in (("png", good), ("jpg", jpeg), ("gif", gif), ("tif", tiff), ("webp", webp)):
        for part in (0.1, 0.4, 0.7):
            yield f"cut_{part}.{name}", data[: int(len(data) * part)]
    for index in range(20):
        source = (good, jpeg, gif, tiff, webp)[index % 5]
        broken = bytearray(source)
        for at in RNG.integers(0, len(source), 12):
            broken[at] = int(RNG.integers(0, 256))
        yield f"broken_{index}.{('png', 'jpg', 'gif', 'tif', 'webp')[index % 5]}", bytes(broken)


def written(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files:
        (folder / name).write_bytes(data)
    return folder


def test_every_odd_picture_is_read(tmp_path):
    written(tmp_path, odd())
    found = load_images([tmp_path], 32)
    assert found.unread == []
    assert {square.name for square in found.squares} == {name for name, _ in odd()}
    assert all(square.pixels.shape == (32, 32, 3) and square.pixels.dtype == np.uint8 for square in found.squares)


def test_a_hundred_odd_and_hostile_files_are_read_or_listed_in_one_line_each(tmp_path):
    files = [*odd(), *hostile()]
    assert len(files) >= 100
    written(tmp_path, files)
    os.mkfifo(tmp_path / "pipe.png")  # reading it would wait for ever
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    code = (
        "import sys, time; from pathlib import Path; from rnnmuse.train.cover.data import load_images\n"
        "began = time.process_time()\n"
        "found = load_images([Path(sys.argv[1])], 32)\n"
        "status = Path('/proc/self/status').read_text() if Path('/proc/self/status').exists() else 'VmHWM: 0'\n"
        "print(time.process_time() - began, status.split('VmHWM:')[1].split()[0])\n"
        "print(*sorted({s.name for s in found.squares}), sep='\\t')\n"
        "print(*found.unread, sep='\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120,
                          env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    first, read, *unread = done.stdout.splitlines()
    seconds, peak = first.split()
    names = set(read.split("\t"))
    assert names | {line.split(": ")[0] for line in unread} == {name for name, _ in files}
    assert len(names) + len(unread) == len(files)
    assert {name for name, _ in odd()} <= names
    assert not any("bomb" in name for name in names)
    assert all(len(line) < 250 and str(tmp_path) not in line for line in unread)
    assert float(seconds) < 20
    assert int(peak) < 700_000  # kB


@pytest.mark.parametrize(
    ("name", "reason"),
    [("bomb_65535.png", "at most 50 million"), ("one.png", "at least 16 x 16"), ("empty.png", "is empty"),
     ("text.jpg", "not one of PNG"), ("program.eps", "not one of PNG"), ("cut_0.4.png", "damaged")],
)  # fmt: skip
def test_the_reason_names_what_is_wrong(tmp_path, name, reason):
    written(tmp_path, [(name, dict(hostile())[name])])
    with pytest.raises(ReadError, match=f"^{name}: .*{reason}"):
        read_image(tmp_path / name)


def test_a_file_that_is_too_large_is_not_opened(tmp_path):
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    began = time.process_time()
    with pytest.raises(ReadError, match="200 MB"):
        read_image(path)
    assert time.process_time() - began < 0.5


def test_depth_alpha_and_orientation_are_kept_in_meaning(tmp_path):
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)
    Image.fromarray(np.broadcast_to(ramp, (64, 64)).copy()).save(tmp_path / "deep.png")
    deep = np.asarray(read_image(tmp_path / "deep.png"))
    assert np.abs(deep[0, :, 0].astype(int) - np.linspace(0, 255, 64)).max() <= 1
    bright = np.zeros((40, 40, 4), np.uint8)
    bright[10:30, 10:30] = 255
    Image.fromarray(bright, "RGBA").save(tmp_path / "light.png")
    assert np.asarray(read_image(tmp_path / "light.png"))[0, 0].tolist() == [0, 0, 0]
    dark = bright.copy()
    dark[10:30, 10:30, :3] = 20
    Image.fromarray(dark, "RGBA").save(tmp_path / "dark.png")
    assert np.asarray(read_image(tmp_path / "dark.png"))[0, 0].tolist() == [255, 255, 255]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(60, 30)).save(tmp_path / "turned.png", exif=exif)
    assert read_image(tmp_path / "turned.png").size == (30, 60)


def test_a_cmyk_picture_keeps_its_colours(tmp_path):
    Image.new("RGB", (64, 64), (200, 40, 30)).convert("CMYK").save(tmp_path / "c.jpg", quality=95)
    assert np.abs(np.asarray(read_image(tmp_path / "c.jpg"))[32, 32].astype(int) - (200, 40, 30)).max() < 12


def test_squares_lie_along_the_longer_side():
    image = Image.fromarray(noise(300, 100))
    assert len(squares_of(image, 32)) == 3
    assert len(squares_of(image.resize((100, 100)), 32)) == 1
    first, _, last = squares_of(image, 100)
    whole = np.asarray(image)
    assert np.array_equal(first, whole[:, :100])
    assert np.array_equal(last, whole[:, 200:])


def test_works_are_split_whole_and_copies_join_them(tmp_path):
    for work in range(12):
        base = Image.fromarray(noise(12, 12)).resize((80, 80), Image.Resampling.BICUBIC)
        for part in range(3):
            base.rotate(90 * part).save(tmp_path / f"work{work}__{part}.png")
    base.rotate(90).resize((70, 70)).save(tmp_path / "copy.jpg", quality=90)
    found = load_images([tmp_path], 48)
    by_work = {}
    for square in found.squares:
        by_work.setdefault(square.work, set()).add((square.split, work_of(square.name)))
    assert len(by_work) == 12
    assert all(len({split for split, _ in members}) == 1 for members in by_work.values())
    assert any({name for _, name in members} == {"work11", "copy.jpg"} for members in by_work.values())
    assert found.works("test") == 2
    again = load_images([tmp_path], 48)
    assert [square.split for square in again.squares] == [square.split for square in found.squares]


def test_likeness_is_a_correlation():
    a = noise(32, 32)
    assert thumbnail(a) @ thumbnail(a) == pytest.approx(1, abs=1e-5)
    assert abs(thumbnail(a) @ thumbnail(noise(32, 32))) < 0.5


def test_variants_are_crops_of_the_square():
    made = variants(np.stack([noise(64, 64)] * 2), 32, 3, 1)
    assert made.shape == (6, 32, 32, 3)
    assert np.array_equal(made[0], made[3])
    assert not np.array_equal(made[1], made[2])
    assert np.array_equal(made, variants(np.stack([noise(64, 64)] * 2), 32, 3, 1)) is False


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(ReadError, match="no image files"):
        load_images([tmp_path], 32)
    (tmp_path / "a.png").write_bytes(b"no")
    with pytest.raises(ReadError, match=r"no image could be used \(a.png"):
        load_images([tmp_path], 32)
    assert list(image_files(tmp_path)) == [tmp_path / "a.png"]
