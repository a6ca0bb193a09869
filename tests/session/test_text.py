"""A text player on a clock of our own: chunks at their beats, syllables with notes, taken back with them."""

import itertools

import pytest

from rnnmuse.protocol import TEXT_PARAMETERS
from rnnmuse.session.messages import Chunk, Unsay
from rnnmuse.session.stream import tick_of
from rnnmuse.session.text import TextPlayer
from rnnmuse.text.pronounce import syllables

BEAT = tick_of(1.0)


@pytest.fixture
def player(text_model):
    made = TextPlayer(1, lambda name: text_model)
    made.mix("tiny", 1.0)
    return made


def said(player, until, start=0.0):
    orders, now = [], start
    while now <= until:
        while got := player.advance(now, 1):
            orders += got
        now += 0.25
    return orders


def test_chunks_begin_on_the_next_beat_and_last_as_they_are_spoken(player):
    assert player.generate(6, 3, 9, beat=2.3) == []
    orders = said(player, 30, 2.3)
    assert all(isinstance(o, Chunk) and o.player == 1 for o in orders)
    assert len(orders) == 6
    assert orders[0].tick == 3 * BEAT
    assert [(o.job, o.index) for o in orders] == [(9, i) for i in range(6)]
    assert [o.last for o in orders] == [False] * 5 + [True]
    for one, other in itertools.pairwise(orders):
        if not one.text.endswith("\n"):
            assert other.tick - one.tick == pytest.approx(max(syllables(one.text), 1 / 3) / 2 * BEAT, abs=2)


def test_now_is_now_and_a_bar_is_a_bar(player):
    for when, beat in (("now", 2.3), ("bar", 4.0)):
        player.change("when", when, 0.0)
        player.generate(1, 1, 1, beat=2.3)
        assert said(player, 9, 2.3)[0].tick == tick_of(beat)


def test_nothing_is_written_far_ahead(player):
    player.generate(0, 1, 1, beat=0.0)
    orders = said(player, 4.0)
    assert max(o.tick for o in orders) <= tick_of(4.0 + 2.0)
    assert player.wake(4.0) >= 4.0


def test_stopping_takes_back_what_is_planned(player):
    player.generate(0, 1, 1, beat=0.0)
    said(player, 2.0)
    assert player.stop(2.0) == [Unsay(1, tick_of(2.0))]
    assert said(player, 9.0, 2.0) == []
    assert player.stop(2.0) == []


def test_the_same_seed_says_the_same(player):
    texts = []
    for _ in range(2):
        player.reset(0.0)
        player.mix("tiny", 1.0)
        player.generate(5, 7, 1, beat=0.0)
        texts.append([o.text for o in said(player, 40)])
    assert texts[0] == texts[1]


def test_bound_it_says_a_syllable_with_each_note(player):
    player.bind(3)
    player.generate(0, 1, 1, beat=0.0)
    player.prepare()
    assert player.advance(0.0) == []
    orders = [order for tick in (10, 20, 20, 30) for order in player.with_note(tick)]
    assert [o.tick for o in orders] == [10, 20, 30]  # notes of a chord share one
    assert [o.index for o in orders] == [0, 1, 2]


def test_recalled_notes_give_their_syllables_back(player):
    player.bind(3)
    player.generate(0, 1, 1, beat=0.0)
    first = [player.with_note(tick)[0].text for tick in (10, 20, 30)]
    assert player.taken_back(20) == [Unsay(1, 20)]
    again = [player.with_note(tick)[0] for tick in (25, 35)]
    assert [o.text for o in again] == first[1:]
    assert [o.index for o in again] == [1, 2]
    assert player.taken_back(99) == []


def test_ascii_for_hosts_that_need_it(new_text_model):
    umlauts = new_text_model("umlauts", "\n äöü—")
    player = TextPlayer(2, lambda name: umlauts)
    player.mix("umlauts", 1.0)
    player.change("ascii", 1, 0.0)
    player.generate(8, 1, 1, beat=0.0)
    texts = "".join(o.text for o in said(player, 60))
    assert texts.isascii()
    assert set(texts) & set("aou")


def test_a_prompt_changes_what_is_said_and_a_wrong_unit_is_refused(player):
    player.generate(5, 7, 1, beat=0.0)
    plain = [o.text for o in said(player, 40)]
    player.reset(0.0)
    player.mix("tiny", 1.0)
    player.prompt("zzzzzz")
    player.generate(5, 7, 1, beat=0.0)
    assert [o.text for o in said(player, 40)] != plain
    with pytest.raises(ValueError, match="page"):
        player.change("unit", "page", 0.0)
    assert player.parameters["unit"] == TEXT_PARAMETERS["unit"][1]


def test_the_clock_moved_it_goes_on_there(player):
    player.generate(0, 1, 1, beat=0.0)
    said(player, 2.0)
    player.moved(100.3)
    assert said(player, 101.0, 100.3)[0].tick == tick_of(101.0)


def test_what_was_held_up_is_said_at_once(player):
    player.change("when", "now", 0.0)
    player.generate(1, 1, 1, beat=2.0)
    assert said(player, 3.0, 2.4)[0].tick == tick_of(2.4)
