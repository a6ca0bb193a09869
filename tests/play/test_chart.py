"""Charts: what is written is what sounds, bar by bar, over and over."""

import pytest

from rnnmuse.play.chart import parse_chart


def sounding(text, beats, bar_beats=4.0, start=0.0):
    chart = parse_chart(text, bar_beats, start)
    return [chart.at(beat)[0] for beat in beats]


def test_a_chart_loops_with_its_own_length():
    chart = parse_chart("Am7 | D7 | Gmaj7 % |")
    assert chart.length == 12.0
    assert sounding("Am7 | D7 | Gmaj7 % |", [0, 3.99, 4, 8, 11.9, 12, 16, 20, 36]) == [
        "Am7", "Am7", "D7", "Gmaj7", "Gmaj7", "Am7", "D7", "Gmaj7", "Am7",
    ]  # fmt: skip


def test_percent_alone_is_the_bar_before():
    assert sounding("C G/B | % | F |", range(0, 12, 2)) == ["C", "G/B", "C", "G/B", "F", "F"]


def test_chords_share_a_bar_evenly_and_without_bars_each_has_one():
    assert sounding("C F G C | Am", [0, 1, 2, 3, 4, 7]) == ["C", "F", "G", "C", "Am", "Am"]
    assert sounding("C, F, G", [0, 3, 6, 9], bar_beats=3.0) == ["C", "F", "G", "C"]


def test_the_loop_begins_where_it_is_told_to():
    chart = parse_chart("C | F", start=8.0)
    assert [chart.at(beat)[0] for beat in (8, 12, 16, 4, 0)] == ["C", "F", "C", "F", "C"]
    assert chart.at(9.0) == ("C", 8.0, 12.0)
    assert [(c.beat, c.text) for c in chart.between(10.0, 17.0)] == [(10.0, "C"), (12.0, "F"), (16.0, "C")]


@pytest.mark.parametrize("text", ["", "  | |", "% | C", "C | H7", "Am7 | D7b | x"])
def test_what_is_no_chart_is_refused_by_name(text):
    with pytest.raises(ValueError, match="chord"):
        parse_chart(text)
