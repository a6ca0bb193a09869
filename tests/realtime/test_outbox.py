"""The outbox on a manual clock whose time passes only by reading it, sending and waiting."""

import sys
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.realtime import outbox
from rnnmuse.realtime.lanes import Lateness
from rnnmuse.realtime.outbox import MOST_EARLY, Outbox


class Bench:
    def __init__(self, monkeypatch, cost=10_000):
        self.at, self.cost, self.sent, self.kept = 0, cost, [], []
        self.lateness = Lateness()
        self.outbox = Outbox(self.lateness, self.now, self.together)
        monkeypatch.setattr(outbox.time, "sleep", self.sleep)

    def now(self):
        self.at += 100
        return self.at

    def sleep(self, seconds):
        self.at += round(seconds * 1e9)

    @contextmanager
    def together(self):
        yield
        self.at += self.cost * bool(self.kept)
        self.sent += [(name, self.at) for name in self.kept]
        self.kept.clear()

    def put(self, due, name, held=False):
        def send():
            if held:
                self.kept.append(name)
                return
            self.at += self.cost
            self.sent.append((name, self.at))

        self.outbox.put(due, send, held)


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
    assert bench.lateness.worst <= max(MOST_EARLY, 2_000 * len(dues) + 1_000)


def test_the_middle_of_a_chord_is_on_time(monkeypatch):
    bench = Bench(monkeypatch)
    for turn in range(1, 40):  # it learns what a thing takes
        bench.outbox.gather()
        for number in range(21):
            bench.put(turn * 1_000_000, number)
        bench.outbox.flush()
    assert abs(bench.sent[-11][1] - 39_000_000) <= 3 * bench.cost
    assert bench.lateness.count == 39 * 21


def test_what_is_held_leaves_together_on_time(monkeypatch):
    bench = Bench(monkeypatch)
    bench.outbox.gather()
    for number in range(30):
        bench.put(1_000_000, number, held=number % 2 == 0)
    bench.outbox.flush()
    names = [name for name, _ in bench.sent]
    assert names == [*range(1, 30, 2), *range(0, 30, 2)]
    assert len({at for _, at in bench.sent[15:]}) == 1
    assert all(at > 1_000_000 - MOST_EARLY for _, at in bench.sent)


def test_the_lateness_of_a_chord_is_that_of_its_worst(monkeypatch):
    bench = Bench(monkeypatch)
    bench.outbox.gather()
    for number in range(100):
        bench.put(0, number)
    bench.outbox.flush()
    assert bench.lateness.worst >= bench.sent[-1][1]
    assert bench.lateness.quantile(0.01) == bench.lateness.worst


def test_no_other_thread_is_let_in_between(monkeypatch):
    bench, before, seen = Bench(monkeypatch), sys.getswitchinterval(), []
    bench.outbox.gather()
    bench.outbox.put(0, lambda: seen.append(sys.getswitchinterval()))
    bench.outbox.flush()
    assert seen[0] >= 1.0
    assert sys.getswitchinterval() == before


def test_what_comes_after_a_chord_makes_it_no_later(monkeypatch):
    found = []
    for after in (0, 5_000_000):
        bench = Bench(monkeypatch)

        def show(bench=bench, after=after):
            bench.at += after

        bench.outbox = Outbox(bench.lateness, bench.now, bench.together, after=show)
        bench.outbox.gather()
        bench.put(1_000_000, "a")
        bench.outbox.flush()
        found.append(bench.lateness.worst)
        assert bench.at > 800_000 + after
    assert found[0] == found[1]
