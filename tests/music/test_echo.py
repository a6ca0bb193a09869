import random

import pytest

from rnnmuse.events import Note
from rnnmuse.music.echo import (
    EXACT,
    NEW,
    RHYTHM,
    TRANSPOSED,
    Again,
    bars_of,
    echo_class,
    echoes,
    lag_of,
    repeats,
    strokes,
)
from rnnmuse.music.piece import Metre, Part, Piece
from rnnmuse.music.structure import REACH, repetition

TUNE = [60, 62, 64, 65, 67]


def bar(pitches, start, step=0.75):
    return [Note(start + i * step, p, 0.5) for i, p in enumerate(pitches)]


def classes(*bars):
    notes = [note for i, pitches in enumerate(bars) for note in pitches(4.0 * i)]
    piece = Piece([Part(notes=notes)])
    return echoes(strokes(notes, bars_of(piece, 4.0 * len(bars))))


def test_what_returns_is_told_by_how_and_how_far():
    found = classes(
        lambda at: bar(TUNE, at),
        lambda at: bar([72, 71, 69, 60, 50], at, 0.5),
        lambda at: bar(TUNE, at),
        lambda at: bar([p + 5 for p in TUNE], at),
        lambda at: bar([40, 70, 41, 71, 42], at),
        lambda at: bar([50, 51], at, 1.9),
    )
    assert found[:2] == [NEW, NEW]
    assert found[2] == echo_class(2, EXACT)
    assert found[3] == echo_class(1, TRANSPOSED)
    assert found[4] == echo_class(1, RHYTHM)
    assert found[5] == NEW


def test_a_human_touch_hides_no_repetition():
    first, again = bar(TUNE, 0.0), [Note(n.start + 4.0 + 0.03, n.pitch, n.duration) for n in bar(TUNE, 0.0)]
    notes = first + again
    assert echoes(strokes(notes, bars_of(Piece([Part(notes=notes)]), 8.0)))[1] == echo_class(1, EXACT)


def test_a_lag_without_a_class_of_its_own():
    assert lag_of(echo_class(4, EXACT)) == 4
    assert lag_of(echo_class(5, EXACT)) is None
    assert lag_of(NEW) is None


def test_bars_follow_the_pickup_and_the_metre():
    piece = Piece([Part(notes=[Note(0.0, 60, 1.0), Note(9.0, 60, 1.0)])], metres=[Metre(0.0, 3, 4), Metre(7.0, 4, 4)])
    piece.pickup = 1.0
    assert [(b.start, b.beats) for b in bars_of(piece, 10.0)] == [(-2.0, 3.0), (1.0, 3.0), (4.0, 3.0), (7.0, 4.0)]


def test_a_bar_of_a_part_plays_an_earlier_one_again():
    bars = [
        lambda at: bar(TUNE, at),
        lambda at: bar([72, 71, 69, 60, 50], at, 0.5),
        lambda at: bar(TUNE, at),
        lambda at: bar([p + 5 for p in TUNE], at),
        lambda at: bar([72, 71, 69, 60, 51], at, 0.5),
        lambda at: bar([*TUNE[:-1], 68], at),
        lambda at: bar([60], at),
        lambda at: bar([61], at),
    ]
    notes = [note for i, pitches in enumerate(bars) for note in pitches(4.0 * i)]
    found = repeats(strokes(notes, bars_of(Piece([Part(notes=notes)]), 4.0 * len(bars))))
    assert found[:4] == [None, None, Again(EXACT, 2, 0), Again(TRANSPOSED, 1, 5)]
    assert found[4:6] == [Again(RHYTHM, 3, 0), Again(RHYTHM, 2, 0)], "one other note is not the same"
    assert found[6:] == [None, Again(TRANSPOSED, 1, 1)], "one note is no rhythm"


@pytest.mark.parametrize("seed", range(20))
def test_they_are_the_repeated_bars_that_are_measured(seed):
    """The oracle: `rnnmuse.music.structure.repetition` counts the same bars."""
    rng = random.Random(seed)
    known = [[(6 * rng.randrange(16), rng.randrange(48, 72)) for _ in range(rng.randint(2, 6))] for _ in range(3)]
    rows = []
    for _ in range(REACH + 1):
        shift, chosen = rng.choice([0, 0, 2, -3]), rng.choice(known)
        rows.append(frozenset((at, p + shift if rng.random() < 0.95 else p) for at, p in chosen))
    counted = [i for i in range(1, len(rows)) if len({at for at, _ in rows[i]}) >= 2]
    found = repeats([frozenset((at // 6, 0, p) for at, p in row) for row in rows])
    measured = repetition(rows)
    hows = [one.how for i in counted if (one := found[i]) is not None]
    assert hows.count(EXACT) / len(counted) == pytest.approx(measured.exact)
    assert sum(how != RHYTHM for how in hows) / len(counted) == pytest.approx(measured.transposed)
    assert len(hows) / len(counted) == pytest.approx(measured.rhythm)
    for index, one in enumerate(found):
        if one is not None and one.how == EXACT:
            assert rows[index] == rows[index - one.lag]
        elif one is not None and one.how == TRANSPOSED:
            assert rows[index] == {(at, p + one.shift) for at, p in rows[index - one.lag]}
