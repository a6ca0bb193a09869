"""The outbox on a manual clock whose time passes only by sending and waiting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.realtime import outbox
from rnnmuse.realtime.outbox import MOST_EARLY, Outbox
from rnnmuse.realtime.scheduler import Lateness


class Bench:
    def __init__(self, monkeypatch, cost=10_000):
        self.now, self.cost, self.sent = 0, cost, []
        self.lateness = Lateness()
        self.outbox = Outbox(self.lateness, lambda: self.now)
        monkeypatch.setattr(outbox.time, "sleep", self.sleep)

    def sleep(self, seconds):
        self.now += round(seconds * 1e9)

    def put(self, due, name):
        def send():
            self.now += self.cost
            self.sent.append((name, self.now))

        self.outbox.put(due, send)


def test_without_gathering_it_sends_at_once(monkeypatch):
    bench = Bench(monkeypatch)
    bench.put(1_000_000, "a")
    assert bench.sent == [("a", 10_000)]


@given(st.lists(st.integers(0, 500_000), max_size=40))
def test_each_thing_leaves_at_its_time_and_in_order(dues):
    with pytest.MonkeyPatch.context() as patch:
        bench = Bench(patch, cost=1_000)
        bench.outbox.gather()
        for number, due in enumerate(dues):
            bench.put(due, (due, number))
        assert bench.sent == []
        bench.outbox.flush()
    names = [name for name, _ in bench.sent]
    assert names == sorted((due, number) for number, due in enumerate(dues))
    assert all(at > due - MOST_EARLY for (due, _), at in bench.sent)
    assert bench.lateness.count == len(dues)
    assert bench.lateness.worst <= max(MOST_EARLY, 1_000 * len(dues))


def test_the_middle_of_a_chord_is_on_time(monkeypatch):
    bench = Bench(monkeypatch)
    bench.outbox.gather()
    for number in range(21):
        bench.put(1_000_000, number)
    bench.outbox.flush()
    assert abs(bench.sent[10][1] - 1_000_000) <= bench.cost
    assert bench.lateness.worst <= 11 * bench.cost
