"""Patterns against regular expressions, and the price of the worst of them in steps, not in time."""

import re
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnmuse.bridges import osc_address
from rnnmuse.bridges.osc import MAX_PRICE, Budget, parse
from rnnmuse.bridges.osc_address import KEPT, MAX_PATTERN, STEPS, AddressSpace, is_pattern
from rnnmuse.protocol import PARAMETERS, PLAYERS, ProtocolError, addresses

KNOWN = list(addresses())
CASES = Path(__file__).parents[1] / "cases"


@pytest.fixture
def space():
    return AddressSpace(KNOWN)


ELEMENTS = {
    "a": "a", "b": "b", "1": "1", "-": "-",
    "?": "[^/]", "*": "[^/]*", "[ab]": "[ab]", "[!a]": "[^a/]", "[a-c]": "[a-c]",
    "[!a-b1]": "[^a-b1/]", "[a-]": "[a\\-]", "{a,b1}": "(?:a|b1)", "{,a}": "(?:|a)", "{ab,a}": "(?:ab|a)", "/": "/",
}  # fmt: skip
NAMES = st.lists(st.text("abc1-", min_size=1, max_size=6), min_size=1, max_size=3).map("/".join)


@settings(max_examples=400)
@given(st.lists(st.sampled_from(sorted(ELEMENTS)), max_size=8), st.lists(NAMES, min_size=1, max_size=8, unique=True))
def test_patterns_select_what_a_regular_expression_does(elements, names):
    known = ["/" + name for name in names]
    expression = "/" + "".join(ELEMENTS[one] for one in elements)
    wanted = {address for address in known if re.fullmatch(expression, address)}
    assert set(AddressSpace(known).match("/" + "".join(elements))) == wanted


def test_alternatives_and_slashes(space):
    assert space.match("/rnnmuse/transport/{play,stop}") == ("/rnnmuse/transport/play", "/rnnmuse/transport/stop")
    assert space.match("/rnnmuse/player/[1-3]/start") == tuple(f"/rnnmuse/player/{p}/start" for p in (1, 2, 3))
    assert len(space.match("/rnnmuse/player/*/start")) == 16
    assert space.match("/*") == ()
    assert space.match("/rnnmuse/player/1/start") == ("/rnnmuse/player/1/start",)
    assert is_pattern("/a/*")
    assert not is_pattern("/a/b")


@pytest.mark.parametrize("pattern", ["/rnnmuse/[a", "/{a", "/{a,{b,c}}", "/" + "*" * MAX_PATTERN])
def test_bad_patterns_are_refused(space, pattern):
    with pytest.raises(ProtocolError, match="pattern") as caught:
        space.match(pattern)
    assert caught.value.code == "pattern"
    assert len(str(caught.value)) < 200


def test_several_threads_match_at_once(space):
    """Two threads that made room for a pattern at the same time lost a packet, once in some hundred thousand."""
    wrong, before = [], sys.getswitchinterval()

    def ask(first):
        try:
            for number in range(first, first + 1500):
                space.match(f"/rnnmuse/player/[1-{number % 9 + 1}]/{'?' * (number % 200)}")
        except Exception as error:
            wrong.append(error)

    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=ask, args=(first,)) for first in range(0, 40, 10)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    finally:
        sys.setswitchinterval(before)
    assert not wrong
    assert len(space._kept) <= KEPT


def price(space, pattern):
    """The addresses that a pattern selects (or the error's code), and what the search alone has cost."""
    budget = Budget(10**9)
    found = space.match(pattern, budget)
    return found, 10**9 - budget.left - len(found)


HARD = [
    "/" + "*a" * 120,
    "/rnnmuse/player/*/param/" + "*a" * 110 + "b",
    "/rnnmuse/player/*/param/" + "*?" * 110,
    "/*/*/*/*/" + "*e" * 110 + "q",
    "/rnnmuse/*/*/param/" + "{,e}" * 58,
    "/rnnmuse/player/*/param/{" + "t," * 110 + "}q",
    "/*/*/*/*/{" + "temperature," * 19 + "}q",
]


@pytest.mark.parametrize("pattern", HARD)
def test_a_hard_pattern_costs_little(space, pattern):
    """A pattern that fits nothing, however much it looks as if it did: at most a quarter of a packet's budget."""
    found, cost = price(space, pattern)
    assert found == ()
    assert cost <= MAX_PRICE / 4


@pytest.mark.parametrize("pattern", [*HARD, "/rnnmuse/player/*/param/*", "/rnnmuse/*/*/{param,norm}/[a-t]*"])
def test_the_price_is_never_less_than_the_work(space, pattern, monkeypatch):
    """The elements that are tried on names are counted as they are tried."""
    done = 0
    for kind in (osc_address._Sign, osc_address._One, osc_address._Any, osc_address._Set, osc_address._Either):

        def counted(element, reached, name, advance=kind.advance):
            nonlocal done
            words = getattr(element, "words", ())
            done += 1 + sum(map(len, words))
            return advance(element, reached, name)

        monkeypatch.setattr(kind, "advance", counted)
    _, cost = price(space, pattern)
    assert 0 < done <= cost * STEPS


def test_the_price_grows_with_the_length_and_no_faster(space):
    costs = [price(space, "/rnnmuse/player/*/param/" + "*e" * count + "q")[1] for count in (25, 50, 100)]
    assert costs[2] <= 2.2 * costs[1] <= 2.2 * 2.2 * costs[0]


def test_a_pattern_that_is_too_dear_is_refused_before_it_is_tried(space, monkeypatch):
    monkeypatch.setattr("rnnmuse.bridges.osc_address._Part.fits", None)  # whoever calls it fails
    with pytest.raises(ProtocolError) as caught:
        space.match("/rnnmuse/player/1/param/*" + "[a-z0-9]" * 27, Budget(20))
    assert caught.value.code == "limit"


def test_what_is_selected_is_paid_for_each_time(space):
    budget = Budget()
    count = PLAYERS // 2 * len(PARAMETERS)
    half = "/rnnmuse/player/[1-8]/param/*"
    assert len(space.match(half, budget)) == count
    spent = MAX_PRICE - budget.left
    assert count < spent <= count + 6
    space.match(half, budget)  # known by now: no search
    assert MAX_PRICE - budget.left == spent + count
    for _ in range(budget.left // count):
        space.match(half, budget)
    with pytest.raises(ProtocolError) as caught:
        space.match(half, budget)
    assert caught.value.code == "limit"


def test_everything_at_once_is_refused(space):
    with pytest.raises(ProtocolError) as caught:
        space.match("/rnnmuse/*/*/*/*")
    assert caught.value.code == "limit"


def test_few_patterns_are_kept(space):
    for number in range(KEPT + 50):
        space.match(f"/rnnmuse/player/*/latent/{number}")
    assert len(space._kept) == KEPT


def test_the_datagram_that_stopped_the_stage_is_over_the_limit(space):
    """180 messages for 16 players each: the handler acts on the first 37, answers once and drops the rest."""
    budget, acted = Budget(), 0
    messages = parse((CASES / "one_datagram.bin").read_bytes())
    for message in messages[:37]:
        acted += len(space.match(message.address, budget))
    assert acted == 37 * 16
    with pytest.raises(ProtocolError) as caught:
        space.match(messages[37].address, budget)
    assert caught.value.code == "limit"
