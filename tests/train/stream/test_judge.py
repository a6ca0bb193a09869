"""The two-sample test tells what it should, and no more; excerpts are what the pieces hold."""

import math

import numpy as np
import pytest

from rnnmuse.compose.muse import Muse
from rnnmuse.events import Note
from rnnmuse.models.bundle import find, load_stream
from rnnmuse.music.codec import PartClass, encode
from rnnmuse.music.piece import Metre, Part, Piece
from rnnmuse.train.corpus import Item
from rnnmuse.train.grouping import sketch
from rnnmuse.train.stream import judge
from rnnmuse.train.stream.excerpts import PROMPT, Excerpt, between, excerpts
from rnnmuse.train.stream.features import features


@pytest.fixture(autouse=True)
def small_forest(monkeypatch):
    monkeypatch.setattr(judge, "TREES", 80)


CLASSES = (PartClass("piano", 0, (0,)), PartClass("drums", drum=True))


def tune(seed: int, bars: int = 32, repeat: float = 1.0, metre: Metre | None = None) -> Piece:
    """A tune over drums; a bar restates the one four bars before with probability ``repeat``."""
    random = np.random.default_rng(seed)
    beats = metre.bar_beats if metre else 4.0
    made: list[list[int]] = []
    notes, strokes = [], []
    for bar in range(bars):
        fresh = (60 + random.choice([0, 2, 4, 5, 7, 9, 11], int(2 * beats))).tolist()
        made.append(made[bar - 4] if bar >= 4 and random.random() < repeat else fresh)
        notes += [Note(bar * beats + i / 2, pitch, 0.5, 80) for i, pitch in enumerate(made[bar])]
        strokes += [Note(bar * beats + i, (36, 38)[i % 2], 0.1, 90) for i in range(int(beats))]
    return Piece(
        [Part("Piano", notes=notes), Part("Drums", drum=True, notes=strokes)], metres=[metre or Metre(0.0, 4, 4)]
    )


def item(seed: int, **more) -> Item:
    piece = tune(seed, **more)
    return Item(f"{seed}.mid", encode(piece, CLASSES), sketch(piece), seed, "test")


def windows(seeds, repeat):
    made = []
    for seed in seeds:
        piece = tune(seed, 16, repeat)
        excerpt = Excerpt("x", seed, Metre(0.0, 4, 4), 120.0, (0, 1), Piece(), piece)
        made.append(judge.measured(piece, 16, excerpt))
    return made


def test_excerpts_are_the_bars_of_the_piece():
    piece = tune(1)
    found = excerpts([item(1)], CLASSES, 16, 3)
    assert len(found) == 3
    first = next(one for one in found if one.prompt.parts[0].notes[0].pitch == piece.parts[0].notes[0].pitch)
    want = [(n.start - 32, n.pitch) for n in piece.parts[0].notes if 32 <= n.start < 96]
    assert [(n.start, n.pitch) for n in first.real.parts[0].notes] == want
    assert first.players == (0, 1)
    assert (first.metre.numerator, first.metre.denominator) == (4, 4)


def test_excerpts_of_a_waltz_have_its_bars_and_too_short_pieces_none():
    found = excerpts([item(2, metre=Metre(0.0, 3, 4)), item(3, bars=20)], CLASSES, 16, 4)
    assert {one.name for one in found} == {"2.mid"}
    assert {one.metre.bar_beats for one in found} == {3.0}
    assert all(one.prompt.end == pytest.approx(PROMPT * 3.0) for one in found)


def test_excerpts_are_spread_over_the_pieces():
    found = excerpts([item(seed, bars=48) for seed in range(4)], CLASSES, 16, 8)
    assert sorted(one.group for one in found) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_notes_of_a_span_end_with_it():
    notes = [Note(0.0, 60, 8.0, 80), Note(3.99, 62, 1.0, 80), Note(5.0, 64, 9.0, 80)]
    cut = between(notes, 96, 192)
    assert [(round(n.start, 2), n.pitch, round(n.duration, 2)) for n in cut] == [(-0.01, 62, 1.0), (1.0, 64, 3.0)]


def test_music_that_does_not_repeat_is_told_and_the_reason_is_named():
    groups = list(range(30))
    real, made = windows(range(30), 1.0), windows(range(100, 130), 0.0)
    found = judge.two_sample(real, made, groups)
    assert found["area"] > 0.95
    assert any("repeated" in row["feature"] or "likeness at 4" in row["feature"] for row in found["tell"][:3])
    rows = {row["measure"]: row for row in judge.structure({"real": real, "from nothing": made, "continued": made})}
    assert rows["repeated bars, exact: piano"]["real"] > 0.6
    assert rows["repeated bars, exact: piano"]["from nothing"] < 0.1
    assert rows["parts that stay"]["continued"] == 1


def test_music_of_one_kind_cannot_be_told():
    found = judge.two_sample(windows(range(30), 1.0), windows(range(100, 130), 1.0), list(range(30)))
    assert 0.2 < found["area"] < 0.75
    assert 0.2 < judge.control(windows(range(30), 1.0), list(range(30))) < 0.8
    assert judge.control(windows(range(4), 1.0), list(range(4))) is None


def test_works_are_never_in_two_folds():
    """Windows told apart by their work alone: a test that split works would always find them out."""
    real, made = windows([0] * 10 + [1] * 10, 1.0), windows([0] * 10 + [1] * 10, 1.0)
    for window in made[:10]:
        window.features["notes a beat"] += 1
    for window in made[10:]:
        window.features["notes a beat"] -= 1
    assert judge.two_sample(real, made, [0] * 10 + [1] * 10)["area"] <= 0.6


def test_features_have_the_same_names_for_every_window_and_survive_silence():
    names = set(features(tune(1), 16, 4.0))
    assert len(names) >= 60
    for piece in (Piece(), Piece([Part("Drums", drum=True, notes=[Note(0.0, 36, 0.1, 80)])])):
        found = features(piece, 16, 4.0)
        assert set(found) == names
        assert all(math.isnan(value) or math.isfinite(value) for value in found.values())


def test_runs_of_a_training_piece_are_counted_as_copied_whatever_the_key():
    piece = tune(5, 24, 0.0)
    half = Piece([Part("Piano", notes=[n for n in piece.parts[0].notes if n.start < 64])])
    up = Piece([Part("Piano", notes=[Note(n.start, n.pitch + 3, n.duration, 60) for n in half.parts[0].notes])])
    other = tune(6, 16, 0.0)
    prompt = Excerpt("x", 1, Metre(0.0, 4, 4), 120.0, (0,), half, half)
    found = {kind: [judge.measured(one, 16, prompt)] for kind, one in zip(judge.KINDS, (up, other, up), strict=True)}
    copied = judge.copies(found, [prompt], [piece])
    assert (copied["real"]["share"], copied["real"]["windows"]) == (1.0, 1)
    assert copied["from nothing"]["share"] == 0
    assert copied["continued"]["runs"] == 0, "the prompt held them"


def test_pieces_are_looked_through_for_runs_of_training_pieces():
    model = load_stream("grooves")
    made = [Muse(model).generate(4, seed=judge.UNSEEN + index) for index in range(3)]
    assert judge.copied("grooves", frozenset(), 3, 4, 1)["holding"] == 0
    found = judge.copied("grooves", judge.known_runs(made[1:2]), 3, 4, 1)
    assert found["holding"] >= 1
    assert found["known"] >= len(set(judge.known_runs(made[1:2]))) > 0
    assert found == judge.copied("grooves", judge.known_runs(made[1:2]), 3, 4, 2)


def test_a_part_that_was_asked_for_and_does_not_play_is_named():
    alone = Piece([Part("Piano", notes=tune(1, 16).parts[0].notes)])
    excerpt = Excerpt("x", 1, Metre(0.0, 4, 4), 120.0, (0, 1), Piece(), alone)
    assert judge.silent([judge.measured(alone, 16, excerpt)], [excerpt], CLASSES) == {"drums": [1, 1]}


def test_windows_of_a_shipped_model_are_made_in_two_processes_as_in_one(tmp_path):
    parts = tuple(
        PartClass(**{**part, "families": tuple(part.get("families", ()))}) for part in find("grooves").about["parts"]
    )
    held = [Item("a.mid", encode(tune(seed), parts), frozenset(), seed, "test") for seed in (1, 2)]
    found = excerpts(held, parts, 8, 2)
    seen: list[tuple[int, int]] = []
    two = judge.windows("grooves", found, 8, 2, lambda done, every: seen.append((done, every)))
    one = judge.windows("grooves", found, 8, 1)
    assert seen[-1] == (6, 6)
    for kind in judge.KINDS:
        assert [w.piece.notes for w in two[kind]] == [w.piece.notes for w in one[kind]]
        assert len(two[kind]) == 2
        assert all(-0.1 < n.start < 32 for w in two[kind] for n in w.piece.notes)
