"""Changes on their way to the engine: what is confirmed, refused, replaced and asked again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.protocol import ProtocolError
from rnnmuse.realtime.outgoing import Outgoing
from rnnmuse.realtime.tickets import MOST_OPEN, MOST_WAITING, Tickets
from rnnmuse.session import messages as m


class Side:
    """The stage's side of a link to an engine that answers when it is let."""

    def __init__(self, answers=True, limit=100):
        self.queue, self.answers = Outgoing(limit), answers
        self.queue.grant(10**6)
        self.tickets = Tickets(lambda message: self.queue.put(message) if answers is not None else None)
        self.held = {}
        self.said = []

    def ask(self, player, mode):
        def accepted():
            self.held[player] = mode
            self.said.append((player, mode))

        self.tickets.request(
            ("mode", player),
            lambda ticket: m.SetMode(ticket, player, mode, 0.0),
            accepted,
            lambda text: self.said.append((player, text)),
        )

    def work(self, count=10**6, refuse=()):
        for _ in range(count):
            message = self.queue.get(wait=False)
            if message is None:
                return
            if message.mode in refuse:
                self.tickets.refused(message.ticket, f"no {message.mode}")
            else:
                self.tickets.accepted(message.ticket)


def test_a_value_holds_only_once_it_is_accepted():
    side = Side()
    side.ask(1, "free")
    assert side.held == {}
    assert side.tickets.is_open(("mode", 1))
    side.work()
    assert side.held == {1: "free"}
    assert not side.tickets.is_open(("mode", 1))


def test_what_is_refused_changes_nothing_and_says_why():
    side = Side()
    side.ask(1, "free")
    side.work()
    side.ask(1, "sing")
    side.work(refuse=["sing"])
    assert side.held == {1: "free"}
    assert side.said[-1] == (1, "no sing")


def test_a_change_that_was_replaced_in_the_queue_is_over_with_the_one_that_replaced_it():
    side = Side()
    for mode in ("free", "hold", "loop"):
        side.ask(1, mode)
    side.work()
    assert side.said == [(1, "loop")]
    assert not side.tickets.is_open(("mode", 1))


def test_a_change_that_was_sent_is_answered_before_the_next():
    side = Side()
    side.ask(1, "free")
    message = side.queue.get(wait=False)
    side.ask(1, "hold")
    side.tickets.accepted(message.ticket)
    assert side.held == {1: "free"}
    assert side.tickets.is_open(("mode", 1))
    side.work()
    assert side.said == [(1, "free"), (1, "hold")]


def test_a_question_waits_for_the_changes_before_it():
    side, answers = Side(), []
    side.tickets.when_settled(("mode", 1), lambda: answers.append("none open"))
    side.ask(1, "free")
    side.tickets.when_settled(("mode", 1), lambda: answers.append(side.held.get(1)))
    side.ask(2, "free")
    side.tickets.when_all_settled(("mode",), lambda: answers.append(dict(side.held)))
    assert answers == ["none open"]
    side.work(1)
    assert answers == ["none open", "free"]
    side.work()
    assert answers == ["none open", "free", {1: "free", 2: "free"}]


def test_a_change_that_asks_for_another_is_settled_after_that():
    side, answers = Side(), []

    def second():
        side.ask(1, "hold")

    side.tickets.request(("mode", 1), lambda ticket: m.SetMode(ticket, 1, "free", 0.0), second)
    side.tickets.when_settled(("mode", 1), lambda: answers.append(side.held))
    side.work(1)
    assert answers == []
    side.work()
    assert answers == [{1: "hold"}]


def test_a_full_queue_refuses_and_says_so():
    side, said = Side(limit=1), []
    side.queue.put(m.Sync(1))
    side.tickets.request(("latent", 1, "vary"), lambda t: m.MoveLatent(t, 1, "vary", (0.5,), 0.0), refused=said.append)
    assert "busy" in said[0]
    assert not side.tickets.any_open(("latent",))


def test_without_an_engine_a_change_holds_at_once():
    side = Side(answers=None)
    side.ask(1, "free")
    assert side.held == {1: "free"}


def test_a_new_engine_is_asked_for_the_newest_of_each_key_in_the_order_of_asking():
    side = Side()
    for player, mode in ((1, "free"), (2, "free"), (1, "hold")):
        side.ask(player, mode)
    lost = side.queue.get(wait=False)
    side.queue.close()
    side.queue = Outgoing()
    side.queue.grant(10)
    side.tickets.send_again()
    side.tickets.accepted(lost.ticket - 1)  # an answer that was on its way from the old one
    assert len(side.queue) == 2
    side.work()
    assert side.said == [(2, "free"), (1, "hold")]


def test_changes_of_a_kind_are_refused_together():
    side = Side()
    side.ask(1, "free")
    side.ask(2, "free")
    side.tickets.refuse_all("mode", "given up")
    assert side.said == [(1, "given up"), (2, "given up")]
    side.work()
    assert side.held == {}


@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 3), st.booleans()), max_size=300))
def test_what_is_held_is_what_the_engine_accepted_last(steps):
    """An engine that takes some messages between the changes: its own values are the stage's once it has answered."""
    side, engine = Side(), {}

    def work(count):
        for _ in range(count):
            message = side.queue.get(wait=False)
            if message is None:
                return
            if message.mode == "mode 3":
                side.tickets.refused(message.ticket, "no")
            else:
                engine[message.player] = message.mode
                side.tickets.accepted(message.ticket)
            assert side.held == engine

    for player, number, works in steps:
        side.ask(player, f"mode {number}")
        if works:
            work(1)
    assert len(side.tickets._key_of) <= 2 * MOST_OPEN
    work(10**6)
    assert side.held == engine
    assert not side.tickets._open
    assert not side.tickets._key_of


def test_what_a_refused_change_replaced_in_the_queue_holds():
    side = Side()
    for mode in ("hold", "free", "sing", "shout"):  # one value waits: the last
        side.ask(1, mode)
    side.work(refuse=["sing", "shout"])
    assert side.held == {1: "free"}
    assert side.said == [(1, "no shout"), (1, "no sing"), (1, "free")]
    assert not side.tickets.is_open(("mode", 1))


def test_questions_that_wait_are_bounded_and_all_are_answered():
    tickets, answered, sent = Tickets(lambda message: True), [], []
    for player in (1, 2):
        tickets.request(("mode", player), lambda ticket: sent.append(ticket) or m.Ping())
    for number in range(MOST_WAITING - 1):
        tickets.when_settled(("mode", 1), lambda number=number: answered.append(number))
    tickets.when_all_settled(("mode",), lambda: answered.append("all"))
    for _ in range(3):
        with pytest.raises(ProtocolError, match="the engine is busy"):
            tickets.when_settled(("mode", 2), lambda: answered.append("never"))
    for ticket in sent:
        tickets.accepted(ticket)
    assert sorted(answered, key=str) == sorted([*range(MOST_WAITING - 1), "all"], key=str)
    tickets.request(("mode", 1), lambda ticket: sent.append(ticket) or m.Ping())
    for _ in range(MOST_WAITING):  # there is room again
        tickets.when_settled(("mode", 1), lambda: None)


def test_changes_that_replace_each_other_in_the_queue_leave_nothing_behind():
    side = Side()
    for number in range(500):
        side.ask(1 + number % 4, f"mode {number}")
    assert len(side.tickets._key_of) == sum(map(len, side.tickets._open.values())) == 4
    side.work(refuse=["mode 499"])
    assert side.held == {1: "mode 496", 2: "mode 497", 3: "mode 498", 4: "mode 495"}
    assert not side.tickets._open
    assert not side.tickets._key_of
