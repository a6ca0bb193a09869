"""A cover from music or a seed: composed by the model, drawn by a print look, lettered, and written as distributors
take it."""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageDraw, ImageFont, PngImagePlugin

from rnnmuse.cover.composition import Composition, compose
from rnnmuse.cover.inks import Palette, palette_for, palette_of, parse_palette
from rnnmuse.cover.letters import STYLES
from rnnmuse.cover.looks import DEFAULT, LOOKS
from rnnmuse.cover.plate import Pixels, Plate, Print, Window, pressed
from rnnmuse.cover.traits import (
    Traits,
    conditions_of,
    latent_of,
    profile_of,
    tone_of,
    traits_of,
    traits_of_seed,
)  # fmt: skip
from rnnmuse.cover.typography import LAYOUTS, PLACES, Lettering, Rectangle, Setting, lay_out, lettered, prepared
from rnnmuse.models.cover import Array, CoverModel
from rnnmuse.music.piece import Piece
from rnnmuse.provenance.marks import seal
from rnnmuse.provenance.record import Made, chosen
from rnnmuse.storage import write_whole

Progress = Callable[[float], None]
FORMATS = {"square": (3000, 3000), "banner": (2660, 1140), "story": (1080, 1920)}
"""Width and height: a release (Apple Music, Spotify and most distributors ask for 3000 x 3000), an artist page's
header, a story on a phone."""
MOST_BYTES = 10_000_000
"""The smallest of the distributors' limits on a file."""
ENDINGS = (".png", ".jpg", ".jpeg")
VECTORS = (".svg", ".pdf")
QUALITIES = (95, 92, 88, 84, 80)


@dataclass(frozen=True, slots=True)
class Design:
    """Everything that a cover is made of, but for the model and the size. ``traits`` and ``profile``
    are the music's; without music the traits are drawn for the seed.

    ``look`` is one of `rnnmuse.cover.looks`; ``palette`` as `rnnmuse.cover.inks.parse_palette` reads it, "picture" for
    the picture's own colours, empty for the one that the music asks for; ``mood`` as in `rnnmuse.cover.traits`;
    ``strength`` multiplies what the music asks for; ``style``, ``layout``, ``place`` and ``font`` as in
    `rnnmuse.cover.typography.lay_out`, the style "auto" being serif for slow and quiet music.
    """

    seed: int = 1
    """Draws what the music and the settings leave open."""
    traits: Traits | None = None
    profile: tuple[float, ...] = ()
    """(PROFILE,), as `rnnmuse.cover.traits.profile_of` gives it; empty without music."""
    mood: str = ""
    look: str = DEFAULT
    palette: str = ""
    strength: float = 1.0
    """0 to 3."""
    title: str = ""
    """Empty for none."""
    artist: str = ""
    """Empty for none."""
    style: str = "auto"
    layout: str = "auto"
    place: str = "auto"
    font: Path | None = None

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if not (math.isfinite(self.strength) and 0 <= self.strength <= 3):
            raise ValueError(f"strength: {self.strength}; must be 0 to 3")
        if self.palette and self.palette != "picture":
            parse_palette(self.palette)
        conditions_of(Traits(), self.mood)
        for field in ("title", "artist"):
            if not prepared(field, getattr(self, field)) and getattr(self, field):
                raise ValueError(f"{field}: {getattr(self, field)!r} is blank; give it a letter, or leave it out")
        for field, allowed in (("look", LOOKS), ("style", ("auto", *STYLES)), ("layout", LAYOUTS), ("place", PLACES)):
            if getattr(self, field) not in allowed:
                raise ValueError(f"{field}: {getattr(self, field)!r}; must be one of {', '.join(allowed)}")

    def with_seed(self, seed: int) -> Design:
        return replace(self, seed=seed)


def check_seed(seed: int) -> None:
    if not 0 <= seed < 2**31:
        raise ValueError(f"seed: {seed}; must be 0 to {2**31 - 1}")


def design_for(piece: Piece | None, seed: int | None, **settings: Any) -> Design:
    """The design of a piece, or of a seed alone; without a seed it is 1, so that like pieces have like covers."""
    seed = 1 if seed is None else seed
    check_seed(seed)
    if piece is None:
        return Design(seed, **settings)
    return Design(seed, traits_of(piece), tuple(profile_of(piece).tolist()), **settings)


def wishes_of(design: Design, traits: Traits) -> Array:
    """What is asked of the picture for these traits, (CONDITIONS,): theirs, the mood's, and the piece's own tone."""
    tone = design.strength * tone_of(design.profile, design.seed)
    return conditions_of(traits, design.mood, design.strength) + tone


def picture_of(model: CoverModel, design: Design) -> Pixels:
    """The model's own picture, (side, side, 3)."""
    traits = design.traits or traits_of_seed(design.seed)
    z = latent_of(traits, design.seed, model.latent, design.profile)
    return model.picture(z, wishes_of(design, traits))


@dataclass(frozen=True, slots=True)
class Sheet:
    """A cover that is ready to be drawn at a size or written as vectors: what is printed, the text, the part of the
    square that is seen."""

    made: Print
    """The plates and the ground."""
    setting: Setting | None
    """The text in pixels; None for a cover without text."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    window: Window
    """The part of the square that is seen."""


def palette_for_design(design: Design, composition: Composition) -> Palette:
    """The palette that the design names, or the one that its music asks for."""
    if design.palette == "picture":
        return palette_of(composition.colour)
    if design.palette:
        return parse_palette(design.palette)
    return palette_for(wishes_of(design, design.traits or traits_of_seed(design.seed)))


def style_of(design: Design) -> str:
    """The style of letters: the design's, or serif where tempo, density and dynamics are low together."""
    traits = design.traits or traits_of_seed(design.seed)
    calm = traits.tempo + traits.density + traits.dynamics < 0
    return design.style if design.style != "auto" else "serif" if calm else "sans"


def tone_at(composition: Composition, box: tuple[float, float, float, float]) -> Array:
    """The tones within a box of the square."""
    side = len(composition.tone)
    left, top, right, bottom = (min(side, max(0, round(value * side))) for value in box)
    return composition.tone[top:bottom, left:right]


def sheet_of(design: Design, composition: Composition, width: int, height: int) -> Sheet:
    """The cover of a composition in a format of ``width`` x ``height`` px."""
    palette = palette_for_design(design, composition)
    window = Window.of(width, height)

    def place(box: Rectangle) -> tuple[float, float, float, float]:
        across, down = (window.right - window.left) / width, (window.bottom - window.top) / height
        return (window.left + box[0] * across, window.top + box[1] * down,
                window.left + box[2] * across, window.top + box[3] * down)  # fmt: skip

    def covered(setting: Setting) -> float:
        """How much of the figure the text would push away."""
        boxes = (*setting.room, *([setting.band] if setting.band else []))
        return float(sum((np.clip(tone_at(composition, place(box)) - composition.cut, 0, None)).sum() for box in boxes))

    places = ("top", "bottom") if design.place == "auto" else (design.place,)
    style = style_of(design)
    tried = [lay_out((width, height), design.title, design.artist, style, design.layout, where, design.font)
             for where in places]  # fmt: skip
    setting = min((each for each in tried if each is not None), key=covered, default=None)
    look = LOOKS[design.look]
    if setting is None:
        return Sheet(look(composition, palette, design.seed), None, width, height, window)
    boxes = [place(box) for box in (setting.room if setting.band is None else (setting.band,))]
    if setting.layout != "column":  # the shapes move to the middle of what is left free
        upper, lower = min(box[1] for box in boxes), max(box[3] for box in boxes)
        composition = composition.moved(-lower / 2 if upper < 1 - lower else (1 - upper) / 2)
    if setting.band is None:
        for box in boxes:
            composition = composition.cleared(box)
        return Sheet(look(composition.recut(), palette, design.seed), setting, width, height, window)
    top, bottom = boxes[0][1], boxes[0][3]
    made = look(composition, palette, design.seed)

    def band(x: NDArray[Any], y: NDArray[Any]) -> Array:
        # it goes on beyond the edge that it lies along
        inside = bottom - y if top <= window.top + 1e-6 else y - top
        return np.asarray(np.broadcast_to(inside[:, None], (len(y), len(x))), np.float32)

    flat = Plate(made.base, band, outlines=(((-1, top), (2, top), (2, bottom if bottom < 1 else 2),
                                            (-1, bottom if bottom < 1 else 2)),))  # fmt: skip
    return Sheet(replace(made, plates=(*made.plates, flat)), setting, width, height, window)


def draw(model: CoverModel, design: Design, width: int, height: int, threads: int = 2,
         progress: Progress | None = None) -> tuple[Image.Image, Lettering | None]:  # fmt: skip
    """The cover at ``width`` x ``height`` px, and how its text was set (None without text)."""
    if width < 16 or height < 16:
        raise ValueError(f"size: {width} x {height}; must be at least 16 a side")
    sheet = sheet_of(design, compose(picture_of(model, design)), width, height)
    return printed(sheet, design.seed, threads, progress)


def printed(sheet: Sheet, seed: int, threads: int = 2,
            progress: Progress | None = None) -> tuple[Image.Image, Lettering | None]:  # fmt: skip
    """A sheet as pixels, and how its text was set."""
    pixels = pressed(sheet.made, sheet.width, sheet.height, sheet.window, threads, seed, progress)
    lettering = lettered(pixels, sheet.setting, sheet.made.letters.rgb) if sheet.setting else None
    return Image.fromarray(pixels), lettering


def contact_sheet(model: CoverModel, design: Design, columns: int, rows: int, cell: int = 300,
                  progress: Progress | None = None) -> Image.Image:  # fmt: skip
    """Covers of the seeds that follow the design's, to choose from; each with its seed below it."""
    if not (1 <= columns <= 12 and 1 <= rows <= 12):
        raise ValueError(f"grid: {columns}x{rows}; must be 1x1 to 12x12")
    seeds = [(design.seed + index) % 2**31 for index in range(columns * rows)]
    designs = [replace(design, seed=seed, title="", artist="") for seed in seeds]
    return gallery(model, designs, columns, cell, [f"--seed {seed}" for seed in seeds], progress)


def gallery(model: CoverModel, designs: Sequence[Design], columns: int, cell: int = 300, below: Sequence[str] = (),
            progress: Progress | None = None) -> Image.Image:  # fmt: skip
    """Covers side by side, row by row, each ``cell`` px, with a line ``below`` each if there are any."""
    band, gap, rows = 26 if below else 0, 8, -(-len(designs) // columns)
    sheet = Image.new("RGB", (columns * (cell + gap) + gap, rows * (cell + band + gap) + gap), (24, 24, 28))
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(
        io.BytesIO((resources.files("rnnmuse.cover") / "fonts/NotoSans-SemiBold.ttf").read_bytes()), 15
    )
    for index, design in enumerate(designs):
        image, _ = draw(model, design, 2 * cell, 2 * cell, 2)
        x, y = gap + index % columns * (cell + gap), gap + index // columns * (cell + band + gap)
        sheet.paste(image.resize((cell, cell), Image.Resampling.LANCZOS), (x, y))
        if below:
            pen.text((x + cell // 2, y + cell + band // 2), below[index], (230, 230, 235), font, anchor="mm")
        if progress:
            progress((index + 1) / len(designs))
    return sheet


def read_titles(path: Path, count: int) -> list[tuple[str, str]]:
    """``count`` titles and artists from a text file, one line each, ``title | artist`` or ``title``.

    ValueError where the file cannot be read or has another number of lines.
    """
    try:
        lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"titles: {path}: {error}") from None
    if len(lines) != count:
        raise ValueError(f"titles: {path.name} has {len(lines)} lines; must have one for each piece, {count}")
    return [(title.strip(), artist.strip()) for title, _, artist in (line.partition("|") for line in lines)]


def parse_grid(text: str) -> tuple[int, int]:
    """``4x4`` as columns and rows."""
    found = re.fullmatch(r"(\d{1,2})\s*[x×X]\s*(\d{1,2})", text.strip())
    if not found:
        raise ValueError(f"grid: {text!r}; must be columns x rows, such as 4x4")
    return int(found[1]), int(found[2])


def parse_formats(text: str) -> list[str]:
    """``square,banner`` as a list; ValueError names what is not known."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in FORMATS:
            raise ValueError(f"formats: {name!r}; must be of {', '.join(FORMATS)}")
    if not names:
        raise ValueError(f"formats: {text!r}; must be of {', '.join(FORMATS)}")
    return list(dict.fromkeys(names))


def check_ending(path: Path, endings: tuple[str, ...] = ENDINGS) -> None:
    """ValueError where the path ends with none of ``endings``."""
    if path.suffix.lower() not in endings:
        raise ValueError(f"out: {path.name}; must end with {', '.join(endings)}")


def write(image: Image.Image, path: Path, about: str = "", made: Made | None = None) -> str:
    """Write PNG or JPEG by the path's ending: sRGB with its profile, 300 dpi, JPEG at full colour resolution.

    A JPEG over MOST_BYTES is written at a lower quality. Returns a line to show if the file is still larger than
    some distributors take; empty otherwise. Written whole or not at all.
    """
    check_ending(path)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + profile[36:]  # a date of its own
    held = io.BytesIO()
    if path.suffix.lower() == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_text("Software", "rnnmuse")
        if about:
            info.add_itxt("Description", about)
        image.save(held, "PNG", compress_level=2, pnginfo=info, icc_profile=profile, dpi=(300, 300))
    else:
        for quality in QUALITIES:
            held = io.BytesIO()
            image.save(held, "JPEG", quality=quality, subsampling=0, icc_profile=profile, dpi=(300, 300),
                       comment=about.encode())  # fmt: skip
            if held.tell() <= MOST_BYTES:
                break
    path.parent.mkdir(parents=True, exist_ok=True)
    data = held.getvalue()
    write_whole(path, data if made is None else seal(data, path.suffix, made))
    if held.tell() > MOST_BYTES:
        return (f"{path.name}: {held.tell() / 1e6:.1f} MB; some distributors take up to "
                f"{MOST_BYTES // 10**6} MB: write .jpg for them")  # fmt: skip
    return ""


def made_of(model: CoverModel, design: Design, what: str = "cover") -> Made:
    """What made the cover of ``design``, for its file."""
    return Made(
        what, {model.name: model.digest}, design.seed, chosen(design, "seed", "traits", "profile", "title", "artist")
    )


def described(model: CoverModel, design: Design) -> str:
    """One line that the cover can be made from again."""
    parts = [f"model {model.name}", f"seed {design.seed}"]
    parts += [f"{name} {value}" for name in ("look", "mood", "palette") if (value := getattr(design, name))]
    return "rnnmuse cover: " + ", ".join(parts)
