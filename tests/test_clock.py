from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.clock import MINUTE, PPQ, Clock, checked_tempo

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
