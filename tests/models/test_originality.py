"""The index of a corpus: nothing of it is missed, chance hits are as rare as stated, Python and numpy agree."""

import random
from dataclasses import replace

import numpy as np
import pytest

from rnnmuse.events import Note
from rnnmuse.models.fingerprint import LONGEST, STRIDE, Fingerprint, letters
from rnnmuse.models.originality import (
    DRUM_HASH,
    DRUM_SPAN,
    MOST_BYTES,
    PERIOD,
    SPAN,
    Index,
    drum_step,
    hash_of,
    hashes_of,
    index_of,
    is_common,
    lines_of,
    step_of,
)
from rnnmuse.music.codec import PartClass, encode
from rnnmuse.music.piece import Part, Piece

PARTS = (PartClass("piano", 0, (0,)), PartClass("drums", drum=True))
DRUMS = frozenset({1})


def melody(seed, count=60, low=50, start=0.0, stretch=1.0):
    rng = random.Random(seed)
    notes, beat = [], start
    for _ in range(count):
        notes.append(Note(beat, low + rng.randrange(20), 0.25 * stretch))
        beat += rng.choice((0.25, 0.5, 1.0)) * stretch
    return notes


def drumming(seed, count=80):
    rng = random.Random(seed)
    return [Note(i / 4, pitch, 0.1) for i in range(count) for pitch in (36, 38, 42, 46) if rng.random() < 0.4]


def piece(notes, drum=False):
    return Piece([Part("Drums" if drum else "Piano", drum=drum, notes=sorted(notes))])


CORPUS = [piece(melody(seed)) for seed in range(40)] + [piece(drumming(seed), True) for seed in range(10)]
HELD = [piece(melody(seed)) for seed in range(900, 920)]


@pytest.fixture(scope="module")
def index():
    return index_of([encode(one, PARTS) for one in CORPUS], [encode(one, PARTS) for one in HELD], DRUMS)


def longest_common(one, two):
    """The longest run of steps of two lines, by comparing every pair of places."""
    best = 0
    for a in range(len(one)):
        for b in range(len(two)):
            n = 0
            while a + n < len(one) and b + n < len(two) and one[a + n] == two[b + n]:
                n += 1
            best = max(best, n)
    return best


@pytest.mark.parametrize("length", [12, 16, 17, 24, 40])
def test_a_canary_is_found_in_any_transposition_at_its_length(index, length):
    for seed in range(5):
        canary = melody(seed)[10 : 10 + length]
        moved = [replace(n, pitch=n.pitch + 7, start=n.start + 100) for n in canary]
        around = melody(1000 + seed, 30) + moved + melody(2000 + seed, 30, start=200)
        run = index.find(lines_of(piece(around))).run
        assert run.notes >= length
        assert run.notes <= length + 3, "by chance a run may look some notes longer"
        assert run.beat == pytest.approx(moved[0].start, abs=1.1)


def test_drums_are_found_too(index):
    run = index.find(lines_of(CORPUS[-1])).run
    assert run.drum
    assert run.notes > 60


def test_new_music_has_little_in_common(index):
    """Beside an exact search over the whole corpus."""
    corpus = [line.steps.tolist() for one in CORPUS[:40] for line in lines_of(one)]
    for seed in range(300, 306):
        (line,) = lines_of(piece(melody(seed)))
        exact = max(longest_common(line.steps.tolist(), one) for one in corpus)
        assert exact < SPAN
        found = index.find([line])
        assert found.run.notes < 16
        assert found.overlap < 0.12
    assert index.runs[3] < 16
    assert index.overlaps[1] < 0.1


def test_a_false_hit_is_as_rare_as_it_says(index):
    values = np.random.default_rng(5).integers(0, 1 << 64, 50_000, np.uint64)
    assert index.have(values).mean() == pytest.approx(index.false, abs=0.01)
    assert index.false < 0.16
    assert index.false_alarm(1000) < 1e-3
    assert index.false_alarm(10) == 0.0


def test_python_and_numpy_agree(index):
    rng = random.Random(2)
    for drum, span in ((False, SPAN), (True, DRUM_SPAN)):
        if drum:
            steps = [drum_step(DRUM_HASH[rng.choice((36, 38))], rng.choice((6, 12))) for _ in range(60)]
        else:
            steps = [step_of(60, 60 + rng.randrange(-2, 3), rng.choice((6, 12))) for _ in range(60)]
        values, common = hashes_of(np.array(steps, np.uint64), drum)
        own = [hash_of(steps[at : at + span]) for at in range(len(steps) - span + 1)]
        assert values.tolist() == own
        assert index.have(values).tolist() == [index.holds(value) for value in own]
        period = 8 if drum else PERIOD
        assert common.tolist() == [is_common(steps[at : at + span], period) for at in range(len(own))]


def test_figures_that_repeat_belong_to_nobody(index):
    scale = [Note(i / 4, 40 + i, 0.25) for i in range(40)]
    alberti = [Note(i / 4, (48, 55, 52, 55)[i % 4], 0.25) for i in range(64)]
    both = [encode(piece(notes), PARTS) for notes in (scale, alberti)]
    made = index_of(both, [], DRUMS)
    assert made.figures == 0
    assert made.find(lines_of(piece(scale))).run.notes == 0
    # and they do not break a run
    canary = melody(3)[:12]
    tail = [Note(canary[-1].start + (i + 1) / 4, canary[-1].pitch, 0.25) for i in range(20)]
    learned = index_of([encode(piece(canary + tail), PARTS)], [], DRUMS)
    assert learned.find(lines_of(piece(canary + tail))).run.notes >= 12


def test_it_is_kept_in_a_file(index, tmp_path):
    index.save(tmp_path / "x.npz")
    again = Index.load(tmp_path / "x.npz")
    assert (again.bits == index.bits).all()
    assert replace(again, bits=index.bits) == index or again.runs == index.runs
    data = (tmp_path / "x.npz").read_bytes()
    rng = random.Random(1)
    for _ in range(200):
        bad = bytearray(data)
        for _ in range(3):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        (tmp_path / "y.npz").write_bytes(bad[: rng.randrange(len(bad))] if rng.random() < 0.3 else bad)
        try:
            Index.load(tmp_path / "y.npz")
        except ValueError as error:
            assert "y.npz" in str(error)
    (tmp_path / "y.npz").write_bytes(bytes(MOST_BYTES + 1))
    with pytest.raises(ValueError, match="over"):
        Index.load(tmp_path / "y.npz")


def test_runs_of_letters():
    rng = random.Random(4)
    words = ["".join(rng.choice("abcdefghij") for _ in range(5)) for _ in range(2000)]
    known = Fingerprint.of([" ".join(words)])
    assert known.longest("something else entirely, " * 10) == 0
    for count in (10, 20, 40):
        quoted = "My own beginning; " + ", ".join(words[100 : 100 + count]) + ". And my own end."
        length = len(letters("".join(words[100 : 100 + count])))
        found = known.longest(quoted)
        assert length - 2 * STRIDE <= found <= length
        assert (found > 0) == (length >= LONGEST)
