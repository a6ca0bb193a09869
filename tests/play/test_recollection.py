"""What was played is expected again: by pitch, by interval, as surely as it was heard; and it stays small."""

from collections import Counter
from random import Random

import numpy as np
import pytest

from rnnmuse.play.recollection import MOST, Recollection, combined, recalled, relative_entropy

RIFF = [60, 63, 65, 67, 70, 67, 65, 62]


def heard(pitches, memory=None, start=0.0):
    memory = memory or Recollection()
    for index, pitch in enumerate(pitches):
        memory.hear(start + index * 0.5, pitch)
    return memory


def test_a_riff_that_was_played_is_foretold_where_it_is_and_elsewhere():
    memory = heard(RIFF * 4)
    for shift in (0, 5):
        line = [p + shift for p in RIFF]
        for index in range(3, len(RIFF)):
            expected = memory.expect(line[:index])
            assert expected is not None
            assert int(expected.argmax()) == line[index]
    assert memory.expect([60, 61]) is None
    assert memory.expect([]) is None


def test_probabilities_are_one_in_all_and_counts_are_those_of_a_second_count():
    random = Random(3)
    pitches = [random.choice((60, 62, 64)) for _ in range(200)]
    memory = heard(pitches)
    assert memory.expect([60, 62]).sum() == pytest.approx(1)
    follows = Counter(c for a, b, c in zip(pitches, pitches[1:], pitches[2:], strict=False) if (a, b) == (60, 62))
    assert memory._table["pitch", (60, 62)] == follows


def test_of_a_chord_the_highest_note_counts_and_a_note_heard_twice_is_one():
    memory = Recollection()
    for beat, pitches in enumerate([(60, 48), (62, 62), (50, 64)] * 3):
        for pitch in pitches:
            memory.hear(float(beat), pitch)
    assert [pitch for _, pitch in memory.notes] == [60, 62, 64] * 3


def test_it_stays_as_small_as_a_memory_of_the_last_notes_alone():
    random = Random(1)
    pitches = [random.randint(55, 75) for _ in range(MOST + 700)]
    memory, other = heard(pitches), heard(pitches[-MOST:], start=350.0)
    assert len(memory) == MOST
    assert memory._table == other._table
    memory.forget()
    assert len(memory) == 0 == len(memory._table)


def test_a_file_brings_it_back_and_what_is_none_is_refused():
    memory = heard(RIFF * 2)
    other = heard([50, 52, 54, 55])
    other.read(memory.to_text())
    assert len(other) == len(RIFF) * 2 + 4
    assert int(other.expect(RIFF[:3]).argmax()) == RIFF[3]
    assert int(other.expect([50, 52, 54]).argmax()) == 55
    for text in (
        "",
        "{}",
        '{"format": 9, "notes": []}',
        '{"format": 1, "notes": [[0, 300]]}',
        '{"format": 1, "notes": 3}',
    ):
        with pytest.raises(ValueError, match="memory"):
            other.read(text)


def test_whoever_is_surer_counts_for_more():
    flat, sharp = np.full(128, 1 / 128), np.full(128, 0.01 / 127)
    sharp[60] = 0.99
    assert relative_entropy(flat) == pytest.approx(1)
    assert combined((flat, sharp))[60] > 0.9
    logits = np.zeros(128, np.float32)
    logits[0] = -np.inf
    assert recalled(logits, sharp, 0.0)[60] == pytest.approx(recalled(logits, sharp, 0.0)[61], abs=1e-4)
    mixed = recalled(logits, sharp, 1.0)
    assert mixed.argmax() == 60
    assert mixed[0] == -np.inf
