"""Voicings against the rules of part-writing, counted here by other means than in the code."""

from itertools import combinations
from random import Random

import pytest

from rnnmuse.music.theory import parse_chord
from rnnmuse.play.voicing import Before, parallels, voiced, whole

CHORDS = [
    *("C", "Am", "F", "G7", "Dm7", "G", "E7", "Bdim", "Cmaj7", "Fm", "C/E", "G/B", "Dm/F", "C/Bb"),
    *("Ebmaj7", "Bb7", "F#m7b5", "Gsus4", "Caug", "D9", "A7b9", "N.C."),
]


def progression(seed, count=200):
    random = Random(seed)
    melody, out = 72, []
    for _ in range(count):
        symbol = random.choice([c for c in CHORDS if c != "N.C."])
        tones = parse_chord(symbol).pitch_classes
        melody = random.choice([p for p in range(62, 85) if p % 12 in tones and abs(p - melody) < 9] or [melody])
        out.append((symbol, melody))
    return out


@pytest.mark.parametrize("symbol", [c for c in CHORDS if c != "N.C."])
@pytest.mark.parametrize("melody", [None, 67, 79])
def test_a_chord_is_whole_beneath_the_melody_with_its_bass_below(symbol, melody):
    chord = parse_chord(symbol)
    notes = voiced(symbol, melody)
    assert len(notes) == 4
    assert list(notes) == sorted(notes)
    assert {p % 12 for p in notes} <= chord.pitch_classes
    assert whole(notes, symbol)
    assert melody is None or max(notes) < melody
    if "/" in symbol:
        assert notes[0] % 12 == chord.bass


def test_no_chord_is_silence_and_a_low_melody_gets_what_there_is_room_for():
    assert voiced("N.C.") == ()
    assert voiced("C", 5) == ()
    assert all(p < 50 for p in voiced("C", 50))


def test_the_bass_and_the_melody_make_no_parallels():
    found = count = 0
    for seed in range(5):
        before = None
        for symbol, melody in progression(seed):
            notes = voiced(symbol, melody, before)
            if before is not None:
                outer = [(before.notes[0], before.melody), (notes[0], melody)]
                intervals = [(high - low) % 12 for low, high in outer]
                moves = [outer[1][i] - outer[0][i] for i in (0, 1)]
                found += intervals[0] == intervals[1] in (0, 7) and moves[0] * moves[1] > 0
                count += 1
            before = Before(notes, melody)
    assert found / count < 0.02


def test_voices_move_less_than_in_root_position_anew():
    near = far = 0
    before = None
    for symbol, melody in progression(7):
        notes = voiced(symbol, melody, before)
        fresh = voiced(symbol, melody)
        if before is not None:
            near += sum(min(abs(p - q) for q in before.notes) for p in notes[1:])
            far += sum(min(abs(p - q) for q in before.notes) for p in fresh[1:])
        before = Before(notes, melody)
    assert near < far


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ((48, 55), (50, 57), 1),  # C-G to D-A: fifths
        ((48, 60), (47, 59), 1),  # octaves
        ((48, 55), (43, 59), 0),  # against each other
        ((48, 55), (48, 55), 0),  # nothing moves
        ((48, 52), (50, 53), 0),  # thirds
        ((48, 55, 64, 72), (50, 57, 65, 74), 2),
    ],
)
def test_parallels_are_counted(old, new, expected):
    assert parallels(old, new) == expected
    pairs = combinations(range(len(old)), 2)
    again = sum(
        (old[j] - old[i]) % 12 == (new[j] - new[i]) % 12 in (0, 7) and (new[i] - old[i]) * (new[j] - old[j]) > 0
        for i, j in pairs
    )
    assert again == expected
