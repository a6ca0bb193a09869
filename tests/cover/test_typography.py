"""Text on covers: inside its box, inside the picture, readable at the contrast that is asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rnnmuse.cover.palette import contrast, luminance, parse_palette, recolour
from rnnmuse.cover.typography import CONTRAST, STYLES, fitted, has, overlay, runs, set_text, wrapped

TITLES = [
    ("Night", "Anna K."),
    ("A Very Long Title About the Slow Departure of Trains from a Northern Station in Winter", "The Orchestra"),
    ("静夜思", "李白"),
    ("長恨歌：漢皇重色思傾國，御宇多年求不得。楊家有女初長成，養在深閨人未識。", "白居易"),
    ("Été à Łódź — Žluťoučký kůň, Đặng Thái Sơn", "Björk Guðmundsdóttir"),
    ("東京の夜、雨", "山田 花子"),
    ("밤의 노래", "김"),
    ("Ночь над Днепром", "ΩΜΕΓΑ"),
    ("Donaudampfschifffahrtsgesellschaftskapitänswitwenrentenauszahlungsstelle" * 2, "X"),
    ("", "Only an artist"),
    ("gjpqyÅÄÇ", ""),
]


LATIN = st.characters(codec="latin-1", exclude_categories=("Cc", "Cf"))


def noise(width, height, seed=1):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("title", "artist"), TITLES)
def test_no_ink_is_outside_its_box_and_the_contrast_holds(title, artist, style):
    """The ink is where the lettered picture differs from one whose letters have the colour of the ground."""
    ground, letters = overlay((500, 500), title, artist, style)
    ink = Image.fromarray(np.asarray(letters)).getbbox()
    image, lettering = set_text(noise(500, 500), title, artist, style, "bottom")
    left, top, right, bottom = lettering.box
    assert 0 <= left <= ink[0] + 2 and 0 <= top <= ink[1]  # noqa: PT018
    assert ink[2] <= right + 2 <= 500 and ink[3] <= bottom <= 500  # noqa: PT018
    assert lettering.contrast >= CONTRAST
    # measured anew: no pixel behind the text is nearer to its colour
    behind = np.asarray(image)[top:bottom, left:right][np.asarray(letters)[top:bottom, left:right] == 0]
    assert contrast(luminance(behind), luminance(lettering.colour)).min() >= CONTRAST
    assert ground.size == image.size


@pytest.mark.parametrize("size", [(3000, 3000), (2660, 1140), (1080, 1920), (100, 100)])
def test_it_fits_every_format(size):
    image = Image.new("RGB", size, (128, 90, 60))
    made, lettering = set_text(image, TITLES[1][0], TITLES[1][1])
    assert made.size == size
    left, top, right, bottom = lettering.box
    assert left >= 0
    assert top >= 0
    assert right <= size[0]
    assert bottom <= size[1]
    assert lettering.contrast >= CONTRAST


def test_the_calmest_place_and_the_better_colour_are_taken():
    pixels = np.asarray(noise(400, 400)).copy()
    pixels[240:] = 250
    made, lettering = set_text(Image.fromarray(pixels), "Calm")
    assert lettering.box[1] > 200
    assert lettering.colour != (255, 255, 255)
    assert lettering.ground == 0
    assert np.array_equal(np.asarray(made)[:100], pixels[:100])


def test_every_bundled_character_set_is_there():
    assert all(has("NotoSansCJK-Bold.otf", c) for c in "静夜思國語かなカナ한글、。")
    assert all(has("NotoSans-SemiBold.ttf", c) for c in "ÅßčřŐőặΩψЖщ")
    assert not has("Cormorant-Bold.ttf", "静")
    assert [name for name, _ in runs("Ave 雪", STYLES["serif"])] == ["Cormorant-Bold.ttf", "NotoSansCJK-Bold.otf"]


def test_a_word_is_in_one_font_where_one_has_it_all():
    """Cormorant has the Greek letters of mathematics only."""
    assert has("Cormorant-Bold.ttf", "μ")
    assert runs("Ode μέλος", STYLES["serif"]) == [("Cormorant-Bold.ttf", "Ode "), ("NotoSans-SemiBold.ttf", "μέλος")]


def test_letters_are_light_on_a_dark_picture_with_a_bright_spot():
    pixels = np.full((400, 400, 3), 30, np.uint8)
    pixels[::40, ::40] = 255
    _, lettering = set_text(Image.fromarray(pixels), "Night")
    assert lettering.colour == (255, 255, 255)
    assert lettering.contrast >= CONTRAST


def test_marks_stay_with_their_letters():
    assert len(runs("e\u0301a", STYLES["sans"])) == 1


@settings(max_examples=25, deadline=None)
@given(st.text(LATIN, min_size=1, max_size=80), st.integers(60, 500))
def test_no_character_is_lost_when_lines_are_broken(text, width):
    clean = " ".join(text.split())
    if not clean:
        return
    block = fitted(clean, width, 200, 40, 6, STYLES["sans"])
    assert "".join("".join(block.lines).split()) == "".join(clean.split())
    assert block.width <= width


def test_lines_do_not_begin_with_closing_marks():
    lines = wrapped("天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。", 130, 24, STYLES["sans"])
    assert len(lines) > 2
    assert not any(line[0] in "，。" for line in lines)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"title": "x" * 201}, "title: 201 characters; must be up to 200"),
        ({"title": "ع"}, "no font here has ع"),
        ({"title": "A", "style": "script"}, "style: 'script'; must be one of serif, sans"),
        ({"title": "A", "place": "left"}, "place: 'left'; must be one of auto"),
    ],
)
def test_what_cannot_be_set_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        set_text(noise(64, 64), **settings)


def test_a_font_of_ones_own(tmp_path):
    (tmp_path / "bad.ttf").write_bytes(b"no font")
    with pytest.raises(ValueError, match="must be a TrueType or OpenType file"):
        set_text(noise(64, 64), "A", font=tmp_path / "bad.ttf")


def test_contrast_is_that_of_wcag():
    """The examples of WCAG's own understanding documents: #777 on white fails at 4.48, #767676 holds at 4.54."""
    white = luminance((255, 255, 255))
    assert contrast(luminance((0x77, 0x77, 0x77)), white) == pytest.approx(4.48, abs=0.01)
    assert contrast(luminance((0x76, 0x76, 0x76)), white) == pytest.approx(4.54, abs=0.01)
    assert contrast(luminance((0, 0, 0)), white) == pytest.approx(21)


def test_palettes_are_read_and_used():
    assert parse_palette("#000, #ff8000") == ((0, 0, 0), (255, 128, 0))
    for bad, message in (("beach", "near: sea"), ("#12", "must be #rrggbb"), ("#000000", "1 colours; must be 2 to 8")):
        with pytest.raises(ValueError, match=message):
            parse_palette(bad)
    made = np.asarray(recolour(noise(64, 64), parse_palette("#001030,#80c0ff"), 1.0), np.float64)
    assert made[..., 2].mean() > made[..., 0].mean() + 60
    same = np.asarray(recolour(noise(64, 64), parse_palette("sea"), 0.0), int)
    assert np.abs(same - np.asarray(noise(64, 64), int)).max() <= 2
