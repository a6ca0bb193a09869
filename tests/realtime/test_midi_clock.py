from random import Random

import pytest

from rnnmuse.clock import MINUTE, PPQ
from rnnmuse.realtime.lead.midi_clock import TICKS, WINDOW, ClockFollower
from rnnmuse.realtime.stage import Settings, Stage

MS = 1_000_000


def pulses(bpm, count, start=0, jitter=0.0, seed=1):
    random = Random(seed)
    times = [round(start + i * MINUTE / bpm / 24 + random.uniform(-jitter, jitter) * MS) for i in range(count)]
    return sorted(times)  # messages do not overtake each other


@pytest.mark.parametrize("bpm", [40, 90, 120, 174.5, 200])
@pytest.mark.parametrize("seed", range(5))
def test_jitter_of_five_milliseconds_leaves_tempo_and_phase_after_two_bars(bpm, seed):
    follower = ClockFollower()
    follower.start()
    for time in pulses(bpm, 8 * 24 + 1, jitter=5.0, seed=seed):
        follower.pulse(time)
    tempo, last = follower.line()
    assert tempo == pytest.approx(bpm, abs=0.5)
    assert last == pytest.approx(8 * MINUTE / bpm, abs=3 * MS)
    assert follower.tick == 8 * PPQ


def test_without_jitter_it_is_exact():
    follower = ClockFollower()
    follower.start()
    for time in pulses(120, 50):
        follower.pulse(time)
    assert follower.line()[0] == pytest.approx(120, abs=1e-4)


@pytest.mark.parametrize(("before", "after"), [(120, 90), (90, 140), (120, 125)])
def test_a_change_of_tempo_is_followed_within_a_beat_or_a_bar(before, after):
    follower = ClockFollower()
    first = pulses(before, 97, jitter=1.0)
    change = 96 * MINUTE / before / 24
    for time in first + pulses(after, WINDOW + 24, start=change + MINUTE / after / 24, jitter=1.0):
        follower.pulse(time)
    assert follower.line()[0] == pytest.approx(after, abs=0.5)


def test_start_stop_continue_and_position_land_on_the_tick():
    follower, times = ClockFollower(), iter(pulses(120, 2000))
    for _ in range(30):
        follower.pulse(next(times))
    assert follower.tick == 0
    follower.start()
    for _ in range(25):
        follower.pulse(next(times))
    assert follower.tick == PPQ
    follower.stop()
    for _ in range(10):
        follower.pulse(next(times))
    assert follower.tick == PPQ + TICKS
    follower.resume()
    follower.pulse(next(times))
    assert follower.tick == PPQ + TICKS
    follower.stop()
    follower.position(16)
    follower.resume()
    follower.pulse(next(times))
    assert follower.tick == 4 * PPQ
    for _ in range(24):
        follower.pulse(next(times))
    assert follower.tick == 5 * PPQ
    follower.position(64)  # while it runs: the next pulse is there
    follower.pulse(next(times))
    assert follower.tick == 16 * PPQ


def test_a_gap_is_a_new_beginning_and_too_few_pulses_no_tempo():
    follower = ClockFollower()
    for time in pulses(120, 48):
        follower.pulse(time)
    for time in pulses(60, 5, start=10**10):
        follower.pulse(time)
    assert follower.line() is None
    for time in pulses(60, 20, start=10**10 + 5 * MINUTE // 60 // 24):
        follower.pulse(time)
    assert follower.line()[0] == pytest.approx(60, abs=0.1)


def test_a_stage_is_led_by_the_clock_only_when_told():
    now = [0]
    stage = Stage(Settings(engine=False, osc=False), now=lambda: now[0])
    leader, clock = stage.midi.leader, stage.clock
    for source in ("internal", "midi"):
        stage.transport.source = source
        leader.message(0xFA, now[0])
        for time in pulses(100, 4 * 24 + 1, start=now[0] + 20 * MS, jitter=3.0):
            now[0] = time
            leader.message(0xF8, time)
        if source == "internal":
            assert not clock.running
    assert clock.beat_at(now[0]) == pytest.approx(4, abs=0.01)
    assert float(clock.tempo) == pytest.approx(100, abs=0.5)
    leader.message(0xFC, now[0])
    assert not clock.running
    leader.message(0xF2, now[0], 64)
    leader.message(0xFB, now[0])
    leader.message(0xF8, now[0] + 25 * MS)
    assert clock.tick_at(now[0] + 26 * MS) // PPQ == 16
