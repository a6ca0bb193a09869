from random import Random

import pytest

from rnnmuse.music.codec import ACTIVE, ECHO, UNKNOWN
from rnnmuse.music.echo import EXACT, NEW, RHYTHM, Again, echo_class
from rnnmuse.play.outline import COLUMNS
from rnnmuse.play.plan import GOES_ON, Plan

FORM = (
    [[NEW, NEW, 3]] * 4 + [[echo_class(4, EXACT), echo_class(1, EXACT), 3]] * 4 + [[echo_class(16, EXACT), NEW, 1]] * 8
)


def rows(count=16, **settings):
    plan = Plan([FORM], Random(1), **settings)
    return [plan.row(bar) for bar in range(count)]


def test_a_piece_from_nothing_has_the_form_of_a_real_one():
    found = rows()
    assert [row[0] for row in found[:8]] == [row[0] for row in FORM[:8]]
    assert found[8][0] == echo_class(8, EXACT), "what lies too far back is asked for from nearer by"
    assert all(row[3] == GOES_ON for row in found)


@pytest.mark.parametrize(("repeat", "low", "high"), [(0.0, 0, 0), (0.5, 12, 12), (1.0, 15, 16)])
def test_the_performer_asks_for_more_or_less(repeat, low, high):
    assert low <= sum(row[0] != NEW for row in rows(repeat=repeat)) <= high


def again(count=16, **settings):
    """Two parts: the first plays each fourth bar again from the fourth on, the second each bar as a rhythm."""
    columns = [[0, 0, 1 + RHYTHM, 0] if bar < 4 else [1 + 3 * 3 + EXACT, 0, 1 + RHYTHM, 0] for bar in range(16)]
    form = [
        [*row, *[UNKNOWN[column] for column in list(COLUMNS)[3:]], *more]
        for row, more in zip(FORM, columns, strict=True)
    ]
    plan = Plan([form], Random(1), **{"verbatim": 1.0, **settings})
    return [plan.again(bar) for bar in range(count)]


def test_parts_play_again_what_they_do_in_a_form():
    found = again()
    assert found[0] == {}, "there is no bar before"
    assert found[1] == {1: Again(RHYTHM, 1, 0)}
    assert found[4:] == [{0: Again(EXACT, 4, 0), 1: Again(RHYTHM, 1, 0)}] * 12
    assert again(verbatim=0.0) == again(repeat=0.0) == [{}] * 16
    assert again(bars=16)[12:] == [*found[12:14], {}, {}], "the last bars close"


def test_whoever_asks_for_more_gets_whole_bars_again():
    assert all(one.get(0) for one in again(repeat=1.0)[1:])


def test_the_end_comes_near():
    assert [row[3] for row in rows(bars=16)] == [4] * 8 + [3] * 4 + [2] * 2 + [1, 0]


def test_who_has_begun_goes_on_until_the_phrase_ends():
    forms = [[[NEW, NEW, 3 if bar % 4 < 2 else 1] for bar in range(16)]]
    plan = Plan(forms, Random(1), parts=frozenset({0, 1}))
    assert [plan.row(bar)[2] for bar in range(4)] == [3, 3, 3, 3]


def test_those_that_are_asked_for_play_all_the_time():
    assert {row[2] for row in rows(parts=frozenset({1}), fixed=True)} == {2}


def test_without_forms_nothing_is_asked_for():
    plan = Plan([], Random(1))
    assert plan.row(3) == (UNKNOWN[ECHO], UNKNOWN[ECHO], UNKNOWN[ACTIVE], GOES_ON)
    with pytest.raises(ValueError, match="repeat: 2"):
        Plan([], Random(1), repeat=2)


def test_what_is_begun_stays():
    begun = [[NEW, NEW, 1]] * 6
    plan = Plan([FORM], Random(1), begun)
    assert [plan.row(bar)[:3] for bar in range(6)] == [(NEW, NEW, 1)] * 6
    assert plan.row(40)[0] in range(UNKNOWN[ECHO])


def test_a_plan_that_goes_on_for_hours_keeps_its_last_bars_alone(monkeypatch):
    """The bars are those of a plan that forgets nothing."""
    from rnnmuse.play import plan as module

    forms = [FORM, [[NEW, echo_class(2, EXACT), 1 + bar % 3] for bar in range(40)]]
    bounded = Plan(forms, Random(3))
    found = [bounded.row(bar) for bar in range(3000)]
    assert len(bounded._rows) < 2 * module.KEPT
    assert len(bounded._outline) == len(bounded._rows)
    assert bounded.row(0)[0] == UNKNOWN[ECHO], "long gone"
    monkeypatch.setattr(module, "KEPT", 10_000)
    endless = Plan(forms, Random(3))
    assert found == [endless.row(bar) for bar in range(3000)]


def test_the_end_of_a_form_is_not_the_middle_of_a_piece():
    """The last bars of a real piece come to rest; of a form that was cut they do not."""
    going, rest = [0, NEW, 1], [9, NEW, 1]
    ends, cut = [going] * 18 + [rest] * 2, [going] * 64
    plan = Plan([ends], Random(1))
    assert {plan.row(bar)[0] for bar in range(40)} == {0}
    begun = Plan([ends, cut], Random(2), [[NEW, NEW, 1]] * 8)
    assert {begun.row(bar)[0] for bar in range(8, 80)} == {0}


def test_the_last_bars_are_those_of_a_form_that_ends():
    marks = [[echo_class(1, EXACT), NEW, 3], [echo_class(2, EXACT), NEW, 3]]
    ends, cut = [marks[0]] * 12 + [marks[1]] * 8, [marks[0]] * 64
    for begun in ([], [[NEW, NEW, 3]] * 8):
        plan = Plan([ends, cut], Random(3), begun, bars=len(begun) + 16)
        found = [plan.row(bar)[0] for bar in range(len(begun), len(begun) + 16)]
        assert found[8:15] == [marks[1][0]] * 7
        assert found[15] == NEW, "the last bar is the last chord, whatever came before"
