"""Bars that parts play again, by untrained models: what is settled comes as it was, and every limit holds."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnmuse.models.stream import StreamModel
from rnnmuse.music.codec import BEATS, GRID, KIND, MICROTIME, OFF, ON, PART, PITCH, SUB, UNKNOWN
from rnnmuse.music.echo import EXACT, NEW, RHYTHM, TRANSPOSED
from rnnmuse.music.piece import Metre, Piece
from rnnmuse.play.limits import Constraints, Rules
from rnnmuse.play.outline import COLUMNS
from rnnmuse.play.plan import Plan
from rnnmuse.play.sampler import Frame, Player, events_until
from tests.play.test_sampler import MODELS

BAR = 4 * GRID
FOUR = Piece(metres=[Metre(0.0, 4, 4)])
REST = [UNKNOWN[column] for column in list(COLUMNS)[3:]]


def form(*bars):
    """Rows of three parts, all of which play; a bar has (how, lag, shift) by part."""
    rows = []
    for bar in bars:
        columns = [0] * 6
        for part, (how, lag, shift) in bar.items():
            columns[2 * part : 2 * part + 2] = [1 + 3 * (lag - 1) + how, shift]
        rows.append([NEW, NEW, 7, *REST, *columns])
    return rows


def player(rows, seed=0, piece=FOUR, model: StreamModel | None = None, **limits) -> Player:
    plan = Plan([rows], Random(seed), home=0, verbatim=1.0)
    model = model or MODELS[seed % 3]
    return Player(model, Frame(piece, plan=plan), Rules(Constraints(**limits), piece, 2, 3), Random(seed))


def onsets(events, bars, grid=0):
    """The onsets (place in the bar, pitch) of each part in each bar, of events after a grid position."""
    out = [[set() for _ in range(bars + 1)] for _ in range(3)]
    for event in events:
        grid += event[BEATS] * GRID + event[SUB]
        if event[KIND] == ON:
            bar = (grid + 3) // BAR
            out[event[PART]][bar].add((grid - bar * BAR, event[PITCH]))
    return out


RIFF = {
    0: {(12, 72), (60, 74)},
    1: {(0, 60), (0, 64), (30, 67)},
    2: {(0, 36), (24, 38), (48, 36), (72, 42)},
}
"""What is heard in the first bar, by part."""


def after_riff(rows, seed=0, **limits) -> Player:
    one = player(rows, seed, **limits)
    edges = [(at, ON, part, pitch) for part, notes in RIFF.items() for at, pitch in notes]
    edges += [(at + 18, OFF, part, pitch) for part in (0, 1) for at, pitch in RIFF[part]]
    for grid, kind, part, pitch in sorted(edges):
        wait = grid - one.grid
        one.hear((wait // GRID, wait % GRID, kind, part, pitch, 16 if kind == ON else 0, 10))
    return one


@pytest.mark.parametrize("seed", range(6))
def test_a_part_plays_a_bar_again_while_the_others_go_on(seed):
    rows = form({}, {1: (EXACT, 1, 0)}, {1: (TRANSPOSED, 1, 3)}, {1: (RHYTHM, 3, 0), 2: (EXACT, 3, 0)}, {})
    one = after_riff(rows, seed, voices={0: 1, 1: 3}, density=12.0)
    voice, piano, drums = onsets(events_until(one, BAR, 5 * BAR), 5, one.grid)
    assert piano[1] == RIFF[1]
    assert piano[2] == {(at, pitch + 3) for at, pitch in RIFF[1]}
    assert {at for at, _ in piano[3]} == {0, 30}
    assert len(piano[3]) == 3
    assert all(abs(pitch - near) <= 7 for (_, pitch), (_, near) in zip(sorted(piano[3]), sorted(RIFF[1]), strict=True))
    assert drums[3] == RIFF[2]
    assert piano[4] not in piano[1:4], "what is not settled is drawn"
    assert any(voice[1:])


def test_where_all_parts_play_again_nothing_is_drawn():
    every = dict.fromkeys(range(3), (EXACT, 1, 0))
    one = after_riff(form({}, every, every, every))
    for part, bars in enumerate(onsets(events_until(one, BAR, 4 * BAR - 3), 4, one.grid)):
        assert bars[1:4] == [RIFF[part]] * 3


def test_where_none_does_the_model_draws_as_without():
    """Up to a bar line: there the model is asked anew."""
    free, plain = player(form({}, {}, {}, {}), 3), player(form({}, {}, {}, {}), 3)
    assert plain.frame.plan is not None
    plain.frame.plan.verbatim = 0.0
    events = list(events_until(free, 0, BAR - 3))
    assert events
    assert events == list(events_until(plain, 0, BAR - 3))


def test_the_lengths_come_back_too():
    one = player(form({}, {1: (EXACT, 1, 0)}, {}), parts=frozenset({1}))
    for event in ((0, 0, ON, 1, 60, 16, 10), (1, 12, OFF, 1, 60, 0, 10), (0, 12, ON, 1, 67, 16, 10)):
        one.hear(event)
    one.hear((1, 0, OFF, 1, 67, 0, 10))
    found = []
    grid = one.grid
    for event in events_until(one, BAR, 2 * BAR):
        grid += event[BEATS] * GRID + event[SUB]
        found.append((grid - BAR, event[KIND], event[PITCH]))
    assert found == [(0, ON, 60), (36, OFF, 60), (48, ON, 67), (72, OFF, 67)]


def test_a_note_that_still_sounds_is_as_long_when_it_is_played_again():
    one = player(form({}, {1: (EXACT, 1, 0)}, {1: (EXACT, 1, 0)}), parts=frozenset({1}))
    one.hear((3, 0, ON, 1, 60, 16, 10))
    found, grid = [], one.grid
    for event in events_until(one, 3 * GRID + 12, 4 * BAR):
        grid += event[BEATS] * GRID + event[SUB]
        found.append((grid, event[KIND], event[PITCH]))
    assert [one for one in found if one[2] == 60 and one[1] == ON][:2] == [(at * BAR + 72, ON, 60) for at in (1, 2)]
    assert (2 * BAR, OFF, 60) in found


def test_a_long_note_does_not_sound_into_what_is_drawn():
    """A chord of a bar that is played again ends with the next that its part begins, wherever that comes from."""
    rows = form({}, {}, {1: (EXACT, 2, 0)}, {1: (EXACT, 3, 0)}, {})
    one = player(rows, parts=frozenset({1}), voices={1: 2})
    for event in ((0, 0, ON, 1, 60, 16, 10), (7, 0, OFF, 1, 60, 0, 10)):
        one.hear(event)
    found, grid = [], one.grid
    for event in events_until(one, 2 * BAR, 4 * BAR):
        grid += event[BEATS] * GRID + event[SUB]
        found.append((grid, event[KIND], event[PITCH]))
    assert found[:3] == [(2 * BAR, ON, 60), (3 * BAR, OFF, 60), (3 * BAR, ON, 60)]


def test_what_sounds_when_a_part_plays_again_ends_there():
    one = player(form({}, {1: (EXACT, 1, 0)}, {}), parts=frozenset({1}))
    for event in ((0, 0, ON, 1, 60, 16, 10), (1, 0, OFF, 1, 60, 0, 10), (2, 0, ON, 1, 72, 16, 10)):
        one.hear(event)
    first, second, *_ = events_until(one, BAR, 2 * BAR)
    assert first[:5] == (1, 0, OFF, 1, 72)
    assert second[:5] == (0, 0, ON, 1, 60)


def test_a_bar_of_another_length_and_a_bar_that_nobody_played_are_not_played_again():
    waltz = Piece(metres=[Metre(0.0, 4, 4), Metre(4.0, 3, 4)])
    rows = form({}, {1: (EXACT, 1, 0)}, {1: (EXACT, 1, 0)})
    one = player(rows, piece=waltz, parts=frozenset({1}))
    one.hear((0, 0, ON, 1, 60, 16, 10))
    one.hear((3, 0, OFF, 1, 60, 0, 10))
    list(events_until(one, BAR, BAR + 3 * GRID - 3))
    assert not one._restated.parts
    silent = player(form({}, {1: (EXACT, 1, 0)}), parts=frozenset({1}))
    list(events_until(silent, BAR, 2 * BAR))
    assert not silent._restated.parts


def test_a_place_in_a_bar_that_is_played_again_is_gone_back_to():
    rows = form({}, {1: (EXACT, 1, 0)}, {0: (RHYTHM, 1, 0), 1: (EXACT, 2, 0)}, {})
    one = player(rows, 1)
    events = [one.next(0, 4 * BAR) for _ in range(200)]
    saved, state = one.save(), one.random.getstate()
    first = [one.next(0, 6 * BAR) for _ in range(60)]
    one.restore(saved)
    one.random.setstate(state)
    assert [one.next(0, 6 * BAR) for _ in range(60)] == first
    assert any(events)


def test_a_run_of_the_corpus_is_not_played_again():
    """The guard's word is above the plan's: the rest of such a bar is drawn."""
    rows = form({}, {1: (EXACT, 1, 0)})
    one = player(rows, 0, parts=frozenset({1}), ranges={1: (40, 90)})

    class Strict:
        def allowed(self, part, grid, playable):
            return np.where(np.arange(128) == 60, False, playable)

        def take(self, part, grid, pitch, own):
            assert own or grid < BAR

        def save(self):
            return {}

    one.guard = Strict()
    for event in ((0, 0, ON, 1, 62, 16, 10), (1, 0, OFF, 1, 62, 0, 10), (0, 0, ON, 1, 60, 16, 10)):
        one.hear(event)
    one.hear((1, 0, OFF, 1, 60, 0, 10))
    found = onsets(events_until(one, BAR, 2 * BAR), 2, one.grid)[1][1]
    assert (0, 62) in found
    assert not {pitch for _, pitch in found} & {60}
    assert not one._restated.parts


hows = st.tuples(st.sampled_from([EXACT, TRANSPOSED, RHYTHM]), st.integers(1, 4), st.integers(-12, 12))
bars = st.dictionaries(st.integers(0, 2), hows, max_size=3)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(bars, min_size=8, max_size=8),
    seed=st.integers(0, 1000),
    scale=st.sets(st.integers(0, 11), min_size=1),
    polyphony=st.integers(1, 4),
    longest=st.sampled_from([1.0, 4.0]),
    density=st.sampled_from([None, 2.0, 8.0]),
    metre=st.sampled_from([(4, 4), (3, 4), (6, 8), (5, 4)]),
)
def test_whatever_is_played_again_every_limit_holds_and_no_note_hangs(
    rows, seed, scale, polyphony, longest, density, metre
):
    piece = Piece(metres=[Metre(0.0, *metre)])
    limits = {"scale": frozenset(scale), "polyphony": polyphony, "longest": longest, "density": density}
    one = player(form(*rows), seed, piece, **limits)
    end = round(8 * piece.metre_at(0.0).bar_beats * GRID)
    events = list(events_until(one, 0, end))
    assert not one.started
    assert not one._restated.held
    grid, micro, sounding = 0, 0, {}
    onset_counts: dict[int, int] = {}
    for event in events:
        wait = event[BEATS] * GRID + event[SUB]
        assert wait or event[MICROTIME] >= micro
        grid, micro = grid + wait, event[MICROTIME]
        key = (event[PART], event[PITCH])
        if event[KIND] == ON:
            bar = grid // round(piece.metre_at(0.0).bar_beats * GRID)
            onset_counts[bar] = onset_counts.get(bar, 0) + 1
            assert key not in sounding
            if key[0] != 2:
                assert key[1] % 12 in scale
                sounding[key] = grid
                assert sum(part == key[0] for part, _ in sounding) <= polyphony
        else:
            assert grid - sounding.pop(key) <= longest * GRID
    assert not sounding
    assert grid <= end
    if density is not None:
        most = max(1.0, density * piece.metre_at(0.0).bar_beats)
        assert all(count <= most for count in onset_counts.values())
