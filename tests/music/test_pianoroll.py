import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image

from rnnmuse.events import Note
from rnnmuse.music.pianoroll import save_roll, text_roll
from rnnmuse.music.piece import Part, Piece


def test_a_png_has_the_note_where_it_sounds(tmp_path):
    piece = Piece([Part("A", notes=[Note(0, 60, 2.0, 127), Note(2, 64, 2.0, 127)])])
    image = Image.open(save_roll(piece, tmp_path / "a.png", width=800)).convert("RGB")
    assert image.width == 800
    blue = (0x2B, 0x6C, 0xB0)
    rows = {x: [y for y in range(image.height) if image.getpixel((x, y)) == blue] for x in (200, 600)}
    assert rows[200]
    assert rows[600]
    assert max(rows[600]) < min(rows[200]), "the higher note is drawn above"


def test_given_notes_are_grey_and_new_ones_in_colour(tmp_path):
    piece = Piece([Part("A", notes=[Note(0, 60, 2.0), Note(2, 60, 2.0)])])
    text = save_roll(piece, tmp_path / "a.svg", mark=2.0).read_text()
    plain = save_roll(piece, tmp_path / "b.svg").read_text()
    assert "#c53030" in text
    assert "#c53030" not in plain


def test_an_svg_has_a_box_for_every_note(tmp_path, piece):
    root = ElementTree.parse(save_roll(piece, tmp_path / "a.svg")).getroot()
    boxes = root.findall("{http://www.w3.org/2000/svg}rect")
    assert len(boxes) > len(piece.notes)
    assert root.get("width") == "1600"


def test_wrong_formats_and_widths_are_named(tmp_path, piece):
    with pytest.raises(ValueError, match=r"\.png, \.svg"):
        save_roll(piece, tmp_path / "a.gif")
    with pytest.raises(ValueError, match="width: 5"):
        save_roll(piece, tmp_path / "a.png", width=5)


def test_an_empty_piece_can_be_drawn(tmp_path):
    assert save_roll(Piece(), tmp_path / "a.png").exists()
    assert "bar" in text_roll(Piece())


def test_text_names_pitches_drums_and_bars(piece):
    piece.parts.append(Part("Kit", drum=True, notes=[Note(0, 36, 0.1, 100), Note(1, 38, 0.1, 20)]))
    lines = text_roll(piece, columns=80).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert any(line.startswith(" kick│x") for line in lines)
    assert any(line.startswith("snare") and "·" in line for line in lines)
    assert lines[-1].split("│")[1].split() == ["1", "2", "3", "4"]
