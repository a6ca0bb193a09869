"""The guard: a player never runs along the corpus too far, and never against what the performer played."""

import random
from dataclasses import replace

import numpy as np
import pytest
import test_originality as corpus

from rnnmuse.compose.muse import load
from rnnmuse.models.originality import LIMIT, index_of, lines_of
from rnnmuse.music.codec import encode
from rnnmuse.play.guard import Guard, limit_of

ALL = np.ones(128, np.bool_)


@pytest.fixture(scope="module")
def index():
    return index_of([encode(one, corpus.PARTS) for one in corpus.CORPUS], [], corpus.DRUMS)


def follow(guard, notes, own=True, part=0):
    """Play notes as far as the guard lets them; the first that it rules out, or None."""
    for count, note in enumerate(notes):
        grid = round(note.start * 24)
        if own and not guard.allowed(part, grid, ALL)[note.pitch]:
            return count
        guard.take(part, grid, note.pitch, own)
    return None


@pytest.mark.parametrize("original", [0.3, 0.5, 1.0])
def test_a_run_ends_before_the_limit(index, original):
    for seed in range(8):
        stopped = follow(Guard(index, 1, original), corpus.melody(seed)[5:50])
        assert stopped is not None
        assert limit_of(original) - 4 <= stopped < limit_of(original)


def test_drums_end_before_theirs(index):
    guard = Guard(index, 1)
    notes = sorted(corpus.drumming(3))
    stopped = follow(guard, notes, part=1)
    beginnings = len({note.start for note in notes[:stopped]})
    assert limit_of(0.5, True) - 6 <= beginnings <= limit_of(0.5, True)


def test_chords_are_followed_by_their_highest_note(index):
    notes = [n for note in corpus.melody(2)[:40] for n in (replace(note, pitch=note.pitch - 20), note)]
    stopped = follow(Guard(index, 1), notes)
    assert stopped is not None
    assert notes[stopped].pitch >= 50, "what lies beneath the line is free"


def test_off_lets_everything_pass_and_new_music_passes(index):
    assert follow(Guard(index, 1, 0.0), corpus.melody(2)) is None
    for seed in range(500, 520):
        assert follow(Guard(index, 1), corpus.melody(seed)) is None
    with pytest.raises(ValueError, match="original"):
        limit_of(1.5)


def test_what_the_performer_played_may_be_repeated(index):
    """A phrase of the corpus that the performer plays comes back note for note, also in another key."""
    guard = Guard(index, 1)
    phrase = corpus.melody(6)[:30]
    assert follow(guard, phrase, own=False) is None
    later = [replace(n, start=n.start + 100, pitch=n.pitch + 5) for n in phrase]
    assert follow(guard, later) is None
    assert follow(Guard(index, 1), later) is not None


def test_saved_and_restored_it_decides_the_same(index):
    rng = random.Random(3)
    notes = corpus.melody(7)[:40]
    straight, jumping = Guard(index, 1), Guard(index, 1)
    for at, note in enumerate(notes[:13]):
        straight.take(0, round(note.start * 24), note.pitch, True)
        saved = jumping.save()
        for wild in notes[at : at + rng.randrange(4)]:
            jumping.take(0, round(wild.start * 24), rng.randrange(128), True)
        jumping.restore(saved)
        jumping.take(0, round(note.start * 24), note.pitch, True)
    for note in notes[13:16]:
        grid = round(note.start * 24)
        assert (straight.allowed(0, grid, ALL) == jumping.allowed(0, grid, ALL)).all()
    assert straight.save() == jumping.save()


def test_where_nothing_else_may_be_played_it_gives_way(index):
    guard = Guard(index, 1)
    notes = corpus.melody(1)[:30]
    for note in notes:
        grid = round(note.start * 24)
        only = np.zeros(128, np.bool_)
        only[note.pitch] = True
        assert guard.allowed(0, grid, only)[note.pitch]
        guard.take(0, grid, note.pitch, True)


@pytest.mark.parametrize("name", ["lieder", "piano", "grooves", "band", "leadsheet"])
def test_shipped_models_have_an_index_and_keep_under_it(name):
    muse = load(name)
    assert muse.model.corpus is not None
    assert muse.model.corpus.figures > 10_000
    piece = muse.generate(8, seed=11)
    run = muse.model.corpus.find(lines_of(piece)).run
    assert run.notes < (32 if run.drum else LIMIT)


def test_the_guard_draws_no_random_numbers_of_its_own():
    """The same seed gives the same music with and without it, as long as nothing is steered."""
    muse = load("lieder")
    assert muse.generate(4, seed=2).notes == muse.generate(4, seed=2, original=0.0).notes
