from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.clock import MINUTE, PPQ, Clock, Metre, checked_tempo

DAY = 24 * 60 * MINUTE


@given(st.decimals(20, 999, places=3), st.integers(0, 10**9))
def test_a_tick_is_reached_when_it_is_due(bpm, start):
    clock = Clock(checked_tempo(float(bpm)))
    clock.start(start)
    for tick in (0, 1, 7, PPQ, 123_457, 10**7):
        due = clock.time_at(tick)
        assert clock.tick_at(due) == tick
        assert clock.tick_at(due - 1) == tick - 1


@pytest.mark.parametrize("bpm", [20, 33.333, 119.999, 120, 137.5, 999])
def test_no_drift_in_a_day(bpm):
    clock = Clock(checked_tempo(bpm))
    clock.start(12345)
    want = Fraction(DAY) * checked_tempo(bpm) * PPQ / MINUTE
    assert clock.tick_at(12345 + DAY) == int(want)


def test_no_drift_over_a_thousand_tempo_changes():
    random, clock, now, exact = Random(1), Clock(), 0, Fraction(0)
    clock.start(0)
    for _ in range(1000):
        bpm = random.randrange(20_000, 999_000) / 1000
        step = random.randrange(1, 10**9)
        exact += step * clock.tempo * PPQ / MINUTE
        now += step
        before = clock.tick_at(now)
        clock.set_tempo(bpm, now)
        assert clock.tick_at(now) == before
        assert abs(clock.beat_at(now) * PPQ - exact) < Fraction(1, 500)


def test_stop_resume_and_locate():
    clock = Clock()
    clock.start(0)
    clock.stop(500_000_000)
    assert clock.tick_at(9 * 10**9) == PPQ
    clock.resume(10**10)
    assert clock.tick_at(10**10 + 500_000_000) == 2 * PPQ
    clock.locate(2 * 10**10, 5)
    assert clock.tick_at(2 * 10**10) == 5
    assert clock.beat_at(2 * 10**10) == pytest.approx(5 / PPQ)


@pytest.mark.parametrize("bpm", [19.9, 1000, float("nan"), float("inf"), -5, "fast"])
def test_a_tempo_out_of_range_is_named(bpm):
    with pytest.raises(ValueError, match="20 to 999"):
        Clock().set_tempo(bpm, 0)


@given(st.floats(0.5, 0.75), st.integers(0, 10 * PPQ))
def test_swing_keeps_the_order_and_the_beats(swing, tick):
    clock = Clock(swing=swing)
    assert clock.swung(tick) <= clock.swung(tick + 1)
    assert clock.swung(tick // PPQ * PPQ) == tick // PPQ * PPQ
    assert Clock(swing=2 / 3).swung(PPQ // 2) == 640


# -- metres: against a count from bar to bar -------------------------------------------------------------------------

DENOMINATOR = st.sampled_from([1, 2, 4, 8, 16, 32])
METRES = st.builds(Metre, st.integers(1, 64), DENOMINATOR, st.integers(0, 20 * PPQ), st.integers(0, 50))


def counted(metre, tick):
    """The bar at a tick and its bar line, by walking from the metre's own bar line."""
    line, bar = metre.bar_line, metre.bar
    length = 0
    for _ in range(metre.numerator):  # a note of the denominator is this many ticks
        length += PPQ * 4 // metre.denominator
    while line + length <= tick:
        line, bar = line + length, bar + 1
    while line > tick:
        line, bar = line - length, bar - 1
    return bar, line, length


@given(METRES, st.integers(0, 200 * PPQ))
def test_bars_are_where_a_count_finds_them(metre, tick):
    bar, line, length = counted(metre, tick)
    assert metre.ticks == length
    assert metre.beats * PPQ == length
    assert metre.bar_start(tick) == line
    assert metre.next_bar(tick) == line + length
    assert metre.place(tick) == (bar, tick - line)
    assert 0 <= metre.origin < length
    assert metre.bar_start(metre.origin) == metre.origin


@given(st.lists(st.tuples(st.integers(1, 16), st.sampled_from([4, 8, 16]), st.integers(0, 8 * PPQ)), max_size=6),
       st.integers(0, 20 * PPQ))  # fmt: skip
def test_bars_are_counted_on_over_changes_of_metre(changes, after):
    """A bar cut short by a new bar line counts as one; bar numbers never go back as time goes on."""
    clock, line = Clock(), 0
    bars = [0]
    for numerator, denominator, wait in changes:
        before, place = clock.metre.place(line + wait)
        line += wait
        clock.set_metre(numerator, denominator, line)
        assert clock.metre.place(line) == (before + (place > 0), 0)
        bars.append(clock.metre.place(line)[0])
    bars.append(clock.metre.place(line + after)[0])
    assert bars == sorted(bars)
    assert bars[-1] - bars[-2] == after // clock.metre.ticks


@pytest.mark.parametrize(("metre", "beats"), [((4, 4), 4), ((3, 4), 3), ((6, 8), 3), ((7, 8), 3.5), ((5, 16), 1.25)])
def test_a_bar_lasts_so_many_quarter_notes(metre, beats):
    clock = Clock()
    clock.set_metre(*metre, bar_line=0)
    assert clock.metre.beats == beats
    assert clock.metre.next_bar(0) == beats * PPQ


@pytest.mark.parametrize(
    ("numerator", "denominator", "said"),
    [
        (0, 4, "numerator: 0; must be 1 to 64"),
        (65, 4, "numerator: 65"),
        (4, 3, "denominator: 3; must be one of 1, 2, 4"),
    ],
)
def test_a_metre_out_of_range_is_named(numerator, denominator, said):
    clock = Clock()
    with pytest.raises(ValueError, match=said):
        clock.set_metre(numerator, denominator, 0)
    assert clock.metre == Metre()
