import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.text.chunks import UNITS, Chunker

LINE = "To be, or not to be: that is the question!\nWhether 'tis nobler\n"


def cut(unit, text=LINE):
    chunker = Chunker(unit)
    return [*chunker.feed(text), *chunker.rest()]


@pytest.mark.parametrize("unit", UNITS)
@given(text=st.text(max_size=300))
def test_nothing_is_lost(unit, text):
    assert "".join(chunk for chunk, _ in cut(unit, text)) == text


def test_units():
    assert [c.strip() for c, _ in cut("line")][:2] == [
        "To be, or not to be: that is the question!",
        "Whether 'tis nobler",
    ]
    assert [c.strip() for c, _ in cut("word")][:4] == ["To", "be,", "or", "not"]
    assert [c.strip() for c, _ in cut("syllable")][9:12] == ["ques", "tion!", "Whe"]
    assert [c.strip() for c, _ in cut("phrase")] == [
        "To be,", "or not to be:", "that is the question!", "Whether 'tis nobler",
    ]  # fmt: skip
    assert [length for _, length in cut("word")][:3] == [1.0, 1.0, 1.0]
    assert sum(length for _, length in cut("line")) == sum(length for _, length in cut("syllable")) == 16
    assert [c for c, _ in cut("word", "春眠 不")] == ["春", "眠 ", "不"]


def test_a_unit_that_is_none_is_named():
    with pytest.raises(ValueError, match="unit: 'page'"):
        Chunker("page")
