"""Print looks: compositions, inks, plates as pixels and as vectors."""

import io
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from rnnmuse.cover.composition import BARE, SIDE, compose
from rnnmuse.cover.field import figure_of, largest_shape, low_passed
from rnnmuse.cover.inks import (
    INKS,
    MOST_COVERAGE,
    PALETTES,
    nearest_ink,
    palette_for,
    palette_of,
    parse_palette,
)
from rnnmuse.cover.looks import LOOKS
from rnnmuse.cover.palette import from_lab, lab
from rnnmuse.cover.picture import Design, printed, sheet_of
from rnnmuse.cover.plate import Plate, Print, Surface, Window, covered, pressed, spline, swollen
from rnnmuse.cover.traits import MOODS, conditions_of, traits_of_seed
from rnnmuse.cover.vector import pdf, shapes, svg


def disc(side=128, light=230, dark=40, radius=0.27):
    """A light disc on a dark ground, (side, side, 3) uint8."""
    at = (np.arange(side) + 0.5) / side - 0.5
    inside = np.hypot(at[:, None], at[None]) < radius
    return np.where(inside[..., None], np.array([light, light, light - 30]), np.array([dark, dark, dark + 40])).astype(
        np.uint8
    )


# -- fields and compositions --------------------------------------------------------------------------------


def test_a_figure_is_found_with_its_area_and_difference():
    figure = figure_of(disc())
    assert figure.share == pytest.approx(np.pi * 0.27**2, abs=0.06)
    assert figure.difference > 60
    assert figure.border == 0
    assert figure.prominence > 0.9
    noise = np.random.default_rng(1).integers(0, 256, (128, 128, 3), np.uint8)
    assert figure_of(noise).prominence < 0.6 * figure.prominence


def test_low_passing_halves_the_amplitude_at_its_cycles():
    at = (np.arange(128) + 0.5) / 128
    for cycles, share in ((6.0, 2**-0.25), (12.0, 0.5), (24.0, 2**-4.0)):
        wave = np.cos(np.pi * 2 * cycles * at)[None].repeat(128, 0).astype(np.float32)
        passed = low_passed(wave, 12.0)
        assert np.abs(passed[64, 32:96]).max() == pytest.approx(share, abs=0.03)
    assert low_passed(np.full((64, 64), 3.0, np.float32)) == pytest.approx(3.0, abs=1e-4)


def test_the_largest_shape_hangs_together():
    mask = np.zeros((8, 8), bool)
    mask[0, 0:3] = mask[4:7, 4:7] = True
    mask[3, 3] = True  # touches the square by a corner only
    assert largest_shape(mask).sum() == 9
    assert not largest_shape(np.zeros((4, 4), bool)).any()


def test_a_composition_holds_ranks_with_the_figure_above_its_cut_whichever_is_lighter():
    middle = slice(SIDE // 2 - 6, SIDE // 2 + 6)
    for pixels in (disc(), disc(light=40, dark=230)):
        made = compose(pixels)
        assert np.sort(made.tone.ravel()) == pytest.approx((np.arange(SIDE**2) + 0.5) / SIDE**2, abs=1e-5)
        assert (made.tone[middle, middle] > made.cut).all()
        assert (made.tone[:4, :4] < made.cut).all()
    later = compose(disc(light=40, dark=230), like=compose(disc()))
    assert (later.cut, later.light) == (compose(disc()).cut, compose(disc()).light)


def test_letters_get_bare_ground_and_the_figure_is_cut_again():
    made = compose(disc())
    room = made.cleared((0.3, 0.3, 0.7, 0.6))
    inside = slice(round(0.32 * SIDE), round(0.58 * SIDE))
    assert room.tone[inside, inside] == pytest.approx(BARE)
    assert not room.accent[inside, inside].any()
    assert np.array_equal(room.tone[-3:], made.tone[-3:])
    assert room.recut().cut <= made.cut


# -- inks ---------------------------------------------------------------------------------------------------


def test_every_ink_can_be_printed_and_has_the_colour_that_offset_gives_it():
    assert all(sum(ink.cmyk) <= MOST_COVERAGE and all(0 <= part <= 100 for part in ink.cmyk) for ink in INKS.values())
    # the solids of ISO 12647-2, where sRGB holds them
    for cmyk, wanted in (
        ((0, 100, 100, 0), (47, 68, 48)),
        ((100, 100, 0, 0), (24, 20, -46)),
        ((0, 0, 0, 100), (16, 0, 0)),
    ):
        ink = nearest_ink(from_lab(wanted))
        assert np.abs(np.array(ink.cmyk) - cmyk).max() <= 25
        assert lab(ink.rgb) == pytest.approx(lab(from_lab(wanted)), abs=4)
    assert INKS["white"].lightness > 94


def test_palettes_have_a_figure_that_stands_out_and_letters_that_are_read():
    for palette in PALETTES.values():
        assert len(palette.inks) <= 4
        assert abs(palette.figure.lightness - palette.ground.lightness) >= 38, palette.name
        assert palette.legibility(palette.letters) >= 4.5, palette.name
        assert abs(palette.shade.lightness - palette.ground.lightness) < abs(
            palette.figure.lightness - palette.ground.lightness
        )
    assert np.median([p.legibility(p.letters) for p in PALETTES.values()]) >= 7


def test_music_chooses_the_palette():
    asked = [palette_for(conditions_of(traits_of_seed(seed))) for seed in range(300)]
    assert len({palette.name for palette in asked}) >= 15

    def mean(mood, index):
        found = [palette_for(conditions_of(traits_of_seed(seed), mood)) for seed in range(60)]
        return np.mean([lab(palette.ground.rgb)[index] for palette in found])

    assert mean("bright", 0) > mean("dark", 0) + 15
    assert mean("warm", 2) > mean("cold", 2) + 10
    assert set(MOODS) >= {"bright", "dark", "warm", "cold"}


def test_palettes_are_read_and_mistakes_named():
    assert parse_palette("Sea") is PALETTES["sea"]
    own = parse_palette("bone, indigo, #e05040")
    assert (own.ground, own.figure) == (INKS["bone"], INKS["indigo"])
    assert lab(own.accent.rgb) == pytest.approx(lab((0xE0, 0x50, 0x40)), abs=8)
    for bad, message in (("beach", "near: sea"), ("#12,bone", "must be #rrggbb"), ("a,b,c,d,e", "5 inks; must be 2"),
                         ("bone,rubbish", "must be #rrggbb")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            parse_palette(bad)


def test_a_pictures_own_colours_make_a_palette():
    made = palette_of(compose(disc()).colour)
    assert abs(made.figure.lightness - made.ground.lightness) >= 38
    assert lab(made.ground.rgb)[2] < 0  # the dark blue of the ground


# -- plates -------------------------------------------------------------------------------------------------


def test_the_share_of_a_pixel_that_an_edge_covers_is_exact_for_straight_edges():
    size = 64
    at = (np.arange(-1, size + 1) + 0.5) / size
    for angle in (0.0, 0.3, 0.9):
        level = (np.cos(angle) * (at[None] - 0.48) + np.sin(angle) * (at[:, None] - 0.3)).astype(np.float32)
        share = covered(level)
        fine = (np.arange(size * 16) + 0.5) / size / 16
        truth = np.cos(angle) * (fine[None] - 0.48) + np.sin(angle) * (fine[:, None] - 0.3) > 0
        assert share == pytest.approx(truth.reshape(size, 16, size, 16).mean((1, 3)), abs=0.14)
        assert share.mean() == pytest.approx(truth.mean(), abs=2e-3)


def test_a_surface_passes_smoothly_through_a_grid():
    grid = np.add.outer(np.arange(16.0), 2 * np.arange(16.0)).astype(np.float32)
    at = np.linspace(0.2, 0.8, 40)
    assert Surface(grid)(at, at) == pytest.approx(np.add.outer(at * 16 - 0.5, 2 * (at * 16 - 0.5)), abs=1e-3)


def test_splines_sum_to_one_and_are_smooth():
    at = np.linspace(0, 1, 400)
    weights = spline(at, 8)
    assert np.allclose(weights.sum(1), 1, atol=1e-6)
    assert weights.min() >= 0
    bend = np.abs(np.diff(spline(np.linspace(0.2, 0.8, 4000), 8) @ np.arange(8.0) ** 2, 3))
    assert bend.max() < 1e-4


def half(x, y):
    return np.broadcast_to((x - 0.5)[None], (len(y), len(x))).astype(np.float32)


def test_opaque_ink_hides_transparent_ink_multiplies_and_offsets_move():
    red, blue = INKS["vermilion"], INKS["cobalt"]
    for opaque in (True, False):
        made = Print(red, (Plate(blue, half, opaque, (0.1, 0.0)),), INKS["black"], red, 0.0)
        pixels = pressed(made, 100, 20)
        assert tuple(pixels[10, 50]) == red.rgb
        wanted = blue.rgb if opaque else tuple(round(a * b / 255) for a, b in zip(red.rgb, blue.rgb, strict=True))
        assert np.abs(pixels[10, 80].astype(int) - wanted).max() <= 1
        assert tuple(pixels[10, 57]) == red.rgb  # the edge is at 60
    assert (pressed(made, 100, 20, cmyk=True)[10, 10] == np.rint(2.55 * np.array(red.cmyk))).all()
    more = replace(made, plates=(swollen(made.plates[0], 0.2),))
    assert (pressed(more, 100, 20) != pressed(made, 100, 20)).any(2).sum() == pytest.approx(20 * 20, abs=40)


def test_stripes_threads_and_sizes_draw_the_same_print(monkeypatch):
    made = LOOKS["screen"](compose(disc()), PALETTES["sea"], 3)
    whole = pressed(made, 90, 70, threads=1)
    monkeypatch.setattr("rnnmuse.cover.plate.STRIPE", 450)
    assert np.array_equal(pressed(made, 90, 70, threads=3), whole)
    small, large = (pressed(replace(made, grain=0), side, side).astype(float) for side in (100, 400))
    shrunk = large.reshape(100, 4, 100, 4, 3).mean((1, 3))
    assert np.abs(small - shrunk).mean() < 1
    with pytest.raises(ValueError, match="size: 0 x 5"):
        pressed(made, 0, 5)


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_draws_the_figure_sharply_in_its_inks(look):
    composition = compose(disc())
    made = LOOKS[look](composition, PALETTES["sea"], 1)
    assert len(made.inks) <= 4
    assert np.array_equal(
        pressed(made, 64, 64, seed=2), pressed(LOOKS[look](composition, PALETTES["sea"], 1), 64, 64, seed=2)
    )
    light = lab(pressed(replace(made, grain=0), 800, 800))[..., 0]
    middle, corner = light[300:500, 300:500].mean(), light[:120, :120].mean()
    assert abs(middle - corner) > 15
    # somewhere an edge of 25 L* and more is crossed within three pixels
    assert np.abs(light[:, 3:] - light[:, :-3]).max() > 25


# -- whole covers and vectors -------------------------------------------------------------------------------


def cover(look, size=(240, 240), **settings):
    return sheet_of(Design(1, look=look, title="Night Trains", artist="Anna K.", **settings), compose(disc()), *size)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("layout", ["corner", "band", "stack", "column"])
def test_letters_stand_on_a_flat_ground_without_a_veil(look, layout):
    for palette in ("noir", "canary"):
        image, lettering = printed(cover(look, (400, 400), layout=layout, palette=palette), 1)
        assert lettering.contrast >= 4.5
        assert image.size == (400, 400)


@pytest.mark.parametrize("look", [look for look in LOOKS if look != "gradient"])
def test_svg_names_its_inks_and_is_what_the_pixels_are(look, tmp_path):
    sheet = cover(look, (400, 400), palette="noir")
    text = svg(sheet, "made from <seed> 1")
    root = ET.fromstring(text)
    named = {element.get("data-ink") for element in root.iter() if element.get("data-ink")}
    assert named <= {"black", "charcoal", "bone", "scarlet", "white"}
    assert root.find(".//*[@data-ink='bone']").get("data-cmyk") == " ".join(map(str, INKS["bone"].cmyk))
    if not shutil.which("rsvg-convert"):
        pytest.skip("rsvg-convert is not installed: the SVG is not drawn")
    drawn = subprocess.run(["rsvg-convert"], input=text.encode(), capture_output=True, check=True).stdout
    made = np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB"), float)
    pixels = np.asarray(printed(replace(sheet, made=replace(sheet.made, grain=0)), 1)[0], float)
    assert np.abs(made - pixels).mean() < 4
    assert (np.abs(made - pixels).max(2) > 60).mean() < 0.02


def test_continuous_tones_have_no_svg():
    with pytest.raises(ValueError, match="gradient has no SVG form; must be screen"):
        svg(cover("gradient"))


@pytest.mark.parametrize("look", LOOKS)
def test_a_pdf_has_bleed_and_spot_inks(look):
    pytest.importorskip("reportlab", reason="reportlab is not installed")
    data = pdf(cover(look, palette="noir"), trim=120)
    assert data.startswith(b"%PDF")
    assert b"/TrimBox [ 8.503937 8.503937 348.6614 348.6614 ]" in data
    assert b"/BleedBox [ 0 0 357.1654 357.1654 ]" in data
    assert b"rnnmuse#20bone" in data or b"rnnmuse bone" in data
    with pytest.raises(ValueError, match="trim: 5; must be 20 to 1000 mm"):
        pdf(cover(look), trim=5)


def test_traced_shapes_have_the_area_of_the_pixels():
    made = LOOKS["screen"](compose(disc()), PALETTES["noir"], 1)
    plate = made.plates[1]
    area = 0.0
    for outline in shapes(plate, Window()):
        x, y = np.array(outline).T
        area += 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
    at = (np.arange(1000) + 0.5) / 1000
    level = plate.level(at - plate.offset[0], at - plate.offset[1])
    assert abs(area) == pytest.approx((level > 0).mean(), abs=2e-3)
