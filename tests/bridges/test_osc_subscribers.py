"""Subscriptions and look-aheads, with time by hand."""

import pytest

from rnnmuse.bridges.osc_subscribers import LOOKAHEADS, SUBSCRIPTIONS, TARGETS, Subscribers
from rnnmuse.protocol import ProtocolError

MS = 1_000_000


class Bench:
    def __init__(self):
        self.time = 100.0
        self.subscribers = Subscribers(lambda: self.time)
        self.seen = []
        self.subscribers.on_lookaheads_changed = lambda: self.seen.append(set(self.subscribers.lookaheads()))

    def add(self, name, seconds=60.0, ahead=0, sender=None):
        self.subscribers.add(name, sender or name, seconds, ahead)

    def running(self, ahead=None):
        return [one.client for one in self.subscribers.running(ahead)]


@pytest.fixture
def bench():
    return Bench()


def test_a_lease_runs_out_and_is_renewed(bench):
    bench.add("a", 10)
    bench.time += 9
    bench.add("a", 10)
    bench.time += 9
    assert bench.running() == ["a"]
    bench.time += 2
    assert bench.running() == []
    bench.subscribers.expire()
    assert len(bench.subscribers) == 0


def test_a_lookahead_comes_with_its_first_subscriber_and_leaves_with_its_last(bench):
    bench.add("a", ahead=100 * MS)
    bench.add("b", ahead=100 * MS)
    bench.add("c", ahead=200 * MS)
    bench.add("d")
    assert bench.seen == [{100 * MS}, {100 * MS, 200 * MS}]
    bench.subscribers.remove("a")
    bench.subscribers.remove("d")
    assert len(bench.seen) == 2
    bench.subscribers.remove("b")
    assert bench.seen[2:] == [{200 * MS}]
    bench.time += 61
    bench.subscribers.expire()
    assert bench.seen[3:] == [set()]
    bench.subscribers.remove("c")
    assert len(bench.seen) == 4


def test_one_that_changes_its_lookahead_has_the_new_one_alone(bench):
    bench.add("a", ahead=100 * MS)
    bench.add("a", ahead=300 * MS)
    assert bench.seen == [{100 * MS}, {300 * MS}]
    assert bench.running(100 * MS) == []
    assert bench.running(300 * MS) == bench.running() == ["a"]


def test_lookaheads_that_differ_by_less_than_a_millisecond_are_one(bench):
    """0.1000 s and 0.1002 s as they come by OSC, in 32 bits, were two outputs of the same look-ahead."""
    bench.add("a", ahead=round(0.10000000149 * 1e9))
    bench.add("b", ahead=round(0.10020000488 * 1e9))
    assert bench.subscribers.lookaheads() == {100 * MS}
    assert bench.running(100 * MS) == ["a", "b"]


def test_subscriptions_are_bounded_and_a_known_one_is_renewed_all_the_same(bench):
    for number in range(SUBSCRIPTIONS):
        bench.add(number + 1)
    with pytest.raises(ProtocolError) as caught:
        bench.add("one more")
    assert caught.value.code == "limit"
    bench.add(1, 600)
    bench.time += 61
    assert bench.running() == [1]
    bench.add("one more")
    assert bench.running() == [1, "one more"]


def test_one_sender_has_so_many_ports(bench):
    for number in range(TARGETS):
        bench.add(number + 1, sender="a")
    with pytest.raises(ProtocolError, match=f"must be up to {TARGETS}"):
        bench.add(TARGETS + 1, sender="a")
    bench.add(TARGETS + 1, sender="b")
    bench.subscribers.remove(1)
    bench.add(1, sender="a")


def test_so_many_lookaheads_and_no_more(bench):
    for number in range(LOOKAHEADS):
        bench.add(number + 1, ahead=(number + 1) * MS)
    with pytest.raises(
        ProtocolError, match=r"subscribe ahead: 0\.5; must be one of those in use: 0, 0\.001, "
    ) as caught:
        bench.add("a", ahead=500 * MS)
    assert caught.value.code == "limit"
    bench.add("a", ahead=3 * MS)
    bench.add("b")
    assert bench.running(3 * MS) == [3, "a"]
    bench.subscribers.remove(1)
    bench.add("a", ahead=500 * MS)


def test_whoever_iterates_is_not_disturbed(bench):
    for number in range(10):
        bench.add(number + 1)
    for one in bench.subscribers.running():
        bench.subscribers.remove(one.client)
        bench.add(100 + one.client)
    assert len(bench.subscribers) == 10
