"""Which of several fillings stays."""

from rnnmuse.compose.infill import Filled, best, infill
from rnnmuse.compose.muse import Settings, load
from rnnmuse.events import Note
from rnnmuse.music.piece import Key, Part, Piece


def test_the_filling_of_the_least_surprise_stays_unless_its_melody_is_far_off():
    near, likely = Filled(Piece([]), 0, 8, 1.2, 0.2), Filled(Piece([]), 0, 8, 1.0, 0.9)
    assert best([near, likely], guidance=0.0) is likely
    assert best([near, likely], guidance=0.5) is near
    assert best([likely, near], guidance=0.5) is near


def test_without_a_phrase_model_the_join_alone_judges():
    nan = float("nan")
    one, two = Filled(Piece([]), 0, 8, 1.2, nan), Filled(Piece([]), 0, 8, 1.0, nan)
    assert best([one, two]) is two


def test_new_bars_keep_the_key_and_the_chords_that_are_asked_for():
    notes = [Note(float(i), 60 + (0, 2, 4, 5, 7, 5, 4, 2)[i % 8], 1.0) for i in range(32)]
    piece = Piece([Part("Melody", 73, notes=notes)], keys=[Key(0.0, 0)])
    settings = Settings(seed=1, key="Eb major", chords="Eb Ab")
    made = infill(load("leadsheet"), piece, 5, 6, None, settings, 2)
    new = [n for part in made.piece.parts for n in part.notes if 16 <= n.start < 24]
    assert new
    assert all(n.pitch % 12 in {3, 5, 7, 8, 10, 0, 2} for n in new)
    strong = [n for n in new if n.start % 2 < 1e-6]
    assert all(n.pitch % 12 in ({3, 7, 10} if n.start < 20 else {8, 0, 3}) for n in strong)
    assert [n for n in made.piece.parts[0].notes if n.start < 16] == notes[:16]


def test_new_bars_have_a_plan_and_the_expression_of_what_is_generated():
    muse = load("lieder")
    tune = [Note(i / 2, 60 + (0, 4, 7, 4, 5, 9, 7, 4)[i % 8], 0.5, 64) for i in range(64)]
    piece = Piece([Part("Voice", 53, notes=tune)])
    planned = []
    plan_for = muse._plan
    muse._plan = lambda *given: planned.append(plan := plan_for(*given)) or plan
    made = infill(muse, piece, 5, 6, None, Settings(seed=2), 1)
    (plan,) = planned
    assert len(plan.begun) == 4, "the bars before the gap are planned from"
    assert len(plan._rows) >= 6
    new = [n for part in made.piece.parts for n in part.notes if 16 <= n.start < 24]
    assert len({n.velocity for n in new}) > 1
    assert all(n.velocity == 64 for n in made.piece.parts[0].notes if not 16 <= n.start < 24)
    assert made.piece.tempos == piece.tempos
    plain = infill(load("lieder"), piece, 5, 6, None, Settings(seed=2, expression=0), 1)
    assert [n.pitch for part in plain.piece.parts for n in part.notes] == [
        n.pitch for part in made.piece.parts for n in part.notes
    ]
