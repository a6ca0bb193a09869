"""The outbox on a manual clock whose time passes only by reading it, sending and waiting."""

import sys
import threading
import time
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.clock import Clock
from rnnmuse.realtime import outbox
from rnnmuse.realtime.lanes import Lateness
from rnnmuse.realtime.outbox import MOST_EARLY, SPARE, Outbox
from rnnmuse.realtime.scheduler import BIT, Scheduler


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


class Rest:
    """What a chord leaves: ``left`` bits, each of which takes ``cost`` ns to send."""

    def __init__(self, bench, left, cost=30_000):
        self.bench, self.left, self.cost, self.times = bench, left, cost, []
        bench.outbox = Outbox(bench.lateness, bench.now, bench.together, after=self.send)

    def send(self):
        if self.left:
            self.left -= 1
            self.times.append(self.bench.at)
            self.bench.at += self.cost
        return self.left > 0


def test_what_a_chord_leaves_makes_no_chord_later(monkeypatch):
    found = []
    for left in (0, 1000):
        bench = Bench(monkeypatch)
        rest = Rest(bench, left)
        bench.outbox.gather()
        for number in range(3):
            bench.put((1 + 3 * number) * 1_000_000, number)
        bench.outbox.flush()
        found.append(bench.sent)
        assert rest.left < left or not left
    for (name, quiet), (same, busy) in zip(*found, strict=True):
        assert name == same
        assert abs(quiet - busy) < 1_000
    ends = [at for _, at in found[1]]
    for at in rest.times:  # while it waits for a chord there is time, but not just before
        assert ends[0] <= at < ends[1] - SPARE or ends[1] <= at < ends[2] - SPARE


def test_the_rest_is_sent_until_a_time_or_its_end(monkeypatch):
    bench = Bench(monkeypatch)
    rest = Rest(bench, 10)
    assert not bench.outbox.rest
    bench.outbox.gather()
    bench.put(0, "a")
    bench.outbox.flush()
    assert bench.outbox.rest
    assert rest.left == 10
    bench.outbox.send_rest(bench.at)
    assert rest.left == 10
    bench.outbox.send_rest(bench.at + 3 * rest.cost)
    assert rest.left == 7
    bench.outbox.send_rest(bench.at + 1_000_000_000)
    assert rest.left == 0
    assert not bench.outbox.rest


class Clockwork:
    """A scheduler with time by hand, and what its acts said went wrong."""

    def __init__(self, after):
        self.at, self.errors = 0, []
        self.outbox = Outbox(Lateness(), self.now, after=after)
        self.outbox.rest = True
        self.scheduler = Scheduler(Clock(), self.now, self.outbox, self.errors.append)

    def now(self):
        return self.at


@pytest.mark.parametrize(("due", "bits"), [(None, 10), (10**9, 10), (250_000, 3), (0, 0)])
def test_the_scheduler_sends_a_bit_of_the_rest_and_looks_again(due, bits):
    sent = []

    def after():
        sent.append(work.at)
        work.at += 100_000
        return True

    work = Clockwork(after)
    work.scheduler.send_rest(due)
    assert len(sent) == bits
    assert BIT == 1_000_000


def test_a_rest_that_cannot_be_sent_does_not_end_the_scheduler():
    def after():
        raise OSError("no")

    work = Clockwork(after)
    work.scheduler.send_rest(None)
    assert [str(error) for error in work.errors] == ["no"]


def test_while_the_rest_is_sent_the_lock_is_free_and_no_call_is_missed():
    inside, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def after():
        inside.set()
        assert go_on.wait(30)
        return False

    outbox = Outbox(Lateness(), after=after)
    outbox.rest = True
    scheduler = Scheduler(Clock(), time.monotonic_ns, outbox, lambda error: None)
    scheduler.start()
    assert inside.wait(30)
    assert scheduler.lock.acquire(timeout=30)
    scheduler.commands.at(time.monotonic_ns(), done.set)
    scheduler.wake()
    scheduler.lock.release()
    go_on.set()
    assert done.wait(30)
    scheduler.close()
