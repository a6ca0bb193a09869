"""What bands play, mined: units in their bars, on the bar line, and who rests when."""

import pytest

from rnnmuse.play import units
from rnnmuse.play.band import ARRANGED, FULL, SECTION, Band, bar_of
from rnnmuse.protocol import STYLES


def test_every_style_has_drums_and_fills_and_arranged_ones_all_roles():
    assert set(units.STYLES) == set(STYLES)
    for style in STYLES:
        assert len(units.table()[style, "drums"]) >= 8
        assert len(units.table()[style, "fill"]) >= 4
    for role in ("bass", "chords", "lead"):
        assert len(units.table()["game", role]) >= 16


@pytest.mark.parametrize("key", sorted(units.table()))
def test_the_bars_of_a_unit_have_all_its_strokes_within_them(key):
    for unit in units.table()[key]:
        bars = 1 if unit.role == "fill" else units.BARS
        figures = [bar_of(unit, number) for number in range(bars)]
        within = [stroke for stroke in unit.strokes if stroke[0] < bars * 4 * units.FINE - 36]
        assert sum(map(len, figures)) == len(within)
        for figure in (figure for bar in figures for figure in bar):
            assert 0 <= figure.start < 4
            assert 1 <= figure.velocity <= 127
            assert figure.voice < figure.voices or figure.kind != "c"
            late = (figure.start + (figure.micro or 0) / 480) * 480
            assert not 6 < late < 15 or figure.kind != "d", "a drum is on the bar line or clearly after it"


def test_a_unit_keeps_the_time_of_what_it_was_mined_from():
    for unit in units.table()["pop", "drums"]:
        back = [round(480 * f.start) + (f.micro or 0) + 1920 * bar for bar in (0, 1) for f in bar_of(unit, bar)]
        for (start, *_), found in zip(sorted(unit.strokes), sorted(back), strict=False):
            assert abs(start - found) <= 36


def test_all_play_the_first_section_and_nobody_rests_where_it_is_full():
    for style in STYLES:
        band = Band()
        played = {role: [band.plays(role, style, bar) for bar in range(128)] for role in units.ROLES}
        assert all(all(bars[:SECTION]) for bars in played.values())
        assert all(any(played[role][bar] for role in units.ROLES) for bar in range(128))
        assert not all(played["lead"])
        assert style in ARRANGED or all(played["bass"])
        for role, bars in played.items():
            assert sum(bars) > 20, role
            assert all(bars[at : at + 4] in ([True] * 4, [False] * 4) for at in range(0, 128, 4)), "by phrases"
        band.density = FULL
        assert all(band.plays("lead", style, bar) for bar in range(128))
