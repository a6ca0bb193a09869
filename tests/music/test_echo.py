from rnnmuse.events import Note
from rnnmuse.music.echo import EXACT, NEW, RHYTHM, TRANSPOSED, bars_of, echo_class, echoes, lag_of, strokes
from rnnmuse.music.piece import Metre, Part, Piece

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
