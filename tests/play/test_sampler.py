"""The loop against its rules, with untrained models: whatever the weights say, the limits hold."""

from itertools import pairwise
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnmuse.models.stream import StreamModel
from rnnmuse.music.codec import (
    BEATS,
    GRID,
    KIND,
    MICROTIME,
    OFF,
    ON,
    PART,
    PITCH,
    SUB,
    VELOCITY,
    PartClass,
    decode,
)
from rnnmuse.music.echo import EXACT, NEW, echo_class
from rnnmuse.music.piece import ChordSymbol, Metre, Piece
from rnnmuse.play import sampler
from rnnmuse.play.limits import Constraints, Rules
from rnnmuse.play.plan import Plan
from rnnmuse.play.sampler import Frame, Player, events_until
from rnnmuse.train.stream.export import step_graph
from rnnmuse.train.stream.network import Shape, StreamNet

PARTS = (PartClass("voice", 53, sung=True), PartClass("piano", 0), PartClass("drums", 0, drum=True))


def untrained(seed: int) -> StreamModel:
    torch.manual_seed(seed)
    net = StreamNet(Shape(3, 2, embed=12, hidden=16, head=8))
    with torch.no_grad():
        net.heads[0].bias[2:] -= 4  # an untrained model would wait sixteen beats
        net.heads[1].bias[::12] += 3  # and play off the beat
    weights = {key: value.detach().numpy() for key, value in net.state_dict().items()}
    return StreamModel("untrained", PARTS, weights, step_graph(weights).SerializeToString())


MODELS = [untrained(seed) for seed in range(3)]


def player(constraints: Constraints, seed: int = 0, piece: Piece | None = None, density: float | None = None) -> Player:
    piece = piece or Piece()
    return Player(MODELS[seed % 3], Frame(piece, density), Rules(constraints, piece, 2, 3), Random(seed))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.sets(st.integers(0, 11), min_size=1),
    low=st.integers(20, 60),
    width=st.integers(12, 60),
    polyphony=st.integers(1, 5),
    longest=st.sampled_from([1.0, 4.0]),
    rest=st.sampled_from([1.0, 3.0]),
    start=st.integers(0, 100),
)
def test_every_limit_holds_and_no_note_hangs(seed, scale, low, width, polyphony, longest, rest, start):
    limits = Constraints(
        scale=frozenset(scale), low=low, high=low + width, polyphony=polyphony, longest=longest, rest=rest
    )
    one = player(limits, seed)
    end = start + 10 * GRID
    events = list(events_until(one, start, end))
    assert not one.started
    assert not one.state.sounding or one._previous is not None
    grid, micro, sounding, last = 0, 0, {}, start
    for event in events:
        wait = event[0] * GRID + event[1]
        assert wait or event[MICROTIME] >= micro
        grid, micro = grid + wait, event[MICROTIME]
        assert start <= grid <= end
        key = (event[PART], event[PITCH])
        if not sounding:
            assert grid - last <= rest * GRID + 96
        if event[KIND] == ON:
            last = grid
            if event[PART] != 2:
                assert event[PITCH] % 12 in scale
                assert low <= event[PITCH] <= low + width
                assert key not in sounding
                sounding[key] = grid
                assert sum(part == event[PART] for part, _ in sounding) <= polyphony
        else:
            last = grid
            assert 0 < grid - sounding.pop(key) <= longest * GRID
    assert not sounding


def test_the_same_seed_gives_the_same_events():
    first = list(events_until(player(Constraints(), 5), 0, 8 * GRID))
    assert first == list(events_until(player(Constraints(), 5), 0, 8 * GRID))
    assert first != list(events_until(player(Constraints(), 8), 0, 8 * GRID))


def test_density_is_never_exceeded_in_a_bar():
    events = list(events_until(player(Constraints(density=1.0), 1, density=1.0), 0, 32 * GRID))
    notes = decode(np.array(events, np.int16), 0, frozenset({2}))
    for bar in range(8):
        assert sum(4 * bar <= round(n.start * 24) / 24 < 4 * bar + 4 for n in notes) <= 4


def test_a_given_time_and_a_given_pitch_are_kept():
    one, grid = player(Constraints(parts=frozenset({0, 1}), scale=frozenset({0, 4, 7})), 4), 0
    for at, pitches in ((5, {60}), (5, {64, 67}), (30, {60, 61}), (31, {72})):
        event = one.next(0, 1000, at=at, pitches=pitches)
        assert event is not None
        grid += event[0] * GRID + event[1]
        assert (grid, event[KIND]) == (at, ON)
        assert event[PITCH] in pitches
        assert event[PITCH] % 12 in {0, 4, 7}


def test_a_model_that_never_waits_is_made_to():
    one = player(Constraints(together=5, sounding=7), 1)
    model = untrained(1)
    model.heads[0][1][0] += 50
    model.heads[1][1][0] += 50
    one = Player(model, one.frame, one.rules, Random(1))
    events = list(events_until(one, 0, 2 * GRID))
    grid, starts, most = 0, {}, 0
    for event in events:
        grid += event[0] * GRID + event[1]
        if event[KIND] == ON:
            starts[grid] = starts.get(grid, 0) + 1
    most = max(starts.values())
    assert most == 5
    assert grid == 2 * GRID or not one.started
    assert len(events) < 2 * GRID * 7 * 2


def test_only_allowed_parts_play():
    events = list(events_until(player(Constraints(parts=frozenset({1})), 2), 0, 16 * GRID))
    assert {event[PART] for event in events} == {1}


def test_strong_beats_have_chord_tones():
    piece = Piece(chords=[ChordSymbol(0.0, "Dm")], metres=[Metre(0.0, 4, 4)])
    rules = Constraints(chord_tones=True, parts=frozenset({0, 1}))
    found = 0
    for seed in range(60):
        grid = 0
        for event in events_until(player(rules, seed, piece), 0, 32 * GRID):
            grid += event[0] * GRID + event[1]
            if event[KIND] == ON and grid % 48 == 0:
                found += 1
                assert event[PITCH] % 12 in (2, 5, 9)
    assert found > 20


def test_a_note_heard_before_is_ended_in_time():
    one = player(Constraints(longest=2.0, rest=8.0))
    one.hear((0, 0, ON, 1, 60, 20, 10))
    events = list(events_until(one, 1, 16 * GRID))
    grid = 0
    for event in events:
        grid += event[0] * GRID + event[1]
        if event[KIND] == OFF and event[PITCH] == 60 and event[PART] == 1:
            break
    assert grid <= 2 * GRID


def test_state_is_of_one_size_however_long_the_music():
    one = player(Constraints())
    list(events_until(one, 0, 400 * GRID))
    assert one.state.hidden.shape == (1, 16)
    assert len(one._onsets) <= 512
    assert len(one.frame._blocks) == 1


@pytest.mark.parametrize(("name", "value"), [("temperature", -1.0), ("temperature", float("nan")), ("top_p", 0.0)])
def test_sampling_settings_are_checked(name, value):
    with pytest.raises(ValueError, match=name):
        Player(MODELS[0], Frame(Piece()), Rules(Constraints(), Piece(), 2, 3), Random(0), **{name: value})


def test_what_begins_together_clashes_less_the_more_is_asked():
    def semitones(clash):
        found = pairs = 0
        made = player(Constraints(clash=clash, longest=0.5, parts=frozenset({0})), 3)
        for grid in range(0, 40 * GRID, GRID):
            chord = [made.next(grid, 10**9, at=grid) for _ in range(3)]
            pitches = [event[PITCH] for event in chord if event is not None and event[KIND] == ON]
            steps = [(a - b) % 12 for i, a in enumerate(pitches) for b in pitches[:i]]
            found += sum(step in (1, 11) for step in steps)
            pairs += len(steps)
        assert pairs > 30
        return found / pairs

    assert semitones(20.0) < 0.02 < semitones(0.0)


def test_a_drummer_has_two_hands_and_two_feet():
    made = player(Constraints(parts=frozenset({2})), 1)
    made.model.heads[0][1][0] += 30  # it would strike at once for ever
    made.model.heads[1][1][0] += 30
    try:
        events = [made.next(made.grid, 10**9) for _ in range(60)]
    finally:
        made.model.heads[0][1][0] -= 30
        made.model.heads[1][1][0] -= 30
    at, struck = 0, []
    for event in events:
        at += event[0] * GRID + event[1]
        struck.append(at)
    assert max(struck.count(one) for one in struck) == 4
    assert 15 <= len(set(struck)) <= 20, "after four strokes it waits, and not for a whole bar"
    assert struck[-1] < 15 * 2 * GRID


@pytest.mark.parametrize(("heard", "sign"), [(100, -1), (25, 1), (57, 0)])
def test_a_part_that_has_drifted_out_of_its_register_comes_back(heard, sign):
    model = untrained(0)
    model.registers = {1: (50.0, 70.0)}
    free = Piece()

    def mean_of_next(register):
        rules = Rules(Constraints(register=register, parts=frozenset({1})), free, 2, 3)
        one = Player(model, Frame(free), rules, Random(4))
        for step in range(24):
            one.hear((0, 6, ON, 1, heard + step % 8, 16, 10))
            one.hear((0, 6, OFF, 1, heard + step % 8, 0, 10))
        saved, found = one.save(), []
        for seed in range(30):
            one.restore(saved)
            one.random = Random(seed)
            event = one.next(one.grid, one.grid + 400 * GRID)
            assert event is not None
            found.append(event[PITCH])
        return np.mean(found)

    assert np.sign(mean_of_next(1.0) - mean_of_next(0.0)) == sign


def test_a_bar_that_is_restated_comes_back(monkeypatch):
    model = untrained(0)
    model.restate = 0.1
    rows = [[NEW, NEW, 6, 4, 0, 0, 0, 0, 0, 8, 4], [NEW, echo_class(1, EXACT), 6, 4, 0, 0, 0, 0, 0, 8, 4]]
    empty = Piece(metres=[Metre(0.0, 4, 4)])

    def pitches(share: float) -> list[int]:
        monkeypatch.setattr(sampler, "ECHOED", share)
        frame = Frame(empty, plan=Plan([rows], Random(1), home=0))
        one = Player(model, frame, Rules(Constraints(parts=frozenset({1})), empty, 2, 3), Random(2))
        for pitch in (60, 64):
            one.hear((0, 0, ON, 1, pitch, 16, 10))
        for pitch in (60, 64):
            one.hear((0, 12, OFF, 1, pitch, 0, 10))
        saved, found = one.save(), []
        for seed in range(20):
            one.restore(saved)
            one.random = Random(seed)
            event = one.next(4 * GRID, 8 * GRID, at=4 * GRID)
            assert event is not None
            found.append(event[PITCH])
        return found

    assert not set(pitches(0.0)) <= {60, 64}
    assert set(pitches(200.0)) == {60, 64}


def test_what_began_last_is_less_likely_to_begin_again():
    free = Piece()

    def repeated(again: float) -> int:
        rules = Rules(Constraints(again=again, low=60, high=62, parts=frozenset({1})), free, 2, 3)
        one = Player(MODELS[0], Frame(free), rules, Random(3))
        line = [event[PITCH] for event in events_until(one, 0, 300 * GRID) if event[KIND] == ON]
        assert len(line) > 20
        return sum(a == b for a, b in pairwise(line)) / len(line)

    assert repeated(20.0) < repeated(0.0)


def test_a_line_rather_moves_by_step_and_on_in_its_direction():
    free = Piece()

    def shares(stepwise: float) -> tuple[float, float]:
        rules = Rules(Constraints(stepwise=stepwise, low=48, high=84, parts=frozenset({1}), polyphony=1), free, 2, 3)
        one = Player(MODELS[0], Frame(free), rules, Random(3))
        line = [event[PITCH] for event in events_until(one, 0, 400 * GRID) if event[KIND] == ON]
        moves = [b - a for a, b in pairwise(line) if a != b]
        assert len(moves) > 20
        steps = sum(abs(move) <= 2 for move in moves) / len(moves)
        return steps, sum((a > 0) == (b > 0) for a, b in pairwise(moves)) / (len(moves) - 1)

    (loose, turning), (stepping, going_on) = shares(0.0), shares(3.0)
    assert stepping > 2 * loose
    assert going_on > turning + 0.2


@pytest.mark.parametrize(("asked", "nucleus"), [(0.9, 0.99), (1.0, 0.99), (0.5, 0.5)])
def test_rhythm_has_a_nucleus_of_its_own_but_for_one_who_asks_for_a_narrow_one(monkeypatch, asked, nucleus):
    model = MODELS[0]
    for name, value in (("rhythm", 0.99), ("top_p", 0.9), ("opening", 0.95), ("touch", 0.97)):
        monkeypatch.setattr(model, name, value)
    one = Player(model, Frame(Piece()), Rules(Constraints(), Piece(), 2, 3), Random(3), top_p=asked)
    assert {one._nucleus(head) for head in (BEATS, SUB)} == {nucleus}
    assert one._nucleus(PITCH) == asked
    assert one._nucleus(VELOCITY) == max(asked, 0.97)


def test_a_frame_that_goes_on_for_hours_keeps_its_last_bar_lines_alone():
    piece = Piece(metres=[Metre(0.0, 3, 4)])
    frame = Frame(piece)
    for bar in range(0, 5000, 7):
        grid = bar * 3 * GRID + 5
        assert frame.bar_of(grid) == bar
        assert frame.bar_start(max(0, bar - 32)) == max(0, bar - 32) * 3 * GRID
        assert frame.at(grid) == Frame(piece).at(grid)
    assert len(frame._bars) < 1000


@pytest.mark.parametrize("seed", range(6))
def test_a_note_that_is_overdue_by_far_is_ended_at_once(seed):
    """Where nothing could begin, the music goes on without an event, beyond the longest note."""
    one = player(Constraints(longest=8.0, rest=4.0), seed)
    while not one.started:
        assert one.next(one.grid, 10**9) is not None
    sounding = set(one.started)
    one.grid += 40 * GRID
    ended = one.next(0, 10**9)
    assert ended is not None
    assert ended[KIND] == OFF
    assert ended[:2] == (0, 0)
    assert (ended[PART], ended[PITCH]) in sounding
